"""A head for a tree of labels: what it promises on any weights, and that it uses its tree."""

import typing
from pathlib import Path

import keras
import numpy as np
import pytest

import losses
import models
import train
from data.labels.hierarchy import Tree, read_tree
from data.synthetic.organelles import CLASS_NAMES
from evaluation import metrics
from loss_formulas.by_level import LevelLoss
from models import hierarchical

HPA = Path(train.__file__).parent / "data" / "hpa_hierarchy.csv"

SCALING = {"mean": [120.0, 110.0, 100.0], "std": [50.0, 60.0, 70.0]}
# Two tops, three nodes in between, five classes at two depths; class 4 lies in level 2.
NAMES = ["a", "b", "c", "d", "e", "P", "Q", "p", "q", "r"]
TREE = Tree(NAMES, [7, 7, 8, 9, 6, -1, -1, 5, 5, 6], classes=5)


def on_features(width: int = 12, tree: Tree = TREE, **options) -> keras.Model:
    """A head on features as they come, without a network below it."""
    inputs = keras.Input((width,))
    network = keras.Model(inputs, keras.layers.Dense(3, name="logits")(inputs), name="features")
    return hierarchical.crowned(network, **tree.tables(), **options)


def violations(values: np.ndarray, tree: Tree = TREE) -> int:
    """How often a child lies above its parent."""
    return sum(int((values[:, child] > values[:, parent]).sum()) for child, parent in enumerate(tree.parents)
               if parent >= 0)  # fmt: skip


def randomised(model: keras.Model, seed: int) -> keras.Model:
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 1.5, array.shape) for array in model.get_weights()])
    return model


@pytest.mark.parametrize("head", typing.get_args(hierarchical.Head))
def test_no_child_is_likelier_than_its_parent(head):
    for seed in range(5):
        model = randomised(on_features(head=head, units=8), seed)
        features = np.random.default_rng(seed).normal(0, 2, (300, 12)).astype(np.float32)
        free = np.asarray(model(features, training=True))
        logits = np.asarray(model(features, training=False))
        probabilities = np.asarray(models.with_probabilities(model)(features, training=False))
        assert violations(free) > 500
        assert violations(logits) == violations(probabilities) == 0
        # The definition: the highest of the node and all below it.
        expected = np.stack([free[:, row].max(axis=1) for row in TREE.below], axis=1)
        np.testing.assert_array_equal(logits, expected)
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-expected.astype(np.float64))), atol=1e-6)


def test_a_level_reads_what_the_one_above_carries_down(monkeypatch):
    model = randomised(on_features(units=8), 0)
    features = np.random.default_rng(1).normal(0, 1, (20, 12)).astype(np.float32)
    whole = np.asarray(model(features, training=True))
    for kept in ((0, 0), (1, 0), (0, 1)):  # nothing; the hidden state alone; the decision alone
        monkeypatch.setattr(hierarchical.LevelLogits, "carried", lambda self, hidden, decision, kept=kept:
                            (hidden * kept[0], decision * kept[1]))  # fmt: skip
        without = np.asarray(model(features, training=True))
        first = TREE.levels == 1
        np.testing.assert_array_equal(without[:, first], whole[:, first])
        assert (np.abs(without - whole)[:, ~first].max(axis=0) > 1e-3).all()


