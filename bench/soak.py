"""Does a long training gather memory, file handles or threads? python -m bench.soak

Trains the CNN on made images, epoch after epoch, in a process of its own, and looks at that process after each epoch.
When the minutes are over it is stopped by SIGTERM and gone on with, as a user would. Needs Linux.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import header
from common.errors import InputError
from header import PositiveFloat, PositiveInt, Seed

ROOT = Path(__file__).parents[1]
TRAIN = ("train.py",)  # what Python is given to train
SETTLED = 2  # epochs after which everything that is used has been asked for
FEWEST = 8  # epochs that can be judged
MOST_MEMORY = 50  # MB that the memory may grow by, once it is settled
MORE_EPOCHS = 3  # of the run that is gone on with
PAUSE = 0.1  # seconds between looks at history.csv


@dataclass(frozen=True)
class Config:
    minutes: PositiveFloat = 60.0  # of training, before it is stopped
    size: PositiveInt = 32  # side of the images, pixels
    images: PositiveInt = 1000  # of the made set, all splits together; the fewer, the more epochs
    batch_size: PositiveInt = 32  # images a step
    seed: Seed = 0  # of images, order and weights


@dataclass(frozen=True)
class Sample:
    """What a process holds after an epoch: anonymous memory in MB, open files, threads."""

    epoch: int
    memory: float
    files: int
    threads: int


def main(config: Config) -> None:
    import tempfile

    if not Path("/proc/self/status").exists():
        raise InputError("this system has no /proc, which tells what a process holds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_cache(config, folder)
        end = time.monotonic() + 60 * config.minutes
        samples = trained(config, folder, lambda found: time.monotonic() > end)
        more = trained(config, folder, lambda found: len(found) >= MORE_EPOCHS)
        faults = [*grown(samples), *lost(folder / "run" / "history.csv")]
    print(f"{samples[-1].epoch:,} epochs of {config.images} images of {config.size}² in {config.minutes:g} minutes")
    show(samples)
    if faults:
        sys.exit("\n".join(faults))
    print(f"Stopped by SIGTERM after epoch {samples[-1].epoch:,} and gone on with to epoch {more[-1].epoch:,}")
    print("Memory, file handles and threads stay as they are")


def make_cache(config: Config, folder: Path) -> None:
    """A cache of made images."""
    made = ["--image_dir", folder / "images", "--labels_csv", folder / "labels.csv"]
    classes = ["--classes_file", folder / "classes.txt"]
    count = ["--count", config.images, "--size", max(32, config.size), "--seed", config.seed]
    run("-m", "data.synthetic", *made, *classes, *count)
    run("preprocess.py", *made, *classes, "--size", config.size, "--cache_dir", folder / "cache")


def run(*arguments: object) -> None:
    command = [sys.executable, *map(str, arguments)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(answer.stdout + answer.stderr)


def options(config: Config, folder: Path) -> list[str]:
    """What train.py is given: all that is done again each epoch, and in threads."""
    given = {
        "cache_dir": folder / "cache", "run_dir": folder / "run", "seed": config.seed, "model": "cnn",
        "batch_size": config.batch_size, "epochs": 1_000_000, "patience": 0, "train_metrics_every": 1,
        "checkpoint_minutes": 0.01, "ema": 0.99, "sampling": "repeat_factors", "mixing": "mixup", "workers": 2,
    }  # fmt: skip
    operations = ["quarter_turns", "flips", "rotation", "brightness", "noise"]
    return [str(word) for name, value in given.items() for word in (f"--{name}", value)] + ["--operations", *operations]


def trained(config: Config, folder: Path, over) -> list[Sample]:
    """Train, or go on with training, and stop it.

    Args:
        over: whether to stop, told the samples so far.

    Returns:
        A sample an epoch; of very short ones some may be missed.
    """
    history, log = folder / "run" / "history.csv", folder / "log"
    command = [sys.executable, *TRAIN, *options(config, folder), "--resume"]
    before, samples = last_epoch(history), []
    with log.open("w") as written, started(command, written) as process:
        while not over(samples) and process.poll() is None:
            time.sleep(PAUSE)
            epoch = last_epoch(history)
            if epoch > (samples[-1].epoch if samples else before):
                with suppress(OSError, KeyError):  # it ended meanwhile; what it said is shown below
                    samples.append(sample(process.pid, epoch))
        process.send_signal(signal.SIGTERM)
        status = process.wait()
    if status != 128 + signal.SIGTERM or not samples:
        sys.exit(f"train.py ended with {status}, after {len(samples)} epochs:\n{log.read_text()[-3000:]}")
    return samples


@contextmanager
def started(command: Sequence[str], log) -> Iterator[subprocess.Popen]:
    """A process that does not outlive the block."""
    with subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.kill()


def last_epoch(history: Path) -> int:
    """The last epoch of history.csv, 0 before there is one."""
    if not history.exists():
        return 0
    return int(history.read_bytes().rstrip().rpartition(b"\n")[2].split(b",")[0])


def sample(pid: int, epoch: int) -> Sample:
    place = Path(f"/proc/{pid}")
    told = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    files = len(list((place / "fd").iterdir()))
    return Sample(epoch, int(told["RssAnon"].split()[0]) / 1000, files, int(told["Threads"]))


def show(samples: list[Sample]) -> None:
    from report import tables

    settled = [one for one in samples if one.epoch >= SETTLED] or samples
    shown = [settled[0], samples[len(samples) // 2], samples[-1]]
    names = {"memory": "anonymous memory, MB", "files": "file handles", "threads": "threads"}
    rows = []
    for field, words in names.items():
        values = [getattr(one, field) for one in [*shown, max(settled, key=lambda one: getattr(one, field))]]
        rows.append([words, *(f"{value:,.0f}" for value in values)])
    tables.show("The process", ["after epoch", *(f"{one.epoch:,}" for one in shown), "greatest"], rows)


def grown(samples: list[Sample]) -> list[str]:
    """What has grown since it was settled, a line each.

    A file may be open in the moment of a look, so of handles and threads the fewest of the last third are held against
    the most of the first third. One that is never given back tells in that, be it one in a hundred epochs.
    """
    settled = [one for one in samples if one.epoch >= SETTLED]
    if len(settled) < FEWEST:
        return [f"{len(samples)} epochs are too few to judge by: give more minutes"]
    third, lines = len(settled) // 3, []
    growth = max(one.memory for one in settled) - settled[0].memory
    if growth > MOST_MEMORY:
        lines.append(f"Memory grew by {growth:.0f} MB after epoch {settled[0].epoch}; {MOST_MEMORY} may be")
    for field, words in (("files", "File handles"), ("threads", "Threads")):
        before = max(getattr(one, field) for one in settled[:third])
        after = min(getattr(one, field) for one in settled[-third:])
        if after > before:
            lines.append(f"{words} grew from {before} to {after}")
    return lines


def lost(history: Path) -> list[str]:
    """A line if history.csv does not hold every epoch once."""
    epochs = [int(line.split(",")[0]) for line in history.read_text(encoding="utf-8").splitlines()[1:]]
    return [] if epochs == list(range(1, len(epochs) + 1)) else ["history.csv does not hold every epoch once"]


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
