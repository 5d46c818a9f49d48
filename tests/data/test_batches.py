"""Batches: a pure function of (seed, epoch, step), every row in every epoch, one shape."""

from itertools import chain
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from data.batches import TrainingBatches, image_batches, score


def made(count=10):
    """A stand-in for a cache whose image i is full of the number i."""
    pixels = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 3))
    return SimpleNamespace(gather=lambda rows: pixels[rows], labels=np.arange(count, dtype=np.uint8)[:, None] % 2)


def drawn(batches, steps) -> list[list[int]]:
    return [batches[step][0][:, 0, 0, 0].tolist() for step in steps]


def test_a_batch_is_the_same_whatever_was_drawn_before():
    one, other = (TrainingBatches(made(), np.arange(10), 4, seed=7) for _ in range(2))
    assert drawn(one, [5, 0, 3]) == [drawn(other, range(6))[step] for step in (5, 0, 3)]


def test_a_later_start_continues_the_same_sequence():
    whole = drawn(TrainingBatches(made(), np.arange(10), 4, seed=7), range(8))
    assert drawn(TrainingBatches(made(), np.arange(10), 4, seed=7, start_step=5), range(3)) == whole[5:]


def test_every_row_comes_in_every_epoch_and_the_order_changes():
    batches = TrainingBatches(made(), np.arange(2, 10), 3, seed=0)
    assert batches.steps_per_epoch == 3
    epochs = [list(chain.from_iterable(drawn(batches, range(3 * epoch, 3 * epoch + 3)))) for epoch in range(3)]
    for order in epochs:
        assert len(order) == 9
        assert sorted(order[:8]) == list(range(2, 10))
        assert order[8] == order[0]
    assert epochs[0] != epochs[1] != epochs[2]
    assert drawn(TrainingBatches(made(), np.arange(2, 10), 3, seed=1), [0]) != drawn(batches, [0])


def test_images_and_labels_belong_together():
    images, labels = TrainingBatches(made(), np.arange(10), 4, seed=0)[1]
    assert (images.dtype, labels.dtype) == (np.uint8, np.uint8)
    assert (images[:, 0, 0, 0] % 2 == labels[:, 0]).all()


def test_a_set_smaller_than_a_batch_makes_a_smaller_batch():
    batches = TrainingBatches(made(3), np.arange(3), 8, seed=0)
    assert (batches.batch_size, batches.steps_per_epoch, len(batches[0][0])) == (3, 1, 3)


def test_fit_sees_each_epoch_in_its_own_order(monkeypatch):
    seen = []

    class Tell(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    batches = TrainingBatches(made(), np.arange(10), 5, seed=0)
    original = TrainingBatches.__getitem__
    monkeypatch.setattr(TrainingBatches, "__getitem__", lambda self, index: seen.append(index) or original(self, index))
    model = keras.Sequential([keras.Input((4, 4, 3)), Tell(), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)
    model.fit(batches, epochs=3, steps_per_epoch=batches.steps_per_epoch, shuffle=False, verbose=0)
    # TensorFlow looks at the first two batches for their shape before it starts.
    stream = seen[2:] if keras.backend.backend() == "tensorflow" else seen
    assert stream[:6] == list(range(6))


@pytest.mark.parametrize("count", [0, 3, 8])
def test_scores_come_in_order_whatever_the_last_batch_holds(count):
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()])
    scores = score(model, image_batches(made(), np.arange(count), 4), 4)
    assert (scores.shape, scores.dtype) == ((count, 3), np.float32)
    assert scores[:, 0].tolist() == list(range(count))