def test_the_recurrence_equals_its_definition():
    """A gated recurrent unit (Keras's, reset behind the product) over the levels, in NumPy float64."""
    model = randomised(on_features(units=4), 3)
    features = np.random.default_rng(4).normal(0, 1, (7, 12)).astype(np.float32)
    layer = model.get_layer("logits")
    kernel, bias = (np.asarray(each, np.float64) for each in (layer.kernel, layer.bias))
    inner, recurrent, (input_bias, hidden_bias) = (np.asarray(each, np.float64) for each in layer.cell.get_weights())

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    hidden, decision, expected = np.zeros((7, 4)), np.zeros((7, 10)), np.zeros((7, 10))
    for level in (1, 2, 3):
        mine = TREE.levels == level
        x = np.concatenate([features, decision], axis=1) @ inner + input_bias
        h = hidden @ recurrent + hidden_bias
        update, reset = sigmoid(x[:, :4] + h[:, :4]), sigmoid(x[:, 4:8] + h[:, 4:8])
        hidden = update * hidden + (1 - update) * np.tanh(x[:, 8:] + reset * h[:, 8:])
        logits = hidden @ kernel + bias
        expected[:, mine] = logits[:, mine]
        decision = sigmoid(logits) * mine
    np.testing.assert_allclose(np.asarray(model(features, training=True)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("extractor", "options"), [("cnn", {"global_pooling": True}), ("residual", {"width": 0.25})])
def test_both_heads_have_as_many_parameters(extractor, options):
    tree = read_tree(HPA, CLASS_NAMES).tables()
    nodes, counts = len(tree["levels"]), {}
    below = models.build(extractor, (32, 32, 3), nodes, **SCALING, **options)
    bare = below.count_params() - below.get_layer("logits").count_params()
    for head in typing.get_args(hierarchical.Head):
        model = models.build("hierarchical", (32, 32, 3), nodes, **SCALING, **tree, extractor=extractor, head=head,
                             **options)  # fmt: skip
        counts[head] = model.count_params() - bare
        assert model.output_shape == (None, nodes) and model.output.dtype == "float32"
    assert counts["flat"] == pytest.approx(counts["recurrent"], rel=0.01)


def test_a_saved_model_gives_the_same_numbers(tmp_path):
    model = randomised(models.build("hierarchical", (32, 32, 3), 10, **SCALING, **TREE.tables(), extractor="cnn",
                                    global_pooling=True, units=8), 0)  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    models.with_probabilities(model).save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras", compile=False)
    scores = np.asarray(opened(images, training=False))
    np.testing.assert_array_equal(scores, np.asarray(models.with_probabilities(model)(images, training=False)))
    assert violations(scores) == 0


def made(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 16) that show four groups of four classes loudly and the classes in them faintly; labels (n, 16)."""
    fixed, rng = np.random.default_rng(99), np.random.default_rng(seed)
    groups, classes = fixed.normal(0, 0.5, (4, 16)), fixed.normal(0, 0.175, (16, 16))
    labels = np.zeros((count, 16), np.uint8)
    for row in labels:
        row[rng.integers(16, size=rng.integers(1, 3))] = 1
    features = labels.reshape(count, 4, 4).max(axis=2) @ groups + labels @ classes
    return (features + rng.normal(0, 0.25, features.shape)).astype(np.float32), labels


def test_a_shuffled_tree_scores_worse():
    """The same images and classes; only which class lies below which group differs."""
    (features, labels), (new, truth) = made(200, 3), made(1000, 1000)
    scores = {}
    for name, order in (("right", np.arange(16)), ("shuffled", np.random.default_rng(2).permutation(16))):
        keras.utils.set_random_seed(2)
        tree = Tree([str(node) for node in range(20)], [*(16 + order // 4), -1, -1, -1, -1], classes=16)
        model = on_features(16, tree, units=64)
        loss = LevelLoss(losses.build("bce"), **tree.tables())
        model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
        model.fit(np.tile(features, (30, 1)), tree.expanded(np.tile(labels, (30, 1))), batch_size=50, verbose=0)
        found = np.asarray(model(new, training=False))
        scores[name] = [
            metrics.mean_known(metrics.average_precision(labels, found[:, :width]))
            for width, labels in ((16, truth), (20, tree.expanded(truth)))
        ]
    assert scores["right"][0] > scores["shuffled"][0] + 0.01  # the classes
    assert scores["right"][1] > scores["shuffled"][1] + 0.02  # all nodes


def test_mistakes_are_said():
    with pytest.raises(ValueError, match="unknown head 'deep'; known: recurrent, flat"):
        on_features(head="deep")
    with pytest.raises(ValueError, match="levels of 2 nodes, but descendants of 1"):
        hierarchical.crowned(on_features(), [1, 2], [[0]])
    with pytest.raises(ValueError, match="cannot stand on another"):
        models.build("hierarchical", (32, 32, 3), 10, **TREE.tables(), extractor="hierarchical")


def test_options_are_those_of_the_head_and_of_what_lies_below():
    own = {"levels", "descendants", "extractor", "head", "units"}
    assert set(models.options_of("hierarchical", "cnn")) == own | set(models.options_of("cnn"))
