"""What the machine at hand runs best."""

from typing import Literal

import keras


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


def has_gpu() -> bool:
    """Whether the backend sees a GPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        return bool(tensorflow.config.list_physical_devices("GPU"))
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return False
