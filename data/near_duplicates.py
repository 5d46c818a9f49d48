"""Near-duplicates: images that show the same picture, though recompressed, resized or brightened."""

from collections.abc import Iterator

import numpy as np

THUMB = 32  # side of a thumbnail, pixels
# Of the hash; two images are compared where they agree in all bits of one band. At a correlation of 0.95 a bit differs
# with a chance of 0.1, so 98 % of such pairs agree in some band; of pairs of correlation 0.1, three in 10,000 do.
BANDS, BAND_BITS = 24, 18
LEAST_CONTRAST = 1.0  # standard deviation of a thumbnail, grey levels; below there is no picture to recognise
LEAST_CORRELATION = 0.95  # between two thumbnails of one picture
FEWEST_FOR_BACKGROUND = 20  # images; fewer do not tell what all of them share
WINDOW = 64  # images of one band's value that each image is compared with, at most
PAIRS_AT_ONCE = 1 << 15


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """The mean of the channels, averaged over areas: (H, W, C) uint8 to (32, 32) float16 in 0 to 255."""
    import cv2  # here, because it takes long to import

    # Averaged over areas first: NumPy's mean over channels of all pixels takes ten times as long.
    # OpenCV averages at most four channels at once.
    parts = np.split(pixels.astype(np.float32), range(4, pixels.shape[2], 4), axis=2)
    small = [cv2.resize(part, (THUMB, THUMB), interpolation=cv2.INTER_AREA) for part in parts]
    return np.dstack(small).mean(axis=2).astype(np.float16)


def near_duplicates(thumbnails: np.ndarray) -> np.ndarray:
    """Pairs of thumbnails that show the same picture.

    A perceptual hash, whose bits differ the less the higher two thumbnails' correlation (Charikar, "Similarity
    Estimation Techniques from Rounding Algorithms", STOC 2002), is cut into bands, and only images that agree in a band
    are compared. A pair counts where the correlation is 0.95 or more.
    What all images share, such as uneven light, is taken out first: it would make any two of a plate look alike.

    Args:
        thumbnails: (N, 32, 32), of `thumbnail`. Those that are nearly of one grey match nothing.

    Returns:
        (P, 2) int64 rows, the smaller one first, sorted, each pair once.
    """
    flat = np.asarray(thumbnails, dtype=np.float32).reshape(len(thumbnails), THUMB * THUMB)
    flat = flat - flat.mean(axis=1, keepdims=True)
    rows = np.flatnonzero(flat.std(axis=1) >= LEAST_CONTRAST)
    flat = _unit(flat[rows])
    if len(rows) >= FEWEST_FOR_BACKGROUND:
        shared = _unit(np.median(flat, axis=0))
        # A projection, not a difference, because a brighter copy has more of it.
        flat = _unit(flat - np.outer(flat @ shared, shared))
    count = len(rows)
    keys = [np.zeros(0, dtype=np.int64)]
    for one, other in _candidates(_hash(flat)):
        pairs = np.unique(np.minimum(one, other) * count + np.maximum(one, other))
        for first in range(0, len(pairs), PAIRS_AT_ONCE):
            piece = pairs[first : first + PAIRS_AT_ONCE]
            same = np.einsum("ij,ij->i", flat[piece // count], flat[piece % count]) >= LEAST_CORRELATION
            keys.append(piece[same])
    found = np.unique(np.concatenate(keys))
    return np.stack([rows[found // max(count, 1)], rows[found % max(count, 1)]], axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _hash(flat: np.ndarray) -> np.ndarray:
    """(N, BANDS) int64: the bands of each unit vector's hash, on which side of random planes it lies."""
    planes = np.random.default_rng(0).normal(size=(flat.shape[1], BANDS * BAND_BITS)).astype(np.float32)
    bits = (flat @ planes > 0).reshape(len(flat), BANDS, BAND_BITS)
    return bits @ (1 << np.arange(BAND_BITS, dtype=np.int64))


def _candidates(bands: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows that agree in a band, a band and a distance in its order at a time."""
    for band in range(bands.shape[1]):
        # Where many agree, their neighbours by the next bands come first.
        nexts = [bands[:, (band + ahead) % bands.shape[1]] for ahead in (2, 1, 0)]
        order = np.lexsort(nexts)
        values = bands[order, band]
        for ahead in range(1, min(WINDOW, len(order) - 1) + 1):
            places = np.flatnonzero(values[ahead:] == values[:-ahead])
            if not len(places):
                break
            yield order[places], order[places + ahead]


def near_keys(count: int, pairs: np.ndarray) -> list[str]:
    """A name for each of `count` rows that the pairs join, directly or by way of others; empty for the others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, parts = connected_components(links, directed=False)
    joined = np.isin(np.arange(count), pairs)
    return [f"near {part}" if near else "" for part, near in zip(parts.tolist(), joined.tolist(), strict=True)]
