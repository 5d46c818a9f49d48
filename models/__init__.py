"""The table of model builders. Each makes a functional Keras model from uint8 images to float32 logits."""

import inspect
from collections.abc import Callable

import keras

from models import backbone, cnn, hierarchical, residual, resnet50, vgg16
from models.scaling import take_up_weights


def _hierarchical(
    input_shape: tuple[int, int, int],
    classes: int,
    levels: hierarchical.Levels,
    descendants: hierarchical.Descendants,
    extractor: str = "residual",
    head: hierarchical.Head = "recurrent",
    units: int = 128,
    **options,
) -> keras.Model:
    """A head for a tree on another model of the table; see `hierarchical.crowned` and, for the options, that model."""
    if extractor == "hierarchical":
        raise ValueError("extractor = hierarchical: a head for a tree cannot stand on another one")
    return hierarchical.crowned(build(extractor, input_shape, classes, **options), levels, descendants, head, units)


BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "cnn": cnn.build,
    "vgg16": vgg16.build,
    "resnet50": resnet50.build,
    "residual": residual.build,
    "backbone": backbone.build,
    "hierarchical": _hierarchical,
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
    if options.get("global_pooling") and options.get("pyramid_levels"):
        raise ValueError("global_pooling and pyramid_levels: each takes the other's place; give one of them")
    return _builder(name)(input_shape=input_shape, classes=classes, **options)


def options_of(name: str, extractor: str = "") -> list[str]:
    """The names of the options that a model takes beside shape and classes.

    Args:
        name: a key of `BUILDERS`.
        extractor: the model below the head of a hierarchical one, whose options that one takes as well.

    Raises:
        ValueError: a name is unknown.
    """
    own = inspect.signature(_builder(name)).parameters.values()
    names = [each.name for each in own if each.kind != each.VAR_KEYWORD]
    if len(names) < len(own):
        names += options_of(extractor)
    return [option for option in names if option not in ("input_shape", "classes")]


def strange_options(name: str, extractor: str, given: dict) -> dict[str, list[str]]:
    """The options that differ from their defaults although this model has no such option.

    Args:
        name, extractor: as for `options_of`.
        given: options by name, of whatever models.

    Returns:
        Name → the models that have such an option.
    """
    found: dict[str, list[str]] = {}
    for other, builder in BUILDERS.items():
        for each in inspect.signature(builder).parameters.values():
            if each.name not in given or each.default in (each.empty, given[each.name]):
                continue
            if each.name not in options_of(name, extractor):
                found.setdefault(each.name, []).append(other)
    return found


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


def in_float32(model: keras.Model) -> keras.Model:
    """The model itself, or where it computes in half precision a twin of the same weights that does not.

    Half precision is for the speed of training; scores, and whoever uses the model later, on whatever machine, are to
    have all digits.
    """
    config = model.get_config()
    if not _take_off_half_precision(config):
        return model
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # for layers that name none
    try:
        twin = type(model).from_config(config)
    finally:
        keras.config.set_dtype_policy(usual)
    twin.set_weights(model.get_weights())
    take_up_weights(twin)
    return twin


def _take_off_half_precision(config) -> bool:
    """Write float32 in place of half precision all through a configuration, and say whether there was any."""
    children, found = config if isinstance(config, list | tuple) else (), False
    if isinstance(config, dict):
        children = config.values()
        if config.get("class_name") == "DTypePolicy" and config["config"]["name"].startswith("mixed_"):
            config["config"]["name"], found = "float32", True
        if config.get("dtype") in ("bfloat16", "float16"):  # of inputs, that a model cut in two has in its middle
            config["dtype"], found = "float32", True
    for each in children:
        found |= _take_off_half_precision(each)
    return found


def with_probabilities(model: keras.Model) -> keras.Model:
    """The same graph and weights with a sigmoid behind the logits: what `model.keras` holds."""
    probabilities = keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(model.output)
    constraint = model.output._keras_history.operation
    if isinstance(constraint, hierarchical.MaxConstraint):
        # A sigmoid may round equal logits at different places of an array to different neighbours.
        probabilities = hierarchical.MaxConstraint(constraint.descendants, name="consistent")(probabilities)
    return keras.Model(model.input, probabilities, name=model.name)
