"""Where the model looks: images of the judged split beside their Grad-CAM heat maps, see `models.gradcam`.

Keras is loaded only where maps are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import InputError
from data.cache.cache import Cache
from data.images.preparation import PICTURES
from evaluation import class_sizes
from evaluation.evaluation import Evaluation
from report import thumbnails
from report.gallery import cache_of, highest
from run_folder import Run

if TYPE_CHECKING:
    from keras import Model

SIDE, QUALITY = 224, 80  # pixels of the longer side, small images enlarged; of the JPEG
COLOURS = "inferno"  # lightness rises evenly with heat, so that it can be read without seeing colours too
GROUND = 0.75  # of its brightness is left to the gray image under the heat
OPAQUE = 0.68  # of the ground is hidden by the highest heat
ALARMS = 3  # every third image is a false alarm
KINDS = {
    "found": "has the label and is given it",
    "missed": "has the label and is not given it",
    "false alarm": "is given the label without having it",
}


@dataclass(frozen=True)
class Pick:
    """A judged image and a class: its row and column among the judged scores, and which of `KINDS` it is."""

    row: int
    column: int
    kind: str


@dataclass(frozen=True)
class Overlay:
    """An image, data URL, beside the same in gray with a class's heat over it."""

    name: str
    label: str
    score: float
    kind: str
    meaning: str
    picture: str
    heat: str


@dataclass(frozen=True)
class Overlays:
    """What overlays.html.j2 shows: the images, what must be known of them, and the colours from no heat to most."""

    images: list[Overlay]
    notes: list[str] = field(default_factory=list)
    legend: list[str] = field(default_factory=list)
    split: str = ""


def overlays(found: Evaluation, count: int, cache_dir: Path | None = None) -> Overlays | None:
    """Heat maps of a few images.

    Of several runs, an image's map is that of the first run that knows the class and scored the image in this split.

    Args:
        found: which images are right and wrong, at the tuned thresholds if there are any.
        count: images at most.
        cache_dir: where the images are now; None for where they were in training.

    Returns:
        None where no image was asked for, or there are none in a cache, of which the gallery says why.
    """
    chosen = picks(found, count)
    runs = found.run.members
    if not chosen or all(cache_of(run, cache_dir)[0] is None for run in runs):
        return None
    notes: list[str] = []
    made: dict[Pick, Overlay] = {}
    for run in runs:
        seen = set(run.scores(found.split).ids) if found.split in run.splits() else set()
        own = [pick for pick in chosen if pick not in made and knows(run, found, pick, seen)]
        try:
            made |= dict(zip(own, drawn(run, found, own, cache_dir), strict=True))
        except ValueError as error:
            # A model that is lost, or has no maps, is no reason to leave a report unwritten.
            notes.append(f"{run.place} has no heat maps: {error}.")
    if len(runs) > 1 and made:
        notes.append(
            "Each map is that of the first run that knows the class and scored the image; the scores are all runs'."
        )
    return Overlays([made[pick] for pick in chosen if pick in made], notes, legend(), found.split)


