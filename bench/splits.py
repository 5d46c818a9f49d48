"""How even is a split over groups, and how long does it take? Prints a table for a labels CSV alone, without images:
python -m bench.splits --labels_csv ../shared/data/hpa/external_v18.csv --group_pattern "^[^_]+"
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import header
from header import Fraction, NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    labels_csv: Path = Path("../shared/data/hpa/external_v18.csv")  # as for preprocess.py
    classes_file: Path | None = Path("../shared/data/hpa/classes.txt")  # a class name a line; None: from the CSV
    group_pattern: str = "^[^_]+"  # finds the group in an Id; empty: each row alone
    val_fraction: Fraction = 0.15  # share of the rows
    test_fraction: Fraction = 0.15  # share of the rows
    least_units: PositiveInt = 50  # groups that a class must be in to be judged
    seed: NonNegativeInt = 0  # of the split


def main(config: Config) -> None:
    import numpy as np

    from common.errors import Faults
    from data.labels.label_forms import SPLITS
    from data.labels.labels import read_labels
    from data.splits.splits import draw_split, units
    from report import tables

    faults = Faults()
    table = read_labels(config.labels_csv, config.classes_file, faults)
    faults.raise_if_any(f"{config.labels_csv} cannot be used:")
    groups = [re.search(config.group_pattern, name)[0] for name in table.ids] if config.group_pattern else None
    start = time.perf_counter()
    joined = units(len(table.ids), groups, None)
    split = np.array(draw_split(table.labels, joined, config.val_fraction, config.test_fraction, config.seed))
    seconds = time.perf_counter() - start

    positive = table.labels == 1
    rates = np.array([positive[split == name].mean(axis=0) for name in SPLITS])
    in_units = np.array([len(np.unique(joined[column])) for column in positive.T])
    spread = rates.max(axis=0) / np.maximum(rates.min(axis=0), 1e-12) - 1
    body = [
        [name, f"{count:,}", *(f"{100 * rate:.3f}" for rate in rates[:, place]), f"{100 * spread[place]:.2f}"]
        for place, (name, count) in enumerate(zip(table.class_names, in_units.tolist(), strict=True))
        if count
    ]
    tables.show("Label rates, %", ["class", "groups", *SPLITS, "largest over smallest, %"], body)
    judged = in_units >= config.least_units
    pairs = len(set(zip(joined.tolist(), split.tolist(), strict=True)))
    print(f"{len(split):,} rows in {len(np.unique(joined)):,} groups: " + ", ".join(
        f"{100 * (split == name).mean():.2f} % {name}" for name in SPLITS))  # fmt: skip
    print(f"groups in more than one split: {pairs - len(np.unique(joined))}")
    worst, mean = 100 * spread[judged].max(), 100 * spread[judged].mean()
    print(
        f"{judged.sum()} classes in {config.least_units} groups or more: {worst:.2f} % apart at most, "
        f"{mean:.2f} % on average"
    )
    print(f"split in {seconds:.1f} s")


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
