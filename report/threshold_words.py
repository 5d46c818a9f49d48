"""What is said of thresholds: a row a class, what they reach, which of them are guesses, and what may be believed."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.class_sizes import FEW_TO_TUNE
from evaluation.figures import EvaluatedSplit
from report import tables
from report.formatting import cut, number
from run_folder import ScoredRun
from thresholding.held_out import Honest
from thresholding.methods import TUNES_NOTHING
from thresholding.objectives import cost

if TYPE_CHECKING:
    from thresholds import Config

COST = "expected_cost"  # the objective that has prices
FIGURES = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "subset_accuracy": "subset accuracy", "cost": "cost"}
ON_TEST = (
    "Honest, each test image judged by thresholds that images of other folds chose: {figures} ({folds} folds, those of "
    "the runs)."
)
ON_VAL = (
    "Judged by thresholds that other validation images chose: {figures} ({folds} folds). The epoch was still chosen by "
    "all of them."
)
EDITED = (
    "But thresholds.json was edited by hand: if any of these images had a say in that, the tuned figures are not "
    "honest."
)


def show_classes(
    config: "Config",
    run: ScoredRun,
    nodes: EvaluatedSplit,
    thresholds: np.ndarray,
    honest: Honest | None,
    options: dict[str, Any],
) -> None:
    """Print a row a class, the largest first: its positives, its threshold, and F1 before, after, and held out; or what
    it costs, where that was to be low, and then the cost of all."""
    names = run.class_names
    rows_of = nodes.rows(dict.fromkeys(nodes.predictions, thresholds), names)
    after = rows_of["tuned"]
    priced = config.objective == COST
    figure, written = ("cost", price) if priced else ("F1", number)
    if priced:
        prices = options["false_alarm"], options["miss"]
        values = [cost(outcomes.confusion(), *prices) for outcomes in nodes.outcomes.values()]
        held_out = None if honest is None else cost(honest.counts, *prices).mean(axis=0)
    else:
        values = [[row["f1"] for row in rows] for rows in rows_of.values()]
        held_out = None if honest is None else honest.class_f1
    columns = ["class", "positives\nin val", "threshold", f"{figure}\nat 0.5", f"{figure} at the\nthreshold"]
    rows = []
    for place in sorted(range(len(names)), key=lambda index: -after[index]["support"]):
        found = [each[place] for each in (values if held_out is None else [*values, held_out])]
        row = after[place]
        rows.append([row["class"], f"{row['support']:,}", cut(row["threshold"]), *map(written, found)])
    title = config.method if config.method in TUNES_NOTHING else f"{config.method}, {config.objective}"
    tables.show(f"Thresholds ({title})", columns + [f"{figure}\nheld out"] * (held_out is not None), rows)
    if priced:
        # Of the classes alone, as all other sums.
        classes = run.tree.classes if run.tree else len(names)
        plain, tuned = (price(each[:classes].sum()) for each in values)
        unit = f"{config.false_alarm_cost:g} a false alarm and {config.miss_cost:g} a miss"
        unit = f"as {config.costs_csv} has them" if config.costs_csv else unit
        images = f"{len(nodes.labels):,} images"
        print(f"Cost on these {images}, all classes together: {plain} at 0.5, {tuned} at these ({unit}).")


def show_figures(
    config: "Config", figures: dict, honest: Honest | None, tested: Honest | None, options: dict[str, Any]
) -> None:
    """Say what the thresholds reach on these rows, on rows that did not choose them, and on test images that did."""
    plain, tuned = figures["at_0.5"], figures["tuned"]
    print(
        f"On the validation rows: macro-F1 {plain['macro_f1']:.3f} at 0.5, {tuned['macro_f1']:.3f} at these; "
        f"micro-F1 {plain['micro_f1']:.3f} and {tuned['micro_f1']:.3f}; "
        f"subset accuracy {plain['subset_accuracy']:.3f} and {tuned['subset_accuracy']:.3f}."
    )
    if config.method == "fixed":
        return
    print("The second figures are optimistic: the same rows chose the thresholds.")
    if honest:
        found = honest.figures()
        if config.objective == COST:
            found["cost"] = honest.cost(options["false_alarm"], options["miss"])
        drawn = len(honest.macro_f1)
        spread = f"drawn {drawn} times; ± is the standard deviation over these" if drawn > 1 else "drawn once"
        print("Honest, each row judged by thresholds that other rows chose: "
              f"{listed(found)} ({honest.folds} folds, {spread}).")  # fmt: skip
    if tested:
        print(ON_TEST.format(figures=listed(tested.figures()), folds=tested.folds))


def listed(figures: Mapping[str, Any]) -> str:
    """`Honest.figures` in words, such as macro-F1 0.589 ± 0.006, micro-F1 0.612 ± 0.005."""
    return ", ".join(
        f"{text} {_written(name)(figures[name]['mean'])}"
        + (f" ± {_written(name)(figures[name]['deviation'])}" if figures[name]["deviation"] is not None else "")
        for name, text in FIGURES.items()
        if name in figures
    )


def _written(name: str) -> Callable[[float], str]:
    return price if name == "cost" else number


def price(value: float) -> str:
    """A cost with as many decimals as matter."""
    return f"{value:,.1f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"


def beliefs(run: ScoredRun, split: str, tuned_on: int) -> list[str]:
    """What is to be believed of the tuned figures of a split, in sentences, from what thresholds.json holds.

    Args:
        run: with its thresholds. split: the one that is judged.
        tuned_on: images of the split that also chose the thresholds, where several runs are joined.
    """
    if run.thresholds_edited:
        return [EDITED]
    record = run.thresholds_record()
    try:
        if tuned_on and "held_out_test" in record:
            return [ON_TEST.format(figures=listed(record["held_out_test"]), folds=record["held_out_test"]["folds"])]
        if split == "val" and record.get("held_out"):
            return [ON_VAL.format(figures=listed(record["held_out"]), folds=record["held_out"]["folds"])]
    except (TypeError, KeyError, ValueError):
        return []  # people may have edited that too
    return []


def name_classes(config: "Config", class_names: list[str], positives: np.ndarray) -> None:
    """Name the classes with too few positives to tune a threshold on."""
    if config.method in ("fixed", "global"):
        return
    by_rate = config.method in ("rate_match", "shrink")
    # If a false alarm and a miss cost the same, the thresholds keep the classes' rates.
    priced = config.objective == COST and (config.costs_csv or config.false_alarm_cost != config.miss_cost)
    moved = ", then moved by the costs" if priced else ""
    counted = list(zip(class_names, positives.tolist(), strict=True))
    few = [f"{name} ({count})" for name, count in counted if 0 < count < FEW_TO_TUNE]
    if few:
        guesses = f"nearly those that keep the classes' rates{moved}" if by_rate else "little but guesses"
        print(f"Fewer than {FEW_TO_TUNE} positives in val, so their thresholds are {guesses}: {', '.join(few)}")
    untuned = [name for name, count in counted if not count]
    if untuned:
        instead = "threshold 0.5" if config.objective in ("macro_f1", "micro_macro") else "predicted nowhere in val"
        instead = f"as often predicted as in training{moved and moved + ','}" if by_rate else instead
        print(f"No positives in val, so {instead} and F1 counted 0: {', '.join(untuned)}")
