"""Calibration in a chart and in words: how far scores are from being probabilities, together and class by class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from evaluation import metrics
from evaluation.calibration import off
from report import style
from report.formatting import percent
from report.plots import class_axes, class_height, drawn_of

NAMED = 5  # classes whose scores are off, in the sentences
WIDEST = 16  # factor that the chart goes up and down to at most


def reading(found: dict[str, Any], split: str, names: Sequence[str]) -> str:
    """Return what the figures say, in sentences.

    Args:
        found: `EvaluatedSplit.calibration`.
        split: whose scores they are.
        names: of the K classes, or more.
    """
    by_class = found["by_class"]
    ratios = by_class["ratio"]
    said = [
        f"Calibration: the {split} scores are {found['ECE']:.3f} off over all labels together (ECE, "
        f"{len(found['bins'])} bins), where large classes and the many negatives decide, and "
        f"{metrics.mean_known(found['class_ECE']):.3f} as the mean of the classes.",
        f"On average they say {percent(found['mean_score'])}, and {percent(found['positive_share'])} of the labels are "
        "positive.",
    ]
    if np.isfinite(ratios).any():
        least, most = int(np.nanargmin(ratios)), int(np.nanargmax(ratios))
        said.append(
            f"A class's mean score divided by its share of positives goes from {factor(ratios[least])} "
            f"({names[least]}) to {factor(ratios[most])} ({names[most]}); probabilities have 1."
        )
    classes = np.count_nonzero(~np.isnan(by_class["mean_score"]))
    high, low = (np.flatnonzero(each) for each in off(by_class))
    if not len(high) and not len(low):
        said.append(f"None of the {classes} classes is shown to be off: each 95 % interval has 1 in it.")
        return " ".join(said)
    # Without positives there is no ratio; the interval begins above 1.
    for verdict, places, order in (("high", high, -by_class["low"]), ("low", low, by_class["high"])):
        if len(places):
            worst = [names[place] for place in places[np.argsort(order[places], kind="stable")]]
            listed = ", ".join(worst[:NAMED]) + (f" and {len(worst) - NAMED} more" if len(worst) > NAMED else "")
            said.append(f"Scores are too {verdict} in {len(worst)} of {classes} classes: {listed}.")
    said.append("Such 95 % intervals leave out 1; chance alone does that in 1 of 20 classes.")
    return " ".join(said)


def factor(value: float) -> str:
    """A ratio with two decimals, and with three figures where these say nothing."""
    return f"{value:.2f}" if 0.1 <= value < 100 else f"{value:.3g}"


def draw(found: dict[str, Any], rows: list[dict[str, Any]], columns: list[int], split: str, path: Path) -> None:
    """Draw each class's mean score by its share of positives, and the reliability curve of all classes together with
    how many labels each point stands for.

    Args:
        found: `EvaluatedSplit.calibration`.
        rows: of `metrics.per_class` with "training_images", in the order in which classes are drawn.
        columns: the class of `found` that each row stands for.
        split: whose scores they are.
        path: the PNG.
    """
    rows, columns = drawn_of(rows), drawn_of(columns)
    drawn, axes = style.figure(10, max(4.8, class_height(len(rows), 0.22)), columns=2)
    by_class, curve = axes
    _ratios(by_class, {name: values[columns] for name, values in found["by_class"].items()})
    class_axes([by_class], rows, split)
    _curve(curve, found, split)
    style.save(drawn, path)


def _ratios(axes: Axes, by_class: dict[str, np.ndarray]) -> None:
    ratio, low, high = (by_class[name] for name in ("ratio", "low", "high"))
    ends = np.concatenate([low, high, ratio])
    ends = ends[np.isfinite(ends) & (ends > 0)]
    # Powers of two that hold nine of ten ends; what is beyond is cut off at the edge.
    reach = np.quantile(np.abs(np.log2(ends)), 0.9) if len(ends) else 1.0
    edge = min(2.0 ** max(1, np.ceil(reach)), WIDEST)
    shown = [np.clip(each, 1 / edge, edge) for each in (ratio, low, high)]
    either = np.logical_or(*off(by_class))
    places = np.arange(len(ratio))
    for chosen, colour in ((~either, style.BLUE), (either, style.ORANGE)):
        axes.hlines(places[chosen], shown[1][chosen], shown[2][chosen], color=colour, linewidth=1.6, alpha=0.55)
        axes.plot(shown[0][chosen], places[chosen], "o", color=colour, markersize=5, clip_on=False)
    axes.axvline(1, color="0.5", linestyle=":", linewidth=1.2)
    axes.set_xscale("log", base=2)
    ticks = [2.0**power for power in range(-int(np.log2(edge)), int(np.log2(edge)) + 1)]
    axes.set_xticks(ticks, [f"{tick:g}" if tick >= 1 else f"1/{1 / tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(title="Mean score ÷ share of positives", xlabel="ratio with its 95 % interval", xlim=(1 / edge, edge))
    axes.grid(axis="y", visible=False)


def _curve(axes: Axes, found: dict[str, Any], split: str) -> None:
    labels, scores, shares = (
        np.array([each[name] for each in found["bins"]], dtype=np.float64)
        for name in ("labels", "mean_score", "positive_share")
    )
    filled = labels > 0
    axes.plot([0, 1], [0, 1], color="0.5", linestyle=":", linewidth=1.2)
    above = {"ha": "right", "va": "bottom", "rotation": 45, "rotation_mode": "anchor"}
    axes.text(0.95, 0.97, "calibrated", fontsize=8, color="0.4", **above)
    axes.vlines(scores[filled], scores[filled], shares[filled], color=style.ORANGE, linewidth=4, alpha=0.45)
    axes.plot(scores[filled], shares[filled], "o-", color=style.BLUE, linewidth=1.4, markersize=5)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", anchor="N", ylabel="share of positives")
    axes.set_title(f"All labels together: ECE {found['ECE']:.3f}")
    axes.set_xticks(np.linspace(0, 1, 6), [])
    counts = axes.inset_axes([0, -0.24, 1, 0.2])
    edges = np.linspace(0, 1, len(labels) + 1)
    counts.bar(edges[:-1], labels, width=np.diff(edges) * 0.92, align="edge", color="0.7")
    counts.set(xlim=(-0.02, 1.02), xlabel=f"score of a label in {split}", ylabel="labels", yscale="symlog")
    counts.set_xticks(np.linspace(0, 1, 6))
    decades = [10**power for power in range(0, 10, 2) if 10**power <= max(labels.max(), 1)]
    counts.set_yticks(decades, [f"{tick:,}" for tick in decades], fontsize=8)
    counts.minorticks_off()
