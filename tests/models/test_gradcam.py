"""Grad-CAM: its numbers against NumPy in double precision, and that its heat lies where the thing is."""

import keras
import numpy as np
import pytest
from keras import layers

import models
from data.labels.hierarchy import Tree
from models import gradcam
from models.hierarchical import MaxConstraint

SCALING = {"mean": [120.0, 110.0, 100.0], "std": [50.0, 60.0, 70.0]}
TREE = Tree(["a", "b", "c", "P", "Q"], [3, 3, 4, -1, -1], classes=3)
OF_THE_HOUSE = {
    "cnn": ("cnn", {}),
    "cnn pyramid": ("cnn", {"pyramid_levels": (1, 2)}),
    "vgg16": ("vgg16", {"dense_units": 8, "batch_norm": True}),
    "resnet50": ("resnet50", {"head_units": 8}),
    "residual pyramid": ("residual", {"pyramid_levels": (1, 3), "width": 0.25}),
    "backbone head": ("backbone", {"backbone": "MobileNetV2", "trainable": "head"}),
    "recurrent": ("hierarchical", {"extractor": "cnn", "units": 8, **TREE.tables()}),
    "flat": ("hierarchical", {"extractor": "cnn", "head": "flat", "units": 8, **TREE.tables()}),
}


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


