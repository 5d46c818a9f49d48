"""preprocess.py on small sets with every trap: duplicates, own splits, bad images, stopped runs, changed settings."""

import csv
import dataclasses
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import preprocess
from common.errors import InputError
from data.cache import chunks
from data.cache.cache import open_cache
from data.images.image_files import NoImage, prepare
from data.images.preparation import Preparation
from data.splits import survey

FILES = {"image_dir": "images", "labels_csv": "labels.csv", "classes_file": "classes.txt"}
CLASSES = ["Nucleoplasm", "N/A", "Golgi [apparatus]"]


@dataclasses.dataclass
class Made:
    """A set of images on disk, and the options that read it."""

    folder: Path

    def config(self, **changes) -> preprocess.Config:
        options = {
            "image_dir": (self.folder / "images",), "labels_csv": (self.folder / "labels.csv",),
            "classes_file": self.folder / "classes.txt", "cache_dir": self.folder / "cache", "size": 16, "workers": 1,
            **changes,
        }  # fmt: skip
        return preprocess.Config(**options)

    def run(self, **changes) -> None:
        preprocess.main(self.config(**changes))

    def rows(self, *rows: str) -> None:
        (self.folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    def image(self, name: str) -> Path:
        return self.folder / "images" / name


@pytest.fixture
def pictures():
    """Asked for by the tests that look at the pictures, which take most of a small run's time."""


@pytest.fixture(autouse=True)
def no_pictures(request, monkeypatch):
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)


@pytest.fixture
def made(tmp_path) -> Made:
    """Thirty images: id n has class n % 2, every sixth Golgi too; 28 and 29 copy 1 and 0, but 29 has no label."""
    rng = np.random.default_rng(0)
    made = Made(tmp_path)
    made.image("").mkdir()
    for number in range(28):
        width, height = (24, 20) if number % 3 else (30, 20)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(made.image(f"{number:03d}.png"))
    made.image("028.png").write_bytes(made.image("001.png").read_bytes())
    made.image("029.png").write_bytes(made.image("000.png").read_bytes())
    targets = [f"{number % 2} 2" if number % 6 == 0 else str(number % 2) for number in range(28)] + ["1", ""]
    made.rows("Id,Target", *(f"{number:03d},{target}" for number, target in enumerate(targets)))
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return made


def content(directory: Path) -> dict[str, bytes]:
    """All files of a cache, without what the time and the command line put into cache.json."""
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    meta = json.loads(files["cache.json"])
    for name in ("created", "argv", "config"):
        del meta[name]
    return {**files, "cache.json": json.dumps(meta).encode()}


def test_a_set_becomes_a_cache(made, pictures, capsys):
    made.run(folds=3)
    cache = open_cache(made.folder / "cache")
    assert cache.meta["parted"] == 0
    assert cache.ids[7] == "007"
    assert cache.class_names == CLASSES
    assert cache.index[3]["width"] == "30"
    assert {split: len(cache.rows(split)) for split in ("train", "val", "test")} == pytest.approx(
        {"train": 21, "val": 4.5, "test": 4.5}, abs=2
    )
    assert set(cache.fold.tolist()) == {-1, 0, 1, 2}
    np.testing.assert_array_equal(cache.fold == -1, np.array(cache.split) == "test")
    for row in (0, 13, 29):
        expected = prepare(made.image(f"{row:03d}.png"), Preparation(16, "stretch", "rgb"))
        np.testing.assert_array_equal(cache.gather(np.array([row]))[0], expected)
    with (made.folder / "labels.csv").open() as file:
        for row, line in enumerate(csv.DictReader(file)):
            assert np.flatnonzero(cache.labels[row]).tolist() == [int(part) for part in line["Target"].split()]
    assert cache.meta["config"]["size"] == 16
    assert cache.meta["versions"]["pillow"]
    printed = capsys.readouterr().out
    assert "24 × 20 (19), 30 × 20 (11)" in printed
    assert "2 sets of byte-identical images (4 images)" in printed
    assert "000 / 029" in printed
    assert "001 / 028" not in printed
    assert "1 (ids 029)" in printed
    assert "Golgi [apparatus]" in printed
    assert printed.splitlines()[-1] == f"Next: python train.py --cache_dir {made.folder / 'cache'}"
    for name in ("class_counts.png", "preview.png"):
        with Image.open(made.folder / "cache" / name) as picture:
            assert min(picture.size) > 300


