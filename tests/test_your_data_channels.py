"""Channels and 16 bits from the shell: files in the formats people have, to a model and its predictions."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import header
import preprocess
from common.errors import InputError
from data.cache import chunks
from data.cache.cache import open_cache
from data.images.image_files import prepare

cv2 = pytest.importorskip("cv2")
STAINS = ("red", "green", "blue", "yellow")
COUNT, SIDE = 24, 32


def light(number: int, bits: int = 12) -> np.ndarray:
    """Four stains of image `number`: (4, SIDE, SIDE) of `bits`; odd ones are bright in green, every third in yellow."""
    rng = np.random.default_rng(number)
    levels = np.array([0.5, 0.8 if number % 2 else 0.2, 0.5, 0.8 if number % 3 == 0 else 0.2])
    noise = rng.uniform(0.8, 1.2, (4, SIDE, SIDE))
    return np.rint(levels[:, None, None] * noise * (2**bits - 1)).clip(0, 2**bits - 1).astype(np.uint16)


def write_labels(folder: Path, **columns) -> None:
    """Class 0 is green, class 1 yellow."""
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Id", "Target", *columns])
        for number in range(COUNT):
            target = " ".join(["0"] * (number % 2) + ["1"] * (number % 3 == 0))
            writer.writerow([f"c{number:02d}", target, *(form.format(number) for form in columns.values())])


def stain_file(folder: Path, number: int, stain: str, extension: str = ".png") -> Path:
    return folder / "images" / f"c{number:02d}_{stain}{extension}"


def write_stains(folder: Path, extension: str = ".png", bits: int = 12) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        for stain, plane in zip(STAINS, light(number, bits), strict=True):
            path = stain_file(folder, number, stain, extension)
            if extension == ".tif":
                tifffile.imwrite(path, plane, compression="lzw")
            else:
                cv2.imwrite(str(path), plane if bits > 8 else plane.astype(np.uint8))


def options(folder: Path, *more) -> list:
    return ["preprocess.py", "--image_dir", folder / "images", "--labels_csv", folder / "labels.csv",
            "--cache_dir", folder / "cache", "--size", 16, "--workers", 1, *more]  # fmt: skip


@pytest.fixture
def run(monkeypatch, capsys):
    """As `shell`, in this process and without pictures, which is faster."""
    monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def call(_, *arguments, fails: bool = False) -> str:
        try:
            preprocess.main(header.parse(preprocess.Config, "", [str(argument) for argument in arguments]))
        except InputError as error:
            assert fails, error
            return str(error)
        assert not fails
        return capsys.readouterr().out

    return call


@pytest.fixture
def four_stains(tmp_path) -> Path:
    write_stains(tmp_path)
    write_labels(tmp_path)
    return tmp_path


def test_four_16_bit_stains_from_files_to_predictions_of_new_ones(four_stains, called):
    folder = four_stains
    printed = called(*options(folder, "--channels", "rgby"))
    assert "White level of the 16-bit images" in printed
    assert "the 99.9th percentile of 24 images" in printed
    cache = open_cache(folder / "cache")
    assert cache.image_shape == (16, 16, 4)
    assert cache.meta["channels"] == list(STAINS)
    white = cache.meta["white_level"]
    assert 3500 < white <= 4095
    assert cache.meta["preparation"]["white_level"] == white
    assert cache.index[3]["path"].split("|") == [str(stain_file(folder, 3, stain)) for stain in STAINS]
    pixels = cache.gather(np.array([3]))[0].reshape(-1, 4).mean(axis=0)
    np.testing.assert_allclose(pixels, light(3).reshape(4, -1).mean(axis=1) / white * 255, atol=1)
    with Image.open(folder / "cache" / "preview.png") as picture:
        assert min(picture.size) > 300

    called("train.py", "--cache_dir", folder / "cache", "--run_dir", folder / "run", "--epochs", 1)
    (folder / "cache").rename(folder / "gone")
    (folder / "new").mkdir()
    for number in (3, 4):
        for stain, plane in zip(STAINS, light(number), strict=True):
            tifffile.imwrite(folder / "new" / f"x{number}_{stain}.tif", plane)
    arguments = ["predict.py", "--image_dir", folder / "new", "--run_dirs", folder / "run"]
    called(*arguments)
    with (folder / "run" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["Id"] for row in rows] == ["x3", "x4"]
    # The same light in another format has the scores that the run stored for it.
    known = {}
    for split in ("train", "val", "test"):
        with np.load(folder / "run" / "scores" / f"{split}.npz") as stored:
            known |= dict(zip(stored["ids"].tolist(), stored["scores"], strict=True))
    for row, name in zip(rows, ("c03", "c04"), strict=True):
        np.testing.assert_allclose([float(row[each]) for each in ("0", "1")], known[name], atol=1e-4)

    (folder / "new" / "x4_yellow.tif").unlink()
    said = called(*arguments, "--overwrite", fails=True)
    assert "new/x4_red.tif|x4_green.tif|x4_blue.tif x4_yellow is missing" in said
    stack = {"photometric": "minisblack", "metadata": {"axes": "CYX"}}
    tifffile.imwrite(folder / "new" / "stack.ome.tif", light(3), ome=True, **stack)
    printed = called(*arguments, "--overwrite", "--on_bad_image", "skip")
    assert "Warning: 1 files are not named as Id_red, Id_green, Id_blue, Id_yellow, and are an image each:" in printed
    assert "1 images cannot be decoded and are left out" in printed
    with (folder / "run" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = {row.pop("Id"): row for row in csv.DictReader(file)}
    assert sorted(rows) == ["stack", "x3"] and rows["stack"] == rows["x3"]
    eight = Image.fromarray((light(4)[3] // 16).astype(np.uint8))
    eight.save(folder / "new" / "x4_yellow.tif")
    assert "x4_yellow.tif has 8 bits, but the white level" in called(*arguments, "--overwrite", fails=True)


@pytest.mark.parametrize("extension", [".tif", ".jpg"])
def test_stains_as_tiff_and_jpeg(tmp_path, run, extension):
    bits = 8 if extension == ".jpg" else 12
    write_stains(tmp_path, extension, bits)
    write_labels(tmp_path)
    run(*options(tmp_path, "--channels", "yellow,green", "--white_level", "auto" if bits == 8 else 4095))
    cache = open_cache(tmp_path / "cache")
    assert cache.meta["channels"] == ["yellow", "green"]
    assert cache.meta["white_level"] == (255 if bits == 8 else 4095)
    found = cache.gather(np.arange(COUNT)).reshape(COUNT, -1, 2).mean(axis=1)
    expected = [
        light(number, bits)[[3, 1]].reshape(2, -1).mean(axis=1) / (2**bits - 1) * 255 for number in range(COUNT)
    ]
    np.testing.assert_allclose(found, expected, atol=1)


def test_stains_in_false_colours_give_their_light(tmp_path, run):
    """As the challenge's older JPEGs are: each stain an RGB file in its own colour."""
    (tmp_path / "images").mkdir()
    colours = dict(zip(STAINS, ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)), strict=True))
    for number in range(COUNT):
        for stain, plane in zip(STAINS, light(number, 8), strict=True):
            Image.fromarray((plane[..., None] * np.array(colours[stain])).astype(np.uint8)).save(
                stain_file(tmp_path, number, stain)
            )
    write_labels(tmp_path)
    run(*options(tmp_path, "--channels", "rgby"))
    found = open_cache(tmp_path / "cache").gather(np.arange(COUNT)).reshape(COUNT, -1, 4).mean(axis=1)
    expected = [light(number, 8).reshape(4, -1).mean(axis=1) for number in range(COUNT)]
    np.testing.assert_allclose(found, expected, atol=1)


