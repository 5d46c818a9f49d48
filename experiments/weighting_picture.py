"""Draw precision and recall of each class, the largest first, of a recipe before and after its loss is weighted.

From the project's folder: python -m experiments.weighting_picture runs/figure6/runs BEFORE AFTER weighting.png

Reads RECIPE/REPEAT/report/metrics.json below the folder; a point is the mean over repeats, on the judged images.
"""

import json
import sys
from pathlib import Path

import numpy as np

from report import style

CUTS = {"0.5": "at 0.5", "tuned": "at tuned thresholds"}
FIGURES = ("precision", "recall")


def by_class(folder: Path, recipe: str, cut: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """The classes with an image to find, the one with most training images first, and their mean figures.

    Returns:
        Names, and "precision" and "recall" → (classes,) float64 in that order.

    Raises:
        ValueError: there is no such run.
    """
    repeats = []
    for path in sorted(folder.glob(f"{recipe}/*/report/metrics.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["classes"][content["judged_split"]][cut]
        repeats.append({row["class"]: row for row in sorted(rows, key=lambda row: -row["training_images"])})
    if not repeats:
        raise ValueError(f"{folder / recipe} has no run with a report/metrics.json")
    names = [name for name, row in repeats[0].items() if row["support"]]
    means = {
        figure: np.array([np.mean([each[name][figure] for each in repeats]) for name in names]) for figure in FIGURES
    }
    return [f"{name} ({repeats[0][name]['training_images']:,})" for name in names], means


def main(folder: Path, before: str, after: str, path: Path) -> None:
    figure, axes = style.figure(11, 7.5, columns=2, rows=2)
    for down, figure_name in enumerate(FIGURES):
        for across, (cut, words) in enumerate(CUTS.items()):
            one = axes[down][across]
            names, old = by_class(folder, before, cut)
            new = by_class(folder, after, cut)[1]
            places = np.arange(len(names))
            one.vlines(places, old[figure_name], new[figure_name], color="0.7", linewidth=2)
            one.plot(places, old[figure_name], "o", color=style.BLUE, markersize=5, label=before)
            one.plot(places, new[figure_name], "o", color=style.VERMILION, markersize=5, label=after)
            one.set(title=f"{figure_name.capitalize()} {words}", ylim=(-0.03, 1.03))
            one.set_xticks(places, names if down else [""] * len(names), rotation=90, fontsize=7)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)
    style.save(figure, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