def test_duplicates_never_straddle_whatever_the_seed(made):
    for seed in range(4):
        made.run(seed=seed, folds=2, cache_dir=made.folder / f"cache{seed}")
        cache = open_cache(made.folder / f"cache{seed}")
        for one, other in ((0, 29), (1, 28)):
            assert cache.split[one] == cache.split[other]
            assert cache.fold[one] == cache.fold[other]
        in_train = cache.labels[cache.rows("train")] == 1
        assert in_train.any(axis=0).all()


def test_gray_and_padded(made):
    made.run(channels="gray", resize="pad")
    cache = open_cache(made.folder / "cache")
    assert cache.image_shape == (16, 16, 1)
    assert cache.meta["channels"] == ["gray"]
    assert cache.gather(np.array([0]))[0][:2].max() == 0


def test_processes_do_not_change_a_byte(made, monkeypatch):
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 8)
    made.run(cache_dir=made.folder / "one")
    made.run(cache_dir=made.folder / "two", workers=2)
    assert content(made.folder / "one") == content(made.folder / "two")


def test_a_stopped_run_goes_on_to_the_same_bytes(made, pictures, monkeypatch, capsys):
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 8)
    made.run(cache_dir=made.folder / "whole")
    calls = []

    def stopping(path, preparation):
        calls.append(path)
        if len(calls) == 21:
            raise KeyboardInterrupt
        return prepare(path, preparation)

    monkeypatch.setattr(chunks, "prepare", stopping)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    with pytest.raises(InputError) as raised:
        made.run(size=24, seed=1)
    assert "size: was 16, is 24" in str(raised.value)
    assert "seed: was 0, is 1" in str(raised.value)
    capsys.readouterr()
    made.run(on_bad_image="skip")
    assert "16 images were decoded before and are kept" in capsys.readouterr().out
    assert len(calls) == 21 + 14
    assert content(made.folder / "cache") == content(made.folder / "whole")
    with pytest.raises(InputError, match="--overwrite"):
        made.run()
    made.run(overwrite=True, size=24)
    assert open_cache(made.folder / "cache").image_shape == (24, 24, 3)


def spoil(made) -> None:
    made.image("004.png").write_bytes(made.image("004.png").read_bytes()[:200])
    made.image("005.png").write_text("not an image")
    made.image("006.png").write_bytes(b"")


def test_images_that_cannot_be_decoded_stop_the_run_with_all_named(made):
    spoil(made)
    for check_only in (True, False):
        with pytest.raises(InputError) as raised:
            made.run(check_only=check_only)
        text = str(raised.value)
        assert text.startswith("3 of 30 images cannot be used:")
        for words in ("004.png (line 6): cannot be decoded", "005.png (line 7): is not an image", "is empty", "skip"):
            assert words in text
        assert not (made.folder / "cache").exists()


def test_images_that_cannot_be_decoded_are_left_out_and_logged(made, capsys):
    spoil(made)
    with pytest.raises(InputError):
        made.run()
    made.run(on_bad_image="skip", folds=0)
    assert "30 images were decoded before" in capsys.readouterr().out
    cache = open_cache(made.folder / "cache")
    assert len(cache) == 27
    assert not {"004", "005", "006"} & set(cache.ids)
    np.testing.assert_array_equal(cache.labels[4:], open_labels(made)[7:])
    np.testing.assert_array_equal(
        cache.gather(np.array([4]))[0], prepare(made.image("007.png"), Preparation(16, "stretch", "rgb"))
    )
    with (made.folder / "cache" / "skipped.csv").open() as file:
        assert [(row["id"], row["line"]) for row in csv.DictReader(file)] == [("004", "6"), ("005", "7"), ("006", "8")]


def test_a_bad_image_that_was_replaced_by_another_is_read_again(made, monkeypatch, capsys):
    spoil(made)
    with monkeypatch.context() as context:
        context.setattr("data.cache.cache_writer.CacheWriter.finish", lambda *_: None)
        with pytest.raises(InputError, match="not finished"):
            made.run(on_bad_image="skip")
            open_cache(made.folder / "cache")
    made.image("006.png").write_text("not empty any more")
    with pytest.raises(InputError, match=r"begun with other inputs or settings:\n  images: changed\n"):
        made.run(on_bad_image="skip")
    capsys.readouterr()
    made.run(on_bad_image="skip", overwrite=True)
    printed = capsys.readouterr().out
    assert "006.png (line 8): is not an image" in printed
    assert "is empty" not in printed


