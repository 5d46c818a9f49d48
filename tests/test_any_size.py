"""Images of several sizes through all scripts: scales on a square cache, and a cache of several shapes."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import run_folder
import train
from data.cache import open_cache
from data.faults import InputError

TREE = {"model": "hierarchical", "hierarchy": Path("data/hpa_hierarchy.csv")}


def trained(cache, run, **options):
    """Train in this process, as the script would."""
    common = {"model": "cnn", "precision": "float32", "epochs": 1, "train_metrics_every": 0, "batch_size": 16}
    train.main(dataclasses.replace(train.Config(cache_dir=cache, run_dir=run), **{**common, **options}))
    return run_folder.open_run(run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_scales": (1.0, 0.5)}, "train_scales: model = cnn flattens its last maps"),
        ({"score_views": "crops"}, "score_views = crops: model = cnn flattens its last maps"),
        ({"model": "residual", "score_scales": (0.5,)}, "residual needs images of 32 pixels or more, not 16 × 16"),
        ({**TREE, "score_scales": (0.5,)}, "extractor = residual needs images of 32 .* or --extractor cnn"),
        ({**TREE, "extractor": "cnn", "train_scales": (0.5,)}, "extractor = cnn flattens its last maps"),
        ({"model": "residual", "score_views": "crops"}, "needs images of 32 pixels or more, not 28 × 28"),
        ({"train_scales": (1.0, 1.0)}, "train_scales = 1, 1: must be one or more different numbers"),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_name(options, message, made_cache, tmp_path):
    with pytest.raises(InputError, match=message):
        trained(made_cache, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def made_images(folder, sizes, count):
    """Images whose class is the half that is lit, of sizes in turn; their labels."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows = ["Id,Target"]
    for number in range(count):
        width, height = sizes[number % len(sizes)]
        pixels = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
        place = rng.integers(2)
        half = slice(0, width // 2) if place == 0 else slice(width // 2, None)
        pixels[:, half, place] = 220
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number},{'ab'[place]}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def several_shapes(tmp_path_factory, shell):
    """A set of three aspect ratios and its cache."""
    folder = tmp_path_factory.mktemp("any")
    labels = made_images(folder / "images", [(60, 30), (40, 40), (31, 65), (66, 31)], 72)
    (folder / "labels.csv").write_text(labels)
    printed = shell("preprocess.py", "--image_dir", folder / "images", "--labels_csv", folder / "labels.csv",
                    "--cache_dir", folder / "cache", "--size", 32, "--resize", "bucket")  # fmt: skip
    assert "Shapes: 22 × 46 (36), 32 × 32 (18), 46 × 22 (18)\nTo fit them, images are stretched by " in printed
    return folder


def test_any_sizes_go_through_all_scripts(several_shapes, shell, tmp_path, capsys):
    import evaluate
    import thresholds

    cache, run = open_cache(several_shapes / "cache"), tmp_path / "run"
    printed = shell("train.py", "--cache_dir", cache.directory, "--run_dir", run, "--epochs", 2, "--batch_size", 8,
                    "--model", "cnn", "--precision", "float32",
                    "--pyramid_levels", 1, 2, "--train_scales", 1, 0.8, "--score_scales", 1, 1.5,
                    "--score_views", "flips",
                    "--train_metrics_every", 0, "--learning_rate", 0.003)  # fmt: skip
    assert "Shapes: 22 × 46, 32 × 32, 46 × 22; a batch has one of them" in printed
    assert "Scales: 1, 0.8, an epoch each in turn" in printed
    assert "Final scores: the mean over 8 views (flips) at the scales 1, 1.5; metrics" in printed
    thresholds.main(thresholds.Config(run_dirs=(run,)))
    evaluate.main(evaluate.Config(run_dirs=(run,)))
    assert "macro-F1" in capsys.readouterr().out
    opened = run_folder.open_run(run)
    model = opened.load_model()
    for split in ("val", "test"):
        stored = opened.scores(split)
        rows = cache.rows(split)
        assert stored.ids == [cache.ids[row] for row in rows]
        np.testing.assert_array_equal(stored.labels, cache.labels[rows])
        for row, score in zip(rows[:6], stored.scores, strict=False):
            views = [np.asarray(model(view, training=False)) for view in opened.views.of(cache.gather([row]))]
            np.testing.assert_allclose(score, np.mean(views, axis=0)[0], rtol=1e-3, atol=1e-5)
    # Sizes that no image of the set had, and one that it had: in another process, without the cache.
    labels = made_images(tmp_path / "new", [(90, 50), (33, 33), (20, 80), (300, 90)], 7).splitlines()[1:]
    (tmp_path / "new" / "old.png").write_bytes((several_shapes / "images" / f"{cache.ids[0]}.png").read_bytes())
    printed = shell("predict.py", "--run_dirs", run, "--image_dir", tmp_path / "new", "--batch_size", 5)
    assert ": the mean over 8 views (flips) at the scales 1, 1.5, as in its own" in printed
    with (run / "predictions.csv").open(newline="") as file:
        found = {row["Id"]: row for row in csv.DictReader(file)}
    assert set(found) == {line.split(",")[0] for line in labels} | {"old"}
    split = cache.split[0]
    stored = opened.scores(split)
    expected = stored.scores[stored.ids.index(cache.ids[0])]
    np.testing.assert_allclose([float(found["old"][name]) for name in cache.class_names], expected, atol=1e-4)


def test_images_of_several_shapes_want_a_model_that_takes_them(several_shapes, tmp_path):
    with pytest.raises(InputError, match="whose images have several shapes: model = cnn flattens its last maps"):
        trained(several_shapes / "cache", tmp_path / "run")


def test_augmented_sets_of_several_shapes_are_refused_in_a_line(several_shapes):
    import augment

    with pytest.raises(InputError, match=r"has images of several shapes .* train.py --operations"):
        augment.main(augment.Config(cache_dir=several_shapes / "cache"))
