"""Fitting a model to batches, with all that goes on beside it, and scoring every split at the end."""

import sys
from typing import Any

import keras
import numpy as np

import run_folder
from data.batches import feed, row_probabilities
from data.cache import Cache
from data.faults import InputError
from data.views import Views
from training import callbacks, devices, optimizers


def fit(
    config: Any, cache: Cache, rows: dict[str, np.ndarray], batches: Any, model: keras.Model, loss: keras.losses.Loss
) -> list[dict[str, float]]:
    """Train, and leave the model with the weights of its best epoch by validation mAP.

    Args:
        config: the header of train.py.
        cache: where the images are. rows: the cache positions of each split.
        batches: an endless `TrainingBatches`.
        model: of logits, not compiled. loss: a loss on logits.

    Returns:
        The rows of history.csv.

    Raises:
        InputError: a setting of the optimizer cannot be, the batch does not fit, or training diverged.
    """
    steps = config.steps_per_epoch or batches.steps_per_epoch
    # A step of the optimizer takes the gradients of several batches where they are accumulated.
    total = max(1, config.epochs * steps // config.accumulation)
    try:
        rate = optimizers.schedule(config.schedule, config.learning_rate, total, config.warmup_fraction)
        optimizer = optimizers.build(
            config.optimizer, rate, config.weight_decay, config.momentum, config.clip_norm, config.ema,
            config.accumulation,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(str(error)) from None
    model.compile(optimizer=optimizer, loss=loss, jit_compile=devices.jit_compile(config.jit_compile))
    best_path = config.run_dir / "checkpoint" / "best.weights.h5"
    best_path.parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stdout.isatty()
    progress = callbacks.Progress(
        config.run_dir / "timing.csv", config.epochs, steps * batches.batch_size, plain=not terminal
    )
    history = callbacks.History(config.run_dir / run_folder.HISTORY)
    watch = {"monitor": "val_mAP", "mode": "max"}
    used = [
        progress,
        *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if config.ema else []),
        callbacks.SplitMetrics(cache, rows, loss, config.batch_size, config.train_metrics_every),
        history,
        keras.callbacks.ModelCheckpoint(best_path, save_best_only=True, save_weights_only=True, **watch),
    ]
    if config.patience:
        used.append(keras.callbacks.EarlyStopping(patience=config.patience, **watch))
    used.append(callbacks.EpochEnd(progress))
    with devices.out_of_memory(config.batch_size):
        model.fit(
            feed(batches),
            epochs=config.epochs,
            steps_per_epoch=steps,
            shuffle=False,
            callbacks=used,
            verbose=1 if terminal else 0,
        )
    model.load_weights(best_path)
    return history.rows


def store_scores(config: Any, cache: Cache, rows: dict[str, np.ndarray], model: keras.Model) -> None:
    """Score every split once, for all scripts that follow, by the views that `predict.py` takes too."""
    views = Views(config.score_scales, config.score_views)
    for split, places in rows.items():
        if len(places):
            scores = row_probabilities(model, cache, places, config.batch_size, views)
            ids = [cache.ids[place] for place in places]
            run_folder.write_scores(config.run_dir, split, ids, scores, cache.labels[places])
