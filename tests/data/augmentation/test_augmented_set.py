"""Augmented sets on disk: what training would show, made again alike, and never of a row outside train."""

import csv
import json
import shutil

import numpy as np
import pytest

from common.errors import InputError
from data.augmentation import writer as augmented_writer
from data.augmentation.augmented_set import augmented_dir, open_augmented
from data.augmentation.mixing import Online
from data.augmentation.new_image import NewImage, new_id
from data.augmentation.operations import Ranges, apply, draw
from data.augmentation.plan import copied, effect, mixed, rare_places, repeated
from data.augmentation.writer import AugmentedWriter
from data.batches.batches import TrainingBatches
from data.batches.training_set import TrainingSet
from data.cache.cache import open_cache

RANGES = Ranges(("rotation", "flips", "brightness"))


@pytest.fixture
def cache(made_cache, tmp_path):
    """A copy of its own, so that each test may add sets to it and damage it."""
    return open_cache(shutil.copytree(made_cache, tmp_path / "cache", ignore=shutil.ignore_patterns("augmented")))


def plan_of(cache, copies=2):
    rows = cache.rows("train")
    return copied(cache, rows, np.full(len(rows), copies), RANGES, seed=4)


def write(cache, plan, tag="set", overwrite=False, fingerprint=None):
    writer = AugmentedWriter(augmented_dir(cache.directory, tag), overwrite)
    writer.begin(fingerprint or {"seed": 4})
    writer.write(cache, plan.images, workers=1)
    writer.finish(cache, plan.images, plan.labels, {})
    return open_augmented(cache, tag)


def test_a_copy_is_what_training_shows_in_the_epoch_of_its_number(cache):
    stored = write(cache, plan_of(cache))
    rows = cache.rows("train")
    batches = TrainingBatches(TrainingSet(cache, rows), len(rows), seed=4, online=Online(RANGES))
    for epoch in range(2):
        _, order, _ = batches.visits(epoch)
        pixels, labels = batches[epoch]
        for image, label, place in zip(pixels, labels, order, strict=True):
            new = stored.ids.index(f"{cache.ids[rows[place]]}~{epoch}")
            np.testing.assert_array_equal(stored.gather(np.array([new]))[0], image)
            np.testing.assert_array_equal(stored.labels[new], label)


def test_mixtures_are_those_of_the_parents_named(cache):
    rows = cache.rows("train")
    rare = np.zeros(len(rows), dtype=bool)
    rare[:5] = True
    for soft, partner in ((False, "rare"), (True, "any"), (True, "planned")):
        plan = mixed(cache, rows, rare, 2, partner, 0.4, soft, Ranges(), seed=0)
        stored = write(cache, plan, tag=f"{partner}{soft}")
        assert len(stored) == 10
        for place, (parents, image) in enumerate(zip(stored.parents, plan.images, strict=True)):
            assert parents == list(image.parents)
            assert parents[0] != parents[1]
            first, second = (cache.gather(np.array([parent]))[0].astype(np.float64) for parent in parents)
            exact = image.share * first + (1 - image.share) * second
            assert np.abs(stored.gather(np.array([place]))[0] - exact).max() <= 0.5 + 1e-5
            pair = cache.labels[parents].astype(np.float64)
            expected = image.share * pair[0] + (1 - image.share) * pair[1] if soft else pair.max(axis=0)
            np.testing.assert_allclose(stored.labels[place], expected, atol=1e-6)
            assert soft or 0.35 <= image.share <= 0.65


def test_the_index_says_how_an_image_was_made(cache):
    stored = write(cache, plan_of(cache))
    with (stored.directory / "index.csv").open(newline="", encoding="utf-8") as file:
        for row, parents in zip(csv.DictReader(file), stored.parents, strict=True):
            (parent,) = json.loads(row["parents"])
            assert parent == cache.ids[parents[0]]
            parameters = json.loads(row["parameters"])
            drawn = draw(RANGES, cache.image_shape, 4, int(row["copy"]), parent)
            assert parameters == drawn.as_dict()
            assert "rotation" in row["operation"]


