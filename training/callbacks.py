"""Callbacks of a run: metrics of whole splits, history and timing on disk, plain progress lines with the time left."""

import csv
import io
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import expit

from common.arrays import damage_named
from common.errors import InputError
from common.files import write_text
from data.batches.batches import score_rows
from data.cache.cache import Cache
from evaluation import metrics
from training import distribution

LOGGED = ("mAP", "macro_f1", "subset_accuracy")


def duration(seconds: float) -> str:
    """A length of time in words, such as `45 s`, `12 min` or `3.2 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class SplitMetrics(keras.callbacks.Callback):
    """Adds loss, mAP, macro-F1 and subset accuracy (the last two at threshold 0.5) of whole splits to an epoch's logs.

    It has to come before the callbacks that read those logs.

    Args:
        cache: where the images are.
        rows: the cache positions of each split that is scored.
        loss: a loss on logits, as `losses.build` gives.
        batch_size: rows scored at once.
        train_every: score the training rows too every so many epochs; 0 for never.

    Attributes:
        around: what to score within, as `CheckpointCallback.scoring`.
    """

    def __init__(
        self, cache: Cache, rows: dict[str, np.ndarray], loss: keras.losses.Loss, batch_size: int, train_every: int
    ) -> None:
        super().__init__()
        self.cache, self.rows, self.loss = cache, rows, loss
        self.batch_size, self.train_every = batch_size, train_every
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext

    def on_epoch_end(self, epoch, logs=None):
        self._add(logs, "val")
        if self.train_every and (epoch + 1) % self.train_every == 0:
            self._add(logs, "train")

    def _add(self, logs: dict, split: str) -> None:
        rows = self.rows[split]
        with self.around():
            logits = distribution.scored(self.model, rows, self._logits)
        labels = self.cache.labels[rows]
        if not np.isfinite(logits).all():
            raise InputError(
                "the model's outputs are no longer finite: training diverged; lower learning_rate, or the class weights"
            )
        figures = metrics.summary(labels, expit(logits), np.full(labels.shape[1], 0.5))
        if split == "val":
            logs["val_loss"] = float(self.loss(labels, logits))
        logs.update({f"{split}_{name}": float(figures[name]) for name in LOGGED})

    def _logits(self, model: keras.Model, rows: np.ndarray) -> np.ndarray:
        return score_rows(model, self.cache, rows, self.batch_size)


class History(keras.callbacks.Callback):
    """Writes `history.csv`, a row an epoch, anew each epoch, and keeps the rows in `rows`.

    Args:
        path: of history.csv.
        before: the rows of earlier phases.
        phase: the name of this one, for a column of its own; empty for none.
    """

    def __init__(self, path: Path, before: Sequence[dict[str, Any]] = (), phase: str = "") -> None:
        super().__init__()
        self.path, self.phase = path, {"phase": phase} if phase else {}
        self.rows: list[dict[str, Any]] = list(before)

    def on_epoch_end(self, epoch, logs=None):
        numbers = {name: float(value) for name, value in logs.items()}
        self.rows.append({"epoch": epoch + 1, **self.phase, **numbers})
        write_table(self.path, self.rows)

    def state(self) -> list[dict[str, Any]]:
        return self.rows

    def restore(self, state: list[dict[str, Any]]) -> None:
        self.rows = list(state)
        if self.rows:
            write_table(self.path, self.rows)


class Best(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the highest validation mAP, and ends training when none is better for long.

    Attributes:
        file: that of the weights, None before there are any.
        weights: returns what is kept, the model's weights unless it is replaced, as by `Averages.weights`.

    Args:
        save: writes the model's weights under a name, and gives the file.
        patience: epochs of this phase without a better one before training ends; 0 for no end.
        phase: the name of this one, for that of the file.
        before: the highest mAP of earlier phases, None without any.
    """

    def __init__(
        self, save: Callable[[str, list[np.ndarray]], str], patience: int, phase: str = "", before: float | None = None
    ) -> None:
        super().__init__()
        self._save, self._patience, self._phase = save, patience, f"{phase}-" if phase else ""
        self.file: str | None = None
        self.weights: Callable[[], list[np.ndarray]] = lambda: self.model.get_weights()
        self._score, self._highest, self._waited = before, None, 0

    def keep(self, epoch: int) -> None:
        """Write the current weights, by the number of their epoch."""
        self.file = self._save(f"{self._phase}{epoch:06d}", self.weights())

    def on_epoch_end(self, epoch, logs=None):
        score = logs["val_mAP"]
        if self._score is None or score > self._score:
            self._score = score
            self.keep(epoch + 1)
        # Each phase has its own patience, as its first epochs may be worse than the last ones of the phase before.
        self._waited += 1
        if self._highest is None or score > self._highest:
            self._highest, self._waited = score, 0
        elif self.ended:
            self.model.stop_training = True

    @property
    def ended(self) -> bool:
        """Whether patience is at an end."""
        return 0 < self._patience <= self._waited

    def state(self) -> dict[str, Any]:
        return {"file": self.file, "score": self._score, "highest": self._highest, "waited": self._waited}

    def restore(self, state: dict[str, Any]) -> None:
        self.file, self._score, self._highest, self._waited = (
            state[name] for name in ("file", "score", "highest", "waited")
        )


