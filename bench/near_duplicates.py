"""How long does the search for near-duplicates take, and how much memory? On made thumbnails:
python -m bench.near_duplicates --count 100000
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import header
from header import Fraction, NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np

BLOCK = 1000  # thumbnails made at once


@dataclass(frozen=True)
class Config:
    count: PositiveInt = 100_000  # thumbnails, the copies included
    copies: Fraction = 0.01  # share that are noisy, brighter copies of others
    seed: NonNegativeInt = 0  # of the pictures


def main(config: Config) -> None:
    import resource
    import tracemalloc

    from data.splits.near_duplicates import near_duplicates

    thumbnails, originals = made(config)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Its cost does not show, as the search asks for few and large pieces of memory.
    tracemalloc.start()
    start = time.perf_counter()
    pairs = near_duplicates(thumbnails)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    first = config.count - len(originals)
    planted = {(original, first + copy) for copy, original in enumerate(originals.tolist())}
    found = set(map(tuple, pairs.tolist()))
    print(f"{config.count:,} thumbnails of {thumbnails[0].nbytes:,} bytes, {len(planted):,} of them copies of others")
    print(f"pairs: {len(found & planted):,} of those planted, {len(found - planted):,} others")
    print(f"search in {seconds:.1f} s")
    print(f"memory: {thumbnails.nbytes / 1e6:,.0f} MB of thumbnails and {peak / 1e6:,.0f} MB more in the search")
    print(f"largest resident size: {before / 1e3:,.0f} MB before the search, {resident / 1e3:,.0f} MB behind it")


def made(config: Config) -> tuple["np.ndarray", "np.ndarray"]:
    """Smooth random pictures, (count, 32, 32) float16, and (copies,) the row that each of the last ones copies."""
    import numpy as np
    from scipy.fft import idctn

    from data.splits.near_duplicates import THUMB

    rng = np.random.default_rng(config.seed)
    y, x = np.mgrid[:THUMB, :THUMB]
    falling = ((1 + x + y) ** -1.2).astype(np.float32)
    thumbnails = np.empty((config.count, THUMB, THUMB), dtype=np.float16)
    copies = min(int(config.count * config.copies), config.count // 2)
    first = config.count - copies
    for start in range(0, first, BLOCK):
        block = thumbnails[start : min(start + BLOCK, first)]
        pictures = idctn(rng.standard_normal(block.shape, dtype=np.float32) * falling, axes=(1, 2), norm="ortho")
        block[:] = 100 + 30 * pictures / pictures.std(axis=(1, 2), keepdims=True)
    originals = rng.permutation(first)[:copies]
    for copy, original in enumerate(originals):
        noise = rng.standard_normal((THUMB, THUMB), dtype=np.float32)
        thumbnails[first + copy] = 1.2 * thumbnails[original] + 3 * noise
    return thumbnails, originals


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
