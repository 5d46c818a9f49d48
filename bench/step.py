"""How fast is a bare training step? Ours on a batch that stays in memory, against stock Keras and PyTorch:
python -m bench.step

Ours is compiled as train.py compiles it, stock Keras as one writes it, with its defaults. Each runs in a process of its
own, in turn. PyTorch is a reference where torch and torchvision can be imported, and is left out otherwise. With
--choices ours is held against itself: XLA on and off, float32 and mixed_bfloat16; what training/devices.py takes is
marked.
"""

import importlib.util
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    models: tuple[Literal["cnn", "vgg16", "resnet50"], ...] = ("cnn", "vgg16", "resnet50")  # one table each
    size: NonNegativeInt = 0  # side of the images, pixels; 0: 128, and 224 for resnet50
    batch_size: NonNegativeInt = 0  # images a step; 0: 32, and 16 for the large two
    classes: PositiveInt = 28  # labels an image
    steps: PositiveInt = 4  # of one turn of a contender
    rounds: PositiveInt = 5  # turns of each; the median counts
    choices: bool = False  # compare XLA and precisions of ours, in place of ours and others
    seed: NonNegativeInt = 0  # of pixels, labels, weights and the order of turns


SIZES = {"cnn": (128, 32), "vgg16": (128, 16), "resnet50": (224, 16)}  # side and images a step
PRECISIONS = ("float32", "mixed_bfloat16")
OURS, STOCK, TORCH = "ours", "stock Keras", "PyTorch"


def main(config: Config) -> None:
    from report import tables

    missing = [name for name in ("torch", "torchvision") if importlib.util.find_spec(name) is None]
    if missing and not config.choices:
        print(f"{TORCH} is left out: {' and '.join(missing)} cannot be imported")
    for model in config.models:
        size, batch_size = config.size or SIZES[model][0], config.batch_size or SIZES[model][1]
        settings = {
            "model": model, "size": size, "batch_size": batch_size, "classes": config.classes, "seed": config.seed,
            "xla": None, "precision": None,
        }  # fmt: skip
        found = choices(settings) if config.choices else rivals(settings, not missing)
        first = next(iter(found)) if config.choices else STOCK
        seconds = taken(found, config)
        tables.show(
            f"{model}, {batch_size} images of {size}², {config.rounds} × {config.steps} steps",
            ["", "ms a step", "images/s", f"times the\nrate of {first}"],
            [
                [name, f"{1000 * statistics.median(each):.1f}", f"{batch_size / statistics.median(each):.1f}",
                 f"{statistics.median(one / own for one, own in zip(seconds[first], each, strict=True)):.3f}"]
                for name, each in seconds.items()
            ],
        )  # fmt: skip


def rivals(settings: dict[str, Any], with_torch: bool) -> dict[str, dict[str, Any]]:
    """Name → the settings of a contender: the same network, ours and others'."""
    found = {STOCK: {**settings, "contender": "stock"}, OURS: {**settings, "contender": "ours"}}
    return {**found, TORCH: {**settings, "contender": "torch"}} if with_torch else found


def choices(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → the settings of ours in each way that it can be computed, the way that train.py takes first."""
    import train
    from training import devices

    header = train.Config()
    own = (bool(devices.jit_compile(header.jit_compile)), devices.dtype_policy(header.precision))
    ways = [(xla, precision) for xla in (False, True) for precision in PRECISIONS]
    return {
        f"XLA {'on' if xla else 'off'}, {precision}{', as train.py' if (xla, precision) == own else ''}": {
            **settings, "contender": "ours", "xla": xla, "precision": precision,
        }
        for xla, precision in sorted(ways, key=lambda way: way != own)
    }  # fmt: skip


def taken(found: dict[str, dict[str, Any]], config: Config) -> dict[str, list[float]]:
    """Seconds a step of each contender, one a round."""
    import numpy as np

    from bench.contender import Contender

    random = np.random.default_rng(config.seed)
    seconds: dict[str, list[float]] = {name: [] for name in found}
    with ExitStack() as stack:
        alive = {
            name: stack.enter_context(Contender("bench.step_contenders", settings)) for name, settings in found.items()
        }
        for _ in range(config.rounds):
            for name in random.permutation(list(alive)):
                seconds[name].append(alive[name].seconds(config.steps) / config.steps)
    return seconds


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
