"""The files that bench/preprocess.py reads: made fields of cells, enlarged to the sides that microscopes give."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from data.synthetic.image import render

JPEG, PNG, STAINS, DEEP = "JPEG", "PNG", "PNG a stain, four", "TIFF, 16 bits"
KINDS = {"jpeg": JPEG, "png": PNG, "stains": STAINS, "tiff": DEEP}


def write_files(kind: str, folder: Path, config: Any) -> list[Any]:
    """Write `config.images` files of a kind.

    Returns:
        (N) paths; of `STAINS` tuples of four.
    """
    side = config.large if kind in (JPEG, DEEP) else config.small
    fields = [_field(side, config.seed, number) for number in range(config.different)]
    random = np.random.default_rng(config.seed)
    return [
        _write(kind, folder / f"{number:05}", _noisy(fields[number % len(fields)], random))
        for number in range(config.images)
    ]


def _field(side: int, seed: int, number: int) -> np.ndarray:
    """A made image of this side, (side, side, 3) uint8."""
    image = render([number % 5], min(side, 512), seed, f"field{number}")
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)


def _noisy(field: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A copy with noise of a level or two, as enlarged images have none and would be too easy to decode."""
    noise = random.integers(-2, 3, field.shape, dtype=np.int16)
    return np.clip(field + noise, 0, 255).astype(np.uint8)


def _write(kind: str, stem: Path, image: np.ndarray) -> Any:
    if kind == JPEG:
        Image.fromarray(image).save(path := stem.with_suffix(".jpg"), quality=92)
    elif kind == PNG:
        Image.fromarray(image).save(path := stem.with_suffix(".png"))
    elif kind == DEEP:
        path = stem.with_suffix(".tif")
        tifffile.imwrite(path, image[..., 1].astype(np.uint16) * 257, compression="deflate")
    else:
        planes = np.concatenate([image, image[..., :1] // 2 + image[..., 1:2] // 2], axis=-1)
        path = tuple(stem.with_name(f"{stem.name}_{channel}.png") for channel in ("red", "green", "blue", "yellow"))
        for place, each in enumerate(path):
            Image.fromarray(planes[..., place]).save(each)
    return path
