"""Augmented sets that were damaged, edited or forged: read, or named in one clear line; nothing in them runs."""

import json
import shutil

import cache_cases
import numpy as np
import pytest
from feeding import fed
from PIL import Image

import augment
import preprocess
from data.augmentation.augmented_set import open_augmented
from data.cache.cache import open_cache

FIELDS = ("format_version", "cache", "class_names", "rows", "seed", "config", "operations")


def put(file: str, data: bytes):
    return lambda folder: (folder / file).write_bytes(data)


def edited(name: str, value):
    def do(folder) -> None:
        path = folder / "augmented.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), name: value}), encoding="utf-8")

    return do


def rows(old: str, new: str):
    def do(folder) -> None:
        path = folder / "index.csv"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return do


def pickled(file: str):
    return lambda folder: (folder / file).write_bytes(cache_cases.pickled(folder / cache_cases.MARKER))


CASES = {
    **{
        f"{name} instead of {file}": (put(file, data), "")
        for file in ("labels.npy", "images-00000.npy")
        for name, data in cache_cases.ARRAYS.items()
    },
    **{
        f"pickled objects in {file}": (pickled(file), file)
        for file in ("labels.npy", "images-00000.npy")
    },
    **{
        f"{what} for {name}": (edited(name, value), None)
        for name in FIELDS
        for what, value in cache_cases.NONSENSE.items()
    },
    **{
        f"{name} in {file}": (put(file, data), file)
        for file in ("augmented.json", "index.csv")
        for name, data in {"nothing": b"", "text": b"no table", "bytes": bytes(range(256)), "a list": b"[]",
                           "deep nesting": b"[" * 100_000}.items()
    },
    **{
        f"{file} is gone": (lambda folder, file=file: (folder / file).unlink(), "")
        for file in ("augmented.json", "index.csv", "labels.npy", "images-00000.npy")
    },
    "parents that are no list": (rows('"[""', '"{""'), "index.csv"),
    "parents that are not there": (rows('"[""', '"[""nobody'), "is not there"),
    "parents of deep nesting": (rows('"[""', '"' + "[" * 50_000 + '""'), "index.csv"),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A cache with an augmented set."""
    folder = tmp_path_factory.mktemp("augmented")
    (folder / "images").mkdir()
    generator = np.random.default_rng(0)
    for number in range(9):
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"images/a{number}.png")
    (folder / "labels.csv").write_text("Id,x,y,z\n" + "".join(f"a{n},{n % 2},{n % 3 == 0:d},1\n" for n in range(9)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("report.dataset_pictures.draw", lambda *_: None)
        for picture in ("draw_augmented_counts", "draw_preview"):
            patch.setattr(f"report.dataset_plots.{picture}", lambda *_: None)
        preprocess.main(preprocess.Config(image_dir=(folder / "images",), labels_csv=(folder / "labels.csv",),
                                          cache_dir=folder / "cache", size=8, workers=1))  # fmt: skip
        augment.main(augment.Config(cache_dir=folder / "cache", tag="new", method="rotate_all", copies=1, workers=1))
    return folder / "cache"


@pytest.mark.parametrize("name", CASES)
def test_a_damaged_set_is_named_in_a_clear_line(whole, tmp_path, name):
    cache = shutil.copytree(whole, tmp_path / "cache")
    damage, words = CASES[name]
    damage(cache / "augmented" / "new")
    said, _ = fed(lambda: open_augmented(open_cache(cache), "new"), tmp_path)
    if words is not None:
        assert words in said and str(cache) in said, said
    assert not (cache / "augmented" / "new" / cache_cases.MARKER).exists()
