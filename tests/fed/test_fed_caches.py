"""Caches whose files were damaged, edited or forged: read, or named in one clear line; nothing in them runs."""

import io
import shutil

import cache_cases
import numpy as np
import pytest
from feeding import fed
from PIL import Image

import augment
import preprocess

NAMES = ["x", "y", "z"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with nine images, their labels, and a cache of them."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "images").mkdir()
    generator = np.random.default_rng(0)
    rows = ["Id,split," + ",".join(NAMES)]
    for number in range(9):
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"images/{number}.png")
        split = ("train", "train", "val", "test")[number % 4]
        rows.append(f"{number},{split}," + ",".join(map(str, generator.integers(0, 2, 3))))
    (folder / "labels.csv").write_text("\n".join(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("report.dataset_pictures.draw", lambda *_: None)
        preprocess.main(config(folder, "cache"))
    return folder


def config(folder, name: str, **options) -> preprocess.Config:
    return preprocess.Config(
        image_dir=(folder / "images",), labels_csv=(folder / "labels.csv",), cache_dir=folder / name, size=8,
        workers=1, **options,
    )  # fmt: skip


def test_unpickled_the_array_would_make_its_file(tmp_path):
    """So that the marker that is not there says something below."""
    np.load(io.BytesIO(cache_cases.pickled(tmp_path / cache_cases.MARKER)), allow_pickle=True)
    assert (tmp_path / cache_cases.MARKER).exists()


@pytest.mark.parametrize("name", cache_cases.CASES)
def test_a_damaged_cache_is_named_in_clear_lines(whole, tmp_path, monkeypatch, name):
    monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)
    for picture in ("draw_augmented_counts", "draw_preview"):
        monkeypatch.setattr(f"report.dataset_plots.{picture}", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    damage = cache_cases.CASES[name]
    cache = shutil.copytree(whole, tmp_path / "set") / "cache"
    damage.do(cache)
    making = augment.Config(cache_dir=cache, tag="new", workers=1)
    more = config(tmp_path / "set", "more", keep_split_from=cache)
    for call, written in (
        (lambda: augment.main(making), cache / "augmented"),
        (lambda: preprocess.main(more), tmp_path / "set" / "more"),
    ):
        said, _ = fed(call, tmp_path, (written, written.with_name(f".{written.name}.partial")))
        if damage.said is not None:
            assert damage.said in said and str(cache) in said, said
            assert not written.exists()
    assert not (tmp_path / cache_cases.MARKER).exists() and not (tmp_path / "set" / cache_cases.MARKER).exists()
