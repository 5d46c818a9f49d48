"""Several runs as one: parts of the classes, folds and ensembles against NumPy, and what cannot be joined."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate
import predict
import run_folder
import thresholds
import train
from common.errors import InputError
from data.cache.cache import open_cache
from data.images.image_files import prepare
from data.images.preparation import Preparation
from evaluation import evaluation
from report import charts
from run_folder.ensemble import open_runs
from run_folder.predictor import Predictor

NAMES = ["Golgi", "Rods", "Nucleus"]
COUNT = 60
GENERATOR = np.random.default_rng(0)
LABELS = (GENERATOR.random((COUNT, 3)) < [0.5, 0.3, 0.2]).astype(np.uint8)
LABELS[GENERATOR.random((COUNT, 3)) < 0.05] = 255
PREPARATION = {"size": 4, "resize": "stretch", "channels": "rgb"}


def make(directory: Path, split: np.ndarray, places=(0, 1, 2), labels=LABELS, seed=0, **cache) -> Path:
    """A finished run that knows the classes of these places and has random scores for rows r0, r1, … of the splits."""
    scores = np.random.default_rng(seed).random((len(split), len(places))).astype(np.float32)
    names = [NAMES[place] for place in places]
    train = labels[split == "train"][:, places]
    counts = {"train": {"positives": (train == 1).sum(axis=0).tolist(), "known": (train <= 1).sum(axis=0).tolist()}}
    described = {"class_names": names, "preparation": PREPARATION, "counts": counts, "all_class_names": NAMES, **cache}
    run_folder.create_run(directory, {"cache": described, "config": {"seed": seed, "epochs": 3}}, overwrite=False)
    for name in ("train", "val", "test"):
        rows = np.flatnonzero(split == name)
        if len(rows):
            ids = [f"r{row}" for row in rows]
            run_folder.write_scores(directory, name, ids, scores[rows], labels[rows][:, places])
    run_folder.finish_run(directory)
    return directory


SPLIT = np.array(["train"] * 30 + ["val"] * 15 + ["test"] * 15)


def folds(count: int, tested: bool) -> list[np.ndarray]:
    """The splits of all folds, as `train.py --fold` makes them."""
    number = np.arange(COUNT) % count
    splits = []
    for fold in range(count):
        judged = {fold: "val"} if tested else {fold: "test", (fold + 1) % count: "val"}
        split = np.array([judged.get(int(each), "train") for each in number])
        splits.append(np.where(SPLIT == "test", "test", split) if tested else split)
    return splits


def rows_of(scores: run_folder.Scores) -> list[int]:
    return [int(name[1:]) for name in scores.ids]


def test_parts_of_the_classes_are_joined_as_they_are(tmp_path):
    dirs = make(tmp_path / "small", SPLIT, (2, 1), seed=1), make(tmp_path / "large", SPLIT, (0,), seed=2)
    run = open_runs(dirs)
    assert run.class_names == NAMES and run.splits() == ["train", "val", "test"]
    for split in run.splits():
        small, large, joined = *(run_folder.open_run(each).scores(split) for each in dirs), run.scores(split)
        assert joined.ids == small.ids == large.ids
        np.testing.assert_array_equal(joined.scores, np.hstack([large.scores, small.scores[:, ::-1]]))
        np.testing.assert_array_equal(joined.labels, LABELS[split == SPLIT])
        assert joined.scores.dtype == np.float32
    known = LABELS[SPLIT == "train"]
    np.testing.assert_array_equal(run.training_counts, (known == 1).sum(axis=0))
    np.testing.assert_allclose(run.training_rates, (known == 1).sum(axis=0) / (known <= 1).sum(axis=0))


def test_common_classes_are_averaged(tmp_path):
    dirs = [make(tmp_path / f"{seed}", SPLIT, seed=seed) for seed in range(3)]
    dirs.append(make(tmp_path / "part", SPLIT, (1,), seed=3))
    run = open_runs(dirs)
    for split in ("train", "val", "test"):
        each = [run_folder.open_run(directory).scores(split).scores.astype(np.float64) for directory in dirs]
        expected = np.mean(each[:3], axis=0)
        expected[:, 1] = np.mean([scores[:, 1] for scores in each[:3]] + [each[3][:, 0]], axis=0)
        np.testing.assert_allclose(run.scores(split).scores, expected, rtol=1e-6)
    assert "  test: 15 images, each class scored by 3 to 4 of the runs" in run.messages()


@pytest.mark.parametrize("tested", [True, False])
def test_folds_score_every_row_once_and_never_by_who_trained_on_it(tmp_path, tested):
    splits = folds(4, tested)
    dirs = [make(tmp_path / f"fold{fold}", split, seed=fold) for fold, split in enumerate(splits)]
    scores = [np.random.default_rng(fold).random((COUNT, 3)).astype(np.float32) for fold in range(4)]
    run = open_runs(dirs)
    assert run.splits() == ["val", "test"]
    for name in ("val", "test"):
        stored = run.scores(name)
        rows = rows_of(stored)
        judges = {row: [fold for fold in range(4) if splits[fold][row] == name] for row in range(COUNT)}
        assert sorted(rows) == [row for row in range(COUNT) if judges[row]]
        expected = [np.mean([scores[fold][row] for fold in judges[row]], axis=0) for row in rows]
        np.testing.assert_allclose(stored.scores, expected, rtol=1e-6)
        np.testing.assert_array_equal(stored.labels, LABELS[rows])
        assert not any(splits[fold][row] == "train" for row in rows for fold in judges[row])
        assert {len(judges[row]) for row in rows} == ({4} if tested and name == "test" else {1})
    # Without test rows each row is judged once and validates once; with them test rows are all runs' own.
    assert len(run.scores("test").ids) == (15 if tested else COUNT)
    trained = LABELS[SPLIT != "test"] if tested else LABELS
    np.testing.assert_array_equal(run.training_counts, (trained == 1).sum(axis=0))


def test_classes_that_no_cache_has_whole_stand_in_the_order_of_their_appearance(tmp_path):
    dirs = make(tmp_path / "b", SPLIT, (2, 0)), make(tmp_path / "a", SPLIT, (1, 2))
    for directory in dirs:
        config = json.loads((directory / "config.json").read_text())
        del config["cache"]["all_class_names"]
        (directory / "config.json").write_text(json.dumps(config))
    assert open_runs(dirs).class_names == ["Nucleus", "Golgi", "Rods"]


def test_a_part_predicts_the_ids_of_the_whole(tmp_path):
    assert run_folder.open_run(make(tmp_path / "part", SPLIT, (0, 2))).class_ids == [0, 2]
    assert open_runs([tmp_path / "part"]).name == "part"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"labels": 1 - np.minimum(LABELS, 1)}, r"second has other labels .* for 30 images \(r0, .*class Golgi: "),
        ({}, {"ids": "other"}, "second has no image in common with .*first: their scores cannot be joined"),
        ({"places": (0,), "split": folds(4, True)[0]}, {"places": (1, 2), "split": folds(4, True)[1]},
         r"of 23 val images have no score for class .* by a run that has them in val \(3 classes lack some\)"),
        ({}, {"split": np.where(SPLIT == "train", "", SPLIT)}, "second stored no train scores"),
    ],
)  # fmt: skip
def test_what_clashes_is_said_in_a_line(tmp_path, first, second, message):
    dirs = [tmp_path / "first", tmp_path / "second"]
    for directory, options in zip(dirs, (first, second), strict=True):
        other = options.get("ids")
        make(directory, **{"split": SPLIT, **{name: value for name, value in options.items() if name != "ids"}})
        for split in run_folder.open_run(directory).splits() if other else ():
            stored = run_folder.open_run(directory).scores(split)
            ids = [f"{other}{name}" for name in stored.ids]
            run_folder.write_scores(directory, split, ids, stored.scores, stored.labels)
    with pytest.raises(InputError, match=message) as raised:
        thresholds.main(thresholds.Config(run_dirs=tuple(dirs)))
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("thresholds.json"))


def test_a_run_is_joined_with_others_only(tmp_path):
    directory = make(tmp_path / "run", SPLIT)
    with pytest.raises(InputError, match="twice"):
        open_runs([directory, tmp_path / "x" / ".." / "run"])
    with pytest.raises(InputError, match="run_dirs is empty"):
        open_runs([])


def test_thresholds_are_those_of_the_runs_that_they_were_chosen_for(tmp_path):
    one, two, three = (make(tmp_path / name, SPLIT, seed=seed) for seed, name in enumerate(("one", "two", "three")))
    for run_dirs in ((one,), (one, two)):
        thresholds.main(thresholds.Config(run_dirs=run_dirs))
    joined = one / "joined_two"
    tuned = open_runs([one, two]).thresholds()
    assert tuned.tolist() != open_runs([one]).thresholds().tolist()
    stored = open_runs([one, two]).scores("val")
    rates = open_runs([one, two]).training_rates
    np.testing.assert_allclose(tuned, thresholds.fit(stored.labels, stored.scores, "shrink", rates=rates))
    assert [run["run"] for run in json.loads((joined / "thresholds.json").read_text())["runs"]] == ["one", "two"]
    for run_dirs in ((one,), (two, three), (one, three)):
        with pytest.raises(InputError, match=r"holds the thresholds of one \+ two, not of "):
            open_runs(run_dirs).with_directory(joined).thresholds()
    thresholds.main(thresholds.Config(run_dirs=(two,)))
    with pytest.raises(InputError, match=r"holds the thresholds of two, not of one"):
        open_runs([one]).with_directory(two).thresholds()
    assert open_runs([two, one]).with_directory(joined).thresholds().tolist() == tuned.tolist()
    with pytest.raises(InputError, match=r"holds the thresholds of one \+ two; give --overwrite"):
        thresholds.main(thresholds.Config(run_dirs=(two, three), output_dir=joined))
    thresholds.main(thresholds.Config(run_dirs=(two, three), output_dir=joined, overwrite=True))
    assert not open_runs([two, three]).with_directory(joined).thresholds_of_others
    shutil.rmtree(three)
    again = open_runs([two, make(three, SPLIT, seed=7)])
    with pytest.raises(InputError, match=r"of two \+ three, which were trained again since; run thresholds"):
        again.with_directory(joined).thresholds()
    thresholds.main(thresholds.Config(run_dirs=(two, three), output_dir=joined))
    assert again.with_directory(joined).thresholds().shape == (3,)


def test_many_runs_make_no_endless_name(tmp_path):
    run = open_runs([make(tmp_path / f"a_rather_long_name_{seed}", SPLIT, seed=seed) for seed in range(8)])
    assert len(run.directory.name) < 100
    assert run.directory.parent == tmp_path / "a_rather_long_name_0"


@pytest.mark.parametrize("tested", [True, False])
def test_the_report_says_who_was_joined_and_what_the_thresholds_saw(tmp_path, tested, capsys, monkeypatch):
    monkeypatch.setattr(charts, "draw", lambda *arguments: [])
    dirs = tuple(make(tmp_path / f"fold{fold}", split, seed=fold) for fold, split in enumerate(folds(3, tested)))
    thresholds.main(thresholds.Config(run_dirs=dirs))
    assert f"Next: python evaluate.py --run_dirs {' '.join(map(str, dirs))}" in capsys.readouterr().out
    evaluate.main(evaluate.Config(run_dirs=dirs))
    printed = capsys.readouterr().out
    page = (dirs[0] / "joined_fold1_fold2" / "report" / "index.html").read_text(encoding="utf-8")
    assert ">fold0 + fold1 + fold2</h1>" in page
    assert "joined runs" in page and str(dirs[2]) in page and "0 | 1 | 2" in page
    for text in (printed, page):
        assert ("But 60 of the images also chose the thresholds" in text) != tested
        assert ("so these figures are honest" in text) == tested


def save_model(directory: Path, size: int, classes: int, bias: float) -> None:
    import keras

    images = keras.Input((size, size, 3), dtype="uint8")
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    layer = keras.layers.Dense(classes, activation="sigmoid")
    model = keras.Model(images, layer(means))
    layer.set_weights([4 * np.eye(3, classes, dtype=np.float32), np.full(classes, bias, dtype=np.float32)])
    model.save(directory / run_folder.MODEL)


def test_predictions_are_the_joined_scores_of_the_same_images(tmp_path):
    """Three runs that know different classes, each class by two runs, and one of which prepares other pixels."""
    (tmp_path / "new").mkdir()
    paths = [tmp_path / "new" / f"r{row}.png" for row in np.flatnonzero(SPLIT == "test")]
    generator = np.random.default_rng(0)
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(path)
    dirs = []
    for number, (places, size) in enumerate([((0, 1), 4), ((2, 1), 8), ((0, 2), 4)]):
        directory = make(tmp_path / f"{number}", SPLIT, places, preparation={**PREPARATION, "size": size})
        save_model(directory, size, 2, number - 1.0)
        own = run_folder.open_run(directory)
        pixels = np.stack([prepare(path, own.checked_preparation()) for path in paths])
        scores = Predictor(own).score([[image] for image in pixels], 32)
        means = pixels.astype(np.float64).mean(axis=(1, 2))[:, :2] / 255
        np.testing.assert_allclose(scores, 1 / (1 + np.exp(1.0 - number - 4 * means)), atol=1e-5)
        run_folder.write_scores(directory, "test", own.scores("test").ids, scores, own.scores("test").labels)
        dirs.append(directory)
    run = open_runs(dirs)
    joined, predictor = run.scores("test"), Predictor(run)
    assert [preparation.size for preparation in predictor.preparations] == [4, 8]
    images = [[prepare(path, preparation) for preparation in predictor.preparations] for path in paths]
    np.testing.assert_array_equal(predictor.score(images, 32), joined.scores)
    # In the middle of the scores, so that other scores change predictions.
    run.save_thresholds(np.sort(joined.scores, axis=0)[6:8].mean(axis=0), "per_class", {})
    predict.main(predict.Config(image_dir=tmp_path / "new", run_dirs=tuple(dirs), batch_size=2))
    with (run.directory / "predictions.csv").open(newline="", encoding="utf-8") as file:
        predicted = {row["Id"]: row for row in csv.DictReader(file)}
    for name, scores, chosen in zip(joined.ids, joined.scores, joined.scores >= run.thresholds(), strict=True):
        assert [float(predicted[name][each]) for each in NAMES] == pytest.approx(scores.tolist(), rel=1e-5)
        assert predicted[name]["Predicted"] == " ".join(map(str, np.flatnonzero(chosen)))


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_and_an_ensemble_have_one_interface(tmp_path, count):
    run = open_runs([make(tmp_path / f"{seed}", SPLIT, places) for seed, places in enumerate([(0, 2), (1, 2)][:count])])
    assert isinstance(run, run_folder.ScoredRun)
    assert all(getattr(run, name) is not None for name in run_folder.ScoredRun.__annotations__)
    assert len(run.members) == count and bool(run.messages()) == (count > 1) and run.test_folds() == []
    for member, columns in zip(run.members, run.columns, strict=True):
        assert [run.class_names[column] for column in columns] == member.class_names
    moved = run.with_directory(tmp_path)
    assert moved.thresholds_path == tmp_path / "thresholds.json" and run.thresholds_path.parent == run.directory
    assert moved.scores("val").ids == run.scores("val").ids


def test_runs_of_other_channels_do_not_predict_together(tmp_path):
    gray = {**PREPARATION, "channels": "gray"}
    dirs = make(tmp_path / "rgb", SPLIT), make(tmp_path / "gray", SPLIT, preparation=gray)
    with pytest.raises(InputError, match=r"gray takes the channels gray, but .*rgb takes red, green, blue"):
        Predictor(open_runs(dirs))
    assert Preparation.from_dict(gray).channel_names == ["gray"]


def test_two_parts_go_through_all_scripts(made_cache, made_set, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(charts, "draw", lambda *arguments: [])
    large, small = tmp_path / "large", tmp_path / "small"
    for part in (large, small):
        train.main(train.Config(
            cache_dir=made_cache, run_dir=part, model="cnn", precision="float32", classes=(part.name,), epochs=1,
            negatives=1.0,
        ))  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.count(" of 29 classes ") == 2 and "Images without any of these classes: " in printed
    for script in (thresholds, evaluate):
        script.main(script.Config(run_dirs=(large, small)))
    assert "Joined: 2 runs, 29 classes" in capsys.readouterr().out
    cache, run = open_cache(made_cache), open_runs([large, small])
    assert run.class_names == cache.class_names and run.has_thresholds
    assert (run.directory / "report" / "index.html").exists()
    stored = run.scores("test")
    np.testing.assert_array_equal(run.training_counts, cache.meta["counts"]["train"]["positives"])
    predict.main(predict.Config(run_dirs=(large, small), image_dir=made_set / "images"))
    with (run.directory / "predictions.csv").open(newline="", encoding="utf-8") as file:
        predicted = {row["Id"]: row for row in csv.DictReader(file)}
    written = [[float(predicted[name][each]) for each in run.class_names] for name in stored.ids]
    np.testing.assert_allclose(written, stored.scores, atol=1e-3)


def hashed(directory: Path, hashes) -> None:
    """Store the hashes, of a split's ids, with the scores of a run."""
    run = run_folder.open_run(directory)
    for split in run.splits():
        each = run.scores(split)
        run_folder.write_scores(directory, split, each.ids, each.scores, each.labels, hashes=hashes(each.ids))


