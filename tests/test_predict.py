"""predict.py on new images with a tiny run, its scores against NumPy on the prepared pixels."""

import base64
import csv
import html
import io
import json
import re
import shutil
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import predict
import run_folder
from common.errors import InputError
from data.images import prediction_inputs
from data.images.image_files import prepare
from data.images.preparation import Preparation
from run_folder import ensemble

NAMES = ["red; or so", "green", "N/A"]
PREPARATION = Preparation(size=6, resize="stretch", channels="rgb")


def brightness(pixels: np.ndarray) -> np.ndarray:
    """What the run's model computes: the sigmoid of 8 (mean − 1/2) of each colour."""
    means = pixels.reshape(-1, 3).mean(axis=0) / 255
    return 1 / (1 + np.exp(-8 * (means - 0.5)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "run"
    counts = {"train": {"rows": 4, "positives": [2, 1, 1], "known": [4, 4, 4]}}
    cache = {"class_names": NAMES, "preparation": PREPARATION.as_dict(), "counts": counts}
    run_folder.create_run(directory, {"cache": cache}, overwrite=False)
    images = keras.Input(PREPARATION.shape, dtype="uint8")
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    layer = keras.layers.Dense(3, activation="sigmoid")
    model = keras.Model(images, layer(means))
    layer.set_weights([8 * np.eye(3, dtype=np.float32), np.full(3, -4, dtype=np.float32)])
    model.save(directory / run_folder.MODEL)
    run_folder.finish_run(directory)
    return directory


@pytest.fixture
def image_dir(tmp_path) -> Path:
    """Seven images of several sizes and formats, one in a subfolder, two that differ only in their extension."""
    folder = tmp_path / "new"
    (folder / "plate").mkdir(parents=True)
    generator = np.random.default_rng(0)
    names = ["007.png", "a.png", "a.jpg", "é.bmp", "plate/b,c.png", "d.v2.tif", "gray.png"]
    for number, name in enumerate(names):
        level = generator.integers(0, 256, 3)
        pixels = np.clip(level + generator.integers(-30, 30, (5 + 3 * number, 20 - number, 3)), 0, 255).astype(np.uint8)
        image = Image.fromarray(pixels)
        (image.convert("L") if name == "gray.png" else image).save(folder / name)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run_main(trained: Path, image_dir: Path, output_csv: Path, **options) -> list[dict[str, str]]:
    predict.main(predict.Config(image_dir=image_dir, run_dirs=(trained,), output_csv=output_csv, **options))
    return rows_of(output_csv)


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_every_image_gets_the_models_scores_and_classes(trained, image_dir, tmp_path, batch_size):
    rows = run_main(trained, image_dir, tmp_path / "p.csv", batch_size=batch_size, workers=2)
    files = {row["Id"]: row for row in rows}
    assert sorted(files) == ["007", "a.jpg", "a.png", "d.v2", "gray", "plate/b,c", "é"]
    for path in image_dir.rglob("*.*"):
        name = path.relative_to(image_dir).as_posix()
        row = files[name if name in files else name.rsplit(".", 1)[0]]
        expected = brightness(prepare(path, PREPARATION).astype(np.float64))
        np.testing.assert_allclose([float(row[each]) for each in NAMES], expected, atol=1e-5)
        chosen = np.flatnonzero(expected >= 0.5)
        assert row["Predicted"] == " ".join(map(str, chosen))
        assert row["classes"] == ";".join(NAMES[index] for index in chosen)


def test_the_runs_thresholds_are_used(trained, image_dir, tmp_path, capsys):
    run = run_folder.open_run(trained)
    run_folder.Run(tmp_path / "tuned", run.config).save_thresholds(np.array([0.0, 1.0, 0.5]), "fixed", {})
    plain = run_main(trained, image_dir, tmp_path / "plain.csv")
    assert "0.5 (the run has none" in capsys.readouterr().out
    tuned = run_main(trained, image_dir, tmp_path / "tuned.csv", thresholds_dir=tmp_path / "tuned")
    assert all(set(row["Predicted"].split()) & {"0", "1"} == {"0"} for row in tuned)
    assert [row["green"] for row in plain] == [row["green"] for row in tuned]
    made = json.loads((tmp_path / "tuned.csv.json").read_text(encoding="utf-8"))
    assert made["thresholds_file"] == str(tmp_path / "tuned" / "thresholds.json")
    assert made["images"] == 7


def test_scores_are_corrected_for_the_rates_of_the_new_images(trained, image_dir, tmp_path):
    rates = tmp_path / "rates.csv"
    rates.write_text('class,rate\nN/A,0.25\n"red; or so",0.9\ngreen,0.05\n', encoding="utf-8")
    plain = run_main(trained, image_dir, tmp_path / "plain.csv")
    corrected = run_main(trained, image_dir, tmp_path / "corrected.csv", class_rates=rates)
    # In training the rates were 2/4, 1/4 and 1/4, so the third stays.
    shifts = {"red; or so": np.log(9), "green": np.log(3 / 19), "N/A": 0.0}
    for before, after in zip(plain, corrected, strict=True):
        for name, shift in shifts.items():
            odds = float(before[name]) / (1 - float(before[name])) * np.exp(shift)
            assert float(after[name]) == pytest.approx(odds / (1 + odds), rel=1e-4)
            assert (name in after["classes"].split(";")) == (float(after[name]) >= 0.5) or ";" in name
    # What training showed counts, with its sampling, where the run knows it.
    run = run_folder.open_run(trained)
    run.config["shown_rates"] = [0.25, 0.5, 0.75]
    np.testing.assert_array_equal(run.class_rates(rates)[0], [0.25, 0.5, 0.75])
    rates.write_text("class,rate\nN/A,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: rate '2' must be a number from 0 to 1"):
        run_main(trained, image_dir, tmp_path / "refused.csv", class_rates=rates)


def with_settings(trained: Path, place: Path, settings: dict, **config) -> Path:
    """A copy of the run whose config.json says that it was trained with other settings."""
    shutil.copytree(trained, place)
    made = json.loads((place / "config.json").read_text(encoding="utf-8"))
    (place / "config.json").write_text(json.dumps({**made, **config, "config": settings}), encoding="utf-8")
    return place


def test_smoothed_scores_and_their_thresholds_are_corrected_together(trained, image_dir, tmp_path, capsys):
    run_dir = with_settings(trained, tmp_path / "smooth", {"loss": "bce", "label_smoothing": 0.2})
    run = run_folder.open_run(run_dir)
    run.save_thresholds(np.array([0.3, 0.6, 0.2]), "fixed", {})
    rates = tmp_path / "rates.csv"
    rates.write_text('class,rate\nN/A,0.25\n"red; or so",0.9\ngreen,0.25\n', encoding="utf-8")
    plain = run_main(run_dir, image_dir, tmp_path / "plain.csv")
    capsys.readouterr()
    corrected = run_main(run_dir, image_dir, tmp_path / "corrected.csv", class_rates=rates)
    assert "label smoothing of 0.2" in capsys.readouterr().out
    inside = 0
    for before, after in zip(plain, corrected, strict=True):
        for name, shift in {"red; or so": np.log(9), "green": 0.0, "N/A": 0.0}.items():
            chance = (float(before[name]) - 0.1) / 0.8
            if 0.01 < chance < 0.99:
                inside += 1
                odds = chance / (1 - chance) * np.exp(shift)
                assert float(after[name]) == pytest.approx(odds / (1 + odds), rel=1e-3)
        # Where rates stay, what is predicted stays too.
        assert [index for index in before["Predicted"].split() if index != "0"] == [
            index for index in after["Predicted"].split() if index != "0"
        ]
    assert inside >= 10
    assert "label smoothing of 0.2" in html.unescape((tmp_path / "corrected.html").read_text(encoding="utf-8"))


def test_a_join_has_the_mean_smoothing_and_the_mixing_of_its_runs(trained, tmp_path):
    one = with_settings(trained, tmp_path / "one", {"label_smoothing": 0.2})
    assert ensemble.open_runs([one, trained]).smoothing.tolist() == pytest.approx([0.1] * 3)
    mixed = with_settings(trained, tmp_path / "mixed", {"mixing": "cutmix"})
    with pytest.raises(InputError, match="mixing = cutmix"):
        ensemble.open_runs([one, mixed]).class_rates(tmp_path / "rates.csv")


@pytest.mark.parametrize(
    ("settings", "config", "message"),
    [
        ({"mixing": "mixup"}, {}, r"mixing = mixup.*--mixing off"),
        ({"mixing": "off", "augmented": ["a", "b"]}, {"soft_labels": ["b"]}, r"augmented = b.*without --class_rates"),
        ({"label_smoothing": 1.0}, {}, r"label_smoothing = 1 leaves nothing"),
    ],
)
def test_scores_that_cannot_be_corrected_are_refused_by_name(trained, image_dir, tmp_path, settings, config, message):
    run_dir = with_settings(trained, tmp_path / "other", settings, **config)
    rates = tmp_path / "rates.csv"
    rates.write_text('class,rate\nN/A,0.25\n"red; or so",0.9\ngreen,0.25\n', encoding="utf-8")
    run_main(run_dir, image_dir, tmp_path / "plain.csv", page=False)
    with pytest.raises(InputError, match=message):
        run_main(run_dir, image_dir, tmp_path / "refused.csv", class_rates=rates)


def test_the_challenge_form_keeps_the_samples_order_and_ids(trained, image_dir, tmp_path, capsys):
    sample = tmp_path / "sample.csv"
    sample.write_text(
        "\ufeffid,Predicted\nplate/b,\n007,0\na.png,1 2\n\n".replace("plate/b", '"plate/b,c"'), encoding="utf-8"
    )
    rows = run_main(trained, image_dir, tmp_path / "c.csv", format="challenge", sample_file=sample, batch_size=2)
    assert [row["Id"] for row in rows] == ["plate/b,c", "007", "a.png"]
    assert list(rows[0]) == ["Id", "Predicted"]
    table = {row["Id"]: row["Predicted"] for row in run_main(trained, image_dir, tmp_path / "t.csv")}
    assert all(row["Predicted"] == table[row["Id"]] for row in rows)
    printed = capsys.readouterr().out
    assert "4 images are not in" in printed
    assert "gray.png" in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Id,Predicted\n007,\nnothere,\n../x,\n", r"(?s)line 3, id 'nothere': no such image.*line 4.*outside"),
        ("Id,Predicted\na,\n", "fits 2 images"),
        ("Name,Predicted\n007,\n", "sample.csv: no column Id; its columns are 'Name', 'Predicted'"),
        ("", "sample.csv is empty"),
        ("Id\n", "has a header but no rows"),
        ("Id,ID\n007,008\n", "2 columns are called 'Id'"),
        ("Id,Predicted\n007\n ,1\nnothere,\n", "(?s)line 2: 1 fields .* 2.*line 3: the Id is empty.*line 4.*no such"),
        ("Id,Predicted\n007,\ngray,\n007,\n", "line 4, id '007': names the same image as"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(trained, image_dir, tmp_path, text, message):
    sample = tmp_path / "sample.csv"
    sample.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        run_main(trained, image_dir, tmp_path / "c.csv", format="challenge", sample_file=sample)
    assert not (tmp_path / "c.csv").exists()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Id;Predicted\r\né;\r\n007;0 1\r\n", "utf-8-sig"),
        ("Id\tPredicted\né\t\n007\t0\n", "utf-16"),
        ("sep=;\nImage Name;Predicted\né;\n007;\n", "windows-1252"),
        ("Predicted,filename,\n,é.bmp,\n\n0,007.png,\n", "utf-8"),
        ("Id\ne\u0301\n007\n", "utf-8"),
    ],
)
def test_samples_of_any_spreadsheet_are_read(trained, image_dir, tmp_path, text, encoding):
    sample = tmp_path / "sample.csv"
    sample.write_bytes(text.encode(encoding))
    rows = run_main(trained, image_dir, tmp_path / "c.csv", format="challenge", sample_file=sample)
    # As the sample writes them, so that who compares the two files finds each id.
    written = ["é.bmp", "007.png"] if "filename" in text else ["e\u0301" if "e\u0301" in text else "é", "007"]
    assert [row["Id"] for row in rows] == written


def test_short_rows_of_a_sample_with_a_file_a_channel_are_named(tmp_path):
    (tmp_path / "007_red.png").touch()
    sample = tmp_path / "sample.csv"
    sample.write_text("Id,path_red,path_green\n007,007_red.png\n008,008_red.png,008_green.png\n", encoding="utf-8")
    stains = Preparation(size=6, resize="stretch", channels="red,green", pattern="{id}_{channel}")
    with pytest.raises(InputError, match=r"(?s)line 2: 2 fields where the header has 3.*line 3.*path_red.*no such"):
        prediction_inputs.chosen_images(tmp_path, sample, stains)


def damage(image_dir: Path) -> None:
    (image_dir / "empty.png").write_bytes(b"")
    (image_dir / "text.jpg").write_text("not an image")
    whole = (image_dir / "a.jpg").read_bytes()
    (image_dir / "a.jpg").write_bytes(whole[:-40])


def test_images_that_cannot_be_decoded_stop_the_run_with_their_list(trained, image_dir, tmp_path):
    damage(image_dir)
    with pytest.raises(InputError, match=r"(?s)2 of 9 images cannot be decoded.*empty\.png is empty.*text\.jpg"):
        run_main(trained, image_dir, tmp_path / "p.csv")
    (image_dir / "empty.png").unlink()
    (image_dir / "text.jpg").unlink()
    # A truncated file passes the look at the headers.
    with pytest.raises(InputError, match=r"(?s)1 of 7 images cannot be decoded.*a\.jpg"):
        run_main(trained, image_dir, tmp_path / "p.csv", batch_size=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]


def test_images_that_cannot_be_decoded_are_left_out_and_named(trained, image_dir, tmp_path, capsys):
    damage(image_dir)
    rows = run_main(trained, image_dir, tmp_path / "p.csv", on_bad_image="skip", batch_size=2)
    assert [row["Id"] for row in rows] == ["007", "a.png", "d.v2", "gray", "é", "plate/b,c"]
    assert "3 images cannot be decoded and are left out" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "p.csv.json").read_text(encoding="utf-8"))["skipped"]) == 3
    sample = tmp_path / "sample.csv"
    sample.write_text("Id\nempty\n007\n", encoding="utf-8")
    rows = run_main(trained, image_dir, tmp_path / "c.csv", on_bad_image="skip", format="challenge", sample_file=sample)
    assert rows[0] == {"Id": "empty", "Predicted": ""}
    for path in image_dir.rglob("*.*"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="none of the 9 images can be decoded"):
        run_main(trained, image_dir, tmp_path / "none.csv", on_bad_image="skip")


