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

SIZES = ("large", "medium", "small")


def _summary(figure: str, cut: str = "tuned", split: str = "") -> Callable[[dict[str, Any]], float]:
    return lambda content: content["splits"][split or content["judged_split"]][cut][figure]


def _of_size(figure: str, size: str, cut: str) -> Callable[[dict[str, Any]], float]:
    def mean(content: dict[str, Any]) -> float:
        value = next(row["choices"][cut][figure] for row in content["class_sizes"] if row["size"] == size)
        return value[content["judged_split"]] if figure == "f1" else value

    return mean


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
        logs = [Path(run, "train.log") for run in content["config"]["run_dirs"]]
        return sum(float(_said(log)[place].replace(",", "")) for log in logs) / unit

    return cost


def _said(log: Path) -> tuple[str, ...]:
    found = COST.search(log.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{log} does not say what the model costs")
    return found.groups()


COST = re.compile(r": ([\d,]+) parameters, ([\d.]+) GFLOPs an image")  # what train.py prints

COLUMNS: dict[str, Callable[[dict[str, Any]], float]] = {
    "mAP": _summary("mAP"),
    "macro-F1": _summary("macro_f1"),
    "subset accuracy": _summary("subset_accuracy"),
    **{f"F1 {size}": _of_size("f1", size, "tuned") for size in SIZES},
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
        f"{figure} {size}{words}": _of_size(figure, size, cut)
        for cut, words in (("tuned", ""), ("0.5", " at 0.5"))
        for figure in ("precision", "recall")
        for size in SIZES
    },
}
USUAL = ["mAP", "macro-F1", "subset accuracy", "F1 large", "F1 medium", "F1 small", "macro-F1 at 0.5",
         "subset accuracy at 0.5", "ECE"]  # fmt: skip


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
        cells = [_cell(column) for column in values.T]
        lines.append(f"| `{method}` | {len(values)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: np.ndarray) -> str:
    mean = values.mean()
    digits = 3 if abs(mean) < 10 else 1 if abs(mean) < 100 else 0
    # Parameters, and all of a single run, have no deviation.
    return f"{mean:.{digits}f}" + (f" ± {values.std(ddof=1):.{digits}f}" if np.ptp(values) else "")


if __name__ == "__main__":
    print(table(Path(sys.argv[1]), sys.argv[2], sys.argv[3:] or USUAL))
