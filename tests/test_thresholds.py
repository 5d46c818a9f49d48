"""Thresholds against an exhaustive search and scikit-learn's curve, and the script on a made run."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score, precision_recall_curve

import evaluate
import header
import predict
import run_folder
import thresholds
from common.errors import InputError
from common.labels import UNKNOWN
from data.labels.hierarchy import Tree
from evaluation import counts, levels, metrics
from report import charts, threshold_curves

ROOT = Path(thresholds.__file__).parent
NAMES = ["Nucleoplasm", "N/A", "Rods & rings", "[bold]Cytosol"]


def made_scores(seed: int, rows: int = 40, levels: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Labels with unknowns, the last class empty, and tied scores that follow the labels."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((rows, 4)) < [0.5, 0.2, 0.1, 0]).astype(np.uint8)
    labels[0, :3] = 1
    labels[generator.random(labels.shape) < 0.1] = UNKNOWN
    scores = np.clip(generator.normal(0.3 + 0.25 * (labels == 1), 0.2), 0, 1)
    return labels, (np.round(scores * levels) / levels).astype(np.float32)


def make_run(directory: Path, seed: int = 0, **splits: tuple[np.ndarray, np.ndarray]) -> Path:
    """A finished run with the scores of the given splits."""
    labels, scores = made_scores(seed)
    counts = {"train": {"rows": 40, "positives": [20, 8, 4, 1], "known": [40] * 4}}
    cache = {"class_names": NAMES, "preparation": {}, "counts": counts}
    run_folder.create_run(directory, {"cache": cache}, overwrite=False)
    for split, (given_labels, given_scores) in (splits or {"val": (labels, scores)}).items():
        ids = [f"{split}{index:03}" for index in range(len(given_labels))]
        run_folder.write_scores(directory, split, ids, given_scores, given_labels)
    run_folder.finish_run(directory)
    return directory


@pytest.mark.parametrize("seed", range(15))
def test_no_other_cut_has_a_higher_f1(seed: int) -> None:
    labels, scores = made_scores(seed)
    chosen = thresholds.fit(labels, scores, "per_class")
    for index in range(3):
        known = labels[:, index] != UNKNOWN
        truth, score = labels[known, index], scores[known, index]
        if not truth.any():
            assert chosen[index] == 0.5
            continue
        reached = f1_score(truth, score >= chosen[index], zero_division=0)
        cuts = np.unique(score)
        assert reached == pytest.approx(max(f1_score(truth, score >= cut, zero_division=0) for cut in cuts), abs=1e-12)
        precision, recall, _ = precision_recall_curve(truth, score)
        assert reached == pytest.approx(np.max(2 * precision * recall / (precision + recall + 1e-300)), abs=1e-9)
        assert chosen[index] not in score


def test_the_threshold_lies_halfway_between_neighbouring_scores() -> None:
    labels = np.array([[0], [0], [1], [1]], dtype=np.uint8)
    scores = np.array([[0.1], [0.4], [0.6], [0.9]], dtype=np.float64)
    assert thresholds.fit(labels, scores).tolist() == [0.5]
    assert thresholds.fit(1 - labels, scores).tolist() == [0.05], "below the lowest score: halfway to 0"


def test_an_unknown_row_is_no_neighbour() -> None:
    labels = np.array([[0], [255], [1]], dtype=np.uint8)
    scores = np.array([[0.2], [0.55], [0.6]], dtype=np.float64)
    assert thresholds.fit(labels, scores) == pytest.approx([0.4])


def test_neighbouring_floats_are_still_parted() -> None:
    upper = 0.7
    lower = np.nextafter(upper, 0)
    labels, scores = np.array([[0], [1]], dtype=np.uint8), np.array([[lower], [upper]])
    assert metrics.predict(scores, thresholds.fit(labels, scores)).ravel().tolist() == [False, True]
    single = scores.astype(np.float32)
    single[0] = np.nextafter(single[1], np.float32(0))
    assert metrics.predict(single, thresholds.fit(labels, single)).ravel().tolist() == [False, True]


def test_among_equal_f1_the_cut_that_predicts_least_is_taken() -> None:
    labels = np.array([[1], [0], [0], [1]], dtype=np.uint8)
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    # One of one found and two of four found: F1 2/3 both.
    assert thresholds.fit(labels, scores) == pytest.approx([0.85])


def test_classes_without_positives_or_without_negatives() -> None:
    labels = np.array([[0, 1, 255], [0, 1, 255]], dtype=np.uint8)
    scores = np.array([[0.1, 0.0, 0.3], [0.9, 0.5, 0.2]], dtype=np.float32)
    chosen = thresholds.fit(labels, scores)
    assert chosen[0] == chosen[2] == 0.5
    assert (scores[:, 1] >= chosen[1]).all()


def test_rates_are_kept() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.random((400, 3)), (rng.random((400, 3)) < 0.2).astype(np.uint8)
    labels[:50, 1] = UNKNOWN
    rates = np.array([0.1, 0.25, 0.4])
    chosen = thresholds.fit(labels, scores, "rate_match", rates=rates)
    for index, rate in enumerate(rates):
        known = labels[:, index] != UNKNOWN
        assert (scores[known, index] >= chosen[index]).mean() == pytest.approx(rate, abs=1 / known.sum())
    own = thresholds.fit(labels, scores, "rate_match")
    assert ((scores >= own)[:, 0].mean()) == pytest.approx((labels[:, 0] == 1).mean(), abs=1 / 400)


@pytest.mark.parametrize("method", ["rate_match", "shrink"])
def test_a_class_that_training_never_saw_is_never_predicted(method: str) -> None:
    scores = np.random.default_rng(0).random((50, 2))
    scores[0] = 1.0
    labels = np.zeros((50, 2), dtype=np.uint8)
    chosen = thresholds.fit(labels, scores, method, rates=np.array([0.0, 0.1]))
    assert metrics.predict(scores, chosen).sum(axis=0).tolist() == [0, 5]
    assert chosen[0] <= 1.000001, "what thresholds.json may hold"


def test_few_positives_shrink_towards_the_rate() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.99, (500, 3))
    labels = np.zeros((500, 3), dtype=np.uint8)
    labels[:5, 1], labels[:, 2] = 1, rng.random(500) < 0.9
    rates = np.array([0.02, 0.02, 0.9])
    tuned, matched, between = (
        thresholds.fit(labels, scores, method, **options)
        for method, options in (("per_class", {}), ("rate_match", {"rates": rates}), ("shrink", {"rates": rates}))
    )
    assert between[0] == pytest.approx(matched[0]), "nothing to tune on"
    level = np.log(tuned[1] / (1 - tuned[1])), np.log(matched[1] / (1 - matched[1]))
    expected = 1 / (1 + np.exp(-(5 / 25 * level[0] + 20 / 25 * level[1])))
    assert between[1] == pytest.approx(expected)
    assert abs(between[2] - tuned[2]) < 0.1 * abs(matched[2] - tuned[2])


def test_methods_and_options_that_are_unknown_are_refused() -> None:
    labels, scores = made_scores(0)
    assert thresholds.fit(labels, scores, "fixed", threshold=0.25).tolist() == [0.25] * 4
    with pytest.raises(ValueError, match=r"per_clas.*known: shrink, per_class"):
        thresholds.fit(labels, scores, "per_clas")
    with pytest.raises(TypeError):
        thresholds.fit(labels, scores, "fixed", treshold=0.25)


def test_the_script_writes_named_thresholds_and_what_comes_next(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "a run")
    command = [sys.executable, str(ROOT / "thresholds.py"), "--run_dirs", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = run_folder.open_run(directory)
    scored = run.scores("val")
    counts = run.cache["counts"]["train"]
    rates = np.asarray(counts["positives"]) / np.maximum(counts["known"], 1)
    expected_thresholds = thresholds.fit(scored.labels, scored.scores, "shrink", rates=rates, strength=20.0)
    assert np.array_equal(run.thresholds(), expected_thresholds)
    stored = json.loads((directory / "thresholds.json").read_text(encoding="utf-8"))
    assert stored["method"] == "shrink"
    assert list(stored["thresholds"]) == NAMES
    assert stored["classes_without_positives"] == ["[bold]Cytosol"]
    expected = metrics.summary(scored.labels, scored.scores, run.thresholds())
    assert stored["in_sample"]["tuned"] == pytest.approx(expected)
    assert stored["config"]["method"] == "shrink"
    next_command = f"Next: python evaluate.py --run_dirs '{directory}'"
    for text in ("[bold]Cytosol", "optimistic", "No positives in val", next_command):
        assert text in done.stdout


def quick(directory: Path, **options) -> thresholds.Config:
    return thresholds.Config(run_dirs=(directory,), repetitions=2, honest_folds=2, **options)


def test_both_numbers_are_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    directory = make_run(tmp_path / "run")
    thresholds.main(quick(directory, method="per_class"))
    printed = capsys.readouterr().out
    stored = json.loads((directory / "thresholds.json").read_text(encoding="utf-8"))
    held_out, in_sample = stored["held_out"], stored["in_sample"]["tuned"]
    assert (held_out["folds"], held_out["repetitions"]) == (2, 2)
    assert held_out["macro_f1"]["mean"] < in_sample["macro_f1"]
    assert held_out["macro_f1"]["mean"] == pytest.approx(np.mean(list(held_out["class_f1"].values())))
    said = (
        f"Honest, each row judged by thresholds that other rows chose: macro-F1 {held_out['macro_f1']['mean']:.3f} ± "
    )
    assert said + f"{held_out['macro_f1']['deviation']:.3f}, micro-F1" in printed
    assert f"{in_sample['macro_f1']:.3f} at these" in printed
    labels = run_folder.open_run(directory).scores("val").labels
    few = {name: int(count) for name, count in zip(NAMES, (labels == 1).sum(axis=0), strict=True) if 0 < count < 10}
    assert few and all(f"{name} ({count})" in printed for name, count in few.items())
    assert "little but guesses" in printed
    thresholds.main(quick(directory, method="fixed"))
    assert "Honest" not in capsys.readouterr().out, "nothing was chosen"


def test_the_chart_shows_every_class(tmp_path: Path) -> None:
    labels, scores = made_scores(3)
    directory = make_run(tmp_path / "run")
    cuts = np.array([0.3, 0.5, 1.000001, 0.4])
    for folder in (directory, tmp_path / "again"):
        threshold_curves.draw(labels, scores, NAMES, cuts, np.stack([cuts, cuts * 0.9]), folder)
    assert threshold_curves.on_axis([0, 0.5, 1.000001]).tolist() == [-7, 0, 7], "the ends of the axis"
    with Image.open(directory / "thresholds.png") as image:
        assert image.width > 900 and image.convert("L").getextrema()[0] < 100
    assert (directory / "thresholds.png").read_bytes() == (tmp_path / "again" / "thresholds.png").read_bytes()


@pytest.mark.parametrize("rows", [40, 30_000])
def test_the_curve_passes_through_its_best_and_through_the_threshold(rows: int) -> None:
    generator = np.random.default_rng(rows)
    labels = (generator.random(rows) < 0.01).astype(np.uint8)
    labels[:3], labels[3:6] = 1, UNKNOWN
    # The best cut is a narrow peak: three positives stand above all else, a hair apart.
    scores = (0.5 * generator.random(rows)).astype(np.float32)
    scores[:3] = 0.6, 0.6000001, 0.6000002
    known, threshold = labels != UNKNOWN, 0.60000005
    cuts, values = threshold_curves.steps(labels, scores, threshold)
    assert len(cuts) <= 4 * threshold_curves.COLUMNS + 4 and np.all(np.diff(cuts) > 0)
    every = np.unique(scores[known].astype(np.float64))
    for cut, value in zip([*cuts[:: len(cuts) // 15], threshold], [*values[:: len(cuts) // 15], None], strict=True):
        value = values[cuts == cut].item() if value is None else value
        assert value == pytest.approx(f1_score(labels[known], scores[known].astype(np.float64) >= cut))
    precision, recall, _ = precision_recall_curve(labels[known], scores[known])
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert values.max() == pytest.approx(best)
    place = int(np.searchsorted(cuts, threshold))
    assert cuts[place - 1] == every[every < threshold].max() and cuts[place + 1] == every[every > threshold].min()


def test_every_objective_is_reached_from_the_shells_names(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    directory = make_run(tmp_path / "run")
    scored = run_folder.open_run(directory).scores("val")
    (tmp_path / "costs.csv").write_text(
        "class,miss,false_alarm\nN/A,2,1\nNucleoplasm,1,1\n[bold]Cytosol,1,1\nRods & rings,5,0.5\n", encoding="utf-8"
    )
    costs = {"false_alarm": np.array([1, 1, 0.5, 1]), "miss": np.array([1, 2, 5, 1.0])}
    for objective, more, options in (
        ("micro_f1", {}, {}),
        ("subset_accuracy", {}, {}),
        ("expected_cost", {"costs_csv": tmp_path / "costs.csv"}, costs),
        ("expected_cost", {"miss_cost": 3.0}, {"miss": 3.0}),
    ):
        thresholds.main(quick(directory, method="per_class", objective=objective, **more))
        expected = thresholds.fit(scored.labels, scored.scores, "per_class", objective=objective, **options)
        assert np.array_equal(run_folder.open_run(directory).thresholds(), expected)
        assert (", cost " in capsys.readouterr().out) == (objective == "expected_cost")


def test_costs_are_shown_class_by_class_with_their_unit(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    directory = make_run(tmp_path / "run")
    scored = run_folder.open_run(directory).scores("val")
    thresholds.main(quick(directory, objective="expected_cost", miss_cost=5.0))
    printed = capsys.readouterr().out
    totals = []
    for cuts in (0.5, run_folder.open_run(directory).thresholds()):
        predicted = scored.scores.astype(np.float64) >= cuts
        alarms, misses = (scored.labels == 0) & predicted, (scored.labels == 1) & ~predicted
        costs = 1.0 * alarms.sum(axis=0) + 5.0 * misses.sum(axis=0)
        totals.append(costs)
        assert all(
            re.search(rf"{re.escape(name)} .* {cost:.1f}", printed) for name, cost in zip(NAMES, costs, strict=True)
        )
    plain, tuned = (f"{each.sum():,.1f}" for each in totals)
    said = f"images, all classes together: {plain} at 0.5, {tuned} at these (1 a false alarm and 5 a miss)."
    assert said in printed and "cost at the" in printed and "F1 at the" not in printed
    assert "those that keep the classes' rates, then moved by the costs: " in printed
    thresholds.main(quick(directory, objective="expected_cost", miss_cost=2.0, false_alarm_cost=2.0))
    assert "moved by the costs" not in capsys.readouterr().out
    thresholds.main(quick(directory))
    printed = capsys.readouterr().out
    assert "F1 at the" in printed and "cost at the" not in printed and "Cost on" not in printed


def test_over_a_tree_the_cost_of_all_classes_is_that_of_the_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    directory = make_run(tmp_path / "run")
    config = json.loads((directory / run_folder.CONFIG).read_text(encoding="utf-8"))
    config["cache"]["hierarchy"] = Tree(NAMES, [3, 3, -1, -1], classes=3).described()
    (directory / run_folder.CONFIG).write_text(json.dumps(config), encoding="utf-8")
    run = run_folder.open_run(directory)
    labels, scores = made_scores(0)
    labels = run.tree.expanded(labels[:, :3])
    mark = {"mark": np.str_(run_folder.layout.scores_mark(config["cache"], "val"))}
    np.savez(directory / "scores" / "val.npz", ids=run.scores("val").ids, scores=scores, labels=labels, **mark)
    thresholds.main(quick(directory, objective="expected_cost", miss_cost=5.0))
    printed = capsys.readouterr().out
    for text, cuts in ((" at 0.5", 0.5), (" at these", run.thresholds())):
        predicted = run.tree.closed(scores.astype(np.float64) >= cuts)[:, :3]
        alarms, misses = (labels[:, :3] == 0) & predicted, (labels[:, :3] == 1) & ~predicted
        assert f"{alarms.sum() + 5.0 * misses.sum():,.1f}{text}" in printed
    assert "These figures are of the 3 classes" in printed


def test_at_least_one_is_used_by_whoever_reads_the_thresholds(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = make_run(tmp_path / "run")
    thresholds.main(quick(directory, method="fixed", fixed_threshold=0.9, at_least_one=True))
    assert "the most probable one is predicted" in capsys.readouterr().out
    run = run_folder.open_run(directory)
    decision, scored = run.decision(), run.scores("val")
    predicted = levels.predictions(None, scored.scores, decision)
    assert decision.at_least_one and predicted.any(axis=1).all()
    monkeypatch.setattr(charts, "draw", lambda *arguments: [])
    evaluate.main(evaluate.Config(run_dirs=(directory,)))
    assert "the most probable one is predicted" in capsys.readouterr().out
    report = json.loads((directory / "report" / "metrics.json").read_text(encoding="utf-8"))
    expected = counts.figures(counts.outcomes(scored.labels, predicted).sums())["micro_f1"]
    assert report["splits"]["val"]["tuned"]["micro_f1"] == pytest.approx(expected)
    assert report["at_least_one"] is True
    assert predict.cells(np.array([0.1, 0.3, 0.2, 0.0]), decision, run, False) == ["1"]
    assert predict.cells(np.array([0.1, 0.3, 0.2, 0.0]), decision.thresholds, run, False) == [""]
    path = directory / "thresholds.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**stored, "at_least_one": False}), encoding="utf-8")
    assert run.thresholds_edited and not run.decision().at_least_one
    path.write_text(json.dumps({**stored, "at_least_one": "yes"}), encoding="utf-8")
    with pytest.raises(InputError, match=r"at_least_one is 'yes'; it must be true or false"):
        run.decision()


def test_thresholds_can_go_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    directory = make_run(tmp_path / "run")
    thresholds.main(thresholds.Config(run_dirs=(directory,), method="fixed", output_dir=tmp_path / "other"))
    assert not (directory / "thresholds.json").exists()
    assert json.loads((tmp_path / "other" / "thresholds.json").read_text(encoding="utf-8"))["method"] == "fixed"
    assert "--thresholds_dir" in capsys.readouterr().out


def test_thresholds_as_they_were_written_are_replaced_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    directory = make_run(tmp_path / "run")
    path = directory / "thresholds.json"
    config = thresholds.Config(run_dirs=(directory,), method="fixed", fixed_threshold=0.25)
    thresholds.main(config)
    assert "Replaced" not in capsys.readouterr().out
    # Laid out anew, as an editor may do on saving, with nothing changed.
    path.write_text("\ufeff" + json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=4), encoding="utf-8")
    thresholds.main(dataclasses.replace(config, fixed_threshold=0.75))
    assert f"Replaced the earlier thresholds in {path}" in capsys.readouterr().out
    assert run_folder.open_run(directory).thresholds().tolist() == [0.75] * 4


@pytest.mark.parametrize("edit", ["a threshold", "the digest", "the end"])
def test_thresholds_edited_by_hand_are_replaced_only_when_told(tmp_path: Path, edit: str) -> None:
    directory = make_run(tmp_path / "run")
    path = directory / "thresholds.json"
    config = thresholds.Config(run_dirs=(directory,), method="fixed", fixed_threshold=0.25)
    thresholds.main(config)
    text = path.read_text(encoding="utf-8")
    stored = json.loads(text)
    if edit == "a threshold":
        stored["thresholds"]["N/A"] = 0.3
    else:
        del stored["digest"]
    edited = text[:-20] if edit == "the end" else json.dumps(stored)
    path.write_text(edited, encoding="utf-8")
    with pytest.raises(InputError, match=r"thresholds\.json was edited .* --overwrite"):
        thresholds.main(config)
    assert path.read_text(encoding="utf-8") == edited
    thresholds.main(dataclasses.replace(config, overwrite=True))
    assert run_folder.open_run(directory).thresholds().tolist() == [0.25] * 4


def test_mistakes_are_said_in_a_line(tmp_path: Path) -> None:
    labels, scores = made_scores(0)
    broken = scores.copy()
    broken[3] = np.nan
    runs = {
        "no_val": make_run(tmp_path / "no_val", train=(labels, scores)),
        "empty": make_run(tmp_path / "empty", val=(np.zeros_like(labels), scores)),
        "nan": make_run(tmp_path / "nan", val=(labels, broken)),
    }
    for name, text in (("no_val", "no val scores"), ("empty", "no validation image"), ("nan", "nan|finite|number")):
        with pytest.raises(InputError, match=text):
            thresholds.main(thresholds.Config(run_dirs=(runs[name],)))
    with pytest.raises(InputError, match="stored no train scores"):
        thresholds.main(thresholds.Config(run_dirs=(runs["nan"], runs["empty"])))
    with pytest.raises(InputError, match="fixed_threshold"):
        header.check(thresholds.Config(fixed_threshold=1.5), "the header")
    for options, text in (
        ({"method": "fixed", "objective": "micro_f1"}, "method = fixed tunes nothing"),
        ({"method": "global", "objective": "micro_macro"}, "micro_macro goes class by class"),
        ({"miss_cost": 2.0}, "costs are for objective = expected_cost; it is macro_f1"),
    ):
        with pytest.raises(InputError, match=text):
            thresholds.main(thresholds.Config(run_dirs=(runs["empty"],), **options))
