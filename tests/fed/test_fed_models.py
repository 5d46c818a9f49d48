"""Files called model.keras that a stranger may have made: refused in one clear line, and no code of theirs runs."""

import model_cases
import pytest
from feeding import fed

import run_folder

COUNTS = {"train": {"positives": [4, 3, 2], "known": [9, 9, 9]}}
PREPARATION = {"size": model_cases.SHAPE[0], "resize": "stretch", "channels": "rgb"}
CACHE = {"class_names": ["x", "y", "z"], "preparation": PREPARATION, "counts": COUNTS}


def test_out_of_safe_mode_the_lambda_layer_would_run(tmp_path, monkeypatch):
    """So that the marker that is not there says something below."""
    import keras

    monkeypatch.chdir(tmp_path)
    model_cases.with_lambda(tmp_path / "model.keras", tmp_path)
    keras.models.load_model("model.keras", compile=False, safe_mode=False)
    assert (tmp_path / model_cases.MARKER).exists()


@pytest.mark.parametrize("name", {**model_cases.CASES, **model_cases.READ})
def test_a_strangers_model_is_refused_in_a_clear_line(tmp_path, monkeypatch, name):
    import keras

    monkeypatch.chdir(tmp_path)
    run, marker = tmp_path / "run", tmp_path / model_cases.MARKER
    run_folder.create_run(run, {"cache": CACHE}, overwrite=False)
    run_folder.finish_run(run)
    {**model_cases.CASES, **model_cases.READ}[name](run / run_folder.MODEL, marker)
    found: list[keras.Model] = []
    said, _ = fed(lambda: found.append(run_folder.open_run(run).load_model()), tmp_path)
    assert not marker.exists()
    if name in model_cases.READ:
        assert found[0].output_shape == (None, model_cases.CLASSES)
    else:
        assert said.startswith(f"error: {run / run_folder.MODEL} ") and said.count("\n") == 1, said
