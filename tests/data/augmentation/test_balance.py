"""The plan of copies: against brute force, against the greedy on real label rows, and against its own bound."""

import itertools

import numpy as np
import pytest

from common.errors import Faults, InputError
from data.augmentation.balance import imbalance_ratios, label_density, mean_imbalance_ratio, plan_copies, rare_classes
from data.labels.labels import read_labels


def test_ratios_by_hand():
    np.testing.assert_allclose(imbalance_ratios(np.array([12, 4, 0, 3])), [1, 3, np.nan, 4])
    assert mean_imbalance_ratio(np.array([12, 4, 0, 3])) == pytest.approx(8 / 3)
    assert rare_classes(np.array([12, 4, 0, 3])).tolist() == [1, 3]
    assert rare_classes(np.array([12, 4, 0, 3]), rare_below=4).tolist() == [3]
    labels = np.array([[1, 0], [1, 1], [255, 1]], dtype=np.uint8)
    assert label_density(labels) == pytest.approx(4 / 5)
    assert np.isnan(mean_imbalance_ratio(np.zeros(3, dtype=int)))


def checked(labels, plan, max_copies, new_images):
    """A plan keeps its limits, and says truly what it does."""
    positive = labels == 1
    assert plan.copies.min() >= 0
    assert plan.copies.max() <= max_copies
    assert not plan.copies[~positive.any(axis=1)].any()
    assert new_images == 0 or plan.copies.sum() <= new_images
    np.testing.assert_array_equal(plan.counts, positive.sum(axis=0) + plan.copies @ positive)
    assert plan.bound <= mean_imbalance_ratio(plan.counts) * (1 + 1e-9)
    return mean_imbalance_ratio(plan.counts), int(plan.counts.max() - positive.sum(axis=0).max())


@pytest.mark.parametrize("seed", range(6))
def test_a_small_plan_is_the_best_there_is(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random((6, 3)) < [0.8, 0.4, 0.2]).astype(np.uint8)
    labels[0] = [1, 1, 1]
    labels[1] = 0
    growth = greedy(labels, 2, 5)[1]
    ratio, grown = checked(labels, plan_copies(labels, 2, 5), 2, 5)
    values = []
    for copies in itertools.product(range(3), repeat=6):
        counts = labels.sum(axis=0) + np.array(copies) @ labels
        allowed = sum(copies) <= 5 and not copies[1] and counts.max() - labels.sum(axis=0).max() <= growth
        values.append(mean_imbalance_ratio(counts) if allowed else np.inf)
    assert grown <= growth
    assert ratio == pytest.approx(min(values), rel=2e-3)


def greedy(labels, cap, new_images):
    """The plain one, image by image: mean IRLbl, growth of the largest class and smallest class."""
    sets, set_of = np.unique(labels == 1, axis=0, return_inverse=True)
    room = np.bincount(set_of.ravel()) * cap
    room[~sets.any(axis=1)] = 0
    before = (labels == 1).sum(axis=0)
    counts, current = before.astype(float), mean_imbalance_ratio(before)
    for _ in range(new_images):
        added = counts + sets
        value = np.where(room > 0, (added.max(axis=1, keepdims=True) / added).mean(axis=1), np.inf)
        best = int(value.argmin())
        if value[best] >= current:
            break
        counts, current = added[best], value[best]
        room[best] -= 1
    return current, int(counts.max() - before.max()), int(counts.min())


@pytest.mark.parametrize(
    ("rows", "cap", "new_images", "known"),
    [
        ("hpa/train.csv", 9, 1170, (23.0, 171, 110)),
        ("hpa/train.csv", 20, 1170, (20.9, 178, 231)),
        ("chula_rbc12/labels.csv", 9, 955, (1.25, 33, 139)),
        ("chula_rbc12/labels.csv", 20, 1001, (1.16, 40, 156)),
    ],
)
def test_real_rows_are_balanced_at_least_as_well_as_by_the_greedy(cell_data, rows, cap, new_images, known):
    path = cell_data / rows
    labels = read_labels(path, path.with_name("classes.txt"), Faults()).labels
    best, growth, smallest = greedy(labels, cap, new_images)
    assert (best, growth, smallest) == (pytest.approx(known[0], abs=0.05), known[1], known[2])
    plan = plan_copies(labels, cap, new_images)
    ratio, grown = checked(labels, plan, cap, new_images)
    assert ratio <= best * (1 + 1e-9)
    assert grown <= growth
    # Not far above what any plan could reach.
    assert ratio <= plan.bound * 1.02


def test_copying_grows_the_largest_class_more_for_less(cell_data):
    """Nine copies of each image with a rare class, against a plan of no more new images."""
    for rows, copied_ratio in (("hpa/train.csv", 24.7), ("chula_rbc12/labels.csv", 2.5)):
        path = cell_data / rows
        labels = read_labels(path, path.with_name("classes.txt"), Faults()).labels
        positive = labels == 1
        counts = positive.sum(axis=0)
        chosen = positive[:, rare_classes(counts)].any(axis=1)
        copied = counts + 9 * positive[chosen].sum(axis=0)
        assert mean_imbalance_ratio(copied) == pytest.approx(copied_ratio, abs=0.05)
        plan = plan_copies(labels, 9, int(9 * chosen.sum()))
        assert mean_imbalance_ratio(plan.counts) < mean_imbalance_ratio(copied)
        assert plan.counts.max() < copied.max()


def test_copies_are_spread_over_images_of_equal_labels():
    labels = np.array([[1, 0]] * 40 + [[0, 1]] * 4, dtype=np.uint8)
    plan = plan_copies(labels, 9, 10)
    assert sorted(plan.copies[40:].tolist()) == [2, 2, 3, 3]
    other = plan_copies(labels, 9, 10, seed=1)
    assert any((plan_copies(labels, 9, 10, seed=seed).copies != plan.copies).any() for seed in range(9))
    assert other.copies.sum() == 10


def test_unknown_labels_are_no_positives():
    labels = np.array([[1, 255], [1, 0], [1, 0], [0, 1], [255, 255]], dtype=np.uint8)
    plan = plan_copies(labels, 5)
    assert plan.copies.tolist()[:3] == [0, 0, 0]
    assert plan.copies[4] == 0
    assert plan.counts.tolist() == [3, 3]


def test_balanced_labels_are_left_alone():
    plan = plan_copies(np.eye(4, dtype=np.uint8), 9)
    assert not plan.copies.any()
    assert plan.bound == 1


def test_a_target_is_reached_with_few_images():
    labels = np.array([[1, 0]] * 40 + [[0, 1]] * 4, dtype=np.uint8)
    plan = plan_copies(labels, 9, target_ratio=2.0)
    assert mean_imbalance_ratio(plan.counts) <= 2.0
    assert mean_imbalance_ratio(plan.counts - [0, 1]) > 2.0
    with pytest.raises(InputError, match=r"target_ratio = 1.2: with max_copies = 2 .* comes down to 2.167 at best"):
        plan_copies(labels, 2, target_ratio=1.2)
    with pytest.raises(InputError, match="give at most 88"):
        plan_copies(labels, 2, 89)
    with pytest.raises(InputError, match="give one of them"):
        plan_copies(labels, 2, 5, 1.2)
