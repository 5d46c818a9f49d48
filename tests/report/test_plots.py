"""The charts draw the figures that they are given, for few and for many classes, and whatever the classes are named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_curve

from common.labels import UNKNOWN
from evaluation.figures import EvaluatedSplit
from report import plots, style


def made(classes: int, rows: int = 50) -> tuple[np.ndarray, np.ndarray, dict]:
    generator = np.random.default_rng(classes)
    labels = (generator.random((rows, classes)) < np.linspace(0.5, 0, classes)).astype(np.uint8)
    labels[generator.random(labels.shape) < 0.05] = UNKNOWN
    scores = generator.random(labels.shape).astype(np.float32)
    names = [f"${number}_{{x}}$ " + "long name " * (number % 9) for number in range(classes)]
    cuts = {"0.5": 0.5, "tuned": 0.3}
    part = EvaluatedSplit(labels, scores, {name: scores >= cut for name, cut in cuts.items()})
    by_thresholds = {
        name: [{**row, "training_images": 5 * row["support"]} for row in each]
        for name, each in part.rows(cuts, names).items()
    }
    return labels, scores, by_thresholds


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The figures that were saved."""
    figures = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, path: (figures.append(figure), save(figure, path)))
    return figures


def is_drawn(path: Path) -> bool:
    with Image.open(path) as image:
        return image.format == "PNG" and np.asarray(image.convert("L")).std() > 3


@pytest.mark.parametrize("choices", [("0.5",), ("0.5", "tuned")])
@pytest.mark.parametrize("classes", [1, 7])
def test_every_chart_draws_few_classes(tmp_path, classes, choices):
    labels, scores, by_thresholds = made(classes)
    given = {name: by_thresholds[name] for name in choices}
    plots.precision_recall_bars(given, "test", tmp_path / "bars.png")
    plots.count_dots(given, "train", tmp_path / "dots.png")
    plots.precision_recall_curves(labels, scores, given, list(range(classes)), tmp_path / "curves.png")
    assert all(is_drawn(tmp_path / name) for name in ("bars.png", "dots.png", "curves.png"))


def test_the_bars_are_as_long_as_the_figures(tmp_path, drawn):
    _, _, by_thresholds = made(6)
    plots.precision_recall_bars(by_thresholds, "test", tmp_path / "bars.png")
    for axes, measure in zip(drawn[0].axes, ("precision", "recall"), strict=True):
        for bars, rows in zip(axes.containers, by_thresholds.values(), strict=True):
            assert [bar.get_width() for bar in bars] == [row[measure] for row in rows]
            assert np.all(np.diff([bar.get_y() for bar in bars]) > 0)
        low, high = axes.get_ylim()
        assert low > high, "the first class is on top"
    label = drawn[0].axes[0].get_yticklabels()[0].get_text()
    first = by_thresholds["0.5"][0]
    assert label.startswith(first["class"].strip())
    assert label.endswith(f"{first['training_images']} | {first['support']}")


def test_the_dots_stand_at_the_counts(tmp_path, drawn):
    _, _, by_thresholds = made(6)
    plots.count_dots(by_thresholds, "test", tmp_path / "dots.png")
    for axes, rows in zip(drawn[0].axes, by_thresholds.values(), strict=True):
        for dots in axes.collections[1:]:
            count = dots.get_label()[:2]
            assert dots.get_offsets()[:, 0].tolist() == [row[count] for row in rows]


def test_a_curve_passes_through_the_points_of_its_thresholds(tmp_path, drawn):
    labels, scores, by_thresholds = made(4, rows=400)
    order = [2, 0, 3, 1]
    given = {name: [rows[index] for index in order] for name, rows in by_thresholds.items()}
    plots.precision_recall_curves(labels, scores, given, order, tmp_path / "curves.png")
    for axes, row in zip(drawn[0].axes, given["0.5"], strict=True):
        assert axes.get_title(loc="left").split()[0] == row["class"].split()[0]
        if not row["support"]:
            continue
        _, line, *points = axes.lines
        assert len(points) == 2
        assert points[0].get_xydata()[0].tolist() == [row["recall"], row["precision"]]
        assert all(on_the_line(*line.get_xydata().T, point.get_xydata()[0]) for point in points)


