"""What the pictures of the experiments draw: means over repeats, classes by size; and that they are drawn."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments import curves_picture, weighting_picture

HISTORY = "epoch,val_macro_f1,val_subset_accuracy,train_macro_f1,train_subset_accuracy\n"


def write(folder, shift):
    """A run of two epochs, of which the second alone has training figures, and its report on three classes."""
    (folder / "report").mkdir(parents=True)
    rows = f"1,{0.1 + shift},{0.2 + shift},,\n2,{0.3 + shift},{0.4 + shift},{0.5 + shift},{0.6 + shift}\n"
    (folder / "history.csv").write_text(HISTORY + rows, encoding="utf-8")
    classes = [
        {"class": name, "training_images": images, "support": support, "precision": 0.2 + shift, "recall": images / 100}
        for name, images, support in (("small", 5, 2), ("large", 90, 9), ("none", 30, 0))
    ]
    content = {"judged_split": "test", "classes": {"test": {"0.5": classes, "tuned": classes}}}
    (folder / "report" / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def runs(tmp_path):
    for recipe in ("plain", "weighted"):
        for repeat in range(2):
            write(tmp_path / recipe / str(repeat), 0.2 * repeat)
    return tmp_path


def test_curves_are_means_over_repeats_where_all_have_a_figure(runs):
    epochs, values = curves_picture.curve(runs, "plain", "val_macro_f1")
    np.testing.assert_allclose((epochs, values), ([1, 2], [0.2, 0.4]))
    np.testing.assert_allclose(curves_picture.curve(runs, "plain", "train_macro_f1"), ([2], [0.6]))


def test_classes_stand_by_size_and_those_without_a_test_image_are_left_out(runs):
    names, figures = weighting_picture.by_class(runs, "plain", "tuned")
    assert names == ["large (90)", "small (5)"]
    np.testing.assert_allclose(figures["precision"], [0.3, 0.3])
    np.testing.assert_allclose(figures["recall"], [0.9, 0.05])


def test_pictures_are_drawn(runs, tmp_path):
    curves_picture.main(runs, tmp_path / "curves.png", ["plain", "weighted"])
    weighting_picture.main(runs, "plain", "weighted", tmp_path / "weighting.png")
    for name in ("curves.png", "weighting.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 1000 and len(picture.convert("L").getcolors(256) or []) > 50


def test_a_recipe_without_runs_is_named(runs):
    with pytest.raises(ValueError, match=r"other has no run with a history\.csv"):
        curves_picture.curve(runs, "other", "val_macro_f1")
    with pytest.raises(ValueError, match=r"other has no run with a report/metrics\.json"):
        weighting_picture.by_class(runs, "other", "0.5")
