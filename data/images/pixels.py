"""The pixels of one open file: its channels chosen, resized at full depth, scaled to uint8."""

from typing import BinaryIO

import numpy as np
from PIL import Image

from data.images.decoding import Deep, orientation
from data.images.errors import ImageError
from data.images.preparation import PICTURES, Preparation, channel_names

LUMINANCE = (0.299, 0.587, 0.114)  # of R, G and B: ITU-R BT.601, as Pillow's
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
PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0"  # up to the depth; then comes the kind of colour
PNG_COLOURS = {0: "L", 2: "RGB"}  # without a palette and without opacity


def refuse_other_depth(depth: int, preparation: Preparation) -> None:
    """Refuse a file of another depth than those that the white level was set for."""
    if preparation.depth not in (0, depth):
        raise ImageError(
            f"has {depth} bits, but the white level {preparation.white_level:g} is that of {preparation.depth}-bit "
            "images; convert all to the same depth by one scale"
        )


def from_pillow(
    image: Image.Image, file: BinaryIO, preparation: Preparation, a_stain: bool
) -> tuple[np.ndarray, tuple[int, int]]:
    """The pixels of an image that Pillow opened from a file, (height, width, channels) uint8, and its own upright
    width and height.

    Args:
        image, file: as `data.images.decoding.opened` gives them.
        preparation: what makes pixels of them.
        a_stain: whether the file holds one channel of an image.
    """
    turn = orientation(image)
    width, height = _target(image.size, preparation, swapped=turn in SWAPPING_TURNS)
    native = image.size
    # A side that the shrinking does not divide ends in a part of a pixel, which the box leaves out.
    drafted = image.draft(None, (2 * width, 2 * height))
    box = drafted[1] if drafted else None
    image = decoded(image, file)
    # Pillow turns a TIFF itself while it is loaded, and then says that it is upright.
    if image.format == "TIFF":
        turn, native = 1, image.size
        width, height = _target(image.size, preparation, swapped=False)
    if preparation.is_picture or a_stain:
        flats = [_flat(image, "rgb" if a_stain else preparation.channels)]
    else:
        flats = bands(image, len(preparation.channel_names), preparation.channels)
    parts = []
    for flat in flats:
        small = _reduced(flat, (width, height), box)
        if small.mode == "RGBa":
            small = Image.merge("RGB", small.split()[:3])
        if turn in TURNS:
            small = small.transpose(TURNS[turn])
        if preparation.is_picture:
            small = small.convert("L" if preparation.channels == "gray" else "RGB")
        parts.append(np.asarray(small, dtype=np.uint8).reshape(small.height, small.width, -1))
    pixels = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    # Colours of a stain are those of its display; the light is in the largest, and in all three of a gray one.
    pixels = pixels.max(axis=-1, keepdims=True) if a_stain else pixels
    return pixels, native[::-1] if turn in SWAPPING_TURNS else native


def from_planes(image: Deep, preparation: Preparation, a_stain: bool) -> np.ndarray:
    kept = kept_channels(image, preparation, a_stain)
    values = image.planes()
    size = _target((image.width, image.height), preparation, swapped=False)
    scale = 255.0 / preparation.white_level
    see_through = kept < image.channels and not image.premultiplied
    opacity = values[..., -1].astype(np.float32) / (2**image.depth - 1) if see_through else None
    planes = []
    for channel in range(kept):
        plane = np.ascontiguousarray(values[..., channel])
        small = _reduced_plane(plane if opacity is None else plane * opacity, size)
        planes.append(small.astype(np.float32) * np.float32(scale))
    light = np.stack(planes, axis=-1)
    if a_stain:
        light = light.max(axis=-1, keepdims=True)
    elif preparation.channels == "gray" and kept > 1:
        light = light @ np.array(LUMINANCE, dtype=np.float32)[:, None]
    elif preparation.channels == "rgb" and kept == 1:
        light = light.repeat(3, axis=-1)
    return np.rint(light).clip(0, 255).astype(np.uint8)


