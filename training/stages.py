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
import numpy as np

import models
from common.errors import InputError
from data.batches.test_time_augmentation import Views
from data.cache.cache import Cache
from models.backbone import without_frozen_dropout
from training import fitting, frozen_features
from training.checkpoint import State
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


def check(config: Any, cache: Cache) -> None:
    """Refuse settings of train.py's header that no phase can follow.

    Raises:
        InputError: `head_epochs` without a part to freeze, or online operations where features are stored.
    """
    freezes = "trainable" in models.options_of(config.model, config.extractor)
    if config.head_epochs and not freezes:
        named = ", ".join(name for name in models.BUILDERS if "trainable" in models.options_of(name, "cnn"))
        raise InputError(
            f"head_epochs = {config.head_epochs}: {config.model} has no part that could stay frozen meanwhile; "
            f"it is for {named}"
        )
    if not freezes or config.trainable != "head":
        return
    if config.head_epochs:
        raise InputError(
            f"head_epochs = {config.head_epochs}: with trainable = head every epoch is the head's; give --epochs, or "
            "--trainable all"
        )
    if reason := frozen_features.refusal(config, cache):
        raise InputError(f"trainable = head: {reason}")


def words(config: Any, cache: Cache, shows_again: bool = False) -> list[str]:
    """What a user should know of the phases before they begin, in lines; `shows_again`: some images twice an epoch."""
    said = []
    if config.head_epochs:
        way = "through the frozen network each time" if frozen_features.refusal(config, cache) else "on stored features"
        first = "1 epoch" if config.head_epochs == 1 else f"{config.head_epochs} epochs"
        said.append(
            f"First {first} on the head alone, {way}; then {config.epochs} with trainable = "
            f"{config.trainable} at {config.fine_tune_factor:g} of the learning rate"
        )
    heads = config.head_epochs or (
        "trainable" in models.options_of(config.model, config.extractor) and config.trainable == "head"
    )
    if heads and config.weights == "none" and config.start_from is None:
        said.append("Warning: weights = none, so what is frozen keeps the random weights that it starts with")
    others = [name for name in config.repeat_operations if name not in config.operations]
    if heads and shows_again and others and not frozen_features.refusal(config, cache):
        said.append(
            f"Stored features know no {', '.join(others)}: to the head, images shown again are seen as the others"
        )
    return said


def fit(
    config: Any,
    cache: Cache,
    rows: dict[str, np.ndarray],
    inputs: Inputs,
    model: keras.Model,
    loss: keras.losses.Loss,
    state: State | None = None,
) -> Fitted:
    """Train in the phases that the header asks for, and leave the model with the weights of the best epoch of all.

    Args:
        config: the header of train.py, which `check` let pass.
        cache: where the images are. rows: the cache positions of each split.
        inputs: what trains.
        model: of logits, not compiled; changed in place. loss: a loss on logits.
        state: the checkpoint to go on from, None to begin.

    Raises:
        InputError: as `fitting.fit`, or the checkpoint is of a head on other frozen weights.
    """
    if "trainable" in models.options_of(config.model, config.extractor) and config.trainable == "head":
        return _head(config, cache, rows, inputs, model, loss, fitting.Phase(), state)
    before: list[dict[str, Any]] = []
    if state and state.told["before"]:
        before = state.told["parts"]["history"][: state.told["before"]]
    elif config.head_epochs:
        first = fitting.Phase("head", config.head_epochs, config.epochs)
        if frozen_features.refusal(config, cache):
            with _frozen(frozen_features.extractor(model)), closing(inputs.batches()) as batches:
                before = fitting.fit(config, cache, rows, batches, model, loss, first, state)
        else:
            before = _head(config, cache, rows, inputs, model, loss, first, state).history
        state = None
    phase = (
        fitting.Phase(config.trainable, factor=config.fine_tune_factor, before=before) if before else fitting.Phase()
    )
    with closing(inputs.batches()) as batches:
        # The second phase goes on with the batches where the first one ended.
        batches.start_step = len(before) * (config.steps_per_epoch or batches.steps_per_epoch)
        return Fitted(fitting.fit(config, cache, rows, batches, model, loss, phase, state), cache, model)


def _head(config, cache, rows, inputs, model, loss, phase: fitting.Phase, state: State | None) -> Fitted:
    """Train the head on stored features."""
    stored = frozen_features.Stored(config, cache, rows, inputs, model)
    phase = dataclasses.replace(phase, frozen=stored.directory.name)
    if state and state.told["frozen"] != phase.frozen:
        raise InputError(
            f"{config.run_dir} cannot go on: the frozen weights below its head were {state.told['frozen']}, and are "
            f"{phase.frozen} now; give --overwrite to begin anew"
        )
    batches, head = stored.batches(), frozen_features.head(model)
    print(f"{head.input_shape[1]:,} features a view, {len(stored.views)} views a training image: {stored.directory}")
    # The head's layers are the model's own.
    history = fitting.fit(config, stored.images, rows, batches, head, loss, phase, state)
    # Other views than those that are stored need the pixels, and so do scores in float32 where the features are not.
    half = keras.config.dtype_policy().compute_dtype != "float32"
    if half or Views(config.score_scales, config.score_views) != Views():
        return Fitted(history, cache, model)
    return Fitted(history, stored.images, head)


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
