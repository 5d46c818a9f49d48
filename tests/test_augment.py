"""augment.py and the augmentation of train.py, from the shell."""

import hashlib
import json
import shutil

import numpy as np
import pytest

import run_folder
from data.augmentation.augmented_set import open_augmented
from data.cache.cache import open_cache


@pytest.fixture(scope="module")
def cache(made_cache, tmp_path_factory):
    return shutil.copytree(made_cache, tmp_path_factory.mktemp("augment") / "cache")


METHODS = ("rotate_all", "rotate_rare", "mixup_rare", "balance")


@pytest.mark.parametrize("method", METHODS)
def test_each_method_makes_a_set(method, cache, shell):
    before = {path.name: hashlib.sha1(path.read_bytes()).digest() for path in cache.glob("*.npy")}
    printed = shell("augment.py", "--cache_dir", cache, "--method", method, "--copies", 2, "--rare_below", 8)
    assert "Mean imbalance ratio" in printed
    assert printed.splitlines()[-1] == f"Next: python train.py --cache_dir {cache} --augmented {method} --sampling all"
    made = cache / "augmented" / method
    assert {"class_counts_augmented.png", "preview.png", "index.csv", "labels.npy"} <= {p.name for p in made.iterdir()}
    assert {path.name: hashlib.sha1(path.read_bytes()).digest() for path in cache.glob("*.npy")} == before
    opened = open_cache(cache)
    stored = open_augmented(opened, method)
    assert {opened.split[parent] for parents in stored.parents for parent in parents} == {"train"}
    effect = json.loads((made / "augmented.json").read_text())["effect"]
    assert effect["new_images"] == len(stored)
    counts = (opened.labels[opened.rows("train")] == 1).sum(axis=0)
    assert effect["counts_before"] == counts.tolist()
    assert effect["counts_after"] == (counts + (stored.labels == 1).sum(axis=0)).tolist()


def test_sets_of_all_kinds_train_together(cache, shell, tmp_path):
    shell("augment.py", "--cache_dir", cache, "--method", "mixup_rare", "--labels", "soft", "--partner", "planned",
          "--mixing_alpha", 0.4, "--tag", "soft", "--rare_below", 8)  # fmt: skip
    opened = open_cache(cache)
    sets = [open_augmented(opened, tag) for tag in (*METHODS, "soft")]
    assert sets[-1].labels.dtype == np.float32
    printed = shell("train.py", "--cache_dir", cache, "--run_dir", tmp_path / "run", "--epochs", 1,
                    "--sampling", "balance", "--mixing", "cutmix", "--steps_per_epoch", 2,
                    "--augmented", *METHODS, "soft")  # fmt: skip
    together = len(opened.rows("train")) + sum(map(len, sets))
    assert f"With the augmented images of {', '.join((*METHODS, 'soft'))}: {together} training images" in printed
    assert "Sampling balance: " in printed
    assert "Online: quarter_turns, flips, cutmix" in printed
    assert run_folder.open_run(tmp_path / "run").mixed == ["mixing = cutmix", "augmented = soft"]


def test_a_cache_that_is_made_again_keeps_its_sets(made_set, shell, tmp_path):
    common = ("preprocess.py", "--image_dir", made_set / "images", "--labels_csv", made_set / "labels.csv",
              "--classes_file", made_set / "classes.txt", "--cache_dir", tmp_path / "cache", "--size", 16)  # fmt: skip
    shell(*common)
    shell("augment.py", "--cache_dir", tmp_path / "cache", "--method", "rotate_rare")
    shell(*common, "--overwrite")
    assert len(open_augmented(open_cache(tmp_path / "cache"), "rotate_rare"))
    printed = shell(*common, "--overwrite", "--seed", 1)
    assert "the augmented sets rotate_rare go with the old cache" in printed


def test_the_same_seed_gives_the_same_bytes(cache, shell):
    common = ("augment.py", "--cache_dir", cache, "--method", "rotate_all", "--copies", 1, "--operations", "rotation",
              "noise", "blur")  # fmt: skip
    for tag, workers in (("one", 1), ("two", 2)):
        shell(*common, "--tag", tag, "--workers", workers)
    shell(*common, "--tag", "other", "--seed", 1)
    one, two, other = ((cache / "augmented" / tag / "images-00000.npy").read_bytes() for tag in ("one", "two", "other"))
    assert one == two != other


