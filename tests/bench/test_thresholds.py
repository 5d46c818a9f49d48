"""The benches of thresholds from the shell, small."""

import re


def test_the_search_is_held_against_scikit_learns_curve(shell):
    printed = shell("-m", "bench.thresholds", "--rows", 3000, "--classes", 4)
    assert re.search(r"greatest difference between the two: ([0-9.]+e-1[5-9]|0\.0e\+00)\n", printed)
    assert re.search(r"the loop takes [0-9.]+ times as long", printed) and "per_class, subset_accuracy: " in printed


def test_the_simulation_has_a_row_a_number_of_positives(shell):
    printed = shell("-m", "bench.threshold_simulation", "--positives", 5, "50", "--draws", 10, "--rows", 400)
    rows = [line.split() for line in printed.splitlines() if re.match(r"(5|50) ", line)]
    assert [row[0] for row in rows] == ["5", "50"]
    assert all(float(row[2]) >= float(row[3]) for row in rows), "what is tuned promises more than it is worth"


def test_rules_over_a_tree_are_compared(shell):
    printed = shell("-m", "bench.tree_thresholds", "--rows", 300, "--draws", 1)
    rows = {line[:28].strip(): line[28:].split() for line in printed.splitlines()}
    closed, lowered, raised = (rows[name] for name in ("closed upwards", "parents lowered to children",
                                                       "children raised to parents"))  # fmt: skip
    assert closed[0] == lowered[0] and closed[2] == lowered[2], "the classes' own thresholds stay"
    assert float(raised[0]) <= float(closed[0]) + 0.05
