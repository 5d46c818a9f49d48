"""How often rows are visited: on average what the formulas say, and the same number in every epoch."""

import numpy as np
import pytest

from data.batches.sampling import (
    class_aware,
    epoch_length,
    epoch_visits,
    repeat_factors,
    repeated_classes,
    repeats_per_epoch,
)

OPTIONS = {"with_rare": np.zeros(0), "copies": 4, "threshold": 0.1, "max_copies": 5, "seed": 0}


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    return (rng.random((200, 4)) < [0.6, 0.2, 0.05, 0.02]).astype(np.uint8)


def test_repeat_factors_by_hand():
    positive = np.zeros((100, 2), dtype=bool)
    positive[:, 0] = True
    positive[:4, 1] = True
    factors = repeat_factors(positive, 0.16)
    assert factors[:4].tolist() == [2.0] * 4
    assert (factors[4:] == 1).all()


def test_images_of_rare_classes_are_repeated(labels):
    rare = labels[:, 3] == 1
    expected = repeats_per_epoch("repeat_rare", labels, **OPTIONS | {"with_rare": rare})
    assert (expected[rare] == 5).all() and (expected[~rare] == 1).all()


def test_a_class_of_few_images_is_rare_where_another_has_more_than_15_times_as_many():
    assert repeated_classes([800, 49, 50, 0, 51], 50).tolist() == [1, 3]
    assert repeated_classes([735, 49, 48], 50).tolist() == [2]
    assert repeated_classes([30, 20, 25], 50).tolist() == []
    assert repeated_classes([], 50).tolist() == repeated_classes([0, 0], 50).tolist() == []


def test_class_aware_shows_each_class_alike():
    positive = np.zeros((100, 3), dtype=bool)
    positive[:80, 0] = positive[80:95, 1] = positive[95:99, 2] = True
    expected = class_aware(positive)
    shown = expected @ positive
    assert shown.tolist() == pytest.approx([33, 33, 33])
    assert expected[99] == 1
    assert expected.sum() == pytest.approx(100)


def test_all_rows_once_in_an_order_of_the_epoch():
    rows, occurrences = epoch_visits(np.ones(50), seed=3, epoch=2)
    assert sorted(rows.tolist()) == list(range(50))
    assert not occurrences.any()
    assert rows.tolist() != epoch_visits(np.ones(50), seed=3, epoch=1)[0].tolist()


def test_visits_are_those_expected(labels):
    expected = repeats_per_epoch("repeat_factors", labels, **OPTIONS | {"threshold": 0.3})
    length = epoch_length(expected)
    counts = []
    for epoch in range(300):
        rows, occurrences = epoch_visits(expected, 1, epoch)
        assert len(rows) == length
        count = np.bincount(rows, minlength=200)
        assert (count >= np.floor(expected * 0.99)).all()
        assert (count <= np.ceil(expected * 1.01)).all()
        for row in (rows[0], rows[-1]):
            assert sorted(occurrences[rows == row].tolist()) == list(range(count[row]))
        counts.append(count)
    np.testing.assert_allclose(np.mean(counts, axis=0), expected * length / expected.sum(), atol=0.12)


def test_whole_numbers_are_kept_exactly():
    expected = np.array([1.0, 4.0, 1.0, 2.0] * 25)
    for epoch in range(20):
        np.testing.assert_array_equal(np.bincount(epoch_visits(expected, 0, epoch)[0]), expected)


def test_the_balance_plan_is_sampled(labels):
    expected = repeats_per_epoch("balance", labels, **OPTIONS)
    assert expected.max() == 6
    assert (expected[~labels.any(axis=1)] == 1).all()
    assert repeats_per_epoch("all", labels, **OPTIONS).tolist() == [1.0] * 200
    with pytest.raises(ValueError, match="unknown sampling 'some'; known: all, repeat_rare"):
        repeats_per_epoch("some", labels, **OPTIONS)


def test_unknown_labels_make_no_class():
    labels = np.array([[255, 1], [1, 0], [1, 255], [1, 0]], dtype=np.uint8)
    expected = repeats_per_epoch("class_aware", labels, **OPTIONS)
    assert expected.tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])


def test_soft_labels_count_as_labels():
    labels = np.array([[0.4, 0.6], [1, 0], [1, 0], [255, 0]], dtype=np.float32)
    assert repeats_per_epoch("class_aware", labels, **OPTIONS).tolist() == pytest.approx([2.0, 0.5, 0.5, 1.0])


def test_unknown_labels_do_not_make_a_class_rarer():
    """A class in 10 of the 200 rows where it is known is in a 20th, however many rows are unknown."""
    labels = np.full((1000, 2), 255, dtype=np.uint8)
    labels[:200, 0], labels[:10, 0], labels[:, 1] = 0, 1, 0
    labels[900:910, 1] = 1
    expected = repeats_per_epoch("repeat_factors", labels, **OPTIONS | {"threshold": 0.05})
    assert expected[:10].tolist() == [1.0] * 10
    assert expected[900:910] == pytest.approx([np.sqrt(0.05 / 0.01)] * 10)
    known = labels[:200, :1]
    alone = repeats_per_epoch("repeat_factors", known, **OPTIONS | {"threshold": 0.2})
    both = repeats_per_epoch("repeat_factors", labels[:, :1], **OPTIONS | {"threshold": 0.2})
    np.testing.assert_array_equal(both[:200], alone)
    assert alone[:10] == pytest.approx([2.0] * 10)
