"""Keeping the state of a training run in checkpoints, and taking it up again, bit for bit."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from common.errors import InputError
from models.scaling import take_up_weights
from training import signals
from training.checkpoint import Checkpoints, State

SHARE = 0.05  # of the time that checkpoints at the ends of short epochs may take; one is then left out
DIVERGED = "training diverged; lower learning_rate, or the class weights"


class StatefulCallback(Protocol):
    """A callback with a state that lasts from epoch to epoch: `state` returns it ready for JSON, `restore` takes it."""

    def state(self) -> object: ...

    def restore(self, state: Any) -> None: ...  # noqa: ANN401  any JSON value, as each class returns it


class CheckpointCallback(keras.callbacks.Callback):
    """Writes checkpoints: every so many minutes, at an epoch's end, and before a signal ends training.

    It has to come last. What it writes are all variables of model (with the states of dropout's generators), optimizer
    (with averages and gathered gradients) and metrics, and what the other callbacks remember. Weights that are not
    finite are never written.

    Attributes:
        epoch, step: how far training is: whole epochs of the run, and steps into the next.
        scored_weights: puts other weights into the model while it is scored, such as `Averages.in_model`.
        last: what was last written or taken up, while an epoch is under way that did not begin here; else None.

    Args:
        checkpoints: where they go.
        minutes: between two of them, at most, in a long epoch.
        phase: the phase's entries of each state, ready for JSON.
        callbacks: whose states a checkpoint contains, by name.
        steps: of an epoch. epochs: of the run, those of earlier phases included.
        done: epochs of earlier phases.
        check_every: steps between looks at the loss; a look waits for the device.
    """

    def __init__(
        self, checkpoints: Checkpoints, minutes: float, phase: dict[str, Any], callbacks: dict[str, StatefulCallback],
        steps: int, epochs: int, done: int, check_every: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.epoch, self.step, self._steps, self._epochs = done, 0, steps, epochs
        self._checkpoints, self._seconds, self._phase, self._callbacks = checkpoints, 60 * minutes, phase, callbacks
        self._check_every = check_every
        self.scored_weights: Callable[[], AbstractContextManager[None]] = nullcontext
        self.last: State | None = None
        self._whole = True  # whether this epoch began with its first step
        self._written, self._cost = time.monotonic(), 0.0

    def restore(self, state: State) -> None:
        """Take up a state; the model is compiled and set, and `fit` is still to come."""
        self.epoch, self.step = state.values["epoch"], state.values["step"]
        for name, callback in self._callbacks.items():
            callback.restore(state.values["parts"][name])
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        for kind, variables in self._variables().items():
            _assign(variables, state.arrays.get(kind, []))
        take_up_weights(self.model)
        self.last, self._whole = state, self.step == 0

    def on_epoch_begin(self, epoch, logs=None):
        if not self._whole:
            # Keras has just set them to zero, as for a whole epoch.
            _assign(self.model.metrics_variables, self.last.arrays["metrics"])

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % self._check_every == 0 and not np.isfinite(float(logs["loss"])):
            place = f"epoch {self.epoch + 1}, step {self.step} of {self._steps}"
            raise InputError(f"{place}: the loss is no longer finite: {DIVERGED}")
        if signals.asked() or time.monotonic() - self._written > self._seconds:
            self.save()
            signals.raise_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch, self.step = epoch + 1, 0
        last = self.epoch == self._epochs or self.model.stop_training or not self._whole
        if last or signals.asked() or self._cost < SHARE * (time.monotonic() - self._written):
            self.save()
        self._whole = True
        signals.raise_if_asked()

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """While the model only scores, a signal ends it at once, and the checkpoint says that the epoch's steps are
        done. The checkpoint has the model's own weights, not those that were scored."""
        try:
            with self.scored_weights(), signals.at_once():
                yield
        except signals.Stopped:
            self.save()
            raise

    def save(self) -> None:
        """Write a checkpoint now.

        Raises:
            InputError: the weights are not finite; the checkpoint before stays the last.
            OSError: it cannot be written.
        """
        start = time.monotonic()
        state = self._state()
        if not all(np.isfinite(array).all() for array in state.arrays["model"]):
            place = f"epoch {self.epoch + 1}, step {self.step} of {self._steps}"
            raise InputError(f"{place}: the weights are no longer finite: {DIVERGED}")
        self._checkpoints.save(self.epoch * self._steps + self.step, state)
        self._written = time.monotonic()
        self._cost, self.last = self._written - start, None if self._whole else state

    def _state(self) -> State:
        arrays = {kind: list(map(ops.convert_to_numpy, variables)) for kind, variables in self._variables().items()}
        parts = {name: callback.state() for name, callback in self._callbacks.items()}
        best = self._callbacks["best"].file
        return State({**self._phase, "epoch": self.epoch, "step": self.step, "best": best, "parts": parts}, arrays)

    def _variables(self) -> dict[str, list[keras.Variable]]:
        model = self.model
        return {
            "model": model.variables,  # Keras counts the states of random generators among them
            "optimizer": model.optimizer.variables,
            "metrics": model.metrics_variables,
        }


def _assign(variables: list[keras.Variable], arrays: list[np.ndarray]) -> None:
    shapes = [[tuple(each.shape) for each in found] for found in (variables, arrays)]
    if shapes[0] != shapes[1]:
        raise InputError("the checkpoint is of another model; give --overwrite to begin anew")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
