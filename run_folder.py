"""A run on disk: its config, model, scores and thresholds. A copied folder works without its cache."""

import copy
import hashlib
import json
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.class_values import read_class_values
from data.faults import InputError
from data.files import read_json, write_json, written_aside
from data.hierarchy import Tree, tree_of
from data.preparation import Preparation
from data.splits import SPLITS
from data.views import Views
from decision import Decision

FORMAT_VERSION = 1
CONFIG, MODEL, THRESHOLDS, HISTORY = "config.json", "model.keras", "thresholds.json", "history.csv"
LOCK, CHECKPOINT = ".lock", "checkpoint"  # held by the process that trains; written by training.checkpoint


@dataclass(frozen=True)
class Scores:
    """The scores of one split: ids (N,), probabilities (N, K) float32, labels (N, K) uint8 with 255 for unknown.

    `groups` are the names (N,) of the images' groups, empty for none; None where the run did not store them.
    """

    ids: list[str]
    scores: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None


class Run:
    """A finished run. Open it with `open_run`."""

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        self.directory = self.home = Path(directory)
        self.config = config
        self.cache: dict[str, Any] = config["cache"]  # what cache.json said
        self.class_names: list[str] = self.cache["class_names"]
        self.preparation: dict[str, Any] = self.cache["preparation"]
        self.report_dir = self.directory / "report"
        self.tree: Tree | None = tree_of(self.cache)  # whose nodes the class names are; None without one

    @property
    def name(self) -> str:
        """What a report calls it."""
        return self.home.resolve().name

    @property
    def place(self) -> str:
        """Where it lies, for messages."""
        return str(self.home)

    def elsewhere(self, directory: Path | None) -> "Run":
        """The same run with the thresholds of another folder; None for its own."""
        other = copy.copy(self)
        other.directory = Path(directory or self.directory)
        return other

    @property
    def members(self) -> list[dict[str, str]]:
        """The runs that thresholds are chosen for, by name and by a digest of what made each."""
        return [{"run": self.name, "digest": _digest(self.config)}]

    @property
    def class_ids(self) -> list[int]:
        """The ids of the classes, (K): their places among all classes, where the run knows only part of them."""
        names = self.cache.get("all_class_names", [])
        known = {name: place for place, name in enumerate(names)}
        if not set(self.class_names) <= set(known):
            return list(range(len(self.class_names)))
        return [known[name] for name in self.class_names]

    def words(self) -> list[str]:
        """What there is to say of how the scores came about, in lines."""
        return []

    @property
    def training_counts(self) -> np.ndarray:
        """Positive training rows a class, (K,) int64."""
        return np.asarray(self.cache["counts"]["train"]["positives"], dtype=np.int64)

    def class_rates(self, path: Path | None) -> tuple[np.ndarray, np.ndarray] | None:
        """The classes' rates in training and among new images, (K,) each, for `metrics.with_class_rates`.

        Args:
            path: a CSV with the columns class and rate, a share from 0 to 1; None for no other rates.

        Raises:
            InputError: the CSV is not that; each fault is named with its line.
        """
        if path is None:
            return None
        if self.tree:
            raise InputError("class_rates: scores over a tree of labels are not corrected, as its nodes would part")
        return self.shown_rates, read_class_values(path, self.class_names, {"rate": None}, highest=1.0)["rate"]

    @property
    def losses(self) -> set[str]:
        """The names of the losses that it was trained with."""
        made = self.config.get("config", {})
        return {made.get("loss", "bce"), *(text.partition(":")[0] for text in made.get("extra_losses", ()))}

    @property
    def shown_rates(self) -> np.ndarray:
        """Share of positives among the labels that an epoch showed, with all sampling, (K,) float64."""
        return np.asarray(self.config.get("shown_rates", self.training_rates))

    @property
    def training_rates(self) -> np.ndarray:
        """Share of positives among the training rows whose label is known, (K,) float64."""
        return self.training_counts / np.maximum(self.cache["counts"]["train"]["known"], 1)

    @property
    def warnings(self) -> list[str]:
        """Why the scores of val and test images may look too good: warnings of the run's start and of its cache."""
        found = list(self.config.get("warnings", ()))
        if parted := self.cache.get("parted"):
            found.append(
                f"{parted:,} images lie in another split than images that they belong with (duplicates, or of one "
                "group), which on_leak = warn accepted when the cache was made"
            )
        given_away = self.cache.get("giveaways", ())
        return found + [each["text"] for each in given_away if each["class"] in self.class_names]

    @property
    def views(self) -> Views:
        """The views of an image whose mean the stored scores are, and so those of every image that is predicted."""
        made = self.config.get("config", {})
        return Views(tuple(made.get("score_scales", (1.0,))), made.get("score_views", "one"))

    def splits(self) -> list[str]:
        """The splits whose scores are stored, in the order train, val, test."""
        return [split for split in SPLITS if scores_path(self.directory, split).exists()]

    def scores(self, split: str) -> Scores:
        """The stored scores of a split.

        Raises:
            InputError: they are missing, damaged, or not of this run's classes.
        """
        path = scores_path(self.directory, split)
        if not path.exists():
            raise InputError(f"{path} does not exist: this run stored no {split} scores")
        try:
            with np.load(path, allow_pickle=False) as stored:
                ids, scores, labels = stored["ids"], stored["scores"], stored["labels"]
                groups = stored.get("groups")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} cannot be read ({error}); train the run again") from None
        if scores.shape != labels.shape or scores.shape != (len(ids), len(self.class_names)):
            raise InputError(
                f"{path}: ids {ids.shape}, scores {scores.shape} and labels {labels.shape} do not fit "
                f"the run's {len(self.class_names)} classes"
            )
        if groups is not None and groups.shape != ids.shape:
            raise InputError(f"{path}: ids {ids.shape} and groups {groups.shape} do not fit; train the run again")
        return Scores(ids.tolist(), scores, labels, groups)

    @property
    def has_thresholds(self) -> bool:
        return (self.directory / THRESHOLDS).exists()

    def thresholds(self) -> np.ndarray:
        """The tuned thresholds, (K,) float64, in the order of the classes.

        Raises:
            InputError: thresholds.json is missing, is of other runs that were joined, names other classes, or holds
                something else than numbers 0 to 1.
        """
        path = self.directory / THRESHOLDS
        if others := self.thresholds_of_others:
            why = "which were trained again since" if others == self.name else f"not of {self.name}"
            raise InputError(f"{path} holds the thresholds of {others}, {why}; run thresholds.py on these runs")
        stored = read_json(path)
        values = stored.get("thresholds") if isinstance(stored, dict) else None
        if not isinstance(values, dict) or set(values) != set(self.class_names):
            raise InputError(
                f"{path}: it must hold one threshold for each of the run's classes; run thresholds.py again"
            )
        for name, value in values.items():
            # Just above 1 means that the class is never predicted.
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1.000001:
                raise InputError(f"{path}, class {name}: {value!r} is not a threshold; it must be a number from 0 to 1")
        return np.array([values[name] for name in self.class_names], dtype=np.float64)

    def decision(self) -> Decision:
        """How classes are predicted: `thresholds`, and whether at least one is.

        Raises:
            InputError: as for `thresholds`, or thresholds.json says something else than yes or no.
        """
        thresholds = self.thresholds()
        at_least_one = (self._thresholds_file() or {}).get("at_least_one", False)
        if not isinstance(at_least_one, bool):
            path = self.directory / THRESHOLDS
            raise InputError(f"{path}: at_least_one is {at_least_one!r}; it must be true or false")
        return Decision(thresholds, at_least_one)

    def save_thresholds(
        self, thresholds: np.ndarray, method: str, details: dict[str, Any], at_least_one: bool = False
    ) -> Path:
        """Write thresholds.json: (K,) thresholds by class name, the rest of the decision, the method, and what else is
        worth keeping."""
        path = self.directory / THRESHOLDS
        named = dict(zip(self.class_names, map(float, thresholds), strict=True))
        decided = {"thresholds": named, "at_least_one": at_least_one}
        made = {"method": method, **decided, "digest": _decision_digest(decided)}
        write_json(path, {**made, "runs": self.members, **details})
        return path

    @property
    def thresholds_of_others(self) -> str:
        """The names of the runs that thresholds.json is for, if they are not these; else nothing."""
        stored = self._thresholds_file()
        runs = stored.get("runs") if stored else None
        if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
            return ""
        digests = sorted(str(run.get("digest")) for run in runs)
        ours = sorted(member["digest"] for member in self.members)
        return "" if digests == ours else " + ".join(str(run.get("run")) for run in runs)

    @property
    def thresholds_edited(self) -> bool:
        """Whether thresholds.json is there and does not hold what `save_thresholds` wrote."""
        stored = self._thresholds_file()
        return self.has_thresholds and (not stored or stored.get("digest") != _decision_digest(stored))

    def _thresholds_file(self) -> dict[str, Any] | None:
        """What thresholds.json holds; None where it is missing or damaged."""
        try:
            stored = read_json(self.directory / THRESHOLDS)
        except InputError:
            return None
        return stored if isinstance(stored, dict) else None

    def load_model(self) -> Any:
        """The trained Keras model: uint8 (N, H, W, C) in, probabilities (N, K) float32 out.

        Raises:
            InputError: the file is missing or damaged, or not a model of the images and classes of config.json.
        """
        path, again = self.directory / MODEL, "copy it again from where it was trained, or train again"
        try:
            shape = Preparation.from_dict(self.preparation).shape
        except InputError as error:
            raise InputError(f"{self.directory / CONFIG}: {error}; {again}") from None
        # Asked first, because Keras says of these that they were not found.
        if not zipfile.is_zipfile(path):
            state = "is not a whole Keras model" if path.is_file() and path.stat().st_size else "is missing or empty"
            raise InputError(f"{path} {state}; {again}")
        import keras

        import models  # noqa: F401  registers the layers of ours that a file may hold

        try:
            model = keras.models.load_model(path, compile=False)
        except MemoryError:
            raise
        except Exception as error:
            # What damage leads to depends on where it lies: ValueError, KeyError, TypeError, BadZipFile and others.
            reason = " ".join(str(error).split())
            raise InputError(f"{path} cannot be loaded ({reason[:200]}); {again}") from None
        # A model whose sides are None takes any size.
        fits = all(side in (None, given) for side, given in zip(model.input_shape[1:], shape, strict=True))
        if not fits or model.output_shape != (None, len(self.class_names)):
            seen, given = (" × ".join(map(str, sides)) for sides in (model.input_shape[1:], shape))
            raise InputError(
                f"{path} takes images of {seen} and knows {model.output_shape[-1]} classes, but {CONFIG} says {given} "
                f"and {len(self.class_names)} classes; copy both again from where they were trained, or train again"
            )
        return model


