"""The main figures without some classes: python experiments/without_classes.py runs/recipe/rbc Elliptocyte [CLASS …]

For classes that something beside the pixels gives away, such as the format of their files. Reads METHOD/REPEAT below a
folder, where each repeat is a run with scores and thresholds.json; prints mean ± standard deviation over the repeats,
of test images at the tuned thresholds.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # it is run by its path
from evaluation import metrics


def figures(run: Path, left_out: set[str]) -> tuple[float, float, float]:
    """mAP, macro-F1 and subset accuracy of one run on its test images, without some classes."""
    thresholds = json.loads((run / "thresholds.json").read_text(encoding="utf-8"))["thresholds"]
    kept = [place for place, name in enumerate(thresholds) if name not in left_out]
    if len(kept) + len(left_out) != len(thresholds):
        raise ValueError(f"{run} has not all of the classes {', '.join(sorted(left_out))}")
    with np.load(run / "scores" / "test.npz", allow_pickle=False) as stored:
        labels, scores = stored["labels"][:, kept], stored["scores"][:, kept]
    chosen = np.array(list(thresholds.values()))[kept]
    found = metrics.summary(labels, scores, chosen)
    return found["mAP"], found["macro_f1"], found["subset_accuracy"]


def main(folder: Path, left_out: set[str]) -> None:
    print("| method | runs | mAP | macro-F1 | subset accuracy |\n|---|---|---|---|---|")
    for method in sorted({path.parents[1] for path in folder.glob("*/*/thresholds.json")}):
        values = np.array([figures(path.parent, left_out) for path in sorted(method.glob("*/thresholds.json"))])
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(3, np.nan)
        cells = [f"{mean:.3f} ± {each:.3f}" for mean, each in zip(values.mean(axis=0), spread, strict=True)]
        print(f"| `{method.name}` | {len(values)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), set(sys.argv[2:]))
