"""The table of model builders. Each makes a functional Keras model from uint8 images to float32 logits."""

from collections.abc import Callable

import keras

from models import cnn

BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "cnn": cnn.build,
}


def build(name: str, input_shape: tuple[int, int, int], classes: int, **options) -> keras.Model:
    """A model by its name.

    Args:
        name: a key of `BUILDERS`.
        input_shape: (height, width, channels) of the uint8 images.
        classes: number of logits.
        options: the builder's own, see its `build`.

    Raises:
        ValueError: the name is unknown (the message lists the known ones), or the builder refuses the shape or an
            option.
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown model {name!r}; known: {', '.join(BUILDERS)}")
    return BUILDERS[name](input_shape=input_shape, classes=classes, **options)


def with_probabilities(model: keras.Model) -> keras.Model:
    """The same graph and weights with a sigmoid behind the logits: what `model.keras` holds."""
    probabilities = keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(model.output)
    return keras.Model(model.input, probabilities, name=model.name)
