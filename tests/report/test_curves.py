"""The sentence that reads the learning curves."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from report import curves


def history(precision, val_loss, loss=None):
    loss = loss or [1.0 - 0.1 * epoch for epoch in range(len(precision))]
    rows = zip(precision, val_loss, loss, strict=True)
    return [{"epoch": i + 1, "val_mAP": p, "val_loss": v, "loss": t} for i, (p, v, t) in enumerate(rows)]


RUNS = Path(__file__).with_name("histories.csv")  # of real runs: the small cnn, 32 x 32 pixels, 4 to 6 seeds a recipe
ADVICE = ("still rising", "levelled off", "more epochs")
VERDICTS = ("it overfits", "still rising", "levelled off", "nothing is learned", "diverges", "only a longer run tells")
EXPECTED = {
    "one_cycle": "only a longer run tells",
    "short_one_cycle": "only a longer run tells",
    "cosine": "only a longer run tells",
    "constant": "still rising",
    "constant_overfit": "it overfits",
    "one_cycle_overfit": "it overfits",
    "too_fast": "nothing is learned",
}


def runs() -> dict[tuple[str, str], list[dict[str, str]]]:
    """The rows of each recipe and seed."""
    found = defaultdict(list)
    with RUNS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["recipe"], row["seed"]].append(row)
    return found


def test_seeds_of_a_recipe_get_one_verdict():
    verdicts = defaultdict(Counter)
    for (recipe, _), rows in runs().items():
        told = [{name: float(row[name]) for name in ("epoch", "loss", "val_loss", "val_mAP")} for row in rows]
        sentence = curves.reading(told, int(rows[0]["epochs"]), rows[0]["schedule"])
        if rows[0]["schedule"] != "constant":
            assert not any(words in sentence for words in ADVICE), "the falling rate makes the end, not the epochs"
        verdicts[recipe].update(words for words in VERDICTS if words in sentence)
    assert sum(map(Counter.total, verdicts.values())) == len(runs()) >= 30, "each has one"
    assert {recipe: [*seen] for recipe, seen in verdicts.items()} == {name: [words] for name, words in EXPECTED.items()}
    assert min(map(Counter.total, verdicts.values())) >= 4


def settled(count: int, noise: float = 0.02):
    """Curves that reach their level in the first quarter, and then vary by noise."""
    random = np.random.default_rng(count)
    precision = np.minimum(np.arange(1, count + 1) / (count / 4), 1) * 0.6 + noise * random.standard_normal(count)
    falling = np.linspace(0.5, 0.4, count).tolist()
    return history(precision.tolist(), falling, falling)


@pytest.mark.parametrize(
    ("rows", "epochs", "schedule", "phrase"),
    [
        (history([0.1], [0.5]), 1, "one_cycle", "0.100, after epoch 1 of 1. So few epochs tell no trend"),
        (history([0.1, 0.2, 0.3], [0.5, 0.4, 0.3]), 3, "constant", "0.300, after epoch 3 of 3. So few epochs"),
        (settled(40), 40, "constant", "levelled off"),
        (settled(40), 40, "cosine", "only a longer run tells"),
        (settled(40), 60, "one_cycle", ""),  # stopped before the rate had fallen
        (
            history([0.1, 0.2, 0.3, 0.3, 0.3], [0.5, 0.4, 0.4, 0.5, 0.5], [0.5, 0.4, 0.4, 0.2, 0.8]),
            5,
            "cosine",
            "diverge",
        ),
        (history([0.1, 0.2, 0.3, 0.3, 0.3], [0.5, 0.4, 0.3, 0.4, 0.5]), 9, "cosine", "Since epoch 3 the loss falls"),
        (history([1.0] * 8, [0.1] * 8), 8, "constant", "levelled off"),
    ],
)
def test_the_sentence_says_what_the_curves_do(rows, epochs, schedule, phrase):
    sentence = curves.reading(rows, epochs, schedule)
    assert phrase in sentence if phrase else sentence.endswith(f"of {len(rows)}.")


def test_curves_are_drawn_with_gaps_in_the_training_metrics(tmp_path):
    rows = history([0.1, 0.3, 0.2], [0.5, 0.4, 0.6])
    rows[1]["train_mAP"] = 0.5
    curves.draw(rows, "A sentence.", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 600
