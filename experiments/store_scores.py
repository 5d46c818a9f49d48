"""Keep what a row of RESULTS.md was reckoned from: python experiments/store_scores.py runs/partition/runs/whole

Writes experiments/scores/METHOD.npz: for each repeat and for val and test the labels (N, K) uint8 and the scores (N, K)
float32, and the share of positives among the known training labels of each class (K,). For runs on made images alone;
other people's labels do not belong here.
"""

import sys
from pathlib import Path

import numpy as np


def main(method: Path) -> None:
    """Gather METHOD/REPEAT/scores/{val,test}.npz of all repeats into one file."""
    found = {}
    for run in sorted(path.parents[1] for path in method.glob("*/scores/test.npz")):
        with np.load(run / "scores" / "train.npz", allow_pickle=False) as stored:
            known = np.ma.masked_greater(stored["labels"], 1)
            found[f"{run.name}/rates"] = known.mean(axis=0).filled(0)
        for split in ("val", "test"):
            with np.load(run / "scores" / f"{split}.npz", allow_pickle=False) as stored:
                found |= {f"{run.name}/{split}/{name}": stored[name] for name in ("labels", "scores")}
    path = Path(__file__).parent / "scores" / f"{method.name}.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **found)
    print(f"Wrote {path}: {len(found) // 5} runs, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
