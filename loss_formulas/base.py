"""What all losses share: 255 is unknown, sums run in float32, and soft labels are taken or refused by name."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from common.labels import UNKNOWN


class LabelLoss(keras.losses.Loss):
    """A loss on logits (N, K) and labels (N, K): 0, 1, a share between them, or 255 for unknown.

    Subclasses say `value`.

    Attributes:
        soft_labels: whether shares between 0 and 1 have a meaning in the formula. Where not, floating-point labels are
            refused, because they may hold shares; whole numbers never do.
        by_label: whether it is the mean of a loss of each label, and not one of the batch as a whole.
    """

    soft_labels, by_label = True, False

    def __init__(self, name: str) -> None:
        # Half precision overflows in the sums, so a loss is always computed in float32.
        super().__init__(name=name, dtype="float32")

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Asked before Keras casts the labels.
        kind = keras.backend.standardize_dtype(getattr(y_true, "dtype", "int32"))
        if not self.soft_labels and "float" in kind:
            raise ValueError(f"{self.name} takes hard labels (whole numbers 0, 1 or 255), not {kind}")
        return super().__call__(y_true, y_pred, sample_weight)

    def parts(self) -> list[tuple[float, "LabelLoss"]]:
        """Coefficients and losses whose sum this is."""
        return [(1.0, self)]

    def alone(self) -> "LabelLoss":
        """The loss that it takes of a label by itself, where it looks at several together.

        A method, because Keras follows attributes when it loads weights, and would not come back from one to itself.
        """
        return self

    def call(self, y_true, y_pred):
        known = y_true != UNKNOWN
        labels = ops.where(known, y_true, ops.zeros_like(y_true))
        return self.value(labels, ops.cast(known, "float32"), y_pred)

    def value(self, labels, known, logits):
        """The loss, a scalar.

        Args:
            labels: (N, K) float32 in 0..1, 0 where unknown.
            known: (N, K) float32, 1 or 0.
            logits: (N, K) float32.
        """
        raise TypeError(f"{type(self).__name__} does not say its value")


class ElementLoss(LabelLoss):
    """The mean of y·L⁺(x) + (1 − y)·L⁻(x) over the known labels of a batch; subclasses say `sides`, L⁺ and L⁻.

    A soft label y counts as y of a positive and 1 − y of a negative.
    """

    by_label = True

    def sides(self, logits):
        """L⁺ and L⁻ of (N, K) float32 logits, (N, K) each."""
        raise TypeError(f"{type(self).__name__} does not say its sides")

    def elements(self, labels, logits):
        """The loss of each label, (N, K), known or not."""
        positive, negative = self.sides(logits)
        return labels * positive + (1.0 - labels) * negative

    def value(self, labels, known, logits):
        total = ops.sum(self.elements(labels, logits) * known)
        return total / ops.maximum(ops.sum(known), 1.0)


class SumOfLosses(LabelLoss):
    """Σ cᵢ·Lᵢ of several losses.

    Args:
        parts: pairs of a coefficient, above 0, and a loss.

    Raises:
        ValueError: there is no part, or a coefficient is not a positive number.
    """

    def __init__(self, parts: Sequence[tuple[float, LabelLoss]]) -> None:
        super().__init__("_and_".join(loss.name for _, loss in parts))
        if not parts:
            raise ValueError("a sum of losses needs one at least")
        for coefficient, loss in parts:
            if not np.isfinite(coefficient) or coefficient <= 0:
                raise ValueError(f"the coefficient of {loss.name} must be a number above 0, not {coefficient}")
        # A sum within a sum is taken apart, so that what asks for the parts finds formulas.
        self._parts = [(outer * inner, part) for outer, loss in parts for inner, part in loss.parts()]
        self.soft_labels = all(loss.soft_labels for _, loss in parts)

    def parts(self) -> list[tuple[float, LabelLoss]]:
        return self._parts

    def value(self, labels, known, logits):
        return sum(coefficient * loss.value(labels, known, logits) for coefficient, loss in self._parts)


def checked(name: str, value: float, lowest: float, highest: float = np.inf) -> float:
    """The value, if it is a finite number within bounds.

    Raises:
        ValueError: it is not; the message names it.
    """
    if not np.isfinite(value) or not lowest <= value <= highest:
        bounds = f"{lowest:g} or more" if highest == np.inf else f"from {lowest:g} to {highest:g}"
        raise ValueError(f"{name} must be a number {bounds}, not {value}")
    return float(value)
