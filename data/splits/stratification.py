"""Iterative stratification of multi-label rows over units, which are rows that must stay together."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

# A part's size counts as much as this many labels when units are moved: of 0.25, 1, 4, 16 and 64 it gave the most even
# label rates, and small sets keep rows in val and test.
ROWS_WEIGHT = 16.0
# The 71,437 rows of the challenge's external set settle in fewer than 200 moves; the bound is for odd sets.
MOST_MOVES = 1000
# Desires that differ by less are ties: they are sums of the same numbers in another order.
TIE = 1e-9


def stratify(
    labels: np.ndarray, units: np.ndarray, fractions: Sequence[float], seed: int, fixed: np.ndarray | None = None
) -> np.ndarray:
    """Divide rows into parts of nearly equal label rates without parting a unit.

    The greedy of Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (ECML PKDD 2011), over
    units instead of rows: the label with the fewest rows left is dealt first, a unit at a time and the units with most
    of its rows first, to the part that wants most rows of it. Then single units move for as long as that lowers the
    sum of the squared relative deviations of label counts and part sizes. No move takes a label's last row from a part.

    Args:
        labels: (N, K) uint8 of 0, 1 or 255; only 1 counts as positive.
        units: (N,) integers; rows of equal value stay together.
        fractions: the share of the rows of each of P parts, summing to 1; a part of 0 stays empty.
        seed: breaks ties; same seed and rows, same parts.
        fixed: (N,) int64 parts of rows that must lie there, -1 for those that are dealt; rows of one unit alike. They
            count towards what their part holds, so that the others make up for what they lack.

    Returns:
        (N,) int64, the part of each row, 0 to P - 1. A part of a positive fraction is empty only where there are
        too few units, or each other part would lose its last row of a label.

    Raises:
        ValueError: the fractions are negative or do not sum to 1, or labels and units differ in length.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.ndim != 1 or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(f"fractions must be 0 or more and sum to 1, not {list(fractions)}")
    if len(labels) != len(units):
        raise ValueError(f"{len(labels)} rows of labels but {len(units)} units")
    if len(labels) == 0:
        return np.zeros(0, dtype=np.int64)
    _, first, unit_of_row = np.unique(np.asarray(units), return_index=True, return_inverse=True)
    fixed_units = np.full(len(first), -1) if fixed is None else np.asarray(fixed)[first]
    sizes = np.bincount(unit_of_row)
    rows, columns = np.nonzero(np.asarray(labels) == 1)
    # Conversion from coordinates sums the rows of a unit.
    counts = sparse.coo_array(
        (np.ones(len(rows)), (unit_of_row[rows], columns)), shape=(len(sizes), np.shape(labels)[1])
    ).tocsr()
    parts = _deal(counts, sizes, shares, fixed_units, np.random.default_rng(seed))
    return _Refinement(counts, sizes, shares, parts, fixed_units >= 0).run()[unit_of_row]