def decoded(image: Image.Image, file: BinaryIO) -> Image.Image:
    """The loaded image; a plain 8-bit PNG by imagecodecs, which takes half of Pillow's time."""
    if image.format == "PNG" and not image.has_transparency_data:
        file.seek(len(PNG_START))
        bits, colour = file.read(2)
        if bits == 8 and colour in PNG_COLOURS:
            import imagecodecs

            file.seek(0)
            found = Image.fromarray(imagecodecs.png_decode(file.read()))
            if (found.mode, found.size) != (PNG_COLOURS[colour], image.size):
                raise ImageError(f"decodes to {found.mode} {found.size}, which its header does not promise")
            return found
    image.load()
    return image


def _reduced(image: Image.Image, size: tuple[int, int], box: tuple[float, ...] | None) -> Image.Image:
    """An image at the target's width and height, by the mean over areas where it is at least twice as large: as good
    there as Lanczos, in a tenth of the time."""
    whole = box is None or tuple(box) == (0, 0, *image.size)
    if whole and image.mode in ("L", "RGB") and _halves(image.size, size):
        return Image.fromarray(_means(np.asarray(image), size))
    return image.resize(size, Image.Resampling.LANCZOS, box, reducing_gap=2.0)


def _reduced_plane(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As `_reduced`, of (H, W) uint8, uint16 or float32 values."""
    if _halves(plane.shape[::-1], size):
        # In floating point, as a mean of 16-bit values is not to be rounded before it is scaled.
        return _means(plane.astype(np.float32), size)
    small = Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(small)


def _means(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The means over areas of (H, W) or (H, W, C) pixels at a width and height."""
    import cv2  # here, because it takes long to import

    cv2.setNumThreads(1)  # the processes fill the cores already
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _halves(size: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether each side is at least twice as long as the target's."""
    return all(side >= 2 * small for side, small in zip(size, target, strict=True))


def kept_channels(image: Deep, preparation: Preparation, a_stain: bool) -> int:
    """How many channels of a file are used: all, or all but the opacity."""
    colours = image.channels - image.alpha
    wanted = (1, 3) if a_stain or preparation.is_picture else (len(preparation.channel_names),)
    if image.channels in wanted and not (image.alpha and colours in wanted):
        return image.channels
    if colours in wanted:
        return colours
    if a_stain:
        raise ImageError(f"has {image.channels} channels, but is to hold one, in gray or in RGB")
    raise _other_count(image.channels, preparation.channels)


def bands(image: Image.Image, count: int, channels: str) -> list[Image.Image]:
    """The bands of an 8-bit image as named channels: as they are, or composited on black."""
    names = image.getbands()
    if image.mode in ("P", "PA", "CMYK", "YCbCr") or (image.has_transparency_data and "A" not in names):
        names = tuple("RGBA" if image.has_transparency_data else "RGB")
    if len(names) == count:
        whole = image.convert("L" if count == 1 else "".join(names))
        return [whole] if count == 1 else list(whole.split())
    if names[-1] == "A" and len(names) - 1 == count:
        flat = image.convert("RGBA").convert("RGBa")
        return list(flat.split()[:count])
    raise _other_count(len(names), channels)


def _other_count(found: int, channels: str) -> ImageError:
    names = channel_names(channels)
    if channels in PICTURES:
        listed = ",".join(f"name{place}" for place in range(1, found + 1))
        return ImageError(
            f"has {found} channels, which are no {channels} picture; name them: preprocess.py --channels {listed}"
        )
    kind = {1: " (gray)", 3: " (RGB)", 4: " (RGBA, or four stains)"}.get(found, "")
    return ImageError(
        f"has {found} channels{kind}, but channels = {channels} names {len(names)} ({', '.join(names)}); "
        "name as many as all files have"
    )


def _target(size: tuple[int, int], preparation: Preparation, swapped: bool) -> tuple[int, int]:
    """Width and height to resize to, before the image is turned upright."""
    width, height = reversed(size) if swapped else size
    fitted = preparation.target(width, height)
    return (fitted[1], fitted[0]) if swapped else fitted


def _flat(image: Image.Image, channels: str) -> Image.Image:
    """The image in a mode that can be resized: L, RGB, or RGBa, whose colours already are those on black."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or image.has_transparency_data:
        return image if image.mode == "RGBa" else image.convert("RGBA").convert("RGBa")
    if image.mode in ("1", "L"):
        return image.convert("L")
    colours = image.convert("RGB")
    return colours.convert("L") if channels == "gray" else colours