def noise(height: int, width: int, channels: int = 3, count: int = 3) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def tiny(rng: np.random.Generator, bias: float = 0.0, last: str = "layer") -> tuple[keras.Model, list[np.ndarray]]:
    """Maps by a 1 × 1 convolution, then two dense layers over all places, and the six arrays of weights.

    Args:
        bias: of the logits.
        last: how the sigmoid stands behind them: as a layer, inside the dense layer, or not at all.
    """
    inputs = keras.Input((4, 5, 2), dtype="uint8")
    x = layers.Conv2D(3, 1, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    x = layers.Dense(6, activation="relu")(layers.Flatten()(x))
    outputs = layers.Dense(4, activation="sigmoid" if last == "inside" else None)(x)
    model = keras.Model(inputs, outputs)
    weights = [rng.normal(0, 1, array.shape) for array in model.get_weights()]
    weights[-1] += bias
    model.set_weights(weights)
    return (models.with_probabilities(model) if last == "layer" else model), weights


def reference(weights: list[np.ndarray], images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The paper's equations 1 and 2 for `tiny`, (N, L, h, w) float64, with the gradients by finite differences."""
    kernel, offset, first, first_bias, second, second_bias = weights
    found = []
    for image, own in zip(images, classes, strict=True):
        maps = np.maximum(image / 255 @ kernel[0, 0] + offset, 0)

        def logits(maps):
            return np.maximum(maps.ravel() @ first + first_bias, 0) @ second + second_bias

        gradients = np.zeros((*maps.shape, len(second_bias)))
        for place in np.ndindex(maps.shape):
            step = np.zeros(maps.shape)
            step[place] = 1e-6
            gradients[place] = (logits(maps + step) - logits(maps - step)) / 2e-6
        raw = [np.maximum((gradients[..., k].mean(axis=(0, 1)) * maps).sum(axis=-1), 0) for k in own]
        found.append([each / (each.max() or 1) for each in raw])
    return np.array(found)


@pytest.mark.parametrize("last", ["layer", "inside", "none"])
def test_the_maps_are_those_of_the_paper(last):
    rng = np.random.default_rng(5)
    model, weights = tiny(rng, last=last)
    images, classes = noise(4, 5, 2), np.array([3, 0, 2])
    expected = reference(weights, images, np.tile(classes, (3, 1)))
    found = gradcam.maps(model, images, classes, batch_size=2)
    assert found.shape == (3, 3, 4, 5)
    assert found.dtype == np.float32
    assert 0 < (expected.max(axis=(2, 3)) == 0).sum() < 6, "the reference should have empty maps, and others"
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("last", ["layer", "inside"])
def test_a_class_that_the_model_is_sure_of_has_the_same_map(last):
    images, classes = noise(4, 5, 2), [0, 1, 2, 3]
    (unsure, _), (sure, _) = (tiny(np.random.default_rng(1), bias, last) for bias in (0.0, 200.0))
    # In float32 the sigmoid is 1 there, and its slope 0.
    assert (np.asarray(sure(images, training=False)) == 1).all()
    np.testing.assert_allclose(gradcam.maps(sure, images, classes), gradcam.maps(unsure, images, classes), atol=1e-5)


def test_each_image_may_have_classes_of_its_own():
    model, _ = tiny(np.random.default_rng(1))
    images = noise(4, 5, 2)
    every = gradcam.maps(model, images, [0, 1, 2, 3])
    own = np.array([[2, 0], [1, 1], [3, 2]])
    expected = np.take_along_axis(every, own[:, :, None, None], axis=1)
    np.testing.assert_allclose(gradcam.maps(model, images, own), expected, atol=1e-6)


def squares(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gray noise with a bright square in one quadrant, or a dark one in another, or both or none.

    Returns:
        The images (N, 32, 32, 1), their labels (N, 2), and the quadrants (N, 2) of the bright and the dark square.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 160, (count, 32, 32, 1), dtype=np.uint8)
    labels = rng.integers(0, 2, (count, 2))
    quadrants = np.array([rng.permutation(4)[:2] for _ in range(count)])
    for image, has, where in zip(images, labels, quadrants, strict=True):
        for kind, value in enumerate((230, 20)):
            if has[kind]:
                top, left = 16 * (where[kind] // 2) + 4, 16 * (where[kind] % 2) + 4
                image[top : top + 8, left : left + 8] = value
    return images, labels, quadrants


def test_the_heat_lies_on_the_thing_that_the_model_learnt_to_see():
    images, labels, _ = squares(96, seed=0)
    model = models.build("cnn", (32, 32, 1), 2, mean=[125], std=[30], global_pooling=True)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, jit_compile=keras.backend.backend() == "jax")
    model.fit(images, labels, batch_size=32, epochs=10, verbose=0)
    images, labels, quadrants = squares(40, seed=1)
    predicted = np.asarray(model(images, training=False)) > 0
    assert (predicted == labels).mean() > 0.95
    heat = gradcam.maps(models.with_probabilities(model), images, [0, 1])
    sides = heat.reshape(40, 2, 4)  # a quadrant is a place of the last maps
    there = labels == 1
    share = np.take_along_axis(sides, quadrants[:, :, None], axis=2)[there, 0] / sides.sum(axis=2)[there]
    assert (sides.argmax(axis=2) == quadrants)[there].mean() > 0.95
    assert share.mean() > 0.7


@pytest.mark.parametrize("case", OF_THE_HOUSE)
def test_every_model_of_the_house_has_maps(case):
    name, options = OF_THE_HOUSE[case]
    model = models.with_probabilities(models.build(name, (64, 64, 3), 5, **SCALING, **options))
    found = gradcam.maps(model, noise(64, 64, count=2), [0, 4])
    assert found.shape[:2] == (2, 2)
    assert min(found.shape[2:]) > 1
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert set(np.round(found.max(axis=(2, 3)), 6).ravel()) <= {0, 1}
    assert found.max() == 1


def test_the_maps_before_a_pooling_at_the_end_are_taken():
    model = models.build("vgg16", (32, 32, 3), 2, **SCALING, dense_units=8)
    lower, upper = gradcam.parts(model)
    assert lower.output_shape == (None, 2, 2, 512)
    images = noise(32, 32)
    np.testing.assert_allclose(upper(lower(images, training=False), training=False), model(images, training=False),
                               atol=1e-5)  # fmt: skip


def test_a_layer_of_one_place_is_passed_over():
    model = models.build("residual", (32, 32, 3), 2, **SCALING, width=0.25)
    narrow = keras.Model(model.input, layers.Dense(2)(layers.Flatten()(layers.Conv2D(4, 2)(
        model.get_layer("last_relu").output))))  # fmt: skip
    assert narrow.layers[-3].output.shape == (None, 1, 1, 4)
    assert gradcam.maps(narrow, noise(32, 32), [0]).shape == (3, 1, 2, 2)


def test_layers_that_stand_in_a_model_twice_or_are_models_themselves_have_maps():
    images, inputs = noise(12, 12), keras.Input((12, 12, 3), dtype="uint8")
    scaled = layers.Rescaling(1 / 255)(inputs)
    convolution = layers.Conv2D(3, 3, activation="relu")
    twice = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(convolution(convolution(scaled)))))
    assert gradcam.maps(twice, images, [0]).shape == (3, 1, 8, 8)
    inner_inputs = keras.Input((12, 12, 3))
    trunk = keras.Model(inner_inputs, convolution(inner_inputs))
    head = layers.Dense(2)
    nested = keras.Model(inputs, head(layers.GlobalAveragePooling2D()(trunk(scaled))))
    flat = keras.Model(inputs, head(layers.GlobalAveragePooling2D()(convolution(scaled))))
    np.testing.assert_allclose(gradcam.maps(nested, images, [1]), gradcam.maps(flat, images, [1]), atol=1e-6)


