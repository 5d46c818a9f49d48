"""Who reads the files in bench/preprocess.py: each takes a list of paths, or of tuples of paths, and a side, and gives
(N, side, side, channels) uint8."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.preprocess_files import DEEP, JPEG, STAINS
from data.images.image_files import files_of
from data.images.preparation import Preparation

OURS, LIMIT = "preprocess.py", "decoding alone"
Reader = Callable[[list[Any], int], np.ndarray | None]


def of_kind(kind: str, folder: Path, cores: int) -> dict[str, Reader]:
    """Name → reader of the files of a kind; tf.io reads no 16-bit TIFF."""
    channels = {STAINS: "rgby", DEEP: "gray"}.get(kind, "rgb")
    return {
        OURS: lambda files, size: _ours(files, size, channels, folder, cores),
        LIMIT: lambda files, size: _decoded(files, size, channels, cores),
        "Pillow loop": pillow_loop,
        **({} if kind == DEEP else {"tf.data": lambda files, size: _tensorflow(files, size, kind)}),
        "OpenCV, threads": lambda files, size: _threads(_opencv, files, size, kind, cores),
        "pyvips, threads": lambda files, size: _threads(_vips, files, size, kind, cores),
    }


def reference(files: list[Any], size: int) -> np.ndarray:
    """All pixels reduced by Lanczos in floating point, (N, size, size, C) float64."""

    def one(path: Path) -> np.ndarray:
        pixels = _pillow_array(path).astype(np.float32)
        planes = [
            np.asarray(Image.fromarray(pixels[..., place]).resize((size, size), Image.Resampling.LANCZOS))
            for place in range(pixels.shape[-1])
        ]
        return np.stack(planes, axis=-1)

    images = [np.concatenate([one(path) for path in files_of(image)], axis=-1) for image in files]
    return np.clip(np.stack(images).astype(np.float64), 0, 255)


def pillow_loop(files: list[Any], size: int) -> np.ndarray:
    """One by one into one array of floats, as most scripts do it; 0 to 1."""
    images = np.zeros((len(files), size, size, len(_parts(files[0]))), dtype=np.float32)
    for place, image in enumerate(files):
        parts = [Image.open(path) for path in files_of(image)]
        parts = [part.convert("F").point(lambda value: value / 257) if part.mode[0] == "I" else part for part in parts]
        small = [np.atleast_3d(np.asarray(part.resize((size, size)), dtype=np.float32)) / 255 for part in parts]
        images[place] = np.concatenate(small, axis=-1)
    return np.rint(images * 255).clip(0, 255).astype(np.uint8)


def _pillow_array(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return np.atleast_3d(pixels / 257 if pixels.dtype == np.uint16 else pixels)


def _parts(image: Any) -> list[int]:
    """A number a channel of an image."""
    return list(range(sum(_pillow_array(path).shape[-1] for path in files_of(image))))


def _ours(files: list[Any], size: int, channels: str, folder: Path, cores: int) -> np.ndarray:
    """The decoding of preprocess.py, into a cache's chunk files, which are read back."""
    import shutil

    from data.cache.cache_writer import CacheWriter

    writer = CacheWriter(folder / "cache", overwrite=False)
    writer.content.mkdir(parents=True)
    preparation = _preparation(size, channels, files)
    writer.decode(files, [str(number) for number in range(len(files))], preparation, cores)
    chunks = sorted(writer.content.glob("*.npy"))
    found = np.concatenate([np.load(chunk, allow_pickle=False) for chunk in chunks])
    shutil.rmtree(writer.partial)
    return found


def _preparation(size: int, channels: str, files: list[Any]) -> Preparation:
    deep = files_of(files[0])[0].suffix == ".tif"
    return Preparation(size, "stretch", channels, depth=16 if deep else 8, white_level=65535.0 if deep else 255.0)


def _decoded(files: list[Any], size: int, channels: str, cores: int) -> None:
    from common.parallel import in_parallel

    preparation = _preparation(size, channels, files)
    step = -(-len(files) // (4 * cores))
    tasks = [(files[start : start + step], preparation) for start in range(0, len(files), step)]
    for _ in in_parallel(_decode_only, tasks, [len(task[0]) for task in tasks], cores, "Decoding"):
        pass


def _decode_only(files: list[Any], preparation: Preparation) -> None:
    from data.images.decoding import opened
    from data.images.pixels import decoded

    for path in (path for image in files for path in files_of(image)):
        with opened(path, preparation.axes) as (image, file):
            if isinstance(image, Image.Image):
                image.draft(None, (2 * preparation.size, 2 * preparation.size))
                decoded(image, file)
            else:
                image.planes()


def _threads(read: Callable[..., np.ndarray], files: list[Any], size: int, kind: str, cores: int) -> np.ndarray:
    def one(image: Any) -> np.ndarray:
        return np.concatenate([np.atleast_3d(read(path, size, kind)) for path in files_of(image)], axis=-1)

    with ThreadPoolExecutor(cores) as pool:
        return np.stack(list(pool.map(one, files)))


def _opencv(path: Path, size: int, kind: str) -> np.ndarray:
    import cv2

    cv2.setNumThreads(1)
    flags = {JPEG: cv2.IMREAD_COLOR, STAINS: cv2.IMREAD_GRAYSCALE, DEEP: cv2.IMREAD_UNCHANGED}
    pixels = cv2.imread(str(path), flags.get(kind, cv2.IMREAD_COLOR))
    small = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    if small.dtype == np.uint16:
        return np.rint(small / 257).astype(np.uint8)
    return small if small.ndim == 2 else small[..., ::-1]


def _vips(path: Path, size: int, kind: str) -> np.ndarray:
    import pyvips

    pyvips.cache_set_max(0)
    if kind == DEEP:
        # Its thumbnails become 8 bits by a colour profile, so the file is read and reduced in two steps.
        whole = pyvips.Image.new_from_file(str(path), access="sequential")
        small = whole.resize(size / whole.width) / 257
        return small.rint().cast("uchar").numpy()
    return pyvips.Image.thumbnail(str(path), size, height=size, size="force").numpy()


def _tensorflow(files: list[Any], size: int, kind: str) -> np.ndarray:
    import tensorflow as tf

    decode = tf.io.decode_jpeg if kind == JPEG else tf.io.decode_png

    def one(paths: Any) -> Any:
        parts = [decode(tf.io.read_file(paths[place])) for place in range(len(files_of(files[0])))]
        pixels = parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)
        small = tf.image.resize(pixels, (size, size), method="area")
        return tf.cast(tf.round(small), tf.uint8)

    names = tf.constant([[str(path) for path in files_of(image)] for image in files])
    pixels = tf.data.Dataset.from_tensor_slices(names).map(one, num_parallel_calls=tf.data.AUTOTUNE)
    return np.concatenate(list(pixels.batch(32).prefetch(2).as_numpy_iterator()))
