"""Each loss and its gradient against a reference in float64 NumPy, written from the formula with loops and sets."""

import numpy as np
import pytest

import losses

WEIGHTS = {"positive_weights": np.linspace(0.5, 9.0, 7), "negative_weights": np.linspace(2.0, 0.5, 7)}
COUNTS = {
    "positives": np.array([700, 90, 20, 8, 3, 0, 1000]),
    "negatives": np.array([300, 910, 980, 700, 997, 1000, 0]),
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_loss(x):
    """−log σ(x)."""
    return np.log1p(np.exp(-x))


def mean_of(each):
    """A loss that is the mean over known labels of each(y, x, k, row of labels)."""

    def loss(labels, x):
        found = [
            each(labels[i, k], x[i, k], k, labels[i])
            for i, k in np.ndindex(*labels.shape)
            if labels[i, k] != 255
        ]  # fmt: skip
        return sum(found) / max(len(found), 1)

    return loss


def two_sided(positive, negative):
    """Soft labels count as shares of a positive and of a negative."""
    return mean_of(lambda y, x, k, row: y * positive(x, k) + (1 - y) * negative(x, k))


def focal(gamma, alpha):
    return two_sided(
        lambda x, k: alpha * (1 - sigmoid(x)) ** gamma * -np.log(sigmoid(x)),
        lambda x, k: (1 - alpha) * sigmoid(x) ** gamma * -np.log(1 - sigmoid(x)),
    )


def asymmetric(gamma_positive, gamma_negative, margin):
    def negative(x, k):
        shifted = max(sigmoid(x) - margin, 0)
        return shifted**gamma_negative * -np.log(1 - shifted)

    return two_sided(lambda x, k: (1 - sigmoid(x)) ** gamma_positive * -np.log(sigmoid(x)), negative)


def distribution_balanced(positives, negatives, alpha=0.1, beta=10.0, mu=0.2, kappa=0.05, scale=5.0):
    known = positives + negatives
    counts = np.clip(positives, 0.5, known - 0.5)

    def each(y, x, k, row):
        drawn = sum(1 / counts[i] for i in range(len(row)) if row[i] == 1)
        ratio = 1 / counts[k] / drawn if drawn else np.inf
        weight = alpha + sigmoid(beta * (ratio - mu))
        z = x - kappa * np.log(known[k] / counts[k] - 1)
        return weight * (log_loss(z) if y == 1 else log_loss(-scale * z) / scale)

    return mean_of(each)


def two_way(temperature):
    def comparison(labels, x):
        """None without a positive."""
        if not (labels == 1).any():
            return None
        high = np.log(np.sum(np.exp(x[labels == 0]))) if (labels == 0).any() else -np.inf
        return log_loss(-(high + temperature * np.log(np.sum(np.exp(-x[labels == 1] / temperature)))))

    def loss(labels, x):
        rows = [comparison(labels[i], x[i]) for i in range(len(x))]
        columns = [comparison(labels[:, k], x[:, k]) for k in range(x.shape[1])]
        return sum(np.mean(found) for each in (rows, columns) if (found := [one for one in each if one is not None]))

    return loss


def over_classes(each):
    """The mean over the classes with a positive of each(known labels, their logits)."""

    def loss(labels, x):
        found = []
        for k in range(x.shape[1]):
            known = labels[:, k] != 255
            if (labels[known, k] > 0).any():
                found.append(each(labels[known, k].astype(np.float64), x[known, k]))
        return np.mean(found) if found else 0.0

    return loss


def soft_f1(y, x):
    hits, false, missed = (y * sigmoid(x)).sum(), ((1 - y) * sigmoid(x)).sum(), (y * (1 - sigmoid(x))).sum()
    return 1 - 2 * hits / (2 * hits + false + missed)


def bce_soft_f1(share):
    bce, f1 = two_sided(lambda x, k: log_loss(x), lambda x, k: log_loss(-x)), over_classes(soft_f1)
    return lambda labels, x: bce(labels, x) + share * f1(labels, x)


def lovasz(y, x):
    def extension(members):
        """The Lovász extension of the Jaccard loss that mistakes on a set of rows make, at the hinge errors."""
        errors = [1 - x[i] if y[i] == 1 else 1 + x[i] for i in range(len(x))]
        total, before, wrong = 0.0, 0.0, set()
        for i in sorted(range(len(x)), key=lambda i: -errors[i]):
            wrong.add(i)
            after = 1 - len(members - wrong) / len(members | wrong)
            total += max(errors[i], 0) * (after - before)
            before = after
        return total

    return (extension(set(np.flatnonzero(y == 1))) + extension(set(np.flatnonzero(y == 0)))) / 2


CASES = {
    "bce": ("bce", {}, two_sided(lambda x, k: log_loss(x), lambda x, k: log_loss(-x))),
    "weighted_bce": ("weighted_bce", WEIGHTS, two_sided(
        lambda x, k: WEIGHTS["positive_weights"][k] * log_loss(x),
        lambda x, k: WEIGHTS["negative_weights"][k] * log_loss(-x))),
    "focal": ("focal", {}, focal(2.0, 0.25)),
    "focal, gamma below 1": ("focal", {"gamma": 0.5, "alpha": 0.7}, focal(0.5, 0.7)),
    "asymmetric": ("asymmetric", {}, asymmetric(0.0, 4.0, 0.05)),
    "asymmetric, no margin": ("asymmetric", {"gamma_positive": 1.0, "gamma_negative": 2.5, "margin": 0.0},
                              asymmetric(1.0, 2.5, 0.0)),
    "asymmetric, gamma below 1": ("asymmetric", {"gamma_positive": 0.3, "gamma_negative": 0.5, "margin": 0.2},
                                  asymmetric(0.3, 0.5, 0.2)),
    "distribution_balanced": ("distribution_balanced", COUNTS, distribution_balanced(**COUNTS)),
    "distribution_balanced, others": (
        "distribution_balanced",
        {**COUNTS, "rebalance_alpha": 0.3, "rebalance_beta": 4.0, "rebalance_mu": 0.5, "tolerance_bias": 0.2,
         "tolerance_scale": 2.0},
        distribution_balanced(**COUNTS, alpha=0.3, beta=4.0, mu=0.5, kappa=0.2, scale=2.0)),
    "two_way": ("two_way", {}, two_way(4.0)),
    "two_way, cold": ("two_way", {"temperature": 1.0}, two_way(1.0)),
    "soft_f1": ("soft_f1", {}, over_classes(soft_f1)),
    "lovasz": ("lovasz", {}, over_classes(lovasz)),
    "bce_soft_f1": ("bce_soft_f1", {}, bce_soft_f1(0.5)),
    "bce_soft_f1, another share": ("bce_soft_f1", {"soft_f1_share": 2.0}, bce_soft_f1(2.0)),
}  # fmt: skip
SOFT = [name for name, (loss, _, _) in CASES.items() if losses.LOSSES[loss].soft_labels]


def differences(reference, labels, logits, step=1e-5):
    """The reference's gradient by central differences in float64."""
    found = np.zeros(logits.shape)
    for place in np.ndindex(*logits.shape):
        shift = np.zeros(logits.shape)
        shift[place] = step
        found[place] = (reference(labels, logits + shift) - reference(labels, logits - shift)) / (2 * step)
    return found


def batch(rows=11, seed=5):
    """Labels with unknown ones, a row without labels, a row of nothing known, a class without positives and one without
    negatives; logits of every size."""
    random = np.random.default_rng(seed)
    labels = random.choice(np.array([0, 1, 255], np.uint8), (rows, 7), p=[0.5, 0.35, 0.15])
    labels[labels[:, 5] == 1, 5] = 0
    labels[labels[:, 6] == 0, 6] = 1
    if rows > 2:
        labels[0], labels[1] = 0, 255
        labels[0, 6] = 255
    return labels, random.normal(0, 3, labels.shape).astype(np.float32)


def assert_agreement(slopes, case, labels, logits):
    name, parameters, reference = CASES[case]
    value, gradient = slopes(losses.build(name, **parameters), labels, logits)
    wide = logits.astype(np.float64)
    assert value == pytest.approx(reference(labels, wide), rel=1e-5)
    expected = differences(reference, labels, wide)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-3), rtol=0)
    assert not gradient[labels == 255].any()


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_equal_the_reference(case, slopes):
    assert_agreement(slopes, case, *batch())


