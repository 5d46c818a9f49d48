"""What is said of runs that are compared: a table for each, what its interval covers, and what choosing by it costs."""

from collections.abc import Sequence
from typing import Any

from report import figure_tables, tables
from report.formatting import between, number, percent, signed
from run_folder import ScoredRun
from run_folder.comparison import FOLDS, NO_THRESHOLD

AT = {NO_THRESHOLD: "", "0.5": " (at 0.5)", "tuned": " (tuned)", "held_out": " (held out)"}
ON_VAL = (
    "Choose between runs by these validation images: the test images then have no say, and the test figures of the run "
    "that you keep stay honest. The validation images chose each run's epoch, so both sides are a little optimistic."
)
ON_TEST = (
    "These are test images. If you choose between runs by them, they are no longer test images: the figures of the "
    "best run are then too high, the more so the more runs you tried. Choose on validation images (--compare_on val), "
    "and look at test figures once."
)
ONE_SEED = (
    "The interval covers which images are in the split, not the seed of the training: two seeds of one recipe may "
    "differ by more. To cover seeds, train each recipe with two or more and give all runs to compare_with."
)
SEEDS = (
    "With {} and {} runs that differ in the seed alone, whose figures are averaged, the interval covers "
    "other images and other seeds."
)


def show(run: ScoredRun, found: Sequence[dict[str, Any]]) -> None:
    """Print a table for each comparison."""
    for each in found:
        tables.show(
            f"{run.place} and {each['place']} on {each['images']:,} {each['split']} images of both",
            ["figure", each["first"], each["run"], "difference", "95 % interval", "better in"],
            [
                [
                    heading,
                    number(row["first"]),
                    number(row["other"]),
                    signed(row["difference"]),
                    between(row["interval"], signed),
                    "–" if row["better"] is None else percent(row["better"]),
                ]
                for heading, row in rows(each)
            ],
        )
        print(where(each))


def rows(each: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of a comparison's table, each with its heading."""
    return [
        (figure_tables.NAMES[name] + AT[choice], row)
        for choice, by_name in each["figures"].items()
        for name, row in by_name.items()
    ]


def messages(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return warnings, how sure each difference is, what the intervals cover, and what choosing by it costs."""
    said = []
    for each in found:
        said += [f"Warning: {text}" for text in each["warnings"]]
        choice = list(each["figures"])[-1]
        row = each["figures"][choice]["macro_f1"]
        if row["interval"] is None:
            continue
        low, high = row["interval"]
        others = "Other images and seeds" if each["seeds"] else f"Other {each['split']} images"
        reverse = "would hardly reverse" if low > 0 or high < 0 else "could reverse"
        gap, side = abs(row["difference"]), "higher" if row["difference"] >= 0 else "lower"
        said.append(
            f"Compared with {each['run']} on the same {each['split']} images: a macro-F1{AT[choice]} "
            f"{gap:.3f} {side} (95 % interval of the difference "
            f"{between(row['interval'], signed)}). {others} {reverse} this. {covers(each)}"
        )
    if found:
        said.append(choosing(found))
    return said


def choosing(found: Sequence[dict[str, Any]]) -> str:
    """Return what it costs to choose a run by these comparisons."""
    return ON_TEST if found[0]["split"] == "test" else ON_VAL


def covers(each: dict[str, Any]) -> str:
    """Return what the intervals of a comparison cover; nothing without intervals."""
    choice, by_name = list(each["figures"].items())[-1]
    if by_name["macro_f1"]["interval"] is None:
        return ""
    if each["same_recipe"]:
        return "The runs differ in the seed alone: this is what a seed makes."
    if not each["seeds"]:
        return ONE_SEED
    between_seeds = number(by_name["macro_f1"]["seed_deviation"])
    return SEEDS.format(*each["seeds"]) + f" Between seeds the macro-F1{AT[choice]} deviates by {between_seeds}."


def where(each: dict[str, Any]) -> str:
    """Return at which thresholds a comparison is, and what is drawn."""
    choices, chosen = each["figures"], f"{each['chosen']:,} of these images also chose the tuned thresholds"
    if "held_out" in choices:
        text = (
            f"Held out: each image at thresholds that the other {FOLDS - 1} of {FOLDS} parts chose, because {chosen}."
        )
    elif "tuned" in choices:
        text = "Tuned: each run at its tuned thresholds, which none of these images chose."
    elif each["chosen"]:
        text = f"At 0.5 alone: {chosen}, and not every thresholds.json says how to choose others."
    else:
        text = "At 0.5 alone: not every run has tuned thresholds."
    return f"{text} Intervals are by {each['drawn'][:-1]}."
