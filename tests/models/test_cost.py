"""Costs against numbers that are known, or counted by hand."""

import keras
import pytest

import models
from models.cost import cost


def test_resnet50_costs_what_its_authors_say():
    found = cost(keras.applications.ResNet50(weights=None))
    assert found.parameters == 25_636_712
    # 3.86 G multiplications and additions (torchvision counts 4.09 with the stride in the 3 × 3 convolutions).
    assert found.operations == pytest.approx(2 * 3.86e9, rel=0.01)


def test_a_small_model_by_hand():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
    x = keras.layers.SeparableConv2D(5, 3, padding="same", use_bias=False)(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    found = cost(model)
    convolution, depthwise, separable = 64 * 9 * 3 * 4, 16 * 9 * 4, 16 * (9 * 4 + 4 * 5)
    assert found.operations == 2 * (convolution + depthwise + separable + 80 * 2)
    weights = 112 + 36 + 56 + 162
    assert found.parameters == weights
    # Weights, gradients, two slots, and the passing arrays of the largest, the dense one.
    assert found.fixed == 4 * (4 * weights + 3 * 80 * 2)
    assert found.each == 2 * 4 * (64 * 4 + 16 * 4 + 16 * 5 + 80 + 2)
    assert found.memory(3) == found.fixed + 3 * found.each
    assert found.fitting(found.memory(3) + 5) == 3
    assert found.fitting(10) == 0


def test_a_model_of_any_size_costs_what_one_of_that_size_does():
    scaling = {"mean": [100.0] * 3, "std": [50.0] * 3}
    fixed, open_sided = (
        models.build("cnn", shape, 4, **scaling, pyramid_levels=(1, 2)) for shape in ((32, 48, 3), (None, None, 3))
    )
    assert cost(open_sided, image_shape=(32, 48, 3)) == cost(fixed)
