"""A frozen backbone's features, computed once and stored, and a head that trains on them.

The mean over all places of a pretrained network's last feature maps says much about an image (Razavian et al., "CNN
features off-the-shelf", CVPR workshops 2014). What does not train need not be computed anew each epoch: only turns and
flips change it, and there are at most eight of those, whose features are all stored.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from data.augmentation.augmented_set import AugmentedSet
from data.augmentation.operations import Ranges, draw, turned
from data.batches.batches import TrainingBatches, score
from data.cache.cache import Cache
from data.cache.feature_files import FeatureFiles, FeatureTable, computed
from training import devices
from training.config import Config
from training.inputs import Inputs

FOLDER = "features"  # in the cache
LAYER = "features"  # the models' layer whose outputs are stored
SYMMETRIES = ("quarter_turns", "flips")  # the operations whose results can all be stored


def extractor(model: keras.Model) -> keras.Model:
    """The part of a model from images to features, with the model's own layers."""
    return keras.Model(model.input, model.get_layer(LAYER).output, name=model.name)


def head(model: keras.Model) -> keras.Model:
    """The part of a model from features to logits, with the model's own layers: what trains here, trains there."""
    return keras.Model(model.get_layer(LAYER).output, model.output, name=f"{model.name}_head")


def refusal(config: Config, cache: Cache) -> str:
    """Why features cannot be stored for the header's settings and the cache, or nothing where they can.

    A rotated or mixed image is another one each time; features of all of them cannot be kept.
    """
    if config.devices != "one":
        return f"devices = {config.devices}: features are computed on one device; give --devices one"
    if others := [name for name in config.operations if name not in SYMMETRIES]:
        return (
            f"operations: {', '.join(others)} would change the pixels anew each epoch, but features are computed once; "
            "only quarter_turns and flips can be stored, whose 8 results are"
        )
    if config.mixing != "off":
        text = "mixes pixels anew each epoch, but features are computed once; give --mixing off"
        return f"mixing = {config.mixing} {text}"
    if config.train_scales != (1.0,):
        return "train_scales other than 1 make other pixels by epoch, but features are computed once"
    if len(cache.shapes) > 1:
        return f"{cache.directory} has images of several shapes, whose features are not stored"
    return ""


def views_of(ranges: Ranges, shape: tuple[int, int, int]) -> list[tuple[bool, int]]:
    """Every (mirror, turns) that `data.augmentation.operations.draw` can give, first the image as it is.

    Args:
        ranges: of which the operations other than `SYMMETRIES` are left out of account.
        shape: height, width and channels; what is not square is turned by halves.
    """
    chosen = set(SYMMETRIES) & set(ranges.operations)
    turns = range(4) if "quarter_turns" in chosen and shape[0] == shape[1] else (0, 2) if chosen else (0,)
    return [(mirror, turn) for mirror in ((False, True) if "flips" in chosen else (False,)) for turn in turns]


def digest(network: keras.Model) -> str:
    """What decides a network's outputs: its layers' kinds and settings in order, and all of their weights."""
    known = hashlib.sha256()
    for layer in network.layers:
        # The rate is that of dropout, which outputs do not depend on.
        settings = {
            name: value for name, value in layer.get_config().items() if name not in ("name", "trainable", "rate")
        }
        kind = getattr(layer, "stands_for", type(layer)).__name__  # fused or not, the outputs are the same
        known.update(f"{kind} {json.dumps(settings, sort_keys=True, default=str)}\n".encode())
        for array in layer.get_weights():
            known.update(np.ascontiguousarray(array).data)
    return known.hexdigest()


class FeatureCache:
    """Features in the place of the pixels of a cache: what `fitting` needs of a `Cache` to score a head.

    Attributes:
        ids, labels, index: the cache's.
        image_shape: of what `gather` gives for one image.
    """

    def __init__(self, cache: Cache, table: FeatureTable, features: int) -> None:
        self.ids, self.labels, self.index, self._table = cache.ids, cache.labels, cache.index, table
        self.image_shape = (features,)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """The features of the images as they are, (n,) positions in the cache to (n, D) float32."""
        return self._table.gather(rows)


