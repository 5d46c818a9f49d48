"""How well does training use a GPU? On JAX in bfloat16, against PyTorch with timm: python -m bench.gpu

For each network: images/s on a batch that stays in memory; the share of the rate that one large product of bfloat16
matrices reaches on the same GPU in the same run; how much of a step on a real cache is waiting for images; and PyTorch
with channels last, bfloat16 autocast and torch.compile. One process has the GPU at a time.

It needs an NVIDIA GPU, and pip install "jax[cuda12]==0.10.2" torch timm; without these two PyTorch is left out.
"""

import importlib.util
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import header
from header import NonNegativeInt, PositiveInt

Model = Literal["resnet50", "vgg16", "efficientnetv2s", "cnn"]


@dataclass(frozen=True)
class Config:
    models: tuple[Model, ...] = ("resnet50", "vgg16", "efficientnetv2s", "cnn")  # one row each
    size: NonNegativeInt = 0  # side of the images, pixels; 0: each network's own, see SIZES
    batch_size: NonNegativeInt = 0  # images a step; 0: each network's own
    classes: PositiveInt = 28  # labels an image
    images: PositiveInt = 4096  # of the made caches
    steps: PositiveInt = 50  # of one turn
    rounds: PositiveInt = 3  # turns of each contender, one after another; the median counts
    matrix: PositiveInt = 8192  # side of the matrices whose product gives the GPU's rate
    on_cpu: bool = False  # run without a GPU, with small sizes, to see that all works
    seed: NonNegativeInt = 0  # of pixels, labels and weights


SIZES = {"resnet50": (224, 256), "vgg16": (128, 256), "efficientnetv2s": (224, 128), "cnn": (128, 512)}
PASSES = 3  # a backward pass costs two forward ones
JAX = {"KERAS_BACKEND": "jax"}


def main(config: Config) -> None:
    """Print a table.

    Raises:
        InputError: there is no GPU that JAX sees, and `on_cpu` is off.
    """
    import tempfile

    from common.errors import InputError
    from report import tables

    if not (config.on_cpu or seen()):
        raise InputError(f"{NEEDS}; or --on_cpu with small sizes to see that it works")
    missing = [name for name in ("torch", "timm") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"PyTorch is left out: {' and '.join(missing)} cannot be imported")
    rows = []
    for model in config.models:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(config, model, Path(folder) / "cache", not missing))
    tables.show(
        f"Training in mixed_bfloat16 on JAX, {config.rounds} turns of {config.steps} steps",
        ["", "images/s", "TFLOP/s", "of a product\nof matrices", "images/s\nfrom a cache", "of the step\nis waiting",
         "timm,\nimages/s", "times the\nrate of timm"],
        rows,
    )  # fmt: skip


SEES = "import sys, jax; sys.exit(jax.default_backend() != 'gpu')"
NEEDS = 'bench.gpu needs an NVIDIA GPU, and pip install "jax[cuda12]==0.10.2" torch timm'


def seen() -> bool:
    """Whether JAX sees a GPU, asked of a process of its own, as JAX would keep its memory."""
    return not subprocess.run([sys.executable, "-c", SEES], capture_output=True).returncode


def row(config: Config, model: str, cache: Path, with_timm: bool) -> list[str]:
    """A row of the table, measured here."""
    from bench import made_cache

    size, batch_size = config.size or SIZES[model][0], config.batch_size or SIZES[model][1]
    made_cache.write(cache, config.images, size, config.classes, config.seed)
    settings = {
        "model": model, "size": size, "batch_size": batch_size, "classes": config.classes, "cache": str(cache),
        "matrix": config.matrix, "seed": config.seed,
    }  # fmt: skip
    step, told = taken(config, {**settings, "contender": "resident"}, JAX)
    fed, _ = taken(config, {**settings, "contender": "cache"}, JAX)
    done = PASSES * told["operations"] * batch_size / step
    other = taken(config, {**settings, "contender": "timm"}, {})[0] if with_timm else None
    return [
        f"{model}, {batch_size} of {size}²",
        f"{batch_size / step:,.0f}",
        f"{done / 1e12:.2f}",
        f"{done / told['matrix_rate']:.3f}",
        f"{batch_size / fed:,.0f}",
        f"{max(0.0, 1 - step / fed):.3f}",
        f"{batch_size / other:,.0f}" if other else "left out",
        f"{other / step:.3f}" if other else "",
    ]


def taken(config: Config, settings: dict[str, Any], environment: dict[str, str]) -> tuple[float, dict[str, Any]]:
    """Seconds a step, the median of all turns, and what the contender told of itself."""
    from bench.contender import Contender

    with Contender("bench.gpu_contenders", settings, environment) as contender:
        seconds = [contender.seconds(config.steps) / config.steps for _ in range(config.rounds)]
    return statistics.median(seconds), contender.told


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
