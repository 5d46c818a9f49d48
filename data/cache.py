"""A cache on disk: prepared images as memory-mapped uint8 files, with their labels, splits and description."""

import csv
import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from data.faults import InputError
from data.files import read_json
from data.splits import SPLITS

FORMAT_VERSION = 1
DESCRIPTION, LABELS, INDEX, SKIPPED = "cache.json", "labels.npy", "index.csv", "skipped.csv"
INDEX_COLUMNS = ("id", "split", "fold", "group", "path", "width", "height", "sha1", "source")
REQUIRED = ("class_names", "channels", "image_shape", "preparation", "white_level", "mean", "std", "counts")
FALLBACK_OPEN_FILES = 128


class Cache:
    """A finished cache of N images and K classes. Open it with `open_cache`.

    Attributes:
        directory: its folder.
        meta: what cache.json says.
        class_names: K names.
        image_shape: height, width and channels.
        ids, split: (N) ids and the split of each row, train, val or test.
        fold: (N,) int64, -1 for a row outside the folds, or None without folds.
        labels: (N, K) uint8, 0, 1, or 255 for unknown.
    """

    def __init__(
        self, directory: Path, meta: dict[str, Any], table: list[list[str]], labels: np.ndarray, files: list[Path]
    ) -> None:
        self.directory = directory
        self.meta = meta
        self.class_names: list[str] = meta["class_names"]
        self.image_shape: tuple[int, int, int] = tuple(meta["image_shape"])
        self.labels = labels
        self._table = table
        self.ids = [row[0] for row in table]
        self.split = [row[1] for row in table]
        self.fold = np.array([int(row[2]) for row in table], dtype=np.int64) if table[0][2] else None
        self._files = [(path, *_header(path, self.image_shape)) for path in files]
        self._starts = np.cumsum([0, *(count for _, count, _ in self._files)])
        if self._starts[-1] != len(table) or len(labels) != len(table):
            raise InputError(
                f"{directory} is damaged: {self._starts[-1]} images, {len(labels)} label rows and {len(table)} index "
                "rows; make it again with preprocess.py --overwrite"
            )
        # Each map holds a file open, and a large cache has more files than a process may open.
        self._mapped = functools.lru_cache(maxsize=_open_files())(self._map)

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_cache, (self.directory,)

    @functools.cached_property
    def index(self) -> list[dict[str, str]]:
        """The rows of index.csv as dicts of text: id, split, fold, group, path, width, height, sha1, source."""
        return [dict(zip(INDEX_COLUMNS, row, strict=True)) for row in self._table]

    def rows(self, split: str) -> np.ndarray:
        """The positions of a split's rows, int64, rising."""
        return np.flatnonzero(np.asarray(self.split) == split)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copy rows out of the memory maps.

        Args:
            rows: (n,) positions from 0 to N - 1, in any order, repeats allowed.

        Returns:
            (n, H, W, C) uint8.

        Raises:
            IndexError: a position lies outside the cache.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows must lie between 0 and {len(self) - 1}")
        files = np.searchsorted(self._starts, rows, side="right") - 1
        offsets = rows - self._starts[files]
        images = np.empty((len(rows), *self.image_shape), dtype=np.uint8)
        for position, (file, offset) in enumerate(zip(files.tolist(), offsets.tolist(), strict=True)):
            images[position] = self._mapped(file)[offset]
        return images

    def location(self, row: int) -> tuple[Path, int]:
        """The file that holds a row's pixels, and where in it they start, bytes."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        path, _, start = self._files[file]
        return path, start + (row - int(self._starts[file])) * int(np.prod(self.image_shape))

    def _map(self, file: int) -> np.ndarray:
        path, count, start = self._files[file]
        shape = (count, *self.image_shape)
        # A plain array over the map: indexing a np.memmap itself costs several times as much.
        return np.asarray(np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=shape))


def open_cache(cache_dir: Path) -> Cache:
    """Open a finished cache; no pixel is read.

    Raises:
        InputError: it is missing, unfinished, of another version, or damaged; says which file and what to run.
    """
    cache_dir = Path(cache_dir)
    if not (cache_dir / DESCRIPTION).is_file():
        if partial_dir(cache_dir).is_dir():
            raise InputError(f"{cache_dir} is not finished; run preprocess.py again to go on where it stopped")
        raise InputError(f"{cache_dir} is not a cache: it has no {DESCRIPTION}. Make one with preprocess.py")
    meta = _description(cache_dir / DESCRIPTION)
    table = _read_index(cache_dir / INDEX)
    labels = _read_labels(cache_dir / LABELS, len(meta["class_names"]))
    files = sorted(path for path in cache_dir.iterdir() if re.fullmatch(r"images-\d+\.npy", path.name))
    return Cache(cache_dir, meta, table, labels, files)


def partial_dir(cache_dir: Path) -> Path:
    """Where a cache lies while it is built."""
    return Path(cache_dir).with_name(f".{Path(cache_dir).name}.partial")


def _description(path: Path) -> dict[str, Any]:
    meta = read_json(path)
    version = meta.get("format_version") if isinstance(meta, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(f"{path}: format version {version}, but this program reads {FORMAT_VERSION}; {_again()}")
    missing = [name for name in REQUIRED if name not in meta]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; {_again()}")
    shape, names = meta["image_shape"], meta["class_names"]
    if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(side, int) and side > 0 for side in shape)):
        raise InputError(f"{path}: image_shape must be height, width and channels, not {shape!r}; {_again()}")
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise InputError(f"{path}: class_names must be a list of names; {_again()}")
    return meta


def _read_index(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = [*csv.reader(file)] or [[]]
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {_again()}") from None
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}); {_again()}") from None
    if tuple(head) != INDEX_COLUMNS or not rows:
        raise InputError(f"{path}: it must hold the columns {', '.join(INDEX_COLUMNS)} and a row an image; {_again()}")
    # All rows have a fold or none has; -1 is a test row outside the folds.
    fold = r"\d+|-1" if rows[0][2:3] != [""] else ""
    for line, row in enumerate(rows, start=2):
        good = len(row) == len(INDEX_COLUMNS) and row[1] in SPLITS and bool(re.fullmatch(fold, row[2]))
        if not good:
            raise InputError(f"{path}, line {line}: {','.join(row)!r} is not a row of a cache; {_again()}")
    return rows


def _read_labels(path: Path, classes: int) -> np.ndarray:
    try:
        labels = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {_again()}") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}); {_again()}") from None
    if not isinstance(labels, np.ndarray) or labels.dtype != np.uint8 or labels.shape[1:] != (classes,):
        raise InputError(f"{path} must hold uint8 rows of {classes} classes; {_again()}")
    if ((labels > 1) & (labels < 255)).any():
        raise InputError(f"{path} holds values other than 0, 1 and 255; {_again()}")
    return labels


def _header(path: Path, image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """How many images a file holds, and where its pixels start, bytes."""
    try:
        with path.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("not version 1.0 of the npy format")
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); {_again()}") from None
    if dtype != np.uint8 or fortran_order or shape[1:] != image_shape:
        raise InputError(f"{path} holds {dtype} {shape[1:]}, but cache.json says uint8 {image_shape}; {_again()}")
    if path.stat().st_size != start + np.prod(shape, dtype=np.int64):
        raise InputError(
            f"{path} is cut off: {shape[0]} images do not fit its {path.stat().st_size:,} bytes; {_again()}"
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


def _again() -> str:
    return "make it again with preprocess.py --overwrite"
