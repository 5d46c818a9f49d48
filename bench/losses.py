"""What does a loss cost beside the network? A step of the CNN with each, in turn: python -m bench.losses"""

from dataclasses import dataclass
from typing import Any

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    size: PositiveInt = 128  # side of the images, pixels
    batch_size: PositiveInt = 32  # images a step
    classes: PositiveInt = 28  # labels an image
    rounds: PositiveInt = 40  # in each of which every loss takes a step; the median counts
    seed: NonNegativeInt = 0  # of pixels, labels and weights


def main(config: Config) -> None:
    import statistics
    import time

    from training import memory

    memory.keep_freed_memory()
    import keras
    import numpy as np

    from report import tables

    random = np.random.default_rng(config.seed)
    images = random.integers(0, 256, (config.batch_size, config.size, config.size, 3), dtype=np.uint8)
    labels = (random.random((config.batch_size, config.classes)) < 0.1).astype(np.uint8)
    models = {}
    for name, loss in contenders(config.classes, random).items():
        keras.utils.set_random_seed(config.seed)
        models[name] = compiled(config, loss)
        models[name].train_on_batch(images, labels)  # compiles

    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(config.rounds):
        for name in random.permutation(list(models)):
            start = time.perf_counter()
            models[name].train_on_batch(images, labels)
            seconds[name].append(time.perf_counter() - start)
    # Each step is held against that of `bce` in its own round, so that what slows a round cancels out.
    ratios = {
        name: statistics.median(one / bce for one, bce in zip(each, seconds["bce"], strict=True))
        for name, each in seconds.items()
    }
    tables.show(
        f"CNN, {config.batch_size} images of {config.size}², {config.classes} classes, {config.rounds} steps each",
        ["loss", "ms a step", "of bce's step"],
        [[name, f"{1000 * statistics.median(each):.1f}", f"{ratios[name]:.3f}"] for name, each in seconds.items()],
    )


def contenders(classes: int, random: Any) -> dict[str, Any]:
    """Name → a loss with what it has to be told of a set of `classes` long-tailed classes."""
    import numpy as np

    import losses

    positives = np.geomspace(5000, 8, classes).round()
    counts = {"positives": positives, "negatives": 20000 - positives}
    weights = {"positive_weights": random.uniform(1, 20, classes), "negative_weights": np.ones(classes)}
    given = {"weighted_bce": weights, "distribution_balanced": counts}
    found = {name: losses.build(name, **given.get(name, {})) for name in losses.LOSSES}
    added = [(1.0, losses.build("bce")), (0.5, losses.build("lovasz"))]
    # A twin of the first says how far two equal steps lie apart.
    return {**found, "bce + 0.5 lovasz": losses.weighted_sum(added), "bce again": losses.build("bce")}


def compiled(config: Config, loss: Any) -> Any:
    """The CNN of train.py's defaults with a loss."""
    import models
    import train
    from training import devices

    shape = (config.size, config.size, 3)
    model = models.build("cnn", shape, config.classes, mean=[128.0] * 3, std=[74.0] * 3)
    model.compile("adam", loss, jit_compile=devices.jit_compile(train.Config().jit_compile))
    return model


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
