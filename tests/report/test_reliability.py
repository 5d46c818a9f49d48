"""The reliability chart shows the figures that it is given, and its sentence says which way scores are off."""

import numpy as np
import pytest
from PIL import Image

import metrics
from report import reliability, style


def made(classes, rows=80):
    random = np.random.default_rng(classes)
    scores = random.random((rows, classes)) ** 3
    labels = (random.random(scores.shape) < 0.5 * scores).astype(np.uint8)
    labels[:, -1] = metrics.UNKNOWN if classes > 1 else labels[:, -1]
    table = metrics.per_class(labels, scores, 0.5, [f"class {number}" for number in range(classes)])
    return metrics.calibration(labels, scores), [{**row, "training_images": 9} for row in table]


@pytest.mark.parametrize("classes", [1, 28, 120])
def test_the_chart_shows_the_figures(classes, tmp_path, monkeypatch):
    saved = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, path: (saved.append(figure), save(figure, path)))
    found, rows = made(classes)
    order = list(range(classes))[::-1]
    reliability.draw(found, [rows[index] for index in order], order, "test", tmp_path / "reliability.png")
    bars, curve = saved[0].axes[:2]
    widths = [bar.get_width() for bar in bars.patches]
    shown = order if classes <= 100 else order[:50] + order[-50:]
    np.testing.assert_allclose(widths, np.nan_to_num(found["class_ECE"][shown]))
    points = np.array(curve.lines[-1].get_xydata())
    filled = [(row["mean_score"], row["positive_share"]) for row in found["bins"] if row["labels"]]
    np.testing.assert_allclose(points, filled)
    with Image.open(tmp_path / "reliability.png") as image:
        assert np.asarray(image.convert("L")).std() > 3


def test_the_sentence_says_which_way():
    found = made(3)[0]
    assert "as probabilities they are too high." in reliability.reading(found, "test")
    assert f"scores are {found['ECE']:.3f} off (ECE, 15 bins)" in reliability.reading(found, "test")
    assert "too low." in reliability.reading({**found, "mean_score": 0.0}, "test")
    assert reliability.reading({**found, "mean_score": found["positive_share"]}, "val").endswith("that fits.")
