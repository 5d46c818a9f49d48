"""What a run is fed, in words."""

import dataclasses
import shutil

import numpy as np
import pytest

import train
from data.augmentation import plan as augmented_plan
from data.augmentation.augmented_set import augmented_dir
from data.augmentation.operations import Ranges
from data.augmentation.writer import AugmentedWriter
from data.batches import sampling
from data.cache import cache_subset
from data.cache.cache import open_cache
from data.cache.partition import with_classes, with_fold
from training.inputs import Inputs


@pytest.fixture
def messages(made_cache):
    cache = open_cache(made_cache)
    return lambda **options: "\n".join(Inputs(dataclasses.replace(train.Config(), **options), cache).messages())


def test_sampling_that_changes_nothing_is_stated(messages):
    printed = messages(sampling="repeat_factors", repeat_threshold=1e-6)
    assert "Warning: no class is in fewer than --repeat_threshold 1e-06 of the images (the rarest in 0.0" in printed
    assert printed.count("changes nothing") == 1
    assert "changes nothing" not in messages(sampling="repeat_factors", repeat_threshold=0.9)
    assert "changes nothing" not in messages()


def test_how_often_images_of_rare_classes_are_shown_is_stated(messages, made_cache, monkeypatch):
    cache = open_cache(made_cache)
    labels = cache.labels[cache.rows("train")] == 1
    counts = labels.sum(axis=0)
    rare = (counts > 0) & (counts < 20) & (counts * 15 < counts.max())
    assert rare.sum() > 1
    images = len(labels) + 3 * labels[:, rare].any(axis=1).sum()
    printed = messages(sampling="repeat_rare", rare_below=20, copies=3)
    shown_again = labels[:, rare].any(axis=1).sum()
    assert (
        f"{shown_again} images with one of {rare.sum()} rare classes are shown 4 times an epoch: {images:,} images "
        f"instead of {len(labels):,}"
    ) in printed
    assert "Online: quarter_turns, flips; rotation where an image is shown again" in printed
    assert "Online: nothing; flips where" in messages(rare_below=20, operations=(), repeat_operations=("flips",))
    monkeypatch.setattr(sampling, "LEAST_RATIO", 1000)
    assert "No class is rare, as the largest has no more than" in messages()
    monkeypatch.setattr(sampling, "LEAST_RATIO", 15)
    without = messages(rare_below=1)
    assert "rare" not in without and "again" not in without and "Online: quarter_turns, flips" in without


def test_every_part_fold_and_tree_repeats_the_same_rare_classes(made_cache, tmp_path):
    cache = open_cache(made_cache)
    cache.fold = np.where(np.asarray(cache.split) == "test", -1, np.arange(len(cache)) % 3)
    whole = Inputs(train.Config(), cache)
    assert whole.rare
    # A rare class with all others below it is positive in each image with a label; that makes it no less rare.
    top, *below = sorted(cache.class_names, key=lambda name: name not in whole.rare)
    tree = tmp_path / "tree.csv"
    tree.write_text(f"class,parent\n{top},\n" + "".join(f"{name},{top}\n" for name in below))
    small, _ = with_classes(cache, ("small",), 0)
    for seen in (small, *(with_fold(cache, fold)[0] for fold in (0, 1)), cache_subset.with_tree(cache, tree)):
        rows = seen.rows("train")
        inputs = Inputs(train.Config(), seen)
        columns = [cache.class_names.index(name) for name in whole.rare]
        with_rare = (cache.labels[rows][:, columns] == 1).any(axis=1)
        assert set(inputs.rare) <= set(whole.rare) <= set(seen.class_names)
        assert with_rare.any() and (inputs.repeats[with_rare] == 5).all()
        assert (inputs.repeats[~with_rare] <= 1).all()


