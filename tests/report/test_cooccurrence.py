"""The chart of which labels occur together, and what is said of it."""

import numpy as np
import pytest
from PIL import Image

from common.labels import UNKNOWN
from evaluation.cooccurrence import pairs
from report import cooccurrence


def made(classes, rows=70):
    random = np.random.default_rng(classes)
    labels = (random.random((rows, classes)) < np.linspace(0.6, 0, classes)).astype(np.uint8)
    labels[random.random(labels.shape) < 0.1] = UNKNOWN
    return labels, random.random(labels.shape) < 0.3


def test_the_sentence_names_the_pairs_that_are_furthest_from_the_truth():
    labels = np.array([[1, 1, 0]] * 6 + [[0, 0, 1]] * 4, dtype=np.uint8)
    predictions = np.array([[0, 1, 1]] * 5 + [[1, 1, 0]] * 2 + [[0, 0, 1]] * 3, dtype=bool)
    text = cooccurrence.reading(pairs(labels, predictions), ["a", "b", "c"])
    assert "too often together: b and c, predicted in 5 images and there in 0." in text
    assert "too seldom together: a and b, predicted in 2 images and there in 6." in text
    assert "Most" not in cooccurrence.reading(pairs(labels, labels == 1), ["a", "b", "c"])


def test_gray_rows_are_explained_and_the_bar_is_as_high_as_the_maps(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(cooccurrence.style, "save", lambda figure, path: figures.append(figure))
    labels, predictions = np.eye(5, dtype=np.uint8), np.eye(5, dtype=bool)
    labels[:, 1], predictions[:, [2, 3]] = 0, False
    found = pairs(labels, predictions)
    rows = [{"class": f"class {number}"} for number in range(5)]
    cooccurrence.draw(found, rows, list(range(5)), "test", tmp_path / "a.png")
    figures[0].draw_without_rendering()
    truth, predicted = figures[0].axes[:2]
    written = [[(text.get_text(), text.get_position()[1]) for text in axes.texts] for axes in (truth, predicted)]
    assert ("no image in test", 1) in written[0] and "never predicted" not in dict(written[0])
    assert [place for text, place in written[1] if text == "never predicted"] == [2, 3]
    assert "A gray row" in cooccurrence.reading(found, list("abcde"))
    assert "gray" not in cooccurrence.reading(pairs(np.eye(5, dtype=np.uint8), np.eye(5) > 0), list("abcde"))
    bar = predicted.child_axes[0].get_window_extent()
    assert (bar.y0, bar.y1) == pytest.approx((predicted.get_window_extent().y0, predicted.get_window_extent().y1))
    # No blank band: the titles stand at the upper edge.
    assert figures[0].get_size_inches()[1] - figures[0].get_tightbbox().y1 < 0.2


@pytest.mark.parametrize("classes", [2, 40])
def test_the_chart_shows_truth_and_predictions_in_the_order_of_the_rows(classes, tmp_path, monkeypatch):
    drawn = []
    save = cooccurrence.style.save
    monkeypatch.setattr(cooccurrence.style, "save", lambda figure, path: (drawn.append(figure), save(figure, path)))
    labels, predictions = made(classes)
    found, order = pairs(labels, predictions), list(range(classes))[::-1]
    rows = [{"class": f"class {number}"} for number in order]
    cooccurrence.draw(found, rows, order, "test", tmp_path / "c.png")
    for axes, name in zip(drawn[0].axes, ("true", "predicted"), strict=False):
        shown = np.ma.filled(axes.images[0].get_array(), np.nan)
        expected = found[f"{name}_share"][np.ix_(order, order)].copy()
        np.fill_diagonal(expected, np.nan)
        np.testing.assert_allclose(shown, expected)
    assert drawn[0].axes[0].get_yticklabels()[0].get_text() == f"class {order[0]}"
    with Image.open(tmp_path / "c.png") as image:
        assert np.asarray(image.convert("L")).std() > 3


@pytest.mark.parametrize("classes", [2, 29])
def test_no_text_is_cut_off(tmp_path, monkeypatch, classes):
    figures = []
    monkeypatch.setattr(cooccurrence.style, "save", lambda figure, path: figures.append(figure))
    labels = np.eye(classes, dtype=np.uint8)
    rows = [{"class": f"{number:02} a name of thirty letters"} for number in range(classes)]
    cooccurrence.draw(pairs(labels, labels == 1), rows, list(range(classes)), "test", tmp_path / "a.png")
    figures[0].draw_without_rendering()
    drawn, (width, height) = figures[0].get_tightbbox(), figures[0].get_size_inches()
    assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height
