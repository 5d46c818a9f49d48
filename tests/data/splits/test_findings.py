"""What is found in small sets that were worked out by hand."""

import numpy as np

from data.images.image_files import ImageInfo
from data.labels.labels import LabelTable
from data.splits.findings import disagreeing, duplicates, giveaways, native_sizes, overview, preview_rows, split_table


def info(width=10, height=10, mode="RGB", kind="JPEG") -> ImageInfo:
    return ImageInfo(width, height, mode, kind, "")


def test_duplicates_and_their_disagreement():
    sets = duplicates(["x", "y", "x", "", "", "y", "x", "z", "z"])
    assert sets == [[0, 2, 6], [1, 5], [7, 8]]
    labels = np.zeros((9, 2), dtype=np.uint8)
    labels[6, 1] = 1
    labels[7] = (1, 255)
    labels[8] = (1, 0)
    assert disagreeing(sets, labels) == [[0, 2, 6]]


def test_a_format_that_gives_a_class_away_is_found():
    infos = [info(kind="PNG") for _ in range(8)] + [info() for _ in range(9)] + [None]
    labels = np.zeros((18, 3), dtype=np.uint8)
    labels[:8, 1] = 1
    labels[3:12, 2] = 1
    labels[17] = 1
    assert giveaways(infos, labels) == [(1, "file format PNG", 8)]
    labels[10, 1] = 1
    assert giveaways(infos, labels) == []
    assert giveaways([info()] * 18, np.ones((18, 1), dtype=np.uint8)) == []


def test_giveaways_of_images_that_all_differ_in_size_take_no_time():
    count = 30_000
    infos = [info(width=row + 1) for row in range(count - 8)] + [info(kind="PNG")] * 8
    labels = np.zeros((count, 20), dtype=np.uint8)
    labels[::3] = 1
    labels[:, 4] = 0
    labels[-8:, 4] = 1
    # With a look at all rows for each size it takes minutes.
    assert giveaways(infos, labels) == [(4, "file format PNG", 8)]


def test_labels_an_image_are_from_the_fewest_to_the_most():
    for labels, expected in (([[1, 0, 0], [1, 1, 1]], "1 to 3"), ([[0, 0, 0], [1, 1, 0]], "0 to 2")):
        table = LabelTable(["a", "b"], np.array(labels, dtype=np.uint8), ["x", "y", "z"])
        assert overview(table, ["1", "2"], [info(), info()])["labels an image"].endswith(f"on average, {expected}")


def test_native_sizes_the_most_frequent_first():
    assert native_sizes([info(5, 6), info(9, 9), None, info(9, 9)]) == [((9, 9), 2), ((5, 6), 1)]


def test_previewed_rows_show_every_class():
    rng = np.random.default_rng(0)
    labels = (rng.random((500, 40)) < np.geomspace(0.3, 0.004, 40)).astype(np.uint8)
    usable = np.ones(500, dtype=bool)
    usable[::7] = False
    rows = preview_rows(labels, usable, 24)
    assert len(rows) == 24 == len(set(rows))
    assert usable[rows].all()
    np.testing.assert_array_equal(labels[rows].any(axis=0), labels[usable].any(axis=0))
    assert preview_rows(labels[:5], usable[:5], 24) == [1, 2, 3, 4]
    assert preview_rows(labels, np.zeros(500, dtype=bool), 24) == []


def test_split_table_counts_positives_only():
    labels = np.array([[1, 255], [1, 1], [0, 1]], dtype=np.uint8)
    assert split_table(labels, ["train", "train", "test"]).tolist() == [[2, 0, 0], [1, 0, 1]]
