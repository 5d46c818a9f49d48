"""Ids and images: with and without extensions, in subfolders, and every way in which they do not fit."""

import pytest

from common.errors import Faults
from data.images.matching import match_ids, short_ids


@pytest.fixture
def folder(tmp_path):
    for name in ("007.png", "a.jpg", "b.jpg", "b.png", "cell.01.tif", "plate/a.png", "unclaimed.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def match(folder, *ids):
    faults = Faults()
    paths, unclaimed = match_ids(list(ids), list(range(2, len(ids) + 2)), folder, faults)
    return [path.relative_to(folder).as_posix() for path in paths], unclaimed, faults.texts


def test_ids_with_and_without_extension_find_their_images(folder):
    names, unclaimed, faults = match(folder, "007", "a", "b.jpg", "b.png", "cell.01", "plate/a", "./unclaimed.bmp")
    assert not faults
    assert names == ["007.png", "a.jpg", "b.jpg", "b.png", "cell.01.tif", "plate/a.png", "unclaimed.bmp"]
    assert unclaimed == []


def test_a_backslash_separates_folders_too(folder):
    assert match(folder, "plate\\a")[0] == ["plate/a.png"]


def test_images_without_a_row_are_named(folder):
    assert match(folder, "007", "a", "b.jpg", "b.png", "plate/a")[1] == ["cell.01.tif", "unclaimed.bmp"]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "plate/../../x", "C:\\x.png", "..\\x"])
def test_ids_that_point_outside_are_refused(folder, name):
    paths, _, faults = match(folder, "a", name)
    assert paths == ["a.jpg"]
    assert faults == [f"line 3, id {name!r}: points outside image_dir"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("7", "no such image; 007.png is there: were zeros stripped by a spreadsheet?"),
        ("8", "no such image"),
        ("0007", "no such image"),
        ("a.png", "no such image (there is a.jpg)"),
        ("b", "fits 2 images: b.jpg, b.png; give the id its extension"),
        (".", "no such image"),
        ("plate", "no such image"),
    ],
)
def test_ids_without_one_image_are_refused(folder, name, reason):
    assert match(folder, name)[2] == [f"line 2, id {name!r}: {reason}"]


def test_two_ids_of_one_image_are_refused(folder):
    assert match(folder, "a", "a.jpg")[2] == ["line 3, id 'a.jpg': names the same image as id 'a' of line 2"]


def test_stripped_zeros_are_said_once_where_they_explain_all(folder):
    for name in ("008.png", "plate/009.png", "0010.tif"):
        (folder / name).touch()
    _, _, faults = match(folder, "7", "a", "8", "plate/9", "10")
    assert len(faults) == 1
    assert faults[0].startswith(
        "line 2, id '7': no such image; 007.png is there, and so for the 3 other ids without an"
    )
    assert "were zeros stripped by a spreadsheet? Give the Id column the format Text" in faults[0]
    _, _, faults = match(folder, "7", "8", "x")
    assert len(faults) == 3


def test_all_faults_are_listed(folder):
    assert len(match(folder, "x", "../y", "b", "a")[2]) == 3


def test_a_missing_folder_is_a_fault(tmp_path):
    faults = Faults()
    assert match_ids(["a"], [2], tmp_path / "nowhere", faults) == ([], [])
    assert "is not a folder" in faults.texts[0]


def test_ome_tif_is_one_extension(tmp_path):
    for name in ("a0.ome.tif", "p/b0.OME.TIFF", "c0.ome.tif", "c0.tif", "007.ome.tif", "d.ome.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names, unclaimed, faults = match(tmp_path, "a0", "p/b0", "c0.ome", "c0.tif", "d.ome")
    assert faults == []
    assert names == ["a0.ome.tif", "p/b0.OME.TIFF", "c0.ome.tif", "c0.tif", "d.ome.png"]
    assert unclaimed == ["007.ome.tif"]
    assert match(tmp_path, "a0.ome", "a0.ome.tif")[0] == ["a0.ome.tif"]
    assert "fits 2 images: c0.ome.tif, c0.tif" in match(tmp_path, "c0")[2][0]
    assert "007.ome.tif is there: were zeros stripped" in match(tmp_path, "7")[2][0]
    assert match(tmp_path, "a0.tif")[2] == ["line 2, id 'a0.tif': no such image (there is a0.ome.tif)"]


def test_ids_are_as_short_as_leaves_them_different():
    names = ["a.tif", "b.ome.tif", "c.ome.tif", "c.png", "p/d.v2.tif", "e.png", "e.jpg"]
    assert short_ids(names) == ["a", "b", "c.ome.tif", "c.png", "p/d.v2", "e.png", "e.jpg"]
