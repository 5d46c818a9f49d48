"""Image files: finding them, reading their headers, and turning those of one image into a model's uint8 pixels."""

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common.errors import InputError, listing
from data.images.decoding import EXTENSIONS, READABLE, opened, orientation
from data.images.errors import ImageError
from data.images.pixels import SWAPPING_TURNS, bands, from_pillow, from_planes, kept_channels, refuse_other_depth
from data.images.preparation import Preparation
from data.tables.spreadsheet import CONTROL


@dataclass(frozen=True)
class NoImage:
    """Files that belong together but make no image, and why: they go the way of an image that cannot be decoded."""

    files: tuple[Path, ...]
    reason: str


# The file of an image, or its files in the order of the channels.
ImageFiles = Path | tuple[Path, ...] | NoImage


@dataclass(frozen=True)
class ImageInfo:
    """What the header and bytes of an image's files tell: upright size in pixels, mode, format, sha1 in hex, depth."""

    width: int
    height: int
    mode: str
    format: str
    sha1: str
    depth: int = 8  # bits a value


def prepare(files: ImageFiles, preparation: Preparation) -> np.ndarray:
    """Decode an image fully and turn it into a model's pixels.

    The EXIF orientation is applied. For "rgb" and "gray" alpha is composited on black, and 1-bit, palette, gray and
    CMYK images become RGB or gray; named channels are those of the file, or of a file each, where a colour file is a
    stain in false colour and gives the largest of R, G and B. A JPEG is shrunk while it is decoded, to no less
    than twice the target; what is at least twice as large is reduced by the mean over areas, the rest by Lanczos. The
    result lies within 35 dB of one of these on all pixels. 16-bit values are reduced as they are; then `white_level`
    becomes 255.

    Returns:
        (size, size, channels) uint8, or of the shape of the bucket whose aspect ratio is nearest.

    Raises:
        ImageError: a file is missing, empty, truncated, not an image, animated, too large, or its channels or depth
            are not those of the preparation; of several files, its name comes first.
    """
    _refuse_no_image(files)
    if isinstance(files, tuple):
        parts = [_named(path, lambda path: _pixels(path, preparation, a_stain=True)) for path in files]
        _refuse_other_sizes(files, [size for _, size in parts])
        pixels = np.concatenate([part for part, _ in parts], axis=-1)
    else:
        pixels, _ = _pixels(files, preparation, a_stain=False)
    if pixels.shape in preparation.shapes:
        return np.ascontiguousarray(pixels)
    padded = np.zeros(preparation.shape, dtype=np.uint8)
    height, width = pixels.shape[:2]
    top, left = (preparation.size - height) // 2, (preparation.size - width) // 2
    padded[top : top + height, left : left + width] = pixels
    return padded


def scan(files: ImageFiles, preparation: Preparation | None = None) -> ImageInfo:
    """Read the headers of an image's files, and all bytes for their sha1, without decoding a pixel.

    Raises:
        ImageError: as `prepare`, as far as the headers tell.
    """
    _refuse_no_image(files)
    if not isinstance(files, tuple):
        return _scan(files, preparation, a_stain=False)
    infos = [_named(path, lambda path: _scan(path, preparation, a_stain=True)) for path in files]
    _refuse_other_sizes(files, [(info.width, info.height) for info in infos])
    if len({info.depth for info in infos}) > 1:
        depths = ", ".join(f"{path.name} {info.depth} bits" for path, info in zip(files, infos, strict=True))
        raise ImageError(f"its channels differ in depth ({depths}); save all with one")
    first = infos[0]
    digest = hashlib.sha1("".join(info.sha1 for info in infos).encode()).hexdigest()
    return ImageInfo(first.width, first.height, first.mode, first.format, digest, first.depth)


def files_of(image: ImageFiles) -> tuple[Path, ...]:
    """All files of an image, also of one that they do not make."""
    if isinstance(image, NoImage):
        return image.files
    return image if isinstance(image, tuple) else (image,)


def _refuse_no_image(files: ImageFiles) -> None:
    if isinstance(files, NoImage):
        raise ImageError(files.reason)


def _named(path: Path, read: Callable[[Path], Any]) -> Any:  # noqa: ANN401  of any type: what `read` returns
    try:
        return read(path)
    except ImageError as error:
        raise ImageError(f"{path.name} {error}") from None


