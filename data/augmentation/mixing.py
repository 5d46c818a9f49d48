"""Two images made into one, and their labels with them.

Mix-up: Zhang, Cissé, Dauphin and Lopez-Paz, "mixup: Beyond empirical risk minimization" (ICLR 2018), λ·a + (1 − λ)·b.
CutMix: Yun et al. (ICCV 2019), a rectangle of b in a; λ is the share of a that is left.
"""

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from common.labels import UNKNOWN
from data.augmentation.operations import Ranges

Mixing = Literal["off", "mixup", "cutmix"]


@dataclass(frozen=True)
class Online:
    """What is done to training images each time they are seen."""

    ranges: Ranges = field(default_factory=Ranges)
    mixing: Mixing = "off"
    mixing_alpha: float = 0.4  # of the Beta distribution that shares are drawn from
    repeat_operations: tuple[str, ...] = ()  # beside those of `ranges`, where an epoch shows an image once more


def mixed_pixels(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """λ·first + (1 − λ)·second, uint8 rounded to the nearest level; λ = `share` of the first."""
    result = cv2.addWeighted(first, share, second, 1 - share, 0)
    return result if result.ndim == 3 else result[..., None]


def with_cut_out(first: np.ndarray, second: np.ndarray, share: float, across: float, down: float) -> tuple:
    """The first image with a rectangle of the second.

    Args:
        first, second: (H, W, C) uint8.
        share: of the first that would be left if no part of the rectangle were cut off by the border.
        across, down: where the rectangle's centre lies, fractions of the sides.

    Returns:
        The new image (H, W, C) uint8, and the share of the first image's pixels in it.
    """
    height, width = first.shape[:2]
    side = np.sqrt(1 - share)
    left, right = (round(width * place) for place in np.clip([across - side / 2, across + side / 2], 0, 1))
    top, bottom = (round(height * place) for place in np.clip([down - side / 2, down + side / 2], 0, 1))
    result = first.copy()
    result[top:bottom, left:right] = second[top:bottom, left:right]
    return result, 1 - (bottom - top) * (right - left) / (height * width)


def united_labels(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Every label that one of the two has: 1 where either is 1, else 255 where either is unknown, else 0."""
    return np.where((first == 1) | (second == 1), 1, np.maximum(first, second)).astype(np.uint8)


def soft_labels(first: np.ndarray, second: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """λ·first + (1 − λ)·second, float32; 255 where one that has a share is unknown."""
    mixture = share * first.astype(np.float32) + (1 - share) * second.astype(np.float32)
    unknown = ((first > 1) & (share > 0)) | ((second > 1) & (share < 1))
    return np.where(unknown, np.float32(UNKNOWN), mixture).astype(np.float32)


def mix_batch(
    images: np.ndarray, labels: np.ndarray, kind: str, alpha: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each image of a batch with another one of it.

    Args:
        images: (n, H, W, C) uint8. labels: (n, K), 255 for unknown.
        kind: "mixup" or "cutmix".
        alpha: λ is drawn from Beta(alpha, alpha), for each image anew.
        generator: what is drawn from.

    Returns:
        Images (n, H, W, C) uint8 and soft labels (n, K) float32.
    """
    partners = generator.permutation(len(images))
    shares = generator.beta(alpha, alpha, len(images))
    places = generator.random((len(images), 2))
    result = np.empty_like(images)
    for row, partner in enumerate(partners.tolist()):
        if kind == "mixup":
            result[row] = mixed_pixels(images[row], images[partner], float(shares[row]))
        else:
            result[row], shares[row] = with_cut_out(images[row], images[partner], shares[row], *places[row])
    return result, soft_labels(labels, labels[partners], shares[:, None].astype(np.float32))
