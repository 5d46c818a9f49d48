"""Thresholds of a tree of labels, from below: a node is tuned knowing what is predicted below it.

Wherever predictions are made, all that stands above a predicted node is predicted too, so children and parents always
agree. Thresholds that agree by themselves (no parent's above a child's) would be the worse rule: they would lower a
common parent's threshold to that of its rarest child, or raise the child's. What is left to a parent's own threshold
are the rows in which nothing below it is predicted; this room chooses it for these.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from threshold_formulas import methods

Choose = Callable[[np.ndarray, np.ndarray], np.ndarray]  # labels and scores (N, M) → thresholds (M,)


def chooser(method: str, options: Mapping[str, Any], tree: Any = None) -> Choose:
    """`methods.fit` with its options, for a tree level by level.

    Args:
        method: a key of `methods.METHODS`.
        options: of that method; arrays have a number for each of the M nodes.
        tree: a `data.hierarchy.Tree` of M nodes, or None.
    """
    if tree is None or method == "fixed":
        return lambda labels, scores: methods.fit(labels, scores, method, **options)

    def of_nodes(labels: np.ndarray, scores: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        own = {name: each[nodes] if np.ndim(each) else each for name, each in options.items()}
        return methods.fit(labels, scores, method, **own)

    if method == "global":
        classes = np.arange(tree.classes)
        return lambda labels, scores: np.full(
            labels.shape[1], of_nodes(labels[:, classes], scores[:, classes], classes)[0]
        )
    return lambda labels, scores: fit(tree, labels, scores, of_nodes)


def fit(
    tree: Any,
    labels: np.ndarray,
    scores: np.ndarray,
    choose: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """The thresholds of all M nodes, level by level, the lowest first.

    Args:
        tree: a `data.hierarchy.Tree` of M nodes.
        labels: (N, M) uint8, 255 for unknown. scores: (N, M) probabilities.
        choose: makes the thresholds (m,) from labels and scores (N, m) of m nodes and their numbers (m,). Where
            something below a node is predicted, its score counts as 1.

    Returns:
        (M,) float64.
    """
    chosen = np.ones(len(tree.names))
    predicted = np.zeros(labels.shape, dtype=bool)
    for level in range(tree.depth, 0, -1):
        nodes = np.flatnonzero(tree.levels == level)
        raised = np.where(tree.closed(predicted)[:, nodes], scores.dtype.type(1), scores[:, nodes])
        chosen[nodes] = choose(labels[:, nodes], raised, nodes)
        predicted[:, nodes] = raised >= chosen[nodes]
    return chosen
