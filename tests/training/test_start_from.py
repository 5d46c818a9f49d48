"""train.py --start_from: weights by layer, outputs by class name, and a clear line where a run does not fit."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

import header
import models
import run_folder
import train
from common.errors import InputError
from data.cache.cache import open_cache
from training import fitting, resume, start_from

SHAPE, STANDARD = (32, 32, 3), {"mean": [90.0, 80.0, 70.0], "std": [50.0, 40.0, 30.0]}


def built(classes: int, **options):
    return models.build("cnn", SHAPE, classes, **STANDARD, **{"batch_norm": True, **options})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three classes, without training."""
    folder = tmp_path_factory.mktemp("run")
    preparation = {"size": SHAPE[0], "resize": "stretch", "channels": "rgb"}
    counts = {"train": {"positives": [1, 1, 1], "known": [3, 3, 3]}}
    cache = {"class_names": ["a", "b", "c"], "preparation": preparation, "counts": counts}
    run_folder.create_run(folder, {"cache": cache}, False)
    models.with_probabilities(built(3)).save(folder / run_folder.MODEL)
    run_folder.finish_run(folder)
    return run_folder.open_run(folder)


def logits(model, images):
    return model.predict(images, verbose=0)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "b", "c"], "outputs of 3 classes"),
        (["c", "a", "b"], "outputs of 3 classes"),
        (["new", "c", "a", "newer", "b"], "2 new classes start fresh (new, newer)"),
        (["b"], "2 classes dropped (a, c)"),
        (["x", "a"], "outputs of 1 classes; 1 new classes start fresh (x); 2 classes dropped (b, c)"),
    ],
)
def test_kept_classes_have_the_run_s_logits(run, names, words):
    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    model = built(len(names))
    fresh = dict(zip(names, model.get_layer("logits").get_weights()[0].T.copy(), strict=True))
    assert words in start_from.take_over(model, run, names)
    before, now = 1 / (1 + np.exp(-logits(model, images))), run.load_model().predict(images, verbose=0)
    for place, name in enumerate(names):
        if name in run.class_names:
            np.testing.assert_allclose(before[:, place], now[:, run.class_names.index(name)], rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0][:, place], fresh[name])


@pytest.mark.parametrize(
    ("options", "words"),
    [({"global_pooling": True}, "layer dense holds"), ({"batch_norm": False}, "batch_norm1 only there")],
)
def test_another_architecture_is_refused(run, options, words):
    model = built(3, **options)
    with pytest.raises(InputError) as raised:
        start_from.take_over(model, run, ["a", "b", "c"])
    assert "has another architecture" in str(raised.value)
    assert words in str(raised.value)


def test_a_pretrained_run_goes_on_behind_its_own_scaling(tmp_path, monkeypatch):
    """Weights from a file bring their scaling, and Keras numbers the layers of the network for that file as well."""
    import keras

    def network(name, tensor, weights=None, pooling=None):
        return keras.Model(keras.utils.get_source_inputs(tensor), keras.layers.Conv2D(4, 3, strides=4)(tensor))

    monkeypatch.setattr(models.backbone, "_network", network)
    network("", keras.Input((None, None, 3))).save_weights(tmp_path / "own.weights.h5")
    options = {"backbone": "ResNet50V2", "input_shape": SHAPE, "classes": 3}
    pretrained = models.build("backbone", **STANDARD, weights=str(tmp_path / "own.weights.h5"), **options)
    preparation = {"size": SHAPE[0], "resize": "stretch", "channels": "rgb"}
    counts = {"train": {"positives": [1, 1, 1], "known": [3, 3, 3]}}
    cache = {"class_names": ["a", "b", "c"], "preparation": preparation, "counts": counts, **STANDARD}
    run_folder.create_run(tmp_path / "run", {"cache": cache}, False)
    models.with_probabilities(pretrained).save(tmp_path / "run" / run_folder.MODEL)
    run_folder.finish_run(tmp_path / "run")
    earlier = run_folder.open_run(tmp_path / "run")
    scaling = start_from.scaling(earlier)
    assert scaling == {"mean": [127.5] * 3, "std": [127.5] * 3}
    model = models.build("backbone", **scaling, **options)
    start_from.take_over(model, earlier, ["a", "b", "c"])
    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    np.testing.assert_allclose(logits(model, images), logits(pretrained, images), rtol=1e-5, atol=1e-6)


def edited_cache(source, folder, edit):
    shutil.copytree(source, folder)
    meta = json.loads((folder / "cache.json").read_text())
    edit(meta, folder)
    (folder / "cache.json").write_text(json.dumps(meta))
    return folder


