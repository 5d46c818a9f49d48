"""Pictures of a set of images: how many of each class, and what they look like."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from report import style

LONGEST_NAME = 34  # characters before a class name is cut
COLUMNS = 6
CAPTION_LINES = 4
CELL = (2.1, 2.85)  # an image with its texts, inches
MARGIN, HEADING = 0.12, 0.4  # inches
TALLEST = 120  # inches; PNG readers give up on much more


def draw_class_counts(class_names: Sequence[str], counts: dict[str, np.ndarray], path: Path) -> None:
    """Draw how many images each class has in each split, the largest class on top, on a logarithmic axis.

    Args:
        class_names: K names.
        counts: split → (K,) positive images, in the order in which the bars are drawn.
        path: the PNG.
    """
    total = np.sum(list(counts.values()), axis=0)
    order = np.argsort(-total, kind="stable")
    names = [f"{shortened(class_names[place])}  ({total[place]:,})" for place in order]
    height = 0.8 / len(counts)
    figure, axes = style.figure(8.5, min(1.6 + max(0.34 * len(order), 1.5), TALLEST))
    largest = max(int(total.max(initial=1)), 10)
    axes.set_xscale("log", nonpositive="clip")
    axes.set_xlim(0.5, largest * 1.6)
    for number, (split, values) in enumerate(counts.items()):
        places = np.arange(len(order)) + (number - (len(counts) - 1) / 2) * height
        shown = np.asarray(values)[order]
        axes.barh(places, shown, height * 0.92, label=split, color=style.SPLIT_COLOURS[split])
        for place, value in zip(places, shown, strict=True):
            # A bar of nothing cannot be seen on a logarithmic axis, and is what must not be missed.
            text, colour = (f" {value:,}", "0.25") if value else (" none", style.VERMILION)
            note = axes.text(max(value, 0.5), place, text, va="center", fontsize=6.5, color=colour)
            note.set_in_layout(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_yticks(np.arange(len(order)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set(xlabel="images (logarithmic)", title="Images of each class in each split")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=len(counts))
    style.save(figure, path)


def draw_preview(images: np.ndarray, ids: Sequence[str], labels: Sequence[Sequence[str]], path: Path) -> None:
    """Draw a contact sheet: prepared images with their ids and labels below.

    Args:
        images: (n, H, W, C) uint8, C 1 or 3.
        ids: n ids.
        labels: the class names of each image.
        path: the PNG.
    """
    columns = min(COLUMNS, max(len(images), 3))
    rows = -(-len(images) // columns)
    figure, axes = style.figure(CELL[0] * columns + MARGIN, CELL[1] * rows + HEADING)
    # One axes with inches as its unit: two dozen axes take seconds to lay out.
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    axes.text(MARGIN, HEADING / 2, "What a model will see", fontweight="bold", fontsize=11, va="center")
    for place, (pixels, name, names) in enumerate(zip(images, ids, labels, strict=True)):
        left, top = MARGIN + place % columns * CELL[0], HEADING + place // columns * CELL[1] + 0.2
        side = CELL[0] - MARGIN
        shown = pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
        extent = (left, left + side, top + side, top)
        axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="antialiased", extent=extent)
        axes.text(left, top - 0.06, shortened(name, 28), fontsize=8, fontweight="bold")
        text, colour = (caption(names), "0.2") if names else ("no label", style.VERMILION)
        axes.text(left, top + side + 0.06, text, va="top", fontsize=7, color=colour)
    axes.set(xlim=(0, CELL[0] * columns + MARGIN), ylim=(CELL[1] * rows + HEADING, 0), aspect="equal")
    style.save(figure, path)


def caption(names: Sequence[str], width: int = 32) -> str:
    """Names in a few lines; those that do not fit are counted."""
    for shown in range(len(names), 0, -1):
        rest = f" and {len(names) - shown} more" if shown < len(names) else ""
        # A no-break space keeps a name of several words on one line.
        unbroken = [shortened(name, width - 1).replace(" ", "\N{NO-BREAK SPACE}") for name in names[:shown]]
        lines = textwrap.wrap(", ".join(unbroken) + rest, width, break_on_hyphens=False)
        if len(lines) <= CAPTION_LINES:
            return "\n".join(lines)
    return f"{len(names)} labels"


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