def test_images_that_have_other_bytes_in_two_runs_are_named(tmp_path):
    one, other = (make(tmp_path / name, SPLIT, seed=seed) for seed, name in enumerate(("one", "other")))
    assert "other bytes" not in "\n".join(open_runs((one, other)).messages())  # of which it is not known
    hashed(one, lambda ids: ids)
    assert "other bytes" not in "\n".join(open_runs((one, other)).messages())
    hashed(other, lambda ids: ids)
    assert "other bytes" not in "\n".join(open_runs((one, other)).messages())
    hashed(other, lambda ids: ["another" if name in ("r3", "r50") else name for name in ids])
    joined = open_runs((one, other))
    said = f"Warning: 2 images have other bytes in {other} than in the runs before it (r3, r50)"
    assert joined.messages()[-1].startswith(said)
    assert joined.scores("val").hashes.tolist() == joined.scores("val").ids


def test_a_renamed_val_image_that_is_judged_in_test_counts_as_one_that_chose_thresholds(tmp_path):
    """Two caches hold one image by two names: in val of the first, in test of the second."""
    first = make(tmp_path / "one", SPLIT, (0,), seed=1)
    second = make(tmp_path / "other", SPLIT, (0,), seed=2)
    hashed(first, lambda ids: ids)
    hashed(second, lambda ids: ids)
    stored = run_folder.open_run(second).scores("test")
    ids = ["renamed", *stored.ids[1:]]
    run_folder.write_scores(second, "test", ids, stored.scores, stored.labels, hashes=["r30", *stored.ids[1:]])
    run = open_runs((first, second))
    run.save_thresholds(np.array([0.5]), "per_class", {})
    assert evaluation.tuned_on_evaluated(run, "test", {"0.5": 0.5, "tuned": run.decision()}) == 1


def test_groups_of_the_runs_are_those_of_the_join(tmp_path):
    dirs = [make(tmp_path / f"fold{fold}", split, seed=fold) for fold, split in enumerate(folds(2, tested=True))]
    assert open_runs(dirs).scores("val").groups is None
    for directory in dirs:
        stored = run_folder.open_run(directory).scores("val")
        groups = [f"plate {int(name[1:]) // 4}" for name in stored.ids]
        run_folder.write_scores(directory, "val", stored.ids, stored.scores, stored.labels, groups)
    joined = open_runs(dirs).scores("val")
    assert joined.groups.tolist() == [f"plate {row // 4}" for row in rows_of(joined)]
