"""Batches for Keras: uint8 images and multi-hot labels, gathered from a cache's memory maps."""

import functools
from collections.abc import Iterator

import keras
import numpy as np

from data.cache import Cache


@functools.lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order in which an epoch visits its rows: a permutation of 0..count−1, (count,) int64.

    A counter-based generator makes it a function of its arguments alone, whatever was drawn before.
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(count)


class TrainingBatches(keras.utils.PyDataset):
    """An endless sequence: item i is the batch of global step `start_step` + i, a pure function of (seed, epoch, step).

    All batches have the same shape: the last one of an epoch is filled up with that epoch's first rows, so that no row
    is left out and no second graph compiled. `fit` needs `steps_per_epoch=batches.steps_per_epoch` and `shuffle=False`.

    Args:
        cache: where the images are.
        rows: (n,) positions of the training rows in the cache.
        batch_size: rows a batch; a smaller set makes smaller batches.
        seed: of the order.
        start_step: global step of item 0.
    """

    def __init__(self, cache: Cache, rows: np.ndarray, batch_size: int, seed: int, start_step: int = 0) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.cache = cache
        self.rows = np.asarray(rows, dtype=np.int64)
        self.batch_size = min(batch_size, len(self.rows))
        self.seed = seed
        self.start_step = start_step
        self.steps_per_epoch = -(-len(self.rows) // self.batch_size)

    @property
    def num_batches(self) -> None:
        return None

    def batch_rows(self, step: int) -> np.ndarray:
        """The cache positions in the batch of a global step, (batch_size,) int64."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = epoch_order(self.seed, epoch, len(self.rows))
        places = np.arange(place * self.batch_size, (place + 1) * self.batch_size) % len(order)
        return self.rows[order[places]]

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (batch_size, H, W, C) uint8 and labels (batch_size, K) uint8."""
        rows = self.batch_rows(self.start_step + index)
        return self.cache.gather(rows), self.cache.labels[rows]


def image_batches(cache: Cache, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """The rows' images in order, uint8 (n, H, W, C) with n = batch_size but for the last."""
    for start in range(0, len(rows), batch_size):
        yield cache.gather(rows[start : start + batch_size])


def score(model: keras.Model, batches: Iterator[np.ndarray], batch_size: int) -> np.ndarray:
    """The model's outputs for all images of the batches, (N, K) float32.

    A short last batch is filled up and cut again, because a second shape would compile a second graph.
    """
    outputs = []
    for images in batches:
        count = len(images)
        if count < batch_size:
            images = np.concatenate([images, np.zeros((batch_size - count, *images.shape[1:]), images.dtype)])
        outputs.append(model.predict_on_batch(images)[:count].astype(np.float32))
    return np.concatenate(outputs) if outputs else np.zeros((0, model.output_shape[-1]), np.float32)
