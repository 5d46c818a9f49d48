"""What the machine at hand runs best."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import keras

from common.errors import InputError
from training.config import Config

PROCESSOR = Path("/proc/cpuinfo")


def jit_compile(choice: Literal["auto", "on", "off"]) -> bool | str:
    """Whether Keras hands the training step to XLA: its `compile` argument.

    Keras's own "auto" turns XLA on for a CPU too, where it made the small CNN 2.3 times slower, so `auto` is off there.
    JAX has nothing but XLA.
    """
    if keras.backend.backend() == "jax":
        return True
    if choice != "auto":
        return choice == "on"
    return "auto" if has_gpu() else False


def make_deterministic(choice: Literal["auto", "on", "off"], threads: int) -> int:
    """Let the backend compute the same bits each time: for TensorFlow, deterministic operations and a fixed number of
    threads, as sums are cut into as many parts. `auto` is on for a CPU, where it cost nothing that could be measured.

    Args:
        threads: those of an earlier part of the run; 0 for one a core. Once the backend runs they stay as they are.

    Returns:
        The number of threads; 0 where none was set.
    """
    if keras.backend.backend() != "tensorflow" or choice == "off" or (choice == "auto" and has_gpu()):
        return 0
    import tensorflow

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = threads or cores
    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:  # it runs already, with what it found first
        threads = tensorflow.config.threading.get_intra_op_parallelism_threads() or cores
    tensorflow.config.experimental.enable_op_determinism()
    return threads


def prepare(config: Config, threads: int) -> int:
    """Set the seed, determinism and precision for a run; return the number of threads, see `make_deterministic`."""
    keras.utils.set_random_seed(config.seed)
    threads = make_deterministic(config.deterministic, threads)
    keras.mixed_precision.set_dtype_policy(policy_of(config))
    return threads


def has_gpu() -> bool:
    """Whether the backend sees a GPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        return bool(tensorflow.config.list_physical_devices("GPU"))
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return False


def computes_bfloat16() -> bool:
    """Whether the backend finds arithmetic in bfloat16: in a GPU of NVIDIA's compute capability 8 or more, or in this
    processor, of which Linux says so of x86 alone."""
    if has_gpu():
        return _compute_capability() >= 8
    try:
        flags = PROCESSOR.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return keras.backend.backend() == "tensorflow" and any(flag in flags for flag in ("avx512_bf16", "amx_bf16"))


def _compute_capability() -> float:
    """That of the first GPU, 0 where it has none, as those of other makers."""
    try:
        if keras.backend.backend() == "tensorflow":
            import tensorflow

            gpu = tensorflow.config.list_physical_devices("GPU")[0]
            major, minor = tensorflow.config.experimental.get_device_details(gpu)["compute_capability"]
            return major + minor / 10
        import jax

        return float(jax.devices()[0].compute_capability)
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0.0


def dtype_policy(precision: str) -> str:
    """The precision, or float32 where half of it brings nothing: on a CPU that has to convert each number, the CNN ran
    at half its speed. `auto` is bfloat16 where the device computes in it, which keeps float32's range."""
    if precision == "auto":
        return "mixed_bfloat16" if computes_bfloat16() else "float32"
    helps = has_gpu() or (precision == "mixed_bfloat16" and computes_bfloat16())
    return precision if helps else "float32"


def policy_of(config: Config) -> str:
    """The `dtype_policy` of a header; a head alone is float32 with `auto`, as half precision saves it no time, and what
    is stored for it is to be exact."""
    alone = config.model in ("resnet50", "backbone") and config.trainable == "head"
    return "float32" if config.precision == "auto" and alone else dtype_policy(config.precision)


def messages(config: Config) -> list[str]:
    """What a user should know of the precision, in lines."""
    precision = config.precision
    if precision == "auto" or dtype_policy(precision) == precision:
        return []
    return [f"precision = {precision} is left off, as no GPU is seen and this CPU gains nothing by it: float32 is used"]


@contextmanager
def out_of_memory(batch_size: int) -> Iterator[None]:
    """Turn a device's want of memory into a line.

    Raises:
        InputError: in place of what TensorFlow and JAX raise for exhausted memory.
    """
    try:
        yield
    except Exception as error:  # their classes cannot be named without importing them
        exhausted = isinstance(error, MemoryError) or "ResourceExhausted" in type(error).__name__
        if not exhausted and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        way = f"give --batch_size {batch_size // 2}" if batch_size > 1 else "take a smaller model or size"
        raise InputError(f"batch_size = {batch_size}: the device's memory does not hold a step; {way}") from None
