"""Checkpoints on disk: all that a training run needs to go on, in one file each, and the weights of the best epoch.

A file is written aside and renamed, so that a kill leaves the ones before; two are kept, should the last be damaged by
more than a kill. Arrays are `.npz` without pickled objects, the rest is JSON among them.
"""

import json
import os
import shutil
import tokenize
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from common.files import written_aside
from run_folder import CHECKPOINT

KEPT = 2
VALUES = "values"  # the member of a file that holds JSON, as bytes: NumPy text needs four times the space
EARLIER = "told"  # that member in files whose batches, features or averages today's code does not continue
DAMAGE = (  # what reading a damaged .npz raises, by where the damage lies
    OSError, ValueError, LookupError, EOFError, TypeError, OverflowError, NotImplementedError, SyntaxError,
    tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """What a checkpoint contains: `values`, ready for JSON, and arrays by their kind, each kind in its order."""

    values: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]


class Checkpoints:
    """The checkpoints of a run.

    Attributes:
        damaged: what `newest` could not read, in lines.

    Args:
        run_dir: the folder of the run.
    """

    def __init__(self, run_dir: Path) -> None:
        self.directory = Path(run_dir) / CHECKPOINT
        self.damaged: list[str] = []
        self._best_of: dict[Path, str | None] | None = None  # of each state that is kept, the file of its best weights

    def save(self, step: int, state: State) -> None:
        """Write a state, and remove what the last two no longer need.

        Args:
            step: of the whole run; a later state has a higher one, or replaces this.
            state: `values["best"]` names the file of the best weights, None before there are any.

        Raises:
            OSError: there is no room, or no permission.
        """
        path = self.directory / f"state-{step:010d}.npz"
        named = {f"{kind}-{place}": array for kind, own in state.arrays.items() for place, array in enumerate(own)}
        if self._best_of is None:
            self._best_of = {old: values["best"] for old in self._states() if (values := _values(old))}
        _write(path, {VALUES: np.frombuffer(json.dumps(state.values).encode(), np.uint8), **named})
        self._best_of.pop(path, None)
        kept = [*self._best_of.items(), (path, state.values["best"])]
        self._best_of = dict(kept[-KEPT:])
        self._tidy()

    def newest(self) -> State | None:
        """The last state that can be read, with best weights that can be; None where there is none.

        Raises:
            InputError: there are some, and none of them can be read, or an earlier version of the toolkit wrote one.
        """
        found, states = self._states(), {}
        for path in found:
            if _is_earlier(path):
                raise InputError(
                    f"{path} was written by an earlier version of this toolkit; finish the run with that version, or "
                    "give --overwrite to begin again"
                )
            try:
                states[path] = self._read(path)
            except DAMAGE as error:
                self.damaged.append(f"{path} is damaged ({' '.join(str(error).split())})")
        self._best_of = {path: state.values["best"] for path, state in states.items()}
        if found and not states:
            way = "nothing is left to go on from; give --overwrite to begin anew"
            raise InputError("\n".join([*self.damaged, way]))
        self._tidy()
        return list(states.values())[-1] if states else None

    def save_best(self, name: str, weights: Sequence[np.ndarray]) -> str:
        """Write the weights of the best epoch so far, as `keras.Model.get_weights` gives them.

        Returns:
            The file's name, for `values["best"]` of the states that follow.
        """
        path = self.directory / f"best-{name}.npz"
        _write(path, {f"weights-{place}": array for place, array in enumerate(weights)})
        return path.name

    def best(self, file: str) -> list[np.ndarray]:
        """The weights that `save_best` wrote, for `keras.Model.set_weights`."""
        with np.load(self.directory / file, allow_pickle=False) as stored:
            return [stored[f"weights-{place}"] for place in range(len(stored.files))]

    def clear(self) -> None:
        """Remove all, when the run is finished."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self, path: Path) -> State:
        with np.load(path, allow_pickle=False) as stored:
            values = json.loads(stored[VALUES].tobytes())
            arrays: dict[str, list[np.ndarray]] = {}
            for name in stored.files:
                if name != VALUES:
                    arrays.setdefault(name.rpartition("-")[0], []).append(stored[name])
        if values["best"]:
            self.best(values["best"])
        return State(values, arrays)

    def _states(self) -> list[Path]:
        """The files of states, oldest first."""
        return sorted(self.directory.glob("state-*.npz"))

    def _tidy(self) -> None:
        """Remove every file but the states that are kept and their best weights; what a kill left aside goes too."""
        wanted = {path.name for path in self._best_of} | set(self._best_of.values())
        for path in self.directory.glob("*.npz"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)


def _is_earlier(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return EARLIER in stored.files
    except DAMAGE:
        return False


def _values(path: Path) -> dict[str, Any] | None:
    """Return the values of a state without its arrays, None if it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return json.loads(stored[VALUES].tobytes())
    except DAMAGE:
        return None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with written_aside(path) as aside:
        np.savez(aside, allow_pickle=False, **arrays)
        with aside.open("rb") as file:  # on the disk before its name is, should the machine fail and not the process
            os.fsync(file.fileno())
