"""Batches for Keras: uint8 images and multi-hot labels, gathered from memory maps and augmented on the way."""

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import cv2
import keras
import numpy as np
from scipy.special import expit

from data.augmentation.mixing import Online, mix_batch
from data.augmentation.operations import apply, draw, generator
from data.batches.sampler import BatchSampler
from data.batches.test_time_augmentation import Views, scaled, scaled_shape
from data.batches.training_set import TrainingSet
from data.cache.cache import Cache


class TrainingBatches(keras.utils.PyDataset):
    """An endless sequence: item i is the batch of global step `start_step` + i, a pure function of (seed, epoch, step).

    All batches have as many images: the last one of an epoch is filled up with that epoch's first rows, so that no row
    is left out and no second graph compiled. A batch's images have one shape; it differs between batches where the
    cache has several (see `BatchSampler`, also for which rows an epoch then has), and between epochs where `scales` do.
    `fit` needs `feed(batches)`, `shuffle=False` and `steps_per_epoch=batches.steps_per_epoch`.

    Args:
        images: what trains, n images.
        batch_size: rows a batch; a smaller set makes smaller batches.
        seed: of order, operations and mixing.
        start_step: global step of item 0.
        repeats: (n,) how often each image appears in an epoch on average, see `data.batches.sampling`; None for once.
        online: operations and mixing; None for the images as they are.
        threads: how many augment images at once; OpenCV lets them run side by side.
        scales: of the images' sides, an epoch each, over and over.
        share: the number of this process among those that train together, and theirs; items are its share of each
            batch, and all else is of the whole.
    """

    def __init__(
        self,
        images: TrainingSet,
        batch_size: int,
        seed: int,
        start_step: int = 0,
        repeats: np.ndarray | None = None,
        online: Online | None = None,
        threads: int = 1,
        scales: Sequence[float] = (1.0,),
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.images, self.seed, self.start_step, self.scales = images, seed, start_step, tuple(scales)
        self.repeats = np.ones(len(images.labels)) if repeats is None else np.asarray(repeats, dtype=np.float64)
        self.online = online or Online()
        plan = BatchSampler(self.repeats, images.bucket, batch_size, seed)
        self.batch_size, self.steps_per_epoch = plan.batch_size, plan.steps_per_epoch
        index, count = share
        self._own = slice(index * self.batch_size // count, (index + 1) * self.batch_size // count)
        self.visits = plan.batch  # of a global step: rounds, places and occurrences
        first = self.online.ranges
        self._ranges = first, replace(first, operations=(*first.operations, *self.online.repeat_operations))
        self._augments = bool(self._ranges[int(self.repeats.max(initial=0) > 1)].operations)
        self._threads = ThreadPoolExecutor(threads) if threads > 1 and self._augments else None
        if self._augments:
            cv2.setNumThreads(1)  # images are small: splitting one among cores costs more than it brings

    def close(self) -> None:
        """End the threads; a batch that is still asked for, by a queue that runs ahead, is augmented without them."""
        threads, self._threads = self._threads, None
        if threads:
            threads.shutdown()

    @property
    def num_batches(self) -> None:
        return None

    @property
    def shapes(self) -> set[tuple[int, int, int]]:
        """The shapes of the images of all batches."""
        used = {self.images.shapes[number] for number in np.unique(self.images.bucket)}
        return {scaled_shape(shape, scale) for shape in used for scale in self.scales}

    @property
    def labels_type(self) -> str:
        soft = self.online.mixing != "off" or self.images.labels.dtype == np.float32
        return "float32" if soft else "uint8"

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (batch_size, H, W, C) uint8 and labels (batch_size, K) uint8, or float32 where they may be soft."""
        step = self.start_step + index
        rounds, rows, occurrences = self.visits(step)
        mixes = self.online.mixing != "off"
        if not mixes:
            rounds, rows, occurrences = rounds[self._own], rows[self._own], occurrences[self._own]
        images, labels = self.images.gather(rows), self.images.labels[rows]
        if self._augments:
            self._augment(images, rounds, rows, occurrences)
        images = scaled(images, self.scales[step // self.steps_per_epoch % len(self.scales)])
        if mixes:
            drawn = generator(self.seed, "mixing", step)
            images, labels = mix_batch(images, labels, self.online.mixing, self.online.mixing_alpha, drawn)
            # Any two images of the whole batch may have been mixed.
            images, labels = images[self._own], labels[self._own]
        return images, labels

    def whole_images(self, step: int) -> np.ndarray:
        """Return the images of a global step, (batch_size, H, W, C) uint8, also if this process makes only a part."""
        whole = copy.copy(self)
        whole._own = slice(None)
        return whole[step - self.start_step][0]

    def _augment(self, images: np.ndarray, rounds: np.ndarray, rows: np.ndarray, occurrences: np.ndarray) -> None:
        def one(place: int) -> None:
            name, of_round, occurrence = self.images.ids[rows[place]], int(rounds[place]), int(occurrences[place])
            parameters = draw(self._ranges[occurrence > 0], images.shape[1:], self.seed, of_round, name, occurrence)
            images[place] = apply(images[place], parameters)

        for _ in (self._threads.map if self._threads else map)(one, range(len(images))):
            pass


def feed(batches: TrainingBatches) -> TrainingBatches | Iterable[Any]:
    """What `fit` takes: the batches themselves, or for TensorFlow a dataset that is told that their sides differ.

    Keras tells TensorFlow the shape that the first two batches have in common, and a third one fails.
    """
    if keras.backend.backend() != "tensorflow" or len(batches.shapes) == 1:
        return batches
    import tensorflow as tf

    channels, classes = batches.images.image_shape[2], batches.images.labels.shape[1]
    signature = (
        tf.TensorSpec((None, None, None, channels), "uint8"),
        tf.TensorSpec((None, classes), batches.labels_type),
    )
    every = tf.data.Dataset.from_generator(
        lambda: map(batches.__getitem__, itertools.count()), output_signature=signature
    )
    return every.prefetch(tf.data.AUTOTUNE)


def image_batches(cache: Cache, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """The rows' images in order, uint8 (n, H, W, C) of one shape with n = batch_size, less at the end of a shape."""
    start = 0
    ends = np.flatnonzero(np.diff(cache.bucket[rows])) + 1 if None in cache.image_shape else []
    for end in (*ends, len(rows)):
        for first in range(start, end, batch_size):
            yield cache.gather(rows[first : min(first + batch_size, end)])
        start = end


def score(model: keras.Model, batches: Iterator[np.ndarray], batch_size: int) -> np.ndarray:
    """The model's outputs for all images of the batches, (N, K) float32.

    A short batch is filled up and cut again, because a second shape would compile a second graph.
    """
    outputs = [model.predict_on_batch(_filled(images, batch_size))[: len(images)] for images in batches]
    return _together(outputs, model)


def probabilities(
    model: keras.Model, batches: Iterator[np.ndarray], batch_size: int, views: Views, logits: bool
) -> np.ndarray:
    """The mean over views of the probabilities of all images of the batches, (N, K) float32.

    Args:
        model: of logits or of probabilities, which `logits` says.
        batches: (n, H, W, C) uint8 each; a short one is filled up as in `score`.
        batch_size: images a batch.
        views: how each image is seen.
    """
    outputs = []
    for images in batches:
        found = [model.predict_on_batch(view) for view in views.of(_filled(images, batch_size))]
        found = [expit(one) if logits else one for one in found]
        outputs.append((found[0] if len(found) == 1 else np.mean(found, axis=0, dtype=np.float64))[: len(images)])
    return _together(outputs, model)


def score_rows(model: keras.Model, cache: Cache, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """`score` of rows of a cache, in their order, whatever their shapes: (n, K) float32."""
    order = by_shape(cache, rows)
    return _back(score(model, image_batches(cache, rows[order], batch_size), batch_size), order)


def row_probabilities(model: keras.Model, cache: Cache, rows: np.ndarray, batch_size: int, views: Views) -> np.ndarray:
    """`probabilities` of rows of a cache by a model of logits, in the rows' order, whatever their shapes: (n, K)."""
    order = by_shape(cache, rows)
    return _back(
        probabilities(model, image_batches(cache, rows[order], batch_size), batch_size, views, logits=True), order
    )


def by_shape(cache: Cache, rows: np.ndarray) -> np.ndarray:
    """An order of the rows, (n,) int64 places among them, in which images of one shape stand together."""
    if None not in cache.image_shape:
        return np.arange(len(rows))
    return np.argsort(cache.bucket[rows], kind="stable")


def _back(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    restored = np.empty_like(values)
    restored[order] = values
    return restored


def _filled(images: np.ndarray, batch_size: int) -> np.ndarray:
    missing = batch_size - len(images)
    if missing <= 0:
        return images
    return np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])


def _together(outputs: list[np.ndarray], model: keras.Model) -> np.ndarray:
    if not outputs:
        return np.zeros((0, model.output_shape[-1]), np.float32)
    return np.concatenate(outputs).astype(np.float32)
