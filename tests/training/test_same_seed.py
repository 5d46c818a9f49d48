"""One seed gives one result: split, order, augmentation, initialisation and dropout follow from it, in every model."""

import io
import shutil
import typing
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import preprocess
import train

TOGETHER = {
    "epochs": 1, "steps_per_epoch": 2, "batch_size": 8, "train_metrics_every": 0, "dropout": 0.5, "workers": 2,
    "operations": ("quarter_turns", "flips", "rotation", "brightness", "noise"), "mixing": "mixup",
}  # fmt: skip
PLAIN = {"optimizer": "sgd", "momentum": 0.0}  # checkpoints of large models take a third of the room
SMALL = {  # what makes each model small; its layers are its own
    "cnn": {"batch_norm": True, "epochs": 2},
    "vgg16": {"dense_units": 8, **PLAIN},
    "resnet50": PLAIN,
    "residual": {"width": 0.25},
    "backbone": {"backbone": "MobileNetV2", **PLAIN},
    "hierarchical": {"hierarchy": Path("data/hpa_hierarchy.csv"), "extractor": "cnn", "units": 8},
}
GRAPHS = ("cnn",)  # tracing those of the others takes many times as long as these steps


@pytest.fixture
def backend():
    yield (found := pytest.importorskip("tensorflow"))
    found.config.run_functions_eagerly(False)


def prepared(made_set: Path, folder: Path, seed: int = 0) -> Path:
    """A cache of a few of the made images."""
    rows = (made_set / "labels.csv").read_text(encoding="utf-8").splitlines()[:31]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    config = preprocess.Config(
        image_dir=(made_set / "images",), labels_csv=(folder / "labels.csv",), seed=seed, size=32, workers=1,
        classes_file=made_set / "classes.txt", cache_dir=folder / "cache", overwrite=True,
    )  # fmt: skip
    preprocess.main(config)
    return config.cache_dir


@pytest.fixture(scope="module")
def cache_dir(made_set, tmp_path_factory) -> Path:
    return prepared(made_set, tmp_path_factory.mktemp("few"))


def trained(cache_dir: Path, run_dir: Path, model: str, seed: int = 0) -> tuple[bytes, list[np.ndarray]]:
    """history.csv and the weights of model.keras after train.py."""
    options = {**TOGETHER, **SMALL[model]}
    train.main(train.Config(cache_dir=cache_dir, run_dir=run_dir, model=model, seed=seed, **options))
    history = (run_dir / "history.csv").read_bytes()
    weights: list[np.ndarray] = []
    with h5py.File(io.BytesIO(zipfile.ZipFile(run_dir / "model.keras").read("model.weights.h5"))) as file:
        file.visititems(lambda _, found: weights.append(found[()]) if isinstance(found, h5py.Dataset) else None)
    shutil.rmtree(run_dir)  # up to a hundred megabytes
    return history, weights


def test_every_model_is_tried():
    assert set(SMALL) == set(typing.get_args(typing.get_type_hints(train.Config)["model"]))


@pytest.mark.parametrize("model", SMALL)
def test_two_runs_of_a_seed_end_with_the_same_bits(model, backend, cache_dir, tmp_path):
    backend.config.run_functions_eagerly(model not in GRAPHS)
    first, second = (trained(cache_dir, tmp_path / name, model) for name in ("first", "second"))
    assert first[0] == second[0]
    assert len(first[1]) == len(second[1]) > 4
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_ends_with_other_weights(backend, cache_dir, tmp_path):
    backend.config.run_functions_eagerly(True)
    first, second = (trained(cache_dir, tmp_path / str(seed), "cnn", seed) for seed in (0, 1))
    assert first[0] != second[0]
    kernels = [(one, other) for one, other in zip(first[1], second[1], strict=True) if one.ndim > 1]
    assert kernels and not any(np.array_equal(one, other) for one, other in kernels)


def test_the_split_follows_from_the_seed(cache_dir, made_set, tmp_path):
    index = (cache_dir / "index.csv").read_bytes()
    assert (prepared(made_set, tmp_path) / "index.csv").read_bytes() == index
    assert (prepared(made_set, tmp_path, seed=1) / "index.csv").read_bytes() != index
