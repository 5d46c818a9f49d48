"""The same images seen in other ways: at other scales, mirrored, turned, cut out. For training by scales, and for
scores that are the mean over several views.

Views of a batch, as He et al. ("Spatial pyramid pooling …", ECCV 2014, sections 2.3 and 3.1) and before them Krizhevsky
et al. (2012) take them; pixels are uint8 all the way, so that a view is what a camera might have given.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from common.errors import InputError
from data.augmentation.operations import by_four

View = Literal["one", "flips", "dihedral", "crops"]
CROP = 7 / 8  # of the sides: 224 of 256 pixels
GREATEST_SCALE = 8.0


@dataclass(frozen=True)
class Views:
    """Which views of an image are scored; the headers' fields score_scales and score_views.

    `one` is the image; `flips` are the 4 mirror images and half turns that keep a rectangle; `dihedral` are all 8 turns
    and flips; `crops` are the corners and the middle of 7/8 of the sides, each also mirrored: 10. All at each scale.

    Raises:
        InputError: a scale cannot be, or the kind of views is unknown.
    """

    scales: tuple[float, ...] = (1.0,)
    kind: str = "one"

    def __post_init__(self) -> None:
        check_scales("score_scales", self.scales)
        if self.kind not in get_args(View):
            raise InputError(f"score_views = {self.kind!r}: must be one of {', '.join(get_args(View))}")

    @property
    def least_part(self) -> float:
        """The share of an image's sides that its smallest view has, at scale 1."""
        return CROP if self.kind == "crops" else 1.0

    def of(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Every view of the images (n, H, W, C) uint8, all n at once, each (n, h, w, C) uint8."""
        for scale in self.scales:
            yield from _views(scaled(images, scale), self.kind)

    def __str__(self) -> str:
        number = {"one": 1, "flips": 4, "dihedral": 8, "crops": 10}[self.kind] * len(self.scales)
        scales = "" if self.scales == (1.0,) else f" at the scales {', '.join(f'{scale:g}' for scale in self.scales)}"
        return f"the mean over {number} views ({self.kind}){scales}"


def check_scales(name: str, scales: Sequence[float]) -> None:
    """Refuse scales that cannot be.

    Raises:
        InputError: there is none, one is named twice, or one is not above 0 and at most 8.
    """
    if not scales or len(set(scales)) < len(scales) or not all(0 < scale <= GREATEST_SCALE for scale in scales):
        told = ", ".join(f"{scale:g}" for scale in scales)
        raise InputError(f"{name} = {told or 'none'}: must be one or more different numbers up to {GREATEST_SCALE:g}")


def scaled_shape(shape: Sequence[int], scale: float) -> tuple[int, ...]:
    """Height, width and what follows, the sides times the scale, rounded, at least a pixel."""
    return (*(max(1, round(side * scale)) for side in shape[:2]), *shape[2:])


def scaled(images: np.ndarray, scale: float) -> np.ndarray:
    """Images (n, H, W, C) uint8 with their sides times the scale: the mean of areas to reduce, linear to enlarge."""
    if scale == 1:
        return images
    height, width = scaled_shape(images.shape[1:3], scale)
    result = np.empty((len(images), height, width, images.shape[3]), dtype=np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    for place, image in enumerate(images):
        result[place] = by_four(image, lambda part: cv2.resize(part, (width, height), interpolation=how))
    return result


def _views(images: np.ndarray, kind: str) -> Iterator[np.ndarray]:
    if kind == "crops":
        for cut in _cut_outs(images):
            yield np.ascontiguousarray(cut)
            yield np.ascontiguousarray(cut[:, :, ::-1])
        return
    yield images
    if kind != "one":
        turns = (0, 2) if kind == "flips" else range(4)
        for number in turns:
            turned = np.rot90(images, number, axes=(1, 2))
            if number:
                yield np.ascontiguousarray(turned)
            yield np.ascontiguousarray(turned[:, :, ::-1])


def _cut_outs(images: np.ndarray) -> Iterator[np.ndarray]:
    """The corners and the middle."""
    sides = images.shape[1:3]
    height, width = (max(1, round(CROP * side)) for side in sides)
    free = sides[0] - height, sides[1] - width
    for top, left in ((0, 0), (0, free[1]), (free[0], 0), free, (free[0] // 2, free[1] // 2)):
        yield images[:, top : top + height, left : left + width]
