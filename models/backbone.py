"""Any network of keras.applications as a backbone, from scratch or pretrained, its normalisation inside."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from keras import layers

from models.pyramid import pooled
from models.scaling import LAYER as SCALING
from models.scaling import standardised

Trainable = Literal["all", "last_stage", "head"]
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CAFFE_MEAN = (123.68, 116.779, 103.939)
# What keras.applications' preprocess_input does, or its include_preprocessing: mean and standard deviation of red,
# green and blue, and whether the weights want blue first. The longest prefix of the name counts.
NORMALISATIONS = {
    "VGG": (CAFFE_MEAN, (1.0,) * 3, True),
    "ResNet": (CAFFE_MEAN, (1.0,) * 3, True),
    "ResNet50V2": ((127.5,) * 3, (127.5,) * 3, False),
    "ResNet101V2": ((127.5,) * 3, (127.5,) * 3, False),
    "ResNet152V2": ((127.5,) * 3, (127.5,) * 3, False),
    "Inception": ((127.5,) * 3, (127.5,) * 3, False),
    "MobileNet": ((127.5,) * 3, (127.5,) * 3, False),
    "NASNet": ((127.5,) * 3, (127.5,) * 3, False),
    "Xception": ((127.5,) * 3, (127.5,) * 3, False),
    "EfficientNetV2": ((128.0,) * 3, (128.0,) * 3, False),
    "EfficientNetV2B": (IMAGENET_MEAN, IMAGENET_STD, False),
    "DenseNet": (IMAGENET_MEAN, IMAGENET_STD, False),
    "ConvNeXt": (IMAGENET_MEAN, IMAGENET_STD, False),
}
SCALES_ITSELF = "EfficientNetB"  # begins with /255 and a `Normalization`, whatever the options
NORMALISES_MEANS = "ConvNeXt"  # its last layer normalises the mean over all positions, not each position
LEAST_SIDES = {"Inception": 75, "Xception": 71, "NASNet": 32}


def names() -> list[str]:
    """The networks that can be backbones, by the names of keras.applications."""
    return sorted(name for name in dir(keras.applications) if name.startswith((*NORMALISATIONS, SCALES_ITSELF)))


def least_side(backbone: str) -> int:
    """The smallest height and width that a network takes, pixels."""
    return next((side for prefix, side in LEAST_SIDES.items() if backbone.startswith(prefix)), 32)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    backbone: str = "EfficientNetV2B0",
    weights: str = "none",
    trainable: Trainable = "all",
    dropout: float = 0.0,
    head_units: int = 0,
    pyramid_levels: Sequence[int] = (),
) -> keras.Model:
    """A backbone, its mean over all places or a pyramid of maxima, dropout and a dense layer, or two. Stock layers but
    for the pyramid.

    Args:
        input_shape: (height, width, channels), uint8; height and width may be None.
        classes: number of logits K.
        mean, std: a number a channel on the 0..255 scale, to train from scratch; pretrained weights bring their own.
        backbone: one of `names()`.
        weights: `none`, `imagenet`, or the path of a file of this backbone's weights without its top. Where the images
            do not have three channels, the first kernel is inflated: see `inflated`.
        trainable: `all`, `last_stage` (the layers at the smallest resolution, and the head), or `head`. What is frozen
            computes as in inference: its batch normalisation learns nothing, and its dropout drops nothing.
        dropout: fraction of the features that is dropped in training.
        head_units: width of a hidden dense layer behind the features, 0 for none.
        pyramid_levels: bins a side of each grid of `SpatialPyramidPooling`, in place of the mean; empty for the mean.

    Returns:
        A functional model, uint8 (N, height, width, channels) to float32 logits (N, K).

    Raises:
        ValueError: an unknown backbone, images too small for it, or weights that are missing, cannot be fetched or are
            those of another architecture.
    """
    if backbone not in names():
        raise ValueError(f"unknown backbone {backbone!r}; known: {', '.join(names())}")
    least = least_side(backbone)
    if min(side or least for side in input_shape[:2]) < least:
        raise ValueError(f"{backbone} needs images of {least} pixels or more, not {input_shape[0]} × {input_shape[1]}")
    channels = input_shape[2]
    inputs = keras.Input(input_shape, dtype="uint8", name="images")
    trained = None if weights == "none" else _pretrained(backbone, weights)
    given, blue_first = ((mean, std), False) if trained is None else normalisation(backbone, channels, trained)
    x = standardised(inputs, *given)
    pools = backbone.startswith(NORMALISES_MEANS) and not pyramid_levels
    network = _network(backbone, x, pooling="avg" if pools else None)
    if backbone.startswith(SCALES_ITSELF):
        network = keras.models.clone_model(network, clone_function=_without_scaling)
        inputs = network.inputs[0]
    if trained is not None:
        _take_weights(network, trained, channels, blue_first)
    _freeze(network, backbone, trainable)
    if pools:
        x = layers.Identity(name="features")(network.output)
    else:
        x = pooled(network.output, pyramid_levels, layers.GlobalAveragePooling2D(name="features"))
    if head_units:
        x = layers.Dense(head_units, activation="relu", kernel_initializer="he_normal", name="hidden")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=re.sub(r"\W", "_", backbone.lower()))


def normalisation(
    backbone: str, channels: int, trained: keras.Model | None = None
) -> tuple[tuple[Sequence[float], Sequence[float]], bool]:
    """Return the mean and standard deviation per channel that pretrained weights want, and whether blue comes first.

    Channels beyond red, green and blue repeat these three, as their kernels do.

    Args:
        backbone: one of `names()`.
        channels: number of channels of the images.
        trained: the network that the weights come from. EfficientNetB0 to B7 keep their normalisation in it.
    """
    if backbone.startswith(SCALES_ITSELF):
        mean, std, blue_first = *_stored_normalisation(trained), False
    else:
        prefix = max((each for each in NORMALISATIONS if backbone.startswith(each)), key=len)
        mean, std, blue_first = NORMALISATIONS[prefix]
    colours = [channel % 3 for channel in range(channels)]
    return ([mean[colour] for colour in colours], [std[colour] for colour in colours]), blue_first


def _stored_normalisation(trained: keras.Model) -> tuple[list[float], list[float]]:
    """Return the mean and standard deviation, on the 0..255 scale, by which an EfficientNetB0 to B7 divides its inputs.

    For ImageNet's weights Keras divides once more, by the square root of the standard deviations. A `Normalization`
    that was never set is that of a network which Keras built without ImageNet's weights, and without this division.
    """
    layer = next(each for each in trained.layers if isinstance(each, layers.Normalization))
    mean, variance, _ = layer.get_weights()
    more = np.sqrt(IMAGENET_STD) / np.sqrt(255) if mean.any() else np.ones(3)
    return (255.0 * mean).tolist(), (255.0 * np.sqrt(variance) * more).tolist()


def inflated(kernel, channels: int, blue_first: bool):
    """A first kernel of red, green and blue for images of any number of channels (height, width, channels, filters).

    Channel c takes the kernel of colour c mod 3, times 3 / channels, so that the sum over all channels keeps its size.
    A kernel that wants blue first is turned round, which is the same as to turn the image's channels round.
    """
    kernel = kernel[:, :, ::-1] if blue_first else kernel
    if channels == 3:
        return kernel
    return kernel[:, :, [channel % 3 for channel in range(channels)]] * (3 / channels)


def _network(backbone: str, tensor, weights: str | None = None, pooling: str | None = None):
    constructor = getattr(keras.applications, backbone)
    options = {} if not _may_skip_scaling(backbone) else {"include_preprocessing": False}
    return constructor(include_top=False, weights=weights, input_tensor=tensor, pooling=pooling, **options)


def _without_scaling(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a new layer, which does nothing in place of the network's own scaling.

    Besides, `Normalization` computes with constants that the converter to ONNX takes for inputs.
    """
    if isinstance(layer, layers.Normalization) or (isinstance(layer, layers.Rescaling) and layer.name != SCALING):
        return layers.Identity(name=layer.name)
    return type(layer).from_config(layer.get_config())


