"""Splits and folds for multi-label rows: groups and duplicates stay together, and no class is missing from train."""

from collections.abc import Sequence

import numpy as np

from common.errors import InputError
from common.labels import UNKNOWN
from data.labels.label_forms import SPLITS


def units(
    count: int, groups: Sequence[str] | None, hashes: Sequence[str] | None, near: Sequence[str] | None = None
) -> np.ndarray:
    """Join rows that must not be parted: rows of one group and rows with identical hash, also by way of other rows.

    Args:
        count: N, the number of rows.
        groups: N names, or None; an empty name belongs to no group.
        hashes: N digests of the image files, or None; an empty digest equals no other.
        near: N names of sets of nearly identical images, or None; an empty name belongs to no set.

    Returns:
        (N,) int64 unit numbers, counted from 0 in the order of the units' first rows.

    Raises:
        ValueError: groups, hashes or near are not of length N.
    """
    from scipy.sparse import coo_array  # here, because SciPy takes long to import
    from scipy.sparse.csgraph import connected_components

    links: list[tuple[int, int]] = []
    for keys in (groups, hashes, near):
        if keys is None:
            continue
        if len(keys) != count:
            raise ValueError(f"{len(keys)} keys for {count} rows")
        first: dict[str, int] = {}
        links += [(first.setdefault(key, row), row) for row, key in enumerate(keys) if key]
    ends = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), tuple(ends)), shape=(count, count))
    # SciPy numbers the components in the order of their first rows.
    return connected_components(graph, directed=False)[1].astype(np.int64)


def draw_split(
    labels: np.ndarray,
    units: np.ndarray,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    fixed: Sequence[str] | None = None,
) -> list[str]:
    """Draw train, val and test with nearly equal label rates; every class that has a positive row has one in train.

    A row without a known label has no say: it goes where its unit goes, or else to train.

    Args:
        labels: (N, K) uint8 of 0, 1 or 255 (unknown, counts as not positive).
        units: (N,) integers; rows of equal value stay together.
        val_fraction: share of the rows for val, 0 or more.
        test_fraction: share of the rows for test, 0 or more; the rest is train.
        seed: same seed and rows, same split.
        fixed: N names of SPLITS for rows that must lie there, empty for those that are drawn; rows of one unit alike.

    Returns:
        N names, each one of SPLITS. Where all rows of a class are fixed outside train, it is missing from train.

    Raises:
        InputError: a fraction is negative, or both leave nothing for train.
    """
    from data.splits.stratification import stratify  # here, because SciPy takes long to import

    train_fraction = 1 - val_fraction - test_fraction
    # The negated form also refuses NaN.
    if not (val_fraction >= 0 and test_fraction >= 0 and train_fraction > 1e-9):
        raise InputError(
            f"val_fraction = {val_fraction} and test_fraction = {test_fraction} must be 0 or more "
            "and their sum below 1, so that rows are left for train"
        )
    labels, every_unit = np.asarray(labels), np.asarray(units)
    known = (labels != UNKNOWN).any(axis=1)
    every = np.array([SPLITS.index(name) if name else -1 for name in fixed or [""] * len(labels)], dtype=np.int64)
    labels, units, held = labels[known], every_unit[known], every[known]
    parts = stratify(labels, units, (train_fraction, val_fraction, test_fraction), seed, held)
    # The last column makes being a row a class of its own, so that train is never empty either.
    positive = np.column_stack([labels == 1, np.ones(len(parts), dtype=bool)])
    for label in np.flatnonzero(positive.any(axis=0)):
        if not positive[parts == 0, label].any():
            carriers, sizes = np.unique(
                units[np.isin(units, units[positive[:, label] & (held < 0)])], return_counts=True
            )
            if len(carriers):
                parts[units == carriers[np.argmin(sizes)]] = 0
    return [SPLITS[part] for part in _spread(parts, units, every_unit, np.maximum(every, 0))]