def _refuse_other_sizes(files: tuple[Path, ...], sizes: list[tuple[int, int]]) -> None:
    if len(set(sizes)) > 1:
        texts = (f"{path.name} {size[0]} × {size[1]}" for path, size in zip(files, sizes, strict=True))
        raise ImageError(f"its channels differ in size ({', '.join(texts)})")


def _scan(path: Path, preparation: Preparation | None, a_stain: bool) -> ImageInfo:
    axes = "" if preparation is None else preparation.axes
    with opened(path, axes) as (image, file):
        if isinstance(image, Image.Image):
            width, height = image.size
            # Pillow reports a TIFF's size upright already.
            if image.format != "TIFF" and orientation(image) in SWAPPING_TURNS:
                width, height = height, width
            depth, mode = 8, image.mode
        else:
            width, height, depth = image.width, image.height, image.depth
            mode = f"{image.channels} × {depth} bit"
        if preparation is not None:
            refuse_other_depth(depth, preparation)
            if not isinstance(image, Image.Image):
                kept_channels(image, preparation, a_stain)
            elif not a_stain and not preparation.is_picture:
                bands(image, len(preparation.channel_names), preparation.channels)
        file.seek(0)
        return ImageInfo(width, height, mode, str(image.format), hashlib.file_digest(file, "sha1").hexdigest(), depth)


def _pixels(path: Path, preparation: Preparation, a_stain: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """A file's pixels, resized but not padded, (height, width, channels) uint8, and its own upright width and height.

    Args:
        path: the file.
        preparation: what makes pixels of it.
        a_stain: whether the file holds one channel of an image.
    """
    with opened(path, preparation.axes) as (image, file):
        if isinstance(image, Image.Image):
            refuse_other_depth(8, preparation)
            return from_pillow(image, file, preparation, a_stain)
        refuse_other_depth(image.depth, preparation)
        return from_planes(image, preparation, a_stain), (image.width, image.height)


def find_images(image_dir: Path) -> dict[str, Path]:
    """All image files below a folder, hidden ones left out: {path inside the folder, "/"-separated and NFC: path}.

    Raises:
        InputError: the folder is missing or holds no image, a name is not UTF-8 or holds a control character, or two
            names differ only in their Unicode form.
    """
    image_dir = Path(image_dir)
    if not image_dir.is_dir():
        raise InputError(f"image_dir {image_dir} is not a folder")
    found: dict[str, Path] = {}
    foreign, controlled = [], []
    for folder, files in _folders(image_dir):
        for name in sorted(files):
            if name.startswith(".") or not name.lower().endswith(EXTENSIONS):
                continue
            path = Path(folder, name)
            try:
                str(path).encode()
            except UnicodeEncodeError:
                # Neither an index nor a CSV of predictions could name it.
                foreign.append(os.fsencode(path).decode("utf-8", "backslashreplace"))
                continue
            key = unicodedata.normalize("NFC", path.relative_to(image_dir).as_posix())
            if CONTROL.search(key):
                # No CSV could name it, and a terminal would obey it.
                controlled.append(repr(key))
                continue
            if key in found:
                raise InputError(f"{path}: another file has the same name in another Unicode form; rename one")
            found[key] = path
    if foreign:
        heading = f"{len(foreign):,} images have names that are not UTF-8; rename them, such as with"
        raise InputError(listing(f"{heading} convmv -f latin1 -t utf8:", foreign))
    if controlled:
        heading = f"{len(controlled):,} images have control characters in their names; rename them:"
        raise InputError(listing(heading, controlled))
    if not found:
        raise InputError(f"image_dir {image_dir} holds no image ({READABLE})")
    return found


def _folders(image_dir: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder that is not hidden, and its files; linked folders are searched too, but not those they lie in."""
    above = {image_dir: (os.path.realpath(image_dir),)}
    for folder, folders, files in os.walk(image_dir, followlinks=True):
        chain = above.pop(Path(folder))
        inner = {name: os.path.realpath(Path(folder, name)) for name in sorted(folders) if not name.startswith(".")}
        folders[:] = [name for name, place in inner.items() if place not in chain]
        above |= {Path(folder, name): (*chain, inner[name]) for name in folders}
        yield folder, files
