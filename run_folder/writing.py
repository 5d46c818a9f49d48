"""The folder that training writes: made for a run that starts, filled with scores, marked whole at the end."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.faults import InputError
from data.files import read_json, write_json, written_aside
from run_folder.layout import CONFIG, FORMAT_VERSION, read_config, scores_mark, scores_path


def write_scores(
    run_dir: Path,
    split: str,
    ids: list[str],
    scores: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str] | None = None,
) -> None:
    """Store the scores of a split.

    Args:
        ids: (N,). scores: probabilities (N, K). labels: (N, K) uint8 with 255 for unknown.
        groups: (N,) names of the images' groups, empty for none; not stored where no image has any.
    """
    named = {} if groups is None or not any(groups) else {"groups": np.asarray(groups, dtype=np.str_)}
    mark = scores_mark(read_config(run_dir)["cache"], split)
    content = {"scores": scores.astype(np.float32), "labels": labels.astype(np.uint8), "mark": np.str_(mark), **named}
    with written_aside(scores_path(run_dir, split)) as aside:
        np.savez(aside, ids=np.asarray(ids, dtype=np.str_), **content)


def check_free(run_dir: Path, overwrite: bool) -> bool:
    """Whether a folder that a run is to fill holds an earlier run, which is to be replaced.

    Raises:
        InputError: it holds a run and `overwrite` is off, or holds something that is not a run.
    """
    run_dir = Path(run_dir)
    if not run_dir.exists() or (run_dir.is_dir() and not any(run_dir.iterdir())):
        return False
    found = _run_config(run_dir)
    if found is None:
        raise InputError(f"{run_dir} exists and is not a run; choose another run_dir")
    if not overwrite:
        state = "a finished run" if found.get("finished") else "a run that did not finish"
        raise InputError(f"{run_dir} holds {state}; give --overwrite to replace it, or another --run_dir")
    return True


def create_run(run_dir: Path, config: dict[str, Any], overwrite: bool) -> None:
    """Make the folder of a run that starts; `finish_run` marks it whole.

    Args:
        run_dir: the folder.
        config: `header.record`'s dict with the cache's description under "cache".
        overwrite: whether an earlier run in this folder is replaced.

    Raises:
        InputError: as for `check_free`.
    """
    run_dir = Path(run_dir)
    if check_free(run_dir, overwrite):
        shutil.rmtree(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    write_json(run_dir / CONFIG, {"run_format": FORMAT_VERSION, "finished": False, **config})


def finish_run(run_dir: Path) -> None:
    """Mark the run as whole; later scripts refuse it before that."""
    write_json(Path(run_dir) / CONFIG, {**read_config(run_dir), "finished": True})


def _run_config(run_dir: Path) -> dict[str, Any] | None:
    """What the folder's config.json says; None where it is no run's, as other programs write such files too."""
    try:
        config = read_json(run_dir / CONFIG)
    except (InputError, OSError):
        return None
    return config if isinstance(config, dict) and "run_format" in config else None
