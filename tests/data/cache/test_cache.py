"""Caches: what is read equals what was prepared, a stopped run goes on to the same bytes, damage is named."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from common import files
from common.errors import InputError
from data.cache import chunks, pixel_files
from data.cache.cache import open_cache, split_counts
from data.cache.cache_writer import CacheWriter, Row
from data.images.image_files import prepare
from data.images.preparation import Preparation
from data.splits.near_duplicates import thumbnail

PREPARATION = Preparation(16, "stretch", "rgb")
COUNT, CLASSES = 11, ["a", "b", "c"]


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Four images a file, so that a few images make several."""
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 4)


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(COUNT)]


def labels_of(count: int = COUNT) -> np.ndarray:
    labels = np.random.default_rng(1).integers(0, 2, (count, len(CLASSES)), dtype=np.uint8)
    labels[0, 0] = 255
    return labels


def write(directory, paths, overwrite=False, fingerprint=None, folds=True, bad=()):
    """A cache of the images, split train, val, test in turn; `bad` are the numbers of those expected to fail."""
    with CacheWriter(directory, overwrite) as writer:
        writer.begin(fingerprint or {"size": 16, "images": "a" * 40})
        decoded = writer.decode(paths, [path.read_bytes().hex() for path in paths], PREPARATION, workers=1)
        assert [number for number, reason in enumerate(decoded.reasons) if reason] == list(bad)
        good = [number for number in range(len(paths)) if number not in bad]
        rows = [
            Row(
                f"id {n}",
                ("train", "val", "test")[n % 3],
                n % 2 if folds else None,
                "",
                str(paths[n]),
                30,
                20,
                "0" * 40,
            )
            for n in good
        ]
        meta = {
            "class_names": CLASSES,
            "channels": PREPARATION.channel_names,
            "image_shape": list(PREPARATION.shape),
            "preparation": PREPARATION.as_dict(),
        }
        skipped = [{"id": n, "path": str(paths[n]), "line": n + 2, "reason": decoded.reasons[n]} for n in bad]
        writer.finish(rows, labels_of()[good], decoded, meta, skipped)
    return writer


def content(directory) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_rows_equal_the_prepared_images(tmp_path, paths):
    write(tmp_path / "cache", paths)
    cache = open_cache(tmp_path / "cache")
    assert len(cache) == COUNT
    assert cache.image_shape == (16, 16, 3)
    assert cache.class_names == CLASSES
    assert cache.ids[3] == "id 3"
    assert cache.index[3]["path"] == str(paths[3])
    assert cache.rows("val").tolist() == [1, 4, 7, 10]
    assert cache.fold.tolist() == [n % 2 for n in range(COUNT)]
    np.testing.assert_array_equal(cache.labels, labels_of())
    rows = np.array([10, 0, 5, 5, 3, 4, 8])
    images = cache.gather(rows)
    assert images.dtype == np.uint8
    for image, row in zip(images, rows, strict=True):
        np.testing.assert_array_equal(image, prepare(paths[row], PREPARATION))
    assert cache.gather(np.array([], dtype=np.int64)).shape == (0, 16, 16, 3)
    for outside in (-1, COUNT):
        with pytest.raises(IndexError):
            cache.gather(np.array([0, outside]))
    assert [path.name for path in sorted((tmp_path / "cache").glob("images*"))] == [
        f"images-0000{n}.npy" for n in range(3)
    ]
    assert not files.partial_dir(tmp_path / "cache").exists()


def test_reading_ahead_changes_no_pixel(tmp_path, paths, monkeypatch):
    write(tmp_path / "cache", paths)
    rows = np.array([10, 0, 5, 5, 3, 4, 8])
    plain = open_cache(tmp_path / "cache").gather(rows)
    monkeypatch.setattr(pixel_files, "READ_AHEAD_BYTES", 0)
    np.testing.assert_array_equal(open_cache(tmp_path / "cache").gather(rows), plain)


def test_description_counts_and_statistics(tmp_path, paths):
    write(tmp_path / "cache", paths, folds=False)
    cache = open_cache(tmp_path / "cache")
    assert cache.fold is None
    train = cache.gather(cache.rows("train")).reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(cache.meta["mean"], train.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(cache.meta["std"], train.std(axis=0), rtol=1e-10)
    labels = cache.labels[cache.rows("train")]
    counts = cache.meta["counts"]["train"]
    assert counts["rows"] == 4
    assert counts["positives"] == (labels == 1).sum(axis=0).tolist()
    assert counts["known"] == [3, 4, 4]
    assert cache.meta["white_level"] == 255


def test_thumbnails_stay_in_the_notes_until_they_are_asked_for(tmp_path, paths, monkeypatch):
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 256)
    paths[4].write_bytes(b"")
    writer = CacheWriter(tmp_path / "cache", overwrite=False)
    writer.begin({})
    decoded = writer.decode(paths, ["0" * 40] * COUNT, PREPARATION, workers=1)
    assert len(pickle.dumps(decoded)) < 2048 * COUNT / 4
    found = writer.thumbnails(COUNT, PREPARATION)
    expected = [
        np.zeros((32, 32)) if number == 4 else thumbnail(prepare(paths[number], PREPARATION)) for number in range(COUNT)
    ]
    np.testing.assert_array_equal(found, np.stack(expected))
    assert found.dtype == np.float16


