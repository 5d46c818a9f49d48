"""Predict the classes of new images of any size with a run: python predict.py --run_dirs runs/cells --image_dir new

Writes predictions.csv with a row an image: Id, the ids of the predicted classes, their names, and the score of every
class; predictions.html, a page to look at them; and predictions.csv.json, which says what made them. format="challenge"
writes Id,Predicted only, in the order of sample_file. A run over a tree of labels adds a column parents, and their
scores; its class ids are those of the cache.

Two cores predict 623 images of 640 x 480 by a CNN in 6 s, without the page; 4 of them load Keras.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import header
from header import NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np

    from data.images.image_files import ImageFiles
    from evaluation.decision import Decision
    from report.prediction_page import Seen
    from run_folder import ScoredRun
    from run_folder.predictor import Predictor

    Rates = tuple[np.ndarray, np.ndarray, np.ndarray]  # of `ScoredRun.class_rates`


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


class Scored(NamedTuple):
    """A new image: its id and files, its pixels in each preparation or why it cannot be decoded, and scores (K,)."""

    name: str
    files: "ImageFiles"
    pixels: "list[np.ndarray] | str"
    scores: "np.ndarray | None"


def main(config: Config) -> None:
    import dataclasses

    from common.errors import listing
    from common.files import write_json, write_text
    from data.images import prediction_inputs
    from evaluation import smoothing
    from evaluation.decision import Decision
    from run_folder import ensemble

    run = ensemble.open_runs(config.run_dirs)
    preparation = run.members[0].checked_preparation()
    # Before the output, as a mistyped folder should not be hidden by predictions of another one.
    ids, paths = prediction_inputs.chosen_images(config.image_dir, config.sample_file, preparation)
    output_csv = checked_output(config, run.directory)
    thresholds_run = run.with_directory(config.thresholds_dir)
    tuned = thresholds_run.decision_if_any(required=bool(config.thresholds_dir))
    decision, thresholds_file = (tuned, thresholds_run.thresholds_path) if tuned else (Decision(0.5), None)
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
    more = [*predictor.messages(), *([] if rates is None else rate_messages(config, rates))]
    for text in [*decision.words(), *more]:
        print(text)
    if rates is not None and (named := run.losses - {"bce"}):
        print(f"Warning: class_rates supposes scores that are probabilities, which {', '.join(sorted(named))} shifts")
    images = scored_images(config, ids, paths, predictor, rates)
    seen = prediction_page.Seen(run, decision, predictor.preparations[0]) if config.page else None
    skipped = write_predictions(config, run, decision, output_csv, images, seen)
    if skipped:
        fate = "left out" if config.sample_file is None else "given no class"
        heading = f"Warning: {len(skipped):,} images cannot be decoded and are {fate}:"
        print(listing(heading, prediction_inputs.lines_of(skipped)))
    source = None if thresholds_file is None else str(thresholds_file)
    made = {"images": len(paths), "skipped": skipped, "thresholds_file": source}
    made |= {"at_least_one": decision.at_least_one, **header.record(config)}
    write_json(record_path(output_csv), made)
    print(f"Predictions: {output_csv}")
    if seen:
        write_text(page_path(output_csv), prediction_page.render(seen, output_csv, source, skipped, more))
        print(f"Page: {page_path(output_csv)}")
    elif page_path(output_csv).exists():
        print(f"Warning: {page_path(output_csv)} was not updated: it still shows earlier predictions")


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


def rate_messages(config: Config, rates: "Rates") -> list[str]:
    """Return lines about how scores are corrected."""
    shares = ", ".join(f"{share:g}" for share in sorted({*rates[2].tolist()} - {0}))
    undone = [f"The label smoothing of {shares} is undone in scores and thresholds."] if shares else []
    return [*undone, f"Scores are corrected for {config.class_rates}."]


def scored_images(
    config: Config, ids: list[str], paths: "list[ImageFiles]", predictor: "Predictor", rates: "Rates | None"
) -> Iterator[Scored]:
    """Decode and score all images batch by batch, with scores that are corrected for `rates` if there are any.

    Raises:
        InputError: an image cannot be decoded and none may be skipped, or no image can be decoded.
    """
    from contextlib import closing

    from common.errors import InputError
    from common.parallel import shown
    from data.images import prediction_inputs
    from data.images.channels import brief
    from evaluation import metrics

    workers = prediction_inputs.worker_count(config.workers)
    batches = prediction_inputs.decoded(paths, predictor.preparations, config.batch_size, workers)
    sizes = [min(config.batch_size, len(ids) - start) for start in range(0, len(ids), config.batch_size)]
    bad: dict[int, str] = {}
    with closing(shown(batches, sizes, "Predicting")) as each:
        for _, batch in each:
            bad |= {index: image for index, image in batch.items() if isinstance(image, str)}
            # Once a fault will stop the run, the others are only decoded, so that the list of faults is whole.
            if bad and config.on_bad_image == "stop":
                continue
            good = [index for index in batch if index not in bad]
            scores = predictor.score([batch[index] for index in good], config.batch_size)
            if rates is not None:
                scores = metrics.with_class_rates(scores, *rates)
            scored = dict(zip(good, scores, strict=True))
            yield from (Scored(ids[index], paths[index], pixels, scored.get(index)) for index, pixels in batch.items())
    if config.on_bad_image == "stop":
        prediction_inputs.refuse(paths, bad)
    if len(bad) == len(ids):
        raise InputError(f"none of the {len(ids):,} images can be decoded; {brief(paths[0])} {bad[0]}")


def write_predictions(
    config: Config, run: "ScoredRun", decision: "Decision", path: Path, images: Iterator[Scored], seen: "Seen | None"
) -> dict[str, str]:
    """Write a row per image, and show each image to the page if there is one; the file appears when all is done.

    Returns:
        File and problem of each image that cannot be decoded.
    """
    import csv
    from contextlib import closing

    from common.files import written_aside
    from data.images.channels import brief

    table = config.format == "table"
    columns = ["Predicted", *(["classes", *(["parents"] if run.tree else []), *run.class_names] if table else [])]
    skipped: dict[str, str] = {}
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file, closing(images):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["Id", *columns])
        for image in images:
            if image.scores is None:
                skipped[brief(image.files)] = image.pixels
                if config.sample_file is not None:
                    writer.writerow([image.name] + [""] * len(columns))
                continue
            writer.writerow([image.name, *cells(image.scores, decision, run, table)])
            if seen:
                seen.add(image.name, image.scores, image.pixels[0])
    return skipped


def cells(scores: "np.ndarray", decision: "Decision", run: "ScoredRun", table: bool) -> list[str]:
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
