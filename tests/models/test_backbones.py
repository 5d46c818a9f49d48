"""VGG16, ResNet50 and the other networks of keras.applications: the same numbers with the same weights."""

import os

import keras
import numpy as np
import pytest

import models
from models import backbone

SCALING = {"mean": [120.0, 110.0, 100.0], "std": [50.0, 60.0, 70.0]}


def made_images(side, channels=3, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def outputs(model, images):
    """Without `predict`, whose compilation takes many times longer than two images."""
    return np.asarray(model(images, training=False))


def randomised(network):
    """Weights that no layer starts with, so that one left out shows, and the normalisation that ImageNet's have."""
    rng = np.random.default_rng(1)
    for variable in network.variables:
        values = np.asarray(variable)
        if "variance" in variable.path:
            variable.assign(rng.uniform(0.5, 1.5, values.shape))
        elif values.dtype.kind == "f":
            shift = 0.05 * rng.normal(size=values.shape) if values.ndim == 1 else 0.0
            variable.assign(values * rng.uniform(0.9, 1.1, values.shape) + shift)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]) ** 2, np.array(0)])
    return network


def test_vgg16_is_that_of_keras_applications():
    reference = keras.applications.VGG16(weights=None, classes=1000, classifier_activation=None)
    model = models.build("vgg16", (224, 224, 3), 1000, mean=[0.0] * 3, std=[1.0] * 3)
    assert model.count_params() == reference.count_params() == 138_357_544
    model.set_weights(reference.get_weights())
    images = made_images(224, count=1)
    np.testing.assert_allclose(
        outputs(model, images), outputs(reference, images.astype(np.float32)), rtol=1e-4, atol=1e-4
    )


def test_resnet50_is_that_of_keras_applications():
    reference = keras.applications.ResNet50(weights=None, classes=10, classifier_activation=None)
    model = models.build("resnet50", (224, 224, 3), 10, mean=[0.0] * 3, std=[1.0] * 3)
    assert model.count_params() == reference.count_params() == 23_608_202
    model.set_weights(reference.get_weights())
    images = made_images(224, count=1)
    np.testing.assert_allclose(
        outputs(model, images), outputs(reference, images.astype(np.float32)), rtol=1e-4, atol=1e-4
    )


MODULES = {
    "ConvNeXt": "convnext", "DenseNet": "densenet", "EfficientNetB": "efficientnet",
    "EfficientNetV2": "efficientnet_v2", "InceptionV3": "inception_v3", "InceptionResNetV2": "inception_resnet_v2",
    "MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2", "MobileNetV3": "mobilenet_v3", "NASNet": "nasnet",
    "ResNet": "resnet", "ResNet50V2": "resnet_v2", "ResNet101V2": "resnet_v2", "ResNet152V2": "resnet_v2",
    "VGG16": "vgg16", "VGG19": "vgg19", "Xception": "xception",
}  # fmt: skip
# One network of each way to build and to normalise. `make soak` compares all 40.
COMPARED = backbone.names() if os.environ.get("ALL_NETWORKS") else [
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetB1", "EfficientNetV2B0", "EfficientNetV2S",
    "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16",
    "Xception",
]  # fmt: skip


def module_of(name):
    return getattr(keras.applications, MODULES[max((each for each in MODULES if name.startswith(each)), key=len)])


@pytest.mark.parametrize("name", COMPARED)
def test_features_are_those_that_keras_makes_with_imagenets_weights(name, tmp_path, monkeypatch):
    """Keras builds some networks in another way for `weights="imagenet"`, whose download a file stands in for here."""
    constructor, path = getattr(keras.applications, name), tmp_path / "own.weights.h5"
    side = 224 if name.startswith("NASNet") else max(backbone.least_side(name), 64)  # NASNet has weights for 224 alone
    randomised(constructor(include_top=False, weights=None, input_shape=(side, side, 3))).save_weights(path)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *arguments, **options: str(path))
    reference = constructor(include_top=False, weights="imagenet", input_shape=(side, side, 3), pooling="avg")
    images = made_images(side)
    expected = outputs(reference, module_of(name).preprocess_input(images.astype(np.float32)))
    assert expected.std() > 0
    # A file of weights takes the same way but for the EfficientNets that Keras builds in two ways.
    for weights in ("imagenet", str(path)) if name.startswith("EfficientNetB") else (str(path),):
        model = models.build("backbone", (side, side, 3), 5, **SCALING, backbone=name, weights=weights)
        found = outputs(keras.Model(model.input, model.get_layer("features").output), images)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in backbone.names() if not name.startswith("EfficientNetB")])
