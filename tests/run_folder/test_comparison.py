"""Runs that differ in the seed alone are found, and their spread is in the interval."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

import run_folder
import thresholds
from evaluation import bootstrap, counts, seeds
from report import comparison_tables
from run_folder import comparison
from run_folder.ensemble import open_runs
from run_folder.recipe import by_recipe

RANDOM = np.random.default_rng(0)
LABELS = (RANDOM.random((80, 3)) < [0.5, 0.4, 0.3]).astype(np.uint8)


def make(directory, seed: int | None, **settings):
    """A run whose seed makes each class easier or harder."""
    counts = {"train": {"positives": [10] * 3, "known": [30] * 3}}
    cache = {"class_names": ["Golgi", "Rods", "Nucleus"], "preparation": {}, "counts": counts, "fingerprint": "f"}
    config = {"run_dir": str(directory), "loss": "bce", **settings} | ({} if seed is None else {"seed": seed})
    run_folder.create_run(directory, {"cache": cache, "config": config}, overwrite=False)
    random = np.random.default_rng(seed)
    strength = random.normal(0.25, 0.15, 3)
    for split in ("train", "val"):
        scores = np.clip(random.normal(0.5 + strength * (2.0 * LABELS - 1), 0.25), 0, 1).astype(np.float32)
        run_folder.write_scores(directory, split, [f"{split}{row}" for row in range(80)], scores, LABELS)
    run_folder.finish_run(directory)
    return directory


def compare(first, *others, draws=50):
    run = open_runs(first)
    others = [run_folder.open_run(each) for each in others]
    return comparison.compare(run, run, others, "val", thresholds.recorded_chooser, draws, 0)


def macro_f1(directory) -> float:
    return f1_score(LABELS, run_folder.open_run(directory).scores("val").scores >= 0.5, average="macro")


def macro_f1_of_draws(directory) -> np.ndarray:
    predicted = bootstrap.Predicted(counts.outcomes(LABELS, run_folder.open_run(directory).scores("val").scores >= 0.5))
    return bootstrap.resampled([predicted], 80, 50, 0)[0]["macro_f1"]


def test_runs_of_a_recipe_are_those_that_differ_in_the_seed_alone(tmp_path):
    dirs = [make(tmp_path / "a0", 0), make(tmp_path / "a1", 1, workers=3), make(tmp_path / "again", 1),
            make(tmp_path / "b", 2, loss="focal"), make(tmp_path / "c", None), make(tmp_path / "d", None)]  # fmt: skip
    groups = by_recipe([run_folder.open_run(each) for each in dirs])
    assert [[run.name for run in group] for group in groups] == [["a0", "a1"], ["again"], ["b"], ["c"], ["d"]]


def test_seeds_are_averaged_and_their_spread_is_in_the_interval(tmp_path):
    ours = [make(tmp_path / f"a{seed}", seed) for seed in range(3)]
    theirs = [make(tmp_path / f"b{seed}", seed, loss="focal") for seed in (7, 8)]
    found = compare(ours[:1], ours[1], *theirs, ours[2])
    first = found[0]
    assert [each["run"] for each in found] == ["b7, b8"] and first["seeds"] == [3, 2]
    assert first["first"] == "a0, a1, a2"
    row = first["figures"]["0.5"]["macro_f1"]
    values = [np.array([macro_f1(each) for each in dirs]) for dirs in (ours, theirs)]
    assert row["first"] == pytest.approx(values[0].mean()) and row["other"] == pytest.approx(values[1].mean())
    drawn = [np.mean([macro_f1_of_draws(each) for each in dirs], axis=0) for dirs in (ours, theirs)]
    low, high, deviation = seeds.interval(row["difference"], drawn[0] - drawn[1], *values, 80)
    assert row["seed_deviation"] == pytest.approx(deviation) and deviation > 0.01
    assert row["interval"] == pytest.approx([low, high])
    said = comparison_tables.messages(found)
    assert "Other images and seeds could reverse this. With 3 and 2 runs that differ in the seed alone" in said[0]
    assert comparison_tables.covers(compare(ours[:1], *ours[1:], *theirs, draws=0)[0]) == ""
    assert f"Between seeds the macro-F1 (at 0.5) deviates by {deviation:.3f}." in said[0]
    alike = compare(ours[:1], ours[1])[0]
    assert alike["same_recipe"] and alike["figures"]["0.5"]["macro_f1"]["difference"] == pytest.approx(
        values[0][0] - values[0][1]
    )
    assert "differ in the seed alone: this is what a seed makes" in comparison_tables.messages([alike])[0]


def test_seeds_that_are_joined_keep_the_figure_of_the_join(tmp_path):
    ours = [make(tmp_path / f"a{seed}", seed) for seed in range(3)]
    other = make(tmp_path / "b", 9, loss="focal")
    row = (found := compare(ours, other)[0])["figures"]["0.5"]["macro_f1"]
    mean = np.mean([run_folder.open_run(each).scores("val").scores for each in ours], axis=0)
    assert found["seeds"] == [3, 1] and row["first"] == pytest.approx(f1_score(LABELS, mean >= 0.5, average="macro"))
    values = np.array([macro_f1(each) for each in ours])
    assert row["seed_deviation"] == pytest.approx(values.std(ddof=1))
    mixed = make(tmp_path / "c", 3, loss="asymmetric")
    assert compare([ours[0], mixed], other)[0]["seeds"] is None


def test_one_seed_a_recipe_is_said_to_be_no_more_than_that(tmp_path):
    found = compare([make(tmp_path / "a", 0)], make(tmp_path / "b", 1, loss="focal"))
    assert found[0]["seeds"] is None
    said = comparison_tables.messages(found)[0]
    assert "not the seed of the training" in said and "chance" not in said
