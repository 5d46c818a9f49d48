"""Recipes on the same images, with the interval of their difference: a paired bootstrap, and seeds if there are some.

Nothing is compared at thresholds that the compared images chose. If they did, as validation images do, each image is
predicted at thresholds that the run's method chooses on other images of the split.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from common.errors import InputError
from data.tables.spreadsheet import some
from evaluation import bootstrap, levels, seeds
from evaluation.figures import EvaluatedSplit
from run_folder.layout import Scores
from run_folder.recipe import by_recipe
from run_folder.scored_run import ScoredRun
from thresholding import held_out
from thresholding.folds import dealt

FOLDS = 5  # of the images that choose thresholds for each other
RANKED = ("mAP", "AUC")
CUT = ("macro_f1", "macro_f1_present", "micro_f1", "weighted_f1", "samples_f1", "subset_accuracy")
NO_THRESHOLD = "none"  # the choice of figures that need none

Chooser = Callable[[ScoredRun, ScoredRun], held_out.Choose | None]  # `thresholds.recorded_chooser`
Values = dict[str, dict[str, Any]]  # choice → figure → a number, or one for each draw


@dataclasses.dataclass(frozen=True)
class Compared:
    """A run, the run that holds its thresholds, and its ids whose images had a say in these.

    Attributes:
        run: the run. thresholds_run: the same with the folder of its thresholds.
        stored: its scores of the split.
        names: of its K classes.
        choose: the method that chose its thresholds; None if it is not known.
        chose: the ids.
    """

    run: ScoredRun
    thresholds_run: ScoredRun
    stored: Scores
    names: list[str]
    choose: held_out.Choose | None
    chose: frozenset[str]


def compare(
    run: ScoredRun,
    thresholds_run: ScoredRun,
    others: Sequence[ScoredRun],
    split: str,
    chooser: Chooser,
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Return how a run compares with others on the images of a split that both have.

    Runs that differ in the seed alone are taken together: their figures are means over the seeds, and the intervals
    cover other seeds too, see `evaluation.seeds`. So do those of joined runs that differ in the seed alone. Their
    figures stay those of the join, whose variance is to first order that of a mean. Each draw of images, or of groups
    if the first run knows any, is the same for all.

    Args:
        run: the first run or ensemble. thresholds_run: the same with the folder whose thresholds are used.
        others: the other runs.
        split: train, val or test.
        chooser: returns the method that chose the thresholds of its first argument, for the second.
        draws, seed: of the bootstrap.

    Returns:
        A dict for each other recipe, or for each other run if there is one recipe: "run" and "first" (the names of the
        other side and of the first), "place" (of the other), "split", "images" (how many are common), "warnings" (of
        images whose files have other bytes in another run), "drawn" (images or groups), "seeds" (the runs of each side,
        if the intervals cover seeds, else None), "same_recipe", "chosen"
        (images that had a say in thresholds), and "figures": choice → name → "first", "other", "difference" (first −
        other), "interval" of the difference, "better" (the share of draws in which the first is above the other, an
        even draw counting half), and "seed_deviation". The choices are `NO_THRESHOLD`, "0.5", and "tuned", or
        "held_out" if the images chose thresholds. What is not known is None.

    Raises:
        InputError: a run has no scores of the split, no image in common, other classes, other labels, or scores that
            are no probabilities.
    """
    if not others:
        return []
    joined = len(run.members) > 1
    own, *groups = [[run], *by_recipe(others)] if joined else by_recipe([run, *others])
    whole = _opened(run, thresholds_run, run, split, chooser)
    first = [whole, *(_opened(each, each, each, split, chooser) for each in own[1:])]
    if joined and len(by_recipe(run.members)) == 1:
        first = [_opened(each, thresholds_run, run, split, chooser) for each in run.members]
    found = []
    for group in groups:
        other = [_opened(each, each, each, split, chooser) for each in group]
        found.append(_difference(first, other, whole if joined else None, split, draws, seed))
    if groups:
        return found
    return [_difference([whole], [each], None, split, draws, seed) | {"same_recipe": True} for each in first[1:]]


