"""Draws, groups and intervals; and what the classes' own rates give."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from common.labels import UNKNOWN
from evaluation import baseline, bootstrap
from evaluation.bootstrap import Predicted
from evaluation.counts import outcomes


def made(rows=60, classes=4, seed=0):
    random = np.random.default_rng(seed)
    labels = (random.random((rows, classes)) < [0.5, 0.3, 0.1, 0.0][:classes]).astype(np.uint8)
    labels[random.random(labels.shape) < 0.1] = UNKNOWN
    scores = np.clip(random.normal(0.3 + 0.3 * (labels == 1), 0.2), 0, 1)
    return labels, scores


def test_draws_are_the_same_however_many_are_held_at_a_time(monkeypatch):
    labels, scores = made()
    judged = [Predicted(outcomes(labels, scores >= 0.5)), bootstrap.Ranked(labels, scores)]
    found = bootstrap.resampled(judged, 60, 50, seed=3)
    assert {len(values) for each in found for values in each.values()} == {50}
    monkeypatch.setattr(bootstrap, "MOST_AT_ONCE", 7)
    for one, other in zip(found, bootstrap.resampled(judged, 60, 50, seed=3), strict=True):
        for name, values in one.items():
            np.testing.assert_allclose(values, other[name], rtol=1e-12)
    assert np.std(found[0]["micro_f1"]) > 0.01
    other = bootstrap.resampled(judged, 60, 50, seed=4)[0]["micro_f1"]
    assert not np.allclose(found[0]["micro_f1"], other)


def test_a_draw_of_groups_takes_all_images_of_each():
    labels, scores = made()
    names = np.array([f"g{row // 5}" if row < 50 else "" for row in range(60)])
    units = bootstrap.group_units(names)
    assert len(set(units)) == units.max() + 1 == 10 + 10
    weights = np.concatenate(list(bootstrap.drawn(20, 30, seed=0)), axis=1)
    assert weights.shape == (20, 30) and (weights.sum(axis=0) == 20).all()
    by_image = weights[units]
    for judged, given in ((Predicted, (outcomes(labels, scores >= 0.5),)), (bootstrap.Ranked, (labels, scores))):
        grouped, single = judged(*given, units).figures(weights), judged(*given).figures(by_image)
        for name, values in grouped.items():
            np.testing.assert_allclose(values, single[name], rtol=1e-12, err_msg=name)


def test_copies_of_images_widen_the_interval_by_group_alone():
    labels, scores = (each.repeat(9, axis=0) for each in made(rows=40))
    units = np.arange(40).repeat(9)
    widths = []
    for given, count in ((None, len(labels)), (units, 40)):
        drawn = bootstrap.resampled([Predicted(outcomes(labels, scores >= 0.5), given)], count, 300, 0)[0]
        widths.append(np.ptp(bootstrap.interval(drawn["micro_f1"])))
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.25)


def test_95_of_100_intervals_hold_the_true_share():
    """Of images each right with the probability 0.7; and a mean over classes, whose truth is known as well."""
    random, held, count = np.random.default_rng(7), np.zeros(2), 250
    hit, alarm = np.array([0.9, 0.7, 0.6]), np.array([0.1, 0.1, 0.2])
    rates = np.array([0.5, 0.3, 0.2])
    truth = [np.prod(rates * hit + (1 - rates) * (1 - alarm)),
             np.mean(2 * rates * hit / (rates * hit + rates + (1 - rates) * alarm))]  # fmt: skip
    for seed in range(count):
        labels = (random.random((200, 3)) < rates).astype(np.uint8)
        predictions = random.random((200, 3)) < np.where(labels, hit, alarm)
        drawn = bootstrap.resampled([Predicted(outcomes(labels, predictions))], 200, 200, seed)[0]
        for place, name in enumerate(("subset_accuracy", "macro_f1")):
            low, high = bootstrap.interval(drawn[name])
            held[place] += low <= truth[place] <= high
    assert ((held / count > 0.91) & (held / count < 0.985)).all(), held / count


def test_a_class_that_is_nowhere_counts_0_and_one_that_a_draw_misses_does_not():
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)
    found = Predicted(outcomes(labels, labels == 1)).figures(np.array([[1, 2], [1, 0], [1, 1]], dtype=np.float32))
    np.testing.assert_allclose(found["macro_f1"], 2 / 3)
    np.testing.assert_allclose(found["macro_f1_present"], 1)
    nothing = Predicted(outcomes(labels[:, 2:], labels[:, 2:] == 1)).figures(np.ones((3, 2), dtype=np.float32))
    assert nothing["macro_f1"].tolist() == [0, 0]
    assert np.isnan(bootstrap.interval(nothing["macro_f1_present"])).all()


def test_the_classes_own_rates_give_what_guessing_gives():
    labels, _ = made(rows=400)
    rates = np.array([0.4, 0.3, 0.05, 0.1])
    found = baseline.own_rates(labels, rates)
    random, known = np.random.default_rng(9), labels != UNKNOWN
    totals, right, wrong = np.zeros((3, 4)), [], []
    for _ in range(400):
        guess = random.random(labels.shape) < rates
        true = labels == 1
        totals += [(true & guess).sum(0), (known & ~true & guess).sum(0), (true & ~guess).sum(0)]
        faults = known & (guess != true)
        right.append(1 - faults.any(axis=1)[known.any(axis=1)].mean())
        wrong.append(faults[known].mean())
    assert found["subset_accuracy"] == pytest.approx(np.mean(right), abs=0.003)
    assert found["hamming_loss"] == pytest.approx(np.mean(wrong), abs=0.003)
    assert found["macro_f1"] == pytest.approx(
        np.mean(2 * totals[0] / (2 * totals[0] + totals[1] + totals[2])), abs=0.01
    )
    hits, alarms, misses = totals.sum(axis=1)
    assert found["micro_f1"] == pytest.approx(2 * hits / (2 * hits + alarms + misses), abs=0.003)
    precision = [average_precision_score(labels[known[:, k], k], np.full(known[:, k].sum(), 0.2)) for k in range(3)]
    assert found["mAP"] == pytest.approx(np.mean(precision))
    assert found["AUC"] == 0.5 and found["ECE"] < 0.1
