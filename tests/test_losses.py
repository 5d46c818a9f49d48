"""Losses against a NumPy reference in float64; class weights against their formulas and scikit-learn."""

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

import losses


def reference(labels, logits, positive_weights=1.0, negative_weights=1.0):
    """Weighted binary cross-entropy from probabilities in float64, the mean over known labels."""
    logits = logits.astype(np.float64)
    probabilities = 1 / (1 + np.exp(-logits))
    known = labels != 255
    y = np.where(known, labels, 0).astype(np.float64)
    each = -positive_weights * y * np.log(probabilities) - negative_weights * (1 - y) * np.log1p(-probabilities)
    return (each * known).sum() / max(known.sum(), 1)


@pytest.fixture
def batch():
    random = np.random.default_rng(5)
    labels = random.choice(np.array([0, 1, 255], np.uint8), (16, 7), p=[0.6, 0.3, 0.1])
    return labels, random.normal(0, 3, (16, 7)).astype(np.float32)


def value(loss, labels, logits) -> float:
    return float(loss(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(logits)))


def gradient(loss, labels, logits, step=1e-2) -> np.ndarray:
    """Central differences of the loss in each logit."""
    found = np.zeros(logits.shape)
    for place in np.ndindex(*logits.shape):
        up, down = logits.copy(), logits.copy()
        up[place] += step
        down[place] -= step
        found[place] = (value(loss, labels, up) - value(loss, labels, down)) / (2 * step)
    return found


def test_bce_equals_the_reference(batch):
    assert value(losses.build("bce"), *batch) == pytest.approx(reference(*batch), rel=1e-5)


def test_weighted_bce_equals_the_reference(batch):
    positive, negative = np.linspace(0.0, 9.0, 7), np.linspace(2.0, 0.5, 7)
    loss = losses.build("weighted_bce", positive_weights=positive, negative_weights=negative)
    assert value(loss, *batch) == pytest.approx(reference(*batch, positive, negative), rel=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_unknown_labels_carry_no_gradient(name, batch):
    labels, logits = batch[0][:3], batch[1][:3]
    weights = {"positive_weights": [2.0] * 7, "negative_weights": [1.0] * 7} if name == "weighted_bce" else {}
    slopes = gradient(losses.build(name, **weights), labels, logits)
    assert (slopes[labels == 255] == 0).all()
    assert (slopes[labels != 255] != 0).all()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_finite_at_far_logits_and_without_any_known_label(name):
    weights = {"positive_weights": [2.0] * 3, "negative_weights": [1.0] * 3} if name == "weighted_bce" else {}
    loss = losses.build(name, **weights)
    far = np.array([[50, -50, 0]], np.float32)
    assert np.isfinite(value(loss, np.array([[0, 1, 1]], np.uint8), far))
    assert np.isfinite(value(loss, np.array([[0, 1, 1]], np.uint8), far.astype(np.float16)))
    assert value(loss, np.full((1, 3), 255, np.uint8), far) == 0


def test_the_weight_of_a_second_label_counts():
    labels, logits = np.array([[1, 1, 0]], np.uint8), np.zeros((1, 3), np.float32)
    light = losses.build("weighted_bce", positive_weights=[1, 1, 1], negative_weights=[1, 1, 1])
    heavy = losses.build("weighted_bce", positive_weights=[1, 5, 1], negative_weights=[1, 1, 1])
    assert value(heavy, labels, logits) - value(light, labels, logits) == pytest.approx(4 * np.log(2) / 3, rel=1e-5)


def test_repeating_a_batch_leaves_the_loss(batch):
    twice = [np.concatenate([part, part]) for part in batch]
    assert value(losses.build("bce"), *twice) == pytest.approx(value(losses.build("bce"), *batch), rel=1e-5)


def test_unknown_names_and_bad_weights_are_refused():
    with pytest.raises(ValueError, match="known: bce"):
        losses.build("bcee")
    with pytest.raises(ValueError, match="0 or more"):
        losses.build("weighted_bce", positive_weights=[1, -1], negative_weights=[1, 1])
    with pytest.raises(ValueError, match="1 positive_weights and 2 negative_weights"):
        losses.build("weighted_bce", positive_weights=[1], negative_weights=[1, 1])
    with pytest.raises(ValueError, match="unknown scheme"):
        losses.class_weights("inverted", [1], [1])


POSITIVES, NEGATIVES = np.array([900, 100, 4, 0, 1000]), np.array([100, 900, 996, 1000, 0])


def test_balanced_weights_equal_scikit_learn():
    positive, negative = losses.class_weights("balanced", POSITIVES, NEGATIVES)
    for k in range(3):
        column = np.repeat([1, 0], [POSITIVES[k], NEGATIVES[k]])
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=column)
        assert (negative[k], positive[k]) == pytest.approx(tuple(expected))


def test_schemes_follow_their_formulas_and_the_cap():
    assert losses.class_weights("inverse", POSITIVES, NEGATIVES)[0][:3] == pytest.approx([1 / 9, 9, 249])
    assert losses.class_weights("sqrt_inverse", POSITIVES, NEGATIVES)[0][:3] == pytest.approx(np.sqrt([1 / 9, 9, 249]))
    # Cui et al. 2019: one over the effective number, here of the positives relative to that of the negatives.
    expected = [(1 - 0.999**m) / (1 - 0.999**n) for n, m in zip(POSITIVES[:3], NEGATIVES[:3], strict=True)]
    assert losses.class_weights("effective_number", POSITIVES, NEGATIVES)[0][:3] == pytest.approx(expected)
    assert losses.class_weights("inverse", POSITIVES, NEGATIVES, max_weight=20)[0][2] == 20


@pytest.mark.parametrize("scheme", ["balanced", *losses.SCHEMES])
def test_a_class_without_positives_or_negatives_is_left_alone(scheme):
    positive, negative = losses.class_weights(scheme, POSITIVES, NEGATIVES, max_weight=20)
    assert positive[3:].tolist() == negative[3:].tolist() == [1, 1]
    assert np.isfinite(positive).all()
