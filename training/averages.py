"""An average of the weights over the steps of the optimizer, which is scored and saved in place of the weights.

Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (SIAM J. Control Optim., 1992). The average
has no batch statistics of its own, so these are estimated on training images, as in Izmailov et al., "Averaging weights
leads to wider optima and better generalization" (UAI 2018), section 3.2.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from training import distribution

STATISTICS_IMAGES = 1024  # training images from which batch statistics are estimated


class AveragedSteps:
    """Mixin for an optimizer with `use_ema`: one average per step of the optimizer, with a decay that rises.

    After step k, counted from 0, the decay is min(ema_momentum, (1 + k) / (10 + k)), and 0 for the first step, so that
    the average forgets the initial weights. Keras itself averages once per batch, also under gradient accumulation, and
    with the full decay from the start.
    """

    def _update_model_variables_moving_average(self, trainable_variables):
        # Keras calls this after each batch and before it counts the batch.
        taken = ops.cast(self.iterations, "float32")
        rising = ops.minimum(self.ema_momentum, (1 + taken) / (10 + taken))
        is_step = (self._iterations + 1) % (self.gradient_accumulation_steps or 1) == 0
        decay = ops.where(taken > 0, ops.where(is_step, rising, 1.0), 0.0)
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            average.assign(decay * average + (1 - decay) * variable)

    def finalize_variable_values(self, var_list):
        """Leave the weights as they are: training may go on."""


class Averages(keras.callbacks.Callback):
    """Computes the averaged weights at the end of each epoch. It has to come before the callbacks that use them.

    Args:
        images_of: returns the training images of a global step, (batch_size, H, W, C) uint8.
        steps: batches per epoch.
        batch_size: images per batch.
    """

    def __init__(self, images_of: Callable[[int], np.ndarray], steps: int, batch_size: int) -> None:
        super().__init__()
        self._images_of, self._steps = images_of, steps
        self._batches = min(steps, -(-STATISTICS_IMAGES // batch_size))
        self._averaged: list[np.ndarray] | None = None

    def weights(self) -> list[np.ndarray]:
        """Return the averaged weights, as `keras.Model.get_weights`; before the first epoch ends, the model's own."""
        return self.model.get_weights() if self._averaged is None else self._averaged

    def on_epoch_end(self, epoch, logs=None):
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        averages = dict(
            zip(map(id, optimizer._trainable_variables), optimizer._model_variables_moving_average, strict=True)
        )
        self._averaged = [ops.convert_to_numpy(averages.get(id(each), each)) for each in self.model.weights]
        first = epoch * self._steps
        with self.in_model(), distribution.alone(self.model) as model:
            estimate_statistics(model, map(self._images_of, range(first, first + self._batches)))
            self._averaged = model.get_weights()

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Put the averaged weights into the model, and at the end its own again."""
        own = self.model.get_weights()
        self.model.set_weights(self.weights())
        try:
            yield
        finally:
            self.model.set_weights(own)


def estimate_statistics(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Set the statistics of each batch normalisation that trains to their means over these batches.

    Args:
        model: changed in place; the states of its random generators stay.
        batches: what the model takes, a batch each.
    """
    layers = [
        each for each in model._flatten_layers() if isinstance(each, keras.layers.BatchNormalization) and each.trainable
    ]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    weights = {id(each) for each in model.weights}
    states = [(each, ops.convert_to_numpy(each)) for each in model.variables if id(each) not in weights]
    for number, images in enumerate(batches):
        for layer in layers:
            layer.momentum = number / (number + 1)
        model(images, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    for variable, state in states:
        variable.assign(state)
