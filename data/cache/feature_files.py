"""Features of images on disk: computed once, a chunk file at a time, and read as memory maps ever after."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from common.arrays import read_npy
from common.errors import InputError
from common.files import written_aside
from common.parallel import shown

CHUNK = 64  # images a file at least; what an interrupted computation loses is less than a file
MOST_FILES = 256  # open at once


class FeatureFiles:
    """The features of n images in v views each, float32 (n, v, D), in chunk files. Made by `computed`."""

    def __init__(self, paths: Sequence[Path], chunk: int) -> None:
        self._chunk = chunk
        self._chunks = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]

    def gather(self, places: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Copy features out of the memory maps.

        Args:
            places: (b,) images, 0 to n − 1. views: (b,) of each its view, or one for all.

        Returns:
            (b, D) float32.
        """
        places, views = np.broadcast_arrays(places, views)
        result = np.empty((len(places), self._chunks[0].shape[-1]), dtype=np.float32)
        owners = places // self._chunk
        for number in np.unique(owners):
            mine = owners == number
            result[mine] = self._chunks[number][places[mine] % self._chunk, views[mine]]
        return result


class FeatureTable:
    """Features of images that lie in several `FeatureFiles`, in one numbering.

    Args:
        files: m of them.
        owners: (n,) which of the files holds an image. places: (n,) where in it.
    """

    def __init__(self, files: Sequence[FeatureFiles], owners: np.ndarray, places: np.ndarray) -> None:
        self._files, self._owners, self._places = files, owners, places

    def gather(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """The features of rows (b,) in the views (b,) of each, or in one view, (b, D) float32."""
        owners, places = self._owners[rows], self._places[rows]
        views = np.broadcast_to(views, owners.shape)
        parts = [(owners == number, self._files[number]) for number in np.unique(owners)]
        gathered = [(mine, files.gather(places[mine], views[mine])) for mine, files in parts]
        result = np.empty((len(rows), gathered[0][1].shape[1]), dtype=np.float32)
        for mine, part in gathered:
            result[mine] = part
        return result


def computed(
    directory: Path,
    count: int,
    shape: tuple[int, int],
    compute: Callable[[np.ndarray], np.ndarray],
    description: str,
) -> FeatureFiles:
    """The features in a folder; chunks that are not there yet are computed first, with progress and the time left.

    Args:
        directory: whose name says all that decides the features, as what is in it is taken as it is.
        count: n, one or more images.
        shape: views and numbers a view, (v, D).
        compute: from places (m,) int64 to features (m, v, D).
        description: what is computed, for the lines of progress.
    """
    chunk = max(CHUNK, -(-count // MOST_FILES))
    starts = range(0, count, chunk)
    sizes = [min(chunk, count - start) for start in starts]
    paths = [directory / f"{start:09d}.npy" for start in starts]
    missing = [number for number, path in enumerate(paths) if not _holds(path, (sizes[number], *shape))]

    def write() -> Iterator[tuple[int, None]]:
        for position, number in enumerate(missing):
            places = np.arange(starts[number], starts[number] + sizes[number])
            with written_aside(paths[number]) as aside:
                np.save(aside, np.asarray(compute(places), dtype=np.float32), allow_pickle=False)
            yield position, None

    for _ in shown(write(), [sizes[number] for number in missing], description):
        pass
    return FeatureFiles(paths, chunk)


def _holds(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a file holds float32 features of this shape; a damaged one is computed again."""
    try:
        stored = read_npy(path, "", mapped=True)
    except InputError:
        return False
    return stored.shape == shape and stored.dtype == np.float32
