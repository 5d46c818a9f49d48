"""Draw macro-F1 and subset accuracy after each epoch, of training and validation images, one line a recipe.

From the project's folder: python -m experiments.curves_picture runs/figure6/runs curves.png RECIPE …

Reads RECIPE/REPEAT/history.csv below the folder; a line is the mean over repeats, at a threshold of 0.5 for each class.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from report import style

COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.VERMILION)
FIGURES = {"macro_f1": "Macro-F1", "subset_accuracy": "Subset accuracy"}
LINES = {"train": "--", "val": "-"}


def curve(folder: Path, recipe: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and the mean of a column over the repeats of a recipe, both (epochs,) float64, where all of them have it.

    Raises:
        ValueError: there is no such run, or no epoch for which all of them have it.
    """
    values = []
    for path in sorted(folder.glob(f"{recipe}/*/history.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            values.append({int(row["epoch"]): float(row[column]) for row in csv.DictReader(file) if row.get(column)})
    if not values:
        raise ValueError(f"{folder / recipe} has no run with a history.csv")
    epochs = sorted(set.intersection(*map(set, values)))
    if not epochs:
        raise ValueError(f"{folder / recipe}: no epoch has {column} in all runs")
    means = [np.mean([each[epoch] for each in values]) for epoch in epochs]
    return np.array(epochs, dtype=np.float64), np.array(means, dtype=np.float64)


def main(folder: Path, path: Path, recipes: list[str]) -> None:
    if len(recipes) > len(COLOURS):
        raise ValueError(f"{len(recipes)} recipes, but colours for {len(COLOURS)} alone")
    style.save(drawn(folder, recipes), path)


def drawn(folder: Path, recipes: list[str]) -> Figure:
    """The figure: macro-F1 on the left, subset accuracy on the right."""
    figure, axes = style.figure(10, 4.4, columns=2)
    for one, (figure_name, title) in zip(axes, FIGURES.items(), strict=True):
        for recipe, colour in zip(recipes, COLOURS, strict=False):
            for split, line in LINES.items():
                points = curve(folder, recipe, f"{split}_{figure_name}")
                one.plot(*points, line, color=colour, linewidth=1.6, label=f"{recipe}, {split}")
        one.set(title=f"{title} at 0.5", xlabel="epoch", ylim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(recipes), fontsize=9)
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
