"""An image of which nothing is known changes nothing: not a loss, weight, count, metric, threshold, chart or split."""

import json

import numpy as np
import pytest

import losses
import thresholds
from common.labels import UNKNOWN
from data.cache.cache import split_counts
from data.images.image_files import ImageInfo
from data.labels.label_forms import SPLITS
from data.labels.labels import label_statistics, read_labels, write_labels
from data.splits.findings import disagreeing, giveaways, label_names, preview_rows, split_table
from data.splits.splits import draw_folds, draw_split, missing_classes, units
from evaluation import metrics
from evaluation.figures import EvaluatedSplit
from report import plots

CLASSES = ["Golgi", "Cytosol", "Rods", "Absent"]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def rows(rng):
    """Labels (40, 4), a tenth of them unknown, and scores; and the same with 9 rows between of nothing known."""
    labels = (rng.random((40, 4)) < (0.6, 0.3, 0.15, 0)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.1] = UNKNOWN
    scores = rng.random((40, 4)).astype(np.float32)
    places = np.sort(rng.integers(0, 41, 9))
    more_labels = np.insert(labels, places, UNKNOWN, axis=0)
    more_scores = np.insert(scores, places, rng.random((9, 4)).astype(np.float32), axis=0)
    return labels, scores, more_labels, more_scores


@pytest.mark.parametrize("name", losses.LOSSES)
def test_losses_and_their_gradients(rows, name):
    import keras
    import tensorflow as tf

    labels, scores, more_labels, more_scores = rows
    given = {
        "weighted_bce": {"positive_weights": [3, 1, 2, 1], "negative_weights": [1, 2, 1, 1]},
        "distribution_balanced": {"positives": [24, 12, 6, 0], "negatives": [16, 28, 34, 40]},
    }
    loss = losses.build(name, **given.get(name, {}))
    found = []
    for truth, logits in ((labels, 4 * scores - 2), (more_labels, 4 * more_scores - 2)):
        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            value = loss(truth, variable)
        found.append((float(value), keras.ops.convert_to_numpy(tape.gradient(value, variable))))
    (plain, gradient), (more, more_gradient) = found
    assert more == pytest.approx(plain, rel=1e-6)
    silent = (more_labels > 1).all(axis=1)
    assert not more_gradient[silent].any()
    np.testing.assert_allclose(more_gradient[~silent], gradient, rtol=1e-5, atol=1e-8)


def test_weights_and_counts(rows):
    labels, _, more_labels, _ = rows
    counts = [split_counts(found, np.full(len(found), "train"))["train"] for found in (labels, more_labels)]
    assert all(counts[0][name] == counts[1][name] for name in ("positives", "known"))
    statistics = [label_statistics(found) for found in (labels, more_labels)]
    assert {**statistics[1], "rows": 40} == statistics[0]
    assert split_table(labels, ["val"] * 40).tolist() == split_table(more_labels, ["val"] * 49).tolist()
    assert missing_classes(labels, ["val"] * 40) == missing_classes(more_labels, ["val"] * 49)


def class_rows(labels, scores, cuts):
    return EvaluatedSplit(labels, scores, {"": metrics.predict(scores, cuts)}).rows({"": cuts}, CLASSES)[""]


def test_metrics_and_thresholds(rows):
    labels, scores, more_labels, more_scores = rows
    cuts = thresholds.fit(labels, scores)
    for method in thresholds.METHODS:
        chosen, more = (thresholds.fit(*found, method) for found in ((labels, scores), (more_labels, more_scores)))
        np.testing.assert_array_equal(chosen, more)
    assert metrics.summary(labels, scores, cuts) == metrics.summary(more_labels, more_scores, cuts)
    np.testing.assert_equal(class_rows(labels, scores, cuts), class_rows(more_labels, more_scores, cuts))


def test_charts(rows, tmp_path):
    pictures = []
    for number, (labels, scores) in enumerate((rows[:2], rows[2:])):
        table = [{**row, "training_images": 3} for row in class_rows(labels, scores, 0.5)]
        path = tmp_path / f"{number}.png"
        plots.precision_recall_curves(labels, scores, {"0.5": table}, [0, 1, 2, 3], path)
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("seed", range(3))
def test_splits_and_folds(rows, seed):
    labels, _, more_labels, _ = rows
    known = (more_labels <= 1).any(axis=1)
    groups = np.full(len(more_labels), "", dtype=object)
    groups[known] = [f"plate {number // 3}" for number in range(known.sum())]
    own, more = units(40, groups[known].tolist(), None), units(len(groups), groups.tolist(), None)
    split, more_split = draw_split(labels, own, 0.2, 0.2, seed), draw_split(more_labels, more, 0.2, 0.2, seed)
    assert np.array(more_split)[known].tolist() == split
    assert set(np.array(more_split)[~known]) == {"train"}
    folds, more_folds = draw_folds(labels, own, 3, seed), draw_folds(more_labels, more, 3, seed)
    np.testing.assert_array_equal(more_folds[known], folds)
    assert set(more_folds.tolist()) == {0, 1, 2}


