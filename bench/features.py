"""What do stored features save? Epochs of a head on ResNet50, through the frozen network and on stored features:
python -m bench.features
"""

from dataclasses import dataclass

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    images: PositiveInt = 256  # made, of random pixels, in train; a quarter as many in val
    size: PositiveInt = 128  # side of the images, pixels
    batch_size: PositiveInt = 32  # images a step
    epochs: PositiveInt = 3  # of each; the first, which compiles, is left out
    seed: NonNegativeInt = 0  # of pixels, labels and weights


def main(config: Config) -> None:
    import dataclasses
    import tempfile
    import time
    from pathlib import Path

    from training import memory

    memory.keep_freed_memory()
    import keras

    import losses
    import models
    import train
    from report import tables
    from training import fitting, frozen_features
    from training.inputs import Inputs

    keras.utils.set_random_seed(config.seed)
    with tempfile.TemporaryDirectory() as folder:
        cache = made_cache(config, Path(folder))
        settings = dataclasses.replace(
            train.Config(), sampling="all", model="resnet50", trainable="head",
            batch_size=config.batch_size, epochs=config.epochs, patience=0, train_metrics_every=0,
        )  # fmt: skip
        inputs = Inputs(settings, cache)
        model = models.build(
            "resnet50", cache.image_shape, 28, mean=[128.0] * 3, std=[74.0] * 3, trainable="head", dropout=0.3
        )

        start = time.perf_counter()
        stored = frozen_features.Stored(settings, inputs, model)
        computing = time.perf_counter() - start
        contenders = {
            "frozen network each time": (cache, inputs.batches(), model),
            "stored features": (stored.images, stored.batches(), frozen_features.head(model)),
        }
        seconds = {}
        for name, (images, batches, trained) in contenders.items():
            run = dataclasses.replace(settings, run_dir=Path(folder) / name)
            run.run_dir.mkdir()
            fitting.fit(run, images, inputs.rows, batches, trained, losses.build("bce"))
            seconds[name] = later_epochs(run.run_dir / "timing.csv")
    slow = seconds["frozen network each time"]
    tables.show(
        f"{config.images} training and {config.images // 4} validation images of {config.size}²; "
        f"features of 8 views of each training image: {computing:.0f} s, once",
        ["head of ResNet50", "training, s an epoch", "and metrics, s", "times as fast", "metrics included"],
        [
            [name, f"{one[0]:.3f}", f"{one[1]:.3f}", f"{slow[0] / one[0]:.0f}", f"{sum(slow) / sum(one):.0f}"]
            for name, one in seconds.items()
        ],
    )


def later_epochs(path) -> tuple[float, float]:
    """The medians of training and metrics of all epochs but the first, seconds, from a timing.csv."""
    import statistics

    from training.callbacks import read_table

    later = read_table(path)[1:]
    return tuple(
        statistics.median(float(row[column]) for row in later) for column in ("training_seconds", "metrics_seconds")
    )


def made_cache(config: Config, folder):
    """Random pixels and labels in the place of a cache."""
    from types import SimpleNamespace

    import numpy as np

    rng = np.random.default_rng(config.seed)
    count, shape = config.images + config.images // 4, (config.size, config.size, 3)
    pixels = rng.integers(0, 256, (count, *shape), dtype=np.uint8)

    class Made(SimpleNamespace):
        def __len__(self):
            return count

    return Made(
        directory=folder, meta={"fingerprint": "made"}, image_shape=shape, ids=list(map(str, range(count))),
        index=[{}] * count,
        labels=(rng.random((count, 28)) < 0.06).astype(np.uint8), gather=lambda rows: pixels[rows],
        rows=lambda split: np.arange(config.images) if split == "train" else np.arange(config.images, count),
    )  # fmt: skip


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
