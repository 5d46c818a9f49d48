"""A table of methods over repeats: python experiments/methods_table.py runs/losses/made loss

Reads METHOD/REPEAT/report/metrics.json below a folder and prints a Markdown table: for each method the mean over its
repeats (seeds or folds) and their standard deviation, judged on test at the thresholds that were tuned on val, and at
0.5. Classes are large, medium or small by thirds of their number, in order of training images.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # it is run by its path
from report import class_sizes

COLUMNS = (
    "mAP", "macro-F1", "subset accuracy", "F1 large", "F1 medium", "F1 small", "macro-F1 at 0.5",
    "subset accuracy at 0.5", "ECE",
)  # fmt: skip


def figures(path: Path) -> list[float]:
    """The columns of one metrics.json.

    Raises:
        ValueError: it was not judged on test images, or has no tuned thresholds.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    split = content["judged_split"]
    if split != "test" or "tuned" not in content["splits"][split]:
        raise ValueError(f"{path} is judged on {split}, thresholds {', '.join(content['splits'][split])}")
    summaries, classes = content["splits"][split], content["classes"][split]["tuned"]
    tuned, half = summaries["tuned"], summaries["0.5"]
    # Classes without an image to find would count as 0 for every method.
    thirds = [np.mean([row["f1"] for row in part]) for part in class_sizes.thirds(classes).values()]
    error = content["calibration"][split]["ECE"]
    at_half = (half["macro_f1"], half["subset_accuracy"])
    return [tuned["mAP"], tuned["macro_f1"], tuned["subset_accuracy"], *thirds, *at_half, error]


def table(folder: Path, heading: str) -> str:
    """The Markdown table of a folder of METHOD/REPEAT runs, the best macro-F1 first; what methods are called."""
    methods = {
        method: np.array([figures(path) for path in sorted(folder.glob(f"{method}/*/report/metrics.json"))])
        for method in sorted({path.parts[-4] for path in folder.glob("*/*/report/metrics.json")})
    }
    lines = [f"| {heading} | runs | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for method, values in sorted(methods.items(), key=lambda item: -item[1][:, 1].mean()):
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(COLUMNS), np.nan)
        cells = [
            f"{mean:.3f}" + (f" ± {deviation:.3f}" if np.isfinite(deviation) else "")
            for mean, deviation in zip(values.mean(axis=0), spread, strict=True)
        ]
        lines.append(f"| `{method}` | {len(values)} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1]), sys.argv[2]))
