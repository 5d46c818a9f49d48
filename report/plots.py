"""Charts of an evaluation: arrays, names and paths in; PNG files out.

A chart of the classes takes `{"0.5": rows, "tuned": rows}`: the rows of `metrics.per_class` at one or two choices of
thresholds, with "training_images" added, in the order in which they are drawn from the top.
"""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from common.labels import UNKNOWN
from evaluation import metrics
from report import style

ClassRows = dict[str, list[dict[str, Any]]]

MOST_CLASSES = 100  # of more classes, the first and the last half of this are drawn
MOST_TICKS = 11  # of a panel half a page wide
CURVE_POINTS = 400  # at most so many are drawn
COLOURS = {"0.5": style.SKY, "tuned": style.BLUE}
LABELS = {"0.5": "threshold 0.5", "tuned": "the tuned thresholds"}
COUNTS = {  # name → colour, marker
    "TP": (style.GREEN, "o"),
    "FP": (style.ORANGE, "^"),
    "FN": (style.VERMILION, "s"),
    "TN": (style.GRAY, "D"),
}
COUNT_NAMES = {"TP": "TP (found)", "FP": "FP (false alarm)", "FN": "FN (missed)", "TN": "TN (rightly left out)"}


def precision_recall_bars(by_thresholds: ClassRows, split: str, path: Path) -> None:
    """Precision on the left, recall on the right, a bar a class and choice of thresholds, in the order of the rows."""
    by_thresholds = {name: drawn_of(rows) for name, rows in by_thresholds.items()}
    rows = next(iter(by_thresholds.values()))
    thickness = 0.8 / len(by_thresholds)
    figure, axes = style.figure(10, class_height(len(rows), 0.16 + 0.12 * len(by_thresholds)), columns=2)
    for position, (name, given) in enumerate(by_thresholds.items()):
        places = np.arange(len(rows)) + (position - (len(by_thresholds) - 1) / 2) * thickness
        for one, measure in zip(axes, ("precision", "recall"), strict=True):
            values = [row[measure] for row in given]
            one.barh(places, values, thickness * 0.92, color=COLOURS[name], label=f"at {LABELS[name]}")
    for one, measure in zip(axes, ("Precision", "Recall"), strict=True):
        for middle, versions in enumerate(zip(*by_thresholds.values(), strict=True)):
            explain_zeros(one, middle, versions, measure.lower(), split, thickness)
        one.set(title=measure, xlim=(0, 1))
        one.grid(axis="y", visible=False)
    class_axes(axes, rows, split)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    style.save(figure, path)


def count_dots(by_thresholds: ClassRows, split: str, path: Path) -> None:
    """TP, FP, FN and TN of each class as dots on a logarithmic axis with a place for 0; a panel a choice of thresholds.

    Each stands a little above or below the others, so that equal counts are all seen.
    """
    by_thresholds = {name: drawn_of(rows) for name, rows in by_thresholds.items()}
    rows = next(iter(by_thresholds.values()))
    figure, axes = style.figure(10, class_height(len(rows), 0.4), columns=len(by_thresholds))
    axes = np.atleast_1d(axes)
    largest = max(row[count] for given in by_thresholds.values() for row in given for count in COUNTS)
    for one, (name, given) in zip(axes, by_thresholds.items(), strict=True):
        ends = [[row[count] for count in ("TP", "FP", "FN")] for row in given]
        places = np.arange(len(given))
        one.hlines(places, np.min(ends, axis=1), np.max(ends, axis=1), color="0.8", linewidth=1.5, zorder=1)
        for offset, (count, (colour, marker)) in zip((-0.27, -0.09, 0.09, 0.27), COUNTS.items(), strict=True):
            values = [row[count] for row in given]
            one.scatter(values, places + offset, s=18, color=colour, marker=marker, label=COUNT_NAMES[count], zorder=2)
        one.set_xscale("symlog", linthresh=1, linscale=0.5)
        one.set(title=f"At {LABELS[name]}", xlabel=f"{split} images")
        one.set_xlim(-0.25, max(1, largest) * 1.6)
        shown = count_ticks(max(1, largest) * 1.6)
        one.set_xticks(shown, [f"{tick:,}" for tick in shown], fontsize=9)
        one.minorticks_off()
        one.grid(axis="y", visible=False)
    class_axes(axes, rows, split)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    style.save(figure, path)


def explain_zeros(
    axes: Axes, middle: float, versions: tuple[dict[str, Any], ...], measure: str, split: str, thickness: float
) -> None:
    """Write where the bars of a class are missing why; once, where there is one reason for all of them."""
    reasons = ["" if row[measure] else why_zero(row, measure, split) for row in versions]
    alike = len(set(reasons)) == 1
    for position, reason in enumerate(reasons[:1] if alike else reasons):
        place = middle if alike else middle + (position - (len(reasons) - 1) / 2) * thickness
        axes.text(0.008, place, reason, va="center", fontsize=7, color="0.4")


def why_zero(row: dict[str, Any], measure: str, split: str) -> str:
    """Why a bar has no length."""
    if measure == "recall":
        return f"none of {row['support']:,} found" if row["support"] else f"no image in {split}"
    if not row["FP"]:
        return "never predicted"
    return f"predicted {row['FP']:,} times, always wrongly" if row["FP"] > 1 else "predicted once, wrongly"


