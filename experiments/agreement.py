"""How far two readings of one image agree: python experiments/agreement.py IMAGES LABELS_CSV

In a set with byte-identical images under two ids, each with labels of its own, one reading stands as a prediction of
the other, both ways: a sign of how noisy the labels are by which a model is judged. LABELS_CSV is
`Id,Target` with class ids and spaces between them.
"""

import csv
import hashlib
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score


def readings(images: Path, labels_csv: Path) -> tuple[np.ndarray, np.ndarray]:
    """The labels of the first and of the second image of each pair, (P, K) of 0 and 1 each."""
    with labels_csv.open(newline="", encoding="utf-8") as file:
        labels = {row["Id"]: [int(each) for each in row["Target"].split()] for row in csv.DictReader(file)}
    alike = defaultdict(list)
    for path in sorted(images.iterdir()):
        if path.stem in labels:
            alike[hashlib.sha1(path.read_bytes()).hexdigest()].append(path.stem)
    pairs = [names for names in alike.values() if len(names) == 2]
    found = np.zeros((2, len(pairs), 1 + max(map(max, filter(None, labels.values())))), np.uint8)
    for place, names in enumerate(pairs):
        for side, name in enumerate(names):
            found[side, place, labels[name]] = 1
    return found[0], found[1]


def main(images: Path, labels_csv: Path) -> None:
    first, second = readings(images, labels_csv)
    one, other = np.concatenate([first, second]), np.concatenate([second, first])
    seen = one.any(axis=0)
    macro = f1_score(one[:, seen], other[:, seen], average="macro", zero_division=0)
    micro = f1_score(one, other, average="micro", zero_division=0)
    equal = (first == second).all(axis=1)
    print(f"{len(first)} pairs: {equal.sum()} agree in every label, {equal.mean():.3f};")
    print(f"macro-F1 over the {seen.sum()} classes that occur {macro:.3f}, micro-F1 {micro:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
