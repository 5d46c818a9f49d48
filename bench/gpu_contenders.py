"""The contenders of bench/gpu.py: our training on JAX, and PyTorch's with the networks of timm."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import contender, step_contenders

PRODUCTS = 20  # of matrices, of which the rate is measured
TIMM = {"resnet50": "resnet50", "vgg16": "vgg16", "efficientnetv2s": "efficientnetv2_s"}


def make(settings: dict[str, Any]) -> tuple[Callable[[int], Any], dict[str, Any]]:
    """What takes steps, and what to tell, for `contender.serve`; settings: contender, model, size, batch_size, classes,
    cache, matrix, seed."""
    makers = {"resident": resident, "cache": cached, "timm": timm_reference}
    run, told = makers[settings["contender"]](settings)
    run(3)  # compiles
    return run, told


def resident(settings: dict[str, Any]) -> tuple[Callable[[int], Any], dict[str, Any]]:
    """Our step on one batch; tells FLOPs an image forward and FLOP/s of a product of matrices."""
    from bench.inputs import repeated
    from models.cost import cost

    model, data = compiled(settings), step_contenders.batch(settings)
    told = {"operations": cost(model).operations, "matrix_rate": matrix_rate(settings["matrix"])}
    return fitted(model, lambda: repeated(*data)), told


def cached(settings: dict[str, Any]) -> tuple[Callable[[int], Any], dict[str, Any]]:
    """Our step on a cache, shuffled and augmented as train.py does by default."""
    import os

    import train
    from data.augmentation.mixing import Online
    from data.augmentation.operations import Ranges
    from data.batches.batches import TrainingBatches, feed
    from data.batches.training_set import TrainingSet
    from data.cache.cache import open_cache

    cache = open_cache(Path(settings["cache"]))
    images, online = TrainingSet(cache, cache.rows("train")), Online(Ranges(train.Config().operations))
    threads = max(1, (os.cpu_count() or 1) // 2)
    batches = TrainingBatches(images, settings["batch_size"], settings["seed"], online=online, threads=threads)
    return fitted(compiled(settings), lambda: feed(batches)), {}


def compiled(settings: dict[str, Any]) -> Any:
    """The network in half precision, as `train.py --precision mixed_bfloat16 --loss bce` compiles it."""
    import keras

    import losses
    import models
    import train
    from training import devices, optimizers

    defaults = train.Config()
    keras.utils.set_random_seed(settings["seed"])
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    name = {"efficientnetv2s": "backbone"}.get(settings["model"], settings["model"])
    options = {each: getattr(defaults, each) for each in models.options_of(name) if hasattr(defaults, each)}
    if name == "backbone":
        options["backbone"] = "EfficientNetV2S"
    shape = (settings["size"], settings["size"], 3)
    model = models.build(name, shape, settings["classes"], mean=[127.5] * 3, std=[73.9] * 3, **options)
    optimizer = optimizers.build("adam", 0.001)
    model.compile(optimizer=optimizer, loss=losses.build("bce"), jit_compile=devices.jit_compile(defaults.jit_compile))
    return model


def fitted(model: Any, data: Callable[[], Any]) -> Callable[[int], Any]:
    def run(steps: int) -> None:
        # `fit` ends with the loss, for which all steps have to be done.
        model.fit(data(), steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)

    return run


def matrix_rate(side: int) -> float:
    """FLOP/s of the product of two square bfloat16 matrices, the fastest of three turns."""
    import jax
    import jax.numpy as jnp

    left, right = (jax.random.normal(jax.random.key(number), (side, side), jnp.bfloat16) for number in (0, 1))
    product = jax.jit(lambda one, other: one @ other)
    product(left, right).block_until_ready()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = [product(left, right) for _ in range(PRODUCTS)]
        jax.block_until_ready(found)
        seconds.append((time.perf_counter() - start) / PRODUCTS)
    return 2 * side**3 / min(seconds)


def timm_reference(settings: dict[str, Any]) -> tuple[Callable[[int], Any], dict[str, Any]]:
    """PyTorch as one trains with it on a GPU: channels last, bfloat16 autocast, compiled, on a batch on the device."""
    import torch

    torch.manual_seed(settings["seed"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    network = timm_network(settings).to(device, memory_format=torch.channels_last).train()
    step = torch.compile(network)
    images, labels = step_contenders.batch(settings)
    pixels = torch.tensor(images, device=device).permute(0, 3, 1, 2).float().div(255)
    pixels, targets = pixels.contiguous(memory_format=torch.channels_last), torch.tensor(labels, device=device).float()
    optimizer = torch.optim.Adam(network.parameters(), 0.001, fused=True)
    loss = torch.nn.BCEWithLogitsLoss()

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16):
                found = loss(step(pixels), targets)
            found.backward()
            optimizer.step()
        found.item()  # waits for the device

    return run, {}


def timm_network(settings: dict[str, Any]) -> Any:
    """The same network; VGG16 with our dense layers, as its own begin with another number of features."""
    import timm

    if settings["model"] == "efficientnetv2s":
        return timm.create_model(TIMM["efficientnetv2s"], num_classes=settings["classes"])
    return step_contenders.torch_network(settings, lambda name: timm.create_model(TIMM[name]))


if __name__ == "__main__":
    contender.serve(make)
