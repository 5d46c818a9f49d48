"""Batches for Keras: uint8 images and multi-hot labels, gathered from memory maps and augmented on the way."""

import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import keras
import numpy as np

from data.augmentation import apply, draw, generator
from data.cache import Cache
from data.mixing import Online, mix_batch
from data.sampling import epoch_length, epoch_visits
from data.training_set import TrainingSet


class TrainingBatches(keras.utils.PyDataset):
    """An endless sequence: item i is the batch of global step `start_step` + i, a pure function of (seed, epoch, step).

    All batches have the same shape: the last one of an epoch is filled up with that epoch's first rows, so that no row
    is left out and no second graph compiled. `fit` needs `steps_per_epoch=batches.steps_per_epoch` and `shuffle=False`.

    Args:
        images: what trains, n images.
        batch_size: rows a batch; a smaller set makes smaller batches.
        seed: of order, operations and mixing.
        start_step: global step of item 0.
        expected: (n,) how often an epoch visits each image on average, see `data.sampling`; None for once.
        online: operations and mixing; None for the images as they are.
        threads: how many augment images at once; OpenCV lets them run side by side.
    """

    def __init__(
        self,
        images: TrainingSet,
        batch_size: int,
        seed: int,
        start_step: int = 0,
        expected: np.ndarray | None = None,
        online: Online | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.images, self.seed, self.start_step = images, seed, start_step
        self.expected = np.ones(len(images.labels)) if expected is None else np.asarray(expected, dtype=np.float64)
        self.online = online or Online()
        # An epoch's length, and with it the number of its steps, is the same in every epoch.
        self.rows_per_epoch = epoch_length(self.expected)
        self.batch_size = min(batch_size, self.rows_per_epoch)
        self.steps_per_epoch = -(-self.rows_per_epoch // self.batch_size)
        self._visits = functools.lru_cache(maxsize=2)(functools.partial(epoch_visits, self.expected, seed))
        self._threads = ThreadPoolExecutor(threads) if threads > 1 and self.online.ranges.operations else None
        if self.online.ranges.operations:
            cv2.setNumThreads(1)  # images are small: splitting one among cores costs more than it brings

    @property
    def num_batches(self) -> None:
        return None

    def visits(self, step: int) -> tuple[int, np.ndarray, np.ndarray]:
        """The batch of a global step: its epoch, its images' places and their occurrences, (batch_size,) int64 each."""
        epoch, place = divmod(step, self.steps_per_epoch)
        rows, occurrences = self._visits(epoch)
        places = np.arange(place * self.batch_size, (place + 1) * self.batch_size) % len(rows)
        return epoch, rows[places], occurrences[places]

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (batch_size, H, W, C) uint8 and labels (batch_size, K) uint8, or float32 where they may be soft."""
        step = self.start_step + index
        epoch, rows, occurrences = self.visits(step)
        images, labels = self.images.gather(rows), self.images.labels[rows]
        if self.online.ranges.operations:
            self._augment(images, epoch, rows, occurrences)
        if self.online.mixing != "off":
            drawn = generator(self.seed, "mixing", step)
            images, labels = mix_batch(images, labels, self.online.mixing, self.online.mixing_alpha, drawn)
        return images, labels

    def _augment(self, images: np.ndarray, epoch: int, rows: np.ndarray, occurrences: np.ndarray) -> None:
        def one(place: int) -> None:
            name, occurrence = self.images.ids[rows[place]], int(occurrences[place])
            parameters = draw(self.online.ranges, self.images.image_shape, self.seed, epoch, name, occurrence)
            images[place] = apply(images[place], parameters)

        for _ in (self._threads.map if self._threads else map)(one, range(len(images))):
            pass


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
