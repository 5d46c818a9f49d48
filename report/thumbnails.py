"""A prepared image as people see it: its channels in their colours, small enough to stand inside a page."""

import base64
import io
import itertools
from collections.abc import Sequence

import numpy as np

# Light that adds up: channels named so have these colours, others take what is left of the palette.
LIGHTS = {
    "red": "#FF0000",
    "green": "#00FF00",
    "blue": "#0000FF",
    "yellow": "#FFFF00",
    "cyan": "#00FFFF",
    "magenta": "#FF00FF",
    "gray": "#FFFFFF",
}


def channel_colours(names: Sequence[str]) -> dict[str, str]:
    """The colour of each channel's light: its own where its name is one, else the first that no other has."""
    free = [colour for name, colour in LIGHTS.items() if name not in {other.casefold() for other in names}]
    palette = itertools.cycle(free or LIGHTS.values())
    return {name: LIGHTS.get(name.casefold()) or next(palette) for name in names}


def composed(pixels: np.ndarray, colours: Sequence[str]) -> np.ndarray:
    """Channels (H, W, C) uint8 as the light of their C colours, "#RRGGBB", added up: (H, W, 3) uint8."""
    weights = np.array([list(bytes.fromhex(colour[1:])) for colour in colours]) / 255
    return np.rint(pixels @ weights).clip(0, 255).astype(np.uint8)


def rgb(image: np.ndarray, channels: Sequence[str] = ()) -> np.ndarray:
    """An image of any number of channels as one that a screen shows.

    Args:
        image: (H, W, C) uint8.
        channels: C names, see `channel_colours`; none where the image is a picture, gray or RGB, see
            `data.images.preparation.Preparation.is_picture`.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: it has other numbers of dimensions, channels or bits.
    """
    if image.ndim != 3 or image.dtype != np.uint8 or (channels and len(channels) != image.shape[2]):
        raise ValueError(f"an image must be uint8 (H, W, C), not {image.dtype} {image.shape} of channels {channels}")
    count = image.shape[2]
    if count == 1:
        return image.repeat(3, axis=2)
    if not channels and count == 3:
        return image
    names = channels or [str(number) for number in range(count)]
    return composed(image, list(channel_colours(names).values()))


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """An image (H, W, C) uint8 whose longer side is `side` at most, each pixel the mean of those that it stands for."""
    import cv2

    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    # One by one, as OpenCV takes four channels at most.
    planes = [np.ascontiguousarray(image[..., channel]) for channel in range(image.shape[2])]
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in planes], axis=2)


def data_url(image: np.ndarray, side: int, quality: int) -> str:
    """A JPEG inside a page: `data:image/jpeg;base64,…`.

    Args:
        image: (H, W, 3) uint8.
        side: pixels of its longer side at most; a smaller image keeps its size.
        quality: of the JPEG, 1 to 95.
    """
    from PIL import Image

    shown = Image.fromarray(np.ascontiguousarray(image))
    shown.thumbnail((side, side))
    file = io.BytesIO()
    shown.save(file, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
