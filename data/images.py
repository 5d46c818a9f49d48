"""Image files: finding them, reading their headers, and turning one into the uint8 pixels that a model takes."""

import hashlib
import os
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.faults import InputError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
# Pillow has readers that call other programs; only these are ever tried, whatever a file is named.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")
READABLE = "JPEG, PNG, TIFF, BMP, WebP"
# Pillow's own limit, a third of a gigabyte of RGB pixels.
MOST_PIXELS = 89_478_485

ResizeMode = Literal["stretch", "pad"]
ChannelMode = Literal["rgb", "gray"]
CHANNEL_NAMES = {"rgb": ["red", "green", "blue"], "gray": ["gray"]}

# EXIF orientation → the turn that sets the image upright; 1 is upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPPING_TURNS = (5, 6, 7, 8)


class ImageError(ValueError):
    """An image that cannot be used. The message is the reason in words; the caller names the file."""


@dataclass(frozen=True)
class Preparation:
    """All that turns a file into a model's pixels: the same in preprocessing and in serving."""

    size: int  # side of the square result, pixels
    resize: ResizeMode  # "pad" keeps the aspect and centres the image on black
    channels: ChannelMode

    @property
    def channel_names(self) -> list[str]:
        return CHANNEL_NAMES[self.channels]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a prepared image."""
        return self.size, self.size, len(self.channel_names)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> "Preparation":
        """The preparation that `as_dict` stored.

        Raises:
            InputError: a value is missing, unknown or of another type.
        """
        if not isinstance(values, dict) or set(values) != {"size", "resize", "channels"}:
            raise InputError(f"preparation must hold size, resize and channels, not {values!r}")
        size = values["size"]
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"preparation: size must be a whole number of pixels, not {size!r}")
        for name, choices in (("resize", get_args(ResizeMode)), ("channels", get_args(ChannelMode))):
            if values[name] not in choices:
                raise InputError(f"preparation: {name} must be one of {', '.join(choices)}, not {values[name]!r}")
        return cls(**values)


@dataclass(frozen=True)
class ImageInfo:
    """What a file's header and bytes tell: upright size in pixels, Pillow's mode and format, sha1 in hex."""

    width: int
    height: int
    mode: str
    format: str
    sha1: str


def prepare(path: Path, preparation: Preparation) -> np.ndarray:
    """Decode an image fully and turn it into a model's pixels.

    The EXIF orientation is applied, alpha is composited on black, and 1-bit, palette, gray and CMYK images become RGB
    or gray. A JPEG is shrunk while it is decoded and a box filter reduces the rest, both to no less than twice the
    target; Lanczos does what remains. The result lies within 35 dB of Lanczos on all pixels.

    Returns:
        (size, size, channels) uint8.

    Raises:
        ImageError: the file is missing, empty, truncated, not an image, animated, too large, or not of 8 bits.
    """
    with _opened(path) as (image, _):
        turn = _orientation(image)
        width, height = _target(image.size, preparation, swapped=turn in SWAPPING_TURNS)
        # A side that the shrinking does not divide ends in a part of a pixel, which the box leaves out.
        drafted = image.draft(None, (2 * width, 2 * height))
        box = drafted[1] if drafted else None
        image.load()
        # Pillow turns a TIFF itself while it is loaded, and then says that it is upright.
        if image.format == "TIFF":
            turn, (width, height) = 1, _target(image.size, preparation, swapped=False)
        flat = _flat(image, preparation.channels)
        small = flat.resize((width, height), Image.Resampling.LANCZOS, box, reducing_gap=2.0)
        if small.mode == "RGBa":
            small = Image.merge("RGB", small.split()[:3])
        if turn in TURNS:
            small = small.transpose(TURNS[turn])
        small = small.convert("L" if preparation.channels == "gray" else "RGB")
        pixels = np.asarray(small, dtype=np.uint8).reshape(small.height, small.width, -1)
    if pixels.shape == preparation.shape:
        return np.ascontiguousarray(pixels)
    padded = np.zeros(preparation.shape, dtype=np.uint8)
    top, left = (preparation.size - small.height) // 2, (preparation.size - small.width) // 2
    padded[top : top + small.height, left : left + small.width] = pixels
    return padded


def scan(path: Path) -> ImageInfo:
    """Read an image's header, and all its bytes for their sha1, without decoding it.

    Raises:
        ImageError: as `prepare`, as far as the header tells.
    """
    with _opened(path) as (image, file):
        width, height = image.size
        # Pillow reports a TIFF's size upright already.
        if image.format != "TIFF" and _orientation(image) in SWAPPING_TURNS:
            width, height = height, width
        file.seek(0)
        return ImageInfo(width, height, image.mode, str(image.format), hashlib.file_digest(file, "sha1").hexdigest())


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """The opened image and its file; whatever fails inside the block becomes an ImageError."""
    try:
        with Path(path).open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            start = file.read(4)
            if not start:
                raise ImageError("is empty (0 bytes)")
            with _identified(file, start) as image:
                _refuse_unsupported(image)
                yield image, file
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("does not exist") from None
    except (PermissionError, IsADirectoryError) as error:
        raise ImageError(f"cannot be opened ({error.strerror})") from None
    except Exception as error:
        # A damaged file makes Pillow's readers raise nearly anything: OSError, SyntaxError, struct.error, KeyError, …
        raise ImageError(f"cannot be decoded ({str(error) or type(error).__name__})") from None


def _identified(file: BinaryIO, start: bytes) -> Image.Image:
    try:
        file.seek(0)
        return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(_too_large("more than 178 million")) from None
    except UnidentifiedImageError:
        if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise ImageError("is a TIFF of a layout that is not supported, or damaged; save it as 8-bit RGB") from None
        raise ImageError(f"is not an image, or is damaged (readable: {READABLE})") from None


def _refuse_unsupported(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"has no pixels ({width} × {height})")
    if width * height > MOST_PIXELS:
        raise ImageError(_too_large(f"{width} × {height}"))
    frames = getattr(image, "n_frames", 1)
    # An MPO is a camera's JPEG with extra views behind the one that every viewer shows.
    if frames > 1 and image.format != "MPO":
        kind = "pages" if image.format == "TIFF" else "frames (it is animated)"
        raise ImageError(f"has {frames} {kind}; save the one that is meant as a file of its own")
    if image.mode == "F":
        raise ImageError("holds floating-point values; convert all images to 8 bits by one scale")
    bits = _bits(image)
    if bits > 8:
        raise ImageError(f"is a {bits}-bit image; convert all images to 8 bits by one scale")
    if image.format == "TIFF" and 2 in image.tag_v2.get(339, ()):
        raise ImageError("holds signed values; convert all images to unsigned 8 bits by one scale")
    if image.mode in ("LAB", "HSV"):
        raise ImageError(f"is in the colour space {image.mode}; save it as RGB")


def _too_large(pixels: str) -> str:
    return f"has {pixels} pixels: a decompression bomb, or to be cut into tiles first (limit {MOST_PIXELS:,} pixels)"


def _bits(image: Image.Image) -> int:
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,)))
    if image.mode == "I":
        return 32
    # Pillow quietly cuts a 16-bit colour PNG to 8 bits; only the decoder's arguments still name its depth.
    return 16 if image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in image.tile) else 8


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        # A damaged EXIF block is no reason to lose the pixels; it raises whatever its parser trips over.
        return 1


def _target(size: tuple[int, int], preparation: Preparation, swapped: bool) -> tuple[int, int]:
    """Width and height to resize to, before the image is turned upright."""
    if preparation.resize == "stretch":
        return preparation.size, preparation.size
    width, height = reversed(size) if swapped else size
    scale = preparation.size / max(width, height)
    fitted = max(1, round(width * scale)), max(1, round(height * scale))
    return (fitted[1], fitted[0]) if swapped else fitted


def _flat(image: Image.Image, channels: ChannelMode) -> Image.Image:
    """The image in a mode that can be resized: L, RGB, or RGBa, whose colours already are those on black."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or image.has_transparency_data:
        return image if image.mode == "RGBa" else image.convert("RGBA").convert("RGBa")
    if image.mode in ("1", "L"):
        return image.convert("L")
    colours = image.convert("RGB")
    return colours.convert("L") if channels == "gray" else colours


def find_images(image_dir: Path) -> dict[str, Path]:
    """All image files below a folder, hidden ones left out: {path inside the folder, "/"-separated and NFC: path}.

    Raises:
        InputError: the folder is missing or holds no image, or two names differ only in their Unicode form.
    """
    image_dir = Path(image_dir)
    if not image_dir.is_dir():
        raise InputError(f"image_dir {image_dir} is not a folder")
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(image_dir):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith(".") or not name.lower().endswith(EXTENSIONS):
                continue
            path = Path(folder, name)
            key = unicodedata.normalize("NFC", path.relative_to(image_dir).as_posix())
            if key in found:
                raise InputError(f"{path}: another file has the same name in another Unicode form; rename one")
            found[key] = path
    if not found:
        raise InputError(f"image_dir {image_dir} holds no image ({READABLE})")
    return found
