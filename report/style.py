"""The look that all charts share: one font size, quiet axes, colours that colour-blind readers can tell apart."""

import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from common.files import written_aside

# Okabe and Ito (2008), "Color universal design".
BLUE, ORANGE, GREEN, VERMILION, SKY, GRAY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#767676",
)
SPLIT_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN}
SMALL_CHARTS_A_ROW = 5
LOOK = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    # A class may be named "$x$"; names are shown as they are.
    "text.parse_math": False,
}


def figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, Any]:
    """A figure and its axes, laid out so that labels never overlap.

    Args:
        width, height: in inches, of 130 pixels each.
        columns, rows: how many axes.

    Returns:
        The figure and its axes: one, an array of them, or an array of rows and columns.
    """
    matplotlib.rcParams.update(LOOK)
    drawn = Figure(figsize=(width, height), dpi=130, layout="constrained")
    return drawn, drawn.subplots(rows, columns)


def small_charts(
    headings: Sequence[str], cell: tuple[float, float], margin: tuple[float, float]
) -> tuple[Figure, list[Any]]:
    """A figure of small charts side by side, a heading each; ticks are named at the left and at the bottom alone.

    Args:
        headings: n texts; long ones are broken and shortened.
        cell: width and height of each chart, inches. margin: of what stands around them.

    Returns:
        The figure and n axes.
    """
    across = min(SMALL_CHARTS_A_ROW, len(headings))
    down = math.ceil(len(headings) / across)
    drawn, axes = figure(cell[0] * across + margin[0], cell[1] * down + margin[1], columns=across, rows=down)
    cells = list(np.atleast_1d(axes).ravel())
    for place, (one, heading) in enumerate(zip(cells, headings, strict=False)):
        one.set_title(textwrap.fill(textwrap.shorten(heading, 58, placeholder="…"), 29), fontsize=8, pad=12)
        named = {"labelleft": place % across == 0, "labelbottom": place + across >= len(headings)}
        one.tick_params(labelsize=7, length=2, **named)
    for one in cells[len(headings) :]:
        one.set_visible(False)
    return drawn, cells[: len(headings)]


@contextmanager
def boxes_for_letters() -> Iterator[None]:
    """Draw without a warning what the font lacks: a name in another script shows as boxes, which need alarm nobody."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def save(drawn: Figure, path: Path) -> None:
    """Write a figure as PNG: the same figure, the same bytes."""
    with boxes_for_letters(), written_aside(path) as aside:
        drawn.savefig(aside, format="png", metadata={"Software": None})
