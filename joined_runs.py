"""Several runs seen as one: disjoint classes are joined, common ones averaged, and no run scores what it trained on."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.faults import InputError
from data.splits import SPLITS
from data.spreadsheet import some
from run_folder import Run, Scores, open_run

NO_LABEL = 254  # of a class and an image that no run knows together
LONGEST_NAME = 60  # characters of a folder's name


@dataclass(frozen=True)
class Part:
    """What one of R runs brings: its name, the scores of its splits, and its classes' places (k,) among all K."""

    name: str
    splits: dict[str, Scores]
    columns: np.ndarray


def open_runs(run_dirs: Sequence[Path]) -> Run:
    """One run, or several joined.

    Raises:
        InputError: none is given, one is given twice, or one cannot be opened.
    """
    if not run_dirs:
        raise InputError("run_dirs is empty: give a run that train.py finished, or several")
    seen: set[Path] = set()
    for run_dir in run_dirs:
        place = Path(run_dir).resolve()
        if place in seen:
            raise InputError(f"run_dirs names {run_dir} twice; a run is joined with others")
        seen.add(place)
    runs = [open_run(run_dir) for run_dir in run_dirs]
    return runs[0] if len(runs) == 1 else JoinedRuns(runs)


class JoinedRuns(Run):
    """Several runs with what the scripts ask of one. What they write goes into a folder of the first run.

    Attributes:
        runs: the R runs.
        columns: for each the places of its classes among those of the join.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        check_trees(runs)
        names = class_order(runs)
        others = "_".join(run.name for run in runs[1:])
        if len(others) > LONGEST_NAME:
            others = f"{len(runs) - 1}_others_from_{runs[1].name[:LONGEST_NAME]}"
        config = {**common_config(runs), "cache": {**runs[0].cache, "class_names": names}}
        super().__init__(runs[0].directory / f"joined_{others}", config)
        self.runs = list(runs)
        self.columns = [np.array([names.index(name) for name in run.class_names], dtype=np.int64) for run in runs]

    @property
    def name(self) -> str:
        return " + ".join(run.name for run in self.runs)

    @property
    def place(self) -> str:
        return " + ".join(run.place for run in self.runs)

    @property
    def members(self) -> list[dict[str, str]]:
        return [member for run in self.runs for member in run.members]

    @property
    def warnings(self) -> list[str]:
        """What each run was warned of, with its folder."""
        return [f"{run.directory}: {text}" for run in self.runs for text in run.warnings]

    @property
    def training_counts(self) -> np.ndarray:
        """Positive images a class among those that a run which knows it trained on, (K,) int64."""
        return self._training_counts[0]

    @property
    def training_rates(self) -> np.ndarray:
        """Share of positives among those of these images whose label is known, (K,) float64."""
        positives, known = self._training_counts
        return positives / np.maximum(known, 1)

    @property
    def losses(self) -> set[str]:
        return {name for run in self.runs for name in run.losses}

    @property
    def shown_rates(self) -> np.ndarray:
        """The mean over the runs that know a class, as its scores are, (K,) float64."""
        totals, counts = np.zeros(len(self.class_names)), np.zeros(len(self.class_names))
        for run, columns in zip(self.runs, self.columns, strict=True):
            totals[columns] += run.shown_rates
            counts[columns] += 1
        return totals / counts

    def splits(self) -> list[str]:
        """The splits that can be joined; train only where all runs trained on some image."""
        return [split for split in SPLITS if joined_ids(self._parts, split)]

    def scores(self, split: str) -> Scores:
        """The joined scores of a split, see `joined_scores`."""
        return self._joined(split)[0]

    def words(self) -> list[str]:
        lines = [f"Joined: {len(self.runs)} runs, {len(self.class_names)} classes"]
        for split in self.splits():
            least, most = self._joined(split)[1]
            runs = f"{least}" if least == most else f"{least} to {most}"
            lines.append(f"  {split}: {len(self.scores(split).ids):,} images, each class scored by {runs} of the runs")
        return lines

    def load_model(self) -> Any:
        raise TypeError("joined runs have several models: see predictor.py")

    @functools.cached_property
    def _parts(self) -> list[Part]:
        parts = [
            Part(str(run.directory), {split: run.scores(split) for split in run.splits()}, columns)
            for run, columns in zip(self.runs, self.columns, strict=True)
        ]
        for part in parts:
            if "train" not in part.splits:
                raise InputError(f"{part.name} stored no train scores, so it is not known which images it trained on")
        joined_labels(parts, self.class_names)
        return parts

    @functools.cached_property
    def _training_counts(self) -> tuple[np.ndarray, np.ndarray]:
        train = [Part(part.name, {"train": part.splits["train"]}, part.columns) for part in self._parts]
        labels = joined_labels(train, self.class_names, apart=True)
        return (labels == 1).sum(axis=0), (labels <= 1).sum(axis=0)

    def _joined(self, split: str) -> tuple[Scores, tuple[int, int]]:
        if split not in self._by_split:
            self._by_split[split] = joined_scores(self._parts, split, self.class_names)
        return self._by_split[split]

    @functools.cached_property
    def _by_split(self) -> dict[str, tuple[Scores, tuple[int, int]]]:
        return {}


def check_trees(runs: Sequence[Run]) -> None:
    """Refuse nodes of different trees, whose levels and parents have no meaning together."""
    trees = [(run.cache.get("hierarchy"), run.class_names if run.tree else None) for run in runs]
    if other := next((run for run, tree in zip(runs, trees, strict=True) if tree != trees[0]), None):
        raise InputError(
            f"{runs[0].directory} and {other.directory} cannot be joined: one was trained over a tree of labels, the "
            "other over another or none"
        )


def class_order(runs: Sequence[Run]) -> list[str]:
    """All classes of the runs: in a cache's order if one has them all, else in the order of their appearance."""
    names = list(dict.fromkeys(name for run in runs for name in run.class_names))
    for run in runs:
        every = run.cache.get("all_class_names", run.class_names)
        if set(names) <= set(every):
            return [name for name in every if name in set(names)]
    return names


def common_config(runs: Sequence[Run]) -> dict[str, Any]:
    """What made the runs, as a run's config says it: what they share once, what differs run by run."""
    settings = [run.config.get("config", {}) for run in runs]
    joined: dict[str, Any] = {"joined runs": ", ".join(str(run.directory) for run in runs)}
    for name in dict.fromkeys(name for each in settings for name in each):
        values = [each.get(name) for each in settings]
        joined[name] = values[0] if all(value == values[0] for value in values) else " | ".join(map(str, values))
    created = [run.config.get("created", "") for run in runs]
    return {**runs[0].config, "config": joined, "created": " | ".join(created), "warnings": []}


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
    groups = np.full(len(ids), "", dtype=object)
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
        if stored.groups is not None:
            groups[where[0].ravel()] = stored.groups[taken]
    if not counts.all():
        lacking = (counts == 0).sum(axis=0)
        worst = int(np.argmax(lacking))
        raise InputError(
            f"{lacking[worst]:,} of {len(ids):,} {split} images have no score for class {class_names[worst]} by a run "
            f"that has them in {split} ({np.count_nonzero(lacking)} classes lack some): join runs of the same splits "
            "and folds"
        )
    named = groups.astype(np.str_) if groups.any() else None
    return Scores(ids, (totals / counts).astype(np.float32), labels, named), (int(counts.min()), int(counts.max()))
