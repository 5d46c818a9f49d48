"""Losses on logits for multi-hot labels, by name; the formulas lie in `loss_formulas/`.

Targets are (N, K), 0 or 1, and 255 where a label is unknown; an unknown label adds neither loss nor gradient. Losses by
label are the mean over the batch's known labels, so that the learning rate depends neither on the batch size nor on how
many are known.
"""

from collections.abc import Callable, Sequence

from loss_formulas.base import ElementLoss, LabelLoss, SumOfLosses
from loss_formulas.by_batch import BceSoftF1, Lovasz, SoftF1, TwoWay
from loss_formulas.by_label import (
    Asymmetric,
    BinaryCrossEntropy,
    DistributionBalanced,
    Focal,
    WeightedBinaryCrossEntropy,
)
from loss_formulas.class_weights import SCHEMES, class_weights

__all__ = ["LOSSES", "SCHEMES", "ElementLoss", "LabelLoss", "build", "class_weights", "weighted_sum"]

LOSSES: dict[str, Callable[..., LabelLoss]] = {
    "bce": BinaryCrossEntropy,
    "weighted_bce": WeightedBinaryCrossEntropy,
    "focal": Focal,
    "asymmetric": Asymmetric,
    "distribution_balanced": DistributionBalanced,
    "two_way": TwoWay,
    "soft_f1": SoftF1,
    "lovasz": Lovasz,
    "bce_soft_f1": BceSoftF1,
}


def build(name: str, **parameters) -> LabelLoss:
    """A Keras loss on logits by its name.

    Args:
        name: a key of `LOSSES`.
        parameters: the loss's own, see its class.

    Raises:
        ValueError: the name is unknown (the message lists the known ones), or a parameter is out of range.
    """
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}")
    return LOSSES[name](**parameters)


def weighted_sum(parts: Sequence[tuple[float, LabelLoss]]) -> LabelLoss:
    """Σ cᵢ·Lᵢ of pairs (coefficient, loss).

    Raises:
        ValueError: there is no part, or a coefficient is not a number above 0.
    """
    return SumOfLosses(parts)
