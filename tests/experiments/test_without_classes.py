"""The figures of a run without a class, against scikit-learn on the columns that are left."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from experiments import without_classes


def test_the_other_classes_are_judged_as_if_there_were_none_beside_them(tmp_path):
    random, run = np.random.default_rng(2), tmp_path / "run"
    labels, scores = random.integers(0, 2, (40, 3)).astype(np.uint8), random.random((40, 3)).astype(np.float32)
    (run / "scores").mkdir(parents=True)
    np.savez(run / "scores" / "test.npz", labels=labels, scores=scores)
    thresholds = {"Golgi": 0.3, "Rods": 0.5, "Cytosol": 0.6}
    (run / "thresholds.json").write_text(json.dumps({"thresholds": thresholds}), encoding="utf-8")
    labels, called = labels[:, [0, 2]], scores[:, [0, 2]] >= [0.3, 0.6]
    assert without_classes.figures(run, {"Rods"}) == pytest.approx((
        average_precision_score(labels, scores[:, [0, 2]], average="macro"),
        f1_score(labels, called, average="macro"),
        (labels == called).all(axis=1).mean(),
    ))  # fmt: skip
    with pytest.raises(ValueError, match="has not all of the classes Nucleus"):
        without_classes.figures(run, {"Nucleus"})
