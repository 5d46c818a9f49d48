"""The levels of a tree as tables."""

from typing import Any

from report import tables
from report.class_tables import RATIOS
from report.formatting import number

SUMMARY = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "subset_accuracy": "subset\naccuracy"}  # name → heading


def show(split: str, by_choice: dict[str, list[dict[str, Any]]], classes: set[str]) -> None:
    """Print a row a level, and a row a node above the classes, each figure at 0.5 and tuned side by side.

    Args:
        split: the one that is judged.
        by_choice: "0.5" or "tuned" → the levels of `levels.level_figures`.
        classes: the names of the classes, which have a table of their own.
    """
    choices = list(by_choice)
    levels = list(zip(*by_choice.values(), strict=True))
    tables.show(
        f"Levels of the tree in {split}, the tops first",
        ["level", "nodes", "mAP", *(f"{name}\n{choice}" for name in SUMMARY.values() for choice in choices)],
        [
            [str(level[0]["level"]), str(level[0]["nodes"]), number(level[0]["mAP"]),
             *(number(version[key]) for key in SUMMARY for version in level)]
            for level in levels
        ],
    )  # fmt: skip
    nodes = [versions for level in levels for versions in zip(*(each["rows"] for each in level), strict=True)]
    tables.show(
        f"Nodes above the classes in {split}",
        ["node", "images", "AP", *(f"{name}\n{choice}" for name in RATIOS.values() for choice in choices)],
        [
            [node[0]["class"], f"{node[0]['support']:,}", number(node[0]["AP"]),
             *(number(version[key]) for key in RATIOS for version in node)]
            for node in nodes if node[0]["class"] not in classes
        ],
    )  # fmt: skip
