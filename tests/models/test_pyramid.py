"""Spatial pyramid pooling against the paper's formula in NumPy, for sides known and unknown, and behind every model."""

import math

import keras
import numpy as np
import pytest

import models
from models.pyramid import SpatialPyramidPooling

SCALING = {"mean": [120.0, 110.0, 100.0], "std": [50.0, 60.0, 70.0]}
SIDES = [(1, 1), (7, 13), (2, 3), (1, 9), (8, 8), (13, 4)]


def reference(maps: np.ndarray, levels) -> np.ndarray:
    """Each bin by itself, in float64, as the paper says."""
    height, width = maps.shape[1:3]
    features = []
    for level in levels:
        for row in range(level):
            for column in range(level):
                rows = slice(math.floor(row / level * height), math.ceil((row + 1) / level * height))
                columns = slice(math.floor(column / level * width), math.ceil((column + 1) / level * width))
                features.append(maps[:, rows, columns].astype(np.float64).max(axis=(1, 2)))
    return np.concatenate(features, axis=1)


def made(height, width, channels=3, count=2):
    return np.random.default_rng(height * 100 + width).normal(size=(count, height, width, channels)).astype(np.float32)


@pytest.mark.parametrize("levels", [(1, 2, 4), (3,), (6, 3, 2, 1)])
def test_the_maxima_are_those_of_the_paper_s_windows(levels):
    layer = SpatialPyramidPooling(levels)
    for height, width in SIDES:
        maps = made(height, width)
        found = keras.ops.convert_to_numpy(layer(maps))
        assert found.shape == layer.compute_output_shape(maps.shape)
        np.testing.assert_array_equal(found, reference(maps, levels))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow makes graphs of open sides")
@pytest.mark.parametrize("compiled", [False, True], ids=["open graph", "XLA"])
def test_sides_that_a_graph_does_not_know(compiled):
    import tensorflow as tf

    layer = SpatialPyramidPooling((1, 2, 4))
    pool = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))], jit_compile=compiled)
    assert pool.get_concrete_function().structured_outputs.shape == (None, 63)
    for height, width in SIDES[:3] if compiled else SIDES:
        maps = made(height, width)
        np.testing.assert_array_equal(pool(maps).numpy(), reference(maps, (1, 2, 4)))
    assert pool.experimental_get_tracing_count() == 1


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients are asked of TensorFlow")
@pytest.mark.parametrize("size", [(1, 1), (7, 13)])
def test_the_gradient_goes_to_the_places_of_the_maxima(size):
    import tensorflow as tf

    maps, layer = made(*size, count=1), SpatialPyramidPooling((1, 2, 4))
    weights = np.random.default_rng(1).normal(size=(1, 63)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def gradient(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = tf.reduce_sum(layer(values) * weights)
        return tape.gradient(total, values)

    # The sum is linear in each maximum, so a small step of one place changes it by the weights of its bins.
    expected = np.zeros(maps.shape)
    for place in np.ndindex(maps.shape):
        moved = maps.astype(np.float64)
        moved[place] += 1e-9
        expected[place] = ((reference64(moved) - reference64(maps.astype(np.float64))) * weights).sum() / 1e-9
    np.testing.assert_allclose(gradient(maps).numpy(), expected, atol=1e-4)


def reference64(maps):
    return reference(maps, (1, 2, 4))


def test_levels_that_cannot_be_are_refused():
    for levels in ((), (0,), (1.5,), (True,)):
        with pytest.raises(ValueError, match="levels of a pyramid must be whole numbers of 1 or more"):
            SpatialPyramidPooling(levels)


OPTIONS = {"vgg16": {"dense_units": 8}, "backbone": {"backbone": "MobileNet"}, "residual": {"width": 0.25}}


@pytest.mark.parametrize("name", ["cnn", "vgg16", "residual", "backbone"])
def test_every_model_takes_any_size_behind_a_pyramid(name):
    model = models.build(name, (None, None, 3), 4, **SCALING, pyramid_levels=(1, 2, 3), **OPTIONS.get(name, {}))
    pyramid = next(layer for layer in model.layers if isinstance(layer, SpatialPyramidPooling))
    assert pyramid.output.shape[1] == 14 * pyramid.input.shape[-1]
    least = models.least_side(name, "MobileNet")
    for height, width in ((least, least), (48, 71)):
        images = np.zeros((1, height, width, 3), dtype=np.uint8)
        assert np.isfinite(np.asarray(model(images, training=False))).all()
    with pytest.raises(ValueError, match=f"{least} pixels or more, not {least - 1} × 64"):
        models.build(name, (least - 1, 64, 3), 4, **SCALING, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", ["cnn", "vgg16"])
def test_a_model_that_flattens_does_not_take_any_size(name):
    with pytest.raises(ValueError, match="give --pyramid_levels or --global_pooling"):
        models.build(name, (None, None, 3), 4, **SCALING)
    model = models.build(name, (None, None, 3), 4, **SCALING, global_pooling=True)
    assert np.asarray(model(np.zeros((1, 40, 33, 3), np.uint8), training=False)).shape == (1, 4)


def test_a_saved_model_predicts_sizes_never_seen(tmp_path):
    """In this process; tests/training/test_multi_scale.py does so from another one."""
    model = models.with_probabilities(
        models.build("cnn", (None, None, 3), 4, **SCALING, pyramid_levels=(1, 2, 4), dropout=0.1)
    )
    model.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert opened.input_shape == (None, None, None, 3)
    assert opened.get_layer("features").levels == (1, 2, 4)
    for size in ((16, 16), (47, 101)):
        images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
        found, expected = (np.asarray(one(images, training=False)) for one in (opened, model))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