def test_a_row_of_nothing_known_goes_where_its_group_goes(rows):
    labels, _, more_labels, _ = rows
    known = (more_labels <= 1).any(axis=1)
    # Each of them belongs to the row with known labels before it, or else after it.
    numbers = np.maximum(np.cumsum(known) - 1, 0)
    split = np.array(draw_split(more_labels, numbers, 0.3, 0.3, 0))
    assert split[known].tolist() == draw_split(labels, np.arange(40), 0.3, 0.3, 0)
    assert (split == split[known][numbers]).all()
    assert set(split) == set(SPLITS)


def test_findings(rows):
    labels, _, more_labels, _ = rows
    infos = [ImageInfo(8, 8, "RGB", "PNG" if row[0] == 1 else "JPEG", "") for row in np.where(labels > 1, 0, labels)]
    labels = np.where(labels[:, :1] > 1, 0, labels)
    given = giveaways(infos, labels)
    assert [(label, words) for label, words, _ in given] == [(0, "file format PNG")]
    nothing = np.full((2, 4), UNKNOWN, dtype=np.uint8)
    others = [ImageInfo(8, 8, "RGB", kind, "") for kind in ("PNG", "JPEG")]
    assert giveaways([*infos, *others], np.vstack([labels, nothing])) == given
    assert disagreeing([[0, 1]], np.array([[1, 0], [UNKNOWN, UNKNOWN]], dtype=np.uint8)) == []
    known = np.flatnonzero((more_labels <= 1).any(axis=1))
    shown = preview_rows(rows[0], np.ones(40, dtype=bool), 12)
    assert preview_rows(more_labels, np.ones(len(more_labels), dtype=bool), 12) == known[shown].tolist()


def test_what_a_preview_says():
    assert label_names(CLASSES, np.array([0, 1, UNKNOWN, 0], dtype=np.uint8)) == ["Cytosol", "?Rods"]
    assert label_names(CLASSES, np.full(4, UNKNOWN, dtype=np.uint8)) == ["?"]
    assert label_names(CLASSES, np.zeros(4, dtype=np.uint8)) == []


@pytest.fixture(scope="module")
def more_run(made_set, made_run, tmp_path_factory, called):
    """The made set with six more images of nothing known, taken through all scripts as it was without them."""
    from PIL import Image

    from common.errors import Faults

    folder = tmp_path_factory.mktemp("unknown")
    (folder / "images").mkdir()
    for path in (made_set / "images").glob("*.*"):
        (folder / "images" / path.name).symlink_to(path)
    for number in range(6):
        Image.new("RGB", (48, 48), (40 * number, 255, 9)).save(folder / "images" / f"unknown{number}.png")
    table = read_labels(made_set / "labels.csv", made_set / "classes.txt", Faults())
    ids = [*table.ids, *(f"unknown{number}" for number in range(6))]
    labels = np.vstack([table.labels, np.full((6, len(table.class_names)), UNKNOWN, np.uint8)])
    write_labels(folder / "labels.csv", ids, labels, table.class_names)
    cache, run = folder / "cache", folder / "run"
    called("preprocess.py", "--image_dir", folder / "images", "--labels_csv", folder / "labels.csv", "--size", 32,
           "--classes_file", made_set / "classes.txt", "--cache_dir", cache)  # fmt: skip
    called("train.py", "--cache_dir", cache, "--run_dir", run, "--epochs", 2, "--train_metrics_every", 2)
    called("thresholds.py", "--run_dirs", run)
    called("evaluate.py", "--run_dirs", run)
    return run


def test_a_run_through_all_scripts(made_run, more_run):
    def read(path, pick=lambda content: content):
        return [pick(json.loads((run / path).read_text(encoding="utf-8"))) for run in (made_run, more_run)]

    plain, more = read("config.json", lambda config: config["cache"])
    assert more["counts"]["train"]["rows"] == plain["counts"]["train"]["rows"] + 6
    for split in SPLITS:
        for count in ("positives", "known"):
            assert plain["counts"][split][count] == more["counts"][split][count]
    assert (plain["mean"], plain["std"]) == (more["mean"], more["std"])
    plain, more = read("thresholds.json")
    assert (plain["thresholds"], plain["in_sample"]) == (more["thresholds"], more["in_sample"])
    plain, more = read("report/metrics.json")
    assert (plain["splits"], plain["classes"]) == (more["splits"], more["classes"])
    for name in ("precision_recall.png", "counts.png", "precision_recall_curves.png"):
        assert (made_run / "report" / name).read_bytes() == (more_run / "report" / name).read_bytes(), name
    for name in ("history.csv", "report/per_class.csv"):
        assert (made_run / name).read_text() == (more_run / name).read_text(), name
