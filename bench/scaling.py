"""How does time grow with the number of images? What works on labels and scores alone, at 10³ to 10⁶ rows:
python -m bench.scaling

A slope of 1 is time in proportion to the rows; it is that of a straight line through the logarithms, by least squares.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    rows: tuple[PositiveInt, ...] = (1_000, 10_000, 100_000, 1_000_000)  # images
    classes: PositiveInt = 29  # from 40 % of the images down to 1 in 2,000
    draws: NonNegativeInt = 20  # bootstrap draws of the evaluation
    repetitions: PositiveInt = 3  # of each measurement; the fastest counts
    seed: NonNegativeInt = 0  # of labels and scores


def main(config: Config) -> None:
    from report import tables

    seconds: dict[str, list[float]] = {}
    for rows in config.rows:
        labels, scores = made(rows, config.classes, config.seed)
        for name, work in questions(labels, scores, config).items():
            # Short ones are repeated, as the first call also imports.
            repetitions = config.repetitions if rows <= 100_000 else 1
            seconds.setdefault(name, []).append(min(timed(work) for _ in range(repetitions)))
            print(f"{rows:,} rows, {name}: {seconds[name][-1]:.3g} s")
    tables.show(
        f"Seconds for {config.classes} classes",
        ["", *(f"{rows:,} rows" for rows in config.rows), "slope", "slope of\nthe last two"],
        [
            [name, *(f"{each:.3g}" for each in found), *(f"{slope(config.rows, found, last):.2f}" for last in (0, 2))]
            for name, found in seconds.items()
        ],
    )


def slope(rows: Any, seconds: Any, last: int) -> float:
    """Of the straight line through the last points, 0 for all, on logarithmic axes."""
    import numpy as np

    return float(np.polyfit(np.log(rows[-last:]), np.log(seconds[-last:]), 1)[0])


def questions(labels: Any, scores: Any, config: Config) -> dict[str, Callable[[], Any]]:
    """Name → the work on labels and scores (N, K)."""
    import numpy as np

    from data.augmentation.balance import plan_copies
    from data.splits.splits import draw_folds, draw_split, units
    from evaluation.figures import EvaluatedSplit, intervals
    from thresholding.methods import fit

    rates = (labels == 1).mean(axis=0)
    part = EvaluatedSplit(labels, scores, {"0.5": scores >= 0.5})
    # Ten images a group, as wells and patients give them.
    groups = [f"group{row // 10}" for row in range(len(labels))]
    thirds = {"large": list(range(config.classes))}
    return {
        "thresholds, per_class": lambda: fit(labels, scores, "per_class"),
        "thresholds, shrink": lambda: fit(labels, scores, "shrink", rates=rates),
        "split over groups": lambda: draw_split(labels, units(len(labels), groups, None), 0.15, 0.15, config.seed),
        "folds of single images": lambda: draw_folds(labels, np.arange(len(labels)), 5, config.seed),
        "balance plan": lambda: plan_copies(labels, 9, 0),
        "evaluation, figures": lambda: EvaluatedSplit(labels, scores, part.predictions).figures(),
        f"evaluation, {config.draws} draws": lambda: intervals(part, thirds, config.draws, config.seed),
    }


def made(rows: int, classes: int, seed: int) -> tuple[Any, Any]:
    """Long-tailed labels (rows, classes) uint8 that come in pairs, and scores float32 that know something of them."""
    import numpy as np

    random = np.random.default_rng(seed)
    rates = np.geomspace(0.4, max(0.0005, 2 / rows), classes)
    labels = (random.random((rows, classes)) < rates).astype(np.uint8)
    labels[:, 0] |= labels[:, -1]  # the rarest class never comes alone
    logits = random.normal(2.5 * labels - 3, 1.2)
    return labels, (1 / (1 + np.exp(-logits))).astype(np.float32)


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
