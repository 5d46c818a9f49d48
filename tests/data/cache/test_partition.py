"""Parts of a cache: large and small classes, and folds in which every row is judged once by who did not see it."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data.augmentation.augmented_set import augmented_dir, open_augmented
from data.augmentation.operations import Ranges
from data.augmentation.plan import copied
from data.augmentation.writer import AugmentedWriter
from data.cache.cache import INDEX_COLUMNS, Cache, open_cache, split_counts
from data.cache.partition import class_places, is_part, part_of, sampled_negatives, with_classes, with_fold

NAMES = ["Golgi", "Rods", "Nucleus", "3"]


class NoPixels:
    """What a cache asks of its pixels before any is read."""

    def __init__(self, count: int) -> None:
        self.shapes, self.bucket = [(8, 8, 1)], np.zeros(count, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.bucket)


def made(split: list[str], fold: list[int] | None, labels: np.ndarray, sha1: list[str] | None = None) -> Cache:
    """A cache in memory, without pixels."""
    rows = [
        dict(zip(INDEX_COLUMNS, (f"i{place}", name, "", "", "", "8", "8", f"{place}", ""), strict=True))
        for place, name in enumerate(split)
    ]
    for place, row in enumerate(rows):
        row["fold"] = "" if fold is None else str(fold[place])
        row["sha1"] = sha1[place] if sha1 else row["sha1"]
    meta = {"class_names": NAMES, "image_shape": [8, 8, 1], "counts": split_counts(labels, np.asarray(split))}
    return Cache(Path("cache/made"), meta, [list(row.values()) for row in rows], labels, NoPixels(len(split)))


@pytest.fixture
def cache() -> Cache:
    """120 rows: 90 train with 60, 3, 30 and 11 positives, 15 val, 15 test, and five folds of what is not test."""
    labels = np.zeros((120, 4), dtype=np.uint8)
    for column, count in enumerate((60, 3, 30, 11)):
        labels[90 - count : 90 + count // 3, column] = 1
    split = ["train"] * 90 + ["val"] * 15 + ["test"] * 15
    return made(split, [place % 5 for place in range(105)] + [-1] * 15, labels)


@pytest.mark.parametrize(("large_from", "large"), [(0, [0, 2]), (11, [0, 2, 3]), (12, [0, 2]), (60, [0])])
def test_large_and_small_are_all_classes_and_share_none(cache, large_from, large):
    seen = {part: with_classes(cache, (part,), large_from) for part in ("large", "small")}
    for part, places in (("large", large), ("small", [place for place in range(4) if place not in large])):
        view, (line,) = seen[part]
        assert view.class_names == [NAMES[place] for place in places]
        np.testing.assert_array_equal(view.labels, cache.labels[:, places])
        assert view.split == cache.split and is_part(view)
        assert view.meta["all_class_names"] == NAMES
        assert f"{len(places)} of 4 classes" in line and all(NAMES[place] in line for place in places)


def test_the_cut_is_the_same_in_every_fold(cache):
    parts = {tuple(part_of(cache, ("small",), 0, fold)[0].class_names) for fold in (None, 0, 1, 2, 3, 4)}
    assert parts == {("Rods", "3")}


def test_classes_are_named_or_numbered(cache):
    assert class_places(["Nucleus", "0", "Nucleus"], NAMES).tolist() == [0, 2]
    # A name is meant where a class is called as another one's id.
    assert class_places(["3"], ["a", "3", "b", "c"]).tolist() == [1]
    assert with_classes(cache, ("all",), 0) == (cache, [])
    assert not is_part(with_classes(cache, ("0", "1", "2", "3"), 0)[0])


@pytest.mark.parametrize(
    ("classes", "large_from", "message"),
    [
        (("Golgy", "4"), 0, r"classes: 'Golgy', '4' unknown; .* some of 0 Golgi, 1 Rods, 2 Nucleus, 3 3$"),
        ((), 0, "classes: none is named; give all, large or small alone, or some of 0 Golgi"),
        (("all", "Golgi"), 0, "'all' unknown"),
        (("large",), 61, r"large_from = 61: no class has as many .*largest, Golgi, has 60\), so there is no large"),
        (("large",), 3, r"every class has as many training images \(the smallest, Rods, has 3\), .* no small class"),
    ],
)
def test_what_is_no_part_is_refused_in_a_line(cache, classes, large_from, message):
    with pytest.raises(InputError, match=message) as raised:
        with_classes(cache, classes, large_from)
    assert "\n" not in str(raised.value)


def test_with_test_rows_every_other_row_is_val_once(cache):
    judged = np.zeros((120, 5), dtype=object)
    for fold in range(5):
        view, (line,) = with_fold(cache, fold)
        judged[:, fold] = view.split
        assert f"Of 5 folds {fold} is val" in line
        assert view.meta["counts"] == split_counts(cache.labels, np.asarray(view.split))
        assert view.meta["parted"] == 0
    assert (judged[105:] == "test").all()
    assert ((judged[:105] == "val").sum(axis=1) == 1).all()
    assert ((judged[:105] == "train").sum(axis=1) == 4).all()


def test_without_test_rows_every_row_is_test_once_by_who_did_not_choose_its_epoch_by_it(cache):
    whole = made(["train"] * 100 + ["val"] * 20, [place % 4 + 3 for place in range(120)], cache.labels)
    splits = np.array([with_fold(whole, fold)[0].split for fold in (3, 4, 5, 6)], dtype=object)
    for name, times in (("test", 1), ("val", 1), ("train", 2)):
        assert ((splits == name).sum(axis=0) == times).all()
    assert (splits[3] == "val").tolist() == [place % 4 == 0 for place in range(120)]


def test_duplicates_that_given_folds_part_are_counted(cache):
    same = ["a", "a", *(str(place) for place in range(118))]
    parted = made(cache.split, cache.fold.tolist(), cache.labels, same)
    assert [with_fold(parted, fold)[0].meta["parted"] for fold in range(5)] == [1, 1, 0, 0, 0]


def test_folds_that_are_not_there_are_refused_in_a_line(cache):
    with pytest.raises(InputError, match=r"fold = 0, but cache.made has no folds; .*preprocess\.py --folds 5"):
        with_fold(made(cache.split, None, cache.labels), 0)
    with pytest.raises(InputError, match=r"fold = 5, but the folds of .* are 0, 1, 2, 3, 4"):
        with_fold(cache, 5)
    two = made(["train"] * 120, [place % 2 for place in range(120)], cache.labels)
    with pytest.raises(InputError, match="has 2 folds and no test rows, so none would be left to train on"):
        with_fold(two, 1)


def test_an_epoch_shows_as_many_negatives_as_asked():
    labels = np.zeros((40, 2), dtype=np.float32)
    labels[:4, 0], labels[4, 1], labels[5:8] = 1, 0.3, 255
    every = np.linspace(0.5, 2, 40)
    shown = sampled_negatives(labels, every, 2.0)
    np.testing.assert_array_equal(shown[:5], every[:5])
    assert shown[5:].sum() == pytest.approx(2 * every[:5].sum())
    np.testing.assert_allclose(shown[5:] / every[5:], shown[5] / every[5])
    np.testing.assert_array_equal(sampled_negatives(labels, every, 0), every)
    np.testing.assert_array_equal(sampled_negatives(labels, every, 100), every)


def test_a_fold_takes_no_new_image_of_a_row_that_it_judges(made_cache, tmp_path):
    cache = open_cache(shutil.copytree(made_cache, tmp_path / "cache", ignore=shutil.ignore_patterns("augmented")))
    rows = cache.rows("train")
    plan = copied(cache, rows, np.ones(len(rows), dtype=int), Ranges(("flips",)), seed=0)
    writer = AugmentedWriter(augmented_dir(cache.directory, "folded"), overwrite=False)
    writer.begin({})
    writer.write(cache, plan.images, workers=1)
    writer.finish(cache, plan.images, plan.labels, {})
    cache.fold = np.where(np.asarray(cache.split) == "test", -1, np.arange(len(cache)) % 3)
    whole = open_augmented(cache, "folded")
    kept = []
    for fold in range(3):
        view = with_fold(cache, fold)[0]
        new = open_augmented(view, "folded")
        assert {view.split[parent] for own in new.parents for parent in own} == {"train"}
        assert len(new) + new.left_out == len(whole) and new.left_out > 0
        places = [whole.ids.index(name) for name in new.ids]
        np.testing.assert_array_equal(new.gather(np.arange(len(new))), whole.gather(np.array(places)))
        np.testing.assert_array_equal(new.labels, whole.labels[places])
        kept += new.ids
    assert sorted(kept) == sorted(whole.ids * 2)
    # A parent that the cache itself keeps to judge by is a leak, whatever the fold makes of it.
    index = whole.directory / "index.csv"
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    rows[1][1] = json.dumps([cache.ids[cache.rows("val")[0]]])
    with index.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(InputError, match="lies in val"):
        open_augmented(with_fold(cache, 0)[0], "folded")
