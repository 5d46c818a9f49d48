"""Fitting a model to batches, with all that goes on beside it, and scoring every split at the end."""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import run_folder
from data.batches import feed, row_probabilities
from data.cache import Cache
from data.faults import InputError
from data.views import Views
from training import callbacks, devices, optimizers


@dataclass(frozen=True)
class Phase:
    """A part of a training run; a run of one phase is `Phase()`.

    Attributes:
        name: the column `phase` of history.csv; empty for no such column.
        epochs: at most; 0 for those of the header.
        factor: on the learning rate.
        before: the rows of history.csv of the phases before, whose numbering goes on. Their best weights, of the whole
            model, are then in the checkpoint, and are kept unless an epoch of this phase is better.
    """

    name: str = ""
    epochs: int = 0
    factor: float = 1.0
    before: Sequence[dict[str, Any]] = ()


def best_weights(run_dir: Path) -> Path:
    """The weights of the best epoch."""
    return Path(run_dir) / "checkpoint" / "best.weights.h5"


def fit(
    config: Any,
    cache: Cache,
    rows: dict[str, np.ndarray],
    batches: Any,
    model: keras.Model,
    loss: keras.losses.Loss,
    phase: Phase = Phase(),
) -> list[dict[str, Any]]:
    """Train, and leave the model with the weights of its best epoch by validation mAP.

    Args:
        config: the header of train.py.
        cache: where the images are. rows: the cache positions of each split.
        batches: an endless `TrainingBatches`.
        model: of logits, not compiled. loss: a loss on logits.
        phase: which part of the run this is.

    Returns:
        The rows of history.csv, those of the phases before included.

    Raises:
        InputError: a setting of the optimizer cannot be, the batch does not fit, or training diverged.
    """
    steps, done = config.steps_per_epoch or batches.steps_per_epoch, len(phase.before)
    epochs = phase.epochs or config.epochs
    # A step of the optimizer takes the gradients of several batches where they are accumulated.
    total = max(1, epochs * steps // config.accumulation)
    try:
        highest = config.learning_rate * phase.factor
        rate = optimizers.schedule(config.schedule, highest, total, config.warmup_fraction)
        optimizer = optimizers.build(
            config.optimizer, rate, config.weight_decay, config.momentum, config.clip_norm, config.ema,
            config.accumulation,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(str(error)) from None
    model.compile(optimizer=optimizer, loss=loss, jit_compile=devices.jit_compile(config.jit_compile))
    best_path = best_weights(config.run_dir)
    best_path.parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stdout.isatty()
    progress = callbacks.Progress(
        config.run_dir / "timing.csv", done + epochs, steps * batches.batch_size, plain=not terminal, first=done
    )
    history = callbacks.History(config.run_dir / run_folder.HISTORY, phase.before, phase.name)
    watch = {"monitor": "val_mAP", "mode": "max"}
    earlier_best = max((row["val_mAP"] for row in phase.before), default=None)
    used = [
        progress,
        *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if config.ema else []),
        callbacks.SplitMetrics(cache, rows, loss, config.batch_size, config.train_metrics_every),
        history,
        keras.callbacks.ModelCheckpoint(
            best_path, save_best_only=True, save_weights_only=True, initial_value_threshold=earlier_best, **watch
        ),
    ]
    if config.patience:
        used.append(keras.callbacks.EarlyStopping(patience=config.patience, **watch))
    used.append(callbacks.EpochEnd(progress))
    with devices.out_of_memory(config.batch_size):
        model.fit(
            feed(batches),
            initial_epoch=done,
            epochs=done + epochs,
            steps_per_epoch=steps,
            shuffle=False,
            callbacks=used,
            verbose=1 if terminal else 0,
        )
    with warnings.catch_warnings():
        # The best epoch may be of an earlier phase, whose optimizer was another.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        model.load_weights(best_path)
    return history.rows


def store_scores(config: Any, cache: Cache, rows: dict[str, np.ndarray], model: keras.Model) -> None:
    """Score every split once, for all scripts that follow, by the views that `predict.py` takes too."""
    views = Views(config.score_scales, config.score_views)
    for split, places in rows.items():
        if len(places):
            scores = row_probabilities(model, cache, places, config.batch_size, views)
            ids = [cache.ids[place] for place in places]
            groups = [cache.index[place]["group"] for place in places]
            run_folder.write_scores(config.run_dir, split, ids, scores, cache.labels[places], groups)
