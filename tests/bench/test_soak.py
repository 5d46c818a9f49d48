"""The soak: it tells what grows from what stays, and looks at a process of its own."""

import sys
from unittest import mock

import pytest

import header
import train
from bench import soak

# In the place of train.py: short epochs, goes on where history.csv ends, and is stopped by SIGTERM.
TRAINING = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
history = pathlib.Path(sys.argv[1]) / "run" / "history.csv"
history.parent.mkdir(exist_ok=True)
lines = history.read_text().splitlines() if history.exists() else ["epoch,loss"]
kept = []
while True:
    time.sleep(0.05)
    lines.append(f"{len(lines)},0.5")
    aside = history.with_suffix(".new")
    aside.write_text("\\n".join(lines) + "\\n")
    aside.rename(history)
    LEAK
"""


def samples(memory=lambda epoch: 400.0, files=lambda epoch: 7, threads=lambda epoch: 12, epochs=60):
    numbers = range(1, epochs + 1)
    return [soak.Sample(epoch, memory(epoch), files(epoch), threads(epoch)) for epoch in numbers]


@pytest.mark.parametrize(
    "flat",
    [
        samples(),
        samples(memory=lambda epoch: 200.0 if epoch < 2 else 400 + 0.8 * epoch),
        samples(files=lambda epoch: 9 if epoch % 7 == 0 else 6, threads=lambda epoch: 11 + epoch % 2),
        samples(threads=lambda epoch: 8 if epoch < 2 else 12),
    ],
    ids=["all", "memory that settles", "open in the moment of a look", "threads that come with the first epoch"],
)
def test_what_stays_as_it_is_passes(flat):
    assert soak.grown(flat) == []


@pytest.mark.parametrize(
    ("leaking", "words"),
    [
        (samples(memory=lambda epoch: 400.0 + epoch), "Memory grew by 58 MB after epoch 2; 50 may be"),
        (samples(memory=lambda epoch: 460.0 if epoch == 30 else 400), "Memory grew by 60 MB after epoch 2; 50 may be"),
        (samples(files=lambda epoch: 7 + epoch // 50 + epoch % 2, epochs=300), "File handles grew from 9 to 11"),
        (samples(threads=lambda epoch: 12 + epoch), "Threads grew from 32 to 54"),
        (samples(epochs=5), "5 epochs are too few to judge by: give more minutes"),
    ],
)
def test_what_grows_is_said(leaking, words):
    assert soak.grown(leaking) == [words]


def test_its_options_are_those_of_train(tmp_path):
    given = header.parse(train.Config, train.__doc__, soak.options(soak.Config(), tmp_path))
    assert given.cache_dir == tmp_path / "cache" and given.ema and given.train_metrics_every == 1


def test_an_epoch_that_is_lost_or_comes_twice_is_said(tmp_path):
    history = tmp_path / "history.csv"
    for numbers, faults in (([1, 2, 3], 0), ([1, 3], 1), ([1, 2, 2], 1), ([2, 3], 1)):
        history.write_text("epoch,loss\n" + "".join(f"{number},0.5\n" for number in numbers))
        assert len(soak.lost(history)) == faults


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(("leak", "faults"), [("pass", 0), ("kept.append(open(history))", 1)])
def test_a_training_is_watched_stopped_and_gone_on_with(leak, faults, tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "TRAIN", ("-c", TRAINING.replace("LEAK", leak)))
    monkeypatch.setattr(soak, "options", lambda config, folder: [str(folder)])
    monkeypatch.setattr(soak, "PAUSE", 0.01)
    first = soak.trained(soak.Config(), tmp_path, lambda found: len(found) >= 12)
    more = soak.trained(soak.Config(), tmp_path, lambda found: len(found) >= 2)
    found = soak.grown(first)
    assert len(found) == faults and all("File handles grew from" in line for line in found)
    assert first[-1].epoch < more[0].epoch and first[-1].memory > 1 and first[-1].threads == 1
    assert soak.lost(tmp_path / "run" / "history.csv") == []


def test_a_training_that_ends_in_the_moment_of_a_look_is_shown(tmp_path, monkeypatch):
    ending = TRAINING.replace("LEAK", "if len(lines) > 3: sys.exit('disk full')")
    monkeypatch.setattr(soak, "TRAIN", ("-c", ending))
    monkeypatch.setattr(soak, "options", lambda config, folder: [str(folder)])
    monkeypatch.setattr(soak, "PAUSE", 0.01)
    for gone in (FileNotFoundError("/proc"), KeyError("RssAnon")):
        monkeypatch.setattr(soak, "sample", mock.Mock(side_effect=gone))
        with pytest.raises(SystemExit, match=r"train\.py ended with 1, after 0 epochs:\ndisk full"):
            soak.trained(soak.Config(), tmp_path, lambda found: False)


def test_a_training_that_ends_by_itself_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "TRAIN", ("-c", "print('no such cache'); raise SystemExit(1)"))
    monkeypatch.setattr(soak, "PAUSE", 0.01)
    with pytest.raises(SystemExit, match=r"train\.py ended with 1, after 0 epochs:\nno such cache"):
        soak.trained(soak.Config(), tmp_path, lambda found: False)
