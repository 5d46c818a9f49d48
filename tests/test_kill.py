"""Scripts that are killed at random places and started again end as ones that never were; `make soak` kills more."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DRIVERS = Path(__file__).parent / "killed"
KILLS = int(os.environ.get("KILLS", "42"))  # of preprocess.py and augment.py; a tenth as many of train.py
SEED = int(os.environ.get("KILL_SEED", "0"))


def driven(script: str, *arguments) -> dict:
    """What a driver in tests/killed printed as its last line; it fails where anything was not as it should be."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(DRIVERS / script), *map(str, arguments)]
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def test_a_cache_and_an_augmented_set_end_the_same_bytes(made_set, tmp_path):
    told = driven("of_caches.py", made_set, tmp_path, KILLS, SEED)
    killed = sum(count for what, count in told["happened"].items() if "finished before" not in what)
    assert sum(told["happened"].values()) == KILLS and killed > KILLS / 2
    assert min(told["operations"].values()) > 50
    for script in ("preprocess", "augment"):
        assert told["happened"][f"{script}: killed, changed settings refused"]


def test_a_training_ends_the_same_bits(made_cache, tmp_path):
    kills = max(4, KILLS // 10)
    told = driven("of_training.py", made_cache, tmp_path, kills, SEED)
    assert told["happened"][:kills].count("killed") >= kills / 2
    assert told["happened"][kills:] == ["status 143", "status 130", "full disk"]
