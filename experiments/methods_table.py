"""A table of methods over repeats: python experiments/methods_table.py runs/losses/made loss [COLUMN …]

Reads METHOD/REPEAT/report/metrics.json below a folder and prints a Markdown table: for each method the mean over its
repeats (seeds or folds) and their standard deviation, judged on test at the thresholds that were tuned on val, and at
0.5. Classes are large, medium or small by thirds of their number, in order of training images. Minutes are those of
training alone, parameters and GFLOPs those that train.py printed, of all runs that are judged together; images a second
are those of the fastest epoch.
"""

import csv
import json
import re
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


def _timing(run: str, column: str) -> list[float]:
    with Path(run, "timing.csv").open(newline="", encoding="utf-8") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def _minutes(content: dict[str, Any]) -> float:
    return sum(sum(_timing(run, "training_seconds")) for run in content["config"]["run_dirs"]) / 60


def _rate(content: dict[str, Any]) -> float:
    # Of the fastest epoch: the first one also compiles.
    return 1 / sum(1 / max(_timing(run, "images_per_second")) for run in content["config"]["run_dirs"])


def _cost(place: int, unit: float) -> Callable[[dict[str, Any]], float]:
    def cost(content: dict[str, Any]) -> float:
        logs = [Path(f"{run}.log").read_text(encoding="utf-8") for run in content["config"]["run_dirs"]]
        return sum(float(COST.search(log).groups()[place].replace(",", "")) for log in logs) / unit

    return cost


COST = re.compile(r": ([\d,]+) parameters, ([\d.]+) GFLOPs an image")  # what train.py prints

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
    "million parameters": _cost(0, 1e6),
    "GFLOPs an image": _cost(1, 1),
    "images/s": _rate,
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
        cells = [_cell(mean, deviation) for mean, deviation in zip(values.mean(axis=0), spread, strict=True)]
        lines.append(f"| `{method}` | {len(values)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(mean: float, deviation: float) -> str:
    digits = 3 if abs(mean) < 10 else 1 if abs(mean) < 100 else 0
    # Parameters are the same in every repeat.
    return f"{mean:.{digits}f}" + (f" ± {deviation:.{digits}f}" if np.isfinite(deviation) and deviation > 0 else "")


if __name__ == "__main__":
    print(table(Path(sys.argv[1]), sys.argv[2], sys.argv[3:] or USUAL))
