"""Draw docs/pictures/losses.png: what a label costs at each score, for the losses by label.

From the project's folder: python -m experiments.loss_curves docs/pictures/losses.png
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import losses
from report import style

RARE = {"positives": [20], "negatives": [1980]}  # the class that distribution_balanced is drawn for
DRAWN = {  # name → its parameters, colour and line
    "bce": ({}, "0.25", "-"),
    "weighted_bce": ({"positive_weights": [4.0], "negative_weights": [1.0]}, style.ORANGE, "-"),
    "focal": ({}, style.BLUE, "--"),
    "asymmetric": ({}, style.GREEN, "-."),
    "distribution_balanced": (RARE, style.VERMILION, ":"),
}
NAMES = {
    "weighted_bce": "weighted_bce, w⁺ = 4",
    "distribution_balanced": "distribution_balanced, a class in 1 % of the images, alone",
}


def main(path: Path) -> None:
    scores = np.linspace(0.001, 0.999, 600)
    logits = np.log(scores / (1 - scores))[:, None].astype(np.float32)
    figure, axes = style.figure(10, 4.4, columns=2)
    for name, (parameters, colour, line) in DRAWN.items():
        loss = losses.build(name, **parameters)
        for one, label in zip(axes, (1.0, 0.0), strict=True):
            costs = keras.ops.convert_to_numpy(loss.elements(np.full_like(logits, label), logits))
            one.plot(scores, costs[:, 0], line, color=colour, linewidth=1.8, label=NAMES.get(name, name))
    for one, title in zip(axes, ("A label that is there", "A label that is not there"), strict=True):
        one.set(title=title, xlabel="score", ylabel="loss", xlim=(0, 1), ylim=(0, 4))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    style.save(figure, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
