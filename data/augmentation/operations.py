"""The operations that make a new image of one: drawn by a counter-based generator, applied to uint8 pixels.

`augment.py` writes what these functions give and `train.py` makes it on the fly: the parameters are a function of
(seed, epoch, occurrence, id) alone and the pixels of image and parameters alone, so the two are equal.

Colours are kept: geometry is interpolated and rounded to the nearest level, never stretched; quarter turns and flips
only move pixels; an operation without strength changes no byte.
"""

import hashlib
import math
import struct
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import cv2
import numpy as np

import header
from common.errors import InputError
from header import Fraction, NonNegativeFloat, PositiveFloat

Operation = Literal[
    "quarter_turns", "flips", "rotation", "shift", "crop", "scale", "shear",
    "brightness", "contrast", "colour", "noise", "blur",
]  # fmt: skip
INTERPOLATIONS = {"cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR}
HASHED = struct.Struct("<16I")  # the numbers in one hash, which has at most 64 bytes
# The numbers drawn for each image. A new operation appends its own, so that those of the others stay the same.
Drawn = namedtuple(
    "Drawn", "mirror turns rotation shear scale shift_x shift_y crop crop_x crop_y blur brightness contrast noise grain"
)
LIMITS = {  # least and greatest, where the types of `Ranges` allow more
    "rotation_degrees": (0, 180), "crop_fraction": (0.05, 1), "scale_factor": (1, 10), "shear_degrees": (0, 60),
    "noise_levels": (0, 255), "blur_pixels": (0, 50),
}  # fmt: skip


@dataclass(frozen=True)
class Ranges:
    """The operations that are drawn and their strengths. The headers have the same fields.

    Raises:
        InputError: an operation is unknown, or a strength is out of its bounds.
    """

    operations: tuple[Operation, ...] = ()
    rotation_degrees: NonNegativeFloat = 180.0  # either way; what turns in is the reflected border
    shift_fraction: Fraction = 0.1  # of the side, each way
    crop_fraction: Fraction = 0.7  # side of the smallest cut-out, which is enlarged to the full size
    scale_factor: PositiveFloat = 1.2  # enlarged or reduced by at most this
    shear_degrees: NonNegativeFloat = 10.0  # either way
    brightness_fraction: Fraction = 0.2  # factor 1 ± this on all channels
    contrast_fraction: Fraction = 0.2  # factor 1 ± this about each channel's mean
    colour_fraction: Fraction = 0.1  # factor 1 ± this on each channel by itself
    noise_levels: NonNegativeFloat = 5.0  # greatest standard deviation, of 255 levels
    blur_pixels: NonNegativeFloat = 1.0  # greatest standard deviation
    interpolation: Literal["cubic", "linear"] = "cubic"  # linear is twice as fast, but smooths noise

    def __post_init__(self) -> None:
        header.check(self, "the augmentation")
        for name, (least, greatest) in LIMITS.items():
            if not least <= getattr(self, name) <= greatest:
                raise InputError(f"{name} = {getattr(self, name)}: must lie between {least} and {greatest}")


@dataclass(frozen=True)
class Parameters:
    """What was drawn for one image. Neutral as it stands: such parameters change no byte.

    The image is mirrored left to right, turned anticlockwise by quarters, then moved, smoothed, brightened and made
    noisy. Lengths are fractions of the image's side.
    """

    mirror: bool = False
    turns: int = 0  # quarter turns anticlockwise, 0 to 3
    rotation: float = 0.0  # degrees anticlockwise
    shear: float = 0.0  # degrees
    scale: float = 1.0  # above 1 enlarges
    shift_x: float = 0.0
    shift_y: float = 0.0
    blur: float = 0.0  # standard deviation, pixels
    brightness: float = 1.0
    contrast: float = 1.0
    colour: tuple[float, ...] = ()  # a factor a channel, or none
    noise: float = 0.0  # standard deviation, levels
    noise_seed: int = 0
    interpolation: str = field(default="cubic", compare=False)

    def as_dict(self) -> dict[str, Any]:
        """What is not neutral, ready for JSON; `Parameters(**as_dict)` gives the same image."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        changed = {name: value for name, value in plain.items() if value != getattr(NEUTRAL, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}


NEUTRAL = Parameters()


def generator(*key: object) -> np.random.Generator:
    """A counter-based generator that depends on the key alone, whatever was drawn before."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(key, 16), "little")))


def _digest(key: Sequence[object], size: int) -> bytes:
    return hashlib.blake2b("\n".join(map(str, key)).encode(), digest_size=size).digest()


def uniform(count: int, *key: object) -> list[float]:
    """Return numbers in [0, 1), multiples of 2**-32, each a function of the key and of its index alone.

    A hash of the key is as uniform as a generator's numbers, and many times faster for a few of them.
    """
    numbers = HASHED.unpack(_digest(key, HASHED.size))
    while len(numbers) < count:
        numbers += HASHED.unpack(_digest((*key, len(numbers)), HASHED.size))
    return [number / 2**32 for number in numbers[:count]]


def draw(
    ranges: Ranges, shape: tuple[int, int, int], seed: int, epoch: int, image_id: str, occurrence: int = 0
) -> Parameters:
    """Draw the parameters of one image.

    Args:
        ranges: operations and their ranges.
        shape: (height, width, channels); images that are not square are never turned by 90 degrees.
        seed, epoch, image_id, occurrence: all that the draw depends on. A row that an epoch visits several times has
            occurrences 0, 1, …; copy c of `augment.py` is what epoch c shows first.
    """
    chosen = set(ranges.operations)
    if not chosen:
        return NEUTRAL
    key = (seed, epoch, occurrence, image_id)
    even = Drawn._make(uniform(len(Drawn._fields), *key))
    drawn: dict[str, Any] = _symmetry(chosen, even, shape[0] == shape[1])
    if "rotation" in chosen:
        drawn["rotation"] = (2 * even.rotation - 1) * ranges.rotation_degrees
    if "shear" in chosen:
        drawn["shear"] = (2 * even.shear - 1) * ranges.shear_degrees
    if "scale" in chosen:
        drawn["scale"] = ranges.scale_factor ** (2 * even.scale - 1)
    shift = [0.0, 0.0]
    if "shift" in chosen:
        shift = [(2 * even.shift_x - 1) * ranges.shift_fraction, (2 * even.shift_y - 1) * ranges.shift_fraction]
    if "crop" in chosen:
        side = 1 - even.crop * (1 - ranges.crop_fraction)
        drawn["scale"] = drawn.get("scale", 1.0) / side
        # The cut-out lies anywhere inside the image.
        places = 2 * even.crop_x - 1, 2 * even.crop_y - 1
        shift = [have + place * (1 - side) / (2 * side) for have, place in zip(shift, places, strict=True)]
    drawn["shift_x"], drawn["shift_y"] = shift
    if "blur" in chosen:
        drawn["blur"] = even.blur * ranges.blur_pixels
    if "brightness" in chosen:
        drawn["brightness"] = 1 + (2 * even.brightness - 1) * ranges.brightness_fraction
    if "contrast" in chosen:
        drawn["contrast"] = 1 + (2 * even.contrast - 1) * ranges.contrast_fraction
    if "noise" in chosen:
        drawn["noise"] = even.noise * ranges.noise_levels
        drawn["noise_seed"] = int(even.grain * 2**32)
    if "colour" in chosen:
        strengths = generator(*key, "colour").uniform(-1, 1, shape[2]) * ranges.colour_fraction
        drawn["colour"] = tuple((1 + strengths).tolist())
    return Parameters(interpolation=ranges.interpolation, **drawn)


def _symmetry(chosen: set[str], even: Drawn, square: bool) -> dict[str, Any]:
    """One of the 8 turns and flips that keep a square, or of the 4 that keep a rectangle."""
    mirror = "flips" in chosen and even.mirror < 0.5
    if "quarter_turns" in chosen and square:
        return {"mirror": mirror, "turns": int(even.turns * 4)}
    # A half turn and a mirror image left to right make the one from top to bottom.
    return {"mirror": mirror, "turns": 2 * int(even.turns * 2) if {"flips", "quarter_turns"} & chosen else 0}


def apply(image: np.ndarray, parameters: Parameters) -> np.ndarray:
    """The new image.

    Args:
        image: (H, W, C) uint8; not changed.
        parameters: what `draw` gave.

    Returns:
        (H, W, C) uint8, the image itself where the parameters are neutral. An odd number of quarter turns of an image
        that is not square exchanges height and width.
    """
    result = turned(image, parameters.turns, parameters.mirror)
    if (inverse := _inverse_map(parameters, result.shape)) is not None:
        height, width = result.shape[:2]
        flags = INTERPOLATIONS[parameters.interpolation] | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REFLECT_101
        result = by_four(result, lambda part: cv2.warpAffine(part, inverse, (width, height), None, flags, border))
    if parameters.blur > 0:
        result = _shaped(cv2.GaussianBlur(result, (0, 0), parameters.blur, borderType=cv2.BORDER_REFLECT_101))
    result = _with_light(result, parameters)
    if parameters.noise > 0:
        grain = np.random.Generator(np.random.Philox(key=parameters.noise_seed))
        noise = grain.standard_normal(result.shape, dtype=np.float32) * np.float32(parameters.noise)
        result = np.rint(result + noise).clip(0, 255).astype(np.uint8)
    return result


def turned(image: np.ndarray, turns: int, mirror: bool) -> np.ndarray:
    """The image mirrored left to right, then turned anticlockwise by quarters: pixels are moved, none is changed."""
    if not mirror and not turns:
        return image
    return by_four(image, lambda part: _turned(part, turns, mirror))


def _turned(image: np.ndarray, turns: int, mirror: bool) -> np.ndarray:
    if not mirror:
        return cv2.rotate(image, (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)[turns - 1])
    if turns % 2 == 0:
        return cv2.flip(image, 1 if turns == 0 else 0)
    transposed = cv2.transpose(image)
    return transposed if turns == 1 else cv2.rotate(transposed, cv2.ROTATE_180)


def by_four(image: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """OpenCV's geometry takes at most four channels."""
    if image.shape[2] <= 4:
        return _shaped(work(image))
    parts = [np.ascontiguousarray(image[..., first : first + 4]) for first in range(0, image.shape[2], 4)]
    return np.concatenate([_shaped(work(part)) for part in parts], axis=2)


def _shaped(image: np.ndarray) -> np.ndarray:
    """OpenCV drops the axis of a single channel."""
    return image if image.ndim == 3 else image[..., None]


def _inverse_map(parameters: Parameters, shape: Sequence[int]) -> np.ndarray | None:
    """The (2, 3) matrix from a place in the result to its place in the image; None where nothing moves."""
    rotation, shear, scale = parameters.rotation, parameters.shear, parameters.scale
    if not (rotation or shear or parameters.shift_x or parameters.shift_y) and scale == 1:
        return None
    height, width = shape[:2]
    cosine, sine = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    slant = math.tan(math.radians(shear))
    # Forward it is shift · scale · rotation · shear about the centre, with y pointing down; this is the way back.
    across = (cosine - slant * sine) / scale, (-sine - slant * cosine) / scale
    down = sine / scale, cosine / scale
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    x, y = centre_x + parameters.shift_x * width, centre_y + parameters.shift_y * height
    return np.array(
        [
            [*across, centre_x - across[0] * x - across[1] * y],
            [*down, centre_y - down[0] * x - down[1] * y],
        ]
    )


def _with_light(image: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Brightness, contrast and colour as one table of 256 levels a channel, so that they round once."""
    if parameters.contrast == 1 and parameters.brightness == 1 and not parameters.colour:
        return image
    gains = parameters.brightness * np.array(parameters.colour or (1.0,))
    mean = _channel_means(image) if parameters.contrast != 1 else np.zeros(image.shape[2])
    levels = np.arange(256.0)[:, None]
    table = gains * (mean + parameters.contrast * (levels - mean))
    table = np.rint(table).clip(0, 255).astype(np.uint8)[None]
    return _shaped(cv2.LUT(image, table))


def _channel_means(image: np.ndarray) -> np.ndarray:
    """(C,) float64; row by row, which is several times as fast as over both axes at once."""
    height, width, channels = image.shape
    columns = image.reshape(height, -1).sum(axis=0, dtype=np.uint32)
    return columns.reshape(width, channels).sum(axis=0) / (height * width)
