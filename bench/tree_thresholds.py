"""Are thresholds that agree over a tree of labels better than closing predictions upwards? On made scores:
python -m bench.tree_thresholds
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import header
from header import NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np

    from data.labels.hierarchy import Tree


@dataclass(frozen=True)
class Config:
    hierarchy: Path = Path("data/hpa_hierarchy.csv")  # the tree
    rows: PositiveInt = 2000  # images to tune on; four times as many are judged
    draws: PositiveInt = 6  # of the scores
    seed: NonNegativeInt = 0  # of the scores


def main(config: Config) -> None:
    import numpy as np

    from report import tables

    tree = leafy_tree(config.hierarchy)
    rng = np.random.default_rng(config.seed)
    draws = [true_f1(tree, config.rows, rng) for _ in range(config.draws)]
    tables.show(
        f"macro-F1 on new rows: {tree.classes} classes, and {len(tree.names) - tree.classes} nodes above them",
        ["rule", *(f"{nodes}\n{method}" for method in draws[0] for nodes in ("classes", "above"))],
        [
            [rule, *(f"{np.mean([draw[method][rule][part] for draw in draws]):.3f}" for method in draws[0]
                     for part in (0, 1))]
            for rule in draws[0]["per_class"]
        ],
    )  # fmt: skip


def leafy_tree(path: Path) -> "Tree":
    """The tree of a CSV whose classes are the nodes with nothing below them."""
    import csv

    from data.labels.hierarchy import read_tree

    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parents = {row["parent"] for row in rows}
    return read_tree(path, [row["class"] for row in rows if row["class"] not in parents])


def true_f1(tree: "Tree", rows: int, rng: "np.random.Generator") -> dict[str, dict[str, tuple[float, float]]]:
    """Method → rule → macro-F1 of the classes and of the nodes above them, on rows that were not tuned on."""
    from evaluation import metrics
    from evaluation.counts import outcomes
    from thresholds import fit

    labels, scores = made(tree, rows, rng)
    new_labels, new_scores = made(tree, 4 * rows, rng)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for method, options in (("per_class", {}), ("shrink", {"rates": new_labels.mean(axis=0)})):
        found[method] = {}
        for rule, cuts in rules(tree, fit(labels, scores, method, **options)).items():
            predicted = tree.closed(metrics.predict(new_scores, cuts))
            f1 = outcomes(new_labels, predicted).sums().f1
            found[method][rule] = (float(f1[: tree.classes].mean()), float(f1[tree.classes :].mean()))
    return found


def rules(tree: "Tree", alone: "np.ndarray") -> dict[str, "np.ndarray"]:
    """The thresholds (M,) as they are, and changed so that no parent's is above a child's."""
    import numpy as np

    lowered, raised = alone.copy(), alone.copy()
    for node in np.argsort(-tree.levels, kind="stable"):
        if (parent := tree.parents[node]) >= 0:
            lowered[parent] = min(lowered[parent], lowered[node])
    for node in np.argsort(tree.levels, kind="stable"):
        if (parent := tree.parents[node]) >= 0:
            raised[node] = max(raised[node], raised[parent])
    return {"closed upwards": alone, "parents lowered to children": lowered, "children raised to parents": raised}


def made(tree: "Tree", rows: int, rng: "np.random.Generator") -> tuple["np.ndarray", "np.ndarray"]:
    """Labels (N, M) with classes from 0.2 to 30 % of the rows, and probabilities, none above its parent's."""
    import numpy as np

    rates = np.random.default_rng(1).permutation(np.geomspace(0.3, 0.002, tree.classes))
    labels = tree.expanded((rng.random((rows, tree.classes)) < rates).astype(np.uint8))
    # The rarer a node, the lower its scores, as training leaves them.
    height = 0.7 * np.log(np.clip([rates[below[: tree.classes]].sum() for below in tree.below], 1e-3, 0.9))
    scores = 1 / (1 + np.exp(-rng.normal(2.3 * labels + height)))
    for node in np.argsort(-tree.levels, kind="stable"):
        if (parent := tree.parents[node]) >= 0:
            scores[:, parent] = np.maximum(scores[:, parent], scores[:, node])
    return labels, scores


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
