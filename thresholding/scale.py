"""The scale of thresholds: probabilities, logits between which they are averaged, and two thresholds with a meaning."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

UNTUNED = 0.5  # the threshold of a class without positives to tune on
NEVER = 1.000001  # a threshold that no probability reaches
SMALLEST = 1e-9  # probabilities nearer to 0 or 1 than this have no logit


def logits(probabilities: ArrayLike) -> np.ndarray:
    """Return logits, float64, finite at 0, at 1 and for thresholds above 1 too."""
    return logit(np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST, 1 - SMALLEST))


def mean(thresholds: ArrayLike, weights: ArrayLike) -> np.ndarray:
    """The weighted mean on the scale of logits, and never outside of the thresholds that have a weight.

    Rounding, and numbers that have no logit, would else move a mean past scores on which all of them agree.

    Args:
        thresholds: (F, K). weights: (F, K), 0 or more, not all 0 for any of the K.

    Returns:
        (K,) float64.
    """
    thresholds, weights = np.asarray(thresholds, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    middle = expit((weights * logits(thresholds)).sum(axis=0) / weights.sum(axis=0))
    lowest = np.where(weights > 0, thresholds, np.inf).min(axis=0)
    return np.clip(middle, lowest, np.where(weights > 0, thresholds, -np.inf).max(axis=0))
