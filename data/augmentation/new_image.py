"""A new training image: of which images it is made, and how."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.augmentation.mixing import mixed_pixels
from data.augmentation.operations import NEUTRAL, Parameters, apply


@dataclass(frozen=True)
class NewImage:
    """How a new image is made of one training row or two.

    Attributes:
        parents: the cache positions of one row, or of two that are mixed.
        copy: which of the new images of the first parent it is, from 0.
        share: of the first parent in the mixture.
        parameters: of the operations that come after mixing.
    """

    parents: tuple[int, ...]
    copy: int
    share: float = 1.0
    parameters: Parameters = field(default=NEUTRAL)

    def operation(self) -> str:
        """What is done, in words: `mixup`, the names of what was drawn, or both."""
        changed = [name for name in self.parameters.as_dict() if name not in ("noise_seed", "interpolation")]
        return "+".join((["mixup"] if len(self.parents) > 1 else []) + changed)

    def as_dict(self) -> dict[str, Any]:
        """All that decides the pixels beside the parents' own, ready for JSON."""
        mixed = {"share": self.share} if len(self.parents) > 1 else {}
        return {**mixed, **self.parameters.as_dict()}


def new_id(ids: Sequence[str], image: NewImage) -> str:
    """The id of a new image: its parents' ids and the number of the copy, which together occur once in a set."""
    return f"{joined_ids(ids, image.parents)}~{image.copy}"


def joined_ids(ids: Sequence[str], parents: Sequence[int]) -> str:
    """The parents' ids in one, so that no two sets of parents have the same."""
    # With the signs that join them escaped, `a+b` is never taken for `a` and `b`.
    return "+".join(ids[parent].replace("%", "%25").replace("+", "%2B").replace("~", "%7E") for parent in parents)


def make(image: NewImage, parents: Sequence[np.ndarray]) -> np.ndarray:
    """The pixels of a new image, (H, W, C) uint8, from those of its parents."""
    pixels = parents[0] if len(parents) == 1 else mixed_pixels(*parents, image.share)
    return apply(pixels, image.parameters)
