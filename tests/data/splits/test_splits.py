"""Splits: nothing that belongs together is parted, label rates are even, and no class is missing from train."""

import csv
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit

from common.errors import InputError
from data.labels.label_forms import SPLITS
from data.splits.splits import check_given_split, draw_folds, draw_split, missing_classes, units
from data.splits.stratification import ROWS_WEIGHT, stratify

DATA = Path(os.environ.get("CELL_DATA", Path(__file__).parents[4] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real label files are not in {DATA}")


def long_tailed_labels(rows, classes, seed):
    """Label rates fall with the class's rank as they do in the field, from a third of the rows to a few."""
    generator = np.random.default_rng(seed)
    rates = 0.35 / np.arange(1, classes + 1) ** 1.5
    labels = (generator.random((rows, classes)) < rates).astype(np.uint8)
    return labels[:, labels.any(axis=0)]


def challenge_rows(name):
    with (DATA / "hpa" / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.zeros((len(rows), 28), dtype=np.uint8)
    for row, record in enumerate(rows):
        labels[row, [int(number) for number in record["Target"].split()]] = 1
    return [record["Id"] for record in rows], labels


def deviation(labels, parts):
    """Mean relative deviation of the parts' label rates from the rates over all rows."""
    rates = np.array([labels[parts == part].mean(axis=0) for part in np.unique(parts)])
    return np.abs(rates / labels.mean(axis=0) - 1).mean()


def test_units_join_groups_and_hashes_by_way_of_other_rows():
    groups = ["a", "b", "", "a", "c", "", "b"]
    hashes = ["1", "2", "3", "2", "", "", "4"]
    assert units(7, groups, hashes).tolist() == [0, 0, 1, 0, 2, 3, 0]
    assert units(3, None, None).tolist() == [0, 1, 2]
    assert units(3, None, ["x", "y", "x"]).tolist() == [0, 1, 0]
    assert units(0, None, None).shape == (0,)
    with pytest.raises(ValueError, match="2 keys for 3 rows"):
        units(3, ["a", "b"], None)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20))
def test_units_are_connected_components(pairs):
    groups = [str(group) if group else "" for group, _ in pairs]
    hashes = [str(digest) if digest else "" for _, digest in pairs]
    lowest = np.arange(len(pairs))
    for _ in pairs:  # the lowest row reaches every row of its unit in fewer passes than there are rows
        for keys in (groups, hashes):
            for key in {*keys} - {""}:
                rows = np.array(keys) == key
                lowest[rows] = lowest[rows].min()
    _, expected = np.unique(lowest, return_inverse=True)
    assert units(len(pairs), groups, hashes).tolist() == expected.tolist()


@st.composite
def labelled_units(draw):
    rows, classes = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    labels = draw(arrays(np.uint8, (rows, classes), elements=st.sampled_from([0, 0, 0, 1, 255])))
    return labels, draw(arrays(np.int64, rows, elements=st.integers(0, rows)))


def straddles(unit_numbers, parts):
    return len({*zip(unit_numbers, parts, strict=True)}) > len(set(unit_numbers))


@settings(max_examples=150, deadline=None)
@given(labelled_units(), st.sampled_from([(0.1, 0.1), (0.4, 0.4), (0.3, 0.0), (0.0, 0.0)]), st.integers(0, 3))
def test_a_split_keeps_units_whole_and_every_class_in_train(rows, fractions, seed):
    labels, unit_numbers = rows
    split = draw_split(labels, unit_numbers, *fractions, seed)
    assert len(split) == len(labels) and set(split) <= set(SPLITS)
    assert not straddles(unit_numbers, split)
    assert "train" in split
    absent = np.flatnonzero(~(labels == 1).any(axis=0)).tolist()
    assert missing_classes(labels, split)["train"] == absent
    assert all(name not in split for name, share in zip(("val", "test"), fractions, strict=True) if share == 0)
    assert split == draw_split(labels, unit_numbers, *fractions, seed)


@settings(max_examples=100, deadline=None)
@given(labelled_units(), st.integers(2, 6), st.integers(0, 3))
def test_folds_keep_units_whole(rows, folds, seed):
    labels, unit_numbers = rows
    found = len(set(unit_numbers[(labels <= 1).any(axis=1)].tolist()))
    if found < folds:
        with pytest.raises(InputError, match=f"lower folds to at most {found}"):
            draw_folds(labels, unit_numbers, folds, seed)
        return
    fold = draw_folds(labels, unit_numbers, folds, seed)
    assert fold.dtype == np.int64 and fold.shape == (len(labels),)
    assert fold.min() >= 0 and fold.max() < folds
    assert not straddles(unit_numbers, fold)
    np.testing.assert_array_equal(fold, draw_folds(labels, unit_numbers, folds, seed))


def test_rows_of_their_own_are_split_as_evenly_as_by_the_reference():
    ours, reference = [], []
    for seed in range(4):
        labels = long_tailed_labels(3000, 20, seed)
        alone = np.arange(len(labels))
        ours.append(deviation(labels, stratify(labels, alone, [0.8, 0.2], seed)))
        _, test = next(MultilabelStratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(labels, labels))
        reference.append(deviation(labels, np.isin(alone, test)))
    assert np.mean(ours) <= np.mean(reference) * 1.01


def test_folds_of_rows_of_their_own_are_as_even_as_by_the_reference():
    ours, reference = [], []
    for seed in range(4):
        labels = long_tailed_labels(3000, 20, seed)
        ours.append(deviation(labels, draw_folds(labels, np.arange(len(labels)), 5, seed)))
        splitter, fold = MultilabelStratifiedKFold(5, shuffle=True, random_state=seed), np.zeros(len(labels))
        for number, (_, rows) in enumerate(splitter.split(labels, labels)):
            fold[rows] = number
        reference.append(deviation(labels, fold))
    assert np.mean(ours) <= np.mean(reference) * 1.01


def test_sizes_and_label_rates_are_even_over_large_units():
    generator = np.random.default_rng(0)
    unit_numbers = np.repeat(np.arange(2000), generator.integers(1, 17, 2000))
    labels = long_tailed_labels(2000, 8, 0)[unit_numbers]
    # Rows of a unit share most labels, not all.
    labels[generator.random(labels.shape) < 0.02] = 255
    split = np.array(draw_split(labels, unit_numbers, 0.15, 0.15, seed=1))
    sizes = [np.mean(split == name) for name in SPLITS]
    np.testing.assert_allclose(sizes, [0.7, 0.15, 0.15], atol=0.005)
    positive = labels == 1
    in_many_units = [len(np.unique(unit_numbers[column])) >= 50 for column in positive.T]
    assert sum(in_many_units) >= 4
    rates = np.array([positive[split == name].mean(axis=0) for name in SPLITS])[:, in_many_units]
    assert (rates.max(axis=0) / rates.min(axis=0)).max() < 1.05


@real_data
@pytest.mark.parametrize("fractions", [(0.1, 0.1), (0.15, 0.15)])
def test_antibodies_of_the_external_set_stay_whole_at_even_label_rates(fractions):
    ids, labels = challenge_rows("external_v18.csv")
    unit_numbers = units(len(ids), [name.split("_")[0] for name in ids], None)
    split = np.array(draw_split(labels, unit_numbers, *fractions, seed=0))
    assert not straddles(unit_numbers.tolist(), split.tolist())
    in_many_units = [len(np.unique(unit_numbers[column == 1])) >= 50 for column in labels.T]
    rates = np.array([labels[split == name].mean(axis=0) for name in SPLITS])[:, in_many_units]
    assert sum(in_many_units) == 20
    assert (rates.max(axis=0) / rates.min(axis=0)).max() < 1.05


def test_seeds_differ_and_rows_without_labels_are_spread():
    labels = np.zeros((50, 3), dtype=np.uint8)
    splits = [draw_split(labels, np.arange(50), 0.2, 0.1, seed) for seed in (0, 1)]
    assert splits[0] != splits[1]
    assert [splits[0].count(name) for name in SPLITS] == [35, 10, 5]


def test_a_class_of_one_unit_goes_to_train_with_its_smallest_carrier():
    labels = np.zeros((30, 2), dtype=np.uint8)
    labels[:, 0] = 1
    labels[[3, 4], 1] = 1
    unit_numbers = np.arange(30)
    unit_numbers[4] = 3
    for seed in range(10):
        split = draw_split(labels, unit_numbers, 0.45, 0.45, seed)
        assert split[3] == split[4] == "train"


def test_small_sets_keep_rows_in_val_and_test():
    labels = np.eye(8, dtype=np.uint8)[np.arange(24) % 8]
    split = draw_split(labels, np.arange(24), 0.1, 0.1, seed=0)
    assert [split.count(name) for name in SPLITS] == [20, 2, 2]
    # Each row is its class's only one.
    assert draw_split(labels[:3], np.arange(3), 0.1, 0.1, seed=0) == ["train"] * 3


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.2), (float("nan"), 0.1)])
def test_fractions_that_leave_no_train_are_refused(fractions):
    with pytest.raises(InputError, match="must be 0 or more and their sum below 1"):
        draw_split(np.ones((4, 1), dtype=np.uint8), np.arange(4), *fractions, seed=0)


