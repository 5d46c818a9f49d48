"""Predict the classes of new images of any size with a run: python predict.py --run_dirs runs/cells --image_dir new

Writes predictions.csv with a row an image: Id, the ids of the predicted classes, their names, and the score of every
class; predictions.html, a page to look at them; and predictions.csv.json, which says what made them. format="challenge"
writes Id,Predicted only, in the order of sample_file. A run over a tree of labels adds a column parents, and their
scores; its class ids are those of the cache.

Two cores predict 623 images of 640 x 480 by a CNN in 6 s, without the page; 4 of them load Keras.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import header
from header import NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np

    from data.images.image_files import ImageFiles
    from evaluation.decision import Decision
    from run_folder import Run
    from run_folder.predictor import Predictor


@dataclass(frozen=True)
class Config:
    image_dir: Path = Path("images")  # folder of the new images, subfolders included
    run_dirs: tuple[Path, ...] = (Path("runs/cells"),)  # a finished run, or several, joined; without their caches
    thresholds_dir: Path | None = None  # the folder of the thresholds.json to use; None: the run's own, or 0.5
    class_rates: Path | None = None  # CSV class,rate of the new images' classes, by which scores are corrected
    output_csv: Path | None = None  # what is written; None: predictions.csv beside thresholds.json
    format: Literal["table", "challenge"] = "table"  # table: with names and scores; challenge: Id,Predicted
    sample_file: Path | None = None  # CSV whose Id column says which images, in which order; None: all in image_dir
    on_bad_image: Literal["stop", "skip"] = "stop"  # skip lists what cannot be decoded and predicts the others
    page: bool = True  # also write a page beside output_csv, as predictions.html: counts, images and galleries
    batch_size: PositiveInt = 32  # images a step
    workers: NonNegativeInt = 0  # threads that decode images; 0: one a core
    overwrite: bool = False  # replace an earlier output_csv, and the .json and .html beside it


def main(config: Config) -> None:
    import dataclasses

    from common.errors import listing
    from common.files import write_json, write_text
    from data.images import prediction_inputs
    from data.images.channels import brief
    from evaluation import smoothing
    from run_folder import ensemble

    run = ensemble.open_runs(config.run_dirs)
    preparation = run.checked_preparation()
    # Before the output, as a mistyped folder should not be hidden by predictions of another one.
    ids, paths = prediction_inputs.chosen_images(config.image_dir, config.sample_file, preparation)
    output_csv = checked_output(config, run.directory)
    decision, thresholds_file = chosen_thresholds(config, run)
    rates = run.class_rates(config.class_rates)
    if rates is not None and rates[2].any():
        # Thresholds were tuned on smoothed scores, so what is undone of the scores is undone of them.
        decision = dataclasses.replace(decision, thresholds=smoothing.without_smoothing(decision.thresholds, rates[2]))

    # TensorFlow takes seconds to load, so what is above comes without it.
    from report import prediction_page
    from run_folder import predictor as predictors
    from training.devices import jit_compile

    predictor = predictors.Predictor(run)  # before the images are read, which may take far longer
    for model in predictor.models:
        model.compile(jit_compile=jit_compile("auto"))
    workers = prediction_inputs.worker_count(config.workers)
    if config.on_bad_image == "stop":
        for each in predictor.preparations:
            prediction_inputs.refuse(paths, prediction_inputs.damaged_headers(paths, each, workers))

    print(f"{len(paths):,} images; thresholds: {thresholds_file or '0.5 (the run has none; thresholds.py tunes them)'}")
    more = [*predictor.words(), *([] if rates is None else rate_words(config, rates))]
    for text in [*decision.words(), *more]:
        print(text)
    if rates is not None and (named := run.losses - {"bce"}):
        print(f"Warning: class_rates supposes scores that are probabilities, which {', '.join(sorted(named))} shifts")
    batches = prediction_inputs.decoded(paths, predictor.preparations, config.batch_size, workers)
    seen = prediction_page.Seen(run, decision, predictor.preparations[0]) if config.page else None
    bad = write_predictions(config, run, output_csv, ids, paths, decision, predictor, batches, rates, seen)
    skipped = {brief(paths[position]): reason for position, reason in bad.items()}
    if skipped:
        fate = "left out" if config.sample_file is None else "given no class"
        print(
            listing(
                f"Warning: {len(skipped):,} images cannot be decoded and are {fate}:",
                prediction_inputs.lines_of(skipped),
            )
        )
    source = None if thresholds_file is None else str(thresholds_file)
    made = {"images": len(paths), "skipped": skipped, "thresholds_file": source}
    made |= {"at_least_one": decision.at_least_one, **header.record(config)}
    write_json(record_path(output_csv), made)
    print(f"Predictions: {output_csv}")
    if seen:
        write_text(page_path(output_csv), prediction_page.render(seen, output_csv, source, skipped, more))
        print(f"Page: {page_path(output_csv)}")
    elif page_path(output_csv).exists():
        print(f"Warning: {page_path(output_csv)} is not of these predictions, but of earlier ones if of any")


def checked_output(config: Config, run_dir: Path) -> Path:
    """Where the predictions go."""
    from common.errors import InputError

    output_csv = config.output_csv or run_dir / "predictions.csv"
    if output_csv.suffix.lower() != ".csv":
        raise InputError(f"output_csv {output_csv}: its name must end in .csv")
    for path in (output_csv, record_path(output_csv), *([page_path(output_csv)] if config.page else [])):
        if path.exists() and not config.overwrite:
            raise InputError(f"{path} exists; give --overwrite to replace it, or another --output_csv")
    return output_csv


def record_path(output_csv: Path) -> Path:
    """Where it is said what made the predictions: under the whole name, as name.json may be another program's."""
    return output_csv.with_name(f"{output_csv.name}.json")


