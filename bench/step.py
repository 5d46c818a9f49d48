"""How fast is a bare training step? Ours on a batch that stays in memory, against stock Keras and PyTorch:
python -m bench.step

Ours is compiled as train.py compiles it, stock Keras as one writes it, with its defaults. Each runs in a process of its
own, and takes turns with the first of the table. PyTorch is a reference where torch and torchvision can be imported.
With --choices ours is held against itself: XLA on and off, float32 and mixed_bfloat16; what training/devices.py takes
comes first.
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
        first = next(iter(found))
        pairs = taken(found, first, config)
        seconds = {name: statistics.median(own for own, _ in each) for name, each in pairs.items()}
        tables.show(
            f"{model}, {batch_size} images of {size}², {config.rounds} × {config.steps} steps",
            ["", "ms a step", "images/s", f"times the\nrate of {first}"],
            [
                [name, f"{1000 * each:.1f}", f"{batch_size / each:.1f}",
                 f"{statistics.median(other / own for own, other in pairs[name]):.3f}"]
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

    defaults = train.Config()
    own = (bool(devices.jit_compile(defaults.jit_compile)), devices.dtype_policy(defaults.precision))
    ways = [(xla, precision) for xla in (False, True) for precision in PRECISIONS]
    return {
        f"XLA {'on' if xla else 'off'}, {precision}{', as train.py' if (xla, precision) == own else ''}": {
            **settings, "contender": "ours", "xla": xla, "precision": precision,
        }
        for xla, precision in sorted(ways, key=lambda way: way != own)
    }  # fmt: skip


def taken(found: dict[str, dict[str, Any]], first: str, config: Config) -> dict[str, list[tuple[float, float]]]:
    """Seconds a step of each contender in each round, and of the first in the same round.

    Only the first and one other are alive at a time, as more of the large networks would not fit into memory.
    """
    import numpy as np

    from bench.contender import Contender

    random = np.random.default_rng(config.seed)
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for name in found:
        if name == first:
            continue
        with ExitStack() as stack:
            alive = {
                each: stack.enter_context(Contender("bench.step_contenders", found[each])) for each in (first, name)
            }
            for _ in range(config.rounds):
                order = random.permutation(list(alive))
                seconds = {each: alive[each].seconds(config.steps) / config.steps for each in order}
                pairs[name].append((seconds[name], seconds[first]))
                pairs[first].append((seconds[first], seconds[first]))
    return pairs


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