def test_images_that_another_set_holds_are_named(cache, called):
    common = ("augment.py", "--cache_dir", cache, "--method", "rotate_all", "--plan_only", "--copies", 2)
    count = len(open_augmented(open_cache(cache), "one"))
    printed = called(*common, "--operations", "rotation", "noise", "blur")
    for other in ("one", "two"):
        assert f"Warning: {count:,} of the new images are in the set {other} too; to train on both give" in printed
    assert "in the set other too" not in printed, "that has another seed"
    assert " too; " not in called(*common, "--operations", "rotation", "shear")


def test_a_plan_writes_no_pixel(cache, shell):
    printed = shell("augment.py", "--cache_dir", cache, "--tag", "planned", "--plan_only")
    assert "nothing was augmented, because of --plan_only" in printed
    assert not (cache / "augmented" / "planned").exists()
    assert (cache / "class_counts_planned.png").exists()


def test_training_augments_and_samples(cache, shell, tmp_path):
    printed = shell("train.py", "--cache_dir", cache, "--run_dir", tmp_path / "run", "--epochs", 1, "--mixing", "mixup",
                    "--sampling", "repeat_factors", "--operations", "rotation", "crop", "noise")  # fmt: skip
    assert "Sampling repeat_factors: " in printed
    assert "Online: rotation, crop, noise, mixup" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "rotate_rare", "--rare", "Nowhere"), "rare: 'Nowhere' unknown; the classes are 0 Nucleoplasm"),
        (("--operations", "rotate"), "rotate"),
        (("--rotation_degrees", "270"), "rotation_degrees = 270.0: must lie between 0 and 180"),
        (("--target_ratio", "1.0"), "the mean imbalance ratio comes down to"),
        (("--new_images", "1000000"), "give at most"),
        (("--tag", "../out"), "tag = '../out': must be letters"),
        (("--cache_dir", "nowhere"), "nowhere is not a cache"),
        (("--method", "rotate_all", "--operations"), "operations is empty"),
        (("--method", "rotate_all", "--copies", "1000000000"), "GB, but "),
    ],
)
def test_a_mistake_is_one_clear_line(options, message, cache, shell):
    refused = shell("augment.py", "--cache_dir", cache, "--tag", "wrong", *options, fails=True)
    assert message in refused
    assert not (cache / "augmented" / ".wrong.partial").exists()


def test_a_class_without_training_images_cannot_be_rare(cache, shell):
    opened = open_cache(cache)
    counts = (opened.labels[opened.rows("train")] == 1).sum(axis=0)
    name = opened.class_names[int(np.flatnonzero(counts == 0)[0])]
    refused = shell("augment.py", "--cache_dir", cache, "--method", "rotate_rare", "--rare", name, "--tag", "empty",
                    fails=True)  # fmt: skip
    assert f"rare: {name} without any training image" in refused


def test_an_unknown_set_is_named_before_training(cache, shell, tmp_path):
    refused = shell("train.py", "--cache_dir", cache, "--run_dir", tmp_path / "run", "--augmented", "none", fails=True)
    assert "has no augmented set 'none'" in refused
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_nothing_that_is_read_as_whole(cache, shell, tmp_path):
    """A limit on the size of a file stops the writer as a full disk does."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parents[1]
    command = (
        f"ulimit -f 64; exec {sys.executable} augment.py --cache_dir {cache} --method rotate_all --copies 3 --tag full "
        "--workers 1"
    )
    answer = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, env=dict(os.environ))
    assert answer.returncode != 0
    assert "Traceback" not in answer.stderr, answer.stderr
    assert "File too large" in answer.stderr
    assert not (cache / "augmented" / "full").exists()
    refused = shell("train.py", "--cache_dir", cache, "--run_dir", tmp_path / "run", "--augmented", "full", fails=True)
    assert "is not finished; run augment.py again" in refused


def test_real_cells_are_balanced(cell_data, shell, tmp_path):
    source = cell_data / "chula_rbc12"
    shell("preprocess.py", "--image_dir", source / "images", "--labels_csv", source / "labels.csv",
          "--classes_file", source / "classes.txt", "--cache_dir", tmp_path / "cache", "--size", 32)  # fmt: skip
    for method in ("rotate_all", "rotate_rare", "mixup_rare", "balance"):
        shell("augment.py", "--cache_dir", tmp_path / "cache", "--method", method, "--copies", 1)
    effect = {
        tag: json.loads((tmp_path / "cache" / "augmented" / tag / "augmented.json").read_text())["effect"]
        for tag in ("rotate_rare", "balance")
    }
    assert effect["balance"]["mean_imbalance_ratio"][1] < effect["rotate_rare"]["mean_imbalance_ratio"][1]