def test_the_constants_of_a_normalisation_are_those_of_preprocess_input(name):
    if backbone._may_skip_scaling(name):
        pytest.skip("its layers do it, and preprocess_input nothing")
    images = made_images(8).astype(np.float32)
    (mean, std), blue_first = backbone.normalisation(name, 3)
    ours = (images - np.array(mean)) / np.array(std)
    theirs = module_of(name).preprocess_input(images.copy())
    np.testing.assert_allclose(ours[..., ::-1] if blue_first else ours, theirs, atol=1e-4)


def test_a_first_kernel_is_inflated_for_other_channels():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4))
    np.testing.assert_array_equal(backbone.inflated(kernel, 3, False), kernel)
    np.testing.assert_array_equal(backbone.inflated(kernel, 3, True), kernel[:, :, ::-1])
    wide = backbone.inflated(kernel, 6, False)
    # The same picture twice gives what it gave once.
    np.testing.assert_allclose(wide[:, :, :3] + wide[:, :, 3:], kernel)
    np.testing.assert_allclose(backbone.inflated(kernel, 4, True)[:, :, 3], kernel[:, :, 2] * 3 / 4)


def test_four_channels_take_pretrained_weights(tmp_path):
    bare = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(None, None, 3))
    bare.save_weights(tmp_path / "own.weights.h5")
    model = models.build("backbone", (64, 64, 4), 5, mean=[1.0] * 4, std=[1.0] * 4, backbone="MobileNet",
                         weights=str(tmp_path / "own.weights.h5"))  # fmt: skip
    assert outputs(model, made_images(64, 4)).shape == (2, 5)


