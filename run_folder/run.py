"""The run that is read: its config, model and scores. A copied folder works without its cache."""

import shlex
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.arrays import read_npz
from common.errors import InputError
from common.labels import UNKNOWN
from data.batches.test_time_augmentation import Views
from data.images.preparation import Preparation
from data.labels.label_forms import SPLITS
from run_folder.config_checks import config_fault
from run_folder.layout import (
    CONFIG,
    FORMAT_VERSION,
    MODEL,
    START,
    Scores,
    TrainedOn,
    read_config,
    scores_mark,
    scores_path,
)
from run_folder.scored_run import ScoredRun

if TYPE_CHECKING:
    from keras import Model

AGAIN = "copy it again from where it was trained, or train again"


class Run(ScoredRun):
    """A finished run. Open it with `open_run`."""

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        super().__init__(directory, config)
        self.name, self.place = self.directory.resolve().name, str(self.directory)
        self.columns = [np.arange(len(self.class_names))]
        self.preparation: dict[str, Any] = self.cache["preparation"]

    @property
    def members(self) -> list["Run"]:
        return [self]

    @property
    def training_counts(self) -> np.ndarray:
        return np.asarray(self.cache["counts"]["train"]["positives"], dtype=np.int64)

    @property
    def smoothing(self) -> np.ndarray:
        return np.full(len(self.class_names), self.config.get("config", {}).get("label_smoothing", 0.0))

    @property
    def mixed(self) -> list[str]:
        mixing, soft = self.config.get("config", {}).get("mixing", "off"), self.config.get("soft_labels", ())
        return [f"mixing = {mixing}"] * (mixing != "off") + [f"augmented = {tag}" for tag in soft]

    @property
    def losses(self) -> set[str]:
        made = self.config.get("config", {})
        return {made.get("loss", "bce"), *(text.partition(":")[0] for text in made.get("extra_losses", ()))}

    @property
    def shown_rates(self) -> np.ndarray:
        return np.asarray(self.config.get("shown_rates", self.training_rates))

    @property
    def training_rates(self) -> np.ndarray:
        return self.training_counts / np.maximum(self.cache["counts"]["train"]["known"], 1)

    @property
    def warnings(self) -> list[str]:
        """Warnings of the run's start and of its cache."""
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
        return [split for split in SPLITS if scores_path(self.directory, split).exists()]

    def scores(self, split: str) -> Scores:
        """Return the stored scores of a split, after checks that they are of this split, cache and classes."""
        path = scores_path(self.directory, split)
        if not path.exists():
            raise InputError(f"{path} does not exist: this run stored no {split} scores")
        stored = read_npz(path, "train the run again")
        if missing := [name for name in ("ids", "scores", "labels") if name not in stored]:
            raise InputError(f"{path} lacks {', '.join(missing)}; train the run again")
        ids, scores, labels = stored["ids"], stored["scores"], stored["labels"]
        groups, hashes, mark = (stored.get(name) for name in ("groups", "hashes", "mark"))
        if mark is not None and str(mark) != scores_mark(self.cache, split):
            raise InputError(
                f"{path} holds scores of another cache, of other classes or of another split than {split}; copy it "
                "again from where the run was trained, or train again"
            )
        if ids.ndim != 1 or not scores.shape == labels.shape == (len(ids), len(self.class_names)):
            raise InputError(
                f"{path}: ids {ids.shape}, scores {scores.shape} and labels {labels.shape} do not fit "
                f"the run's {len(self.class_names)} classes"
            )
        kinds = ids.dtype.kind, scores.dtype.kind, labels.dtype
        if kinds != ("U", "f", np.uint8) or ((labels > 1) & (labels != UNKNOWN)).any():
            told = f"{ids.dtype}, {scores.dtype} and {labels.dtype}"
            wanted = "ids must be texts, scores fractions and labels 0, 1 or 255 (uint8)"
            raise InputError(f"{path}: {wanted}, not {told}; train the run again")
        for name, each in (("groups", groups), ("hashes", hashes)):
            if each is not None and each.shape != ids.shape:
                raise InputError(f"{path}: ids {ids.shape} and {name} {each.shape} do not fit; train the run again")
        return Scores(ids.tolist(), scores, labels, groups, hashes)

    def trained_on(self) -> TrainedOn:
        """The images that its weights were trained on, with those of the runs that it started from.

        Raises:
            InputError: a file of them is damaged.
        """
        found = [TrainedOn(*np.empty((3, 0), dtype=np.str_))]
        path = self.directory / START
        if path.exists():
            found.append(TrainedOn(**read_npz(path, AGAIN, ("ids", "hashes", "groups"))))
        if "train" in self.splits():
            own = self.scores("train")
            blank = np.full(len(own.ids), "")
            texts = (blank if each is None else each for each in (own.hashes, own.groups))
            found.append(TrainedOn(np.asarray(own.ids, dtype=np.str_), *texts))
        return TrainedOn(*(np.concatenate(each) for each in zip(*(vars(one).values() for one in found), strict=True)))

    def checked_preparation(self) -> Preparation:
        """What makes a model's pixels of files.

        Raises:
            InputError: config.json does not say it.
        """
        try:
            return Preparation.from_dict(self.preparation)
        except InputError as error:
            raise InputError(f"{self.directory / CONFIG}: {error}; {AGAIN}") from None

    def load_model(self) -> "Model":
        """The trained Keras model: uint8 (N, H, W, C) in, probabilities (N, K) float32 out.

        Raises:
            InputError: the file is missing or damaged, or not a model of the images and classes of config.json.
        """
        path, shape = self.directory / MODEL, self.checked_preparation().shape
        # Asked first, because Keras says of these that they were not found.
        if not zipfile.is_zipfile(path):
            state = "is not a whole Keras model" if path.is_file() and path.stat().st_size else "is missing or empty"
            raise InputError(f"{path} {state}; {AGAIN}")
        import keras

        import models  # noqa: F401  registers the layers of ours that a file may hold

        try:
            # In safe mode nothing that a stranger packed into the file is run, such as the code of a Lambda layer.
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        except MemoryError:
            raise
        except Exception as error:
            # What damage leads to depends on where it lies: ValueError, KeyError, TypeError, BadZipFile and others.
            reason = " ".join(str(error).split())
            raise InputError(f"{path} cannot be loaded ({reason[:200]}); {AGAIN}") from None
        # A model whose sides are None takes any size.
        fits = all(side in (None, given) for side, given in zip(model.input_shape[1:], shape, strict=True))
        if not fits or model.output_shape != (None, len(self.class_names)):
            seen, given = (" × ".join(map(str, sides)) for sides in (model.input_shape[1:], shape))
            raise InputError(
                f"{path} takes images of {seen} and knows {model.output_shape[-1]} classes, but {CONFIG} says {given} "
                f"and {len(self.class_names)} classes; copy both again from where they were trained, or train again"
            )
        return model


