"""The report as one HTML file that opens without a network, and the sentences that begin it."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATE = "page.html.j2"
TOOK_PART = {
    "test": "They took no part in training or in choosing epoch and thresholds, so these figures are honest.",
    "val": "No test scores are stored. The validation images chose epoch and thresholds: these figures are optimistic.",
    "train": "Only scores of training images are stored, so these figures say little about new images.",
}
TUNED = (
    "No run that scored an image had trained on it or chosen its epoch by it. But {count:,} of the images also chose "
    "the thresholds, as val images of other runs: the tuned figures are optimistic, those at 0.5 and mAP are honest."
)
WARNED = (
    "They chose neither epoch nor thresholds. Whether these figures hold for new images depends on what was warned of:"
)


@dataclass(frozen=True)
class Chart:
    """A PNG file, its heading, and a sentence on how to read it."""

    path: Path
    title: str
    caption: str


def sentences(
    split: str,
    figures: dict[str, dict[str, dict[str, float]]],
    classes: int,
    warnings: Sequence[str],
    tuned_on: int = 0,
    told: Sequence[str] = (),
) -> list[str]:
    """What the figures say, for someone who reads nothing else.

    Args:
        split: the one that is judged.
        figures: split → "0.5" or "tuned" → `metrics.summary`.
        classes: K.
        warnings: what the run was warned of, so that its test images may have had a part in training.
        tuned_on: images of the split that also chose the thresholds, where several runs are joined.
        told: more sentences about the figures, such as `judging.words`.
    """
    plain, tuned = figures[split]["0.5"], figures[split].get("tuned")
    judged = tuned or plain
    text = f"On {plain['rows']:,} {split} images the macro-F1 over {classes} classes is {judged['macro_f1']:.3f}"
    text += f" with tuned thresholds ({plain['macro_f1']:.3f} at 0.5)." if tuned else " at threshold 0.5."
    text += f" In {percent(judged['subset_accuracy'])} of the images every label is right"
    text += f" (at 0.5: {percent(plain['subset_accuracy'])})." if tuned else "."
    part = WARNED if warnings and split == "test" else TOOK_PART[split]
    said = [text, TUNED.format(count=tuned_on) if tuned_on and split == "test" else part]
    said += [f"Warning: {warning}" for warning in warnings]
    absent = classes - int(plain["classes_with_positives"])
    if absent:
        said.append(
            f"{absent} of the {classes} classes {'has' if absent == 1 else 'have'} no {split} image: "
            f"{'its' if absent == 1 else 'their'} F1 counts as 0, and mAP leaves {'it' if absent == 1 else 'them'} out."
        )
    said += told
    if split != "train" and "train" in figures:
        train = figures["train"]["tuned" if tuned else "0.5"]
        said.append(f"On the training images the same model reaches macro-F1 {train['macro_f1']:.3f}.")
    return said


def percent(share: float) -> str:
    """A share as `12.3 %`; a dash where it is not defined."""
    return "–" if share != share else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def number(value: float) -> str:
    """A ratio with three decimals; a dash where it is not defined."""
    return "–" if value != value else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference with its sign and three decimals; a dash where it is not defined."""
    return "–" if value != value else f"{value:+.3f}".replace("-", "−")


def between(span: Sequence[float] | None, each: Callable[[float], str] = number) -> str:
    """An interval as `0.123 to 0.456`; a dash where it is not defined."""
    return "–" if span is None or span[0] != span[0] else f"{each(span[0])} to {each(span[1])}"


def render(
    name: str,
    split: str,
    figures: dict[str, dict[str, dict[str, float]]],
    by_thresholds: dict[str, list[dict[str, Any]]],
    charts: list[Chart],
    made_by: dict[str, Any],
    said: Sequence[str],
    levels: dict[str, list[dict[str, Any]]] | None = None,
    more: dict[str, Any] | None = None,
    comparisons: Sequence[dict[str, Any]] = (),
) -> str:
    """The page as HTML: text escaped, charts inside, nothing loaded from elsewhere.

    Args:
        name: of the run.
        split: the one that is judged.
        figures: split → "0.5" or "tuned" → `metrics.summary` and `report.judging.figures`.
        by_thresholds: "0.5" or "tuned" → the rows of `metrics.per_class`, with "training_images" added, in their order.
        charts: what is drawn below the tables.
        made_by: names and values that describe how the run was made.
        said: what begins it, see `sentences`.
        levels: "0.5" or "tuned" → `report.levels.level_figures`, of a run over a tree.
        more: `report.judging.judged`; None for no intervals, sizes and baseline.
        comparisons: of `report.comparison.compared`.
    """
    import jinja2

    from report import judging

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, embedded=embedded, signed=signed, between=between)
    rows = list(zip(*by_thresholds.values(), strict=True))
    return environment.get_template(TEMPLATE).render(
        name=name,
        split=split,
        sentences=said,
        figures=figures,
        thresholds=list(by_thresholds),
        rows=rows,
        charts=charts,
        levels=list(zip(*(levels or {}).values(), strict=True)),
        more=more,
        names=judging.NAMES,
        signed=signed,
        comparisons=comparisons,
        made_by=made_by,
    )


def embedded(path: Path) -> str:
    """A PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")
