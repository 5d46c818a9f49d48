"""The classes one by one: in the terminal and as a CSV, each figure at 0.5 and tuned side by side."""

import csv
from pathlib import Path

from common.files import written_aside
from report import tables
from report.formatting import cut, number

COUNTS = ("TP", "FP", "FN", "TN")
RATIOS = {"precision": "precision", "recall": "recall", "f1": "F1"}  # name → heading
BY_CHOICE = ("threshold", *COUNTS, *RATIOS)  # columns of the CSV for each choice of thresholds


def show(split: str, classes: dict) -> None:
    """Print a row a class, the largest first: ratios in one table, counts in another."""
    versions = list(zip(*classes.values(), strict=True))
    heads = [[row[0]["class"], f"{row[0]['training_images']:,}", f"{row[0]['support']:,}"] for row in versions]
    columns = ["class", "train\nimages", f"{split}\nimages"]
    measures = ["AP", *(f"{name}\n{choice}" for name in RATIOS.values() for choice in classes)]
    rows = [
        [*head, number(row[0]["AP"]), *(number(version[name]) for name in RATIOS for version in row)]
        for head, row in zip(heads, versions, strict=True)
    ]
    if "tuned" in classes:
        measures.append("threshold\ntuned")
        rows = [[*cells, cut(row[-1]["threshold"])] for cells, row in zip(rows, versions, strict=True)]
    tables.show(f"Classes in {split}, in order of their training images (0/0 counted 0)", columns + measures, rows)
    tables.show(
        f"The same in images of {split}: found (TP), false alarms (FP), missed (FN), rightly left out (TN)",
        columns + [f"{name}\n{choice}" for name in COUNTS for choice in classes],
        [
            [*head, *(f"{version[name]:,}" for name in COUNTS for version in row)]
            for head, row in zip(heads, versions, strict=True)
        ],
    )


def write(path: Path, split: str, classes: dict) -> None:
    """Write a CSV with a row a class, the largest first; each figure at 0.5 and tuned has a column of its own."""
    columns = ["class", "split", "training_images", "support", "AP"]
    columns += [f"{name}_{choice}" for choice in classes for name in BY_CHOICE]
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for versions in zip(*classes.values(), strict=True):
            row = {name: versions[0][name] for name in ("class", "training_images", "support")}
            row |= {"split": split, "AP": versions[0]["AP"] if versions[0]["support"] else ""}
            for choice, version in zip(classes, versions, strict=True):
                row |= {f"{name}_{choice}": version[name] for name in BY_CHOICE}
            writer.writerow(row)