class Progress(keras.callbacks.Callback):
    """Writes `timing.csv`; prints a line an epoch where no progress bar runs, and the time left after the first epoch.

    It has to come first, so that it separates the time of an epoch's steps from the time of its metrics.

    Args:
        path: of timing.csv.
        epochs: how many there will be at most.
        images: training rows an epoch.
        plain: whether to print a line an epoch.
        first: epochs of an earlier phase, whose rows of timing.csv stay.
        after: epochs of a later phase, which are counted, but whose time is not known yet.
    """

    def __init__(self, path: Path, epochs: int, images: int, plain: bool, first: int = 0, after: int = 0) -> None:
        super().__init__()
        self.path, self.epochs, self.images, self.plain, self.after = path, epochs, images, plain, after
        self.before = read_table(path)[:first] if first and path.exists() else []
        self.rows: list[dict[str, float]] = []
        self.started: float | None = None  # None between epochs
        self.trained = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        if self.started is None:
            self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.trained = time.perf_counter()

    def finish_epoch(self, epoch: int, logs: dict) -> None:
        """Close the epoch, when the other callbacks are done with it."""
        training, whole = self.trained - self.started, time.perf_counter() - self.started
        self.started = None
        rate = self.images / training
        seconds = {"training_seconds": round(training, 3), "metrics_seconds": round(whole - training, 3)}
        self.rows.append({"epoch": epoch + 1, **seconds, "images_per_second": round(rate, 1)})
        write_table(self.path, [*self.before, *self.rows])
        # The first epoch also compiles, so a later one tells more about those to come.
        seconds = [row["training_seconds"] + row["metrics_seconds"] for row in self.rows]
        left = (self.epochs - epoch - 1) * float(np.mean(seconds[1:] or seconds))
        of_what = " of this phase" if self.after else ""
        if self.plain:
            print(
                f"epoch {epoch + 1}/{self.epochs + self.after}  "
                f"loss {logs['loss']:.4f}  val loss {logs['val_loss']:.4f}  "
                f"val mAP {logs['val_mAP']:.4f}  macro-F1 {logs['val_macro_f1']:.4f}  "
                f"subset accuracy {logs['val_subset_accuracy']:.4f}  {whole:.1f} s  {rate:.0f} images/s  "
                f"at most {duration(left)} left{of_what}"
            )
        elif len(self.rows) == 1 and self.epochs > epoch + 1:
            print(f"\n{self.epochs - epoch - 1} more epochs{of_what} take at most {duration(left)}")

    def state(self) -> dict[str, Any]:
        seconds = None if self.started is None else time.perf_counter() - self.started
        return {"before": self.before, "rows": self.rows, "seconds": seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up rows, and an epoch that has taken some seconds, None for one that is still to begin."""
        self.before, self.rows = state["before"], list(state["rows"])
        self.started = None if state["seconds"] is None else time.perf_counter() - state["seconds"]


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows that `write_table` wrote, as text.

    Raises:
        InputError: the file is missing or damaged.
    """
    with (
        damage_named(path, "remove it, or train again with --overwrite"),
        path.open(newline="", encoding="utf-8") as file,
    ):
        return list(csv.DictReader(file))


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as a CSV; what a row lacks becomes an empty cell."""
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