def test_a_model_of_any_size_is_asked_at_the_images_own():
    sides = (40, 72)
    options = {"width": 0.25, "pyramid_levels": (1, 2)}
    model = models.with_probabilities(models.build("residual", (None, None, 3), 4, **SCALING, **options))
    found = gradcam.maps(model, noise(*sides), [1])
    assert found.shape == (3, 1, -(-sides[0] // 16), -(-sides[1] // 16))
    assert np.isfinite(found).all()


def test_a_parent_looks_where_its_likeliest_child_looks():
    images = noise(8, 8, count=12)
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    x = layers.Conv2D(6, 3, activation="relu")(layers.Rescaling(1 / 128, -1)(inputs))
    features = keras.Model(inputs, layers.GlobalMaxPooling2D()(x))(images, training=False)
    logits = layers.Dense(5)
    free = np.asarray(logits(features))
    # Shifted so that each is likeliest in some images.
    logits.set_weights([np.asarray(logits.kernel), -np.median(free, axis=0)])
    free = free - np.median(free, axis=0)
    likeliest = np.array([0, 1, 3])[free[:, [0, 1, 3]].argmax(axis=1)]
    assert len(set(likeliest)) == 3
    constrained = MaxConstraint(TREE.tables()["descendants"])(logits(layers.GlobalMaxPooling2D()(x)))
    model = models.with_probabilities(keras.Model(inputs, constrained))
    plain = gradcam.maps(keras.Model(inputs, logits(layers.GlobalMaxPooling2D()(x))), images, likeliest[:, None])
    np.testing.assert_allclose(gradcam.maps(model, images, np.full((12, 1), 3)), plain, atol=1e-5)


def test_what_has_no_maps_is_said():
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    flat = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)), name="flat")
    with pytest.raises(ValueError, match="flat has no maps to look at: none of its layers has height and width"):
        gradcam.maps(flat, noise(8, 8), [0])
    pooled = [layers.GlobalMaxPooling2D()(layers.Rescaling(factor)(inputs)) for factor in (0.1, 0.2)]
    branches = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(pooled)), name="branches")
    with pytest.raises(ValueError, match="branches has no maps to look at: the logits read several branches"):
        gradcam.maps(branches, noise(8, 8), [0])
    trunk = layers.Conv2D(2, 3)(layers.Rescaling(1 / 255)(inputs))
    pooled = [layers.GlobalMaxPooling2D()(layers.Conv2D(2, size)(trunk)) for size in (1, 3)]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(pooled)))
    assert gradcam.maps(model, noise(8, 8), [0]).shape == (3, 1, 6, 6)
    with pytest.raises(ValueError, match="classes 0 to 2, but the model has 0 to 1"):
        gradcam.maps(model, noise(8, 8), [0, 2])
