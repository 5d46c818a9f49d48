"""All figures of a run with what is needed to read them: 95 % intervals, and what the classes' own rates would give."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation import baseline, bootstrap, class_calibration, class_sizes, counts, levels, metrics, ranking

SIZE = "f1_{}"  # of the classes of a size, among the figures that have intervals


@dataclasses.dataclass(frozen=True)
class Part:
    """The K classes of a split: labels and scores (N, K), predictions (N, K) bool by choice, and its images' groups."""

    labels: np.ndarray
    scores: np.ndarray
    predictions: dict[str, np.ndarray]
    groups: np.ndarray | None

    def rows(self, places: Sequence[int] | np.ndarray, columns: Sequence[int] | np.ndarray) -> "Part":
        """Some of its images and classes, in this order."""
        where = np.ix_(places, columns)
        return Part(
            self.labels[where],
            self.scores[where],
            {choice: chosen[where] for choice, chosen in self.predictions.items()},
            None if self.groups is None else self.groups[places],
        )

    @property
    def units(self) -> np.ndarray | None:
        """The unit of each image, (N,) int64, where groups have several; else None."""
        if self.groups is None:
            return None
        units = bootstrap.group_units(self.groups)
        return units if units.max(initial=-1) + 1 < len(units) else None

    @functools.cached_property
    def calibration(self) -> dict[str, Any]:
        """`metrics.calibration` of its scores, and "by_class", `class_calibration.by_class`."""
        found = metrics.calibration(self.labels, self.scores)
        return {**found, "by_class": class_calibration.by_class(self.labels, self.scores, self.units)}


def part_of(run: Any, stored: Any, choices: dict[str, Any]) -> Part:
    """What is judged of a run's stored scores: of a run over a tree, its classes alone."""
    classes = run.tree.classes if run.tree else stored.labels.shape[1]
    predictions = {name: levels.predictions(run.tree, stored.scores, cuts) for name, cuts in choices.items()}
    return Part(
        stored.labels[:, :classes],
        stored.scores[:, :classes],
        {name: chosen[:, :classes] for name, chosen in predictions.items()},
        stored.groups,
    )


def figures(part: Part) -> dict[str, dict[str, float]]:
    """Choice → the figures of `NAMES`; mAP, AUC and both ECE, which need no thresholds, are the same in each.

    Raises:
        ValueError: a score of a known label is not a probability.
    """
    areas = ranking.area_under_roc(part.labels, part.scores)
    common = {
        "mAP": metrics.mean_average_precision(part.labels, part.scores),
        "AUC": float(np.mean(areas[~np.isnan(areas)])) if not np.isnan(areas).all() else float("nan"),
        "ECE": part.calibration["ECE"],
        "class_ECE": metrics.mean_known(part.calibration["class_ECE"]),
    }
    found = {}
    for choice, chosen in part.predictions.items():
        sums = counts.split(counts.of_images(part.labels, chosen).sum(axis=0))
        found[choice] = {**{name: float(value) for name, value in counts.figures(sums).items()}, **common}
    return found


def intervals(part: Part, sizes: dict[str, list[int]], draws: int, seed: int) -> dict[str, dict[str, Any]]:
    """95 % bootstrap intervals of all figures but both ECE, whose draws would lie above it.

    Args:
        part: of the judged split.
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
        judged = [bootstrap.Predicted(part.labels, chosen, units, parts) for chosen in part.predictions.values()]
        judged.append(bootstrap.Ranked(part.labels, part.scores, units))
        count = len(part.labels) if units is None else int(units.max()) + 1
        *by_choice, common = bootstrap.resampled(judged, count, draws, seed)
        found[kind] = {
            choice: {name: list(bootstrap.interval(values)) for name, values in {**drawn, **common}.items()}
            for choice, drawn in zip(part.predictions, by_choice, strict=True)
        }
    return found


def judged(
    run: Any, parts: dict[str, Part], classes: dict[str, Any], split: str, draws: int, seed: int
) -> dict[str, Any]:
    """All that is said of the judged split beside its figures.

    Args:
        run: a `run_folder.Run`.
        parts: split → what is judged of it. split: the one that is judged.
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