def test_a_part_of_the_classes_is_shown_with_as_many_negatives_as_asked(made_cache):
    cache = open_cache(made_cache)
    small, _ = with_classes(cache, ("small",), 0)
    rows = cache.rows("train")
    inputs = Inputs(dataclasses.replace(train.Config(), negatives=0.5, sampling="all"), small)
    positive = small.labels[rows].any(axis=1)
    assert (inputs.repeats[positive] == 1).all()
    assert inputs.repeats[~positive].sum() == pytest.approx(0.5 * positive.sum())
    shown = f"{0.5 * positive.sum():,.0f} of {(~positive).sum()} an epoch"
    assert f"Images without any of these classes: {shown}" in "\n".join(inputs.messages())
    # Class weights come from what is shown, the rates that thresholds match from all rows.
    assert inputs.counts()[1].sum() < (small.labels[rows] == 0).sum()
    np.testing.assert_array_equal(small.meta["counts"]["train"]["known"], [len(rows)] * len(small.class_names))
    every = Inputs(dataclasses.replace(train.Config(), negatives=0.0, sampling="all"), small)
    assert (every.repeats == 1).all() and "without any" not in "\n".join(every.messages())


def test_images_that_two_augmented_sets_hold_are_counted(made_cache, tmp_path):
    cache = open_cache(shutil.copytree(made_cache, tmp_path / "cache", ignore=shutil.ignore_patterns("augmented")))
    rows = cache.rows("train")
    for tag, seed in (("one", 0), ("other", 1), ("same", 0)):
        plan = augmented_plan.copied(cache, rows[:5], np.full(5, 2), Ranges(("rotation",)), seed)
        writer = AugmentedWriter(augmented_dir(cache.directory, tag), overwrite=False)
        writer.begin({"seed": seed})
        writer.write(cache, plan.images, workers=1)
        writer.finish(cache, plan.images, plan.labels, {})

    def words(*tags):
        return "\n".join(Inputs(dataclasses.replace(train.Config(), augmented=tags), cache).messages())

    shown = Inputs(dataclasses.replace(train.Config(), augmented=("one",)), cache).repeats
    assert shown[: len(rows)].max() == 5 and (shown[len(rows) :] == 1).all()
    same = "Warning: 10 of them are the same in two of these sets; make one anew with another --seed"
    assert same in words("one", "other", "same")
    assert "are the same" not in words("one", "other")
    assert augmented_plan.in_other_sets(cache, plan, "new") == {"one": 10, "same": 10}
    assert augmented_plan.in_other_sets(cache, plan, "same") == {"one": 10}
    (augmented_dir(cache.directory, "one") / "index.csv").write_text("damaged", encoding="utf-8")
    assert augmented_plan.in_other_sets(cache, plan, "same") == {}


def test_sets_with_shares_of_labels_are_known_by_name(made_cache, tmp_path):
    cache = open_cache(shutil.copytree(made_cache, tmp_path / "cache", ignore=shutil.ignore_patterns("augmented")))
    rows = cache.rows("train")
    rare = np.arange(len(rows)) < 5
    for tag, soft in (("shares", True), ("whole", False)):
        plan = augmented_plan.mixed(cache, rows, rare, 1, "any", 0.4, soft, Ranges(), 0)
        writer = AugmentedWriter(augmented_dir(cache.directory, tag), overwrite=False)
        writer.begin({})
        writer.write(cache, plan.images, workers=1)
        writer.finish(cache, plan.images, plan.labels, {})
    assert Inputs(dataclasses.replace(train.Config(), augmented=("whole", "shares")), cache).soft == ["shares"]


def test_the_rarest_class_is_named_with_its_share_of_the_known_labels(made_cache):
    cache = open_cache(made_cache)
    rows = cache.rows("train")
    labels = np.zeros(cache.labels.shape, dtype=np.uint8)
    labels[:, 1:] = 1
    labels[rows, 0] = np.where(np.arange(len(rows)) < 10, 1, 255)
    labels[rows[10:20], 0] = 0
    cache.labels = labels
    config = dataclasses.replace(train.Config(), sampling="repeat_factors", repeat_threshold=0.5)
    inputs = Inputs(config, cache)
    assert (inputs.repeats == 1).all()
    assert "(the rarest in 0.500)" in "\n".join(inputs.messages())
    np.testing.assert_array_equal([each[0] for each in inputs.counts()], [10, 10])
