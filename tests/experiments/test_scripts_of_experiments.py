"""The shell scripts with a Python that only notes what it is asked: they run to their end, and on where they were."""

import os
import subprocess
from pathlib import Path

import pytest

import header
import train

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
NOTES = '#!/usr/bin/env bash\necho "$*" >> "$NOTES"\nprintf "On 3 images\\nValidation mAP\\nelse\\n"\n'


def asked(script: str, folder: Path) -> list[str]:
    """The commands that a script gives, with its work in a folder."""
    python, notes, work = folder / "bin" / "python", folder / "notes.txt", folder / "work"
    python.parent.mkdir(exist_ok=True)
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
    return notes.read_text(encoding="utf-8").replace(str(work), "WORK").splitlines()


RUNS = {  # script → runs that it trains, and judgements
    "augmentation": (12, 12),
    "ensembles": (2, 4),
    "figure6": (12, 12),
    "losses": (6, 6),
    "models": (12, 13),
    "partition": (5, 7),
    "recipe": (20, 20),
    "shapes": (15, 15),
}


@pytest.mark.parametrize(("script", "runs", "judged"), [(script, *numbers) for script, numbers in RUNS.items()])
def test_every_run_is_trained_and_judged_on_one_cache(tmp_path, script, runs, judged):
    commands = asked(script, tmp_path)
    trained = [each for each in commands if each.startswith("train.py")]
    assert len(trained) == len(set(trained)) == runs
    for command in trained:
        header.parse(train.Config, train.__doc__, command.split()[1:])
    assert all("--overwrite --patience 0 --train_metrics_every 0" in each for each in trained)
    assert sum(each.startswith("evaluate.py") for each in commands) == judged
    made = [each for each in commands if each.startswith(("-m data.synthetic", "preprocess.py"))]
    assert made[0].startswith("-m data.synthetic") and made[1].startswith("preprocess.py") and "--size" in made[1]
    assert commands[-1].startswith("experiments/methods_table.py")


def test_every_way_to_choose_thresholds_is_judged_on_the_same_runs(tmp_path):
    for fold in "01":
        (tmp_path / "work" / "rbc" / "bce" / fold).mkdir(parents=True)
    commands = asked("thresholds", tmp_path)
    chosen = [each for each in commands if each.startswith("thresholds.py")]
    judged = [each for each in commands if each.startswith("evaluate.py")]
    assert len(chosen) == len(set(chosen)) == len(judged) == 16
    assert all(
        each.startswith(f"thresholds.py --run_dirs WORK/rbc/bce/{place % 2} ") for place, each in enumerate(chosen)
    )
    assert commands[-1].startswith("experiments/methods_table.py WORK/thresholds/rbc")


def test_recipes_of_figure_6_take_as_many_steps_with_new_images_as_without(tmp_path):
    trained = [each for each in asked("figure6", tmp_path) if each.startswith("train.py")]
    assert any("--augmented" in each for each in trained) and all("--steps_per_epoch 44" in each for each in trained)


def test_weights_that_a_stop_left_empty_are_written_again(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "weights.csv").touch()
    assert "- WORK/small/cache.json" in asked("figure6", tmp_path)


def test_what_is_there_is_not_made_again(tmp_path):
    (tmp_path / "work" / "cache").mkdir(parents=True)
    (tmp_path / "work" / "runs" / "cnn" / "0" / "report").mkdir(parents=True)
    (tmp_path / "work" / "runs" / "cnn" / "0" / "report" / "metrics.json").touch()
    commands = asked("models", tmp_path)
    assert not any(each.startswith(("-m data.synthetic", "preprocess.py")) for each in commands)
    assert not any("--run_dir WORK/runs/cnn/0 " in each for each in commands if each.startswith("train.py"))


def test_a_mistyped_recipe_ends_the_script(tmp_path, monkeypatch):
    monkeypatch.setenv("RECIPES", "default without_turn")
    with pytest.raises(AssertionError, match="no recipe without_turn"):
        asked("recipe", tmp_path)