def _opened(run: ScoredRun, thresholds_run: ScoredRun, joined: ScoredRun, split: str, chooser: Chooser) -> Compared:
    """Return a `Compared`; `joined` is the run whose val images chose the thresholds."""
    names = run.class_names[: run.tree.classes] if run.tree else run.class_names
    choose, chose = None, frozenset()
    if thresholds_run.has_thresholds:
        choose = chooser(thresholds_run, run)
        fixed = thresholds_run.thresholds_record().get("method") == "fixed" and not thresholds_run.thresholds_edited
        if not fixed and "val" in joined.splits():
            chose = frozenset(joined.scores("val").ids)
    return Compared(run, thresholds_run, run.scores(split), names, choose, chose)


def _difference(
    first: Sequence[Compared], other: Sequence[Compared], whole: Compared | None, split: str, draws: int, seed: int
) -> dict[str, Any]:
    """A dict of `compare`, of two sides; `whole` is the join of the first, whose figures then stand for it."""
    runs = [*first, *other, *([whole] if whole else [])]
    parts, chosen = _parts(runs, split, seed)
    units = parts[0].units
    count = len(parts[0].labels) if units is None else int(units.max()) + 1
    choices = [choice for choice in parts[0].predictions if all(choice in part.predictions for part in parts)]
    measured = [
        _measured(each, part, choices, (units, count, draws, seed), split)
        for each, part in zip(runs, parts, strict=True)
    ]
    end = len(first) + len(other)
    by_seed = end > 2

    def sides(kind: int, choice: str, name: str) -> tuple[np.ndarray, np.ndarray, Any, Any]:
        """The values of each side's runs, and of each side."""
        every = np.array([each[kind][choice][name] for each in measured])
        a, b = every[: len(first)], every[len(first) : end]
        return a, b, every[end] if whole else a.mean(axis=0), b.mean(axis=0)

    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for choice in (NO_THRESHOLD, *choices):
        figures[choice] = {}
        for name in RANKED if choice == NO_THRESHOLD else CUT:
            a, b, ours, theirs = sides(0, choice, name)
            row = {"first": float(ours), "other": float(theirs), "difference": float(ours - theirs),
                   "interval": None, "better": None, "seed_deviation": None}  # fmt: skip
            if draws:
                drawn = sides(1, choice, name)
                gaps = drawn[2] - drawn[3]
                row |= {"interval": list(bootstrap.interval(gaps)), "better": _share_above(gaps)}
                if by_seed:
                    *span, deviation = seeds.interval(row["difference"], gaps, a, b, count)
                    row |= {"interval": span, "better": None, "seed_deviation": deviation}
            figures[choice][name] = row
    head = whole or first[0]
    return {
        # Runs of several folders may have one name.
        "run": ", ".join(each.run.place if each.run.name == head.run.name else each.run.name for each in other),
        "first": head.run.name if whole else ", ".join(each.run.name for each in first),
        "place": " and ".join(each.run.place for each in other),
        "split": split,
        "images": len(parts[0].labels),
        "warnings": [text for each in runs[1:] for text in _other_bytes(head, each)],
        "drawn": "images" if units is None else "groups",
        "seeds": [len(first), len(other)] if by_seed else None,
        "same_recipe": False,
        "chosen": chosen,
        "figures": figures,
    }


def _other_bytes(head: Compared, each: Compared) -> list[str]:
    """Return a warning of common images whose files have other bytes in the two runs, if there are any."""
    other = each.stored.digests
    names = [name for name, digest in head.stored.digests.items() if other.get(name, digest) != digest]
    called = each.run.place if each.run.name == head.run.name else each.run.name
    text = (
        f"{len(names):,} of these images have other bytes in {called} ({some(names)}); the comparison holds only if "
        "they are the same images, saved again."
    )
    return [text] if names else []


def _measured(each: Compared, part: EvaluatedSplit, choices: Sequence[str], drawing: tuple, split: str) -> list[Values]:
    """The figures of a run, and those of every draw of (units, their number, draws, seed)."""
    units, count, draws, seed = drawing
    try:
        figures = part.figures()
    except ValueError as error:
        raise _broken(each, split, error) from None
    judged = [bootstrap.Ranked(part.labels, part.scores, units)]
    judged += [bootstrap.Predicted(part.outcomes[choice], units) for choice in choices]
    drawn = bootstrap.resampled(judged, count, draws, seed) if draws else []
    return [{NO_THRESHOLD: figures["0.5"], **figures}, dict(zip((NO_THRESHOLD, *choices), drawn, strict=False))]


