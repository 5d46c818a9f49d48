"""The thresholds, one a class, that are best for an objective on the rows given: all but one of them exactly.

labels (N, K) uint8 with 255 for unknown; scores (N, K) floating, no nan; thresholds (K,) float64.
"""

from typing import Any

import numpy as np

from common.labels import UNKNOWN
from evaluation import metrics
from thresholding.scale import UNTUNED
from thresholding.sweep import Cost, Sweep, by_class

ROUNDS = 50  # of a search that ends by itself, far earlier


def macro_f1(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The highest F1 of each class (Lipton, Elkan and Narayanaswamy, "Thresholding classifiers", ECML 2014): exact.

    A class without known positives, whose F1 is 0 at any threshold, gets 0.5.
    """
    chosen = np.full(labels.shape[1], UNTUNED)
    for index, columns in enumerate(by_class(labels, scores)):
        sweep = Sweep(*columns)
        if sweep.positives:
            chosen[index] = sweep.threshold(sweep.best(sweep.f1))
    return chosen


def expected_cost(labels: np.ndarray, scores: np.ndarray, false_alarm: Cost = 1.0, miss: Cost = 1.0) -> np.ndarray:
    """The lowest cost of false alarms and misses, each (K,) or one number: exact. A class may be predicted nowhere."""
    chosen = np.empty(labels.shape[1])
    costs = (np.broadcast_to(each, chosen.shape) for each in (false_alarm, miss))
    for index, (columns, alarm, missed) in enumerate(zip(by_class(labels, scores), *costs, strict=True)):
        sweep = Sweep(*columns)
        chosen[index] = sweep.threshold(sweep.best(-sweep.cost(alarm, missed)))
    return chosen


def cost(confusion: dict[str, np.ndarray], false_alarm: Cost, miss: Cost) -> np.ndarray:
    """Return the cost of each class, shaped as "FP" and "FN" of its counts, whose last axis is the classes."""
    return confusion["FP"] * np.asarray(false_alarm) + confusion["FN"] * np.asarray(miss)


def micro_f1(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The highest micro-F1 of all classes together: exact.

    F = 2 ΣTP / Σ(predicted + positives) is a fraction of two sums over classes. Where F is at its highest, each class
    by itself has the highest 2 TP − F · predicted (Dinkelbach, "On nonlinear fractional programming", 1967); F rises in
    every round, faster than by any fixed factor.
    """
    sweeps = [Sweep(*columns) for columns in by_class(labels, scores)]
    positives = sum(sweep.positives for sweep in sweeps)
    reached, cuts = -1.0, [len(sweep.found) - 1 for sweep in sweeps]
    for _ in range(ROUNDS):
        found = sum(int(sweep.found[cut]) for sweep, cut in zip(sweeps, cuts, strict=True))
        predicted = sum(int(sweep.predicted[cut]) for sweep, cut in zip(sweeps, cuts, strict=True))
        f1 = 2 * found / max(predicted + positives, 1)
        if f1 <= reached:
            break
        reached = f1
        cuts = [sweep.best(2 * sweep.found - f1 * sweep.predicted) for sweep in sweeps]
    return np.array([sweep.threshold(cut) for sweep, cut in zip(sweeps, cuts, strict=True)])


def micro_macro(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Macro-F1 and micro-F1 at once, the largest class first (Lin and Lin, "On the thresholding strategy for infrequent
    labels", CIKM 2023).

    Class j of that order gets the cut with the highest F1_j / j + F1 of the counts of classes 1 to j pooled. The pooled
    part asks a rare class not to raise many false alarms for its few positives.
    """
    chosen = np.full(labels.shape[1], UNTUNED)
    order = np.argsort(-(labels == 1).sum(axis=0), kind="stable")
    found = predicted = positives = 0
    for place, index in enumerate(order, start=1):
        sweep = Sweep(labels[:, index], scores[:, index])
        if not sweep.positives:
            continue
        positives += sweep.positives
        pooled = 2 * (found + sweep.found) / (predicted + sweep.predicted + positives)
        cut = sweep.best(sweep.f1 / place + pooled)
        found, predicted = found + int(sweep.found[cut]), predicted + int(sweep.predicted[cut])
        chosen[index] = sweep.threshold(cut)
    return chosen


def subset_accuracy(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The most rows whose known labels are all right that no change of a single threshold can add to.

    Class by class, only rows that are right in all other classes can become right or wrong, so its best cut is the one
    with the fewest errors among these; repeated until nothing is gained. It starts from the fewest errors of each class
    and from the highest F1 of each, and takes the better end: which cuts are best together is a hard problem.
    """
    ends = [_ascended(labels, scores, start(labels, scores)) for start in (expected_cost, macro_f1)]
    return max(ends, key=lambda end: end[0])[1]


def _ascended(labels: np.ndarray, scores: np.ndarray, chosen: np.ndarray) -> tuple[int, np.ndarray]:
    """The rows that are all right, and the thresholds, from a start on."""
    known = labels != UNKNOWN
    wrong = known & (metrics.predict(scores, chosen) != (labels == 1))
    faults = wrong.sum(axis=1)
    right = -1
    for _ in range(ROUNDS):
        if (reached := int(np.count_nonzero(faults == 0))) <= right:
            break
        right = reached
        for index in range(labels.shape[1]):
            others_right = (faults == wrong[:, index]) & known[:, index]
            own, own_scores = labels[others_right, index], scores[others_right, index]
            sweep = Sweep(own, own_scores)
            errors = sweep.cost(1.0, 1.0)
            cut = sweep.best(-errors)
            if errors[cut] < np.count_nonzero(wrong[others_right, index]):
                chosen[index] = sweep.threshold(cut)
                faults -= wrong[:, index]
                wrong[:, index] = known[:, index] & (
                    metrics.predict(scores[:, index], chosen[index]) != (labels[:, index] == 1)
                )
                faults += wrong[:, index]
    return right, chosen


OBJECTIVES: dict[str, Any] = {
    "macro_f1": macro_f1,
    "micro_f1": micro_f1,
    "micro_macro": micro_macro,
    "subset_accuracy": subset_accuracy,
    "expected_cost": expected_cost,
}


def tuned(labels: np.ndarray, scores: np.ndarray, objective: str = "macro_f1", **costs: Cost) -> np.ndarray:
    """The thresholds (K,) that are best for an objective.

    Args:
        labels, scores: as everywhere here.
        objective: a key of `OBJECTIVES`.
        costs: `false_alarm` and `miss` of "expected_cost".

    Raises:
        ValueError: an unknown objective, or a score that is nan.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"unknown objective {objective!r}; known: {', '.join(OBJECTIVES)}")
    return OBJECTIVES[objective](labels, scores, **costs)
