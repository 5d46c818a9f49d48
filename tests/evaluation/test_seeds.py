"""The interval over images and seeds: how often equal recipes are told apart, and against textbook cases."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from evaluation import bootstrap, counts, seeds

REPETITIONS, IMAGES, DRAWS = 250, 100, 64


def trained(random, labels):
    """Predictions of a run: its seed makes each class easier or harder."""
    strength = random.normal(0.9, 0.35, labels.shape[1])
    return random.normal(strength * (2.0 * labels - 1), 1) > 0


@pytest.mark.parametrize("first, other", [(3, 3), (5, 1)])
def test_equal_recipes_are_told_apart_in_5_of_100_comparisons(first, other):
    random, apart = np.random.default_rng(first), np.zeros(2)
    for repetition in range(REPETITIONS):
        labels = (random.random((IMAGES, 4)) < [0.5, 0.4, 0.3, 0.2]).astype(np.uint8)
        runs = [bootstrap.Predicted(counts.outcomes(labels, trained(random, labels))) for _ in range(first + other)]
        drawn = np.array([each["macro_f1"] for each in bootstrap.resampled(runs, IMAGES, DRAWS, repetition)])
        once = np.ones((IMAGES, 1), dtype=np.float32)
        values = np.array([run.figures(once)["macro_f1"][0] for run in runs])
        gap, gaps = (each[:first].mean(axis=0) - each[first:].mean(axis=0) for each in (values, drawn))
        images = bootstrap.interval(gaps)
        both = seeds.interval(gap, gaps, values[:first], values[first:], IMAGES)[:2]
        apart += [low > 0 or high < 0 for low, high in (images, both)]
    by_image, by_both = apart / REPETITIONS
    assert by_image > 0.15
    assert 0.01 < by_both < 0.09


def test_without_noise_of_images_it_is_students_interval():
    random = np.random.default_rng(0)
    first, other = random.normal(0.7, 0.02, 4), random.normal(0.6, 0.02, 3)
    gap = first.mean() - other.mean()
    low, high, deviation = seeds.interval(gap, np.full(50, gap), first, other, 100)
    expected = ttest_ind(first, other).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert deviation == pytest.approx(np.sqrt((3 * first.var(ddof=1) + 2 * other.var(ddof=1)) / 5))


def test_seeds_that_agree_leave_the_interval_of_the_images():
    drawn = np.random.default_rng(0).normal(0.1, 0.02, 4000)
    low, high, deviation = seeds.interval(0.1, drawn, np.full(3, 0.7), np.full(3, 0.6), 100_000)
    assert (low, high) == pytest.approx((0.1 - 1.96 * 0.02, 0.1 + 1.96 * 0.02), abs=0.002) and deviation < 1e-12
    assert seeds.interval(0.0, np.zeros(9), np.ones(2), np.ones(2), 9) == (0, 0, 0)
    assert np.isnan(seeds.interval(np.nan, np.full(9, np.nan), np.full(2, np.nan), np.full(1, np.nan), 9)).all()
