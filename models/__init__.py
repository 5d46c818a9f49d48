"""The table of model builders. Each makes a functional Keras model from uint8 images to float32 logits."""

import inspect
from collections.abc import Callable

import keras

from models import backbone, cnn, residual, resnet50, vgg16

BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "cnn": cnn.build,
    "vgg16": vgg16.build,
    "resnet50": resnet50.build,
    "residual": residual.build,
    "backbone": backbone.build,
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
    return _builder(name)(input_shape=input_shape, classes=classes, **options)


def options_of(name: str) -> list[str]:
    """The names of the options that a model takes beside shape and classes.

    Raises:
        ValueError: the name is unknown.
    """
    return [
        option for option in inspect.signature(_builder(name)).parameters if option not in ("input_shape", "classes")
    ]


def least_side(name: str, network: str) -> int:
    """The smallest height and width, pixels, that a model takes; `network` is that of a backbone."""
    sides = {"backbone": backbone.least_side(network), "resnet50": backbone.least_side("ResNet50")}
    return sides[name] if name in sides else getattr(inspect.getmodule(_builder(name)), "SMALLEST", 1)


def flattens(options: dict) -> bool:
    """Whether a model with these options of its own takes images of one size only."""
    return not (options.get("pyramid_levels") or options.get("global_pooling", True))


def _builder(name: str) -> Callable[..., keras.Model]:
    if name not in BUILDERS:
        raise ValueError(f"unknown model {name!r}; known: {', '.join(BUILDERS)}")
    return BUILDERS[name]


def with_probabilities(model: keras.Model) -> keras.Model:
    """The same graph and weights with a sigmoid behind the logits: what `model.keras` holds."""
    probabilities = keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(model.output)
    return keras.Model(model.input, probabilities, name=model.name)
