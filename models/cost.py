"""What a model costs, counted from its layers: multiplications, weights and the memory of a training step."""

import math
from dataclasses import dataclass

import keras
from keras import layers

OPTIMIZER_SLOTS = 2  # numbers that Adam keeps for each weight
# Arrays as large as the largest weights that its step makes on the way: VGG16 at 256², whose first dense layer is
# 0.54 GB, took 1.4 GB more than weights, gradients, slots and outputs.
PASSING = 3
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Cost:
    """Weights, floating-point operations an image forward (a multiplication and an addition are two), and bytes.

    `fixed` are the bytes of weights, gradients, optimizer and its step; `each` those of an image's outputs of all
    layers, which the backward pass needs, and of their gradients.
    """

    parameters: int
    operations: int
    fixed: int
    each: int

    def memory(self, batch_size: int) -> int:
        """Bytes of a training step, about: what the convolutions take besides depends on the device."""
        return self.fixed + batch_size * self.each

    def fitting(self, available: int) -> int:
        """The largest batch whose step takes no more than `available` bytes, 0 if not even one image does."""
        return max(0, (available - self.fixed) // max(self.each, 1))


def cost(model: keras.Model, bytes_a_number: int = FLOAT, image_shape: tuple[int, int, int] | None = None) -> Cost:
    """The cost of a functional model.

    Args:
        model: any.
        bytes_a_number: of the outputs of layers, 2 in half precision.
        image_shape: height, width and channels; needed where the model takes any size.
    """
    if None in model.input_shape[1:]:
        # Only a twin for this size knows the sizes of its outputs.
        twin = keras.Input(image_shape, dtype=model.input.dtype)
        model = keras.models.clone_model(model, input_tensors=twin)
    parameters, trained = model.count_params(), sum(math.prod(weight.shape) for weight in model.trainable_weights)
    outputs = sum(_size(layer.output) for layer in model.layers if not isinstance(layer, layers.InputLayer))
    largest = max((math.prod(weight.shape) for weight in model.trainable_weights), default=0)
    fixed = FLOAT * (parameters + (1 + OPTIMIZER_SLOTS) * trained + PASSING * largest)
    return Cost(parameters, sum(map(_operations, model.layers)), fixed, 2 * bytes_a_number * outputs)


def _operations(layer: keras.Layer) -> int:
    if isinstance(layer, layers.SeparableConv2D):
        places = math.prod(layer.output.shape[1:3])
        depthwise, pointwise = layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        return 2 * places * (math.prod(depthwise) + math.prod(pointwise))
    if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
        return 2 * math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Dense):
        places = math.prod(layer.output.shape[1:-1])
        return 2 * places * math.prod(layer.kernel.shape)
    return getattr(layer, "operations", 0)  # layers of ours count their own


def _size(tensors) -> int:
    return sum(math.prod(tensor.shape[1:]) for tensor in keras.tree.flatten(tensors))
