"""The twin in float32 of a model that trained in half precision."""

import keras
import numpy as np
import pytest

import models

SCALING = {"mean": [120.0] * 3, "std": [50.0] * 3}


@pytest.fixture
def half():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def kinds(model):
    found = set()
    for layer in model.layers:
        found |= kinds(layer) if isinstance(layer, keras.Model) else {layer.compute_dtype}
    return found


@pytest.mark.parametrize(
    ("name", "options"), [("residual", {"pyramid_levels": [1, 2]}), ("backbone", {"backbone": "EfficientNetV2B0"})]
)
def test_it_has_the_weights_and_no_half_precision_anywhere(name, options, half, tmp_path):
    model = models.build(name, (32, 32, 3), 4, **SCALING, **options)
    twin = models.in_float32(model)
    assert "bfloat16" in kinds(model) and kinds(twin) == {"float32"}
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))
    keras.config.set_dtype_policy("float32")
    same = models.build(name, (32, 32, 3), 4, **SCALING, **options)
    same.set_weights(model.get_weights())
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(twin.predict(images, verbose=0), same.predict(images, verbose=0), rtol=1e-5, atol=1e-6)


def test_a_model_in_float32_is_given_back():
    model = models.build("residual", (32, 32, 3), 4, **SCALING)
    assert models.in_float32(model) is model
