"""The loss over a tree against the paper's definition in NumPy float64: value and gradient."""

import keras
import numpy as np
import pytest

import losses
from data.labels.hierarchy import Tree
from loss_formulas.by_level import LevelLoss

NAMES = ["a", "b", "c", "d", "e", "P", "Q", "p", "q", "r"]
TREE = Tree(NAMES, [7, 7, 8, 9, 6, -1, -1, 5, 5, 6], classes=5)


def reference(labels, logits, level_weights=(1, 1, 1), positive=1.0, negative=1.0):
    """−y_A ln max(y_B h_B) − (1 − y_A) ln(1 − max h_B) over B below A or A itself; means over known labels a level."""
    h = 1 / (1 + np.exp(-logits.astype(np.float64)))
    positive, negative = np.broadcast_to(positive, h.shape[1]), np.broadcast_to(negative, h.shape[1])
    total = 0.0
    for level, weight in enumerate(level_weights, start=1):
        found = []
        for row, node in np.ndindex(*labels.shape):
            if TREE.levels[node] != level or labels[row, node] == 255:
                continue
            below = np.flatnonzero(TREE.below[node])
            truth = labels[row, below] == 1
            if labels[row, node] == 1:
                found.append(-positive[node] * np.log((truth * h[row, below]).max()))
            else:
                found.append(-negative[node] * np.log(1 - h[row, below].max()))
        total += weight * np.mean(found) if found else 0.0
    return total / sum(level_weights)


def slope(labels, logits, *options, step=1e-6):
    """Central differences of the reference."""
    found = np.zeros(logits.shape)
    for place in np.ndindex(*logits.shape):
        up, down = logits.astype(np.float64), logits.astype(np.float64)
        up[place] += step
        down[place] -= step
        found[place] = (reference(labels, up, *options) - reference(labels, down, *options)) / (2 * step)
    return found


@pytest.fixture
def batch():
    rng = np.random.default_rng(5)
    known = rng.choice(np.array([0, 1, 255], np.uint8), (8, 5), p=[0.6, 0.3, 0.1])
    return TREE.expanded(known), rng.normal(0, 2, (8, 10)).astype(np.float32)


def value(loss, labels, logits) -> float:
    return float(loss(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(logits)))


@pytest.mark.parametrize(
    ("name", "level_weights"), [("bce", ()), ("bce", (1.0, 0.5, 3.0)), ("weighted_bce", (0.0, 1.0, 1.0))]
)
def test_value_and_gradient_are_the_papers(name, level_weights, batch, slopes):
    given = (np.linspace(1, 9, 10), np.linspace(2, 0.5, 10)) if name == "weighted_bce" else ()
    inner = losses.build(name, **dict(zip(("positive_weights", "negative_weights"), given, strict=False)))
    loss = LevelLoss(inner, **TREE.tables(), level_weights=level_weights)
    options = (level_weights or (1, 1, 1), *given)
    found, gradient = slopes(loss, *batch)
    assert found == pytest.approx(reference(*batch, *options), rel=1e-5)
    np.testing.assert_allclose(gradient, slope(*batch, *options), rtol=1e-4, atol=1e-6)


def reference_f1(labels, logits, level_weights):
    """1 − soft F1 of each node that has a positive, from the same maxima; means over the nodes of a level."""
    h = 1 / (1 + np.exp(-logits.astype(np.float64)))
    total = 0.0
    for level, weight in enumerate(level_weights, start=1):
        found = []
        for node in np.flatnonzero(TREE.levels == level):
            below, hits, false, missed = np.flatnonzero(TREE.below[node]), 0.0, 0.0, 0.0
            for row in np.flatnonzero(labels[:, node] != 255):
                if labels[row, node] == 1:
                    score = ((labels[row, below] == 1) * h[row, below]).max()
                    hits, missed = hits + score, missed + 1 - score
                else:
                    false += h[row, below].max()
            if (labels[:, node] == 1).any():
                found.append(1 - 2 * hits / (2 * hits + false + missed))
        total += weight * np.mean(found) if found else 0.0
    return total / sum(level_weights)


