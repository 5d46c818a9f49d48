"""Figures of a run over a tree of labels: of the cache's own classes, which other runs are compared by, and by level.

All that stands above a predicted node is predicted too, whatever its own threshold. `tree` is a `data.hierarchy.Tree`
of M nodes, the first K of which are the classes; labels and scores are (N, M); cuts are a `decision.Decision`, or its
thresholds alone, (M,) or one number. Without a tree, all M are classes.
"""

from typing import Any

import numpy as np

import metrics
from decision import Decision, decided

Cuts = Decision | np.ndarray | float


def predictions(tree: Any, scores: np.ndarray, cuts: Cuts) -> np.ndarray:
    """(N, M) bool."""
    return decided(cuts).predictions(scores, tree)


def class_summary(tree: Any, labels: np.ndarray, scores: np.ndarray, cuts: Cuts) -> dict[str, Any]:
    """`metrics.summary` of the K classes."""
    return _summary(np.arange(_classes(tree, labels)), tree, labels, scores, cuts)


def class_rows(tree: Any, labels: np.ndarray, scores: np.ndarray, cuts: Cuts, names: list[str]) -> list[dict[str, Any]]:
    """The rows of `metrics.per_class` of the K classes; `names` are those of all M nodes."""
    return _rows(np.arange(_classes(tree, labels)), tree, labels, scores, cuts, names)


def level_figures(
    tree: Any, labels: np.ndarray, scores: np.ndarray, cuts: Cuts, names: list[str]
) -> list[dict[str, Any]]:
    """The tree level by level, the tops first.

    Returns:
        For each level "level", "nodes" (how many), all of `metrics.summary` over its nodes, and "rows", those of
        `metrics.per_class`.
    """
    found = []
    for level in range(1, tree.depth + 1):
        places = np.flatnonzero(tree.levels == level)
        rows = _rows(places, tree, labels, scores, cuts, names)
        figures = _summary(places, tree, labels, scores, cuts)
        found.append({"level": level, "nodes": len(places), **figures, "rows": rows})
    return found


def show(split: str, by_choice: dict[str, list[dict[str, Any]]], classes: set[str]) -> None:
    """Print a row a level, and a row a node above the classes, each figure at 0.5 and tuned side by side.

    Args:
        split: the one that is judged.
        by_choice: "0.5" or "tuned" → `level_figures`.
        classes: the names of the classes, which have a table of their own.
    """
    from report import tables
    from report.page import number

    choices = list(by_choice)
    levels = list(zip(*by_choice.values(), strict=True))
    shown = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "subset_accuracy": "subset\naccuracy"}
    tables.show(
        f"Levels of the tree in {split}, the tops first",
        ["level", "nodes", "mAP", *(f"{name}\n{choice}" for name in shown.values() for choice in choices)],
        [
            [str(level[0]["level"]), str(level[0]["nodes"]), number(level[0]["mAP"]),
             *(number(version[key]) for key in shown for version in level)]
            for level in levels
        ],
    )  # fmt: skip
    nodes = [versions for level in levels for versions in zip(*(each["rows"] for each in level), strict=True)]
    ratios = {"precision": "precision", "recall": "recall", "f1": "F1"}
    tables.show(
        f"Nodes above the classes in {split}",
        ["node", "images", "AP", *(f"{name}\n{choice}" for name in ratios.values() for choice in choices)],
        [
            [node[0]["class"], f"{node[0]['support']:,}", number(node[0]["AP"]),
             *(number(version[key]) for key in ratios for version in node)]
            for node in nodes if node[0]["class"] not in classes
        ],
    )  # fmt: skip


def _classes(tree: Any, labels: np.ndarray) -> int:
    return labels.shape[1] if tree is None else tree.classes


def _summary(places: np.ndarray, tree: Any, labels: np.ndarray, scores: np.ndarray, cuts: Any) -> dict[str, Any]:
    chosen = predictions(tree, scores, cuts)[:, places]
    return metrics.summary(labels[:, places], scores[:, places], decided(cuts).thresholds, chosen)


def _rows(
    places: np.ndarray, tree: Any, labels: np.ndarray, scores: np.ndarray, cuts: Any, names: list[str]
) -> list[dict[str, Any]]:
    own = np.broadcast_to(np.asarray(decided(cuts).thresholds, dtype=np.float64), (labels.shape[1],))[places]
    chosen = predictions(tree, scores, cuts)[:, places]
    return metrics.per_class(labels[:, places], scores[:, places], own, [names[place] for place in places], chosen)
