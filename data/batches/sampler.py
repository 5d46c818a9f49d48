"""Which images each batch shows: images of one shape, and the same number of batches in every epoch."""

import functools
import math

import numpy as np

from data.augmentation.operations import generator
from data.batches.sampling import epoch_length, epoch_visits

BUCKET_KEYS = 32  # bits: seeds are smaller than 2 to this, so that each bucket draws by a key of its own
GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of it lie evenly in 0 to 1 without ever repeating


class BatchSampler:
    """The rows of each batch, a pure function of (seed, step).

    The images of one shape form a bucket. A bucket is shown in rounds, and each image appears in a round as often as
    `repeats` says. With one bucket, an epoch is one round, and the round's first rows fill up its last batch. With
    several buckets, the rounds of each form an endless sequence, which continues across batches and epochs. Each epoch
    divides its batches among the buckets in proportion to the sums of their `repeats`. If a bucket fills less than one
    batch per epoch, its images are missing in some epochs and appear more often in others. On average, images of all
    shapes appear as often as `repeats` says.

    Attributes:
        batch_size: rows per batch; fewer than requested if no bucket has as many.
        steps_per_epoch: batches per epoch.

    Args:
        repeats: (n,) how often each image appears in an epoch on average.
        bucket: (n,) the bucket of each image.
        batch_size: rows per batch at most.
        seed: of the order.
    """

    def __init__(self, repeats: np.ndarray, bucket: np.ndarray, batch_size: int, seed: int) -> None:
        self.seed = seed
        self._places = [np.flatnonzero(bucket == number) for number in np.unique(bucket)]
        self._repeats = [np.asarray(repeats, dtype=np.float64)[places] for places in self._places]
        lengths = [epoch_length(own) for own in self._repeats]
        self.batch_size = min(batch_size, max(lengths))
        self.steps_per_epoch = -(-epoch_length(np.asarray(repeats, dtype=np.float64)) // self.batch_size)
        self._lengths = lengths if len(lengths) > 1 else [self.steps_per_epoch * self.batch_size]
        totals = np.array([own.sum() for own in self._repeats])
        self._shares = totals / totals.sum()
        self._offsets = generator(seed, "offsets of buckets").random(len(lengths))
        # A batch may be asked for again, and two epochs at once where one is fetched ahead.
        self._rounds = [
            functools.lru_cache(maxsize=2 + self.batch_size // length)(functools.partial(self._drawn, number))
            for number, length in enumerate(lengths)
        ]
        self._slots = functools.lru_cache(maxsize=2)(self._divided)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the batch of a global step.

        Returns:
            (batch_size,) int64 each: the round of each image, which is the epoch if there is one bucket; its index; and
            its occurrence in the round.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        number, batch = self._slots(epoch)[place].tolist()
        rounds, chosen = np.divmod(batch * self.batch_size + np.arange(self.batch_size), self._lengths[number])
        rows, occurrences = np.empty_like(chosen), np.empty_like(chosen)
        for each in range(rounds[0], rounds[-1] + 1):
            own, (every, before) = rounds == each, self._rounds[number](each)
            rows[own], occurrences[own] = every[chosen[own] % len(every)], before[chosen[own] % len(every)]
        return rounds, self._places[number][rows], occurrences

    def _drawn(self, number: int, of_round: int) -> tuple[np.ndarray, np.ndarray]:
        return epoch_visits(self._repeats[number], self.seed + (number << BUCKET_KEYS), of_round)

    def _divided(self, epoch: int) -> np.ndarray:
        """The bucket of each batch of an epoch, and how many of that bucket came before, (steps_per_epoch, 2) int64.

        Batch j of a bucket with the share w of all visits gets a time between j / w and (j + 1) / w, and the batches of
        all buckets are sorted by time. After any number of epochs, a bucket is only a few batches off its share.
        The time within each span follows multiples of the golden ratio. Otherwise a bucket with half a batch per epoch
        would appear in every second epoch, each time at the same scale.
        """
        first, number = epoch * self.steps_per_epoch, len(self._places)
        if number == 1:
            return np.stack([np.zeros(self.steps_per_epoch, int), first + np.arange(self.steps_per_epoch)], axis=1)
        # The number of batches before a time t differs from t by at most the number of buckets.
        since, until = first - number - 1, first + self.steps_per_epoch + number + 1
        starts = np.floor(self._shares * since).clip(0).astype(np.int64)
        counts = np.ceil(self._shares * until).astype(np.int64) + 1 - starts
        buckets = np.repeat(np.arange(number), counts)
        batches = np.concatenate([start + np.arange(count) for start, count in zip(starts, counts, strict=True)])
        times = (batches + (self._offsets[buckets] + batches * GOLDEN) % 1) / self._shares[buckets]
        order = np.argsort(times, kind="stable")[first - starts.sum() :][: self.steps_per_epoch]
        slots = np.stack([buckets, batches], axis=1)[order]
        return generator(self.seed, "order of batches", epoch).permutation(slots)