def _deal(
    counts: sparse.csr_array, sizes: np.ndarray, shares: np.ndarray, fixed: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """The greedy: (M, K) label counts, (M,) sizes and fixed parts of units to the (M,) part of each unit."""
    by_label = counts.tocsc()
    # Plain lists: the loop below reads single numbers, where NumPy is several times slower.
    starts, columns, amounts = counts.indptr.tolist(), counts.indices.tolist(), counts.data.tolist()
    wanted, wanted_rows = np.outer(counts.sum(axis=0), shares), shares * sizes.sum()
    for part in range(len(shares)):
        wanted[:, part] -= counts[fixed == part].sum(axis=0)
        wanted_rows[part] -= sizes[fixed == part].sum()
    # A part of no share wants less than any other, however much more than their share the others hold.
    wanted[:, shares == 0] = wanted_rows[shares == 0] = -np.inf
    wanted, wanted_rows = wanted.tolist(), wanted_rows.tolist()
    shuffled = generator.permutation(len(sizes))
    parts = fixed.astype(np.int64)

    remaining = counts[parts < 0].sum(axis=0)
    while remaining.any():
        label = int(np.argmin(np.where(remaining > 0, remaining, np.inf)))
        column = slice(by_label.indptr[label], by_label.indptr[label + 1])
        free = parts[by_label.indices[column]] < 0
        members, here = by_label.indices[column][free], by_label.data[column][free]
        members = members[np.lexsort((shuffled[members], -sizes[members], -here))]
        dealt = []
        for unit in members.tolist():
            part = _most_wanting(wanted[label], wanted_rows, generator)
            dealt.append(part)
            wanted_rows[part] -= int(sizes[unit])
            for entry in range(starts[unit], starts[unit + 1]):
                wanted[columns[entry]][part] -= amounts[entry]
        parts[members] = dealt
        remaining -= counts[members].sum(axis=0)

    unlabelled = np.flatnonzero(parts < 0)
    for unit in unlabelled[np.lexsort((shuffled[unlabelled], -sizes[unlabelled]))].tolist():
        part = _most_wanting(wanted_rows, wanted_rows, generator)
        parts[unit] = part
        wanted_rows[part] -= int(sizes[unit])
    return parts


def _most_wanting(wanted: list[float], wanted_rows: list[float], generator: np.random.Generator) -> int:
    """The part that wants most; of equal ones the part that wants most rows; of equal ones any."""
    most = max(wanted) - TIE
    ties = [part for part, desire in enumerate(wanted) if desire >= most]
    if len(ties) > 1:
        most = max(wanted_rows[part] for part in ties) - TIE
        ties = [part for part in ties if wanted_rows[part] >= most]
    return ties[0] if len(ties) == 1 else ties[int(generator.integers(len(ties)))]


class _Refinement:
    """Moves of single units that lower sum(weights * excess ** 2) over parts and labels.

    A part's size is held like one label more. Moving unit u with counts x from part a to part b changes that sum by
    sum(x ** 2 * (w_a + w_b)) + 2 * sum(x * (w_b * excess_b - w_a * excess_a)): `square` and `slope` hold the sums for
    every unit and part, so that a step looks at all moves there are.
    """

    def __init__(
        self, counts: sparse.csr_array, sizes: np.ndarray, shares: np.ndarray, parts: np.ndarray, fixed: np.ndarray
    ) -> None:
        self.counts = sparse.hstack([counts, sparse.csr_array(sizes[:, None].astype(np.float64))], format="csr")
        self.parts, self.fixed, self.closed = parts.copy(), fixed, shares == 0
        member = sparse.coo_array((np.ones(len(parts)), (parts, np.arange(len(parts)))), (len(shares), len(parts)))
        self.held = (member.tocsr() @ self.counts).toarray()
        self.target = np.outer(shares, self.counts.sum(axis=0))
        # Relative deviations, so that rare labels and small parts count in full; capped below one row.
        self.weights = 1 / np.maximum(self.target, 1) ** 2
        self.weights[:, -1] *= ROWS_WEIGHT
        self.square = self.counts.power(2) @ self.weights.T
        self.slope = np.zeros_like(self.square)
        for part in range(len(shares)):
            self._update_slope(part)

    def run(self) -> np.ndarray:
        """The (M,) part of each unit after the moves."""
        every = np.arange(len(self.parts))
        barred = self.fixed.copy()
        for _ in range(MOST_MOVES):
            leave = self.square[every, self.parts] - self.slope[every, self.parts]
            change = leave[:, None] + self.square + self.slope
            change[every, self.parts] = np.inf
            change[barred] = np.inf
            change[:, self.closed] = np.inf
            empty = (self.held[:, -1] == 0) & ~self.closed
            if empty.any():
                change[:, ~empty] = np.inf
            unit, part = divmod(int(np.argmin(change)), len(self.held))
            # An empty part is filled at any cost, for a split without rows is of no use.
            if not change[unit, part] < (np.inf if empty.any() else -1e-12):
                break
            if not self._move(unit, part):
                barred[unit] = True
        return self.parts

    def _move(self, unit: int, part: int) -> bool:
        """Move a unit, unless that would take a label's last row from its part."""
        own, moved = self.parts[unit], self.counts[[unit]].toarray()[0]
        if ((moved > 0) & (self.held[own] <= moved)).any():
            return False
        self.held[own] -= moved
        self.held[part] += moved
        self.parts[unit] = part
        self._update_slope(own)
        self._update_slope(part)
        return True

    def _update_slope(self, part: int) -> None:
        excess = self.held[part] - self.target[part]
        self.slope[:, part] = 2 * (self.counts @ (self.weights[part] * excess))