def test_a_run_that_was_stopped_goes_on_and_ends_alike(cache, monkeypatch, capsys):
    monkeypatch.setattr(augmented_writer, "rows_per_file", lambda shape, count: 16)
    plan = plan_of(cache)
    whole = write(cache, plan, "whole")
    real, calls = augmented_writer.write_chunk, []

    def stopped(*arguments):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*arguments)

    with monkeypatch.context() as context:
        context.setattr(augmented_writer, "write_chunk", stopped)
        with pytest.raises(KeyboardInterrupt):
            write(cache, plan, "cut")
    with pytest.raises(InputError, match=r"is not finished; run augment\.py again"):
        open_augmented(cache, "cut")
    capsys.readouterr()
    cut = write(cache, plan, "cut")
    assert "48 images were made before and are kept" in capsys.readouterr().out
    for path in sorted(whole.directory.iterdir()):
        assert path.read_bytes() == (cut.directory / path.name).read_bytes()


def test_other_settings_are_named_not_mixed(cache, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(AugmentedWriter, "finish", lambda *_: None)
        with pytest.raises(InputError):
            write(cache, plan_of(cache))
    with pytest.raises(InputError, match=r"unfinished augmented set.*\n  seed: was 4, is 5"):
        write(cache, plan_of(cache), fingerprint={"seed": 5})
    assert len(write(cache, plan_of(cache, 1), fingerprint={"seed": 5}, overwrite=True)) == len(cache.rows("train"))


def test_a_planted_leak_is_caught(cache):
    stored = write(cache, plan_of(cache))
    path, val = stored.directory / "index.csv", cache.ids[cache.rows("val")[0]]
    text = path.read_text(encoding="utf-8")
    parent = cache.ids[stored.parents[3][0]]
    path.write_text(text.replace(f'{parent}~0,"[""{parent}""]",', f'{parent}~0,"[""{val}""]",'), encoding="utf-8")
    with pytest.raises(InputError, match=f"{parent}~0: its parent {val} lies in val"):
        open_augmented(cache, "set")
    path.write_text(text.replace(f'{parent}~0,"[""{parent}""]",', f'{parent}~0,"[""nobody""]",'), encoding="utf-8")
    with pytest.raises(InputError, match="its parent nobody is not there"):
        open_augmented(cache, "set")


def test_what_does_not_fit_is_refused(cache):
    stored = write(cache, plan_of(cache))
    with pytest.raises(InputError, match="has no augmented set 'other'; it has set"):
        open_augmented(cache, "other")
    with pytest.raises(
        InputError, match="is a finished augmented set; give --overwrite to replace it, or another --tag"
    ):
        write(cache, plan_of(cache))
    pixels = stored.directory / "images-00000.npy"
    whole = pixels.read_bytes()
    pixels.write_bytes(whole[:-7])
    with pytest.raises(InputError, match=r"is cut off.*augment\.py --tag set --overwrite"):
        open_augmented(cache, "set")
    pixels.write_bytes(whole)
    labels = stored.directory / "labels.npy"
    np.save(labels, np.load(labels)[:-1])
    with pytest.raises(InputError, match=f"is damaged: {len(stored)} images, {len(stored) - 1} label rows and"):
        open_augmented(cache, "set")
    np.save(labels, np.full(stored.labels.shape, 7, dtype=np.uint8))
    with pytest.raises(InputError, match="0 to 1 or 255"):
        open_augmented(cache, "set")
    description = stored.directory / "augmented.json"
    description.write_text(description.read_text().replace(cache.meta["fingerprint"], "0" * 40))
    with pytest.raises(InputError, match="made of another state of"):
        open_augmented(cache, "set")


def test_training_sees_originals_and_new_images_in_one_numbering(cache):
    stored = write(cache, plan_of(cache))
    rows = cache.rows("train")
    images = TrainingSet(cache, rows, [stored])
    assert len(images) == 3 * len(rows)
    places = np.array([0, len(rows), len(rows) - 1, len(images) - 1, 1, len(rows)])
    expected = [cache.gather(rows[[0]]), stored.gather([0]), cache.gather(rows[[-1]]), stored.gather([len(stored) - 1]),
                cache.gather(rows[[1]]), stored.gather([0])]  # fmt: skip
    np.testing.assert_array_equal(images.gather(places), np.concatenate(expected))
    assert images.ids[len(rows)] == stored.ids[0]
    np.testing.assert_array_equal(images.labels[len(rows) :], stored.labels)


def test_rare_classes_are_named_or_found():
    names, counts = ["A", "B", "1", "D"], np.array([100, 5, 40, 0])
    assert rare_places([], names, counts, 0).tolist() == [1]
    assert rare_places([], names, counts, 50).tolist() == [1, 2]
    assert rare_places(["1", "0"], names, counts, 0).tolist() == [0, 2]
    for given, message in (
        (["C"], "'C' unknown; the classes are 0 A, 1 B"),
        (["9"], "'9' unknown"),
        (["D"], "D without any training image"),
    ):
        with pytest.raises(InputError, match=message):
            rare_places(given, names, counts, 0)
    with pytest.raises(InputError, match="no class is rare: the smallest is B with 5"):
        rare_places([], names, counts, 4)


def test_applying_does_not_touch_the_cache(cache):
    before = cache.gather(np.arange(len(cache)))
    for row in range(len(cache)):
        apply(cache.gather(np.array([row]))[0], draw(RANGES, cache.image_shape, 0, 0, cache.ids[row]))
    write(cache, plan_of(cache))
    np.testing.assert_array_equal(open_cache(cache.directory).gather(np.arange(len(cache))), before)


def test_ids_with_the_signs_that_join_them_stay_apart(cache):
    image = NewImage((0, 1), 0)
    assert new_id(["a+b", "c"], image) != new_id(["a", "b+c"], image)
    assert new_id(["a~1"], NewImage((0,), 2)) != new_id(["a"], NewImage((0,), 12))
    cache.ids[int(cache.rows("train")[0])] = "p|q"
    places = cache.rows("train")[:1]
    plan = copied(cache, places, np.array([1]), RANGES, seed=0)
    writer = AugmentedWriter(augmented_dir(cache.directory, "odd"), overwrite=False)
    writer.begin({})
    writer.write(cache, plan.images, workers=1)
    writer.finish(cache, plan.images, plan.labels, {})
    assert open_augmented(cache, "odd").parents == [[int(places[0])]]


def test_a_second_run_at_the_same_time_is_refused(cache, made_cache):
    plan = plan_of(cache, 1)
    first = AugmentedWriter(augmented_dir(cache.directory, "set"), overwrite=False)
    second = AugmentedWriter(augmented_dir(cache.directory, "set"), overwrite=False)
    first.begin({"seed": 4})
    with pytest.raises(InputError, match="is being written by another run"):
        second.begin({"seed": 4})
    first.write(cache, plan.images, workers=1)
    first.finish(cache, plan.images, plan.labels, {})
    with pytest.raises(InputError, match="was finished by another run meanwhile"):
        second.begin({"seed": 4})
    assert len(open_augmented(cache, "set")) == len(plan.images)


def test_new_images_that_are_no_new_ones_are_counted(cache):
    rows = cache.rows("train")[:3]
    turns = Ranges(("quarter_turns", "flips"))
    assert repeated(copied(cache, rows, np.full(3, 2), Ranges(("rotation",), rotation_degrees=0), 0)) == 6
    assert repeated(copied(cache, rows, np.full(3, 20), turns, 0)) == 60 - 3 * 7
    assert repeated(copied(cache, rows, np.full(3, 9), Ranges(("rotation",)), 0)) == 0


def test_shares_of_labels_are_counted_as_shares(cache):
    rows = cache.rows("train")
    rare = np.zeros(len(rows), dtype=bool)
    rare[:6] = True
    plan = mixed(cache, rows, rare, 1, "any", 0.3, True, Ranges(), seed=0)
    np.testing.assert_allclose(effect(cache, rows, plan).added, plan.labels.sum(axis=0, dtype=np.float64))
