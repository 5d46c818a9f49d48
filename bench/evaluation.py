"""How long does evaluate.py take, and how much memory, on many stored scores? python -m bench.evaluation

Draws labels and scores of a long tail of classes, stores them as a run's test scores, and runs evaluate.py on them in a
process of its own. Beside it: what a bootstrap draw costs here, and with scikit-learn on images that are indexed anew.
"""

from dataclasses import dataclass
from pathlib import Path

import header
from header import NonNegativeInt, PositiveInt, Seed


@dataclass(frozen=True)
class Config:
    images: PositiveInt = 100_000  # test images
    classes: PositiveInt = 29  # their rates fall from 40 % to about eight images
    draws: PositiveInt = 1000  # of the bootstrap
    group_size: NonNegativeInt = 0  # images of a group; 0: no groups
    reference_draws: NonNegativeInt = 2  # of scikit-learn; 0: none
    side: NonNegativeInt = 96  # pixels of the images in its cache, from which the page's gallery comes; 0: no cache
    run_dir: Path | None = None  # where the made run is kept; None: nowhere
    seed: Seed = 0  # of labels and scores


def main(config: Config) -> None:
    import subprocess
    import sys
    import tempfile
    import time

    from report import tables

    with tempfile.TemporaryDirectory() as folder:
        run_dir = config.run_dir or Path(folder) / "run"
        labels, scores = make_run(config, run_dir)
        command = [sys.executable, "-c", MEASURED, "--run_dirs", str(run_dir), "--draws", str(config.draws)]
        start = time.perf_counter()
        answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
        seconds = time.perf_counter() - start
        processor, memory = map(float, answer.stdout.split()[-2:])
    by_group = f" in groups of {config.group_size}" if config.group_size else ""
    print(f"{config.images:,} images × {config.classes} classes{by_group}, {config.draws:,} draws")
    print(f"evaluate.py: {seconds:.1f} s, {processor:.1f} s of one core, at most {memory / 1e6:.2f} GB")
    rows = [["ours", f"{1000 * ours(labels, scores):.1f}"]]
    if config.reference_draws:
        rows.append(["scikit-learn, indexed anew", f"{1000 * reference(labels, scores, config.reference_draws):.0f}"])
    tables.show("One draw with all its figures", ["contender", "ms"], rows)


# The last words that are printed are the processor's seconds and the memory at its peak, kB.
MEASURED = """
import resource
import evaluate, header
evaluate.main(header.parse(evaluate.Config, evaluate.__doc__))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def make_run(config, run_dir):
    """A finished run with test scores that follow the labels, and thresholds; its labels and scores."""
    import numpy as np

    import run_folder

    random = np.random.default_rng(config.seed)
    rates = np.geomspace(0.4, min(0.4, 8 / config.images), config.classes)
    labels = (random.random((config.images, config.classes)) < rates).astype(np.uint8)
    logits = random.normal(2.5 * labels + np.log(rates / (1 - rates)), 1)
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    names = [f"class {number}" for number in range(config.classes)]
    known = [config.images] * config.classes
    counts = {"train": {"rows": config.images, "positives": labels.sum(axis=0).tolist(), "known": known}}
    cache, made = {"class_names": names, "preparation": {}, "counts": counts}, {}
    if config.side:
        made["cache_dir"] = str(make_cache(config, run_dir.parent / "cache", cache, labels))
    run_folder.create_run(run_dir, {"cache": cache, "config": made}, overwrite=True)
    groups = [f"g{row // config.group_size}" for row in range(config.images)] if config.group_size else None
    run_folder.write_scores(run_dir, "test", [f"r{row}" for row in range(config.images)], scores, labels, groups)
    run_folder.finish_run(run_dir)
    run_folder.open_run(run_dir).save_thresholds(np.full(config.classes, 0.35), "fixed", {})
    return labels, scores


def make_cache(config, directory, described, labels):
    """A cache of black images, which take no room on most disks."""
    import numpy as np

    from common.files import write_json, write_text
    from data.cache.cache import FORMAT_VERSION, INDEX_COLUMNS
    from data.cache.pixel_files import write_npy_header
    from data.images.preparation import Preparation

    directory.mkdir(parents=True, exist_ok=True)
    shape = (config.side, config.side, 3)
    with (directory / "images-00000.npy").open("wb") as file:
        write_npy_header(file, config.images, shape)
        file.truncate(file.tell() + config.images * int(np.prod(shape)))
    np.save(directory / "labels.npy", labels)
    rows = [f"r{row},test,,,r{row}.png,{config.side},{config.side},0," for row in range(config.images)]
    write_text(directory / "index.csv", "\n".join([",".join(INDEX_COLUMNS), *rows]) + "\n")
    preparation = Preparation(size=config.side, resize="stretch", channels="rgb").as_dict()
    more = {"format_version": FORMAT_VERSION, "channels": ["red", "green", "blue"], "image_shape": list(shape)}
    scaling = {"white_level": 255, "mean": [0.0] * 3, "std": [1.0] * 3, "fingerprint": "made"}
    write_json(directory / "cache.json", {**described, **more, **scaling, "preparation": preparation})
    return directory


def ours(labels, scores):
    """Seconds a draw."""
    import time

    from evaluation import bootstrap, counts

    judged = [bootstrap.Predicted(counts.outcomes(labels, scores >= 0.5)), bootstrap.Ranked(labels, scores)]
    start = time.perf_counter()
    bootstrap.resampled(judged, len(labels), bootstrap.MOST_AT_ONCE, 0)
    return (time.perf_counter() - start) / bootstrap.MOST_AT_ONCE


def reference(labels, scores, draws):
    """Seconds a draw."""
    import time

    import numpy as np
    from sklearn import metrics

    random, start = np.random.default_rng(0), time.perf_counter()
    for _ in range(draws):
        rows = random.integers(len(labels), size=len(labels))
        truth, found = labels[rows], scores[rows]
        predicted = found >= 0.5
        for average in ("macro", "micro", "weighted", "samples"):
            metrics.f1_score(truth, predicted, average=average, zero_division=0)
        metrics.accuracy_score(truth, predicted)
        metrics.hamming_loss(truth, predicted)
        for column in np.flatnonzero(truth.any(axis=0)):
            metrics.average_precision_score(truth[:, column], found[:, column])
            metrics.roc_auc_score(truth[:, column], found[:, column])
    return (time.perf_counter() - start) / draws


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