def test_a_pattern_with_folders_and_other_names(tmp_path, run):
    for number in range(COUNT):
        for stain, plane in zip(("DAPI", "Gfp"), light(number)[:2], strict=True):
            (tmp_path / "images" / stain).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "images" / stain / f"c{number:02d}-w.tif", plane)
    write_labels(tmp_path)
    run(*options(tmp_path, "--channels", "dapi,gfp", "--channel_pattern", "{channel}/{id}-w.tif"))
    assert open_cache(tmp_path / "cache").image_shape == (16, 16, 2)


def test_paths_a_channel_in_columns_of_the_labels(four_stains, run):
    folder = four_stains
    write_labels(folder, path_nucleus="c{:02d}_blue.png", path_protein="c{:02d}_green")
    run(*options(folder, "--channels", "nucleus,protein"))
    cache = open_cache(folder / "cache")
    assert cache.class_names == ["0", "1"]
    assert cache.index[5]["path"] == f"{stain_file(folder, 5, 'blue')}|{stain_file(folder, 5, 'green')}"
    rows = (folder / "labels.csv").read_text().replace("c07_green", "c99_green").replace("c08_blue.png", "")
    (folder / "labels.csv").write_text(rows)
    said = run(*options(folder, "--channels", "nucleus,protein", "--overwrite"), fails=True)
    assert "line 9, id 'c07': path_protein 'c99_green': no such image" in said
    assert "line 10, id 'c08': path_nucleus is empty" in said
    said = run(*options(folder, "--channels", "nucleus,protein,er", "--overwrite"), fails=True)
    assert "labels.csv: no column path_er, though it has columns for other channels" in said


