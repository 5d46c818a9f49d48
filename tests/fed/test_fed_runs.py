"""Runs whose files were damaged, edited or forged: read, or named in clear lines; nothing in them runs."""

import json
import shutil

import numpy as np
import pytest
import run_cases
from feeding import fed

import evaluate
import run_folder
import thresholds


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run of three classes with scores and thresholds, without a model."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    counts = {"train": {"rows": 9, "positives": [4, 3, 2], "known": [9, 9, 9]}}
    preparation = {"size": 8, "resize": "stretch", "channels": "rgb"}
    cache = {"class_names": run_cases.NAMES, "preparation": preparation, "counts": counts, "fingerprint": "f"}
    run_folder.create_run(folder, {"cache": cache, "config": {"loss": "bce"}, "argv": ["train.py"]}, overwrite=False)
    generator = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        labels = (np.arange(36).reshape(12, 3) % 3 == 0).astype(np.uint8)
        scores = np.clip(0.5 * labels + generator.random((12, 3)) / 2, 0, 1)
        groups = [f"group {row // 2}" for row in range(12)]
        run_folder.write_scores(folder, split, [f"{split}{row}" for row in range(12)], scores, labels, groups)
    run_folder.finish_run(folder)
    path = run_folder.open_run(folder).save_thresholds(np.full(3, 0.5), "per_class", {})
    # Those of a run that was edited would be refused before anything else of it is read.
    stored = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({name: value for name, value in stored.items() if name != "runs"}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", run_cases.CASES)
def test_a_damaged_run_is_named_in_clear_lines(whole, tmp_path, monkeypatch, name):
    monkeypatch.setattr("report.charts.draw", lambda *_: [])
    monkeypatch.setattr("report.threshold_curves.draw", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    damage = run_cases.CASES[name]
    run = shutil.copytree(whole, tmp_path / "run")
    damage.do(run)
    output = tmp_path / "out"
    judging = evaluate.Config(run_dirs=(run,), output_dir=output, draws=0, gallery=0, overlays=0)
    tuning = thresholds.Config(run_dirs=(run,), output_dir=output, repetitions=0)
    told = ""
    for call in (lambda: evaluate.main(judging), lambda: thresholds.main(tuning)):
        said, _ = fed(call, tmp_path, (output,))
        told += said
    if damage.said is not None:
        assert damage.said in told and str(run) in told, told
    assert not (tmp_path / run_cases.MARKER).exists()
