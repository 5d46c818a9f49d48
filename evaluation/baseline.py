"""What predicting at random by the classes' own rates would give: the least that a model must be better than."""

from typing import Any

import numpy as np

from common.labels import UNKNOWN
from evaluation import calibration, counts, metrics


def own_rates(labels: np.ndarray, rates: np.ndarray) -> dict[str, float]:
    """The figures expected of a guess that gives each image each class k with the probability π_k, images unseen.

    With P positives and n known labels of a class the expected counts are TP = πP, FP = π(n − P), FN = (1 − π)P; every
    F1 is that of the expected counts: of each class 2πP / (πn + P), pooled for the micro-F1, and of each image
    2Σπy / Σ(π + y) over its known labels. Subset accuracy is exact, the mean over images of Π (π where y = 1, 1 − π
    where y = 0), and so is the Hamming loss. As scores the rates are constant: AP is the class's share of positives,
    and AUC ½.

    Args:
        labels: (N, K) uint8, 255 for unknown.
        rates: π, (K,), of the training images.

    Returns:
        The names of `counts.figures`, and "mAP", "AUC", "ECE" and "class_ECE".
    """
    labels, rates = np.asarray(labels), np.asarray(rates, dtype=np.float64)
    positive, known = labels == 1, labels != UNKNOWN
    share, true = known.sum(axis=0), positive.sum(axis=0)
    chance = np.where(positive, rates, 1 - rates)
    judged = known.any(axis=1)
    expected = counts.Sums(
        true_positives=rates * true,
        false_positives=rates * (share - true),
        false_negatives=(1 - rates) * true,
        judged=np.asarray(judged.sum()),
        right=np.prod(chance, axis=1, where=known)[judged].sum(),
        image_f1=counts.ratio(2 * (positive * rates).sum(axis=1), (known * rates + positive).sum(axis=1)).sum(),
        known=np.asarray(known.sum()),
        wrong=(1 - chance).sum(where=known),
    )
    figures: dict[str, Any] = {name: float(value) for name, value in counts.figures(expected).items()}
    told = (true > 0) & (true < share)
    precision = counts.ratio(true, share)[true > 0]
    figures["mAP"] = float(precision.mean()) if len(precision) else float("nan")
    figures["AUC"] = 0.5 if told.any() else float("nan")
    errors = calibration.pooled(labels, np.broadcast_to(rates, labels.shape))
    figures["ECE"], figures["class_ECE"] = errors["ECE"], metrics.mean_known(errors["class_ECE"])
    return figures