def test_stratify_refuses_what_does_not_fit():
    labels = np.ones((4, 1), dtype=np.uint8)
    with pytest.raises(ValueError, match="sum to 1"):
        stratify(labels, np.arange(4), [0.5, 0.4], 0)
    with pytest.raises(ValueError, match="4 rows of labels but 3 units"):
        stratify(labels, np.arange(3), [0.5, 0.5], 0)
    with pytest.raises(InputError, match="folds = 1"):
        draw_folds(labels, np.arange(4), 1, 0)
    assert stratify(labels[:0], np.arange(0), [0.5, 0.5], 0).shape == (0,)


@pytest.mark.parametrize("seed", range(20))
def test_no_move_of_a_unit_makes_a_split_more_even(seed):
    labels, shares, unit_numbers = long_tailed_labels(300, 6, seed), [0.6, 0.25, 0.15], np.arange(300) // 5
    rows = np.column_stack([labels, np.ones(300)])
    target = np.outer(shares, rows.sum(axis=0))
    weights = np.array([1] * labels.shape[1] + [ROWS_WEIGHT]) / np.maximum(target, 1) ** 2
    parts = stratify(labels, unit_numbers, shares, seed)
    held = np.array([rows[parts == part].sum(axis=0) for part in range(3)])
    least = (weights * (held - target) ** 2).sum()
    for unit, part in itertools.product(range(60), range(3)):
        moved = held.copy()
        moved[parts[5 * unit]] -= rows[unit_numbers == unit].sum(axis=0)
        moved[part] += rows[unit_numbers == unit].sum(axis=0)
        if not ((moved == 0) & (held > 0)).any():
            assert (weights * (moved - target) ** 2).sum() >= least - 1e-9


