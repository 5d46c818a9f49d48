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
from data.batches.batches import TrainingBatches, feed, row_probabilities
from data.batches.test_time_augmentation import Views
from data.cache.cache import Cache
from models.scaling import take_up_weights
from training import devices, distribution, optimizers, signals
from training.averages import Averages
from training.callbacks import Best, History, Progress, SplitMetrics
from training.checkpoint import Checkpoints, State
from training.checkpoint_callback import CheckpointCallback
from training.config import Config
from training.frozen_features import FeatureCache

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
        frozen: digest of the frozen backbone weights, which a head's checkpoint does not contain.
    """

    name: str = ""
    epochs: int = 0
    after: int = 0
    factor: float = 1.0
    before: Sequence[dict[str, Any]] = ()
    frozen: str = ""


def fit(
    config: Config, cache: Cache | FeatureCache, rows: dict[str, np.ndarray], batches: TrainingBatches,
    model: keras.Model, loss: keras.losses.Loss, phase: Phase = Phase(), state: State | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train, and leave the model with the weights of its best epoch by validation mAP.

    Args:
        config: the header of train.py.
        cache: where the images or their features are. rows: the cache positions of each split.
        batches: of the run; its `start_step` is set here.
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
    callbacks = TrainingCallbacks(config, cache, rows, loss, phase, done + epochs, steps, batches)
    attached, checkpoint, best = callbacks.attached(model), callbacks.checkpoint, callbacks.best
    if state:
        checkpoint.restore(state)
    elif phase.before:
        # They are the best so far, and of the whole model, as no checkpoint of a head's phase need be.
        best.keep(max(phase.before, key=lambda row: row["val_mAP"])["epoch"])
    # A signal waits for the running step; of several processes each would end behind another one, so there it does not.
    wait = signals.deferred() if distribution.shard()[1] == 1 else nullcontext()
    with wait, devices.out_of_memory(config.batch_size):
        if checkpoint.step == steps:  # only the end of the epoch is left
            model.stop_training = False
            callbacks.end_epoch({name: float(value) for name, value in model.get_metrics_result().items()})
        while checkpoint.epoch < done + epochs and not best.ended:
            batches.start_step = checkpoint.epoch * steps + checkpoint.step
            # What is left of an epoch that was under way has fewer steps, so it is fitted alone.
            until = checkpoint.epoch + 1 if checkpoint.step else done + epochs
            model.fit(
                feed(batches), initial_epoch=checkpoint.epoch, epochs=until, steps_per_epoch=steps - checkpoint.step,
                shuffle=False, callbacks=attached, verbose=int(callbacks.terminal),
            )  # fmt: skip
    model.set_weights(callbacks.checkpoints.best(best.file))
    take_up_weights(model)
    return callbacks.history.rows


def _optimizer(config: Config, phase: Phase, batches: int) -> keras.optimizers.Optimizer:
    """The optimizer of a phase of so many batches."""
    # A step of the optimizer takes the gradients of several batches where they are accumulated.
    total = max(1, batches // config.accumulation)
    try:
        settings = optimizers.resolved(config)
        highest = settings["learning_rate"] * phase.factor
        rate = optimizers.schedule(config.schedule, highest, total, config.warmup_fraction, config.accumulation)
        return optimizers.build(
            config.optimizer, rate, settings["weight_decay"], config.momentum, config.clip_norm, config.ema,
            config.accumulation,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(str(error)) from None


class TrainingCallbacks:
    """The callbacks of a phase, in the order in which an epoch's end needs them.

    Args:
        config, cache, rows, loss, phase: as for `fit`.
        epochs: of the run, when this phase is done.
        steps: of an epoch. batches: what trains.
    """

    def __init__(
        self, config: Config, cache: Cache | FeatureCache, rows: dict[str, np.ndarray], loss: keras.losses.Loss,
        phase: Phase, epochs: int, steps: int, batches: TrainingBatches,
    ) -> None:  # fmt: skip
        done, self._steps, self._epochs = len(phase.before), steps, epochs + phase.after
        self.terminal = sys.stdout.isatty()
        timing = config.run_dir / "timing.csv"
        progress = Progress(timing, epochs, steps * batches.batch_size, not self.terminal, done, phase.after)
        metrics = SplitMetrics(cache, rows, loss, config.batch_size, config.train_metrics_every)
        self.history = History(config.run_dir / run_folder.HISTORY, phase.before, phase.name)
        self.checkpoints = Checkpoints(config.run_dir)
        highest = max((row["val_mAP"] for row in phase.before), default=None)
        self.best = Best(self.checkpoints.save_best, config.patience, phase.name, highest)
        self.checkpoint = CheckpointCallback(
            self.checkpoints, config.checkpoint_minutes,
            {"phase": phase.name, "before": done, "frozen": phase.frozen},
            {"history": self.history, "best": self.best, "progress": progress},
            steps, epochs, done, DEVICE_CHECK_EVERY if devices.has_gpu() else 1,
        )  # fmt: skip
        metrics.around = self.checkpoint.scoring
        averaged = []
        if config.ema:
            averages = Averages(batches.whole_images, steps, batches.batch_size)
            averaged, self.best.weights = [averages], averages.weights
            self.checkpoint.scored_weights = averages.in_model
        end = keras.callbacks.LambdaCallback(on_epoch_end=progress.finish_epoch)
        self._all = [progress, *averaged, metrics, self.history, self.best, end, self.checkpoint]

    def attached(self, model: keras.Model) -> keras.callbacks.CallbackList:
        """Return the callbacks for `model.fit`, with the epochs of the whole run, also if a call fits fewer."""
        return keras.callbacks.CallbackList(
            self._all, add_history=True, add_progbar=self.terminal, model=model, verbose=int(self.terminal),
            epochs=self._epochs, steps=self._steps,
        )  # fmt: skip

    def end_epoch(self, logs: dict[str, float]) -> None:
        """Do what `model.fit` does after an epoch's last step."""
        epoch = self.checkpoint.epoch
        for callback in self._all:
            callback.on_epoch_end(epoch, logs)


def store_scores(config: Config, cache: Cache | FeatureCache, rows: dict[str, np.ndarray], model: keras.Model) -> None:
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
