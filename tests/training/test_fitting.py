"""How a run is fitted, and what it leaves behind for the scripts that follow."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import losses
import run_folder
from training import fitting


def test_scores_are_stored_with_the_groups_and_hashes_of_their_images(tmp_path, monkeypatch):
    labels = np.eye(4, 2, dtype=np.uint8)
    groups = "", "plate 1", "plate 2", "plate 1"
    index = [{"group": name, "sha1": f"hash {place}"} for place, name in enumerate(groups)]
    cache = SimpleNamespace(ids=list("abcd"), index=index, labels=labels)
    config = SimpleNamespace(run_dir=Path(tmp_path), batch_size=2, score_scales=(1.0,), score_views="one")
    monkeypatch.setattr(fitting, "row_probabilities", lambda model, cache, places, size, views: labels[places] / 2)
    rows = {"train": np.array([0]), "val": np.array([], dtype=np.int64), "test": np.array([3, 2])}
    described = {"cache": {"class_names": ["x", "y"], "preparation": {}}}
    run_folder.create_run(tmp_path, described, overwrite=False)
    fitting.store_scores(config, cache, rows, None)
    run = run_folder.Run(tmp_path, described)
    assert run.splits() == ["train", "test"]
    assert run.scores("train").groups is None
    assert run.scores("test").ids == ["d", "c"] and run.scores("test").groups.tolist() == ["plate 1", "plate 2"]
    assert [run.scores(split).hashes.tolist() for split in run.splits()] == [["hash 0"], ["hash 3", "hash 2"]]


def test_a_step_is_traced_once(made_cache, called, tmp_path, monkeypatch):
    tensorflow = pytest.importorskip("tensorflow")
    kind = type(losses.build("bce"))
    call, traced = kind.call, []

    def counted(loss, labels, logits):
        if not tensorflow.executing_eagerly():
            traced.append(loss)
        return call(loss, labels, logits)

    monkeypatch.setattr(kind, "call", counted)
    called("train.py", "--cache_dir", made_cache, "--run_dir", tmp_path / "run", "--epochs", 1, "--loss", "bce")
    assert len(traced) == 1
