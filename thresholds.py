"""Choose the threshold of each class on the validation scores of a run: python thresholds.py --run_dirs runs/cells

A class is predicted where its score is at or above its threshold. Prints what the thresholds reach on the rows that
chose them, and what they are worth on rows that did not. Writes thresholds.json and thresholds.png into the run's
folder; evaluate.py and predict.py read the first there. It may be edited by hand, and is then replaced only with
--overwrite. A million images of 29 classes take 1.5 s (bench/RESULTS.md).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import header
from header import Bounds, Fraction, NonNegativeInt, PositiveFloat, Seed

if TYPE_CHECKING:
    import numpy as np

    from run_folder import ScoredRun, Scores
    from thresholding.held_out import Choose, Honest, Predict

Method = Literal["shrink", "per_class", "global", "cross_fit", "rate_match", "fixed"]
Objective = Literal["macro_f1", "micro_f1", "micro_macro", "subset_accuracy", "expected_cost"]
Folds = Annotated[int, Bounds(2)]

METHODS, OBJECTIVES = get_args(Method), get_args(Objective)
RECORDED = (  # what of a stored config chooses thresholds
    "method", "objective", "strength", "folds", "false_alarm_cost", "miss_cost", "fixed_threshold", "seed",
)  # fmt: skip
OF_METHODS = {"strength": "shrink", "folds": "cross_fit", "fixed_threshold": "fixed"}  # options that one method has


@dataclass(frozen=True)
class Config:
    run_dirs: tuple[Path, ...] = (Path("runs/cells"),)  # a run that train.py finished, or several that are joined
    method: Method = "shrink"  # holds best on new images; the others: docs/evaluation.md
    objective: Objective = "macro_f1"  # what is to be highest, or of expected_cost lowest
    at_least_one: bool = False  # predict the most probable class where none passes, here and in later scripts
    strength: PositiveFloat = 20.0  # shrink: positives at which the tuned threshold and the rate count alike
    folds: Folds = 3  # cross_fit: parts of the validation rows, each left out once
    false_alarm_cost: PositiveFloat = 1.0  # expected_cost: of a class named where it is not
    miss_cost: PositiveFloat = 1.0  # expected_cost: of a class not named where it is
    costs_csv: Path | None = None  # expected_cost: a CSV instead of these two: class, false_alarm, miss
    fixed_threshold: Fraction = 0.5  # the one threshold of method="fixed"
    honest_folds: Folds = 5  # parts of the validation rows, each judged by thresholds that the others chose
    repetitions: NonNegativeInt = 10  # times that these parts are drawn anew; 0: only the optimistic figures
    seed: Seed = 0  # of both kinds of folds
    output_dir: Path | None = None  # where thresholds.json goes; None: the run's folder, see docs/several_runs.md
    overwrite: bool = False  # replace a thresholds.json that was edited by hand


def main(config: Config) -> None:
    from common.errors import InputError
    from evaluation import levels, metrics
    from evaluation.decision import Decision
    from report import threshold_curves, threshold_words
    from run_folder import ensemble
    from thresholding import over_tree

    check_choices(config)
    run = ensemble.open_runs(config.run_dirs)
    thresholds_run = writable_run(config, run)
    earlier = thresholds_run.has_thresholds
    for text in run.messages():
        print(text)
    scored = run.scores("val")
    positives = (scored.labels == 1).sum(axis=0)
    if not positives.any():
        raise InputError(f"{run.place}: no validation image has a label, so there is nothing to tune thresholds on")
    options = method_options(config, run)
    choose = over_tree.chooser(config.method, options, run.tree)
    try:
        metrics.check_probabilities(scored.labels, scored.scores)
        decision = Decision(choose(scored.labels, scored.scores), config.at_least_one)
        honest = judged_apart(config, run, scored, choose)
        tested = judged_on_test(config, run, scored, options)
    except ValueError as error:
        raise InputError(f"{run.place}, validation scores: {error}; train the run again") from None

    choices = {"at_0.5": 0.5, "tuned": decision}
    nodes = levels.evaluated_nodes(run.tree, scored.labels, scored.scores, choices)
    figures = nodes.columns(slice(classes_of(run))).summary()
    threshold_words.show_classes(config, run, nodes, decision.thresholds, honest, options)
    threshold_words.show_figures(config, figures, honest, tested, options)
    threshold_words.name_classes(config, run.class_names, positives)
    if run.tree:
        print(f"These figures are of the {run.tree.classes} classes; what stands above a predicted node is too.")
    for text in decision.words():
        print(text)
    untuned = [name for name, count in zip(run.class_names, positives, strict=True) if not count]
    details = {"tuned_on": "val", "objective": config.objective, "in_sample": figures, "held_out": kept(honest, run)}
    details |= {"held_out_test": kept(tested, run)} if tested else {}
    details |= {"classes_without_positives": untuned, **header.record(config)}
    path = thresholds_run.save_thresholds(decision.thresholds, config.method, details, config.at_least_one)
    apart = honest.thresholds if honest else None
    threshold_curves.draw(scored.labels, scored.scores, run.class_names, decision.thresholds, apart, path.parent)
    print(f"Replaced the earlier thresholds in {path}" if earlier else f"Thresholds: {path}")
    options = {"thresholds_dir": config.output_dir} if config.output_dir else {}
    header.next_command("evaluate.py", run_dirs=config.run_dirs, **options)


def fit(labels: "np.ndarray", scores: "np.ndarray", method: str = "per_class", **options: object) -> "np.ndarray":
    """The K thresholds that a method chooses; predict a class where its score is at or above its threshold.

    Args:
        labels: (N, K) uint8 with 0, 1, or 255 for unknown, which is left out.
        scores: (N, K) floating; for all methods but "per_class", "global" and "fixed" probabilities.
        method: one of `METHODS`; the functions are in thresholding/methods.py.
        options: the further arguments of that method's function, such as `objective`, one of `OBJECTIVES`.

    Returns:
        (K,) float64.

    Raises:
        ValueError: an unknown method or objective, shapes that differ, or a score that is nan.
    """
    from thresholding import methods

    return methods.fit(labels, scores, method, **options)


def check_choices(config: Config) -> None:
    """Refuse settings that would have no effect."""
    from common.errors import InputError
    from thresholding.methods import TUNES_NOTHING

    for option, method in OF_METHODS.items():
        # The header's own value is no request.
        if config.method != method and getattr(config, option) != getattr(Config, option):
            raise InputError(f"{option} is of method = {method}; it is {config.method}")
    if config.method in TUNES_NOTHING and config.objective != "macro_f1":
        raise InputError(f"method = {config.method} tunes nothing, so objective = {config.objective} has no effect")
    if config.method == "global" and config.objective == "micro_macro":
        raise InputError("objective = micro_macro goes class by class, and method = global has one threshold for all")
    priced = config.costs_csv or (config.false_alarm_cost, config.miss_cost) != (1, 1)
    if priced and config.objective != "expected_cost":
        raise InputError(f"costs are for objective = expected_cost; it is {config.objective}")
    if config.costs_csv and (config.false_alarm_cost, config.miss_cost) != (1, 1):
        raise InputError("give costs_csv, or false_alarm_cost and miss_cost, not both")


def writable_run(config: Config, run: "ScoredRun") -> "ScoredRun":
    """Return the run with the folder that thresholds.json goes to: what this script wrote, it can write again."""
    from common.errors import InputError

    run = run.with_directory(config.output_dir)
    others = run.thresholds_of_others
    foreign = f"holds the thresholds of {others}" if others not in ("", run.name) else ""
    problem = "was edited by hand" if run.thresholds_edited else foreign
    if problem and not config.overwrite:
        raise InputError(f"{run.thresholds_path} {problem}; give --overwrite to replace it, or another --output_dir")
    return run


def method_options(config: Config, run: "ScoredRun") -> dict[str, Any]:
    """The further arguments of the method's function; arrays hold a number a class."""
    from data.tables.class_values import read_class_values
    from thresholding.methods import TUNES_NOTHING

    if config.method == "fixed":
        return {"threshold": config.fixed_threshold}
    options: dict[str, Any] = {} if config.method in TUNES_NOTHING else {"objective": config.objective}
    if config.method in ("rate_match", "shrink"):
        options["rates"] = run.training_rates
    if config.method == "shrink":
        options["strength"] = config.strength
    if config.method == "cross_fit":
        options |= {"folds": config.folds, "seed": config.seed}
    if config.objective == "expected_cost":
        columns = {"false_alarm": None, "miss": None}
        options |= (
            read_class_values(config.costs_csv, run.class_names, columns)
            if config.costs_csv
            else {"false_alarm": config.false_alarm_cost, "miss": config.miss_cost}
        )
    return options


