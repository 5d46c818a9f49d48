"""What a way to choose thresholds is worth on rows that did not choose them: cross-fitting."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation import counts, metrics
from thresholding.folds import dealt
from thresholding.objectives import cost

FIGURES = ("macro_f1", "micro_f1", "subset_accuracy")
Choose = Callable[[np.ndarray, np.ndarray], np.ndarray]  # labels and scores (n, M) of some rows → thresholds (M,)
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]  # scores (n, M) and thresholds (M,) → predictions (n, M) bool


@dataclass(frozen=True)
class Honest:
    """Figures of R repetitions, each of whose rows was predicted by thresholds that were chosen without it.

    Attributes:
        macro_f1, micro_f1, subset_accuracy: (R,) float64; TP, FP and FN are those of all held-out folds together.
        counts: "TP", "FP", "FN" and "TN", (R, M) int64 each.
        thresholds: (R × folds, M) float64.
        folds: how many.
        classes: K; the figures and the cost are of the first K of the M.
    """

    macro_f1: np.ndarray
    micro_f1: np.ndarray
    subset_accuracy: np.ndarray
    counts: dict[str, np.ndarray]
    thresholds: np.ndarray
    folds: int
    classes: int

    @property
    def class_f1(self) -> np.ndarray:
        """(M,) float64, the mean over repetitions."""
        return metrics.precision_recall_f1(self.counts)[2].mean(axis=0)

    def figures(self) -> dict[str, dict[str, float | None]]:
        """Each figure's "mean" and, of more than one repetition, the standard "deviation" over them, for JSON."""
        return {name: _spread(getattr(self, name)) for name in FIGURES}

    def cost(self, false_alarm: float | np.ndarray, miss: float | np.ndarray) -> dict[str, float | None]:
        """The cost of all classes together, as `figures` has it; the costs of a false alarm and a miss are (M,) or one
        number each."""
        return _spread(cost(self.counts, false_alarm, miss)[:, : self.classes].sum(axis=1))


def cross_fitted(
    labels: np.ndarray,
    scores: np.ndarray,
    choose: Choose,
    predict: Predict,
    classes: int,
    folds: int = 5,
    repetitions: int = 10,
    seed: int = 0,
    units: np.ndarray | None = None,
) -> Honest:
    """Choose thresholds on all folds but one, predict that one, and so on; folds are drawn anew in each repetition.

    Args:
        labels: (N, M) uint8, 255 for unknown. scores: (N, M).
        choose, predict: the way to choose thresholds, and what is made of them.
        classes: K; the figures are of the first K of the M columns.
        folds: at least 2; no more are made than there are units.
        repetitions: R, at least 1.
        seed: of the folds.
        units: (N,) int64 from 0 to U − 1, rows that stay in one fold; None: each row is its own.
    """
    folds = min(folds, len(labels) if units is None else int(units.max()) + 1)
    found = []
    for repetition in range(repetitions):
        fold = dealt(labels[:, :classes], folds, np.random.default_rng((seed, repetition)), units)
        found.append(_judged((labels, scores, fold), (labels, scores, fold), [choose] * folds, predict, classes))
    return _joined(found, folds, classes)


def across_folds(
    chosen_on: tuple[np.ndarray, np.ndarray, np.ndarray],
    judged: tuple[np.ndarray, np.ndarray, np.ndarray],
    choose: Sequence[Choose],
    predict: Predict,
    classes: int,
) -> Honest:
    """Judge each fold of some rows by thresholds that other rows chose, those of the same fold left out.

    Args:
        chosen_on: labels and scores (N, M) of the rows that choose, and the fold (N,) of each; −1 for none.
        judged: the same of the rows that are judged.
        choose: the way to choose the thresholds of each fold, F of them.
        predict, classes: as for `cross_fitted`.
    """
    return _joined([_judged(chosen_on, judged, choose, predict, classes)], len(choose), classes)


def held_out_predictions(
    labels: np.ndarray, scores: np.ndarray, fold: np.ndarray, choose: Choose, predict: Predict
) -> np.ndarray:
    """Return predictions (N, M) bool, those of each fold at thresholds that the rows of the other folds chose.

    Args:
        labels, scores, choose, predict: as for `cross_fitted`.
        fold: (N,) int64 from 0 to F − 1.
    """
    rows = labels, scores, fold
    return _predicted(rows, rows, [choose] * (int(fold.max()) + 1), predict)[1]


def _predicted(chosen_on, judged, choose, predict):
    """Thresholds (F, M) and predictions (N, M), of one division into folds."""
    labels, scores, fold = judged
    predicted = np.zeros(labels.shape, dtype=bool)
    thresholds = []
    for number, chosen in enumerate(choose):
        others, held_out = chosen_on[2] != number, fold == number
        thresholds.append(chosen(chosen_on[0][others], chosen_on[1][others]))
        predicted[held_out] = predict(scores[held_out], thresholds[-1])
    return thresholds, predicted


def _judged(chosen_on, judged, choose, predict, classes):
    """Thresholds (F, M), the three figures, and the counts of all M, of one division into folds."""
    thresholds, predicted = _predicted(chosen_on, judged, choose, predict)
    outcomes = counts.outcomes(judged[0], predicted)
    figures = counts.figures(outcomes.columns(slice(classes)).sums())
    return thresholds, [figures[name] for name in FIGURES], outcomes.confusion()


def _joined(found: Sequence, folds: int, classes: int) -> Honest:
    thresholds, figures, confusions = zip(*found, strict=True)
    pooled = {name: np.stack([each[name] for each in confusions]) for name in confusions[0]}
    return Honest(*np.array(figures).T, pooled, np.concatenate(thresholds), folds, classes)


def _spread(values: np.ndarray) -> dict[str, float | None]:
    # One repetition has no spread, and JSON has no nan.
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "deviation": deviation}
