"""How often does a 95 % interval of the macro-F1 hold the true one, with few images of rare classes?
python -m bench.intervals

29 classes with rates from 40 % to 0.4 %, whose hits and false alarms have known probabilities, so that the true
macro-F1 is known. Each repetition draws images and makes intervals of them. A draw without images of a class counts it
as 0, as scikit-learn would on the drawn images, or leaves it out, as evaluate.py does; the last interval is that of the
macro-F1 over the classes that the set has images of.
"""

from dataclasses import dataclass

import header
from header import PositiveInt, Seed


@dataclass(frozen=True)
class Config:
    images: tuple[PositiveInt, ...] = (60, 200, 500, 1000, 3000)  # of a test set
    repetitions: PositiveInt = 200  # sets of each size
    draws: PositiveInt = 400  # of a set
    seed: Seed = 0  # of sets


def main(config: Config) -> None:
    import numpy as np

    from evaluation import bootstrap, counts
    from report import tables

    random = np.random.default_rng(config.seed)
    rates = np.geomspace(0.4, 0.004, 29)
    hit, alarm = random.uniform(0.2, 0.8, 29), rates * random.uniform(0.1, 0.6, 29)
    truth = np.mean(2 * rates * hit / (rates * hit + rates + (1 - rates) * alarm))
    body = []
    for images in config.images:
        held, estimates = np.zeros(3), []
        for seed in range(config.repetitions):
            labels = (random.random((images, 29)) < rates).astype(np.uint8)
            predictions = random.random((images, 29)) < np.where(labels, hit, alarm)
            rows = counts.outcomes(labels, predictions).by_image()
            estimates.append(counts.figures(counts.split(rows.sum(axis=0)))["macro_f1"])
            sums = [counts.split(weights.T @ rows) for weights in bootstrap.drawn(images, config.draws, seed)]
            zeros = [counts.figures(each)["macro_f1"] for each in sums]
            drawn = [counts.drawn_figures(each, labels.any(axis=0)) for each in sums]
            ways = (zeros, [each["macro_f1"] for each in drawn], [each["macro_f1_present"] for each in drawn])
            for place, values in enumerate(ways):
                low, high = bootstrap.interval(np.concatenate(values))
                held[place] += low <= truth <= high
        shares = [f"{100 * each / config.repetitions:.0f} %" for each in held]
        body.append([f"{images:,}", f"{np.mean(estimates):.3f}", *shares])
    columns = ["images", "mean\nmacro-F1", "counted 0", "left out", "classes\npresent"]
    tables.show(f"True macro-F1 {truth:.3f}; intervals that hold it, where a draw misses a class", columns, body)


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
