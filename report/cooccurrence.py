"""Which labels stand together: in truth, and as they are predicted."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report import style
from report.plots import drawn_of

LEAST = 2  # images more or fewer from which a pair is worth a sentence
EDGE = 0.08  # inches around the chart
NUMBERED = 12  # up to so many classes each share is written into its cell


def reading(found: dict[str, np.ndarray], names: Sequence[str]) -> str:
    """The pairs that are predicted together most above and most below the truth, in a sentence or two."""
    gaps = np.triu(found["predicted"] - found["true"], k=1)
    said = ["Each cell: of the images with the row's label, the share that has the column's as well."]
    if not (np.diag(found["true"]).all() and np.diag(found["predicted"]).all()):
        said.append("A gray row has no such share: no image has its label, or it is never predicted.")
    for place, words in ((gaps.argmax(), "too often"), (gaps.argmin(), "too seldom")):
        row, column = np.unravel_index(place, gaps.shape)
        if abs(gaps[row, column]) >= LEAST and (gaps[row, column] > 0) == (words == "too often"):
            said.append(
                f"Most of all {words} together: {names[row]} and {names[column]}, predicted in "
                f"{found['predicted'][row, column]:,} images and there in {found['true'][row, column]:,}."
            )
    return " ".join(said)


def draw(found: dict[str, np.ndarray], rows: list[dict[str, Any]], columns: list[int], split: str, path: Path) -> None:
    """Two maps side by side, the truth and the predictions.

    Args:
        found: `evaluation.cooccurrence.pairs`.
        rows: of `metrics.per_class`, in the order in which classes are drawn.
        columns: the class of `found` that each row stands for.
        split: whose labels they are.
        path: the PNG.
    """
    order = np.ix_(drawn_of(columns), drawn_of(columns))
    names = [textwrap.shorten(row["class"], 30, placeholder="…") for row in drawn_of(rows)]
    size = min(16, max(3.6, 1.2 + 0.2 * len(names)))
    figure, axes = style.figure(2 * size + 1.6, size + 2.5, columns=2)
    figure.set_layout_engine("compressed")
    for one, (name, title) in zip(axes, (("true", "True labels"), ("predicted", "Predicted labels")), strict=True):
        shares = found[f"{name}_share"][order]
        # A label is always together with itself, which says nothing.
        np.fill_diagonal(shares, np.nan)
        image = one.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        one.set_facecolor("0.93")
        one.set_anchor("N")
        one.set_title(f"{title} in {split}")
        one.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        one.set_yticks(range(len(names)), names if name == "true" else [], fontsize=8)
        one.grid(visible=False)
        one.tick_params(length=0)
        _explain_blank_rows(one, np.diag(found[name])[drawn_of(columns)], name, split)
        if len(names) <= NUMBERED:
            _write_shares(one, shares)
    axes[0].set_ylabel("of the images with this label …", fontsize=9)
    for one in axes:
        one.set_xlabel("… the share that has this one too", fontsize=9)
    figure.colorbar(image, cax=axes[1].inset_axes([1.03, 0, 0.03, 1]))
    _fit_height(figure)
    style.save(figure, path)


def _explain_blank_rows(axes: Axes, images: np.ndarray, name: str, split: str) -> None:
    """Write into the gray row of a class that no image has why it is gray."""
    reason = "never predicted" if name == "predicted" else f"no image in {split}"
    for row in np.flatnonzero(images == 0):
        axes.text(-0.3, row, reason, va="center", fontsize=7, color="0.35")


def _fit_height(figure: Figure) -> None:
    """Take away the height that square maps leave over beside names of unknown length."""
    with style.boxes_for_letters():
        figure.draw_without_rendering()
        box = figure.get_tightbbox()
    figure.set_size_inches(figure.get_size_inches()[0], box.height + 2 * EDGE)


def _write_shares(axes: Axes, shares: np.ndarray) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            colour = "white" if share > 0.6 else "0.2"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=colour)
