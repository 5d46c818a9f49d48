"""Every script from the shell, one after the other, as users run them."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

import header
import run_folder
import train
from data.cache import cache as caches

ROOT = Path(__file__).parents[1]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_training_leaves_a_whole_run(made_run, made_cache):
    history = rows_of(made_run / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    for name in ("loss", "val_loss", "val_mAP", "val_macro_f1", "val_subset_accuracy"):
        assert all(np.isfinite(float(row[name])) for row in history)
    assert history[0]["train_mAP"] == ""
    assert float(history[1]["train_mAP"]) > 0
    assert len(rows_of(made_run / "timing.csv")) == 2
    assert (made_run / "learning_curves.png").stat().st_size > 10_000
    run, cache = run_folder.open_run(made_run), caches.open_cache(made_cache)
    assert run.config["config"]["epochs"] == 2
    assert run.config["versions"]["keras"]
    for split in ("train", "val", "test"):
        places = cache.rows(split)
        stored = run.scores(split)
        assert stored.ids == [cache.ids[place] for place in places]
        np.testing.assert_array_equal(stored.labels, cache.labels[places])


def test_stored_scores_are_those_of_the_saved_model_at_its_best_epoch(made_run, made_cache):
    run, cache = run_folder.open_run(made_run), caches.open_cache(made_cache)
    stored = run.scores("val")
    scores = run.load_model().predict(cache.gather(cache.rows("val")), verbose=0)
    np.testing.assert_allclose(scores, stored.scores, rtol=1e-4, atol=1e-6)
    with_positives = stored.labels.any(axis=0)
    precision = average_precision_score(
        stored.labels[:, with_positives], stored.scores[:, with_positives], average="macro"
    )
    assert precision == pytest.approx(max(float(row["val_mAP"]) for row in rows_of(made_run / "history.csv")), rel=1e-4)


def test_metrics_of_the_report_equal_scikit_learn(made_run):
    run = run_folder.open_run(made_run)
    stored = run.scores("test")
    written = json.loads((made_run / "report" / "metrics.json").read_text())["splits"]["test"]
    for name, thresholds in (("0.5", 0.5), ("tuned", run.thresholds())):
        predictions = stored.scores >= thresholds
        assert written[name]["macro_f1"] == pytest.approx(
            f1_score(stored.labels, predictions, average="macro", zero_division=0)
        )
        assert written[name]["micro_f1"] == pytest.approx(
            f1_score(stored.labels, predictions, average="micro", zero_division=0)
        )
        assert written[name]["subset_accuracy"] == pytest.approx((stored.labels == predictions).all(axis=1).mean())


def test_the_report_is_there(made_run):
    report = made_run / "report"
    assert len(rows_of(report / "per_class.csv")) == 29
    assert "<html" in (report / "index.html").read_text(encoding="utf-8")
    assert list(report.glob("*.png"))


def test_a_copied_run_predicts_without_its_cache(made_cache, made_run, made_set, tmp_path, shell):
    run = tmp_path / "copy"
    shutil.copytree(made_run, run)
    aside = made_cache.rename(made_cache.with_name("aside"))
    try:
        printed = shell(
            "predict.py", "--run_dirs", run, "--image_dir", made_set / "images", "--output_csv", tmp_path / "p.csv"
        )
    finally:
        aside.rename(made_cache)
    assert "p.csv" in printed
    predicted = {row["Id"]: row for row in rows_of(tmp_path / "p.csv")}
    assert len(predicted) == 90
    opened = run_folder.open_run(run)
    stored = opened.scores("test")
    for row_id, scores in zip(stored.ids, stored.scores, strict=True):
        written = [float(predicted[row_id][name]) for name in opened.class_names]
        np.testing.assert_allclose(written, scores, atol=1e-3)


def test_the_same_seed_trains_the_same_weights_in_another_process(made_cache, made_run, shell, tmp_path):
    shell(
        "train.py", "--cache_dir", made_cache, "--run_dir", tmp_path / "twin", "--model", "cnn",
        "--precision", "float32", "--epochs", 2, "--train_metrics_every", 2,
    )  # fmt: skip
    assert (tmp_path / "twin" / "history.csv").read_bytes() == (made_run / "history.csv").read_bytes()
    twin, run = run_folder.open_run(tmp_path / "twin"), run_folder.open_run(made_run)
    np.testing.assert_array_equal(twin.scores("test").scores, run.scores("test").scores)


def test_each_script_names_the_next(made_cache, made_run, shell, tmp_path):
    printed = shell("train.py", "--cache_dir", made_cache, "--run_dir", tmp_path / "r", "--epochs", 1, "--loss", "bce")
    assert printed.splitlines()[-1] == f"Next: python thresholds.py --run_dirs {tmp_path / 'r'}"
    assert "epoch 1/1  loss " in printed
    printed = shell("thresholds.py", "--run_dirs", tmp_path / "r")
    assert f"Next: python evaluate.py --run_dirs {tmp_path / 'r'}" in printed
    printed = shell("evaluate.py", "--run_dirs", tmp_path / "r", "--overlays", 0)
    assert "Next: python predict.py" in printed


def test_weights_by_hand_are_used_and_counted(made_cache, called, tmp_path):
    common = ("train.py", "--cache_dir", made_cache, "--run_dir", tmp_path / "run", "--loss", "weighted_bce",
              "--class_weights", "by_hand")  # fmt: skip
    refused = called(*common, "--positive_weights", "1", "2", fails=True)
    assert refused.startswith("error: positive_weights: 2 weights, but ")
    assert not (tmp_path / "run").exists()
    printed = called(*common, "--positive_weights", *["3.25"] * 29, "--epochs", 1)
    assert printed.count("3.25") == 29


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train.py", "--cache_dir", "nowhere"), "nowhere"),
        (("thresholds.py", "--run_dirs", "nowhere"), "nowhere is not a run"),
        (("evaluate.py", "--run_dirs", "nowhere"), "nowhere is not a run"),
        (("predict.py", "--run_dirs", "nowhere", "--image_dir", "tests"), "nowhere is not a run"),
        (("preprocess.py", "--image_dir", "nowhere", "--labels_csv", "nowhere.csv"), "nowhere"),
        (("train.py", "--epochs", "0"), "epochs = 0 (the command line): must be 1 or more"),
        (("train.py", "--learning_rat", "1"), "learning_rat"),
    ],
)
def test_a_users_mistake_is_one_clear_message(arguments, message, shell):
    assert message in shell(*arguments, fails=True)


def pipeline(**environment: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SIZE": "32", "EPOCHS": "1", **environment}
    answer = subprocess.run(["bash", "pipeline.sh"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_pipeline_runs_in_sequence(made_set, tmp_path):
    new = tmp_path / "new images"
    new.mkdir()
    for path in sorted((made_set / "images").glob("*.jpg"))[:3]:
        shutil.copy(path, new)
    pipeline(IMAGE_DIR=str(made_set / "images"), LABELS_CSV=str(made_set / "labels.csv"),
             CLASSES_FILE=str(made_set / "classes.txt"), CACHE_DIR=str(tmp_path / "cache"),
             RUN_DIR=str(tmp_path / "run"), NEW_IMAGES=str(new))  # fmt: skip
    assert (tmp_path / "run" / "report" / "index.html").exists()
    assert len(rows_of(tmp_path / "run" / "predictions.csv")) == 3


def test_the_pipeline_predicts_only_where_new_images_are_named(tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho $1 >> $CALLED\n")
    (tmp_path / "python").chmod(0o755)
    called = tmp_path / "called"
    scripts = ["preprocess.py", "train.py", "thresholds.py", "evaluate.py"]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for new, expected in (("", scripts), ("new", [*scripts, "predict.py"])):
        called.unlink(missing_ok=True)
        pipeline(PATH=path, CALLED=str(called), NEW_IMAGES=new)
        assert called.read_text().split() == expected


@pytest.fixture
def demo(tmp_path):
    """Runs the demo into a folder, with a python that does nothing: only what happens to the folder is looked at."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "python").chmod(0o755)

    def run(folder: Path, **environment: str) -> subprocess.CompletedProcess:
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "DEMO_DIR": str(folder), **environment}
        return subprocess.run(["bash", "demo.sh"], cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def test_the_demo_replaces_only_what_a_demo_made(demo, tmp_path):
    folder = tmp_path / "my folder"
    folder.mkdir()
    # An empty folder holds nothing to lose.
    assert demo(folder).returncode == 0
    (folder / "report").write_text("of the first demo")
    assert demo(folder).returncode == 0
    assert [path.name for path in folder.iterdir()] == [".made-by-demo"]
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("years of work")
    answer = demo(foreign)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"error: {foreign} was not made by this script")
    assert (foreign / "chapter.txt").read_text() == "years of work"


