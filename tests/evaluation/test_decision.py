"""Predictions from scores: thresholds, at least one class, and a tree."""

import numpy as np
import pytest

from data.labels.hierarchy import Tree
from evaluation.decision import Decision, decided

SCORES = np.array([[0.9, 0.1, 0.2], [0.1, 0.3, 0.4], [0.0, 0.0, 0.0], [0.3, 0.45, 0.1]], dtype=np.float32)


def test_the_most_probable_class_where_none_passes() -> None:
    plain, rule = (Decision(np.array([0.5, 0.5, 0.5]), each).predictions(SCORES) for each in (False, True))
    assert plain.tolist() == [[True, False, False], [False] * 3, [False] * 3, [False] * 3]
    assert rule.argmax(axis=1).tolist() == [0, 2, 0, 1]
    assert rule.sum(axis=1).tolist() == [1] * 4


@pytest.mark.parametrize("thresholds", [0.5, np.array([0.5, 0.5, 1.000001])])
def test_a_class_that_is_never_predicted_is_not_the_one(thresholds: np.ndarray | float) -> None:
    found = Decision(thresholds, True).predictions(SCORES)
    assert found.argmax(axis=1).tolist() == [0, 2 if np.ndim(thresholds) == 0 else 1, 0, 1]
    assert not Decision(1.000001, True).predictions(SCORES).any()


def test_over_a_tree_it_is_one_of_the_classes() -> None:
    tree = Tree(["a", "b", "top"], [2, 2, -1], 2)
    scores = np.array([[0.2, 0.3, 0.8], [0.1, 0.1, 0.1], [0.9, 0.1, 0.9]])
    plain, rule = (Decision(0.5, each).predictions(scores, tree).tolist() for each in (False, True))
    assert plain == [[False, False, True], [False] * 3, [True, False, True]]
    assert rule == [[False, True, True], [True, False, True], [True, False, True]]


def test_bare_thresholds_are_a_decision_by_them_alone() -> None:
    decision = Decision(0.3, True)
    assert decided(decision) is decision and decided(0.3) == Decision(0.3)
    assert decision.words() and not decided(0.3).words()
