"""What turns files into a model's pixels, as preprocess.py decides it and a run remembers it."""

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

from data.faults import InputError

ResizeMode = Literal["stretch", "pad"]
# Sets of channels that have a name of their own.
CHANNEL_SETS = {"rgb": ("red", "green", "blue"), "gray": ("gray",), "rgby": ("red", "green", "blue", "yellow")}
PICTURES = ("rgb", "gray")  # what any picture can become; other channels are those that a file holds


@dataclass(frozen=True)
class Preparation:
    """All that turns files into a model's pixels: the same in preprocessing and in serving."""

    size: int  # side of the square result, pixels
    resize: ResizeMode  # "pad" keeps the aspect and centres the image on black
    channels: str  # rgb or gray: what each picture becomes; rgby, or names separated by commas: as measured
    pattern: str = ""  # of the names of an image's files, a file a channel; empty: one file an image
    axes: str = ""  # of TIFF stacks, where it is not left to their metadata
    depth: int = 8  # bits a value of the files; 0: any
    white_level: float = 255.0  # the files' value that becomes 255

    @property
    def channel_names(self) -> list[str]:
        return channel_names(self.channels)

    @property
    def is_picture(self) -> bool:
        """Whether the channels are those of one picture, gray or RGB, that any image file can become."""
        return self.channels in PICTURES

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
        names = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        if not isinstance(values, dict) or not required <= set(values) <= names:
            raise InputError(f"preparation must hold {', '.join(sorted(names))}, not {values!r}")
        size = values["size"]
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"preparation: size must be a whole number of pixels, not {size!r}")
        if values["resize"] not in get_args(ResizeMode):
            raise InputError(
                f"preparation: resize must be one of {', '.join(get_args(ResizeMode))}, not {values['resize']!r}"
            )
        for name in ("channels", "pattern", "axes"):
            if not isinstance(values.get(name, ""), str):
                raise InputError(f"preparation: {name} must be a text, not {values[name]!r}")
        if not all(channel_names(values["channels"])):
            raise InputError(f"preparation: channels must name channels, not {values['channels']!r}")
        depth, white = values.get("depth", 8), values.get("white_level", 255.0)
        if isinstance(depth, bool) or not isinstance(depth, int) or not 0 <= depth <= 16:
            raise InputError(f"preparation: depth must be a number of bits up to 16, not {depth!r}")
        if isinstance(white, bool) or not isinstance(white, int | float) or not 0 < white < 2**16:
            raise InputError(f"preparation: white_level must lie between 0 and 65535, not {white!r}")
        return cls(**values)


def channel_names(channels: str) -> list[str]:
    """The names that `channels` stands for: of a set, or those separated by commas."""
    names = CHANNEL_SETS.get(channels)
    return list(names) if names else [name.strip() for name in channels.split(",")]
