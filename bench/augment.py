"""How fast are images rotated? Images a second on one core: ours against what a user would take instead.

python -m bench.augment            all contenders, in turn, several rounds of each
"""

from dataclasses import dataclass

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    size: PositiveInt = 256  # side of the images, pixels
    images: PositiveInt = 64  # a round
    rounds: PositiveInt = 9  # of each contender; the median counts
    seed: NonNegativeInt = 0  # of the images


def main(config: Config) -> None:
    import os
    import time

    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    # One core for all of them, TensorFlow's threads included.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import cv2
    import numpy as np

    from report import tables

    cv2.setNumThreads(1)
    shape = (config.images, config.size, config.size, 3)
    images = np.random.default_rng(config.seed).integers(0, 256, shape, dtype=np.uint8)
    contenders = {**ours(images, config.seed), **opencv(images), **others(images)}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values():
        work()  # compiles, allocates
    names, order = list(contenders), np.random.default_rng(config.seed)
    for _ in range(config.rounds):
        # Another order each round, as who follows TensorFlow's threads finds the core still busy.
        for place in order.permutation(len(names)):
            start = time.perf_counter()
            contenders[names[place]]()
            seconds[names[place]].append(time.perf_counter() - start)
    rates = {name: config.images / float(np.median(times)) for name, times in seconds.items()}
    # The ratio within each round, so that a machine that slows down meanwhile slows both.
    for name, rate in rates.items():
        bare = BARE.get(name)
        ratio = f"{np.median(np.array(seconds[bare]) / np.array(seconds[name])):.2f}" if bare else ""
        rates[name] = (rate, ratio)
    tables.show(
        f"Rotation of {config.size}² uint8 images with three channels, one core",
        ["contender", "images/s", "of bare OpenCV"],
        [[name, f"{rate:,.0f}", ratio] for name, (rate, ratio) in rates.items()],
    )


LINEAR, CUBIC = "OpenCV warpAffine alone, linear", "OpenCV warpAffine alone, cubic"
OURS = {"linear": "ours, linear", "cubic": "ours, cubic"}
SYMMETRIES = "ours, quarter turns and flips"
BARE = {OURS["linear"]: LINEAR, OURS["cubic"]: CUBIC}


def ours(images, seed):
    from data.augmentation.operations import Ranges, apply, draw

    def work(ranges):
        for number, image in enumerate(images):
            apply(image, draw(ranges, image.shape, seed, 0, str(number)))

    chosen = {name: Ranges(("rotation",), interpolation=kind) for kind, name in OURS.items()}
    chosen[SYMMETRIES] = Ranges(("quarter_turns", "flips"))
    return {name: lambda ranges=ranges: work(ranges) for name, ranges in chosen.items()}


def opencv(images):
    import cv2

    height, width = images.shape[1:3]
    turns = [
        cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 360 * number / len(images) - 180, 1)
        for number in range(len(images))
    ]

    def work(kind):
        for image, turn in zip(images, turns, strict=True):
            cv2.warpAffine(image, turn, (width, height), flags=kind, borderMode=cv2.BORDER_REFLECT_101)

    return {LINEAR: lambda: work(cv2.INTER_LINEAR), CUBIC: lambda: work(cv2.INTER_CUBIC)}


def others(images):
    import keras
    import numpy as np
    from scipy import ndimage

    def scipy_rotation():
        for number, image in enumerate(images):
            ndimage.rotate(image, 360 * number / len(images) - 180, reshape=False, order=1, mode="mirror")

    contenders = {"scipy.ndimage.rotate, linear": scipy_rotation}
    layer = keras.layers.RandomRotation(0.5, fill_mode="reflect", interpolation="bilinear")
    contenders["keras.layers.RandomRotation, linear"] = lambda: np.asarray(layer(images, training=True))
    try:
        from tensorflow.keras.preprocessing.image import ImageDataGenerator
    except ImportError:
        return contenders
    generator = ImageDataGenerator(rotation_range=180, fill_mode="reflect")
    floats = images.astype(np.float32)
    contenders["ImageDataGenerator, linear"] = lambda: next(
        generator.flow(floats, batch_size=len(images), shuffle=False)
    )
    return contenders


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
