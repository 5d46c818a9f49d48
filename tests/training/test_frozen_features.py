"""Stored features against the frozen network itself, and training in phases."""

import csv
import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

import losses
import models
import run_folder
import train
from common.errors import InputError
from data.cache.cache import open_cache
from training import fitting, frozen_features, stages
from training.inputs import Inputs


def config_of(cache_dir: Path, run_dir: Path, **options) -> train.Config:
    settings = {"model": "backbone", "backbone": "MobileNet", "trainable": "head", "epochs": 2, "batch_size": 16,
                "train_metrics_every": 0, "jit_compile": "off", "dropout": 0.0, "precision": "float32",
                "learning_rate": 0.001, "schedule": "constant", "warmup_fraction": 0.0}  # fmt: skip
    return dataclasses.replace(train.Config(), cache_dir=cache_dir, run_dir=run_dir, **{**settings, **options})


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    """A network of few layers, always with the same weights, in the place of those of keras.applications."""

    def network(name, tensor, weights=None, pooling=None):
        x = tensor
        for number in range(2):
            kernel = keras.initializers.HeNormal(seed=number)
            x = keras.layers.Conv2D(8, 3, strides=2, kernel_initializer=kernel, name=f"conv{number}")(x)
            x = keras.layers.BatchNormalization(name=f"norm{number}")(x)
            x = keras.layers.Activation("relu", name=f"relu{number}")(x)
        return keras.Model(keras.utils.get_source_inputs(tensor), x)

    monkeypatch.setattr(models.backbone, "_network", network)


@pytest.fixture(scope="module")
def augmented_cache(made_cache) -> Path:
    import augment

    augment.main(augment.Config(cache_dir=made_cache, tag="for_features", new_images=9))
    return made_cache