def scores_path(run_dir: Path, split: str) -> Path:
    return Path(run_dir) / "scores" / f"{split}.npz"


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
    content = {"scores": scores.astype(np.float32), "labels": labels.astype(np.uint8), **named}
    with written_aside(scores_path(run_dir, split)) as aside:
        np.savez(aside, ids=np.asarray(ids, dtype=np.str_), **content)


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
    config = _read_config(run_dir)
    write_json(Path(run_dir) / CONFIG, {**config, "resumed": [*config.get("resumed", ()), record]})


def finish_run(run_dir: Path) -> None:
    """Mark the run as whole; later scripts refuse it before that."""
    write_json(Path(run_dir) / CONFIG, {**_read_config(run_dir), "finished": True})


def open_run(run_dir: Path) -> Run:
    """Open a finished run.

    Raises:
        InputError: there is no run, it is unfinished, or another version of the toolkit wrote it.
    """
    run_dir = Path(run_dir)
    if not (run_dir / CONFIG).is_file():
        raise InputError(f"{run_dir} is not a run: it has no {CONFIG}. Train one: python train.py --run_dir {run_dir}")
    config = _read_config(run_dir)
    if config.get("run_format") != FORMAT_VERSION:
        raise InputError(f"{run_dir}: run format {config.get('run_format')}, but this version reads {FORMAT_VERSION}")
    if not config.get("finished"):
        raise InputError(f"{run_dir} is not finished; give the command that trained it again, with --resume")
    if not isinstance(config.get("cache"), dict) or not {"class_names", "preparation", "counts"} <= set(
        config["cache"]
    ):
        raise InputError(f"{run_dir / CONFIG} lacks the description of its cache; restore the file or train again")
    return Run(run_dir, config)


def _decision_digest(stored: dict[str, Any]) -> str:
    """A digest of what a person may edit in thresholds.json; without at_least_one, that of the thresholds alone."""
    thresholds, at_least_one = stored.get("thresholds"), stored.get("at_least_one", False)
    return _digest([thresholds, at_least_one] if at_least_one is not False else thresholds)


def _digest(content: Any) -> str:
    """A digest of thresholds or of a config, by which another one is known, however its file is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _of_beginning(name: str) -> bool:
    """Whether a file is all that a run leaves that is killed as it begins."""
    return name == LOCK or name.startswith(f".{Path(CONFIG).stem}.")


def _run_config(run_dir: Path) -> dict[str, Any] | None:
    """What the folder's config.json says; None where it is no run's, as other programs write such files too."""
    try:
        config = read_json(run_dir / CONFIG)
    except (InputError, OSError):
        return None
    return config if isinstance(config, dict) and "run_format" in config else None


def _read_config(run_dir: Path) -> dict[str, Any]:
    config = read_json(Path(run_dir) / CONFIG)
    if not isinstance(config, dict):
        raise InputError(f"{Path(run_dir) / CONFIG} does not hold a run's config; restore the file or train again")
    return config
