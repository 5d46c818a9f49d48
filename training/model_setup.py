"""The model that the header of train.py asks for: its options, its first weights and its cost."""

from typing import Any

import keras

import models
from common.errors import InputError
from data.cache.cache import Cache
from data.labels.hierarchy import tree_of
from loss_formulas.base import LabelLoss
from loss_formulas.smoothing import smoothed
from models.cost import cost
from models.scaling import scaling_of
from run_folder import Run
from training import devices, loss_setup, memory, multi_scale, optimizers, priors, resume, stages, start_from
from training.config import Config
from training.inputs import Inputs


def build(config: Config, inputs: Inputs, earlier: Run | None) -> tuple[keras.Model, LabelLoss]:
    """Return the model of logits and its loss, neither compiled.

    Args:
        config: the header of train.py.
        inputs: what it trains on.
        earlier: the run that it starts from, None without one.

    Raises:
        InputError: the model has no such option, or an option of the model or the loss cannot be.
    """
    cache = inputs.cache
    # Weights are worth something only after the scaling that they were trained with.
    scaling = start_from.scaling(earlier) if earlier else cache.meta
    for name, others in models.strange_options(config.model, config.extractor, vars(config)).items():
        raise InputError(
            f"{name} = {getattr(config, name)}: model = {config.model} has no such option; "
            f"{' and '.join(f'--model {other}' for other in others)} {'has' if len(others) == 1 else 'have'} it"
        )
    loss = loss_setup.build(config, inputs)
    tree = tree_of(cache.meta)
    given = {"mean": scaling["mean"], "std": scaling["std"], **(tree.tables() if tree else {})}
    names = models.options_of(config.model, config.extractor)
    options = {name: getattr(config, name) for name in names if name not in given}
    if earlier and "weights" in options:
        options["weights"] = "none"  # the earlier run's weights and their scaling replace those of any file
    try:
        shape = multi_scale.input_shape(config, cache, options)
        return models.build(config.model, shape, len(cache.class_names), **given, **options), loss
    except ValueError as error:
        raise InputError(str(error)) from None


def messages(config: Config, inputs: Inputs) -> list[str]:
    """Return what a user should know of the data and the settings before training, in lines."""
    return [
        *inputs.messages(), *multi_scale.messages(config, inputs.cache),
        *stages.messages(config, inputs.cache, inputs.shows_again),
        *devices.messages(config), *optimizers.messages(config), *loss_setup.messages(config),
    ]  # fmt: skip


def show_cost(config: Config, cache: Cache, model: keras.Model) -> None:
    """Print what the model costs.

    Raises:
        InputError: the memory is too small for a batch; the message has the largest batch size that fits.
    """
    image_shape = multi_scale.largest_shape(config, cache)
    costs = cost(model, 4 if devices.policy_of(config) == "float32" else 2, image_shape)
    needed, available = costs.memory(config.batch_size), memory.available()
    print(
        f"{model.name}: {costs.parameters:,} parameters, {costs.operations / 1e9:.2f} GFLOPs an image forward, about "
        f"{needed / 1e9:.1f} GB a batch of {config.batch_size}; Keras {keras.__version__} on {keras.backend.backend()}"
    )
    if available and needed > available and not devices.has_gpu():
        fits = costs.fitting(available)
        pools = "global_pooling" in models.options_of(config.model, config.extractor)
        smaller = "take a smaller model or size" + (", or --global_pooling" if pools else "")
        way = f"--batch_size {fits} fits" if fits else f"not even one image fits: {smaller}"
        raise InputError(
            f"batch_size = {config.batch_size}: a step takes about {needed / 1e9:.1f} GB, but {available / 1e9:.1f} GB "
            f"are free; {way}"
        )


def start_weights(config: Config, inputs: Inputs, model: keras.Model, loss: LabelLoss, earlier: Run | None) -> None:
    """Give the model the weights of the earlier run, or its last layer the biases that the classes' rates ask for."""
    if earlier:
        print(start_from.take_over(model, earlier, inputs.cache.class_names))
    elif config.prior_bias:
        priors.start(model, loss, smoothed(inputs.images.labels, config.label_smoothing), inputs.repeats)


def description(config: Config, inputs: Inputs, model: keras.Model) -> dict[str, Any]:
    """Return what config.json says of the data and the model, ready for JSON."""
    positives, negatives = inputs.counts()
    return {
        "cache": inputs.cache.meta,
        "scaling": scaling_of(model),
        "shown_rates": (positives / (positives + negatives).clip(min=1e-9)).tolist(),
        # A resumed run must resolve the automatic settings to the same values, so they are saved.
        "resolved": {"precision": devices.policy_of(config), **optimizers.resolved(config)},
        "inputs": resume.inputs_of(config, inputs.cache),
        "soft_labels": inputs.soft,
    }
