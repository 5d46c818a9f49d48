"""Calibration: over all labels together, and of each class relative to its rate."""

from typing import Any

import numpy as np

from common.labels import UNKNOWN
from evaluation import metrics

Z = 1.959964  # of the normal distribution: 95 % lie within ± Z


def pooled(labels: np.ndarray, scores: np.ndarray, bins: int = 15) -> dict[str, Any]:
    """Return how far the scores are from the shares of positives among labels with such scores (a reliability curve).

    Bins of equal width from 0 to 1, a score on a border in the upper one, 1 in the last. The expected calibration error
    is ECE = Σ_b (n_b / n)·|mean score − share of positives| over the bins (Guo et al., ICML 2017, equation 3, there of
    the winning class; here of each label's probability).

    Args:
        labels, scores: as everywhere here; scores are probabilities.
        bins: how many.

    Returns:
        Over the labels of all classes together: "ECE", "mean_score", "positive_share", and "bins", a dict a bin with
        "labels" (how many), "mean_score" and "positive_share" (nan in an empty bin); and "class_ECE", (K,) float64, nan
        for a class without known labels.

    Raises:
        ValueError: a score of a known label is not between 0 and 1.
    """
    labels, scores = metrics.checked(labels, scores)
    metrics.check_probabilities(labels, scores)
    known = labels != UNKNOWN
    counts, score_sums, positives = (np.zeros((bins, labels.shape[1])) for _ in range(3))
    for index in range(labels.shape[1]):
        here = scores[known[:, index], index].astype(np.float64)
        places = np.minimum((here * bins).astype(np.int64), bins - 1)
        hits = labels[known[:, index], index] == 1
        counts[:, index], score_sums[:, index], positives[:, index] = (
            np.bincount(places, weights=weights, minlength=bins) for weights in (None, here, hits)
        )
    gaps = np.abs(score_sums - positives).sum(axis=0)
    total = counts.sum()
    return {
        "ECE": _share(np.abs(score_sums.sum(axis=1) - positives.sum(axis=1)).sum(), total),
        "mean_score": _share(score_sums.sum(), total),
        "positive_share": _share(positives.sum(), total),
        "bins": [
            {"labels": int(count), "mean_score": _share(mean, count), "positive_share": _share(hits, count)}
            for count, mean, hits in zip(counts.sum(1), score_sums.sum(1), positives.sum(1), strict=True)
        ],
        "class_ECE": np.array([_share(gap, count) for gap, count in zip(gaps, counts.sum(axis=0), strict=True)]),
    }


def by_class(labels: np.ndarray, scores: np.ndarray, units: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return each class's mean score divided by its share of positives, with a 95 % interval.

    Errors over all labels together are ruled by large classes and by the many negatives, so each class is looked at
    alone (Nixon et al., "Measuring Calibration in Deep Learning", CVPR Workshops 2019; Kull et al., "Beyond temperature
    scaling", NeurIPS 2019: classwise-ECE). The interval is the mean score divided by the ends of the Wilson interval of
    the share (Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927). Images of one
    group resemble each other, so their number is divided by the design effect of the class's labels (Rao and Scott, "A
    simple method for the analysis of clustered binary data", Biometrics 1992).

    Args:
        labels: (N, K) uint8, 255 for unknown.
        scores: (N, K) probabilities.
        units: (N,) int64 from 0 to U − 1, the group of each image; None: each image is alone.

    Returns:
        "mean_score", "positive_share", "ratio" (nan without positives), and the interval "low" and "high" (infinite
        without positives), (K,) float64 each; all nan for a class without known labels.
    """
    known, positive = labels != UNKNOWN, labels == 1
    count = known.sum(axis=0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, scores, 0).sum(axis=0, dtype=np.float64) / count
        share = positive.sum(axis=0) / count
        size = count if units is None else count / _design_effect(positive, known, share, units)
        centre = share + Z**2 / (2 * size)
        half = Z * np.sqrt(share * (1 - share) / size + (Z / (2 * size)) ** 2)
        # Rounding must not leave a lower end beside 0.
        lowest = np.where(share > 0, centre - half, 0) / (1 + Z**2 / size)
        return {
            "mean_score": mean,
            "positive_share": share,
            "ratio": np.where(share > 0, mean / share, np.nan),
            "low": mean / ((centre + half) / (1 + Z**2 / size)),
            "high": np.where(mean > 0, mean / lowest, np.where(count > 0, 0.0, np.nan)),
        }


def off(by_class: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return in which classes scores are too high and in which too low, (K,) bool each."""
    return by_class["low"] > 1, by_class["high"] < 1


def _design_effect(positive: np.ndarray, known: np.ndarray, share: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The variance of each class's share with whole groups, divided by that of single images; at least 1, (K,)."""
    sums, groups = np.zeros((2, int(units.max()) + 1, known.shape[1]))
    np.add.at(sums, units, np.where(known, positive - share, 0))
    np.add.at(groups, units, known)
    number = (groups > 0).sum(axis=0)
    effect = (sums**2).sum(axis=0) * number / (number - 1) / (known.sum(axis=0) * share * (1 - share))
    # Labels that are all alike, or of one group, say nothing about it: then a group counts as one image.
    return np.where(np.isfinite(effect), np.maximum(effect, 1), known.sum(axis=0) / number)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
