"""thresholds.json as people may leave it: whatever it holds, it is read, or refused in one line."""

import json

import numpy as np
import pytest

import evaluate
import run_folder
import thresholds
from common.errors import InputError

NAMES = ["N/A", "Rods & rings"]
CACHE = {
    "class_names": NAMES,
    "preparation": {"size": 8, "resize": "stretch", "channels": "gray"},
    "counts": {"train": {"rows": 3, "positives": [2, 1], "known": [3, 3]}},
}


@pytest.fixture
def folder(tmp_path):
    run_folder.create_run(tmp_path / "run", {"cache": CACHE, "config": {}}, overwrite=False)
    scores = np.array([[0.1, 0.9], [0.2, 0.3], [0.7, 0.4]])
    for split in ("val", "test"):
        ids = [f"{split}{row}" for row in range(3)]
        run_folder.write_scores(tmp_path / "run", split, ids, scores, np.array([[0, 1], [0, 0], [1, 255]]))
    run_folder.finish_run(tmp_path / "run")
    return tmp_path / "run"


def written(values) -> bytes:
    return json.dumps({"thresholds": values}).encode()


NONSENSE = {
    "a string": written({**dict.fromkeys(NAMES, 0.5), "N/A": "high"}),
    "a string of a number": written({**dict.fromkeys(NAMES, 0.5), "N/A": "0.5"}),
    "nan": written(dict.fromkeys(NAMES, float("nan"))),
    "infinity": written(dict.fromkeys(NAMES, float("inf"))),
    "negative": written(dict.fromkeys(NAMES, -0.1)),
    "above 1": written(dict.fromkeys(NAMES, 1.01)),
    "a huge number": written(dict.fromkeys(NAMES, 10**400)),
    "a number without end": written(dict.fromkeys(NAMES, 1)).replace(b"1", b"9" * 5000),
    "yes": written(dict.fromkeys(NAMES, True)),
    "nothing": written(dict.fromkeys(NAMES)),
    "a missing class": written({"N/A": 0.5}),
    "a class too many": written(dict.fromkeys([*NAMES, "Golgi"], 0.5)),
    "a list": written([0.5, 0.5]),
    "a list of all": b"[0.5, 0.5]",
    "lists in a class": written({name: [0.5] for name in NAMES}),
    "a long text": written(dict.fromkeys(NAMES, "x\n" * 100_000)),
    "lines in a name": written({"N/A\nRods": 0.5}),
    "deep nesting": b'{"thresholds": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep nesting in a class": b'{"thresholds": {"N/A": ' + b"[" * 900 + b"]" * 900 + b', "Rods & rings": 0.5}}',
    "binary": bytes(range(256)),
    "empty": b"",
    "no JSON": b"thresholds: 0.5",
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_refused_in_one_line(folder, content):
    path = folder / "thresholds.json"
    path.write_bytes(content)
    run = run_folder.open_run(folder)
    for refused in (run.decision, lambda: evaluate.main(evaluate.Config(run_dirs=(folder,)))):
        with pytest.raises(InputError, match=r"thresholds\.json") as raised:
            refused()
        said = str(raised.value)
        assert "\n" not in said and len(said) < 400 + len(str(folder))
    assert run.thresholds_edited
    with pytest.raises(InputError, match=r"was edited by hand; give --overwrite"):
        thresholds.main(thresholds.Config(run_dirs=(folder,)))
    assert path.read_bytes() == content


@pytest.mark.parametrize("runs", ["these", 5, [5], [[]], {"run": 1}])
def test_nonsense_about_the_runs_leaves_the_thresholds_as_they_are(folder, runs):
    run = run_folder.open_run(folder)
    path = run.save_thresholds(np.array([0.25, 0.75]), "per_class", {})
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "runs": runs}), encoding="utf-8")
    assert run.thresholds().tolist() == [0.25, 0.75]
