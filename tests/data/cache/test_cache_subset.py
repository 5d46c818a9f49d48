"""A cache seen with other classes or splits: labels, counts and augmented sets follow, the pixels stay."""

import pickle

import numpy as np
import pytest

from data.augmentation.augmented_set import open_augmented
from data.cache.cache import open_cache, split_counts
from data.cache.cache_subset import view


def test_chosen_classes_are_seen_in_labels_and_counts(made_cache):
    cache = open_cache(made_cache)
    seen = view(cache, ["b", "a"], lambda labels: labels[:, [4, 2]], part="two")
    np.testing.assert_array_equal(seen.labels, cache.labels[:, [4, 2]])
    assert seen.class_names == seen.meta["class_names"] == ["b", "a"] and seen.meta["part"] == "two"
    assert seen.meta["counts"] == split_counts(cache.labels[:, [4, 2]], np.asarray(cache.split))
    np.testing.assert_array_equal(seen.gather(np.arange(5)), cache.gather(np.arange(5)))
    assert len(cache.class_names) == cache.labels.shape[1]


def test_a_view_of_a_view_sees_through_both(made_cache):
    cache = open_cache(made_cache)
    once = view(cache, ["c", "b", "a"], lambda labels: labels[:, [6, 4, 2]])
    twice = view(once, ["a"], lambda labels: labels[:, [2]], ["test"] * len(cache))
    np.testing.assert_array_equal(twice.labels, cache.labels[:, [2]])
    np.testing.assert_array_equal(twice.converted(cache.labels), cache.labels[:, [2]])


def test_other_splits_are_seen_in_rows_index_and_counts(made_cache):
    cache = open_cache(made_cache)
    assert {row["split"] for row in cache.index} == {"train", "val", "test"}
    seen = view(cache, split=["val", *["train"] * (len(cache) - 1)])
    assert seen.rows("val").tolist() == [0] and seen.meta["counts"]["train"]["rows"] == len(cache) - 1
    assert [row["split"] for row in seen.index][:2] == ["val", "train"]
    assert cache.index[0]["split"] == cache.split[0]


def test_augmented_sets_are_seen_with_the_same_classes(made_cache, shell):
    shell("augment.py", "--cache_dir", made_cache, "--tag", "viewed", "--method", "rotate_all")
    cache = open_cache(made_cache)
    seen = open_augmented(view(cache, ["only"], lambda labels: labels[:, [3]]), "viewed")
    np.testing.assert_array_equal(seen.labels, open_augmented(cache, "viewed").labels[:, [3]])


def test_a_view_is_not_sent_to_another_process_as_the_plain_cache(made_cache):
    with pytest.raises(TypeError, match="view"):
        pickle.dumps(view(open_cache(made_cache), split=["train"] * 90))
