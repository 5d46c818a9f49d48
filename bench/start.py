"""How long until a script answers, and until training takes its first step? python -m bench.start

`--help` of each script, and train.py with the CNN from the shell to the end of its first step, against a process that
only imports Keras with its backend. All in processes of their own, in turn. Processor time is that of all threads.
"""

from dataclasses import dataclass
from pathlib import Path

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    rounds: PositiveInt = 5  # in each of which everything starts once; medians count, not a cold first one
    size: PositiveInt = 128  # side of the images of the made cache, pixels
    images: PositiveInt = 320  # of the made cache
    batch_size: PositiveInt = 32  # images a step
    seed: NonNegativeInt = 0  # of pixels and labels


SCRIPTS = ("preprocess.py", "augment.py", "train.py", "thresholds.py", "evaluate.py", "predict.py", "export.py")
ROOT = Path(__file__).parents[1]
# Each prints, as its last word, the time at which it has come as far as is asked.
IMPORTED = "import time, keras; print(time.time())"
FIRST_STEP = """
import os, runpy, time
from training import resume as resuming

begin = resuming.Session.begin

def watched(session, *made):
    begin(session, *made)
    from training.checkpoint_callback import CheckpointCallback

    def end(*_, **__):
        print(time.time(), flush=True)
        os._exit(0)

    CheckpointCallback.on_train_batch_end = end

resuming.Session.begin = watched
runpy.run_path("train.py", run_name="__main__")
"""


def main(config: Config) -> None:
    import statistics
    import tempfile

    from bench import made_cache
    from report import tables

    with tempfile.TemporaryDirectory() as folder:
        cache = made_cache.write(Path(folder) / "cache", config.images, config.size, 28, config.seed)
        trained = ["--cache_dir", cache, "--run_dir", Path(folder) / "run", "--model", "cnn"]
        trained += ["--batch_size", config.batch_size]
        starts = {f"{script} --help": [script, "--help"] for script in SCRIPTS}
        starts[KERAS] = ["-c", IMPORTED]
        starts[STEP] = ["-c", FIRST_STEP, *trained, "--overwrite"]
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in starts}
        for _ in range(config.rounds):
            for name, arguments in starts.items():
                taken[name].append(until(arguments, told=name in (KERAS, STEP)))
    tables.show(
        f"From the shell, medians of {config.rounds}",
        ["", "s", "processor, s"],
        [[name, *(f"{statistics.median(each):.2f}" for each in zip(*found, strict=True))]
         for name, found in taken.items()],
    )  # fmt: skip
    more = [
        statistics.median(step[kind] - alone[kind] for step, alone in zip(taken[STEP], taken[KERAS], strict=True))
        for kind in (0, 1)
    ]
    print(f"The first step comes {more[0]:.2f} s after Keras alone would be imported, {more[1]:.2f} s of the processor")


KERAS, STEP = "import keras", "train.py, first step of the CNN"


def until(arguments: list, told: bool) -> tuple[float, float]:
    """Seconds from the start of a Python process to its end, or to the time that it tells as its last word; and seconds
    of the processor.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    import resource
    import subprocess
    import sys
    import time

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.time()
    answer = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    end = time.time()
    if answer.returncode:
        raise RuntimeError(answer.stdout + answer.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (float(answer.stdout.split()[-1]) if told else end) - start, processor


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
