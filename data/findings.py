"""What is worth knowing about a set of images before training: duplicates, giveaways, sizes, and rows worth showing."""

from collections.abc import Sequence

import numpy as np

from data.images import ImageInfo
from data.splits import SPLITS

FEWEST_GIVEAWAY_ROWS = 8  # fewer images may share a property by chance


def duplicates(hashes: Sequence[str]) -> list[list[int]]:
    """Sets of two or more rows with byte-identical files, in the order of their first rows; empty hashes left out."""
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(hashes):
        if digest:
            rows.setdefault(digest, []).append(row)
    return [found for found in rows.values() if len(found) > 1]


def disagreeing(sets: list[list[int]], labels: np.ndarray) -> list[list[int]]:
    """The sets of rows in which a label is 1 in one row and 0 in another; unknown disagrees with nothing."""
    return [rows for rows in sets if ((labels[rows] == 1).any(axis=0) & (labels[rows] == 0).any(axis=0)).any()]


def giveaways(infos: Sequence[ImageInfo | None], labels: np.ndarray) -> list[tuple[int, str, int]]:
    """File properties that give a class away: the images of a class are exactly those of one format, mode or size.

    Args:
        infos: N headers, None where a file cannot be used.
        labels: (N, K) uint8; an unknown label speaks neither for it nor against.

    Returns:
        The class's index, the property in words, and how many images of the class there are.
    """
    usable = np.array([info is not None for info in infos], dtype=bool)
    found = []
    for words, name in (("file format", "format"), ("colour mode", "mode"), ("native size", "size")):
        values = np.array([_property(info, name) for info in infos], dtype=np.str_)
        for value in np.unique(values[usable]):
            rows, others = usable & (values == value), usable & (values != value)
            positives = (labels[rows] == 1).sum(axis=0)
            fits = (labels[rows] != 0).all(axis=0) & (labels[others] != 1).all(axis=0)
            fits &= (positives >= FEWEST_GIVEAWAY_ROWS) & (labels[others] == 0).any(axis=0)
            found += [(label, f"{words} {value}", int(positives[label])) for label in np.flatnonzero(fits).tolist()]
    return found


def native_sizes(infos: Sequence[ImageInfo | None]) -> list[tuple[tuple[int, int], int]]:
    """(width, height) and how many images have it, the most frequent first."""
    counts: dict[tuple[int, int], int] = {}
    for info in infos:
        if info:
            counts[info.width, info.height] = counts.get((info.width, info.height), 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def preview_rows(labels: np.ndarray, usable: np.ndarray, count: int) -> list[int]:
    """Rows that show each class at least once where `count` allows: the rarest class still unseen first.

    Args:
        labels: (N, K) uint8.
        usable: (N,) bool, rows that may be chosen; those without any known label are not.
        count: how many.

    Returns:
        At most `count` rows, rising.
    """
    usable = usable & (labels <= 1).any(axis=1)
    positive = (labels == 1) & usable[:, None]
    chosen: list[int] = []
    seen = np.zeros(labels.shape[1], dtype=bool)
    while len(chosen) < count:
        unseen = np.flatnonzero(~seen & positive.any(axis=0))
        if not len(unseen):
            break
        rarest = unseen[np.argmin(positive[:, unseen].sum(axis=0))]
        # Among its images the one that shows the most unseen classes: fewer images are needed for all.
        rows = np.flatnonzero(positive[:, rarest])
        chosen.append(int(rows[np.argmax(positive[np.ix_(rows, unseen)].sum(axis=1))]))
        seen |= positive[chosen[-1]]
    others = np.setdiff1d(np.flatnonzero(usable), chosen)
    missing = min(count - len(chosen), len(others))
    if missing > 0:
        chosen += others[np.linspace(0, len(others) - 1, missing).round().astype(int)].tolist()
    return sorted(set(chosen))


def label_names(class_names: Sequence[str], labels: np.ndarray) -> list[str]:
    """The classes of an image, (K,) labels, and behind them as ?name those that are unknown; ? alone where all are."""
    if (labels > 1).all():
        return ["?"]
    unknown = [f"?{class_names[label]}" for label in np.flatnonzero(labels > 1)]
    return [class_names[label] for label in np.flatnonzero(labels == 1)] + unknown


def split_table(labels: np.ndarray, split: Sequence[str]) -> np.ndarray:
    """Positive rows of each class in train, val and test: (K, 3) int64."""
    names = np.asarray(split, dtype=object)
    return np.stack([(labels[names == name] == 1).sum(axis=0) for name in SPLITS], axis=1)


def _property(info: ImageInfo | None, name: str) -> str:
    if info is None:
        return ""
    return f"{info.width} × {info.height}" if name == "size" else getattr(info, name)
