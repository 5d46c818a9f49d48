"""What are thresholds worth where the truth is known? Scores of positives are N(3, 1), of negatives N(0, 1):
python -m bench.threshold_simulation
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import header
from header import NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np

SHIFT = 3.0  # of the positives
METHODS = ("per_class", "cross_fit", "rate_match", "shrink")


@dataclass(frozen=True)
class Config:
    positives: tuple[PositiveInt, ...] = (2, 8, 20, 100)  # a table's row each
    rows: PositiveInt = 3000  # images, positives included
    draws: PositiveInt = 400  # of the scores
    repetitions: PositiveInt = 3  # of the folds of the honest figure
    seed: NonNegativeInt = 0  # of the scores


def main(config: Config) -> None:
    from report import tables

    columns = ["positives", "best possible", "tuned, reports", *METHODS, "standard\nerror", "honest, tuned\n− true",
               "honest, shrink\n− true"]  # fmt: skip
    found = [simulated(positives, config) for positives in config.positives]
    tables.show(
        f"True F1, {config.rows:,} rows, {config.draws} draws",
        columns,
        [
            [f"{positives}", *(f"{row[name]:.3f}" for name in ("best", "reports", *METHODS)), f"{row['error']:.4f}",
             *(f"{row[f'honest {name}'] - row[name]:+.3f}" for name in ("per_class", "shrink"))]
            for positives, row in zip(config.positives, found, strict=True)
        ],
    )  # fmt: skip


def simulated(positives: int, config: Config) -> dict[str, float]:
    """Means over the draws, each of which is a class of its own here.

    Returns:
        "best": the highest true F1 of any threshold; "reports": what the tuned one reaches on its own rows; by method
        the true F1 of its threshold; "honest per_class" and "honest shrink": what cross-fitting says of it; "error":
        the standard error of the rate-matched one's mean.
    """
    import numpy as np

    from evaluation import counts, metrics
    from thresholding import held_out, methods

    rng = np.random.default_rng((config.seed, positives))
    labels = np.zeros((config.rows, config.draws), dtype=np.uint8)
    labels[:positives] = 1
    scores = 1 / (1 + np.exp(-rng.normal(SHIFT * labels)))
    rate = positives / config.rows
    options: dict[str, dict[str, Any]] = {name: {} for name in METHODS}
    options["rate_match"] = options["shrink"] = {"rates": np.full(config.draws, rate)}
    row = {"best": float(true_f1(np.linspace(-2, 2 * SHIFT + 2, 4001), rate).max())}
    for name in METHODS:
        chosen = methods.fit(labels, scores, name, **options[name])
        reached = true_f1(np.log(chosen) - np.log1p(-chosen), rate)
        row[name] = float(reached.mean())
        if name == "rate_match":
            row["error"] = float(reached.std() / np.sqrt(config.draws))
        if name == "per_class":
            row["reports"] = float(counts.outcomes(labels, metrics.predict(scores, chosen)).sums().f1.mean())
        if name in ("per_class", "shrink"):
            judged = held_out.cross_fitted(
                labels,
                scores,
                lambda own, given, name=name: methods.fit(own, given, name, **options[name]),
                metrics.predict,
                config.draws,
                repetitions=config.repetitions,
            )
            row[f"honest {name}"] = float(judged.class_f1.mean())
    return row


def true_f1(cuts: "np.ndarray", rate: float) -> "np.ndarray":
    """F1 on all images there could be, with cuts on the scores' own scale."""
    from scipy.stats import norm

    found, missed, false = rate * norm.sf(cuts - SHIFT), rate * norm.cdf(cuts - SHIFT), (1 - rate) * norm.sf(cuts)
    return 2 * found / (2 * found + missed + false)


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
