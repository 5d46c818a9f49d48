"""Chunk files: prepared images in one .npy, and notes beside it that tell how decoding them went."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.arrays import read_npz
from common.errors import InputError
from common.files import written_aside
from common.versions import decoder_versions
from data.cache.pixel_files import pixels_at, write_npy_header
from data.images.errors import ImageError
from data.images.image_files import ImageFiles, prepare
from data.images.preparation import Preparation
from data.splits.near_duplicates import THUMB, thumbnail

ROWS_PER_FILE = 256
BYTES_PER_FILE = 64 * 2**20
# A set of a few hundred images still is work for many cores.
FILES_OF_SMALL_SETS, FEWEST_ROWS = 16, 16


@dataclass(frozen=True)
class Decoded:
    """What decoding N images told: the reason of each that failed, empty for the others, and sums."""

    reasons: list[str]
    sums: np.ndarray  # (N, 2, C) int64: the sum of the pixels and of their squares, a channel


def rows_per_file(shape: tuple[int, int, int], count: int) -> int:
    """Images a file, of the images' shape and number alone, so that every machine cuts alike."""
    even = max(FEWEST_ROWS, -(-count // FILES_OF_SMALL_SETS))
    return max(1, min(ROWS_PER_FILE, BYTES_PER_FILE // int(np.prod(shape)), even))


def write_chunk(
    paths: list[ImageFiles],
    preparation: Preparation,
    images: Path,
    notes: Path,
    digest: str,
    copies: list[tuple[Path, int] | None] | None = None,
) -> Decoded:
    """Decode images one by one into a chunk file, and note beside it how that went.

    Images that fail are left out of the file. The notes are written last: with them a chunk is finished.

    Args:
        paths: (n) images.
        preparation: what makes pixels of them, all of one shape.
        images: where the pixels go, .npy; not written where all images fail.
        notes: where the reasons, pixel sums and thumbnails go, .npz.
        digest: what `chunk_digest` says of these images.
        copies: (n) where an earlier cache holds the same pixels: a file and where they start; None to decode.
    """
    reasons = [""] * len(paths)
    sums = np.zeros((len(paths), 2, preparation.shape[2]), dtype=np.int64)
    thumbnails = np.zeros((len(paths), THUMB, THUMB), dtype=np.float16)
    with written_aside(images) as aside, aside.open("wb") as file:
        write_npy_header(file, len(paths), preparation.shape)
        for place, path in enumerate(paths):
            try:
                there = copies[place] if copies else None
                pixels = pixels_at(*there, preparation.shape) if there else prepare(path, preparation)
            except ImageError as error:
                reasons[place] = str(error)
                continue
            file.write(pixels.data)
            sums[place], thumbnails[place] = pixel_sums(pixels), thumbnail(pixels)
        size = file.tell()
        # Only now is it known how many images are good.
        file.seek(0)
        write_npy_header(file, reasons.count(""), preparation.shape)
    if reasons.count("") == 0:
        images.unlink()
        size = 0
    with written_aside(notes) as aside:
        np.savez(
            aside, digest=digest, reasons=np.array(reasons, dtype=np.str_), sums=sums, thumbs=thumbnails, size=size
        )
    return Decoded(reasons, sums)


def finished_chunk(images: Path, notes: Path, digest: str) -> Decoded | None:
    """What an earlier run noted about a chunk, where it is whole and made of the same bytes in the same way."""
    try:
        stored = read_npz(notes, "", ("digest", "reasons", "sums", "size"))
    except InputError:
        return None
    if str(stored["digest"]) != digest:
        return None
    told, size = Decoded(stored["reasons"].tolist(), stored["sums"]), int(stored["size"])
    there = images.stat().st_size if images.exists() else 0
    return told if there == size else None


def chunk_thumbnails(notes: Path) -> np.ndarray:
    """The thumbnails of a finished chunk, (n, 32, 32) float16, zeros for an image that failed."""
    with np.load(notes, allow_pickle=False) as stored:
        return stored["thumbs"]


def chunk_digest(digests: list[str], preparation: Preparation) -> str:
    """What decides a chunk's bytes: the files' bytes, the preparation, and the versions of the decoders."""
    return hashlib.sha1(json.dumps([decoder_versions(), preparation.as_dict(), digests]).encode()).hexdigest()


def pixel_sums(pixels: np.ndarray) -> np.ndarray:
    """The sum of the pixels and of their squares a channel, (2, C) int64, of (H, W, C) uint8 with H up to 66,000."""
    height, _, channels = pixels.shape
    values = pixels.reshape(height, -1).astype(np.uint32)
    columns = np.stack([values.sum(axis=0, dtype=np.uint32), (values * values).sum(axis=0, dtype=np.uint32)])
    return columns.reshape(2, -1, channels).sum(axis=1, dtype=np.int64)


def channel_statistics(sums: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over all pixels, (C,) float64 in 0 to 255, from (N, 2, C) pixel sums."""
    mean, square = sums.sum(axis=0) / pixels
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
