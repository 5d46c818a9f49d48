"""How unevenly classes are represented, and which training images to copy so that they are less so.

Counts and labels alone, no pixels. The imbalance ratio of a label is IRLbl(l) = max_k n_k / n_l, with n_k the positive
images of class k, and mean IRLbl its mean over the classes (Charte, Rivera, del Jesus and Herrera, "Addressing
imbalance in multilabel classification", Neurocomputing 163, 2015, eq. 1 and 2). A class without a positive image has
none, and is left out of the mean.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from common.errors import InputError

# Between two neighbouring supports of the programme, 1/n is a straight line: at most 0.01 % above the curve.
STEP = 1.02
SCALE = 0.1  # of the programme's objective, beside the square of the largest count
GROWTHS = 8  # bounds on the largest class that are tried
# A plan without a number ends where 1 % more images would lower the mean IRLbl by less than 0.5 %.
WORTH = 0.5
ALIKE = 1e-3  # relative: of plans whose mean IRLbl differs by less, the one with the least growth is better
NODES = 1  # of the search for whole numbers of copies: its root, where rounding already comes close


def imbalance_ratios(counts: np.ndarray) -> np.ndarray:
    """IRLbl of each class, (K,) float64 of 1 or more, from (K,) positive images; nan for a class without any."""
    counts = np.asarray(counts, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts > 0, counts.max(initial=0) / counts, np.nan)


def mean_imbalance_ratio(counts: np.ndarray) -> float:
    """Mean IRLbl over the classes with a positive image; nan where there is none."""
    ratios = imbalance_ratios(counts)
    return float(np.nanmean(ratios)) if np.isfinite(ratios).any() else float("nan")


def label_density(labels: np.ndarray) -> float:
    """Labels an image over the number of classes, of (N, K) labels or shares of them; 255, for unknown, is left out."""
    known = labels <= 1
    return float(labels[known].sum(dtype=np.float64) / max(known.sum(), 1))


def rare_classes(counts: np.ndarray, rare_below: int = 0) -> np.ndarray:
    """The places of the rare classes, rising: those of 1 to `rare_below` − 1 images, or, with 0, those whose IRLbl is
    above the mean (Charte et al., 2015)."""
    counts = np.asarray(counts)
    if rare_below:
        return np.flatnonzero((counts > 0) & (counts < rare_below))
    # A comparison with nan is false, so a class without images is not among them.
    return np.flatnonzero(imbalance_ratios(counts) > mean_imbalance_ratio(counts))


@dataclass(frozen=True)
class CopyPlan:
    """How often to copy each image.

    Attributes:
        copies: (N,) int64 of new images an image.
        counts: (K,) int64 positive images a class when they are added.
        bound: no plan of as many copies, and with as little growth of the largest class as the greedy one's, has a mean
            IRLbl below this.
    """

    copies: np.ndarray
    counts: np.ndarray
    bound: float


def plan_copies(
    labels: np.ndarray, max_copies: int, new_images: int = 0, target_ratio: float = 0.0, seed: int = 0
) -> CopyPlan:
    """Choose copies of images that lower the mean IRLbl most while the largest class grows least.

    Images with the same labels are one variable of an integer programme: minimise Σ_k 1/n_k under Σ copies ≤ the number
    of new images and n_k ≤ M for every class, with 1/n_k as a convex line of many pieces. M·Σ_k 1/n_k / K is then the
    mean IRLbl, so the programme is solved for several M, from the largest class as it is to what the greedy makes of
    it. The greedy adds the image that lowers the mean IRLbl most until none does: its plan is possible here, so this
    one is never worse in either respect.

    Args:
        labels: (N, K) uint8 with 0, 1 or 255 of the training images; those without a label are never copied.
        max_copies: at most so many new images of one image, 1 or more.
        new_images: at most so many new images; 0 for as many as are worth it, see `WORTH`.
        target_ratio: the mean IRLbl to reach with as few new images as the greedy needs, instead of `new_images`; 0
            for none.
        seed: which of several images with the same labels are copied once more than the others.

    Raises:
        InputError: `new_images` is more than `max_copies` allow, or `target_ratio` cannot be reached.
    """
    sets = _LabelSets(labels, max_copies)
    if new_images > sets.room.sum():
        raise InputError(
            f"new_images = {new_images:,}: with max_copies = {max_copies} the images with a label give at most "
            f"{sets.room.sum():,}"
        )
    if new_images and target_ratio:
        raise InputError("new_images and target_ratio: give one of them, as both say how many")
    chosen = _greedy(sets, new_images, target_ratio)
    reached = sets.mean_ratio(chosen)
    if reached > target_ratio > 0:
        raise InputError(
            f"target_ratio = {target_ratio:g}: with max_copies = {max_copies} the mean imbalance ratio comes down to "
            f"{reached:.4g} at best; raise max_copies or the target"
        )
    bound = mean_imbalance_ratio(sets.counts)
    if chosen.any():
        chosen, bound = _programme(sets, chosen, new_images or int(chosen.sum()))
    return CopyPlan(sets.spread(chosen, seed), sets.counts_with(chosen), bound)


def greedy_copies(labels: np.ndarray, max_copies: int, new_images: int = 0) -> np.ndarray:
    """(K,) int64 positive images a class with the greedy's copies: what `plan_copies` is held against."""
    sets = _LabelSets(labels, max_copies)
    return sets.counts_with(_greedy(sets, new_images))