def test_what_is_frozen_stays_as_it_is():
    model = models.build("backbone", (64, 64, 3), 5, **SCALING, backbone="MobileNet", trainable="head")
    assert [weight.path for weight in model.trainable_weights] == ["logits/kernel", "logits/bias"]
    model.compile("sgd", "mse")
    before = [array.copy() for array in model.get_layer("conv1_bn").get_weights()]
    model.train_on_batch(made_images(64), np.ones((2, 5), np.float32))
    for old, new in zip(before, model.get_layer("conv1_bn").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    partly = models.build("backbone", (64, 64, 3), 5, **SCALING, backbone="MobileNet", trainable="last_stage")
    assert (
        2
        < len(partly.trainable_weights)
        < len(models.build("backbone", (64, 64, 3), 5, **SCALING, backbone="MobileNet").trainable_weights)
    )


@pytest.mark.parametrize(
    ("name", "first", "stage"),
    [
        ("VGG16", "block5_conv1", ("block5_",)),
        ("MobileNet", "conv_dw_12", ("conv_dw_12", "conv_pw_12", "conv_dw_13", "conv_pw_13")),
        ("MobileNetV3Small", "expanded_conv_8_depthwise",
         ("expanded_conv_8_", "expanded_conv_9_", "expanded_conv_10_", "conv_1")),
    ],
)  # fmt: skip
def test_the_last_stage_is_the_same_for_images_of_every_size(name, first, stage):
    for side in (32, 64, None):
        model = models.build("backbone", (side, side, 3), 5, **SCALING, backbone=name, trainable="last_stage")
        trained = [layer.name for layer in model.layers if layer.trainable and layer.weights]
        assert trained[0] == first and trained[-1] == "logits", side
        assert all(layer.startswith(stage) for layer in trained[:-1]), side
        assert ("squeeze_excite" in " ".join(trained)) == (name == "MobileNetV3Small"), side


@pytest.mark.parametrize("name", ["cnn", "vgg16", "residual"])
def test_a_model_learns_from_scratch(name):
    """Its loss falls well below that of the class rates: not only does it run."""
    keras.utils.set_random_seed(0)
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1], [1, 1, 1]], float)
    images = np.full((len(labels), 32, 32, 3), 60, dtype=np.uint8)
    # Each class lights a place of its own.
    for row, label in enumerate(labels.astype(bool)):
        for place in np.flatnonzero(label):
            images[row, 4 + 8 * place : 12 + 8 * place, 8:24, place] = 220
    small = {"dense_units": 64, "dropout": 0.0} if name == "vgg16" else {"dropout": 0.0}
    model = models.build(name, (32, 32, 3), 3, mean=[70.0] * 3, std=[40.0] * 3, **small)
    rate = 1e-4 if name == "vgg16" else 3e-3
    model.compile(keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
    rates = labels.mean(axis=0)
    baseline = -(rates * np.log(rates) + (1 - rates) * np.log(1 - rates)).mean()
    losses = (model.train_on_batch(images, labels) for _ in range(30))
    assert any(loss < 0.5 * baseline for loss in losses)


def test_stock_keras_opens_saved_models(tmp_path):
    import subprocess
    import sys

    expected = {}
    for name, small in (("vgg16", {"dense_units": 16}), ("residual", {})):
        model = models.with_probabilities(models.build(name, (32, 32, 3), 4, **SCALING, **small))
        model.save(tmp_path / f"{name}.keras")
        expected[name] = outputs(model, made_images(32))
    np.save(tmp_path / "images.npy", made_images(32))
    code = (
        "import keras, numpy as np\n"
        "for name in ('vgg16', 'residual'):\n"
        "    model = keras.models.load_model(name + '.keras', compile=False)\n"
        "    np.save(name + '.npy', np.asarray(model(np.load('images.npy'), training=False)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    for name, scores in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), scores, rtol=1e-5, atol=1e-6)


def test_residual_takes_any_size():
    model = models.build("residual", (None, None, 3), 4, **SCALING)
    assert 0.8e6 < model.count_params() < 1.0e6
    for side in (33, 64):
        assert outputs(model, made_images(side)).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        ("vgg16", (16, 16, 3), {}, "vgg16 needs images of 32 pixels or more, not 16 × 16"),
        ("residual", (31, 64, 3), {}, "residual needs images of 32 pixels"),
        ("backbone", (64, 64, 3), {"backbone": "AlexNet"}, "unknown backbone 'AlexNet'; known: ConvNeXtBase"),
        ("backbone", (64, 64, 3), {"backbone": "InceptionV3"}, "InceptionV3 needs images of 75 pixels or more"),
        ("backbone", (64, 64, 3), {"weights": "nowhere.h5"}, "weights = nowhere.h5: no such file"),
        ("backbone", (64, 64, 3), {"trainable": "some"}, "unknown trainable 'some'"),
    ],
)
def test_what_cannot_be_built_is_named(name, shape, options, message):
    scaling = {"mean": [1.0] * shape[2], "std": [1.0] * shape[2]}
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        models.build(name, shape, 3, **scaling, **options)


def test_weights_of_another_architecture_are_named(tmp_path):
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match="not the weights of MobileNet without top"):
        models.build("backbone", (64, 64, 3), 3, **SCALING, backbone="MobileNet",
                     weights=str(tmp_path / "other.weights.h5"))  # fmt: skip


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    def fails(*arguments, **options):
        raise Exception("URL fetch failure on https://somewhere/mobilenet_1_0_224_tf_no_top.h5: None -- [Errno -3]")

    monkeypatch.setattr(backbone, "_network", lambda name, tensor, weights=None: fails() if weights else None)
    with pytest.raises(ValueError, match=r"mobilenet_1_0_224_tf_no_top\.h5 could not be fetched"):
        backbone._pretrained("MobileNet", "imagenet")
