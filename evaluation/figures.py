"""All figures of a run with what is needed to read them: 95 % intervals, and what the classes' own rates would give."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation import baseline, bootstrap, calibration, class_sizes, counts, metrics, ranking

if TYPE_CHECKING:
    from run_folder import ScoredRun

SIZE = "f1_{}"  # of the classes of a size, among the figures that have intervals


@dataclass(frozen=True)
class EvaluatedSplit:
    """The K classes of a split, and what follows from them, computed once.

    Attributes:
        labels, scores: (N, K).
        predictions: choice of thresholds → (N, K) bool.
        groups: (N,) names, the group of each image; or None.
    """

    labels: np.ndarray
    scores: np.ndarray
    predictions: dict[str, np.ndarray]
    groups: np.ndarray | None = None

    def columns(self, columns: np.ndarray | slice) -> "EvaluatedSplit":
        """Return some of its classes, in this order, with what was computed of each."""
        chosen = {choice: predicted[:, columns] for choice, predicted in self.predictions.items()}
        part = EvaluatedSplit(self.labels[:, columns], self.scores[:, columns], chosen, self.groups)
        outcomes = {choice: each.columns(columns) for choice, each in self.outcomes.items()}
        vars(part).update(outcomes=outcomes, average_precision=self.average_precision[columns])
        return part

    @property
    def units(self) -> np.ndarray | None:
        """The unit of each image, (N,) int64, where groups have several; else None."""
        if self.groups is None:
            return None
        units = bootstrap.group_units(self.groups)
        return units if units.max(initial=-1) + 1 < len(units) else None

    @functools.cached_property
    def outcomes(self) -> dict[str, counts.Outcomes]:
        """Choice → true and false positives and false negatives."""
        return {choice: counts.outcomes(self.labels, predicted) for choice, predicted in self.predictions.items()}

    @functools.cached_property
    def sums(self) -> dict[str, counts.Sums]:
        """Choice → what the outcomes add up to."""
        return {choice: outcomes.sums() for choice, outcomes in self.outcomes.items()}

    @functools.cached_property
    def average_precision(self) -> np.ndarray:
        """`metrics.average_precision` of its scores, (K,)."""
        return metrics.average_precision(self.labels, self.scores)

    @functools.cached_property
    def calibration(self) -> dict[str, Any]:
        """`calibration.pooled` of its scores, and "by_class", `calibration.by_class`."""
        found = calibration.pooled(self.labels, self.scores)
        return {**found, "by_class": calibration.by_class(self.labels, self.scores, self.units)}

    def summary(self) -> dict[str, dict[str, float | int]]:
        """Return choice → `metrics.summary_of`."""
        return {choice: metrics.summary_of(sums, self.average_precision) for choice, sums in self.sums.items()}

    def figures(self) -> dict[str, dict[str, float | int]]:
        """Return choice → `summary` and all other figures; those that need no thresholds are the same in each.

        Raises:
            ValueError: a score of a known label is not a probability.
        """
        common = {
            "AUC": metrics.mean_known(ranking.area_under_roc(self.labels, self.scores)),
            "ECE": self.calibration["ECE"],
            "class_ECE": metrics.mean_known(self.calibration["class_ECE"]),
        }
        return {
            choice: {**found, **{name: float(value) for name, value in counts.figures(sums).items()}, **common}
            for (choice, found), sums in zip(self.summary().items(), self.sums.values(), strict=True)
        }

    def rows(self, thresholds: dict[str, np.ndarray | float], names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return choice → the rows of `metrics.per_class`; `thresholds` are those of each choice."""
        return {
            choice: metrics.per_class(outcomes.confusion(), self.average_precision, thresholds[choice], names)
            for choice, outcomes in self.outcomes.items()
        }


def intervals(part: EvaluatedSplit, sizes: dict[str, list[int]], draws: int, seed: int) -> dict[str, dict[str, Any]]:
    """95 % bootstrap intervals of all figures but both ECE, whose draws would lie above it.

    Args:
        part: the evaluated split.
        sizes: "large", "medium" and "small" → places of their classes.
        draws: how many; 0 for no intervals.
        seed: of the draws.

    Returns:
        "images", and "groups" where there are any → choice → figure → [low, high]; the F1 of the classes of a size is
        the figure "f1_large" and so on.
    """
    parts = {SIZE.format(size): np.array(places) for size, places in sizes.items() if places}
    found: dict[str, dict[str, Any]] = {}
    drawn_by = {"images": None, **({} if part.units is None else {"groups": part.units})}
    for kind, units in drawn_by.items() if draws and len(part.labels) else ():
        evaluated = [bootstrap.Predicted(outcomes, units, parts) for outcomes in part.outcomes.values()]
        evaluated.append(bootstrap.Ranked(part.labels, part.scores, units))
        count = len(part.labels) if units is None else int(units.max()) + 1
        *by_choice, common = bootstrap.resampled(evaluated, count, draws, seed)
        found[kind] = {
            choice: {name: list(bootstrap.interval(values)) for name, values in {**drawn, **common}.items()}
            for choice, drawn in zip(part.predictions, by_choice, strict=True)
        }
    return found


def context(
    run: "ScoredRun", parts: dict[str, EvaluatedSplit], classes: dict[str, Any], split: str, draws: int, seed: int
) -> dict[str, Any]:
    """Return intervals, baseline and class sizes for the figures of the evaluated split.

    Args:
        run: a `run_folder.ScoredRun`.
        parts: split → its `EvaluatedSplit`. split: the one that is evaluated.
        classes: split → choice → the rows of `metrics.per_class` with "training_images".
        draws, seed: of the bootstrap.

    Returns:
        "intervals" as of `intervals`, "baseline" as of `baseline.own_rates`, "class_sizes" as of
        `class_sizes.figures`, and "draws".
    """
    sizes = class_sizes.figures(classes, split)
    positions = {name: place for place, name in enumerate(run.class_names)}
    places = {each["size"]: [positions[name] for name in each["classes"]] for each in sizes}
    part = parts[split]
    return {
        "draws": draws,
        "intervals": intervals(part, places, draws, seed),
        "baseline": baseline.own_rates(part.labels, run.training_rates[: part.labels.shape[1]]),
        "class_sizes": sizes,
    }
