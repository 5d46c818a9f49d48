"""What of a cache a run is about: its classes, folds and tree, and the rows of each split."""

import numpy as np

from common.errors import InputError
from data.cache import cache as caches
from data.cache import cache_subset, partition
from data.cache.cache import Cache
from data.labels import hierarchy
from data.labels.label_forms import SPLITS
from training.config import Config


def viewed(config: Config) -> tuple[Cache, list[str]]:
    """The cache with the classes, folds and tree that the header asks for, and what was chosen, in lines.

    Raises:
        InputError: there is no such cache, fold, class or tree, or a tree is asked for that the model does not know.
    """
    cache = caches.open_cache(config.cache_dir)
    cache, messages = partition.part_of(cache, config.classes, config.large_from, config.fold)
    if config.model != "hierarchical":
        if config.hierarchy:
            raise InputError(
                f"hierarchy = {config.hierarchy}: model = {config.model} knows no tree; give --model hierarchical "
                f"--extractor {config.model}"
            )
        return cache, messages
    if config.hierarchy is None:
        raise InputError(
            "model = hierarchical needs a tree: give --hierarchy and a CSV with the columns class and parent; "
            "data/hpa_hierarchy.csv is that of the Human Protein Atlas"
        )
    if config.classes != ("all",):
        raise InputError(
            f"classes = {', '.join(config.classes)}: a tree needs all classes, because a node is positive where any "
            "class below it is; give --classes all"
        )
    cache = cache_subset.with_tree(cache, config.hierarchy)
    return cache, [*messages, hierarchy.tree_of(cache.meta).message()]


def usable_rows(config: Config, cache: Cache) -> dict[str, np.ndarray]:
    """The cache positions of each split.

    Raises:
        InputError: train or val has no image with a label, so nothing can be learnt or no best epoch chosen.
    """
    rows = {split: cache.rows(split) for split in SPLITS}
    for split in ("train", "val"):
        if not (cache.labels[rows[split]] == 1).any():
            raise InputError(
                f"{config.cache_dir}: its {split} split has no image with a label of its classes, so there is nothing "
                f"to {'learn' if split == 'train' else 'choose the best epoch by'}; give preprocess.py other fractions"
            )
    return rows