def page_path(output_csv: Path) -> Path:
    """Where the page is."""
    return output_csv.with_suffix(".html")


def chosen_thresholds(config: Config, run: "Run") -> tuple["Decision", Path | None]:
    """The decision and the file that its thresholds come from, or that at 0.5 and None."""
    import run_folder
    from evaluation.decision import Decision

    holder = run.elsewhere(config.thresholds_dir)
    if config.thresholds_dir or holder.has_thresholds:
        return holder.decision(), holder.directory / run_folder.THRESHOLDS
    return Decision(0.5), None


def rate_words(config: Config, rates: "tuple[np.ndarray, ...]") -> list[str]:
    """What is said of scores that are corrected, in lines."""
    shares = ", ".join(f"{share:g}" for share in sorted({*rates[2].tolist()} - {0}))
    undone = [f"The label smoothing of {shares} is undone in scores and thresholds."] if shares else []
    return [*undone, f"Scores are corrected for {config.class_rates}."]


def write_predictions(
    config: Config,
    run: "Run",
    output_csv: Path,
    ids: list[str],
    paths: "list[ImageFiles]",
    decision: "Decision",
    predictor: "Predictor",
    batches: Any,
    rates: Any = None,
    seen: Any = None,
) -> dict[int, str]:
    """Predict batch by batch and write a row an image; the file appears when all is done.

    Each image is also shown to `seen`, a `report.prediction_page.Seen`, if there is one.

    Returns:
        Position and reason of each image that cannot be decoded.

    Raises:
        InputError: an image cannot be decoded and none may be skipped, or no image can be decoded.
    """
    import csv
    from contextlib import closing

    from common.errors import InputError
    from common.files import written_aside
    from common.parallel import shown
    from data.images import prediction_inputs
    from data.images.channels import brief

    table = config.format == "table"
    above = ["parents"] if run.tree else []
    columns = ["Id", "Predicted", *(["classes", *above, *run.class_names] if table else [])]
    sizes = [min(config.batch_size, len(ids) - start) for start in range(0, len(ids), config.batch_size)]
    bad: dict[int, str] = {}
    with written_aside(output_csv) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        with closing(shown(batches, sizes, "Predicting")) as each:
            for _, batch in each:
                bad |= {position: image for position, image in batch.items() if isinstance(image, str)}
                # Once a fault will stop the run, the others are only decoded, so that the list of faults is whole.
                if bad and config.on_bad_image == "stop":
                    continue
                found = scored(predictor, batch, config.batch_size, rates)
                for position in batch:
                    if position in found:
                        writer.writerow([ids[position], *cells(found[position], decision, run, table)])
                        if seen:
                            seen.add(ids[position], found[position], batch[position][0])
                    elif config.sample_file is not None:
                        writer.writerow([ids[position]] + [""] * (len(columns) - 1))
        if config.on_bad_image == "stop":
            prediction_inputs.refuse(paths, bad)
        if len(bad) == len(ids):
            raise InputError(f"none of the {len(ids):,} images can be decoded; {brief(paths[0])} {bad[0]}")
    return bad


def scored(
    predictor: "Predictor", batch: dict[int, "list[np.ndarray] | str"], batch_size: int, rates: Any
) -> dict[int, "np.ndarray"]:
    """The probabilities (K,) of each image of a batch that could be decoded, corrected for `rates` if there are any."""
    from evaluation import metrics

    good = {position: image for position, image in batch.items() if not isinstance(image, str)}
    if not good:
        return {}
    scores = predictor.score(list(good.values()), batch_size)
    return dict(zip(good, scores if rates is None else metrics.with_class_rates(scores, *rates), strict=True))


def cells(scores: "np.ndarray", decision: "Decision | np.ndarray", run: "Run", table: bool) -> list[str]:
    """An image's predicted class ids and, in a table, their names, what a tree has above them, and all scores (K,)."""
    from evaluation import levels

    chosen = levels.predictions(run.tree, scores[None], decision)[0].nonzero()[0].tolist()
    classes = [index for index in chosen if not run.tree or index < run.tree.classes]
    ids = " ".join(str(run.class_ids[index]) for index in classes)
    if not table:
        return [ids]
    named = [classes, *([chosen[len(classes) :]] if run.tree else [])]
    return [ids, *(";".join(run.class_names[i] for i in each) for each in named), *(f"{value:.6g}" for value in scores)]


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