def test_a_demo_without_its_packages_leaves_the_earlier_one(demo, tmp_path):
    folder = tmp_path / "demo"
    assert demo(folder).returncode == 0
    (folder / "report").write_text("of the first demo")
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    answer = demo(folder)
    assert answer.returncode == 1 and "source .venv/bin/activate" in answer.stderr
    assert (folder / "report").read_text() == "of the first demo"


def test_the_demo_sets_the_stock_recipe_beside_that_of_the_header(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which the header sets
    called = tmp_path / "called"
    (tmp_path / "bin" / "python").write_text('#!/bin/sh\necho "$@" >> $CALLED\n')
    assert demo(tmp_path / "demo", CALLED=str(called)).returncode == 0
    commands = [line.split() for line in called.read_text().splitlines()]
    stock, recipe = (header.parse(train.Config, "", words[1:]) for words in commands if words[0] == "train.py")
    assert (stock.model, stock.loss, stock.optimizer, stock.schedule) == ("cnn", "bce", "adam", "constant")
    assert (stock.operations, stock.sampling, stock.weight_decay, stock.precision) == ((), "all", 0.0, "float32")
    kept = {"cache_dir": recipe.cache_dir, "run_dir": recipe.run_dir, "epochs": recipe.epochs}
    assert recipe == replace(train.Config(), **kept) and stock.epochs == recipe.epochs


def test_the_pipeline_takes_the_class_names_beside_the_labels(tmp_path):
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@" >> $CALLED\n')
    (tmp_path / "python").chmod(0o755)
    called, labels = tmp_path / "called", tmp_path / "labels.csv"
    given = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CALLED": str(called),
        "LABELS_CSV": str(labels),
        "NEW_IMAGES": "",
    }
    pipeline(**given)
    assert "--classes_file" not in called.read_text()
    (tmp_path / "classes.txt").touch()
    pipeline(**given)
    assert f"--classes_file {tmp_path / 'classes.txt'} " in called.read_text()
    pipeline(**given, CLASSES_FILE="names.txt")
    assert "--classes_file names.txt " in called.read_text()


