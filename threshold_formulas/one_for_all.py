"""One threshold for all classes that is best for an objective: exact."""

from collections.abc import Callable
from typing import Any

import numpy as np

import metrics
from threshold_formulas.sweep import Sweep


def best(labels: np.ndarray, scores: np.ndarray, objective: str = "macro_f1", **costs: Any) -> float:
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


def _cost_formulas(classes: int, false_alarm: Any = 1.0, miss: Any = 1.0) -> list[Formula]:
    pairs = zip(np.broadcast_to(false_alarm, classes), np.broadcast_to(miss, classes), strict=True)
    return [
        lambda found, predicted, positives, alarm=alarm, missed=missed: missed * found - alarm * (predicted - found)
        for alarm, missed in pairs
    ]


def _of_sums(labels: np.ndarray, scores: np.ndarray, formulas: list[Formula]) -> float:
    """The threshold with the highest sum over classes of what a formula says of each."""
    levels, changes = [], []
    for index, formula in enumerate(formulas):
        known = labels[:, index] != metrics.UNKNOWN
        own, hits = scores[known, index], labels[known, index] == 1
        order = np.argsort(-own, kind="stable")
        own, found = own[order], np.cumsum(hits[order])
        # Tied scores are cut together.
        ends = np.flatnonzero(np.append(own[1:] != own[:-1], True)[: len(own)])
        values = formula(found[ends], ends + 1, int(hits.sum()))
        levels.append(own[ends])
        changes.append(np.diff(values, prepend=0.0))
    return _highest(np.concatenate(levels), np.concatenate(changes))


def _of_intervals(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold in the most rows' intervals: above all scores of negatives, at or below all of positives."""
    lowest = np.where(labels == 1, scores, np.inf).min(axis=1)
    highest = np.where(labels == 0, scores, -np.inf).max(axis=1)
    possible = (lowest > highest) & (labels != metrics.UNKNOWN).any(axis=1)
    # A row begins to be right, seen from above, at its lowest positive, and ends at its highest negative. One without
    # positives is right above all scores.
    begins, ends = lowest[possible & np.isfinite(lowest)], highest[possible & np.isfinite(highest)]
    return _highest(np.append(begins, ends), np.append(np.ones(len(begins)), -np.ones(len(ends))))


def _highest(levels: np.ndarray, changes: np.ndarray) -> float:
    """The cut, from above, behind which the sum of the changes (n,) at or above it is highest.

    Args:
        levels: (n,) scores at which something changes. changes: (n,).

    Returns:
        Halfway to the next lower level; above all levels, if no sum is above 0, halfway to 1.
    """
    order = np.argsort(-levels, kind="stable")
    levels, sums = levels[order].astype(np.float64), np.cumsum(changes[order])
    ends = np.flatnonzero(np.append(levels[1:] != levels[:-1], True)[: len(levels)])
    place = int(np.argmax(sums[ends])) if len(ends) else 0
    if not len(ends) or sums[ends[place]] <= 0:
        top = float(levels[0]) if len(levels) else 0.0
        return (top + 1) / 2 if top < 1 else float(np.nextafter(top, np.inf))
    upper = levels[ends[place]]
    lower = levels[ends[place + 1]] if place + 1 < len(ends) else min(0.0, upper)
    middle = (lower + upper) / 2
    return float(middle if middle > lower or place + 1 == len(ends) else upper)
