"""Each objective against a search through all cuts."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

import thresholds
from common.labels import UNKNOWN
from thresholding import one_for_all
from thresholding.objectives import OBJECTIVES, tuned

COSTS = {"false_alarm": np.array([1.0, 2.0, 0.5]), "miss": np.array([3.0, 1.0, 4.0])}


def made(seed: int, rows: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, 3) with unknowns and tied scores that follow the labels."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, 3)) < (0.5, 0.25, 0.15)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.1] = UNKNOWN
    scores = np.clip(rng.normal(0.3 + 0.25 * (labels == 1), 0.2), 0.02, 0.98)
    return labels, (np.round(scores * 8) / 8).astype(np.float32)


def value(objective: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    """What is to be highest, from its definition."""
    if objective == "micro_f1":
        found = np.count_nonzero((labels == 1) & predictions)
        counted = np.count_nonzero((labels <= 1) & predictions) + np.count_nonzero(labels == 1)
        return 2 * found / counted if counted else 0.0
    if objective == "macro_f1":
        return float(np.mean([value("micro_f1", *pair) for pair in zip(labels.T, predictions.T, strict=True)]))
    if objective == "expected_cost":
        alarms, misses = ((labels == 0) & predictions).sum(axis=0), ((labels == 1) & ~predictions).sum(axis=0)
        return -float(alarms @ COSTS["false_alarm"] + misses @ COSTS["miss"])
    right = (labels == UNKNOWN) | (predictions == (labels == 1))
    return float((right.all(axis=1) & (labels <= 1).any(axis=1)).sum())


def every_cut(scores: np.ndarray) -> list[np.ndarray]:
    """The predictions (N,) of each possible cut of scores (N,)."""
    return [scores >= cut for cut in [*np.unique(scores), 2]]


def _one_by_one(cuts: list[list[np.ndarray]], kept: np.ndarray) -> Iterator[list[np.ndarray]]:
    for index, choices in enumerate(cuts):
        for cut in choices:
            yield [cut if column == index else kept[:, column] for column in range(kept.shape[1])]


def options(objective: str) -> dict:
    return COSTS if objective == "expected_cost" else {}


@pytest.mark.parametrize("objective", ["macro_f1", "micro_f1", "expected_cost"])
@pytest.mark.parametrize("seed", range(6))
def test_no_other_cuts_are_better(objective: str, seed: int) -> None:
    labels, scores = made(seed)
    chosen = thresholds.fit(labels, scores, "per_class", objective=objective, **options(objective))
    reached = value(objective, labels, scores >= chosen)
    cuts = [every_cut(column) for column in scores.T]
    # All combinations where classes are judged together; else each class beside the others as they are.
    combined = itertools.product(*cuts) if objective == "micro_f1" else _one_by_one(cuts, scores >= chosen)
    best = max(value(objective, labels, np.stack(columns, axis=1)) for columns in combined)
    assert reached == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_no_single_cut_makes_more_rows_all_right(seed: int) -> None:
    labels, scores = made(seed, rows=60)
    chosen = tuned(labels, scores, "subset_accuracy")
    predicted = scores >= chosen
    reached = value("subset_accuracy", labels, predicted)
    for index, column in enumerate(scores.T):
        for cut in every_cut(column):
            other = predicted.copy()
            other[:, index] = cut
            assert value("subset_accuracy", labels, other) <= reached
    for start in ("macro_f1", "expected_cost"):
        assert reached >= value("subset_accuracy", labels, scores >= tuned(labels, scores, start))


@pytest.mark.parametrize("objective", ["macro_f1", "micro_f1", "subset_accuracy", "expected_cost"])
@pytest.mark.parametrize("seed", range(6))
def test_no_other_common_threshold_is_better(objective: str, seed: int) -> None:
    labels, scores = made(seed)
    chosen = thresholds.fit(labels, scores, "global", objective=objective, **options(objective))
    assert len(set(chosen.tolist())) == 1 and chosen[0] not in scores
    best = max(value(objective, labels, scores >= cut) for cut in [*np.unique(scores), 2])
    assert value(objective, labels, scores >= chosen[0]) == pytest.approx(best, abs=1e-12)


def test_one_threshold_may_predict_nothing() -> None:
    labels, scores = np.zeros((3, 2), dtype=np.uint8), np.full((3, 2), 0.6)
    assert one_for_all.best(labels, scores, "subset_accuracy") == pytest.approx(0.8)
    assert one_for_all.best(labels, scores, "expected_cost") == pytest.approx(0.8)
    with pytest.raises(ValueError, match="micro_macro"):
        one_for_all.best(labels, scores, "micro_macro")


@pytest.mark.parametrize("seed", range(3))
def test_micro_and_macro_at_once(seed: int) -> None:
    """Class by class, the largest first, with the cuts of those before it as they are."""
    labels, scores = made(seed, rows=50)
    order = np.argsort(-(labels == 1).sum(axis=0), kind="stable")
    done = np.zeros(labels.shape, dtype=bool)
    for place, index in enumerate(order, start=1):
        seen = order[:place]
        best = -1.0
        for cut in every_cut(scores[:, index])[::-1]:
            tried = done.copy()
            tried[:, index] = cut
            own = value("micro_f1", labels[:, index], cut) / place
            if (both := own + value("micro_f1", labels[:, seen], tried[:, seen])) > best + 1e-12:
                best, kept = both, tried
        done = kept
    assert np.array_equal(done, scores >= tuned(labels, scores, "micro_macro"))


def test_a_class_without_positives() -> None:
    labels, scores = made(0)
    labels[labels[:, 2] == 1, 2] = 0
    for objective in OBJECTIVES:
        chosen = tuned(labels, scores, objective, **options(objective))
        if objective in ("macro_f1", "micro_macro"):
            assert chosen[2] == 0.5, "any threshold gives it an F1 of 0"
        else:
            assert not (scores[:, 2] >= chosen[2]).any(), "each false alarm would count"
            assert scores[:, 2].max() < chosen[2] < 1
    with pytest.raises(ValueError, match=r"macro_f2.*known: macro_f1, micro_f1"):
        tuned(labels, scores, "macro_f2")
