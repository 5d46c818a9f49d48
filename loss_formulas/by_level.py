"""The loss of a classifier over a tree of labels: of each level by itself, on maxima that know the labels."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from loss_formulas.base import ElementLoss, LabelLoss
from loss_formulas.by_batch import SoftF1


class LevelLoss(LabelLoss):
    """The weighted mean over levels of each level's mean loss over its known labels.

    A node's loss is MCLoss of Giunchiglia and Lukasiewicz, "Coherent hierarchical multi-label classification networks"
    (NeurIPS 2020): its probability is the highest of all nodes below it and its own, but where it is positive
    that maximum runs only over those that are positive as well. Else a wrong child could make a parent's loss small,
    and be raised for it. Any loss of each label by itself will do: `bce`, `weighted_bce`, `focal` and `asymmetric`.
    `soft_f1` takes the scores of the same maxima, and the mean over a level's nodes that have a positive.

    Of shares, as mixed images have them, a node below counts as positive for one above if its share is no smaller.

    Args:
        inner: the loss of a label and a logit.
        levels: (M,) the level of each node, from 1.
        descendants: (M, D) nodes: each node, all below it, and the node itself as filling.
        level_weights: a number of 0 or more a level, the tops first; empty for equal ones.

    Raises:
        ValueError: the inner loss is neither one of each label by itself nor `soft_f1`; a level has no weight; or
            weights are negative, not finite or all 0.
    """

    def __init__(
        self,
        inner: LabelLoss,
        levels: Sequence[int],
        descendants: Sequence[Sequence[int]],
        level_weights: Sequence[float] = (),
    ) -> None:
        # One that weighs a label by the others of its row has no value for a node alone.
        by_element = getattr(type(inner), "elements", None) is ElementLoss.elements
        if not (by_element or isinstance(inner, SoftF1)):
            raise ValueError(f"{inner.name} is not of each label by itself, so a tree cannot take it level by level")
        super().__init__(inner.name)
        self.inner, self.soft_labels, levels = inner, inner.soft_labels, np.asarray(levels)
        self.by_label = by_element
        self.descendants = np.asarray(descendants, dtype=np.int32)
        depth = int(levels.max())
        weights = np.asarray(level_weights or (1.0,) * depth, dtype=np.float64)
        if len(weights) != depth:
            raise ValueError(f"level_weights: {len(weights)} weights, but the tree has {depth} levels")
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError(f"level_weights must be finite, 0 or more and not all 0: {weights.tolist()}")
        self.weights = (weights / weights.sum()).astype(np.float32)
        self.members = (levels[:, None] == np.arange(1, depth + 1)).astype(np.float32)

    def alone(self) -> LabelLoss:
        return self.inner

    def value(self, labels, known, logits):
        if self.by_label:
            each, counted = ops.sum(self.elements(labels, logits) * known, axis=0), ops.sum(known, axis=0)
        else:
            each, counted = self.inner.of_classes(labels, known, *self.maxima(labels, logits))
        sums, counts = ops.matmul(each, self.members), ops.matmul(counted, self.members)
        return ops.sum(self.weights * sums / ops.maximum(counts, 1.0))

    def elements(self, labels, logits):
        """The loss of each label: (N, M) from labels in 0..1, 0 where unknown, and unconstrained float32 logits."""
        positive, anything = self.maxima(labels, logits)
        return labels * self.inner.sides(positive)[0] + (1.0 - labels) * self.inner.sides(anything)[1]

    def maxima(self, labels, logits):
        """The logits by which a node is judged where it is positive, and where it is not: (N, M) each."""
        below = ops.take(logits, self.descendants, axis=1)
        explains = ops.take(labels, self.descendants, axis=1) >= labels[:, :, None]
        anything, positive = ops.max(below, axis=2), ops.max(ops.where(explains, below, below[:, :, :1]), axis=2)
        return positive, anything