def test_what_tells_a_bad_file_from_another(tmp_path):
    path = tmp_path / "a.png"
    marks = [survey.mark(path)]
    for content in (b"", b"x", b"y"):
        path.write_bytes(content)
        marks.append(survey.mark(path))
    marks += [survey.mark((path, path)), survey.mark(NoImage((path, tmp_path / "b.png"), ""))]
    assert len(set(marks)) == len(marks)
    assert marks[3] == survey.mark(path) != ""
    # A folder stands for what is there but cannot be read.
    folder = tmp_path / "c.png"
    folder.mkdir()
    before = survey.mark(folder)
    os.utime(folder, (1, 1))
    assert survey.mark(folder) != before


def open_labels(made) -> np.ndarray:
    from common.errors import Faults
    from data.labels.labels import read_labels

    return read_labels(made.folder / "labels.csv", made.folder / "classes.txt", Faults()).labels


def test_without_any_good_image_nothing_is_written(made):
    for path in made.image("").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="30 of 30"):
        made.run(on_bad_image="skip")
    assert not (made.folder / "cache").exists()


def test_checking_writes_pictures_and_nothing_else(made, pictures, capsys):
    made.run(check_only=True)
    assert sorted(path.name for path in (made.folder / "cache-check").iterdir()) == ["class_counts.png", "preview.png"]
    assert not (made.folder / "cache").exists()
    assert not (made.folder / ".cache.partial").exists()
    printed = capsys.readouterr().out
    assert "Checking images: 30 of 30" in printed
    assert "--check_only" not in printed.splitlines()[-1]
    assert f"python preprocess.py --image_dir {made.folder / 'images'}" in printed.splitlines()[-1]


@pytest.mark.parametrize("options", [{"on_bad_image": "skip"}, {"near_duplicates": "join"}])
def test_checking_draws_the_split_that_the_cache_has(made, monkeypatch, capsys, options):
    if "on_bad_image" in options:
        spoil(made)
    else:
        Image.open(made.image("002.png")).resize((40, 36)).save(made.image("003.png"))
    drawn = []
    monkeypatch.setattr("report.dataset_pictures.draw", lambda _, found, division, *__: drawn.append(
        dict(zip(found.table.ids, division.split, strict=True))))  # fmt: skip
    made.run(check_only=True, **options)
    checked = drawn[-1]
    printed = capsys.readouterr().out
    made.run(**options)
    cache = open_cache(made.folder / "cache")
    assert checked == drawn[-1] == dict(zip(cache.ids, cache.split, strict=True))
    assert printed.index("Split: ") < printed.index("replaces the one above") < printed.rindex("Split: ")


def test_own_split_is_kept_and_its_leaks_are_refused(made, capsys):
    split = ["train"] * 28 + ["train", "test"]
    targets = [str(number % 3) for number in range(30)]
    rows = [f"{number:03d},{target},{part}" for number, (target, part) in enumerate(zip(targets, split, strict=True))]
    made.rows("Id,Target,split", *rows)
    with pytest.raises(InputError) as raised:
        made.run()
    assert "000 and 029: the same image, but split train and test" in str(raised.value)
    assert "--on_leak warn" in str(raised.value)
    assert not (made.folder / ".cache.partial").exists()
    made.run(on_leak="warn")
    cache = open_cache(made.folder / "cache")
    assert cache.split == split
    assert cache.meta["parted"] == 1
    printed = capsys.readouterr().out
    assert "000 and 029" in printed
    assert "Warning: val has no images" in printed
    assert "Warning: test has no image of class Nucleoplasm" in printed


