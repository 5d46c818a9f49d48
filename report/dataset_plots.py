"""Pictures of a set of images: how many of each class, and what they look like."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from report import style, thumbnails

LONGEST_NAME = 34  # characters before a class name is cut
COLUMNS = 6
CAPTION_LINES = 4
CELL = (2.1, 2.85)  # an image with its texts, inches
TILES = 4  # channels in a row below an image
NAMES_LINE = 0.16  # inches
MARGIN, HEADING = 0.12, 0.4  # inches
TALLEST = 120  # inches; PNG readers give up on much more
MOST_CLASSES = 300  # that can be told apart in that height; thousands would take minutes to draw


def draw_class_counts(class_names: Sequence[str], counts: dict[str, np.ndarray], path: Path) -> None:
    """Draw how many images each class has in each split, the largest class on top, on a logarithmic axis.

    Of more than 300 classes the largest and the smallest are drawn.

    Args:
        class_names: K names.
        counts: split → (K,) positive images, in the order in which the bars are drawn.
        path: the PNG.
    """
    total = np.sum(list(counts.values()), axis=0)
    order, title = np.argsort(-total, kind="stable"), "Images of each class in each split"
    if len(order) > MOST_CLASSES:
        half = MOST_CLASSES // 2
        order = np.concatenate([order[:half], order[-half:]])
        title = f"Images of the {half} largest and the {half} smallest of {len(total):,} classes"
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
    axes.set(xlabel="images (logarithmic)", title=title)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=len(counts))
    style.save(figure, path)


def draw_augmented_counts(
    class_names: Sequence[str], before: np.ndarray, added: np.ndarray, originals: np.ndarray, path: Path
) -> None:
    """Draw the training images of each class before and after augmentation, the largest class on top.

    Args:
        class_names: K names.
        before, added: (K,) training images and new images.
        originals: (K,) how many different images the new ones are made of.
        path: the PNG.
    """
    order = np.argsort(-np.asarray(before), kind="stable")
    before, added, originals = (np.asarray(values)[order] for values in (before, added, originals))
    after, places = before + added, np.arange(len(order))
    figure, axes = style.figure(8.5, min(1.6 + max(0.3 * len(order), 1.5), TALLEST))
    largest = max(int(after.max(initial=1)), 10)
    axes.set_xscale("log", nonpositive="clip")
    axes.set_xlim(0.5, largest * 3.5)
    axes.barh(places, before, 0.7, color=style.SPLIT_COLOURS["train"], label="training images")
    axes.barh(places, added, 0.7, left=np.maximum(before, 0.5), color=style.SKY, label="new images")
    for place, (old, new, made_of) in enumerate(zip(before, added, originals, strict=True)):
        text, colour = f" {old:,}", "0.25"
        if new:
            text = f" {old:,} → {old + new:,}  ({made_of:,})"
        elif not old:
            text, colour = " none", style.VERMILION
        note = axes.text(max(old + new, 0.5), place, text, va="center", fontsize=7, color=colour)
        note.set_in_layout(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_yticks(places, [shortened(class_names[place]) for place in order])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_ylim(len(order) - 0.4, -0.6)
    note = "images (logarithmic); in brackets how many different images the new ones are made of"
    axes.set(xlabel=note, title="Training images of each class, before and after")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    style.save(figure, path)


def draw_preview(
    images: Sequence[np.ndarray],
    ids: Sequence[str],
    labels: Sequence[Sequence[str]],
    path: Path,
    channels: Sequence[str] = (),
) -> None:
    """Draw a contact sheet: prepared images with their ids and labels below.

    Named channels are shown composed in their colours, and apart in gray below.

    Args:
        images: n of (H, W, C) uint8, of any shapes.
        ids: n ids.
        labels: the class names of each image.
        path: the PNG.
        channels: C names; none where the images are pictures, gray or RGB.
    """
    apart = len(channels) > 1
    strip = -(-len(channels) // TILES) * ((CELL[0] - MARGIN) / TILES + NAMES_LINE) if apart else 0.0
    cell = CELL[0], CELL[1] + strip
    columns = min(COLUMNS, max(len(images), 3))
    rows = -(-len(images) // columns)
    figure, axes = style.figure(cell[0] * columns + MARGIN, cell[1] * rows + HEADING)
    # One axes with inches as its unit: two dozen axes take seconds to lay out.
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    axes.text(MARGIN, HEADING / 2, "What a model will see", fontweight="bold", fontsize=11, va="center")
    colours = thumbnails.channel_colours(channels) if apart else {}
    for place, (pixels, name, names) in enumerate(zip(images, ids, labels, strict=True)):
        left, top = MARGIN + place % columns * cell[0], HEADING + place // columns * cell[1] + 0.2
        side = cell[0] - MARGIN
        shown = thumbnails.rgb(pixels, channels if apart else ())
        _show(axes, shown, left, top, side)
        axes.text(left, top - 0.06, shortened(name, 28), fontsize=8, fontweight="bold")
        if apart:
            _show_channels(axes, pixels, colours, left, top + side)
        text, colour = (caption(names), "0.2") if names else ("no label", style.VERMILION)
        axes.text(left, top + side + strip + 0.06, text, va="top", fontsize=7, color=colour)
    axes.set(xlim=(0, cell[0] * columns + MARGIN), ylim=(cell[1] * rows + HEADING, 0), aspect="equal")
    style.save(figure, path)


def _show_channels(axes: Axes, pixels: np.ndarray, colours: dict[str, str], left: float, top: float) -> None:
    """Each channel in gray under its name, in rows of `TILES`."""
    side = (CELL[0] - MARGIN) / TILES
    for number, (name, colour) in enumerate(colours.items()):
        x, y = left + number % TILES * side, top + NAMES_LINE + number // TILES * (side + NAMES_LINE)
        _show(axes, pixels[..., number : number + 1], x, y, side * 0.97)
        # The name's bar has the colour; the name itself stays readable.
        axes.plot([x, x + side * 0.97], [y - 0.015] * 2, color=colour, linewidth=2, solid_capstyle="butt")
        axes.text(x, y - 0.045, shortened(name, 9), fontsize=5.5, color="0.2")


def _show(axes: Axes, pixels: np.ndarray, left: float, top: float, side: float) -> None:
    shown = thumbnails.rgb(pixels)
    # What is not square keeps its aspect ratio, in the middle of the square.
    height, width = (side * length / max(shown.shape[:2]) for length in shown.shape[:2])
    left, top = left + (side - width) / 2, top + (side - height) / 2
    axes.imshow(shown, interpolation="antialiased", extent=(left, left + width, top + height, top))


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
