"""Label smoothing against binary cross-entropy in float64."""

import keras
import numpy as np
import pytest

import losses
from loss_formulas.smoothing import Smoothed, smoothed

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


def test_losses_over_the_batch_see_labels_as_they_are():
    """Else each class would have a positive, and one that is absent would be driven up."""
    logits = np.random.default_rng(3).normal(0, 2, LABELS.shape).astype(np.float32)
    bce, soft_f1 = losses.build("bce"), losses.build("soft_f1")
    total = Smoothed(losses.weighted_sum([(1.0, bce), (0.5, soft_f1)]), 0.2)
    expected = float(Smoothed(bce, 0.2)(LABELS, logits)) + 0.5 * float(soft_f1(LABELS, logits))
    assert float(total(LABELS, logits)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [("two_way", "which two_way is not"), ("distribution_balanced", "distribution_balanced cannot take")],
)
def test_losses_that_cannot_be_smoothed_are_refused_by_name(name, message):
    counts = {"positives": np.full(3, 5), "negatives": np.full(3, 9)} if name == "distribution_balanced" else {}
    with pytest.raises(ValueError, match=message):
        Smoothed(losses.build(name, **counts), 0.1)
