"""Every figure equals scikit-learn's on a thousand small matrices, empty classes and unknown labels included."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn import metrics as reference

from common.labels import UNKNOWN
from evaluation import bootstrap, counts, ranking
from evaluation.figures import EvaluatedSplit
from report import figure_tables

SHAPES, EACH = ((2, 3), (5, 2), (8, 3), (11, 2)), 250  # images and classes, and how many matrices of each


def case(seed, shape):
    """Labels, tied scores and predictions; some classes are empty, some full."""
    random = np.random.default_rng(seed)
    labels = (random.random(shape) < random.random(shape[1])).astype(np.uint8)
    labels[:, random.random(shape[1]) < 0.15] = 0
    labels[:, random.random(shape[1]) < 0.1] = 1
    labels[random.random(shape) < random.choice([0, 0.3, 0.8])] = UNKNOWN
    scores = (random.integers(0, 6, shape) / 6).astype(np.float32)
    return labels, scores, scores >= random.random(shape[1])


def class_figures(truth, found):
    """scikit-learn's precision, recall, F1 and positives of each column, (4, columns). A call takes milliseconds, so
    many matrices share one."""
    # A single column would be taken for two classes, 0 and 1.
    truth, found = (np.column_stack([each, each[:, :1]]) for each in (truth, found))
    return np.array(reference.precision_recall_fscore_support(truth, found, zero_division=0))[:, :-1]


def scikit_learns(cases):
    """The figures of `counts.figures` of matrices of one shape, each (n,), and those of each class, (4, n, K).

    A label that neither is nor is predicted changes no F1, so unknown ones are made that; but images without a known
    label, and unknown labels in the Hamming loss, are left out.
    """
    labels = np.stack([each[0] for each in cases])
    known = labels != UNKNOWN
    truth, found = (labels == 1).astype(int), (np.stack([each[1] for each in cases]) & known).astype(int)
    number, rows, classes = labels.shape
    columns = (each.transpose(1, 0, 2).reshape(rows, -1) for each in (truth, found))
    by_class = class_figures(*columns).reshape(4, number, classes)
    _, _, f1, support = by_class
    # The labels of all classes as one column, and those of an image as one: the micro-F1, and each image's own.
    micro = class_figures(*(each.reshape(number, -1).T for each in (truth, found)))[2]
    own = class_figures(*(each.reshape(-1, classes).T for each in (truth, found)))[2].reshape(number, rows)
    judged, present = known.any(axis=2), support > 0
    accuracy, hamming = np.full(number, np.nan), np.full(number, np.nan)
    for place in np.flatnonzero(judged.any(axis=1)):
        kept = judged[place]
        accuracy[place] = reference.accuracy_score(truth[place][kept], found[place][kept])
        hamming[place] = reference.hamming_loss(truth[place][known[place]], found[place][known[place]])
    return {
        "macro_f1": f1.mean(axis=1),
        "macro_f1_present": (f1 * present).sum(axis=1) / present.sum(axis=1),
        "weighted_f1": np.nan_to_num((f1 * support).sum(axis=1) / support.sum(axis=1)),
        "micro_f1": micro,
        "samples_f1": (own * judged).sum(axis=1) / judged.sum(axis=1),
        "subset_accuracy": accuracy,
        "hamming_loss": hamming,
    }, by_class


def rankings(labels, scores):
    """AP and AUC of each class, (K, 2), nan where they are not defined: the areas under scikit-learn's curves."""
    found = np.full((labels.shape[1], 2), np.nan)
    for column in range(labels.shape[1]):
        known = labels[:, column] != UNKNOWN
        truth, score = labels[known, column], scores[known, column]
        if truth.any():
            precision, recall, _ = reference.precision_recall_curve(truth, score)
            found[column, 0] = -np.sum(np.diff(recall) * precision[:-1])
            if not truth.all():
                found[column, 1] = reference.auc(*reference.roc_curve(truth, score)[:2])
    return found


def calibration_error(labels, scores, bins=15):
    """ECE by a loop over bins that are found by their borders."""
    known = labels != UNKNOWN
    scores, hits, error = scores[known].astype(np.float64), labels[known] == 1, 0.0
    for number in range(bins):
        inside = (scores >= number / bins) & (scores < (number + 1) / bins if number < bins - 1 else True)
        if inside.any():
            error += inside.mean() * abs(scores[inside].mean() - hits[inside].mean())
    return error if len(scores) else np.nan


@pytest.fixture(autouse=True)
def fast():
    """scikit-learn without the checks of its arguments, and without warnings of what is not defined."""
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with np.errstate(invalid="ignore"):
            yield


