"""From scores to predictions: the one place in which thresholds, a tree, and a rule for images without a class meet."""

from dataclasses import dataclass

import numpy as np

from data.labels.hierarchy import Tree
from evaluation import metrics


@dataclass(frozen=True)
class Decision:
    """How a class is predicted: where its score is at or above its threshold.

    Attributes:
        thresholds: (M,) float64, or one for all.
        at_least_one: whether an image in which no class passes gets the one with the highest score. Classes with a
            threshold above 1 are never predicted, so not then either.
    """

    thresholds: np.ndarray | float
    at_least_one: bool = False

    def predictions(self, scores: np.ndarray, tree: Tree | None = None) -> np.ndarray:
        """Predictions (N, M) bool of scores (N, M).

        Args:
            scores: of M classes, or of M nodes the first of which are the classes.
            tree: of the M nodes: what stands above a predicted node is predicted too,
                and it is among the classes that at least one is predicted. Or None.
        """
        found = metrics.predict(scores, self.thresholds)
        if self.at_least_one:
            classes = scores.shape[1] if tree is None else tree.classes
            cuts = np.broadcast_to(np.asarray(self.thresholds, dtype=np.float64), (scores.shape[1],))[:classes]
            possible = np.flatnonzero(~never_predicted(cuts))
            empty = np.flatnonzero(~found[:, :classes].any(axis=1))
            if len(possible):
                found[empty, possible[np.argmax(scores[np.ix_(empty, possible)], axis=1)]] = True
        return found if tree is None else tree.closed(found)

    def words(self) -> list[str]:
        """What there is to say of it beside its thresholds, in lines."""
        return ["Where no class passes its threshold, the most probable one is predicted."] if self.at_least_one else []


def never_predicted(thresholds: np.ndarray | float) -> np.ndarray:
    """Return for each threshold whether it is above 1, so that no score reaches it."""
    return np.asarray(thresholds) > 1


def decided(cuts: Decision | np.ndarray | float) -> Decision:
    """A decision as it is, and thresholds as the decision by them alone."""
    return cuts if isinstance(cuts, Decision) else Decision(cuts)
