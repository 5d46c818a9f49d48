"""Predictions of new images as one HTML page, collected while the images pass by: counts, a table, galleries."""

import base64
import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from data.images.preparation import Preparation
from evaluation import levels
from evaluation.decision import Decision, never_predicted
from report import formatting, gallery, page, thumbnails
from report.plots import drawn_of
from run_folder import ScoredRun

TEMPLATE, SCRIPTS = "predictions.html.j2", ("page.js", "predictions.js")
ROWS = 2_000  # images in the page's table at most
LABELS = 20  # of an image at most, the most probable, so that a page of many classes can still be opened
EACH = 5  # images of each kind and class in the galleries at most
KINDS = {  # name → in which order they are shown, and what is said where there are none
    "surest": ("predicted images, the highest scores first", "No image is given this class."),
    "least sure": ("scores nearest to the threshold, on either side", "This class is never predicted."),
}


@dataclass(frozen=True)
class Sample:
    """An image as it stands in the galleries: id, scores (K,), predicted classes, the most probable first, and a
    thumbnail (H, W, 3) uint8."""

    name: str
    scores: np.ndarray
    predicted: list[int]
    image: np.ndarray


@dataclass
class Best:
    """The few samples with the highest keys; of equal ones the first."""

    size: int
    _heap: list[tuple[float, int, Sample]] = field(default_factory=list)
    _order: Any = field(default_factory=lambda: count(0, -1))

    def wants(self, key: float) -> bool:
        return len(self._heap) < self.size or key > self._heap[0][0]

    def add(self, key: float, sample: Sample) -> None:
        if self.wants(key):
            (heapq.heappush if len(self._heap) < self.size else heapq.heapreplace)(
                self._heap, (key, next(self._order), sample)
            )

    def samples(self) -> list[Sample]:
        """The highest key first."""
        return [sample for *_, sample in sorted(self._heap, reverse=True)]


@dataclass(frozen=True)
class Row:
    """An image in the table: id, number of predicted classes, the first of them with their scores, highest score, and
    how near a score comes to its threshold."""

    name: str
    count: int
    predicted: list[tuple[str, float]]
    highest: float
    nearest: float


