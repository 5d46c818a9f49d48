"""What a training run is fed: images of a cache and its augmented sets, how often each, and what is done to them."""

import os
from collections.abc import Hashable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from common.errors import InputError
from data.augmentation.augmented_set import open_augmented
from data.augmentation.mixing import Online
from data.augmentation.operations import Ranges
from data.batches.sampling import LEAST_RATIO, epoch_length, repeated_classes, repeats
from data.batches.training_set import TrainingSet
from data.cache.cache import Cache
from data.cache.partition import is_part, sampled_negatives


class Inputs:
    """The training images of a run.

    Attributes:
        images: the `TrainingSet`, n images.
        expected: (n,) how often an epoch shows each, on average.
        rare: names of the classes whose images sampling = repeat_rare repeats. few: whether any has too few images.
        soft: tags of the augmented sets with shares of labels.
        shows_again: whether an epoch shows some image more than once.
        online: operations and mixing.

    Args:
        config: the header of train.py.
        cache: what it trains on.
        rows: (m,) cache positions of the training rows; those of nothing known are left out, as they teach nothing and
            would only thin the batches.

    Raises:
        InputError: an augmented set is missing or does not belong to the cache, or a range cannot be.
    """

    def __init__(self, config: Any, cache: Cache, rows: np.ndarray) -> None:
        self.config = config
        ranges = Ranges(**{field.name: getattr(config, field.name) for field in fields(Ranges)})
        self.online = Online(ranges, config.mixing, config.mixing_alpha, config.repeat_operations)
        known = rows[(cache.labels[rows] <= 1).any(axis=1)]
        self.left_out = len(rows) - len(known)
        if len(set(config.augmented)) < len(config.augmented):
            raise InputError(f"augmented = {', '.join(config.augmented)}: a set is named twice")
        augmented = [open_augmented(cache, tag) for tag in config.augmented]
        self.augmented_left_out = sum(each.left_out for each in augmented)
        self.repeated = _repeated([each.made for each in augmented])
        self.soft = [tag for tag, own in zip(config.augmented, augmented, strict=True) if own.labels.dtype.kind == "f"]
        self.images = TrainingSet(cache, known, augmented)
        labels = self.images.labels
        # Of the whole cache, so that every fold, and the runs for its large and its small classes, agree on them;
        # by its own labels, as a node of a tree has the images of all below it.
        names, counts = list(cache.own_counts), list(cache.own_counts.values())
        rare = [place for place in repeated_classes(counts, config.rare_below) if names[place] in cache.class_names]
        self.few = any(0 < count < config.rare_below for count in counts)
        found = cache.own_labels[known][:, rare] == 1
        self.rare = [names[place] for place, any_image in zip(rare, found.any(axis=0), strict=True) if any_image]
        with_rare = np.zeros(len(self.images), dtype=bool)  # augmented images are repeats already
        with_rare[: len(known)] = found.any(axis=1)
        self.expected = repeats(
            config.sampling, labels, with_rare=with_rare, copies=config.copies,
            threshold=config.repeat_threshold, max_copies=config.max_copies, seed=config.seed,
        )  # fmt: skip
        self.shows_again = bool((self.expected > 1).any())
        self.thinned = ""
        if is_part(cache):
            every, self.expected = self.expected, sampled_negatives(labels, self.expected, config.negatives)
            if (fewer := self.expected < every).any():
                self.thinned = (
                    f"Images without any of these classes: {self.expected[fewer].sum():,.0f} of "
                    f"{every[fewer].sum():,.0f} an epoch, drawn anew each time"
                )

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Positives and negatives a class that an epoch shows, (K,) float64; shares of soft labels count as such."""
        known = self.images.labels <= 1
        positives = self.expected @ np.where(known, self.images.labels, 0).astype(np.float64)
        return positives, self.expected @ known.astype(np.float64) - positives

    def batches(self) -> Any:
        """The endless `TrainingBatches`."""
        from data.batches.batches import TrainingBatches  # here, because Keras takes long to import
        from training import distribution

        config = self.config
        threads = config.workers or max(1, (os.cpu_count() or 1) // 2)
        return TrainingBatches(
            self.images, config.batch_size, config.seed, 0, self.expected, self.online, threads, config.train_scales,
            distribution.share(),
        )  # fmt: skip

    def words(self) -> list[str]:
        """What an epoch shows beside the training images as they are, in lines."""
        config, said = self.config, []
        if self.left_out:
            said.append(f"{self.left_out:,} train images have no known label and are left out of training")
        if config.augmented:
            named = ", ".join(config.augmented)
            said.append(f"With the augmented images of {named}: {len(self.images):,} training images")
        if self.repeated:
            same = f"Warning: {self.repeated:,} of them are the same in two of these sets"
            said.append(f"{same}; make one anew with another --seed")
        if self.augmented_left_out:
            said.append(f"{self.augmented_left_out:,} more are left out, as they were made of images that judge here")
        if self.thinned:
            said.append(self.thinned)
        least, most = self.expected.min(), self.expected.max()
        length = epoch_length(self.expected)
        if config.sampling == "repeat_rare":
            if rare := len(self.rare):
                said.append(
                    f"{np.count_nonzero(self.expected > 1):,} images with "
                    f"{'a rare class' if rare == 1 else f'one of {rare} rare classes'} are shown {1 + config.copies} "
                    f"times an epoch: {length:,} images instead of {len(self.images):,}"
                )
            elif self.few:
                said.append(
                    f"No class is rare, as the largest has no more than {LEAST_RATIO} times the images of any: "
                    "an epoch shows each image once"
                )
        elif config.sampling != "all":
            said.append(f"Sampling {config.sampling}: {length:,} images an epoch, {least:.2g} to {most:.3g} times each")
            if least == most == 1:
                said.append(f"Warning: {self._why_unchanged()}, so sampling {config.sampling} changes nothing")
        online = [*config.operations, *([config.mixing] if config.mixing != "off" else [])]
        # What of it stored features leave out, `phases` says.
        pixels = self.shows_again and config.trainable != "head"
        more = [name for name in config.repeat_operations if name not in online] if pixels else []
        if online or more:
            again = [f"{', '.join(more)} where an image is shown again"] if more else []
            said.append(f"Online: {'; '.join([', '.join(online) or 'nothing', *again])}")
        return said

    def _why_unchanged(self) -> str:
        if self.config.sampling != "repeat_factors":
            return "the classes are even already"
        positives, negatives = self.counts()
        shares = positives[positives > 0] / (positives + negatives)[positives > 0]
        return (
            f"no class is in fewer than --repeat_threshold {self.config.repeat_threshold:g} of the images (the rarest "
            f"in {shares.min(initial=1):.3f})"
        )


def _repeated(sets: Sequence[Sequence[Hashable]]) -> int:
    """How many members of the sets are in a set before as well."""
    seen: set[Hashable] = set()
    count = 0
    for members in sets:
        count += sum(member in seen for member in members)
        seen.update(members)
    return count
