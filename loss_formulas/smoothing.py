"""Label smoothing: targets that are not quite sure (Szegedy et al., "Rethinking the Inception architecture", 2016).

For labels that do not exclude one another each is a choice of two, so a share s of each is spread over yes and no:
y becomes y(1 − s) + s/2, which keeps scores away from 0 and 1 where labels are sometimes wrong.
"""

from keras import ops

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
    return ops.where(labels <= 1, labels * (1 - share) + share / 2, labels)


class Smoothed(LabelLoss):
    """A loss on smoothed labels.

    Args:
        inner: on logits, as `losses.build` gives.
        share: s, from 0 to 1.

    Raises:
        ValueError: the loss has no meaning for labels between 0 and 1.
    """

    def __init__(self, inner: LabelLoss, share: float) -> None:
        super().__init__(inner.name)
        if not inner.soft_labels:
            raise ValueError(f"label_smoothing makes shares of labels, which {inner.name} cannot take")
        self.inner, self.share = inner, checked("label_smoothing", share, 0, 1)

    def parts(self) -> list[tuple[float, LabelLoss]]:
        return self.inner.parts()

    def value(self, labels, known, logits):
        return self.inner.value(smoothed(labels, self.share) * known, known, logits)
