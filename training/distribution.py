"""Training on all devices of this machine, and of machines that train together: Keras's data parallelism on JAX.

Each process makes its share of every batch, and what all of them learn is the same. What a run needs beside that is
not for several: a model that scores lies on one device, and one process writes the run's folder. The others work in a
folder of their own, which goes when they end.
"""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import InputError
from run_folder import CHECKPOINT, CONFIG
from training.config import Config

if TYPE_CHECKING:
    from keras import Model

VARIABLES = ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")  # each behind KERAS_DISTRIBUTION_, as Keras reads them


@contextmanager
def joined(config: Config) -> Iterator[Config]:
    """Train inside the block on the devices that the header of train.py asks for.

    Yields:
        The header, in which the processes that write nothing have another `run_dir`.

    Raises:
        InputError: the backend is not JAX, or the other processes cannot be reached.
    """
    if config.devices == "one":
        yield config
        return
    import keras

    if keras.backend.backend() != "jax":
        raise InputError(
            f"devices = all works on JAX, not on {keras.backend.backend()}; install jax and set KERAS_BACKEND=jax, see "
            "docs/cluster.md"
        )
    several = _initialize()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    index, count = shard()
    devices = keras.distribution.get_device_count()
    try:
        if config.batch_size % devices:
            raise InputError(
                f"batch_size = {config.batch_size}: {devices} devices take equal shares of a batch; give "
                f"--batch_size {-(-config.batch_size // devices) * devices}"
            )
        if index:
            with _silent_twin(config) as own:
                yield own
            return
        if several:
            _wait("folders")
        print(f"Devices: {devices}" + (f" of {count} processes" if several else ""))
        yield config
    finally:
        keras.distribution.set_distribution(None)


def shard() -> tuple[int, int]:
    """The number of this process among those that train together, and theirs: (0, 1) for one alone."""
    import keras

    if keras.backend.backend() != "jax" or keras.distribution.distribution() is None:
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def scored(model: "Model", rows: np.ndarray, score: Callable[["Model", np.ndarray], np.ndarray]) -> np.ndarray:
    """What `score(model, rows)` gives, worked out together by the processes that train together: the same for all.

    Args:
        model: whose weights count; inside a distribution a twin of it scores.
        rows: (n,) cache positions.
        score: gives (m, K) float32 for m rows.

    Returns:
        (n, K) float32.
    """
    import keras

    if keras.distribution.distribution() is None:
        return score(model, rows)
    index, count = shard()
    size = -(-len(rows) // count)
    # Each has as many, as what is gathered has to have one shape; the last row fills up.
    places = np.minimum(np.arange(index * size, (index + 1) * size), len(rows) - 1)
    with alone(model) as twin:
        own = score(twin, rows[places])
    if count == 1:
        return own[: len(rows)]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(own)).reshape(-1, own.shape[1])[: len(rows)]


@contextmanager
def alone(model: "Model") -> Iterator["Model"]:
    """A model with the same weights that lies on one device, outside of the distribution; without one, itself.

    Keras cannot predict or save inside of a distribution over several processes.
    """
    import keras

    distribution = keras.distribution.distribution()
    if distribution is None:
        yield model
        return
    from models.scaling import take_up_weights

    weights = model.get_weights()
    keras.distribution.set_distribution(None)
    try:
        twin = getattr(model, "_twin_alone", None)
        if twin is None:
            twin = type(model).from_config(model.get_config())
            # Kept with the model, as a new one would be compiled anew; set this way Keras does not take it for a layer.
            model.__dict__["_twin_alone"] = twin
        for layer, other in zip(model.layers, twin.layers, strict=True):
            other.trainable = layer.trainable  # which another phase of training may have changed
        twin.set_weights(weights)
        take_up_weights(twin)
        yield twin
    finally:
        keras.distribution.set_distribution(distribution)


def _initialize() -> bool:
    """Find the other processes, where the environment names any."""
    import keras

    given = [os.environ.get(f"KERAS_DISTRIBUTION_{name}") for name in VARIABLES]
    if not any(given):
        return False
    if not all(given):
        missing = [f"KERAS_DISTRIBUTION_{name}" for name, value in zip(VARIABLES, given, strict=True) if not value]
        raise InputError(f"devices = all: {', '.join(missing)} is not set, though others of its kind are")
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"devices = all: process {given[2]} of {given[1]} cannot reach {given[0]} "
            f"({' '.join(str(error).split())[:160]})"
        ) from None
    return True


@contextmanager
def _silent_twin(config: Config) -> Iterator[Config]:
    """The header of a process that writes nothing that is kept, and prints nothing."""
    with tempfile.TemporaryDirectory(prefix="twin-") as folder, Path(os.devnull).open("w") as nowhere:
        own = Path(folder) / config.run_dir.name
        # What there is decides whether a run begins or goes on, and is looked at before the first process changes it.
        for name in (CONFIG, CHECKPOINT):
            source = config.run_dir / name
            if source.is_dir():
                shutil.copytree(source, own / name)
            elif source.exists():
                own.mkdir(exist_ok=True)
                shutil.copy2(source, own / name)
        _wait("folders")
        with contextlib.redirect_stdout(nowhere):
            yield dataclasses.replace(config, run_dir=own)


def _wait(name: str) -> None:
    """Wait until all processes are here."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)