class _LabelSets:
    """The distinct sets of labels among N images.

    Attributes:
        rows: (S, K') float64 of 0 or 1, without the empty set and without classes that no image has.
        room: (S,) int64, the most new images of a set.
        counts: (K,) int64 positive images a class.
    """

    def __init__(self, labels: np.ndarray, max_copies: int) -> None:
        positive = np.asarray(labels) == 1
        self.counts = positive.sum(axis=0, dtype=np.int64)
        self.used = self.counts > 0
        # As bytes, sorting is many times faster than by columns.
        packed = np.ascontiguousarray(np.packbits(positive, axis=1))
        keys = packed.view(np.dtype((np.void, max(packed.shape[1], 1)))).ravel()
        _, first, self.set_of_image, size = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        self.kept = np.flatnonzero(positive[first].any(axis=1))
        self.rows = positive[first][self.kept][:, self.used].astype(np.float64)
        self.room = size[self.kept] * max_copies

    def counts_with(self, chosen: np.ndarray) -> np.ndarray:
        """(K,) int64 positive images a class with (S,) new images added."""
        counts = self.counts.copy()
        counts[self.used] += np.rint(chosen @ self.rows).astype(np.int64)
        return counts

    def mean_ratio(self, chosen: np.ndarray) -> float:
        return mean_imbalance_ratio(self.counts_with(chosen))

    def spread(self, chosen: np.ndarray, seed: int) -> np.ndarray:
        """(N,) copies an image: those of a set are dealt to its images as evenly as can be."""
        copies = np.zeros(len(self.set_of_image), dtype=np.int64)
        shuffled = np.random.Generator(np.random.Philox(key=[seed, 0])).permutation(len(copies))
        order = shuffled[np.argsort(self.set_of_image[shuffled], kind="stable")]
        starts = np.searchsorted(self.set_of_image[order], np.arange(self.set_of_image.max(initial=-1) + 2))
        for place in np.flatnonzero(chosen):
            images = order[starts[self.kept[place]] : starts[self.kept[place] + 1]]
            each, rest = divmod(int(chosen[place]), len(images))
            copies[images] = each
            copies[images[:rest]] += 1
        return copies


def _greedy(sets: _LabelSets, new_images: int, target_ratio: float = 0.0) -> np.ndarray:
    """(S,) int64: the set whose image lowers the mean IRLbl most, again and again, until none does.

    With n_k images a class and M the largest, a set lowers Σ 1/n_k by d = Σ 1/(n_k(n_k + 1)) over its classes, and d
    only falls as images are added. So among the sets that let M grow, and among those that do not, the best one is
    found by bringing the top of a heap up to date, without looking at the others.
    """
    members = [np.flatnonzero(row).tolist() for row in sets.rows]
    counts = sets.counts[sets.used].tolist()
    chosen, room = [0] * len(members), sets.room.tolist()
    budget = new_images or sum(room)
    least = 1e-12 if new_images or target_ratio else WORTH / max(len(sets.set_of_image), 1)

    def lowers(place: int) -> float:
        return sum(1 / (counts[label] * (counts[label] + 1)) for label in members[place])

    def at_the_top() -> set[int]:
        return {label for label, count in enumerate(counts) if count == largest}

    def heaps() -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        found: tuple[list[tuple[float, int]], list[tuple[float, int]]] = ([], [])
        for place, labels in enumerate(members):
            if room[place]:
                found[not top.isdisjoint(labels)].append((-lowers(place), place))
        for heap in found:
            heapq.heapify(heap)
        return found

    largest, total = max(counts, default=0), sum(1 / count for count in counts)
    top = at_the_top()
    both = heaps()
    while budget and largest * total > target_ratio * len(counts):
        best = (np.inf, -1, False)
        for grows, heap in enumerate(both):
            while heap:
                _, place = heap[0]
                fresh = -lowers(place)
                if not room[place]:
                    heapq.heappop(heap)
                elif fresh > heap[0][0]:
                    heapq.heapreplace(heap, (fresh, place))
                else:
                    best = min(best, ((largest + grows) * (total + fresh), place, bool(grows)))
                    break
        value, place, grows = best
        if not value < largest * total * (1 - least):
            break
        chosen[place] += 1
        room[place] -= 1
        budget -= 1
        total -= lowers(place)
        for label in members[place]:
            counts[label] += 1
        largest += grows
        # Which sets let M grow changes only with the classes that have M images.
        if (grows or any(counts[label] == largest for label in members[place])) and at_the_top() != top:
            top = at_the_top()
            both = heaps()
    return np.array(chosen, dtype=np.int64)


