"""The scores of several runs as those of one: arrays by image id in, arrays out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.errors import InputError
from data.tables.spreadsheet import some
from run_folder.layout import Scores, TestFold

NO_LABEL = 254  # of a class and an image that no run knows together


@dataclass(frozen=True)
class RunScores:
    """One of R runs: its name, the scores of its splits, and the indices (k,) of its classes among all K."""

    name: str
    splits: dict[str, Scores]
    columns: np.ndarray


def combine(
    shape: tuple[int, int], values: Iterable[tuple[Sequence[int], np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Average each value over the runs that give one.

    Args:
        shape: (N, K), images and classes of the result.
        values: per run, its rows (n,) and columns (k,) in the result, and its values (n, k).

    Returns:
        The means (N, K) float64, 0 without a value, and how many runs gave each, (N, K) int64.
    """
    totals, counts = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    for rows, columns, own in values:
        where = np.ix_(rows, columns)
        totals[where] += own
        counts[where] += 1
    return totals / np.maximum(counts, 1), counts


def joined_ids(runs: Sequence[RunScores], split: str) -> list[str]:
    """Return the ids of a split's images: of train those that all runs have there, else those that any has there."""
    lists = [run.splits[split].ids if split in run.splits else [] for run in runs]
    every = dict.fromkeys(name for ids in lists for name in ids)
    if split == "train":
        shared = set(every).intersection(*lists)
        return [name for name in every if name in shared]
    return list(every)


def joined_labels(runs: Sequence[RunScores], class_names: Sequence[str], apart: bool = False) -> np.ndarray:
    """Return the labels of all images of all runs.

    Args:
        runs: R runs.
        class_names: K names.
        apart: whether runs need no image in common.

    Returns:
        (N, K) uint8 of 0, 1, 255 for unknown, and `NO_LABEL`; images in the order of their appearance.

    Raises:
        InputError: two runs have different labels for an image, or a run has no image in common with those before it.
    """
    index: dict[str, int] = {}
    for run in runs:
        ids = [name for stored in run.splits.values() for name in stored.ids]
        if index and not apart and index.keys().isdisjoint(ids):
            raise InputError(f"{run.name} has no image in common with {runs[0].name}: their scores cannot be joined")
        for name in ids:
            index.setdefault(name, len(index))
    labels = np.full((len(index), len(class_names)), NO_LABEL, dtype=np.uint8)
    for run in runs:
        for stored in run.splits.values():
            where = np.ix_([index[name] for name in stored.ids], run.columns)
            before = labels[where]
            clash = (before != NO_LABEL) & (before != stored.labels)
            if clash.any():
                rows, columns = np.nonzero(clash)
                images = [stored.ids[row] for row in np.unique(rows)]
                name = class_names[run.columns[columns[0]]]
                raise InputError(
                    f"{run.name} has other labels than the runs before it for {len(images):,} images "
                    f"({some(images)}), as in class {name}: {stored.labels[rows[0], columns[0]]}, but before "
                    f"{before[rows[0], columns[0]]}; join runs that were trained on the same labels"
                )
            labels[where] = stored.labels
    return labels


def joined_scores(runs: Sequence[RunScores], split: str, class_names: Sequence[str]) -> tuple[Scores, tuple[int, int]]:
    """Return the scores of a split: for each image and class the mean over the runs that know the class and have the
    image in this split. So in val and test no run scores what it trained on, and in test none what chose its epoch.

    Args:
        runs: R runs with the same labels of an image, see `joined_labels`.
        split: train, val or test.
        class_names: K names.

    Returns:
        The scores of N images, and by how many runs at least and at most a class of an image is scored.

    Raises:
        InputError: no run has such images, or a class of some image has no run to score it.
    """
    ids = joined_ids(runs, split)
    if not ids:
        raise InputError(f"{' and '.join(run.name for run in runs)} have no {split} scores in common")
    index = {name: row for row, name in enumerate(ids)}
    groups, hashes = (np.full(len(ids), "", dtype=object) for _ in range(2))
    labels = np.full((len(ids), len(class_names)), NO_LABEL, dtype=np.uint8)
    given = []
    for run in runs:
        if split not in run.splits:
            continue
        stored = run.splits[split]
        taken = [row for row, name in enumerate(stored.ids) if name in index]
        rows = [index[stored.ids[row]] for row in taken]
        given.append((rows, run.columns, stored.scores[taken]))
        labels[np.ix_(rows, run.columns)] = stored.labels[taken]
        for texts, own in ((groups, stored.groups), (hashes, stored.hashes)):
            if own is not None:
                texts[rows] = own[taken]
    scores, counts = combine(labels.shape, given)
    if not counts.all():
        lacking = (counts == 0).sum(axis=0)
        worst = int(np.argmax(lacking))
        raise InputError(
            f"{lacking[worst]:,} of {len(ids):,} {split} images have no score for class {class_names[worst]} by a run "
            f"that has them in {split} ({np.count_nonzero(lacking)} classes lack some): join runs of the same splits "
            "and folds"
        )
    named = [texts.astype(np.str_) if texts.any() else None for texts in (groups, hashes)]
    return Scores(ids, scores.astype(np.float32), labels, *named), (int(counts.min()), int(counts.max()))


def other_bytes(runs: Sequence[RunScores]) -> list[str]:
    """Return warnings of images whose files have other bytes in one run than under the same id in a run before."""
    known: dict[str, str] = {}
    warnings = []
    for run in runs:
        own = {name: digest for stored in run.splits.values() for name, digest in stored.digests.items()}
        if other := [name for name, digest in own.items() if known.setdefault(name, digest) != digest]:
            warnings.append(
                f"Warning: {len(other):,} images have other bytes in {run.name} than in the runs before it "
                f"({some(other)}); their scores belong together only if they are the same images, saved again"
            )
    return warnings


def training_counts(runs: Sequence[RunScores], class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return positive and known labels per class, (K,) int64 each, of images that a run which knows it trained on."""
    train = [replace(run, splits={"train": run.splits["train"]}) for run in runs]
    labels = joined_labels(train, class_names, apart=True)
    return (labels == 1).sum(axis=0), (labels <= 1).sum(axis=0)


def test_folds(runs: Sequence[RunScores], class_names: Sequence[str]) -> list[TestFold]:
    """Return the test images grouped by the runs that have them in test, if some are val images of other runs.

    Args:
        runs: R runs, with their train scores. class_names: K names.
    """
    evaluated: dict[str, tuple[int, ...]] = {}
    for number, run in enumerate(runs):
        for name in run.splits["test"].ids if "test" in run.splits else ():
            evaluated[name] = (*evaluated.get(name, ()), number)
    if evaluated.keys().isdisjoint(name for run in runs if "val" in run.splits for name in run.splits["val"].ids):
        return []
    groups: dict[tuple[int, ...], set[str]] = {}
    for name, numbers in evaluated.items():
        groups.setdefault(numbers, set()).add(name)
    folds = []
    for numbers, ids in groups.items():
        positives, known = training_counts([runs[number] for number in numbers], class_names)
        folds.append(TestFold(frozenset(ids), positives / np.maximum(known, 1)))
    return folds
