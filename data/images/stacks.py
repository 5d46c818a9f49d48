"""Files that Pillow cannot read at full depth: TIFF of 16 bits or several pages by tifffile, PNG of 16 bits."""

import logging
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from data.images.errors import ImageError, refuse_size

# What it would print of a damaged file is said by the ImageError.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

ORIENTATION, MOST_PAGES = 274, 100_000
TYPE_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # bytes of each TIFF field type
PLAIN = (
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.PALETTE,  # a lookup table is for display: the values are what was measured
    tifffile.PHOTOMETRIC.YCBCR,  # tifffile gives its JPEG strips as RGB
)
REFUSED_AXES = {
    "Z": ("{} Z planes", "project them first (Fiji: Image > Stacks > Z Project), or save the plane that is meant"),
    "T": ("{} time points", "save the one that is meant as a file of its own (Fiji: Image > Duplicate)"),
}
CONVERT = "convert all images to unsigned 16 bits by one scale"


class TiffStack:
    """An open TIFF: OME, ImageJ or Fiji, or any other; its pages and samples are channels.

    Args:
        file: open for reading; stays open as long as `planes` may be called.
        axes: what the axes of a file with more than two mean, such as "CYX"; empty: as its metadata say.

    Raises:
        ImageError: it holds Z planes, time points or pages that nobody named, several images, or values that are not
            unsigned integers of 8 to 16 bits.
    """

    format = "TIFF"

    def __init__(self, file: BinaryIO, axes: str = "") -> None:
        _refuse_cut_off(file)
        file.seek(0)
        self._series = _only_series(file)
        page = self._series.keyframe
        self._page = page
        _refuse_missing_strips(file, self._series)
        self.depth = _depth(self._series.dtype, page)
        if page.photometric not in PLAIN:
            raise ImageError(f"is in the colour space {page.photometric.name}; save it as RGB or gray")
        self._axes, self._shape = _named_axes(self._series, axes)
        sides = dict(zip(self._axes, self._shape, strict=True))
        self.channels = sides.get("C", 1) * sides.get("S", 1)
        # ExtraSamples 1 and 2 are opacity, premultiplied and not.
        self.alpha = "C" not in sides and bool(set(map(int, page.extrasamples)) & {1, 2})
        self.premultiplied = 1 in map(int, page.extrasamples)
        tag = page.tags.get(ORIENTATION)
        self._orientation = int(tag.value) if tag else 1
        self.width, self.height = sides["X"], sides["Y"]
        refuse_size(self.width, self.height, self.channels)
        if self._orientation > 4:
            self.width, self.height = self.height, self.width

    def planes(self) -> np.ndarray:
        values = self._series.asarray(maxworkers=1).reshape(self._shape)
        order = [self._axes.index(name) for name in "YXCS" if name in self._axes]
        values = values.transpose(order).reshape(*(values.shape[place] for place in order[:2]), self.channels)
        if self._page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            values = values.dtype.type(2**self._page.bitspersample - 1) - values
        if self._page.bitspersample == 1:
            values = values.astype(np.uint8) * np.uint8(255)
        return upright(values, self._orientation)


class DeepPng:
    """An open 16-bit PNG; `image` is Pillow's view of it, which has 8 bits but knows sizes and orientation."""

    format, depth, premultiplied = "PNG", 16, False

    def __init__(self, file: BinaryIO, image: Image.Image, orientation: int) -> None:
        self._file, self._orientation = file, orientation
        self.width, self.height = image.size[::-1] if orientation > 4 else image.size
        file.seek(24)
        bits, colour = file.read(2)
        self.channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
        self.alpha = colour in (4, 6)
        if bits != self.depth:
            raise ImageError("is a PNG whose header contradicts itself")

    def planes(self) -> np.ndarray:
        import imagecodecs

        self._file.seek(0)
        values = imagecodecs.png_decode(self._file.read())
        # A colour that stands for transparent becomes a channel of its own; the measured values stay.
        values = values.reshape(*values.shape[:2], -1)[..., : self.channels]
        if values.dtype != np.uint16 or values.shape[-1] != self.channels:
            raise ImageError(f"decodes to {values.dtype} {values.shape}, which its header does not promise")
        return upright(values, self._orientation)


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (H, W, C) turned as EXIF orientation 1 to 8 asks."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def _only_series(file: BinaryIO) -> tifffile.TiffPageSeries:
    """The one image of a TIFF; of a set of OME files, what lies in this one."""
    # Only this file's bytes decide its pixels, not what lies beside it.
    tiff = tifffile.TiffFile(file, _multifile=False)
    if tiff.is_ome and any(page is None for series in tiff.series for page in series.pages):
        tiff = tifffile.TiffFile(file, _multifile=False, is_ome=False)
    if len(tiff.pages) > MOST_PAGES:
        raise ImageError(f"has {len(tiff.pages):,} pages")
    if len(tiff.series) != 1:
        sizes = ", ".join(" × ".join(map(str, series.shape)) for series in tiff.series[:4])
        raise ImageError(f"holds {len(tiff.series)} images ({sizes}); save the one that is meant as a file of its own")
    return tiff.series[0]