def add_class(meta, folder):
    """Two classes change places and one is added, as in a set that has grown."""
    labels = np.load(folder / "labels.npy")
    labels = np.column_stack([labels[:, 1], labels[:, 0], labels[:, 2:], labels[:, :1]])
    np.save(folder / "labels.npy", labels)
    names = meta["class_names"]
    meta["class_names"] = [names[1], names[0], *names[2:], "brand new"]
    for counts in meta["counts"].values():
        for kind in ("positives", "known"):
            counts[kind] = [counts[kind][1], counts[kind][0], *counts[kind][2:], counts[kind][0]]
    meta["mean"] = [value + 9 for value in meta["mean"]]


def test_a_run_goes_on_with_more_classes(made_run, made_cache, called, tmp_path):
    cache = edited_cache(made_cache, tmp_path / "cache", add_class)
    options = ("train.py", "--cache_dir", cache, "--epochs", 1, "--learning_rate", "1e-12")
    printed = called(*options, "--run_dir", tmp_path / "second", "--start_from", made_run)
    assert "outputs of 29 classes; 1 new classes start fresh (brand new)" in printed
    assert "Warning" not in printed
    # A chain keeps the scaling of its first run, whatever the mean of each cache.
    called(*options, "--run_dir", tmp_path / "third", "--start_from", tmp_path / "second")
    images = open_cache(cache).gather(np.arange(20))
    first, third = run_folder.open_run(made_run), run_folder.open_run(tmp_path / "third")
    assert third.config["scaling"]["mean"] == first.cache["mean"]

    def hidden(run):
        import keras

        model = run.load_model()
        return keras.Model(model.input, model.get_layer("conv1").output).predict(images, verbose=0)

    np.testing.assert_allclose(hidden(third), hidden(first), rtol=1e-3, atol=1e-3)


def test_a_run_that_does_not_fit_is_one_clear_line(made_run, made_cache, made_set, called, tmp_path):
    common = ("train.py", "--run_dir", tmp_path / "run", "--start_from")
    assert "nowhere is not a run" in called(*common, "nowhere", "--cache_dir", made_cache, fails=True)
    refused = called(*common, made_run, "--cache_dir", made_cache, "--global_pooling", fails=True)
    assert f"error: start_from {made_run} has another architecture: layer dense" in refused
    assert not (tmp_path / "run").exists()


def test_other_images_are_refused_and_images_seen_in_training_named(made_run, made_cache, tmp_path):
    def smaller(meta, folder):
        meta["channels"] = ["red", "green", "other"]

    cache = open_cache(edited_cache(made_cache, tmp_path / "channels", smaller))
    with pytest.raises(InputError, match=r"images of 32 × 32 × 3 \(red, green, blue\), but .* \(red, green, other\)"):
        start_from.check_images(run_folder.open_run(made_run), cache)

    def moved(meta, folder):
        index = (folder / "index.csv").read_text()
        (folder / "index.csv").write_text(index.replace(",train,", ",val,", 3))
        meta["preparation"]["resize"] = "pad"

    cache = open_cache(edited_cache(made_cache, tmp_path / "moved", moved))
    run = run_folder.open_run(made_run)
    (warning,) = start_from.check_images(run, cache)
    assert "resize was stretch, is pad" in warning
    # Only this one takes their honesty from the test figures.
    (warning,) = start_from.images_seen(run, cache)
    assert "was trained on 3 images that are val or test here" in warning


def renamed(rows):
    """New ids for the training images, the first of which is now in test."""
    for number, row in enumerate(each for each in rows if each["split"] == "train"):
        row["id"] = f"renamed {number}"
        row["split"] = "train" if number else "test"


def another_of_the_name(rows):
    """A test image has the id of a training image, and its own bytes."""
    trained, test = (next(row for row in rows if row["split"] == split) for split in ("train", "test"))
    trained["id"], test["id"] = test["id"], trained["id"]


def of_the_group(rows):
    """A test image that is new, and of a training image's plate."""
    next(row for row in rows if row["split"] == "test").update(id="new", sha1="0" * 40, group="plate 1")