def _may_skip_scaling(backbone: str) -> bool:
    return backbone.startswith(("EfficientNetV2", "ConvNeXt", "MobileNetV3"))


def _pretrained(backbone: str, weights: str) -> keras.Model:
    """The network for three channels with its weights."""
    tensor = keras.Input((None, None, 3) if not backbone.startswith("NASNet") else (224, 224, 3))
    if weights == "imagenet":
        try:
            return _network(backbone, tensor, "imagenet")
        except Exception as error:  # Keras wraps whatever its download fails with into a bare Exception
            file = re.search(r"/([^/\s:]+\.h5)", str(error))
            name = file[1] if file else f"the ImageNet weights of {backbone} without top"
            raise ValueError(
                f"weights = imagenet: {name} could not be fetched from the server of keras.applications; fetch it "
                "where there is a network and lay it into .keras/models in your home folder, or give its path"
            ) from None
    if not Path(weights).is_file():
        raise ValueError(f"weights = {weights}: no such file; it must be none, imagenet or a file of weights")
    network = _network(backbone, tensor)
    try:
        network.load_weights(weights)
    except Exception as error:  # h5py and Keras raise what they like for a file of another architecture
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"weights = {weights}: these are not the weights of {backbone} without top ({reason})"
        ) from None
    return network


