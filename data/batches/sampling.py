"""How often an epoch visits each training row, and in which order."""

from typing import Literal, get_args

import numpy as np

from common.labels import UNKNOWN
from data.augmentation.balance import plan_copies

Sampling = Literal["all", "repeat_rare", "repeat_factors", "class_aware", "balance"]
LEAST_RATIO = 15  # imbalance ratio up to which no class is rare, however few its images


def repeats_per_epoch(
    sampling: str,
    labels: np.ndarray,
    *,
    with_rare: np.ndarray,
    copies: int,
    threshold: float,
    max_copies: int,
    seed: int,
) -> np.ndarray:
    """How often each row appears in an epoch, on average.

    Args:
        sampling: `all`, each once; `repeat_rare`, those with a rare class 1 + `copies` times, as if `augment.py
            --method rotate_rare` had copied them; `repeat_factors`, `class_aware` or `balance`, see those functions.
        labels: (n, K) of the training rows: 0, 1 or 255, or shares between 0 and 1, of which those above 0 count.
        with_rare: (n,) bool, which rows have a rare class, such as `repeated_classes` gives. copies: further visits.
        threshold: of `repeat_factors`.
        max_copies, seed: of `balance`.

    Returns:
        (n,) float64 of 0 or more.

    Raises:
        ValueError: an unknown kind of sampling.
    """
    positive = (labels > 0) & (labels != UNKNOWN)
    if sampling == "all":
        return np.ones(len(labels))
    if sampling == "repeat_rare":
        return 1.0 + copies * with_rare
    if sampling == "repeat_factors":
        return repeat_factors(labels, threshold)
    if sampling == "class_aware":
        return class_aware(positive)
    if sampling == "balance":
        return 1.0 + plan_copies(positive.astype(np.uint8), max_copies, seed=seed).copies
    raise ValueError(f"unknown sampling {sampling!r}; known: {', '.join(get_args(Sampling))}")


def repeated_classes(counts: np.ndarray, rare_below: int) -> np.ndarray:
    """The places of the classes whose images `repeat_rare` repeats, rising.

    In a small set, where all classes have few images, nearly every image would be repeated, which only makes epochs
    longer. So a class is not rare whose imbalance ratio is no more than `LEAST_RATIO`.

    Args:
        counts: (K,) images a class.
        rare_below: a class of fewer images than this is rare, one of none too, which may have some in another fold.
    """
    counts = np.asarray(counts)
    return np.flatnonzero((counts < rare_below) & (counts * LEAST_RATIO < counts.max(initial=0)))


def repeat_factors(labels: np.ndarray, threshold: float) -> np.ndarray:
    """max(1, √(t / f_k)) of the rarest class k of each row, with f_k the share of the rows that carry it, of those
    where it is known (Gupta, Dollár and Girshick, "LVIS", CVPR 2019, section 4.1).

    Args:
        labels: (n, K), as for `repeats_per_epoch`.
        threshold: t, the share below which a class is repeated.

    Returns:
        (n,) float64 of 1 or more; 1 for rows without labels.
    """
    known = labels != UNKNOWN
    positive = (labels > 0) & known
    share = positive.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    factors = np.maximum(1.0, np.sqrt(threshold / np.where(share > 0, share, 1.0)))
    return np.where(positive, factors, 1.0).max(axis=1, initial=1.0)


def class_aware(positive: np.ndarray) -> np.ndarray:
    """As many visits as if a class were drawn evenly and then one of its rows (Shen, Lin and Huang, "Relay
    backpropagation", ECCV 2016, section 3.2): n/K · Σ 1/n_k over the classes k of a row.

    A row without labels belongs to no class; it is visited as often as without sampling.

    Args:
        positive: (n, K) bool.

    Returns:
        (n,) float64, summing to n.
    """
    counts = positive.sum(axis=0)
    labelled = positive.any(axis=1)
    weights = positive @ np.where(counts > 0, 1 / np.maximum(counts, 1), 0.0)
    return np.where(labelled, weights * (labelled.sum() / max(np.count_nonzero(counts), 1)), 1.0)


def epoch_length(repeats: np.ndarray) -> int:
    """The rows of an epoch, the same in each epoch, from (n,) visits on average."""
    return max(1, round(float(repeats.sum())))


def epoch_visits(repeats: np.ndarray, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that an epoch visits, in order.

    Systematic sampling: each row is visited its average number of times, rounded down or up by chance but so that their
    sum is always the same. A counter-based generator makes it a function of its arguments alone.

    Args:
        repeats: (n,) visits on average.
        seed, epoch: what it depends on.

    Returns:
        The rows, (m,) int64 from 0 to n − 1, and for each visit how many of the same row came before, (m,) int64.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    order = generator.permutation(len(repeats))
    if (repeats == 1).all():
        return order, np.zeros(len(order), dtype=np.int64)
    length = epoch_length(repeats)
    ends = np.cumsum(repeats[order])
    # An offset moves all the boundaries at once; the last one is put where rounding cannot move it.
    ends = np.floor(ends * (length / ends[-1]) + generator.random() + 1e-9)
    ends[-1] = length
    counts = np.diff(ends, prepend=0.0).clip(0).astype(np.int64)
    rows = np.repeat(order, counts)
    occurrences = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shuffled = generator.permutation(len(rows))
    return rows[shuffled], occurrences[shuffled]