def test_missing_classes_count_only_positives():
    labels = np.array([[1, 0, 255], [255, 1, 0], [1, 1, 0]], dtype=np.uint8)
    assert missing_classes(labels, ["train", "val", "val"]) == {"train": [1, 2], "val": [2], "test": [0, 1, 2]}


def test_a_given_split_that_parts_units_is_found():
    ids = ["a", "b", "c", "d", "e"]
    unit_numbers = np.array([7, 3, 7, 3, 7])
    split = ["train", "val", "test", "val", "val"]
    assert check_given_split(split, unit_numbers, ids) == [("a", "c"), ("a", "e")]
    assert check_given_split(split, np.arange(5), ids) == []


def test_fixed_rows_stay_and_the_others_make_up_for_them():
    labels = long_tailed_labels(3000, 10, 0)
    # An old split of the first third, much too rich in val, whose units have new members too.
    unit_numbers = np.arange(3000) // 2
    fixed = [["val", "val", "train", "test"][row // 2 % 4] if row < 1000 else "" for row in range(3000)]
    split = draw_split(labels, unit_numbers, 0.2, 0.15, seed=0, fixed=fixed)
    assert all(now == before for now, before in zip(split, fixed, strict=True) if before)
    assert not straddles(unit_numbers.tolist(), split)
    np.testing.assert_allclose([split.count(name) / 3000 for name in SPLITS], [0.65, 0.2, 0.15], atol=0.002)
    rates = np.array([labels[np.array(split) == name].mean(axis=0) for name in SPLITS])[:, :5]
    assert (rates.max(axis=0) / rates.min(axis=0)).max() < 1.05


def test_what_is_fixed_beyond_its_share_draws_nothing_more():
    labels = long_tailed_labels(400, 5, 1)
    fixed = ["val"] * 200 + [""] * 200
    assert "val" not in draw_split(labels, np.arange(400), 0.2, 0.2, seed=0, fixed=fixed)[200:]
    # Old test rows stay where a new split wants none, and stay alone.
    old = ["test"] * 20 + [""] * 380
    assert draw_split(labels, np.arange(400), 0.2, 0, seed=0, fixed=old).count("test") == 20
    only = np.zeros((4, 1), dtype=np.uint8)
    only[0] = 1
    assert draw_split(only, np.arange(4), 0.2, 0.2, seed=0, fixed=["val", "", "", ""])[0] == "val"


def test_folds_grow_around_fixed_rows():
    labels = long_tailed_labels(1200, 6, 2)
    fixed = np.where(np.arange(1200) < 600, np.arange(1200) % 4, -1)
    fold = draw_folds(labels, np.arange(1200), 4, seed=0, fixed=fixed)
    np.testing.assert_array_equal(fold[:600], fixed[:600])
    assert np.bincount(fold).tolist() == [300] * 4
