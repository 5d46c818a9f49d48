"""Runs whose scores follow the labels of a cache, without a model: what a report needs and no more."""

from pathlib import Path

import numpy as np
import pytest

import run_folder
from data.cache.cache import open_cache


def scored_run(
    directory: Path,
    cache_dir: Path,
    names: list[str] | None = None,
    not_in_cache: tuple[str, ...] = (),
    settings: dict | None = None,
) -> Path:
    """A finished run on a cache with tuned thresholds; `not_in_cache` are more test images, of the first class."""
    cache, generator = open_cache(cache_dir), np.random.default_rng(0)
    names = names or cache.class_names
    config = {"cache_dir": str(cache_dir), **(settings or {})}
    run_folder.create_run(directory, {"cache": {**cache.meta, "class_names": names}, "config": config}, overwrite=False)
    for split in ("train", "val", "test"):
        rows = cache.rows(split)
        ids, labels = [cache.ids[row] for row in rows], cache.labels[rows]
        if split == "test":
            ids = [*ids, *not_in_cache]
            labels = np.concatenate([labels, np.eye(1, len(names), dtype=np.uint8).repeat(len(not_in_cache), axis=0)])
        scores = np.clip(generator.normal(0.3 + 0.4 * (labels == 1), 0.2), 0.001, 0.999)
        scores[len(rows) :] = 0.9999
        run_folder.write_scores(directory, split, ids, scores, labels)
    run_folder.finish_run(directory)
    run_folder.open_run(directory).save_thresholds(np.full(len(names), 0.55), "per_class", {})
    return directory


@pytest.fixture(scope="session", name="scored_run")
def scored_run_fixture():
    return scored_run
