"""ResNet50 (He et al., "Deep residual learning for image recognition", CVPR 2016), that of keras.applications."""

from collections.abc import Sequence

import keras

from models import backbone


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    weights: str = "none",
    trainable: backbone.Trainable = "all",
    dropout: float = 0.0,
    head_units: int = 0,
    pyramid_levels: Sequence[int] = (),
) -> keras.Model:
    """As `backbone.build`, which says what the options are and what it raises."""
    return backbone.build(
        input_shape, classes, mean, std, "ResNet50", weights, trainable, dropout, head_units, pyramid_levels
    )
