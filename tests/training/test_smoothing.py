"""Label smoothing against binary cross-entropy in float64."""

import keras
import numpy as np
import pytest

import losses
from training.smoothing import Smoothed, smoothed, smoothed_counts

LABELS = np.array([[0, 1, 255], [1, 255, 0], [0, 0, 1]], np.uint8)


def test_known_labels_move_and_unknown_ones_stay():
    expected = [[0.05, 0.95, 255], [0.95, 255, 0.05], [0.05, 0.05, 0.95]]
    np.testing.assert_allclose(np.asarray(smoothed(LABELS, 0.1)), expected, rtol=1e-6)
    # A label that mixing made soft moves as well.
    assert float(smoothed(np.array(0.75, np.float32), 0.2)) == pytest.approx(0.7)


def test_the_loss_is_that_of_the_smoothed_labels():
    logits = np.random.default_rng(2).normal(0, 2, LABELS.shape).astype(np.float32)
    probabilities, known = 1 / (1 + np.exp(-logits.astype(np.float64))), LABELS != 255
    y = LABELS * 0.8 + 0.1
    positive, negative = np.array([1.0, 3.0, 5.0]), np.array([1.0, 0.5, 2.0])
    each = -positive * y * np.log(probabilities) - negative * (1 - y) * np.log1p(-probabilities)
    plain = losses.build("weighted_bce", positive_weights=positive, negative_weights=negative)
    loss = Smoothed(plain, 0.2)
    # Keras casts labels before it hands them on, 255 included.
    assert float(loss(LABELS, logits)) == pytest.approx(each[known].mean(), rel=1e-5)
    tensor = keras.ops.convert_to_tensor(LABELS)
    assert float(loss(tensor, logits)) == pytest.approx(each[known].mean(), rel=1e-5)
    assert float(Smoothed(plain, 0.0)(LABELS, logits)) == pytest.approx(float(plain(LABELS, logits)))


def test_counts_are_those_of_the_smoothed_labels():
    known = LABELS <= 1
    positives = np.where(known, LABELS, 0).sum(axis=0).astype(float)
    y = np.where(known, np.asarray(smoothed(LABELS, 0.3)), 0)
    found = smoothed_counts(positives, known.sum(axis=0) - positives, 0.3)
    np.testing.assert_allclose(found[0], y.sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found[1], known.sum(axis=0) - y.sum(axis=0), rtol=1e-6)
