"""A cache on disk: prepared images as memory-mapped uint8 files, with their labels, splits and description."""

import csv
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common.arrays import damage_named, read_npy
from common.errors import InputError
from common.files import partial_dir, read_json
from common.labels import UNKNOWN
from data.cache.pixel_files import BucketFiles, PixelFiles
from data.images.preparation import Preparation
from data.labels.label_forms import SPLITS
from data.tables.spreadsheet import CONTROL, quoted, some

FORMAT_VERSION = 1
DESCRIPTION, LABELS, INDEX, SKIPPED = "cache.json", "labels.npy", "index.csv", "skipped.csv"
INDEX_COLUMNS = ("id", "split", "fold", "group", "path", "width", "height", "sha1", "source")
REQUIRED = (
    "class_names",
    "channels",
    "image_shape",
    "preparation",
    "white_level",
    "mean",
    "std",
    "counts",
    "fingerprint",
)


class Cache:
    """A finished cache of N images and K classes. Open it with `open_cache`.

    Attributes:
        directory: its folder.
        meta: what cache.json says.
        class_names: K names.
        image_shape: height, width and channels; None for sides where images have several shapes.
        shapes: the shapes of the images. bucket: (N,) int64, which of them each image has.
        ids, split: (N) ids and the split of each row, train, val or test.
        own_split: (N) what index.csv says; `split` differs from it in a view, see `data.cache.cache_subset`.
        own_counts: training images of each class of cache.json in that split, by name, in a view too.
        own_labels: (N, L) uint8, the labels of the L classes of cache.json, in a view too.
        converted: makes labels in the classes of cache.json, (n, K), into those of this object; see
            `data.cache.cache_subset`.
        fold: (N,) int64, -1 for a row outside the folds, or None without folds.
        labels: (N, K) uint8, 0, 1, or 255 for unknown.
    """

    def __init__(
        self,
        directory: Path,
        meta: dict[str, Any],
        table: list[list[str]],
        labels: np.ndarray,
        pixels: PixelFiles | BucketFiles,
    ) -> None:
        self.directory = directory
        self.meta = meta
        self.class_names: list[str] = meta["class_names"]
        self.image_shape: tuple[int, int, int] = tuple(meta["image_shape"])
        self.labels = self.own_labels = labels
        self.converted: Callable[[np.ndarray], np.ndarray] = lambda stored: stored
        self._table = table
        self.ids = [row[0] for row in table]
        self.split = self.own_split = [row[1] for row in table]
        self.own_counts = dict(zip(self.class_names, meta["counts"]["train"]["positives"], strict=True))
        self.fold = np.array([int(row[2]) for row in table], dtype=np.int64) if table[0][2] else None
        self._pixels = pixels
        self.shapes, self.bucket = pixels.shapes, pixels.bucket
        if len(pixels) != len(table) or len(labels) != len(table):
            raise InputError(
                f"{directory} is damaged: {len(pixels)} images, {len(labels)} label rows and {len(table)} index "
                "rows; make it again with preprocess.py --overwrite"
            )

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
        """Copy rows (n,) out of the memory maps, (n, H, W, C) uint8: see `PixelFiles.gather`.

        Raises:
            ValueError: the rows have several shapes, see `bucket`.
        """
        return self._pixels.gather(rows)

    def location(self, row: int) -> tuple[Path, int]:
        """The file that holds a row's pixels, and where in it they start, bytes."""
        return self._pixels.location(row)


def open_cache(cache_dir: Path) -> Cache:
    """Open a finished cache; no pixel is read.

    Raises:
        InputError: it is missing, unfinished, of another version, or damaged; says which file and what to run.
    """
    if not (cache_dir / DESCRIPTION).is_file():
        if partial_dir(cache_dir).is_dir():
            raise InputError(f"{cache_dir} is not finished; run preprocess.py again to go on where it stopped")
        raise InputError(f"{cache_dir} is not a cache: it has no {DESCRIPTION}. Make one with preprocess.py")
    meta = _description(cache_dir / DESCRIPTION)
    table = _read_index(cache_dir / INDEX)
    labels = _read_labels(cache_dir / LABELS, len(meta["class_names"]))
    return Cache(cache_dir, meta, table, labels, _pixels(cache_dir, meta, table))


def split_counts(labels: np.ndarray, split: np.ndarray) -> dict[str, dict[str, Any]]:
    """Rows, positives a class and known labels a class of each split."""
    return {
        name: {
            "rows": int((split == name).sum()),
            "positives": (labels[split == name] == 1).sum(axis=0).tolist(),
            "known": (labels[split == name] != UNKNOWN).sum(axis=0).tolist(),
        }
        for name in SPLITS
    }


