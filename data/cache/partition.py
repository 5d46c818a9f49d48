"""Part of a cache to train on: some of its classes, or all folds but those that judge."""

from collections.abc import Sequence

import numpy as np

from common.errors import InputError
from common.labels import UNKNOWN
from data.cache.cache import Cache
from data.cache.cache_subset import view
from data.splits.splits import check_given_split, units

PARTS = ("all", "large", "small")


def part_of(cache: Cache, classes: Sequence[str], large_from: int, fold: int | None) -> tuple[Cache, list[str]]:
    """The part of a cache that a run sees, and what that is, in lines: see `with_classes` and `with_fold`."""
    seen, lines = with_classes(cache, classes, large_from)
    folded, more = with_fold(seen, fold)
    return folded, lines + more


def with_classes(cache: Cache, classes: Sequence[str], large_from: int) -> tuple[Cache, list[str]]:
    """The cache with part of its classes, in their order there; all of its rows stay.

    Args:
        cache: K classes.
        classes: `all`, `large` or `small` alone, or names or ids of classes.
        large_from: training images of the cache from which a class is large; 0: the mean of all classes.

    Returns:
        The cache or a view of it, and what was chosen, in no line or one. The view's `meta` holds `all_class_names`.

    Raises:
        InputError: a name is unknown, none is given, or all classes are large, or all small.
    """
    # Counted in the cache's own split, so that the cut is the same in every fold.
    counts = np.asarray(cache.meta["counts"]["train"]["positives"])
    names, chosen = cache.class_names, tuple(classes)
    if chosen == ("all",):
        return cache, []
    if len(chosen) == 1 and chosen[0] in PARTS:
        cut = large_from or counts.mean()
        large = counts >= cut
        _refuse_empty(names, counts, large, cut)
        places = np.flatnonzero(large if chosen[0] == "large" else ~large)
        why = f" with {cut:,.6g} training images or more" if chosen[0] == "large" else f" below {cut:,.6g} images"
    else:
        places, why = class_places(chosen, names), ""
    if len(places) == len(names):
        return cache, []
    seen = view(cache, [names[place] for place in places], lambda labels: labels[:, places], all_class_names=names)
    listed = ", ".join(f"{names[place]} {counts[place]:,}" for place in places[np.argsort(-counts[places])])
    return seen, [f"{len(places)} of {len(names)} classes{why}: {listed}"]


def class_places(given: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """The places of classes that are given by name or id, (n,) int64, rising.

    Raises:
        InputError: one is unknown (the message lists the known ones), or none is given.
    """
    known = {name: place for place, name in enumerate(class_names)}
    unknown = [name for name in given if name not in known and not (name.isdecimal() and int(name) < len(class_names))]
    if unknown or not given:
        listed = ", ".join(f"{place} {name}" for place, name in enumerate(class_names))
        fault = f"{', '.join(map(repr, unknown))} unknown" if unknown else "none is named"
        raise InputError(f"classes: {fault}; give {', '.join(PARTS[:-1])} or {PARTS[-1]} alone, or some of {listed}")
    return np.unique([known[name] if name in known else int(name) for name in given]).astype(np.int64)


def _refuse_empty(names: Sequence[str], counts: np.ndarray, large: np.ndarray, cut: float) -> None:
    if large.all() or not large.any():
        place = int(np.argmin(counts) if large.all() else np.argmax(counts))
        raise InputError(
            f"large_from = {cut:,.6g}: {'every' if large.all() else 'no'} class has as many training images "
            f"(the {'smallest' if large.all() else 'largest'}, {names[place]}, has {counts[place]:,}), so there is no "
            f"{'small' if large.all() else 'large'} class; give another --large_from"
        )


def is_part(cache: Cache) -> bool:
    """Whether the cache is seen with part of its classes."""
    return "all_class_names" in cache.meta


def with_fold(cache: Cache, fold: int | None) -> tuple[Cache, list[str]]:
    """The cache with a fold to judge by.

    Where the cache has test rows they stay test; of the others those of the fold are val, the rest train. Without test
    rows the fold is test and the next one val, so that a row's test score is by a run that neither trained on it nor
    chose the epoch by it.

    Args:
        cache: with folds, unless `fold` is None.
        fold: the fold's number; None for the cache's own split.

    Returns:
        The cache or a view of it, and what the fold makes of it, in no line or one.

    Raises:
        InputError: the cache has no folds, none of this number, or too few for training rows to be left.
    """
    if fold is None:
        return cache, []
    if cache.fold is None:
        raise InputError(f"fold = {fold}, but {cache.directory} has no folds; make it with preprocess.py --folds 5")
    numbers, tested = cache.fold, np.asarray(cache.split) == "test"
    there = np.unique(numbers[~tested & (numbers >= 0)]).tolist()
    if fold not in there:
        raise InputError(f"fold = {fold}, but the folds of {cache.directory} are {', '.join(map(str, there))}")
    judging = {"val": fold} if tested.any() else {"val": there[(there.index(fold) + 1) % len(there)], "test": fold}
    if len(there) <= len(judging):
        raise InputError(
            f"fold = {fold}: {cache.directory} has {len(there)} folds and {'no ' * (not tested.any())}test rows, so "
            "none would be left to train on; make it with more folds"
        )
    split = np.where(tested, "test", "train").astype(object)
    for name, number in judging.items():
        split[~tested & (numbers == number)] = name
    split = split.tolist()
    together = units(len(cache), [row["group"] for row in cache.index], [row["sha1"] for row in cache.index])
    parted = len(check_given_split(split, together, cache.ids))
    parts = " and ".join(f"{number} is {name}" for name, number in sorted(judging.items()))
    return view(cache, split=split, parted=parted), [f"Of {len(there)} folds {parts}, the others are train"]


def sampled_negatives(labels: np.ndarray, repeats: np.ndarray, negatives: float) -> np.ndarray:
    """How often an epoch shows each image where those without any of the classes are thinned out.

    They would outnumber the others; which of them an epoch shows is drawn anew each time, see `data.batches.sampling`.

    Args:
        labels: (n, K) of the training images: 0, 1 or 255, or shares between 0 and 1, of which those above 0 count.
        repeats: (n,) how often an epoch would show each.
        negatives: how many images without any class are shown for one with a class, at most; 0: all.

    Returns:
        (n,) float64.
    """
    positive = ((labels > 0) & (labels != UNKNOWN)).any(axis=1)
    shown, others = repeats[positive].sum(), repeats[~positive].sum()
    share = min(1.0, negatives * shown / others) if negatives and others else 1.0
    return np.where(positive, repeats, repeats * share)
