"""Judge a run by its stored scores, at 0.5 and at the tuned thresholds: python evaluate.py --run_dirs runs/cnn

Prints the figures of every split and every class, with 95 % intervals, and writes a report (index.html), metrics.json,
per_class.csv and charts. Unknown labels are left out everywhere, and a ratio 0/0 counts as 0. Of a run over a tree of
labels, these are figures of the cache's classes; each level has a row of its own. Other runs on the same images are set
beside it: --compare_with runs/other
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import header
from header import NonNegativeInt, Seed

if TYPE_CHECKING:
    from report.judging import Part
    from report.page import Chart
    from run_folder import Run, Scores

JUDGED_FIRST = ("test", "val", "train")


@dataclass(frozen=True)
class Config:
    run_dirs: tuple[Path, ...] = (Path("runs/cnn"),)  # a run that train.py finished, or several that are joined
    thresholds_dir: Path | None = None  # the folder of the thresholds.json to use; None: the run's own
    output_dir: Path | None = None  # where the report goes; None: the folder report beside thresholds.json
    compare_with: tuple[Path, ...] = ()  # other runs, each judged on the images that it has in common with run_dirs
    draws: NonNegativeInt = 1000  # of images with replacement, for the 95 % intervals; 0: no intervals
    seed: Seed = 0  # of the draws


def main(config: Config) -> None:
    import joined_runs
    import run_folder
    from data.faults import InputError
    from decision import decided
    from report import class_tables, comparison, judging, levels, page, reliability, threshold_words

    run = joined_runs.open_runs(config.run_dirs)
    others = [run_folder.open_run(run_dir) for run_dir in config.compare_with]
    output_dir = config.output_dir or run.report_dir
    choices = threshold_choices(run, config.thresholds_dir)
    scored = {split: stored for split in run.splits() if ((stored := run.scores(split)).labels <= 1).any()}
    if not scored:
        raise InputError(f"{run.place}: no scores of images with known labels are stored; train the run again")
    judged = next(split for split in JUDGED_FIRST if split in scored)

    holder = run.elsewhere(config.thresholds_dir)
    tuned_on = tuned_on_judged(holder, judged, choices)
    for text in [*run.words(), *(line for cuts in choices.values() for line in decided(cuts).words())]:
        print(text)
    figures, classes = computed(run, scored, choices)
    parts = {split: judging.part_of(run, stored, choices) for split, stored in scored.items()}
    more = judging.judged(run, parts, classes, judged, config.draws, config.seed)
    drawn = (config.draws, config.seed)
    beside = [comparison.compared(run, parts[judged], scored[judged].ids, each, judged, *drawn) for each in others]
    show_summary(run, figures)
    judging.show(judged, figures, more)
    class_tables.show(judged, classes[judged])
    comparison.show(run, judged, beside)
    by_level = level_figures(run, scored, choices) if run.tree else {}
    if by_level:
        levels.show(judged, by_level[judged], {row["class"] for row in classes[judged]["0.5"]})
    told = [*judging.words(judged, figures, more), *comparison.words(run, beside)]
    said = page.sentences(judged, figures, len(classes[judged]["0.5"]), run.warnings, tuned_on, told)
    said[2:2] = threshold_words.beliefs(holder, judged, tuned_on) if "tuned" in choices else []
    print("\n".join(said))
    if "tuned" not in choices:
        print("This run has no tuned thresholds; for those: ", end="")
        header.next_command("thresholds.py", run_dirs=config.run_dirs)

    calibrations = calibrated(run, scored)
    print(reliability.reading(calibrations[judged], judged))
    named = {
        split: {**each, "class_ECE": dict(zip(run.class_names, each["class_ECE"].tolist(), strict=False))}
        for split, each in calibrations.items()
    }
    one = decided(choices.get("tuned", 0.5)).at_least_one
    tree = {"levels": by_level} if by_level else {}
    record = {
        "calibration": named,
        "at_least_one": one,
        **tree,
        **more,
        "comparisons": beside,
        "warnings": run.warnings,
    }
    write_metrics(output_dir, judged, figures, classes, {**record, **header.record(config)})
    class_tables.write(output_dir / "per_class.csv", judged, classes[judged])
    charts = draw(output_dir, run, judged, scored[judged], classes[judged], parts[judged], calibrations[judged])
    shown = {"levels": by_level.get(judged, {}), "more": more, "comparisons": beside}
    write_page(output_dir, run, judged, figures, classes[judged], charts, said, shown)
    print(f"Report: {output_dir / 'index.html'}")
    elsewhere = {"thresholds_dir": config.thresholds_dir} if config.thresholds_dir else {}
    header.next_command("predict.py", run_dirs=config.run_dirs, **elsewhere, image_dir="NEW_IMAGES")


def threshold_choices(run: "Run", thresholds_dir: Path | None) -> dict[str, Any]:
    """What the scores are cut at: 0.5, and the tuned thresholds if there are any."""
    holder = run.elsewhere(thresholds_dir)
    if thresholds_dir or holder.has_thresholds:
        return {"0.5": 0.5, "tuned": holder.decision()}
    return {"0.5": 0.5}


def tuned_on_judged(run: "Run", judged: str, choices: dict[str, Any]) -> int:
    """How many of the judged images also chose the thresholds, as val images of other runs that are joined."""
    if judged == "val" or "tuned" not in choices or "val" not in run.splits():
        return 0
    if run.thresholds_record().get("method") == "fixed" and not run.thresholds_edited:
        return 0  # which no image chose
    return len(set(run.scores(judged).ids) & set(run.scores("val").ids))


def computed(run: "Run", scored: dict[str, "Scores"], choices: dict[str, Any]) -> tuple[dict, dict]:
    """The figures of all splits.

    Returns:
        split → choice of thresholds → `metrics.summary` and `judging.figures`; and
        split → choice of thresholds → the rows of `metrics.per_class` with "training_images", the largest class first.

    Raises:
        InputError: a score is nan.
    """
    from data.faults import InputError
    from report import judging, levels

    figures: dict = {}
    classes: dict = {}
    training = run.training_counts
    for split, stored in scored.items():
        given = (run.tree, stored.labels, stored.scores)
        try:
            found = judging.figures(judging.part_of(run, stored, choices))
            figures[split] = {
                name: {**levels.class_summary(*given, cuts), **found[name]} for name, cuts in choices.items()
            }
            rows = {name: levels.class_rows(*given, cuts, run.class_names) for name, cuts in choices.items()}
        except ValueError as error:
            raise InputError(f"{run.place}, {split} scores: {error}; train the run again") from None
        order = sorted(range(len(rows["0.5"])), key=lambda index: -int(training[index]))
        classes[split] = {
            name: [{"training_images": int(training[index]), **found[index]} for index in order]
            for name, found in rows.items()
        }
    return figures, classes


def level_figures(run: "Run", scored: dict[str, "Scores"], choices: dict[str, Any]) -> dict[str, dict[str, list]]:
    """Split → choice of thresholds → `report.levels.level_figures`."""
    from report import levels

    return {
        split: {
            name: levels.level_figures(run.tree, stored.labels, stored.scores, cuts, run.class_names)
            for name, cuts in choices.items()
        }
        for split, stored in scored.items()
    }


def show_summary(run: "Run", figures: dict) -> None:
    """Print a row a split, each figure at 0.5 and, beside it, at the tuned thresholds."""
    from report import tables
    from report.page import number

    choices = list(next(iter(figures.values())))
    names = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "subset_accuracy": "subset\naccuracy"}
    tables.show(
        run.place,
        ["split", "images", "mAP", *(f"{name}\n{choice}" for name in names.values() for choice in choices)],
        [
            [
                split,
                f"{found['0.5']['rows']:,}",
                number(found["0.5"]["mAP"]),
                *(number(found[choice][key]) for key in names for choice in choices),
            ]
            for split, found in figures.items()
        ],
    )


def calibrated(run: "Run", scored: dict[str, "Scores"]) -> dict:
    """split → `metrics.calibration` of the classes, without the nodes of a tree above them."""
    import metrics

    classes = run.tree.classes if run.tree else len(run.class_names)
    return {
        split: metrics.calibration(stored.labels[:, :classes], stored.scores[:, :classes])
        for split, stored in scored.items()
    }


def write_metrics(output_dir: Path, judged: str, figures: dict, classes: dict, record: dict) -> None:
    """Write metrics.json; what is not defined, such as the AP of a class without positives, is null."""
    from data.files import write_json

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and value != value else value

    content = {"judged_split": judged, "splits": figures, "classes": classes, **record}
    write_json(output_dir / "metrics.json", plain(content))


def draw(
    output_dir: Path, run: "Run", split: str, stored: "Scores", classes: dict, part: "Part", calibration: dict
) -> list["Chart"]:
    """Draw the charts of the judged split."""
    from report import cooccurrence, plots, reliability
    from report.page import Chart

    charts = [
        Chart(
            output_dir / "precision_recall.png",
            "Precision and recall by class",
            "The largest class is on top. A class with high precision and low recall is predicted too seldom: a lower "
            "threshold, a higher weight in the loss or more images help.",
        ),
        Chart(
            output_dir / "counts.png",
            "Found, missed and false alarms by class",
            "Images of each class on a logarithmic axis. A good class has its green dot right and the others far left.",
        ),
        Chart(
            output_dir / "precision_recall_curves.png",
            "What other thresholds would give",
            "Each point of a curve is a threshold. The higher the curve, the better the scores single the class out.",
        ),
        Chart(
            output_dir / "reliability.png",
            "Whether scores are probabilities",
            reliability.reading(calibration, split) + " Points below the dotted line are scores that promise too much, "
            "as weights on positives make them. Thresholds are tuned behind that: predictions do not suffer from it.",
        ),
    ]
    plots.precision_recall_bars(classes, split, charts[0].path)
    plots.count_dots(classes, split, charts[1].path)
    positions = {name: index for index, name in enumerate(run.class_names)}
    columns = [positions[row["class"]] for row in classes["0.5"]]
    plots.precision_recall_curves(stored.labels, stored.scores, classes, columns, charts[2].path)
    reliability.draw(calibration, classes["0.5"], columns, split, charts[3].path)
    if len(columns) > 1:
        found = cooccurrence.pairs(part.labels, part.predictions[list(classes)[-1]])
        path = output_dir / "cooccurrence.png"
        cooccurrence.draw(found, classes["0.5"], columns, split, path)
        reading = cooccurrence.reading(found, run.class_names)
        charts.append(Chart(path, "Labels together, in truth and as predicted", reading))
    learning = run.directory / "learning_curves.png"
    if learning.exists():
        charts.append(
            Chart(learning, "Learning curves", "Loss and metrics after each epoch; the line marks the best epoch.")
        )
    return charts


def write_page(
    output_dir: Path,
    run: "Run",
    split: str,
    figures: dict,
    classes: dict,
    charts: list["Chart"],
    said: list[str],
    shown: dict,
) -> None:
    """Write index.html."""
    from data.files import write_text
    from report import page

    made_by = {
        **run.config.get("config", {}),
        **({"joined": " ".join(run.words())} if run.words() else {}),
        "trained": run.config.get("created", ""),
        "versions": ", ".join(f"{name} {version}" for name, version in run.config.get("versions", {}).items()),
        "commit": run.config.get("git_commit") or "not in a git repository",
    }
    write_text(
        output_dir / "index.html",
        page.render(run.name, split, figures, classes, charts, made_by, said, **shown),
    )


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
