"""The interface of a run and of an ensemble of runs: classes, scores and thresholds."""

import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import numpy as np

from common.errors import InputError
from data.labels.hierarchy import Tree, tree_of
from data.tables.class_values import read_class_values
from run_folder.layout import Scores, TestFold
from run_folder.thresholds_file import WithThresholds


class ScoredRun(WithThresholds, ABC):
    """A run, or an ensemble of R runs that is used like one, with K classes."""

    columns: list[np.ndarray]  # per member, the indices (k,) int64 of its classes among the K
    place: str  # the folder, or the folders, for messages
    warnings: list[str]  # why the scores of val and test images may look too good
    training_counts: np.ndarray  # positive training images per class, of all members that know it, (K,) int64
    training_rates: np.ndarray  # share of positives among these images if their label is known, (K,) float64
    shown_rates: np.ndarray  # share of positives among the labels that an epoch showed, with all sampling, (K,) float64
    smoothing: np.ndarray  # label smoothing in training, (K,) float64
    losses: set[str]  # names of the losses in training
    mixed: list[str]  # options that mixed training images with shares of their labels

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        self.directory = self.thresholds_dir = Path(directory)  # scripts write there
        self.config = config
        self.cache: dict[str, Any] = config["cache"]  # the content of cache.json; of an ensemble that of its first run
        self.class_names: list[str] = self.cache["class_names"]
        self.report_dir = self.directory / "report"
        self.tree: Tree | None = tree_of(self.cache)  # its nodes are the classes; None without one

    @abstractmethod
    def splits(self) -> list[str]:
        """Return the splits that have scores, in the order train, val, test."""

    @abstractmethod
    def scores(self, split: str) -> Scores:
        """Return the scores of a split.

        Raises:
            InputError: they are missing or damaged, or the runs of an ensemble do not fit together.
        """

    def test_folds(self) -> list[TestFold]:
        """Return the test images grouped by the runs that score them, if some are val images of other runs."""
        return []

    def messages(self) -> list[str]:
        """Return lines about how the scores were made."""
        return []

    def with_directory(self, directory: Path | None) -> Self:
        """Return the same run with the thresholds of another folder; None keeps its own."""
        other = copy.copy(self)
        other.thresholds_dir = Path(directory or self.thresholds_dir)
        return other

    @property
    def class_ids(self) -> list[int]:
        """The ids of the classes, (K): their indices among all classes, if the run knows only part of them."""
        ids = {name: index for index, name in enumerate(self.cache.get("all_class_names", []))}
        if not set(self.class_names) <= set(ids):
            return list(range(len(self.class_names)))
        return [ids[name] for name in self.class_names]

    def class_rates(self, path: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return what `metrics.with_class_rates` takes, (K,) each: the rates of the classes in training and among new
        images, and the label smoothing.

        Args:
            path: a CSV with the columns class and rate, a share from 0 to 1; None for no other rates.

        Raises:
            InputError: the scores cannot be corrected, or the CSV is not that; each fault is named with its line.
        """
        if path is None:
            return None
        if self.tree:
            raise InputError("class_rates: scores over a tree of labels are not corrected, as its nodes would part")
        if self.mixed:
            raise InputError(
                f"class_rates: {self.place} was trained on mixed images with shares of labels "
                f"({', '.join(self.mixed)}), so its scores are not probabilities of labels and cannot be corrected; "
                "predict without --class_rates, or train with --mixing off and without sets of such images"
            )
        if (self.smoothing >= 1).any():
            raise InputError("class_rates: label_smoothing = 1 leaves nothing of the labels; train with less")
        new = read_class_values(path, self.class_names, {"rate": None}, highest=1.0)["rate"]
        return self.shown_rates, new, self.smoothing
