"""Paths in the header that are not what they should be: one clear line, and nothing is written."""

from pathlib import Path

import pytest
from feeding import fed
from PIL import Image

import preprocess
from run_folder.ensemble import open_runs

PATHS = {
    "images that are a file": ("image_dir", "labels.csv"),
    "images that are nowhere": ("image_dir", "nowhere"),
    "images in an empty folder": ("image_dir", "empty"),
    "images in a link to itself": ("image_dir", "loop"),
    "images with a long name": ("image_dir", "x" * 300),
    "labels that are a folder": ("labels_csv", "images"),
    "labels that are nowhere": ("labels_csv", "nowhere.csv"),
    "labels in a link to nothing": ("labels_csv", "dangling"),
    "labels in a link to itself": ("labels_csv", "loop"),
    "labels with a long name": ("labels_csv", "x" * 300),
    "labels below a file": ("labels_csv", "labels.csv/labels.csv"),
    "classes that are a folder": ("classes_file", "images"),
    "classes that are nowhere": ("classes_file", "nowhere.txt"),
    "classes in a link to itself": ("classes_file", "loop"),
    "a cache that is a file": ("cache_dir", "labels.csv"),
    "a cache below a file": ("cache_dir", "labels.csv/cache"),
    "a cache that is the images": ("cache_dir", "images"),
    "a cache that is the folder above": ("cache_dir", "images/.."),
    "a cache in a link to itself": ("cache_dir", "loop"),
    "a cache with a long name": ("cache_dir", "x" * 300),
    "a cache in a link to nothing": ("cache_dir", "dangling"),
    "an earlier cache that is the images": ("keep_split_from", "images"),
    "an earlier cache that is a file": ("keep_split_from", "labels.csv"),
    "an earlier cache in a link to itself": ("keep_split_from", "loop"),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_does_not_fit_is_named_in_a_clear_line(tmp_path, monkeypatch, name):
    monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "empty"):
        (tmp_path / folder).mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"images/{number}.png")
    (tmp_path / "labels.csv").write_text("Id,Target\n0,0\n1,1\n2,0\n")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nothing")
    option, place = PATHS[name]
    path = tmp_path / place
    given = {"image_dir": (tmp_path / "images",), "labels_csv": (tmp_path / "labels.csv",),
             "cache_dir": tmp_path / "cache", "size": 8, "workers": 1}  # fmt: skip
    given[option] = (path,) if option in ("image_dir", "labels_csv") else path
    said, _ = fed(lambda: preprocess.main(preprocess.Config(**given)), tmp_path)
    assert Path(place).name[:20] in said or place == "images/..", said
    assert said


def test_a_run_in_a_link_to_itself_is_named(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    said, _ = fed(lambda: open_runs([tmp_path / "loop"]), tmp_path)
    assert said.startswith(f"error: {tmp_path / 'loop'} is not a run")