def _programme(sets: _LabelSets, greedy: np.ndarray, budget: int) -> tuple[np.ndarray, float]:
    """The best (S,) int64 new images a set that grow the largest class no more than the greedy's, and the bound."""
    start, end = int(sets.counts.max()), int(sets.counts_with(greedy).max())
    bounds = np.unique(np.linspace(start, end, GROWTHS + 1).astype(np.int64))
    sums = np.array([_solve(sets, budget, int(most), whole=False)[1] for most in bounds])
    # Between two bounds the mean IRLbl is at least that of the lower one with the programme of the higher.
    least = min(np.append(bounds[:-1] * sums[1:], bounds[0] * sums[0])) / len(sets.rows.T)
    bound = max(1.0, least / (1 + (STEP - 1) ** 2 / (4 * STEP)))
    value, promised = sets.mean_ratio(greedy), bounds * sums / len(sets.rows.T)
    most = bounds[np.flatnonzero(promised <= min(promised) * (1 + ALIKE))[0]]
    # Where not even fractions of images promise less, whole ones need not be looked for.
    for allowed in np.unique([most, end]) if min(promised) < value else ():
        chosen, _ = _solve(sets, budget, int(allowed), whole=True)
        if chosen is not None and sets.mean_ratio(chosen) <= value:
            return chosen, bound
    return greedy, bound


def _solve(sets: _LabelSets, budget: int, most: int, whole: bool) -> tuple[np.ndarray | None, float]:
    """Minimise Σ_k 1/n_k with n_k ≤ `most`; (S,) new images a set, None if none was found in time, and the minimum."""
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    counts, (count, classes) = sets.counts[sets.used], sets.rows.shape
    pieces = [_pieces(int(number), most) for number in counts]
    widths = np.concatenate([width for width, _ in pieces])
    slopes = np.concatenate([slope for _, slope in pieces])
    owner = np.repeat(np.arange(classes), [len(width) for width, _ in pieces])
    # What the sets add to a class is what its pieces take up; steeper pieces fill first, as 1/n is convex.
    added = sparse.coo_array((-np.ones(len(owner)), (owner, np.arange(len(owner)))), (classes, len(owner)))
    equal = sparse.hstack([sparse.csr_array(sets.rows.T), added])
    total = sparse.hstack([sparse.csr_array(np.ones((1, count))), sparse.csr_array((1, len(owner)))])
    # The solver's tolerances are absolute, and a slope of a large class is far below them.
    scale = SCALE * int(counts.max()) ** 2
    answer = milp(
        # A little for every copy, so that none is made that brings nothing.
        np.concatenate([np.full(count, scale * -slopes.max(initial=0) * 1e-4), scale * slopes]),
        integrality=np.concatenate([np.full(count, int(whole)), np.zeros(len(owner))]),
        bounds=Bounds(0, np.concatenate([sets.room, widths])),
        constraints=[LinearConstraint(equal.tocsr(), 0, 0), LinearConstraint(total.tocsr(), -np.inf, budget)],
        # No limit of time: a plan must not depend on what else the machine does.
        options={"node_limit": NODES, "mip_rel_gap": 1e-4} if whole else {},
    )
    if answer.x is None:
        return None, np.inf
    chosen = np.rint(answer.x[:count]).astype(np.int64)
    # Less what the little for every copy may have kept it from: the bound must hold for plans that do not mind it.
    slack = 1e-4 * -slopes.max(initial=0) * budget
    return chosen, float((1 / counts).sum() + slopes @ answer.x[count:] - slack)


def _pieces(count: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Widths and slopes of the straight lines that follow 1/n from `count` to `most`."""
    ends = [count]
    while ends[-1] < most:
        ends.append(min(most, max(ends[-1] + 1, int(ends[-1] * STEP))))
    supports = np.array(ends, dtype=np.float64)
    widths = np.diff(supports)
    return widths, np.diff(1 / supports) / np.maximum(widths, 1)
