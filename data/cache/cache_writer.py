"""Writing a cache: chunk files decoded in parallel, kept when a run stops, the folder renamed when all is there."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from common.files import read_json, write_json, write_text, written_aside
from common.labels import UNKNOWN
from common.parallel import in_parallel
from common.versions import decoder_versions
from data.cache.cache import DESCRIPTION, FORMAT_VERSION, INDEX, INDEX_COLUMNS, LABELS, SKIPPED, split_counts
from data.cache.chunks import (
    Decoded,
    channel_statistics,
    chunk_digest,
    chunk_thumbnails,
    finished_chunk,
    rows_per_file,
    write_chunk,
)
from data.cache.folder_writer import FolderWriter
from data.cache.pixel_files import bucket_prefix
from data.images.channels import joined
from data.images.image_files import ImageFiles
from data.images.preparation import Preparation
from data.splits.near_duplicates import THUMB
from data.splits.survey import Collection, Division


@dataclass(frozen=True)
class Row:
    """A row of index.csv: where an image came from and where it went."""

    id: str
    split: str
    fold: int | None
    group: str
    path: str
    width: int
    height: int
    sha1: str
    source: str = ""


class CacheWriter(FolderWriter):
    """A cache under construction.

    Args:
        cache_dir, overwrite: as for `FolderWriter`, which says what it raises.
    """

    def __init__(self, cache_dir: Path, overwrite: bool) -> None:
        super().__init__(cache_dir, overwrite, DESCRIPTION, "cache", "cache_dir")

    def decode(
        self,
        paths: list[ImageFiles],
        digests: list[str],
        preparation: Preparation,
        workers: int,
        copies: list[tuple[Path, int] | None] | None = None,
        bucket: Sequence[int] | None = None,
    ) -> Decoded:
        """Decode all images into chunk files; those that are finished already are kept.

        Args:
            paths: (N) images.
            digests: (N) what tells whether an image has changed: the sha1 of its files' bytes.
            preparation: what makes pixels of them.
            workers: processes, 0 for one a core.
            copies: (N) where an earlier cache holds the same pixels, as for `write_chunk`.
            bucket: (N) which of the preparation's shapes each image has; None where there is one.
        """
        chunks = _chunks(bucket or [0] * len(paths), preparation)
        wanted = [chunk_digest(_take(digests, chunk.rows), chunk.preparation) for chunk in chunks]
        self._remove_others([chunk.name for chunk in chunks])
        results = [
            finished_chunk(*self._files(chunk.name), digest) for chunk, digest in zip(chunks, wanted, strict=True)
        ]
        todo = [number for number, result in enumerate(results) if result is None]
        tasks = [
            (_take(paths, chunk.rows), chunk.preparation, *self._files(chunk.name), wanted[number],
             copies and _take(copies, chunk.rows))
            for number, chunk in ((number, chunks[number]) for number in todo)
        ]  # fmt: skip
        sizes = [len(task[0]) for task in tasks]
        if kept := len(paths) - sum(sizes):
            print(f"{kept:,} images were decoded before and are kept")
        with closing(in_parallel(write_chunk, tasks, sizes, workers, "Decoding")) as written:
            for place, result in written:
                results[todo[place]] = result
        reasons, sums = [""] * len(paths), np.zeros((len(paths), *results[0].sums.shape[1:]), dtype=np.int64)
        for chunk, result in zip(chunks, results, strict=True):
            sums[chunk.rows] = result.sums
            for row, reason in zip(chunk.rows, result.reasons, strict=True):
                reasons[row] = reason
        return Decoded(reasons, sums)

    def thumbnails(self, count: int, preparation: Preparation, bucket: Sequence[int] | None = None) -> np.ndarray:
        """The thumbnails of all images that were decoded, (count, 32, 32) float16, zeros for one that failed."""
        thumbnails = np.empty((count, THUMB, THUMB), dtype=np.float16)
        for chunk in _chunks(bucket or [0] * count, preparation):
            thumbnails[chunk.rows] = chunk_thumbnails(self._files(chunk.name)[1])
        return thumbnails

    def finish(
        self, rows: list[Row], labels: np.ndarray, decoded: Decoded, meta: dict[str, Any], skipped: list[dict[str, Any]]
    ) -> None:
        """Write labels, index and description, and put the folder in its place.

        Args:
            rows: (N) the rows whose image was decoded, in order.
            labels: (N, K) uint8.
            decoded: of all images, those that failed included.
            meta: what cache.json holds beside what is worked out here: class_names, channels, preparation, ….
            skipped: the rows that were left out, for skipped.csv: id, path, line and reason.
        """
        good = np.array([not reason for reason in decoded.reasons])
        split = np.array([row.split for row in rows])
        # An image without a known label teaches nothing, and so it must not move the scale of those that do.
        taught = (split == "train") & (labels != UNKNOWN).any(axis=1)
        taught = taught if taught.any() else split == "train"
        preparation = Preparation.from_dict(meta["preparation"])
        sides = np.array([shape[:2] for shape in preparation.shapes], dtype=np.int64)
        pixels = sides[preparation.bucket_of([(row.width, row.height) for row in rows])].prod(axis=1)
        mean, std = channel_statistics(decoded.sums[good][taught], int(pixels[taught].sum()))
        index = csv_text(INDEX_COLUMNS, [[_cell(getattr(row, name)) for name in INDEX_COLUMNS] for row in rows])
        labels = np.ascontiguousarray(labels, dtype=np.uint8)
        identity = hashlib.sha1(index.encode() + labels.tobytes())
        identity.update(json.dumps([meta["preparation"], meta["class_names"]], sort_keys=True).encode())
        write_text(self.content / INDEX, index)
        with written_aside(self.content / LABELS) as aside:
            np.save(aside, labels, allow_pickle=False)
        (self.content / SKIPPED).unlink(missing_ok=True)
        if skipped:
            columns = ("id", "path", "line", "reason")
            write_text(self.content / SKIPPED, csv_text(columns, [[row[name] for name in columns] for row in skipped]))
        description = {
            "format_version": FORMAT_VERSION,
            "rows": len(rows),
            "white_level": meta["preparation"].get("white_level", 255),
            "mean": mean.tolist(),
            "std": std.tolist(),
            "counts": split_counts(labels, split),
            "fingerprint": identity.hexdigest(),
        }
        write_json(self.content / DESCRIPTION, {**description, **meta})
        self._keep_augmented(identity.hexdigest())
        self.put_in_place()

    def _keep_augmented(self, fingerprint: str) -> None:
        """Take over the augmented sets of a cache that is replaced by an equal one; name those that go with it."""
        sets = self.directory / "augmented"
        if not sets.is_dir():
            return
        try:
            before = read_json(self.directory / DESCRIPTION)
        except InputError:
            before = None
        if isinstance(before, dict) and before.get("fingerprint") == fingerprint:
            sets.replace(self.content / "augmented")
            return
        names = sorted(path.name for path in sets.iterdir() if not path.name.startswith("."))
        print(f"Warning: the augmented sets {', '.join(names)} go with the old cache; they do not fit the new one")

    def _files(self, name: str) -> tuple[Path, Path]:
        return self.content / f"images-{name}.npy", self.partial / f"chunk-{name}.npz"

    def _remove_others(self, names: list[str]) -> None:
        """Chunks of an earlier run with more images must not stay between the new ones."""
        wanted = {path for name in names for path in self._files(name)}
        for path in [*self.content.glob("images-*.npy"), *self.partial.glob("chunk-*.npz")]:
            if path not in wanted:
                path.unlink()


@dataclass(frozen=True)
class _Chunk:
    """The images of one file: its name, their rows, rising, and what makes their pixels, all of one shape."""

    name: str
    rows: list[int]
    preparation: Preparation


def _chunks(bucket: Sequence[int], preparation: Preparation) -> list[_Chunk]:
    """The chunks of images, of which each has one of the preparation's shapes; buckets come one after another."""
    chunks = []
    for number, shape in enumerate(preparation.shapes):
        rows = [row for row, own in enumerate(bucket) if own == number]
        step = rows_per_file(shape, len(rows))
        prefix = bucket_prefix(number) if len(preparation.shapes) > 1 else ""
        for place, first in enumerate(range(0, len(rows), step)):
            own = rows[first : first + step]
            chunks.append(_Chunk(f"{prefix}{place:05d}", own, preparation.of_bucket(number)))
    return chunks


