"""One threshold for all classes that is best for an objective: exact."""

from collections.abc import Callable

import numpy as np

from common.labels import UNKNOWN
from thresholding.sweep import Cost, Sweep, between, by_class, last_highest


def best(labels: np.ndarray, scores: np.ndarray, objective: str = "macro_f1", **costs: Cost) -> float:
    """The threshold that is best for all classes together.

    Args:
        labels: (N, K) uint8, 255 for unknown. scores: (N, K).
        objective: "macro_f1", "micro_f1", "subset_accuracy" or "expected_cost".
        costs: `false_alarm` and `miss` of the last.

    Raises:
        ValueError: another objective, or a score of a known label that is nan.
    """
    if objective == "micro_f1":
        sweep = Sweep(labels.ravel(), scores.ravel())
        return sweep.threshold(sweep.best(sweep.f1))
    if objective == "macro_f1":
        return _of_sums(labels, scores, [_f1] * labels.shape[1])
    if objective == "expected_cost":
        return _of_sums(labels, scores, _cost_formulas(labels.shape[1], **costs))
    if objective == "subset_accuracy":
        return _of_intervals(labels, scores)
    raise ValueError(f"objective {objective!r} has no one threshold for all classes; choose it for each")


Formula = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # found, predicted, positives → value of each cut


def _f1(found: np.ndarray, predicted: np.ndarray, positives: int) -> np.ndarray:
    return 2 * found / np.maximum(predicted + positives, 1)


def _cost_formulas(classes: int, false_alarm: Cost = 1.0, miss: Cost = 1.0) -> list[Formula]:
    pairs = zip(np.broadcast_to(false_alarm, classes), np.broadcast_to(miss, classes), strict=True)
    return [
        # The cost itself, not what is gained: a difference of the two would lose its digits.
        lambda found, predicted, positives, alarm=alarm, missed=missed: (
            -(alarm * (predicted - found) + missed * (positives - found))
        )
        for alarm, missed in pairs
    ]


def _of_sums(labels: np.ndarray, scores: np.ndarray, formulas: list[Formula]) -> float:
    """The threshold with the highest sum over classes of what a formula says of each.

    No formula gains by a false alarm, so the best cut lies at a positive of some class, or above all.
    """
    positives, ordered = [], []
    for truth, own in by_class(labels, scores):
        positives.append(np.sort(own[truth == 1]))
        ordered.append(np.sort(own[truth != UNKNOWN]))
    cuts = np.append(np.unique(np.concatenate(positives)), np.inf)
    totals = np.zeros(len(cuts))
    for formula, own, every in zip(formulas, positives, ordered, strict=True):
        found, predicted = (len(each) - np.searchsorted(each, cuts) for each in (own, every))
        totals += formula(found, predicted, len(own))
    # Among equals the one that predicts least.
    cut = cuts[last_highest(totals)]
    below = [every[place - 1] for every in ordered if (place := np.searchsorted(every, cut))]
    return between(max(below, default=None), None if np.isinf(cut) else cut)


def _of_intervals(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold in the most rows' intervals: above all scores of negatives, at or below all of positives."""
    lowest = np.where(labels == 1, scores, np.inf).min(axis=1)
    highest = np.where(labels == 0, scores, -np.inf).max(axis=1)
    possible = (lowest > highest) & (labels != UNKNOWN).any(axis=1)
    begins, ends = np.sort(lowest[possible]), np.sort(highest[possible])
    # A cut at a row's lowest positive is in its interval. Rows without positives have theirs up to infinity.
    cuts = np.unique(np.append(begins, np.inf))
    right = len(begins) - np.searchsorted(begins, cuts) - (len(ends) - np.searchsorted(ends, cuts))
    cut = cuts[last_highest(right)]
    known = scores[labels != UNKNOWN]
    below = known[known < cut]
    return between(below.max() if len(below) else None, None if np.isinf(cut) else cut)
