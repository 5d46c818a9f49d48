"""Losses that judge each label by itself: the mean over the batch's known labels, whatever the batch size.

x is a logit, p = σ(x) its probability, y a label. −log p = softplus(−x) and −log(1 − p) = softplus(x), which neither
overflow nor lose digits; powers of probabilities are written as exp(−γ·softplus) for the same reason.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops

from loss_formulas.base import ElementLoss, checked


class BinaryCrossEntropy(ElementLoss):
    """Binary cross-entropy: L⁺ = −log p, L⁻ = −log(1 − p)."""

    def __init__(self) -> None:
        super().__init__("bce")

    def sides(self, logits):
        return ops.softplus(-logits), ops.softplus(logits)


class WeightedBinaryCrossEntropy(ElementLoss):
    """Class-weighted binary cross-entropy: L⁺ = −w⁺ₖ·log p, L⁻ = −w⁻ₖ·log(1 − p).

    Args:
        positive_weights: w⁺, K numbers of 0 or more, one a class in the cache's order.
        negative_weights: w⁻, likewise.

    Raises:
        ValueError: a weight is negative or not finite, all are 0, or the two lengths differ.
    """

    def __init__(self, positive_weights: Sequence[float], negative_weights: Sequence[float]) -> None:
        super().__init__("weighted_bce")
        weights = np.asarray([*positive_weights, *negative_weights], dtype=np.float64)
        if len(positive_weights) != len(negative_weights):
            raise ValueError(
                f"{len(positive_weights)} positive_weights and {len(negative_weights)} negative_weights: "
                "one of each is needed a class"
            )
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError(f"class weights must be finite and 0 or more: {weights.tolist()}")
        if not weights.any():
            raise ValueError("all class weights are 0, so there is nothing to learn")
        self.positive_weights = np.asarray(positive_weights, dtype=np.float32)
        self.negative_weights = np.asarray(negative_weights, dtype=np.float32)

    def sides(self, logits):
        return self.positive_weights * ops.softplus(-logits), self.negative_weights * ops.softplus(logits)


class Focal(ElementLoss):
    """Focal loss (Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5): labels that are right
    already count little. L⁺ = −α·(1 − p)^γ·log p, L⁻ = −(1 − α)·p^γ·log(1 − p).

    The paper divides by the number of positives; here it is the mean over known labels, as for every other loss.

    Args:
        gamma: γ, 0 or more; 0 leaves a weighted cross-entropy.
        alpha: α, from 0 to 1, the weight of positives; 0.5 treats both alike.

    Raises:
        ValueError: a parameter is out of range.
    """

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25) -> None:
        super().__init__("focal")
        self.gamma, self.alpha = checked("gamma", gamma, 0), checked("alpha", alpha, 0, 1)

    def sides(self, logits):
        right, wrong = ops.softplus(-logits), ops.softplus(logits)
        positive = self.alpha * ops.exp(-self.gamma * wrong) * right
        return positive, (1.0 - self.alpha) * ops.exp(-self.gamma * right) * wrong


class Asymmetric(ElementLoss):
    """Asymmetric loss (Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021, equation 7): easy
    negatives count little, and those below the margin not at all.

    L⁺ = −(1 − p)^γ⁺·log p, L⁻ = −q^γ⁻·log(1 − q) with q = max(p − m, 0). The gradient flows through the powers too.
    With γ⁺ = γ⁻ = m = 0 it is `bce`.

    Args:
        gamma_positive, gamma_negative: γ⁺ and γ⁻, 0 or more.
        margin: m, from 0 to 1: negatives of a smaller probability are left alone.

    Raises:
        ValueError: a parameter is out of range.
    """

    def __init__(self, gamma_positive: float = 0.0, gamma_negative: float = 4.0, margin: float = 0.05) -> None:
        super().__init__("asymmetric")
        self.gamma_positive = checked("gamma_positive", gamma_positive, 0)
        self.gamma_negative = checked("gamma_negative", gamma_negative, 0)
        self.margin = checked("margin", margin, 0, 1)

    def sides(self, logits):
        right, wrong = ops.softplus(-logits), ops.softplus(logits)
        positive = ops.exp(-self.gamma_positive * wrong) * right
        if self.margin == 0:
            return positive, ops.exp(-self.gamma_negative * right) * wrong
        shifted = ops.sigmoid(logits) - self.margin
        counts = shifted > 0
        # Behind the margin a power or logarithm of 0 would make the gradient nan, so both get a harmless number.
        power = ops.power(ops.where(counts, shifted, 1.0), self.gamma_negative)
        # 1 − q, written so that no digits are lost where p is near 1.
        rest = ops.where(counts, self.margin + ops.sigmoid(-logits), 1.0)
        return positive, ops.where(counts, -power * ops.log(rest), 0.0)


class DistributionBalanced(ElementLoss):
    """Distribution-balanced loss (Wu et al., ECCV 2020, sections 3.1 to 3.3): cross-entropy with weights that reckon
    with labels that come together, and with a gentler push on negatives.

    Of n_k positives among N_k known rows, a row with the labels y would be drawn for class k with P_k = 1/n_k, and at
    all with P = Σ yᵢ/nᵢ, if classes were drawn evenly. Its weight for class k is ρ = α + σ(β·(r − μ)) with r = P_k / P.
    A row without labels has P = 0 and takes the limit, ρ = α + 1.

    The logit is biased by ν_k = κ·log(N_k/n_k − 1), more the rarer the class, and negatives are scaled by λ:
    L⁺ = ρ·softplus(−(x − ν_k)), L⁻ = ρ·softplus(λ·(x − ν_k)) / λ.

    The formulas are the paper's. What it leaves open: n_k is kept half a row away from 0 and from N_k, so that a class
    without positives has a weight and a bias too.

    Args:
        positives: n, (K,) positive training rows. negatives: (K,) known negative ones.
        rebalance_alpha: α, 0 or more, the least weight.
        rebalance_beta: β, how steeply the weight rises. rebalance_mu: μ, where.
        tolerance_bias: κ, 0 or more. tolerance_scale: λ, above 0; 1 leaves negatives as they are.

    Raises:
        ValueError: a parameter is out of range.
    """

    # A mixture of rows has no place in drawing rows by class.
    soft_labels = False

    def __init__(
        self,
        positives: Sequence[float],
        negatives: Sequence[float],
        rebalance_alpha: float = 0.1,
        rebalance_beta: float = 10.0,
        rebalance_mu: float = 0.2,
        tolerance_bias: float = 0.05,
        tolerance_scale: float = 5.0,
    ) -> None:
        super().__init__("distribution_balanced")
        self.alpha = checked("rebalance_alpha", rebalance_alpha, 0)
        self.beta, self.mu = checked("rebalance_beta", rebalance_beta, 0), checked("rebalance_mu", rebalance_mu, 0)
        self.scale = checked("tolerance_scale", tolerance_scale, 1e-3)
        known = np.asarray(positives, np.float64) + np.asarray(negatives, np.float64)
        counts = np.clip(positives, 0.5, np.maximum(known, 1.0) - 0.5)
        bias = checked("tolerance_bias", tolerance_bias, 0) * np.log(np.maximum(known, 1.0) / counts - 1.0)
        self.drawn, self.bias = (1.0 / counts).astype(np.float32), bias.astype(np.float32)

    def weights(self, labels):
        """ρ of each row and class, (N, K), from labels (N, K)."""
        drawn = ops.sum(labels * self.drawn, axis=1, keepdims=True)
        labelled = drawn > 0
        ratio = self.drawn / ops.where(labelled, drawn, 1.0)
        return self.alpha + ops.where(labelled, ops.sigmoid(self.beta * (ratio - self.mu)), 1.0)

    def sides(self, logits):
        biased = logits - self.bias
        return ops.softplus(-biased), ops.softplus(self.scale * biased) / self.scale

    def elements(self, labels, logits):
        return self.weights(labels) * super().elements(labels, logits)
