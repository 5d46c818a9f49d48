"""No file that the scripts read can bring code of its own that runs, wherever caches, runs and models come from."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import augment
import run_folder
from common.errors import InputError
from data.augmentation.augmented_set import open_augmented
from data.cache import chunks, feature_files
from data.cache.cache import open_cache
from training.checkpoint import Checkpoints

CLASSES = ["N/A", "Rods & rings"]


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture(scope="module")
def made(tmp_path_factory, made_cache) -> Path:
    """A cache with an augmented set, and a run."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(made_cache, folder / "cache", ignore=shutil.ignore_patterns("augmented"))
    augment.main(augment.Config(cache_dir=folder / "cache", tag="set", method="rotate_all", copies=1, workers=1))
    preparation = {"size": 8, "resize": "stretch", "channels": "gray"}
    cache = {"class_names": CLASSES, "preparation": preparation, "counts": {}}
    run_folder.create_run(folder / "run", {"cache": cache, "config": {}}, overwrite=False)
    run_folder.write_scores(folder / "run", "val", ["a"], np.zeros((1, 2)), np.zeros((1, 2)))
    run_folder.finish_run(folder / "run")
    return folder


def stored_features(folder: Path) -> None:
    feature_files.computed(folder / "features", 3, (1, 2), lambda places: np.zeros((len(places), 1, 2)), "computing")


READ = {  # a file → what reads it
    "cache/labels.npy": lambda folder: open_cache(folder / "cache"),
    "cache/images-00000.npy": lambda folder: open_cache(folder / "cache").gather(np.arange(3)),
    "cache/augmented/set/labels.npy": lambda folder: open_augmented(open_cache(folder / "cache"), "set"),
    "cache/augmented/set/images-00000.npy": lambda folder: open_augmented(open_cache(folder / "cache"), "set"),
    "notes.npz": lambda folder: chunks.finished_chunk(folder / "images.npy", folder / "notes.npz", "digest"),
    "features/000000000.npy": stored_features,
    "run/scores/val.npz": lambda folder: run_folder.open_run(folder / "run").scores("val"),
    "run/checkpoint/state-0000000001.npz": lambda folder: Checkpoints(folder / "run").newest(),
    "run/model.keras": lambda folder: run_folder.open_run(folder / "run").load_model(),
}


def poison(path: Path, mark: Path) -> None:
    """Put a payload into a file, and see that it works where a reader trusts the file."""
    path.parent.mkdir(exist_ok=True)
    trapped = np.array([Payload(mark)], dtype=object)
    if path.suffix == ".keras":
        import keras

        images = keras.Input((8, 8, 1), dtype="uint8")
        place = str(mark)
        pixels = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(place).touch(), x)[1])(images)
        keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(pixels))).save(path)
        mark.unlink()
        keras.models.load_model(path, safe_mode=False)
    elif path.suffix == ".npz":
        names = ("ids", "scores", "labels", "told", "digest", "reasons", "sums", "size", "model-0")
        np.savez(path, **dict.fromkeys(names, trapped))
        np.load(path, allow_pickle=True)["ids"]
    else:
        np.save(path, trapped, allow_pickle=True)
        np.load(path, allow_pickle=True)
    assert mark.exists()
    mark.unlink()


@pytest.mark.parametrize("name", READ)
def test_no_file_that_is_read_runs_code(name, made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "made")
    # Such a file is there already, so it is one that is read.
    assert (folder / name).exists() or not name.startswith("cache/")
    poison(folder / name, tmp_path / "it ran")
    with contextlib.suppress(InputError):
        READ[name](folder)
    assert not (tmp_path / "it ran").exists()