def with_rows(made_cache, folder, edit):
    """A copy of the cache whose index.csv was edited, and the edited rows."""
    cache = shutil.copytree(made_cache, folder)
    with (cache / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    edit(rows)
    with (cache / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return open_cache(cache)


def trained_on(cache, folder, start=None, **without):
    """A run that was trained on the cache's training rows, as `store_scores` leaves it, but without a model."""
    made = {"cache": cache.meta, "config": {}}
    config = dataclasses.replace(train.Config(), run_dir=folder)
    with resume.session(config) as session:
        session.begin({**header.record(config), **made}, start and run_folder.open_run(start).trained_on())
    rows = [row for row in cache.index if row["split"] == "train"]
    stored = {"groups": [row["group"] for row in rows], "hashes": [row["sha1"] for row in rows], **without}
    scores = np.zeros((len(rows), len(cache.class_names)))
    run_folder.write_scores(folder, "train", [row["id"] for row in rows], scores, scores.astype(np.uint8), **stored)
    run_folder.finish_run(folder)
    return folder


@pytest.mark.parametrize(
    ("edit", "warned", "noted"),
    [
        (renamed, "was trained on 1 images that are val or test here (renamed 0)", ""),
        (another_of_the_name, "", "have the id of a training image of"),
        (of_the_group, "was trained on other images of the groups of 1 images that are val or test here (new)", ""),
    ],
)
def test_images_are_known_by_their_bytes_and_groups_not_by_their_names(edit, warned, noted, made_cache, tmp_path):
    def grouped(rows):
        next(row for row in rows if row["split"] == "train")["group"] = "plate 1"

    run = run_folder.open_run(trained_on(with_rows(made_cache, tmp_path / "first", grouped), tmp_path / "run"))
    cache = with_rows(tmp_path / "first", tmp_path / "second", edit)
    warnings, notes = start_from.images_seen(run, cache), start_from.check_images(run, cache)
    assert len(warnings) == bool(warned) and len(notes) == bool(noted)
    assert warned in "".join(warnings) and noted in "".join(notes)
    assert "Id" not in "".join(warnings)


def test_of_a_run_without_hashes_only_ids_are_compared_and_that_is_said(made_cache, tmp_path):
    run = run_folder.open_run(trained_on(open_cache(made_cache), tmp_path / "run", hashes=None))
    assert start_from.images_seen(run, open_cache(made_cache)) == []
    cache = with_rows(made_cache, tmp_path / "cache", another_of_the_name)
    (warning,) = start_from.images_seen(run, cache)
    assert "was trained on 1 images that are val or test here" in warning
    assert "only ids could be compared, as it stored no hashes of its images" in warning
    assert start_from.check_images(run, cache) == []


@pytest.mark.parametrize("hashes", [{}, {"hashes": None}])
def test_images_of_the_runs_before_the_earlier_one_are_known_too(hashes, made_cache, tmp_path):
    """The second run's set has none of the first one's training images; the third run's has them in test."""

    def without_train(rows):
        for number, row in enumerate(rows):
            if row["split"] == "train":
                row |= {"id": f"new {number}", "sha1": f"{number:040d}"}

    def tested(rows):
        next(row for row in rows if row["split"] == "train")["split"] = "test"

    first = trained_on(open_cache(made_cache), tmp_path / "run 1", **hashes)
    second = trained_on(with_rows(made_cache, tmp_path / "cache 2", without_train), tmp_path / "run 2", first)
    shutil.rmtree(first)  # a run is read from its folder alone
    (warning,) = start_from.images_seen(
        run_folder.open_run(second), with_rows(made_cache, tmp_path / "cache 3", tested)
    )
    assert f"{second} was trained on 1 images that are val or test here" in warning
    assert ("only ids could be compared" in warning) == bool(hashes)


def test_a_run_remembers_what_was_warned_of_and_hands_it_on(made_run, made_cache, tmp_path, monkeypatch):
    def moved(meta, folder):
        index = (folder / "index.csv").read_text()
        (folder / "index.csv").write_text(index.replace(",train,", ",test,", 3))

    cache = edited_cache(made_cache, tmp_path / "moved", moved)
    monkeypatch.setattr(fitting, "fit", lambda *arguments: [])
    monkeypatch.setattr(train, "show_curves", lambda *arguments: None)
    monkeypatch.setattr(fitting, "store_scores", lambda *arguments: None)
    common = {"cache_dir": cache, "model": "cnn", "precision": "float32"}
    train.main(train.Config(**common, run_dir=tmp_path / "second", start_from=made_run))
    second = run_folder.open_run(tmp_path / "second")
    assert len(second.warnings) == 1
    assert f"{made_run} was trained on 3 images that are val or test here" in second.warnings[0]
    # The second run itself saw no test image, but the weights that it began with did.
    train.main(train.Config(**common, run_dir=tmp_path / "third", start_from=tmp_path / "second"))
    third = run_folder.open_run(tmp_path / "third")
    assert third.warnings == [f"{tmp_path / 'second'}: {second.warnings[0]}"]
    assert run_folder.open_run(made_run).warnings == []