def test_a_stopped_run_goes_on_and_ends_byte_identical(tmp_path, paths, monkeypatch):
    write(tmp_path / "whole", paths)
    decoded = []

    def counting(path, preparation):
        decoded.append(path)
        if len(decoded) == 7:
            raise KeyboardInterrupt
        return prepare(path, preparation)

    monkeypatch.setattr(chunks, "prepare", counting)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "cut", paths)
    with pytest.raises(InputError, match="not finished"):
        open_cache(tmp_path / "cut")
    write(tmp_path / "cut", paths)
    assert decoded == [*paths[:7], *paths[4:]]  # the finished first file was kept
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert not files.partial_dir(tmp_path / "cut").exists()


def test_an_unfinished_cache_of_other_inputs_is_refused_by_name(tmp_path, paths, monkeypatch):
    def refuse(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(CacheWriter, "finish", refuse)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "cache", paths)
    with pytest.raises(InputError) as raised:
        write(tmp_path / "cache", paths, fingerprint={"size": 24, "images": "b" * 40, "seed": 1})
    for words in ("size: was 16, is 24", "images: changed", "seed: was None, is 1", "--overwrite"):
        assert words in str(raised.value)
    # With leave to overwrite, only the file with the changed image is decoded again.
    Image.new("RGB", (20, 20), "red").save(paths[5])
    decoded = []
    monkeypatch.setattr(chunks, "prepare", lambda path, how: decoded.append(path) or prepare(path, how))
    write(tmp_path / "cache", paths, overwrite=True, fingerprint={"size": 16, "images": "b" * 40})
    assert decoded == paths[4:8]
    assert (open_cache(tmp_path / "cache").gather(np.array([5]))[0] == (255, 0, 0)).all()


def test_chunks_of_a_longer_run_do_not_stay(tmp_path, paths, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(CacheWriter, "finish", lambda *_: None)
        write(tmp_path / "cache", paths)
    write(tmp_path / "cache", paths[:5], overwrite=True, fingerprint={"images": "b" * 40}, bad=())
    assert len(open_cache(tmp_path / "cache")) == 5


def test_a_finished_cache_is_replaced_only_on_demand(tmp_path, paths):
    write(tmp_path / "cache", paths)
    with pytest.raises(InputError, match="finished cache; give --overwrite to replace it, or another --cache_dir"):
        write(tmp_path / "cache", paths)
    write(tmp_path / "cache", paths[:6], overwrite=True)
    assert len(open_cache(tmp_path / "cache")) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "images"]


def test_a_folder_that_is_no_cache_is_never_replaced(tmp_path, paths):
    for name in (paths[0].parent, tmp_path / "..", ".", "/"):
        with pytest.raises(InputError, match=r"not a cache|must name a folder"):
            CacheWriter(name, overwrite=True)
    assert paths[0].exists()
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", paths)
    assert len(open_cache(tmp_path / "empty")) == COUNT


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"entries": []}'])
def test_a_folder_that_merely_holds_a_cache_json_is_never_replaced(tmp_path, paths, text):
    foreign = tmp_path / "browser"
    foreign.mkdir()
    (foreign / "cache.json").write_text(text)
    for name in ("index.csv", "notes.txt"):
        (foreign / name).write_text("mine")
        with pytest.raises(InputError, match=r"browser exists and is not a cache; choose another name"):
            write(foreign, paths, overwrite=True)
    assert sorted(path.name for path in foreign.iterdir()) == ["cache.json", "index.csv", "notes.txt"]


@pytest.mark.parametrize("text", ["{}", "[]", "{", ""])
def test_a_cache_whose_description_is_damaged_can_be_replaced(tmp_path, paths, text):
    write(tmp_path / "cache", paths)
    (tmp_path / "cache" / "cache.json").write_text(text)
    with pytest.raises(InputError, match="give --overwrite"):
        write(tmp_path / "cache", paths)
    write(tmp_path / "cache", paths[:6], overwrite=True)
    assert len(open_cache(tmp_path / "cache")) == 6


def test_bad_images_leave_no_gap(tmp_path, paths):
    for number in (4, 5, 6, 7, 9):
        paths[number].write_bytes(paths[number].read_bytes()[:300])
    write(tmp_path / "cache", paths, bad=(4, 5, 6, 7, 9))
    cache = open_cache(tmp_path / "cache")
    assert cache.ids == [f"id {n}" for n in (0, 1, 2, 3, 8, 10)]
    np.testing.assert_array_equal(cache.gather(np.array([5]))[0], prepare(paths[10], PREPARATION))
    train = cache.gather(cache.rows("train"))
    np.testing.assert_allclose(cache.meta["mean"], train.mean(axis=(0, 1, 2)), rtol=1e-12)
    skipped = (tmp_path / "cache" / "skipped.csv").read_text().splitlines()
    assert skipped[0] == "id,path,line,reason"
    assert len(skipped) == 6
    assert "decoded" in skipped[1]


