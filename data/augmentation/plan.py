"""Which new images a method of `augment.py` makes: parents, copies and labels, before any pixel is written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from common.errors import InputError
from data.augmentation.augmented_set import finished_tags, made_of, open_augmented
from data.augmentation.balance import imbalance_ratios, mean_imbalance_ratio, rare_classes
from data.augmentation.mixing import soft_labels, united_labels
from data.augmentation.new_image import NewImage, joined_ids
from data.augmentation.operations import Ranges, draw, generator
from data.cache.cache import Cache

Partner = Literal["rare", "any", "planned"]
# Shares between which both images of a union can be seen; a union calls the fainter one present too.
VISIBLE = (0.35, 0.65)


@dataclass(frozen=True)
class Plan:
    """M new images: what makes each, and their labels, (M, K) uint8, or float32 for soft labels."""

    images: list[NewImage]
    labels: np.ndarray


def rare_places(names: Sequence[str], class_names: Sequence[str], counts: np.ndarray, rare_below: int) -> np.ndarray:
    """The places of the rare classes, rising.

    Args:
        names: names or ids of classes given by hand; empty to find them by their counts, see `rare_classes`.
        class_names: K names.
        counts: (K,) positive training images.
        rare_below: as for `rare_classes`.

    Raises:
        InputError: a name is unknown, a class named has no training image, or none is rare.
    """
    known = {name: place for place, name in enumerate(class_names)}
    unknown = [name for name in names if name not in known and not (name.isdecimal() and int(name) < len(class_names))]
    if unknown:
        listed = ", ".join(f"{place} {name}" for place, name in enumerate(class_names))
        raise InputError(f"rare: {', '.join(map(repr, unknown))} unknown; the classes are {listed}")
    given = sorted({known[name] if name in known else int(name) for name in names})
    if empty := [class_names[place] for place in given if not counts[place]]:
        raise InputError(f"rare: {', '.join(empty)} without any training image: there is nothing to augment")
    rare = np.array(given, dtype=np.int64) if given else rare_classes(counts, rare_below)
    if not len(rare):
        smallest = int(np.nanargmax(imbalance_ratios(counts)))
        raise InputError(
            f"no class is rare: the smallest is {class_names[smallest]} with {counts[smallest]:,} training images; "
            "name classes with --rare, or raise --rare_below"
        )
    return rare


def copied(cache: Cache, rows: np.ndarray, copies: np.ndarray, ranges: Ranges, seed: int) -> Plan:
    """New images of one parent each.

    Args:
        cache: of the parents.
        rows: (n,) cache positions of training rows.
        copies: (n,) how many new images each has.
        ranges: the operations.
        seed: of what they draw.
    """
    images = [
        NewImage((row,), copy, parameters=draw(ranges, cache.image_shape, seed, copy, cache.ids[row]))
        for row, count in zip(rows.tolist(), copies.tolist(), strict=True)
        for copy in range(count)
    ]
    return Plan(images, np.repeat(cache.labels[rows], copies, axis=0))


def mixed(
    cache: Cache,
    rows: np.ndarray,
    rare: np.ndarray,
    copies: int,
    partner: Partner,
    alpha: float,
    soft: bool,
    ranges: Ranges,
    seed: int,
) -> Plan:
    """New images of two parents each: every rare row in turn with partners.

    Args:
        cache: of the parents.
        rows: (n,) cache positions of the training rows.
        rare: (n,) bool, which of them carry a rare class.
        copies: new images of each rare row.
        partner: where the second parent comes from: the rare rows, all rows with a label, or those rows whose labels
            lower the mean IRLbl most at the moment (`planned`).
        alpha: λ is drawn from Beta(alpha, alpha); 0 for one half. For united labels it is drawn again until it
            lies within `VISIBLE`.
        soft: λ·a + (1 − λ)·b for labels instead of all that either has.
        ranges: operations on the mixture.
        seed: of partners, λ and operations.

    Raises:
        InputError: there is only one row to choose partners from.
    """
    first = np.tile(rows[rare], copies)
    candidates = rows[rare] if partner == "rare" else rows[(cache.labels[rows] == 1).any(axis=1)]
    if len(candidates) < 2:
        raise InputError("mixup_rare: a single image has no partner to be mixed with; give --partner any")
    rng = generator(seed, "partners")
    if partner == "planned":
        second = _planned_partners(cache.labels, rows, first, candidates, rng)
    else:
        places = np.searchsorted(candidates, first)
        # Any candidate but the row itself: as many places on as there are others.
        second = candidates[(places + rng.integers(1, len(candidates), len(first))) % len(candidates)]
    shares = _shares(len(first), alpha, soft, rng)
    number = np.arange(len(first)) // max(int(rare.sum()), 1)
    images = [
        NewImage((one, other), int(copy), float(share),
                 draw(ranges, cache.image_shape, seed, int(copy), joined_ids(cache.ids, (one, other))))
        for one, other, copy, share in zip(first.tolist(), second.tolist(), number, shares, strict=True)
    ]  # fmt: skip
    pair = cache.labels[first], cache.labels[second]
    return Plan(images, soft_labels(*pair, shares[:, None]) if soft else united_labels(*pair))


def _shares(count: int, alpha: float, soft: bool, rng: np.random.Generator) -> np.ndarray:
    if not alpha:
        return np.full(count, 0.5)
    shares = rng.beta(alpha, alpha, count)
    while not soft and (outside := (shares < VISIBLE[0]) | (shares > VISIBLE[1])).any():
        # A small alpha hardly ever falls inside; drawing evenly ends soon and is as random.
        shares[outside] = rng.beta(max(alpha, 1.0), max(alpha, 1.0), int(outside.sum()))
    return shares


def _planned_partners(
    labels: np.ndarray, rows: np.ndarray, first: np.ndarray, candidates: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """For each first parent in turn, the candidate whose union with it leaves the lowest mean IRLbl; of equal ones the
    one that was taken least often."""
    positive = labels == 1
    counts = positive[rows].sum(axis=0).astype(np.float64)
    used = counts > 0
    counts = counts[used]
    sets, of_candidate = np.unique(positive[candidates][:, used], axis=0, return_inverse=True)
    members = [rng.permutation(candidates[of_candidate == place]).tolist() for place in range(len(sets))]
    chosen = np.empty(len(first), dtype=np.int64)
    for place, row in enumerate(first.tolist()):
        own = positive[row, used]
        added = counts + (sets | own)
        value = added.max(axis=1) * (1 / added).sum(axis=1)
        for best in np.argsort(value, kind="stable").tolist():
            if members[best] != [row]:
                break
        partner = members[best].pop(0)
        if partner == row:
            members[best].append(partner)
            partner = members[best].pop(0)
        members[best].append(partner)
        chosen[place] = partner
        counts = added[best]
    return chosen


@dataclass(frozen=True)
class Effect:
    """What a plan does to the classes.

    Attributes:
        before: (K,) int64 training images. added: (K,) float64 new images, where a share of a label counts as a share.
        parents: (K,) int64, how many different images the new ones of a class are made of.
        figures: the same and more, ready for JSON.
    """

    before: np.ndarray
    added: np.ndarray
    parents: np.ndarray
    figures: dict[str, Any]


def effect(cache: Cache, rows: np.ndarray, plan: Plan) -> Effect:
    """What the plan does to the counts of the training rows (n,)."""
    before = (cache.labels[rows] == 1).sum(axis=0)
    shares = np.where(plan.labels <= 1, plan.labels, 0).astype(np.float64)
    # A class's new images count little if they are all made of the same few originals.
    carriers = np.zeros((len(cache.class_names), len(cache)), dtype=bool)
    for image, own in zip(plan.images, shares > 0, strict=True):
        for parent in image.parents:
            carriers[np.flatnonzero(own & (cache.labels[parent] == 1)), parent] = True
    after = before + shares.sum(axis=0)
    figures = {
        "new_images": len(plan.images),
        "distinct_parents": len({parent for image in plan.images for parent in image.parents}),
        "mean_imbalance_ratio": [mean_imbalance_ratio(before), mean_imbalance_ratio(after)],
        "smallest_class": [float(before[before > 0].min()), float(after[before > 0].min())],
        "largest_class": [float(before.max()), float(after.max())],
        "counts_before": before.tolist(),
        "counts_after": after.tolist(),
    }
    return Effect(before, after - before, carriers.sum(axis=1), figures)


def in_other_sets(cache: Cache, plan: Plan, tag: str) -> dict[str, int]:
    """The other finished sets of the cache that hold images of the plan, and how many of them each."""
    made = {made_of(image.parents, json.dumps(image.as_dict())) for image in plan.images}
    found = {}
    for other in finished_tags(cache):
        try:
            same = len(made.intersection(open_augmented(cache, other).made)) if other != tag else 0
        except InputError:
            continue  # it is of no use here, and train.py says why
        if same:
            found[other] = same
    return found


def repeated(plan: Plan) -> int:
    """How many of the new images are the same as another one of the plan, or as their parent."""
    made = [(image.parents, image.share, json.dumps(image.parameters.as_dict())) for image in plan.images]
    originals = {(image.parents, 1.0, "{}") for image in plan.images if len(image.parents) == 1}
    return len(made) - len(set(made) - originals)
