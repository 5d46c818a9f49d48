"""A cache seen with other classes or other splits than its files say; the pixels are the same."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.cache.cache import INDEX_COLUMNS, Cache, split_counts
from data.labels.hierarchy import read_tree


class CacheView(Cache):
    """Made by `view` alone."""

    def __init__(self, cache: Cache) -> None:
        self.__dict__.update(cache.__dict__)
        self.__dict__.pop("index", None)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a view of a cache is not sent to another process: send its rows")


def view(
    cache: Cache,
    class_names: Sequence[str] | None = None,
    converted: Callable[[np.ndarray], np.ndarray] | None = None,
    split: Sequence[str] | None = None,
    **described: object,
) -> Cache:
    """The cache with other classes, splits, or both. Views of views work.

    Args:
        cache: a cache of N images and K classes.
        class_names: L names; None for the cache's.
        converted: makes labels (n, K), uint8 of 0, 1 and 255 or float32 with shares, into (n, L) of the same type;
            augmented sets go through it as well. Needed with `class_names`.
        split: N names, train, val or test; None for the cache's.
        described: more entries of `meta`, which a run keeps.

    Returns:
        A cache whose labels, class names, splits, index and `meta` (with its counts) are those of the view.
    """
    seen = CacheView(cache)
    if converted is not None:
        before = cache.converted
        seen.converted = lambda stored: converted(before(stored))
        seen.labels = converted(cache.labels)
        seen.class_names = list(class_names)
    if split is not None:
        seen.split = list(split)
        place = INDEX_COLUMNS.index("split")
        seen._table = [
            [*row[:place], name, *row[place + 1 :]] for row, name in zip(cache._table, seen.split, strict=True)
        ]
    counts = split_counts(seen.labels, np.asarray(seen.split))
    seen.meta = {**cache.meta, "class_names": seen.class_names, "counts": counts, **described}
    return seen


def with_tree(cache: Cache, path: Path) -> Cache:
    """Return the cache with the nodes of a tree as its classes.

    Raises:
        InputError: as for `read_tree`.
    """
    tree = read_tree(path, cache.class_names)
    return view(cache, tree.names, tree.expanded, hierarchy=tree.described())
