"""How long do thresholds take, how much memory, and how much faster than scikit-learn's curve is the search for the
highest F1? On made scores: python -m bench.thresholds
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import header
from header import NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Config:
    rows: PositiveInt = 1_000_000  # images
    classes: PositiveInt = 29  # the largest has 40 % of the rows, the smallest 0.01 %
    seed: NonNegativeInt = 0  # of the scores
    others: bool = True  # time the other methods and objectives as well


def main(config: Config) -> None:
    import os
    import platform

    import numpy as np
    import sklearn

    from thresholds import fit

    labels, scores = made(config)
    print(f"NumPy {np.__version__}, scikit-learn {sklearn.__version__}, Python {platform.python_version()}, "
          f"{len(os.sched_getaffinity(0))} core(s)")  # fmt: skip
    print(f"{config.rows:,} × {config.classes} scores; largest resident size before: {resident():.2f} GB")
    chosen, ours = timed("per_class", lambda: fit(labels, scores, "per_class"))
    best, theirs = timed("precision_recall_curve in a loop", lambda: by_curve(labels, scores))
    print(f"the loop takes {theirs / ours:.1f} times as long")
    gap = np.abs(reached(labels, scores, chosen) - best).max()
    print(f"highest F1 of a class, greatest difference between the two: {gap:.1e}")
    for method, options in variants(labels) if config.others else ():
        named = ", ".join([method, *(str(value) for name, value in options.items() if name == "objective")])
        timed(named, lambda method=method, options=options: fit(labels, scores, method, **options))


def timed(name: str, work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work gives and its CPU seconds, which other work on the machine changes less than those of the clock."""
    wall, start = time.perf_counter(), time.process_time()
    found = work()
    seconds = time.process_time() - start
    print(f"{name}: {seconds:.2f} s of CPU time, {time.perf_counter() - wall:.2f} s by the clock; "
          f"largest resident size so far: {resident():.2f} GB")  # fmt: skip
    return found, seconds


def resident() -> float:
    """GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def made(config: Config) -> tuple["np.ndarray", "np.ndarray"]:
    """Labels (N, K) uint8 and probabilities (N, K) float32, positives three deviations above negatives."""
    import numpy as np

    rng = np.random.default_rng(config.seed)
    rates = np.geomspace(0.4, 1e-4, config.classes)
    labels = np.empty((config.rows, config.classes), dtype=np.uint8)
    scores = np.empty(labels.shape, dtype=np.float32)
    for index, rate in enumerate(rates):
        labels[:, index] = rng.random(config.rows, dtype=np.float32) < rate
        logits = rng.standard_normal(config.rows, dtype=np.float32) + 3 * labels[:, index] - 3
        scores[:, index] = 1 / (1 + np.exp(-logits))
    return labels, scores


def by_curve(labels: "np.ndarray", scores: "np.ndarray") -> "np.ndarray":
    """The highest F1 of each class (K,), from scikit-learn's curve."""
    import numpy as np
    from sklearn.metrics import precision_recall_curve

    found = np.zeros(labels.shape[1])
    for index in range(labels.shape[1]):
        precision, recall, _ = precision_recall_curve(labels[:, index], scores[:, index])
        both = precision + recall
        found[index] = (2 * precision * recall / np.where(both > 0, both, 1)).max()
    return found


def reached(labels: "np.ndarray", scores: "np.ndarray", thresholds: "np.ndarray") -> "np.ndarray":
    """The F1 of each class (K,) at its threshold."""
    from evaluation import counts, metrics

    return counts.outcomes(labels, metrics.predict(scores, thresholds)).sums().f1


def variants(labels: "np.ndarray") -> list[tuple[str, dict[str, Any]]]:
    """The other methods and objectives, with their options."""
    rates = {"rates": labels.mean(axis=0)}
    joint = ("micro_f1", "micro_macro", "expected_cost", "subset_accuracy")
    return [("shrink", rates), ("rate_match", rates), ("global", {}), ("cross_fit", {}),
            *(("per_class", {"objective": objective}) for objective in joint)]  # fmt: skip


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
