"""Figures of a run over a tree of labels: of the cache's own classes, which other runs are compared by, and by level.

All that stands above a predicted node is predicted too, whatever its own threshold. `tree` is a
`data.labels.hierarchy.Tree` of M nodes, the first K of which are the classes; labels and scores are (N, M); cuts are a
`decision.Decision`, or its thresholds alone, (M,) or one number. Without a tree, all M are classes.
"""

from typing import Any

import numpy as np

from evaluation import metrics
from evaluation.decision import Decision, decided

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
