"""A tree of labels: read from a CSV `class,parent`, and what follows from it for labels and predictions."""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import Faults
from common.labels import UNKNOWN
from data.tables.spreadsheet import CONTROL, Sheet, column_key, quoted, some

COLUMNS = ("class", "parent")
TOP = -1  # the parent of a node that has none


class Tree:
    """M nodes: the K classes of a cache in their order, then what stands above them, level by level.

    The classes are numbered as in the cache, so that a class id means the same with the tree and without it.

    Attributes:
        names: M names.
        classes: K.
        parents: (M,) int64, the number of each node's parent, -1 for a top.
        levels: (M,) int64, 1 for a top, and one more than its parent's for any other node.
        depth: the number of levels.
    """

    def __init__(self, names: Sequence[str], parents: Sequence[int], classes: int) -> None:
        self.names, self.classes = list(names), classes
        self.parents = np.asarray(parents, dtype=np.int64)
        lines = [self._line(node) for node in range(len(self.names))]
        self.levels = np.array([len(line) for line in lines], dtype=np.int64)
        self.depth = int(self.levels.max())
        self.below = np.zeros((len(lines), len(lines)), dtype=bool)
        """(M, M) bool: whether the second node is the first or lies below it."""
        for node, line in enumerate(lines):
            self.below[line, node] = True

    def _line(self, node: int) -> list[int]:
        """The node and all above it, the top last."""
        line = [node]
        while self.parents[line[-1]] != TOP:
            line.append(int(self.parents[line[-1]]))
        return line

    @cached_property
    def descendants(self) -> np.ndarray:
        """(M, D) int64: each node, then all below it, filled up with the node itself."""
        found = [[node, *(other for other in np.flatnonzero(row) if other != node)] for node, row in
                 enumerate(self.below)]  # fmt: skip
        width = max(map(len, found))
        return np.array([line + [node] * (width - len(line)) for node, line in enumerate(found)], dtype=np.int64)

    def expanded(self, labels: np.ndarray) -> np.ndarray:
        """The labels of all nodes from those of the classes.

        A node is positive where a class below it, or the class that it is, is positive; negative where all of these are
        known to be negative; else unknown. Of shares, as mixed images have them, it takes the largest.

        Args:
            labels: (n, K) uint8 of 0, 1 and 255 for unknown, or float32 with shares between 0 and 1.

        Returns:
            (n, M) of the same type.
        """
        result = np.empty((len(labels), len(self.names)), dtype=labels.dtype)
        for node, row in enumerate(self.below):
            own = labels[:, row[: self.classes]]
            known = own != UNKNOWN
            most = np.where(known, own, 0).max(axis=1)
            result[:, node] = np.where(known.all(axis=1) | (most == 1), most, UNKNOWN)
        return result

    def closed(self, predictions: np.ndarray) -> np.ndarray:
        """Predictions (n, M) bool in which all that stands above a predicted node is predicted too."""
        return predictions.astype(np.float32) @ self.below.T.astype(np.float32) > 0

    def tables(self) -> dict[str, list]:
        """`levels` and `descendants` as lists, which the model and its loss take."""
        return {"levels": self.levels.tolist(), "descendants": self.descendants.tolist()}

    def described(self) -> dict[str, Any]:
        """What a run keeps of the tree beside the names of its nodes, for JSON."""
        return {"classes": self.classes, "parents": self.parents.tolist(), "levels": self.levels.tolist()}

    def message(self) -> str:
        """The tree in a line."""
        counts = np.bincount(self.levels)[1:]
        nodes = ", ".join(f"{count} in level {level}" for level, count in enumerate(counts, start=1))
        return f"Tree: {self.classes} classes and {len(self.names) - self.classes} nodes above them; {nodes}"


def tree_of(meta: dict[str, Any]) -> Tree | None:
    """The tree that a view's or a run's description holds; None where it holds none."""
    stored = meta.get("hierarchy")
    return Tree(meta["class_names"], stored["parents"], stored["classes"]) if stored else None


def tree_fault(stored: object, nodes: int) -> str:
    """What is wrong with `Tree.described`, as a run keeps it, in words; empty where nothing is.

    Args:
        stored: what the run keeps. nodes: the number of its class names.
    """
    fault = (
        f"hierarchy must hold the number of classes, and the parents of {nodes} nodes, none of which lies below itself"
    )
    parents, classes = (stored.get("parents"), stored.get("classes")) if isinstance(stored, dict) else (None, None)
    if type(classes) is not int or not 0 < classes <= nodes or not isinstance(parents, list) or len(parents) != nodes:
        return fault
    if not all(type(parent) is int and TOP <= parent < nodes for parent in parents):
        return fault
    for start in range(nodes):
        place = start
        for _ in range(nodes):
            place = place if place == TOP else parents[place]
        if place != TOP:
            return fault
    return ""


