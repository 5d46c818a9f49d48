"""Writing an augmented set: new images in parallel, kept when a run stops, the folder renamed at the end."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common.errors import InputError
from common.files import read_json, write_json, write_text, written_aside
from common.parallel import in_parallel
from data.augmentation.augmented_set import DESCRIPTION, FORMAT_VERSION, INDEX, INDEX_COLUMNS, LABELS
from data.augmentation.new_image import NewImage, make, new_id
from data.cache.cache import Cache
from data.cache.cache_writer import csv_text
from data.cache.chunks import rows_per_file
from data.cache.folder_writer import FolderWriter
from data.cache.pixel_files import pixels_at, write_npy_header


class AugmentedWriter(FolderWriter):
    """An augmented set under construction.

    Args:
        directory: where the finished set goes, `augmented_dir`.
        overwrite: as for `FolderWriter`, which says what it raises.
    """

    def __init__(self, directory: Path, overwrite: bool) -> None:
        super().__init__(directory, overwrite, DESCRIPTION, "augmented set", "tag")

    def write(self, cache: Cache, images: Sequence[NewImage], workers: int) -> None:
        """Make all images; those that an earlier run finished are kept.

        Args:
            cache: where the parents are.
            images: (M) what is made.
            workers: processes, 0 for one a core.
        """
        step = rows_per_file(cache.image_shape, len(images))
        chunks = [images[first : first + step] for first in range(0, len(images), step)]
        tasks, sizes = [], []
        wanted = set()
        for number, chunk in enumerate(chunks):
            pixels, note = self.content / f"images-{number:05d}.npy", self.partial / f"chunk-{number:05d}.json"
            wanted |= {pixels, note}
            digest = chunk_digest(cache, chunk)
            if not _is_finished(pixels, note, digest):
                places = [[cache.location(parent) for parent in image.parents] for image in chunk]
                tasks.append((list(chunk), places, cache.image_shape, pixels, note, digest))
                sizes.append(len(chunk))
        # Chunks of an earlier run with more images must not stay between the new ones.
        for path in [*self.content.glob("images-*.npy"), *self.partial.glob("chunk-*.json")]:
            if path not in wanted:
                path.unlink()
        if kept := len(images) - sum(sizes):
            print(f"{kept:,} images were made before and are kept")
        for _ in in_parallel(write_chunk, tasks, sizes, workers, "Augmenting"):
            pass

    def finish(self, cache: Cache, images: Sequence[NewImage], labels: np.ndarray, meta: dict[str, Any]) -> None:
        """Write labels, index and description, and put the folder in its place.

        Args:
            cache, images: as for `write`.
            labels: (M, K) uint8, or float32 for soft labels.
            meta: what augmented.json holds beside what identifies it.
        """
        rows = [
            [
                new_id(cache.ids, image),
                json.dumps([cache.ids[parent] for parent in image.parents], ensure_ascii=False),
                image.copy,
                image.operation(),
                json.dumps(image.as_dict()),
            ]
            for image in images
        ]
        write_text(self.content / INDEX, csv_text(INDEX_COLUMNS, rows))
        with written_aside(self.content / LABELS) as aside:
            np.save(aside, np.ascontiguousarray(labels), allow_pickle=False)
        identity = {"format_version": FORMAT_VERSION, "cache": cache.meta["fingerprint"], "rows": len(images)}
        write_json(self.content / DESCRIPTION, {**identity, "class_names": cache.class_names, **meta})
        self.put_in_place()


def write_chunk(
    images: list[NewImage],
    places: list[list[tuple[Path, int]]],
    image_shape: tuple[int, int, int],
    path: Path,
    note: Path,
    digest: str,
) -> None:
    """Make images into a chunk file, and note beside it what it holds; with the note a chunk is finished.

    Args:
        images: (n) what is made.
        places: (n) the file of each parent and where in it its pixels start, as `Cache.location` tells.
        image_shape: height, width and channels.
        path: where the pixels go, .npy.
        note: where the digest goes, .json.
        digest: what `chunk_digest` says.

    Raises:
        InputError: a parent's file can no longer be read.
    """
    cv2.setNumThreads(1)  # the processes fill the cores already
    with written_aside(path) as aside, aside.open("wb") as file:
        write_npy_header(file, len(images), image_shape)
        for image, own in zip(images, places, strict=True):
            try:
                parents = [pixels_at(*place, image_shape) for place in own]
            except (FileNotFoundError, ValueError):
                raise InputError(f"{own[0][0]} changed while it was read; start again") from None
            file.write(np.ascontiguousarray(make(image, parents)).data)
        size = file.tell()
    write_json(note, {"digest": digest, "size": size})


def chunk_digest(cache: Cache, images: Sequence[NewImage]) -> str:
    """What decides a chunk's bytes: the parents' pixels, what is done with them, and what does it."""
    told = [[*image.parents, image.as_dict(), image.parameters.interpolation] for image in images]
    key = [cv2.__version__, np.__version__, cache.meta["fingerprint"], told]
    return hashlib.sha1(json.dumps(key).encode()).hexdigest()


def _is_finished(path: Path, note: Path, digest: str) -> bool:
    try:
        told = read_json(note)
    except InputError:
        return False
    return isinstance(told, dict) and path.is_file() and told == {"digest": digest, "size": path.stat().st_size}
