"""Draw precision and recall of each class, the largest first, of a recipe before and after its loss is weighted.

From the project's folder: python -m experiments.weighting_picture runs/figure6/runs BEFORE AFTER weighting.png

Reads RECIPE/REPEAT/report/metrics.json below the folder; a point is the mean over repeats, on the test images.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from report import style

CUTS = {"0.5": "at 0.5", "tuned": "at tuned thresholds"}
FIGURES = ("precision", "recall")


def repeats(folder: Path, recipe: str, cut: str) -> list[dict[str, dict[str, Any]]]:
    """For each repeat of a recipe, class → its figures on the test images.

    Raises:
        ValueError: there is no such run, or one was not judged on test images.
    """
    found = []
    for path in sorted(folder.glob(f"{recipe}/*/report/metrics.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["judged_split"] != "test":
            raise ValueError(f"{path} is judged on {content['judged_split']}")
        found.append({row["class"]: row for row in content["classes"]["test"][cut]})
    if not found:
        raise ValueError(f"{folder / recipe} has no run with a report/metrics.json")
    return found


def largest_first(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The classes with an image to find, in order of their training images."""
    return sorted((name for name in rows if rows[name]["support"]), key=lambda name: -rows[name]["training_images"])


def main(folder: Path, before: str, after: str, path: Path) -> None:
    style.save(drawn(folder, before, after), path)


def drawn(folder: Path, before: str, after: str) -> Figure:
    """The figure: precision above recall, at 0.5 on the left and at tuned thresholds on the right."""
    figure, axes = style.figure(11, 7.5, columns=2, rows=2)
    first = repeats(folder, before, "0.5")[0]
    names = largest_first(first)
    titles = [f"{name} ({first[name]['training_images']:,})" for name in names]
    places = np.arange(len(names))
    for across, (cut, words) in enumerate(CUTS.items()):
        recipes = {recipe: repeats(folder, recipe, cut) for recipe in (before, after)}
        for down, figure_name in enumerate(FIGURES):
            one = axes[down][across]
            old, new = (
                np.array([np.mean([rows[name][figure_name] for rows in found]) for name in names])
                for found in recipes.values()
            )
            one.vlines(places, old, new, color="0.7", linewidth=2)
            one.plot(places, old, "o", color=style.BLUE, markersize=5, label=before)
            one.plot(places, new, "o", color=style.VERMILION, markersize=5, label=after)
            one.set(title=f"{figure_name.capitalize()} {words}", ylim=(-0.03, 1.03))
            one.set_xticks(places, titles if down else [""] * len(names), rotation=90, fontsize=7)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
