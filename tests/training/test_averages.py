"""Averages of the weights against their formulas in float64."""

import keras
import numpy as np
import pytest

from training import averages, optimizers


def trained(steps, accumulation, ema, optimizer="sgd"):
    """A weight that each step lowers by 1, and its average after each batch."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    built = optimizers.build(optimizer, 1.0, momentum=0.0, ema=ema, accumulation=accumulation)
    model.compile(built, lambda labels, outputs: keras.ops.mean(outputs), jit_compile=False)
    model.set_weights([np.zeros((1, 1))])
    rows = []
    for _ in range(steps * accumulation):
        model.train_on_batch(np.ones((2, 1)), np.ones((2, 1)))
        rows.append([model.get_weights()[0].item(), float(built._model_variables_moving_average[0][0, 0])])
    return np.array(rows), model


@pytest.mark.parametrize(("accumulation", "ema"), [(1, 0.9), (3, 0.9), (1, 0.3)])
def test_the_average_is_of_the_weights_after_each_step_and_warms_up(accumulation, ema):
    rows, _ = trained(12, accumulation, ema)
    expected = []
    for step in range(12):
        decay = min(ema, (1 + step) / (10 + step)) if step else 0.0
        expected.append(decay * (expected[-1] if expected else 0.0) + (1 - decay) * -(step + 1))
    # After the last batch of each step, and unchanged during the batches before it.
    np.testing.assert_allclose(rows[accumulation - 1 :: accumulation, 1], expected, rtol=1e-5)
    during = [0.0] * (accumulation - 1) + list(np.repeat(expected, accumulation))[: -accumulation + 1 or None]
    np.testing.assert_allclose(rows[:, 1], during, rtol=1e-5)


def test_a_high_decay_follows_a_short_training():
    rows, _ = trained(50, 1, 0.999)
    # With the full decay from the start the average of -1 to -50 would be near the first weight, -1.
    assert rows[-1, 1] < -40


def normalised_model():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="dense")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))


def test_statistics_are_the_means_over_the_batches():
    model = normalised_model()
    rng = np.random.default_rng(0)
    batches = [rng.normal(2, 3, (16, 4)).astype(np.float32) for _ in range(5)]
    kernel, bias = model.get_layer("dense").get_weights()
    outputs = [batch.astype(np.float64) @ kernel.astype(np.float64) + bias for batch in batches]
    states = [np.asarray(each) for each in model.variables if "seed" in each.path]
    averages.estimate_statistics(model, iter(batches))
    _, _, mean, variance = model.get_layer("norm").get_weights()
    np.testing.assert_allclose(mean, np.mean([each.mean(axis=0) for each in outputs], axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, np.mean([each.var(axis=0) for each in outputs], axis=0), rtol=1e-4)
    after = [np.asarray(each) for each in model.variables if "seed" in each.path]
    assert states and all(np.array_equal(one, other) for one, other in zip(states, after, strict=True))
    assert model.get_layer("norm").momentum == 0.99


def test_averages_are_in_the_model_only_while_it_is_scored():
    model = normalised_model()
    batches = np.random.default_rng(1).normal(1, 2, (6, 8, 4)).astype(np.float32)
    model.compile(optimizers.build("adam", 0.1, ema=0.9), keras.losses.BinaryCrossentropy(True), jit_compile=False)
    for batch in batches:
        model.train_on_batch(batch, np.ones((8, 2)))
    own = model.get_weights()
    callback = averages.Averages(batches.__getitem__, 6, 8)
    callback.set_model(model)
    callback.on_epoch_end(0)
    for before, after in zip(own, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    with callback.in_model():
        inside = model.get_weights()
    kernels = [np.asarray(each) for each in model.optimizer._model_variables_moving_average]
    np.testing.assert_array_equal(inside[0], kernels[0])
    assert not np.allclose(inside[0], own[0])
    expected = np.mean([(batch @ inside[0] + inside[1]).mean(axis=0) for batch in batches], axis=0)
    np.testing.assert_allclose(inside[4], expected, rtol=1e-4, atol=1e-5)
