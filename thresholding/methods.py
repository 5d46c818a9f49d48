"""The methods of `thresholds.fit`: labels (N, K) uint8 with 255 for unknown and scores (N, K) in, (K,) float64 out."""

from typing import Any

import numpy as np
from scipy.special import expit

from common.labels import UNKNOWN
from thresholding import one_for_all
from thresholding.folds import dealt
from thresholding.objectives import tuned
from thresholding.scale import NEVER, UNTUNED, logits, mean
from thresholding.sweep import Cost, by_class

FREE = 1e-12  # a cost that is nothing beside any other, and has a logarithm
ROUNDING = 1e-9  # rows; a rate that asks for half a row asks for that much less after rounding at most


def per_class(labels: np.ndarray, scores: np.ndarray, objective: str = "macro_f1", **costs: Cost) -> np.ndarray:
    """The thresholds that are best on these very rows, see `objectives`."""
    return tuned(labels, scores, objective, **costs)


def one_threshold(labels: np.ndarray, scores: np.ndarray, objective: str = "macro_f1", **costs: Cost) -> np.ndarray:
    """One threshold for all classes, the best on these very rows, see `one_for_all`."""
    return np.full(labels.shape[1], one_for_all.best(labels, scores, objective, **costs))


def cross_fit(
    labels: np.ndarray,
    scores: np.ndarray,
    objective: str = "macro_f1",
    folds: int = 3,
    seed: int = 0,
    **costs: Cost,
) -> np.ndarray:
    """The mean of thresholds that were tuned with each of some folds left out.

    A cut that a single row decides moves where that row is left out, and the mean lies between. The mean is that of
    logits: between 0.001 and 0.1 it is 0.01, not 0.05, as scores of rare classes crowd near 0. A class's folds without
    positives in the others do not count; one that has no positives at all is tuned on all rows, as by `per_class`.

    Args:
        labels, scores: as everywhere here; scores are probabilities.
        objective, costs: as for `objectives.tuned`.
        folds: 2 or more.
        seed: of the folds.

    Raises:
        ValueError: fewer than 2 folds.
    """
    if folds < 2:
        raise ValueError(f"folds = {folds}: it must be 2 or more")
    fold = dealt(labels, folds, np.random.default_rng(seed))
    kept = [fold != number for number in range(folds)]
    has = np.array([(labels[rows] == 1).any(axis=0) for rows in kept])
    chosen = [tuned(labels[rows], scores[rows], objective, **costs) for rows in kept]
    none = ~has.any(axis=0)
    whole = tuned(labels, scores, objective, **costs) if none.any() else UNTUNED
    return np.where(none, whole, mean(chosen, has | none))


def rate_match(labels: np.ndarray, scores: np.ndarray, rates: np.ndarray | None = None) -> np.ndarray:
    """The thresholds at which each class is predicted as often as it occurs: the quantile 1 − rate of its scores.

    The quantile lies between scores, halfway (in logits) where the rate asks for a whole number of rows (Hazen's rule).
    NumPy's usual one would lie at the highest score that is to be left out, and admit new rows too easily.

    Of these rows the nearest whole number is predicted, and half a row counts as one. Rows of equal scores are
    predicted together where that comes as near to the rate as without them. Where the rate asks for less than half a
    row, the threshold lies just above the highest score: new rows may pass it, but none of these does.

    Args:
        labels, scores: as everywhere here; scores are probabilities.
        rates: (K,) shares of positives, of the training rows best; None for those of these rows.

    Returns:
        (K,) float64; 0.5 for a class without a known label, `NEVER` for one whose rate is 0.
    """
    if rates is None:
        rates = (labels == 1).sum(axis=0) / np.maximum((labels != UNKNOWN).sum(axis=0), 1)
    chosen = np.full(labels.shape[1], UNTUNED)
    for index, (truth, own) in enumerate(by_class(labels, scores)):
        if (has_label := truth != UNKNOWN).any():
            # The quantile of a rate of 0 is the highest score, which new rows would pass.
            chosen[index] = _quantile(np.sort(own[has_label]), rates[index]) if rates[index] > 0 else NEVER
    return chosen


