"""Learning curves, and the sentence that reads them."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from report import style

RISE = 1.05  # a validation loss this many times its lowest counts as risen
SETTLED = 3  # epochs without a better one before the curve counts as levelled off


def column(history: list[dict[str, float]], name: str) -> np.ndarray:
    """One column of the history, (epochs,) float64; NaN where it was not computed."""
    return np.array([row.get(name, np.nan) for row in history], dtype=np.float64)


def reading(history: list[dict[str, float]], epochs: int) -> str:
    """What the curves say, in a sentence or two for someone who has read few of them.

    Args:
        history: a dict an epoch with `epoch`, `loss`, `val_loss` and `val_mAP`.
        epochs: how many the header allowed.
    """
    mean_precision, val_loss = column(history, "val_mAP"), column(history, "val_loss")
    best, last = int(np.nanargmax(mean_precision)), len(history) - 1
    text = f"Validation mAP was highest, {mean_precision[best]:.3f}, after epoch {best + 1} of {last + 1}."
    if best == last:
        if last == 0 and epochs == 1:
            return text + " One epoch tells no trend: give more of them."
        if last + 1 == epochs:
            return text + " It was still rising when the epochs ran out: more epochs should help."
        return text
    lowest = int(np.nanargmin(val_loss))
    overfits = val_loss[last] > RISE * val_loss[lowest] and history[last]["loss"] < history[lowest]["loss"]
    if overfits:
        return text + (
            f" Since epoch {lowest + 1} the loss falls on training rows and rises on validation rows: it overfits;"
            " augmentation, dropout or more images help, more epochs do not."
        )
    if last - best >= SETTLED:
        return text + " It has levelled off: more epochs alone will bring little."
    return text + (" The epochs ran out soon after: more of them may help." if last + 1 == epochs else "")


def draw(history: list[dict[str, float]], sentence: str, path: Path) -> None:
    """Draw loss on the left and the metrics on the right, the best epoch marked, the sentence below; write a PNG."""
    epochs = column(history, "epoch")
    figure, (left, right) = style.figure(10, 4.2, columns=2)
    left.plot(epochs, column(history, "loss"), color=style.SPLIT_COLOURS["train"], label="train")
    left.plot(epochs, column(history, "val_loss"), color=style.SPLIT_COLOURS["val"], label="val")
    left.set(title="Loss", xlabel="epoch", ylim=(0, None))
    left.legend()
    for name, title, dashes in (
        ("mAP", "mAP", "-"),
        ("macro_f1", "macro-F1", "--"),
        ("subset_accuracy", "subset acc.", ":"),
    ):
        right.plot(
            epochs, column(history, f"val_{name}"), dashes, color=style.SPLIT_COLOURS["val"], label=f"val {title}"
        )
        train = column(history, f"train_{name}")
        known = np.isfinite(train)
        if known.any():
            colour = style.SPLIT_COLOURS["train"]
            right.plot(epochs[known], train[known], dashes, marker=".", color=colour, label=f"train {title}")
    right.set(title="Metrics (F1 and accuracy at threshold 0.5)", xlabel="epoch", ylim=(0, 1))
    right.legend(fontsize=8, ncols=2)
    best = epochs[int(np.nanargmax(column(history, "val_mAP")))]
    for axes in (left, right):
        axes.axvline(best, color="0.6", linewidth=1, zorder=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.supxlabel(sentence, fontsize=9, wrap=True)
    style.save(figure, path)
