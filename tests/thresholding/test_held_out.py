"""Figures of rows that did not choose their thresholds, and folds that keep together what belongs together."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

import thresholds
from common.labels import UNKNOWN
from evaluation import metrics
from thresholding import held_out
from thresholding.folds import dealt


def made(seed: int, rows: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random((rows, classes)) < 0.3).astype(np.uint8)
    labels[random.random(labels.shape) < 0.05] = UNKNOWN
    return labels, np.clip(random.normal(0.4 + 0.2 * (labels == 1), 0.2), 0.01, 0.99)


def test_units_stay_together_and_bring_their_share_of_every_class():
    labels, _ = made(0, 300)
    units = np.arange(300) // 3
    fold = dealt(labels, 5, np.random.default_rng(1), units)
    assert all(len(set(fold[units == unit])) == 1 for unit in range(100))
    assert set(np.bincount(fold)) == {60}
    alone = dealt(labels, 5, np.random.default_rng(1), np.arange(300))
    np.testing.assert_array_equal(alone, dealt(labels, 5, np.random.default_rng(1)))


def test_copies_in_a_group_teach_nothing_about_the_others():
    """Scores of noise, each row twice: the copy in another fold would choose the threshold that is judged."""
    labels, scores = (np.repeat(each, 2, axis=0) for each in made(1, 40, 30))
    scores = np.repeat(np.random.default_rng(0).random((40, 30)), 2, axis=0)
    units = np.arange(80) // 2

    def judged(given):
        return held_out.cross_fitted(labels, scores, thresholds.fit, metrics.predict, 30, 10, 3, units=given)

    together, apart = (judged(given).macro_f1.mean() for given in (units, None))
    assert apart > together + 0.03


def test_across_folds_is_a_loop_over_folds():
    (labels, scores), (others, other_scores) = made(2, 90), made(3, 60)
    fold, other_fold = np.arange(90) % 4 - 1, np.arange(60) % 3
    strengths = (5.0, 20.0, 80.0)
    choose = [lambda y, s, k=k: thresholds.fit(y, s, "shrink", strength=k) for k in strengths]
    found = held_out.across_folds(
        (labels, scores, fold), (others, other_scores, other_fold), choose, metrics.predict, 2
    )
    predicted = np.zeros(others.shape, dtype=bool)
    for number, strength in enumerate(strengths):
        cuts = thresholds.fit(labels[fold != number], scores[fold != number], "shrink", strength=strength)
        predicted[other_fold == number] = other_scores[other_fold == number] >= cuts
        np.testing.assert_array_equal(found.thresholds[number], cuts)
    known = others[:, :2] <= 1
    expected = [
        f1_score(others[known[:, place], place], predicted[known[:, place], place], zero_division=0)
        for place in range(2)
    ]
    assert found.macro_f1.tolist() == pytest.approx([np.mean(expected)])
    assert found.figures()["macro_f1"] == {"mean": pytest.approx(np.mean(expected)), "deviation": None}
    assert found.folds == 3


@pytest.mark.parametrize("costs", [(0, 0), (0, 2), (2, 0)])
def test_what_costs_nothing_still_has_a_threshold(costs):
    labels, scores = made(4, 50)
    false_alarm, miss = (np.array([cost, 1, 1]) for cost in costs)
    options = {"rates": np.full(3, 0.3), "objective": "expected_cost"}
    with np.errstate(all="raise"):
        chosen = thresholds.fit(labels, scores, "shrink", false_alarm=false_alarm, miss=miss, **options)
    assert ((chosen >= 0) & (chosen <= 1)).all()
    found = (scores[:, 0] >= chosen[0]).mean()
    if any(costs):
        assert found == (1 if costs[1] else 0)
    np.testing.assert_allclose(chosen[1:], thresholds.fit(labels, scores, "shrink", **options)[1:])
