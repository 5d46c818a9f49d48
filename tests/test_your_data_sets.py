"""preprocess.py from the shell on several sources, on sets that grow, and with near-duplicates."""

import csv
import importlib.metadata
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import preprocess
from common import versions
from common.errors import InputError
from data.cache import chunks
from data.cache.cache import open_cache
from data.images.image_files import prepare
from data.images.preparation import Preparation


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)


def picture(path: Path, seed: int) -> None:
    """A smooth random picture, so that recompressing it changes little."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((48, 40), Image.Resampling.BICUBIC).save(path)


def made_source(folder: Path, name: str, count: int, seed: int, classes: int = 3, first: int = 0) -> dict[str, str]:
    """`count` images under `folder`/NAME and NAME.csv; id n has class n modulo `classes`."""
    rows = {f"{number:03d}": str(number % classes) for number in range(first, first + count)}
    for number, row_id in enumerate(rows):
        picture(folder / name / f"{row_id}.png", 1000 * seed + number)
    write(folder / f"{name}.csv", rows)
    return rows


def write(path: Path, rows: dict[str, str], head: str = "Id,Target") -> None:
    path.write_text("\n".join([head, *(f"{row_id},{rest}" for row_id, rest in rows.items())]) + "\n")


def run(folder: Path, *names: str, cache: str = "cache", **options):
    preprocess.main(
        preprocess.Config(
            image_dir=tuple(folder / name for name in names),
            labels_csv=tuple(folder / f"{name}.csv" for name in names),
            cache_dir=folder / cache,
            **{"size": 32, "workers": 1, **options},
        )
    )
    return open_cache(folder / cache)


def splits(cache) -> dict[str, str]:
    return dict(zip(cache.ids, cache.split, strict=True))


def test_two_sources_become_one_cache_from_the_shell(tmp_path, shell):
    made_source(tmp_path, "own", 24, seed=0)
    made_source(tmp_path, "external", 12, seed=1, first=18)
    shutil.copy(tmp_path / "own" / "003.png", tmp_path / "external" / "029.png")
    (tmp_path / "classes.txt").write_text("Nucleoplasm\nGolgi\nCytosol\n")
    printed = shell("preprocess.py", "--image_dir", tmp_path / "own", tmp_path / "external", "--labels_csv",
                    tmp_path / "own.csv", tmp_path / "external.csv", "--classes_file", tmp_path / "classes.txt",
                    "--cache_dir", tmp_path / "cache", "--size", 16, "--workers", 1)  # fmt: skip
    cache = open_cache(tmp_path / "cache")
    assert cache.class_names == ["Nucleoplasm", "Golgi", "Cytosol"]
    assert [row["source"] for row in cache.index] == ["own"] * 24 + ["external"] * 12
    # The six ids that both have keep their name in the first source.
    assert cache.ids[18:30] == [*(f"{n:03d}" for n in range(18, 24)), *(f"external/{n:03d}" for n in range(18, 24))]
    assert "6 ids are in several sources; behind the first they are called SOURCE/ID" in printed
    assert "1 of these sets lie in several sources (003 / 029)" in printed
    assert splits(cache)["003"] == splits(cache)["029"]
    table = {
        line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.startswith(("own ", "external "))
    }
    assert table["own"][0] == "24" and table["external"][0] == "12"
    assert sum(map(int, table["own"][1:])) == 24
    expected = prepare(tmp_path / "external" / "020.png", Preparation(16, "stretch", "rgb"))
    np.testing.assert_array_equal(cache.gather(np.array([cache.ids.index("external/020")]))[0], expected)


def test_names_of_classes_are_joined(tmp_path, capsys):
    rows = made_source(tmp_path, "a", 12, seed=0)
    write(tmp_path / "a.csv", {row_id: ["Golgi", "Cytosol", "Golgi|Cytosol"][n % 3] for n, row_id in enumerate(rows)})
    rows = made_source(tmp_path, "b", 12, seed=1, first=12)
    write(tmp_path / "b.csv", {row_id: f"{n % 2},{(n + 1) % 2}" for n, row_id in enumerate(rows)}, "Id,Nuclei,Golgi")
    cache = run(tmp_path, "a", "b")
    assert cache.class_names == ["Cytosol", "Golgi", "Nuclei"]
    assert cache.labels[2].tolist() == [1, 1, 0]
    # A table of 0/1 columns says nothing of a class that it has no column for.
    assert cache.labels[12].tolist() == [255, 1, 0]
    printed = capsys.readouterr().out
    assert "b never names 'Cytosol': unknown there" in printed
    assert "a never names 'Nuclei': counted as absent there" in printed


def test_names_of_sources_that_differ_only_in_case_are_a_warning(tmp_path, capsys):
    for number, name in enumerate(("Golgi", "golgi")):
        rows = made_source(tmp_path, name, 8, seed=number, first=8 * number)
        write(tmp_path / f"{name}.csv", dict.fromkeys(rows, name))
    run(tmp_path, "Golgi", "golgi")
    printed = capsys.readouterr().out
    assert printed.count("differ only in capital and small letters are different classes: 'Golgi' / 'golgi'") == 1


def test_class_ids_without_a_classes_file_must_agree(tmp_path):
    made_source(tmp_path, "a", 9, seed=0)
    made_source(tmp_path, "b", 9, seed=1, classes=4)
    with pytest.raises(InputError, match=r"different numbers of classes \(a 3, b 4\); give a classes_file"):
        run(tmp_path, "a", "b")
    write(tmp_path / "b.csv", {f"{n:03d}": "Golgi" for n in range(9)})
    with pytest.raises(InputError, match="class ids here and class names elsewhere; give a classes_file"):
        run(tmp_path, "a", "b")


def test_mistakes_name_their_source(tmp_path):
    made_source(tmp_path, "a", 9, seed=0)
    made_source(tmp_path, "b", 9, seed=1)
    write(tmp_path / "b.csv", {"000": "0", "404": "1"})
    with pytest.raises(InputError, match="b: line 3, id '404': no such image"):
        run(tmp_path, "a", "b")
    write(tmp_path / "b.csv", {"000": "0,val", "001": "2,train"}, "Id,Target,split")
    with pytest.raises(InputError, match="a has no column split, but another source has one"):
        run(tmp_path, "a", "b")
    with pytest.raises(InputError, match=r"image_dir has 2 folders and labels_csv 1 files"):
        preprocess.main(preprocess.Config(image_dir=(tmp_path / "a", tmp_path / "b"), cache_dir=tmp_path / "c"))


def test_folders_of_one_name_are_told_apart(tmp_path):
    for name in ("one/images", "two/images"):
        made_source(tmp_path, name, 9, seed=len(name))
    cache = run(tmp_path, "one/images", "two/images")
    assert {row["source"] for row in cache.index} == {"one/images", "two/images"}


def test_groups_from_the_id_stay_together(tmp_path):
    rows = {f"{antibody}_{place}": str(antibody % 3) for antibody in range(20) for place in "abc"}
    for number, row_id in enumerate(rows):
        picture(tmp_path / "a" / f"{row_id}.png", number)
    write(tmp_path / "a.csv", rows)
    cache = run(tmp_path, "a", group_pattern="^[^_]+", folds=2)
    assert cache.index[4]["group"] == "1"
    for kind in (cache.split, cache.fold.tolist()):
        assert len({(row_id.split("_")[0], value) for row_id, value in zip(cache.ids, kind, strict=True)}) == 20
    assert run(tmp_path, "a", cache="b", group_pattern="_(.)$").index[4]["group"] == "b"
    with pytest.raises(InputError, match=r"group_pattern 'x\+' finds nothing in 60 ids: '0_a'"):
        run(tmp_path, "a", cache="c", group_pattern="x+")
    with pytest.raises(InputError, match=r"group_pattern = '\(': not a regular expression"):
        run(tmp_path, "a", cache="c", group_pattern="(")
    write(tmp_path / "a.csv", {row_id: f"{target},x" for row_id, target in rows.items()}, "Id,Target,group")
    with pytest.raises(InputError, match="the CSV has groups of its own and group_pattern is given"):
        run(tmp_path, "a", cache="c", group_pattern="^[^_]+")


@pytest.fixture
def grown(tmp_path):
    """A set of 40 images in a cache `old`, then one changed, one gone, one renamed, and 20 more."""
    made_source(tmp_path, "a", 40, seed=0)
    old = run(tmp_path, "a", cache="old", folds=3)
    rows = made_source(tmp_path, "a", 60, seed=0)
    picture(tmp_path / "a" / "005.png", 77)
    (tmp_path / "a" / "006.png").unlink()
    (tmp_path / "a" / "007.png").rename(tmp_path / "a" / "renamed.png")
    shutil.copy(tmp_path / "a" / "008.png", tmp_path / "a" / "copy.png")
    del rows["006"], rows["007"]
    write(tmp_path / "a.csv", {**rows, "renamed": "1", "copy": "2"})
    return old


def test_no_old_row_moves_and_only_new_images_are_decoded(tmp_path, grown, monkeypatch, capsys):
    decoded = []
    monkeypatch.setattr(chunks, "prepare", lambda path, how: decoded.append(path.stem) or prepare(path, how))
    new = run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old")
    before, after = splits(grown), splits(new)
    for row_id in before.keys() & after.keys():
        assert after[row_id] == before[row_id]
        assert new.fold[new.ids.index(row_id)] == grown.fold[grown.ids.index(row_id)]
    assert after["renamed"] == before["007"]
    assert after["copy"] == before["008"]
    assert sorted(decoded) == ["005", *(f"{number:03d}" for number in range(40, 60))]
    printed = capsys.readouterr().out
    # Of 40 old ones one is gone and one has other pixels; the copy of an old one counts as known.
    assert f"39 images are copied from {tmp_path / 'old'}, 21 are decoded" in printed
    assert "40 images keep their split" in printed
    assert "(1 with other pixels), 20 are new" in printed
    assert "1 are gone" in printed
    counts = [new.split.count(name) for name in ("train", "val", "test")]
    np.testing.assert_allclose(np.array(counts) / len(new), [0.7, 0.15, 0.15], atol=0.04)
    test = np.array(new.split) == "test"
    assert (new.fold[test] == -1).all()
    assert np.bincount(new.fold[~test]).min() >= 15
    # The copied pixels are those that decoding gives.
    for place in range(len(new)):
        path = Path(new.index[place]["path"])
        np.testing.assert_array_equal(
            new.gather(np.array([place]))[0], prepare(path, Preparation(32, "stretch", "rgb"))
        )
    monkeypatch.undo()
    monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)
    fresh = run(tmp_path, "a", cache="fresh")
    for name in ("images-00000.npy", "labels.npy"):
        assert (fresh.directory / name).read_bytes() == (new.directory / name).read_bytes()


def test_another_preparation_is_decoded_again_with_the_split_kept(tmp_path, grown, capsys):
    new = run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old", size=16)
    assert "was prepared in another way, so all images are decoded again" in capsys.readouterr().out
    assert len(splits(new).items() & splits(grown).items()) == 38, "two of 40 are gone"


@pytest.mark.parametrize("package", ["pillow", "tifffile", "imagecodecs"])
def test_another_version_of_a_decoder_is_noticed(tmp_path, monkeypatch, capsys, package):
    made_source(tmp_path, "a", 12, seed=0)
    run(tmp_path, "a", cache="old")
    # Stopped when all is decoded, before the cache is put in place.
    with monkeypatch.context() as context:
        context.setattr("data.cache.cache_writer.CacheWriter.finish", lambda *_: None)
        with pytest.raises(InputError, match="not finished"):
            run(tmp_path, "a", cache="stopped")
    version = importlib.metadata.version
    try:
        versions.decoder_versions.cache_clear()
        monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == package else version(name))
        capsys.readouterr()
        run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old")
        assert "was prepared in another way, so all images are decoded again" in capsys.readouterr().out
        with pytest.raises(InputError, match=f"{package}: was {version(package)}, is 0.1"):
            run(tmp_path, "a", cache="stopped")
        run(tmp_path, "a", cache="stopped", overwrite=True)
        assert "were decoded before" not in capsys.readouterr().out
    finally:
        versions.decoder_versions.cache_clear()


def test_a_cache_may_grow_in_its_own_place_from_the_shell(tmp_path, grown, shell):
    common = ("preprocess.py", "--image_dir", tmp_path / "a", "--labels_csv", tmp_path / "a.csv", "--cache_dir",
              tmp_path / "old", "--size", 32, "--workers", 1, "--keep_split_from", tmp_path / "old")  # fmt: skip
    assert "--overwrite" in shell(*common, fails=True)
    before = splits(grown)
    printed = shell(*common, "--overwrite")
    assert "images keep their split" in printed
    after = splits(open_cache(tmp_path / "old"))
    assert len(after) == 60
    assert len(after.items() & before.items()) == 38, "two of 40 are gone"


@pytest.mark.parametrize("order", [("001", "renamed"), ("renamed", "001")])
def test_a_copy_kept_in_another_split_stays_there_when_it_is_renamed(tmp_path, order):
    rows = made_source(tmp_path, "a", 12, seed=0)
    shutil.copy(tmp_path / "a" / "001.png", tmp_path / "a" / "011.png")
    where = {row_id: ("test" if row_id == "011" else "train") for row_id in rows}
    write(tmp_path / "a.csv", {row: f"{rows[row]},{where[row]}" for row in rows}, "Id,Target,split")
    run(tmp_path, "a", cache="old", on_leak="warn")
    (tmp_path / "a" / "011.png").rename(tmp_path / "a" / "renamed.png")
    rows = {row_id: rows.get(row_id, rows["011"]) for row_id in (*order, *rows) if row_id != "011"}
    write(tmp_path / "a.csv", rows)
    new = splits(run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old", on_leak="warn"))
    assert (new["001"], new["renamed"]) == ("train", "test")
    # Both renamed: each takes a row of its own; a third copy follows the first.
    (tmp_path / "a" / "001.png").rename(tmp_path / "a" / "first.png")
    shutil.copy(tmp_path / "a" / "first.png", tmp_path / "a" / "third.png")
    rows = {"first": rows.pop("001"), **rows, "third": "1"}
    write(tmp_path / "a.csv", rows)
    new = splits(run(tmp_path, "a", cache="again", keep_split_from=tmp_path / "old", on_leak="warn"))
    assert sorted([new["first"], new["renamed"]]) == ["test", "train"]
    assert new["third"] == "train"


def test_new_images_that_join_old_ones_of_two_splits_are_a_leak(tmp_path, grown, capsys):
    before = splits(grown)
    # 005 to 008 are those that were changed, or are gone or renamed.
    one = next(row_id for row_id in before if before[row_id] == "train" and row_id > "008")
    other = next(row_id for row_id in before if before[row_id] == "test" and row_id > "008")
    with (tmp_path / "a.csv").open() as file:
        rows = {row["Id"]: row["Target"] for row in csv.DictReader(file)}
    group = {row_id: "plate" if row_id in (one, other, "050") else "" for row_id in rows}
    write(tmp_path / "a.csv", {row: f"{target},{group[row]}" for row, target in rows.items()}, "Id,Target,group")
    with pytest.raises(InputError) as raised:
        run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old")
    assert "the same group, but split" in str(raised.value)
    assert "--on_leak warn" in str(raised.value)
    new = splits(run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old", on_leak="warn"))
    assert new[one] == "train" and new[other] == "test"
    assert new["050"] in ("train", "test")


def test_a_split_column_may_not_move_old_rows(tmp_path, grown):
    before = splits(grown)
    with (tmp_path / "a.csv").open() as file:
        rows = {row["Id"]: row["Target"] for row in csv.DictReader(file)}
    moved = next(row_id for row_id in rows if before.get(row_id) == "val")
    where = {row_id: before.get(row_id, "train") for row_id in rows}
    where["renamed"], where["copy"] = before["007"], before["008"]
    write(tmp_path / "a.csv", {row: f"{rows[row]},{where[row]}" for row in rows}, "Id,Target,split")
    assert splits(run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old")) == where
    where[moved] = "train"
    write(tmp_path / "a.csv", {row: f"{rows[row]},{where[row]}" for row in rows}, "Id,Target,split")
    with pytest.raises(InputError, match=f"id '{moved}': split train, but val in .*old, where it must stay"):
        run(tmp_path, "a", cache="other", keep_split_from=tmp_path / "old")


def test_other_folds_or_no_cache_are_refused(tmp_path, grown):
    with pytest.raises(InputError, match=r"folds = 5, but .*old has 3"):
        run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "old", folds=5)
    with pytest.raises(InputError, match="nowhere is not a cache"):
        run(tmp_path, "a", cache="new", keep_split_from=tmp_path / "nowhere")


@pytest.mark.parametrize("check_only", [True, False])
def test_near_duplicates_stay_in_one_split(tmp_path, capsys, check_only):
    rows = made_source(tmp_path, "a", 60, seed=0)
    for number in range(0, 60, 3):
        with Image.open(tmp_path / "a" / f"{number:03d}.png") as image:
            image.resize((96, 80)).save(tmp_path / "a" / f"near{number}.jpg", quality=50)
        rows[f"near{number}"] = rows[f"{number:03d}"]
    write(tmp_path / "a.csv", rows)
    options = {"near_duplicates": "join", "val_fraction": 0.3, "test_fraction": 0.3, "check_only": check_only}
    if check_only:
        with pytest.raises(InputError, match="not a cache"):
            run(tmp_path, "a", **options)
    else:
        cache = run(tmp_path, "a", **options)
        for number in range(0, 60, 3):
            assert splits(cache)[f"near{number}"] == splits(cache)[f"{number:03d}"]
    printed = capsys.readouterr().out
    assert (
        "Near-duplicates: 40 images joined into 20 sets, the largest of 2:\n  000 / near0\n  003 / near3\n" in printed
    )


def test_a_given_split_that_parts_near_duplicates_is_refused(tmp_path):
    rows = made_source(tmp_path, "a", 30, seed=0)
    with Image.open(tmp_path / "a" / "004.png") as image:
        image.save(tmp_path / "a" / "near.jpg", quality=50)
    write(tmp_path / "a.csv", {**{row: f"{t},train" for row, t in rows.items()}, "near": "1,test"}, "Id,Target,split")
    assert len(run(tmp_path, "a", cache="off")) == 31
    with pytest.raises(InputError, match="004 and near: nearly the same image, but split train and test"):
        run(tmp_path, "a", near_duplicates="join")
    assert len(run(tmp_path, "a", near_duplicates="join", on_leak="warn")) == 31