def picks(found: Evaluation, count: int) -> list[Pick]:
    """The surest hit of each class, a large one, a medium and a small one in turn, and every third the surest false
    alarm of one; of a class without a hit its missed image with the highest score."""
    columns = dict(zip([row["class"] for row in found.rows["0.5"]], found.columns, strict=True))
    sizes = class_sizes.thirds(found.rows["0.5"]).values()
    order = [columns[row["class"]] for row in chain(*zip_longest(*sizes)) if row]
    hits = [pick for column in order if (pick := surest(found, column, ("found", "missed")))]
    alarms = [pick for column in order if (pick := surest(found, column, ("false alarm",)))]
    wrong = min(len(alarms), max(count // ALARMS, count - len(hits)))
    return hits[: count - wrong] + alarms[:wrong]


def surest(found: Evaluation, column: int, kinds: Sequence[str]) -> Pick | None:
    """The image with the highest score of the first of these kinds that a class has."""
    scores, outcomes = found.part.scores[:, column], found.part.outcomes[found.choice]
    those = {
        "found": outcomes.true_positives,
        "missed": outcomes.false_negatives,
        "false alarm": outcomes.false_positives,
    }
    for kind in kinds:
        rows = np.flatnonzero(those[kind][:, column])
        if len(rows):
            return Pick(int(rows[highest(scores[rows], 1)[0]]), column, kind)
    return None


def knows(run: Run, found: Evaluation, pick: Pick, seen: set[str]) -> bool:
    """Whether a run knows a pick's class and scored its image; `seen` are the ids that it scored in this split."""
    return found.run.class_names[pick.column] in run.class_names and found.scored[found.split].ids[pick.row] in seen


def drawn(run: Run, found: Evaluation, chosen: Sequence[Pick], cache_dir: Path | None) -> list[Overlay]:
    """The overlays of a run's picks, in their order.

    Raises:
        ValueError: the run's cache or model is not there or not its own, or the model has no maps; in a sentence.
    """
    if not chosen:
        return []
    ids = [found.scored[found.split].ids[pick.row] for pick in chosen]
    cache, images = images_of(run, ids, cache_dir)
    channels = () if cache.meta["preparation"]["channels"] in PICTURES else cache.meta["channels"]
    names = [found.run.class_names[pick.column] for pick in chosen]
    heats = heat_maps(run.load_model(), images, [run.class_names.index(name) for name in names])
    made = []
    for pick, name, label, image, heat in zip(chosen, ids, names, images, heats, strict=True):
        shown = enlarged(thumbnails.rgb(thumbnails.shrunk(image, SIDE), channels))
        urls = [thumbnails.data_url(each, SIDE, QUALITY) for each in (shown, heated(shown, heat))]
        score = float(found.part.scores[pick.row, pick.column])
        made.append(Overlay(name, label, score, pick.kind, KINDS[pick.kind], *urls))
    return made


def images_of(run: Run, ids: Sequence[str], cache_dir: Path | None) -> tuple[Cache, list[np.ndarray]]:
    """A run's cache and images out of it, each (H, W, C) uint8.

    Raises:
        InputError: the cache is not there or is another one, in a sentence.
    """
    cache, problem = cache_of(run, cache_dir)
    if cache is None:
        raise InputError(problem.rstrip("."))
    places = {name: place for place, name in enumerate(cache.ids)}
    if cache.meta["fingerprint"] != run.cache.get("fingerprint") or not places.keys() >= set(ids):
        raise InputError(f"the cache {cache.directory} is another one than it was trained on")
    # One by one, as they may have several shapes.
    return cache, [cache.gather(np.array([places[name]]))[0] for name in ids]


def heat_maps(model: "Model", images: Sequence[np.ndarray], classes: Sequence[int]) -> list[np.ndarray]:
    """One map an image for one class each, (h, w) float32.

    Raises:
        ValueError: the model has no maps.
    """
    from models import gradcam

    found: list[np.ndarray] = [np.zeros((1, 1))] * len(images)
    for shape in dict.fromkeys(image.shape for image in images):
        rows = [row for row, image in enumerate(images) if image.shape == shape]
        own = np.array([[classes[row]] for row in rows])
        # One by one: several large images at once may take more memory than training had.
        heats = gradcam.maps(model, np.stack([images[row] for row in rows]), own, batch_size=1)
        for row, heat in zip(rows, heats[:, 0], strict=True):
            found[row] = heat
    return found


def enlarged(image: np.ndarray) -> np.ndarray:
    """A small image (H, W, 3) uint8 with `SIDE` as its longer side, so that an overlay of few pixels can be read."""
    import cv2

    scale = SIDE / max(image.shape[:2])
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def heated(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image in gray with the colours of its heat over it.

    Args:
        image: (H, W, 3) uint8.
        heat: (h, w) float32 from 0 to 1.

    Returns:
        (H, W, 3) uint8. Where there is no heat, it is the gray image alone.
    """
    import cv2
    import matplotlib

    height, width = image.shape[:2]
    heat = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    # The brightest channel, as a weighted sum would hide a stain of blue.
    gray = GROUND * image.max(axis=2, keepdims=True)
    colours = 255 * matplotlib.colormaps[COLOURS](heat)[..., :3]
    cover = OPAQUE * heat[..., None] ** 0.7
    return np.rint(gray * (1 - cover) + colours * cover).astype(np.uint8)


def legend(steps: int = 9) -> list[str]:
    """The colours, "#RRGGBB", from no heat to the most, as they lie on a ground of middle gray."""
    ground = np.full((1, steps, 3), 128, dtype=np.uint8)
    row = heated(ground, np.linspace(0, 1, steps)[None])[0]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in row]
