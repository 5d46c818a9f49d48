"""What a way to choose thresholds is worth on rows that did not choose them: cross-fitting."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import metrics
from threshold_formulas.folds import dealt


@dataclass(frozen=True)
class Honest:
    """Figures of R repetitions, each of whose rows was predicted by thresholds that were chosen without it.

    Attributes:
        macro_f1, micro_f1, subset_accuracy: (R,) float64; TP, FP and FN are those of all held-out folds together.
        counts: "TP", "FP", "FN" and "TN", (R, M) int64 each.
        thresholds: (R × folds, M) float64.
        folds: how many.
    """

    macro_f1: np.ndarray
    micro_f1: np.ndarray
    subset_accuracy: np.ndarray
    counts: dict[str, np.ndarray]
    thresholds: np.ndarray
    folds: int

    @property
    def class_f1(self) -> np.ndarray:
        """(M,) float64, the mean over repetitions."""
        return metrics.precision_recall_f1(self.counts)[2].mean(axis=0)

    def figures(self) -> dict[str, dict[str, float | None]]:
        """Each figure's "mean" and, of more than one repetition, the standard "deviation" over them, for JSON."""
        names = ("macro_f1", "micro_f1", "subset_accuracy")
        return {name: _spread(getattr(self, name)) for name in names}

    def cost(self, false_alarm: float | np.ndarray, miss: float | np.ndarray) -> dict[str, float | None]:
        """The cost of the false alarms and misses of all M together, each (M,) or one number, as `figures` has it."""
        return _spread((self.counts["FP"] * false_alarm + self.counts["FN"] * miss).sum(axis=1))


def cross_fitted(
    labels: np.ndarray,
    scores: np.ndarray,
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray],
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray],
    classes: int,
    folds: int = 5,
    repetitions: int = 10,
    seed: int = 0,
) -> Honest:
    """Choose thresholds on all folds but one, predict that one, and so on; folds are drawn anew in each repetition.

    Args:
        labels: (N, M) uint8, 255 for unknown. scores: (N, M).
        choose: labels and scores of some rows → thresholds (M,).
        predict: scores of some rows and thresholds → predictions (n, M) bool.
        classes: K; the figures are of the first K of the M columns.
        folds: at least 2; no more are made than there are rows.
        repetitions: R, at least 1.
        seed: of the folds.
    """
    folds = min(folds, len(labels))
    predicted = np.zeros(labels.shape, dtype=bool)
    truth = labels[:, :classes]
    thresholds, rows, counts = [], [], []
    for repetition in range(repetitions):
        fold = dealt(truth, folds, np.random.default_rng((seed, repetition)))
        for number in range(folds):
            held_out = fold == number
            thresholds.append(choose(labels[~held_out], scores[~held_out]))
            predicted[held_out] = predict(scores[held_out], thresholds[-1])
        own = predicted[:, :classes]
        counts.append(metrics.confusion(labels, predicted))
        rows.append((metrics.macro_f1(truth, own), metrics.micro_f1(truth, own), metrics.subset_accuracy(truth, own)))
    pooled = {name: np.stack([each[name] for each in counts]) for name in counts[0]}
    return Honest(*np.array(rows).T, pooled, np.array(thresholds), folds)


def _spread(values: np.ndarray) -> dict[str, float | None]:
    # One repetition has no spread, and JSON has no nan.
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "deviation": deviation}
