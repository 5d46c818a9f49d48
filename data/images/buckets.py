"""A few shapes for images of many sizes: about the same area each, near the aspect ratios that the images have."""

import math
from collections.abc import Sequence

import numpy as np

GRID, COARSEST = 16, 32  # parts of the nominal side that a side is a multiple of; pixels of the coarsest part
LONGEST = 4  # times the nominal side: no shape is longer than 16 times its short side
LEAST_SHARE = 0.05  # of the images: a shape of fewer would fill whole batches with a handful


def candidates(size: int) -> list[tuple[int, int]]:
    """All shapes (height, width) that may be chosen, the flattest first.

    Sides are multiples of a power of two near `size` / 16, at most 32 pixels. Each short side has one long side,
    whose area comes nearest to `size`².
    """
    part = min(COARSEST, 2 ** int(math.log2(max(1, size // GRID))))
    square = round(size / part)
    shorts = range(max(1, -(-square // LONGEST)), square)
    flat = [(short * part, round(size**2 / (short * part) / part) * part) for short in shorts]
    return [*flat, (square * part, square * part), *((wide, high) for high, wide in reversed(flat))]


def chosen(sizes: Sequence[tuple[int, int]], size: int, count: int) -> tuple[tuple[int, int], ...]:
    """At most `count` shapes whose aspect ratios come nearest to the images'.

    The sum over all images of |log(aspect of the image / aspect of its shape)| is the least that any choice of as many
    candidates has, found by dynamic programming along the ratios (k medians on a line). Of all numbers of shapes the
    largest is taken in which each shape has a twentieth of the images or more.

    Args:
        sizes: (N) widths and heights of the images.
        size: the side of a square of the wanted area, pixels.
        count: shapes at most.

    Returns:
        (height, width) each, the flattest first.
    """
    shapes = candidates(size)
    aspects = np.log([width / height for height, width in shapes])[::-1]
    images = np.sort(np.log([width / height for width, height in sizes]))
    for number in range(min(count, len(shapes)), 0, -1):
        places = _medians(images, aspects, number)
        nearest = np.abs(images[:, None] - aspects[places]).argmin(axis=1)
        counts = np.bincount(nearest, minlength=number)
        if number == 1 or counts.min() >= max(1, LEAST_SHARE * len(images)):
            break
    return tuple(shapes[len(shapes) - 1 - place] for place in reversed(places))


def nearest(width: int, height: int, shapes: Sequence[tuple[int, int]]) -> int:
    """Which shape (height, width) an image is given: that of the nearest aspect ratio, of two the first."""
    aspect = math.log(width / height)
    return min(range(len(shapes)), key=lambda place: abs(aspect - math.log(shapes[place][1] / shapes[place][0])))


def misfit(width: int, height: int, shape: tuple[int, int]) -> float:
    """How much more an image is stretched one way than the other, 0 for not at all."""
    ratio = (width / height) / (shape[1] / shape[0])
    return max(ratio, 1 / ratio) - 1


def _medians(images: np.ndarray, aspects: np.ndarray, number: int) -> list[int]:
    """The places of `number` of the rising aspects with the least sum of distances to the nearest, rising."""
    count = len(aspects)
    # between[j, k]: what the images between the chosen j and k cost; 0 and count + 1 stand for before and after all.
    between = np.zeros((count + 2, count + 2))
    for first in range(count + 1):
        for last in range(first + 1, count + 2):
            low = aspects[first - 1] if first else -np.inf
            high = aspects[last - 1] if last <= count else np.inf
            own = images[(images > low) & (images <= high)]
            between[first, last] = np.minimum(np.abs(own - low), np.abs(high - own)).sum()
    between[0, count + 1] = np.inf
    cost, came = between[0, : count + 1].copy(), []
    for _ in range(number - 1):
        # Only shapes further on may follow.
        steps = np.where(np.triu(np.ones((count + 1, count + 1), dtype=bool), 1), between[:-1, :-1], np.inf)
        total = cost[:, None] + steps
        total[0] = np.inf
        came.append(total.argmin(axis=0))
        cost = total.min(axis=0)
    cost = cost + between[: count + 1, count + 1]
    cost[0] = np.inf
    places = [int(cost.argmin())]
    for before in reversed(came):
        places.append(int(before[places[-1]]))
    return [place - 1 for place in reversed(places)]