def count_ticks(highest: float) -> list[int]:
    """0 and as many of 1, 2, 5, 10, 20, … up to `highest` as stand side by side: else 1, 3, 10, …, or powers of 10."""
    powers = [10**power for power in range(math.ceil(math.log10(max(10, highest))) + 1)]
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [0, *(power * step for power in powers for step in steps if power * step <= highest)]
        if len(ticks) <= MOST_TICKS:
            break
    return ticks


def precision_recall_curves(
    labels: np.ndarray, scores: np.ndarray, by_thresholds: ClassRows, columns: list[int], path: Path
) -> None:
    """A small precision-recall curve a class with the points of the thresholds, and chance level as a dotted line.

    Args:
        labels: (N, K) uint8, 255 for unknown. scores: (N, K).
        by_thresholds: the rows in the order in which they are drawn.
        columns: the column of `labels` and `scores` that each row stands for.
        path: the PNG.
    """
    by_thresholds = {name: drawn_of(rows) for name, rows in by_thresholds.items()}
    columns = drawn_of(columns)
    names = [row["class"] for row in next(iter(by_thresholds.values()))]
    figure, cells = style.small_charts(names, cell=(2.1, 2.15), margin=(0.3, 0.7))
    for position, (axes, column) in enumerate(zip(cells, columns, strict=True)):
        points = {name: rows[position] for name, rows in by_thresholds.items()}
        curve_cell(axes, labels[:, column], scores[:, column], points)
    figure.supxlabel("recall", fontsize=9)
    figure.supylabel("precision", fontsize=9)
    handles = [Line2D([], [], color="0.5", linestyle=":", linewidth=1, label="chance")]
    for name in by_thresholds:
        handles.append(Line2D([], [], linestyle="", marker="o", label=f"at {LABELS[name]}", **point_look(name)))
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8)
    style.save(figure, path)


def curve_cell(axes: Axes, labels: np.ndarray, scores: np.ndarray, points: dict[str, dict[str, Any]]) -> None:
    """The curve of one class, its labels and scores (N,), and its row at each choice of thresholds."""
    row = next(iter(points.values()))
    if row["support"]:
        recall, precision = curve(labels, scores, [point["recall"] for point in points.values()])
        chance = row["support"] / np.count_nonzero(labels != UNKNOWN)
        axes.axhline(chance, color="0.5", linestyle=":", linewidth=1)
        # Precision is undefined where nothing is predicted; the curve starts level with its first point.
        axes.step([*recall, 0], [*precision, precision[-1]], where="post", color="0.25", linewidth=1.2)
        for name, point in points.items():
            if point["TP"] + point["FP"]:
                look = point_look(name)
                axes.plot(point["recall"], point["precision"], "o", markersize=5, clip_on=False, **look)
        note = f"AP {row['AP']:.2f} · {row['support']:,} image{'s' * (row['support'] != 1)}"
        axes.text(0, 1.03, note, transform=axes.transAxes, fontsize=7, color="0.35")
    else:
        axes.text(0.5, 0.5, "no positives", ha="center", va="center", color="0.4", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))


def point_look(name: str) -> dict[str, str]:
    """Hollow at 0.5, filled at the tuned thresholds."""
    return {"markeredgecolor": style.BLUE, "markerfacecolor": "white" if name == "0.5" else style.BLUE}


def class_axes(axes: np.ndarray, rows: list[dict[str, Any]], split: str) -> None:
    """Name the classes beside the first panel, the first on top, each with its images in train and in the split."""
    names = [textwrap.shorten(row["class"], 40, placeholder="…") for row in rows]
    counts = [f"{row['training_images']:,}" + ("" if split == "train" else f" | {row['support']:,}") for row in rows]
    for position, one in enumerate(axes):
        labels = [f"{name}   {count}" for name, count in zip(names, counts, strict=True)] if position == 0 else []
        one.set_yticks(np.arange(len(rows)), labels or [""] * len(rows), fontsize=9)
        one.set_ylim(len(rows) - 0.4, -0.6)
        one.tick_params(axis="y", length=0)
    heading = "images in train" + ("" if split == "train" else f" | {split}")
    axes[0].text(-0.012, 1.0, heading, transform=axes[0].transAxes, ha="right", va="bottom", fontsize=8, color="0.4")


def class_height(classes: int, each: float) -> float:
    """Inches that a chart with a line a class needs."""
    return 1.3 + each * classes


def drawn_of(items: list[Any]) -> list[Any]:
    """All of them, or the first and the last where there are too many to draw."""
    half = MOST_CLASSES // 2
    return list(items) if len(items) <= MOST_CLASSES else [*items[:half], *items[-half:]]


def curve(labels: np.ndarray, scores: np.ndarray, kept: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision of one class at every threshold, recall descending: a line through all cuts.

    Between two positives a lower threshold only adds false alarms: precision falls and recall stays. That is a vertical
    piece, so the highest and the lowest precision of each recall are enough.

    Args:
        labels: (N,) uint8, at least one of them 1. scores: (N,).
        kept: values of recall that are never thinned out.
    """
    precision, recall = metrics.precision_recall_curve(labels, scores)
    levels, first, counts = np.unique(-recall, return_index=True, return_counts=True)
    if len(levels) > CURVE_POINTS // 2:
        even = np.linspace(0, len(levels) - 1, CURVE_POINTS // 2 - len(kept)).round()
        nearest = [np.abs(levels + value).argmin() for value in kept]
        chosen = np.union1d(even, nearest).astype(int)
        first, counts = first[chosen], counts[chosen]
    ends = np.stack([first, first + counts - 1], axis=1).ravel()
    return recall[ends], precision[ends]
