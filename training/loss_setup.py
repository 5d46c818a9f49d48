"""The loss that the header of train.py asks for: its parameters, its class weights, and sums of losses."""

import inspect
import math
from typing import Any

import numpy as np

import losses
from common.errors import InputError
from data.labels.hierarchy import tree_of
from data.tables.class_values import read_class_values
from loss_formulas.by_level import LevelLoss
from loss_formulas.smoothing import Smoothed
from training.config import Config
from training.inputs import Inputs

WEIGHTING = ("class_weights", "positive_weights", "negative_weights", "weights_csv")  # read for weighted_bce alone
# Parameters of a loss whose fields in the header have other names than they.
PARTS = ("bce", "soft_f1")  # of bce_soft_f1
FIELDS = {"focal": {"gamma": "focal_gamma", "alpha": "focal_alpha"}}


def build(config: Config, inputs: Inputs) -> losses.LabelLoss:
    """Return the loss of a run, with the losses that are added to it, over a tree's levels and smoothed if asked.

    Args:
        config: the header of train.py.
        inputs: what it trains on.

    Raises:
        InputError: a loss, its weights or its smoothing cannot be, or the loss cannot take the soft labels.
    """
    coefficients = {config.loss: 1.0, **extra_losses(config)}
    try:
        parts = [(each, losses.build(name, **parameters(name, config, inputs)))
                 for name, each in coefficients.items()]  # fmt: skip
        loss = losses.weighted_sum(parts) if len(parts) > 1 else parts[0][1]
        refuse_soft_labels(config, inputs, [part for _, part in parts])
        if tree := tree_of(inputs.cache.meta):
            levels = {**tree.tables(), "level_weights": config.level_weights}
            loss = losses.weighted_sum([(share, LevelLoss(part, **levels)) for share, part in loss.parts()])
        return Smoothed(loss, config.label_smoothing) if config.label_smoothing else loss
    except ValueError as error:
        raise InputError(str(error)) from None


def messages(config: Config) -> list[str]:
    """What a user should know of the options of class weights, in lines."""
    if "weighted_bce" in (config.loss, *extra_losses(config)):
        return []
    usual = type(config)()
    given = [name for name in WEIGHTING if getattr(config, name) != getattr(usual, name)]
    verb = "changes" if len(given) == 1 else "change"
    text = f"Warning: {', '.join(given)} {verb} nothing, as only the loss weighted_bce has class weights"
    return [text] if given else []


def extra_losses(config: Config) -> dict[str, float]:
    """Name → coefficient of what `extra_losses` adds to the loss."""
    found: dict[str, float] = {}
    for text in config.extra_losses:
        name, _, number = text.partition(":")
        try:
            coefficient = float(number or 1)
        except ValueError:
            coefficient = math.nan
        where = f"extra_losses: {text!r}"
        if name not in losses.LOSSES:
            raise InputError(f"{where} is none of {', '.join(losses.LOSSES)}, with a coefficient as in lovasz:0.5")
        if not (0 < coefficient < math.inf):
            raise InputError(f"{where}: the coefficient must be a number above 0, as in lovasz:0.5")
        if name == config.loss or name in found or (config.loss == "bce_soft_f1" and name in PARTS):
            raise InputError(f"{where}: {name} is named twice; one coefficient is enough")
        found[name] = coefficient
    return found


def parameters(name: str, config: Config, inputs: Inputs) -> dict[str, Any]:
    """The parameters of one loss: from the header's fields, from class weights, or from training counts."""
    if name == "weighted_bce":
        return dict(zip(("positive_weights", "negative_weights"), class_weights(config, inputs), strict=True))
    given: dict[str, Any] = {}
    if name == "distribution_balanced":
        # The formula is about the set itself, so each image counts once however often an epoch shows it.
        labels = inputs.images.labels
        given = {"positives": (labels == 1).sum(axis=0), "negatives": (labels == 0).sum(axis=0)}
    fields = {each: FIELDS.get(name, {}).get(each, each) for each in inspect.signature(losses.LOSSES[name]).parameters}
    return given | {each: getattr(config, field) for each, field in fields.items() if each not in given}


def class_weights(config: Config, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """w⁺ and w⁻ of each class, (K,): by hand, or by a scheme from the counts of what an epoch shows.

    Raises:
        InputError: the weights by hand do not fit the classes, or are given twice or for another scheme.
    """
    cache = inputs.cache
    by_hand = {field: getattr(config, field) for field in ("positive_weights", "negative_weights")}
    if config.weights_csv and any(by_hand.values()):
        raise InputError("weights_csv: give the weights in the CSV or in the header, not in both")
    if config.class_weights != "by_hand":
        if config.weights_csv:
            raise InputError(f"weights_csv is read with --class_weights by_hand only, not {config.class_weights}")
        return losses.class_weights(
            config.class_weights, *inputs.counts(), config.max_weight, effective_beta=config.effective_beta
        )
    if config.weights_csv:
        read = read_class_values(config.weights_csv, cache.class_names, {"positive": None, "negative": 1.0})
        return read["positive"], read["negative"]
    classes = len(cache.class_names)
    by_hand["negative_weights"] = by_hand["negative_weights"] or (1.0,) * classes
    for field, weights in by_hand.items():
        if len(weights) != classes:
            raise InputError(
                f"{field}: {len(weights)} weights, but {cache.directory} has {classes} classes; give one for each, or "
                "--weights_csv with a CSV class,positive,negative"
            )
    return np.asarray(by_hand["positive_weights"]), np.asarray(by_hand["negative_weights"])


def refuse_soft_labels(config: Config, inputs: Inputs, parts: list[losses.LabelLoss]) -> None:
    """Stop where images are mixed with shares of their labels and a loss has no meaning for shares."""
    hard = [part.name for part in parts if not part.soft_labels]
    soft = inputs.images.labels.dtype.kind == "f"
    if not hard or (config.mixing == "off" and not soft):
        return
    source = f"mixing = {config.mixing}" if config.mixing != "off" else f"augmented = {', '.join(config.augmented)}"
    takers = [name for name, kind in losses.LOSSES.items() if kind.soft_labels]
    raise InputError(
        f"{source} makes shares of labels, which {' and '.join(hard)} cannot take; train without, or with one of "
        + ", ".join(takers)
    )
