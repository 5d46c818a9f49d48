"""A split is evaluated once: parts of it have its numbers, and an evaluation repeats no computation."""

from types import SimpleNamespace

import numpy as np
import pytest

from common.labels import UNKNOWN
from data.labels.hierarchy import Tree
from evaluation import counts, evaluation, metrics
from evaluation.figures import EvaluatedSplit

TREE = Tree(["a", "b", "c", "d", "ab", "top"], [4, 4, 5, 5, 5, -1], 4)


def made(rows=60):
    random = np.random.default_rng(rows)
    labels = random.choice([0, 0, 1, UNKNOWN], (rows, 4)).astype(np.uint8)
    return TREE.expanded(labels), random.random((rows, 6))


@pytest.mark.parametrize("columns", [slice(4), np.array([2, 0, 5])])
def test_some_classes_have_the_figures_that_they_have_alone(columns):
    labels, scores = made()
    part = EvaluatedSplit(labels, scores, {"0.5": scores >= 0.5}).columns(columns)
    alone = EvaluatedSplit(labels[:, columns], scores[:, columns], {"0.5": scores[:, columns] >= 0.5})
    assert part.figures() == alone.figures()
    names = list("abcd"[: part.labels.shape[1]])
    assert part.rows({"0.5": 0.5}, names) == alone.rows({"0.5": 0.5}, names)


@pytest.mark.parametrize("tree", [None, TREE])
def test_scores_are_compared_with_thresholds_once(tree, monkeypatch):
    calls = []
    for module, name in ((metrics, "predict"), (counts, "outcomes"), (metrics, "average_precision")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, name=name, original=original: calls.append(name) or original(*given)
        )
    labels, scores = made()
    run = SimpleNamespace(tree=tree, class_names=TREE.names, training_counts=np.arange(6), place="run")
    stored = SimpleNamespace(labels=labels, scores=scores, groups=None)
    evaluation.computed(run, {"val": stored, "test": stored}, {"0.5": 0.5, "tuned": 0.3})
    assert {name: calls.count(name) for name in calls} == {"predict": 4, "outcomes": 4, "average_precision": 2}
