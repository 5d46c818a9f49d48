"""Arrays that are read from disk: nothing in them is run, and whatever damage raises becomes one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from common.errors import InputError

LONGEST_REASON = 200  # characters


@contextmanager
def damage_named(path: Path, way_out: str) -> Iterator[None]:
    """Whatever fails inside the block, which reads the file, becomes one line.

    Args:
        path: the file.
        way_out: what a user does about it, the end of a sentence.

    Raises:
        InputError: names the file, and says that it is missing or what is wrong with it.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {way_out}") from None
    except Exception as error:
        # What damage raises depends on where it lies: NumPy reads a head as a literal of Python's, a zip has members of
        # several kinds, and a size may be larger than memory.
        reason = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
        raise InputError(f"{path} cannot be read ({reason}); {way_out}") from None


def read_npy(path: Path, way_out: str, mapped: bool = False) -> np.ndarray:
    """The array of an .npy file, as a memory map if wanted.

    Raises:
        InputError: as `damage_named`, also for an array of pickled objects.
    """
    with damage_named(path, way_out):
        found = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise ValueError("not one array")
        return found


def read_npz(path: Path, way_out: str, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names: those that are named, or all.

    Raises:
        InputError: as `damage_named`, also for arrays of pickled objects and for a name that is not there.
    """
    with damage_named(path, way_out), np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in names or stored.files}
