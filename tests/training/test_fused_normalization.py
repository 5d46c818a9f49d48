"""The fused batch normalisation against Keras's own, step by step."""

import keras
import numpy as np
import pytest

from training.fused_normalization import FusedBatchNormalization, fused_normalization

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's")


def net(trainable=True):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.8, epsilon=0.01, trainable=trainable)(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.Model(inputs, x)(inputs)  # a model within a model, as backbones are
    outputs = keras.layers.Dense(2)(keras.layers.BatchNormalization()(keras.layers.GlobalAveragePooling2D()(x)))
    return keras.Model(inputs, outputs)


def trained(model, steps=4):
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    random = np.random.default_rng(0)
    for _ in range(steps):
        model.train_on_batch(random.normal(2, 3, (6, 8, 8, 3)), random.normal(0, 1, (6, 2)))
    return model.get_weights()


@pytest.mark.parametrize("trainable", [True, False])
def test_it_learns_what_keras_learns_moving_averages_included(trainable):
    expected = trained(net(trainable))
    model = net(trainable)
    start = model.get_weights()
    with fused_normalization(model):
        found = trained(model)
    assert all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(expected, found, strict=True))
    assert any(not np.allclose(a, b, atol=1e-3) for a, b in zip(start, found, strict=True))


@pytest.mark.parametrize("precision, tolerance", [("float32", 1e-5), ("mixed_bfloat16", 0.05)])
def test_it_scores_what_keras_scores(precision, tolerance):
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        model = net()
        trained(model)
        images = np.random.default_rng(1).normal(2, 3, (16, 8, 8, 3))
        expected = model.predict(images, verbose=0)
        model.predict_function = None  # the graph of Keras's layers
        with fused_normalization(model):
            found = model.predict(images, verbose=0)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert np.allclose(expected, found, rtol=tolerance, atol=tolerance)


def test_layers_of_maps_are_taken_and_given_back_though_training_fails(tmp_path):
    model = net()

    def layers():
        return [type(layer) for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]

    stock = keras.layers.BatchNormalization
    assert layers() == [stock, stock]
    with pytest.raises(RuntimeError), fused_normalization(model):
        assert sorted(layers(), key=str) == sorted([FusedBatchNormalization, stock], key=str)
        raise RuntimeError
    assert layers() == [stock, stock]
    model.save(tmp_path / "model.keras")
    keras.models.load_model(tmp_path / "model.keras")


def test_half_precision_stays_near_float32():
    expected = trained(net(), steps=1)
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = net()
        with fused_normalization(model):
            found = trained(model, steps=1)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert all(np.allclose(a, b, rtol=0.05, atol=0.05) for a, b in zip(expected, found, strict=True))


def test_what_the_kernel_cannot_do_is_left_to_keras():
    inputs = keras.Input((4, 4, 3))
    layers = [
        keras.layers.BatchNormalization(axis=1), keras.layers.BatchNormalization(scale=False),
        keras.layers.BatchNormalization(center=False),
    ]  # fmt: skip
    x = inputs
    for layer in layers:
        x = layer(x)
    with fused_normalization(keras.Model(inputs, x)):
        assert {type(layer) for layer in layers} == {keras.layers.BatchNormalization}
