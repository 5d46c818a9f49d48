"""Judge a run by its stored scores, at 0.5 and at the tuned thresholds: python evaluate.py --run_dirs runs/cnn

Prints the figures of every split and every class, and writes a report (index.html), metrics.json, per_class.csv and
charts. Unknown labels are left out everywhere, and a ratio 0/0 counts as 0. Of a run over a tree of labels, these are
figures of the cache's classes; each level has a row of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import header

if TYPE_CHECKING:
    from report.page import Chart
    from run_folder import Run, Scores

JUDGED_FIRST = ("test", "val", "train")
COUNTS, RATIOS = ("TP", "FP", "FN", "TN"), ("precision", "recall", "f1")


@dataclass(frozen=True)
class Config:
    run_dirs: tuple[Path, ...] = (Path("runs/cnn"),)  # a run that train.py finished, or several that are joined
    thresholds_dir: Path | None = None  # the folder of the thresholds.json to use; None: the run's own
    output_dir: Path | None = None  # where the report goes; None: the folder report beside thresholds.json


def main(config: Config) -> None:
    import joined_runs
    from data.faults import InputError
    from decision import decided
    from report import levels, page, reliability

    run = joined_runs.open_runs(config.run_dirs)
    output_dir = config.output_dir or run.report_dir
    choices = threshold_choices(run, config.thresholds_dir)
    scored = {split: stored for split in run.splits() if ((stored := run.scores(split)).labels <= 1).any()}
    if not scored:
        raise InputError(f"{run.place}: no scores of images with known labels are stored; train the run again")
    judged = next(split for split in JUDGED_FIRST if split in scored)

    tuned_on = tuned_on_judged(run, judged, choices)
    for text in [*run.words(), *(line for cuts in choices.values() for line in decided(cuts).words())]:
        print(text)
    figures, classes = computed(run, scored, choices)
    show_summary(run, figures)
    show_classes(judged, classes[judged])
    by_level = level_figures(run, scored, choices) if run.tree else {}
    if by_level:
        levels.show(judged, by_level[judged], {row["class"] for row in classes[judged]["0.5"]})
    said = page.sentences(judged, figures, len(classes[judged]["0.5"]), run.warnings, tuned_on)
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
    more = {
        "calibration": named,
        "at_least_one": one,
        **({"levels": by_level} if by_level else {}),
        "warnings": run.warnings,
    }
    write_metrics(output_dir, judged, figures, classes, {**more, **header.record(config)})
    write_classes(output_dir / "per_class.csv", judged, classes[judged])
    charts = draw(output_dir, run, judged, scored[judged], classes[judged], calibrations[judged])
    parts = {"tuned_on": tuned_on, "levels": by_level.get(judged, {})}
    write_page(output_dir, run, judged, figures, classes[judged], charts, parts)
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
    return len(set(run.scores(judged).ids) & set(run.scores("val").ids))


def computed(run: "Run", scored: dict[str, "Scores"], choices: dict[str, Any]) -> tuple[dict, dict]:
    """The figures of all splits.

    Returns:
        split → choice of thresholds → `metrics.summary`; and
        split → choice of thresholds → the rows of `metrics.per_class` with "training_images", the largest class first.

    Raises:
        InputError: a score is nan.
    """
    from data.faults import InputError
    from report import levels

    figures: dict = {}
    classes: dict = {}
    training = run.training_counts
    for split, stored in scored.items():
        figures[split], classes[split] = {}, {}
        for name, cuts in choices.items():
            try:
                figures[split][name] = levels.class_summary(run.tree, stored.labels, stored.scores, cuts)
                rows = levels.class_rows(run.tree, stored.labels, stored.scores, cuts, run.class_names)
            except ValueError as error:
                raise InputError(f"{run.place}, {split} scores: {error}; train the run again") from None
            order = sorted(range(len(rows)), key=lambda index: -int(training[index]))
            classes[split][name] = [{"training_images": int(training[index]), **rows[index]} for index in order]
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


def show_classes(split: str, classes: dict) -> None:
    """Print a row a class, the largest first: ratios in one table, counts in another, at 0.5 and tuned side by side."""
    from report import tables
    from report.page import number

    versions = list(zip(*classes.values(), strict=True))
    heads = [[row[0]["class"], f"{row[0]['training_images']:,}", f"{row[0]['support']:,}"] for row in versions]
    columns = ["class", "train\nimages", f"{split}\nimages"]
    measures = ["AP", *(f"{name}\n{choice}" for name in ("precision", "recall", "F1") for choice in classes)]
    rows = [
        [*head, number(row[0]["AP"]), *(number(version[name]) for name in RATIOS for version in row)]
        for head, row in zip(heads, versions, strict=True)
    ]
    if "tuned" in classes:
        measures.append("threshold\ntuned")
        rows = [[*cells, f"{row[-1]['threshold']:.3f}"] for cells, row in zip(rows, versions, strict=True)]
    tables.show(f"Classes in {split}, in order of their training images (0/0 counted 0)", columns + measures, rows)
    tables.show(
        f"The same in images of {split}: found (TP), false alarms (FP), missed (FN), rightly left out (TN)",
        columns + [f"{name}\n{choice}" for name in COUNTS for choice in classes],
        [
            [*head, *(f"{version[name]:,}" for name in COUNTS for version in row)]
            for head, row in zip(heads, versions, strict=True)
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


def write_classes(path: Path, split: str, classes: dict) -> None:
    """Write a CSV with a row a class, the largest first; each figure at 0.5 and tuned has a column of its own."""
    import csv

    from data.files import written_aside

    columns = ["class", "split", "training_images", "support", "AP"]
    columns += [f"{name}_{choice}" for choice in classes for name in ("threshold", *COUNTS, *RATIOS)]
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for versions in zip(*classes.values(), strict=True):
            row = {name: versions[0][name] for name in ("class", "training_images", "support")}
            row |= {"split": split, "AP": versions[0]["AP"] if versions[0]["support"] else ""}
            for choice, version in zip(classes, versions, strict=True):
                row |= {f"{name}_{choice}": version[name] for name in ("threshold", *COUNTS, *RATIOS)}
            writer.writerow(row)


def draw(output_dir: Path, run: "Run", split: str, stored: "Scores", classes: dict, calibration: dict) -> list["Chart"]:
    """Draw the charts of the judged split."""
    from report import plots, reliability
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
    learning = run.directory / "learning_curves.png"
    if learning.exists():
        charts.append(
            Chart(learning, "Learning curves", "Loss and metrics after each epoch; the line marks the best epoch.")
        )
    return charts


def write_page(
    output_dir: Path, run: "Run", split: str, figures: dict, classes: dict, charts: list["Chart"], parts: dict
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
        page.render(run.name, split, figures, classes, charts, made_by, run.warnings, **parts),
    )


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
