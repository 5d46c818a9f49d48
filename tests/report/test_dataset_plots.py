"""Pictures of a set: they hold what they must, whatever the names."""

import numpy as np
import pytest
from PIL import Image

from report import dataset_plots, style

NAMES = ["$x_1$ [bold]", "N/A", "核膜", "endoplasmic reticulum of a very long name that never seems to end"]


def colours(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def rgb(name: str) -> np.ndarray:
    return np.array([int(name[place : place + 2], 16) for place in (1, 3, 5)])


def test_bars_of_every_split_are_drawn_in_its_colour(tmp_path):
    counts = {"train": [900, 30, 5, 1], "val": [90, 3, 1, 0], "test": [80, 4, 1, 0]}
    dataset_plots.draw_class_counts(
        NAMES, {name: np.array(values) for name, values in counts.items()}, tmp_path / "a.png"
    )
    pixels = colours(tmp_path / "a.png")
    shares = [(pixels == rgb(style.SPLIT_COLOURS[name])).all(axis=-1).sum() for name in counts]
    assert shares[0] > shares[1] > 0
    assert shares[2] > 0
    assert (
        np.abs(pixels.astype(int) - rgb(style.VERMILION)).sum(axis=-1) < 20
    ).any()  # "none" where a class is missing


@pytest.mark.parametrize("classes", [1, 60])
def test_few_and_many_classes_can_be_opened(tmp_path, classes):
    counts = {name: np.arange(classes) for name in ("train", "val", "test")}
    dataset_plots.draw_class_counts([f"class {n}" for n in range(classes)], counts, tmp_path / "a.png")
    assert colours(tmp_path / "a.png").shape[0] < 2**15


def test_of_very_many_classes_the_largest_and_the_smallest_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_plots, "MOST_CLASSES", 6)
    drawn = []
    monkeypatch.setattr(style, "save", lambda figure, path: drawn.append(figure.axes[0]))
    counts = {name: np.arange(10_000) for name in ("train", "val", "test")}
    dataset_plots.draw_class_counts([f"class {n}" for n in range(10_000)], counts, tmp_path / "a.png")
    names = [each.get_text().split("  ")[0] for each in drawn[0].get_yticklabels()]
    assert names == ["class 9999", "class 9998", "class 9997", "class 2", "class 1", "class 0"]
    assert drawn[0].get_title(loc="left") == "Images of the 3 largest and the 3 smallest of 10,000 classes"


@pytest.mark.parametrize(("count", "channels"), [(1, 3), (7, 1), (24, 3)])
def test_the_contact_sheet_shows_the_images(tmp_path, count, channels):
    images = np.zeros((count, 20, 20, channels), dtype=np.uint8)
    images[:, :10] = 77
    labels = [NAMES[: n % 5] for n in range(count)]
    for name in ("a.png", "b.png"):
        dataset_plots.draw_preview(images, [f"id_{n}" for n in range(count)], labels, tmp_path / name)
    # A cache that was begun, stopped and finished equals one that was never stopped, pictures included.
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (colours(tmp_path / "a.png") == 77).all(axis=-1).sum() > 1000 * count


def test_captions_count_what_does_not_fit():
    names = [f"class number {n}" for n in range(11)]
    caption = dataset_plots.caption(names)
    assert caption.count("\n") < dataset_plots.CAPTION_LINES
    shown = caption.replace("\N{NO-BREAK SPACE}", " ").count("class number")
    assert f"and {11 - shown} more" in caption.replace("\n", " ")
    assert dataset_plots.caption(["Golgi"]) == "Golgi"


def test_channels_are_shown_composed_and_apart(tmp_path):
    images = np.zeros((6, 20, 20, 4), dtype=np.uint8)
    images[..., 3] = 180
    images[:, :, :10, 1] = 77
    dataset_plots.draw_preview(
        images, list("abcdef"), [["x"]] * 6, tmp_path / "a.png", ["red", "green", "dapi", "yellow"]
    )
    pixels = colours(tmp_path / "a.png")
    for composed, apart in (((180, 180, 0), (180, 180, 180)), ((180, 255, 0), (77, 77, 77))):
        assert (pixels == composed).all(axis=-1).sum() > 3000
        assert (pixels == apart).all(axis=-1).sum() > 1000