def read_tree(path: Path, class_names: Sequence[str]) -> Tree:
    """The tree of a CSV with the columns class and parent, a row a node; an empty parent makes a top.

    Nodes with none of the classes below them are left out.

    Args:
        path: the CSV, encoded and separated in any way that a labels.csv may be.
        class_names: the K classes of a cache. All must be in the CSV; any of them may have others below it.

    Raises:
        InputError: the file cannot be read; columns are missing or unknown; a node has no name or stands there twice;
            a parent has no row; nodes form a cycle; or a class is missing. Each fault is a line.
    """
    faults = Faults()
    parent_of = _read_parents(Path(path), faults)
    if parent_of and not len(faults):
        missing = [name for name in class_names if name not in parent_of]
        if missing:
            faults.add(
                f"{len(missing)} classes of the cache have no row: {some([quoted(name) for name in missing])}"
                if len(missing) > 1
                else f"class {quoted(missing[0])} of the cache has no row"
            )
        for cycle in _cycles(parent_of):
            faults.add(f"{' → '.join(map(quoted, [*cycle, cycle[0]]))}: a cycle; no class can lie below itself")
    faults.raise_if_any(f"hierarchy {path} cannot be used:")
    needed = dict.fromkeys(class_names)
    for name in class_names:
        while name := parent_of[name]:
            needed[name] = None
    depths = {name: _depth(name, parent_of) for name in needed}
    above = [name for name in parent_of if name in needed and name not in set(class_names)]
    names = [*class_names, *sorted(above, key=depths.__getitem__)]
    places = {name: place for place, name in enumerate(names)}
    return Tree(names, [places.get(parent_of[name], TOP) for name in names], len(class_names))


def _read_parents(path: Path, faults: Faults) -> dict[str, str]:
    """Each node's parent, empty for a top, in the order of the rows; what is wrong goes into the faults."""
    sheet = Sheet(path, faults, COLUMNS)
    keys = [column_key(name) for name in sheet.header]
    if not keys:
        return {}
    shown = some([quoted(name) for name in sheet.header])
    for column in COLUMNS:
        if keys.count(column) != 1:
            state = "no column" if column not in keys else f"{keys.count(column)} columns"
            faults.add(f"{sheet.name}: {state} {column}; its columns are {shown}, and it needs class and parent")
    unknown = [name for name, key in zip(sheet.header, keys, strict=True) if key not in COLUMNS]
    if unknown:
        named = some([quoted(name) for name in unknown])
        faults.add(f"{sheet.name}: unknown columns {named}; it may hold class and parent only")
    if len(keys) != len(COLUMNS) or set(keys) != set(COLUMNS):
        return {}
    parent_of: dict[str, str] = {}
    line_of: dict[str, int] = {}
    names, parents = (sheet.column(keys.index(column)) for column in COLUMNS)
    for row, (name, parent) in enumerate(zip(names, parents, strict=True)):
        if not name:
            sheet.fault(row, "the class is empty")
        elif CONTROL.search(name):
            sheet.fault(row, f"class {quoted(name)} holds a line break or control character")
        elif name in parent_of:
            sheet.fault(row, f"class {quoted(name)} is also in line {line_of[name]}")
        else:
            parent_of[name], line_of[name] = parent, sheet.lines[row]
    for row, parent in enumerate(parents):
        if parent and parent not in parent_of:
            near = get_close_matches(parent, parent_of, 1)
            way = f"did you mean {quoted(near[0])}?" if near else "give it one, with an empty parent if it is a top"
            sheet.fault(row, f"parent {quoted(parent)} has no row of its own; {way}")
    return parent_of


def _cycles(parent_of: dict[str, str]) -> list[list[str]]:
    """The cycles, each once, from child to parent."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in parent_of:
        line: dict[str, int] = {}
        name = start
        while name and name not in done and name not in line:
            line[name] = len(line)
            name = parent_of[name]
        if name in line:
            found.append(list(line)[line[name] :])
        done |= set(line)
    return found


def _depth(name: str, parent_of: dict[str, str]) -> int:
    depth = 0
    while name := parent_of[name]:
        depth += 1
    return depth
