"""Thresholds of a tree of labels.

Wherever predictions are made, all that stands above a predicted node is predicted too (`decision.Decision`), so
children and parents always agree, whatever the thresholds. Thresholds that agree by themselves, no parent's above a
child's, are the worse rule: either a common parent's falls to that of its rarest child, or the child's rises to the
parent's. `bench/tree_thresholds.py` measures both. So each node is tuned by itself; only what is judged over several
nodes at once is tuned for the classes, and for what stands above them, apart.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from data.labels.hierarchy import Tree
from thresholding import methods

Choose = Callable[[np.ndarray, np.ndarray], np.ndarray]  # labels and scores (N, M) → thresholds (M,)


def chooser(method: str, options: Mapping[str, Any], tree: Tree | None = None) -> Choose:
    """`methods.fit` with its options.

    Args:
        method: a key of `methods.METHODS`. One threshold for all is that of the classes.
        options: of that method; arrays have a number for each of the M nodes.
        tree: of M nodes; None where all are classes.
    """
    if tree is None:
        return lambda labels, scores: methods.fit(labels, scores, method, **options)

    def of_nodes(labels: np.ndarray, scores: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        own = {name: each[nodes] if np.ndim(each) else each for name, each in options.items()}
        return methods.fit(labels[:, nodes], scores[:, nodes], method, **own)

    classes, above = np.split(np.arange(len(tree.names)), [tree.classes])

    def choose(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
        chosen = of_nodes(labels, scores, classes)
        if method == "global":
            return np.full(len(tree.names), chosen[0])
        return np.concatenate([chosen, of_nodes(labels, scores, above)]) if len(above) else chosen

    return choose