def _description(path: Path) -> dict[str, Any]:
    meta = read_json(path)
    version = meta.get("format_version") if isinstance(meta, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(f"{path}: format version {version}, but this program reads {FORMAT_VERSION}; {_again()}")
    missing = [name for name in REQUIRED if name not in meta]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; {_again()}")
    try:
        Preparation.from_dict(meta["preparation"])
    except InputError as error:
        raise InputError(f"{path}: {error}; {_again()}") from None
    if fault := classes_fault(meta):
        raise InputError(f"{path}: {fault}; {_again()}")
    shape = meta["image_shape"]
    sides = shape if isinstance(shape, list) else []
    if sides[:2] == [None, None]:  # of several shapes
        sides = [1, 1, *sides[2:]]
    if len(sides) != 3 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise InputError(f"{path}: image_shape must be height, width and channels, not {shape!r}; {_again()}")
    if not isinstance(meta.get("versions", {}), dict):
        raise InputError(f"{path}: versions must name packages; {_again()}")
    return meta


def classes_fault(meta: dict[str, Any]) -> str:
    """What is wrong with the class names or their counts, which a run keeps too, in words; empty where nothing is.

    Args:
        meta: what cache.json says; has class_names and counts.
    """
    names, counts = meta["class_names"], meta["counts"]
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        return "class_names must be a list of names"
    if len(set(names)) < len(names):
        return "class_names holds a name twice"
    if wrong := [quoted(name) for name in names if CONTROL.search(name)]:
        return f"class_names holds names with a line break or control character: {some(wrong)}"
    counted = counts.values() if isinstance(counts, dict) and "train" in counts else [None]
    if not all(_are_counts(each, len(names)) for each in counted):
        return "counts must hold, of each split, how many labels of each class are positive and how many are known"
    return ""


def _are_counts(counts: object, classes: int) -> bool:
    """Whether these are what `split_counts` says of a split."""
    columns = [counts.get(name) for name in ("positives", "known")] if isinstance(counts, dict) else [None]
    return all(
        isinstance(column, list)
        and len(column) == classes
        and all(type(number) is int and number >= 0 for number in column)
        for column in columns
    )


def _pixels(cache_dir: Path, meta: dict[str, Any], table: list[list[str]]) -> PixelFiles | BucketFiles:
    """The files of the pixels; of several shapes, an image's is told by its own width and height in the index."""
    shape = tuple(meta["image_shape"])
    if None not in shape:
        return PixelFiles(cache_dir, shape, _again())
    preparation = Preparation.from_dict(meta["preparation"])
    width, height = INDEX_COLUMNS.index("width"), INDEX_COLUMNS.index("height")
    sizes = [(row[width], row[height]) for row in table]
    for line, size in enumerate(sizes, start=2):
        if not all(re.fullmatch(r"[1-9]\d*", side) for side in size):
            raise InputError(f"{cache_dir / INDEX}, line {line}: {' × '.join(size)} is no width and height; {_again()}")
    bucket = preparation.bucket_of([(int(wide), int(high)) for wide, high in sizes])
    return BucketFiles(cache_dir, preparation.shapes, bucket, _again())


def _read_index(path: Path) -> list[list[str]]:
    with damage_named(path, _again()), path.open(encoding="utf-8", newline="") as file:
        head, *rows = [*csv.reader(file)] or [[]]
    if tuple(head) != INDEX_COLUMNS or not rows:
        raise InputError(f"{path}: it must hold the columns {', '.join(INDEX_COLUMNS)} and a row an image; {_again()}")
    # All rows have a fold or none has; -1 is a test row outside the folds.
    fold = r"\d+|-1" if rows[0][2:3] != [""] else ""
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        good = len(row) == len(INDEX_COLUMNS) and row[1] in SPLITS and bool(re.fullmatch(fold, row[2]))
        if not good or CONTROL.search(row[0]):
            raise InputError(f"{path}, line {line}: {quoted(','.join(row))} is not a row of a cache; {_again()}")
        if row[0] in seen:
            raise InputError(f"{path}, line {line}: the id {quoted(row[0])} is also in another line; {_again()}")
        seen.add(row[0])
    return rows


def _read_labels(path: Path, classes: int) -> np.ndarray:
    labels = read_npy(path, _again())
    if labels.dtype != np.uint8 or labels.shape[1:] != (classes,):
        raise InputError(f"{path} must hold uint8 rows of {classes} classes; {_again()}")
    if ((labels > 1) & (labels != UNKNOWN)).any():
        raise InputError(f"{path} holds values other than 0, 1 and 255; {_again()}")
    return labels


def _again() -> str:
    return "make it again with preprocess.py --overwrite"
