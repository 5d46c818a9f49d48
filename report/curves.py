"""Learning curves, and the sentence that reads them."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from report import style

RISE = 1.02  # a loss this many times its lowest counts as risen; both are means over a quarter of the epochs
SAME = 1e-4  # of mAP; no less counts as better
SURE = 2.0  # standard errors of a rise of validation mAP that is no noise


def column(history: list[dict[str, float]], name: str) -> np.ndarray:
    """One column of the history, (epochs,) float64; NaN where it was not computed."""
    return np.array([row.get(name, np.nan) for row in history], dtype=np.float64)


def reading(history: list[dict[str, float]], epochs: int, schedule: str) -> str:
    """What the curves say, in a sentence or two for someone who has read few of them.

    Single epochs are noise, so means over a quarter of them are compared. Where the learning rate falls to the end,
    each run ends in a rise that levels off, whatever its length; only at a constant rate is that a trend.

    Args:
        history: a dict an epoch with `epoch`, `loss`, `val_loss` and `val_mAP`.
        epochs: how many the header allowed.
        schedule: of the learning rate, as the header has it.
    """
    mean_precision = column(history, "val_mAP")
    best, count = int(np.nanargmax(mean_precision)), len(history)
    text = f"Validation mAP was highest, {mean_precision[best]:.3f}, after epoch {best + 1} of {count}."
    span = max(2, count // 4)
    if count < 2 * span:
        return text + " So few epochs tell no trend."
    loss, val_loss, smooth = (
        np.convolve(each, np.full(span, 1 / span), "valid")
        for each in (column(history, "loss"), column(history, "val_loss"), mean_precision)
    )
    lowest = int(np.argmin(val_loss))
    if val_loss[-1] > RISE * val_loss[lowest] and loss[-1] < loss[lowest]:
        since = int(np.nanargmin(column(history, "val_loss"))) + 1
        return text + (
            f" Since epoch {since} the loss falls on training rows and rises on validation rows: it overfits;"
            " augmentation, dropout or more images help."
        )
    if loss[-1] > RISE * loss.min():
        return text + " The loss on training rows has risen again: training diverges; try a third of the learning rate."
    if smooth[-1] < min(mean_precision[0] + SAME, 1):
        return text + (
            " At the end it is no higher than after the first epoch, so nothing is learned: try a third of the learning"
            " rate."
        )
    if count < epochs:
        return text
    if schedule != "constant":
        return text + (
            " The learning rate fell to the end, where every run levels off: only a longer run tells whether it ends"
            " higher."
        )
    last = mean_precision[-2 * span :]
    # Neighbours differ by twice the variance of one of them, beside the trend.
    error = np.std(np.diff(last)) / np.sqrt(span)
    if smooth[-1] - smooth[-1 - span] > SURE * error:
        return text + " It was still rising when the epochs ran out: more epochs should help."
    return text + " It has levelled off: more epochs at this rate will bring little."


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
