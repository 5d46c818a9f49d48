"""The charts of an evaluation: which there are, what each is called, and how it is read."""

from pathlib import Path

import numpy as np

from common.errors import InputError
from common.labels import UNKNOWN
from data.augmentation.augmented_set import open_augmented
from data.cache.cache import Cache
from evaluation.cooccurrence import pairs
from evaluation.decision import decided
from evaluation.evaluation import Evaluation
from report import cooccurrence, dataset_plots, plots, reliability, threshold_curves
from report.page import Chart
from run_folder import ScoredRun

PRECISION_RECALL = (
    "Precision and recall by class",
    "The largest class is on top. A class with high precision and low recall is predicted too seldom: a lower "
    "threshold, a higher weight in the loss or more images help.",
)
COUNTS = (
    "Found, missed, false alarms and rightly left out by class",
    "Images of each class on a logarithmic axis. A good class has its green dot right, and its orange and red ones far "
    "left. Of rare classes the grey ones are always right, which is why accuracy says nothing about them.",
)
CURVES = (
    "What other thresholds would give",
    "Each point of a curve is a threshold. The higher the curve, the better the scores single the class out. Where it "
    "falls straight down, a lower threshold adds false alarms and finds no image more; at its end every image is "
    "predicted. A class that is never predicted has no dot at that threshold.",
)
OFF_THE_CURVE = {
    "at least one": " A dot may lie off its curve, as the most probable class is predicted where none passes.",
    "tree": " A dot may lie off its curve, as what stands above a predicted node is predicted too.",
}
RELIABILITY = (
    "Whether scores are probabilities",
    " Left: a class right of the line at 1 has scores that promise too much, as weights on positives make them; it is "
    "orange if its interval leaves out 1. Right: so do points below the dotted line, which large classes rule. "
    "Thresholds are tuned on these scores, so predictions are not affected.",
)
THRESHOLDS = (
    "How the thresholds were chosen",
    "F1 of each class on the validation images at every threshold. The wider the band, or the more jagged the curve, "
    "the more the choice hangs on which images these were. A dot below the dotted line was held back from a peak that "
    "a few images make, or chosen for another aim than F1. It may stand outside of its band, as with all of the images "
    "the method trusts them more than with a part. Thresholds below 0.001 and above 0.999 are drawn at the edges.",
)
LEARNING = (
    "Learning curves",
    "Loss and metrics after each epoch, of training and validation images; the line marks the best epoch. Training "
    "loss that falls while validation loss rises is a model that learns its images by heart.",
)
AUGMENTED = "Training images before and after augmentation"


def draw(directory: Path, found: Evaluation, thresholds_dir: Path, cache: Cache | None) -> list[Chart]:
    """Draw the charts of the evaluated split, and name those that training and tuning left.

    Args:
        directory: where they go.
        found: what they show.
        thresholds_dir: the folder of the thresholds.json in use.
        cache: the one that the run was trained on, for its augmented sets; or None.
    """
    rows, split, part, columns = found.rows, found.split, found.part, found.columns
    charts = [
        Chart(directory / "precision_recall.png", *PRECISION_RECALL),
        Chart(directory / "counts.png", *COUNTS),
        Chart(directory / "precision_recall_curves.png", CURVES[0], CURVES[1] + off_the_curve(found)),
        Chart(
            directory / "reliability.png",
            RELIABILITY[0],
            reliability.reading(part.calibration, split, found.run.class_names) + RELIABILITY[1],
        ),
    ]
    plots.precision_recall_bars(rows, split, charts[0].path)
    plots.count_dots(rows, split, charts[1].path)
    plots.precision_recall_curves(part.labels, part.scores, rows, columns, charts[2].path)
    reliability.draw(part.calibration, rows["0.5"], columns, split, charts[3].path)
    if len(columns) > 1:
        found_pairs = pairs(part.labels, part.predictions[found.choice])
        path = directory / "cooccurrence.png"
        cooccurrence.draw(found_pairs, rows["0.5"], columns, split, path)
        reading = cooccurrence.reading(found_pairs, found.run.class_names)
        charts.append(Chart(path, "Labels together, in truth and as predicted", reading))
    if found.choice != "0.5":
        charts += there(Chart(Path(thresholds_dir) / threshold_curves.FILE, *THRESHOLDS))
    charts += there(Chart(found.run.directory / "learning_curves.png", *LEARNING))
    try:
        charts += augmented_counts(directory / "class_counts_augmented.png", found.run, cache) if cache else []
    except InputError as error:
        print(f"Warning: no chart of the images before and after augmentation: {error}")
    return charts


def off_the_curve(found: Evaluation) -> str:
    """Why a class may be predicted otherwise than by its own threshold."""
    if decided(found.choices[found.choice]).at_least_one:
        return OFF_THE_CURVE["at least one"]
    return OFF_THE_CURVE["tree"] if found.run.tree else ""


def there(chart: Chart) -> list[Chart]:
    """A chart that another script may have drawn."""
    return [chart] if chart.path.is_file() else []


def augmented_counts(path: Path, run: ScoredRun, cache: Cache) -> list[Chart]:
    """Draw the training images of each class before and after augmentation, of a run that had augmented sets.

    Args:
        path: the PNG.
        run: the run; an ensemble counts what any of its members trained on.
        cache: the one that it trained on, with all of its classes.

    Raises:
        InputError: a set is no longer in the cache, or is damaged, or the cache is another one.
    """
    tags, *others = (each.config.get("config", {}).get("augmented", ()) for each in run.members)
    if not tags or any(other != tags for other in others):
        return []
    if cache.meta["fingerprint"] != run.cache.get("fingerprint"):
        raise InputError(f"the cache {cache.directory} is another one than the run was trained on")
    places = {name: place for place, name in enumerate(cache.class_names)}
    known = [index for index, name in enumerate(run.class_names) if name in places]
    names = [run.class_names[index] for index in known]
    columns = [places[name] for name in names]
    trained = [set(each.scores("train").ids) if "train" in each.splits() else set(cache.ids) for each in run.members]
    added, images = np.zeros(len(names)), 0
    carriers = np.zeros((len(names), len(cache)), dtype=bool)
    for made in (open_augmented(cache, tag) for tag in tags):
        # A fold that judges a parent left its images out of training.
        names_of = [{cache.ids[parent] for parent in own} for own in made.parents]
        used = [row for row, own in enumerate(names_of) if any(own <= ids for ids in trained)]
        shares = made.labels[np.ix_(used, columns)].astype(np.float64)
        shares[shares == UNKNOWN] = 0
        added, images = added + shares.sum(axis=0), images + len(used)
        for row, own in zip(used, shares > 0, strict=True):
            for parent in made.parents[row]:
                carriers[own & (cache.labels[parent, columns] == 1), parent] = True
    counts = (run.training_counts[known], np.rint(added).astype(int), carriers.sum(axis=1))
    dataset_plots.draw_augmented_counts(names, *counts, path)
    sets = f"the {'sets' if len(tags) > 1 else 'set'} {', '.join(tags)}"
    return [Chart(path, AUGMENTED, f"The run also trained on {images:,} new images, those of {sets}.")]
