"""The models of one or more runs as one: pixels in, combined probabilities out."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.errors import InputError
from data.batches.test_time_augmentation import Views
from run_folder.ensemble_scores import combine
from run_folder.scored_run import ScoredRun

if TYPE_CHECKING:
    from keras import Model


class Predictor:
    """The models of one or more runs, each loaded once: pixels in, combined probabilities out.

    Attributes:
        preparations: the different ways in which the runs prepare an image, P of them.
        models: R Keras models.

    Raises:
        InputError: a model cannot be loaded, or the runs take other channels, which no one image has.
    """

    def __init__(self, run: ScoredRun) -> None:
        self._run, runs = run, run.members
        prepared = [each.checked_preparation() for each in runs]
        for each, preparation in zip(runs, prepared, strict=True):
            files, first = (
                f"{', '.join(one.channel_names)}{one.pattern and f' ({one.pattern})'}"
                for one in (preparation, prepared[0])
            )
            if files != first:
                raise InputError(f"{each.directory} takes the channels {files}, but {runs[0].directory} takes {first}")
        self.preparations = list(dict.fromkeys(prepared))
        self._ways = [self.preparations.index(preparation) for preparation in prepared]
        self.models = [each.load_model() for each in runs]
        if len(runs) > 1:
            # TensorFlow takes the models, each compiled once, for one that is compiled again and again, and warns.
            logging.getLogger("tensorflow").setLevel(logging.ERROR)

    def messages(self) -> list[str]:
        """Return a line per run with test-time augmentation."""
        runs = self._run.members
        return [f"Scores of {run.directory}: {run.views}, as in its own" for run in runs if run.views != Views()]

    def score(self, images: Sequence[Sequence[np.ndarray]], batch_size: int) -> np.ndarray:
        """Return probabilities (n, K) float32 of n images, each given in all P ways, (H, W, C) uint8 of any sides."""
        members = zip(self._run.members, self._run.columns, self.models, self._ways, strict=True)
        given = (
            (range(len(images)), columns, _scored(model, run.views, [ways[way] for ways in images], batch_size))
            for run, columns, model, way in members
        )
        return combine((len(images), len(self._run.class_names)), given)[0].astype(np.float32)


def _scored(model: "Model", views: Views, images: Sequence[np.ndarray], batch_size: int) -> np.ndarray:
    """Return the mean over the views of a model's probabilities, in the images' order."""
    from data.batches.batches import probabilities

    shapes: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        shapes.setdefault(image.shape, []).append(index)
    scores = np.zeros((len(images), model.output_shape[-1]))
    for rows in shapes.values():
        # Filled up to a power of two, so that shapes with few images cost little and few graphs are compiled.
        size = batch_size if len(shapes) == 1 else min(batch_size, 1 << (len(rows) - 1).bit_length())
        batches = (np.stack([images[row] for row in rows[first : first + size]]) for first in range(0, len(rows), size))
        scores[rows] = probabilities(model, batches, size, views, logits=False)
    return scores
