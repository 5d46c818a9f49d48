"""Every bench in turn, each in a process of its own, with its defaults: python -m bench, or make bench"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import header

ROOT = Path(__file__).parents[1]
# Name → the files of the real data that it needs, by the option that takes each; the short ones come first.
BENCHES: dict[str, dict[str, str]] = {
    "balance": {"labels_csv": "hpa/train.csv", "classes_file": "hpa/classes.txt"},
    "splits": {"labels_csv": "hpa/external_v18.csv", "classes_file": "hpa/classes.txt"},
    "near_duplicates": {},
    "augment": {},
    "online": {},
    "evaluation": {},
    "thresholds": {},
    "start": {},
    "tree_thresholds": {},
    "threshold_simulation": {},
    "losses": {},
    "normalization": {},
    "inputs": {},
    "preprocess_memory": {},
    "scaling": {},
    "intervals": {},
    "step": {},
    "features": {},
    "memory": {},
    "preprocess": {},
    "gpu": {},
}


@dataclass(frozen=True)
class Config:
    only: tuple[str, ...] = ()  # names of benches; empty: all


def main(config: Config) -> None:
    """Run them; one that fails is named at the end.

    Raises:
        InputError: a name is unknown.
        SystemExit: one has failed.
    """
    from bench import gpu
    from common.errors import InputError

    if unknown := [name for name in config.only if name not in BENCHES]:
        raise InputError(f"only = {', '.join(unknown)}: no such bench; there are {', '.join(BENCHES)}")
    data = Path(os.environ.get("CELL_DATA", ROOT.parent / "shared" / "data")).absolute()
    failed = []
    for name in config.only or BENCHES:
        files = {option: data / file for option, file in BENCHES[name].items()}
        if missing := [str(path) for path in files.values() if not path.is_file()]:
            print(f"{name}: left out, as {missing[0]} is not there; CELL_DATA names the folder of the real data\n")
            continue
        if name == "gpu" and not gpu.seen():
            print(f"{name}: left out, as {gpu.NEEDS}\n")
            continue
        words = [str(word) for option, path in files.items() for word in (f"--{option}", path)]
        print(" ".join(["python -m", f"bench.{name}", *words]))
        start = time.perf_counter()
        status = subprocess.run([sys.executable, "-m", f"bench.{name}", *words], cwd=ROOT).returncode
        print(f"{name}: {time.perf_counter() - start:.0f} s\n")
        if status:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
