"""export.py: the written files against the model, and the page's example against the toolkit."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

import export
import run_folder
from common.errors import InputError
from data.images.image_files import prepare
from data.images.preparation import Preparation

PAGE = Path(__file__).parents[1] / "docs" / "export.md"
SIDE, NAMES = 8, ["nucleus", "cytosol, diffuse"]


def run_of(directory: Path, model: keras.Model) -> Path:
    """A finished run without thresholds that holds the model."""
    counts = {"train": {"rows": 4, "positives": [2, 1], "known": [4, 4]}}
    preparation = Preparation(size=SIDE, resize="pad", channels="gray")
    cache = {"class_names": NAMES, "preparation": preparation.as_dict(), "counts": counts}
    run_folder.create_run(directory, {"cache": cache}, overwrite=False)
    model.save(directory / run_folder.MODEL)
    run_folder.finish_run(directory)
    return directory


def model_of(*layers: keras.Layer) -> keras.Model:
    images = x = keras.Input((SIDE, SIDE, 1), dtype="uint8", name="images")
    for layer in (keras.layers.Rescaling(1 / 255), *layers, keras.layers.GlobalAveragePooling2D()):
        x = layer(x)
    return keras.Model(images, keras.layers.Dense(2, activation="sigmoid", dtype="float32")(x))


def noise(count: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.fixture(scope="module")
def exported(made_run, tmp_path_factory) -> Path:
    """A copy of the run alone, exported in both formats."""
    run = tmp_path_factory.mktemp("export") / "runs" / "cnn"
    shutil.copytree(made_run, run, ignore=shutil.ignore_patterns("scores", "checkpoint", "report"))
    export.main(export.Config(run_dirs=(run,), formats=("onnx", "saved_model")))
    return run


def test_onnx_runtime_gives_the_models_probabilities(exported):
    session = onnxruntime.InferenceSession(exported / "export" / "model.onnx")
    model = run_folder.open_run(exported).load_model()
    # Any number of images at once.
    for count in (1, 7):
        images = noise(count, model.input_shape[1:])
        scores = session.run(["probabilities"], {"images": images})[0]
        np.testing.assert_allclose(scores, np.asarray(model(images, training=False)), atol=1e-5, rtol=0)


def test_the_saved_model_gives_the_models_probabilities(exported):
    import tensorflow

    served = tensorflow.saved_model.load(str(exported / "export" / "saved_model"))
    model = run_folder.open_run(exported).load_model()
    images = noise(3, model.input_shape[1:])
    expected = np.asarray(model(images, training=False))
    np.testing.assert_allclose(served.serve(images).numpy(), expected, atol=1e-5, rtol=0)


def test_both_say_classes_thresholds_and_preparation(exported):
    run = run_folder.open_run(exported)
    session = onnxruntime.InferenceSession(exported / "export" / "model.onnx")
    stored = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    beside = json.loads((exported / "export" / "saved_model" / export.DESCRIPTION).read_text())
    assert stored == beside
    assert stored["class_names"] == run.class_names
    np.testing.assert_allclose(stored["thresholds"], run.thresholds(), rtol=1e-6)
    assert stored["thresholds_tuned"] is True and stored["at_least_one"] is False
    assert Preparation.from_dict(stored["preparation"]) == Preparation.from_dict(run.preparation)
    assert [entry.shape for entry in session.get_inputs()] == [["batch", *stored["image_shape"]]]


def test_the_example_of_the_page_gives_what_the_toolkit_gives(exported, made_set, tmp_path):
    from PIL import Image

    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    folder = tmp_path
    shutil.copytree(exported / "export", folder / "exported")
    source = next((made_set / "images").glob("*.jpg"))
    Image.open(source).save(folder / "new_image.png")
    # Isolated (-P leaves the current folder out), so that nothing of the toolkit can be imported.
    answer = subprocess.run([sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    run = run_folder.open_run(exported)
    pixels = prepare(folder / "new_image.png", Preparation.from_dict(run.preparation))
    expected = np.asarray(run.load_model()(pixels[None], training=False))[0]
    lines = answer.stdout.splitlines()
    assert [line[:30].strip() for line in lines] == run.class_names
    np.testing.assert_allclose([float(line[30:].split()[0]) for line in lines], expected, atol=6e-4)
    assert [line.endswith("yes") for line in lines] == (expected >= run.thresholds()).tolist()
    assert len(code.strip().splitlines()) <= 10


def test_the_example_and_bare_comparisons_decide_as_the_toolkit_does(tmp_path):
    import onnx
    from PIL import Image

    # Near 0 and 1, above 1, between neighbours of float32, in the middle of two, and as a person writes them.
    half, one = np.float32(0.5), np.float32(1)
    cuts = [0.0, 1e-50, 1e-45, 0.1, 0.3, float(half), (half + np.nextafter(half, one, dtype=np.float32)) / 2]
    cuts = np.array([*cuts, 0.5 + 1e-9, 1 - 1e-9, 1.0, np.nextafter(1.0, 2), 1 + 1e-7, 1.000001], dtype=np.float64)
    at = cuts.astype(np.float32)
    scores = np.concatenate([at, np.nextafter(at, np.float32(0)), np.nextafter(at, np.float32(2))]).clip(0, 1)
    cuts = np.tile(cuts, 3)
    names = [f"class {number}" for number in range(len(cuts))]
    preparation = Preparation(size=SIDE, resize="stretch", channels="rgb").as_dict()
    counts = {"train": {"rows": 4, "positives": [1] * len(cuts), "known": [4] * len(cuts)}}
    cache = {"class_names": names, "preparation": preparation, "counts": counts}
    run_folder.create_run(tmp_path / "run", {"cache": cache}, overwrite=False)
    run_folder.finish_run(tmp_path / "run")
    run = run_folder.open_run(tmp_path / "run")
    run.save_thresholds(cuts, "fixed", {})
    decided = run.decision().predictions(scores[None])[0].tolist()
    assert any(decided) and not all(decided)

    described, _ = export.description(run, None)
    exported = described["thresholds"]
    for naive in (
        [bool(score >= cut) for score, cut in zip(scores, exported, strict=True)],  # in float32
        [score >= cut for score, cut in zip(scores.tolist(), exported, strict=True)],
        (scores >= np.array(exported)).tolist(),
        (scores >= np.array(exported, dtype=np.float32)).tolist(),
    ):
        assert naive == decided

    make, kind = onnx.helper, onnx.TensorProto
    value = onnx.numpy_helper.from_array(scores[None], "value")
    images = make.make_tensor_value_info("images", kind.UINT8, [1, SIDE, SIDE, 3])
    output = make.make_tensor_value_info("probabilities", kind.FLOAT, [1, len(cuts)])
    node = make.make_node("Constant", [], ["probabilities"], value=value)
    model = make.make_model(make.make_graph([node], "constant", [images], [output]), ir_version=8,
                            opset_imports=[make.make_opsetid("", 13)])  # fmt: skip
    (tmp_path / "exported").mkdir()
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "new_image.png")
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    for given in (described, {**described, "thresholds": cuts.tolist()}):  # a file of an earlier export too
        make.set_model_props(model, {name: json.dumps(each) for name, each in given.items()})
        onnx.save(model, tmp_path / "exported" / "model.onnx")
        command = [sys.executable, "-P", "-c", code]
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert [line.endswith("yes") for line in answer.stdout.splitlines()] == decided


def test_a_pyramid_takes_images_of_any_size_elsewhere_too(tmp_path):
    from models.pyramid import SpatialPyramidPooling

    images = keras.Input((None, None, 1), dtype="uint8", name="images")
    x = keras.layers.Rescaling(1 / 255)(images)
    x = SpatialPyramidPooling((1, 2, 3))(keras.layers.Conv2D(4, 3, strides=2)(x))
    model = keras.Model(images, keras.layers.Dense(2, activation="sigmoid", dtype="float32")(x))
    export.main(export.Config(run_dirs=(run_of(tmp_path / "run", model),), output_dir=tmp_path / "out"))
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    for shape in ((32, 32, 1), (48, 48, 1), (17, 40, 1), (3, 3, 1)):
        found = session.run(["probabilities"], {"images": noise(2, shape)})[0]
        np.testing.assert_allclose(found, np.asarray(model(noise(2, shape), training=False)), atol=1e-5, rtol=0)


@keras.saving.register_keras_serializable("test_export")
class Doubled(keras.layers.Layer):
    """A layer that neither Keras nor ONNX knows."""

    def call(self, inputs):
        return 2 * inputs


def test_layers_of_our_own_and_half_precision_are_exported(tmp_path, capsys):
    model = model_of(keras.layers.Conv2D(4, 3, dtype="mixed_bfloat16"), Doubled())
    run = run_of(tmp_path / "run", model)
    export.main(export.Config(run_dirs=(run,), output_dir=tmp_path / "out"))
    printed = capsys.readouterr().out
    assert "thresholds: 0.5 (the run has none" in printed
    assert "ONNX Runtime gives the model's probabilities to within" in printed
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert (json.loads(metadata["thresholds"]), json.loads(metadata["thresholds_tuned"])) == ([0.5, 0.5], False)
    images = noise(3, (SIDE, SIDE, 1))
    kernel, bias, dense, offset = (array.astype(np.float64) for array in model.get_weights())
    windows = np.lib.stride_tricks.sliding_window_view(images[..., 0] / 255, (3, 3), axis=(1, 2))
    features = 2 * (np.einsum("nhwij,ijf->nhwf", windows, kernel[:, :, 0]) + bias).mean(axis=(1, 2))
    expected = 1 / (1 + np.exp(-(features @ dense + offset)))
    np.testing.assert_allclose(session.run(None, {"images": images})[0], expected, atol=1e-5)


def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(exported, tmp_path, monkeypatch):
    run = run_of(tmp_path / "run", model_of(keras.layers.Dense(3, activation="gelu")))
    with pytest.raises(InputError, match="knows no ONNX operation for Erfc"):
        export.main(export.Config(run_dirs=(run,)))
    monkeypatch.setattr(export, "LARGEST_ONNX", 30)
    with pytest.raises(InputError, match="an ONNX file holds 2 GB at most; give --formats saved_model"):
        export.main(export.Config(run_dirs=(run,)))
    monkeypatch.setattr(export, "LARGEST_ONNX", 2_000_000_000)
    monkeypatch.setattr(export, "AGREEMENT", -1.0)
    with pytest.raises(InputError, match="from the model's: nothing was written"):
        export.main(export.Config(run_dirs=(exported,), output_dir=tmp_path / "apart"))
    assert [path for folder in (run / "export", tmp_path / "apart") for path in folder.rglob("*")] == []


def test_an_earlier_export_is_replaced_only_when_asked(exported, capsys):
    path = exported / "export" / "saved_model"
    before = path.stat().st_ino
    for formats in (("onnx",), ("saved_model",)):
        with pytest.raises(InputError, match="exists; give --overwrite to replace it"):
            export.main(export.Config(run_dirs=(exported,), formats=formats))
    (path / "stale").touch()
    export.main(export.Config(run_dirs=(exported,), formats=("saved_model",), overwrite=True))
    assert not (path / "stale").exists()
    assert path.stat().st_ino != before
    assert "TensorFlow gives the model's probabilities" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run_dirs": (Path("a"), Path("b"))}, "run_dirs holds 2 runs"),
        ({"formats": ()}, "formats is empty; give one or more of onnx, saved_model"),
        ({"thresholds_dir": Path("nowhere")}, "thresholds.json does not exist"),
    ],
)
def test_a_mistake_is_one_clear_line(exported, options, message):
    with pytest.raises(InputError, match=message):
        export.main(export.Config(**{"run_dirs": (exported,), "overwrite": True, **options}))
