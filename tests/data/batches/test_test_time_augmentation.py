"""Views and scales of images against Pillow and NumPy, and scores that are means over them."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

from common.errors import InputError
from data.batches.batches import probabilities, row_probabilities
from data.batches.test_time_augmentation import Views, check_scales, scaled


def made(height=12, width=20, channels=3, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def overlaps(side: int, target: int) -> np.ndarray:
    """How much of each new pixel each old one covers, (target, side)."""
    old, new = np.arange(side), np.arange(target)[:, None] * side / target
    return np.clip(np.minimum(old + 1, new + side / target) - np.maximum(old, new), 0, None) * target / side


@pytest.mark.parametrize(("channels", "scale"), [(1, 0.5), (3, 0.6), (6, 0.75)])
def test_a_reduction_is_the_mean_of_areas(channels, scale):
    images = made(40, 60, channels)
    found = scaled(images, scale)
    size = round(40 * scale), round(60 * scale)
    assert (found.shape, found.dtype) == ((2, *size, channels), np.uint8)
    means = np.einsum("yh,nhwc,xw->nyxc", overlaps(40, size[0]), images, overlaps(60, size[1]))
    assert np.abs(found - means).max() <= 0.51
    assert scaled(images, 1.0) is images
    assert scaled(images, 0.001).shape == (2, 1, 1, channels)


def test_an_enlargement_is_that_of_pillow_but_for_rounding():
    images = made(10, 15)
    for one, image in zip(scaled(images, 2), images, strict=True):
        expected = np.asarray(Image.fromarray(image).resize((30, 20), Image.Resampling.BILINEAR), dtype=np.int64)
        assert np.abs(one - expected).max() <= 1


def test_the_turns_and_flips_are_all_of_them_once():
    images = made(3, 3)
    group = {np.rot90(one, turns, (1, 2)).tobytes() for one in (images, images[:, :, ::-1]) for turns in range(4)}
    found = [view.tobytes() for view in Views(kind="dihedral").of(images)]
    assert len(found) == 8 and set(found) == group
    wide = made(4, 6)
    flips = list(Views(kind="flips").of(wide))
    expected = {wide[:, ::down, ::across].tobytes() for down in (1, -1) for across in (1, -1)}
    assert len(flips) == 4 and {view.tobytes() for view in flips} == expected
    assert [view.tobytes() for view in Views().of(wide)] == [wide.tobytes()]


def test_crops_are_corners_and_middle_each_mirrored():
    images = made(16, 24)
    found = list(Views(kind="crops").of(images))
    assert len(found) == 10
    for number, (top, left) in enumerate([(0, 0), (0, 3), (2, 0), (2, 3), (1, 1)]):
        cut = images[:, top : top + 14, left : left + 21]
        np.testing.assert_array_equal(found[2 * number], cut)
        np.testing.assert_array_equal(found[2 * number + 1], cut[:, :, ::-1])


def test_scores_are_the_mean_of_the_probabilities_of_all_views():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((None, None, 3), dtype="uint8"), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3),
         keras.layers.GlobalMaxPooling2D()]
    )  # fmt: skip
    images, views = made(16, 24, count=3), Views((1.0, 0.75), "crops")
    expected = np.zeros((3, 4))
    seen = 0
    for view in itertools.chain(*(Views(kind="crops").of(one) for one in (images, scaled(images, 0.75)))):
        expected += expit(np.asarray(model(view), dtype=np.float64))
        seen += 1
    found = probabilities(model, iter([images[:2], images[2:]]), 2, views, logits=True)
    assert (found.dtype, seen) == (np.float32, 20)
    np.testing.assert_allclose(found, expected / seen, rtol=1e-5)
    # Views of probabilities as of logits: what predict.py sees.
    whole = keras.Model(model.inputs, keras.layers.Activation("sigmoid")(model.outputs[0]))
    np.testing.assert_allclose(probabilities(whole, iter([images]), 3, views, logits=False), found, rtol=1e-5)


def test_rows_of_several_shapes_are_scored_in_their_order():
    pixels = {0: made(4, 6, count=5), 1: made(8, 3, count=4)}
    bucket = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0])
    place = np.array([(bucket[:row] == bucket[row]).sum() for row in range(9)])

    def gather(rows):
        assert len(set(bucket[rows])) == 1
        return pixels[bucket[rows][0]][place[rows]]

    cache = SimpleNamespace(image_shape=(None, None, 3), bucket=bucket, gather=gather)
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()])
    rows = np.array([8, 1, 0, 2, 7, 3])
    found = row_probabilities(model, cache, rows, 2, Views())
    expected = [expit(pixels[bucket[row]][place[row]].mean(axis=(0, 1))) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("scales", [(), (1.0, 1.0), (0.0,), (9.0,)])
def test_scales_that_cannot_be_are_refused(scales):
    with pytest.raises(InputError, match=r"train_scales = .*: must be one or more different numbers up to 8"):
        check_scales("train_scales", scales)
    with pytest.raises(InputError, match="score_scales"):
        Views(scales)
    with pytest.raises(InputError, match="score_views = 'all': must be one of one, flips, dihedral, crops"):
        Views(kind="all")
