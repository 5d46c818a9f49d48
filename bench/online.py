"""What does augmentation on the fly cost beside a training step? The CNN on one resident batch, and the batches alone:
python -m bench.online
"""

from dataclasses import dataclass

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    size: PositiveInt = 128  # side of the images, pixels
    batch_size: PositiveInt = 32  # images a step
    rounds: PositiveInt = 15  # of each; the median counts
    seed: NonNegativeInt = 0  # of pixels, weights and draws


def main(config: Config) -> None:
    from types import SimpleNamespace

    from training import memory

    memory.keep_freed_memory()
    import keras
    import numpy as np

    import losses
    import models
    from data.batches.batches import TrainingBatches
    from data.batches.training_set import TrainingSet
    from report import tables
    from training import devices

    rng = np.random.default_rng(config.seed)
    keras.utils.set_random_seed(config.seed)
    count, shape = 20 * config.batch_size, (config.size, config.size, 3)
    pixels = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = (rng.random((count, 28)) < 0.06).astype(np.uint8)
    cache = SimpleNamespace(
        gather=lambda rows: pixels[rows], labels=labels, ids=list(map(str, range(count))), image_shape=shape
    )
    images = TrainingSet(cache, np.arange(count))
    model = models.build("cnn", shape, 28, mean=[50.0] * 3, std=[50.0] * 3)
    model.compile(keras.optimizers.Adam(), losses.build("bce"), jit_compile=devices.jit_compile("auto"))

    batches = {
        name: TrainingBatches(images, config.batch_size, config.seed, online=kind) for name, kind in kinds().items()
    }
    resident = batches["nothing"][0]
    work = {
        "step": lambda _: model.train_on_batch(*resident),
        **{name: one.__getitem__ for name, one in batches.items()},
    }
    median = medians(work, config.rounds)
    step = median.pop("step")
    tables.show(
        f"Batches of {config.batch_size} images of {config.size}²; a step of the CNN takes {1000 * step:.0f} ms",
        ["online", "ms a batch", "more than nothing", "of the step, %"],
        [
            [name, f"{1000 * time_:.2f}", f"{1000 * (time_ - median['nothing']):.2f}",
             f"{100 * (time_ - median['nothing']) / step:.1f}"]
            for name, time_ in median.items()
        ],
    )  # fmt: skip


def kinds():
    """Name → operations and mixing."""
    from data.augmentation.mixing import Online
    from data.augmentation.operations import Ranges

    return {
        "nothing": Online(),
        "quarter turns and flips": Online(Ranges(("quarter_turns", "flips"))),
        "rotation, linear": Online(Ranges(("rotation",), interpolation="linear")),
        "rotation, cubic": Online(Ranges(("rotation",))),
        "rotation, brightness, contrast, colour": Online(Ranges(("rotation", "brightness", "contrast", "colour"))),
        "noise": Online(Ranges(("noise",))),
        "mix-up": Online(mixing="mixup"),
    }


def medians(work, rounds):
    """Name → median of the seconds that a call takes, all of them called in turn."""
    import time

    import numpy as np

    seconds = {name: [] for name in work}
    for number in range(rounds + 2):
        for name, call in work.items():
            start = time.perf_counter()
            call(number)
            seconds[name].append(time.perf_counter() - start)
    # The first rounds compile.
    return {name: float(np.median(times[2:])) for name, times in seconds.items()}


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
