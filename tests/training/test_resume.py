"""Training that is killed anywhere and gone on with ends where it would have ended: the same bits, the same history."""

import dataclasses
import random
from pathlib import Path

import keras
import numpy as np
import pytest

import models
import train
from training import callbacks, checkpoint, checkpoint_callback, devices, model_setup, resume, selection, stages
from training.inputs import Inputs

KILLED_AT = {  # where a kill may come: the method, and whether before or behind it
    "a step is done": (checkpoint_callback.CheckpointCallback, "on_train_batch_end", "before"),
    "a step is counted": (checkpoint_callback.CheckpointCallback, "on_train_batch_end", "behind"),
    "an epoch's metrics are there": (callbacks.SplitMetrics, "on_epoch_end", "behind"),
    "history.csv is written": (callbacks.History, "on_epoch_end", "behind"),
    "the best weights are written": (callbacks.Best, "keep", "behind"),
    "a state is to be written": (checkpoint.Checkpoints, "save", "before"),
    "a state is written": (checkpoint.Checkpoints, "save", "behind"),
}
TOGETHER = {
    "model": "cnn", "loss": "weighted_bce", "optimizer": "adam", "learning_rate": 0.01, "schedule": "constant",
    "warmup_fraction": 0.0, "weight_decay": 0.0, "precision": "float32", "epochs": 2, "batch_size": 16,
    "train_metrics_every": 0, "jit_compile": "off",
}  # fmt: skip
CASES = {
    "dropout, batch norm, AdamW, averages, accumulation, mixing, sampling": {
        "batch_norm": True, "optimizer": "adamw", "weight_decay": 0.05, "ema": 0.9, "accumulation": 2,
        "mixing": "cutmix", "sampling": "repeat_factors", "repeat_threshold": 0.3, "schedule": "one_cycle",
        "warmup_fraction": 0.3,
    },
    "augmented sets, several scales, early stopping": {
        "augmented": ("for_resuming",), "train_scales": (1.0, 0.75), "pyramid_levels": (1, 2), "optimizer": "sgd",
        "patience": 1, "epochs": 4, "learning_rate": 1e-5, "prior_bias": False,
    },
    "the head first, on stored features": {
        "model": "backbone", "backbone": "MobileNet", "head_epochs": 2, "epochs": 1, "optimizer": "adamw",
    },
    "the head first, through the network, in half precision": {
        "model": "backbone", "backbone": "MobileNet", "head_epochs": 1, "epochs": 1, "operations": ("rotation",),
        "precision": "mixed_float16",
    },
    "a head on stored features": {
        "model": "backbone", "backbone": "MobileNet", "trainable": "head", "ema": 0.9, "head_units": 8,
    },
    "a tree, shorter epochs": {
        "model": "hierarchical", "hierarchy": Path("data/hpa_hierarchy.csv"), "extractor": "cnn", "units": 8,
        "steps_per_epoch": 3,
    },
}  # fmt: skip


class Killed(BaseException):
    """A kill, as far as the files are concerned."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A network of two layers in the place of those of keras.applications, and half precision on a CPU too."""
    backend = pytest.importorskip("tensorflow")

    def network(name, tensor, weights=None, pooling=None):
        x = keras.layers.Conv2D(4, 3, strides=4, name="conv")(tensor)
        x = keras.layers.BatchNormalization(name="norm")(x)
        return keras.Model(keras.utils.get_source_inputs(tensor), x)

    monkeypatch.setattr(models.backbone, "_network", network)
    monkeypatch.setattr(devices, "dtype_policy", lambda precision: precision)
    # Tracing a graph takes seconds, and each start of a run needs it anew; the steps of so small a model take none.
    backend.config.run_functions_eagerly(True)
    yield
    backend.config.run_functions_eagerly(False)
    keras.mixed_precision.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def cache_dir(made_cache) -> Path:
    import augment

    augment.main(augment.Config(cache_dir=made_cache, tag="for_resuming", new_images=9))
    return made_cache


def config_of(cache_dir: Path, run_dir: Path, **options) -> train.Config:
    return dataclasses.replace(train.Config(), cache_dir=cache_dir, run_dir=run_dir, **{**TOGETHER, **options})


def fitted(config: train.Config) -> list[np.ndarray]:
    """What train.py does up to the end of training; the final weights."""
    with resume.session(config) as session:
        inputs = Inputs(config, selection.viewed(config)[0])
        threads = devices.prepare(config, session.threads)
        model, loss = model_setup.build(config, inputs, None)
        described = model_setup.description(config, inputs, model)
        session.begin({**train.header.record(config), **described, "threads": threads})
        stages.fit(config, inputs, model, loss, session.state)
        return model.get_weights()


def killed_after(monkeypatch, events: int) -> None:
    """Let the process be killed at the event of this number."""
    left = [events]

    def count(place: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed(place)

    for place, (owner, name, when) in KILLED_AT.items():
        _around(monkeypatch, owner, name, when, lambda place=place: count(place))


def _around(monkeypatch, owner, name, when, call) -> None:
    method = getattr(owner, name)

    def with_call(*arguments, **named):
        if when == "before":
            call()
        result = method(*arguments, **named)
        if when == "behind":
            call()
        return result

    monkeypatch.setattr(owner, name, with_call)


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_ends_as_one_that_never_was(case, cache_dir, tmp_path, monkeypatch):
    options = CASES[case]
    whole = fitted(config_of(cache_dir, tmp_path / "whole", **options))
    drawn = random.Random(case)
    config = config_of(cache_dir, tmp_path / "killed", resume=True, checkpoint_minutes=0.0005, **options)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        killed_after(patched, drawn.randrange(3, 20))
        fitted(config)
    end = fitted(config)
    assert len(whole) == len(end)
    for one, other in zip(whole, end, strict=True):
        np.testing.assert_array_equal(one, other)
    histories = [(tmp_path / name / "history.csv").read_bytes() for name in ("whole", "killed")]
    assert histories[0] == histories[1]
    assert len(list((tmp_path / "killed" / "checkpoint").glob("state-*.npz"))) == checkpoint.KEPT