def _take_weights(network: keras.Model, trained: keras.Model, channels: int, blue_first: bool) -> None:
    """Copy the weights of the trained network, layer by layer in order. The first kernel is inflated.

    A `Normalization` is left out: `normalisation` reads its numbers.
    """
    here = [layer for layer in network.layers if layer.weights]
    there = [layer for layer in trained.layers if layer.weights and not isinstance(layer, layers.Normalization)]
    for number, (layer, source) in enumerate(zip(here, there, strict=True)):
        arrays = source.get_weights()
        if number == 0:
            arrays[0] = inflated(arrays[0], channels, blue_first)
        layer.set_weights(arrays)


def _freeze(network: keras.Model, backbone: str, trainable: str) -> None:
    """Freeze all layers, those before the last stage, or none."""
    if trainable not in ("all", "last_stage", "head"):
        raise ValueError(f"unknown trainable {trainable!r}; known: all, last_stage, head")
    stage = _last_stage(network, backbone) if trainable == "last_stage" else []
    for layer in network.layers:
        layer.trainable = trainable == "all" or layer in stage
    without_frozen_dropout(network)


def _last_stage(network: keras.Model, backbone: str) -> list[keras.layers.Layer]:
    """Return the layers from the first one with the smallest maps on, without those whose maps are larger.

    The smallest maps are those of the last layer with weights: a VGG pools once more after it. Squeeze-and-excitation
    belongs to the stage that it is in.
    """
    sizes, smallest = _map_sizes(network)
    if {None, 1} & set(smallest):
        # Sizes of maps mark the stages. Open sides have none, and single pixels all have the same.
        pooling = None if len(network.output.shape) == 4 else "avg"
        like = _network(backbone, keras.Input((224, 224, network.inputs[0].shape[-1])), pooling=pooling)
        sizes, smallest = _map_sizes(like)
    # From the end, as the two networks begin in different ways.
    count = len(sizes) - sizes.index(smallest)
    last = zip(network.layers[-count:], sizes[-count:], strict=True)
    return [layer for layer, size in last if all(side <= most for side, most in zip(size, smallest, strict=False))]


def _map_sizes(network: keras.Model) -> tuple[list[tuple[int | None, ...]], tuple[int | None, ...]]:
    """Return height and width of each layer's maps, empty for vectors, and those of the last layer with weights."""
    shapes = [layer.output.shape for layer in network.layers]
    sizes = [shape[1:3] if len(shape) == 4 else () for shape in shapes]
    pairs = zip(reversed(sizes), reversed(network.layers), strict=True)
    return sizes, next(size for size, layer in pairs if size and layer.weights)


def without_frozen_dropout(network: keras.Model) -> None:
    """Let frozen dropout drop nothing, such as the stochastic depth of the EfficientNets.

    Keras does so with batch normalisation alone. A head would otherwise train on features that no image has.
    """
    for layer in network.layers:
        if isinstance(layer, layers.Dropout) and not layer.trainable:
            layer.rate = 0.0
