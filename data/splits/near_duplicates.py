"""Near-duplicates: images that show the same picture, though recompressed, resized or brightened."""

from collections.abc import Iterator

import numpy as np

THUMB = 32  # side of a thumbnail, pixels
# Of the hash; two images are compared where they agree in all bits of one band. At a correlation of 0.95 a bit differs
# with a chance of 0.1, so 98 % of such pairs agree in some band; of pairs of correlation 0.1, three in 10,000 do.
BANDS, BAND_BITS = 24, 18
# Of its 432 bits, above which two images are not compared: at a correlation of 0.95 they differ in 44, and in more than
# 80 once in 20 million pairs.
MOST_BITS = 80
LEAST_CONTRAST = 1.0  # standard deviation of a thumbnail, grey levels; below there is no picture to recognise
LEAST_CORRELATION = 0.95  # between two thumbnails of one picture
FEWEST_FOR_BACKGROUND = 20  # images; fewer do not tell what all of them share
WINDOW = 64  # images of one band's value that each image is compared with, at most
# At 4 kB a vector, all vectors of a large set would take more memory than anything else in preprocessing.
VECTORS_AT_ONCE, PIXELS_AT_ONCE, PAIRS_AT_ONCE = 1 << 12, 64, 1 << 20
TINY = 1e-9  # keeps a vector of zeros from being divided by zero


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
    vectors = _Vectors(np.asarray(thumbnails))
    count, half = len(vectors), VECTORS_AT_ONCE // 2
    found = [np.zeros(0, dtype=np.int64)]
    for keys in _near_pairs(_hash(vectors)):
        for first in range(0, len(keys), half):
            piece = keys[first : first + half]
            same = np.einsum("ij,ij->i", vectors[piece // count], vectors[piece % count]) >= LEAST_CORRELATION
            found.append(piece[same])
    ones, others = np.divmod(np.sort(np.concatenate(found)), max(count, 1))
    return np.stack([vectors.rows[ones], vectors.rows[others]], axis=1)


class _Vectors:
    """Thumbnails as float32 unit vectors without what all share, worked out for those that are asked for.

    Args:
        thumbnails: (N, 32, 32).

    Attributes:
        rows: (M,) int64, the thumbnails with enough contrast, to which the vectors belong.
    """

    def __init__(self, thumbnails: np.ndarray) -> None:
        self._flat = thumbnails.reshape(len(thumbnails), THUMB * THUMB)
        # Mean and length without it, (N,).
        self._mean, self._length = (np.zeros(len(thumbnails), dtype=np.float32) for _ in range(2))
        for first in range(0, len(thumbnails), VECTORS_AT_ONCE):
            block = slice(first, first + VECTORS_AT_ONCE)
            values = self._flat[block].astype(np.float32)
            self._mean[block] = values.mean(axis=1)
            values -= self._mean[block, None]
            self._length[block] = np.linalg.norm(values, axis=1)
        self.rows = np.flatnonzero(self._length >= LEAST_CONTRAST * THUMB)
        self._shared = None
        if len(self.rows) >= FEWEST_FOR_BACKGROUND:
            columns = range(0, THUMB * THUMB, PIXELS_AT_ONCE)
            medians = [np.median(self._centred(slice(None), slice(at, at + PIXELS_AT_ONCE)), axis=0) for at in columns]
            shared = np.concatenate(medians)
            self._shared = shared / max(np.linalg.norm(shared), TINY)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: np.ndarray | slice) -> np.ndarray:
        """(n, 1024) of the places among the M."""
        vectors = self._centred(places, slice(None))
        if self._shared is not None:
            # A projection, not a difference, because a brighter copy has more of it.
            vectors -= np.outer(vectors @ self._shared, self._shared)
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY)
        return vectors

    def _centred(self, places: np.ndarray | slice, pixels: slice) -> np.ndarray:
        rows = self.rows[places]
        vectors = self._flat[rows, pixels].astype(np.float32)
        vectors -= self._mean[rows, None]
        vectors /= self._length[rows, None]
        return vectors


def _hash(vectors: _Vectors) -> np.ndarray:
    """(M, BANDS) int32: the bands of each unit vector's hash, on which side of random planes it lies."""
    planes = np.random.default_rng(0).normal(size=(THUMB * THUMB, BANDS * BAND_BITS)).astype(np.float32)
    bands = np.zeros((len(vectors), BANDS), dtype=np.int32)
    for first in range(0, len(vectors), VECTORS_AT_ONCE):
        block = slice(first, first + VECTORS_AT_ONCE)
        bits = (vectors[block] @ planes > 0).reshape(-1, BANDS, BAND_BITS)
        bands[block] = bits @ (1 << np.arange(BAND_BITS, dtype=np.int32))
    return bands


def _near_pairs(bands: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs that agree in a band and whose hashes are near, each once: one row × M + the other, many at a time."""
    told = np.zeros(0, dtype=np.int64)
    waiting = [told]
    for one, other in _candidates(bands):
        near = np.bitwise_count(bands[one] ^ bands[other]).sum(axis=1) <= MOST_BITS
        one, other = one[near], other[near]
        waiting.append(np.minimum(one, other) * len(bands) + np.maximum(one, other))
        if sum(map(len, waiting)) > PAIRS_AT_ONCE:
            new = np.setdiff1d(np.concatenate(waiting), told)
            told, waiting = np.union1d(told, new), [new[:0]]
            yield new
    yield np.setdiff1d(np.concatenate(waiting), told)


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
