"""A set that grows: what an earlier cache already holds, whose rows keep their split and whose pixels are copied."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import Faults, InputError
from common.versions import decoder_versions
from data.images.preparation import Preparation
from data.labels.label_forms import SPLITS
from data.labels.labels import LabelTable
from data.splits.splits import draw_folds, draw_folds_beside_test, draw_split

if TYPE_CHECKING:
    from data.cache.cache import Cache


class Earlier:
    """An earlier cache that new rows are held against.

    Args:
        cache: a finished cache.
    """

    def __init__(self, cache: "Cache") -> None:
        self.cache = cache
        self.name = str(cache.directory)
        self.preparation = Preparation.from_dict(self.cache.meta["preparation"])
        self._id = {name: row for row, name in enumerate(self.cache.ids)}
        # Copies of one image may lie in several splits, where on_leak allowed it.
        self._bytes, self._group = dict[str, list[int]](), dict[str, int]()
        for row, stored in enumerate(self.cache.index):
            self._bytes.setdefault(stored["sha1"], []).append(row)
            if stored["group"]:
                self._group.setdefault(stored["group"], row)

    def recognise(self, ids: Sequence[str], hashes: Sequence[str]) -> np.ndarray:
        """The earlier row of each new row: the same bytes, best under the same id; else the same id with other bytes.

        Bytes go before ids, because files that were numbered anew must not go from train to test. Of several earlier
        rows with the same bytes a renamed file takes one that no other new row has, so that each stays in its split.

        Args:
            ids, hashes: (N) ids and sha1 of the files, empty where unknown.

        Returns:
            (N,) int64 rows of the earlier cache, -1 for what it does not hold.
        """
        stored = self.cache.index
        known = [self._id.get(name, -1) for name in ids]
        unchanged = [row >= 0 and stored[row]["sha1"] == digest for row, digest in zip(known, hashes, strict=True)]
        taken = {row for row, same in zip(known, unchanged, strict=True) if same}
        rows = np.array(known, dtype=np.int64)
        for place, digest in enumerate(hashes):
            if not unchanged[place] and digest in self._bytes:
                alike = self._bytes[digest]
                rows[place] = next((row for row in alike if row not in taken), alike[0])
                taken.add(int(rows[place]))
        return rows

    def copies(self, hashes: Sequence[str], preparation: Preparation) -> list[tuple[Path, int] | None] | None:
        """Where the pixels of each file lie, None for a file to decode; None for all if they were made differently."""
        versions = self.cache.meta.get("versions", {})
        decoded_alike = all(versions.get(name, "") == version for name, version in decoder_versions().items())
        # The names of the files do not matter: the bytes of an image's channels, in their order, are compared.
        if replace(self.preparation, pattern=preparation.pattern) != preparation or not decoded_alike:
            return None
        return [self.cache.location(self._bytes[digest][0]) if digest in self._bytes else None for digest in hashes]

    def copied_words(self, copies: list[tuple[Path, int] | None] | None) -> str:
        """What is copied and what is decoded, in a line."""
        if copies is None:
            return f"{self.name} was prepared in another way, so all images are decoded again"
        old = sum(place is not None for place in copies)
        return f"{old:,} images are copied from {self.name}, {len(copies) - old:,} are decoded"

    def kept_words(self, ids: Sequence[str], hashes: Sequence[str], split: Sequence[str]) -> str:
        """How many rows were recognised, changed, added and lost, in a line."""
        rows = self.recognise(ids, hashes)
        stored = self.cache.index
        changed = sum(row >= 0 and stored[row]["sha1"] != digest for row, digest in zip(rows, hashes, strict=True))
        new = [name for name, row in zip(split, rows, strict=True) if row < 0]
        parts = ", ".join(f"{new.count(name):,} {name}" for name in SPLITS)
        gone = len(self.cache) - len(set(rows[rows >= 0].tolist()))
        return (
            f"{(rows >= 0).sum():,} images keep their split in {self.name} ({changed:,} with other pixels), "
            f"{len(new):,} are new ({parts}), {gone:,} are gone"
        )

    def extend(
        self,
        table: LabelTable,
        hashes: Sequence[str],
        units: np.ndarray,
        fractions: tuple[float, float],
        folds: int,
        seed: int,
        faults: Faults,
    ) -> tuple[list[str], np.ndarray | None]:
        """Split and folds in which no recognised row has moved, and new rows follow those that they belong to.

        Args:
            table: the new rows, whose own split and folds are taken where they move no row.
            hashes: (N) sha1 of the files.
            units: (N,) integers, rows that belong together.
            fractions: shares of val and test in all rows.
            folds: how many to draw; 0 for as many as the earlier cache has, if any.
            seed: of what is drawn.
            faults: gets each row that the table's own split or folds would move.

        Returns:
            (N) names of splits, and (N,) int64 folds or None.

        Raises:
            InputError: the earlier cache has another number of folds.
        """
        cache = self.cache
        rows = self.recognise(table.ids, hashes)
        for kind, values, old in (("split", table.split, cache.split), ("fold", table.fold, cache.fold)):
            if values is not None and old is not None:
                self._name_moved(table, kind, values, [old[row] if row >= 0 else None for row in rows], faults)
        if table.group is not None:
            # The images of a group may all be new, while others of the group were in the earlier cache.
            rows = np.array(
                [self._group.get(group, -1) if row < 0 else row for row, group in zip(rows, table.group, strict=True)]
            )
        rows, units = _followed(rows, units, cache.split, cache.fold)
        split = table.split
        if split is None:
            fixed = [cache.split[row] if row >= 0 else "" for row in rows]
            split = draw_split(table.labels, units, *fractions, seed, fixed)
        if table.fold is not None:
            return split, table.fold
        return split, self._folds(table.labels, units, rows, split, folds, seed)

    def _folds(
        self, labels: np.ndarray, units: np.ndarray, rows: np.ndarray, split: list[str], folds: int, seed: int
    ) -> np.ndarray | None:
        old = self.cache.fold
        if old is None:
            return draw_folds_beside_test(labels, units, split, folds, seed) if folds else None
        there = int(old.max()) + 1
        if folds not in (0, there):
            raise InputError(f"folds = {folds}, but {self.name} has {there}, which they keep; give --folds {there}")
        fixed = np.where(rows >= 0, old[rows], -1)
        # Where the earlier folds left test rows out, new test rows stay out too.
        outside = (rows >= 0) & (fixed < 0)
        if (old < 0).any():
            outside |= (rows < 0) & (np.asarray(split) == "test")
        fold = np.full(len(rows), -1, dtype=np.int64)
        fold[~outside] = draw_folds(labels[~outside], units[~outside], there, seed, fixed[~outside])
        return fold

    def _name_moved(self, table: LabelTable, kind: str, values: list, old: list, faults: Faults) -> None:
        for name, line, value, before in zip(table.ids, table.lines, values, old, strict=True):
            if before is not None and value != before:
                faults.add(f"line {line}, id {name!r}: {kind} {value}, but {before} in {self.name}, where it must stay")


def _followed(
    rows: np.ndarray, units: np.ndarray, split: list[str], fold: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The earlier row that each row follows, and units that hold together what goes to one place.

    New rows follow the first recognised row of their unit. A unit whose recognised rows lie in several places becomes
    one unit a place, as these rows must not move.
    """
    rows = rows.copy()
    leader: dict[int, int] = {}
    for unit, row in zip(units.tolist(), rows.tolist(), strict=True):
        if row >= 0:
            leader.setdefault(unit, row)
    rows = np.array(
        [leader.get(unit, -1) if row < 0 else row for unit, row in zip(units.tolist(), rows.tolist(), strict=True)]
    )
    places = [(split[row], -1 if fold is None else int(fold[row])) if row >= 0 else ("", -1) for row in rows]
    numbers: dict[tuple, int] = {}
    keys = zip(units.tolist(), places, strict=True)
    return rows.astype(np.int64), np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
