"""Opening image files: which reader a file needs, and every kind of file that is refused, in words."""

import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.images.errors import ImageError, refuse_size, too_large

EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
OME = (".ome.tif", ".ome.tiff")  # one extension each
# Pillow has readers that call other programs; only these are ever tried, whatever a file is named.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")
READABLE = "JPEG, PNG, TIFF, BMP, WebP"
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BITS_PER_SAMPLE, DESCRIPTION, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 270, 338, 339  # TIFF tags


class Deep(Protocol):
    """An open file that is read at full depth, not by Pillow; sizes are upright."""

    width: int
    height: int
    channels: int
    alpha: bool  # whether the last channel is opacity
    premultiplied: bool  # whether the others are already those on black
    depth: int  # bits a value
    format: str

    def planes(self) -> np.ndarray:
        """All pixels, (height, width, channels) uint8 or uint16, upright."""


def stems(name: str) -> list[str]:
    """A file's name without its extension, and of an OME-TIFF also the name that ends in .ome; else the name itself."""
    if not name.lower().endswith(EXTENSIONS):
        return [name]
    stem = name.rpartition(".")[0]
    return [stem.rpartition(".")[0], stem] if name.lower().endswith(OME) else [stem]


@contextmanager
def opened(path: Path, axes: str = "") -> Iterator[tuple[Image.Image | Deep, BinaryIO]]:
    """The opened image and its file; whatever fails inside the block becomes an ImageError.

    8-bit images are Pillow's; 16-bit PNG and TIFF, and TIFF stacks, are read at full depth.

    Args:
        path: the file.
        axes: of TIFF stacks, such as "CYX", where it is not left to their metadata.
    """
    try:
        kind = Path(path).stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            # A pipe waits for who writes into it, and some devices never end.
            raise ImageError("is not a file, but a pipe, a socket or a device")
        with Path(path).open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            start = file.read(4)
            if not start:
                raise ImageError("is empty (0 bytes)")
            image = _identified(file, start)
            if image is None or _needs_tifffile(image):
                # Read only where a file needs them: tifffile and imagecodecs take a while to import.
                from data.images.stacks import TiffStack

                yield TiffStack(file, axes), file
                return
            with image:
                _refuse_unsupported(image)
                if image.format == "PNG" and _is_deep_png(image):
                    from data.images.stacks import DeepPng

                    yield DeepPng(file, image, orientation(image)), file
                else:
                    yield image, file
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("does not exist") from None
    except (PermissionError, IsADirectoryError) as error:
        raise ImageError(f"cannot be opened ({error.strerror})") from None
    except Exception as error:
        # A damaged file makes the readers raise nearly anything: OSError, SyntaxError, struct.error, KeyError, …
        raise ImageError(f"cannot be decoded ({str(error) or type(error).__name__})") from None


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 is upright."""
    try:
        # Pillow would decode a whole PNG to find out whether EXIF follows its pixels.
        read = (
            Image.Image.getexif
            if image.format == "PNG" and not _tells_more_at_its_end(image.fp)
            else type(image).getexif
        )
        return int(read(image).get(0x0112, 1))
    except Exception:
        # A damaged EXIF block is no reason to lose the pixels; it raises whatever its parser trips over.
        return 1


def _tells_more_at_its_end(file: BinaryIO) -> bool:
    """Whether a PNG has other chunks than its end behind its pixels; the file is left where it was."""
    place, behind = file.tell(), False
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8 and (kind := head[4:]) != b"IEND":
            if behind and kind != b"IDAT":
                return True
            behind = behind or kind == b"IDAT"
            file.seek(int.from_bytes(head[:4]) + 4, 1)
        return False
    finally:
        file.seek(place)


def _identified(file: BinaryIO, start: bytes) -> Image.Image | None:
    """Pillow's image, None for a TIFF that Pillow does not know."""
    try:
        file.seek(0)
        return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(too_large("more than 178 million")) from None
    except UnidentifiedImageError:
        if start in TIFF_STARTS:
            return None
        raise ImageError(f"is not an image, or is damaged (readable: {READABLE})") from None


def _needs_tifffile(image: Image.Image) -> bool:
    """Whether a TIFF holds more than one 8-bit picture whose bands Pillow knows: it drops the rest silently."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2
    text = tags.get(DESCRIPTION, "")
    pages = re.match(r"ImageJ=[\s\S]*?^images=(\d+)", text, re.MULTILINE) if isinstance(text, str) else None
    return (
        max(tags.get(BITS_PER_SAMPLE, (1,))) > 8
        or max(tags.get(SAMPLE_FORMAT, (1,))) > 1
        # 0 is an extra channel that is not opacity.
        or 0 in tags.get(EXTRA_SAMPLES, ())
        # ImageJ may write one page's header for a whole stack.
        or (pages is not None and int(pages[1]) > 1)
        or getattr(image, "n_frames", 1) > 1
    )


def _is_deep_png(image: Image.Image) -> bool:
    # Pillow quietly cuts a 16-bit colour PNG to 8 bits; only the decoder's arguments still name its depth.
    return image.mode.startswith("I") or any(";16" in str(tile[3]) for tile in image.tile)


def _refuse_unsupported(image: Image.Image) -> None:
    refuse_size(*image.size)
    frames = getattr(image, "n_frames", 1)
    # An MPO is a camera's JPEG with extra views behind the one that every viewer shows.
    if frames > 1 and image.format != "MPO":
        raise ImageError(f"has {frames} frames (it is animated); save the one that is meant as a file of its own")
    if image.mode in ("LAB", "HSV"):
        raise ImageError(f"is in the colour space {image.mode}; save it as RGB")
