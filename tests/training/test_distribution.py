"""Training by two processes of this machine that share each batch, against training by one."""

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = ["--epochs", "2", "--batch_size", "8", "--steps_per_epoch", "3", "--train_metrics_every", "0",
           "--model", "cnn", "--loss", "weighted_bce", "--precision", "float32",
           "--optimizer", "adamw", "--learning_rate", "0.001", "--schedule", "constant", "--warmup_fraction", "0",
           "--weight_decay", "0", "--ema", "0.9", "--batch_norm"]  # fmt: skip


def start(run: Path, cache: Path, number: int, count: int, port: int, *more: str) -> subprocess.Popen:
    """`train.py` as one of several processes; of one alone where `count` is 1."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "TMPDIR": str(run.parent / "own")}
    if count > 1:
        environment |= {"KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
                        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
                        "KERAS_DISTRIBUTION_PROCESS_ID": str(number)}  # fmt: skip
    command = [sys.executable, ROOT / "train.py", "--cache_dir", cache, "--run_dir", run, *OPTIONS, *more]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen, status: int = 0) -> str:
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == status and "Traceback" not in errors, printed + errors
    return errors if status else printed


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def history(run: Path) -> list[dict[str, float]]:
    with (run / "history.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def scores(run: Path) -> np.ndarray:
    return np.load(run / "scores" / "test.npz", allow_pickle=False)["scores"]


def test_two_processes_learn_what_one_learns_and_one_writes(made_cache, tmp_path):
    (tmp_path / "own").mkdir()
    alone = start(tmp_path / "alone", made_cache, 0, 1, 0)
    port = free_port()
    two = [start(tmp_path / "both", made_cache, number, 2, port, "--devices", "all") for number in range(2)]
    ended(alone)
    first, second = (ended(process) for process in two)
    assert (
        "Devices: 2 of 2 processes" in first and "epoch 2/2" in first and "Next" not in second and "epoch" not in second
    )
    one, both = history(tmp_path / "alone"), history(tmp_path / "both")
    assert [row.keys() for row in one] == [row.keys() for row in both] and len(both) == 2
    for here, there in zip(one, both, strict=True):
        assert all(here[name] == pytest.approx(there[name], abs=1e-5) for name in here)
    assert np.abs(scores(tmp_path / "alone") - scores(tmp_path / "both")).max() < 1e-5
    # The second process leaves nothing behind.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "both", "own"]
    assert not list((tmp_path / "own").iterdir())


def test_what_cannot_be_trained_together_is_said(made_cache, tmp_path, called, monkeypatch):
    given = ("--cache_dir", made_cache, "--run_dir", tmp_path / "run", "--devices", "all")
    told = called("train.py", *given, fails=True)
    assert told.startswith(
        "error: devices = all works on JAX, not on tensorflow; install jax and set KERAS_BACKEND=jax"
    )
