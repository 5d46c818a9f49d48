"""The sentence that reads the learning curves."""

import pytest
from PIL import Image

from report import curves


def history(precision, val_loss, loss=None):
    loss = loss or [1.0 - 0.1 * epoch for epoch in range(len(precision))]
    rows = zip(precision, val_loss, loss, strict=True)
    return [{"epoch": i + 1, "val_mAP": p, "val_loss": v, "loss": t} for i, (p, v, t) in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "epochs", "phrase"),
    [
        (history([0.1, 0.2, 0.3], [0.5, 0.4, 0.3]), 3, "0.300, after epoch 3 of 3. It was still rising"),
        (
            history([0.1, 0.3, 0.2], [0.5, 0.4, 0.6]),
            9,
            "Since epoch 2 the loss falls on training rows and rises on validation",
        ),
        (history([0.1, 0.3, 0.2, 0.2, 0.2], [0.5, 0.4, 0.405, 0.4, 0.41]), 9, "levelled off"),
        (history([0.1, 0.3, 0.2], [0.5, 0.4, 0.405]), 3, "The epochs ran out soon after"),
        (history([0.1], [0.5]), 1, "after epoch 1 of 1. One epoch tells no trend"),
        (history([0.1, 0.2, 0.3], [0.5, 0.4, 0.3]), 9, "after epoch 3 of 3."),
    ],
)
def test_the_sentence_says_what_the_curves_do(rows, epochs, phrase):
    assert phrase in curves.reading(rows, epochs)


def test_curves_are_drawn_with_gaps_in_the_training_metrics(tmp_path):
    rows = history([0.1, 0.3, 0.2], [0.5, 0.4, 0.6])
    rows[1]["train_mAP"] = 0.5
    curves.draw(rows, "A sentence.", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 600
