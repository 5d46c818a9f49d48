"""Large, medium and small classes apart: thirds of the classes' number, in order of their training images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

SIZES = ("large", "medium", "small")
FEW_IN_DRAWS = 5  # images of a class up to which draws miss it now and then: 1 in 150 if it has 5, 1 in 3 if it has 1
FEW_TO_TUNE = 10  # positives; with fewer, a tuned threshold is a guess


def thirds(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of the large, medium and small classes.

    A class without an image to find says nothing about a model, and is in none of them. Of a number that cannot be
    divided by three, the larger classes have one more.

    Args:
        rows: a dict a class with "training_images" and "support", in any order.

    Returns:
        "large", "medium" and "small" → rows, the largest class first; without any where there are too few classes.
    """
    ordered = sorted((row for row in rows if row["support"]), key=lambda row: -row["training_images"])
    parts = np.array_split(np.arange(len(ordered)), len(SIZES))
    return {size: [ordered[place] for place in part] for size, part in zip(SIZES, parts, strict=True)}


def figures(classes: dict[str, dict[str, list[dict[str, Any]]]], judged: str) -> list[dict[str, Any]]:
    """The figures of the classes of each size, in train, val and test.

    Args:
        classes: split → choice of thresholds → the rows of `metrics.per_class` with "training_images".
        judged: the split whose images say which classes there are.

    Returns:
        For each size that has classes "size", "classes" (their names), "training_images" and "support" (the fewest and
        the most), "AP", and "choices": choice → "f1" (split → mean over those of the classes that it has images of),
        "precision" and "recall" in the judged split.
    """
    found = []
    for size, rows in thirds(next(iter(classes[judged].values()))).items():
        if not rows:
            continue
        names = [row["class"] for row in rows]
        spans = {key: [min(row[key] for row in rows), max(row[key] for row in rows)] for key in SPANS}
        choices = {}
        for choice in classes[judged]:
            own = {split: _of(by_choice[choice], names) for split, by_choice in classes.items()}
            choices[choice] = {
                "f1": {split: _mean([row["f1"] for row in part if row["support"]]) for split, part in own.items()},
                **{key: _mean([row[key] for row in own[judged]]) for key in ("precision", "recall")},
            }
        found.append({"size": size, "classes": names, **spans, "AP": _mean([row["AP"] for row in rows]),
                      "choices": choices})  # fmt: skip
    return found


SPANS = ("training_images", "support")


def _of(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    by_name = {row["class"]: row for row in rows}
    return [by_name[name] for name in names]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
