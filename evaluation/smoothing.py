"""Label smoothing undone in scores and thresholds."""

import numpy as np

EDGE = 1e-6  # how near to 0 and 1 scores come that lie outside of what smoothed labels allow


def without_smoothing(scores: np.ndarray | float, share: np.ndarray | float) -> np.ndarray:
    """Probabilities of labels from scores for smoothed labels: (p − s/2)/(1 − s), see `loss_formulas.smoothing`.

    A score below s/2 or above 1 − s/2, which no smoothed label has, becomes less than 1e-6 or more than 1 − 1e-6. The
    order of scores is kept, so that thresholds moved in the same way decide as before.

    Args:
        scores: (N, K) probabilities, or (K,) thresholds.
        share: s, (K,) of 0 or more, below 1.

    Returns:
        float64 of the same shape.
    """
    scores, share = np.asarray(scores, dtype=np.float64), np.asarray(share, dtype=np.float64)
    undone = (scores - share / 2) / (1 - share)
    return np.where(share > 0, np.clip(undone, EDGE * scores, 1 - EDGE * (1 - scores)), scores)
