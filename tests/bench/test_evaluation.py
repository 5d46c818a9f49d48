"""The benches of the evaluation, small: they measure what they say."""

import re

from bench import evaluation, intervals


def test_a_small_evaluation(capsys):
    evaluation.main(evaluation.Config(images=300, classes=4, draws=9, group_size=3, reference_draws=1))
    printed = capsys.readouterr().out
    assert "300 images × 4 classes in groups of 3, 9 draws" in printed
    assert re.search(r"evaluate\.py: \d+\.\d s, \d+\.\d s of one core, at most \d+\.\d\d GB", printed)
    assert all(re.search(rf"{name} +[\d.]+", printed) for name in ("ours", "indexed anew"))


def test_intervals_of_few_sets(capsys):
    intervals.main(intervals.Config(images=(40, 800), repetitions=30, draws=100))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("40", "800"))]
    few, many = ([float(cell) for cell in row[1:] if cell != "%"] for row in rows)
    # Counted as 0 where a draw misses them, rare classes pull the draws of a small set below what they are about.
    assert few[1] < 20 < few[3] and few[0] < many[0] and min(many[1:]) > 60
