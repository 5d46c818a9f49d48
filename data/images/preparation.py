"""What turns files into a model's pixels, as preprocess.py decides it and a run remembers it."""

import reprlib
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from common.errors import InputError
from data.images.buckets import chosen, misfit, nearest

ResizeMode = Literal["stretch", "pad", "bucket"]
# Sets of channels that have a name of their own.
CHANNEL_SETS = {"rgb": ("red", "green", "blue"), "gray": ("gray",), "rgby": ("red", "green", "blue", "yellow")}
PICTURES = ("rgb", "gray")  # what any picture can become; other channels are those that a file holds


@dataclass(frozen=True)
class Preparation:
    """All that turns files into a model's pixels: the same in preprocessing and in serving."""

    size: int  # side of the square result, pixels; of a square of about the same area, for buckets
    resize: ResizeMode  # "pad" keeps the aspect and centres the image on black; "bucket" takes the nearest of a few
    channels: str  # rgb or gray: what each picture becomes; rgby, or names separated by commas: as measured
    pattern: str = ""  # of the names of an image's files, a file a channel; empty: one file an image
    axes: str = ""  # of TIFF stacks, where it is not left to their metadata
    depth: int = 8  # bits a value of the files; 0: any
    white_level: float = 255.0  # the files' value that becomes 255
    buckets: tuple[tuple[int, int], ...] = ()  # heights and widths of the few shapes, see data/images/buckets.py

    @property
    def channel_names(self) -> list[str]:
        return channel_names(self.channels)

    @property
    def is_picture(self) -> bool:
        """Whether the channels are those of one picture, gray or RGB, that any image file can become."""
        return self.channels in PICTURES

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """Height, width and channels of a prepared image; None for sides where there are several shapes."""
        shapes = self.shapes
        return shapes[0] if len(shapes) == 1 else (None, None, shapes[0][2])

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Height, width and channels of every shape that a prepared image may have."""
        sides = self.buckets or ((self.size, self.size),)
        return [(*each, len(self.channel_names)) for each in sides]

    def target(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that an upright image of a width and height is resized to, before it is padded."""
        if self.resize == "bucket":
            return self.buckets[nearest(width, height, self.buckets)][::-1]
        if self.resize == "stretch":
            return self.size, self.size
        scale = self.size / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def bucket_of(self, sizes: Sequence[tuple[int, int]]) -> list[int]:
        """Which of `shapes` upright images of these widths and heights are given."""
        if len(self.buckets) < 2:
            return [0] * len(sizes)
        known = {size: nearest(*size, self.buckets) for size in set(sizes)}
        return [known[size] for size in sizes]

    def of_bucket(self, number: int) -> "Preparation":
        """What makes the pixels of the images of one shape, the same pixels."""
        return replace(self, buckets=(self.buckets[number],)) if self.buckets else self

    def as_dict(self) -> dict[str, Any]:
        values = asdict(self)
        # Without buckets it is what it was before there were any, so that what depends on it stays the same.
        buckets = [list(sides) for sides in values.pop("buckets")]
        return {**values, "buckets": buckets} if buckets else values

    @classmethod
    def from_dict(cls, values: object) -> "Preparation":
        """The preparation that `as_dict` stored.

        Raises:
            InputError: a value is missing, unknown or of another type.
        """
        names = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        if not isinstance(values, dict) or not required <= set(values) <= names:
            raise InputError(f"preparation must hold {', '.join(sorted(names))}, not {reprlib.repr(values)}")
        size = values["size"]
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"preparation: size must be a whole number of pixels, not {reprlib.repr(size)}")
        if values["resize"] not in get_args(ResizeMode):
            known, given = ", ".join(get_args(ResizeMode)), reprlib.repr(values["resize"])
            raise InputError(f"preparation: resize must be one of {known}, not {given}")
        for name in ("channels", "pattern", "axes"):
            if not isinstance(values.get(name, ""), str):
                raise InputError(f"preparation: {name} must be a text, not {reprlib.repr(values[name])}")
        if not all(channel_names(values["channels"])):
            raise InputError(f"preparation: channels must name channels, not {reprlib.repr(values['channels'])}")
        depth, white = values.get("depth", 8), values.get("white_level", 255.0)
        if isinstance(depth, bool) or not isinstance(depth, int) or not 0 <= depth <= 16:
            raise InputError(f"preparation: depth must be a number of bits up to 16, not {reprlib.repr(depth)}")
        if isinstance(white, bool) or not isinstance(white, int | float) or not 0 < white < 2**16:
            raise InputError(f"preparation: white_level must lie between 0 and 65535, not {reprlib.repr(white)}")
        return cls(**{**values, "buckets": _checked_buckets(values)})


def with_buckets(
    preparation: Preparation, sizes: Sequence[tuple[int, int]], count: int, earlier: Preparation | None = None
) -> tuple[Preparation, str]:
    """The preparation with the shapes for images of these sizes, and what they are in words.

    Args:
        preparation: of resize = bucket, without shapes.
        sizes: (N) widths and heights of the images.
        count: shapes at most.
        earlier: of the cache that these images add to, whose shapes are kept, so that its pixels stay right.
    """
    kept = earlier is not None and earlier.resize == "bucket" and earlier.size == preparation.size
    found = replace(preparation, buckets=earlier.buckets if kept else chosen(sizes, preparation.size, count))
    own = found.bucket_of(sizes)
    counts = ", ".join(
        f"{height} × {width} ({own.count(number):,})" for number, (height, width) in enumerate(found.buckets)
    )
    stretched = [misfit(*size, found.buckets[number]) for size, number in zip(sizes, own, strict=True)]
    mean = sum(stretched) / max(len(stretched), 1)
    return found, (
        f"Shapes{', kept from the earlier cache' * kept}: {counts}\n"
        f"To fit them, images are stretched by {mean:.1%} on average, {max(stretched, default=0):.1%} at most\n"
    )


def _checked_buckets(values: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    buckets = values.get("buckets", [])
    good = isinstance(buckets, list | tuple) and all(
        isinstance(sides, list | tuple) and len(sides) == 2 and all(type(side) is int and side > 0 for side in sides)
        for sides in buckets
    )
    if not good or bool(buckets) != (values["resize"] == "bucket"):
        raise InputError(
            f"preparation: buckets must be heights and widths, for resize = bucket, not {reprlib.repr(buckets)}"
        )
    return tuple((height, width) for height, width in buckets)


def channel_names(channels: str) -> list[str]:
    """The names that `channels` stands for: of a set, or those separated by commas."""
    names = CHANNEL_SETS.get(channels)
    return list(names) if names else [name.strip() for name in channels.split(",")]
