"""Images to predict: found, checked, and decoded ahead of who asks for them."""

import os
import unicodedata
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from common.errors import Faults, InputError, listing
from data.images.channels import brief, find_channel_images, match_images, read_path_columns
from data.images.errors import ImageError
from data.images.image_files import ImageFiles, find_images, prepare, scan
from data.images.matching import short_ids
from data.images.preparation import Preparation
from data.tables.spreadsheet import ID_COLUMNS, Sheet, column_key, quoted, some


def chosen_images(
    image_dir: Path, sample_file: Path | None, preparation: Preparation
) -> tuple[list[str], list[ImageFiles]]:
    """The ids and files of the images to predict: those of the sample file in its order, else all, sorted."""
    channels, pattern = preparation.channels, preparation.pattern
    if sample_file is None:
        if pattern:
            ids, images, warnings = find_channel_images(image_dir, channels, pattern)
            for text in warnings:
                print(f"Warning: {text}")
            return ids, images
        found = find_images(image_dir)
        return short_ids(list(found)), list(found.values())
    faults = Faults()
    ids, lines = sample_ids(sample_file, faults)
    keys = [unicodedata.normalize("NFC", image_id) for image_id in ids]
    columns = read_path_columns(sample_file, channels, faults)
    paths, unclaimed, _ = match_images(keys, lines, image_dir, channels, pattern, columns, faults)
    faults.raise_if_any(f"sample_file {sample_file} cannot be used:")
    if unclaimed:
        print(listing(f"Warning: {len(unclaimed):,} images are not in {sample_file} and left out:", unclaimed))
    return ids, paths


def sample_ids(sample_file: Path, faults: Faults) -> tuple[list[str], list[int]]:
    """The ids of a CSV as they are written there, and their lines; what is wrong with it goes into the faults."""
    sheet = Sheet(sample_file, faults, ID_COLUMNS)
    keys = [column_key(name) for name in sheet.header]
    wanted = next((key for key in ID_COLUMNS if key in keys), None)
    if wanted is None:
        if keys:
            faults.add(f"{sheet.name}: no column Id; its columns are {some([quoted(name) for name in sheet.header])}")
        return [], []
    place = keys.index(wanted)
    if keys.count(wanted) > 1:
        faults.add(f"{sheet.name}: {keys.count(wanted)} columns are called {quoted(sheet.header[place])}")
    sheet.drop_bad_rows(place, None)
    return [row[place].strip() for row in sheet.rows], sheet.lines


def worker_count(workers: int) -> int:
    """The threads that are asked for, or one for each core that this process may use."""
    return workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def damaged_headers(paths: list[ImageFiles], preparation: Preparation, workers: int) -> dict[int, str]:
    """Position and reason of each image whose header already shows that it cannot be decoded."""

    def reason(path: ImageFiles) -> str:
        try:
            scan(path, preparation)
        except ImageError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(workers) as pool:
        return {position: text for position, text in enumerate(pool.map(reason, paths)) if text}


def refuse(paths: list[ImageFiles], bad: dict[int, str]) -> None:
    """Stop with the list of the images that cannot be decoded, if there are any."""
    if bad:
        heading = f"{len(bad):,} of {len(paths):,} images cannot be decoded; --on_bad_image skip predicts the others:"
        raise InputError(listing(heading, lines_of({brief(paths[place]): reason for place, reason in bad.items()})))


def lines_of(reasons: dict[str, str]) -> list[str]:
    """A line an image: its path, and what is wrong with it."""
    return [f"{path} {reason}" for path, reason in reasons.items()]


def decoded(
    paths: list[ImageFiles], preparations: list[Preparation], batch_size: int, workers: int
) -> Iterator[tuple[int, dict[int, list[np.ndarray] | str]]]:
    """Decode images in threads, at most two batches ahead of who asks, so that memory stays small.

    Yields:
        The number of a batch and, by position, an image's pixels (H, W, C) uint8 in each preparation, or why it cannot
        be decoded.
    """

    def pixels(path: ImageFiles) -> list[np.ndarray] | str:
        try:
            return [prepare(path, preparation) for preparation in preparations]
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        calls = (pool.submit(pixels, path) for path in paths)
        ahead = deque(islice(calls, 2 * batch_size + workers))
        for number, start in enumerate(range(0, len(paths), batch_size)):
            batch = {}
            for position in range(start, min(start + batch_size, len(paths))):
                batch[position] = ahead.popleft().result()
                ahead.extend(islice(calls, 1))
            yield number, batch