def test_groups_stay_together_and_own_folds_are_kept(made):
    rows = [f"{n:03d},{n % 3},plate {n // 5},{n % 2}" for n in range(28)]
    made.rows("Id,Target,group,fold", *rows)
    with pytest.raises(InputError, match="the same group, but fold 0 and 1"):
        made.run()
    made.rows("Id,Target,group", *(row.rsplit(",", 1)[0] for row in rows))
    made.run()
    cache = open_cache(made.folder / "cache")
    assert cache.index[7]["group"] == "plate 1"
    for group in range(6):
        assert len({row["split"] for row in cache.index if row["group"] == f"plate {group}"}) == 1


def test_rare_classes_that_val_and_test_lack_are_named(made, capsys):
    made.rows("Id,Target", *(f"{n:03d},{'0 1' if n == 3 else '0'}" for n in range(28)))
    made.run()
    printed = capsys.readouterr().out
    assert "Warning: val has no image of class N/A" in printed
    assert "Warning: test has no image of class N/A" in printed
    assert "Warning: no image at all has class Golgi [apparatus]" in printed
    assert "train has no image" not in printed


def test_all_faults_of_labels_and_images_come_at_once(made):
    made.rows("Id,Target", "000,0", "001,9", "404,0", "../x,1", "002,0", "002,1")
    with pytest.raises(InputError) as raised:
        made.run()
    for words in ("line 3", "'404': no such image", "'../x': points outside image_dir", "lines 6 and 7", "4 faults"):
        assert words in str(raised.value)
    assert sorted(path.name for path in made.folder.iterdir()) == ["classes.txt", "images", "labels.csv"]


def test_images_without_a_row_are_a_warning(made, capsys):
    made.rows("Id,Target", *(f"{n:03d},{n % 3}" for n in range(29)))
    made.run()
    printed = capsys.readouterr().out
    assert "Warning: 1 images in" in printed
    assert "\n  029.png\n" in printed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 7}, "size = 7"),
        ({"size": 5000}, "size = 5000"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "val_fraction = 0.5 and test_fraction = 0.5"),
        ({"folds": 1}, "folds = 1"),
        ({"folds": 29}, "folds = 29"),
        ({"image_dir": (Path("nowhere"),)}, "nowhere is not a folder"),
        ({"labels_csv": (Path("nowhere.csv"),)}, "nowhere.csv"),
    ],
)
def test_nonsense_is_refused_with_its_field(made, changes, words):
    with pytest.raises(InputError) as raised:
        made.run(**changes)
    assert words in str(raised.value)
    assert not (made.folder / "cache").exists()


def test_too_little_disk_is_refused_before_work(made, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=30 * 16 * 16 * 3 - 1))
    with pytest.raises(InputError, match=r"needs .* GB, but .* free"):
        made.run()
    assert not list(made.folder.glob("*cache*/*"))


def test_a_mistake_in_the_shell_is_one_message(made, shell):
    spoil(made)
    options = [f"--{name}={made.folder / file}" for name, file in FILES.items()]
    printed = shell(
        "preprocess.py", *options, "--cache_dir", made.folder / "cache", "--size=16", "--workers=1", fails=True
    )
    assert printed.startswith("error: 3 of 30 images cannot be used:")


def test_real_images_report_their_traps(cell_data, tmp_path, capsys):
    source = cell_data / "chula_rbc12"
    Made(source).run(cache_dir=tmp_path / "cache", check_only=True, workers=2)
    printed = capsys.readouterr().out
    for words in (
        "21 sets of byte-identical images (42 images)", "16 of these sets disagree", "  248 / 249", "  52 / 54",
    ):  # fmt: skip
        assert words in printed
    assert "file format PNG gives Elliptocyte away: its 32 images" in printed
    assert "2 (ids 53, 56)" in printed


def test_what_gives_a_class_away_is_kept_for_the_runs(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for row in range(18):
        pixels = random.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{row}.{'png' if row < 8 else 'jpg'}")
    made = Made(tmp_path)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    made.rows("Id,Target", *(f"{row},{'2' if row < 8 else '0' if row % 2 else '0 1'}" for row in range(18)))
    made.run()
    texts = {each["class"]: each["text"] for each in open_cache(tmp_path / "cache").meta["giveaways"]}
    assert set(texts) == {CLASSES[0], CLASSES[2]}
    assert (
        texts[CLASSES[2]]
        == f"file format PNG gives {CLASSES[2]} away: its 8 images and no others; a model may learn it"
    )
    assert f"Warning: {texts[CLASSES[2]]}\n" in capsys.readouterr().out
