"""How much memory does training take on a cache larger than it, and does it read fast enough? python -m bench.memory

train.py with the CNN in a process of its own on a large cache, whose pages the system is told to drop before, and on a
small one that stays in memory; in turn. Linux alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import header
from header import PositiveInt, Seed


@dataclass(frozen=True)
class Config:
    count: PositiveInt = 30_000  # images of the large cache; fewer where the disk has no room for them
    small: PositiveInt = 300  # images of the small cache
    size: PositiveInt = 512  # side of the images, pixels
    batch_size: PositiveInt = 32  # images a step
    steps: PositiveInt = 10  # of an epoch
    epochs: PositiveInt = 3  # of a turn; the first, which traces the step, counts for memory alone
    rounds: PositiveInt = 2  # turns of each cache; the median rate counts, and the highest memory
    folder: Path | None = None  # where the caches are made and kept for another time; None: a temporary folder
    seed: Seed = 0  # of pixels, labels and training


SPARE = 2 * 10**9  # bytes of the disk that stay free


def main(config: Config) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as aside:
        measure(config, config.folder or Path(aside), Path(aside) / "run")


def measure(config: Config, folder: Path, run_dir: Path) -> None:
    import os
    import statistics

    from report import tables

    caches = {"small": made(config, folder, config.small), "large": made(config, folder, config.count)}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if (large := bytes_of(caches["large"])) < memory:
        print(f"The large cache, {large / 1e9:.2f} GB, fits into memory, {memory / 1e9:.2f} GB: give a larger --count")
    rates: dict[str, list[float]] = {name: [] for name in caches}
    peaks: dict[str, list[Any]] = {name: [] for name in caches}
    for _ in range(config.rounds):
        for name, cache in caches.items():
            if name == "large":
                drop_pages(cache)
            rate, peak = trained(config, cache, run_dir)
            rates[name].append(rate)
            peaks[name].append(peak)
    rows = []
    for name, cache in caches.items():
        size = bytes_of(cache)
        images = size // (config.size**2 * 3)
        most = [max(getattr(peak, kind) for peak in peaks[name]) / 1e9 for kind in ("anonymous", "resident")]
        ratio = statistics.median(own / other for own, other in zip(rates[name], rates["small"], strict=True))
        rows.append(
            [f"{name}, {images:,} images", f"{size / 1e9:.2f}", *(f"{each:.2f}" for each in most),
             f"{statistics.median(rates[name]):.1f}", f"{ratio:.3f}"]
        )  # fmt: skip
    tables.show(
        f"CNN, {config.size}², batches of {config.batch_size}, {config.rounds} × {config.epochs - 1} × {config.steps} "
        "steps",
        ["cache", "GB", "anonymous memory\nat most, GB", "with file pages\nat most, GB", "images/s", "of the small"],
        rows,
    )


def bytes_of(cache: Path) -> int:
    """Bytes of its pixels."""
    return sum(path.stat().st_size for path in cache.glob("images-*.npy"))


def made(config: Config, folder: Path, count: int) -> Path:
    """A cache of so many images, or of as many as the disk has room for; one that is there already is taken."""
    import shutil

    from bench import made_cache
    from data.cache.cache import DESCRIPTION

    size = config.size**2 * 3
    cache = folder / f"made-{count}-{config.size}"
    if (cache / DESCRIPTION).exists():
        return cache
    shutil.rmtree(cache, ignore_errors=True)  # a stop may have left a part
    folder.mkdir(parents=True, exist_ok=True)
    room = (shutil.disk_usage(folder).free - SPARE) // size
    if room < count:
        print(f"The disk has room for {max(room, 0):,} images, not for {count:,}")
    return made_cache.write(cache, max(min(room, count), 20), config.size, 28, config.seed)


def drop_pages(cache: Path) -> None:
    """Tell the system that the pixels' pages are not needed, so that they are read from the disk again."""
    import os

    for path in cache.glob("images-*.npy"):
        with path.open("rb+") as file:
            os.fsync(file.fileno())  # pages that are not on the disk yet cannot be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def trained(config: Config, cache: Path, run_dir: Path) -> tuple[float, Any]:
    """Images/s of the median epoch but the first, and the `Peak`. Training is stopped before it scores all images.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    import statistics
    import time

    from bench.watched import Watched

    timing = run_dir / "timing.csv"
    options = {
        "cache_dir": cache, "run_dir": run_dir, "model": "cnn", "epochs": config.epochs + 1,
        "steps_per_epoch": config.steps, "batch_size": config.batch_size, "seed": config.seed,
        "train_metrics_every": 0, "patience": 0,
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    timing.unlink(missing_ok=True)
    with Watched(["train.py", *words, "--overwrite"]) as running:
        while len(rates := rates_in(timing)) < config.epochs:
            if running.process.poll() is not None:
                running.wait()
            time.sleep(0.1)
        peak = running.peak
    return statistics.median(rates[1:] or rates), peak


def rates_in(timing: Path) -> list[float]:
    """Images/s of each epoch so far, from timing.csv."""
    import csv

    if not timing.exists():
        return []
    with timing.open(newline="", encoding="utf-8") as file:
        return [float(row["images_per_second"]) for row in csv.DictReader(file)]


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