def test_the_demo_takes_no_notice_of_other_programs_variables(demo, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / ".made-by-demo").touch()
    (other / "kept").touch()
    assert demo(tmp_path / "demo", DIR=str(other), COUNT="none", SIZE="none", EPOCHS="none").returncode == 0
    assert (other / "kept").exists()
    assert (tmp_path / "demo" / ".made-by-demo").exists()


def test_real_images_with_their_traps_run_end_to_end(cell_data, shell, tmp_path):
    source = cell_data / "chula_rbc12"
    printed = shell("preprocess.py", "--image_dir", source / "images", "--labels_csv", source / "labels.csv",
                    "--classes_file", source / "classes.txt", "--size", 32,
                    "--cache_dir", tmp_path / "cache")  # fmt: skip
    assert "21 sets of byte-identical images" in printed
    assert "16 sets of identical images whose labels disagree" in printed
    assert "248 / 249" in printed
    cache = caches.open_cache(tmp_path / "cache")
    assert len(cache) == 623
    by_content: dict[str, set[str]] = {}
    for row in cache.index:
        by_content.setdefault(row["sha1"], set()).add(row["split"])
    assert len(by_content) == 602
    assert all(len(splits) == 1 for splits in by_content.values())
    shell("train.py", "--cache_dir", tmp_path / "cache", "--run_dir", tmp_path / "run", "--epochs", 1)
    shell("thresholds.py", "--run_dirs", tmp_path / "run")
    shell("evaluate.py", "--run_dirs", tmp_path / "run")
    written = json.loads((tmp_path / "run" / "report" / "metrics.json").read_text())
    assert 0 < written["splits"]["test"]["tuned"]["macro_f1"] <= 1


def test_training_that_diverges_is_said_in_a_line(made_cache, called, tmp_path):
    refused = called("train.py", "--cache_dir", made_cache, "--run_dir", tmp_path / "run", "--epochs", 1,
                    "--learning_rate", "1e30", "--loss", "weighted_bce", "--optimizer", "adam", "--weight_decay", 0,
                    "--schedule", "constant", "--warmup_fraction", 0, fails=True)  # fmt: skip
    # Which of the two comes first depends on the processor.
    found = re.search(
        r"error: epoch \d, step \d of \d+: the (loss is|weights are) no longer finite: training div", refused
    )
    assert found, refused
    assert not list((tmp_path / "run").glob("checkpoint/state-*"))
