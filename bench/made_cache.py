"""A cache of random pixels for benches of training: in preprocess.py's format, written as fast as the disk can."""

from pathlib import Path
from typing import Any

import numpy as np

from common.files import write_json, write_text
from data.cache.cache import FORMAT_VERSION, INDEX_COLUMNS, split_counts
from data.cache.chunks import rows_per_file
from data.cache.pixel_files import write_npy_header
from data.images.preparation import Preparation

VAL = 0.1, 64  # share of the images and their number at most, so that scoring them takes little beside training


def write(directory: Path, count: int, side: int, classes: int, seed: int) -> Path:
    """Write a cache of `count` images of (side, side, 3) uint8 with a long tail of `classes` classes.

    Each file holds the same random bytes, begun at another place, so that no two images are equal and no generator
    is waited for. Every byte is really written.

    Returns:
        `directory`.
    """
    random = np.random.default_rng(seed)
    shape = (side, side, 3)
    directory.mkdir(parents=True)
    _write_pixels(directory, count, shape, random)
    labels = (random.random((count, classes)) < np.geomspace(0.4, 0.005, classes)).astype(np.uint8)
    split = np.where(np.arange(count) < np.clip(round(VAL[0] * count), 1, VAL[1]), "val", "train")
    for name in ("val", "train"):
        labels[np.flatnonzero(split == name)[0], 0] = 1  # a split without a label is refused
    np.save(directory / "labels.npy", labels)
    rows = [f"r{row},{name},,,r{row}.png,{side},{side},{row:040x}," for row, name in enumerate(split)]
    write_text(directory / "index.csv", "\n".join([",".join(INDEX_COLUMNS), *rows]) + "\n")
    write_json(directory / "cache.json", _description(shape, labels, split))
    return directory


def _write_pixels(directory: Path, count: int, shape: tuple[int, int, int], random: np.random.Generator) -> None:
    size, step = int(np.prod(shape)), rows_per_file(shape, count)
    pool = random.integers(0, 256, 2 * min(step, count) * size, dtype=np.uint8)
    for number, first in enumerate(range(0, count, step)):
        rows = min(step, count - first)
        start = int(random.integers(0, len(pool) - rows * size + 1))
        with (directory / f"images-{number:05d}.npy").open("wb") as file:
            write_npy_header(file, rows, shape)
            file.write(pool[start : start + rows * size].data)


def _description(shape: tuple[int, int, int], labels: np.ndarray, split: np.ndarray) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "class_names": [f"class {number}" for number in range(labels.shape[1])],
        "channels": ["red", "green", "blue"],
        "image_shape": list(shape),
        "preparation": Preparation(size=shape[0], resize="stretch", channels="rgb").as_dict(),
        "white_level": 255,
        "mean": [127.5] * 3,
        "std": [73.9] * 3,
        "counts": split_counts(labels, split),
        "fingerprint": "made",
    }
