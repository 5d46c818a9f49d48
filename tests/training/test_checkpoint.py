"""Checkpoints on disk, who may go on with them, and with what."""

import dataclasses
import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import header
import run_folder
import train
from common.errors import InputError
from training import resume, signals
from training.checkpoint import Checkpoints, State
from training.resume import Lock

DESCRIBED = {"cache": {"fingerprint": "a", "rows": 3}, "scaling": {}, "shown_rates": [0.5], "inputs": {}, "threads": 2,
             "resolved": {"precision": "float32"}}  # fmt: skip


def state(step: int, best: str | None = None) -> State:
    return State({"epoch": 0, "step": step, "before": 0, "best": best}, {"model": [np.arange(3.0), np.full(2, step)]})


def begun(run: Path, **options) -> train.Config:
    config = dataclasses.replace(train.Config(), run_dir=run, **options)
    with resume.session(config) as session:
        session.begin({**header.record(config), **DESCRIBED})
    return config


def went_on(config: train.Config, **described) -> resume.Session:
    with resume.session(dataclasses.replace(config, resume=True)) as session:
        if not session.finished:
            session.begin({**header.record(config), **DESCRIBED, **described})
        return session


def test_the_last_two_states_and_their_best_weights_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in range(4):
        best = checkpoints.save_best(f"{step // 2}", [np.full(3, step)])
        # As another process would that goes on.
        Checkpoints(tmp_path).save(step, state(step, best))
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["best-1.npz", "state-0000000002.npz", "state-0000000003.npz"]
    newest = checkpoints.newest()
    assert newest.values["step"] == 3
    np.testing.assert_array_equal(newest.arrays["model"][1], [3, 3])
    np.testing.assert_array_equal(checkpoints.best("best-1.npz")[0], [3, 3, 3])


def test_a_long_history_takes_a_byte_a_character(tmp_path):
    """NumPy's own text takes four, and a run of thousands of epochs writes it each epoch."""
    long = dataclasses.replace(state(1), values={**state(1).values, "history": "é" + "0.123," * 10_000})
    Checkpoints(tmp_path).save(1, long)
    path = tmp_path / "checkpoint" / "state-0000000001.npz"
    assert path.stat().st_size < 70_000
    assert Checkpoints(tmp_path).newest().values == long.values


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path):
    """Its batches, stored features and averages are not those of today."""
    Checkpoints(tmp_path).save(1, state(1))
    path = tmp_path / "checkpoint" / "state-0000000001.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, told=arrays.pop("values"), **arrays)
    with pytest.raises(InputError, match="earlier version of this toolkit; finish the run with that version"):
        Checkpoints(tmp_path).newest()


@pytest.mark.parametrize("damage", ["cut", "one byte", "head", "empty", "best gone"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(damage, tmp_path, capsys):
    config = begun(tmp_path / "run")
    checkpoints = Checkpoints(config.run_dir)
    checkpoints.save(1, state(1))
    checkpoints.save(2, state(2, checkpoints.save_best("1", [np.ones(3)])))
    last = checkpoints.directory / "state-0000000002.npz"
    whole = last.read_bytes()
    if damage == "best gone":
        (checkpoints.directory / "best-1.npz").unlink()
    else:
        place = whole.index(np.full(2, 2).tobytes())
        one = whole[:place] + b"\x07" + whole[place + 1 :]
        head = whole.replace(b"{'descr'", b"('descr'")
        last.write_bytes({"cut": whole[: len(whole) // 2], "one byte": one, "head": head, "empty": b""}[damage])
    assert went_on(config).state.values["step"] == 1
    printed = capsys.readouterr().out
    assert f"Warning: {last} is damaged" in printed and "the one before is used" in printed
    (checkpoints.directory / "state-0000000001.npz").write_bytes(b"")
    with pytest.raises(InputError, match="nothing is left to go on from; give --overwrite"):
        went_on(config)


def test_resume_is_harmless_where_nothing_is_there_and_where_all_is_done(tmp_path, capsys):
    config = dataclasses.replace(train.Config(), run_dir=tmp_path / "run")
    assert went_on(config).state is None
    assert went_on(config).state is None
    assert "has no checkpoint yet, so the run begins anew" in capsys.readouterr().out
    run_folder.finish_run(config.run_dir)
    assert went_on(config).finished
    with pytest.raises(InputError, match="holds a finished run; give --overwrite"):
        begun(config.run_dir)


def test_what_changed_is_named(tmp_path):
    config = begun(tmp_path / "run", learning_rate=0.01)
    Checkpoints(config.run_dir).save(1, state(1))
    with pytest.raises(InputError, match=r"settings:\n  epochs was 30, is 31\n  learning_rate was 0.01, is 0.1\n"):
        went_on(dataclasses.replace(config, learning_rate=0.1, epochs=31))
    free = {"workers": 3, "checkpoint_minutes": 0.5, "cache_dir": Path("moved")}
    assert went_on(dataclasses.replace(config, **free)).threads == 2
    with pytest.raises(InputError, match="no longer the same:\n  cache: fingerprint was a, is b\n  cache: rows was 3"):
        went_on(config, cache={"fingerprint": "b", "rows": 4})
    with pytest.raises(InputError, match="resolved: precision was float32, is mixed_bfloat16"):
        went_on(config, resolved={"precision": "mixed_bfloat16"})
    with pytest.raises(InputError, match="inputs: augmented balance was not there, is 1f"):
        went_on(config, inputs={"augmented balance": "1f"})
    with pytest.raises(InputError, match="did not finish; give --resume to go on with it, --overwrite to replace it"):
        begun(config.run_dir)
    with pytest.raises(InputError, match="give one of them"):
        went_on(dataclasses.replace(config, overwrite=True))


def test_a_second_training_in_the_folder_is_refused(tmp_path):
    config = begun(tmp_path / "run")
    held = Lock(config.run_dir)
    held.take()
    for options in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(InputError, match=f"is being trained by another process .process {os.getpid()} on "):
            begun(config.run_dir, **options)
    held.release()
    Checkpoints(config.run_dir).save(1, state(1))
    (config.run_dir / "scores").mkdir()
    begun(config.run_dir, overwrite=True)
    assert sorted(path.name for path in config.run_dir.iterdir()) == [".lock", "config.json"]


def test_a_lock_that_cannot_be_marked_is_not_kept(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space") as kept:
            Lock(tmp_path).take()
    held = Lock(tmp_path)
    held.take()
    held.release()
    assert kept.tb


def test_the_command_that_goes_on_is_the_one_that_was_given():
    given = ["--cache_dir", "a b", "--classes", "N/A", "Rods & rings", "--no-prior_bias", "--batch_norm", "--overwrite",
             "--epochs", "3", "--train_scales", "1.0", "0.75", "--operations"]  # fmt: skip
    import shlex

    config = header.parse(train.Config, "", given)
    words = shlex.split(resume.command(config))
    assert words[:2] == ["python", "train.py"]
    again = header.parse(train.Config, "", words[2:])
    assert again == dataclasses.replace(config, overwrite=False, resume=True)


@pytest.fixture
def heeds_signals():
    """Both signals as a shell's own job has them: one in the background begins with Ctrl-C ignored, and keeps it so."""
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_wait_where_they_must(heeds_signals):
    done = []
    with pytest.raises(signals.Stopped) as raised, signals.watched(), signals.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("step")
        assert signals.asked()
    assert (raised.value.code, done) == (143, ["step"])
    with pytest.raises(signals.Stopped) as raised, signals.watched(), signals.deferred(), signals.at_once():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("never")
    assert (raised.value.code, done) == (130, ["step"])
    assert not signals.asked()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