def test_an_earlier_output_is_replaced_only_when_asked(trained, image_dir, tmp_path):
    run_main(trained, image_dir, tmp_path / "p.csv")
    with pytest.raises(InputError, match="--overwrite"):
        run_main(trained, image_dir, tmp_path / "p.csv")
    assert len(run_main(trained, image_dir, tmp_path / "p.csv", overwrite=True)) == 7


def test_a_page_shows_the_images_beside_their_predictions(trained, image_dir, tmp_path, capsys):
    Image.new("RGB", (6, 6), (250, 20, 20)).save(image_dir / "<i>red</i>.png".replace("/", "\u2044"))
    rows = run_main(trained, image_dir, tmp_path / "p.csv", batch_size=3)
    assert f"Page: {tmp_path / 'p.html'}" in capsys.readouterr().out
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "<i>red" not in page
    for row in rows:
        assert html.escape(row["Id"]) in page
    surest = re.search(r'id="images-0".*?<img src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)"', page, re.DOTALL)
    assert html.unescape(surest[2]) == "<i>red<\u2044i>"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(surest[1]))).convert("RGB"), dtype=int)
    assert np.abs(pixels - [250, 20, 20]).max() < 20
    (tmp_path / "p.csv").unlink()
    (tmp_path / "p.csv.json").unlink()
    with pytest.raises(InputError, match=r"p\.html exists; give --overwrite"):
        run_main(trained, image_dir, tmp_path / "p.csv")
    run_main(trained, image_dir, tmp_path / "q.csv", page=False)
    assert not (tmp_path / "q.html").exists() and "was not updated" not in capsys.readouterr().out
    run_main(trained, image_dir, tmp_path / "p.csv", page=False, overwrite=True)
    stale = f"Warning: {tmp_path / 'p.html'} was not updated: it still shows earlier predictions\n"
    assert stale in capsys.readouterr().out


