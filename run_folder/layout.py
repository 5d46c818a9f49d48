"""The files of a run's folder, and the scores that lie there."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from common.files import read_json

FORMAT_VERSION = 1
CONFIG, MODEL, THRESHOLDS, HISTORY = "config.json", "model.keras", "thresholds.json", "history.csv"
START = "start.npz"  # what the runs before were trained on, whose weights this one started from
LOCK, CHECKPOINT = ".lock", "checkpoint"  # held by the process that trains; written by training.checkpoint


@dataclass(frozen=True)
class Scores:
    """The scores of one split: ids (N,), probabilities (N, K) float32, labels (N, K) uint8 with 255 for unknown.

    `groups` are the names (N,) of the images' groups, empty for none; None where the run did not store them. `hashes`
    are the sha1 (N,) of the files' bytes, as the cache's index.csv has them; None where the run is older than these.
    """

    ids: list[str]
    scores: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None
    hashes: np.ndarray | None = None

    @property
    def digests(self) -> dict[str, str]:
        """Image id → sha1 of its file, if it is known."""
        hashes = [] if self.hashes is None else self.hashes.tolist()
        return {name: digest for name, digest in zip(self.ids, hashes, strict=False) if digest}


@dataclass(frozen=True)
class TrainedOn:
    """Images that weights were trained on, (N,) texts each: ids, sha1 of the files' bytes and groups.

    Hashes and groups are empty where they are not known.
    """

    ids: np.ndarray
    hashes: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class TestFold:
    """Test images that the same runs score: their ids, and each class's share of positives in what those trained on.

    `rates` are (K,) float64.
    """

    __test__ = False  # pytest takes what is called Test for tests

    ids: frozenset[str]
    rates: np.ndarray


def scores_path(run_dir: Path, split: str) -> Path:
    return Path(run_dir) / "scores" / f"{split}.npz"


def scores_mark(cache: Mapping[str, Any], split: str) -> str:
    """A digest that the scores of a split carry: of its name, of the cache's state, and of the classes in their order.

    Args:
        cache: what the run's config says of its cache.
    """
    return digest([split, cache.get("fingerprint"), cache["class_names"]])


def digest(content: object) -> str:
    """A digest of thresholds or of a config, by which another one is known, however its file is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_config(run_dir: Path) -> dict[str, Any]:
    """What config.json says.

    Raises:
        InputError: it is missing or not a run's.
    """
    config = read_json(Path(run_dir) / CONFIG)
    if not isinstance(config, dict):
        raise InputError(f"{Path(run_dir) / CONFIG} does not hold a run's config; restore the file or train again")
    return config
