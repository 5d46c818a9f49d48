"""The loss that a header asks for: every field reaches its formula, and what cannot be is one clear line."""

import dataclasses
import inspect
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import header
import losses
import train
from common.errors import InputError
from training import callbacks, devices, loss_setup

NAMES = ["Golgi", "Cytosol", "Rods"]


@pytest.fixture
def build(tmp_path):
    labels = np.array([[1, 0, 0]] * 6 + [[0, 1, 0]] * 3 + [[0, 1, 255]], np.uint8)
    cache = SimpleNamespace(class_names=NAMES, meta={}, directory=tmp_path / "cache")

    def built(soft=False, **options):
        given = labels.astype(np.float32) if soft else labels
        known = given <= 1
        positives = (given == 1).sum(axis=0).astype(np.float64)
        inputs = SimpleNamespace(
            cache=cache,
            images=SimpleNamespace(labels=given),
            repeats=np.ones(10),
            counts=lambda: (positives, known.sum(0) - positives),
        )
        return loss_setup.build(dataclasses.replace(train.Config(), **{"loss": "weighted_bce", **options}), inputs)

    return built


def test_the_header_offers_each_loss_with_the_defaults_of_its_formula():
    config = train.Config()
    for name, kind in losses.LOSSES.items():
        for parameter in inspect.signature(kind).parameters.values():
            if parameter.default is not inspect.Parameter.empty:
                field = loss_setup.FIELDS.get(name, {}).get(parameter.name, parameter.name)
                assert getattr(config, field) == parameter.default, field


@pytest.mark.parametrize("name", losses.LOSSES)
def test_every_field_reaches_its_loss(name, build):
    labels = np.array([[1, 0, 1], [0, 1, 0]], np.uint8)
    logits = np.array([[0.3, -1.2, -0.5], [1.4, -2.0, 0.7]], np.float32)
    value = float(build(loss=name)(labels, logits))
    assert np.isfinite(value)
    fields = [
        loss_setup.FIELDS.get(name, {}).get(each, each) for each in inspect.signature(losses.LOSSES[name]).parameters
    ]
    for field in set(fields) - {"positives", "negatives", "positive_weights", "negative_weights"}:
        changed = build(loss=name, **{field: 0.7 * getattr(train.Config(), field) + 0.1})
        assert float(changed(labels, logits)) != value, field


def test_distribution_balanced_counts_the_images(build):
    loss = build(loss="distribution_balanced")
    np.testing.assert_allclose(loss.drawn, [1 / 6, 1 / 4, 2])
    np.testing.assert_allclose(loss.bias, 0.05 * np.log([4 / 6, 6 / 4, 17]), rtol=1e-6)


def test_weights_come_from_counts_the_header_or_a_csv(build, tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("class,positive\nRods,9\nGolgi,1\nCytosol,4\n", encoding="utf-8")
    np.testing.assert_allclose(build(class_weights="inverse").positive_weights, [4 / 6, 6 / 4, 1])
    np.testing.assert_array_equal(build(class_weights="by_hand", weights_csv=path).positive_weights, [1, 4, 9])
    by_hand = build(class_weights="by_hand", positive_weights=(1.0, 2.0, 3.0), negative_weights=(1.0, 0.5, 0.0))
    np.testing.assert_array_equal(by_hand.negative_weights, [1, 0.5, 0])
    np.testing.assert_allclose(
        build(class_weights="effective_number", effective_beta=0.5).positive_weights,
        losses.class_weights("effective_number", [6, 4, 0], [4, 6, 9], 20.0, effective_beta=0.5)[0],
    )
    with pytest.raises(InputError, match="in both"):
        build(class_weights="by_hand", weights_csv=path, positive_weights=(1.0, 2.0, 3.0))
    with pytest.raises(InputError, match="read with --class_weights by_hand only, not inverse"):
        build(class_weights="inverse", weights_csv=path)
    with pytest.raises(InputError, match=r"positive_weights: 2 weights, but .* has 3 classes; .*--weights_csv"):
        build(class_weights="by_hand", positive_weights=(1.0, 2.0))


def test_class_weights_that_no_loss_reads_are_stated():
    config = train.Config(loss="bce", class_weights="balanced", positive_weights=(1.0,))
    assert loss_setup.messages(config) == [
        "Warning: class_weights, positive_weights change nothing, as only the loss weighted_bce has class weights"
    ]
    assert not loss_setup.messages(dataclasses.replace(config, extra_losses=("weighted_bce:0.5",)))
    assert not loss_setup.messages(train.Config(loss="bce"))
    assert not loss_setup.messages(train.Config(loss="weighted_bce", class_weights="balanced"))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow is known to gain by it")
def test_a_processor_says_whether_it_computes_in_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "PROCESSOR", tmp_path / "cpuinfo")
    assert not devices.computes_bfloat16()
    (tmp_path / "cpuinfo").write_text("flags : fpu sse2 avx512f\n", encoding="utf-8")
    assert not devices.computes_bfloat16()
    (tmp_path / "cpuinfo").write_text("flags : fpu sse2 avx512f avx512_bf16\n", encoding="utf-8")
    assert devices.computes_bfloat16()


