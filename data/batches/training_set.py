"""The images that train: training rows of a cache, and its augmented sets behind them."""

from collections.abc import Sequence

import numpy as np

from data.augmentation.augmented_set import AugmentedSet
from data.cache.cache import Cache


class TrainingSet:
    """n images in one numbering.

    Attributes:
        ids: n ids.
        labels: (n, K) uint8 of 0, 1 or 255; float32 where an augmented set has soft labels.
        image_shape: height, width and channels; None for sides that differ.
        bucket: (n,) int64, which images have one shape. shapes: that of each bucket.

    Args:
        cache: where the originals are.
        rows: (m,) positions of the training rows in the cache.
        augmented: sets of new images; all of their images are taken.
    """

    def __init__(self, cache: Cache, rows: np.ndarray, augmented: Sequence[AugmentedSet] = ()) -> None:
        rows = np.asarray(rows, dtype=np.int64)
        self._sources = [(cache, rows), *((each, np.arange(len(each))) for each in augmented)]
        self._starts = np.cumsum([0, *(len(own) for _, own in self._sources)])
        self.ids = [cache.ids[row] for row in rows] + [name for each in augmented for name in each.ids]
        self.labels = np.concatenate([cache.labels[rows], *(each.labels for each in augmented)])
        self.image_shape = cache.image_shape
        self.bucket, self.shapes = np.zeros(len(self.ids), dtype=np.int64), [self.image_shape]
        if None in self.image_shape:  # then there is no augmented set: see augment.py
            self.bucket, self.shapes = cache.bucket[rows], cache.shapes

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sources(self) -> list[tuple[Cache | AugmentedSet, np.ndarray]]:
        """Where the images are, the cache first, and in each the positions of those that are taken, in this order."""
        return self._sources

    def gather(self, places: np.ndarray) -> np.ndarray:
        """Copy images out of the memory maps: (b,) places of one shape, 0 to n − 1, to (b, H, W, C) uint8."""
        if len(self._sources) == 1:
            return self._sources[0][0].gather(self._sources[0][1][places])
        images = np.empty((len(places), *self.image_shape), dtype=np.uint8)
        owners = np.searchsorted(self._starts, places, side="right") - 1
        for number, (source, rows) in enumerate(self._sources):
            mine = owners == number
            images[mine] = source.gather(rows[places[mine] - self._starts[number]])
        return images
