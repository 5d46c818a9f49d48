"""The contenders of bench/step.py, each of which trains the same network on one batch that stays in memory."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import contender

POOL, DROPOUT = 4, 0.3  # of the CNN; of train.py


def make(settings: dict[str, Any]) -> tuple[Callable[[int], Any], dict[str, Any]]:
    """What takes steps, for `contender.serve`; settings: contender, model, size, batch_size, classes, seed, and of ours
    xla and precision, None for what train.py takes."""
    run = {"ours": ours, "stock": stock, "torch": torch_reference}[settings["contender"]](settings)
    run(1)  # traces and compiles
    return run, {}


def batch(settings: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, 3) uint8 and labels (N, K) uint8."""
    random, size, count = np.random.default_rng(settings["seed"]), settings["size"], settings["batch_size"]
    images = random.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return images, (random.random((count, settings["classes"])) < 0.1).astype(np.uint8)


def ours(settings: dict[str, Any]) -> Callable[[int], Any]:
    """As train.py does it with `--loss bce` and Adam, as the others; in float32, unless told otherwise."""
    from training import memory

    memory.keep_freed_memory()
    import keras

    import losses
    import models
    import train
    from training import devices, optimizers
    from training.fused_normalization import fuse

    defaults = train.Config()
    keras.utils.set_random_seed(settings["seed"])
    devices.make_deterministic(defaults.deterministic, 0)
    keras.mixed_precision.set_dtype_policy(settings["precision"] or "float32")
    options = {
        each: getattr(defaults, each) for each in models.options_of(settings["model"]) if hasattr(defaults, each)
    }
    shape = (settings["size"], settings["size"], 3)
    model = models.build(settings["model"], shape, settings["classes"], mean=[128.0] * 3, std=[74.0] * 3, **options)
    optimizer = optimizers.build("adam", 0.001)
    xla = devices.jit_compile(defaults.jit_compile) if settings["xla"] is None else settings["xla"]
    model.compile(optimizer=optimizer, loss=losses.build("bce"), jit_compile=xla)
    model.optimizer.build(model.trainable_variables)
    fuse(model)
    return trained(model, *batch(settings))


def stock(settings: dict[str, Any]) -> Callable[[int], Any]:
    """As one writes it with Keras alone: its defaults, pixels that are float32."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(settings["seed"])
    shape = (settings["size"], settings["size"], 3)
    below = {
        "cnn": lambda: [
            layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(POOL),
            layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(POOL),
            layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(DROPOUT),
        ],
        "vgg16": lambda: [
            keras.applications.VGG16(include_top=False, weights=None, input_shape=shape), layers.Flatten(),
            *[layer for _ in range(2) for layer in (layers.Dense(4096, activation="relu"), layers.Dropout(DROPOUT))],
        ],
        "resnet50": lambda: [
            keras.applications.ResNet50(include_top=False, weights=None, input_shape=shape, pooling="avg"),
            layers.Dropout(DROPOUT),
        ],
    }[settings["model"]]()  # fmt: skip
    model = keras.Sequential([keras.Input(shape), layers.Rescaling(1 / 255), *below, layers.Dense(settings["classes"])])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return trained(model, *(part.astype(np.float32) for part in batch(settings)))


def trained(model: Any, images: np.ndarray, labels: np.ndarray) -> Callable[[int], Any]:
    def run(steps: int) -> None:
        for _ in range(steps):
            model.train_on_batch(images, labels)

    return run


def torch_reference(settings: dict[str, Any]) -> Callable[[int], Any]:
    """PyTorch on the CPU, in the layout that it recommends there, channels last."""
    import os

    import torch

    torch.manual_seed(settings["seed"])
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = torch_network(settings, torchvision_made).to(memory_format=torch.channels_last).train()
    images, labels = batch(settings)
    pixels = torch.tensor(images).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
    targets = torch.tensor(labels).float()
    optimizer, loss = torch.optim.Adam(network.parameters(), 0.001), torch.nn.BCEWithLogitsLoss()

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            found = loss(network(pixels), targets)
            found.backward()
            optimizer.step()
            found.item()

    return run


def torchvision_made(name: str) -> Any:
    import torchvision

    return getattr(torchvision.models, name)()


def torch_network(settings: dict[str, Any], made: Callable[[str], Any]) -> Any:
    """The network in PyTorch, with our last layers; `made` gives a library's `resnet50` or `vgg16`."""
    from torch import nn

    size, classes = settings["size"], settings["classes"]
    if settings["model"] == "resnet50":
        network = made("resnet50")
        network.fc = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(2048, classes))
        return network
    if settings["model"] == "vgg16":
        below, widths = made("vgg16").features, (512 * (size // 32) ** 2, 4096, 4096)
    else:
        blocks = [
            (nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(POOL))
            for before, after in ((3, 32), (32, 64))
        ]
        below, widths = nn.Sequential(*blocks[0], *blocks[1]), (64 * (size // POOL**2) ** 2, 128)
    hidden = [
        (nn.Linear(before, after), nn.ReLU(), nn.Dropout(DROPOUT)) for before, after in itertools.pairwise(widths)
    ]
    return nn.Sequential(below, nn.Flatten(), *itertools.chain(*hidden), nn.Linear(widths[-1], classes))


if __name__ == "__main__":
    contender.serve(make)
