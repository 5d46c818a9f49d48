"""A labelled set of images before a pixel is written: headers and checksums read in parallel, rows divided."""

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import Faults
from common.files import sha1_of
from common.parallel import in_parallel
from data.images.channels import brief
from data.images.errors import ImageError
from data.images.image_files import ImageFiles, ImageInfo, files_of, prepare, scan
from data.images.preparation import Preparation
from data.labels.labels import LabelTable
from data.splits.earlier_cache import Earlier
from data.splits.near_duplicates import THUMB, near_duplicates, near_keys, thumbnail
from data.splits.splits import check_given_split, draw_folds_beside_test, draw_split, units

FILES_A_TASK = 64


@dataclass(frozen=True)
class Collection:
    """N labelled images: their rows of the CSV and what their files' headers tell.

    `infos` holds None, and `reasons` a reason, where a file cannot be used; a reason is empty for the others, and so is
    `marks`, which tells one such file from another. `near` names sets of nearly identical images, if these were looked
    for; it is empty for an image in none.
    """

    table: LabelTable
    paths: list[ImageFiles]
    infos: list[ImageInfo | None]
    reasons: list[str]
    marks: list[str]
    near: list[str] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def hashes(self) -> list[str]:
        """The sha1 of each file, empty where it cannot be used."""
        return [info.sha1 if info else "" for info in self.infos]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Upright width and height of each image; 1 × 1 where its files cannot be used."""
        return [(info.width, info.height) if info else (1, 1) for info in self.infos]

    @property
    def contents(self) -> list[str]:
        """What tells whether an image has changed, also where its files cannot be used."""
        return [info.sha1 if info else mark for info, mark in zip(self.infos, self.marks, strict=True)]

    def keep(self, good: Sequence[bool]) -> "Collection":
        """The rows where `good`, N values, is true."""
        rows = np.flatnonzero(good).tolist()
        table = replace(
            self.table,
            labels=self.table.labels[rows],
            fold=None if self.table.fold is None else self.table.fold[rows],
            **{name: _take(getattr(self.table, name), rows) for name in ("ids", "lines", "split", "group", "source")},
        )
        columns = (self.paths, self.infos, self.reasons, self.marks, self.near)
        return Collection(table, *(_take(values, rows) for values in columns))

    def joined(self, thumbnails: np.ndarray) -> tuple["Collection", np.ndarray]:
        """With the sets of near-duplicates that (N, 32, 32) thumbnails show, and their pairs of rows, (P, 2).

        Byte-identical images are left out of the pairs, and thumbnails of zeros match nothing.
        """
        pairs = near_duplicates(thumbnails)
        hashes = np.array(self.hashes)
        pairs = pairs[hashes[pairs[:, 0]] != hashes[pairs[:, 1]]]
        return replace(self, near=near_keys(len(self), pairs)), pairs


@dataclass(frozen=True)
class Division:
    """Which rows belong together, and the split and fold of each row."""

    units: np.ndarray  # (N,) int64
    split: list[str]  # (N) train, val or test
    fold: np.ndarray | None  # (N,) int64


def survey(table: LabelTable, paths: list[ImageFiles], preparation: Preparation, workers: int) -> Collection:
    """Read the headers and all bytes of each image, in parallel, and refuse what the preparation cannot use."""
    found: list[tuple[ImageInfo | None, str, str]] = [(None, "", "")] * len(paths)
    with closing(_on_files(scan_files, paths, (preparation,), workers, "Reading headers")) as pieces:
        for rows, answers in pieces:
            found[rows] = answers
    return Collection(table, paths, *([told[place] for told in found] for place in range(3)))


def check_decoding(
    paths: list[ImageFiles], preparation: Preparation, workers: int, thumbnails: bool
) -> tuple[list[str], np.ndarray | None]:
    """Decode all images fully, in parallel, and keep none.

    Returns:
        (N) why each cannot be decoded, empty where it can; if they are wanted, (N, 32, 32) float16 thumbnails, zeros
        for one that cannot be decoded.
    """
    reasons = [""] * len(paths)
    small = np.zeros((len(paths), THUMB, THUMB), dtype=np.float16) if thumbnails else None
    extra = (preparation, thumbnails)
    with closing(_on_files(decode_files, paths, extra, workers, "Checking images")) as pieces:
        for rows, (told, shown) in pieces:
            reasons[rows] = told
            if small is not None:
                small[rows] = shown
    return reasons, small


def scan_files(paths: list[ImageFiles], preparation: Preparation) -> list[tuple[ImageInfo | None, str, str]]:
    """What `scan` tells of each image, or None, why it cannot be used, and its `mark`."""
    answers = [_or_reason(scan, path, preparation) for path in paths]
    return [
        (None, answer, mark(path)) if isinstance(answer, str) else (answer, "", "")
        for path, answer in zip(paths, answers, strict=True)
    ]


def mark(image: ImageFiles) -> str:
    """What tells an image that cannot be used from another: its files' bytes, else their sizes and times of change."""
    digest = hashlib.sha1()
    for path in files_of(image):
        try:
            told = sha1_of(path)
        except OSError:
            told = _size_and_time(path)
        digest.update(f"{told};".encode())
    return digest.hexdigest()


