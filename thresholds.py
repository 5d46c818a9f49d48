"""Choose the threshold of each class on the validation scores of a run: python thresholds.py --run_dirs runs/cnn

A class is predicted where its score is at or above its threshold. Writes thresholds.json into the run's folder;
evaluate.py and predict.py read it there. It may be edited by hand, and is then replaced only with --overwrite.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import header
from header import Fraction, PositiveFloat

if TYPE_CHECKING:
    import numpy as np

UNTUNED = 0.5  # the threshold of a class without positives to tune on
NEVER = 1.000001  # a threshold that no probability reaches
SMALLEST = 1e-9  # probabilities nearer to 0 or 1 than this have no logit
FEW = 10  # below this many positives a tuned threshold is named as a guess


@dataclass(frozen=True)
class Config:
    run_dirs: tuple[Path, ...] = (Path("runs/cnn"),)  # a run that train.py finished, or several that are joined
    # per_class: the highest F1 of each class; rate_match: as many as in training; shrink: between the two; fixed: one
    method: Literal["shrink", "per_class", "rate_match", "fixed"] = "shrink"  # shrink holds best on new images
    strength: PositiveFloat = 20.0  # shrink: positives at which the highest F1 and the rate count alike
    fixed_threshold: Fraction = 0.5  # the one threshold of method="fixed"
    output_dir: Path | None = None  # where thresholds.json goes; None: the run's folder, see docs/several_runs.md
    overwrite: bool = False  # replace a thresholds.json that was edited by hand


def main(config: Config) -> None:
    import joined_runs
    import run_folder
    from data.faults import InputError
    from report import levels

    run = joined_runs.open_runs(config.run_dirs)
    folder = run.elsewhere(config.output_dir)
    earlier = folder.has_thresholds
    # What this script wrote, it can write again; a person's edits would be lost.
    if folder.thresholds_edited and not config.overwrite:
        raise InputError(
            f"{folder.directory / run_folder.THRESHOLDS} was edited by hand; give --overwrite to replace it, "
            "or another --output_dir"
        )
    if folder.thresholds_of_others not in ("", run.name) and not config.overwrite:
        raise InputError(
            f"{folder.directory / run_folder.THRESHOLDS} holds the thresholds of {folder.thresholds_of_others}; give "
            "--overwrite to replace it, or another --output_dir"
        )
    for text in run.words():
        print(text)
    scored = run.scores("val")
    positives = (scored.labels == 1).sum(axis=0)
    if not positives.any():
        raise InputError(f"{run.place}: no validation image has a label, so there is nothing to tune thresholds on")
    options: dict[str, Any] = {"threshold": config.fixed_threshold} if config.method == "fixed" else {}
    if config.method in ("rate_match", "shrink"):
        options["rates"] = run.training_rates
    if config.method == "shrink":
        options["strength"] = config.strength
    try:
        thresholds = fit(scored.labels, scored.scores, config.method, **options)
    except ValueError as error:
        raise InputError(f"{run.place}, validation scores: {error}; train the run again") from None
    figures = {"at_0.5": levels.class_summary(run.tree, scored.labels, scored.scores, UNTUNED)}
    figures["tuned"] = levels.class_summary(run.tree, scored.labels, scored.scores, thresholds)
    untuned = [name for name, count in zip(run.class_names, positives, strict=True) if not count]

    show_classes(config.method, run.class_names, scored, thresholds)
    show_figures(config.method, figures, untuned, positives)
    if run.tree:
        print(f"They are of the {run.tree.classes} classes. What stands above a predicted node is predicted too.")
    details = {"tuned_on": "val", "in_sample": figures, "classes_without_positives": untuned, **header.record(config)}
    path = folder.save_thresholds(thresholds, config.method, details)
    print(f"Replaced the earlier thresholds in {path}" if earlier else f"Thresholds: {path}")
    elsewhere = {"thresholds_dir": config.output_dir} if config.output_dir else {}
    header.next_command("evaluate.py", run_dirs=config.run_dirs, **elsewhere)


def fit(labels: "np.ndarray", scores: "np.ndarray", method: str = "per_class", **options: Any) -> "np.ndarray":
    """The K thresholds that a method chooses; predict a class where its score is at or above its threshold.

    Args:
        labels: (N, K) uint8 with 0, 1, or 255 for unknown, which is left out.
        scores: (N, K) floating.
        method: a key of `METHODS`.
        options: the further arguments of that method's function.

    Returns:
        (K,) float64.

    Raises:
        ValueError: an unknown method, shapes that differ, or a score that is nan.
    """
    import numpy as np

    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise ValueError(f"labels {labels.shape} and scores {scores.shape} must have one shape (N, K)")
    return METHODS[method](labels, scores, **options)


def per_class(labels: "np.ndarray", scores: "np.ndarray") -> "np.ndarray":
    """The threshold with the highest F1 of each class on these very rows (Lipton, Elkan and Narayanaswamy 2014).

    Exact: F1 = 2 TP / (predicted + positives) is highest at the score of a positive, so only those cuts are compared.
    The threshold lies halfway to the next lower score (of any row; below the lowest score, halfway to 0). Among equal
    F1 the cut that predicts least is taken. A class without known positives gets 0.5.

    Args:
        labels: (N, K) uint8. scores: (N, K).

    Returns:
        (K,) float64.
    """
    import numpy as np

    import metrics

    chosen = np.full(labels.shape[1], UNTUNED)
    for index in range(labels.shape[1]):
        found, predicted, ordered = metrics.ranked_positives(labels[:, index], scores[:, index])
        if not len(found):
            continue
        f1 = 2 * found / (predicted + len(found))
        best = len(f1) - 1 - int(np.argmax(f1[::-1]))
        cut = len(ordered) - predicted[best]
        upper = float(ordered[cut])
        lower = float(ordered[cut - 1]) if cut else min(0.0, upper)
        middle = (lower + upper) / 2
        # Between neighbouring floats there is no middle.
        chosen[index] = middle if middle > lower or not cut else upper
    return chosen


def fixed(labels: "np.ndarray", scores: "np.ndarray", threshold: float = UNTUNED) -> "np.ndarray":
    """One threshold for all classes, (K,) float64."""
    import numpy as np

    return np.full(labels.shape[1], float(threshold))


def rate_match(labels: "np.ndarray", scores: "np.ndarray", rates: "np.ndarray | None" = None) -> "np.ndarray":
    """The thresholds at which each class is predicted as often as it occurs: the quantile 1 − rate of its scores.

    Args:
        labels: (N, K) uint8. scores: (N, K) probabilities.
        rates: (K,) shares of positives, of the training rows best; None for those of these rows.

    Returns:
        (K,) float64; 0.5 for a class without a known label, `NEVER` for one whose rate is 0.
    """
    import numpy as np

    known = labels <= 1
    if rates is None:
        rates = (labels == 1).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    chosen = np.full(labels.shape[1], UNTUNED)
    for index in np.flatnonzero(known.any(axis=0)):
        levels = _logits(scores[known[:, index], index])
        # The quantile of a rate of 0 is the highest score, which would itself be predicted.
        chosen[index] = _probabilities(np.quantile(levels, 1 - rates[index])) if rates[index] > 0 else NEVER
    return chosen


def shrink(
    labels: "np.ndarray", scores: "np.ndarray", rates: "np.ndarray | None" = None, strength: float = 20.0
) -> "np.ndarray":
    """Between `per_class` and `rate_match`, nearer to the first the more positives there are to tune on.

    With n positives the logit of the threshold is n/(n + strength) of the one and strength/(n + strength) of the other.
    A threshold tuned on two positives fits those two; one that keeps the rate cannot go far astray.

    Args:
        labels: (N, K) uint8. scores: (N, K) probabilities.
        rates: as for `rate_match`.
        strength: positives at which the two count alike.

    Returns:
        (K,) float64.
    """
    import numpy as np

    positives = (labels == 1).sum(axis=0)
    share = positives / (positives + strength)
    tuned, matched = per_class(labels, scores), rate_match(labels, scores, rates)
    between = _probabilities(share * _logits(tuned) + (1 - share) * _logits(matched))
    # A class seen neither in training nor here stays unpredicted.
    return np.where((positives == 0) & (matched >= NEVER), NEVER, between)


def _logits(probabilities: "np.ndarray") -> "np.ndarray":
    import numpy as np

    kept = np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(kept) - np.log1p(-kept)


def _probabilities(logits: Any) -> Any:
    import numpy as np

    return 1 / (1 + np.exp(-np.asarray(logits, dtype=np.float64)))


METHODS = {"shrink": shrink, "per_class": per_class, "rate_match": rate_match, "fixed": fixed}


def show_classes(method: str, class_names: list[str], scored: Any, thresholds: "np.ndarray") -> None:
    """Print a row a class, the largest first: its positives, its threshold, and F1 before and after."""
    import metrics
    from report import tables

    before = metrics.per_class(scored.labels, scored.scores, UNTUNED, class_names)
    after = metrics.per_class(scored.labels, scored.scores, thresholds, class_names)
    pairs = sorted(zip(before, after, strict=True), key=lambda pair: -pair[0]["support"])
    tables.show(
        f"Thresholds ({method})",
        ["class", "positives\nin val", "threshold", "F1\nat 0.5", "F1 at the\nthreshold"],
        [
            [new["class"], f"{new['support']:,}", f"{new['threshold']:.3f}", f"{old['f1']:.3f}", f"{new['f1']:.3f}"]
            for old, new in pairs
        ],
    )


def show_figures(method: str, figures: dict[str, Any], untuned: list[str], positives: "np.ndarray") -> None:
    """Say what the thresholds reach on these rows, and what that does not show."""
    plain, tuned = figures["at_0.5"], figures["tuned"]
    print(
        f"On the validation rows: macro-F1 {plain['macro_f1']:.3f} at 0.5, {tuned['macro_f1']:.3f} at these; "
        f"subset accuracy {plain['subset_accuracy']:.3f} and {tuned['subset_accuracy']:.3f}."
    )
    if method == "fixed":
        return
    print("The second figures are optimistic: the same rows chose the thresholds. What they are worth, test rows show.")
    few = int(((positives > 0) & (positives < FEW)).sum())
    if few:
        guess = "little but guesses" if method == "per_class" else "nearly those that keep the classes' rates"
        print(f"{few} of the classes have fewer than {FEW} positives in val: their thresholds are {guess}.")
    if untuned:
        instead = f"threshold {UNTUNED}" if method == "per_class" else "as often predicted as in training"
        print(f"No positives in val, so {instead} and F1 counted 0: {', '.join(untuned)}")


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
