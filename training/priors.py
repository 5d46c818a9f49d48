"""Biases of the last layer to start from: where the loss is least for scores that do not depend on the image."""

import keras
import numpy as np

from loss_formulas.base import LabelLoss
from losses import build

FARTHEST = 12.0  # logits are sought between minus and plus this, a probability of 6e-6
STEPS = (0.5, 0.05, 0.005)  # of the search, each around the best of the one before


def start(model: keras.Model, loss: LabelLoss, labels: np.ndarray, visits: np.ndarray) -> None:
    """Start the biases of the logits at `constant_logits`.

    The first steps are then not spent on finding the rates of the classes (Lin et al., "Focal loss", ICCV 2017, section
    4.1, has the idea).

    Args:
        model: with a last layer `logits` that has a bias; changed in place.
        loss, labels, visits: as for `constant_logits`.
    """
    model.get_layer("logits").bias.assign(constant_logits(loss, labels, visits))


def constant_logits(loss: LabelLoss, labels: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """The logit of each class that makes the loss least if all images have it: the log-odds of its rate for `bce`.

    Of a sum, the losses by label count; a loss over the batch has no such logit by class (that of `soft_f1` would
    predict every class everywhere), so without any loss by label `bce` takes its place. Half a positive and half a
    negative row are added to each class, so that one without positives starts low and not at minus infinity.

    Args:
        loss: a loss of `losses`.
        labels: (n, K) of the training rows: 0, 1, shares, or 255 for unknown.
        visits: (n,) how often an epoch shows each.

    Returns:
        (K,) float64.
    """
    parts = [(coefficient, part.alone()) for coefficient, part in loss.parts() if part.by_label] or [
        (1.0, build("bce"))
    ]
    # Few sets of labels are common, so rows that are alike are reckoned with once.
    rows, owners = np.unique(labels, axis=0, return_inverse=True)
    classes = labels.shape[1]
    rows = np.concatenate(
        [rows.astype(np.float32), np.ones((1, classes), np.float32), np.zeros((1, classes), np.float32)]
    )
    counts = np.concatenate([np.bincount(owners.ravel(), weights=visits), [0.5, 0.5]])
    known = np.where(rows <= 1, counts[:, None], 0.0)
    rows = np.where(rows <= 1, rows, 0.0)

    def totals(logits: np.ndarray) -> np.ndarray:
        """The loss of all rows by class, (K,), if they have these logits (K,)."""
        every = np.broadcast_to(logits.astype(np.float32), rows.shape)
        found = sum(c * keras.ops.convert_to_numpy(part.elements(rows, every)).astype(np.float64) for c, part in parts)
        return (found * known).sum(axis=0)

    best, reach = np.zeros(classes), FARTHEST
    for step in STEPS:
        offsets = np.arange(-reach, reach + step / 2, step)
        best = best + offsets[np.argmin([totals(best + offset) for offset in offsets], axis=0)]
        reach = 1.2 * step
    return best
