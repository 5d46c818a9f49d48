"""A row of experiments/RESULTS.md, reckoned anew from the scores that it came from."""

import re
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, f1_score

import thresholds

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
COLUMNS = ("mAP", "macro-F1", "subset accuracy")


def test_whole_of_the_partition_table_is_what_its_scores_say():
    table = (
        (EXPERIMENTS / "RESULTS.md").read_text(encoding="utf-8").split("## One model, parts, an ensemble, a tree")[1]
    )
    heading = [cell.strip() for cell in next(line for line in table.splitlines() if "macro-F1" in line).split("|")]
    row = [cell.strip() for cell in re.search(r"^\| `whole` .*$", table, re.MULTILINE)[0].split("|")]
    figures = []
    with np.load(EXPERIMENTS / "scores" / "whole.npz", allow_pickle=False) as stored:
        for seed in sorted({name.split("/")[0] for name in stored}):
            parts = [stored[f"{seed}/{split}/{name}"] for split in ("val", "test") for name in ("labels", "scores")]
            val_labels, val_scores, labels, scores = parts
            chosen = thresholds.fit(val_labels, val_scores, "shrink", rates=stored[f"{seed}/rates"])
            called = scores >= chosen
            present = labels.any(axis=0)
            figures.append((
                average_precision_score(labels[:, present], scores[:, present], average="macro"),
                f1_score(labels, called, average="macro", zero_division=0),
                (labels == called).all(axis=1).mean(),
            ))  # fmt: skip
    means, deviations = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1)
    assert len(figures) == int(row[2]) == 3
    for column, mean, deviation in zip(COLUMNS, means, deviations, strict=True):
        assert row[heading.index(column)] == f"{mean:.3f} ± {deviation:.3f}", column
