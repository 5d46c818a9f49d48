"""The table of methods: means and deviations over repeats, classes by thirds, nothing but test figures."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import models
import train
from evaluation import class_sizes
from experiments import methods_table
from training import model_setup


def write(folder, macro, f1, split="test", runs=()):
    folder.mkdir(parents=True)
    classes = [
        {"class": str(images), "training_images": images, "support": int(images > 0), "AP": 0.5, "f1": value,
         "precision": value + 0.15, "recall": value * 2}
        for images, value in enumerate(f1)
    ]  # fmt: skip
    untuned = [{**row, "recall": row["recall"] / 4} for row in classes]
    by_choice = {split: {"0.5": untuned, "tuned": classes}}
    summary = {"mAP": macro + 0.1, "macro_f1": macro, "subset_accuracy": macro / 2}
    half = {"mAP": macro + 0.1, "macro_f1": 0.25, "subset_accuracy": 0.125}
    content = {
        "judged_split": split,
        "splits": {split: {"0.5": half, "tuned": summary}, "train": {"tuned": {"macro_f1": 0.9}}},
        "config": {"run_dirs": [str(run) for run in runs]},
        "classes": by_choice,
        "class_sizes": class_sizes.figures(by_choice, split),
        "calibration": {split: {"ECE": 0.05}},
    }
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


def test_means_deviations_and_thirds(tmp_path):
    # The first class has no test image and is left out; the others are 2 small, 2 medium and 2 large ones.
    for repeat, macro in enumerate((0.2, 0.4)):
        write(tmp_path / "bce" / str(repeat) / "report", macro, [0.9, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
    write(tmp_path / "focal" / "0" / "report", 0.5, [0] * 7)
    lines = methods_table.table(tmp_path, "loss", methods_table.USUAL).splitlines()
    assert lines[2].startswith("| `focal` | 1 | 0.600 | 0.500 |")
    deviation = np.std([0.2, 0.4], ddof=1)
    assert lines[3].startswith(f"| `bce` | 2 | 0.400 ± {deviation:.3f} | 0.300 ± {deviation:.3f} | 0.150 ±")
    # What is the same in every repeat has no deviation.
    assert lines[3].endswith("| 0.700 | 0.350 | 0.150 | 0.250 | 0.125 | 0.050 |")


def test_time_and_cost_are_those_of_all_runs_that_are_judged_together(tmp_path):
    runs = [tmp_path / name for name in ("large", "small")]
    for run, seconds, parameters in zip(runs, (60, 90), ("1,678,000", "40,108,000"), strict=True):
        run.mkdir()
        rows = f"1,{seconds},50\n2,{seconds},200\n"
        (run / "timing.csv").write_text(f"epoch,training_seconds,images_per_second\n{rows}", encoding="utf-8")
        said = f"residual: {parameters} parameters, 0.25 GFLOPs an image forward, about 0.3 GB a batch of 32"
        (run / "train.log").write_text(f"Online: flips\n{said}\n", encoding="utf-8")
    for seed in "012":
        write(tmp_path / "table" / "joined" / seed / "report", 0.2, [0.1] * 3, runs=runs)
        write(tmp_path / "table" / "large" / seed / "report", 0.1, [0.1] * 3, runs=runs[:1])
    columns = ["macro-F1", "train macro-F1", "minutes", "million parameters", "GFLOPs an image", "images/s"]
    lines = methods_table.table(tmp_path / "table", "model", columns).splitlines()
    assert lines[0] == f"| model | runs | {' | '.join(columns)} |"
    assert lines[2] == "| `joined` | 3 | 0.200 | 0.900 | 5.000 | 41.8 | 0.500 | 100 |"
    # Summed three times and divided, 1.678 is another float; it is still the same in every repeat.
    assert lines[3] == "| `large` | 3 | 0.100 | 0.900 | 2.000 | 1.678 | 0.250 | 200 |"


def test_cost_is_read_from_what_train_says(tmp_path, capsys):
    model = models.build("cnn", (32, 32, 3), 3, mean=[0.5] * 3, std=[0.25] * 3)
    cache = SimpleNamespace(image_shape=(32, 32, 3), shapes=[(32, 32, 3)])
    model_setup.show_cost(train.Config(model="cnn"), cache, model)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.log").write_text(capsys.readouterr().out, encoding="utf-8")
    write(tmp_path / "table" / "cnn" / "0" / "report", 0.2, [0.1] * 3, runs=[tmp_path / "run"])
    found = methods_table.table(tmp_path / "table", "model", ["macro-F1", "million parameters"]).splitlines()[2]
    assert found == f"| `cnn` | 1 | 0.200 | {model.count_params() / 1e6:.3f} |"
    (tmp_path / "run" / "train.log").write_text("Online: flips\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"train\.log does not say what the model costs"):
        methods_table.table(tmp_path / "table", "model", ["macro-F1", "million parameters"])


def test_precision_and_recall_have_a_column_a_size_at_both_thresholds(tmp_path):
    write(tmp_path / "bce" / "0" / "report", 0.2, [0.9, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
    columns = ["macro-F1", "precision large", "recall small", "recall small at 0.5"]
    lines = methods_table.table(tmp_path, "loss", columns).splitlines()
    assert lines[2] == "| `bce` | 1 | 0.200 | 0.850 | 0.300 | 0.075 |"


def test_figures_of_validation_images_are_refused(tmp_path):
    write(tmp_path / "bce" / "0" / "report", 0.2, [0.1] * 3, split="val")
    with pytest.raises(ValueError, match="judged on val"):
        methods_table.table(tmp_path, "loss", methods_table.USUAL)
