"""VGG16 (Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015, table 1, column D)."""

from collections.abc import Sequence

import keras
from keras import layers

from models.pyramid import pooled
from models.scaling import standardised

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions
SMALLEST = 32  # pixels: five poolings by 2


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    batch_norm: bool = False,
    global_pooling: bool = False,
    dropout: float = 0.5,
    dense_units: int = 4096,
    pyramid_levels: Sequence[int] = (),
) -> keras.Model:
    """Stock layers only, so that stock Keras opens the saved model; convolutions have the names of keras.applications'.
    The pyramid alone is a layer of ours.

    Trained from scratch it learns because its kernels start as in He et al. (2015): with the usual start of Glorot,
    the signal fades in so many rectified layers.

    Args:
        input_shape: (height, width, channels), uint8; height and width may be None where the places are pooled.
        classes: number of logits K.
        mean, std: a number a channel on the 0..255 scale; the model subtracts the one and divides by the other.
        batch_norm: batch normalisation behind each convolution.
        global_pooling: average over all places instead of flattening, which removes most of the parameters.
        dropout: fraction of each hidden dense layer's outputs that is dropped in training.
        dense_units: width of the two hidden dense layers.
        pyramid_levels: bins a side of each grid of `SpatialPyramidPooling`, in place of both; empty for none.

    Returns:
        A functional model, uint8 (N, height, width, channels) to float32 logits (N, K).

    Raises:
        ValueError: the images are smaller than 32 pixels, or of any size and not pooled.
    """
    if min(side or SMALLEST for side in input_shape[:2]) < SMALLEST:
        raise ValueError(f"vgg16 needs images of {SMALLEST} pixels or more, not {input_shape[0]} × {input_shape[1]}")
    if None in input_shape[:2] and not (pyramid_levels or global_pooling):
        raise ValueError(
            "vgg16 flattens its last maps, which takes images of one size: give --pyramid_levels or --global_pooling"
        )
    inputs = keras.Input(input_shape, dtype="uint8", name="images")
    x = standardised(inputs, mean, std)
    for block, (filters, convolutions) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(
                filters, 3, padding="same", use_bias=not batch_norm, kernel_initializer="he_normal", name=name
            )(x)
            if batch_norm:
                x = layers.BatchNormalization(name=f"{name}_norm")(x)
            x = layers.Activation("relu", name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    flat = layers.GlobalAveragePooling2D if global_pooling else layers.Flatten
    x = pooled(x, pyramid_levels, flat(name="features"))
    for number in (1, 2):
        x = layers.Dense(dense_units, activation="relu", kernel_initializer="he_normal", name=f"fc{number}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{number}")(x)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="vgg16")