def draw_folds(
    labels: np.ndarray, units: np.ndarray, folds: int, seed: int, fixed: np.ndarray | None = None
) -> np.ndarray:
    """Draw folds of nearly equal size and label rates; a row without a known label has no say in them.

    Args:
        labels: (N, K) uint8 of 0, 1 or 255 (unknown, counts as not positive).
        units: (N,) integers; rows of equal value stay together.
        folds: number of folds, 2 or more.
        seed: same seed and rows, same folds.
        fixed: (N,) int64 folds of rows that must lie there, -1 for those that are drawn; rows of one unit alike.

    Returns:
        (N,) int64 from 0 to folds - 1.

    Raises:
        InputError: there are fewer units than folds, or fewer than 2 folds are asked for.
    """
    from data.splits.stratification import stratify  # here, because SciPy takes long to import

    labels, every_unit = np.asarray(labels), np.asarray(units)
    known = (labels != UNKNOWN).any(axis=1)
    judged = every_unit[known]
    found = len(np.unique(judged))
    if folds < 2:
        raise InputError(f"folds = {folds}: at least 2 are needed, or none at all")
    if found < folds:
        raise InputError(
            f"folds = {folds}, but the {len(judged)} rows with a known label form only {found} units, as groups and "
            f"duplicates stay together: lower folds to at most {found}"
        )
    every = np.full(len(labels), -1) if fixed is None else np.asarray(fixed)
    drawn = stratify(labels[known], judged, [1 / folds] * folds, seed, every[known])
    # Rows of nothing known are dealt in turn, unless they are fixed.
    turns = np.unique(every_unit, return_inverse=True)[1].astype(np.int64) % folds
    return _spread(drawn, judged, every_unit, np.where(every < 0, turns, every))


def draw_folds_beside_test(
    labels: np.ndarray, units: np.ndarray, split: Sequence[str], folds: int, seed: int
) -> np.ndarray:
    """Draw folds of the rows that are not test, as `draw_folds` does; (N,) int64, -1 for test rows."""
    inside = np.asarray(split) != "test"
    fold = np.full(len(inside), -1, dtype=np.int64)
    fold[inside] = draw_folds(np.asarray(labels)[inside], np.asarray(units)[inside], folds, seed)
    return fold


def _spread(parts: np.ndarray, units: np.ndarray, every_unit: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The part of every row: that of its unit, or of `others` where no row of its unit was dealt to a part.

    Args:
        parts, units: (n,) the part and the unit of the rows that were dealt.
        every_unit, others: (N,) the unit of all rows, and their part if it is not among those.
    """
    dealt, first = np.unique(units, return_index=True)
    if not len(dealt):
        return others
    places = np.minimum(np.searchsorted(dealt, every_unit), len(dealt) - 1)
    return np.where(dealt[places] == every_unit, parts[first[places]], others)


def missing_classes(labels: np.ndarray, split: Sequence[str]) -> dict[str, list[int]]:
    """The classes without a positive row in each split.

    Args:
        labels: (N, K) uint8 of 0, 1 or 255.
        split: N names.

    Returns:
        For each of SPLITS the class indices, rising.
    """
    positive, names = np.asarray(labels) == 1, np.asarray(split, dtype=object)
    return {name: np.flatnonzero(~positive[names == name].any(axis=0)).tolist() for name in SPLITS}


def check_given_split(split: Sequence[str], units: np.ndarray, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Find what a given split parts although it belongs together: groups and byte-identical images.

    Args:
        split: N names; fold numbers work too.
        units: (N,) integers, of `units`.
        ids: N ids.

    Returns:
        A pair for each row that lies in another split than the first row of its unit: (id of that first row, its id),
        in the order of the rows.
    """
    _, first, unit_of_row = np.unique(np.asarray(units), return_index=True, return_inverse=True)
    anchors = first[unit_of_row].tolist()
    return [(ids[anchor], ids[row]) for row, anchor in enumerate(anchors) if split[row] != split[anchor]]
