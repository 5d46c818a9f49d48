"""Spatial pyramid pooling: equally many features of an image of any size.

He, Zhang, Ren and Sun, "Spatial pyramid pooling in deep convolutional networks for visual recognition" (ECCV 2014;
TPAMI 2015, section 2.2 and appendix A).
"""

from collections.abc import Sequence

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("toolkit")
class SpatialPyramidPooling(layers.Layer):
    """The maximum of every bin of grids of 1 × 1, 2 × 2, … bins over all places: (N, H, W, C) to (N, C · Σ n²).

    Bin i of n over a side h reads from floor(i·h / n) up to, not including, ceil((i + 1)·h / n), the paper's windows:
    no place is left out and no bin is empty, also where h < n, as neighbours may share a place. The features of a level
    stand in the order row of bins, column of bins, channel; levels in the order given.

    The maximum is taken over the rows first and then over the columns: 2n slices a level instead of n² windows.

    One compiled graph a size: where height and width are known when a graph is compiled, as with JAX, with XLA or for a
    model of a fixed input, the borders of the slices are numbers in it. Without XLA, TensorFlow's `fit` and `predict`
    trace one graph with open sides for all sizes; the borders are then reckoned from each batch's shape, by the same
    formula and in the same time.

    Args:
        levels: bins a side, for each grid.

    Raises:
        ValueError: no level is given, or one is not a whole number of 1 or more.
    """

    def __init__(self, levels: Sequence[int] = (1, 2, 4), **options) -> None:
        super().__init__(**options)
        self.levels = tuple(levels)
        if not self.levels or any(isinstance(level, bool) or level != int(level) or level < 1 for level in self.levels):
            raise ValueError(f"levels of a pyramid must be whole numbers of 1 or more, not {self.levels}")

    def call(self, inputs):
        """(N, H, W, C) to (N, C · Σ n²), of the same type."""
        channels, features = inputs.shape[-1], []
        for level in self.levels:
            bins = _largest(_largest(inputs, level, axis=1), level, axis=2)
            features.append(ops.reshape(bins, (-1, level**2 * channels)))
        return ops.concatenate(features, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1] * sum(level**2 for level in self.levels))

    def get_config(self):
        return {**super().get_config(), "levels": list(self.levels)}


def _largest(values, bins: int, axis: int):
    """The maxima of the bins along one of the two sides, which has `bins` places afterwards."""
    side = ops.shape(values)[axis]  # a number where it is known, else a tensor
    maxima = []
    for place in range(bins):
        # Whole numbers above 0 alone: runtimes differ in how they divide others.
        start, stop = place * side // bins, ((place + 1) * side + bins - 1) // bins
        window = values[:, start:stop] if axis == 1 else values[:, :, start:stop]
        maxima.append(ops.max(window, axis=axis))
    return ops.stack(maxima, axis=axis)


def pooled(maps, levels: Sequence[int], otherwise: layers.Layer, name: str = "features"):
    """What a model's head reads: the pyramid of the last maps, or what another layer makes of them.

    Args:
        maps: symbolic (N, H, W, C).
        levels: of the pyramid; none for the other layer.
        otherwise: the other layer.
        name: of the pyramid.
    """
    return (SpatialPyramidPooling(levels, name=name) if levels else otherwise)(maps)