@pytest.mark.parametrize("level_weights", [(1.0, 1.0, 1.0), (0.5, 2.0, 1.0)])
def test_soft_f1_takes_the_scores_of_the_same_maxima(level_weights, batch, slopes):
    labels, logits = batch
    loss = LevelLoss(losses.build("soft_f1"), **TREE.tables(), level_weights=level_weights)
    found, gradient = slopes(loss, labels, logits)
    assert found == pytest.approx(reference_f1(labels, logits, level_weights), rel=1e-5)
    expected, wide = np.zeros(logits.shape), logits.astype(np.float64)
    for place in np.ndindex(*logits.shape):
        step = np.zeros(logits.shape)
        step[place] = 1e-6
        up, down = (reference_f1(labels, wide + sign * step, level_weights) for sign in (1, -1))
        expected[place] = (up - down) / 2e-6
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_a_wrong_child_is_not_raised_for_its_parent():
    """The difference to the plain cross-entropy of the constrained logits."""
    labels = TREE.expanded(np.array([[1, 0, 0, 0, 0]], np.uint8))
    logits = np.full((1, 10), -4.0, np.float32)
    logits[0, 1] = 4.0  # b, the sibling of a, is wrong
    loss = LevelLoss(losses.build("bce"), **TREE.tables())
    higher = logits.copy()
    higher[0, 1] = 5.0
    assert value(loss, labels, higher) > value(loss, labels, logits)
    for right in (0, 7, 5):  # a and all above it
        better = logits.copy()
        better[0, right] = 5.0
        assert value(loss, labels, better) < value(loss, labels, logits)


def test_without_levels_below_each_other_it_is_the_inner_loss(batch):
    flat = Tree(["a", "b", "c"], [-1, -1, -1], 3)
    labels, logits = batch[0][:, :3], batch[1][:, :3]
    loss = LevelLoss(losses.build("bce"), **flat.tables())
    assert value(loss, labels, logits) == pytest.approx(value(losses.build("bce"), labels, logits), rel=1e-6)


def test_shares_count_as_positive_where_they_are_no_smaller(batch):
    labels = np.where(batch[0] <= 1, batch[0], 0)
    labels, logits = (0.7 * labels[:4] + 0.3 * labels[4:]).astype(np.float32), batch[1][:4]
    h, total = 1 / (1 + np.exp(-logits.astype(np.float64))), 0.0
    for row, node in np.ndindex(*labels.shape):
        y, below = float(labels[row, node]), np.flatnonzero(TREE.below[node])
        highest = max(h[row, other] for other in below if labels[row, other] >= labels[row, node])
        of_level = 4 * (TREE.levels == TREE.levels[node]).sum()
        total += (-y * np.log(highest) - (1 - y) * np.log(1 - h[row, below].max())) / of_level / 3
    assert ((labels > 0) & (labels < 1)).any()
    assert value(LevelLoss(losses.build("bce"), **TREE.tables()), labels, logits) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    ("inner", "level_weights", "message"),
    [
        ("bce", (1.0, 2.0), "level_weights: 2 weights, but the tree has 3 levels"),
        ("bce", (0.0, 0.0, 0.0), "finite, 0 or more and not all 0"),
        ("bce", (1.0, -1.0, 1.0), "finite, 0 or more and not all 0"),
        ("two_way", (), "two_way is not of each label by itself"),
        ("lovasz", (), "lovasz is not of each label by itself"),
    ],
)
def test_mistakes_are_said(inner, level_weights, message):
    loss = losses.build(inner)
    with pytest.raises(ValueError, match=message):
        LevelLoss(loss, **TREE.tables(), level_weights=level_weights)


def test_a_loss_that_weighs_labels_by_their_row_is_refused():
    counts = {"positives": np.full(10, 5), "negatives": np.full(10, 9)}
    with pytest.raises(ValueError, match="distribution_balanced is not of each label by itself"):
        LevelLoss(losses.build("distribution_balanced", **counts), **TREE.tables())


def test_a_sum_is_taken_level_by_level_part_by_part(batch):
    parts = [(1.0, losses.build("bce")), (0.5, losses.build("focal"))]
    of_levels = losses.weighted_sum([(share, LevelLoss(part, **TREE.tables())) for share, part in parts])
    expected = sum(share * value(LevelLoss(part, **TREE.tables()), *batch) for share, part in parts)
    assert value(of_levels, *batch) == pytest.approx(expected, rel=1e-6)