def _size_and_time(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        return str(error.strerror)
    return f"{found.st_size} {found.st_mtime_ns}"


def decode_files(
    paths: list[ImageFiles], preparation: Preparation, thumbnails: bool
) -> tuple[list[str], np.ndarray | None]:
    """As `check_decoding`, for a few images."""
    reasons = [""] * len(paths)
    small = np.zeros((len(paths), THUMB, THUMB), dtype=np.float16) if thumbnails else None
    for row, path in enumerate(paths):
        answer = _or_reason(prepare, path, preparation)
        if isinstance(answer, str):
            reasons[row] = answer
        elif small is not None:
            small[row] = thumbnail(answer)
    return reasons, small


def divide(
    collection: Collection,
    val_fraction: float,
    test_fraction: float,
    folds: int,
    seed: int,
    faults: Faults,
    earlier: Earlier | None = None,
) -> Division:
    """The CSV's own split and folds where it has them, else drawn ones around the rows that an earlier cache holds.

    Args:
        collection: the images.
        val_fraction, test_fraction: shares of the rows, where the split is drawn.
        folds: how many, where they are drawn; 0 for none.
        seed: of what is drawn.
        faults: gets a CSV's split without train rows, or one that moves rows of the earlier cache.
        earlier: the cache whose rows stay where they are.

    Raises:
        InputError: there are fewer units than folds, or the earlier cache has another number of folds.
    """
    table = collection.table
    joined = units(len(collection), table.group, collection.hashes, collection.near)
    if table.split is not None and "train" not in table.split:
        faults.add("the CSV's split column has no train row")
    if earlier is not None:
        split, fold = earlier.extend(
            table, collection.hashes, joined, (val_fraction, test_fraction), folds, seed, faults
        )
        return Division(joined, split, fold)
    split = table.split or draw_split(table.labels, joined, val_fraction, test_fraction, seed)
    fold = table.fold
    if fold is None and folds:
        fold = draw_folds_beside_test(table.labels, joined, split, folds, seed)
    return Division(joined, split, fold)


def leaks(collection: Collection, division: Division, earlier: Earlier | None = None) -> list[str]:
    """Rows that belong together and that the CSV's own split or folds, or an earlier cache, part: each in words."""
    table, texts = collection.table, []
    given = []
    if table.split is not None or earlier is not None:
        given.append(("split", division.split))
    if division.fold is not None and (table.fold is not None or earlier is not None):
        given.append(("fold", division.fold.tolist()))
    for kind, values in given:
        for first, other in check_given_split(values, division.units, range(len(collection))):
            why = _why(collection, first, other)
            texts.append(
                f"{table.ids[first]} and {table.ids[other]}: {why}, but {kind} {values[first]} and {values[other]}"
            )
    return texts


def bad_rows(collection: Collection, reasons: Sequence[str]) -> list[dict[str, Any]]:
    """Id, path, line and reason of each image with a reason why it cannot be used."""
    table = collection.table
    return [
        {"id": table.ids[row], "path": brief(collection.paths[row]), "line": table.lines[row], "reason": reason}
        for row, reason in enumerate(reasons)
        if reason
    ]


def _on_files(
    function: Callable[..., Any], paths: list[ImageFiles], extra: tuple[Any, ...], workers: int, description: str
) -> Generator[tuple[slice, Any], None, None]:
    """The rows of some of the images and what the function tells of these, for all images, in parallel."""
    pieces = [slice(first, min(first + FILES_A_TASK, len(paths))) for first in range(0, len(paths), FILES_A_TASK)]
    tasks = [(paths[piece], *extra) for piece in pieces]
    with closing(in_parallel(function, tasks, [len(task[0]) for task in tasks], workers, description)) as answers:
        for number, answer in answers:
            yield pieces[number], answer


def _or_reason(function: Callable[..., object], path: ImageFiles, *extra: object) -> object:
    try:
        return function(path, *extra)
    except ImageError as error:
        return str(error)


def _take(values: Sequence[Any] | None, rows: list[int]) -> list[Any] | None:
    return None if values is None else [values[row] for row in rows]


def _why(collection: Collection, first: int, other: int) -> str:
    """Why two rows of one unit belong together; others of the unit may lie between them."""
    for words, keys in (
        ("the same image", collection.hashes),
        ("the same group", collection.table.group),
        ("nearly the same image", collection.near),
    ):
        if keys and keys[first] and keys[first] == keys[other]:
            return words
    return "joined by others"
