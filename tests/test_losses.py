"""What all losses promise beside their formulas; class weights against their formulas and scikit-learn."""

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

import losses

CLASSES = 7


def made(name):
    """A loss of 7 classes."""
    given = {
        "weighted_bce": {"positive_weights": np.linspace(1, 9, CLASSES), "negative_weights": np.ones(CLASSES)},
        "distribution_balanced": {"positives": np.full(CLASSES, 5), "negatives": np.full(CLASSES, 45)},
    }
    return losses.build(name, **given.get(name, {}))


@pytest.fixture
def batch():
    random = np.random.default_rng(5)
    labels = random.choice(np.array([0, 1, 255], np.uint8), (16, CLASSES), p=[0.6, 0.3, 0.1])
    return labels, random.normal(0, 3, (16, CLASSES)).astype(np.float32)


def value(loss, labels, logits) -> float:
    return float(loss(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(logits)))


@pytest.mark.parametrize("name", losses.LOSSES)
def test_what_is_unknown_may_have_any_logit(name, batch):
    labels, logits = batch
    others = np.where(labels == 255, -7 * logits, logits)
    assert value(made(name), labels, others) == value(made(name), labels, logits)
    assert value(made(name), labels, 1.1 * logits) != value(made(name), labels, logits)


def test_all_losses_train_in_a_graph_from_batches_of_whole_numbers(batch, tmp_path):
    labels, logits = batch
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(CLASSES)])
    model.compile(keras.optimizers.SGD(0.001), losses.weighted_sum([(1.0, made(name)) for name in losses.LOSSES]))
    start = sum(value(made(name), labels, model(logits)) for name in losses.LOSSES)
    first, *_, last = (float(model.train_on_batch(logits, labels)) for _ in range(12))
    assert first == pytest.approx(start, rel=1e-5)
    assert last < first
    # Keras looks into the loss too when it loads the weights of the best epoch.
    for loss in (model.loss, made("bce")):
        model.compile("sgd", loss)
        model.save_weights(tmp_path / "best.weights.h5")
        model.load_weights(tmp_path / "best.weights.h5")


def test_the_weight_of_a_second_label_counts():
    labels, logits = np.array([[1, 1, 0]], np.uint8), np.zeros((1, 3), np.float32)
    light = losses.build("weighted_bce", positive_weights=[1, 1, 1], negative_weights=[1, 1, 1])
    heavy = losses.build("weighted_bce", positive_weights=[1, 5, 1], negative_weights=[1, 1, 1])
    assert value(heavy, labels, logits) - value(light, labels, logits) == pytest.approx(4 * np.log(2) / 3, rel=1e-5)


def test_keras_own_class_weight_leaves_a_second_label_out():
    """Why it is not used: the weight of a row is that of its first positive label, whatever the others are."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.0), keras.losses.BinaryCrossentropy(from_logits=True), run_eagerly=True)
    images, labels = np.ones((4, 3), np.float32), np.tile(np.array([1, 1, 0], np.float32), (4, 1))

    def trained(weights):
        return model.fit(images, labels, class_weight=weights, batch_size=4, verbose=0).history["loss"][0]

    assert trained({0: 1, 1: 5, 2: 1}) == trained({0: 1, 1: 1, 2: 1})
    assert trained({0: 5, 1: 1, 2: 1}) == pytest.approx(5 * trained({0: 1, 1: 1, 2: 1}))


BY_LABEL = [name for name, kind in losses.LOSSES.items() if issubclass(kind, losses.ElementLoss)]


@pytest.mark.parametrize("name", BY_LABEL)
def test_repeating_a_batch_leaves_the_losses_by_label(name, batch):
    twice = [np.concatenate([part, part]) for part in batch]
    assert value(made(name), *twice) == pytest.approx(value(made(name), *batch), rel=1e-5)


def test_unknown_names_and_bad_weights_are_refused():
    with pytest.raises(ValueError, match="known: bce"):
        losses.build("bcee")
    with pytest.raises(ValueError, match="0 or more"):
        losses.build("weighted_bce", positive_weights=[1, -1], negative_weights=[1, 1])
    with pytest.raises(ValueError, match="0 or more"):
        losses.build("weighted_bce", positive_weights=[1, np.nan], negative_weights=[1, 1])
    with pytest.raises(ValueError, match="all class weights are 0"):
        losses.build("weighted_bce", positive_weights=[0, 0], negative_weights=[0, 0])
    with pytest.raises(ValueError, match="1 positive_weights and 2 negative_weights"):
        losses.build("weighted_bce", positive_weights=[1], negative_weights=[1, 1])
    with pytest.raises(ValueError, match="unknown scheme"):
        losses.class_weights("inverted", [1], [1])


POSITIVES, NEGATIVES = np.array([900, 100, 4, 0, 1000]), np.array([100, 900, 996, 1000, 0])


def test_balanced_weights_equal_scikit_learn():
    positive, negative = losses.class_weights("balanced", POSITIVES, NEGATIVES)
    for k in range(3):
        column = np.repeat([1, 0], [POSITIVES[k], NEGATIVES[k]])
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=column)
        assert (negative[k], positive[k]) == pytest.approx(tuple(expected))


def test_schemes_follow_their_formulas_and_the_cap():
    assert losses.class_weights("inverse", POSITIVES, NEGATIVES)[0][:3] == pytest.approx([1 / 9, 9, 249])
    assert losses.class_weights("sqrt_inverse", POSITIVES, NEGATIVES)[0][:3] == pytest.approx(np.sqrt([1 / 9, 9, 249]))
    # Cui et al. 2019: one over the effective number, here of the positives relative to that of the negatives.
    expected = [(1 - 0.999**m) / (1 - 0.999**n) for n, m in zip(POSITIVES[:3], NEGATIVES[:3], strict=True)]
    assert losses.class_weights("effective_number", POSITIVES, NEGATIVES)[0][:3] == pytest.approx(expected)
    assert losses.class_weights("inverse", POSITIVES, NEGATIVES, max_weight=20)[0][2] == 20
    gentle = losses.class_weights("effective_number", POSITIVES, NEGATIVES, effective_beta=0.5)[0][:3]
    assert gentle == pytest.approx([1, 1, 1 / (1 - 0.5**4)])


@pytest.mark.parametrize("scheme", ["balanced", *losses.SCHEMES])
def test_a_class_without_positives_or_negatives_is_left_alone(scheme):
    positive, negative = losses.class_weights(scheme, POSITIVES, NEGATIVES, max_weight=20)
    assert positive[3:].tolist() == negative[3:].tolist() == [1, 1]
    assert np.isfinite(positive).all()
