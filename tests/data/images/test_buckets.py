"""The shapes of a cache that keeps aspect ratios: chosen as well as trying all choices finds, few, and of one area."""

import itertools
import math

import numpy as np
import pytest

from data.images.buckets import LEAST_SHARE, candidates, chosen, misfit, nearest


def cost(sizes, shapes) -> float:
    return sum(min(abs(math.log(w / h) - math.log(b / a)) for a, b in shapes) for w, h in sizes)


@pytest.mark.parametrize("size", [8, 32, 48, 100, 128, 256, 512, 700, 2048])
def test_candidates_have_one_area_and_sides_on_a_grid(size):
    shapes = candidates(size)
    part = math.gcd(*itertools.chain(*shapes))
    assert part in (1, 2, 4, 8, 16, 32)
    areas = np.array([height * width for height, width in shapes]) / size**2
    assert np.abs(areas - 1).max() < 0.07
    aspects = np.array([width / height for height, width in shapes])
    assert (np.diff(aspects) < 0).all()
    assert sorted((width, height) for height, width in shapes) == sorted(shapes)
    # No image between two shapes is stretched by more than half their distance.
    steps = (aspects[:-1] / aspects[1:])[(aspects[:-1] < 4) & (aspects[1:] > 1 / 4)]
    assert math.sqrt(steps.max()) - 1 < (0.16 if size >= 128 else 0.3)


@pytest.mark.parametrize("seed", range(2))
def test_the_choice_is_the_best_of_all_choices(seed):
    rng = np.random.default_rng(seed)
    sizes = [(int(w), int(h)) for w, h in rng.integers(40, 120, (60, 2))]
    shapes = candidates(64)
    found = chosen(sizes, 64, 3)
    best = min(itertools.combinations(shapes, 3), key=lambda choice: cost(sizes, choice))
    assert len(found) == 3 and set(found) <= set(shapes)
    assert cost(sizes, found) == pytest.approx(cost(sizes, best))
    assert chosen(sizes[::-1], 64, 3) == found


def test_no_shape_is_left_to_a_handful_and_the_count_is_bounded():
    sizes = [(640, 480)] * 97 + [(480, 640)] * 2 + [(3000, 100)]
    assert len(chosen(sizes, 128, 5)) == 1
    rng = np.random.default_rng(0)
    sizes = [(int(w), int(h)) for w, h in rng.integers(30, 400, (300, 2))]
    for count in (1, 2, 5, 12):
        shapes = chosen(sizes, 128, count)
        assert len(shapes) <= count
        own = np.bincount([nearest(*size, shapes) for size in sizes], minlength=len(shapes))
        assert own.min() >= LEAST_SHARE * len(sizes) or len(shapes) == 1
    assert chosen([(7, 7)], 32, 5) == ((32, 32),)


def test_an_image_gets_the_shape_that_stretches_it_least():
    shapes = chosen([(100, 100), (200, 100), (100, 300)], 96, 3)
    rng = np.random.default_rng(1)
    for width, height in rng.integers(1, 500, (200, 2)).tolist():
        place = nearest(width, height, shapes)
        stretched = [misfit(width, height, shape) for shape in shapes]
        assert stretched[place] == pytest.approx(min(stretched))
    assert misfit(300, 200, (64, 96)) == 0
    assert misfit(300, 200, (64, 64)) == misfit(200, 300, (64, 64)) == pytest.approx(0.5)