@pytest.mark.parametrize("shape", SHAPES)
def test_a_thousand_matrices_in_all(shape):
    made = [case(seed, shape) for seed in range(EACH)]
    ranked = np.array([rankings(labels, scores) for labels, scores, _ in made])
    expected, by_class = scikit_learns([(labels, chosen) for labels, _, chosen in made])
    expected |= dict(zip(("mAP", "AUC"), np.nanmean(ranked, axis=1).T, strict=True))
    expected["ECE"] = [calibration_error(labels, scores) for labels, scores, _ in made]
    expected["class_ECE"] = [
        np.nanmean([calibration_error(*column) for column in zip(labels.T, scores.T, strict=True)])
        for labels, scores, _ in made
    ]
    parts = [EvaluatedSplit(labels, scores, {"tuned": chosen}) for labels, scores, chosen in made]
    found = [part.figures()["tuned"] for part in parts]
    assert set(found[0]) - {"rows", "classes_with_positives"} == set(expected) == set(figure_tables.NAMES)
    for name, values in expected.items():
        np.testing.assert_allclose([each[name] for each in found], values, atol=1e-12, err_msg=name)
    rows = [part.rows({"tuned": 0.5}, list("abc"[: shape[1]]))["tuned"] for part in parts]
    for name, values in zip(("precision", "recall", "f1", "support", "AP"), (*by_class, ranked[..., 0]), strict=True):
        figures = [[row[name] for row in each] for each in rows]
        np.testing.assert_allclose(figures, values, atol=1e-12, err_msg=name)
    known = [labels != UNKNOWN for labels, _, _ in made]
    counted = [[sum(row[name] for name in ("TP", "FP", "FN", "TN")) for row in each] for each in rows]
    np.testing.assert_array_equal(counted, [each.sum(axis=0) for each in known])
    assert [each["rows"] for each in found] == [each.any(axis=1).sum() for each in known]
    assert [each["classes_with_positives"] for each in found] == np.count_nonzero(by_class[3], axis=1).tolist()
    once = np.ones((shape[0], 1), dtype=np.float32)
    column = [ranking.Ranking(labels[:, 0], scores[:, 0]).figures(once) for labels, scores, _ in made]
    np.testing.assert_allclose(np.array(column)[..., 0], ranked[:, 0], atol=1e-12)
    assert sum(not (labels == 1).any(axis=0).all() for labels, _, _ in made) > 50
    assert sum((labels == UNKNOWN).any() for labels, _, _ in made) > 100


def test_scikit_learns_own_areas():
    """The areas under the curves above are what its functions for them say, which take three times as long."""
    for seed in range(15):
        labels, scores, _ = case(seed, (11, 2))
        labels, (expected, *_) = labels % 2, rankings(labels % 2, scores)
        truth, score = labels[:, 0], scores[:, 0]
        if truth.any() and not truth.all():
            found = reference.average_precision_score(truth, score), reference.roc_auc_score(truth, score)
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_scikit_learns_own_averages():
    """The shared calls above say what its averages say."""
    made = [case(seed, (8, 3)) for seed in range(15)]
    made = [(labels % 2, chosen) for labels, _, chosen in made]
    expected, _ = scikit_learns(made)
    for name in ("macro", "micro", "weighted", "samples"):
        values = [reference.f1_score(labels, chosen, average=name, zero_division=0) for labels, chosen in made]
        np.testing.assert_allclose(expected[f"{name}_f1"], values, atol=1e-12)


def test_a_draw_equals_the_images_indexed_anew():
    """Weights times counts, and weights along a ranking, are what scikit-learn makes of the repeated rows."""
    for seed in range(10):
        random = np.random.default_rng(seed)
        labels, scores = random.integers(0, 2, (12, 4)).astype(np.uint8), random.integers(0, 8, (12, 4)) / 8
        labels[:, 3] = 0
        labels[random.random(labels.shape) < 0.1] = UNKNOWN
        rows = random.integers(12, size=12)
        weights = np.bincount(rows, minlength=12).astype(np.float32)[:, None]
        judged = bootstrap.Predicted(counts.outcomes(labels, scores >= 0.5), parts={"some": np.array([0, 2])})
        found = {name: float(value[0]) for name, value in judged.figures(weights).items()}
        drawn = labels[rows], (scores >= 0.5)[rows]
        expected = {name: values[0] for name, values in scikit_learns([drawn])[0].items()}
        ranked = rankings(labels[rows], scores[rows])
        # Of the four classes the last has no positive at all and counts 0 in every draw.
        expected["macro_f1"] = 0.75 * expected["macro_f1_present"]
        part = scikit_learns([tuple(each[:, [0, 2]] for each in drawn)])[0]
        expected["some"] = part["macro_f1_present"][0]
        assert found == pytest.approx(expected, abs=1e-12)
        both = bootstrap.Ranked(labels, scores).figures(weights)
        np.testing.assert_allclose([both["mAP"][0], both["AUC"][0]], np.nanmean(ranked, axis=0), atol=1e-12)


def test_no_figure_depends_on_the_batches_or_on_the_order_of_the_images():
    labels, scores, predictions = (np.concatenate(each) for each in zip(*map(fixed, range(30)), strict=True))
    whole = EvaluatedSplit(labels, scores, {"tuned": predictions}).figures()["tuned"]
    for size in (1, 7, 64):
        pieces = [slice(first, first + size) for first in range(0, len(labels), size)]
        added = sum(counts.outcomes(labels[piece], predictions[piece]).by_image().sum(axis=0) for piece in pieces)
        figures = counts.figures(counts.split(added))
        assert figures == pytest.approx({name: whole[name] for name in figures}, abs=1e-12)
        # The images in the order that batches of every so-many-th leave them in.
        order = np.concatenate([np.arange(first, len(labels), size) for first in range(size)])
        part = EvaluatedSplit(labels[order], scores[order], {"tuned": predictions[order]})
        assert part.figures()["tuned"] == pytest.approx(whole, abs=1e-12)


def fixed(seed):
    random = np.random.default_rng(seed)
    labels = random.choice([0, 0, 1, UNKNOWN], (9, 3)).astype(np.uint8)
    scores = random.random((9, 3)).round(1)
    return labels, scores, scores >= 0.5


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        counts.outcomes(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="nan"):
        ranking.area_under_roc(np.array([[1], [0]]), np.array([[0.5], [np.nan]]))
