"""Fitting a model to batches, with all that goes on beside it, and scoring every split at the end."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import run_folder
from common.errors import InputError
from data.batches.batches import feed, row_probabilities
from data.batches.test_time_augmentation import Views
from data.cache.cache import Cache
from models.scaling import take_up_weights
from training import callbacks, devices, distribution, optimizers, signals
from training.averages import Averages
from training.checkpoint import Checkpoints, State
from training.checkpoint_callback import Keeper

DEVICE_CHECK_EVERY = 50  # steps between looks at the loss, where a look keeps the device waiting


@dataclass(frozen=True)
class Phase:
    """A part of a training run; a run of one phase is `Phase()`.

    Attributes:
        name: the column `phase` of history.csv; empty for no such column.
        epochs: at most; 0 for those of the header.
        after: epochs of a phase that follows, at most.
        factor: on the learning rate.
        before: the rows of history.csv of the phases before, whose numbering goes on. The model then comes with their
            best weights, which are kept unless an epoch of this phase is better.
        frozen: what tells the weights below a head that trains alone, as no checkpoint of it holds them.
    """

    name: str = ""
    epochs: int = 0
    after: int = 0
    factor: float = 1.0
    before: Sequence[dict[str, Any]] = ()
    frozen: str = ""


def fit(
    config: Any,
    cache: Cache,
    rows: dict[str, np.ndarray],
    batches: Any,
    model: keras.Model,
    loss: keras.losses.Loss,
    phase: Phase = Phase(),
    state: State | None = None,
) -> list[dict[str, Any]]:
    """Train, and leave the model with the weights of its best epoch by validation mAP.

    Args:
        config: the header of train.py.
        cache: where the images are. rows: the cache positions of each split.
        batches: an endless `TrainingBatches`, which begins with the phase.
        model: of logits, not compiled. loss: a loss on logits.
        phase: which part of the run this is.
        state: the checkpoint of this phase to go on from, None to begin.

    Returns:
        The rows of history.csv, those of the phases before included.

    Raises:
        InputError: a setting of the optimizer cannot be, the batch does not fit, or training diverged.
        Stopped: a signal ended training, and a checkpoint says how far it was.
    """
    steps, done = config.steps_per_epoch or batches.steps_per_epoch, len(phase.before)
    epochs = phase.epochs or config.epochs
    optimizer = _optimizer(config, phase, epochs * steps)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=devices.jit_compile(config.jit_compile))
    # TensorFlow would trace a step that makes variables twice, which takes a second.
    model.optimizer.build(model.trainable_variables)
    used = Used(config, cache, rows, loss, phase, done + epochs, steps, batches)
    called = used.attached(model)
    if state:
        used.keeper.restore(state)
    elif phase.before:
        # They are the best so far, and of the whole model, as no checkpoint of a head's phase need be.
        used.best.keep(max(phase.before, key=lambda row: row["val_mAP"])["epoch"])
    # A signal waits for the running step; of several processes each would end behind another one, so there it does not.
    wait = signals.deferred() if distribution.share()[1] == 1 else nullcontext()
    with wait, devices.out_of_memory(config.batch_size):
        _run(model, batches, used, called, done, done + epochs)
    model.set_weights(used.checkpoints.best(used.best.file))
    take_up_weights(model)
    return used.history.rows


def _optimizer(config: Any, phase: Phase, batches: int) -> keras.optimizers.Optimizer:
    """The optimizer of a phase of so many batches."""
    # A step of the optimizer takes the gradients of several batches where they are accumulated.
    total = max(1, batches // config.accumulation)
    try:
        found = optimizers.resolved(config)
        highest = found["learning_rate"] * phase.factor
        rate = optimizers.schedule(config.schedule, highest, total, config.warmup_fraction, config.accumulation)
        return optimizers.build(
            config.optimizer, rate, found["weight_decay"], config.momentum, config.clip_norm, config.ema,
            config.accumulation,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(str(error)) from None


class Used:
    """The callbacks of a phase, in the order in which an epoch's end needs them.

    Args:
        config, cache, rows, loss, phase: as for `fit`.
        epochs: of the run, when this phase is done.
        steps: of an epoch. batches: what trains.
    """

    def __init__(
        self, config: Any, cache: Cache, rows: dict[str, np.ndarray], loss: Any, phase: Phase, epochs: int, steps: int,
        batches: Any,
    ) -> None:  # fmt: skip
        done, self.steps = len(phase.before), steps
        self.terminal = sys.stdout.isatty()
        timing = config.run_dir / "timing.csv"
        progress = callbacks.Progress(timing, epochs, steps * batches.batch_size, not self.terminal, done, phase.after)
        metrics = callbacks.SplitMetrics(cache, rows, loss, config.batch_size, config.train_metrics_every)
        self.history = callbacks.History(config.run_dir / run_folder.HISTORY, phase.before, phase.name)
        self.checkpoints = Checkpoints(config.run_dir)
        highest = max((row["val_mAP"] for row in phase.before), default=None)
        self.best = callbacks.Best(self.checkpoints.save_best, config.patience, phase.name, highest)
        parts = {"history": self.history, "best": self.best, "progress": progress}
        told = {"phase": phase.name, "before": done, "frozen": phase.frozen}
        check_every = DEVICE_CHECK_EVERY if devices.has_gpu() else 1
        self.keeper = Keeper(self.checkpoints, config.checkpoint_minutes, told, parts, steps, epochs, done, check_every)
        metrics.around = self.keeper.scoring
        averaged = []
        if config.ema:
            averages = Averages(batches.whole_images, steps, batches.batch_size)
            averaged, self.best.weights, metrics.weights = [averages], averages.weights, averages.in_model
        self._all = [
            progress, *averaged, metrics, self.history, self.best, callbacks.EpochEnd(progress), self.keeper,
        ]  # fmt: skip
        self._epochs = epochs + phase.after

    def attached(self, model: keras.Model) -> keras.callbacks.CallbackList:
        """What `fit` takes, with the number of epochs of the whole run, in whatever pieces it is fitted."""
        return keras.callbacks.CallbackList(
            self._all, add_history=True, add_progbar=self.terminal, model=model, verbose=int(self.terminal),
            epochs=self._epochs, steps=self.steps,
        )  # fmt: skip

    def end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """What `fit` does behind an epoch's last step."""
        for callback in self._all:
            callback.on_epoch_end(epoch, logs)


