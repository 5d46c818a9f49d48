"""Images of one shape in numbered .npy files, read as memory maps and never whole."""

import functools
import mmap
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from common.arrays import damage_named
from common.errors import InputError

FALLBACK_OPEN_FILES = 128
# The system reads so much ahead by itself; what is larger it would read piece by piece, each waited for.
READ_AHEAD_BYTES = 128 * 1024


class PixelFiles:
    """The files `images-*.npy` of a folder, in order, uint8 (n, H, W, C) each.

    Args:
        directory: where they are.
        image_shape: height, width and channels.
        way_out: what a user does about a damaged file, the end of a sentence.
        prefix: of the numbers in the files' names.

    Raises:
        InputError: a file is cut off, of another format or of another image shape.
    """

    def __init__(self, directory: Path, image_shape: tuple[int, int, int], way_out: str, prefix: str = "") -> None:
        self.image_shape = image_shape
        found = sorted(
            path for path in Path(directory).iterdir() if re.fullmatch(rf"images-{prefix}\d+\.npy", path.name)
        )
        self._files = [(path, *_header(path, image_shape, way_out)) for path in found]
        self._starts = np.cumsum([0, *(count for _, count, _ in self._files)])
        # Each map holds a file open, and a large cache has more files than a process may open.
        self._mapped: Callable[[int], _Map] = functools.lru_cache(maxsize=_open_files())(self._map)

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        return [self.image_shape]

    @property
    def bucket(self) -> np.ndarray:
        """Which of the shapes each image has, (N,) int64."""
        return np.zeros(len(self), dtype=np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copy rows out of the memory maps.

        Args:
            rows: (n,) positions from 0 to N - 1, in any order, repeats allowed.

        Returns:
            (n, H, W, C) uint8.

        Raises:
            IndexError: a position lies outside.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows must lie between 0 and {len(self) - 1}")
        files = np.searchsorted(self._starts, rows, side="right") - 1
        offsets = rows - self._starts[files]
        images = np.empty((len(rows), *self.image_shape), dtype=np.uint8)
        places = list(zip(files.tolist(), offsets.tolist(), strict=True))
        if np.prod(self.image_shape) > READ_AHEAD_BYTES:
            for file, offset in places:
                self._mapped(file).read_ahead(offset)
        for position, (file, offset) in enumerate(places):
            images[position] = self._mapped(file).images[offset]
        return images

    def location(self, row: int) -> tuple[Path, int]:
        """The file that holds a row's pixels, and where in it they start, bytes."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        path, _, start = self._files[file]
        return path, start + (row - int(self._starts[file])) * int(np.prod(self.image_shape))

    def _map(self, file: int) -> "_Map":
        path, count, start = self._files[file]
        return _Map(path, (count, *self.image_shape), start)


class _Map:
    """A file's pixels as a map of the system's pages: `images` (n, H, W, C) uint8, read-only.

    A plain array, because indexing a np.memmap costs several times as much.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], start: int) -> None:
        with path.open("rb") as file:
            self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._start, self._size = start, int(np.prod(shape[1:]))
        values = np.frombuffer(self._pages, dtype=np.uint8, count=shape[0] * self._size, offset=start)
        self.images = values.reshape(shape)

    def read_ahead(self, image: int) -> None:
        """Have the system begin to read an image, and not wait for it."""
        if hasattr(mmap, "MADV_WILLNEED"):
            first = self._start + image * self._size
            page = first - first % mmap.PAGESIZE
            self._pages.madvise(mmap.MADV_WILLNEED, page, first + self._size - page)


class BucketFiles:
    """Images of several shapes, those of each in `PixelFiles` of its own; seen as one set, in the order of the rows.

    Args:
        directory: where the files are.
        shapes: height, width and channels of each bucket.
        bucket: (N,) which of them each image has.
        way_out: as for `PixelFiles`.

    Raises:
        InputError: as for `PixelFiles`, or the files of a shape hold another number of images.
    """

    def __init__(
        self, directory: Path, shapes: Sequence[tuple[int, int, int]], bucket: Sequence[int], way_out: str
    ) -> None:
        self.shapes, self.bucket = list(shapes), np.asarray(bucket, dtype=np.int64)
        self._files = [PixelFiles(directory, shape, way_out, bucket_prefix(at)) for at, shape in enumerate(shapes)]
        self._place = np.empty(len(self.bucket), dtype=np.int64)
        for number, files in enumerate(self._files):
            own = np.flatnonzero(self.bucket == number)
            if len(files) != len(own):
                sides = " × ".join(map(str, self.shapes[number][:2]))
                raise InputError(f"{directory}: {len(files)} images of {sides}, but {len(own)} are wanted; {way_out}")
            self._place[own] = np.arange(len(own))

    def __len__(self) -> int:
        return len(self.bucket)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """As `PixelFiles.gather`, for rows of one shape.

        Raises:
            ValueError: the rows have several shapes.
            IndexError: a position lies outside.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows must lie between 0 and {len(self) - 1}")
        found = np.unique(self.bucket[rows])
        if len(found) > 1:
            raise ValueError(
                f"rows of {len(found)} shapes cannot be one array: gather those of one `cache.bucket` at a time"
            )
        return self._files[found[0] if len(found) else 0].gather(self._place[rows])

    def location(self, row: int) -> tuple[Path, int]:
        """The file that holds a row's pixels, and where in it they start, bytes."""
        return self._files[self.bucket[row]].location(int(self._place[row]))


def bucket_prefix(number: int) -> str:
    """What the numbers of a bucket's files begin with."""
    return f"{number:02d}-"


def pixels_at(path: Path, start: int, shape: tuple[int, int, int]) -> np.ndarray:
    """The image that `location` names, (H, W, C) uint8."""
    return np.fromfile(path, dtype=np.uint8, count=int(np.prod(shape)), offset=start).reshape(shape)


def write_npy_header(file: BinaryIO, count: int, image_shape: tuple[int, int, int]) -> None:
    """The head of an .npy file of `count` images; NumPy pads it so that the count may change later."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *image_shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _header(path: Path, image_shape: tuple[int, int, int], way_out: str) -> tuple[int, int]:
    """How many images a file holds, and where its pixels start, bytes."""
    with damage_named(path, way_out), path.open("rb") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("not version 1.0 of the npy format")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    if dtype != np.uint8 or fortran_order or shape[1:] != image_shape:
        raise InputError(f"{path} holds {dtype} {shape[1:]}, but uint8 {image_shape} is wanted; {way_out}")
    if path.stat().st_size != start + np.prod(shape, dtype=np.int64):
        raise InputError(
            f"{path} is cut off: {shape[0]} images do not fit its {path.stat().st_size:,} bytes; {way_out}"
        )
    return shape[0], start


def _open_files() -> int:
    """Half the files that this process may have open."""
    try:
        import resource
    except ImportError:
        return FALLBACK_OPEN_FILES
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return FALLBACK_OPEN_FILES if limit <= 0 else max(16, limit // 2)
