"""Schedules against their formulas in float64, and optimizers against a step by hand."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

import train
from training import fitting, optimizers


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_cosine_with_warm_up_by_hand():
    schedule = optimizers.schedule("cosine", 0.1, 100, warmup=0.2)
    assert rates(schedule, [0, 9, 19]) == pytest.approx([0.005, 0.05, 0.1])
    expected = [0.1 * 0.5 * (1 + math.cos(math.pi * (step - 20) / 80)) for step in (20, 60, 99)]
    assert rates(schedule, [20, 60, 99]) == pytest.approx(expected, rel=1e-4)
    assert float(schedule(150)) == pytest.approx(0, abs=1e-9)


def test_one_cycle_begins_and_ends_low():
    schedule = optimizers.schedule("one_cycle", 0.25, 1000, warmup=0.3)
    assert float(schedule(0)) == pytest.approx(0.01, rel=0.1)
    assert float(schedule(299)) == pytest.approx(0.25)
    assert float(schedule(1000)) == pytest.approx(1e-6, rel=1e-3)


def test_constant_after_its_warm_up():
    assert optimizers.schedule("constant", 0.1, 100, 0.0) == 0.1
    assert rates(optimizers.schedule("constant", 0.1, 100, 0.1), [0, 9, 10, 99]) == pytest.approx([0.01, 0.1, 0.1, 0.1])


def test_a_schedule_survives_saving():
    schedule = optimizers.schedule("one_cycle", 0.25, 1000, 0.3)
    again = optimizers.WarmedUp.from_config(schedule.get_config())
    assert rates(again, [0, 500]) == rates(schedule, [0, 500])


def one_layer():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([np.ones((2, 1)), np.ones(1)])
    return model


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_leaves_biases_alone(name):
    model = one_layer()
    model.compile(optimizers.build(name, 0.1, weight_decay=0.5, momentum=0.0), "mse", jit_compile=False)
    # No gradient: only the decay moves anything.
    model.train_on_batch(np.zeros((4, 2)), np.ones((4, 1)))
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, 1 - 0.1 * 0.5, rtol=1e-5)
    assert bias[0] == 1


def test_the_norm_of_all_gradients_is_clipped():
    model = one_layer()
    model.compile(optimizers.build("sgd", 1.0, momentum=0.0, clip_norm=0.01), "mse", jit_compile=False)
    model.train_on_batch(np.ones((4, 2)), np.full((4, 1), 100.0))
    moved = np.concatenate([array.ravel() - 1 for array in model.get_weights()])
    assert np.linalg.norm(moved) == pytest.approx(0.01, rel=1e-4)


def test_accumulated_gradients_make_one_step():
    images, targets = np.random.default_rng(0).normal(size=(8, 2)), np.random.default_rng(1).normal(size=(8, 1))
    models = [one_layer(), one_layer()]
    models[0].compile(optimizers.build("sgd", 0.1, momentum=0.0), "mse", jit_compile=False)
    models[0].train_on_batch(images, targets)
    models[1].compile(optimizers.build("sgd", 0.1, momentum=0.0, accumulation=2), "mse", jit_compile=False)
    for half in (slice(4), slice(4, 8)):
        models[1].train_on_batch(images[half], targets[half])
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def rate_of_step(name, step, total, peak=0.1, warmup=0.25):
    """The formula of each schedule, in float64."""
    rising = round(warmup * total)
    start, end = {"constant": (0.0, peak), "cosine": (0.0, 0.0), "one_cycle": (peak / 25, peak / 25 / 1e4)}[name]
    if step < rising:
        return start + (peak - start) * (step + 1) / rising
    return end + (peak - end) * 0.5 * (1 + math.cos(math.pi * (step - rising) / (total - rising)))


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle"])
def test_each_step_is_taken_at_its_own_rate(name, optimizer, accumulation):
    """With a gradient that is always 1, each of these optimizers moves a weight by the learning rate."""
    steps = 8
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    config = train.Config(
        schedule=name, optimizer=optimizer, accumulation=accumulation, learning_rate=0.1, warmup_fraction=0.25,
        weight_decay=0.0, momentum=0.0,
    )  # fmt: skip
    built = fitting._optimizer(config, fitting.Phase(), steps * accumulation)
    model.compile(built, lambda labels, outputs: keras.ops.mean(outputs), jit_compile=False)
    weights = [model.get_weights()[0].item()]
    for _ in range(steps * accumulation):
        model.train_on_batch(np.ones((2, 1)), np.ones((2, 1)))
        weights.append(model.get_weights()[0].item())
    moves = -np.diff(weights).reshape(steps, accumulation)
    np.testing.assert_array_equal(moves[:, :-1], 0)
    np.testing.assert_allclose(moves[:, -1], [rate_of_step(name, step, steps) for step in range(steps)], rtol=1e-4)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown optimizer 'lion'; known: adam, adamw, sgd"):
        optimizers.build("lion", 0.1)
    with pytest.raises(ValueError, match="unknown schedule 'step'"):
        optimizers.schedule("step", 0.1, 10, 0)


@pytest.mark.parametrize(
    ("options", "trains"),
    [
        ({"model": "residual"}, "residual"),
        ({"model": "cnn", "optimizer": "sgd"}, "cnn"),
        ({"model": "hierarchical", "extractor": "vgg16"}, "vgg16"),
        ({"model": "resnet50"}, "resnet50"),
        ({"model": "resnet50", "weights": "imagenet"}, "all"),
        ({"model": "resnet50", "weights": "imagenet", "trainable": "last_stage"}, "last_stage"),
        ({"model": "resnet50", "start_from": Path("runs/earlier"), "trainable": "last_stage"}, "last_stage"),
        ({"model": "residual", "start_from": Path("runs/earlier")}, "residual"),
        ({"model": "backbone", "weights": "imagenet", "trainable": "all", "head_epochs": 2}, "head"),
    ],
)
def test_what_the_header_leaves_open_suits_what_trains_and_the_optimizer(options, trains, monkeypatch):
    rates = {name: (number, 100 + number) for number, name in enumerate(optimizers.LEARNING_RATES, 2)}
    monkeypatch.setattr(optimizers, "LEARNING_RATES", rates)
    monkeypatch.setattr(optimizers, "WEIGHT_DECAYS", {"adamw": 0.5, "sgd": 0.25})
    sgd = "optimizer" in options
    (line,) = optimizers.messages(train.Config(**options))
    assert f"learning rate {rates[trains][sgd]} at its highest, weight decay {0.25 if sgd else 0.5}" in line


def test_nothing_is_said_of_what_the_header_says():
    config = train.Config(learning_rate=0.1, weight_decay=0.0)
    assert optimizers.resolved(config) == {"learning_rate": 0.1, "weight_decay": 0.0}
    assert optimizers.messages(config) == []
