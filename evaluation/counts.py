"""Figures from counts: what each image adds to them, and the figures of any weighted sum of images.

Counts add up, so a bootstrap draw is a row of weights times the counts, and a figure of all images does not depend on
how they are divided into batches. Labels (N, K) uint8 with 255 for unknown, which is left out; predictions (N, K) bool.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.metrics import UNKNOWN

BY_IMAGE = 5  # columns behind those of the classes, see `of_images`


@dataclass(frozen=True)
class Sums:
    """What some images add up to, each an array (...) or (..., K) float64; see `of_images`.

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
        twice = 2 * self.true_positives
        return ratio(twice, twice + self.false_positives + self.false_negatives)


def of_images(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """What each image adds to the counts, (N, 3K + 5) float64, for sums that `split` takes apart.

    Raises:
        ValueError: the shapes differ.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions, dtype=bool)
    if labels.ndim != 2 or labels.shape != predictions.shape:
        raise ValueError(f"labels {labels.shape} and predictions {predictions.shape} must have one shape (N, K)")
    positive, known = labels == 1, labels != UNKNOWN
    hits, alarms, misses = positive & predictions, known & ~positive & predictions, positive & ~predictions
    faults = alarms.sum(axis=1) + misses.sum(axis=1)
    twice = 2 * hits.sum(axis=1)
    judged = known.any(axis=1)
    by_image = (judged, judged & (faults == 0), ratio(twice, twice + faults), known.sum(axis=1), faults)
    return np.concatenate([hits, alarms, misses, np.stack(by_image, axis=1)], axis=1, dtype=np.float64)


def split(sums: np.ndarray) -> Sums:
    """Sums over images of the columns of `of_images`, (..., 3K + 5), taken apart."""
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


def ratio(above: np.ndarray, below: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """above / below in float64, and `empty` where `below` is 0."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(above, below, out=np.full(np.broadcast_shapes(above.shape, below.shape), empty), where=below != 0)


def _whole(sums: Sums) -> dict[str, np.ndarray]:
    hits, alarms, misses = (
        each.sum(axis=-1) for each in (sums.true_positives, sums.false_positives, sums.false_negatives)
    )
    return {
        "micro_f1": ratio(2 * hits, 2 * hits + alarms + misses),
        "weighted_f1": ratio((sums.f1 * sums.positives).sum(axis=-1), sums.positives.sum(axis=-1)),
        "samples_f1": ratio(sums.image_f1, sums.judged, np.nan),
        "subset_accuracy": ratio(sums.right, sums.judged, np.nan),
        "hamming_loss": ratio(sums.wrong, sums.known, np.nan),
    }
