"""The reliability chart shows the figures that it is given, and its sentences say which classes' scores are off."""

import numpy as np
import pytest
from PIL import Image

from common.labels import UNKNOWN
from evaluation.figures import EvaluatedSplit
from report import reliability, style
from report.formatting import percent


def made(classes, rows=80):
    random = np.random.default_rng(classes)
    scores = random.random((rows, classes)) ** 3
    labels = (random.random(scores.shape) < 0.5 * scores).astype(np.uint8)
    labels[:, -1] = UNKNOWN if classes > 1 else labels[:, -1]
    part = EvaluatedSplit(labels, scores, {"0.5": scores >= 0.5})
    table = part.rows({"0.5": 0.5}, [f"class {number}" for number in range(classes)])["0.5"]
    return part.calibration, [{**row, "training_images": 9} for row in table]


@pytest.mark.parametrize("classes", [1, 28, 120])
def test_the_chart_shows_the_figures(classes, tmp_path, monkeypatch):
    saved = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, path: (saved.append(figure), save(figure, path)))
    found, rows = made(classes)
    order = list(range(classes))[::-1]
    reliability.draw(found, [rows[index] for index in order], order, "test", tmp_path / "reliability.png")
    ratios, curve = saved[0].axes[:2]
    points = np.concatenate([line.get_xydata() for line in ratios.lines if line.get_marker() == "o"])
    shown = order if classes <= 100 else order[:50] + order[-50:]
    lowest, highest = ratios.get_xlim()
    expected = np.clip(found["by_class"]["ratio"][shown], lowest, highest)
    np.testing.assert_allclose(points[np.argsort(points[:, 1]), 0], expected)
    points = np.array(curve.lines[-1].get_xydata())
    filled = [(row["mean_score"], row["positive_share"]) for row in found["bins"] if row["labels"]]
    np.testing.assert_allclose(points, filled)
    with Image.open(tmp_path / "reliability.png") as image:
        assert np.asarray(image.convert("L")).std() > 3


def read(labels, scores, **options):
    part = EvaluatedSplit(np.array(labels, dtype=np.uint8), np.array(scores), {}, options.get("groups"))
    return reliability.reading(part.calibration, "test", ["Golgi", "Rods", "Nucleus"])


def test_a_rate_missed_by_a_fifth_is_not_said_to_fit():
    """At 5 % of positive labels that is 0.01, which looks like nothing over all labels together."""
    labels = np.zeros((4000, 3), dtype=np.uint8)
    labels[:200] = 1
    text = read(labels, np.full(labels.shape, 0.0599))
    assert "fits" not in text and "are 0.010 off over all labels together" in text
    assert "Scores are too high in 3 of 3 classes: Golgi, Rods, Nucleus." in text


def test_the_sentences_name_the_classes_that_are_off_and_which_way():
    """Over all labels together these scores are right: what one class has too much, the other has too little."""
    labels = np.zeros((400, 3), dtype=np.uint8)
    labels[:40, 0] = labels[:80, 1] = labels[:200, 2] = 1
    text = read(labels, np.broadcast_to([0.2, 0.1, 0.5], labels.shape))
    assert f"they say {percent(0.8 / 3)}, and {percent(0.8 / 3)} of the labels are positive." in text
    assert "goes from 0.50 (Rods) to 2.00 (Golgi)" in text and "0.067 as the mean of the classes" in text
    assert "too high in 1 of 3 classes: Golgi." in text and "too low in 1 of 3 classes: Rods." in text


def test_few_images_show_nothing_and_groups_are_no_more_than_few_images():
    labels = np.zeros((400, 3), dtype=np.uint8)
    labels[:40] = 1
    scores = np.full(labels.shape, 0.15)
    assert "too high in 3 of 3" in read(labels, scores)
    said = "None of the 3 classes is shown to be off: each 95 % interval has 1 in it."
    assert read(labels, scores, groups=np.array([f"plate {row // 40}" for row in range(400)])).endswith(said)
    labels[:, 1] = UNKNOWN
    assert "None of the 2 classes" in read(labels[:60], np.full((60, 3), 0.6))


def test_a_class_without_positives_has_no_ratio_and_can_be_too_high():
    labels = np.zeros((50, 3), dtype=np.uint8)
    text = read(labels, np.full(labels.shape, 0.5))
    assert "goes from" not in text and "too high in 3 of 3" in text
