"""The folder that training writes: made for a run that starts, filled with scores, marked whole at the end."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from common.files import read_json, write_json, written_aside
from run_folder.layout import (
    CHECKPOINT,
    CONFIG,
    FORMAT_VERSION,
    LOCK,
    START,
    TrainedOn,
    read_config,
    scores_mark,
    scores_path,
)


def write_scores(
    run_dir: Path,
    split: str,
    ids: list[str],
    scores: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str] | None = None,
    hashes: Sequence[str] | None = None,
) -> None:
    """Store the scores of a split.

    Args:
        ids: (N,). scores: probabilities (N, K). labels: (N, K) uint8 with 255 for unknown.
        groups: (N,) names of the images' groups, empty for none; not stored where no image has any.
        hashes: (N,) sha1 of the images' files; not stored where they are not known.
    """
    texts = {"groups": groups, "hashes": hashes}
    named = {name: np.asarray(each, dtype=np.str_) for name, each in texts.items() if each is not None and any(each)}
    mark = scores_mark(read_config(run_dir)["cache"], split)
    content = {"scores": scores.astype(np.float32), "labels": labels.astype(np.uint8), "mark": np.str_(mark), **named}
    with written_aside(scores_path(run_dir, split)) as aside:
        np.savez(aside, ids=np.asarray(ids, dtype=np.str_), **content)


def write_start(run_dir: Path, trained: TrainedOn) -> None:
    """Store what the weights were trained on that a run starts from, so that later runs know it from this one alone."""
    with written_aside(Path(run_dir) / START) as aside:
        np.savez(aside, **{name: np.asarray(each, dtype=np.str_) for name, each in vars(trained).items()})


def check_free(run_dir: Path, overwrite: bool) -> bool:
    """Whether a folder that a run is to fill holds an earlier run, which is to be replaced.

    Raises:
        InputError: it holds a run and `overwrite` is off, or holds something that is not a run.
    """
    run_dir = Path(run_dir)
    if not run_dir.exists() or (run_dir.is_dir() and all(_of_beginning(path.name) for path in run_dir.iterdir())):
        return False
    found = _run_config(run_dir)
    if found is None:
        raise InputError(f"{run_dir} exists and is not a run; choose another run_dir")
    if not overwrite:
        if found.get("finished"):
            raise InputError(f"{run_dir} holds a finished run; give --overwrite to replace it, or another --run_dir")
        raise InputError(
            f"{run_dir} holds a run that did not finish; give --resume to go on with it, --overwrite to replace it, or "
            "another --run_dir"
        )
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
    earlier = [*run_dir.iterdir()] if check_free(run_dir, overwrite) else []
    run_dir.mkdir(parents=True, exist_ok=True)
    # A kill between these must leave neither a run that looks finished nor old checkpoints under a new config.
    shutil.rmtree(run_dir / CHECKPOINT, ignore_errors=True)
    write_json(run_dir / CONFIG, {"run_format": FORMAT_VERSION, "finished": False, **config})
    for path in earlier:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (CONFIG, LOCK):
            path.unlink(missing_ok=True)


def unfinished_config(run_dir: Path) -> dict[str, Any] | None:
    """What config.json says of a run that may be finished or not; None where there is no run."""
    return _run_config(Path(run_dir))


def resume_run(run_dir: Path, record: dict[str, Any]) -> None:
    """Note in config.json that the run goes on: when, and with which versions."""
    config = read_config(run_dir)
    write_json(Path(run_dir) / CONFIG, {**config, "resumed": [*config.get("resumed", ()), record]})


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


def _of_beginning(name: str) -> bool:
    """Whether a file is all that a run leaves that is killed as it begins."""
    return name == LOCK or name.startswith(f".{Path(CONFIG).stem}.")