def test_no_other_file_is_replaced(trained, image_dir, tmp_path):
    (tmp_path / "config.json").write_text("of a run")
    run_main(trained, image_dir, tmp_path / "config.csv")
    assert (tmp_path / "config.json").read_text() == "of a run"
    (tmp_path / "p.csv.json").write_text("of an earlier prediction")
    with pytest.raises(InputError, match=r"p\.csv\.json exists; give --overwrite"):
        run_main(trained, image_dir, tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_csv": Path("predictions.txt")}, "must end in .csv"),
        ({"image_dir": Path("nowhere")}, "nowhere is not a folder"),
        ({"run_dirs": ()}, "run_dirs is empty"),
        ({"run_dirs": (Path("nowhere"),)}, "nowhere is not a run"),
        ({"sample_file": Path("nowhere.csv")}, "nowhere.csv cannot be read: No such file"),
    ],
)
def test_mistakes_are_said_in_a_line(trained, image_dir, tmp_path, options, message):
    given = {"image_dir": image_dir, "run_dirs": (trained,), "output_csv": tmp_path / "p.csv", **options}
    with pytest.raises(InputError, match=message):
        predict.main(predict.Config(**given))


def test_a_model_that_does_not_fit_is_found_before_the_images_are_read(trained, image_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_inputs, "damaged_headers", lambda *arguments: pytest.fail("the images were read"))
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / "model.keras").write_bytes(b"")
    with pytest.raises(InputError, match=r"model\.keras is missing or empty"):
        run_main(tmp_path / "run", image_dir, tmp_path / "p.csv")


