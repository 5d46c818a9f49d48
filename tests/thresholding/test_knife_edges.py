"""No threshold leaves a prediction to rounding: rates, ties, means of thresholds, equal costs, and thresholds.json."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import thresholds
from evaluation import metrics
from evaluation.decision import Decision
from run_folder.thresholds_file import WithThresholds
from thresholding import methods, objectives

EDGES = [0.0, 5e-324, 1e-45, 1e-38, 1e-12, 0.25, 0.3, 0.5, np.nextafter(0.5, 1), 1 - 6e-8, 1 - 1e-12, 1.0]
PROBABILITIES = st.sampled_from(EDGES) | st.floats(0, 1)
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def tables(draw, most: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, 2) with unknowns, and scores of either precision, many of them ties, 0, 1 or too small for a logit."""
    rows = draw(st.integers(2, most))
    pairs = st.lists(st.tuples(st.sampled_from([0, 0, 1, 255]), PROBABILITIES), min_size=2 * rows, max_size=2 * rows)
    labels, scores = zip(*draw(pairs), strict=True)
    kind = draw(st.sampled_from([np.float32, np.float64]))
    return np.array(labels, np.uint8).reshape(rows, 2), np.array(scores).astype(kind).reshape(rows, 2)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "rate", "passing"), [(10, 0.04, 0), (10, 0.05, 1), (10, 0.25, 3), (35, 3 / 70, 2)])
def test_half_a_row_or_more_counts_as_a_row(kind: type, rows: int, rate: float, passing: int) -> None:
    labels, random = np.zeros((rows, 1), np.uint8), np.random.default_rng(0)
    for _ in range(100):
        scores = random.random((rows, 1)).astype(kind)
        chosen = thresholds.fit(labels, scores, "rate_match", rates=np.array([rate]))
        assert metrics.predict(scores, chosen).sum() == passing


@quick
@given(tables(), st.integers(1, 40), st.integers(1, 40))
def test_no_cut_comes_nearer_to_the_rate(table: tuple[np.ndarray, np.ndarray], part: int, whole: int) -> None:
    labels, scores = table
    rate = Fraction(min(part, whole), whole)
    chosen = thresholds.fit(labels, scores, "rate_match", rates=np.full(2, float(rate)))
    for index in range(2):
        known = scores[labels[:, index] <= 1, index].astype(np.float64)
        if len(known):
            counts = {0, *(int((known >= cut).sum()) for cut in known)}
            nearest = min(counts, key=lambda count: (abs(count - rate * len(known)), -count))
            assert metrics.predict(known, chosen[index]).sum() == nearest


@quick
@given(tables())
def test_a_mean_of_thresholds_lies_between_them(table: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = table
    fold = methods.dealt(labels, 2, np.random.default_rng(0))
    kept = [(labels[fold != number], scores[fold != number]) for number in range(2)]
    chosen = thresholds.fit(labels, scores, "cross_fit", folds=2, objective="expected_cost")
    for index in range(2):
        parts = [objectives.tuned(*each, "expected_cost")[index] for each in kept if (each[0][:, index] == 1).any()]
        if parts:
            assert min(parts) <= chosen[index] <= max(parts)
    rates = np.array([0.07, 0.6])
    best, matched = thresholds.fit(labels, scores), thresholds.fit(labels, scores, "rate_match", rates=rates)
    between = thresholds.fit(labels, scores, "shrink", rates=rates)
    has = (labels == 1).any(axis=0)
    assert np.array_equal(between[~has], matched[~has])
    assert (np.minimum(best, matched) <= between)[has].all() and (between <= np.maximum(best, matched))[has].all()


@quick
@given(tables(8), st.sampled_from(["0.1", "0.3", "0.7", "1.1"]), st.sampled_from(["0.1", "0.2", "0.6", "2.1"]))
def test_among_cuts_of_equal_cost_the_one_that_predicts_least_is_taken(table, alarm: str, miss: str) -> None:
    labels, scores = table
    costs = {"objective": "expected_cost", "false_alarm": float(alarm), "miss": float(miss)}

    def least(columns: list[int]) -> int:
        """The fewest rows that a cut with the lowest cost predicts, in exact arithmetic."""
        known = labels[:, columns] <= 1
        truth, own = labels[:, columns][known] == 1, scores[:, columns][known].astype(np.float64)
        priced = []
        for cut in [2.0, *own]:
            alarms, missed = int((~truth & (own >= cut)).sum()), int((truth & (own < cut)).sum())
            priced.append((Fraction(alarm) * alarms + Fraction(miss) * missed, int((own >= cut).sum())))
        return min(priced)[1]

    known = labels <= 1
    chosen = thresholds.fit(labels, scores, "per_class", **costs)
    assert (metrics.predict(scores, chosen) & known).sum(axis=0).tolist() == [least([0]), least([1])]
    one = thresholds.fit(labels, scores, "global", **costs)
    assert (metrics.predict(scores, one) & known).sum() == least([0, 1])


class File(WithThresholds):
    """thresholds.json alone."""

    def __init__(self, directory: Path) -> None:
        self.thresholds_dir, self.class_names, self.name, self.members = directory, ["a", "b"], "run", []


@quick
@given(tables(), st.sampled_from([*methods.METHODS]), st.sampled_from([*objectives.OBJECTIVES]), PROBABILITIES)
def test_thresholds_json_changes_no_prediction(tmp_path: Path, table, method, objective, fixed) -> None:
    labels, scores = table
    if method == "global" and objective == "micro_macro":
        objective = "macro_f1"
    options = {"rate_match": {}, "fixed": {"threshold": fixed}}.get(method, {"objective": objective})
    chosen = thresholds.fit(labels, scores, method, **options)
    file = File(tmp_path)
    file.save_thresholds(chosen, method, {})
    # Scores at and next to each threshold too, in both precisions.
    for kind in (np.float32, np.float64):
        at = chosen.astype(kind)
        asked = np.vstack([scores.astype(kind), at, np.nextafter(at, kind(0)), np.nextafter(at, kind(2))])
        cuts = [Fraction(cut) for cut in chosen.tolist()]
        exact = [[Fraction(one) >= cut for one, cut in zip(row, cuts, strict=True)] for row in asked.tolist()]
        assert file.decision().predictions(asked).tolist() == Decision(chosen).predictions(asked).tolist() == exact
