"""The white level of a set against NumPy's percentile, and depths that do not go together."""

import numpy as np
import pytest
import tifffile

from common.errors import InputError
from data.images.image_files import prepare, scan
from data.images.preparation import Preparation
from data.images.white_level import SAMPLED, setting_fault, settled

START = Preparation(8, "stretch", "gray", depth=0)


def written(folder, arrays) -> list:
    paths = [folder / f"{number:03d}.tif" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        tifffile.imwrite(path, array)
    return paths


def settle(paths, setting="auto", preparation=START):
    infos = [scan(path) for path in paths]
    return settled(preparation, setting, paths, infos, workers=1)[0]


@pytest.fixture
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 400 * (number + 1), (24, 30), dtype=np.uint16) for number in range(8)]


def test_auto_is_the_percentile_over_all_pixels(tmp_path, pictures):
    found = settle(written(tmp_path, pictures))
    assert found.depth == 16
    assert found.white_level == pytest.approx(np.percentile(np.stack(pictures), 99.9, method="inverted_cdf"), abs=1)


def test_a_large_set_is_sampled_evenly_and_always_alike(tmp_path):
    paths = written(tmp_path, [np.full((4, 4), number + 1, np.uint16) for number in range(SAMPLED + 60)])
    white = settle(paths).white_level
    assert white == settle(paths).white_level
    assert white == pytest.approx(SAMPLED + 60, abs=2)


def test_channels_of_one_image_are_measured_together(tmp_path, pictures):
    paths = written(tmp_path, pictures)
    images = list(zip(paths[::2], paths[1::2], strict=True))
    pair = Preparation(8, "stretch", "a,b", pattern="{id}_{channel}", depth=0)
    assert settle(images, preparation=pair).white_level == settle(paths).white_level


def test_numbers_and_the_types_range(tmp_path, pictures):
    paths = written(tmp_path, pictures)
    assert settle(paths, "dtype").white_level == 65535
    assert settle(paths, "4095").white_level == 4095
    for path, picture in zip(paths, pictures, strict=True):
        tifffile.imwrite(path, picture[:, :30], bitspersample=12)
    assert settle(paths, "dtype").white_level == 4095
    with pytest.raises(InputError, match="white_level = 5000: the images have 12 bits, up to 4095"):
        settle(paths, "5000")


def test_black_images_and_lone_dots_have_a_white_level(tmp_path):
    black = np.zeros((40, 40), np.uint16)
    assert settle(written(tmp_path, [black])).white_level == 65535
    dot = black.copy()
    dot[3, 3] = 900
    assert settle(written(tmp_path, [dot])).white_level == 900


def test_two_exposures_keep_their_ratio(tmp_path, pictures):
    base = np.full((16, 16), 300, np.uint16)
    paths = written(tmp_path, [base, base * 4])
    whole = settle(paths)
    assert whole.white_level == 1200
    assert [int(prepare(path, whole).max()) for path in paths] == [64, 255]


def test_8_bit_images_are_taken_as_they_are(tmp_path, pictures):
    paths = written(tmp_path, [(picture // 16).astype(np.uint8) for picture in pictures])
    for setting in ("auto", "dtype", "255"):
        found = settle(paths, setting)
        assert (found.depth, found.white_level) == (8, 255)
    with pytest.raises(InputError, match="leave it auto"):
        settle(paths, "200")


def test_mixed_depths_are_refused_with_files_of_each(tmp_path, pictures):
    paths = written(tmp_path, [*pictures[:5], *((picture // 16).astype(np.uint8) for picture in pictures[5:])])
    with pytest.raises(InputError) as raised:
        settle(paths)
    assert f"8 bits: {paths[5]}, {paths[6]}, {paths[7]}\n" in str(raised.value)
    assert f"16 bits: {paths[0]}, {paths[1]}, {paths[2]} and 2 more" in str(raised.value)
    assert "convert all to one depth" in str(raised.value)


@pytest.mark.parametrize(
    ("setting", "good"), [("auto", 1), ("dtype", 1), ("4095", 1), ("0", 0), ("-1", 0), ("nan", 0), ("x", 0)]
)
def test_settings_are_checked(setting, good):
    assert (setting_fault(setting) == "") == bool(good)
