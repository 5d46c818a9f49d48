"""A run on disk: only a whole one is opened, and what it holds is checked."""

import json

import numpy as np
import pytest

import run_folder
from data.faults import InputError

CACHE = {
    "class_names": ["N/A", "Rods & rings"],
    "preparation": {"size": 8},
    "counts": {"train": {"rows": 3, "positives": [2, 1], "known": [3, 3]}},
}


@pytest.fixture
def folder(tmp_path):
    run_folder.create_run(tmp_path / "run", {"cache": CACHE, "config": {}}, overwrite=False)
    run_folder.write_scores(tmp_path / "run", "val", ["007", "b"], np.array([[0.1, 0.9], [0.2, 0.3]]), np.eye(2))
    run_folder.finish_run(tmp_path / "run")
    return tmp_path / "run"


def test_what_was_stored_comes_back(folder):
    run = run_folder.open_run(folder)
    scores = run.scores("val")
    assert run.splits() == ["val"]
    assert scores.ids == ["007", "b"]
    assert (scores.scores.dtype, scores.labels.dtype) == (np.float32, np.uint8)
    assert scores.labels.tolist() == [[1, 0], [0, 1]]
    assert run.class_names == ["N/A", "Rods & rings"]
    assert run.training_counts.tolist() == [2, 1]
    assert not run.has_thresholds
    run.save_thresholds(np.array([0.25, 1.0]), "per_class", {"note": 1})
    assert run.thresholds().tolist() == [0.25, 1.0]


def test_a_finished_run_is_replaced_only_when_told(folder):
    with pytest.raises(InputError, match="holds a finished run; give --overwrite"):
        run_folder.create_run(folder, {"cache": CACHE}, overwrite=False)
    assert run_folder.open_run(folder).splits() == ["val"]
    run_folder.create_run(folder, {"cache": CACHE}, overwrite=True)
    with pytest.raises(InputError, match="not finished"):
        run_folder.open_run(folder)
    assert not (folder / "scores").exists()


def test_a_folder_that_is_no_run_is_never_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="exists and is not a run"):
        run_folder.create_run(tmp_path, {"cache": CACHE}, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("text", ['{"architectures": ["ViT"]}', "[1]", "not JSON", '"run_format"'])
def test_a_config_json_alone_makes_no_run(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "weights.bin").write_text("of some other program")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="exists and is not a run; choose another run_dir"):
            run_folder.create_run(tmp_path, {"cache": CACHE}, overwrite)
    assert (tmp_path / "weights.bin").exists()


def test_folders_that_are_no_run_are_refused_by_name(tmp_path, folder):
    with pytest.raises(InputError, match=r"elsewhere is not a run.*python train\.py"):
        run_folder.open_run(tmp_path / "elsewhere")
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="does not hold a run's config"):
        run_folder.open_run(folder)
    (folder / "config.json").write_text(json.dumps({"run_format": 99}))
    with pytest.raises(InputError, match="run format 99"):
        run_folder.open_run(folder)
    (folder / "config.json").write_text(json.dumps({"run_format": 1, "finished": True}))
    with pytest.raises(InputError, match="lacks the description of its cache"):
        run_folder.open_run(folder)


@pytest.mark.parametrize(
    "thresholds",
    [{"N/A": 0.5}, {"N/A": 0.5, "Rods & rings": "high"}, {"N/A": 0.5, "Rods & rings": -1}, [0.5, 0.5], None],
)
def test_thresholds_edited_to_nonsense_are_refused(folder, thresholds):
    (folder / "thresholds.json").write_text(json.dumps({"thresholds": thresholds}))
    with pytest.raises(InputError, match=r"thresholds\.json"):
        run_folder.open_run(folder).thresholds()


def test_damaged_scores_are_refused(folder):
    path = folder / "scores" / "val.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"val\.npz cannot be read"):
        run_folder.open_run(folder).scores("val")
    np.savez(path, ids=np.array(["a"]), scores=np.zeros((1, 3)), labels=np.zeros((1, 3)))
    with pytest.raises(InputError, match="do not fit the run's 2 classes"):
        run_folder.open_run(folder).scores("val")
    np.savez(path, ids=np.array([{}], dtype=object), scores=np.zeros((1, 2)), labels=np.zeros((1, 2)))
    with pytest.raises(InputError, match="cannot be read"):
        run_folder.open_run(folder).scores("val")