class FeatureBatches(TrainingBatches):
    """The batches that `TrainingBatches` would give, as features: the same images, order, turns and flips, but none of
    the operations that only images shown again have.

    Args:
        table: the features of `images`, in its numbering.
        views: of each image, what `views_of` gave when they were computed.
        options: of `TrainingBatches`.
    """

    def __init__(self, table: FeatureTable, views: list[tuple[bool, int]], **options: object) -> None:
        super().__init__(**options)
        self.table = table
        self._numbers = {view: number for number, view in enumerate(views)}

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Features (batch_size, D) float32 and labels (batch_size, K)."""
        rounds, rows, occurrences = self.visits(self.start_step + index)
        shape, ids = self.images.image_shape, self.images.ids
        drawn = [
            draw(self.online.ranges, shape, self.seed, int(of_round), ids[row], int(occurrence))
            for of_round, row, occurrence in zip(rounds, rows, occurrences, strict=True)
        ]
        views = np.array([self._numbers[each.mirror, each.turns] for each in drawn])
        return self.table.gather(rows, views), self.images.labels[rows]


class Stored:
    """The features of all images of a run, computed where they are not stored yet.

    They lie in the cache, so that every later run with the same frozen weights finds them:
    `features/MODEL-DIGEST/SPLIT-VIEWS-DIGEST/`, named by the weights and by the images. The folder may be deleted at
    any time.

    Attributes:
        directory: where they are.
        images: a `FeatureCache`, for scoring.

    Args:
        config: the header of train.py.
        inputs: what trains and is scored.
        model: of logits, with the layer `features`.
    """

    def __init__(self, config: Config, inputs: Inputs, model: keras.Model) -> None:
        cache = inputs.cache
        self.inputs, self.views = inputs, views_of(inputs.online.ranges, cache.image_shape)
        self._batch_size = config.batch_size
        self._network = extractor(model)
        self._network.compile(jit_compile=devices.jit_compile(config.jit_compile))
        self.directory = cache.directory / FOLDER / f"{model.name}-{digest(self._network)[:16]}"
        state = cache.meta["fingerprint"]
        files, owners, places = [], np.zeros(len(cache), np.int64), np.zeros(len(cache), np.int64)
        for split, own in inputs.rows.items():
            if len(own):
                views = self.views if split == "train" else self.views[:1]
                owners[own], places[own] = len(files), np.arange(len(own))
                files.append(self._files(cache, own, views, split, [state, own.tolist()]))
        self.images = FeatureCache(cache, FeatureTable(files, owners, places), self._network.output_shape[-1])
        self._of_cache = files, owners, places

    def batches(self) -> FeatureBatches:
        """What the head trains on."""
        files, owners, places = self._of_cache
        (_, known), *augmented = self.inputs.images.sources
        files, owners, places = list(files), [owners[known]], [places[known]]
        for made, own in augmented:
            owners.append(np.full(len(own), len(files)))
            places.append(own)
            files.append(self._files(made, own, self.views, made.directory.name, _state(made)))
        table = FeatureTable(files, np.concatenate(owners), np.concatenate(places))
        return FeatureBatches(
            table, self.views, images=self.inputs.images, batch_size=self._batch_size, seed=self.inputs.config.seed,
            repeats=self.inputs.repeats, online=self.inputs.online,
        )  # fmt: skip

    def _files(
        self, source: Cache | AugmentedSet, rows: np.ndarray, views: list[tuple[bool, int]], name: str, state: object
    ) -> FeatureFiles:
        """The features of a source's rows, of which `state` says what they are."""
        key = hashlib.sha256(json.dumps([state, views]).encode()).hexdigest()[:16]
        shape = len(views), self._network.output_shape[-1]

        def compute(places: np.ndarray) -> np.ndarray:
            images = source.gather(rows[places])
            outputs = score(self._network, _in_batches(images, views, self._batch_size), self._batch_size)
            return outputs.reshape(len(views), len(places), -1).swapaxes(0, 1)

        directory = self.directory / f"{name}-{len(views)}-{key}"
        return computed(directory, len(rows), shape, compute, f"Features of {name}")


def _in_batches(images: np.ndarray, views: list[tuple[bool, int]], batch_size: int) -> Iterator[np.ndarray]:
    """All images in the first view, then all in the second, and so on, in whole batches but for the last."""
    places = [(view, number) for view in views for number in range(len(images))]
    for start in range(0, len(places), batch_size):
        yield np.stack(
            [turned(images[number], turns, mirror) for (mirror, turns), number in places[start : start + batch_size]]
        )


def _state(made: AugmentedSet) -> list[Any]:
    """What says which pixels an augmented set holds: its description and how each image was made."""
    return [made.meta, made.ids, hashlib.sha256((made.directory / "index.csv").read_bytes()).hexdigest()]
