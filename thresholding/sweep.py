"""All cuts of one class that can be best for anything that gains by hits and loses by false alarms."""

from collections.abc import Iterator

import numpy as np

from common.labels import UNKNOWN
from evaluation import metrics
from thresholding.scale import UNTUNED

BLOCK = 4096  # rows
EQUAL = 1e-14  # of the largest: two sums of costs that lie no further apart are equal but for rounding
Cost = float | np.ndarray  # one for all classes, or (K,)


class Sweep:
    """The cuts of one class at the scores of its P positives, ascending, and last the one that predicts nothing.

    Lowering a threshold past a negative only adds a false alarm, so no other cut is ever better. Costs one sort.

    Attributes:
        found: (P + 1,) int64, the positives that each cut finds.
        predicted: (P + 1,) int64, the rows that it predicts.
        positives: P.

    Args:
        labels: (N,) uint8, 255 for unknown. scores: (N,) floating.

    Raises:
        ValueError: a score of a known label is nan.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        found, predicted, self._ordered = metrics.ranked_positives(labels, scores)
        self.positives = len(found)
        self.found, self.predicted = np.append(found, 0), np.append(predicted, 0)

    @property
    def f1(self) -> np.ndarray:
        """(P + 1,) float64: 2 TP / (predicted + positives); 0 where there are no positives."""
        return 2 * self.found / np.maximum(self.predicted + self.positives, 1)

    def cost(self, false_alarm: float, miss: float) -> np.ndarray:
        """(P + 1,) float64: what the false alarms and misses of each cut cost together."""
        return false_alarm * (self.predicted - self.found) + miss * (self.positives - self.found)

    def best(self, values: np.ndarray) -> int:
        """The cut with the highest of the values (P + 1,), among equals the one that predicts least."""
        return last_highest(values)

    def threshold(self, cut: int) -> float:
        """The threshold of a cut: halfway to the next lower score of a known row; below the lowest, halfway to 0.

        That of the cut which predicts nothing lies halfway from the highest score to 1.
        """
        place = len(self._ordered) - int(self.predicted[cut])
        lower, upper = self._ordered[place - 1 : place], self._ordered[place : place + 1]
        return between(lower[0] if place else None, upper[0] if len(upper) else None)


def f1_at_cuts(labels: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return F1 of one class at each of its scores and at one more threshold: all values that it ever takes.

    Args:
        labels: (N,) uint8, at least one of them 1. scores: (N,) probabilities.
        threshold: the additional one.

    Returns:
        The cuts in ascending order, and F1 at each, (c,) float64.
    """
    # As float64 a cut is compared as `metrics.predict` compares it.
    own = np.sort(scores[labels == 1].astype(np.float64))
    ordered = np.sort(scores[labels != UNKNOWN].astype(np.float64))
    cuts = np.unique(np.append(ordered, threshold))
    found = len(own) - np.searchsorted(own, cuts)
    predicted = len(ordered) - np.searchsorted(ordered, cuts)
    return cuts, 2 * found / (predicted + len(own))


def last_highest(values: np.ndarray) -> int:
    """The last place of the highest of some values (n,), where what rounding alone parts is equal."""
    return int(np.flatnonzero(values >= values.max() - EQUAL * np.abs(values).max())[-1])


def by_class(labels: np.ndarray, scores: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The labels and scores (N,) of each class in one piece: reading in steps of a row costs more than a sort."""
    return zip(_turned(labels), _turned(scores), strict=True)


def _turned(table: np.ndarray) -> np.ndarray:
    """(K, N) from (N, K), a block of rows after the other, each of which stays in the processor's cache."""
    turned = np.empty(table.shape[::-1], dtype=table.dtype)
    for start in range(0, len(table), BLOCK):
        turned[:, start : start + BLOCK] = table[start : start + BLOCK].T
    return turned


def between(lower: float | None, upper: float | None) -> float:
    """The threshold that admits the score `upper` and not the score `lower`: halfway, or `upper` itself.

    Args:
        lower: None for the lowest cut, which lies halfway to 0.
        upper: None for the cut above all scores, which lies halfway to 1.
    """
    if upper is None and lower is None:
        return UNTUNED
    if upper is None:
        upper = max(1.0, float(np.nextafter(np.float64(lower), np.inf)))
    upper = float(upper)
    if lower is None:
        return (min(0.0, upper) + upper) / 2
    middle = (float(lower) + upper) / 2
    # Between neighbouring floats there is no middle.
    return middle if middle > float(lower) else upper
