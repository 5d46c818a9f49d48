"""thresholds.png: F1 against the threshold, a small chart a class, and the threshold that was chosen."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evaluation.decision import never_predicted
from report import style
from report.formatting import cut
from report.plots import drawn_of
from thresholding.scale import logits
from thresholding.sweep import f1_at_cuts

FILE = "thresholds.png"
COLUMNS = 480  # of a chart with more steps than this, the first, last, lowest and highest of each column are drawn
LOGIT = 7.0  # the axis ends at this logit, a probability of 0.001, and its negative; what lies beyond is drawn there
TICKS = (0.01, 0.5, 0.99)


def draw(
    labels: np.ndarray,
    scores: np.ndarray,
    names: list[str],
    thresholds: np.ndarray,
    apart: np.ndarray | None,
    directory: Path,
) -> None:
    """Draw the classes, the largest first.

    Args:
        labels: (N, K) uint8, 255 for unknown. scores: (N, K) probabilities.
        names: K names.
        thresholds: (K,) that were chosen.
        apart: (S, K) thresholds of the same method without some of the rows, whose spread is shaded; or None.
        directory: where the chart goes.
    """
    positives = (labels == 1).sum(axis=0)
    order = drawn_of(np.argsort(-positives, kind="stable").tolist())
    headings = [names[index] for index in order]
    figure, cells = style.small_charts(headings, cell=(2.1, 1.75), margin=(0.6, 0.9))
    for axes, index in zip(cells, order, strict=True):
        spread = None if apart is None else apart[:, index]
        _cell(axes, labels[:, index], scores[:, index], thresholds[index], spread)
    figure.supxlabel("threshold, on a logit scale", fontsize=9)
    figure.supylabel("F1 on the validation images", fontsize=9)
    _place(figure)
    _legend(figure, apart is not None)
    style.save(figure, directory / FILE)


def _place(figure: Figure) -> None:
    """Lay the small charts out by hand: finding a layout for many of them takes matplotlib seconds."""
    figure.set_layout_engine(None)
    width, height = figure.get_size_inches()
    top, bottom = 1 - 0.75 / height, 0.5 / height
    figure.subplots_adjust(left=0.65 / width, right=1 - 0.15 / width, top=top, bottom=bottom, wspace=0.12, hspace=0.62)


def _cell(axes: Axes, labels: np.ndarray, scores: np.ndarray, threshold: float, apart: np.ndarray | None) -> None:
    """The chart of one class, its labels and scores (N,), its threshold, and those chosen without some rows (S,)."""
    positives = int(np.count_nonzero(labels == 1))
    if apart is not None:
        low, high = on_axis(np.quantile(apart, (0.05, 0.95)))
        axes.axvspan(low - 0.05, high + 0.05, color=style.SKY, alpha=0.35, linewidth=0)
    place = float(on_axis(threshold))
    chosen = "never predicted" if never_predicted(threshold) else f"threshold {cut(threshold)}"
    if positives:
        cuts, values = steps(labels, scores, threshold)
        # A cut at a score predicts it: F1 is level from the next lower score up to and with this one.
        axes.step([-LOGIT, *on_axis(cuts), LOGIT], [values[0], *values, 0], where="pre",
                  color="0.25", linewidth=1.0)  # fmt: skip
        axes.axhline(values.max(), color="0.5", linestyle=":", linewidth=1)
        reached = values[np.searchsorted(cuts, threshold)]
        axes.plot(place, reached, "o", color=style.BLUE, markersize=5, clip_on=False)
    else:
        axes.text(1, 0.85, "no positives", transform=axes.transAxes, ha="right", color="0.4", fontsize=8)
        axes.axvline(place, color=style.BLUE, linewidth=1.2)
    note = f"{chosen} · {positives:,} image{'s' * (positives != 1)}"
    axes.text(0, 1.03, note, transform=axes.transAxes, fontsize=7, color="0.35")
    axes.set(xlim=(-LOGIT, LOGIT), ylim=(0, 1.02), yticks=(0, 0.5, 1))
    axes.set_xticks(on_axis(TICKS), [f"{tick:g}" for tick in TICKS])


def steps(labels: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The steps of `f1_at_cuts` that a chart shows: of many, at most four per column of the chart, and always the
    threshold, its neighbours and the highest F1."""
    cuts, values = f1_at_cuts(labels, scores, threshold)
    if len(cuts) > COLUMNS:
        place = int(np.searchsorted(cuts, threshold))
        beside = np.clip([place - 1, place, place + 1, values.argmax()], 0, len(cuts) - 1)
        kept = np.union1d(_outline(cuts, values), beside)
        cuts, values = cuts[kept], values[kept]
    return cuts, values


def _outline(cuts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The places of the first, the last, the lowest and the highest of each column of the chart."""
    column = ((on_axis(cuts) + LOGIT) / (2 * LOGIT) * COLUMNS).astype(int)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    last = np.append(first[1:], len(cuts)) - 1
    by_value = np.lexsort((values, column))
    return np.unique([first, last, by_value[first], by_value[last]])


def on_axis(probabilities: np.ndarray | float) -> np.ndarray:
    """Return logits within the ends of the axis."""
    return np.clip(logits(probabilities), -LOGIT, LOGIT)


def _legend(figure: Figure, spread: bool) -> None:
    handles = [
        Line2D([], [], linestyle="", marker="o", color=style.BLUE, label="threshold chosen"),
        Line2D([], [], color="0.5", linestyle=":", linewidth=1, label="highest F1 on these images"),
    ]
    if spread:
        words = "where it lies with a part of the images left out (9 of 10 trials)"
        handles.append(Patch(color=style.SKY, alpha=0.35, label=words))
    figure.legend(handles=handles, loc="upper right", ncols=3, fontsize=8)
