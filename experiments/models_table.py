"""The table of experiments/models.sh: python experiments/models_table.py runs/models

A row a model, in the order of training: parameters and operations as train.py printed them, images a second of its best
epoch, and test figures at the tuned thresholds. Runs of parts of the classes share the row of what they are joined to.
"""

import csv
import json
import re
import sys
from pathlib import Path

COST = re.compile(r": ([\d,]+) parameters, ([\d.]+) GFLOPs an image")


def row(report: Path) -> str:
    """A Markdown row of one report/metrics.json."""
    found = json.loads(report.read_text(encoding="utf-8"))
    runs = [Path(run) for run in found["config"]["run_dirs"]]
    costs = [COST.search(run.with_suffix(".log").read_text(encoding="utf-8")).groups() for run in runs]
    figures = found["splits"]["test"]["tuned"]
    cells = [
        " + ".join(run.name for run in runs),
        f"{sum(int(parameters.replace(',', '')) for parameters, _ in costs) / 1e6:.2f} M",
        f"{sum(float(operations) for _, operations in costs):.2f}",
        f"{1 / sum(1 / rate(run) for run in runs):.0f}",
        *(f"{figures[name]:.3f}" for name in ("mAP", "macro_f1", "subset_accuracy")),
    ]
    return f"| {' | '.join(cells)} |"


def rate(run: Path) -> float:
    """Images a second of the fastest epoch; the first one also compiles."""
    with (run / "timing.csv").open(newline="", encoding="utf-8") as file:
        return max(float(epoch["images_per_second"]) for epoch in csv.DictReader(file))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    reports = [*folder.glob("*/report/metrics.json"), *folder.glob("*/joined_*/report/metrics.json")]
    columns = ("model", "parameters", "GFLOPs", "images/s", "test mAP", "macro-F1", "subset accuracy")
    print(f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", sep="\n")
    for report in sorted(reports, key=lambda path: (path.parent.parent / "thresholds.json").stat().st_mtime):
        print(row(report))
