"""Mixed images and labels against their formulas in float64."""

import numpy as np
import pytest

from data.augmentation.mixing import mix_batch, mixed_pixels, soft_labels, united_labels, with_cut_out


@pytest.fixture
def pair():
    return np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_a_mixture_is_rounded_once(share, channels):
    first, second = np.random.default_rng(1).integers(0, 256, (2, 9, 11, channels), dtype=np.uint8)
    exact = share * first.astype(np.float64) + (1 - share) * second
    made = mixed_pixels(first, second, share)
    assert (made.shape, made.dtype) == (first.shape, np.uint8)
    assert np.abs(made - exact).max() <= 0.5 + 1e-5


def test_a_cut_out_has_the_share_that_it_says(pair):
    first, second = pair
    made, share = with_cut_out(first, second, 0.75, 0.5, 0.5)
    of_first, of_second = (made == first).all(axis=-1), (made == second).all(axis=-1)
    assert (of_first | of_second).all()
    assert share == pytest.approx(of_first.mean(), abs=0.01)
    assert share == pytest.approx(0.75, abs=0.03)
    assert with_cut_out(first, second, 0.75, 0.0, 0.0)[1] == pytest.approx(1 - 0.25 / 4, abs=0.03)
    assert with_cut_out(first, second, 1.0, 0.5, 0.5)[0].tobytes() == first.tobytes()


def test_labels_are_united_or_shared():
    first = np.array([1, 0, 1, 0, 255, 255, 255], dtype=np.uint8)
    second = np.array([1, 1, 0, 0, 1, 0, 255], dtype=np.uint8)
    assert united_labels(first, second).tolist() == [1, 1, 1, 0, 1, 255, 255]
    assert soft_labels(first, second, 0.3).tolist() == pytest.approx([1, 0.7, 0.3, 0, 255, 255, 255])
    # What has no share says nothing.
    assert soft_labels(first, second, 1.0).tolist() == first.tolist()
    assert soft_labels(first, second, 0.0).tolist() == second.tolist()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_batch_is_mixed_by_its_generator_alone(kind):
    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (8, 12, 12, 3), dtype=np.uint8), np.eye(8, dtype=np.uint8)
    before = images.copy()
    one, other = (mix_batch(images, labels, kind, 0.8, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(images, before)
    np.testing.assert_allclose(one[1].sum(axis=1), 1, atol=1e-6)
    mean = images.reshape(8, -1).mean(axis=1)
    if kind == "mixup":
        np.testing.assert_allclose(one[0].reshape(8, -1).mean(axis=1), one[1] @ mean, atol=0.5)
