"""Several runs seen as one: disjoint classes are joined, common ones averaged, and no run scores what it trained on."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from data.images.preparation import Preparation
from data.labels.label_forms import SPLITS
from run_folder.ensemble_scores import (
    Part,
    joined_ids,
    joined_labels,
    joined_scores,
    other_bytes,
    test_folds,
    training_counts,
)
from run_folder.layout import Scores, TestFold
from run_folder.run import Run, open_run

LONGEST_NAME = 60  # characters of a folder's name


def open_runs(run_dirs: Sequence[Path]) -> Run:
    """One run, or several joined.

    Raises:
        InputError: none is given, one is given twice, or one cannot be opened.
    """
    if not run_dirs:
        raise InputError("run_dirs is empty: give a run that train.py finished, or several")
    seen: set[Path] = set()
    for run_dir in run_dirs:
        place = Path(os.path.realpath(run_dir))
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
        return self._mean([run.shown_rates for run in self.runs])

    @property
    def smoothing(self) -> np.ndarray:
        return self._mean([run.smoothing for run in self.runs])

    @property
    def mixed(self) -> list[str]:
        return list(dict.fromkeys(name for run in self.runs for name in run.mixed))

    def _mean(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """The mean over the runs that know a class, as its scores are, (K,) float64; `values` (K of the run,) each."""
        totals, counts = np.zeros(len(self.class_names)), np.zeros(len(self.class_names))
        for own, columns in zip(values, self.columns, strict=True):
            totals[columns] += own
            counts[columns] += 1
        return totals / counts

    def splits(self) -> list[str]:
        """The splits that can be joined; train only where all runs trained on some image."""
        return [split for split in SPLITS if joined_ids(self._parts, split)]

    def scores(self, split: str) -> Scores:
        """The joined scores of a split, see `joined_scores`."""
        return self._joined(split)[0]

    def test_folds(self) -> list[TestFold]:
        return test_folds(self._parts, self.class_names)

    def words(self) -> list[str]:
        lines = [f"Joined: {len(self.runs)} runs, {len(self.class_names)} classes"]
        for split in self.splits():
            least, most = self._joined(split)[1]
            runs = f"{least}" if least == most else f"{least} to {most}"
            lines.append(f"  {split}: {len(self.scores(split).ids):,} images, each class scored by {runs} of the runs")
        return lines + other_bytes(self._parts)

    def checked_preparation(self) -> Preparation:
        return self.runs[0].checked_preparation()

    def load_model(self) -> Any:
        raise TypeError("joined runs have several models: see run_folder/predictor.py")

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
        return training_counts(self._parts, self.class_names)

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
