"""What the figures of a class look like: its surest hits, worst misses and worst false alarms, as thumbnails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from common.errors import InputError
from data.cache.cache import Cache, open_cache
from data.images.preparation import PICTURES
from evaluation.evaluation import Evaluation
from report import thumbnails
from report.plots import drawn_of
from run_folder import ScoredRun

BUDGET = 3_500_000  # bytes of a page that all thumbnails take at most
MOST_IMAGES = 1_200  # of a page: as many fit the budget at the smallest of these
LOOKS = ((160, 82), (144, 80), (128, 78), (112, 76), (96, 74), (80, 70), (64, 66), (48, 60))  # side, pixels; quality
SAMPLE = 24  # images by which a look is chosen before all are made


@dataclass(frozen=True)
class Shown:
    """An image in a gallery: its place among the judged images, id, score, names of its labels, and its thumbnail.

    `right`, `wrong` and `unsure` are the predicted labels, by whether the image has them or it is not known; `missed`
    the labels that are not predicted. `picture` is empty where the cache lacks the image.
    """

    row: int
    name: str
    score: float
    right: list[str]
    missed: list[str]
    wrong: list[str]
    unsure: list[str]
    picture: str = ""


@dataclass(frozen=True)
class Kind:
    """Images of one kind, the most telling first; `total` is how many there are."""

    name: str
    order: str
    none: str  # what is said where there are none
    total: int
    images: list[Shown]


@dataclass(frozen=True)
class Gallery:
    """The galleries of a page: class → kinds; or, in `missing`, why there are none, in a sentence."""

    missing: str = ""
    notes: list[str] = field(default_factory=list)
    classes: dict[str, list[Kind]] = field(default_factory=dict)
    side: int = 0  # pixels of the thumbnails
    count: int = 0  # of each kind at most


KINDS = {  # name → in which order they are shown, and what is said where there are none
    "found": ("the highest scores first", "None of the images with this label is found."),
    "missed": ("the lowest scores first", "None of the images with this label is missed."),
    "false alarms": ("the highest scores first", "No image without this label is given it."),
}


def cache_of(run: ScoredRun, cache_dir: Path | None = None) -> tuple[Cache | None, str]:
    """The cache that a run was trained on, of several runs the first one's; or None, and why and what to do.

    Args:
        run: a run or an ensemble. cache_dir: where the cache is now; None for where it was in training.
    """
    first = run.members[0]
    directory = Path(cache_dir or first.config.get("config", {}).get("cache_dir", "cache"))
    try:
        return open_cache(directory), ""
    except (InputError, OSError) as error:
        reason = f": {error}" if directory.exists() else ""
        return None, (
            f"No images are shown: they were looked for in the cache {directory.absolute()}, which "
            f"{'cannot be read' if reason else 'is not there'}{reason}. Where the cache lies elsewhere, name its "
            "folder: evaluate.py --cache_dir FOLDER"
        )


def gallery(found: Evaluation, count: int, cache: Cache | None, problem: str = "") -> Gallery:
    """Choose images of each class and read them out of the cache.

    Args:
        found: which images are right and wrong, at the tuned thresholds if there are any.
        count: images of each kind and class; fewer where a page could not hold them.
        cache, problem: of `cache_of`.
    """
    if not count or cache is None:
        return Gallery(missing=problem if count else "")
    rows = drawn_of(found.rows["0.5"])
    count = max(1, min(count, MOST_IMAGES // (len(KINDS) * len(rows))))
    columns = dict(zip([row["class"] for row in found.rows["0.5"]], found.columns, strict=True))
    classes = {row["class"]: kinds(found, columns[row["class"]], count) for row in rows}
    images = [image for each in classes.values() for kind in each for image in kind.images]
    side, pictures = pictured(cache, [image.name for image in images])
    taken = iter(pictures)
    classes = {name: [with_pictures(kind, taken) for kind in each] for name, each in classes.items()}
    notes = notes_on(found.run, cache, sum(not picture for picture in pictures))
    return Gallery(classes=classes, side=side, count=count, notes=notes)


def notes_on(run: ScoredRun, cache: Cache, lacking: int) -> list[str]:
    """What a reader of the pictures must know about where they come from."""
    said = []
    if len(run.members) > 1:
        said.append(f"The pictures are those of the first run's cache, {cache.directory}.")
    # That of joined runs is the first one's.
    if cache.meta["fingerprint"] != run.cache.get("fingerprint"):
        said.append(f"The cache {cache.directory} is another one than the run was trained on; its pictures may differ.")
    if lacking:
        said.append(f"{lacking:,} of the images are not in the cache {cache.directory} and have no picture.")
    return said


def kinds(found: Evaluation, column: int, count: int) -> list[Kind]:
    """The images of one class that say most about it."""
    scores = found.part.scores[:, column]
    hits, alarms, misses, _ = (each[:, column] for each in found.part.outcomes[found.choice])
    chosen = {"found": (hits, scores), "missed": (misses, -scores), "false alarms": (alarms, scores)}
    made = []
    if not (hits | misses).any():
        chosen = {"false alarms": chosen["false alarms"]}
    for kind, (those, order) in chosen.items():
        rows = np.flatnonzero(those)
        best = rows[highest(order[rows], count)]
        made.append(Kind(kind, *KINDS[kind], len(rows), [shown(found, int(row), column) for row in best]))
    return made


def highest(values: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` highest of (n,) values, the highest first; of equal ones the first."""
    places = np.arange(len(values))
    if len(values) > count:
        places = np.flatnonzero(values >= np.partition(values, -count)[-count])
    return places[np.argsort(-values[places], kind="stable")][:count]


