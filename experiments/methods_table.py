"""A table of methods over repeats: python experiments/methods_table.py runs/losses/made loss [COLUMN …]

Reads METHOD/REPEAT/report/metrics.json below a folder and prints a Markdown table: for each method the mean over its
repeats (seeds or folds) and their standard deviation, judged on test at the thresholds that were tuned on val, and at
0.5. Classes are large, medium or small by thirds of their number, in order of training images. Minutes are those of
training alone, of all runs that are judged together.
"""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # it is run by its path
from report import class_sizes


def _summary(figure: str, cut: str = "tuned", split: str = "") -> Callable[[dict[str, Any]], float]:
    return lambda content: content["splits"][split or content["judged_split"]][cut][figure]


def _mean_of(figure: str, part: str, cut: str) -> Callable[[dict[str, Any]], float]:
    # Classes without an image to find would count as 0 for every method.
    return lambda content: float(
        np.mean([row[figure] for row in class_sizes.thirds(content["classes"][content["judged_split"]][cut])[part]])
    )


def _minutes(content: dict[str, Any]) -> float:
    seconds = 0.0
    for run in content["config"]["run_dirs"]:
        with Path(run, "timing.csv").open(newline="", encoding="utf-8") as file:
            seconds += sum(float(row["training_seconds"]) for row in csv.DictReader(file))
    return seconds / 60


COLUMNS: dict[str, Callable[[dict[str, Any]], float]] = {
    "mAP": _summary("mAP"),
    "macro-F1": _summary("macro_f1"),
    "subset accuracy": _summary("subset_accuracy"),
    **{f"F1 {part}": _mean_of("f1", part, "tuned") for part in class_sizes.SIZES},
    "macro-F1 at 0.5": _summary("macro_f1", "0.5"),
    "subset accuracy at 0.5": _summary("subset_accuracy", "0.5"),
    "ECE": lambda content: content["calibration"][content["judged_split"]]["ECE"],
    "train macro-F1": _summary("macro_f1", split="train"),
    "train subset accuracy": _summary("subset_accuracy", split="train"),
    "minutes": _minutes,
    **{
        f"{figure} {part}{words}": _mean_of(figure, part, cut)
        for cut, words in (("tuned", ""), ("0.5", " at 0.5"))
        for figure in ("precision", "recall")
        for part in class_sizes.SIZES
    },
}
USUAL = list(COLUMNS)[:9]


def figures(path: Path, columns: list[str]) -> list[float]:
    """The columns of one metrics.json.

    Raises:
        ValueError: it was not judged on test images, or has no tuned thresholds.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    split = content["judged_split"]
    if split != "test" or "tuned" not in content["splits"][split]:
        raise ValueError(f"{path} is judged on {split}, thresholds {', '.join(content['splits'][split])}")
    return [COLUMNS[column](content) for column in columns]


def table(folder: Path, heading: str, columns: list[str]) -> str:
    """The Markdown table of a folder of METHOD/REPEAT runs, the best macro-F1 first.

    Args:
        folder: where the methods are.
        heading: what methods are called.
        columns: keys of `COLUMNS`, macro-F1 among them.
    """
    methods = {
        method: np.array([figures(path, columns) for path in sorted(folder.glob(f"{method}/*/report/metrics.json"))])
        for method in sorted({path.parts[-4] for path in folder.glob("*/*/report/metrics.json")})
    }
    lines = [f"| {heading} | runs | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    place = columns.index("macro-F1")
    for method, values in sorted(methods.items(), key=lambda item: -item[1][:, place].mean()):
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(columns), np.nan)
        cells = [
            f"{mean:.3f}" + (f" ± {deviation:.3f}" if np.isfinite(deviation) else "")
            for mean, deviation in zip(values.mean(axis=0), spread, strict=True)
        ]
        lines.append(f"| `{method}` | {len(values)} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1]), sys.argv[2], sys.argv[3:] or USUAL))
