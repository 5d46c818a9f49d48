"""Heat maps in the report, of a model built to see red and green squares, whose places are known."""

import base64
import csv
import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

import evaluate
import run_folder
from data.cache import cache as caches
from evaluation.evaluation import Evaluation
from evaluation.figures import EvaluatedSplit
from report import overlays

NAMES = ["<i>red</i>", "green"]


def pixels(rng: np.random.Generator, labels: tuple[int, int], quadrant: int) -> np.ndarray:
    """Dark noise (32, 32, 3) with a red and a green square, one over the other's place, for the labels that are 1."""
    image = rng.integers(0, 60, (32, 32, 3), dtype=np.uint8)
    for channel, has in enumerate(labels):
        top, left = 16 * (quadrant // 2) + 4, 16 * (quadrant % 2) + 4
        image[top : top + 8, left : left + 8, channel] = 250 if has else 0
        quadrant = (quadrant + 1) % 4
    return image


@pytest.fixture(scope="module")
def squares(tmp_path_factory, called) -> Path:
    """A cache of 24 images, id q-NUMBER with the red square in quadrant q and the green one in the next."""
    folder = tmp_path_factory.mktemp("squares")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Id", *NAMES, "split"])
        for number in range(24):
            labels, quadrant = ((1, 0), (0, 1), (1, 1), (0, 0))[number % 4], (number // 4) % 4
            Image.fromarray(pixels(rng, labels, quadrant)).save(folder / "images" / f"{quadrant}-{number}.png")
            writer.writerow([f"{quadrant}-{number}", *labels, ("train", "val", "test")[number // 8]])
    called("preprocess.py", "--image_dir", folder / "images", "--labels_csv", folder / "labels.csv",
           "--cache_dir", folder / "cache", "--size", 32)  # fmt: skip
    return folder / "cache"


def seeing(sees: int, classes: int = 2) -> keras.Model:
    """Probabilities of a square of each colour, from the brightest place of the channel `sees`, `sees` + 1, …"""
    images = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Conv2D(classes, 1, activation="relu", name="colours")(keras.layers.Rescaling(1 / 255)(images))
    outputs = keras.layers.Dense(classes, activation="sigmoid", name="heads")(keras.layers.GlobalMaxPooling2D()(x))
    model = keras.Model(images, outputs)
    kernel = np.eye(3, dtype=np.float32)[None, None, :, sees : sees + classes]
    model.get_layer("colours").set_weights([kernel, np.full(classes, -0.4, np.float32)])
    model.get_layer("heads").set_weights([30 * np.eye(classes, dtype=np.float32), np.full(classes, -9, np.float32)])
    return model


def make_run(directory: Path, cache_dir: Path, model: keras.Model, columns: tuple[int, ...] = (0, 1)) -> Path:
    """A finished run of some of the cache's classes, with the model's scores."""
    cache = caches.open_cache(cache_dir)
    counts = {split: {key: [each[key][column] for column in columns] if key != "rows" else each[key] for key in each}
              for split, each in cache.meta["counts"].items()}  # fmt: skip
    meta = {**cache.meta, "class_names": [cache.class_names[column] for column in columns], "counts": counts}
    run_folder.create_run(directory, {"cache": meta, "config": {"cache_dir": str(cache_dir)}}, overwrite=False)
    for split in ("train", "val", "test"):
        rows = cache.rows(split)
        scores = np.asarray(model(cache.gather(rows), training=False))
        run_folder.write_scores(directory, split, [cache.ids[row] for row in rows], scores,
                                cache.labels[np.ix_(rows, columns)])  # fmt: skip
    model.save(directory / run_folder.MODEL)
    run_folder.finish_run(directory)
    return directory


@pytest.fixture(scope="module")
def run_dir(squares, tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "run", squares, seeing(0))


@pytest.fixture(autouse=True)
def no_charts(monkeypatch):
    monkeypatch.setattr("report.charts.draw", lambda *arguments: [])


def section(run_dirs: tuple[Path, ...], **options) -> str:
    """The page's part on heat maps, or nothing."""
    evaluate.main(evaluate.Config(run_dirs=run_dirs, draws=0, gallery=0, **options))
    directory = options.get("output_dir") or run_dirs[0] / "report"
    page = (directory / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<h2 id="overlays">.*?(?=<h2 id=)', page, re.DOTALL)
    return found[0] if found else ""


def pictures(text: str) -> list[np.ndarray]:
    urls = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url)))).astype(int) for url in urls]


def test_the_heat_of_a_class_lies_on_its_square(run_dir, capsys):
    text = section((run_dir,), overlays=3)
    items = re.findall(r"<li>.*?</li>", text, re.DOTALL)
    assert "Heat maps" in capsys.readouterr().out
    assert [re.search(r"<b>(.*?)</b>", item)[1] for item in items] == ["&lt;i&gt;red&lt;/i&gt;", "green"]
    for number, item in enumerate(items):
        assert ">found</span>" in item
        image, heat = pictures(item)
        quadrant = (int(re.search(r'class="id">(\d)-', item)[1]) + number) % 4
        middle = (56 + 112 * (quadrant // 2), 56 + 112 * (quadrant % 2))
        # The image as it is: there the square of the class.
        assert image[middle][number] > 200
        # Colour is what gray has not, and it is nowhere but on the square.
        colour = heat.max(axis=2) - heat.min(axis=2)
        assert colour[middle] > 40
        away = np.ones((224, 224), bool)
        away[middle[0] - 40 : middle[0] + 40, middle[1] - 40 : middle[1] + 40] = False
        assert np.percentile(colour[away], 99) < 20


def test_no_model_is_loaded_where_no_map_is_asked_for_or_no_image_there(run_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_folder.Run, "load_model", lambda self: pytest.fail("the model was loaded"))
    assert section((run_dir,), overlays=0) == ""
    assert section((run_dir,), overlays=2, cache_dir=tmp_path / "moved") == ""
    printed = capsys.readouterr().out
    assert f"in the cache {tmp_path / 'moved'}, which is not there" in printed
    assert "Heat maps" not in printed


def test_what_stands_in_the_way_of_maps_is_said_and_the_report_written(run_dir, squares, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(squares, other)
    meta = json.loads((other / "cache.json").read_text(encoding="utf-8"))
    (other / "cache.json").write_text(json.dumps({**meta, "fingerprint": "of another cache"}), encoding="utf-8")
    text = section((run_dir,), overlays=2, cache_dir=other, output_dir=tmp_path / "report")
    assert f"has no heat maps: the cache {other} is another one than it was trained on." in text
    inputs = keras.Input((32, 32, 3), dtype="uint8")
    dense = keras.layers.Dense(2, activation="sigmoid")(keras.layers.Flatten()(inputs))
    flat = make_run(tmp_path / "flat", squares, keras.Model(inputs, dense, name="flat"))
    assert "flat has no maps to look at: none of its layers has height and width." in section((flat,), overlays=2)
    (flat / run_folder.MODEL).unlink()
    assert "model.keras is missing or empty" in section((flat,), overlays=2)


def test_of_joined_runs_the_first_that_knows_a_class_draws_its_map(squares, tmp_path, monkeypatch):
    red = make_run(tmp_path / "red", squares, seeing(0, 1), (0,))
    both = make_run(tmp_path / "both", squares, seeing(0))
    asked = []
    drawn = overlays.heat_maps
    monkeypatch.setattr(overlays, "heat_maps", lambda model, images, classes: asked.append(
        (model.output_shape[-1], list(classes))) or drawn(model, images, classes))  # fmt: skip
    text = section((red, both), overlays=2, output_dir=tmp_path / "report")
    assert asked == [(1, [0]), (2, [1])]
    assert len(pictures(text)) == 4
    assert "Each map is that of the first run that knows the class" in text


def evaluated(labels: np.ndarray, scores: np.ndarray) -> Evaluation:
    """As much of an evaluation as `picks` looks at, at 0.5, the classes in order of their size."""
    rows = [{"class": f"c{column}", "training_images": 100 - column, "support": int((labels[:, column] == 1).sum())}
            for column in range(labels.shape[1])]  # fmt: skip
    part = EvaluatedSplit(labels, scores, {"0.5": scores >= 0.5})
    return SimpleNamespace(rows={"0.5": rows}, columns=range(labels.shape[1]), part=part, choice="0.5")


def test_large_medium_and_small_classes_take_turns_and_a_third_are_false_alarms():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, (60, 6)), rng.random((60, 6))
    scores[:, 5] = np.minimum(scores[:, 5], 0.4)  # never predicted
    labels[7] = 255
    scores[7, :5] = 1
    found = evaluated(labels, scores)
    chosen = overlays.picks(found, 9)
    assert [(pick.column, pick.kind) for pick in chosen] == [
        (0, "found"), (2, "found"), (4, "found"), (1, "found"), (3, "found"), (5, "missed"),
        (0, "false alarm"), (2, "false alarm"), (4, "false alarm"),
    ]  # fmt: skip
    for pick in chosen:
        wanted = labels[:, pick.column] == (pick.kind != "false alarm")
        assert scores[pick.row, pick.column] == scores[wanted, pick.column].max()
    assert [pick.kind for pick in overlays.picks(found, 1)] == ["found"]
    assert len(overlays.picks(found, 100)) == 11
    assert overlays.picks(found, 0) == []
    # Without false alarms, hits fill their places.
    perfect = evaluated(labels, (labels == 1) * 0.9)
    assert [pick.kind for pick in overlays.picks(perfect, 6)] == ["found"] * 6


def test_where_there_is_no_heat_the_image_is_seen_in_gray():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    cold = overlays.heated(image, np.zeros((3, 4), np.float32))
    np.testing.assert_array_equal(cold, np.rint(0.75 * image.max(axis=2, keepdims=True).repeat(3, axis=2)))
    luminance = [int(colour[1:3], 16) * 0.2126 + int(colour[3:5], 16) * 0.7152 + int(colour[5:], 16) * 0.0722
                 for colour in overlays.legend()]  # fmt: skip
    assert len(luminance) == 9
    assert luminance[-1] > luminance[0] + 60
