"""Does the network wait for its images? `fit` on a cache, shuffled and augmented on the fly, against steps on one batch
that is in memory, and against what stock Keras and TensorFlow offer: python -m bench.inputs

All train the same network on as many steps; only where the images come from differs. A contender turns and flips its
images as ours does: by any angle where it says rotation. Each takes turns with the bare step, alone with it in memory.
The fastest turn counts, as a system may for seconds put two threads on one core while another is idle.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    model: Literal["cnn", "resnet50"] = "cnn"  # the network that trains
    size: PositiveInt = 128  # side of the images, pixels
    images: PositiveInt = 640  # of the made set
    classes: PositiveInt = 28  # labels an image
    batch_size: PositiveInt = 32  # images a step
    steps: PositiveInt = 20  # of one turn of a contender
    rounds: PositiveInt = 5  # turns of each and of the bare step beside it; the fastest counts
    seed: NonNegativeInt = 0  # of pixels, labels and weights


def main(config: Config) -> None:
    import tempfile
    import time

    from training import memory

    memory.keep_freed_memory()
    import keras

    from report import tables

    with tempfile.TemporaryDirectory() as folder:
        pixels, labels = made(config, Path(folder))
        found = contenders(config, Path(folder), pixels, labels)
        rows = []
        for name in (each for each in found if each != BARE):
            fits = {}
            for each in (BARE, name):
                keras.utils.set_random_seed(config.seed)
                fits[each] = found[each]()
                fits[each]()  # traces and fills what reads ahead
            seconds: dict[str, list[float]] = {each: [] for each in fits}
            for each in [*fits] * config.rounds:
                start = time.perf_counter()
                fits[each]()
                seconds[each].append(time.perf_counter() - start)
            rates = {each: config.steps * config.batch_size / min(taken) for each, taken in seconds.items()}
            rows.append([name, f"{rates[name]:.1f}", f"{rates[BARE]:.1f}", f"{rates[name] / rates[BARE]:.3f}"])
            del fits
            keras.backend.clear_session()
    tables.show(
        f"{config.model}, {config.size}², batches of {config.batch_size}",
        ["images from", "images/s", "bare step beside it", "ratio"],
        rows,
    )


BARE = "one batch in memory"


def contenders(config: Config, folder: Path, pixels: Any, labels: Any) -> dict[str, Callable[[], Callable[[], Any]]]:
    """Name → what makes a network and gives a function that trains it for `steps` steps."""
    import numpy as np

    first = pixels[: config.batch_size], labels[: config.batch_size]

    def fitted(data: Any, layers: Any = ()) -> Callable[[], Any]:
        model = compiled(config, layers)
        return lambda: model.fit(data(), steps_per_epoch=config.steps, epochs=1, shuffle=False, verbose=0)

    def ours(*operations: str) -> Callable[[], Any]:
        from data.augmentation.mixing import Online
        from data.augmentation.operations import Ranges
        from data.batches.batches import TrainingBatches, feed
        from data.batches.training_set import TrainingSet
        from data.cache.cache import open_cache

        cache = open_cache(folder / "cache")
        images = TrainingSet(cache, np.arange(len(cache.ids)))
        return fitted(lambda: feed(TrainingBatches(images, config.batch_size, 0, online=Online(Ranges(operations)))))

    return {
        BARE: lambda: fitted(lambda: repeated(*first)),
        "our cache": lambda: ours(),
        "our cache, turns and flips": lambda: ours("quarter_turns", "flips"),
        "our cache, rotation and flips": lambda: ours("rotation", "flips"),
        "ImageDataGenerator, rotation and flips": lambda: fitted(lambda: generator(config, folder)),
        "image_dataset_from_directory, flips": lambda: fitted(lambda: directory(config, folder), flips(config)),
        "Keras layers, rotation and flips": lambda: fitted(
            lambda: repeated(*first), [*flips(config), *rotation(config)]
        ),
    }


def made(config: Config, folder: Path) -> tuple[Any, Any]:
    """Pixels (N, H, W, C) uint8 and labels (N, K); a cache of them in `folder`, and JPEG files below images/all."""
    import numpy as np
    from PIL import Image

    import preprocess

    random = np.random.default_rng(config.seed)
    coarse = random.integers(0, 256, (config.images, 16, 16, 3), dtype=np.uint8)
    pixels = coarse.repeat(-(-config.size // 16), axis=1).repeat(-(-config.size // 16), axis=2)
    pixels = np.ascontiguousarray(pixels[:, : config.size, : config.size])
    labels = (random.random((config.images, config.classes)) < 0.06).astype(np.uint8)
    (folder / "images" / "all").mkdir(parents=True)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "images" / "all" / f"{number:05}.jpg", quality=92)
    targets = [" ".join(map(str, row.nonzero()[0])) for row in labels]
    table = "\n".join(["Id,Target", *(f"{number:05},{target}" for number, target in enumerate(targets))])
    (folder / "labels.csv").write_text(f"{table}\n")
    (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(config.classes)))
    with redirect_stdout(io.StringIO()):
        preprocess.main(preprocess.Config(
            image_dir=(folder / "images" / "all",), labels_csv=(folder / "labels.csv",),
            classes_file=folder / "classes.txt", cache_dir=folder / "cache", size=config.size,
        ))  # fmt: skip
    return pixels, labels


def compiled(config: Config, layers: Any) -> Any:
    """The network, behind layers of Keras, as train.py compiles it."""
    import keras

    import losses
    import models
    from training import devices

    shape = (config.size, config.size, 3)
    model = models.build(config.model, shape, config.classes, mean=[128.0] * 3, std=[74.0] * 3)
    if layers:
        inputs = keras.Input(shape, dtype="uint8")
        outputs = inputs
        for layer in layers:
            outputs = layer(outputs)
        model = keras.Model(inputs, model(outputs))
    model.compile("adam", losses.build("bce"), jit_compile=devices.jit_compile("auto"))
    return model


def repeated(images: Any, labels: Any) -> Any:
    """The same batch without end, which is never copied."""
    import keras

    class Resident(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index: int) -> Any:
            return images, labels

    return Resident(workers=1)


def generator(config: Config, folder: Path) -> Any:
    """Keras's ImageDataGenerator on the files, with labels (N, K) put in: it knows one class an image."""
    import numpy as np
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    made_of = ImageDataGenerator(rotation_range=180, horizontal_flip=True, vertical_flip=True, fill_mode="reflect")
    files = made_of.flow_from_directory(
        folder / "images", (config.size, config.size), batch_size=config.batch_size, class_mode=None
    )
    labels = np.zeros((config.batch_size, config.classes), np.float32)
    while True:
        images = next(files)
        if len(images) == config.batch_size:
            yield images, labels


def directory(config: Config, folder: Path) -> Any:
    """tf.data on the files, shuffled, as Keras's utility makes it."""
    import keras
    import tensorflow as tf

    files = keras.utils.image_dataset_from_directory(
        folder / "images", labels=None, image_size=(config.size, config.size), batch_size=None, shuffle=True, verbose=0
    )
    labels = tf.zeros((config.batch_size, config.classes))
    batches = files.repeat().batch(config.batch_size, drop_remainder=True).map(lambda images: (images, labels))
    return batches.prefetch(tf.data.AUTOTUNE)


def flips(config: Config) -> list[Any]:
    import keras

    return [keras.layers.RandomFlip("horizontal_and_vertical", seed=config.seed)]


def rotation(config: Config) -> list[Any]:
    import keras

    return [keras.layers.RandomRotation(0.5, fill_mode="reflect", seed=config.seed)]


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
