"""The benches of thresholds from the shell, small."""

import re


def test_the_search_is_held_against_scikit_learns_curve(shell):
    printed = shell("-m", "bench.thresholds", "--rows", 3000, "--classes", 4)
    assert re.search(r"greatest difference between the two: [0-9.]+e-1[5-9]|0\.0e\+00", printed)
    assert "times as long" in printed and "per_class, subset_accuracy: " in printed


def test_the_simulation_has_a_row_a_number_of_positives(shell):
    printed = shell("-m", "bench.threshold_simulation", "--positives", 5, "50", "--draws", 10, "--rows", 400)
    rows = [line.split() for line in printed.splitlines() if re.match(r"(5|50) ", line)]
    assert [row[0] for row in rows] == ["5", "50"]
    assert all(float(row[2]) >= float(row[3]) for row in rows), "what is tuned promises more than it is worth"