def test_stacks_beside_stains_and_an_image_that_lacks_one(four_stains, run):
    for number in (1, 2):
        for stain in STAINS:
            stain_file(four_stains, number, stain).unlink()
        path = four_stains / "images" / f"c{number:02d}.tif"
        tifffile.imwrite(path, light(number), photometric="minisblack", metadata={"axes": "CYX"})
    stain_file(four_stains, 5, "yellow").unlink()
    tifffile.imwrite(four_stains / "images" / "other.tif", light(3)[0])
    printed = run(*options(four_stains, "--channels", "rgby", "--white_level", 4095, "--on_bad_image", "skip"))
    assert "Warning: 1 images in" in printed and "\n  other.tif\n" in printed
    assert "c05_blue.png (line 7): c05_yellow is missing" in printed
    cache = open_cache(four_stains / "cache")
    assert cache.ids == [f"c{number:02d}" for number in range(COUNT) if number != 5]
    assert cache.meta["preparation"]["pattern"] == "{id}_{channel}"
    assert cache.index[1]["path"] == str(four_stains / "images" / "c01.tif")
    expected = [light(number).reshape(4, -1).mean(axis=1) / 4095 * 255 for number in range(COUNT) if number != 5]
    np.testing.assert_allclose(
        cache.gather(np.arange(COUNT - 1)).reshape(COUNT - 1, -1, 4).mean(axis=1), expected, atol=1
    )
    with (four_stains / "cache" / "skipped.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["c05"]


@pytest.mark.parametrize("form", ["ome", "imagej", "named", "unnamed"])
def test_stacks_with_a_channel_a_page(tmp_path, shell, run, form):
    (tmp_path / "images").mkdir()
    for number in range(COUNT):
        path = tmp_path / "images" / f"c{number:02d}.tif"
        plain = {"photometric": "minisblack", "compression": "deflate", "metadata": None}
        how = {"metadata": {"axes": "CYX"}, form: True} if form in ("ome", "imagej") else plain
        tifffile.imwrite(path, light(number)[:3] if form == "named" else light(number), **how)
    write_labels(tmp_path)
    call = shell if form == "ome" else run
    named = ["--channels", "rgb", "--axes", "CYX"]
    arguments = named if form == "named" else ["--channels", "dapi,gfp,er,tubulin"]
    if form == "unnamed":
        said = call(*options(tmp_path, *arguments), fails=True)
        assert "c00.tif (line 2): has 4 pages and does not say what they are" in said
        assert "--axes CYX" in said
        arguments += ["--axes", "CYX"]
        assert not (tmp_path / ".cache.partial").exists()
    call(*options(tmp_path, *arguments, "--white_level", "dtype"))
    cache = open_cache(tmp_path / "cache")
    assert cache.image_shape == (16, 16, 3 if form == "named" else 4)
    assert cache.meta["white_level"] == 65535
    assert cache.meta["preparation"]["pattern"] == ""


def test_duplicates_are_those_with_equal_channels(four_stains, run):
    for stain in STAINS:
        stain_file(four_stains, 1, stain).write_bytes(stain_file(four_stains, 0, stain).read_bytes())
    stain_file(four_stains, 3, "red").write_bytes(stain_file(four_stains, 2, "red").read_bytes())
    printed = run(*options(four_stains, "--channels", "rgby"))
    assert "1 sets of byte-identical images (2 images)" in printed


def bad_stain(folder: Path) -> str:
    stain_file(folder, 5, "yellow").unlink()
    return "c05_red.png|c05_green.png|c05_blue.png (line 7): c05_yellow is missing"


def bad_depth(folder: Path) -> str:
    for stain in STAINS:
        Image.fromarray((light(5)[0] // 16).astype(np.uint8)).save(stain_file(folder, 5, stain))
    return f"the images have several bit depths, which no single white level fits:\n  8 bits: {folder}"


def bad_depth_of_a_channel(folder: Path) -> str:
    Image.fromarray((light(5)[0] // 16).astype(np.uint8)).save(stain_file(folder, 5, "blue"))
    return "c05_blue.png has 8 bits, but the white level"


def bad_size(folder: Path) -> str:
    cv2.imwrite(str(stain_file(folder, 5, "green")), light(5)[0][:20])
    return "its channels differ in size (c05_red.png 32 × 32, c05_green.png 32 × 20, c05_blue.png 32 × 32"


def bad_float(folder: Path) -> str:
    stain_file(folder, 5, "red").unlink()
    tifffile.imwrite(stain_file(folder, 5, "red", ".tif"), light(5)[0].astype(np.float32))
    return "c05_red.tif holds floating-point values; convert all images to unsigned 16 bits"


def two_files(folder: Path) -> str:
    tifffile.imwrite(stain_file(folder, 5, "red", ".tif"), light(5)[0])
    return "c05_yellow.png (line 7): c05_red.png and c05_red.tif are the same channel; remove one"


@pytest.mark.parametrize("spoil", [bad_stain, bad_depth, bad_depth_of_a_channel, bad_size, bad_float, two_files])
def test_what_does_not_fit_is_a_line_with_the_file(four_stains, run, spoil):
    expected = spoil(four_stains)
    said = run(*options(four_stains, "--channels", "rgby"), fails=True)
    assert expected in said
    assert not (four_stains / "cache").exists()


def test_channels_that_differ_between_images_are_named(tmp_path, run):
    (tmp_path / "images").mkdir()
    for number in range(COUNT):
        stack = light(number)[: 3 if number == 4 else 4]
        path = tmp_path / "images" / f"c{number:02d}.tif"
        tifffile.imwrite(path, stack, metadata={"axes": "CYX"}, photometric="minisblack")
    write_labels(tmp_path)
    said = run(*options(tmp_path, "--channels", "rgby"), fails=True)
    assert "c04.tif (line 6): has 3 channels (RGB), but channels = rgby names 4 (red, green, blue, yellow)" in said
    said = run(*options(tmp_path, "--overwrite"), fails=True)
    assert "c00.tif (line 2): has 4 channels, which are no rgb picture; name them: preprocess.py --channels" in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--channels", "a,,b"], "channels = 'a,,b': must be rgb, gray, rgby, or different names"),
        (["--channels", "a,A"], "channels = 'a,A': must be"),
        (["--channels", "rgby", "--channel_pattern", "{id}_x"], "channel_pattern = '{id}_x': must hold {id} and"),
        (["--axes", "CXX"], "axes = 'CXX': must name each axis"),
        (["--white_level", "bright"], "white_level = 'bright': must be auto, dtype, or a number"),
        (["--channels", "rgby", "--white_level", "65536"], "white_level = '65536'"),
    ],
)
def test_options_that_make_no_sense_are_refused(four_stains, run, arguments, expected):
    assert expected in run(*options(four_stains, *arguments), fails=True)


def test_8_bit_images_keep_their_white(made_cache, run):
    meta = json.loads((made_cache / "cache.json").read_text())
    assert meta["white_level"] == 255
    folder = made_cache.parent
    arguments = ["--image_dir", folder / "images", "--labels_csv", folder / "labels.csv", "--cache_dir", folder / "no"]
    said = run("preprocess.py", *arguments, "--white_level", 200, "--workers", 1, fails=True)
    assert "white_level = 200: 8-bit images are taken as they are; leave it auto" in said


def test_stains_of_several_sources_with_columns_of_other_names(tmp_path, run):
    for name in ("one", "two"):
        write_stains(tmp_path / name)
        write_labels(tmp_path / name, path_er="c{:02d}_green.png", path_dna="c{:02d}_blue")
        table = tmp_path / name / "labels.csv"
        table.write_text(table.read_text().replace(",", ";").replace("Id;Target", "Datei;Befund"), encoding="utf-16")
    arguments = options(tmp_path, "--channels", "er,dna", "--id_column", "Datei", "--target_column", "Befund")
    arguments[2:5] = [tmp_path / "one" / "images", tmp_path / "two" / "images", "--labels_csv",
                      tmp_path / "one" / "labels.csv", tmp_path / "two"]  # fmt: skip
    arguments[6] = tmp_path / "two" / "labels.csv"
    printed = run(*arguments)
    assert "24 of these sets lie in several sources" in printed
    cache = open_cache(tmp_path / "cache")
    assert len(cache) == 2 * COUNT and cache.class_names == ["0", "1"]
    assert {row["source"] for row in cache.index} == {"one/images", "two/images"}
    assert cache.index[COUNT]["path"].startswith(str(tmp_path / "two" / "images" / "c00_green.png|"))


def test_a_set_of_16_bit_stains_that_grows_keeps_its_white(four_stains, run, monkeypatch):
    folder = four_stains
    rows = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join(rows[:-4]))
    run(*options(folder, "--channels", "rgby"))
    old = open_cache(folder / "cache")
    (folder / "labels.csv").write_text("\n".join(rows))
    for number in range(COUNT - 4, COUNT):
        for stain, plane in zip(STAINS, light(number), strict=True):
            cv2.imwrite(str(stain_file(folder, number, stain)), plane * 10)
    decoded = []
    monkeypatch.setattr(chunks, "prepare", lambda files, how: decoded.append(files) or prepare(files, how))
    arguments = options(folder, "--channels", "rgby", "--keep_split_from", folder / "cache", "--overwrite")
    printed = run(*arguments, "--near_duplicates", "join")
    assert "kept from the earlier cache" in printed
    assert f"{COUNT - 4} images are copied from {folder / 'cache'}, 4 are decoded" in printed
    assert [files[0].name for files in decoded] == [f"c{number:02d}_red.png" for number in range(COUNT - 4, COUNT)]
    new = open_cache(folder / "cache")
    assert new.meta["white_level"] == old.meta["white_level"]
    assert new.meta["preparation"] == old.meta["preparation"]
    assert new.split[: COUNT - 4] == old.split
    assert (new.gather(np.arange(COUNT - 4, COUNT)) > 250).mean() > 0.5
    printed = run(*arguments, "--white_level", "dtype")
    assert "was prepared in another way, so all images are decoded again" in printed


def test_class_folders_with_a_file_a_stain_are_refused(tmp_path, run):
    write_stains(tmp_path)
    (tmp_path / "all").mkdir()
    (tmp_path / "images").rename(tmp_path / "all" / "Golgi")
    arguments = ["--image_dir", tmp_path / "all", "--labels_csv", "--cache_dir", tmp_path / "cache"]
    said = run("preprocess.py", *arguments, "--channels", "rgby", "--workers", 1, fails=True)
    assert "class folders hold one file for each image, but Golgi/c00_" in said
    assert "give --labels_csv" in said
    assert said.count("\n") == 1


def test_zeros_stripped_from_the_ids_of_stains(four_stains, run):
    for path in sorted((four_stains / "images").iterdir()):
        path.rename(path.with_name(path.name[1:]))
    rows = [f"{number},{number % 2}" for number in range(COUNT)]
    (four_stains / "labels.csv").write_text("\n".join(["Id,Target", *rows]))
    said = run(*options(four_stains, "--channels", "red,blue"), fails=True)
    assert "line 2, id '0': no such image; 00_red.png, 00_blue.png are there, and so for the 9 other ids" in said
