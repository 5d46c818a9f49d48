"""The one value that becomes white in a whole set of images, so that their exposures keep their ratio."""

from contextlib import closing
from dataclasses import replace

import numpy as np
from PIL import Image

from common.errors import InputError
from common.parallel import in_parallel
from data.images.decoding import opened
from data.images.errors import ImageError
from data.images.image_files import ImageFiles, ImageInfo
from data.images.pixels import kept_channels
from data.images.preparation import Preparation

PERCENTILE = 99.9  # of the sampled pixels, so that a few hot ones do not darken all images
SAMPLED = 128  # images
NAMED = 3  # files of each depth in a message


def setting_fault(setting: str) -> str:
    """What is wrong with the option white_level, in words; empty where nothing is."""
    if setting in ("auto", "dtype"):
        return ""
    try:
        good = 0 < float(setting) < 2**16
    except ValueError:
        good = False
    return "" if good else f"white_level = {setting!r}: must be auto, dtype, or a number up to 65535"


def settled(
    preparation: Preparation,
    setting: str,
    images: list[ImageFiles],
    infos: list[ImageInfo | None],
    workers: int,
    earlier: Preparation | None = None,
) -> tuple[Preparation, str]:
    """The preparation with the depth of the images and their one white level, and how that came about in words.

    Args:
        preparation: without a depth.
        setting: the option white_level.
        images, infos: (N) all images, and what their headers tell, None where one cannot be read.
        workers: processes, 0 for one a core.
        earlier: of the cache that these images add to, whose white level "auto" keeps, so that its pixels stay right.

    Raises:
        InputError: the depths differ, or the setting does not fit the depth.
    """
    preparation = with_depth(preparation, images, infos)
    if earlier and setting == "auto" and _measured_alike(preparation, earlier):
        return replace(preparation, white_level=earlier.white_level), "kept from the earlier cache"
    readable = [image for image, info in zip(images, infos, strict=True) if info]
    return with_white_level(preparation, setting, readable, workers)


def _measured_alike(one: Preparation, other: Preparation) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in ("channels", "axes", "depth"))


def with_depth(preparation: Preparation, images: list[ImageFiles], infos: list[ImageInfo | None]) -> Preparation:
    """The preparation for the depth that all readable images share.

    Raises:
        InputError: their depths differ; names images of each.
    """
    rows: dict[int, list[int]] = {}
    for row, info in enumerate(infos):
        if info:
            rows.setdefault(info.depth, []).append(row)
    if len(rows) > 1:
        lines = []
        for depth, found in sorted(rows.items()):
            firsts = [files[0] if isinstance(files := images[row], tuple) else files for row in found[:NAMED]]
            more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
            lines.append(f"  {depth} bits: {', '.join(map(str, firsts))}{more}")
        raise InputError(
            "the images have several bit depths, which no single white level fits:\n"
            + "\n".join(lines)
            + "\nconvert all to one depth by one scale, or preprocess them apart"
        )
    depth = next(iter(rows), 8)
    return replace(preparation, depth=depth, white_level=float(2**depth - 1))


def with_white_level(
    preparation: Preparation, setting: str, images: list[ImageFiles], workers: int
) -> tuple[Preparation, str]:
    """The preparation with the set's white level, and how it came about in words; 8-bit images keep 255.

    Args:
        preparation: with the depth of the images.
        setting: "auto" is the 99.9th percentile over all pixels of up to 128 images, evenly spaced over the rows;
            "dtype" the largest value of the depth; or a number.
        images: (N) those that can be read.
        workers: processes, 0 for one a core.

    Raises:
        InputError: a number is given for 8-bit images, or is larger than the depth can hold.
    """
    largest = 2**preparation.depth - 1
    if setting not in ("auto", "dtype"):
        if preparation.depth == 8 and float(setting) != largest:
            raise InputError(f"white_level = {setting}: 8-bit images are taken as they are; leave it auto")
        if float(setting) > largest:
            raise InputError(f"white_level = {setting}: the images have {preparation.depth} bits, up to {largest}")
        return replace(preparation, white_level=float(setting)), "given"
    if setting == "dtype" or preparation.depth == 8:
        return replace(preparation, white_level=float(largest)), f"the largest {preparation.depth}-bit value"
    counts = sampled_histogram(preparation, images, workers)
    if not counts.any():
        return preparation, f"the largest {preparation.depth}-bit value"
    cumulated = counts.cumsum()
    white = int(np.searchsorted(cumulated, cumulated[-1] * (PERCENTILE / 100)))
    words = f"the {PERCENTILE}th percentile of {min(len(images), SAMPLED):,} images, whose largest is "
    # Black images with a few bright dots have a percentile of 0.
    brightest = int(np.flatnonzero(counts)[-1])
    return replace(preparation, white_level=float(white or brightest or largest)), f"{words}{brightest:,}"


def sampled_histogram(preparation: Preparation, images: list[ImageFiles], workers: int) -> np.ndarray:
    """How often each value occurs in evenly spaced images, (65536,) int64."""
    rows = np.unique(np.linspace(0, len(images) - 1, min(len(images), SAMPLED)).round().astype(int)).tolist()
    tasks = [(images[row], preparation) for row in rows]
    counts = np.zeros(2**16, dtype=np.int64)
    with closing(in_parallel(histogram, tasks, [1] * len(tasks), workers, "Finding the white level")) as histograms:
        for _, found in histograms:
            counts += found
    return counts


def histogram(files: ImageFiles, preparation: Preparation) -> np.ndarray:
    """How often each value occurs in an image at full depth, (65536,) int64; none where it cannot be decoded."""
    counts = np.zeros(2**16, dtype=np.int64)
    a_stain = isinstance(files, tuple)
    for path in files if a_stain else (files,):
        try:
            with opened(path, preparation.axes) as (image, _):
                if isinstance(image, Image.Image):
                    continue
                values = image.planes()[..., : kept_channels(image, preparation, a_stain)]
        except ImageError:
            continue
        if a_stain:
            values = values.max(axis=-1)
        counts += np.bincount(values.ravel(), minlength=2**16)
    return counts
