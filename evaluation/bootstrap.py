"""Bootstrap intervals: the figures of many draws of images with replacement (Efron 1979).

A draw is how often each image occurs in it. Whole groups are drawn where images of a group resemble each other: as
many groups as there are, each with all of its images. Several judged parts can share their draws, so that differences
between them are of the same images (a paired bootstrap).
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from evaluation import counts
from evaluation.ranking import Ranking

CHUNK = 4_000_000  # weights that are held at a time
MOST_AT_ONCE = 64  # draws
LEVEL = 0.95


class Judged(Protocol):
    """Something with figures under any weights of the U units that are drawn."""

    def figures(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Name → (B,) float64 for weights (U, B) float32."""
        ...


class Predicted:
    """Figures of thresholded predictions, from counts: `counts.drawn_figures`."""

    def __init__(
        self, outcomes: counts.Outcomes, units: np.ndarray | None = None, parts: dict[str, np.ndarray] | None = None
    ) -> None:
        """Count.

        Args:
            outcomes: of the predictions of N images.
            units: (N,) int64 from 0 to U − 1, the unit of each image; None: each image is its own.
            parts: name → places of some classes, whose F1 is a figure of that name as well.
        """
        self._rows = outcomes.by_image()
        if units is not None:
            self._rows = summed(self._rows, units)
        self._present = counts.split(self._rows.sum(axis=0)).positives > 0
        self._parts = parts or {}

    def figures(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        sums = counts.split(weights.T.astype(np.float64) @ self._rows)
        parts = {name: counts.present_f1(sums, columns) for name, columns in self._parts.items()}
        return {**counts.drawn_figures(sums, self._present), **parts}


class Ranked:
    """Figures of scores: "mAP" over the classes that have a positive in the draw, "AUC" over those that have both."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray, units: np.ndarray | None = None) -> None:
        """Sort labels (N, K) uint8, 255 for unknown, by scores (N, K); `units` as for `Predicted`."""
        self._rankings = [Ranking(*column, units) for column in zip(labels.T, scores.T, strict=True)]

    def figures(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        by_class = np.array([ranking.figures(weights) for ranking in self._rankings])
        known = ~np.isnan(by_class)
        sums = np.where(known, by_class, 0).sum(axis=0)
        return dict(zip(("mAP", "AUC"), counts.ratio(sums, known.sum(axis=0), np.nan), strict=True))


def resampled(judged: Sequence[Judged], units: int, draws: int, seed: int) -> list[dict[str, np.ndarray]]:
    """The figures of every draw, the same draws for all that is judged.

    Args:
        judged: with figures under weights of the same units.
        units: U, how many images or groups there are.
        draws: how many draws.
        seed: the same seed, the same draws, however many are held at a time.

    Returns:
        For each of `judged` name → (draws,) float64.
    """
    found: list[list[dict[str, np.ndarray]]] = [[] for _ in judged]
    for weights in drawn(units, draws, seed):
        for place, each in enumerate(judged):
            found[place].append(each.figures(weights))
    return [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]} for parts in found]


def drawn(units: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Weights (U, B) float32 of some draws at a time: multinomial, U of U units each."""
    generator = np.random.default_rng(seed)
    at_once = min(MOST_AT_ONCE, max(1, CHUNK // max(1, units)))
    for first in range(0, draws, at_once):
        number = min(at_once, draws - first)
        columns = [np.bincount(generator.integers(units, size=units), minlength=units) for _ in range(number)]
        yield np.array(columns, dtype=np.float32).T.copy()


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The middle part of the draws, by default from the 2.5th to the 97.5th percentile; nan where none is defined."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summed(rows: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The rows of each unit added up: (N, C) and (N,) int64 → (U, C)."""
    order = np.argsort(units, kind="stable")
    first = np.unique(units[order], return_index=True)[1]
    return np.add.reduceat(rows[order], first, axis=0)


def group_units(groups: np.ndarray) -> np.ndarray:
    """Group names (N,) → the units (N,) int64 that are drawn; an image without a name is a unit of its own."""
    groups = np.asarray(groups)
    names, numbers = np.unique(groups, return_inverse=True)
    alone = groups == ""
    numbers[alone] = len(names) + np.arange(np.count_nonzero(alone))
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)
