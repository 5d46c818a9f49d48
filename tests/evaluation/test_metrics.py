"""Metrics at the edges: unknown labels, ties, nothing to judge; calibration and other rates against references."""

import numpy as np
import pytest

from common.labels import UNKNOWN
from evaluation import calibration, metrics
from evaluation.smoothing import without_smoothing


def random_case(seed: int, unknown: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, tied scores and thresholds of a random shape; some classes without positives, some without negatives."""
    generator = np.random.default_rng(seed)
    rows, classes = int(generator.integers(1, 60)), int(generator.integers(1, 9))
    labels = (generator.random((rows, classes)) < generator.random(classes)).astype(np.uint8)
    labels[:, generator.random(classes) < 0.15] = 0
    labels[:, generator.random(classes) < 0.05] = 1
    labels[generator.random(labels.shape) < unknown] = UNKNOWN
    levels = int(generator.integers(2, 40))
    scores = generator.integers(0, levels, labels.shape).astype(np.float32) / np.float32(levels)
    thresholds = generator.choice(scores.ravel(), classes).astype(np.float64)
    return labels, scores, thresholds


def test_unknown_labels_change_nothing_whatever_their_scores() -> None:
    labels, scores, thresholds = random_case(3, 0.5)
    other = np.where(labels == UNKNOWN, 1 - scores, scores)
    assert metrics.summary(labels, scores, thresholds) == pytest.approx(
        metrics.summary(labels, other, thresholds), nan_ok=True
    )


def test_a_row_is_right_when_all_its_known_labels_are() -> None:
    labels = np.array([[1, 255], [0, 1], [255, 255], [255, 0]], dtype=np.uint8)
    predictions = np.array([[True, True], [True, True], [True, False], [True, False]])
    whole, nothing = (metrics.summary(*each, 0.5) for each in ((labels, predictions), (labels[2:3], predictions[2:3])))
    assert whole["subset_accuracy"] == pytest.approx(2 / 3) and np.isnan(nothing["subset_accuracy"])


def test_a_score_at_its_threshold_is_predicted_and_one_just_below_is_not() -> None:
    below = np.nextafter(np.float32(0.3), np.float32(0))
    scores = np.array([[0.5, below], [np.nextafter(np.float32(0.5), np.float32(0)), 0.4]], dtype=np.float32)
    assert metrics.predict(scores, [0.5, 0.3]).tolist() == [[True, False], [False, True]]
    # 0.3 as a float32 lies above the float64 0.3, and its lower neighbour below.
    assert metrics.predict(np.full((1, 1), 0.3, dtype=np.float32), 0.3).item()


def test_classes_without_positives_are_left_out_of_map_and_count_zero_in_macro_f1() -> None:
    labels = np.array([[1, 0], [0, 0]], dtype=np.uint8)
    scores = np.array([[0.9, 0.1], [0.2, 0.1]], dtype=np.float32)
    figures = metrics.summary(labels, scores, 0.5)
    assert figures["mAP"] == 1.0
    assert figures["macro_f1"] == 0.5
    assert np.isnan(metrics.summary(labels[:, 1:], scores[:, 1:], 0.5)["mAP"])


def test_nan_scores_and_shapes_that_differ_are_refused() -> None:
    labels = np.array([[1], [0], [255]], dtype=np.uint8)
    with pytest.raises(ValueError, match="nan"):
        metrics.average_precision(labels, np.array([[0.1], [np.nan], [0.2]]))
    assert metrics.average_precision(labels, np.array([[0.9], [0.2], [np.nan]])).tolist() == [1.0]
    with pytest.raises(ValueError, match="one shape"):
        metrics.average_precision(labels, np.zeros((3, 2)))


def binned(labels: np.ndarray, scores: np.ndarray, bins: int) -> float:
    """ECE with a loop over bins and one over labels, each score's bin found by its borders."""
    error = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [(y, s) for y, s in zip(labels, scores, strict=True) if low <= s < high or s == high == 1]
        if inside:
            error += abs(sum(s for _, s in inside) - sum(y == 1 for y, _ in inside)) / len(labels)
    return error


@pytest.mark.parametrize("seed", range(10))
def test_calibration_equals_a_reference(seed: int) -> None:
    labels, _, _ = random_case(seed, 0.3)
    scores = np.random.default_rng(seed).random(labels.shape) ** 3
    scores[0], scores[-1] = 0.0, 1.0
    found = calibration.pooled(labels, scores)
    known = labels != UNKNOWN
    assert found["ECE"] == pytest.approx(binned(labels[known], scores[known], 15), abs=1e-12)
    assert sum(row["labels"] for row in found["bins"]) == known.sum()
    for index in range(labels.shape[1]):
        here = known[:, index]
        expected = binned(labels[here, index], scores[here, index], 15) if here.any() else np.nan
        assert found["class_ECE"][index] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_calibration_of_perfect_and_of_shifted_probabilities() -> None:
    random = np.random.default_rng(0)
    chances = random.random((20000, 3))
    labels = (random.random(chances.shape) < chances).astype(np.uint8)
    assert calibration.pooled(labels, chances)["ECE"] < 0.01
    shifted = calibration.pooled(labels, np.clip(chances + 0.2, 0, 1))
    # Of the chances above 0.8 a part is cut off: 0.2 − 0.2²/2.
    assert shifted["ECE"] == pytest.approx(0.18, abs=0.01)
    assert shifted["mean_score"] - shifted["positive_share"] == pytest.approx(0.18, abs=0.01)
    with pytest.raises(ValueError, match="probabilities from 0 to 1"):
        calibration.pooled(labels, chances + 0.2)


def test_scores_for_other_class_rates_follow_bayes_rule() -> None:
    """Two Gaussians a class, whose posterior is known in closed form under any rate."""

    def posterior(x: np.ndarray, rates: np.ndarray) -> np.ndarray:
        present, absent = rates * np.exp(-((x - 1) ** 2) / 2), (1 - rates) * np.exp(-((x + 1) ** 2) / 2)
        return present / (present + absent)

    trained, new = np.array([0.02, 0.3, 0.9]), np.array([0.3, 0.05, 0.5])
    x = np.random.default_rng(1).normal(0, 2, (500, 3))
    corrected = metrics.with_class_rates(posterior(x, trained), trained, new)
    np.testing.assert_allclose(corrected, posterior(x, new), rtol=1e-9)
    logits, shift = np.log(corrected / (1 - corrected)), np.log(new / (1 - new)) - np.log(trained / (1 - trained))
    before = posterior(x, trained)
    np.testing.assert_allclose(logits, np.log(before / (1 - before)) + shift, rtol=1e-6, atol=1e-9)


def test_class_rates_of_0_and_1_and_scores_of_0_and_1() -> None:
    scores = np.array([[0.0, 0.3, 1.0, 0.4]], np.float32)
    found = metrics.with_class_rates(scores, [0.1, 0.1, 0.1, 0.0], [0.5, 0.0, 0.5, 0.7])
    np.testing.assert_allclose(found, [[0, 0, 1, 0.4]], rtol=1e-6)
    assert metrics.with_class_rates(scores, [0.1] * 4, [0.1, 1.0, 0.1, 0.1])[0, 1] == 1


def test_a_shift_of_rates_is_corrected_on_drawn_images() -> None:
    """Calibrated where trained, off where the rates are others, and calibrated again after the correction."""
    random = np.random.default_rng(2)
    trained, new = np.array([0.05, 0.4]), np.array([0.4, 0.05])
    labels = (random.random((40000, 2)) < new).astype(np.uint8)
    x = random.normal(2.0 * labels - 1, 1)
    scores = 1 / (1 + np.exp(-(2 * x + np.log(trained / (1 - trained)))))
    assert calibration.pooled(labels, scores)["ECE"] > 0.02
    assert calibration.pooled(labels, metrics.with_class_rates(scores, trained, new))["ECE"] < 0.01


def test_smoothing_is_undone_before_the_rates_are_corrected() -> None:
    """A model that knows nothing of an image says the smoothed rate of training; of new images it must say theirs."""
    share, trained, new = np.array([0.1, 0.3, 0.0]), np.array([0.01, 0.4, 0.2]), np.array([0.2, 0.05, 0.7])
    smoothed = trained * (1 - share) + share / 2
    np.testing.assert_allclose(metrics.with_class_rates(smoothed[None], trained, new, share), [new], rtol=1e-12)
    chances = np.random.default_rng(3).uniform(0.001, 0.999, (500, 3))
    logits = np.log(chances / (1 - chances)) + np.log(new / (1 - new)) - np.log(trained / (1 - trained))
    found = metrics.with_class_rates(chances * (1 - share) + share / 2, trained, new, share)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), rtol=1e-9)


def test_scores_outside_of_what_smoothed_labels_allow_keep_their_order() -> None:
    scores = np.array([0.0, 0.01, 0.04, 0.05, 0.0500001, 0.5, 0.95, 0.97, 1.0, 1.000001])[:, None]
    found = without_smoothing(scores, np.array([0.1]))
    assert (np.diff(found[:, 0]) > 0).all()
    assert found[0] == 0 and found[8] == 1 and found[3] < 1e-6 and found[6] > 1 - 1e-6
    np.testing.assert_array_equal(without_smoothing(scores, np.array([0.0])), scores)