def recorded_chooser(thresholds_run: "ScoredRun", run: "ScoredRun") -> "Choose | None":
    """Return the method that chose a run's thresholds, to choose others by it on other images.

    Args:
        thresholds_run: the run with the folder of its thresholds.
        run: the one whose rates in training the method may use.

    Returns:
        None if thresholds.json was edited by hand or its config is damaged.
    """
    from common.errors import InputError
    from thresholding import over_tree

    if thresholds_run.thresholds_edited:
        return None
    try:
        stored = thresholds_run.thresholds_record()["config"]
        costs_csv = None if stored["costs_csv"] is None else Path(stored["costs_csv"])
        config = Config(**{name: stored[name] for name in RECORDED}, costs_csv=costs_csv)
        header.check(config, "thresholds.json")
        check_choices(config)
        return over_tree.chooser(config.method, method_options(config, run), run.tree)
    except (TypeError, KeyError, ValueError, InputError):
        return None


def judged_apart(config: Config, run: "ScoredRun", scored: "Scores", choose: "Choose") -> "Honest | None":
    """The figures of the method on rows that did not choose its thresholds; None where it chooses none."""
    from evaluation.bootstrap import group_units
    from thresholding import held_out

    units = None if scored.groups is None else group_units(scored.groups)
    count = len(scored.labels) if units is None else int(units.max()) + 1
    if config.method == "fixed" or not config.repetitions or count < 2:
        return None
    how = {"folds": config.honest_folds, "repetitions": config.repetitions, "seed": config.seed, "units": units}
    return held_out.cross_fitted(scored.labels, scored.scores, choose, predictor(config, run), classes_of(run), **how)


