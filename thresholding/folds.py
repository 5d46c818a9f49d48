"""Rows dealt into folds so that each has its share of every class, the rarest first."""

import numpy as np

from common.labels import UNKNOWN


def dealt(labels: np.ndarray, folds: int, rng: np.random.Generator, units: np.ndarray | None = None) -> np.ndarray:
    """The fold of each row, (N,) int64 from 0 to folds − 1, with rows of a known label alike in number but for one.

    Rows are sorted by the rarest class that they have, in random order within it, and dealt like cards. Of a class that
    lies with no rarer one, no two folds differ by more than one. Rows with no known label, which count nowhere, are all
    in the first fold, and change nothing in how the others are dealt.

    Args:
        labels: (N, K) uint8, 255 for unknown.
        folds: how many.
        rng: draws the order.
        units: (N,) int64 from 0 to U − 1, rows that stay together; then units are dealt, each with the labels of all
            its rows. None: each row is a unit.
    """
    if units is not None:
        return dealt(_of_units(labels, units), folds, rng)[units]
    rows = np.flatnonzero((labels != UNKNOWN).any(axis=1))
    positive = labels[rows] == 1
    by_size = np.argsort(positive.sum(axis=0), kind="stable")
    rarest = np.where(positive.any(axis=1), np.argmax(positive[:, by_size], axis=1), labels.shape[1])
    order = np.lexsort((rng.random(len(rows)), rarest))
    found = np.zeros(len(labels), dtype=np.int64)
    found[rows[order]] = (np.arange(len(rows)) + rng.integers(folds)) % folds
    return found


def _of_units(labels: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(U, K) uint8: 1 where a row of the unit has the label, else 0 where one is known, else 255."""
    found = np.full((int(units.max()) + 1, labels.shape[1]), UNKNOWN, dtype=np.uint8)
    for label in (0, 1):
        rows, columns = np.nonzero(labels == label)
        found[units[rows], columns] = label
    return found
