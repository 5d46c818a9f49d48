"""Judge a run by its stored scores, at 0.5 and at the tuned thresholds: python evaluate.py --run_dirs runs/cells

Prints the figures of every split and every class, with 95 % intervals, and writes a report (index.html), metrics.json,
per_class.csv and charts. Unknown labels are left out everywhere, and a ratio 0/0 counts as 0. Of a run over a tree of
labels, these are figures of the cache's classes; each level has a row of its own. To compare other runs with it
on the same validation images: --compare_with runs/other. 100,000 images of 29 classes take 26 s (bench/RESULTS.md).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import header
from header import NonNegativeInt, Seed

if TYPE_CHECKING:
    from evaluation.evaluation import Evaluation
    from run_folder import ScoredRun


@dataclass(frozen=True)
class Config:
    run_dirs: tuple[Path, ...] = (Path("runs/cells"),)  # a run that train.py finished, or several that are joined
    thresholds_dir: Path | None = None  # the folder of the thresholds.json to use; None: the run's own
    output_dir: Path | None = None  # where the report goes; None: the folder report beside thresholds.json
    compare_with: tuple[Path, ...] = ()  # other runs to compare on common images; seeds of a recipe are averaged
    compare_on: Literal["val", "test"] = "val"  # images that runs are compared on; test ones must not choose a run
    draws: NonNegativeInt = 1000  # of images with replacement, for the 95 % intervals; 0: no intervals
    seed: Seed = 0  # of the draws
    gallery: NonNegativeInt = 4  # images of each kind (found, missed, false alarms) and class in the page; 0: none
    overlays: NonNegativeInt = 8  # images with a heat map of where the model looks; 0: none, and no model is loaded
    cache_dir: Path | None = None  # where the page's images are; None: the cache that the run was trained on


def main(config: Config) -> None:
    import run_folder
    import thresholds
    from common.files import write_text
    from evaluation import evaluation
    from evaluation.decision import decided
    from report import charts, class_tables, gallery, overlays, page
    from run_folder import comparison, ensemble

    run = ensemble.open_runs(config.run_dirs)
    others = [run_folder.open_run(run_dir) for run_dir in config.compare_with]
    output_dir = config.output_dir or run.report_dir
    thresholds_run = run.with_directory(config.thresholds_dir)
    tuned = thresholds_run.decision_if_any(required=bool(config.thresholds_dir))
    choices = {"0.5": 0.5, **({"tuned": tuned} if tuned else {})}
    for text in [*run.messages(), *(line for cuts in choices.values() for line in decided(cuts).words())]:
        print(text)
    drawn_by = {"draws": config.draws, "seed": config.seed}
    chooser = thresholds.recorded_chooser
    compared = comparison.compare(run, thresholds_run, others, config.compare_on, chooser, **drawn_by)
    found = evaluation.evaluate(run, thresholds_run, choices, compared, **drawn_by)
    said = sentences(found)
    show(found, said)
    write_metrics(output_dir, found, header.record(config))
    class_tables.write(output_dir / "per_class.csv", found.split, found.rows)
    cache, problem = gallery.cache_of(run, config.cache_dir)
    images = gallery.gallery(found, config.gallery, cache, problem)
    drawn = charts.draw(output_dir, found, thresholds_run.thresholds_dir, cache)
    if config.overlays and cache is not None:
        print("Heat maps (--overlays 0 saves the time): loading the model")
    looks = overlays.overlays(found, config.overlays, config.cache_dir)
    write_text(output_dir / "index.html", page.render(found, drawn, said, images, looks))
    if (config.gallery or config.overlays) and problem:
        print(problem)
    print(f"Report: {output_dir / 'index.html'}")
    if "tuned" not in choices and "val" in run.splits():
        print("All of this is at threshold 0.5. Tune the thresholds, and then run evaluate.py again:")
        header.next_command("thresholds.py", run_dirs=config.run_dirs)
    else:
        options = {"thresholds_dir": config.thresholds_dir} if config.thresholds_dir else {}
        header.next_command("predict.py", run_dirs=config.run_dirs, **options, image_dir="NEW_IMAGES")


def sentences(found: "Evaluation") -> list[str]:
    """What the figures say, for someone who reads nothing else."""
    from report import comparison_tables, figure_tables, page, threshold_words

    told = [
        *figure_tables.words(found.split, found.figures, found.more),
        *comparison_tables.messages(found.comparisons),
    ]
    classes = len(found.rows["0.5"])
    said = page.sentences(found.split, found.figures, classes, found.run.warnings, found.tuned_on, told)
    if "tuned" in found.choices:
        # Behind the warnings, which the sentence before them announces.
        place = 2 + len(found.run.warnings)
        said[place:place] = threshold_words.beliefs(found.thresholds_run, found.split, found.tuned_on)
    return said


def show(found: "Evaluation", said: list[str]) -> None:
    """Print the tables and the sentences."""
    from report import class_tables, comparison_tables, figure_tables, level_tables, reliability

    show_summary(found.run, found.figures)
    figure_tables.show(found.split, found.figures, found.more)
    class_tables.show(found.split, found.rows)
    comparison_tables.show(found.run, found.comparisons)
    if found.by_level:
        level_tables.show(found.split, found.by_level[found.split], {row["class"] for row in found.rows["0.5"]})
    print("\n".join(said))
    print(reliability.reading(found.part.calibration, found.split, found.run.class_names))


def show_summary(run: "ScoredRun", figures: dict) -> None:
    """Print a row a split, each figure at 0.5 and, beside it, at the tuned thresholds."""
    from report import tables
    from report.formatting import number
    from report.level_tables import SUMMARY

    choices = list(next(iter(figures.values())))
    tables.show(
        run.place,
        ["split", "images", "mAP", *(f"{name}\n{choice}" for name in SUMMARY.values() for choice in choices)],
        [
            [
                split,
                f"{found['0.5']['rows']:,}",
                number(found["0.5"]["mAP"]),
                *(number(found[choice][key]) for key in SUMMARY for choice in choices),
            ]
            for split, found in figures.items()
        ],
    )


def write_metrics(output_dir: Path, found: "Evaluation", made: dict[str, Any]) -> None:
    """Write metrics.json; what is not defined or infinite, such as the AP of a class without positives, is null.

    Args:
        made: `header.record`.
    """
    from common.files import write_json
    from evaluation.decision import decided

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    names = found.run.class_names
    calibrations = {split: part.calibration for split, part in found.parts.items()}
    content = {
        "judged_split": found.split,
        "splits": found.figures,
        "classes": found.classes,
        "calibration": {
            split: {
                **each,
                "class_ECE": dict(zip(names, each["class_ECE"].tolist(), strict=False)),
                "by_class": {
                    key: dict(zip(names, values.tolist(), strict=False)) for key, values in each["by_class"].items()
                },
            }
            for split, each in calibrations.items()
        },
        "at_least_one": decided(found.choices.get("tuned", 0.5)).at_least_one,
        **({"levels": found.by_level} if found.by_level else {}),
        **found.more,
        "comparisons": found.comparisons,
        "warnings": found.run.warnings,
        **made,
    }
    write_json(output_dir / "metrics.json", plain(content))


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
