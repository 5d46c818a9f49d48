"""Calibration in a chart and in a sentence: how far scores are from being probabilities."""

from pathlib import Path
from typing import Any

import numpy as np

from report import style
from report.page import percent
from report.plots import class_axes, class_height, drawn_of

NEAR = 0.01  # mean score and share of positives that differ by less are called alike


def reading(found: dict[str, Any], split: str) -> str:
    """What the figures say, in a sentence.

    Args:
        found: `metrics.calibration`. split: whose scores they are.
    """
    gap = found["mean_score"] - found["positive_share"]
    verdict = "that fits" if abs(gap) < NEAR else f"as probabilities they are too {'high' if gap > 0 else 'low'}"
    return (
        f"Calibration: the {split} scores are {found['ECE']:.3f} off (ECE, {len(found['bins'])} bins). On average they "
        f"say {percent(found['mean_score'])}, and {percent(found['positive_share'])} of the labels are positive: "
        f"{verdict}."
    )


def draw(found: dict[str, Any], rows: list[dict[str, Any]], columns: list[int], split: str, path: Path) -> None:
    """The reliability curve of all classes together, how many labels each point stands for, and the ECE of each class.

    Args:
        found: `metrics.calibration`.
        rows: of `metrics.per_class` with "training_images", in the order in which classes are drawn.
        columns: the class of `found` that each row stands for.
        split: whose scores they are.
        path: the PNG.
    """
    rows, errors = drawn_of(rows), np.nan_to_num(found["class_ECE"][drawn_of(columns)])
    drawn, axes = style.figure(10, max(4.8, class_height(len(rows), 0.22)), columns=2)
    by_class, curve = axes
    by_class.barh(np.arange(len(rows)), errors, 0.75, color=style.BLUE)
    by_class.set(title="Calibration error by class", xlabel="ECE", xlim=(0, max(0.05, 1.08 * errors.max())))
    by_class.grid(axis="y", visible=False)
    class_axes([by_class], rows, split)
    _curve(curve, found, split)
    style.save(drawn, path)


def _curve(axes: Any, found: dict[str, Any], split: str) -> None:
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
    axes.set_title(f"All classes: ECE {found['ECE']:.3f}")
    axes.set_xticks(np.linspace(0, 1, 6), [])
    counts = axes.inset_axes([0, -0.24, 1, 0.2])
    edges = np.linspace(0, 1, len(labels) + 1)
    counts.bar(edges[:-1], labels, width=np.diff(edges) * 0.92, align="edge", color="0.7")
    counts.set(xlim=(-0.02, 1.02), xlabel=f"score of a label in {split}", ylabel="labels", yscale="symlog")
    counts.set_xticks(np.linspace(0, 1, 6))
    decades = [10**power for power in range(0, 10, 2) if 10**power <= max(labels.max(), 1)]
    counts.set_yticks(decades, [f"{tick:,}" for tick in decades], fontsize=8)
    counts.minorticks_off()
