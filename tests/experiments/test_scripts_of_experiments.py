"""The shell scripts with a Python that only notes what it is asked: they run to their end, and on where they were."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import augment
import evaluate
import header
import preprocess
import thresholds
import train
from data.synthetic import __main__ as synthetic
from experiments import methods_table

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CONFIGS = {
    "augment.py": augment.Config, "data.synthetic": synthetic.Config, "evaluate.py": evaluate.Config,
    "preprocess.py": preprocess.Config, "thresholds.py": thresholds.Config, "train.py": train.Config,
}  # fmt: skip
# A training leaves a run. What was asked is noted a line a command, its words parted by tabs.
NOTES = """#!/usr/bin/env bash
(IFS=$'\t'; printf '%s\n' "$*") >> "$NOTES"
[ "$1" = train.py ] && mkdir -p "$5"
printf "On 3 images\nelse\n"
"""


@pytest.fixture(autouse=True)
def mistakes_are_shown_as_before(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def asked(script: str, folder: Path) -> list[list[str]]:
    """The commands that a script gives, with its work in a folder."""
    python, notes, work = folder / "bin" / "python", folder / "notes.txt", folder / "work"
    python.parent.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    python.write_text(NOTES, encoding="utf-8")
    python.chmod(0o755)
    notes.write_text("", encoding="utf-8")
    sizes = {"LOSSES": "bce focal bce_lovasz", "SEEDS": "0", "FOLDS": "1"}
    sizes |= {"SETS": "rbc"} if script == "thresholds" else {}
    told = {**os.environ, **sizes, "PATH": f"{python.parent}:{os.environ['PATH']}", "NOTES": notes, "WORK": work}
    command = ["bash", EXPERIMENTS / f"{script}.sh"]
    done = subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = notes.read_text(encoding="utf-8").replace(str(work), "WORK").splitlines()
    commands = [line.split("\t") for line in lines]
    return [words[1:] if words[0] == "-m" else words for words in commands]


def of(script: str, commands: list[list[str]]) -> list:
    """The settings of a script's commands, as the script itself would read them."""
    return [header.parse(CONFIGS[script], "", words[1:]) for words in commands if words[0] == script]


RUNS = {  # script → runs that it trains, and judgements
    "augmentation": (13, 13),
    "ensembles": (2, 4),
    "figure6": (12, 12),
    "losses": (6, 6),
    "models": (8, 8),
    "partition": (5, 7),
    "recipe": (23, 23),
    "shapes": (15, 15),
}


@pytest.mark.parametrize(("script", "runs", "judged"), [(script, *numbers) for script, numbers in RUNS.items()])
def test_every_run_is_trained_and_judged_on_one_cache(tmp_path, script, runs, judged):
    commands = asked(script, tmp_path)
    settings = {name: of(name, commands) for name in CONFIGS}
    trained = settings["train.py"]
    assert len({each.run_dir for each in trained}) == len(trained) == runs
    assert all(each.resume and each.patience == 0 for each in trained)
    assert len(settings["evaluate.py"]) == len(settings["thresholds.py"]) == judged
    assert commands[0][0] == "data.synthetic" and commands[1][0] == "preprocess.py"
    caches = {each.cache_dir for each in settings["preprocess.py"]}
    assert {each.cache_dir for each in trained} <= caches
    tables = [words for words in commands if words[0] == "experiments/methods_table.py"]
    assert commands[-1] == tables[-1] and all(set(words[3:]) <= set(methods_table.COLUMNS) for words in tables)


def test_every_way_to_choose_thresholds_is_judged_on_the_same_runs(tmp_path):
    for fold in "01":
        (tmp_path / "work" / "rbc" / "bce" / fold).mkdir(parents=True)
    (tmp_path / "work" / "rbc" / "bce" / "2.log").touch()  # of a training that was stopped
    commands = asked("thresholds", tmp_path)
    chosen = [words for words in commands if words[0] == "thresholds.py"]
    assert len(chosen) == len(set(map(tuple, chosen))) == len(of("evaluate.py", commands)) == 16
    for place, each in enumerate(of("thresholds.py", commands)):
        assert each.run_dirs == (Path(f"WORK/rbc/bce/{place % 2}"),)
    assert commands[-1][:2] == ["experiments/methods_table.py", "WORK/thresholds/rbc"]


def test_recipes_of_a_network_in_figure_6_take_as_many_steps_with_new_images_as_without(tmp_path):
    trained = of("train.py", asked("figure6", tmp_path))
    for model in ("cnn", "vgg16", "resnet50"):
        own = [each for each in trained if each.model == model]
        assert len(own) == 4 and len({(each.epochs, each.steps_per_epoch) for each in own}) == 1
        assert [bool(each.augmented) for each in own] == [False, False, True, True]
        assert all(each.operations == () and each.train_metrics_every == 4 for each in own)


def test_what_is_given_twice_is_what_an_experiment_asks_for(tmp_path):
    for each in of("train.py", asked("partition", tmp_path)):
        assert (each.optimizer, each.loss, each.precision) == ("adamw", "bce", "auto")
    recipes = {each.run_dir.parts[-2]: each for each in of("train.py", asked("recipe", tmp_path / "another"))}
    assert recipes["original_vgg16"].model == "vgg16" and recipes["original"].model == "cnn"
    assert recipes["original"].class_weights == "by_hand" and recipes["stock"].loss == "bce"
    assert recipes["with_ema=0.99"].ema == 0.99 and recipes["default"].model == train.Config.model


def test_weights_that_a_stop_left_empty_are_written_again(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "weights.csv").touch()
    assert ["-", "WORK/small/cache.json"] in asked("figure6", tmp_path)


def test_what_is_there_is_not_made_again(tmp_path):
    (tmp_path / "work" / "cache").mkdir(parents=True)
    runs = tmp_path / "work" / "runs"
    (runs / "cnn" / "0" / "report").mkdir(parents=True)
    (runs / "cnn" / "0" / "report" / "metrics.json").touch()
    (runs / "residual" / "0").mkdir(parents=True)
    (runs / "residual" / "0" / "train.log").touch()
    commands = asked("models", tmp_path)
    assert not any(words[0] in ("data.synthetic", "preprocess.py") for words in commands)
    trained = {each.run_dir.parts[-2] for each in of("train.py", commands)}
    judged = {each.run_dirs[0].parts[-2] for each in of("evaluate.py", commands)}
    assert "resnet50" in trained and not {"cnn", "residual"} & trained
    assert "residual" in judged and "cnn" not in judged


def test_a_run_keeps_what_train_said(tmp_path):
    asked("augmentation", tmp_path)
    run = tmp_path / "work" / "runs" / "none" / "0"
    assert (run / "train.log").read_text(encoding="utf-8") == "On 3 images\nelse\n"
    assert not run.with_suffix(".log").exists()


def test_a_mistyped_recipe_ends_the_script(tmp_path, monkeypatch):
    monkeypatch.setenv("RECIPES", "default without_turn")
    with pytest.raises(AssertionError, match="no recipe without_turn"):
        asked("recipe", tmp_path)
