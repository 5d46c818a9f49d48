"""Predictions over a tree of labels, and its figures level by level.

All that stands above a predicted node is predicted too, whatever its own threshold. `tree` is a
`data.labels.hierarchy.Tree` of M nodes, the first K of which are the classes; without a tree, all M are classes.
"""

from typing import Any

import numpy as np

from data.labels.hierarchy import Tree
from evaluation.decision import Decision, decided
from evaluation.figures import EvaluatedSplit


def predictions(tree: Tree | None, scores: np.ndarray, cuts: Decision | np.ndarray | float) -> np.ndarray:
    """(N, M) bool; cuts are a decision, or its thresholds alone, (M,) or one number."""
    return decided(cuts).predictions(scores, tree)


def evaluated_nodes(
    tree: Tree | None, labels: np.ndarray, scores: np.ndarray, choices: dict[str, Any], groups: np.ndarray | None = None
) -> EvaluatedSplit:
    """All M nodes of labels and scores (N, M); `choices` are the names of cuts, see `predictions`."""
    chosen = {name: predictions(tree, scores, cuts) for name, cuts in choices.items()}
    return EvaluatedSplit(labels, scores, chosen, groups)


def level_figures(
    tree: Tree, nodes: EvaluatedSplit, rows: dict[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """The tree level by level, the tops first.

    Args:
        nodes: of the tree. rows: choice → the rows of `metrics.per_class` of these nodes.

    Returns:
        Choice → for each level "level", "nodes" (how many), all of `metrics.summary_of` its nodes, and their "rows".
    """
    found: dict[str, list[dict[str, Any]]] = {choice: [] for choice in rows}
    for level in range(1, tree.depth + 1):
        places = np.flatnonzero(tree.levels == level)
        for choice, figures in nodes.columns(places).summary().items():
            own = [rows[choice][place] for place in places]
            found[choice].append({"level": level, "nodes": len(places), **figures, "rows": own})
    return found