class Seen:
    """What the page says of images that are shown one after the other; only the few in its galleries are kept.

    Attributes:
        run: the run or ensemble. names: its K classes, without what a tree has above them.
        decision: how they are predicted. thresholds: (K,) float64.
        rates: (K,) share of the training images that have each class.
        images: how many were shown. without: how many of them got no class.
        counts: (K,) int64, how many got each class.
        rows: the first `ROWS`. best: kind → column → its images, for the classes that have a gallery.

    Args:
        preparation: what makes pixels of the images that are shown.
    """

    def __init__(self, run: ScoredRun, decision: Decision, preparation: Preparation) -> None:
        self.run, self.decision = run, decision
        self.names: list[str] = run.class_names[: run.tree.classes] if run.tree else run.class_names
        size = len(self.names)
        self.thresholds = np.broadcast_to(np.asarray(decision.thresholds, np.float64), len(run.class_names))[:size]
        self.rates = training_rates(run)[:size]
        self.images = self.without = 0
        self.counts = np.zeros(size, dtype=np.int64)
        self.rows: list[Row] = []
        self.order = sorted(range(size), key=lambda column: -self.rates[column])
        shown = drawn_of(self.order)
        each = max(1, min(EACH, gallery.MOST_IMAGES // (len(KINDS) * len(shown))))
        self.best = {kind: {column: Best(each) for column in shown} for kind in KINDS}
        self._channels = () if preparation.is_picture else preparation.channel_names

    def add(self, name: str, scores: np.ndarray, image: np.ndarray) -> None:
        """Show the next image.

        Args:
            name: its id. scores: (K,), or with the nodes of a tree above the classes behind them.
            image: (H, W, C) uint8.
        """
        predicted = levels.predictions(self.run.tree, scores[None], self.decision)[0, : len(self.names)]
        scores = np.asarray(scores[: len(self.names)], dtype=np.float64)
        chosen = sorted(np.flatnonzero(predicted).tolist(), key=lambda column: -scores[column])
        distances = np.where(never_predicted(self.thresholds), np.inf, np.abs(scores - self.thresholds))
        self.images += 1
        self.without += not chosen
        self.counts += predicted
        if len(self.rows) < ROWS:
            named = named_scores(self.names, scores, chosen)
            self.rows.append(Row(name, len(chosen), named, float(scores.max()), float(distances.min())))
        keys = {"surest": np.where(predicted, scores, -np.inf), "least sure": -distances}
        places = [
            (best, float(keys[kind][column]))
            for kind, columns in self.best.items()
            for column, best in columns.items()
            if keys[kind][column] > -np.inf and best.wants(keys[kind][column])
        ]
        if places:
            small = thumbnails.rgb(thumbnails.shrunk(image, gallery.LOOKS[0][0]), self._channels)
            sample = Sample(name, scores, chosen, small)
            for best, key in places:
                best.add(key, sample)


def named_scores(names: Sequence[str], scores: np.ndarray, predicted: Sequence[int]) -> list[tuple[str, float]]:
    """Names and scores of the first `LABELS` of an image's predicted classes."""
    return [(names[column], float(scores[column])) for column in predicted[:LABELS]]


def training_rates(run: ScoredRun) -> np.ndarray:
    """Share of the training images that have each class, (K,) float64; of several runs the first's that knows it."""
    rates = np.zeros(len(run.class_names))
    for each, columns in reversed(list(zip(run.members, run.columns, strict=True))):
        rates[columns] = each.training_rates
    return rates


def render(
    seen: Seen, output_csv: Path, thresholds_file: str | None, skipped: dict[str, str], told: Sequence[str] = ()
) -> str:
    """The page as HTML: text escaped, images inside, nothing loaded from elsewhere.

    Args:
        seen: all images.
        output_csv: where all predictions are.
        thresholds_file: where the thresholds are from; None for 0.5.
        skipped: path → why it could not be decoded.
        told: more sentences about the scores.
    """
    from markupsafe import Markup

    here = Path(__file__).parent / "templates"
    scripts = [(here / name).read_text(encoding="utf-8") for name in SCRIPTS]
    side, shown = galleries(seen)
    return page.environment().get_template(TEMPLATE).render(
        name=seen.run.name,
        output_csv=output_csv,
        tiles=tiles(seen, skipped),
        sentences=sentences(seen, thresholds_file, skipped, told),
        classes=class_rows(seen),
        rows=seen.rows,
        images=seen.images,
        galleries=shown,
        side=side,
        kinds=KINDS,
        skipped=skipped,
        made_by=page.made_by(seen.run),
        style=Markup((here / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        digests=[base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts],
    )  # fmt: skip


def tiles(seen: Seen, skipped: dict[str, str]) -> list[dict[str, str]]:
    """The main numbers: what each is, its value, and what it means."""
    found = [
        ("images", f"{seen.images:,}", f"{len(skipped):,} more cannot be decoded" if skipped else "all are decoded"),
        (
            "without a class",
            f"{seen.without:,}",
            f"{formatting.percent(seen.without / max(seen.images, 1))} of the images",
        ),
        ("classes an image", f"{seen.counts.sum() / max(seen.images, 1):.2f}", f"in training {seen.rates.sum():.2f}"),
        ("classes found", f"{(seen.counts > 0).sum():,}", f"of {len(seen.names):,}"),
    ]
    return [{"name": name, "value": value, "meaning": meaning} for name, value, meaning in found]


def sentences(seen: Seen, thresholds_file: str | None, skipped: dict[str, str], told: Sequence[str] = ()) -> list[str]:
    """What begins the page."""
    cuts = f"at the thresholds of {thresholds_file}" if thresholds_file else "at threshold 0.5, as none are tuned"
    said = [
        f"Classes of {seen.images:,} images by {seen.run.name}, {cuts}.",
        "Nothing here says whether that is right. How far such predictions can be trusted is in the run's report, and "
        "only for images like those that it was trained and judged on.",
        *seen.decision.words(),
        *told,
    ]
    if skipped:
        files = "1 image" if len(skipped) == 1 else f"{len(skipped):,} images"
        said.append(f"Warning: {files} cannot be decoded; see the end of the page.")
    return said


def class_rows(seen: Seen) -> list[dict[str, Any]]:
    """A row a class, the largest in training first; `widths` are the lengths of its bars, per cent of the longest."""
    share = seen.counts / max(seen.images, 1)
    longest = max(share.max(), seen.rates.max(), 1e-9)
    return [
        {
            "class": seen.names[column],
            "place": column,
            "count": int(seen.counts[column]),
            "share": float(share[column]),
            "rate": float(seen.rates[column]),
            "threshold": float(seen.thresholds[column]),
            "widths": [round(100 * float(each[column]) / longest, 1) for each in (share, seen.rates)],
        }
        for column in seen.order
    ]


def galleries(seen: Seen) -> tuple[int, dict[int, dict[str, list[dict[str, Any]]]]]:
    """The side of the thumbnails, pixels, and column → kind → what is shown of each image."""
    chosen = [
        (column, kind, sample)
        for kind, each in seen.best.items()
        for column in each
        for sample in each[column].samples()
    ]
    images = {sample.name: sample.image for *_, sample in chosen}
    side, urls = gallery.encoded(images, [sample.name for *_, sample in chosen])
    found: dict[int, dict[str, list[dict[str, Any]]]] = {
        column: {kind: [] for kind in KINDS} for column in next(iter(seen.best.values()))
    }
    for (column, kind, sample), url in zip(chosen, urls, strict=True):
        found[column][kind].append(
            {
                "name": sample.name,
                "score": float(sample.scores[column]),
                "given": column in sample.predicted,
                "count": len(sample.predicted),
                "predicted": named_scores(seen.names, sample.scores, sample.predicted),
                "picture": url,
            }
        )
    return side, found
