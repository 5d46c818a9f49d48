"""Several runs seen as one: disjoint classes are joined, common ones averaged, and no run scores what it trained on."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from data.labels.label_forms import SPLITS
from run_folder.ensemble_scores import (
    RunScores,
    combine,
    joined_ids,
    joined_labels,
    joined_scores,
    other_bytes,
    test_folds,
    training_counts,
)
from run_folder.layout import Scores, TestFold
from run_folder.run import Run, open_run
from run_folder.scored_run import ScoredRun

LONGEST_NAME = 60  # characters of a folder's name


def open_runs(run_dirs: Sequence[Path]) -> ScoredRun:
    """Open one run, or several as an ensemble.

    Raises:
        InputError: none is given, one is given twice, or one cannot be opened.
    """
    if not run_dirs:
        raise InputError("run_dirs is empty: give a run that train.py finished, or several")
    folders = [os.path.realpath(run_dir) for run_dir in run_dirs]
    for number, run_dir in enumerate(run_dirs):
        if folders[number] in folders[:number]:
            raise InputError(f"run_dirs names {run_dir} twice; a run is joined with others")
    runs = [open_run(run_dir) for run_dir in run_dirs]
    return runs[0] if len(runs) == 1 else Ensemble(runs)


class Ensemble(ScoredRun):
    """Several runs that are used like one. What scripts write goes into a folder of the first run."""

    def __init__(self, runs: Sequence[Run]) -> None:
        check_trees(runs)
        names = class_order(runs)
        others = "_".join(run.name for run in runs[1:])
        if len(others) > LONGEST_NAME:
            others = f"{len(runs) - 1}_others_from_{runs[1].name[:LONGEST_NAME]}"
        config = {**common_config(runs), "cache": {**runs[0].cache, "class_names": names}}
        super().__init__(runs[0].directory / f"joined_{others}", config)
        self.members = list(runs)
        self.name = " + ".join(run.name for run in runs)
        self.place = " + ".join(run.place for run in runs)
        self.warnings = [f"{run.directory}: {text}" for run in runs for text in run.warnings]
        self.losses = {name for run in runs for name in run.losses}
        self.mixed = list(dict.fromkeys(name for run in runs for name in run.mixed))
        self.columns = [np.array([names.index(name) for name in run.class_names], dtype=np.int64) for run in runs]
        self._by_split: dict[str, tuple[Scores, tuple[int, int]]] = {}

    @property
    def training_counts(self) -> np.ndarray:
        return self._training_counts[0]

    @property
    def training_rates(self) -> np.ndarray:
        positives, known = self._training_counts
        return positives / np.maximum(known, 1)

    @property
    def shown_rates(self) -> np.ndarray:
        return self._mean([run.shown_rates for run in self.members])

    @property
    def smoothing(self) -> np.ndarray:
        return self._mean([run.smoothing for run in self.members])

    def _mean(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mean over the runs that know a class, (K,) float64, as for its scores; `values` (k,) per run."""
        given = [([0], columns, own) for columns, own in zip(self.columns, values, strict=True)]
        return combine((1, len(self.class_names)), given)[0][0]

    def splits(self) -> list[str]:
        """Return the splits that can be joined; train only if all runs trained on some image."""
        return [split for split in SPLITS if joined_ids(self._run_scores, split)]

    def scores(self, split: str) -> Scores:
        return self._joined(split)[0]

    def test_folds(self) -> list[TestFold]:
        return test_folds(self._run_scores, self.class_names)

    def messages(self) -> list[str]:
        lines = [f"Joined: {len(self.members)} runs, {len(self.class_names)} classes"]
        for split in self.splits():
            stored, (least, most) = self._joined(split)
            runs = f"{least}" if least == most else f"{least} to {most}"
            lines.append(f"  {split}: {len(stored.ids):,} images, each class scored by {runs} of the runs")
        return lines + other_bytes(self._run_scores)

    @functools.cached_property
    def _run_scores(self) -> list[RunScores]:
        loaded = [
            RunScores(str(run.directory), {split: run.scores(split) for split in run.splits()}, columns)
            for run, columns in zip(self.members, self.columns, strict=True)
        ]
        for run in loaded:
            if "train" not in run.splits:
                raise InputError(f"{run.name} stored no train scores, so it is not known which images it trained on")
        joined_labels(loaded, self.class_names)
        return loaded

    @functools.cached_property
    def _training_counts(self) -> tuple[np.ndarray, np.ndarray]:
        return training_counts(self._run_scores, self.class_names)

    def _joined(self, split: str) -> tuple[Scores, tuple[int, int]]:
        if split not in self._by_split:
            self._by_split[split] = joined_scores(self._run_scores, split, self.class_names)
        return self._by_split[split]


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
