"""Where a model looks for a class: Grad-CAM (Selvaraju et al., "Grad-CAM: visual explanations from deep networks via
gradient-based localization", ICCV 2017), for any functional model, on TensorFlow and on JAX."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from models.hierarchical import MaxConstraint


def maps(model: keras.Model, images: np.ndarray, classes: list[int] | np.ndarray, batch_size: int = 32) -> np.ndarray:
    """Which places of an image raise the score of a class.

    Of the last layer that has places, each map A_k is weighted by the mean over all places of the gradient of the
    class's logit with respect to it; the weighted maps are added, and what lowers the logit is cut at 0. The logit, not
    the probability, as the gradient of a sigmoid that is sure of itself is nothing. The last maps are those before a
    maximum pooling at the end, as in the paper: it has the same weights, in fewer places.

    Args:
        model: functional, from (N, H, W, C) to logits or probabilities (N, K). Of any size, if the model takes that.
        images: (N, H, W, C) uint8.
        classes: (L,) whole numbers from 0 to K − 1, the classes of every image; or (N, L), each image's own.
        batch_size: images a step.

    Returns:
        (N, L, h, w) float32, the sides of that layer's maps. Each is divided by its own maximum, so it lies in 0 to 1,
        and says where, not how much; it is 0 all over where no place raises the logit.

    Raises:
        ValueError: no layer of the model has places, or through none does all go that the logits read; a class that
            the model does not have; another backend than TensorFlow and JAX.
    """
    count = model.output_shape[-1]
    wanted = np.asarray(classes, dtype=np.int64)
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < count):
        raise ValueError(f"classes {wanted.min()} to {wanted.max()}, but the model has 0 to {count - 1}")
    wanted = np.broadcast_to(wanted, (len(images), wanted.shape[-1]))
    lower, upper = parts(model)
    gradient = _gradient(upper)
    found = []
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        activations = lower(images[rows], training=False)
        each = [_map(activations, gradient(activations, _one_hot(column, count))) for column in wanted[rows].T]
        found.append(np.stack(each, axis=1))
    return np.concatenate(found)


def parts(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """A model in two, with its own layers: from images to the last maps (N, h, w, C), and from those to logits (N, K).

    Raises:
        ValueError: as `maps`.
    """
    logits = _logits(model)
    several = False
    for maps_of_layer in _spatial(model):
        try:
            upper = keras.Model(maps_of_layer, logits)
        except ValueError:  # the logits also read what goes past this layer
            several = True
            continue
        return keras.Model(model.input, maps_of_layer), upper
    reason = "the logits read several branches, and no layer holds all of them" if several else "none of its layers has"
    raise ValueError(f"{model.name} has no maps to look at: {reason}" + ("" if several else " height and width"))


def _spatial(model: keras.Model) -> Iterator[keras.KerasTensor]:
    """The outputs with more than one place, last first, without those that are only the maxima of others."""
    # By the calls and not by the layers: a layer that is called twice, or is a model itself, says of its output what it
    # is elsewhere.
    for depth in sorted(model._nodes_by_depth):
        for call in reversed(model._nodes_by_depth[depth]):
            if isinstance(call.operation, layers.InputLayer | layers.MaxPooling2D) or len(call.outputs) != 1:
                continue
            shape = call.outputs[0].shape
            # Sides that are not known before an image comes are taken for more than one place.
            if len(shape) == 4 and (None in shape[1:3] or shape[1] * shape[2] > 1):
                yield call.outputs[0]


def _logits(model: keras.Model) -> keras.KerasTensor:
    """The symbolic logits (N, K) of a model that ends in a sigmoid; the output of one that does not."""
    output = model.output
    layer = output._keras_history.operation
    if isinstance(layer, MaxConstraint) and _is_sigmoid(layer.input._keras_history.operation):
        # The constraint of the probabilities repeats that of the logits.
        layer = layer.input._keras_history.operation
    if not _is_sigmoid(layer):
        return output
    if isinstance(layer, layers.Activation):
        return layer.input
    # A layer that multiplies and squashes at once: its twin only multiplies.
    twin = type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_logits", "activation": "linear"})
    logits = twin(layer.input)
    twin.set_weights(layer.get_weights())
    return logits


def _is_sigmoid(layer: keras.Operation) -> bool:
    return getattr(layer, "activation", None) is keras.activations.sigmoid


def _gradient(upper: keras.Model) -> Callable[[Any, Any], Any]:
    """Of the logits that a mask (n, K) picks, with respect to the maps (n, h, w, C): of the same shape."""

    def picked(activations, mask):
        return ops.sum(ops.cast(upper(activations, training=False), "float32") * mask)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        def gradient(activations, mask):
            with tensorflow.GradientTape() as tape:
                tape.watch(activations)
                value = picked(activations, mask)
            return tape.gradient(value, activations, unconnected_gradients="zero")

        return gradient
    if backend == "jax":
        import jax

        return jax.jit(jax.grad(picked))
    raise ValueError(f"Grad-CAM takes gradients of TensorFlow or JAX, not of {backend}")


def _one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[classes]


def _map(activations, gradients) -> np.ndarray:
    """One map an image (n, h, w) float32, of maps and gradients (n, h, w, C)."""
    activations, gradients = (
        ops.convert_to_numpy(ops.cast(each, "float32")).astype(np.float64) for each in (activations, gradients)
    )
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    raised = np.maximum((weights * activations).sum(axis=3), 0)
    highest = raised.max(axis=(1, 2), keepdims=True)
    return (raised / np.where(highest > 0, highest, 1)).astype(np.float32)