def _take(values: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    return [values[row] for row in rows]


def _cell(value: object) -> object:
    return "" if value is None else value


def csv_text(columns: tuple[str, ...], rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def fingerprint(collection: Collection, preparation: Preparation, settings: dict[str, Any]) -> dict[str, Any]:
    """All that decides what a cache will hold, by name: a run that was stopped goes on only where it is equal.

    Args:
        collection: the images.
        preparation: what makes pixels of them.
        settings: the options that decide split and index, ready for JSON.
    """
    table = collection.table
    fold = None if table.fold is None else table.fold.tolist()
    labels = json.dumps([table.class_names, table.labels.tobytes().hex(), table.split, fold, table.group, table.source])
    images = json.dumps([table.ids, collection.contents])
    return {
        "cache format": FORMAT_VERSION,
        **decoder_versions(),
        **preparation.as_dict(),
        **settings,
        "number of images": len(collection),
        "images": hashlib.sha1(images.encode()).hexdigest(),
        "labels": hashlib.sha1(labels.encode()).hexdigest(),
    }


def index_rows(collection: Collection, division: Division) -> list[Row]:
    """The rows of index.csv; every image must have been read."""
    table = collection.table
    fold = [None] * len(collection) if division.fold is None else division.fold.tolist()
    group, source = table.group or [""] * len(collection), table.source or [""] * len(collection)
    columns = zip(table.ids, division.split, fold, group, collection.paths, collection.infos, source, strict=True)
    return [Row(*row, joined(path), info.width, info.height, info.sha1, name) for *row, path, info, name in columns]