def test_more_files_than_may_be_open(tmp_path, paths, monkeypatch):
    write(tmp_path / "cache", paths)
    monkeypatch.setattr(pixel_files, "_open_files", lambda: 1)
    cache = open_cache(tmp_path / "cache")
    rows = np.array([0, 10, 1, 9, 5, 2])
    for image, row in zip(cache.gather(rows), rows, strict=True):
        np.testing.assert_array_equal(image, prepare(paths[row], PREPARATION))


def test_a_cache_can_be_sent_to_another_process(tmp_path, paths):
    write(tmp_path / "cache", paths)
    cache = open_cache(tmp_path / "cache")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cache)).gather(np.arange(4)), cache.gather(np.arange(4)))


def test_a_missing_cache_is_named(tmp_path):
    with pytest.raises(InputError, match=r"is not a cache.*preprocess\.py"):
        open_cache(tmp_path / "nowhere")


def edit_meta(folder, **changes):
    path = folder / "cache.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGES = {
    "version": (lambda folder: edit_meta(folder, format_version=2), "cache.json: format version 2"),
    "shape": (lambda folder: edit_meta(folder, image_shape=[8, 8, 3]), "images-00000.npy holds uint8"),
    "shape of text": (lambda folder: edit_meta(folder, image_shape=["8"]), "image_shape must be"),
    "fewer classes": (lambda folder: edit_meta(folder, class_names=["a"]), "cache.json: counts must hold"),
    "no classes": (lambda folder: edit_meta(folder, class_names=None), "class_names must be"),
    "no json": (lambda folder: (folder / "cache.json").write_text("{"), "cache.json is not valid JSON"),
    "a list": (lambda folder: (folder / "cache.json").write_text("[]"), "format version None"),
    "no labels": (lambda folder: (folder / "labels.npy").unlink(), "labels.npy is missing"),
    "pickled labels": (
        lambda folder: np.save(folder / "labels.npy", np.array([{}], dtype=object), allow_pickle=True),
        "labels.npy cannot be read",
    ),
    "labels of 2": (
        lambda folder: np.save(folder / "labels.npy", np.full((COUNT, 3), 2, np.uint8)),
        "other than 0, 1 and 255",
    ),
    "float images": (
        lambda folder: np.save(folder / "images-00001.npy", np.zeros((4, 16, 16, 3))),
        "images-00001.npy holds float64",
    ),
    "cut images": (
        lambda folder: (folder / "images-00001.npy").write_bytes((folder / "images-00001.npy").read_bytes()[:-1]),
        "images-00001.npy is cut off",
    ),
    "no npy": (lambda folder: (folder / "images-00001.npy").write_bytes(b"x"), "images-00001.npy cannot be read"),
    "a file gone": (lambda folder: (folder / "images-00001.npy").unlink(), "7 images, 11 label rows and 11 index rows"),
    "no index": (lambda folder: (folder / "index.csv").unlink(), "index.csv is missing"),
    "other columns": (lambda folder: (folder / "index.csv").write_text("id\n1\n"), "index.csv: it must hold"),
    "empty index": (lambda folder: (folder / "index.csv").write_text(""), "index.csv: it must hold"),
    "unknown split": (
        lambda folder: (folder / "index.csv").write_text((folder / "index.csv").read_text().replace("test", "tset")),
        "index.csv, line 4",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(tmp_path, paths, name):
    write(tmp_path / "cache", paths)
    damage, words = DAMAGES[name]
    damage(tmp_path / "cache")
    with pytest.raises(InputError) as raised:
        open_cache(tmp_path / "cache")
    assert words in str(raised.value)


def test_file_sizes_depend_on_the_images_shape_and_number_alone(monkeypatch):
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 256)
    assert chunks.rows_per_file((128, 128, 3), 1_000_000) == 256
    assert chunks.rows_per_file((512, 512, 3), 1_000_000) == 85
    assert chunks.rows_per_file((8192, 8192, 3), 1_000_000) == 1


def test_a_small_set_is_work_for_many_cores(monkeypatch):
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 256)
    assert -(-600 // chunks.rows_per_file((256, 256, 3), 600)) == 16
    assert -(-60 // chunks.rows_per_file((256, 256, 3), 60)) == 4


def test_pixel_sums_of_the_brightest_and_tallest_image():
    white = np.full((60_000, 2, 1), 255, dtype=np.uint8)
    assert chunks.pixel_sums(white).tolist() == [[255 * 120_000], [255**2 * 120_000]]
    assert split_counts(labels_of(), np.array(["train"] * COUNT))["val"]["rows"] == 0
