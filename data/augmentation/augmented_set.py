"""Augmented sets on disk: new images made of a cache's training rows, in `augmented/TAG` inside the cache."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.arrays import damage_named, read_npy
from common.errors import InputError, listing
from common.files import partial_dir, read_json
from data.cache.cache import Cache
from data.cache.pixel_files import PixelFiles

FORMAT_VERSION = 1
FOLDER, DESCRIPTION, LABELS, INDEX = "augmented", "augmented.json", "labels.npy", "index.csv"
INDEX_COLUMNS = ("id", "parents", "copy", "operation", "parameters")


class AugmentedSet:
    """M new images, those whose parents all train. Open it with `open_augmented`.

    Attributes:
        directory: its folder.
        meta: what augmented.json says.
        ids: M ids. parents: for each the cache positions of one or two training rows.
        labels: (M, K) uint8 of 0, 1 or 255, or float32 with shares between 0 and 1 for soft labels.
        made: M keys, of which two are equal if the pixels are, see `made_of`.
        left_out: images on disk that are not among the M, as the fold that the cache is seen with judges a parent.
    """

    def __init__(
        self,
        directory: Path,
        meta: dict[str, Any],
        ids: list[str],
        parents: list[list[int]],
        labels: np.ndarray,
        pixels: PixelFiles,
        places: np.ndarray,
        parameters: Sequence[str],
    ) -> None:
        self.directory, self.meta, self.ids, self.parents, self.labels = directory, meta, ids, parents, labels
        self.left_out = len(pixels) - len(places)
        self._pixels, self._places = pixels, places
        self.made = [made_of(own, text) for own, text in zip(parents, parameters, strict=True)]

    def __len__(self) -> int:
        return len(self.ids)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copy rows (n,) out of the memory maps, (n, H, W, C) uint8: see `PixelFiles.gather`."""
        return self._pixels.gather(self._places[rows])


def augmented_dir(cache_dir: Path, tag: str) -> Path:
    return Path(cache_dir) / FOLDER / tag


def open_augmented(cache: Cache, tag: str) -> AugmentedSet:
    """Open a finished augmented set of a cache; no pixel is read.

    Raises:
        InputError: it is missing (the message names those that are there), unfinished, damaged, made of another cache,
            or of images that do not lie in train.
    """
    directory = augmented_dir(cache.directory, tag)
    if not (directory / DESCRIPTION).is_file():
        if partial_dir(directory).is_dir():
            raise InputError(f"{directory} is not finished; run augment.py again to go on where it stopped")
        there = finished_tags(cache)
        raise InputError(
            f"{cache.directory} has no augmented set {tag!r}; "
            + (f"it has {', '.join(there)}" if there else "make one with augment.py")
        )
    meta = read_json(directory / DESCRIPTION)
    if not isinstance(meta, dict) or meta.get("format_version") != FORMAT_VERSION:
        raise InputError(f"{directory / DESCRIPTION}: not a format that this program reads; {_again(tag)}")
    if not isinstance(meta.get("class_names", []), list):
        raise InputError(f"{directory / DESCRIPTION}: class_names must be a list of names; {_again(tag)}")
    if meta.get("cache") != cache.meta["fingerprint"]:
        raise InputError(f"{directory} was made of another state of {cache.directory}; {_again(tag)}")
    ids, names, parameters = _read_index(directory / INDEX, tag)
    labels = cache.converted(_read_labels(directory / LABELS, len(meta.get("class_names", ())), tag))
    pixels = PixelFiles(directory, cache.image_shape, _again(tag))
    if not len(ids) == len(labels) == len(pixels):
        raise InputError(
            f"{directory} is damaged: {len(pixels)} images, {len(labels)} label rows and {len(ids)} index rows; "
            f"{_again(tag)}"
        )
    parents = _parents(cache, directory, ids, names)
    # Where the cache is seen with a fold, a parent that trains in the cache's own split may judge.
    places = np.flatnonzero([all(cache.split[parent] == "train" for parent in own) for own in parents])
    kept = ([each[place] for place in places] for each in (ids, parents, parameters))
    kept_ids, kept_parents, kept_parameters = kept
    return AugmentedSet(directory, meta, kept_ids, kept_parents, labels[places], pixels, places, kept_parameters)


def finished_tags(cache: Cache) -> list[str]:
    """The augmented sets of a cache that are finished."""
    return sorted(path.parent.name for path in (cache.directory / FOLDER).glob(f"*/{DESCRIPTION}"))


def made_of(parents: Sequence[int], parameters: str) -> tuple[tuple[int, ...], str]:
    """The key of a new image: cache positions of its parents, and all that was done, as index.csv has it."""
    return tuple(parents), parameters


def _parents(cache: Cache, directory: Path, ids: list[str], names: list[list[str]]) -> list[list[int]]:
    """The cache positions of the parents; one outside train would teach what validation and test judge by.

    What counts is the cache's own split, by which the set was made.
    """
    places, split = {name: place for place, name in enumerate(cache.ids)}, cache.own_split
    leaks = [
        f"{new}: its parent {name} " + (f"lies in {split[places[name]]}" if name in places else "is not there")
        for new, own in zip(ids, names, strict=True)
        for name in own
        if name not in places or split[places[name]] != "train"
    ]
    if leaks:
        raise InputError(listing(f"{directory} holds images of rows that are not in train; make it again:", leaks))
    return [[places[name] for name in own] for own in names]


def _read_index(path: Path, tag: str) -> tuple[list[str], list[list[str]], list[str]]:
    """The ids, the parents' ids and the parameters of the new images."""
    with damage_named(path, _again(tag)), path.open(encoding="utf-8", newline="") as file:
        head, *rows = [*csv.reader(file)] or [[]]
    try:
        parents = [json.loads(row[INDEX_COLUMNS.index("parents")]) for row in rows]
        good = all(isinstance(own, list) and all(isinstance(name, str) for name in own) for own in parents)
    except (ValueError, IndexError, RecursionError):
        good = False
    if not good or tuple(head) != INDEX_COLUMNS or any(len(row) != len(INDEX_COLUMNS) for row in rows):
        raise InputError(f"{path}: it must hold the columns {', '.join(INDEX_COLUMNS)}; {_again(tag)}")
    return [row[0] for row in rows], parents, [row[INDEX_COLUMNS.index("parameters")] for row in rows]


def _read_labels(path: Path, classes: int, tag: str) -> np.ndarray:
    labels = read_npy(path, _again(tag))
    good = labels.dtype in (np.uint8, np.float32) and labels.shape[1:] == (classes,)
    if not good or not ((labels >= 0) & (labels <= 1) | (labels == 255)).all():
        raise InputError(f"{path} must hold rows of {classes} labels, 0 to 1 or 255; {_again(tag)}")
    return labels


def _again(tag: str) -> str:
    return f"make it again with augment.py --tag {tag} --overwrite"
