"""The biases that training starts from make the trained loss least among scores that do not depend on the image."""

import keras
import numpy as np
import pytest

import losses
from training.priors import constant_logits, start

RATES = [0.5, 0.1, 0.02]
WEIGHTS = {"positive_weights": [1.0, 3.0, 7.0], "negative_weights": [1.0, 1.0, 0.5]}


@pytest.fixture(scope="module")
def labels():
    random = np.random.default_rng(0)
    found = (random.random((400, 3)) < RATES).astype(np.uint8)
    found[random.random(found.shape) < 0.1] = 255
    return found


def built(name, labels):
    counts = {"positives": (labels == 1).sum(axis=0), "negatives": (labels == 0).sum(axis=0)}
    return losses.build(name, **{"weighted_bce": WEIGHTS, "distribution_balanced": counts}.get(name, {}))


def log_odds(labels, visits=1.0, weights=(1.0, 1.0)):
    positives, negatives = ((visits * (labels == kind).T).T.sum(axis=0) + 0.5 for kind in (1, 0))
    return np.log(weights[0] * positives / (weights[1] * negatives))


def test_cross_entropy_starts_at_the_log_odds(labels):
    ones, visits = np.ones(400), np.random.default_rng(1).random(400) * 3
    bce = losses.build("bce")
    np.testing.assert_allclose(constant_logits(bce, labels, ones), log_odds(labels), atol=0.006)
    np.testing.assert_allclose(constant_logits(bce, labels, visits), log_odds(labels, visits), atol=0.006)
    expected = log_odds(labels, weights=tuple(np.array(list(WEIGHTS.values()))))
    np.testing.assert_allclose(constant_logits(built("weighted_bce", labels), labels, ones), expected, atol=0.006)


@pytest.mark.parametrize("name", ["focal", "asymmetric", "distribution_balanced"])
def test_no_other_constant_makes_the_loss_less(name, labels):
    loss = built(name, labels)
    best = constant_logits(loss, labels, np.ones(400))

    def total(logits):
        return float(loss(labels, np.tile(logits, (400, 1)).astype(np.float32)))

    for other in np.concatenate([np.eye(3), -np.eye(3), 5 * np.eye(3), -5 * np.eye(3)]) * 0.3:
        assert total(best + other) > total(best)


def test_losses_over_a_batch_start_at_the_rates(labels):
    ones = np.ones(400)
    np.testing.assert_allclose(constant_logits(losses.build("lovasz"), labels, ones), log_odds(labels), atol=0.006)
    both = losses.weighted_sum([(1.0, losses.build("soft_f1")), (1.0, built("weighted_bce", labels))])
    weighted = constant_logits(built("weighted_bce", labels), labels, ones)
    np.testing.assert_array_equal(constant_logits(both, labels, ones), weighted)


def test_a_class_without_positives_starts_low_and_the_model_holds_it(labels):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(inputs))
    start(model, losses.build("bce"), np.where(labels == 255, 0, labels) * [1, 1, 0], np.ones(400))
    bias = np.asarray(model.get_layer("logits").bias)
    assert bias[2] == pytest.approx(np.log(0.5 / 400.5), abs=0.006)
