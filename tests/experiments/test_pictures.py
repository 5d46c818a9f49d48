"""What the pictures of the experiments draw: means over repeats, classes by size."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments import curves_picture, weighting_picture

FIGURES = ("macro_f1", "subset_accuracy")
CLASSES = {"small": (5, 2, 0.1), "large": (90, 9, 0.5), "none": (30, 0, 0.0)}  # training images, test images, recall


def write(folder, shift, order=tuple(CLASSES)):
    """A run of two epochs, of which the second alone has training figures, and its report on three classes."""
    (folder / "report").mkdir(parents=True)
    columns = [f"{split}_{name}" for split in ("val", "train") for name in FIGURES]
    rows = f"1,{0.1 + shift},{0.2 + shift},,\n2,{0.3 + shift},{0.4 + shift},{0.5 + shift},{0.6 + shift}\n"
    (folder / "history.csv").write_text(f"epoch,{','.join(columns)}\n{rows}", encoding="utf-8")
    classes = [
        {"class": name, "training_images": CLASSES[name][0], "support": CLASSES[name][1],
         "precision": 0.2 + shift, "recall": CLASSES[name][2] + shift}
        for name in order
    ]  # fmt: skip
    content = {"judged_split": "test", "classes": {"test": {"0.5": classes, "tuned": classes}}}
    (folder / "report" / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def runs(tmp_path):
    for repeat in range(2):
        write(tmp_path / "plain" / str(repeat), 0.2 * repeat)
        write(tmp_path / "weighted" / str(repeat), 0.3 + 0.2 * repeat, order=("large", "none", "small"))
    return tmp_path


def test_curves_are_means_over_repeats_where_all_have_a_figure(runs):
    left, right = (
        {line.get_label(): np.array(line.get_xydata()) for line in axes.get_lines()}
        for axes in curves_picture.drawn(runs, ["plain", "weighted"]).axes
    )
    np.testing.assert_allclose(left["plain, val"], [[1, 0.2], [2, 0.4]])
    np.testing.assert_allclose(left["plain, train"], [[2, 0.6]])
    np.testing.assert_allclose(left["weighted, val"], [[1, 0.5], [2, 0.7]])
    np.testing.assert_allclose(right["plain, val"], [[1, 0.3], [2, 0.5]])


def test_classes_stand_by_size_and_those_without_a_test_image_are_left_out(runs):
    axes = weighting_picture.drawn(runs, "plain", "weighted").axes
    assert [label.get_text() for label in axes[2].get_xticklabels()] == ["large (90)", "small (5)"]
    for place, (plain, weighted) in {0: ([0.3, 0.3], [0.6, 0.6]), 2: ([0.6, 0.2], [0.9, 0.5])}.items():
        drawn = {line.get_label(): line.get_ydata() for line in axes[place].get_lines()}
        np.testing.assert_allclose(drawn["plain"], plain)
        np.testing.assert_allclose(drawn["weighted"], weighted)


def test_pictures_are_written(runs, tmp_path):
    curves_picture.main(runs, tmp_path / "curves.png", ["plain", "weighted"])
    weighting_picture.main(runs, "plain", "weighted", tmp_path / "weighting.png")
    for name in ("curves.png", "weighting.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and picture.width > 1000


def test_what_cannot_be_drawn_is_said(runs, tmp_path):
    with pytest.raises(ValueError, match=r"other has no run with a history\.csv"):
        curves_picture.curve(runs, "other", "val_macro_f1")
    with pytest.raises(ValueError, match="no epoch has val_f1"):
        curves_picture.curve(runs, "plain", "val_f1")
    with pytest.raises(ValueError, match="5 recipes, but colours for 4 alone"):
        curves_picture.main(runs, tmp_path / "curves.png", list("abcde"))
    with pytest.raises(ValueError, match=r"other has no run with a report/metrics\.json"):
        weighting_picture.repeats(runs, "other", "0.5")
