"""A run over a tree of labels through all scripts."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

import evaluate
import losses
import predict
import run_folder
import thresholds
import train
from common.errors import InputError
from data.cache.cache import open_cache
from report import charts
from training import priors, start_from

HPA = Path("data/hpa_hierarchy.csv")
CLASSES = 29


@pytest.fixture(scope="module")
def run(made_cache, shell, tmp_path_factory) -> run_folder.Run:
    """Trained, with thresholds and a report."""
    folder = tmp_path_factory.mktemp("tree") / "run"
    printed = shell("train.py", "--cache_dir", made_cache, "--run_dir", folder, "--model", "hierarchical",
                    "--hierarchy", HPA, "--extractor", "cnn", "--global_pooling", "--units", 16, "--epochs", 1,
                    "--level_weights", 1, 1, 2, "--mixing", "mixup", "--operations", "flips",
                    "--loss", "weighted_bce")  # fmt: skip
    assert "Tree: 29 classes and 16 nodes above them; 3 in level 1, 13 in level 2, 29 in level 3" in printed
    assert "hierarchical_cnn: " in printed and "\nNucleus " in printed
    thresholds.main(thresholds.Config(run_dirs=(folder,), method="per_class"))
    return run_folder.open_run(folder)


def test_stored_scores_are_consistent_and_of_all_nodes(run, made_cache):
    cache, stored = open_cache(made_cache), run.scores("test")
    assert run.class_names[:CLASSES] == cache.class_names and run.tree.classes == CLASSES
    np.testing.assert_array_equal(stored.labels[:, :CLASSES], cache.labels[cache.rows("test")])
    np.testing.assert_array_equal(stored.labels, run.tree.expanded(stored.labels[:, :CLASSES]))
    below = run.tree.parents >= 0
    for split in run.splits():
        scores = run.scores(split).scores
        assert (scores[:, below] <= scores[:, run.tree.parents[below]]).all()


def test_the_report_has_the_classes_first_and_then_each_level(run, capsys, monkeypatch):
    monkeypatch.setattr(charts, "draw", lambda *arguments: [])
    evaluate.main(evaluate.Config(run_dirs=(run.directory,)))
    printed, stored = capsys.readouterr().out, run.scores("test")
    assert "Levels of the tree in test" in printed and "macro-F1 over 29 classes" in printed
    written = json.loads((run.directory / "report" / "metrics.json").read_text(encoding="utf-8"))
    for choice, cuts in (("0.5", np.full(45, 0.5)), ("tuned", run.thresholds())):
        predicted = stored.scores >= cuts
        for node in np.flatnonzero(run.tree.parents >= 0)[np.argsort(-run.tree.levels[run.tree.parents >= 0])]:
            predicted[:, run.tree.parents[node]] |= predicted[:, node]
        levels = written["levels"]["test"][choice]
        assert [(each["level"], each["nodes"]) for each in levels] == [(1, 3), (2, 13), (3, 29)]
        for each in levels:
            own = run.tree.levels == each["level"]
            expected = f1_score(stored.labels[:, own], predicted[:, own], average="macro", zero_division=0)
            assert each["macro_f1"] == pytest.approx(expected)
            assert [row["class"] for row in each["rows"]] == [run.class_names[node] for node in np.flatnonzero(own)]
        figures = written["splits"]["test"][choice]
        assert figures["macro_f1"] == pytest.approx(levels[2]["macro_f1"])
        assert figures["subset_accuracy"] == pytest.approx(
            (predicted[:, :CLASSES] == stored.labels[:, :CLASSES]).all(axis=1).mean()
        )
        assert len(written["classes"]["test"][choice]) == CLASSES
    page = (run.directory / "report" / "index.html").read_text(encoding="utf-8")
    assert "Levels of the tree in test" in page and "Vesicles (all)" in page


def test_another_process_predicts_the_same_with_the_caches_numbers(run, made_set, tmp_path):
    """The model was saved by the process of train.py, and is opened in this one."""
    options = {"image_dir": made_set / "images", "output_csv": tmp_path / "p.csv"}
    predict.main(predict.Config(run_dirs=(run.directory,), **options))
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["Id"]: row for row in csv.DictReader(file)}
    stored, cuts = run.scores("test"), run.thresholds()
    for name, scores in zip(stored.ids, stored.scores, strict=True):
        row = rows[name]
        found = np.array([float(row[node]) for node in run.class_names])
        np.testing.assert_allclose(found, scores, atol=1e-3)
        assert (found[run.tree.parents >= 0] <= found[run.tree.parents[run.tree.parents >= 0]]).all()
        classes = [int(number) for number in row["Predicted"].split()]
        assert [run.class_names[number] for number in classes] == [name for name in row["classes"].split(";") if name]
        assert all(number < CLASSES for number in classes)
        parents = {name for name in row["parents"].split(";") if name}
        assert {run.class_names[run.tree.parents[number]] for number in classes} <= parents
    assert any(row["parents"] for row in rows.values())
    low = np.where(np.arange(45) == 3, 0.9, 0.1)
    ids, names, parents = predict.cells(low, np.full(45, 0.5), run, True)[:3]
    assert (ids, names, parents) == ("3", "Nucleoli fibrillar center", "Nucleus;Nucleoli (all)")
    assert predict.cells(low, cuts * 0 + 0.5, run, False) == ["3"]


def test_what_does_not_fit_is_said_in_a_line(run, made_cache, tmp_path):
    for options, message in (
        ({"hierarchy": HPA}, "model = residual knows no tree; give --model hierarchical --extractor residual"),
        ({"model": "hierarchical"}, "needs a tree: give --hierarchy"),
        ({"model": "hierarchical", "hierarchy": HPA, "level_weights": (1.0,)}, "1 weights, but the tree has 3 levels"),
        ({"model": "hierarchical", "hierarchy": HPA, "loss": "weighted_bce", "class_weights": "by_hand",
          "positive_weights": (1.0,)}, "positive_weights: 1 weights, but "),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            train.main(train.Config(cache_dir=made_cache, run_dir=tmp_path / "run", **options))
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="was trained over a tree of labels"):
        start_from.take_over(None, run, run.class_names[::-1])


def test_a_run_starts_from_another_of_the_same_tree(run, made_cache):
    import keras

    import models

    inputs = (32, 32, 3)
    model = models.build("hierarchical", inputs, 45, mean=[0.0] * 3, std=[1.0] * 3, extractor="cnn", units=16,
                         global_pooling=True, dropout=0.3, **run.tree.tables())  # fmt: skip
    assert "outputs of 45 classes" in start_from.take_over(model, run, run.class_names)
    stored = run.load_model()
    assert isinstance(stored, keras.Model)
    for mine, theirs in zip(model.get_weights(), stored.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    labels = run.scores("train").labels
    priors.start(model, losses.build("bce"), labels, np.ones(len(labels)))
    positives = labels.sum(axis=0)
    odds = (positives + 0.5) / (len(labels) - positives + 0.5)
    np.testing.assert_allclose(model.get_layer("logits").bias, np.log(odds), atol=0.01)
