"""A classifier over a tree of labels on top of any network: level by level, and never a child likelier than its parent.

What a node is and where it stands comes in two tables of plain integers, as `data.labels.hierarchy.Tree` makes them:
`levels` (M), from 1 for the tops down, and `descendants` (M, D), each node, all below it, and the node itself as
filling.
"""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

Head = Literal["recurrent", "flat"]
Levels = Sequence[int]
Descendants = Sequence[Sequence[int]]


def crowned(
    network: keras.Model, levels: Levels, descendants: Descendants, head: Head = "recurrent", units: int = 128
) -> keras.Model:
    """A built network with a head for a tree in place of its last layer.

    Args:
        network: a functional model whose layer `logits` reads the features (N, F).
        levels: (M,) the level of each node.
        descendants: (M, D) nodes.
        head: `recurrent`, see `LevelLogits`; or `flat`, a hidden layer and all logits at once, as wide as it takes to
            have as many parameters as the recurrent one. Both are constrained alike.
        units: width of the recurrent head's hidden state.

    Returns:
        A functional model from the network's input to float32 logits (N, M): see `MaxConstraint`.

    Raises:
        ValueError: the head is unknown, or the two tables do not have a row a node each.
    """
    if head not in ("recurrent", "flat"):
        raise ValueError(f"unknown head {head!r}; known: recurrent, flat")
    if len(levels) != len(descendants):
        raise ValueError(f"levels of {len(levels)} nodes, but descendants of {len(descendants)}")
    features = network.get_layer("logits").input
    if head == "recurrent":
        logits = LevelLogits(levels, units, name="logits")(features)
    else:
        width = flat_units(features.shape[-1], levels, units)
        hidden = layers.Dense(width, activation="relu", name="tree_hidden")(features)
        logits = layers.Dense(len(levels), dtype="float32", name="logits")(hidden)
    constrained = MaxConstraint(descendants, name="constraint")(logits)
    return keras.Model(network.input, constrained, name=f"hierarchical_{network.name}")


def flat_units(features: int, levels: Levels, units: int) -> int:
    """The hidden units of a flat head that has as many parameters as a recurrent one, as nearly as whole units allow.

    Args:
        features: F, the width of what both read.
        levels: (M,) the level of each node.
        units: U, the width of the recurrent one's hidden state.
    """
    nodes = len(levels)
    recurrent = 3 * units * (features + nodes + units + 2) + nodes * (units + 1)
    return max(1, round((recurrent - nodes) / (features + 1 + nodes)))


@keras.saving.register_keras_serializable("toolkit")
class LevelLogits(layers.Layer):
    """Logits of a tree's nodes by a recurrent net whose steps are the levels, the tops first.

    A step is one gated recurrent unit (Cho et al., EMNLP 2014), the same for all levels. Level l reads the features of
    the image and what level l − 1 carries down: its hidden state, and its decision, the probabilities of its nodes. The
    logits of a level's nodes are read from its own hidden state. Nothing is carried into the first level. (Wehrmann,
    Cerri and Barros, "Hierarchical multi-label classification networks", ICML 2018, unroll a recurrent net so, but
    carry the hidden state alone.)

    Args:
        levels: (M,) the level of each node, from 1.
        units: U, the width of the hidden state.
    """

    def __init__(self, levels: Levels, units: int, **options) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.levels, self.units = [int(level) for level in levels], units
        self.cell = layers.GRUCell(units, dtype="float32", name="level_cell")

    def build(self, input_shape):
        nodes = len(self.levels)
        self.cell.build((None, input_shape[-1] + nodes))
        self.kernel = self.add_weight(shape=(self.units, nodes), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(nodes,), initializer="zeros", name="bias")
        self.built = True

    def call(self, features):
        """Features (N, F) to logits (N, M)."""
        total = ops.zeros((ops.shape(features)[0], len(self.levels)), dtype="float32")
        hidden, decision = ops.zeros((ops.shape(features)[0], self.units), dtype="float32"), total
        for level in range(1, max(self.levels) + 1):
            mine = np.array([each == level for each in self.levels], dtype=np.float32)
            hidden, _ = self.cell(ops.concatenate([features, decision], axis=-1), [hidden])
            logits = (ops.matmul(hidden, self.kernel) + self.bias) * mine
            total = total + logits
            hidden, decision = self.carried(hidden, ops.sigmoid(logits) * mine)
        return total

    def carried(self, hidden, decision):
        """What a level hands down: its hidden state (N, U), and the probabilities (N, M) of its nodes, 0 for others."""
        return hidden, decision

    @property
    def operations(self) -> int:
        """Floating-point operations an image, for `models.cost`."""
        cell = np.prod(self.cell.kernel.shape) + np.prod(self.cell.recurrent_kernel.shape)
        return 2 * max(self.levels) * int(cell + np.prod(self.kernel.shape))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.levels))

    def get_config(self):
        return {**super().get_config(), "levels": self.levels, "units": self.units}


@keras.saving.register_keras_serializable("toolkit")
class MaxConstraint(layers.Layer):
    """Raises each node to the highest of all below it, so that no child is likelier than its parent.

    The constraint of Giunchiglia and Lukasiewicz, "Coherent hierarchical multi-label classification networks" (NeurIPS
    2020), MCM. They take it of probabilities; of logits it is the same, as the sigmoid keeps the order. In training
    the layer lets the logits through as they are, because the loss takes a maximum of its own that knows the labels:
    `loss_formulas.by_level.LevelLoss`.

    Args:
        descendants: (M, D) nodes.
    """

    def __init__(self, descendants: Descendants, **options) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.descendants = [[int(node) for node in line] for line in descendants]

    def call(self, values, training=None):
        """(N, M) to (N, M)."""
        if training:
            return values
        return ops.max(ops.take(values, np.array(self.descendants, dtype=np.int32), axis=1), axis=2)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "descendants": self.descendants}
