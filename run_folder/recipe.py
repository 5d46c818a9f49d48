"""Which runs were trained by one recipe, so that they differ in the seed alone."""

from collections.abc import Sequence
from typing import Any

from run_folder.scored_run import ScoredRun

# Settings that say where a run lies or how it was started. The cache is known by its fingerprint instead of its folder.
NO_RECIPE = ("seed", "run_dir", "cache_dir", "overwrite", "resume", "checkpoint_minutes", "workers")


def by_recipe(runs: Sequence[ScoredRun]) -> list[list[ScoredRun]]:
    """Return the runs in groups that differ in the seed alone, in the order of their appearance.

    A run whose seed is not known, or whose seed a run of its group has already, is in a group of its own.
    """
    groups: list[list[ScoredRun]] = []
    for run in runs:
        for group in groups:
            if recipe(run) == recipe(group[0]) and seed(run) not in [None, *map(seed, group)]:
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def recipe(run: ScoredRun) -> dict[str, Any]:
    """All that made a run but its seed."""
    settings = {name: value for name, value in run.config.get("config", {}).items() if name not in NO_RECIPE}
    return {"settings": settings, "cache": run.cache.get("fingerprint"), "classes": run.class_names}


def seed(run: ScoredRun) -> int | None:
    return run.config.get("config", {}).get("seed")
