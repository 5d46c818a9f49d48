"""Figures from counts: what each image adds to them, and the figures of any weighted sum of images.

Counts add up, so a bootstrap draw is a row of weights times the counts, and a figure of all images does not depend on
how they are divided into batches. Labels (N, K) uint8 with 255 for unknown, which is left out; predictions (N, K) bool.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from common.labels import UNKNOWN

BY_IMAGE = 5  # columns after those of the classes, see `Outcomes.by_image`


class Outcomes(NamedTuple):
    """Predictions compared with labels, (N, K) bool each. An unknown label is in none of the first three."""

    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    known: np.ndarray

    def columns(self, columns: np.ndarray | slice) -> "Outcomes":
        """Return the outcomes of some classes."""
        return Outcomes(*(each[:, columns] for each in self))

    def confusion(self) -> dict[str, np.ndarray]:
        """Return the counts "TP", "FP", "FN" and "TN" of each class over its known labels, (K,) int64 each."""
        hits, alarms, misses, known = (np.count_nonzero(each, axis=0) for each in self)
        return {"TP": hits, "FP": alarms, "FN": misses, "TN": known - hits - alarms - misses}

    def by_image(self) -> np.ndarray:
        """Return what each image adds to the counts, (N, 3K + 5) float64, for sums that `split` takes apart."""
        return np.concatenate([*self[:3], self._whole_images()], axis=1, dtype=np.float64)

    def sums(self) -> "Sums":
        """Return what all images add up to."""
        by_class = (np.count_nonzero(each, axis=0).astype(np.float64) for each in self[:3])
        return Sums(*by_class, *self._whole_images().sum(axis=0, dtype=np.float64))

    def _whole_images(self) -> np.ndarray:
        """The columns of `by_image` that no class has alone, (N, 5) float64."""
        hits, alarms, misses, known = (np.count_nonzero(each, axis=1) for each in self)
        wrong = alarms + misses
        columns = (known > 0, (known > 0) & (wrong == 0), ratio(2 * hits, 2 * hits + wrong), known, wrong)
        return np.stack(columns, axis=1)


def outcomes(labels: np.ndarray, predictions: np.ndarray) -> Outcomes:
    """Compare predictions with labels.

    Raises:
        ValueError: the shapes differ.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions, dtype=bool)
    if labels.ndim != 2 or labels.shape != predictions.shape:
        raise ValueError(f"labels {labels.shape} and predictions {predictions.shape} must have one shape (N, K)")
    positive = labels == 1
    return Outcomes(positive & predictions, (labels == 0) & predictions, positive & ~predictions, labels != UNKNOWN)


@dataclass(frozen=True)
class Sums:
    """What some images add up to, each an array (...) or (..., K) float64; see `Outcomes.by_image`.

    Attributes:
        true_positives, false_positives, false_negatives: (..., K).
        judged: images with a known label. right: those without a fault. image_f1: the sum of their F1.
        known: known labels. wrong: those that are predicted otherwise.
    """

    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    judged: np.ndarray
    right: np.ndarray
    image_f1: np.ndarray
    known: np.ndarray
    wrong: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """Known positives a class, (..., K)."""
        return self.true_positives + self.false_negatives

    @property
    def f1(self) -> np.ndarray:
        """F1 a class, (..., K), 0/0 counted 0."""
        return f1(self.true_positives, self.false_positives, self.false_negatives)


def split(sums: np.ndarray) -> Sums:
    """Sums over images of the columns of `Outcomes.by_image`, (..., 3K + 5), taken apart."""
    classes = (sums.shape[-1] - BY_IMAGE) // 3
    by_class = (sums[..., place * classes : (place + 1) * classes] for place in range(3))
    return Sums(*by_class, *np.moveaxis(sums[..., 3 * classes :], -1, 0))


def figures(sums: Sums) -> dict[str, np.ndarray]:
    """The figures of thresholded predictions, each (...), as scikit-learn defines them with `zero_division=0`.

    Returns:
        "macro_f1", the mean of F1 over all classes; "macro_f1_present", over those with a positive (none: nan);
        "micro_f1", of the counts of all classes together; "weighted_f1", the mean weighted by the classes' positives;
        "samples_f1", the mean of each image's own F1 over its labels, 0 for one without labels and predictions;
        "subset_accuracy", the share of images without a fault; and "hamming_loss", the share of wrong labels. Without a
        known label the last three are nan.
    """
    return {"macro_f1": sums.f1.mean(axis=-1), "macro_f1_present": present_f1(sums), **_whole(sums)}


def drawn_figures(sums: Sums, present: np.ndarray) -> dict[str, np.ndarray]:
    """As `figures`, of bootstrap draws.

    A draw may hold no image of a rare class. It says nothing about that class, which is therefore left out of the
    draw's mean; counted as 0, as in one evaluation, the draws would lie below the figure that they are about.

    Args:
        sums: of the draws.
        present: (K,) bool, the classes that have a positive at all. The others count 0 in every draw's "macro_f1".
    """
    drawn = present_f1(sums)
    share = np.count_nonzero(present) / len(present)
    return {"macro_f1": np.where(share == 0, 0.0, drawn * share), "macro_f1_present": drawn, **_whole(sums)}


def present_f1(sums: Sums, columns: np.ndarray | slice = slice(None)) -> np.ndarray:
    """The mean of F1 over those of some classes that have a positive, (...); nan where none has."""
    present = sums.positives[..., columns] > 0
    return ratio((sums.f1[..., columns] * present).sum(axis=-1), present.sum(axis=-1), np.nan)


def f1(true_positives: np.ndarray, false_positives: np.ndarray, false_negatives: np.ndarray) -> np.ndarray:
    """Return F1 = 2TP / (2TP + FP + FN) in float64, 0/0 counted 0."""
    return ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives)


def ratio(above: np.ndarray, below: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """above / below in float64, and `empty` where `below` is 0."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(above, below, out=np.full(np.broadcast_shapes(above.shape, below.shape), empty), where=below != 0)


def _whole(sums: Sums) -> dict[str, np.ndarray]:
    hits, alarms, misses = (
        each.sum(axis=-1) for each in (sums.true_positives, sums.false_positives, sums.false_negatives)
    )
    return {
        "micro_f1": f1(hits, alarms, misses),
        "weighted_f1": ratio((sums.f1 * sums.positives).sum(axis=-1), sums.positives.sum(axis=-1)),
        "samples_f1": ratio(sums.image_f1, sums.judged, np.nan),
        "subset_accuracy": ratio(sums.right, sums.judged, np.nan),
        "hamming_loss": ratio(sums.wrong, sums.known, np.nan),
    }
