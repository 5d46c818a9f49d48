"""What a run does with images of several sizes: whether the model must take them, the smallest and the largest."""

from typing import Any

import models
from common.errors import InputError
from data.batches.test_time_augmentation import Views, check_scales, scaled_shape
from data.cache.cache import Cache
from training.config import Config


def input_shape(config: Config, cache: Cache, options: dict[str, Any]) -> tuple[int | None, int | None, int]:
    """The shape that the model is built for: the cache's, or None for sides of any size.

    A model that needs but one size is built for that, as its graph and its exports are simpler then; one with a pyramid
    always takes any size.

    Args:
        config: the header of train.py.
        cache: what it trains on.
        options: of the model, those that it has.

    Raises:
        InputError: a scale cannot be, the model takes one size only, or an image would be too small for it.
    """
    asked = _reasons(config, cache)
    channels = cache.image_shape[2]
    if not asked and not config.pyramid_levels:
        return cache.image_shape
    field = "extractor" if config.model == "hierarchical" else "model"
    network = getattr(config, field)
    if models.flattens(options):
        raise InputError(
            f"{', '.join(asked)}: {field} = {network} flattens its last maps, which takes images of one size; give "
            "--pyramid_levels 1 2 4 or --global_pooling"
        )
    least, smallest = models.least_side(network, config.backbone), smallest_shape(config, cache)
    if min(smallest[:2]) < least:
        raise InputError(
            f"{field} = {network} needs images of {least} pixels or more, not {smallest[0]} × {smallest[1]}, the "
            "smallest that the cache and the scales make; give larger scales, preprocess.py a larger size, or "
            f"--{field} cnn"
        )
    return None, None, channels


def smallest_shape(config: Config, cache: Cache) -> tuple[int, ...]:
    """The shape with the shortest side that the model will see, crops included."""
    views = Views(config.score_scales, config.score_views)
    seen = []
    for shape in cache.shapes:
        scored = scaled_shape(scaled_shape(shape, min(views.scales)), views.least_part)
        seen += [shape, scored, scaled_shape(shape, min(config.train_scales))]
    return min(seen, key=lambda shape: min(shape[:2]))


def largest_shape(config: Config, cache: Cache) -> tuple[int, ...]:
    """The shape with the most pixels that the model will train on."""
    shapes = [scaled_shape(shape, max(config.train_scales)) for shape in cache.shapes]
    return max(shapes, key=lambda shape: shape[0] * shape[1])


def messages(config: Config, cache: Cache) -> list[str]:
    """What sizes there are and what the scores are, in lines; nothing where all is plain."""
    messages = []
    if len(cache.shapes) > 1:
        shapes = ", ".join(f"{height} × {width}" for height, width, _ in cache.shapes)
        messages.append(f"Shapes: {shapes}; a batch has one of them")
    if config.train_scales != (1.0,):
        messages.append(f"Scales: {', '.join(f'{scale:g}' for scale in config.train_scales)}, an epoch each in turn")
    views = Views(config.score_scales, config.score_views)
    if views != Views():
        messages.append(f"Final scores: {views}; metrics of an epoch see each image once, as it is")
    return messages


def _reasons(config: Config, cache: Cache) -> list[str]:
    """What asks for a model that takes several sizes, by the names of the fields."""
    check_scales("train_scales", config.train_scales)
    views = Views(config.score_scales, config.score_views)
    asked = [name for name in ("train_scales", "score_scales") if getattr(config, name) != (1.0,)]
    if views.kind == "crops":
        asked.append("score_views = crops")
    if views.kind == "dihedral" and any(height != width for height, width, _ in cache.shapes):
        asked.append("score_views = dihedral of images that are not square")
    if len(cache.shapes) > 1:
        asked.append(f"{cache.directory}, whose images have several shapes")
    return asked
