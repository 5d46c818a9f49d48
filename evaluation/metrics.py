"""Multi-label metrics: arrays in, numbers out. Every label that is unknown (255) is left out, everywhere.

Shapes: labels (N, K) uint8 with 0, 1 or 255; scores (N, K) floating; predictions (N, K) bool; thresholds (K,) or one.
A class is predicted where its score is at or above its threshold. A ratio 0/0 counts as 0, as in scikit-learn with
`zero_division=0`.
"""

from typing import Any

import numpy as np

from common.labels import UNKNOWN
from evaluation import counts
from evaluation.counts import ratio
from evaluation.smoothing import without_smoothing


def predict(scores: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Predictions (N, K) bool: score >= threshold, compared in float64."""
    # A Python float would be rounded to the scores' float32 first and could then swallow a score just below it.
    return scores >= np.asarray(thresholds, dtype=np.float64)


def precision_recall_f1(confusion: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision TP/(TP+FP), recall TP/(TP+FN) and F1 2TP/(2TP+FP+FN) from `Outcomes.confusion`, float64, 0/0 = 0."""
    hits, alarms, misses = (confusion[name] for name in ("TP", "FP", "FN"))
    return ratio(hits, hits + alarms), ratio(hits, hits + misses), counts.f1(hits, alarms, misses)


def average_precision(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Average precision of each class, (K,) float64, nan where a class has no known positive.

    AP = sum over distinct scores of (R_n - R_(n-1)) P_n, which is the mean, over the positives, of the precision at
    each one's own score; tied scores are cut together. Equals scikit-learn's `average_precision_score`.

    Raises:
        ValueError: a score of a known label is nan.
    """
    labels, scores = checked(labels, scores)
    result = np.full(labels.shape[1], np.nan)
    for index in range(labels.shape[1]):
        found, predicted, _ = ranked_positives(labels[:, index], scores[:, index])
        if len(found):
            result[index] = np.mean(found / predicted)
    return result


def ranked_positives(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a cut at each positive's score finds, for one class, in ascending order of that score.

    Each step of recall, and so the highest F1 too, lies at a positive's score.

    Args:
        labels: (N,) uint8. scores: (N,).

    Returns:
        For each of the P positives, if all rows with at least its score are predicted: the positives found (P,) int64
        and the rows predicted (P,) int64. And the scores of all known rows in ascending order.

    Raises:
        ValueError: a score of a known label is nan.
    """
    ordered = np.sort(scores[labels != UNKNOWN])
    if len(ordered) and np.isnan(ordered[-1]):
        raise ValueError("scores must be numbers, but some are nan")
    positives = np.sort(scores[labels == 1])
    found = len(positives) - np.searchsorted(positives, positives)
    predicted = len(ordered) - np.searchsorted(ordered, positives)
    return found, predicted, ordered


def precision_recall_curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall of one class at each distinct score of a known row, recall descending.

    Args:
        labels: (N,) uint8, at least one of them 1. scores: (N,).
    """
    known = labels != UNKNOWN
    # Measured on 200,000 rows: half the time of scikit-learn's function, which also takes a second to import.
    cuts, place = np.unique(scores[known], return_inverse=True)
    found, predicted = (
        np.cumsum(np.bincount(place, weights, len(cuts))[::-1])[::-1] for weights in (labels[known] == 1, None)
    )
    return found / predicted, found / found[0]


def with_class_rates(
    scores: np.ndarray, trained: np.ndarray, new: np.ndarray, smoothing: np.ndarray | float = 0.0
) -> np.ndarray:
    """Probabilities for images among which the classes have other rates than in training.

    By Bayes' rule, class by class: logit + log(π'/(1 − π')) − log(π/(1 − π)), with π the rate in training, π' the new
    one (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, has it for one label an image, behind a
    softmax; here behind a sigmoid). It is exact where a class looks the same and only its rate differs, and the scores
    are calibrated.

    Args:
        scores: (N, K) probabilities.
        trained: π, (K,). A class that training did not see, or saw everywhere, is left as it is.
        new: π', (K,); 0 gives 0, and 1 gives 1.
        smoothing: the share of label smoothing that the scores were trained with, (K,); it is undone first.

    Returns:
        (N, K) float64.
    """
    trained, new = (np.asarray(each, dtype=np.float64) for each in (trained, new))
    scores = without_smoothing(scores, smoothing)
    told = (trained > 0) & (trained < 1)
    old = np.where(told, trained, 0.5)
    # Written without logits, so that scores of 0 and 1 stay what they are.
    for_it = scores * np.where(told, new / old, 1.0)
    against = (1 - scores) * np.where(told, (1 - new) / (1 - old), 1.0)
    return np.divide(for_it, for_it + against, out=np.zeros(scores.shape), where=for_it + against > 0)


def summary(labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray | float) -> dict[str, float | int]:
    """`summary_of` the predictions at the given thresholds."""
    sums = counts.outcomes(labels, predict(scores, thresholds)).sums()
    return summary_of(sums, average_precision(labels, scores))


def summary_of(sums: counts.Sums, precisions: np.ndarray) -> dict[str, float | int]:
    """The figures of one split.

    Args:
        sums: of its predictions.
        precisions: `average_precision`, (K,).

    Returns:
        "macro_f1", "micro_f1", "subset_accuracy", "mAP" (needs no threshold), "rows" (those with a known label),
        "classes_with_positives".
    """
    figures = counts.figures(sums)
    return {
        **{name: float(figures[name]) for name in ("macro_f1", "micro_f1", "subset_accuracy")},
        "mAP": mean_known(precisions),
        "rows": int(sums.judged),
        "classes_with_positives": int(np.count_nonzero(~np.isnan(precisions))),
    }


def per_class(
    confusion: dict[str, np.ndarray], precisions: np.ndarray, thresholds: np.ndarray | float, class_names: list[str]
) -> list[dict[str, Any]]:
    """One row a class, in the order of the classes.

    Args:
        confusion: `Outcomes.confusion` of the predictions.
        precisions: `average_precision`, (K,).
        thresholds: (K,) or one.
        class_names: K names.

    Returns:
        Rows with "class", "support" (known positives), "TP", "FP", "FN", "TN", "precision", "recall", "f1", "AP" (nan
        without positives) and "threshold".
    """
    ratios = dict(zip(("precision", "recall", "f1"), precision_recall_f1(confusion), strict=True))
    thresholds = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), precisions.shape)
    columns = {"class": np.array(class_names, dtype=object), "support": confusion["TP"] + confusion["FN"], **confusion}
    columns |= {**ratios, "AP": precisions, "threshold": thresholds}
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def check_probabilities(labels: np.ndarray, scores: np.ndarray) -> None:
    """Refuse scores (N, K) of known labels (N, K) that are not between 0 and 1.

    Raises:
        ValueError: there are such scores.
    """
    known = scores[labels != UNKNOWN]
    if not ((known >= 0) & (known <= 1)).all():
        raise ValueError("scores must be probabilities from 0 to 1")


def checked(labels: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, other = np.asarray(labels), np.asarray(other)
    if labels.ndim != 2 or labels.shape != other.shape:
        raise ValueError(f"labels {labels.shape} and scores or predictions {other.shape} must have one shape (N, K)")
    return labels, other


def mean_known(values: np.ndarray) -> float:
    """Return the mean of the values that are defined; nan if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
