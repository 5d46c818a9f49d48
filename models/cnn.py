"""The original work's small CNN: two convolutions with pooling, two dense layers."""

from collections.abc import Sequence

import keras
from keras import layers

from models.pyramid import pooled
from models.scaling import standardised

POOL = (
    4  # pixels a side; with 2, the dense layer has 16 times the weights, learns by heart and takes three times as long
)
SMALLEST = POOL * POOL  # pixels


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    batch_norm: bool = False,
    global_pooling: bool = False,
    dropout: float = 0.0,
    pyramid_levels: Sequence[int] = (),
) -> keras.Model:
    """Stock layers only, so that stock Keras opens the saved model; but for the pyramid, which is ours.

    Args:
        input_shape: (height, width, channels), uint8; height and width may be None where the places are pooled.
        classes: number of logits K.
        mean, std: a number a channel on the 0..255 scale; the model subtracts the one and divides by the other.
        batch_norm: batch normalisation behind each convolution.
        global_pooling: average over all places instead of flattening, which removes most of the parameters.
        dropout: fraction of the hidden dense layer's outputs that is dropped in training.
        pyramid_levels: bins a side of each grid of `SpatialPyramidPooling`, in place of both; empty for none.

    Returns:
        A functional model, uint8 (N, height, width, channels) to float32 logits (N, K).

    Raises:
        ValueError: the images are smaller than 16 pixels, or of any size and not pooled.
    """
    if min(side or SMALLEST for side in input_shape[:2]) < SMALLEST:
        raise ValueError(f"the cnn needs images of {SMALLEST} pixels or more, not {input_shape[0]} × {input_shape[1]}")
    if None in input_shape[:2] and not (pyramid_levels or global_pooling):
        raise ValueError(
            "the cnn flattens its last maps, which takes images of one size: give --pyramid_levels or --global_pooling"
        )
    inputs = keras.Input(input_shape, dtype="uint8", name="images")
    x = standardised(inputs, mean, std)
    for block, filters in enumerate((32, 64), start=1):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=not batch_norm, name=f"conv{block}")(x)
        if batch_norm:
            x = layers.BatchNormalization(name=f"batch_norm{block}")(x)
        # The maximum of the rectified is the rectified maximum, on a sixteenth of the numbers.
        x = layers.MaxPooling2D(POOL, name=f"pool{block}")(x)
        x = layers.Activation("relu", name=f"relu{block}")(x)
    flat = layers.GlobalAveragePooling2D if global_pooling else layers.Flatten
    x = pooled(x, pyramid_levels, flat(name="features"))
    x = layers.Dense(128, activation="relu", name="dense")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="cnn")
