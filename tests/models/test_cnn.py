"""The small CNN: uint8 in, logits out, its scaling inside, and a file that stock Keras opens."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import models

MEAN, STD = [120.0, 130.0, 110.0], [60.0, 70.0, 0.0]


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


def build(**options):
    return models.build("cnn", (32, 48, 3), 5, mean=MEAN, std=STD, **options)


def images(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"global_pooling": True}, {"dropout": 0.5}])
def test_uint8_in_and_float32_logits_out(options):
    model = build(**options)
    logits = keras.ops.convert_to_numpy(model(images()))
    assert model.input.dtype == "uint8"
    assert (logits.shape, logits.dtype) == ((4, 5), np.float32)
    assert np.ptp(logits, axis=0).min() > 0, "an output that no image changes"


def test_parameters_are_those_of_two_convolutions_and_two_dense_layers():
    convolutions = 3 * 3 * 3 * 32 + 32 + 3 * 3 * 32 * 64 + 64
    assert build().count_params() == convolutions + 2 * 3 * 64 * 128 + 128 + 128 * 5 + 5
    assert build(global_pooling=True).count_params() == convolutions + 64 * 128 + 128 + 128 * 5 + 5


def test_pixels_are_standardised_inside_the_model():
    model = build()
    inner = keras.Model(model.input, model.get_layer("standardise").output)
    expected = (images() - np.array(MEAN)) / np.array([60.0, 70.0, 1.0])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(inner(images())), expected, rtol=1e-5, atol=1e-5)


def test_stock_keras_opens_the_saved_model_and_gives_the_same_probabilities(tmp_path):
    model = models.with_probabilities(build(batch_norm=True))
    np.save(tmp_path / "images.npy", images())
    model.save(tmp_path / "model.keras")
    script = (
        "import keras, numpy as np; model = keras.models.load_model('model.keras');"
        "np.save('scores.npy', np.asarray(model(np.load('images.npy'))))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    scores = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(scores, keras.ops.convert_to_numpy(model(images())), rtol=1e-5)
    assert scores.min() >= 0 and scores.max() <= 1 and np.ptp(scores) > 0.1


def test_unknown_names_and_too_small_images_are_refused():
    with pytest.raises(ValueError, match="known: cnn"):
        models.build("cmm", (16, 16, 3), 5)
    with pytest.raises(ValueError, match="16 pixels or more, not 4 × 16"):
        models.build("cnn", (4, 16, 3), 5, mean=MEAN, std=STD)
