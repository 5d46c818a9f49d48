"""Batches: a pure function of (seed, epoch, step), every row in every epoch, one shape."""

import dataclasses
import threading
from itertools import chain
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import train
from data.augmentation.mixing import Online
from data.augmentation.operations import Ranges, apply, draw
from data.batches.batches import TrainingBatches, image_batches, score
from data.batches.training_set import TrainingSet
from training import stages


def made(count=10):
    """A stand-in for a cache whose image i is full of the number i."""
    pixels = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 3))
    labels = np.arange(count, dtype=np.uint8)[:, None] % 2
    ids = [f"image {row}" for row in range(count)]
    return SimpleNamespace(gather=lambda rows: pixels[rows], labels=labels, ids=ids, image_shape=(4, 4, 3))


def images_of(rows, count=10):
    return TrainingSet(made(count), np.asarray(rows))


def drawn(batches, steps) -> list[list[int]]:
    return [batches[step][0][:, 0, 0, 0].tolist() for step in steps]


def test_a_batch_is_the_same_whatever_was_drawn_before():
    one, other = (TrainingBatches(images_of(range(10)), 4, seed=7) for _ in range(2))
    assert drawn(one, [5, 0, 3]) == [drawn(other, range(6))[step] for step in (5, 0, 3)]


def test_a_later_start_continues_the_same_sequence():
    whole = drawn(TrainingBatches(images_of(range(10)), 4, seed=7), range(8))
    assert drawn(TrainingBatches(images_of(range(10)), 4, seed=7, start_step=5), range(3)) == whole[5:]


def test_every_row_comes_in_every_epoch_and_the_order_changes():
    batches = TrainingBatches(images_of(range(2, 10)), 3, seed=0)
    assert batches.steps_per_epoch == 3
    epochs = [list(chain.from_iterable(drawn(batches, range(3 * epoch, 3 * epoch + 3)))) for epoch in range(3)]
    for order in epochs:
        assert len(order) == 9
        assert sorted(order[:8]) == list(range(2, 10))
        assert order[8] == order[0]
    assert epochs[0] != epochs[1] != epochs[2]
    assert drawn(TrainingBatches(images_of(range(2, 10)), 3, seed=1), [0]) != drawn(batches, [0])


def test_images_and_labels_belong_together():
    images, labels = TrainingBatches(images_of(range(10)), 4, seed=0)[1]
    assert (images.dtype, labels.dtype) == (np.uint8, np.uint8)
    assert (images[:, 0, 0, 0] % 2 == labels[:, 0]).all()


def test_a_set_smaller_than_a_batch_makes_a_smaller_batch():
    batches = TrainingBatches(images_of(range(3), 3), 8, seed=0)
    assert (batches.batch_size, batches.steps_per_epoch, len(batches[0][0])) == (3, 1, 3)


