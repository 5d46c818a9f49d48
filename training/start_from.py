"""Starting from an earlier run's weights, also where its classes were others."""

import re
from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np

from common.errors import InputError
from data.cache.cache import Cache
from data.tables.spreadsheet import some
from models.scaling import scaling_of, take_up_weights
from run_folder import Run

WAY_OUT = "train with the same model and options as that run, or without start_from"


def check_images(run: Run, cache: Cache) -> list[str]:
    """Whether the run saw images like the cache's.

    Returns:
        Warnings of a preparation that differs in what does not change the shape, and of ids that may be misleading.

    Raises:
        InputError: their shape or channels differ.
    """
    there, here = ((list(meta["image_shape"]), list(meta["channels"])) for meta in (run.cache, cache.meta))
    if there != here:
        seen, given = (f"{' × '.join(map(str, shape))} ({', '.join(names)})" for shape, names in (there, here))
        raise InputError(
            f"start_from {run.directory} was trained on images of {seen}, but {cache.directory} has {given}; "
            "make the cache with the same size and channels"
        )
    warnings = []
    stored, prepared = run.preparation, cache.meta["preparation"]
    if differing := [name for name in prepared if stored.get(name) != prepared[name]]:
        changes = ", ".join(f"{name} was {stored.get(name)}, is {prepared[name]}" for name in differing)
        warnings.append(f"{run.directory} was trained on images that were prepared in another way: {changes}")
    trained = run.trained_on()
    known, hashes = set(trained.ids[trained.hashes != ""]), set(trained.hashes)
    renewed = [row["id"] for row in _evaluated(cache) if row["id"] in known and row["sha1"] not in hashes]
    if renewed:
        warnings.append(
            f"{len(renewed):,} val or test images have the id of a training image of {run.directory}, but other bytes "
            f"({some(renewed)}); if they are the same images, saved again, their scores will look too good"
        )
    return warnings


def images_seen(run: Run, cache: Cache) -> list[str]:
    """Warnings of rows that the run, or one that it started from, was trained on and the cache keeps for evaluation.

    An image is known by the bytes of its file, whatever its name and its size in a cache, and by its group. Of runs
    that stored no hashes only the ids can be compared.
    """
    warnings = [f"{run.directory}: {text}" for text in run.warnings]
    trained = run.trained_on()
    hashes, groups = set(trained.hashes) - {""}, set(trained.groups) - {""}
    unhashed = set(trained.ids[trained.hashes == ""])
    same, related, named = [], [], []
    for row in _evaluated(cache):
        if row["sha1"] in hashes:
            same.append(row["id"])
        elif row["id"] in unhashed:
            named.append(row["id"])
        elif row["group"] in groups:
            related.append(row["id"])
    for seen, images, limits in (
        (same, "", ""),
        (named, "", " (only ids could be compared, as it stored no hashes of its images)"),
        (related, "other images of the groups of ", ""),
    ):
        text = f"was trained on {images}{len(seen):,} images that are val or test here ({some(seen)})"
        if seen and not any(text in before for before in run.warnings):  # of the run that it started from
            warnings.append(
                f"{run.directory} {text}, so their scores will look too good{limits}; preprocess.py --keep_split_from "
                "keeps them in train"
            )
    return warnings


def _evaluated(cache: Cache) -> list[dict[str, str]]:
    """The rows of index.csv outside train."""
    return [row for row in cache.index if row["split"] != "train"]


def scaling(run: Run) -> dict[str, list[float]]:
    """Return the mean and standard deviation per channel by which the run's model scales its pixels.

    These are the model's own: those of its cache, of pretrained weights, or of the run that it started from.

    Raises:
        InputError: the model scales its pixels in the way of an earlier version of this toolkit.
    """
    model = run.load_model()
    try:
        return scaling_of(model)
    except (TypeError, KeyError, ValueError):
        raise InputError(
            f"start_from {run.directory}: its model does not scale pixels as today's models do; train it again"
        ) from None


def take_over(model: keras.Model, run: Run, class_names: Sequence[str]) -> str:
    """Give a new model the weights of an earlier run: layers in their order, outputs by the names of their classes.

    Args:
        model: of logits (N, K), as `models.build` gives; changed in place.
        run: the earlier run.
        class_names: K names, the model's outputs.

    Returns:
        What was taken over, in a line.

    Raises:
        InputError: the run's model has other layers, or layers of other shapes.
    """
    if run.tree and run.class_names != list(class_names):
        raise InputError(
            f"start_from {run.directory} was trained over a tree of labels; go on with --model hierarchical and "
            "a tree of the same nodes"
        )
    old = run.load_model()
    before, now = ([layer for layer in each.layers if layer.weights] for each in (old, model))
    # Keras numbers the layers that have no name of their own through all models of a process.
    names = [[re.sub(r"_\d+$", "", layer.name) for layer in each] for each in (before, now)]
    if names[0] != names[1]:
        there, here = map(Counter, names)
        only = [f"{name} only there" for name in there - here] + [f"{name} only here" for name in here - there]
        apart = some(only) or "in another order"
        raise InputError(f"start_from {run.directory} has another architecture: layers {apart}; {WAY_OUT}")
    wanted = []
    for layer, source in zip(now, before, strict=True):
        fresh, stored = layer.get_weights(), source.get_weights()
        if layer.name == "logits" and run.class_names != list(class_names):
            stored = [
                _by_class(one, other, run.class_names, class_names) for one, other in zip(stored, fresh, strict=False)
            ]
        shapes = [[tuple(array.shape) for array in arrays if array is not None] for arrays in (stored, fresh)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"start_from {run.directory} has another architecture: layer {layer.name} holds {shapes[0]} there, "
                f"{shapes[1]} here; {WAY_OUT}"
            )
        wanted.append(stored)
    for layer, arrays in zip(now, wanted, strict=True):
        layer.set_weights(arrays)
    take_up_weights(model)
    return _message(run, class_names, len(now))


def _by_class(stored: np.ndarray, fresh: np.ndarray, before: Sequence[str], now: Sequence[str]) -> np.ndarray | None:
    """The fresh array with the stored values of the classes that both know, along the last axis."""
    if stored.shape[:-1] != fresh.shape[:-1] or stored.shape[-1:] != (len(before),) or fresh.shape[-1:] != (len(now),):
        return None
    kept = [name for name in now if name in set(before)]
    result = fresh.copy()
    result[..., [now.index(name) for name in kept]] = stored[..., [before.index(name) for name in kept]]
    return result


def _message(run: Run, class_names: Sequence[str], layers: int) -> str:
    added = [name for name in class_names if name not in run.class_names]
    dropped = [name for name in run.class_names if name not in class_names]
    text = f"Started from {run.directory}: {layers} layers, outputs of {len(class_names) - len(added)} classes"
    if added:
        text += f"; {len(added)} new classes start fresh ({some(added)})"
    if dropped:
        text += f"; {len(dropped)} classes dropped ({some(dropped)})"
    return text
