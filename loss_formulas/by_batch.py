"""Losses that judge a batch as a whole: scalars that no label has a share of.

A class without a positive in the batch is skipped: there is nothing to find, and a ratio would be 0/0. So these lean on
the batch size, and rare classes are seen in few batches; a sum with `bce` gives those a gradient in every batch.
"""

from keras import ops

from loss_formulas.base import LabelLoss, SumOfLosses, checked
from loss_formulas.by_label import BinaryCrossEntropy

NOTHING = -1e9  # a logit that no exponential sees, and an error that comes last in any order


def mean_where(present, values):
    """The mean of the values whose `present` is true; 0 if there are none."""
    present = ops.cast(present, "float32")
    return ops.sum(present * values) / ops.maximum(ops.sum(present), 1.0)


class TwoWay(LabelLoss):
    """Two-way multi-label loss (Kobayashi, CVPR 2023): softmax's comparison, carried over to many labels. In each row
    the positive classes are to outdo the negative ones; in each class, the positive rows the negative ones.

    One comparison, over positives P and negatives Q, is softplus(log Σ_Q exp(x) + T·log Σ_P exp(−x/T)). The loss is its
    mean over the rows that have a positive, plus its mean over the classes that have one.

    Args:
        temperature: T, above 0; the higher, the more all positives count and not the lowest alone.

    Raises:
        ValueError: the temperature is out of range.
    """

    soft_labels = False

    def __init__(self, temperature: float = 4.0) -> None:
        super().__init__("two_way")
        self.temperature = checked("temperature", temperature, 1e-3)

    def value(self, labels, known, logits):
        positive = labels > 0.5
        negative = ops.logical_and(known > 0.5, ops.logical_not(positive))
        return sum(self._one_way(positive, negative, logits, axis) for axis in (1, 0))

    def _one_way(self, positive, negative, logits, axis):
        high = ops.logsumexp(ops.where(negative, logits, NOTHING), axis=axis)
        low = ops.logsumexp(ops.where(positive, -logits / self.temperature, NOTHING), axis=axis)
        return mean_where(ops.any(positive, axis=axis), ops.softplus(high + self.temperature * low))


class SoftF1(LabelLoss):
    """1 − F1 with probabilities in place of predictions, the mean over the classes that have a positive (macro).

    F1 = 2·Σ y·p / (Σ y + Σ p) over the known rows of the batch; Bénédict et al., "sigmoidF1", TMLR 2022, with a plain
    sigmoid. Soft labels count with their shares.
    """

    def __init__(self) -> None:
        super().__init__("soft_f1")

    def value(self, labels, known, logits):
        each, present = self.of_classes(labels, known, logits, logits)
        return ops.sum(each) / ops.maximum(ops.sum(present), 1.0)

    def of_classes(self, labels, known, positive, negative):
        """1 − F1 of each class, 0 where it has no positive, and 1 where it has one or 0: (K,) float32 each.

        Args:
            labels, known: as for `value`.
            positive, negative: (N, K) logits by which a label is judged where it is there, and where it is not.
        """
        positives = ops.sum(labels, axis=0)
        found = ops.sum(labels * ops.sigmoid(positive), axis=0)
        wrong = ops.sum((known - labels) * ops.sigmoid(negative), axis=0)
        f1 = 2.0 * found / ops.maximum(positives + found + wrong, 1e-7)
        present = ops.cast(positives > 0, "float32")
        return present * (1.0 - f1), present


class BceSoftF1(SumOfLosses):
    """Binary cross-entropy, which ranks and whose scores are probabilities, and a share of `SoftF1`, by which rare
    classes weigh as much as large ones.

    Args:
        soft_f1_share: coefficient of `SoftF1`.

    Raises:
        ValueError: it is not a number above 0.
    """

    def __init__(self, soft_f1_share: float = 0.5) -> None:
        super().__init__([(1.0, BinaryCrossEntropy()), (soft_f1_share, SoftF1())])
        self.name = "bce_soft_f1"


class Lovasz(LabelLoss):
    """Symmetric Lovász hinge (Berman, Triki and Blaschko, "The Lovász-softmax loss", CVPR 2018, section 3; Yu and
    Blaschko, ICML 2015): a convex stand-in for 1 − Jaccard index of each class over the batch.

    With the hinge errors e = 1 − x·(2y − 1) in descending order, and J_i = 1 − |P ∩ rest| / |P ∪ first i| the Jaccard
    loss if the first i rows were wrong, it is Σ max(e_i, 0)·(J_i − J_{i−1}). Symmetric: the mean of that for the
    positives and for the negatives. The mean over the classes that have a positive.
    """

    soft_labels = False

    def __init__(self) -> None:
        super().__init__("lovasz")

    def value(self, labels, known, logits):
        # Unknown labels come last: they change no share of a row before them, and have no error themselves.
        errors = ops.where(known > 0.5, 1.0 - logits * (2.0 * labels - 1.0), NOTHING)
        order = ops.argsort(-errors, axis=0)
        errors, labels, known = (ops.take_along_axis(each, order, axis=0) for each in (errors, labels, known))
        # The errors are the same from both sides; only the set to be found differs.
        shares = jaccard_shares(labels) + jaccard_shares(known - labels)
        each = 0.5 * ops.sum(ops.relu(errors) * shares, axis=0)
        return mean_where(ops.any(labels > 0.5, axis=0), each)


def jaccard_shares(members):
    """J_i − J_{i−1} of each class: what the Jaccard loss grows by when row i is wrong too, rows in order of error.

    Args:
        members: (N, K) float32, 1 for the rows of the set that is to be found.
    """
    size = ops.sum(members, axis=0, keepdims=True)
    left = size - ops.cumsum(members, axis=0)
    union = size + ops.cumsum(1.0 - members, axis=0)
    losses = 1.0 - left / ops.maximum(union, 1.0)
    return losses - ops.concatenate([ops.zeros_like(losses[:1]), losses[:-1]], axis=0)