def _quantile(ordered: np.ndarray, rate: float) -> float:
    """Hazen's quantile 1 − rate of ascending probabilities (n,), read between neighbours on the scale of logits."""
    count, asked = len(ordered), len(ordered) * rate
    cut = count - min(int(asked + 0.5 + ROUNDING), count)  # the place of the lowest score that passes
    if 0 < cut < count and ordered[cut - 1] == ordered[cut]:
        first, last = (int(np.searchsorted(ordered, ordered[cut], side)) for side in ("left", "right"))
        cut = first if (count - first) - asked <= asked - (count - last) + ROUNDING else last
    if cut == 0:
        return float(ordered[0])
    above = np.nextafter(ordered[cut - 1], ordered.dtype.type(np.inf))
    if cut == count:
        return float(above)
    lower, upper = logits(ordered[[cut - 1, cut]])
    between = float(expit(lower + (count - asked - 0.5 - (cut - 1)) * (upper - lower)))
    return min(max(between, float(above)), float(ordered[cut]))


def shrink(
    labels: np.ndarray,
    scores: np.ndarray,
    rates: np.ndarray | None = None,
    strength: float = 20.0,
    objective: str = "macro_f1",
    **costs: Cost,
) -> np.ndarray:
    """Between `per_class` and `rate_match`, nearer to the first the more positives there are to tune on.

    With n positives the logit of the threshold is n/(n + strength) of the one and strength/(n + strength) of the other.
    A threshold tuned on two positives fits those two; one that keeps the rate cannot go far astray. Where a false alarm
    and a miss cost differently, log(false_alarm / miss) is first added to the logit of the other: by so much the best
    threshold on a probability moves with the costs.

    Args:
        labels, scores: as everywhere here; scores are probabilities.
        rates: as for `rate_match`.
        strength: positives at which the two count alike.
        objective, costs: as for `objectives.tuned`.

    Returns:
        (K,) float64.
    """
    positives = (labels == 1).sum(axis=0)
    share = positives / (positives + strength)
    best, matched, shift = tuned(labels, scores, objective, **costs), rate_match(labels, scores, rates), _shift(**costs)
    # A class seen neither in training nor here stays unpredicted.
    moved = np.where((shift == 0) | (matched >= NEVER), matched, expit(logits(matched) + shift))
    return mean([best, moved], [share, 1 - share])


def _shift(false_alarm: Cost = 1.0, miss: Cost = 1.0) -> np.ndarray:
    """log(false_alarm / miss), finite where one of them costs nothing, and 0 where neither does."""
    return np.log(np.maximum(false_alarm, FREE)) - np.log(np.maximum(miss, FREE))


def fixed(labels: np.ndarray, scores: np.ndarray, threshold: float = UNTUNED) -> np.ndarray:
    """One threshold that is given, for all classes."""
    return np.full(labels.shape[1], float(threshold))


METHODS: dict[str, Any] = {
    "shrink": shrink,
    "per_class": per_class,
    "global": one_threshold,
    "cross_fit": cross_fit,
    "rate_match": rate_match,
    "fixed": fixed,
}

TUNES_NOTHING = ("rate_match", "fixed")  # those that take no objective


def fit(labels: np.ndarray, scores: np.ndarray, method: str = "per_class", **options: object) -> np.ndarray:
    """The thresholds (K,) float64 of a method; see `thresholds.fit`."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise ValueError(f"labels {labels.shape} and scores {scores.shape} must have one shape (N, K)")
    if np.isnan(scores).any() and np.isnan(scores[labels != UNKNOWN]).any():
        raise ValueError("scores must be numbers, but some are nan")
    return METHODS[method](labels, scores, **options)