def on_the_line(recall: np.ndarray, precision: np.ndarray, point: tuple[float, float]) -> bool:
    """Whether a point lies on a vertical piece of a curve."""
    own = precision[np.isclose(recall, point[0])]
    return len(own) > 0 and own.min() - 1e-12 <= point[1] <= own.max() + 1e-12


@pytest.mark.parametrize("rows", [60, 5000])
def test_the_point_of_any_threshold_lies_on_the_curve(rows):
    generator = np.random.default_rng(rows)
    labels = (generator.random(rows) < 0.3).astype(np.uint8)
    labels[:5] = UNKNOWN
    scores = np.round(np.clip(generator.normal(0.4 + 0.1 * labels, 0.2), 0, 1), 3)
    known = labels != UNKNOWN
    # The first lies below all positives, where only precision falls.
    cuts = [scores[labels == 1].min() - 0.0005, 0.3, 0.5, scores[labels == 1].max()]
    points = []
    for cut in [*cuts, np.sort(scores[known])[len(scores) // 50]]:
        predicted = scores[known] >= cut
        found = np.count_nonzero(labels[known][predicted] == 1)
        points.append((found / np.count_nonzero(labels == 1), found / predicted.sum()))
    recall, precision = plots.curve(labels, scores, [point[0] for point in points])
    assert len(recall) <= plots.CURVE_POINTS and np.all(np.diff(recall) <= 0)
    assert all(on_the_line(recall, precision, point) for point in points)
    expected, there, _ = precision_recall_curve(labels[known], scores[known])
    assert recall[0] == 1 and precision[0] == pytest.approx(expected[0]) and set(recall) <= set(there)


def test_of_too_many_classes_the_first_and_the_last_are_drawn():
    assert plots.drawn_of(list(range(100))) == list(range(100))
    assert plots.drawn_of(list(range(300))) == [*range(50), *range(250, 300)]


def test_equal_counts_are_all_seen_and_ticks_are_many_enough(tmp_path, drawn):
    row = {"class": "a", "training_images": 9, "support": 7, "TP": 7, "FP": 7, "FN": 7, "TN": 7}
    plots.count_dots({"0.5": [row]}, "test", tmp_path / "dots.png")
    axes = drawn[0].axes[0]
    assert len({dots.get_offsets()[0, 1] for dots in axes.collections[1:]}) == 4
    assert axes.get_xticks().tolist() == [0, 1, 2, 5, 10]
    assert plots.count_ticks(9000)[:5] == [0, 1, 3, 10, 30]
    assert all(4 <= len(plots.count_ticks(highest)) <= plots.MOST_TICKS for highest in 10 ** np.arange(1, 8.0))


def test_bars_without_length_are_explained(tmp_path, drawn):
    def row(support, found, alarms):
        ratios = {"precision": found / max(1, found + alarms), "recall": found / max(1, support)}
        return {"class": "a", "training_images": 9, "support": support, "FP": alarms, **ratios}

    plain = [row(3, 0, 0), row(0, 0, 2), row(4, 2, 0), row(5, 0, 1)]
    tuned = [row(3, 1, 1), row(0, 0, 2), row(4, 3, 0), row(5, 0, 0)]
    plots.precision_recall_bars({"0.5": plain, "tuned": tuned}, "val", tmp_path / "bars.png")
    left, right = ([text.get_text() for text in axes.texts if text.get_text()] for axes in drawn[0].axes)
    assert left[:4] == [
        "never predicted",
        "predicted 2 times, always wrongly",
        "predicted once, wrongly",
        "never predicted",
    ]
    assert right == ["none of 3 found", "no image in val", "none of 5 found"]
