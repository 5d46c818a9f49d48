"""Which labels occur together in an image: in truth, and as they are predicted."""

import numpy as np

from common.labels import UNKNOWN
from evaluation.counts import ratio


def pairs(labels: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Return how many images have each two labels together, over the images where both are known.

    Args:
        labels: (N, K) uint8, 255 for unknown. predictions: (N, K) bool.

    Returns:
        "true" and "predicted", (K, K) int64 with the single labels' images on the diagonal; and "true_share" and
        "predicted_share", (K, K) float64: of the images with the row's label the share that has the column's as well,
        nan if none has the row's.
    """
    # float32 is exact for as many images as fit into memory, and multiplied far faster than integers.
    known = (labels != UNKNOWN).astype(np.float32)
    found: dict[str, np.ndarray] = {}
    for name, present in (("true", labels == 1), ("predicted", predictions)):
        shown = present * known
        together = (shown.T @ shown).astype(np.int64)
        found[name] = together
        found[f"{name}_share"] = ratio(together, shown.T @ known, np.nan)
    return found
