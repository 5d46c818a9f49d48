"""Which images each batch of an epoch shows: images of one shape, and the same number of batches in every epoch."""

import functools

import numpy as np

from data.augmentation import generator
from data.sampling import epoch_length, epoch_visits

BUCKET_KEYS = 32  # bits: seeds are smaller than 2 to this, so that each bucket draws by a key of its own


class Visits:
    """A pure function of (seed, epoch, step).

    Each bucket of images of one shape is visited for itself, so that an epoch's batches are the same number in every
    epoch; its last batch is filled up with its first rows of that epoch. Where there are several buckets, their batches
    come in an order drawn for the epoch.

    Attributes:
        batch_size: rows a batch; fewer than asked for where no bucket has as many.
        rows_per_epoch: visits an epoch, without those that fill up.
        steps_per_epoch: batches an epoch.

    Args:
        expected: (n,) how often an epoch visits each image on average.
        bucket: (n,) which images have one shape.
        batch_size: rows a batch at most.
        seed: of the order.
    """

    def __init__(self, expected: np.ndarray, bucket: np.ndarray, batch_size: int, seed: int) -> None:
        self.seed = seed
        self._places = [np.flatnonzero(bucket == number) for number in np.unique(bucket)]
        self._expected = [np.asarray(expected, dtype=np.float64)[places] for places in self._places]
        lengths = [epoch_length(own) for own in self._expected]
        self.batch_size, self.rows_per_epoch = min(batch_size, max(lengths)), sum(lengths)
        self._slots = [
            (number, first) for number, length in enumerate(lengths) for first in range(0, length, self.batch_size)
        ]
        self.steps_per_epoch = len(self._slots)
        # A batch may be asked for again, and two epochs at once where one is fetched ahead.
        self._visits = functools.lru_cache(maxsize=2 * len(lengths))(self._drawn)
        self._order = functools.lru_cache(maxsize=2)(self._ordered)

    def batch(self, step: int) -> tuple[int, np.ndarray, np.ndarray]:
        """The batch of a global step: its epoch, its images' places and their occurrences, (batch_size,) int64 each."""
        epoch, place = divmod(step, self.steps_per_epoch)
        number, first = self._slots[self._order(epoch)[place]]
        rows, occurrences = self._visits(number, epoch)
        chosen = np.arange(first, first + self.batch_size) % len(rows)
        return epoch, self._places[number][rows[chosen]], occurrences[chosen]

    def _drawn(self, number: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        return epoch_visits(self._expected[number], self.seed + (number << BUCKET_KEYS), epoch)

    def _ordered(self, epoch: int) -> np.ndarray:
        if len(self._places) == 1:
            return np.arange(self.steps_per_epoch)
        return generator(self.seed, "order of batches", epoch).permutation(self.steps_per_epoch)
