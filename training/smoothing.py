"""Label smoothing: targets that are not quite sure (Szegedy et al., "Rethinking the Inception architecture", 2016).

For labels that do not exclude one another each is a choice of two, so a share s of each is spread over yes and no:
y becomes y(1 − s) + s/2, which keeps scores away from 0 and 1 where labels are sometimes wrong.
"""

import keras
import numpy as np
from keras import ops


def smoothed(labels, share: float):
    """y(1 − s) + s/2 of each known label.

    Args:
        labels: (N, K), 0 to 1, or 255 for unknown, which stays.
        share: s, from 0 to 1.

    Returns:
        (N, K) float32.
    """
    labels = ops.cast(labels, "float32")
    return ops.where(labels <= 1, labels * (1 - share) + share / 2, labels)


def smoothed_counts(positives: np.ndarray, negatives: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives a class, (K,) each, as the loss sees them with smoothed labels."""
    moved = (negatives - positives) * share / 2
    return positives + moved, negatives - moved


class Smoothed(keras.losses.Loss):
    """A loss on smoothed labels.

    Args:
        loss: on logits, as `losses.build` gives.
        share: s, from 0 to 1.
    """

    def __init__(self, loss: keras.losses.Loss, share: float) -> None:
        super().__init__(name=loss.name, dtype="float32")
        self.loss, self.share = loss, share

    def call(self, y_true, y_pred):
        return self.loss.call(smoothed(y_true, self.share), y_pred)