def test_decoding_stays_close_to_who_asks_for_it(image_dir, monkeypatch):
    asked = []
    monkeypatch.setattr(
        prediction_inputs, "prepare", lambda path, preparation: asked.append(path) or np.zeros((1, 1, 3), np.uint8)
    )
    paths = [image_dir / str(number) for number in range(100)]
    batches = prediction_inputs.decoded(paths, [PREPARATION], batch_size=4, workers=2)
    number, first = next(batches)
    assert (number, list(first)) == (0, [0, 1, 2, 3])
    assert len(asked) <= 4 + 2 * 4 + 2
    assert [list(batch) for _, batch in batches][-1] == [96, 97, 98, 99]
    assert len(asked) == 100


def test_threads_end_with_a_prediction_that_fails(trained, image_dir, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no room")

    monkeypatch.setattr(predict, "cells", full)
    with pytest.raises(OSError, match="no room") as kept:
        run_main(trained, image_dir, tmp_path / "p.csv", batch_size=1, workers=2)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
    assert kept.tb and not (tmp_path / "p.csv").exists()


def test_mistakes_are_found_without_loading_the_backend(trained, image_dir, tmp_path, shell):
    code = (
        "import sys, predict; from pathlib import Path; from common.errors import InputError\n"
        "try: predict.main(predict.Config(image_dir=Path(sys.argv[1]), run_dirs=(Path(sys.argv[2]),)))\n"
        "except InputError as error: print(error)\n"
        "print('loaded:', {'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    )
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "predictions.csv").write_text("of an earlier prediction")
    (tmp_path / "empty").mkdir()
    for folder, said in (("nowhere", "is not a folder"), ("empty", "holds no image"), (image_dir, "csv exists; give")):
        printed = shell("-c", code, tmp_path / folder, run)
        assert said in printed and "loaded: set()" in printed