def open_run(run_dir: Path) -> Run:
    """Open a finished run.

    Raises:
        InputError: there is no run, it is unfinished, or another version of the toolkit wrote it.
    """
    run_dir = Path(run_dir)
    if not (run_dir / CONFIG).is_file():
        raise InputError(f"{run_dir} is not a run: it has no {CONFIG}. Train one: python train.py --run_dir {run_dir}")
    config = read_config(run_dir)
    if config.get("run_format") != FORMAT_VERSION:
        raise InputError(f"{run_dir}: run format {config.get('run_format')}, but this version reads {FORMAT_VERSION}")
    if fault := config_fault(config):
        raise InputError(f"{run_dir / CONFIG}: {fault}; restore the file or train again")
    if config.get("finished") is not True:
        raise InputError(f"{run_dir} is not finished; {_way_on(run_dir, config)}")
    return Run(run_dir, config)


def _way_on(run_dir: Path, config: dict[str, Any]) -> str:
    """How to go on with a run that is not finished: the command that began it, as far as it is known, with --resume."""
    script, *options = config.get("argv") or [""]
    if Path(script).name != "train.py":
        return "give the command that trained it again, with --resume"
    # One of the two is refused beside the other.
    options = [text for text in options if text not in ("--overwrite", "--resume")]
    if Path(config.get("config", {}).get("run_dir", run_dir)).resolve() != run_dir.resolve():
        options += ["--run_dir", str(run_dir)]  # it was moved, and the last one counts
    return f"to go on: {shlex.join(['python', script, *options, '--resume'])}"
