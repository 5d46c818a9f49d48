"""Which charts a report has, and that those of augmentation count what the run trained on."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import run_folder
from common.errors import InputError
from data.cache.cache import open_cache
from evaluation import evaluation
from report import charts, dataset_plots
from run_folder import ensemble


@pytest.fixture(scope="module")
def cache_dir(made_cache, tmp_path_factory, called):
    """A cache with an augmented set of its own."""
    folder = tmp_path_factory.mktemp("charts") / "cache"
    shutil.copytree(made_cache, folder)
    called("augment.py", "--cache_dir", folder, "--method", "balance", "--tag", "more", "--workers", 1)
    return folder


@pytest.fixture
def counted(monkeypatch):
    """What the chart of the counts is given."""
    given = []
    monkeypatch.setattr(dataset_plots, "draw_augmented_counts", lambda *counts: given.append(counts))
    return given


def test_counts_before_and_after_are_those_that_augment_wrote(cache_dir, tmp_path, scored_run, counted):
    run = run_folder.open_run(scored_run(tmp_path / "run", cache_dir, settings={"augmented": ["more"]}))
    (chart,) = charts.augmented_counts(tmp_path / "a.png", run, open_cache(cache_dir))
    ((names, before, added, originals, _),) = counted
    effect = json.loads((cache_dir / "augmented/more/augmented.json").read_text())["effect"]
    assert names == run.class_names and before.tolist() == effect["counts_before"]
    assert (before + added).tolist() == effect["counts_after"]
    assert all((one > 0) == (new > 0) and one <= new for one, new in zip(originals, added, strict=True))
    assert f"{effect['new_images']:,} new images, those of the set more." in chart.caption


def test_images_of_parents_that_did_not_train_are_not_counted(cache_dir, tmp_path, scored_run, counted):
    directory = scored_run(tmp_path / "run", cache_dir, settings={"augmented": ["more"]})
    stored = run_folder.open_run(directory).scores("train")
    half = stored.ids[::2]
    run_folder.write_scores(directory, "train", half, stored.scores[::2], stored.labels[::2])
    (chart,) = charts.augmented_counts(tmp_path / "a.png", run_folder.open_run(directory), open_cache(cache_dir))
    with (cache_dir / "augmented/more/index.csv").open(newline="") as file:
        parents = [json.loads(row["parents"]) for row in csv.DictReader(file)]
    labels = np.load(cache_dir / "augmented/more/labels.npy")
    used = [row for row, own in enumerate(parents) if set(own) <= set(half)]
    assert 0 < len(used) < len(parents) and f"{len(used):,} new images" in chart.caption
    assert counted[0][2].tolist() == (labels[used] == 1).sum(axis=0).tolist()


def test_joined_runs_count_the_new_images_that_any_of_them_trained_on(cache_dir, tmp_path, scored_run, counted):
    dirs = []
    for name, part in (("first", slice(0, 60)), ("second", slice(30, None))):
        directory = scored_run(tmp_path / name, cache_dir, settings={"augmented": ["more"]})
        stored = run_folder.open_run(directory).scores("train")
        run_folder.write_scores(directory, "train", stored.ids[part], stored.scores[part], stored.labels[part])
        dirs.append(directory)
    (chart,) = charts.augmented_counts(tmp_path / "a.png", ensemble.open_runs(dirs), open_cache(cache_dir))
    effect = json.loads((cache_dir / "augmented/more/augmented.json").read_text())["effect"]
    (_, before, added, originals, _) = counted[0]
    assert before.tolist() == effect["counts_before"] and (before + added).tolist() == effect["counts_after"]
    assert f"{effect['new_images']:,} new images" in chart.caption and (originals <= before).all()


def test_a_cache_that_is_another_one_now_has_no_such_chart(cache_dir, tmp_path, scored_run, counted, monkeypatch):
    run = run_folder.open_run(scored_run(tmp_path / "run", cache_dir, settings={"augmented": ["more"]}))
    run.cache["fingerprint"] = "before"
    monkeypatch.setattr(run, "splits", list)
    with pytest.raises(InputError, match="is another one than the run was trained on"):
        charts.augmented_counts(tmp_path / "a.png", run, open_cache(cache_dir))
    assert not counted


@pytest.fixture
def quick(monkeypatch):
    """Charts that other tests look at, without drawing them."""
    names = ((charts.plots, "precision_recall_bars"), (charts.plots, "count_dots"), (charts.reliability, "draw"),
             (charts.plots, "precision_recall_curves"), (charts.cooccurrence, "draw"))  # fmt: skip
    for room, name in names:
        monkeypatch.setattr(room, name, lambda *given: given[-1].touch())


def test_what_other_scripts_drew_is_there_and_what_is_gone_is_said(cache_dir, tmp_path, scored_run, capsys, quick):
    directory = scored_run(tmp_path / "run", cache_dir, settings={"augmented": ["deleted"]})
    for name in ("thresholds.png", "learning_curves.png"):
        Image.new("RGB", (9, 9)).save(directory / name)
    run = run_folder.open_run(directory)
    found = evaluation.evaluate(run, run, {"0.5": 0.5, "tuned": run.decision()}, [], draws=0, seed=0)
    drawn = charts.draw(tmp_path, found, directory, open_cache(cache_dir))
    assert [chart.path.name for chart in drawn] == [
        "precision_recall.png", "counts.png", "precision_recall_curves.png", "reliability.png", "cooccurrence.png",
        "thresholds.png", "learning_curves.png",
    ]  # fmt: skip
    assert all(chart.path.is_file() and chart.title and chart.caption for chart in drawn)
    assert "no augmented set 'deleted'; it has more" in capsys.readouterr().out
    plain = evaluation.evaluate(run, run, {"0.5": 0.5}, [], draws=0, seed=0)
    assert "thresholds.png" not in [chart.path.name for chart in charts.draw(tmp_path, plain, directory, None)]
