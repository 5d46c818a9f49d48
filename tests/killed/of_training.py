"""Kills train.py at random file operations, by SIGTERM and by a full disk, goes on, and says what came of it, as JSON.

The children are forked before TensorFlow starts its threads, so that a start does not import it anew. Arguments: a
cache; a folder to work in; how many kills; a seed.
"""

import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import sys
from pathlib import Path

from forks import MISTAKE, forked

import train

ENOUGH = 100  # operations; more than training makes after most kills


def main(cache: Path, folder: Path, kills: int, seed: int) -> None:
    import keras  # noqa: F401
    import tensorflow

    import models  # noqa: F401
    from report import curves
    from training import checkpoint_callback, stages  # noqa: F401

    curves.draw = lambda *given: None
    # The model is so small that tracing its graph would take most of the time.
    tensorflow.config.run_functions_eagerly(True)
    config = train.Config(
        cache_dir=cache, run_dir=folder / "whole", model="cnn", loss="weighted_bce", epochs=2, batch_size=16,
        optimizer="adamw", learning_rate=0.001, schedule="constant", warmup_fraction=0.0, weight_decay=0.0,
        precision="float32", dropout=0.5, train_metrics_every=0, checkpoint_minutes=0.0001, jit_compile="off",
    )  # fmt: skip
    run = folder / "killed"
    resumed = dataclasses.replace(config, run_dir=run, resume=True)
    end = forked(lambda: train.main(config), folder / "whole")
    assert end.status == 0, end.printed
    drawn, happened = random.Random(seed), []
    for _ in range(kills):
        if not run.exists() or not drawn.randrange(3):
            shutil.rmtree(run, ignore_errors=True)
        killed = forked(lambda: train.main(resumed), run, drawn.randint(1, min(ENOUGH, end.operations)))
        happened.append("killed" if killed.killed else "finished before")
        if not killed.killed:
            held_against(folder, killed.printed)
            shutil.rmtree(run)
    # The last kill may have come behind the last step, in which no signal can come any more.
    shutil.rmtree(run, ignore_errors=True)
    happened += asked_to_stop(checkpoint_callback, resumed, run) + full(resumed, run)
    last = forked(lambda: train.main(resumed), run)
    assert last.status == 0, last.printed
    held_against(folder, last.printed)
    again = forked(lambda: train.main(resumed), run)
    assert again.status == 0 and "is finished, so nothing is left" in again.printed, again.printed
    print(json.dumps({"happened": happened, "operations": end.operations}))


def held_against(folder: Path, printed: str) -> None:
    """The killed run against the whole one: the same history.csv, and a model and scores of the same numbers."""
    import zipfile

    import numpy as np

    files = [(folder / name / "history.csv").read_bytes() for name in ("whole", "killed")]
    assert files[0] == files[1], printed
    weights = [zipfile.ZipFile(folder / name / "model.keras").read("model.weights.h5") for name in ("whole", "killed")]
    assert weights[0] == weights[1], printed
    for split in ("train", "val", "test"):
        scores = [np.load(folder / name / "scores" / f"{split}.npz")["scores"] for name in ("whole", "killed")]
        np.testing.assert_array_equal(*scores)


def asked_to_stop(checkpoint_callback, config, run: Path) -> list[str]:
    """SIGTERM and Ctrl-C in a step: the step is finished, and the line says how to go on."""
    happened = []
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        begin = checkpoint_callback.CheckpointCallback.on_train_batch_begin

        def with_signal(self, batch, logs=None, number=number, begin=begin):
            os.kill(os.getpid(), number)
            begin(self, batch, logs)

        def stopped(with_signal=with_signal):
            # Where a shell started this in the background, Ctrl-C is ignored, and train.py would leave that so.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            checkpoint_callback.CheckpointCallback.on_train_batch_begin = with_signal
            train.main(dataclasses.replace(config, checkpoint_minutes=10.0))

        end = forked(stopped, run)
        assert end.status == status, (end.status, end.printed)
        assert end.printed.rstrip().splitlines()[-1].startswith("Stopped by ") and "--resume" in end.printed
        assert list((run / "checkpoint").glob("state-*.npz")), "no checkpoint"
        happened.append(f"status {status}")
    return happened


def full(config, run: Path) -> list[str]:
    """No file may become as large as a checkpoint: a line says so, and the checkpoint before is whole."""
    before = sorted(path.name for path in (run / "checkpoint").iterdir())

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        train.main(config)

    end = forked(limited, run)
    assert end.status == MISTAKE and "cannot be written: file too large" in end.printed, end.printed
    assert "Traceback" not in end.printed
    assert sorted(path.name for path in (run / "checkpoint").iterdir()) == before
    return ["full disk"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
