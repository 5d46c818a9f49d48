"""The first layers of every model: from uint8 pixels to numbers that a network trains well on."""

from collections.abc import Sequence

from keras import layers


def standardised(inputs, mean: Sequence[float], std: Sequence[float]):
    """(pixel − mean) / std a channel, float; stock layers only.

    Args:
        inputs: symbolic uint8 images (N, H, W, C).
        mean, std: C numbers on the 0..255 scale. A channel without any variation is divided by 1.
    """
    scale = [1.0 / max(value, 1.0) for value in std]
    offset = [-value * factor for value, factor in zip(mean, scale, strict=True)]
    return layers.Rescaling(scale, offset, name="standardise")(inputs)