def shown(found: Evaluation, row: int, column: int) -> Shown:
    """A judged image beside the score of one class."""
    hits, alarms, misses, known = (each[row] for each in found.part.outcomes[found.choice])

    def names(where: np.ndarray) -> list[str]:
        return [found.run.class_names[place] for place in np.flatnonzero(where)]

    return Shown(
        row,
        found.scored[found.split].ids[row],
        float(found.part.scores[row, column]),
        right=names(hits),
        missed=names(misses),
        wrong=names(alarms),
        unsure=names(found.part.predictions[found.choice][row] & ~known),
    )


def with_pictures(kind: Kind, pictures: Iterator[str]) -> Kind:
    """A kind whose images have the next of the pictures."""
    images = [replace(image, picture=next(pictures)) for image in kind.images]
    return replace(kind, images=images)


def pictured(cache: Cache, names: Sequence[str]) -> tuple[int, list[str]]:
    """Thumbnails as large as the budget allows.

    Args:
        cache: of the images. names: their ids, some of them perhaps several times, or not in the cache.

    Returns:
        The side of the thumbnails, pixels, and a data URL for each name, empty for what the cache lacks.
    """
    places = {name: place for place, name in enumerate(cache.ids)}
    channels = () if cache.meta["preparation"]["channels"] in PICTURES else cache.meta["channels"]
    images = {}
    for name in dict.fromkeys(names):
        if name in places:
            # One by one: the images of a large cache, all at once, could fill the memory.
            image = cache.gather(np.array([places[name]]))[0]
            images[name] = thumbnails.rgb(thumbnails.shrunk(image, LOOKS[0][0]), channels)
    return encoded(images, names)


def encoded(images: dict[str, np.ndarray], names: Sequence[str]) -> tuple[int, list[str]]:
    """As `pictured`, of images (H, W, 3) uint8 by their ids."""
    there = [name for name in names if name in images]
    sample = there[:: max(1, len(there) // SAMPLE)]
    for side, quality in LOOKS:
        small = [thumbnails.data_url(images[name], side, quality) for name in sample]
        if not fits(small, len(there)) and (side, quality) != LOOKS[-1]:
            continue
        urls = {name: thumbnails.data_url(image, side, quality) for name, image in images.items()}
        if fits([urls[name] for name in there], len(there)):
            break
    return side, [urls.get(name, "") for name in names]


def fits(urls: Sequence[str], count: int) -> bool:
    """Whether as many thumbnails as `count`, of which these are a sample or all, stay within the budget."""
    return sum(map(len, urls)) * count <= BUDGET * max(1, len(urls))
