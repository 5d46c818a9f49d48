"""What a training run is fed: images of a cache and its augmented sets, how often each, and what is done to them."""

import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from common.errors import InputError
from data.augmentation.augmented_set import AugmentedSet, open_augmented
from data.augmentation.mixing import Online
from data.augmentation.operations import Ranges
from data.batches.sampling import LEAST_RATIO, epoch_length, repeated_classes, repeats_per_epoch
from data.batches.training_set import TrainingSet
from data.cache.cache import Cache
from data.cache.partition import is_part, sampled_negatives
from training.config import Config
from training.selection import usable_rows

if TYPE_CHECKING:
    from data.batches.batches import TrainingBatches


class Inputs:
    """What a run trains on and scores.

    Attributes:
        cache: where the images are. rows: the cache positions of each split.
        images: the `TrainingSet`, n images.
        repeats: (n,) how often an epoch shows each, on average.
        rare: names of the classes whose images sampling = repeat_rare repeats. few: whether any has too few images.
        soft: tags of the augmented sets with shares of labels.
        shows_again: whether an epoch shows some image more than once.
        online: operations and mixing.

    Args:
        config: the header of train.py.
        cache: as `selection.viewed` gives it. Training rows of nothing known are left out of `images`, as they teach
            nothing and would only thin the batches.

    Raises:
        InputError: a split has no label, an augmented set is missing or does not belong to the cache, or a range cannot
            be.
    """

    def __init__(self, config: Config, cache: Cache) -> None:
        self.config, self.cache, self.rows, self.online = config, cache, usable_rows(config, cache), _online(config)
        rows = self.rows["train"]
        known = rows[(cache.labels[rows] <= 1).any(axis=1)]
        augmented = _augmented_sets(config, cache)
        self.images = TrainingSet(cache, known, augmented)
        self.rare, self.few, with_rare = _rare_classes(cache, known, config.rare_below)
        shown = repeats_per_epoch(
            config.sampling, self.images.labels,
            with_rare=np.pad(with_rare, (0, len(self.images) - len(known))),  # augmented images are repeats already
            copies=config.copies, threshold=config.repeat_threshold, max_copies=config.max_copies, seed=config.seed,
        )  # fmt: skip
        self.shows_again = bool((shown > 1).any())
        self.repeats = sampled_negatives(self.images.labels, shown, config.negatives) if is_part(cache) else shown
        self.soft = [tag for tag, own in zip(config.augmented, augmented, strict=True) if own.labels.dtype.kind == "f"]
        self._messages = [*self._image_messages(len(rows) - len(known), augmented), *_thinned(shown, self.repeats)]

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Positives and negatives a class that an epoch shows, (K,) float64; shares of soft labels count as such."""
        known = self.images.labels <= 1
        positives = self.repeats @ np.where(known, self.images.labels, 0).astype(np.float64)
        return positives, self.repeats @ known.astype(np.float64) - positives

    def batches(self) -> "TrainingBatches":
        """The endless `TrainingBatches`."""
        from data.batches.batches import TrainingBatches  # here, because Keras takes long to import
        from training import distribution

        config = self.config
        threads = config.workers or max(1, (os.cpu_count() or 1) // 2)
        return TrainingBatches(
            self.images, config.batch_size, config.seed, 0, self.repeats, self.online, threads, config.train_scales,
            distribution.shard(),
        )  # fmt: skip

    def messages(self) -> list[str]:
        """Return what an epoch shows beside the training images as they are, in lines."""
        return [*self._messages, *self._sampling_messages(), *self._online_messages()]

    def _image_messages(self, unknown: int, augmented: Sequence[AugmentedSet]) -> Iterator[str]:
        if unknown:
            yield f"{unknown:,} train images have no known label and are left out of training"
        if augmented:
            named = ", ".join(self.config.augmented)
            yield f"With the augmented images of {named}: {len(self.images):,} training images"
        if same := _repeated([each.made for each in augmented]):
            yield f"Warning: {same:,} of them are the same in two of these sets; make one anew with another --seed"
        if left_out := sum(each.left_out for each in augmented):
            yield f"{left_out:,} more are left out, as they were made of images that judge here"

    def _sampling_messages(self) -> Iterator[str]:
        config, length = self.config, epoch_length(self.repeats)
        if config.sampling == "repeat_rare" and self.rare:
            classes = "a rare class" if len(self.rare) == 1 else f"one of {len(self.rare)} rare classes"
            yield (
                f"{np.count_nonzero(self.repeats > 1):,} images with {classes} are shown {1 + config.copies} times an "
                f"epoch: {length:,} images instead of {len(self.images):,}"
            )
        elif config.sampling == "repeat_rare" and self.few:
            ratio = f"the largest has no more than {LEAST_RATIO} times the images of any"
            yield f"No class is rare, as {ratio}: an epoch shows each image once"
        elif config.sampling not in ("all", "repeat_rare"):
            least, most = self.repeats.min(), self.repeats.max()
            yield f"Sampling {config.sampling}: {length:,} images an epoch, {least:.2g} to {most:.3g} times each"
            if least == most == 1:
                yield f"Warning: {self._why_unchanged()}, so sampling {config.sampling} changes nothing"

    def _online_messages(self) -> Iterator[str]:
        config = self.config
        online = [*config.operations, *([config.mixing] if config.mixing != "off" else [])]
        # `stages.messages` says which operations stored features leave out.
        pixels = self.shows_again and config.trainable != "head"
        more = [name for name in config.repeat_operations if name not in online] if pixels else []
        again = [f"{', '.join(more)} where an image is shown again"] if more else []
        if online or more:
            yield f"Online: {'; '.join([', '.join(online) or 'nothing', *again])}"

    def _why_unchanged(self) -> str:
        if self.config.sampling != "repeat_factors":
            return "the classes are even already"
        positives, negatives = self.counts()
        shares = positives[positives > 0] / (positives + negatives)[positives > 0]
        return (
            f"no class is in fewer than --repeat_threshold {self.config.repeat_threshold:g} of the images (the rarest "
            f"in {shares.min(initial=1):.3f})"
        )


def _online(config: Config) -> Online:
    ranges = Ranges(**{field.name: getattr(config, field.name) for field in fields(Ranges)})
    return Online(ranges, config.mixing, config.mixing_alpha, config.repeat_operations)


def _augmented_sets(config: Config, cache: Cache) -> list[AugmentedSet]:
    if len(set(config.augmented)) < len(config.augmented):
        raise InputError(f"augmented = {', '.join(config.augmented)}: a set is named twice")
    return [open_augmented(cache, tag) for tag in config.augmented]


def _rare_classes(cache: Cache, rows: np.ndarray, rare_below: int) -> tuple[list[str], bool, np.ndarray]:
    """Return the rare classes of these rows, whether any class has too few images, and (n,) the rows with a rare one.

    The counts are of the whole cache, so that every fold, and the runs for its large and its small classes, agree on
    the rare classes. They are of its own labels, as a node of a tree has the images of all below it.
    """
    names, counts = list(cache.own_counts), list(cache.own_counts.values())
    rare = [index for index in repeated_classes(counts, rare_below) if names[index] in cache.class_names]
    positive = cache.own_labels[rows][:, rare] == 1
    present = [names[index] for index, any_image in zip(rare, positive.any(axis=0), strict=True) if any_image]
    return present, any(0 < count < rare_below for count in counts), positive.any(axis=1)


def _thinned(shown: np.ndarray, kept: np.ndarray) -> Iterator[str]:
    if (fewer := kept < shown).any():
        numbers = f"{kept[fewer].sum():,.0f} of {shown[fewer].sum():,.0f} an epoch, drawn anew each time"
        yield f"Images without any of these classes: {numbers}"


def _repeated(sets: Sequence[Sequence[Hashable]]) -> int:
    """Return how many members of the sets are in an earlier set too."""
    seen: set[Hashable] = set()
    count = 0
    for members in sets:
        count += sum(member in seen for member in members)
        seen.update(members)
    return count
