"""labels.csv in every shape that people and attackers give it: the right labels in the cache, or one clear line."""

import bad_csv_cases
import csv_cases
import numpy as np
import pytest
from feeding import fed
from PIL import Image

import preprocess
from data.cache.cache import open_cache
from data.images.image_files import find_images, prepare
from data.images.preparation import Preparation

TABLES = {**csv_cases.CASES, **bad_csv_cases.CASES}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They take most of a small run's time, and other tests look at them."""
    monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)


def laid_out(folder, table: csv_cases.Table) -> preprocess.Config:
    """The images, each of a colour of its own, and the files of a case."""
    (folder / "outside").mkdir()
    Image.new("RGB", (8, 8), "white").save(folder / "outside" / "x.png")
    for number, name in enumerate(table.images):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * number, 200 - 10 * number, 7)).save(path)
    (folder / "labels.csv").write_bytes(table.content)
    options = {
        "image_dir": (folder / "images",),
        "labels_csv": (folder / "labels.csv",),
        "cache_dir": folder / "made" / "cache",
        "size": 8,
        "workers": 1,
        **table.options,
    }
    if table.classes_file is not None:
        (folder / "classes.txt").write_bytes(table.classes_file)
        options["classes_file"] = folder / "classes.txt"
    return preprocess.Config(**options)


def letters(row: np.ndarray) -> str:
    return "".join({0: "0", 1: "1", 255: "?"}[value] for value in row.tolist())


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_rightly_or_refused_in_clear_lines(tmp_path, monkeypatch, name):
    table = TABLES[name]
    config = laid_out(tmp_path, table)
    monkeypatch.chdir(tmp_path)
    said, told = fed(lambda: preprocess.main(config), tmp_path, (tmp_path / "made",))
    if table.labels is None:
        assert said and not (tmp_path / "made" / "cache").exists()
    assert all(words in (told if table.labels else said) for words in table.said), said + told
    if table.labels is None:
        return
    assert not said
    cache = open_cache(tmp_path / "made" / "cache")
    assert dict(zip(cache.ids, map(letters, cache.labels), strict=True)) == table.labels
    assert table.classes in (None, cache.class_names)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["cache"]
    found, preparation = find_images(tmp_path / "images"), Preparation(8, "stretch", "rgb")
    expected = {name.removesuffix(".png"): prepare(path, preparation) for name, path in found.items()}
    for row, image_id in enumerate(cache.ids):
        key = image_id.replace("\\", "/").removeprefix("./")
        np.testing.assert_array_equal(cache.gather(np.array([row]))[0], expected[key])
