"""The phases of a training run: all at once, the head alone on stored features, or the head first and then the rest.

A new head's first gradients are large and would spoil pretrained weights behind it, so it is trained alone until it is
worth following, and what follows takes small steps (Howard and Ruder, "ULMFiT", ACL 2018, call it gradual unfreezing).
"""

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import keras

import models
from common.errors import InputError
from data.batches.batches import TrainingBatches
from data.batches.test_time_augmentation import Views
from data.cache.cache import Cache
from models.backbone import without_frozen_dropout
from training import fitting, frozen_features
from training.checkpoint import State
from training.config import Config
from training.inputs import Inputs


@dataclass(frozen=True)
class Fitted:
    """What training gave: the rows of history.csv, and with what the images of the cache are scored.

    `images` and `model` are the cache and the whole model, or stored features and a head, which give the same logits.
    The whole model has the weights of the best epoch in either case.
    """

    history: list[dict[str, Any]]
    images: Cache | frozen_features.FeatureCache
    model: keras.Model


def check(config: Config, cache: Cache) -> None:
    """Refuse settings of train.py's header that no phase can follow.

    Raises:
        InputError: `head_epochs` without a part to freeze, or online operations where features are stored.
    """
    if config.head_epochs and not _freezes(config):
        named = ", ".join(name for name in models.BUILDERS if "trainable" in models.options_of(name, "cnn"))
        raise InputError(
            f"head_epochs = {config.head_epochs}: {config.model} has no part that could stay frozen meanwhile; "
            f"it is for {named}"
        )
    if not _freezes(config) or config.trainable != "head":
        return
    if config.head_epochs:
        raise InputError(
            f"head_epochs = {config.head_epochs}: with trainable = head every epoch is the head's; give --epochs, or "
            "--trainable all"
        )
    if reason := frozen_features.refusal(config, cache):
        raise InputError(f"trainable = head: {reason}")


def messages(config: Config, cache: Cache, shows_again: bool = False) -> list[str]:
    """What a user should know of the phases before they begin, in lines; `shows_again`: some images twice an epoch."""
    messages = []
    if config.head_epochs:
        way = "through the frozen network each time" if frozen_features.refusal(config, cache) else "on stored features"
        first = "1 epoch" if config.head_epochs == 1 else f"{config.head_epochs} epochs"
        messages.append(
            f"First {first} on the head alone, {way}; then {config.epochs} with trainable = "
            f"{config.trainable} at {config.fine_tune_factor:g} of the learning rate"
        )
    heads = config.head_epochs or (_freezes(config) and config.trainable == "head")
    if heads and config.weights == "none" and config.start_from is None:
        messages.append("Warning: weights = none, so what is frozen keeps the random weights that it starts with")
    others = [name for name in config.repeat_operations if name not in config.operations]
    if heads and shows_again and others and not frozen_features.refusal(config, cache):
        messages.append(
            f"Stored features know no {', '.join(others)}: to the head, images shown again are seen as the others"
        )
    return messages


def fit(
    config: Config, inputs: Inputs, model: keras.Model, loss: keras.losses.Loss, state: State | None = None
) -> Fitted:
    """Train in the phases that the header asks for, and leave the model with the weights of the best epoch of all.

    Args:
        config: the header of train.py, which `check` let pass.
        inputs: what trains.
        model: of logits, not compiled; changed in place. loss: a loss on logits.
        state: the checkpoint to go on from, None to begin.

    Raises:
        InputError: as `fitting.fit`, or the checkpoint is of a head on other frozen weights.
    """
    head_only = _freezes(config) and config.trainable == "head"
    before = state.values["parts"]["history"][: state.values["before"]] if state else []
    if head_only or (config.head_epochs and not before):
        phase = fitting.Phase() if head_only else fitting.Phase("head", config.head_epochs, config.epochs)
        with _head(config, inputs, model) as (images, batches, head, frozen):
            _check_frozen(config, state, frozen)
            phase = dataclasses.replace(phase, frozen=frozen)
            before = fitting.fit(config, images, inputs.rows, batches, head, loss, phase, state)
        if head_only:
            # Other views need the pixels, and so do scores in float32 if the features are in half precision.
            half = keras.config.dtype_policy().compute_dtype != "float32"
            from_pixels = half or Views(config.score_scales, config.score_views) != Views()
            return Fitted(before, inputs.cache, model) if from_pixels else Fitted(before, images, head)
        state = None
    phase = fitting.Phase()
    if before:
        phase = fitting.Phase(config.trainable, factor=config.fine_tune_factor, before=before)
    with closing(inputs.batches()) as batches:
        history = fitting.fit(config, inputs.cache, inputs.rows, batches, model, loss, phase, state)
    return Fitted(history, inputs.cache, model)


@contextmanager
def _head(
    config: Config, inputs: Inputs, model: keras.Model
) -> Iterator[tuple[Cache | frozen_features.FeatureCache, TrainingBatches, keras.Model, str]]:
    """Yield what trains a head alone: images or features, their batches, the model, and the name of stored features."""
    if frozen_features.refusal(config, inputs.cache):
        with _frozen(frozen_features.extractor(model)), closing(inputs.batches()) as batches:
            yield inputs.cache, batches, model, ""
        return
    stored = frozen_features.Stored(config, inputs, model)
    head = frozen_features.head(model)  # its layers are the model's own
    print(f"{head.input_shape[1]:,} features a view, {len(stored.views)} views a training image: {stored.directory}")
    yield stored.images, stored.batches(), head, stored.directory.name


def _check_frozen(config: Config, state: State | None, frozen: str) -> None:
    if state and state.values["frozen"] != frozen:
        raise InputError(
            f"{config.run_dir} cannot go on: the frozen weights below its head were {state.values['frozen']}, and are "
            f"{frozen} now; give --overwrite to begin anew"
        )


def _freezes(config: Config) -> bool:
    """Whether the model has weights that may stay frozen."""
    return "trainable" in models.options_of(config.model, config.extractor)


@contextmanager
def _frozen(network: keras.Model) -> Iterator[None]:
    """Freeze a network's layers, which then compute as in inference, and set them back."""
    before = [(layer, layer.trainable, getattr(layer, "rate", None)) for layer in network.layers]
    for layer in network.layers:
        layer.trainable = False
    without_frozen_dropout(network)
    try:
        yield
    finally:
        for layer, flag, rate in before:
            layer.trainable = flag
            if rate is not None:
                layer.rate = rate
