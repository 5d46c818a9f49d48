"""A folder for each class: names, order, images in several folders, and what is no such set."""

import numpy as np
import pytest

from common.errors import Faults
from data.labels.class_folders import read_class_folders
from data.labels.labels import LabelTable


@pytest.fixture
def read(tmp_path):
    """Write files, given as {path: content}, and read their folders; return the table and the texts of the faults."""

    def write_and_read(files, classes=None, duplicates="error") -> tuple[LabelTable, list[str]]:
        for name, content in files.items():
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if classes:
            (tmp_path / "classes.txt").write_text(classes, encoding="utf-8")
        faults = Faults()
        table = read_class_folders(
            tmp_path / "images", tmp_path / "classes.txt" if classes else None, duplicates, faults
        )
        return table, faults.texts

    return write_and_read


def test_folders_are_classes_and_ids_are_paths(read):
    table, faults = read(
        {"Golgi/1.png": b"a", "Cytosol/plate 1/x.tif": b"b", "Cytosol/1.png": b"c", "Golgi/t.txt": b""}
    )
    assert faults == [] and table.warnings == []
    assert table.ids == ["Cytosol/1.png", "Cytosol/plate 1/x.tif", "Golgi/1.png"]
    assert table.class_names == ["Cytosol", "Golgi"]
    assert table.labels.tolist() == [[1, 0], [1, 0], [0, 1]] and table.labels.dtype == np.uint8
    assert (table.form, table.lines, table.split) == ("folders", [0, 0, 0], None)
    assert "a folder for each class: 'Cytosol', 'Golgi'" in table.notes[0]


def test_one_image_in_several_folders_is_a_fault_or_gets_all_classes(read):
    files = {
        "a/1.png": b"same",
        "b/1.png": b"same",
        "c/1.png": b"other",
        "b/2.png": b"x",
        "c/2.png": b"x",
        "c/3.png": b"",
    }
    _, faults = read(files)
    assert len(faults) == 2
    assert faults[0] == (
        "one image in 2 classes' folders: a/1.png, b/1.png; keep one of them, or give it all these classes with "
        "--duplicates union"
    )
    table, faults = read(files, duplicates="union")
    assert faults == []
    assert table.ids == ["a/1.png", "b/2.png", "c/1.png", "c/3.png"]
    assert table.labels.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 1]]
    assert table.warnings == ["2 images in several classes' folders have all these classes"]


def test_the_classes_file_gives_the_order_also_to_folders_called_by_ids(read):
    table, faults = read({"Golgi/1.png": b"", "Cytosol/2.png": b""}, "Nucleoli\nGolgi\nCytosol\n")
    assert faults == [] and table.class_names == ["Nucleoli", "Golgi", "Cytosol"]
    assert table.labels.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_folders_called_by_ids(read):
    table, faults = read({"02/1.png": b"", "0/2.png": b""}, "Nucleoli\nGolgi\nCytosol\n")
    assert faults == []
    assert table.labels.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_a_set_that_is_divided_already(read):
    files = {"train/a/1.png": b"x", "train/b/1.png": b"x", "Val/a/1.png": b"x", "test/b/2.png": b"y"}
    table, faults = read(files, duplicates="union")
    assert faults == []
    assert table.ids == ["Val/a/1.png", "test/b/2.png", "train/a/1.png"]
    assert table.split == ["val", "test", "train"]
    assert table.labels.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert "'Val', 'test', 'train' are the split and hold a folder for each class: 'a', 'b'" in table.notes[0]


def test_folders_that_differ_only_in_case_are_a_warning(read):
    table, faults = read({"Golgi/1.png": b"a", "golgi/2.png": b"b"})
    assert faults == [] and table.class_names == ["Golgi", "golgi"]
    assert "'Golgi' / 'golgi'" in table.warnings[0]


@pytest.mark.parametrize("folders", [("train", "validation", "test"), ("Training", "valid", "testing")])
def test_other_words_for_the_split(read, folders):
    table, faults = read({f"{folder}/{name}/1.png": b"" for folder in folders for name in "ab"}, duplicates="union")
    assert faults == []
    assert table.class_names == ["a", "b"]
    names = dict(zip(folders, ("train", "val", "test"), strict=True))
    assert table.split == [names[name.split("/")[0]] for name in table.ids] and len(table.ids) == 3


def test_a_class_may_be_called_like_a_split_in_the_classes_file(read):
    table, faults = read({"test/1.png": b"", "Golgi/2.png": b"1", "train/3.png": b"2"}, "Golgi\ntest\ntrain\n")
    assert faults == []
    assert (table.class_names, table.split) == (["Golgi", "test", "train"], None)


@pytest.mark.parametrize(
    ("files", "classes", "expected"),
    [
        ({"1.png": b"", "2.png": b""}, None, "2 images in {} lie in no class's folder: 1.png, 2.png; move them into"),
        ({"train/1.png": b""}, None, "1 images in {} lie in no class's folder: train/1.png; move them into a class's"),
        (
            {"train/a/1.png": b"", "validation/a/2.png": b"", "7.png": b""},
            None,
            "1 images in {} lie in no class's folder: 7.png; move them into a class's folder inside 'train', 'vali",
        ),
        (
            {"train/a/1.png": b"", "Test/a/2.png": b"", "extra/a/3.png": b""},
            None,
            "{}: the folders 'Test', 'train' are called like a split, but not 'extra'; move what lies there into one "
            "of them, or give a classes_file if all are classes",
        ),
        (
            {"val/a/1.png": b"", "valid/a/2.png": b"", "train/a/3.png": b""},
            None,
            "{}: the folders 'val', 'valid' are both val; make one of them",
        ),
        ({"Golgy/1.png": b""}, "Golgi\n", "{}: the folder 'Golgy' is no class of classes.txt; did you mean 'Golgi'?"),
        ({"0/1.png": b"", "9/1.png": b"1"}, "x\ny\n", "{}: the folder '9' is no class of classes.txt"),
        ({"Golgi/notes.txt": b""}, None, "image_dir {} holds no image"),
    ],
)
def test_what_is_no_such_set(read, tmp_path, files, classes, expected):
    _, faults = read(files, classes)
    assert len(faults) == 1
    assert faults[0].startswith(expected.format(tmp_path / "images"))


def test_a_missing_folder_is_a_fault(read):
    table, faults = read({})
    assert len(faults) == 1 and "is not a folder" in faults[0]
    assert table.ids == []
