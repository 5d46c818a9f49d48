"""Label smoothing: targets that are not quite sure (Szegedy et al., "Rethinking the Inception architecture", 2016).

For labels that do not exclude one another each is a choice of two, so a share s of each is spread over yes and no:
y becomes y(1 − s) + s/2, which keeps scores away from 0 and 1 where labels are sometimes wrong.
"""

from keras import ops

from common.labels import UNKNOWN
from loss_formulas.base import LabelLoss, checked


def smoothed(labels, share: float):
    """y(1 − s) + s/2 of each known label.

    Args:
        labels: (N, K), 0 to 1, or 255 for unknown, which stays.
        share: s, from 0 to 1.

    Returns:
        (N, K) float32.
    """
    labels = ops.cast(labels, "float32")
    return ops.where(labels != UNKNOWN, labels * (1 - share) + share / 2, labels)


class Smoothed(LabelLoss):
    """A loss on smoothed labels.

    Args:
        inner: on logits, as `losses.build` gives.
        share: s, from 0 to 1.

    Of a sum, the losses over the batch see the labels as they are: smoothed, each class would have a positive.

    Raises:
        ValueError: no part of the loss is one of each label by itself, or one has no meaning for shares.
    """

    def __init__(self, inner: LabelLoss, share: float) -> None:
        super().__init__(inner.name)
        smooth = [part for _, part in inner.parts() if part.by_label]
        if not smooth:
            raise ValueError(f"label_smoothing is for losses of each label by itself, which {inner.name} is not")
        if hard := [part.name for part in smooth if not part.soft_labels]:
            raise ValueError(f"label_smoothing makes shares of labels, which {' and '.join(hard)} cannot take")
        self.inner, self.share = inner, checked("label_smoothing", share, 0, 1)
        self.soft_labels = inner.soft_labels

    def parts(self) -> list[tuple[float, LabelLoss]]:
        return self.inner.parts()

    def value(self, labels, known, logits):
        shares = smoothed(labels, self.share) * known
        return sum(
            coefficient * part.value(shares if part.by_label else labels, known, logits)
            for coefficient, part in self.parts()
        )
