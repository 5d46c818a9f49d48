"""What do copies of images do to the imbalance of the classes? Copying against plans, on label rows alone:
python -m bench.balance --labels_csv ../shared/data/hpa/train.csv
"""

from dataclasses import dataclass
from pathlib import Path

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    labels_csv: Path = Path("../shared/data/hpa/train.csv")  # as for preprocess.py
    classes_file: Path | None = Path("../shared/data/hpa/classes.txt")  # a class name a line; None: from the CSV
    new_images: NonNegativeInt = 1170  # of the plans with a number
    max_copies: tuple[PositiveInt, ...] = (9, 20)  # of one image


def main(config: Config) -> None:
    import time

    import numpy as np

    from common.errors import Faults
    from data.augmentation import balance
    from data.labels.labels import read_labels
    from report import tables

    faults = Faults()
    labels = read_labels(config.labels_csv, config.classes_file, faults).labels
    faults.raise_if_any(f"{config.labels_csv} cannot be used:")
    positive = labels == 1
    before = positive.sum(axis=0)
    rows = [row_of("as they are", 0, 0, before, before, "", "")]
    chosen = positive[:, balance.rare_classes(before)].any(axis=1)
    copied = before + 9 * positive[chosen].sum(axis=0)
    rows.append(row_of("9 copies of each rare image", 9 * int(chosen.sum()), int(chosen.sum()), before, copied, "", ""))
    for most in config.max_copies:
        for number in dict.fromkeys((config.new_images, 0)):
            if number:
                greedy = balance.greedy_copies(labels, most, number)
                rows.append(row_of(f"greedy, at most {most} copies", number, "", before, greedy, "", ""))
            start = time.perf_counter()
            plan = balance.plan_copies(labels, most, number)
            seconds = time.perf_counter() - start
            name = f"plan, at most {most} copies" + ("" if number else ", number left open")
            copies = int(plan.copies.sum()), int(np.count_nonzero(plan.copies))
            rows.append(row_of(name, *copies, before, plan.counts, f"{plan.bound:.4g}", f"{seconds:.1f}"))
    heads = "|new\nimages|made of|mean\nIRLbl|smallest\nclass|growth of\nlargest|bound on\nmean IRLbl|seconds"
    columns = heads.split("|")
    tables.show(f"{config.labels_csv}: {len(labels):,} rows, {labels.shape[1]} classes", columns, rows)


def row_of(name, new, made_of, before, counts, bound, seconds):
    from data.augmentation.balance import mean_imbalance_ratio

    cells = [f"{mean_imbalance_ratio(counts):.4g}", f"{int(counts[before > 0].min()):,}"]
    growth = f"+{int(counts.max() - before.max()):,}"
    return [name, f"{new:,}", f"{made_of:,}" if made_of else "", *cells, growth, bound, seconds]


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
