"""The report as one HTML file that opens without a network, and the sentences that begin it."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.class_sizes import FEW_IN_DRAWS
from evaluation.decision import never_predicted
from evaluation.evaluation import Evaluation
from report.formatting import OFF_CENTRE, between, cut, number, off_centre, percent, signed
from report.gallery import Gallery
from report.overlays import Overlays
from run_folder import ScoredRun

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE = "page.html.j2"
TOOK_PART = {
    "test": "The test images took no part in training or in choosing {chosen}, so these figures are honest, unless"
    " such figures also chose this run among others.",
    "val": "No test scores are stored. The validation images chose {chosen}: these figures are optimistic.",
    "train": "Only scores of training images are stored, so these figures say little about new images.",
}
TUNED = (
    "No run that scored an image had trained on it or chosen its epoch by it. But {count:,} of the images also chose "
    "the thresholds, as val images of other runs: the tuned figures are optimistic, those at 0.5 and mAP are honest."
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
WARNED = "The test images {chose}. Whether these figures hold for new images depends on what was warned of:"


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
        figures: split → "0.5" or "tuned" → `EvaluatedSplit.figures`.
        classes: K.
        warnings: what the run was warned of, so that its test images may have had a part in training.
        tuned_on: images of the split that also chose the thresholds, where several runs are joined.
        told: more sentences about the figures, such as `figure_tables.words`.
    """
    plain, tuned = figures[split]["0.5"], figures[split].get("tuned")
    judged = tuned or plain
    text = f"On {plain['rows']:,} {split} images the macro-F1 over {classes} classes is {judged['macro_f1']:.3f}"
    text += f" with tuned thresholds ({plain['macro_f1']:.3f} at 0.5)." if tuned else " at threshold 0.5."
    text += f" In {percent(judged['subset_accuracy'])} of the images every label is right"
    text += f" (at 0.5: {percent(plain['subset_accuracy'])})." if tuned else "."
    part = WARNED if warnings and split == "test" else TOOK_PART[split]
    part = part.format(
        chosen="epoch and thresholds" if tuned else "the epoch",
        chose="chose neither epoch nor thresholds" if tuned else "did not choose the epoch",
    )
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


def render(
    found: Evaluation, charts: Sequence[Chart], said: Sequence[str], gallery: Gallery, overlays: Overlays | None = None
) -> str:
    """The page as HTML: text escaped, charts and images inside, nothing loaded from elsewhere.

    Args:
        found: what the tables show. charts: what is drawn below them.
        said: what begins it, see `sentences`.
        gallery, overlays: what their templates show; None for no section of overlays.
    """
    from markupsafe import Markup

    from report import comparison_tables, figure_tables

    here = Path(__file__).parent / "templates"
    script = (here / "page.js").read_text(encoding="utf-8")
    rows = list(zip(*found.rows.values(), strict=True))
    sizes = {name: each["size"] for each in found.more["class_sizes"] for name in each["classes"]}
    return environment().get_template(TEMPLATE).render(
        name=found.run.name,
        split=found.split,
        sentences=said,
        tiles=tiles(found),
        figures=found.figures,
        thresholds=list(found.rows),
        rows=rows,
        places={versions[0]["class"]: place for place, versions in enumerate(rows)},
        sizes=sizes,
        gallery=gallery,
        charts=charts,
        levels=list(zip(*found.by_level.get(found.split, {}).values(), strict=True)),
        more=found.more,
        names=figure_tables.NAMES,
        signed=signed,
        comparisons=found.comparisons,
        compared=comparison_tables,
        made_by=made_by(found.run),
        settings=found.run.config.get("config", {}),
        overlays=overlays,
        style=Markup((here / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )  # fmt: skip


def environment() -> "Environment":
    """Where templates of this folder become pages: what they are given is escaped, and shown without characters that
    no page may hold."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=number, cut=cut, percent=percent, embedded=embedded, signed=signed, between=between, setting=setting
    )
    made.tests["never_predicted"] = never_predicted
    return made


def printable(value: object) -> object:
    """Text with \N{REPLACEMENT CHARACTER} for control characters and halves of characters; all else as it is."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def tiles(found: Evaluation) -> list[dict[str, str]]:
    """The main figures of the judged split: what each is, its value, its interval, and what guessing would give."""
    spans = found.more["intervals"]
    kind = "groups" if "groups" in spans else "images"
    rare = any(0 < row["support"] <= FEW_IN_DRAWS for row in found.rows[found.choice])
    made = []
    for key, name, meaning, each in TILES:
        span = spans.get(kind, {}).get(found.choice, {}).get(key)
        value = found.figures[found.split][found.choice][key]
        made.append(
            {
                "name": name,
                "meaning": meaning,
                "value": each(value),
                "interval": between(span, each) if span else "",
                "off_centre": OFF_CENTRE if span and key in LEAVE_OUT and rare and off_centre(value, span) else "",
                "guess": each(found.more["baseline"][key]),
            }
        )
    return made


def made_by(run: ScoredRun) -> dict[str, str]:
    """What made a run, beside its settings."""
    versions = run.config.get("versions", {})
    return {
        **({"joined": " ".join(run.messages())} if run.messages() else {}),
        "trained": run.config.get("created", ""),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "commit": run.config.get("git_commit") or "not in a git repository",
    }


def setting(value: object) -> str:
    """A value of a header as one would type it."""
    if isinstance(value, list | tuple):
        return " ".join(map(setting, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


TILES = (  # figure, its name, what it means, and how its value is written
    ("macro_f1", "macro-F1", "every class counts the same", number),
    ("micro_f1", "micro-F1", "every label counts the same", number),
    ("subset_accuracy", "every label right", "share of the images (subset accuracy)", percent),
    ("mAP", "mAP", "needs no threshold", number),
)
LEAVE_OUT = ("macro_f1", "mAP")  # figures whose draws leave out the classes that they have no image of


def embedded(path: Path) -> str:
    """A PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")
