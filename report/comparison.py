"""Runs beside each other on the same images, with the interval of their difference from a paired bootstrap."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from data.faults import InputError
from data.spreadsheet import some
from metric_formulas import bootstrap
from report import judging, tables
from report.page import between, number, percent, signed

COMPARED = ("macro_f1", "macro_f1_present", "micro_f1", "weighted_f1", "samples_f1", "subset_accuracy", "mAP", "AUC")


def compared(run: Any, part: Any, ids: Sequence[str], other: Any, split: str, draws: int, seed: int) -> dict[str, Any]:
    """What a run is better or worse in than another.

    Both are judged on the images that both have in this split, at their own tuned thresholds if both have some, else at
    0.5. Each draw of images, or of groups where the first run knows any, is the same for both.

    Args:
        run, part, ids: the first run, what is judged of its split, and the N ids there.
        other: the other run.
        split: train, val or test.
        draws, seed: of the bootstrap.

    Returns:
        "run" (the other's name), "place", "images" (how many are common), "warning" (of images whose files have other
        bytes in the two runs; empty for none), "choice", "drawn" (images or groups), and
        "figures": name → "first", "other", "difference" (first − other), "interval" of the difference, and "better",
        the share of draws in which the first is above the other, a draw that is even counting half; the last two are
        None without draws.

    Raises:
        InputError: the other run has no scores of the split, no image in common, other classes, other labels, or
            scores that are no probabilities.
    """
    ours, theirs, choice, warning = _matched(run, part, ids, other, split)
    try:
        first, second = (judging.figures(one)[choice] for one in (ours, theirs))
    except ValueError as error:
        # Those of the first run have been judged already.
        raise InputError(f"{other.place}, {split} scores: {error}; train the run again") from None
    units = ours.units
    both = [each for one in (ours, theirs) for each in (
        bootstrap.Predicted(one.labels, one.predictions[choice], units), bootstrap.Ranked(one.labels, one.scores, units)
    )]  # fmt: skip
    count = len(ours.labels) if units is None else int(units.max()) + 1
    found = bootstrap.resampled(both, count, draws, seed) if draws else []
    figures = {}
    for name in COMPARED:
        figures[name] = {"first": first[name], "other": second[name], "difference": first[name] - second[name],
                         "interval": None, "better": None}  # fmt: skip
        if found:
            place = 0 if name in found[0] else 1
            gaps = found[place][name] - found[place + 2][name]
            figures[name] |= {"interval": list(bootstrap.interval(gaps)), "better": _share_above(gaps)}
    return {
        "run": _called(run, other),
        "place": other.place,
        "images": len(ours.labels),
        "warning": warning,
        "choice": choice,
        "drawn": "images" if units is None else "groups",
        "figures": figures,
    }


def show(run: Any, split: str, found: Sequence[dict[str, Any]]) -> None:
    """Print a table for each run that is compared."""
    for each in found:
        tables.show(
            f"{run.place} and {each['place']} on {each['images']:,} {split} images of both, {where(each)}",
            ["figure", run.name, each["run"], "difference", "95 % interval", "better in"],
            [
                [
                    judging.NAMES[name],
                    number(row["first"]),
                    number(row["other"]),
                    signed(row["difference"]),
                    between(row["interval"], signed),
                    "–" if row["better"] is None else percent(row["better"]),
                ]
                for name, row in each["figures"].items()
            ],
        )


def words(run: Any, found: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence a run: whether the macro-F1 differs by more than other images might make of it; and warnings."""
    said = []
    for each in found:
        if each["warning"]:
            said.append(f"Warning: {each['warning']}")
        row = each["figures"]["macro_f1"]
        if row["interval"] is None:
            continue
        low, high = row["interval"]
        sure = "more than chance" if low > 0 or high < 0 else "no more than which images are in the split may make"
        said.append(
            f"Beside {each['run']} on the same images: a macro-F1 {abs(row['difference']):.3f} "
            f"{'higher' if row['difference'] >= 0 else 'lower'} (95 % interval of the difference "
            f"{between(row['interval'], signed)}), {sure}."
        )
    return said


def where(each: dict[str, Any]) -> str:
    """At which thresholds a comparison is, and what is drawn."""
    cuts = "each at its tuned thresholds" if each["choice"] == "tuned" else "both at 0.5"
    return f"{cuts}; intervals by {each['drawn'][:-1]}"


def _matched(run: Any, part: Any, ids: Sequence[str], other: Any, split: str) -> tuple[Any, Any, str, str]:
    """Both parts with the common images and the classes in the same order, the choice of thresholds, and a warning."""
    stored = other.scores(split)
    choices = {"0.5": 0.5, **({"tuned": other.decision()} if other.has_thresholds else {})}
    theirs = judging.part_of(other, stored, choices)
    names, known = _names(run, part), _names(other, theirs)
    if set(names) != set(known):
        lacking = some([name for name in [*names, *known] if (name in names) != (name in known)])
        raise InputError(f"{other.place} cannot be compared with {run.place}: only one of them knows {lacking}")
    place = {name: row for row, name in enumerate(stored.ids)}
    common = [row for row, name in enumerate(ids) if name in place]
    if not common:
        raise InputError(f"{other.place} has no {split} image in common with {run.place}: nothing to compare")
    ours = part.rows(common, np.arange(len(names)))
    theirs = theirs.rows([place[ids[row]] for row in common], [known.index(name) for name in names])
    clash = (ours.labels != theirs.labels).any(axis=1)
    if clash.any():
        images = some([ids[common[row]] for row in np.flatnonzero(clash)])
        raise InputError(
            f"{other.place} has other labels than {run.place} for {clash.sum():,} {split} images ({images}); "
            "compare runs that were trained on the same labels"
        )
    warning, own = "", run.scores(split).hashes
    if own is not None and stored.hashes is not None:
        pairs = [(ids[row], own[row], stored.hashes[place[ids[row]]]) for row in common]
        if names := [name for name, mine, yours in pairs if mine and yours and mine != yours]:
            warning = (
                f"{len(names):,} of these images have other bytes in {_called(run, other)} ({some(names)}); the "
                "comparison holds only if they are the same images, saved again."
            )
    return ours, theirs, "tuned" if "tuned" in choices and "tuned" in part.predictions else "0.5", warning


def _called(run: Any, other: Any) -> str:
    """What the other run is called; runs of several folders may have one name."""
    return other.place if other.name == run.name else other.name


def _names(run: Any, part: Any) -> list[str]:
    return run.class_names[: part.labels.shape[1]]


def _share_above(gaps: np.ndarray) -> float:
    gaps = gaps[~np.isnan(gaps)]
    return float((gaps > 0).mean() + (gaps == 0).mean() / 2) if len(gaps) else float("nan")