@pytest.mark.parametrize("case", CASES)
def test_a_batch_of_one_equals_the_reference(case, slopes):
    assert_agreement(slopes, case, *batch(1, seed=8))


@pytest.mark.parametrize("case", SOFT)
def test_soft_labels_equal_the_reference(case, slopes):
    labels, logits = batch()
    shares = np.random.default_rng(1).random(labels.shape).astype(np.float32)
    assert_agreement(slopes, case, np.where(labels == 255, np.float32(255), shares), logits)


@pytest.mark.parametrize("name", [name for name, kind in losses.LOSSES.items() if not kind.soft_labels])
def test_other_losses_refuse_soft_labels_by_name(name):
    loss = losses.build(name, **(COUNTS if name == "distribution_balanced" else {}))
    with pytest.raises(ValueError, match=f"{name} takes hard labels"):
        loss(np.full((2, 7), 0.5, np.float32), np.zeros((2, 7), np.float32))
    with pytest.raises(ValueError, match=f"{name} takes hard labels"):
        losses.weighted_sum([(1.0, losses.build("bce")), (0.5, loss)])(np.zeros((2, 7), np.float32), np.zeros((2, 7)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_finite_at_far_logits(case, kind, slopes):
    name, parameters, _ = CASES[case]
    loss = losses.build(name, **parameters)
    logits = np.array([[50, -50, 0] * 2 + [50]] * 4 + [[-50] * 7, [50] * 7], kind)
    labels = (np.arange(42).reshape(6, 7) % 2).astype(np.uint8)
    for given in (labels, np.zeros_like(labels), np.ones_like(labels), np.where(labels, np.uint8(255), labels)):
        value, gradient = slopes(loss, given, logits)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
    assert slopes(loss, np.full_like(labels, 255), logits)[0] == 0


def test_asymmetric_with_zeros_is_bce(slopes):
    labels, logits = batch()
    zeros = losses.build("asymmetric", gamma_positive=0.0, gamma_negative=0.0, margin=0.0)
    for found, expected in zip(slopes(zeros, labels, logits), slopes(losses.build("bce"), labels, logits), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_sum_is_the_sum(slopes):
    labels, logits = batch()
    parts = [(1.0, losses.build("bce")), (0.5, losses.build("soft_f1")), (2.0, losses.build("lovasz"))]
    value, gradient = slopes(losses.weighted_sum(parts), labels, logits)
    single = [(coefficient, *slopes(loss, labels, logits)) for coefficient, loss in parts]
    assert value == pytest.approx(sum(c * one for c, one, _ in single), rel=1e-6)
    np.testing.assert_allclose(gradient, sum(c * one for c, _, one in single), atol=1e-7)
    with pytest.raises(ValueError, match="coefficient of bce must be a number above 0"):
        losses.weighted_sum([(0.0, losses.build("bce"))])
    with pytest.raises(ValueError, match="needs one at least"):
        losses.weighted_sum([])


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [("focal", "gamma", -1), ("focal", "alpha", 1.5), ("asymmetric", "margin", -0.1), ("two_way", "temperature", 0),
     ("asymmetric", "gamma_positive", np.nan)],
)  # fmt: skip
def test_parameters_out_of_range_are_refused_by_name(name, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter} must be a number"):
        losses.build(name, **{parameter: value})
