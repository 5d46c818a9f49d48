"""What false alarms and misses cost, where thresholds were chosen for that: objective = expected_cost."""

from collections.abc import Mapping
from typing import Any

import numpy as np

OBJECTIVE = "expected_cost"


def of_counts(counts: Mapping[str, np.ndarray], options: Mapping[str, Any]) -> np.ndarray:
    """The cost of each class, shaped as "FP" and "FN" of the counts, whose last axis is the classes."""
    return counts["FP"] * np.asarray(options["false_alarm"]) + counts["FN"] * np.asarray(options["miss"])


def of_rows(rows: list[dict[str, Any]], options: Mapping[str, Any]) -> np.ndarray:
    """The cost (M,) of the classes of `metrics.per_class`, in their order."""
    return of_counts({name: np.array([row[name] for row in rows]) for name in ("FP", "FN")}, options)


def words(plain: np.ndarray, tuned: np.ndarray, config: Any, images: int) -> str:
    """What all classes together cost on the rows that chose the thresholds, and in which unit.

    Args:
        plain, tuned: (K,) at 0.5 and at the thresholds.
        config: of thresholds.py. images: how many rows.
    """
    unit = (
        f"as {config.costs_csv} has them"
        if config.costs_csv
        else f"{config.false_alarm_cost:g} a false alarm and {config.miss_cost:g} a miss"
    )
    return (
        f"Cost on these {images:,} images, all classes together: {price(plain.sum())} at 0.5, {price(tuned.sum())} at "
        f"these ({unit})."
    )


def moved(config: Any) -> bool:
    """Whether the costs move the thresholds that would keep the classes' rates: not where both kinds cost the same."""
    return config.objective == OBJECTIVE and bool(config.costs_csv or config.false_alarm_cost != config.miss_cost)


def price(value: float) -> str:
    """A cost with as many decimals as matter."""
    return f"{value:,.1f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"