def test_half_precision_that_is_left_off_is_stated(monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    monkeypatch.setattr(devices, "computes_bfloat16", lambda: False)
    assert devices.messages(train.Config(precision="mixed_bfloat16"))[0].startswith(
        "precision = mixed_bfloat16 is left off"
    )
    assert devices.messages(train.Config(precision="float32")) == []
    monkeypatch.setattr(devices, "computes_bfloat16", lambda: True)
    assert devices.messages(train.Config(precision="mixed_bfloat16")) == [] and devices.messages(
        train.Config(precision="mixed_float16")
    )
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    assert devices.messages(train.Config(precision="mixed_bfloat16")) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("Golgi,1\nCytosol,4\nRods,9\nNucleus,2\n", r"line 5.*unknown class 'Nucleus'"),
        ("Golgi,1\nCytosol,4\n", "no row for 'Rods'"),
        ("Golgi,1\nCytosol,-4\nRods,9\n", r"line 3.*'-4' must be a number 0 or more"),
        ("Golgi,1\nCytosol,nan\nRods,9\n", r"line 3.*'nan' must be a number 0 or more"),
        ("Golgi,1\nCytosol,4\nRods,9\nGolgi,2\n", r"line 5.*class 'Golgi' is also in line 2"),
        ("Golgi,0\nCytosol,0\nRods,0\n", None),
    ],
)
def test_weights_in_a_csv_that_cannot_be_are_named(build, tmp_path, rows, message):
    path = tmp_path / "weights.csv"
    path.write_text(f"class,positive\n{rows}", encoding="utf-8")
    if message is None:
        weights = build(class_weights="by_hand", weights_csv=path)
        assert not weights.positive_weights.any() and weights.negative_weights.all(), "negatives are learnt"
        return
    with pytest.raises(InputError, match=message):
        build(class_weights="by_hand", weights_csv=path)


def test_weights_in_the_header_that_cannot_be_are_named(build):
    for field in ("positive_weights", "negative_weights"):
        with pytest.raises(InputError, match=rf"{field} = .*must be 0 or more"):
            header.check(train.Config(**{field: (1.0, -1.0, 1.0)}), "the header")
    with pytest.raises(InputError, match="negative_weights: 4 weights"):
        build(class_weights="by_hand", positive_weights=(1.0,) * 3, negative_weights=(1.0,) * 4)
    with pytest.raises(InputError, match="all class weights are 0"):
        build(class_weights="by_hand", positive_weights=(0.0,) * 3, negative_weights=(0.0,) * 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_no_numbers_end_the_training(monkeypatch, value):
    logits = np.array([[0.5, value, 0.1]], np.float32)
    monkeypatch.setattr(callbacks, "score_rows", lambda *arguments: logits)
    cache = SimpleNamespace(labels=np.array([[1, 0, 0]], np.uint8))
    judged = callbacks.SplitMetrics(cache, {"val": np.array([0])}, losses.build("bce"), 1, 0)
    with pytest.raises(InputError, match="no longer finite: training diverged; lower learning_rate"):
        judged.on_epoch_end(0, {})


def test_losses_are_added(build):
    labels, logits = np.array([[1, 0, 1]], np.uint8), np.array([[0.3, -1.2, -0.5]], np.float32)
    found = build(loss="bce", extra_losses=("soft_f1:0.5", "focal"))
    expected = [
        c * float(losses.build(name)(labels, logits)) for c, name in ((1, "bce"), (0.5, "soft_f1"), (1, "focal"))
    ]
    assert float(found(labels, logits)) == pytest.approx(sum(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra_losses": ("soft_f2:0.5",)}, "extra_losses: 'soft_f2:0.5' is none of bce, "),
        ({"extra_losses": ("soft_f1:half",)}, "the coefficient must be a number above 0"),
        ({"extra_losses": ("soft_f1:0",)}, "the coefficient must be a number above 0"),
        ({"extra_losses": ("weighted_bce:2",)}, "weighted_bce is named twice"),
        ({"extra_losses": ("focal", "focal:2")}, "focal is named twice"),
        ({"loss": "bce_soft_f1", "extra_losses": ("soft_f1:0.5",)}, "soft_f1 is named twice"),
        ({"loss": "two_way", "temperature": 1e-9}, "temperature must be a number 0.001 or more"),
        ({"loss": "lovasz", "mixing": "mixup"}, "mixing = mixup makes shares of labels, which lovasz cannot take"),
        ({"extra_losses": ("two_way:1",), "soft": True, "augmented": ("mixed",)}, "augmented = mixed makes shares"),
    ],
)
def test_a_mistake_is_one_clear_line(build, options, message):
    with pytest.raises(InputError, match=message) as caught:
        build(**options)
    assert "\n" not in str(caught.value)


def test_soft_labels_are_taken_where_they_have_a_meaning(build):
    for name in ("bce", "weighted_bce", "focal", "asymmetric", "soft_f1"):
        assert build(loss=name, mixing="mixup", soft=True).soft_labels
