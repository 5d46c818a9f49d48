"""The scores of several runs as those of one: arrays by image id in, arrays out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.errors import InputError
from data.tables.spreadsheet import some
from run_folder.layout import Scores, TestFold

NO_LABEL = 254  # of a class and an image that no run knows together


@dataclass(frozen=True)
class Part:
    """What one of R runs brings: its name, the scores of its splits, and its classes' places (k,) among all K."""

    name: str
    splits: dict[str, Scores]
    columns: np.ndarray


def joined_ids(parts: Sequence[Part], split: str) -> list[str]:
    """The ids of a split's images: of train those that all runs have there, of the others those that any has there."""
    lists = [part.splits[split].ids if split in part.splits else [] for part in parts]
    every = dict.fromkeys(name for ids in lists for name in ids)
    if split == "train":
        shared = set(every).intersection(*lists)
        return [name for name in every if name in shared]
    return list(every)


def joined_labels(parts: Sequence[Part], class_names: Sequence[str], apart: bool = False) -> np.ndarray:
    """The labels of all images of all runs.

    Args:
        parts: R runs.
        class_names: K names.
        apart: whether runs need no image in common.

    Returns:
        (N, K) uint8 of 0, 1, 255 for unknown, and `NO_LABEL`; images in the order of their appearance.

    Raises:
        InputError: two runs have different labels for an image, or a run has no image in common with those before it.
    """
    places: dict[str, int] = {}
    for part in parts:
        ids = [name for stored in part.splits.values() for name in stored.ids]
        if places and not apart and places.keys().isdisjoint(ids):
            raise InputError(f"{part.name} has no image in common with {parts[0].name}: their scores cannot be joined")
        for name in ids:
            places.setdefault(name, len(places))
    labels = np.full((len(places), len(class_names)), NO_LABEL, dtype=np.uint8)
    for part in parts:
        for stored in part.splits.values():
            where = np.ix_([places[name] for name in stored.ids], part.columns)
            before = labels[where]
            clash = (before != NO_LABEL) & (before != stored.labels)
            if clash.any():
                rows, columns = np.nonzero(clash)
                images = [stored.ids[row] for row in np.unique(rows)]
                name = class_names[part.columns[columns[0]]]
                raise InputError(
                    f"{part.name} has other labels than the runs before it for {len(images):,} images "
                    f"({some(images)}), as in class {name}: {stored.labels[rows[0], columns[0]]}, but before "
                    f"{before[rows[0], columns[0]]}; join runs that were trained on the same labels"
                )
            labels[where] = stored.labels
    return labels


def joined_scores(parts: Sequence[Part], split: str, class_names: Sequence[str]) -> tuple[Scores, tuple[int, int]]:
    """The scores of a split: for each image and class the mean over the runs that know the class and have the image in
    this split, so that in val and test no run scores what it trained on, and in test none what chose its epoch.

    Args:
        parts: R runs, with the labels of one image alike, see `joined_labels`.
        split: train, val or test.
        class_names: K names.

    Returns:
        The scores of N images, and by how many runs at least and at most a class of an image is scored.

    Raises:
        InputError: no run has such images, or a class of some image has no run to score it.
    """
    ids = joined_ids(parts, split)
    if not ids:
        raise InputError(f"{' and '.join(part.name for part in parts)} have no {split} scores in common")
    places = {name: place for place, name in enumerate(ids)}
    groups, hashes = (np.full(len(ids), "", dtype=object) for _ in range(2))
    totals, counts = np.zeros((len(ids), len(class_names))), np.zeros((len(ids), len(class_names)), dtype=np.int64)
    labels = np.full(totals.shape, NO_LABEL, dtype=np.uint8)
    for part in parts:
        if split not in part.splits:
            continue
        stored = part.splits[split]
        taken = [row for row, name in enumerate(stored.ids) if name in places]
        where = np.ix_([places[stored.ids[row]] for row in taken], part.columns)
        totals[where] += stored.scores[taken]
        counts[where] += 1
        labels[where] = stored.labels[taken]
        for texts, given in ((groups, stored.groups), (hashes, stored.hashes)):
            if given is not None:
                texts[where[0].ravel()] = given[taken]
    if not counts.all():
        lacking = (counts == 0).sum(axis=0)
        worst = int(np.argmax(lacking))
        raise InputError(
            f"{lacking[worst]:,} of {len(ids):,} {split} images have no score for class {class_names[worst]} by a run "
            f"that has them in {split} ({np.count_nonzero(lacking)} classes lack some): join runs of the same splits "
            "and folds"
        )
    named = [texts.astype(np.str_) if texts.any() else None for texts in (groups, hashes)]
    return Scores(ids, (totals / counts).astype(np.float32), labels, *named), (int(counts.min()), int(counts.max()))


def other_bytes(parts: Sequence[Part]) -> list[str]:
    """Warnings of images whose files have other bytes in one run than under the same id in a run before, in lines."""
    known: dict[str, str] = {}
    warnings = []
    for part in parts:
        own = {}
        for stored in part.splits.values():
            if stored.hashes is not None:
                own |= dict(zip(stored.ids, stored.hashes.tolist(), strict=True))
        if other := [name for name, digest in own.items() if known.setdefault(name, digest) != digest]:
            warnings.append(
                f"Warning: {len(other):,} images have other bytes in {part.name} than in the runs before it "
                f"({some(other)}); their scores belong together only if they are the same images, saved again"
            )
    return warnings


def training_counts(parts: Sequence[Part], class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Positive and known labels a class, (K,) int64 each, of the images that a run which knows the class trained on."""
    train = [Part(part.name, {"train": part.splits["train"]}, part.columns) for part in parts]
    labels = joined_labels(train, class_names, apart=True)
    return (labels == 1).sum(axis=0), (labels <= 1).sum(axis=0)


def test_folds(parts: Sequence[Part], class_names: Sequence[str]) -> list[TestFold]:
    """The test images apart by the runs that have them in test, where some are val images of other runs; else none.

    Args:
        parts: R runs, with their train scores. class_names: K names.
    """
    judged: dict[str, tuple[int, ...]] = {}
    for number, part in enumerate(parts):
        for name in part.splits["test"].ids if "test" in part.splits else ():
            judged[name] = (*judged.get(name, ()), number)
    if judged.keys().isdisjoint(name for part in parts if "val" in part.splits for name in part.splits["val"].ids):
        return []
    folds: dict[tuple[int, ...], set[str]] = {}
    for name, numbers in judged.items():
        folds.setdefault(numbers, set()).add(name)
    found = []
    for numbers, ids in folds.items():
        positives, known = training_counts([parts[number] for number in numbers], class_names)
        found.append(TestFold(frozenset(ids), positives / np.maximum(known, 1)))
    return found