def judged_on_test(config: Config, run: "ScoredRun", scored: "Scores", options: dict[str, Any]) -> "Honest | None":
    """The figures on test images that are val images of other runs, each predicted by thresholds that the val images
    of the other folds chose, with the rates of the images that its own runs trained on; None where there are none."""
    import numpy as np

    from thresholding import held_out, over_tree

    folds = run.test_folds()
    if config.method == "fixed" or len(folds) < 2:
        return None
    fold_of = {name: number for number, fold in enumerate(folds) for name in fold.ids}
    tested = run.scores("test")
    given = [
        (each.labels, each.scores, np.array([fold_of.get(name, -1) for name in each.ids])) for each in (scored, tested)
    ]
    choose = [
        over_tree.chooser(config.method, options | ({"rates": fold.rates} if "rates" in options else {}), run.tree)
        for fold in folds
    ]
    return held_out.across_folds(*given, choose, predictor(config, run), classes_of(run))


def predictor(config: Config, run: "ScoredRun") -> "Predict":
    """What is made of scores and thresholds where the method is judged."""
    from evaluation.decision import Decision

    return lambda scores, thresholds: Decision(thresholds, config.at_least_one).predictions(scores, run.tree)


def classes_of(run: "ScoredRun") -> int:
    """K, without the nodes of a tree above the classes."""
    return run.tree.classes if run.tree else len(run.class_names)


def kept(honest: "Honest | None", run: "ScoredRun") -> dict[str, Any] | None:
    """What thresholds.json keeps of the honest figures."""
    if honest is None:
        return None
    by_class = dict(zip(run.class_names, honest.class_f1.tolist(), strict=True))
    return {"folds": honest.folds, "repetitions": len(honest.macro_f1), **honest.figures(), "class_f1": by_class}


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
