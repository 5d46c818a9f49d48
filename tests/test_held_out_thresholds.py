"""What thresholds.py and evaluate.py say of figures whose images had a say in the thresholds."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

import evaluate
import run_folder
import thresholds
from common.errors import InputError
from report import charts
from run_folder.ensemble import open_runs
from thresholding.folds import dealt

NAMES = ["Golgi", "Rods", "Nucleus"]
COUNT, FOLDS = 90, 3
RANDOM = np.random.default_rng(0)
LABELS = (RANDOM.random((COUNT, 3)) < [0.5, 0.3, 0.2]).astype(np.uint8)
SCORES = np.clip(RANDOM.normal(0.35 + 0.2 * LABELS, 0.2, (FOLDS, COUNT, 3)), 0, 1).astype(np.float32)
FOLD = np.arange(COUNT) % FOLDS


def make(directory, number: int, tested: bool = False, groups=None):
    """A run of fold `number`: of a set without test rows it is test, and the next one val."""
    judged = {number: "val"} if tested else {number: "test", (number + 1) % FOLDS: "val"}
    split = np.array([judged.get(int(each), "train") for each in FOLD])
    if tested:
        split[:15] = "test"
    train = LABELS[split == "train"]
    counts = {"train": {"positives": train.sum(axis=0).tolist(), "known": [len(train)] * 3}}
    cache = {"class_names": NAMES, "preparation": {}, "counts": counts, "all_class_names": NAMES}
    run_folder.create_run(directory, {"cache": cache, "config": {}}, overwrite=False)
    for name in ("train", "val", "test"):
        rows = np.flatnonzero(split == name)
        own = None if groups is None else [groups[row] for row in rows]
        run_folder.write_scores(directory, name, [f"r{row}" for row in rows], SCORES[number][rows], LABELS[rows], own)
    run_folder.finish_run(directory)
    return directory


@pytest.fixture(autouse=True)
def no_charts(monkeypatch):
    monkeypatch.setattr(charts, "draw", lambda *arguments: [])


def judged(dirs, **options) -> str:
    evaluate.main(evaluate.Config(run_dirs=dirs, draws=0, **options))


@pytest.mark.parametrize("method", ["shrink", "per_class"])
def test_folds_without_test_rows_get_an_honest_tuned_figure(tmp_path, capsys, method):
    """Against a loop: the thresholds of a fold from the val scores and the training labels of others."""
    dirs = tuple(make(tmp_path / f"fold{number}", number) for number in range(FOLDS))
    thresholds.main(thresholds.Config(run_dirs=dirs, method=method, repetitions=1))
    printed = capsys.readouterr().out
    predicted = np.zeros(LABELS.shape, dtype=bool)
    val = np.stack([SCORES[(FOLD[row] - 1) % FOLDS][row] for row in range(COUNT)])
    for number in range(FOLDS):
        others, own = np.flatnonzero(number != FOLD), number == FOLD
        trained = LABELS[(number != FOLD) & ((number + 1) % FOLDS != FOLD)]
        options = {"rates": trained.mean(axis=0)} if method == "shrink" else {}
        cuts = thresholds.fit(LABELS[others], val[others], method, **options)
        predicted[own] = SCORES[number][own] >= cuts
    stored = json.loads((dirs[0] / "joined_fold1_fold2" / "thresholds.json").read_text(encoding="utf-8"))
    crossed = stored["held_out_test"]
    assert crossed["macro_f1"]["mean"] == pytest.approx(f1_score(LABELS, predicted, average="macro"))
    assert crossed["micro_f1"]["mean"] == pytest.approx(f1_score(LABELS, predicted, average="micro"))
    assert crossed["subset_accuracy"]["mean"] == pytest.approx(accuracy_score(LABELS, predicted))
    assert list(crossed["class_f1"].values()) == pytest.approx(list(f1_score(LABELS, predicted, average=None)))
    judged(dirs)
    report = (dirs[0] / "joined_fold1_fold2" / "report" / "index.html").read_text(encoding="utf-8")
    said = (
        "Honest, each test image judged by thresholds that images of other folds chose: macro-F1 "
        f"{crossed['macro_f1']['mean']:.3f}, micro-F1 {crossed['micro_f1']['mean']:.3f}, subset accuracy "
        f"{crossed['subset_accuracy']['mean']:.3f} (3 folds, those of the runs)."
    )
    after = capsys.readouterr().out
    assert said in printed and said in after and said in report
    assert "But 90 of the images also chose the thresholds" in after


def test_folds_with_test_rows_need_none(tmp_path, capsys):
    dirs = tuple(make(tmp_path / f"fold{number}", number, tested=True) for number in range(FOLDS))
    thresholds.main(thresholds.Config(run_dirs=dirs, repetitions=1))
    assert open_runs(dirs).test_folds() == [] == run_folder.open_run(dirs[0]).test_folds()
    assert "held_out_test" not in open_runs(dirs).thresholds_record()
    judged(dirs)
    assert "of other folds" not in capsys.readouterr().out


def compared(dirs, others, **options) -> dict:
    judged(dirs, compare_with=others, **options)
    report = open_runs(dirs).report_dir / "metrics.json"
    return json.loads(report.read_text(encoding="utf-8"))["comparisons"][0]


def held_out_f1(labels, scores, method, **options) -> float:
    """Macro-F1 at thresholds that other folds choose, by a loop and scikit-learn."""
    fold = dealt(labels, 5, np.random.default_rng((0, 0)))
    predicted = np.zeros(labels.shape, dtype=bool)
    for number in range(5):
        cuts = thresholds.fit(labels[fold != number], scores[fold != number], method, **options)
        predicted[fold == number] = scores[fold == number] >= cuts
    return f1_score(labels, predicted, average="macro")


def test_runs_are_compared_at_thresholds_that_other_images_chose(tmp_path, capsys):
    dirs = make(tmp_path / "a", 0), make(tmp_path / "b", 0)
    stored = run_folder.open_run(dirs[1]).scores("val")
    noisy = np.clip(stored.scores + np.random.default_rng(5).normal(0, 0.1, stored.scores.shape), 0, 1)
    run_folder.write_scores(dirs[1], "val", stored.ids, noisy.astype(np.float32), stored.labels)
    thresholds.main(thresholds.Config(run_dirs=dirs[:1], method="per_class", repetitions=0))
    thresholds.main(thresholds.Config(run_dirs=dirs[1:], strength=5.0, repetitions=0))
    found = compared(dirs[:1], dirs[1:])
    row = found["figures"]["held_out"]["macro_f1"]
    runs = [run_folder.open_run(each) for each in dirs]
    scores = [run.scores("val").scores for run in runs]
    assert row["first"] == pytest.approx(held_out_f1(stored.labels, scores[0], "per_class"))
    options = {"rates": runs[1].training_rates, "strength": 5.0}
    assert row["other"] == pytest.approx(held_out_f1(stored.labels, scores[1], "shrink", **options))
    optimistic = f1_score(stored.labels, scores[0] >= runs[0].thresholds(), average="macro")
    assert row["first"] < optimistic
    assert (
        "Held out: each image at thresholds that the other 4 of 5 parts chose, because 30 of these"
        in capsys.readouterr().out
    )
    # Nobody knows which images a person looked at.
    content = json.loads((dirs[1] / "thresholds.json").read_text(encoding="utf-8"))
    content["thresholds"]["Golgi"] = 0.123
    (dirs[1] / "thresholds.json").write_text(json.dumps(content), encoding="utf-8")
    assert set(compared(dirs[:1], dirs[1:])["figures"]) == {"none", "0.5"}


@pytest.mark.parametrize("damage", [{"method": "best"}, {"strength": "much"}, {"costs_csv": 3}, None])
def test_damaged_notes_of_how_thresholds_were_chosen_leave_the_figures_at_half(tmp_path, damage):
    dirs = make(tmp_path / "a", 0), make(tmp_path / "b", 0)
    for each in dirs:
        thresholds.main(thresholds.Config(run_dirs=(each,), repetitions=0))
    content = json.loads((dirs[1] / "thresholds.json").read_text(encoding="utf-8"))
    content["config"] = damage and content["config"] | damage
    (dirs[1] / "thresholds.json").write_text(json.dumps(content), encoding="utf-8")
    assert set(compared(dirs[:1], dirs[1:])["figures"]) == {"none", "0.5"}


def test_folds_without_test_rows_are_compared_at_thresholds_that_no_own_label_chose(tmp_path, capsys):
    """Their test images chose the thresholds, as val images of other folds."""
    dirs = tuple(make(tmp_path / f"fold{number}", number) for number in range(FOLDS))
    other = make(tmp_path / "other", 0)
    thresholds.main(thresholds.Config(run_dirs=dirs, repetitions=0))
    thresholds.main(thresholds.Config(run_dirs=(other,), repetitions=0))
    found = compared(dirs, (other,), compare_on="test")
    assert set(found["figures"]) == {"none", "0.5", "held_out"} and found["chosen"] == found["images"] == 30
    assert "because 30 of these images also chose the tuned thresholds." in capsys.readouterr().out
    # Fixed thresholds were chosen by no image.
    thresholds.main(thresholds.Config(run_dirs=dirs, method="fixed", fixed_threshold=0.4))
    found = compared(dirs, (other,), compare_on="test")
    assert set(found["figures"]) == {"none", "0.5", "tuned"} and found["chosen"] == 0


def test_a_fixed_threshold_was_chosen_by_no_image(tmp_path, capsys):
    dirs = tuple(make(tmp_path / f"fold{number}", number) for number in range(FOLDS))
    thresholds.main(thresholds.Config(run_dirs=dirs, method="fixed", fixed_threshold=0.4))
    judged(dirs)
    printed = capsys.readouterr().out
    assert "also chose the thresholds" not in printed and "so these figures are honest" in printed


def test_thresholds_that_a_person_chose_are_not_called_honest(tmp_path, capsys):
    run = make(tmp_path / "run", 0)
    thresholds.main(thresholds.Config(run_dirs=(run,), repetitions=0))
    judged((run,))
    assert "edited by hand" not in capsys.readouterr().out
    path = run / "thresholds.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["thresholds"]["Golgi"] = 0.123
    path.write_text(json.dumps(stored), encoding="utf-8")
    judged((run,))
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    for text in (capsys.readouterr().out, page):
        assert "But thresholds.json was edited by hand: if any of these images had a say in that" in text
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps({**config, "warnings": ["copies in train"]}), encoding="utf-8")
    stored["runs"] = run_folder.open_run(run).run_digests  # still of this run
    path.write_text(json.dumps(stored), encoding="utf-8")
    judged((run,))
    # What the warnings are announced by stands right before them.
    assert "depends on what was warned of:\nWarning: copies in train\nBut thresholds.json" in capsys.readouterr().out


def test_where_val_is_judged_the_held_out_figures_stand_beside_the_warning(tmp_path, capsys):
    run = make(tmp_path / "run", 0)
    (run / "scores" / "test.npz").unlink()
    thresholds.main(thresholds.Config(run_dirs=(run,), repetitions=2))
    held_out = run_folder.open_run(run).thresholds_record()["held_out"]["macro_f1"]
    capsys.readouterr()
    judged((run,))
    printed = capsys.readouterr().out
    assert (
        "these figures are optimistic.\nJudged by thresholds that other validation images chose: macro-F1 " in printed
    )
    assert f"macro-F1 {held_out['mean']:.3f} ± {held_out['deviation']:.3f}," in printed
    path = run / "thresholds.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "held_out": [1]}), encoding="utf-8")
    judged((run,))
    assert "Judged by" not in capsys.readouterr().out


def test_groups_stay_together_where_a_method_is_judged(tmp_path):
    alone = make(tmp_path / "alone", 0, groups=["plate"] * COUNT)
    thresholds.main(thresholds.Config(run_dirs=(alone,)))
    assert run_folder.open_run(alone).thresholds_record()["held_out"] is None, "nothing else to choose on"
    pairs = make(tmp_path / "pairs", 0, groups=[f"plate {row // 45}" for row in range(COUNT)])
    thresholds.main(thresholds.Config(run_dirs=(pairs,)))
    assert run_folder.open_run(pairs).thresholds_record()["held_out"]["folds"] == 2


def test_options_that_the_method_does_not_have_are_refused(tmp_path):
    run = make(tmp_path / "run", 0)
    for options, said in (
        ({"fixed_threshold": 0.3}, "fixed_threshold is of method = fixed; it is shrink"),
        ({"strength": 5.0, "method": "per_class"}, "strength is of method = shrink; it is per_class"),
        ({"folds": 4}, "folds is of method = cross_fit; it is shrink"),
    ):
        with pytest.raises(InputError, match=said):
            thresholds.main(thresholds.Config(run_dirs=(run,), **options))


def test_costs_of_nothing_leave_thresholds_that_can_be_kept(tmp_path):
    run = make(tmp_path / "run", 0)
    (tmp_path / "costs.csv").write_text("class,false_alarm,miss\nGolgi,0,0\nRods,1,1\nNucleus,1,2\n", encoding="utf-8")
    priced = {"objective": "expected_cost", "costs_csv": tmp_path / "costs.csv", "repetitions": 1}
    thresholds.main(thresholds.Config(run_dirs=(run,), **priced))
    assert np.isfinite(run_folder.open_run(run).thresholds()).all()


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_run_beside_it_with_broken_scores_is_refused(tmp_path, split):
    run, other = (make(tmp_path / name, 0) for name in ("run", "other"))
    thresholds.main(thresholds.Config(run_dirs=(other,), repetitions=0))
    stored = run_folder.open_run(other).scores(split)
    for value, said in ((np.nan, "nan|probabilities"), (1.5, "probabilities from 0 to 1")):
        stored.scores[3] = value
        run_folder.write_scores(other, split, stored.ids, stored.scores, stored.labels)
        with pytest.raises(InputError, match=rf"other, {split} scores: .*({said}).*train the run again"):
            judged((run,), compare_with=(other,), compare_on=split)


def test_unfinished_runs_are_refused_by_every_script(tmp_path):
    run = make(tmp_path / "run", 0)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps({**config, "finished": False}), encoding="utf-8")
    other = make(tmp_path / "other", 0)
    for call in (
        lambda: thresholds.main(thresholds.Config(run_dirs=(run,))),
        lambda: judged((run,)),
        lambda: judged((other, run)),
        lambda: judged((other,), compare_with=(run,)),
    ):
        with pytest.raises(InputError, match="run is not finished; "):
            call()
