"""Mean score by share of positives: against SciPy's Wilson interval, and how often the interval is right."""

import numpy as np
import pytest
from scipy.stats import binomtest

from common.labels import UNKNOWN
from evaluation.calibration import by_class


def test_ratio_and_interval_equal_scipys():
    random = np.random.default_rng(0)
    scores = random.random((80, 5)).astype(np.float32)
    labels = (random.random(scores.shape) < [0.5, 0.3, 0.05, 0.0, 0.5]).astype(np.uint8)
    labels[random.random(labels.shape) < 0.1] = UNKNOWN
    labels[:, 4] = UNKNOWN
    found = by_class(labels, scores)
    for index in range(4):
        known = labels[:, index] != UNKNOWN
        hits, mean = int((labels[known, index] == 1).sum()), scores[known, index].mean(dtype=np.float64)
        share = binomtest(hits, int(known.sum())).proportion_ci(method="wilson")
        assert found["mean_score"][index] == pytest.approx(mean)
        assert found["low"][index] == pytest.approx(mean / share.high)
        assert found["high"][index] == pytest.approx(mean / share.low if hits else np.inf)
        expected = mean / (hits / known.sum()) if hits else np.nan
        assert found["ratio"][index] == pytest.approx(expected, nan_ok=True)
    assert all(np.isnan(values[4]) for values in found.values())


def test_scores_of_0_are_too_low_and_of_a_class_that_is_nowhere_too_high():
    labels = np.array([[1, 0]] * 20, dtype=np.uint8)
    found = by_class(labels, np.array([[0.0, 0.9]] * 20))
    assert found["high"][0] < 1 < found["low"][1]


@pytest.mark.parametrize("size", [1, 6])
def test_calibrated_scores_are_called_off_in_1_of_20_classes_also_in_groups(size):
    """Labels of a group share a cause that no score knows."""
    random, classes, groups = np.random.default_rng(1), 400, 150
    cause = random.normal(size=(groups, classes)).repeat(size, axis=0) * (size > 1)
    logits = -2.0 + 1.2 * cause + random.normal(size=cause.shape)
    chances = 1 / (1 + np.exp(-logits))
    labels = (random.random(chances.shape) < chances).astype(np.uint8)
    deviation = np.hypot(1.0, 1.2 * (size > 1))
    scores = np.full(labels.shape, (1 / (1 + np.exp(2.0 - deviation * random.normal(size=10**6)))).mean())
    found = by_class(labels, scores, np.arange(groups).repeat(size))
    off = ((found["low"] > 1) | (found["high"] < 1)).mean()
    assert 0.02 < off < 0.09
    alone = by_class(labels, scores)
    if size > 1:
        assert ((alone["low"] > 1) | (alone["high"] < 1)).mean() > 0.12
    else:
        np.testing.assert_allclose(found["low"], alone["low"], rtol=0.01)
