"""The first layers of every model: from uint8 pixels to numbers that a network trains well on."""

from collections.abc import Sequence

import keras
from keras import layers

LAYER = "standardise"


def standardised(inputs, mean: Sequence[float], std: Sequence[float]):
    """(pixel − mean) / std a channel, float; stock layers only.

    Args:
        inputs: symbolic uint8 images (N, H, W, C).
        mean, std: C numbers on the 0..255 scale. A channel without any variation is divided by 1.
    """
    scale = [1.0 / max(value, 1.0) for value in std]
    offset = [-value * factor for value, factor in zip(mean, scale, strict=True)]
    return layers.Rescaling(scale, offset, name=LAYER)(inputs)


def scaling_of(model: keras.Model) -> dict[str, list[float]]:
    """Return what `standardised` was built with in this model: `mean` and `std`, C numbers each on the 0..255 scale."""
    settings = model.get_layer(LAYER).get_config()
    return {
        "mean": [-offset / scale for scale, offset in zip(settings["scale"], settings["offset"], strict=True)],
        "std": [1 / scale for scale in settings["scale"]],
    }


def take_up_weights(model: keras.Model) -> None:
    """Let layers that compute with a copy of their weights take up the ones that were just assigned.

    `keras.layers.Normalization` keeps such a copy. Loading a file renews it, but `set_weights` does not.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
