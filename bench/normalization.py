"""What does the fused batch normalisation save, in training and in prediction? python -m bench.normalization"""

from dataclasses import dataclass
from typing import Any, Literal

import header
from header import NonNegativeInt, PositiveInt

KERAS = "Keras's layers, float32"


@dataclass(frozen=True)
class Config:
    model: Literal["residual", "resnet50"] = "residual"  # networks with batch normalisation
    size: PositiveInt = 128  # side of the images, pixels
    batch_size: PositiveInt = 32  # images a step
    classes: PositiveInt = 28  # labels an image
    rounds: PositiveInt = 12  # in each of which every way takes a step and a prediction; the median counts
    seed: NonNegativeInt = 0  # of pixels, labels and weights


def main(config: Config) -> None:
    import statistics
    import time

    from training import memory

    memory.keep_freed_memory()
    import numpy as np

    from report import tables

    random = np.random.default_rng(config.seed)
    images = random.integers(0, 256, (config.batch_size, config.size, config.size, 3), dtype=np.uint8)
    labels = (random.random((config.batch_size, config.classes)) < 0.1).astype(np.uint8)
    seconds: dict[str, dict[str, list[float]]] = {}
    ways = {
        name: {
            "training": lambda model=model: model.train_on_batch(images, labels),
            "prediction": lambda model=model: model.predict_on_batch(images),
        }
        for name, model in compiled(config).items()
    }
    for each in ways.values():
        for work in each.values():
            work()  # compiles
    for _ in range(config.rounds):
        for name in random.permutation(list(ways)):
            for what, work in ways[name].items():
                start = time.perf_counter()
                work()
                seconds.setdefault(name, {}).setdefault(what, []).append(time.perf_counter() - start)

    def row(name: str) -> list[str]:
        cells = [name]
        for what in ("training", "prediction"):
            # Each is held against Keras's in its own round, so that what slows a round cancels out.
            times = zip(seconds[KERAS][what], seconds[name][what], strict=True)
            rate = config.batch_size / statistics.median(seconds[name][what])
            cells += [f"{rate:.0f}", f"{statistics.median(keras / own for keras, own in times):.2f}"]
        return cells

    tables.show(
        f"{config.model}, {config.batch_size} images of {config.size}², {config.rounds} rounds",
        ["way", "images/s in training", "times as fast", "images/s in prediction", "times as fast"],
        [row(name) for name in ways],
    )


def compiled(config: Config) -> dict[str, Any]:
    """Name → the network, with Keras's layers or fused ones, in float32 and in bfloat16."""
    import keras

    import losses
    import models
    import train
    from training import devices
    from training.fused_normalization import fuse

    found = {}
    for precision, word in (("float32", "float32"), ("mixed_bfloat16", "bfloat16")):
        for fused in (False, True):
            keras.utils.set_random_seed(config.seed)
            keras.config.set_dtype_policy(precision)
            shape = (config.size, config.size, 3)
            model = models.build(config.model, shape, config.classes, mean=[128.0] * 3, std=[74.0] * 3)
            if fused:
                fuse(model)
            model.compile("adam", losses.build("bce"), jit_compile=devices.jit_compile(train.Config().jit_compile))
            found[f"{'fused' if fused else KERAS.split(',')[0]}, {word}"] = model
    keras.config.set_dtype_policy("float32")
    return found


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
