"""Every model and every part of training from the shell."""

import csv

import numpy as np
import pytest

import run_folder
from data.cache.cache import open_cache


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("vgg16", ("--dense_units", 32, "--batch_norm", "--optimizer", "sgd", "--clip_norm", 1)),
        ("residual", ("--optimizer", "adamw", "--weight_decay", 0.05, "--schedule", "one_cycle", "--ema", 0.9,
                      "--warmup_fraction", 0.3, "--accumulation", 2)),
        ("backbone", ("--backbone", "MobileNet", "--trainable", "head", "--schedule", "cosine")),
    ],
)  # fmt: skip
def test_a_model_trains_and_predicts(model, options, made_cache, made_set, called, tmp_path):
    run = tmp_path / "run"
    printed = called("train.py", "--cache_dir", made_cache, "--run_dir", run, "--model", model, "--epochs", 2,
                    "--train_metrics_every", 0, *options)  # fmt: skip
    assert "GFLOPs an image forward" in printed
    opened = run_folder.open_run(run)
    stored = opened.scores("val")
    cache = open_cache(made_cache)
    scores = opened.load_model()(cache.gather(cache.rows("val")), training=False)
    np.testing.assert_allclose(np.asarray(scores), stored.scores, rtol=1e-3, atol=1e-5)
    with (run / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "backbone", "--backbone", "AlexNet"), "unknown backbone 'AlexNet'; known: "),
        (("--model", "backbone", "--backbone", "Xception"), "Xception needs images of 71 pixels or more, not 32 × 32"),
        (("--model", "resnet50", "--weights", "nowhere.h5"), "weights = nowhere.h5: no such file"),
        (("--model", "vgg16", "--batch_size", "100000000"), "GB are free; --batch_size "),
        (
            ("--trainable", "head"),
            "trainable = head: model = cnn has no such option; --model resnet50 and --model backbone have it",
        ),
        (
            ("--model", "residual", "--batch_norm"),
            "batch_norm = True: model = residual has no such option; --model cnn and",
        ),
        (
            ("--model", "hierarchical", "--hierarchy", "data/hpa_hierarchy.csv", "--classes", "large"),
            "classes = large: a tree needs all classes",
        ),
        (("--backbone", "DenseNet121"), "model = cnn has no such option; --model backbone has it"),
        (("--model", "vgg16", "--global_pooling", "--pyramid_levels", 1, 2), "global_pooling and pyramid_levels: "),
        (("--loss", "two_way", "--label_smoothing", 0.1), "for losses of each label by itself, which two_way is not"),
    ],
)
def test_a_mistake_is_one_clear_line(options, message, made_cache, called, tmp_path):
    refused = called("train.py", "--cache_dir", made_cache, "--run_dir", tmp_path / "run", *options, fails=True)
    assert message in refused
    assert not (tmp_path / "run").exists()


def test_want_of_memory_is_said_in_a_line():
    from common.errors import InputError
    from training.devices import out_of_memory

    class ResourceExhaustedError(Exception):
        pass

    with pytest.raises(InputError, match="does not hold a step; give --batch_size 16"), out_of_memory(32):
        raise ResourceExhaustedError
    with pytest.raises(InputError, match="take a smaller model"), out_of_memory(1):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
    with pytest.raises(KeyError), out_of_memory(32):
        raise KeyError("something else")