def test_fit_sees_each_epoch_in_its_own_order(monkeypatch):
    seen = []

    class Tell(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    batches = TrainingBatches(images_of(range(10)), 5, seed=0)
    original = TrainingBatches.__getitem__
    monkeypatch.setattr(TrainingBatches, "__getitem__", lambda self, index: seen.append(index) or original(self, index))
    model = keras.Sequential([keras.Input((4, 4, 3)), Tell(), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)
    model.fit(batches, epochs=3, steps_per_epoch=batches.steps_per_epoch, shuffle=False, verbose=0)
    # TensorFlow looks at the first two batches for their shape before it starts.
    stream = seen[2:] if keras.backend.backend() == "tensorflow" else seen
    assert stream[:6] == list(range(6))


def pictures(count=12, side=16) -> TrainingSet:
    """Images that no two operations make alike."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    labels = np.eye(count, dtype=np.uint8)
    cache = SimpleNamespace(
        gather=lambda rows: pixels[rows],
        labels=labels,
        ids=[f"i{row}" for row in range(count)],
        image_shape=pixels.shape[1:],
    )
    return TrainingSet(cache, np.arange(count))


EVERYTHING = Ranges(("quarter_turns", "flips", "rotation", "brightness", "noise"))


def test_images_are_augmented_by_seed_epoch_and_id_alone():
    images = pictures()
    batches = TrainingBatches(images, 4, seed=5, online=Online(EVERYTHING))
    for step in (4, 0):
        rounds, rows, occurrences = batches.visits(step)
        epoch = step // 3
        assert (rounds == epoch).all()
        assert not occurrences.any()
        for pixels, row in zip(batches[step][0], rows, strict=True):
            parameters = draw(EVERYTHING, images.image_shape, 5, epoch, f"i{row}")
            np.testing.assert_array_equal(pixels, apply(images.gather(np.array([row]))[0], parameters))


def test_threads_change_no_pixel():
    one, many = (TrainingBatches(pictures(), 8, 3, online=Online(EVERYTHING), threads=count) for count in (1, 4))
    for step in range(3):
        np.testing.assert_array_equal(one[step][0], many[step][0])


def test_closed_batches_have_no_threads_and_the_same_pixels():
    before = set(threading.enumerate())
    many, one = (TrainingBatches(pictures(), 8, 3, online=Online(EVERYTHING), threads=count) for count in (3, 1))
    np.testing.assert_array_equal(many[0][0], one[0][0])
    assert set(threading.enumerate()) - before
    many.close()
    assert not set(threading.enumerate()) - before
    np.testing.assert_array_equal(many[1][0], one[1][0])


@pytest.mark.parametrize("head_epochs", [0, 1])
def test_a_training_that_fails_closes_its_batches(head_epochs, monkeypatch):
    closed = []
    batches = SimpleNamespace(close=lambda: closed.append(True))
    inputs = SimpleNamespace(batches=lambda: batches, cache=None, rows={})

    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages.fitting, "fit", fails)
    monkeypatch.setattr(stages.frozen_features, "refusal", lambda *_: "no features")
    monkeypatch.setattr(stages.frozen_features, "extractor", lambda _: SimpleNamespace(layers=[]))
    config = dataclasses.replace(train.Config(), head_epochs=head_epochs)
    with pytest.raises(KeyboardInterrupt):
        stages.fit(config, inputs, None, None)
    assert closed


def test_a_resumed_sequence_augments_and_mixes_alike():
    options = {"online": Online(EVERYTHING, "mixup"), "repeats": np.linspace(0.5, 2.5, 12)}
    whole, late = TrainingBatches(pictures(), 5, 3, **options), TrainingBatches(pictures(), 5, 3, 4, **options)
    for step in range(3):
        for first, second in zip(whole[4 + step], late[step], strict=True):
            np.testing.assert_array_equal(first, second)


def test_views_of_one_row_in_an_epoch_differ():
    images = pictures()
    batches = TrainingBatches(images, 36, 0, repeats=np.full(12, 3.0), online=Online(EVERYTHING))
    pixels, labels = batches[0]
    assert labels.sum(axis=0).tolist() == [3] * 12
    for column in range(12):
        assert len({view.tobytes() for view in pixels[labels[:, column] == 1]}) == 3


@pytest.mark.parametrize("operations", [(), ("flips",)])
def test_further_views_of_a_row_in_an_epoch_have_operations_of_their_own(operations):
    images = pictures()
    online = Online(Ranges(operations), repeat_operations=("rotation",))
    batches = TrainingBatches(images, 24, 0, repeats=np.array([1.0] * 6 + [3.0] * 6), online=online)
    _, rows, occurrences = batches.visits(0)
    assert np.bincount(occurrences).tolist() == [12, 6, 6]
    for pixels, row, occurrence in zip(batches[0][0], rows, occurrences, strict=True):
        ranges = Ranges((*operations, "rotation")) if occurrence else Ranges(operations)
        parameters = draw(ranges, images.image_shape, 0, 0, f"i{row}", int(occurrence))
        assert (parameters.rotation != 0) == (occurrence > 0)
        np.testing.assert_array_equal(pixels, apply(images.gather(np.array([row]))[0], parameters))


@pytest.mark.parametrize("mixing", ["mixup", "cutmix"])
def test_mixed_labels_are_shares_of_those_mixed(mixing):
    images, labels = TrainingBatches(pictures(), 12, 0, online=Online(Ranges(), mixing, 1.0))[0]
    assert (images.dtype, labels.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert ((labels > 0) & (labels < 1)).any()


@pytest.mark.parametrize("count", [0, 3, 8])
def test_scores_come_in_order_whatever_the_last_batch_holds(count):
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()])
    scores = score(model, image_batches(made(), np.arange(count), 4), 4)
    assert (scores.shape, scores.dtype) == ((count, 3), np.float32)
    assert scores[:, 0].tolist() == list(range(count))