def parts(config: train.Config):
    """What stages.fit takes: inputs, model, loss."""
    cache = open_cache(config.cache_dir)
    options = {"backbone": config.backbone, "trainable": config.trainable}
    scaling = {"mean": [99.0] * 3, "std": [50.0] * 3}
    model = models.build("backbone", cache.image_shape, len(cache.class_names), **scaling, **options)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    return Inputs(config, cache), model, losses.build("bce")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_batches_of_features_are_those_of_the_turned_images(augmented_cache, tmp_path):
    config = config_of(augmented_cache, tmp_path, sampling="repeat_factors", repeat_threshold=0.3,
                       repeat_operations=(), augmented=("for_features",))  # fmt: skip
    inputs, model, _ = parts(config)
    cache, rows = inputs.cache, inputs.rows
    stored = frozen_features.Stored(config, inputs, model)
    batches, pixels = stored.batches(), inputs.batches()
    assert len(stored.views) == 8
    network = frozen_features.extractor(model)
    # Steps of two epochs, so that images come back in other views.
    for step in (0, 1, pixels.steps_per_epoch, 2 * pixels.steps_per_epoch - 1):
        (found, labels), (images, expected_labels) = batches[step], pixels[step]
        np.testing.assert_allclose(found, np.asarray(network(images, training=False)), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(labels, expected_labels)
    # Which images are augmented ones shows in the numbering alone, so they must have been among them.
    assert max(pixels.visits(step)[1].max() for step in range(pixels.steps_per_epoch)) >= len(rows["train"])
    images = cache.gather(rows["val"])
    np.testing.assert_allclose(
        stored.images.gather(rows["val"]), np.asarray(network(images, training=False)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("operations", "views"),
    [
        ((), [(False, 0)]),
        (("flips",), [(False, 0), (False, 2), (True, 0), (True, 2)]),
        (("quarter_turns",), [(False, 0), (False, 1), (False, 2), (False, 3)]),
        (("quarter_turns", "flips"), [(mirror, turns) for mirror in (False, True) for turns in range(4)]),
    ],
)
def test_the_views_are_all_that_can_be_drawn(operations, views):
    from data.augmentation.operations import Ranges, draw

    ranges = Ranges(operations)
    drawn = [draw(ranges, (32, 32, 3), 0, epoch, "a") for epoch in range(200)]
    assert frozen_features.views_of(ranges, (32, 32, 3)) == views
    assert {(each.mirror, each.turns) for each in drawn} == set(views)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_head_trained_on_features_scores_as_the_saved_model_does(precision, made_cache, tmp_path, monkeypatch):
    config = config_of(made_cache, tmp_path / "run", head_units=8, learning_rate=0.01, epochs=3, precision=precision)
    train.main(config)
    run, cache = run_folder.open_run(config.run_dir), open_cache(made_cache)
    model = run.load_model()
    for split in run.splits():
        scores = np.asarray(model(cache.gather(cache.rows(split)), training=False))
        np.testing.assert_allclose(run.scores(split).scores, scores, rtol=1e-4, atol=1e-6)
    history = rows_of(config.run_dir / "history.csv")
    assert "phase" not in history[0]
    assert float(history[-1]["loss"]) < float(history[0]["loss"])

    def refuses(*arguments):
        raise AssertionError("features are computed again")

    # Another run on the same frozen weights finds the features.
    monkeypatch.setattr(frozen_features, "score", refuses)
    train.main(dataclasses.replace(config, run_dir=tmp_path / "other", seed=5, head_units=0))


@pytest.mark.parametrize("trainable", ["head", "last_stage", "all"])
def test_frozen_dropout_drops_nothing_and_has_the_same_features(trainable, monkeypatch):
    def network(name, tensor, weights=None, pooling=None):
        x = keras.layers.Dropout(0.5, name="early")(tensor)
        x = keras.layers.Conv2D(4, 3, 2, kernel_initializer=keras.initializers.HeNormal(seed=0), name="conv")(x)
        return keras.Model(keras.utils.get_source_inputs(tensor), keras.layers.Dropout(0.5, name="late")(x))

    monkeypatch.setattr(models.backbone, "_network", network)
    given = {"mean": [9.0] * 3, "std": [9.0] * 3, "backbone": "MobileNet"}
    model, usual = (models.build("backbone", (32, 32, 3), 4, **given, trainable=each) for each in (trainable, "all"))
    rates = [model.get_layer(name).rate for name in ("early", "late")]
    assert rates == {"head": [0.0, 0.0], "last_stage": [0.0, 0.5], "all": [0.5, 0.5]}[trainable]
    assert frozen_features.digest(frozen_features.extractor(model)) == frozen_features.digest(
        frozen_features.extractor(usual)
    )


def test_other_weights_have_other_features():
    given = {"mean": [9.0] * 3, "std": [9.0] * 3, "backbone": "MobileNet"}
    built = [
        models.build("backbone", (32, 32, 3), 4, **given, **options)
        for options in ({}, {"trainable": "head", "head_units": 3})
    ]
    one, other = (frozen_features.digest(frozen_features.extractor(model)) for model in built)
    assert one == other
    layer = built[1].get_layer("norm1")
    layer.set_weights([array + 1e-3 for array in layer.get_weights()])
    assert frozen_features.digest(frozen_features.extractor(built[1])) != one


@pytest.mark.parametrize("operations", [("flips",), ("flips", "rotation")])
def test_the_head_trains_first_and_then_the_rest(operations, made_cache, tmp_path, monkeypatch, capsys):
    config = config_of(made_cache, tmp_path / "run", trainable="all", head_epochs=2, epochs=1,
                       operations=operations)  # fmt: skip
    given = parts(config)
    model, seen, fit = given[1], [], fitting.fit

    def watched(*arguments):
        before, trained = frozen_features.extractor(model).get_weights(), len(arguments[4].trainable_weights)
        rows = fit(*arguments)
        after = frozen_features.extractor(model).get_weights()
        seen.append((arguments, trained, [np.array_equal(*pair) for pair in zip(before, after, strict=True)]))
        return rows

    monkeypatch.setattr(fitting, "fit", watched)
    fitted = stages.fit(config, *given)
    (head, of_head, kept), (whole, of_whole, _) = seen
    # Kernels, and the means and variances of batch normalisation with them.
    assert all(kept)
    assert (of_head, of_whole) == (2, 10)
    assert (head[4] is model) == ("rotation" in operations)
    assert whole[4] is model
    assert fitted.model is model
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 * config.learning_rate)
    # The second phase goes on with the steps behind those of the first.
    assert whole[3].start_step == 2 * whole[3].steps_per_epoch
    history = rows_of(config.run_dir / "history.csv")
    assert [(row["epoch"], row["phase"]) for row in history] == [("1", "head"), ("2", "head"), ("3", "all")]
    assert [row["epoch"] for row in rows_of(config.run_dir / "timing.csv")] == ["1", "2", "3"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert [line.endswith("left of this phase") for line in lines] == [True, True, False]
    messages = " ".join(stages.messages(config, open_cache(config.cache_dir)))
    assert ("on stored features" in messages) == ("rotation" not in operations)


def test_through_the_frozen_network_a_head_trains_as_on_its_features(made_cache, tmp_path, monkeypatch):
    plain = models.backbone._network

    def network(name, tensor, weights=None, pooling=None):
        whole = plain(name, tensor)
        return keras.Model(whole.input, keras.layers.Dropout(0.5, name="depth")(whole.output))

    monkeypatch.setattr(models.backbone, "_network", network)
    histories = []
    for way in ("stored", "through"):
        if way == "through":
            monkeypatch.setattr(frozen_features, "refusal", lambda *arguments: "as if it were rotated")
        config = config_of(made_cache, tmp_path / way, trainable="all", head_epochs=2, epochs=1, repeat_operations=())
        keras.utils.set_random_seed(0)
        given = parts(config)
        stages.fit(config, *given)
        histories.append(rows_of(config.run_dir / "history.csv"))
        depth = given[1].get_layer("depth")
        assert depth.trainable and depth.rate == 0.5
    for name in ("loss", "val_loss"):
        stored, through = ([float(row[name]) for row in rows] for rows in histories)
        assert stored == pytest.approx(through, rel=1e-5)


def test_the_best_epoch_of_both_phases_is_kept(made_cache, tmp_path):
    config = config_of(made_cache, tmp_path / "run", trainable="all", epochs=1)
    inputs, model, loss = parts(config)
    best = [array.copy() for array in model.get_weights()]
    before = [{"epoch": 1, "phase": "head", "loss": 0.5, "val_mAP": 1.1}]
    (config.run_dir / "timing.csv").write_text("epoch,training_seconds\n1,2.0\n")
    batches = inputs.batches()
    phase = fitting.Phase("all", factor=0.1, before=before)
    rows = fitting.fit(config, inputs.cache, inputs.rows, batches, model, loss, phase)
    # No precision is above 1, so the weights of the epoch before are the best.
    assert [row["epoch"] for row in rows] == [1, 2]
    for one, other in zip(best, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model": "cnn", "head_epochs": 3},
            "cnn has no part that could stay frozen meanwhile",
        ),
        ({"head_epochs": 3}, "with trainable = head every epoch is the head's; give --epochs"),
        ({"operations": ("flips", "rotation", "noise")}, "trainable = head: operations: rotation, noise would change"),
        ({"mixing": "mixup"}, "trainable = head: mixing = mixup mixes pixels anew"),
        ({"train_scales": (1.0, 0.5)}, "trainable = head: train_scales other than 1"),
    ],
)
def test_what_no_phase_can_follow_is_refused_by_name(options, message, made_cache):
    config, cache = config_of(made_cache, Path("run")), open_cache(made_cache)
    stages.check(config, cache)
    with pytest.raises(InputError, match=message):
        stages.check(dataclasses.replace(config, **options), cache)


def test_features_of_several_shapes_are_refused_by_name(made_cache):
    cache = open_cache(made_cache)
    cache.shapes = [(32, 32, 3), (16, 64, 3)]
    with pytest.raises(InputError, match=r"trainable = head: .* has images of several shapes"):
        stages.check(config_of(made_cache, Path("run")), cache)


def test_a_frozen_network_of_random_weights_is_stated(made_cache):
    config, cache = config_of(made_cache, Path("run")), open_cache(made_cache)
    assert "Warning: weights = none" in stages.messages(config, cache)[0]
    assert stages.messages(dataclasses.replace(config, weights="imagenet"), cache) == []
    assert stages.messages(dataclasses.replace(config, trainable="all"), cache) == []
    pretrained = dataclasses.replace(config, weights="imagenet")
    messages = "Stored features know no rotation: to the head, images shown again are seen as the others"
    assert stages.messages(pretrained, cache, shows_again=True) == [messages]
    flipped = dataclasses.replace(pretrained, repeat_operations=("flips",))
    assert stages.messages(flipped, cache, shows_again=True) == []
    assert len(stages.messages(dataclasses.replace(flipped, operations=()), cache, shows_again=True)) == 1