def _parts(runs: Sequence[Compared], split: str, seed: int) -> tuple[list[EvaluatedSplit], int]:
    """The common images with the classes in the first one's order, and how many of them had a say in thresholds.

    A run has predictions at 0.5, and "tuned" or, if any of the images chose thresholds, "held_out", if it has such.
    """
    head = runs[0]
    common = head.stored.ids
    places = [{name: row for row, name in enumerate(each.stored.ids)} for each in runs]
    for each, place in zip(runs, places, strict=True):
        if set(head.names) != set(each.names):
            lacking = some(
                [name for name in [*head.names, *each.names] if (name in head.names) != (name in each.names)]
            )
            raise InputError(
                f"{each.run.place} cannot be compared with {head.run.place}: only one of them knows {lacking}"
            )
        common = [name for name in common if name in place]
        if not common:
            raise InputError(
                f"{each.run.place} has no {split} image in common with {head.run.place}: nothing to compare"
            )
    rows = [[place[name] for name in common] for place in places]
    chosen = [bool(each.chose.intersection(common)) for each in runs]
    groups = None if head.stored.groups is None else head.stored.groups[rows[0]]
    made: list[EvaluatedSplit] = []
    fold = None
    for each, own, tuned in zip(runs, rows, chosen, strict=True):
        columns = [each.names.index(name) for name in head.names]
        labels, scores, tree = each.stored.labels[own], each.stored.scores[own], each.run.tree
        predictions = {"0.5": levels.predictions(tree, scores, 0.5)}
        part = EvaluatedSplit(labels[:, columns], scores[:, columns], {}, groups)
        fold = _folds(part, seed) if fold is None else fold
        if made and (clash := (made[0].labels != part.labels).any(axis=1)).any():
            images = some([common[row] for row in np.flatnonzero(clash)])
            raise InputError(
                f"{each.run.place} has other labels than {head.run.place} for {clash.sum():,} {split} images "
                f"({images}); compare runs that were trained on the same labels"
            )
        if each.thresholds_run.has_thresholds and each.thresholds_run.class_names == each.run.class_names:
            try:
                found = _tuned(each, labels, scores, fold if tuned else None)
            except ValueError as error:
                raise _broken(each, split, error) from None
            predictions |= {} if found is None else {"held_out" if any(chosen) else "tuned": found}
        chosen_by = {choice: values[:, columns] for choice, values in predictions.items()}
        made.append(dataclasses.replace(part, predictions=chosen_by))
    return made, len(frozenset().union(*(each.chose for each in runs)).intersection(common))


def _broken(each: Compared, split: str, error: ValueError) -> InputError:
    return InputError(f"{each.run.place}, {split} scores: {error}; train the run again")


def _tuned(each: Compared, labels: np.ndarray, scores: np.ndarray, fold: np.ndarray | None) -> np.ndarray | None:
    """Predictions (N, M) at the tuned thresholds; with folds, at those that other folds choose, None if none can."""
    decision, tree = each.thresholds_run.decision(), each.run.tree
    if fold is None:
        return decision.predictions(scores, tree)
    if each.choose is None or not fold.any():
        return None

    def predict(some_scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        return dataclasses.replace(decision, thresholds=thresholds).predictions(some_scores, tree)

    return held_out.held_out_predictions(labels, scores, fold, each.choose, predict)


def _folds(part: EvaluatedSplit, seed: int) -> np.ndarray:
    """The fold of each image, the same for all that are compared; all 0 if there is nothing to part."""
    units = part.units
    count = len(part.labels) if units is None else int(units.max()) + 1
    return dealt(part.labels, min(FOLDS, count), np.random.default_rng((seed, 0)), units)


def _share_above(gaps: np.ndarray) -> float:
    gaps = gaps[~np.isnan(gaps)]
    return float((gaps > 0).mean() + (gaps == 0).mean() / 2) if len(gaps) else float("nan")
