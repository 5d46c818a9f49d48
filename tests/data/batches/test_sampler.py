"""Which images each batch shows: as often as stated, whatever their shapes, and a pure function of (seed, step)."""

import numpy as np
import pytest

from data.batches.sampler import BatchSampler
from data.batches.sampling import epoch_visits

SEED, BATCH = 3, 32


def shown(sampler: BatchSampler, epochs: int, count: int) -> np.ndarray:
    """How often each image is shown in so many epochs, (count,)."""
    steps = range(epochs * sampler.steps_per_epoch)
    return np.bincount(np.concatenate([sampler.batch(step)[1] for step in steps]), minlength=count)


def cases() -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """Name → visits on average, buckets, and rows a batch."""
    random = np.random.default_rng(0)
    few = np.repeat([0, 1], [133, 7])
    three = random.choice([0, 2, 5], 300, p=[0.8, 0.15, 0.05])
    return {
        "once": (np.ones(140), few, BATCH),
        "repeated": (1.0 + 4 * (random.random(140) < 0.1), few, BATCH),
        "thinned": (np.where(random.random(300) < 0.3, 1.0, 0.2), three, BATCH),
        "fractions": (random.uniform(0.1, 3, 300), three, BATCH),
        "half a batch an epoch": (np.ones(100), np.repeat([0, 1], [95, 5]), 10),
        "small": (np.ones(9), np.arange(9) % 4, 8),
    }


@pytest.mark.parametrize("name", cases())
def test_images_of_every_shape_are_shown_as_often_as_stated(name):
    repeats, bucket, batch_size = cases()[name]
    sampler, epochs = BatchSampler(repeats, bucket, batch_size, SEED), 400
    found = shown(sampler, epochs, len(repeats)) / epochs
    # An epoch is whole batches, so that all are shown more often by one factor, as in a set of one shape.
    rows = sampler.steps_per_epoch * sampler.batch_size
    assert 1 <= rows / repeats.sum() < 1 + (sampler.batch_size + 0.5) / repeats.sum()
    stated = repeats * rows / repeats.sum()
    buckets = np.unique(bucket)
    for number in buckets:
        own = bucket == number
        # No shape is ahead or behind by more than a batch and one for each shape; within it no image by two sampler.
        batches = (1 + len(buckets)) * sampler.batch_size
        assert abs(found[own].sum() - stated[own].sum()) <= batches / epochs
        share = found[own].sum() * repeats[own] / repeats[own].sum()
        np.testing.assert_allclose(found[own], share, atol=2 * np.sqrt(epochs) / epochs)


@pytest.mark.parametrize("name", cases())
def test_each_pass_over_a_shape_is_shown_whole_and_once(name):
    repeats, bucket, batch_size = cases()[name]
    sampler = BatchSampler(repeats, bucket, batch_size, SEED)
    seen: dict[int, list[tuple[int, int, int]]] = {}
    for step in range(60 * sampler.steps_per_epoch):
        rounds, rows, occurrences = sampler.batch(step)
        assert len(rows) == sampler.batch_size and len(set(bucket[rows])) == 1
        seen.setdefault(bucket[rows[0]], []).extend(
            zip(rounds.tolist(), rows.tolist(), occurrences.tolist(), strict=True)
        )
    assert sorted(seen) == np.unique(bucket).tolist()
    for number, own in seen.items():
        # So no image of a shape is shown twice with the same augmentation.
        assert len(set(own)) == len(own)
        length = max(1, round(repeats[bucket == number].sum()))
        passed = np.bincount([each[0] for each in own])
        batches = len(own) // sampler.batch_size
        # Batches of an epoch come in any order, so only the last passes may not be whole.
        last = (batches - sampler.steps_per_epoch) * sampler.batch_size // length
        assert (passed[: max(last, 0)] == length).all() and passed.max() <= length


def test_epochs_far_on_follow_one_another():
    repeats, bucket, batch_size = cases()["fractions"]
    sampler = BatchSampler(repeats, bucket, batch_size, SEED)
    start = 100_000 * sampler.steps_per_epoch
    seen = []
    for step in range(start - 20 * sampler.steps_per_epoch, start + 20 * sampler.steps_per_epoch):
        seen += zip(*(each.tolist() for each in sampler.batch(step)), strict=True)
    assert len(set(seen)) == len(seen)


def test_a_batch_is_the_same_whatever_was_drawn_before():
    repeats, bucket, batch_size = cases()["repeated"]
    whole = BatchSampler(repeats, bucket, batch_size, SEED)
    batches = [whole.batch(step) for step in range(50)]
    for step in (49, 0, 17, 18, 3):
        for one, other in zip(BatchSampler(repeats, bucket, batch_size, SEED).batch(step), batches[step], strict=True):
            np.testing.assert_array_equal(one, other)
    others = BatchSampler(repeats, bucket, batch_size, SEED + 1)
    assert any((others.batch(step)[1] != batches[step][1]).any() for step in range(5))


def test_a_shape_with_half_a_batch_an_epoch_comes_in_odd_and_even_epochs():
    """Scales come an epoch each, so that otherwise it would be trained at one of two alone."""
    repeats, bucket, batch_size = cases()["half a batch an epoch"]
    sampler, epochs = BatchSampler(repeats, bucket, batch_size, SEED), 200
    small = [
        step // sampler.steps_per_epoch % 2
        for step in range(epochs * sampler.steps_per_epoch)
        if bucket[sampler.batch(step)[1][0]] == 1
    ]
    assert abs(len(small) - epochs / 2) <= 3
    assert 0.4 < np.mean(small) < 0.6


@pytest.mark.parametrize("repeats", [np.ones(70), np.linspace(0.2, 3, 70)])
def test_one_shape_has_each_epoch_for_itself_filled_up_with_its_first_rows(repeats):
    sampler = BatchSampler(repeats, np.zeros(70, dtype=np.int64), 16, SEED)
    length = round(repeats.sum())
    assert sampler.steps_per_epoch == -(-length // 16)
    for step in range(3 * sampler.steps_per_epoch):
        epoch, place = divmod(step, sampler.steps_per_epoch)
        rows, occurrences = epoch_visits(repeats, SEED, epoch)
        chosen = (16 * place + np.arange(16)) % length
        wanted = np.full(16, epoch), rows[chosen], occurrences[chosen]
        for one, other in zip(sampler.batch(step), wanted, strict=True):
            np.testing.assert_array_equal(one, other)
