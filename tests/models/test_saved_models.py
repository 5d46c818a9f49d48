"""The model that was trained, model.keras, predict.py and ONNX are one function, for every model."""

import keras
import numpy as np
import onnxruntime
import pytest
from scipy.special import expit

import export
import models
import run_folder
from data.images.preparation import Preparation
from data.labels.hierarchy import Tree
from run_folder.predictor import Predictor

SIDE, NAMES = 32, ["a", "b", "c", "P"]
SCALING = {"mean": [120.0, 110.0, 100.0], "std": [50.0, 60.0, 70.0]}
TREE = Tree(NAMES, [3, 3, -1, -1], classes=3)
CASES = {
    "cnn": {"batch_norm": True}, "vgg16": {"batch_norm": True, "dense_units": 8}, "residual": {}, "resnet50": {},
    "backbone": {"backbone": "EfficientNetB0", "weights": "own.weights.h5"},
    "hierarchical": {"extractor": "cnn", "batch_norm": True, "units": 8, **TREE.tables()},
}  # fmt: skip


def imagenet_like(path) -> None:
    """Weights of EfficientNetB0 whose `Normalization` has numbers, as ImageNet's have."""
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(None, None, 3))
    layer = next(each for each in network.layers if isinstance(each, keras.layers.Normalization))
    layer.set_weights([np.array([0.5, 0.4, 0.3]), np.array([0.05, 0.04, 0.06]), np.array(0)])
    network.save_weights(path)


def trained(name: str, options: dict, images: np.ndarray) -> keras.Model:
    """A model whose every weight has moved."""
    keras.utils.set_random_seed(0)
    model = models.build(name, (SIDE, SIDE, 3), len(NAMES), **SCALING, **options)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5  # else two steps leave the statistics near where they begin, and scores alike
    before = model.get_weights()
    model.compile(
        keras.optimizers.Adam(1e-4), keras.losses.BinaryCrossentropy(from_logits=True), run_eagerly=False,
        jit_compile=False,
    )  # fmt: skip
    for _ in range(2):
        model.train_on_batch(images, np.random.default_rng(1).integers(0, 2, (len(images), len(NAMES))))
    assert not any(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
    return model


@pytest.mark.parametrize("name", CASES)
def test_scores_are_the_same_in_memory_and_in_every_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "weights" in CASES[name]:
        imagenet_like("own.weights.h5")
    images = np.random.default_rng(0).integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    model = trained(name, CASES[name], images)
    scores = expit(np.asarray(model(images, training=False)))
    assert scores.std(axis=0).max() > 1e-4  # they depend on the image

    preparation = Preparation(size=SIDE, resize="stretch", channels="rgb").as_dict()
    counts = {"train": {"positives": [1] * len(NAMES), "known": [2] * len(NAMES)}}
    run_folder.create_run(
        tmp_path / "run", {"cache": {"class_names": NAMES, "preparation": preparation, "counts": counts}}, False
    )
    models.with_probabilities(models.in_float32(model)).save(tmp_path / "run" / run_folder.MODEL)
    run_folder.finish_run(tmp_path / "run")
    run = run_folder.open_run(tmp_path / "run")

    loaded = keras.models.load_model(run.directory / run_folder.MODEL, compile=False)
    np.testing.assert_allclose(np.asarray(loaded(images, training=False)), scores, atol=1e-5)
    np.testing.assert_allclose(Predictor(run).score([[image] for image in images], 4), scores, atol=1e-5)
    export.converted(loaded, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"images": images})[0], scores, atol=1e-5)


def test_weights_that_were_assigned_are_taken_up_by_a_normalisation():
    """`set_weights` alone does not change what such a layer computes with."""
    twin = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Normalization(), keras.layers.Flatten()])
    values = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), np.array(0)]
    twin.set_weights(values)
    models.scaling.take_up_weights(twin)
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    expected = ((images - values[0]) / np.sqrt(values[1])).reshape(2, -1)
    np.testing.assert_allclose(np.asarray(twin(images)), expected, rtol=1e-5, atol=1e-6)
