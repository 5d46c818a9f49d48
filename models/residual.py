"""A small residual net for training from scratch on a few hundred to a few thousand images."""

from collections.abc import Sequence

import keras
from keras import layers

from models.pyramid import pooled
from models.scaling import standardised

WIDTHS = (32, 64, 128, 192)  # channels of the stages
SMALLEST = 32  # pixels: the stem and three of the stages halve the sides


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.2,
    width: float = 1.0,
    depth: int = 1,
    pyramid_levels: Sequence[int] = (),
) -> keras.Model:
    """Pre-activated residual blocks (He et al., "Identity mappings in deep residual networks", 2016), 0.9 M parameters.

    A stage begins with average pooling on the shortcut, as a strided 1×1 convolution would skip three quarters of the
    places (He, T. et al., "Bag of tricks", CVPR 2019, ResNet-D). The head reads mean and maximum over all places: a
    rare compartment may fill few of them. Stock layers but for the pyramid.

    Args:
        input_shape: (height, width, channels), uint8; height and width may be None.
        classes: number of logits K.
        mean, std: a number a channel on the 0..255 scale; the model subtracts the one and divides by the other.
        dropout: fraction of the features that is dropped in training.
        width: factor on the channels.
        depth: blocks a stage.
        pyramid_levels: bins a side of each grid of `SpatialPyramidPooling`, in place of the maximum over all places,
            which is level 1; empty for that.

    Returns:
        A functional model, uint8 (N, height, width, channels) to float32 logits (N, K).

    Raises:
        ValueError: the images are smaller than 32 pixels.
    """
    if min(side or SMALLEST for side in input_shape[:2]) < SMALLEST:
        raise ValueError(
            f"residual needs images of {SMALLEST} pixels or more, not {input_shape[0]} × {input_shape[1]}; make "
            "them larger, or give --model cnn"
        )
    inputs = keras.Input(input_shape, dtype="uint8", name="images")
    x = standardised(inputs, mean, std)
    widths = [max(8, round(channels * width / 8) * 8) for channels in WIDTHS]
    x = _convolution(x, widths[0], 3, 2, "stem")
    for stage, channels in enumerate(widths, start=1):
        for number in range(1, depth + 1):
            x = _block(x, channels, 2 if stage > 1 and number == 1 else 1, f"stage{stage}_block{number}")
    x = _activated(x, "last")
    maxima = pooled(x, pyramid_levels, layers.GlobalMaxPooling2D(name="maximum"), name="pyramid")
    x = layers.Concatenate(name="features")([layers.GlobalAveragePooling2D(name="mean")(x), maxima])
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="residual")


def _block(x, channels: int, stride: int, name: str):
    shortcut, inner = x, _activated(x, f"{name}_1")
    if stride > 1 or x.shape[-1] != channels:
        shortcut = inner
        if stride > 1:
            shortcut = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(shortcut)
        shortcut = _convolution(shortcut, channels, 1, 1, f"{name}_shortcut")
    inner = _convolution(inner, channels, 3, stride, f"{name}_conv1")
    inner = _convolution(_activated(inner, f"{name}_2"), channels, 3, 1, f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([shortcut, inner])


def _activated(x, name: str):
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _convolution(x, channels: int, kernel: int, stride: int, name: str):
    return layers.Conv2D(
        channels, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
