"""Losses on logits for multi-hot labels, and the class weights that go into them.

Targets are (N, K), 0 or 1, and 255 where a label is unknown; an unknown label adds neither loss nor gradient. Every
loss is the mean over the batch's known labels, so that the learning rate depends neither on the batch size nor on how
many are known.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops


class MaskedLoss(keras.losses.Loss):
    """The mean of an element-wise loss over the known labels of a batch; subclasses say `elements`."""

    def __init__(self, name: str) -> None:
        # Half precision overflows in the sums, so a loss is always computed in float32.
        super().__init__(name=name, dtype="float32")

    def elements(self, labels, logits):
        """The loss of each label: (N, K) from labels in 0..1 and float32 logits."""
        raise TypeError(f"{type(self).__name__} does not say its elements")

    def call(self, y_true, y_pred):
        known = ops.cast(y_true <= 1, "float32")
        labels = ops.where(y_true <= 1, y_true, ops.zeros_like(y_true))
        total = ops.sum(self.elements(labels, y_pred) * known)
        return total / ops.maximum(ops.sum(known), 1.0)


class BinaryCrossEntropy(MaskedLoss):
    """Binary cross-entropy on logits x: y·softplus(−x) + (1 − y)·softplus(x)."""

    def __init__(self) -> None:
        super().__init__("bce")

    def elements(self, labels, logits):
        return labels * ops.softplus(-logits) + (1.0 - labels) * ops.softplus(logits)


class WeightedBinaryCrossEntropy(MaskedLoss):
    """Class-weighted binary cross-entropy on logits x: w⁺_k·y·softplus(−x) + w⁻_k·(1 − y)·softplus(x).

    Args:
        positive_weights: w⁺, K numbers of 0 or more, one a class in the cache's order.
        negative_weights: w⁻, likewise.

    Raises:
        ValueError: a weight is negative or not finite, or the two lengths differ.
    """

    def __init__(self, positive_weights: Sequence[float], negative_weights: Sequence[float]) -> None:
        super().__init__("weighted_bce")
        weights = np.asarray([*positive_weights, *negative_weights], dtype=np.float64)
        if len(positive_weights) != len(negative_weights):
            raise ValueError(
                f"{len(positive_weights)} positive_weights and {len(negative_weights)} negative_weights: "
                "one of each is needed a class"
            )
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError(f"class weights must be finite and 0 or more: {weights.tolist()}")
        self.positive_weights = np.asarray(positive_weights, dtype=np.float32)
        self.negative_weights = np.asarray(negative_weights, dtype=np.float32)

    def elements(self, labels, logits):
        positive = self.positive_weights * labels * ops.softplus(-logits)
        return positive + self.negative_weights * (1.0 - labels) * ops.softplus(logits)


LOSSES: dict[str, Callable[..., keras.losses.Loss]] = {
    "bce": BinaryCrossEntropy,
    "weighted_bce": WeightedBinaryCrossEntropy,
}


def build(name: str, **parameters) -> keras.losses.Loss:
    """A Keras loss on logits by its name.

    Args:
        name: a key of `LOSSES`.
        parameters: the loss's own, see its class.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}")
    return LOSSES[name](**parameters)


def inverse(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """w⁺_k = m_k / n_k: the positives of a class weigh as much as its negatives, all together."""
    return negatives / positives


def sqrt_inverse(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """w⁺_k = √(m_k / n_k): half of that correction on a log scale, for sets where the full one is too loud."""
    return np.sqrt(negatives / positives)


def effective_number(positives: np.ndarray, negatives: np.ndarray, beta: float = 0.999) -> np.ndarray:
    """w⁺_k = E(m_k) / E(n_k) with E(n) = (1 − βⁿ) / (1 − β), the effective number of samples (Cui et al. 2019, eq. 2).

    β = 0 gives 1 and β → 1 gives `inverse`.
    """
    return (1.0 - beta**negatives) / (1.0 - beta**positives)


SCHEMES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "inverse": inverse,
    "sqrt_inverse": sqrt_inverse,
    "effective_number": effective_number,
}


def class_weights(
    scheme: str, positives: Sequence[int], negatives: Sequence[int], max_weight: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Weights computed from training counts: n_k known positive and m_k known negative rows of class k.

    `inverse`, `sqrt_inverse` and `effective_number` give w⁺ by their own formulas (see those functions) and w⁻ = 1;
    w⁺ is cut off at `max_weight`. `balanced` gives w⁺_k = N_k / (2·n_k) and w⁻_k = N_k / (2·m_k) with N_k = n_k + m_k,
    as scikit-learn's "balanced" does, so that a class's weights average 1 over its rows; both are cut off. A class
    without positives, or without negatives, gets 1 and 1: there is nothing to balance.

    Args:
        scheme: `balanced` or a key of `SCHEMES`.
        positives, negatives: (K,) counts.
        max_weight: the largest weight given, above 0.

    Returns:
        (w⁺, w⁻), each (K,) float64.

    Raises:
        ValueError: the scheme is unknown.
    """
    positives, negatives = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    usable = (positives > 0) & (negatives > 0)
    n, m = np.where(usable, positives, 1.0), np.where(usable, negatives, 1.0)
    if scheme == "balanced":
        positive, negative = (n + m) / (2 * n), (n + m) / (2 * m)
    elif scheme in SCHEMES:
        positive, negative = SCHEMES[scheme](n, m), np.ones_like(m)
    else:
        raise ValueError(f"unknown scheme {scheme!r}; known: balanced, {', '.join(SCHEMES)}")
    return (
        np.where(usable, np.minimum(positive, max_weight), 1.0),
        np.where(usable, np.minimum(negative, max_weight), 1.0),
    )