def _depth(dtype: np.dtype, page: tifffile.TiffPage) -> int:
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    if dtype.kind in "fc":
        raise ImageError(f"holds floating-point values; {CONVERT}")
    if bits > 16:
        raise ImageError(f"is a {bits}-bit image; {CONVERT}")
    if dtype.kind == "i":
        raise ImageError(f"holds signed values; {CONVERT}")
    if 1 < bits < 8:
        raise ImageError(f"is a {bits}-bit image; save it with 8 bits")
    return max(bits, 8)


def _named_axes(series: tifffile.TiffPageSeries, axes: str) -> tuple[str, tuple[int, ...]]:
    """The axes as letters and their lengths, those of length 1 left out but for Y and X."""
    names, shape = series.axes, series.shape
    # Samples of a pixel are colours, whatever the pages are.
    if axes and not set(names) <= set("YXS"):
        if len(axes) != len(shape):
            raise ImageError(f"has {len(shape)} axes ({_sides(names, shape)}), but axes = {axes} names {len(axes)}")
        names = axes
    for name, length in zip(names, shape, strict=True):
        if length == 1 or name in "CSYX":
            continue
        if name in REFUSED_AXES:
            what, way_out = REFUSED_AXES[name]
            raise ImageError(f"has {what.format(length)}; {way_out}")
        raise ImageError(
            f"has {length} pages and does not say what they are ({_sides(names, shape)}); "
            "if they are channels, say so: preprocess.py --axes CYX"
        )
    kept = [(name, length) for name, length in zip(names, shape, strict=True) if length > 1 or name in "YX"]
    names, shape = "".join(name for name, _ in kept), tuple(length for _, length in kept)
    if sorted(set("YX") & set(names)) != ["X", "Y"] or len(set(names)) < len(names):
        raise ImageError(f"has the axes {names}, but needs one Y and one X; name them: preprocess.py --axes CYX")
    if {"C", "S"} <= set(names):
        raise ImageError(f"has {dict(kept)['C']} colour pages; save each as a gray channel, or one as RGB")
    return names, shape


def _sides(names: str, shape: tuple[int, ...]) -> str:
    return " × ".join(f"{name} {length}" for name, length in zip(names, shape, strict=True))


def _refuse_cut_off(file: BinaryIO) -> None:
    """Refuse a TIFF whose headers point beyond its end: tifffile quietly leaves out the pages it cannot find."""
    size = file.seek(0, 2)
    for start, length in _headers(file):
        if start + length > size:
            raise ImageError(f"is truncated: it points to byte {start + length:,}, but has {size:,}")


def _refuse_missing_strips(file: BinaryIO, series: tifffile.TiffPageSeries) -> None:
    size = file.seek(0, 2)
    for page in series.pages:
        ends = [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if max(ends, default=0) > size:
            raise ImageError(f"is truncated: its pixels end at byte {max(ends):,}, but it has {size:,}")


def _headers(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where each page's header, and each value outside it, lies: first byte and length; checked before it is read."""
    file.seek(0)
    order, version = {b"II": "<", b"MM": ">"}[file.read(2)], file.read(2)
    big = 43 in version
    offset_kind, count_kind, inline = ("Q", "Q", 8) if big else ("I", "H", 4)
    counted, entry, following = (
        struct.Struct(order + kind) for kind in (count_kind, f"HH{offset_kind}{inline}s", offset_kind)
    )
    file.seek(8 if big else 4)
    seen, (place,) = set(), following.unpack(file.read(inline))
    while place and place not in seen:
        seen.add(place)
        yield place, counted.size
        file.seek(place)
        (count,) = counted.unpack(file.read(counted.size))
        length = count * entry.size + following.size
        yield place + counted.size, length
        content = file.read(length)
        for _, kind, number, value in entry.iter_unpack(content[: -following.size]):
            extent = number * (TYPE_SIZES[kind] if kind < len(TYPE_SIZES) else 0)
            if extent > inline:
                yield following.unpack(value)[0], extent
        (place,) = following.unpack(content[-following.size :])