def _run(
    model: keras.Model, batches: Any, used: Used, called: keras.callbacks.CallbackList, first: int, epochs: int
) -> None:
    """Fit what is left of a phase that began with epoch `first`: the rest of an epoch that was under way, then whole
    epochs."""
    keeper, steps = used.keeper, used.steps
    start = batches.start_step - first * steps

    def fit(until: int, number: int) -> None:
        batches.start_step = start + keeper.epoch * steps + keeper.step
        model.fit(
            feed(batches), initial_epoch=keeper.epoch, epochs=until, steps_per_epoch=number, shuffle=False,
            callbacks=called, verbose=int(used.terminal),
        )  # fmt: skip

    if keeper.step == steps:
        model.stop_training = False
        used.end_epoch(keeper.epoch, {name: float(value) for name, value in model.get_metrics_result().items()})
    elif keeper.step:
        fit(keeper.epoch + 1, steps - keeper.step)
    if keeper.epoch < epochs and not used.best.ended:
        fit(epochs, steps)


def store_scores(config: Any, cache: Cache, rows: dict[str, np.ndarray], model: keras.Model) -> None:
    """Score every split once, for all scripts that follow, by the views that `predict.py` takes too."""
    views = Views(config.score_scales, config.score_views)
    for split, places in rows.items():
        if len(places):
            scores = distribution.scored(
                model, places, lambda own, part: row_probabilities(own, cache, part, config.batch_size, views)
            )
            ids = [cache.ids[place] for place in places]
            groups, hashes = ([cache.index[place].get(name, "") for place in places] for name in ("group", "sha1"))
            run_folder.write_scores(config.run_dir, split, ids, scores, cache.labels[places], groups, hashes)
