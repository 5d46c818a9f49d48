"""How fast do images become a cache's pixels? Ours against what users write themselves: python -m bench.preprocess

Whole files to 256² uint8, on the cores that the process may use. "decoding alone" is our own workers and decoders
without resizing and writing: no reader of whole files can be faster. Quality is the PSNR to a Lanczos reduction of all
pixels. A contender whose package is missing is left out: pip install pyvips pyvips-binary
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    kinds: tuple[Literal["jpeg", "png", "stains", "tiff"], ...] = ("jpeg", "png", "stains", "tiff")  # a table each
    images: PositiveInt = 240  # files of each kind
    size: PositiveInt = 256  # side of the result, pixels
    large: PositiveInt = 2048  # side of the JPEG and of the 16-bit TIFF files
    small: PositiveInt = 512  # side of the PNG files and of the files a stain
    rounds: PositiveInt = 3  # every contender once in each; the median counts
    different: PositiveInt = 8  # fields that are rendered; the files are noisy copies of them
    seed: NonNegativeInt = 0  # of the made images


def main(config: Config) -> None:
    import os
    import statistics
    import tempfile
    import time

    from bench import preprocess_contenders as contenders
    from bench.preprocess_files import KINDS, write_files
    from report import tables

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for kind in (KINDS[name] for name in config.kinds):
        with tempfile.TemporaryDirectory() as folder:
            files = write_files(kind, Path(folder), config)
            wanted = contenders.reference(files[: config.different], config.size)
            seconds: dict[str, list[float]] = {}
            quality = {}
            able = contenders.of_kind(kind, Path(folder), cores)
            for name, read in list(able.items()):
                # Once without the clock: workers start, graphs are traced.
                able[name], found = attempt(name, read, files[: config.different], config.size)
                if found is not None:
                    quality[name] = peak_signal_to_noise(found, wanted)
            able = {name: read for name, read in able.items() if read is not None}
            for _ in range(config.rounds):
                for name, read in able.items():
                    start = time.perf_counter()
                    with redirect_stdout(io.StringIO()):
                        read(files, config.size)
                    seconds.setdefault(name, []).append(time.perf_counter() - start)
        rates = {name: config.images / statistics.median(each) for name, each in seconds.items()}
        tables.show(
            f"{kind} to {config.size}², {config.images} files, {cores} cores",
            ["", "images/s", "of ours", "PSNR, dB"],
            [
                [name, f"{rate:.1f}", f"{rate / rates[contenders.OURS]:.2f}",
                 f"{quality[name]:.1f}" if name in quality else ""]
                for name, rate in rates.items()
            ],
        )  # fmt: skip


def attempt(name: str, read: Callable[..., Any], files: list[Any], size: int) -> tuple[Any, Any]:
    """The contender, and what it makes of a few files; None for it, and a line why, where it cannot."""
    try:
        with redirect_stdout(io.StringIO()):
            return read, read(files, size)
    except ImportError as error:
        print(f"{name}: left out, {error.name} is not installed")
    return None, None


def peak_signal_to_noise(found: Any, wanted: Any) -> float:
    """PSNR in dB of uint8 images (N, H, W, C) to wanted ones, float64 of the same shape."""
    import numpy as np

    error = np.mean((found.astype(np.float64) - wanted) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
