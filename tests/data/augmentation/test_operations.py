"""Operations on pixels: exact where they can be, close to float64 elsewhere, and never a change of colours."""

import typing

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from common.errors import InputError
from data.augmentation.operations import NEUTRAL, Operation, Parameters, Ranges, apply, draw, turned, uniform
from data.synthetic.image import render

OPERATIONS = typing.get_args(Operation)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (33, 33, 3), dtype=np.uint8)


def smooth(height=64, width=64, channels=3):
    noise = np.random.default_rng(1).normal(size=(height, width, channels))
    blurred = ndimage.gaussian_filter(noise, (4, 4, 0))
    return np.rint(127 + 90 * blurred / np.abs(blurred).max()).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 6, 9])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_turns_and_flips_permute_the_pixels(turns, mirror, channels):
    pixels = np.random.default_rng(2).integers(0, 256, (12, 17, channels), dtype=np.uint8)
    expected = np.rot90(pixels[:, ::-1] if mirror else pixels, turns)
    np.testing.assert_array_equal(turned(pixels, turns, mirror), expected)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_strength_changes_no_byte(operation, image):
    none = Ranges(
        (operation,), rotation_degrees=0, shift_fraction=0, crop_fraction=1, scale_factor=1, shear_degrees=0,
        brightness_fraction=0, contrast_fraction=0, colour_fraction=0, noise_levels=0, blur_pixels=0,
    )  # fmt: skip
    parameters = draw(none, image.shape, 0, 0, "a")
    if operation in ("quarter_turns", "flips"):
        parameters = Parameters()
    assert apply(image, parameters).tobytes() == image.tobytes()


def test_neutral_parameters_are_those_of_no_operation(image):
    assert draw(Ranges(), image.shape, 0, 0, "a") == NEUTRAL
    assert apply(image, NEUTRAL) is image


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_changes_pixels_and_nothing_else_draws(operation, image):
    alone = draw(Ranges((operation,)), image.shape, 3, 1, "row")
    together = draw(Ranges(OPERATIONS), image.shape, 3, 1, "row")
    changed = [draw(Ranges((operation,)), image.shape, 3, epoch, "row") for epoch in range(6)]
    assert any(apply(image, parameters).tobytes() != image.tobytes() for parameters in changed)
    if operation in ("rotation", "shear", "brightness", "contrast", "colour", "noise", "blur"):
        assert getattr(alone, operation) == getattr(together, operation)


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(rotation=33.0),
        Parameters(rotation=-120.0, shear=9.0, scale=1.15, shift_x=0.08, shift_y=-0.05),
        Parameters(scale=0.8),
    ],
)
@pytest.mark.parametrize("shape", [(64, 64), (48, 80)])
def test_geometry_against_float64(parameters, shape):
    pixels = smooth(*shape)
    angle, slant = np.radians(parameters.rotation), np.tan(np.radians(parameters.shear))
    # Rows before columns; anticlockwise with rows pointing down.
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, 0], [slant, 1]])
    back = np.linalg.inv(parameters.scale * rotation @ shear)
    centre = (np.array(shape) - 1) / 2
    shift = np.array([parameters.shift_y * shape[0], parameters.shift_x * shape[1]])
    offset = centre - back @ (centre + shift)
    for interpolation, order in (("linear", 1), ("cubic", 3)):
        expected = np.stack(
            [
                ndimage.affine_transform(
                    pixels[..., channel].astype(np.float64), back, offset, order=order, mode="mirror"
                )
                for channel in range(3)
            ],
            axis=-1,
        )
        made = apply(pixels, Parameters(**{**vars(parameters), "interpolation": interpolation}))
        # Another cubic kernel, and places rounded to a 32nd of a pixel: a level or two on a smooth image.
        assert np.abs(made - expected).max() <= 2.5
        assert abs(float((made - expected).mean())) < 0.1


def test_rotation_by_a_right_angle_is_a_quarter_turn():
    pixels = smooth(33, 33)
    np.testing.assert_array_equal(apply(pixels, Parameters(rotation=90.0)), np.rot90(pixels))


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_light_against_float64(channels):
    pixels = smooth(channels=channels)
    colour = tuple(0.9 + 0.05 * channel for channel in range(channels))
    made = apply(pixels, Parameters(brightness=1.1, contrast=0.8, colour=colour))
    mean = pixels.mean(axis=(0, 1))
    expected = np.rint(1.1 * np.array(colour) * (mean + 0.8 * (pixels - mean))).clip(0, 255)
    assert np.abs(made - expected).max() <= 1e-9


def test_blur_against_scipy():
    pixels = smooth()
    expected = ndimage.gaussian_filter(pixels.astype(np.float64), (1.3, 1.3, 0), mode="mirror", truncate=6)
    assert np.abs(apply(pixels, Parameters(blur=1.3)) - expected).max() <= 1


def test_noise_has_the_strength_that_was_drawn():
    gray = np.full((200, 200, 3), 128, dtype=np.uint8)
    noise = apply(gray, Parameters(noise=6.0, noise_seed=5)).astype(np.float64) - 128
    assert noise.std() == pytest.approx(6, rel=0.02)
    assert abs(noise.mean()) < 0.1
    other = apply(gray, Parameters(noise=6.0, noise_seed=6)).astype(np.float64) - 128
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.02


def assert_colours_are_kept(before):
    """Mean and 1st and 99th percentile of each channel, pooled over all images, within a grey level."""
    ranges = Ranges(("rotation", "flips", "quarter_turns"))
    after = [apply(pixels, draw(ranges, pixels.shape, 0, 0, f"i{row}")) for row, pixels in enumerate(before)]
    for channel in range(3):
        old, new = (np.stack([pixels[..., channel] for pixels in images]) for images in (before, after))
        assert abs(old.mean() - new.mean()) <= 1
        assert np.abs(np.percentile(old, [1, 99]) - np.percentile(new, [1, 99])).max() <= 1


def reduced(pixels: np.ndarray) -> np.ndarray:
    """As in a cache."""
    return np.asarray(Image.fromarray(pixels).resize((96, 96), Image.Resampling.LANCZOS))


def test_rotated_images_keep_their_colours():
    """The original work's rotated images came out stretched, image by image."""
    assert_colours_are_kept([reduced(render([number % 28], 160, 0, f"i{number}")) for number in range(100)])


def test_rotated_images_of_real_cells_keep_their_colours(cell_data):
    paths = sorted((cell_data / "chula_rbc12" / "images").iterdir())[:100]
    assert_colours_are_kept([reduced(np.asarray(Image.open(path).convert("RGB"))) for path in paths])


def test_draws_depend_on_their_key_alone():
    ranges, shape = Ranges(OPERATIONS), (20, 20, 3)
    first = draw(ranges, shape, 1, 2, "a", 0)
    assert draw(ranges, shape, 1, 2, "a", 0) == first
    others = [draw(ranges, shape, *key) for key in ((2, 2, "a", 0), (1, 3, "a", 0), (1, 2, "b", 0), (1, 2, "a", 1))]
    assert all(other != first for other in others)
    assert len({other.rotation for other in others}) == 4


def test_draws_are_those_of_earlier_versions():
    """The numbers were computed before the draws got names: sets and runs of the same seed must not change."""
    pinned = {
        ((20, 20, 3), 0, 0, "c", 0): (
            1, 1, -111.31533525, 5.44773124624, 1.04971694224, 0.102645111593, 0.106038738701, 0.178251720499,
            0.951535768155, 1.03837442789, 1.00147576000, 1.01899049967, 0.944343508981, 3.18593324162, 2209229156,
        ),
        ((20, 30, 1), 0, 5, "id é", 2): (
            0, 2, -134.538401552, 3.62395289354, 0.976782210041, 0.0472276959303, 0.104000980218, 0.267052644398,
            0.867286755424, 0.996515272465, 0.998034932882, 1.04316440527, 2551706035,
        ),
    }  # fmt: skip
    for key, expected in pinned.items():
        *drawn, _ = vars(draw(Ranges(OPERATIONS), *key)).values()
        np.testing.assert_allclose(np.hstack(drawn), expected, rtol=1e-11)


def test_more_numbers_than_one_hash_has_leave_the_first_ones_as_they_were():
    numbers = np.array([uniform(40, 7, row, 0, "a") for row in range(2000)])
    assert (numbers[:, :15] == [uniform(15, 7, row, 0, "a") for row in range(2000)]).all()
    assert len(np.unique(numbers)) > 79_990
    assert np.abs(numbers.mean(axis=0) - 0.5).max() < 0.03
    assert np.abs(np.corrcoef(numbers.T) - np.eye(40)).max() < 0.12


def test_every_symmetry_of_a_square_is_as_likely():
    ranges = Ranges(("quarter_turns", "flips"))
    drawn = [draw(ranges, (8, 8, 3), 0, 0, str(row)) for row in range(4000)]
    counts = np.unique([(4 * one.mirror + one.turns) for one in drawn], return_counts=True)[1]
    assert len(counts) == 8
    assert counts.min() > 420


def test_images_that_are_not_square_keep_their_shape():
    ranges, pixels = Ranges(("quarter_turns", "flips")), smooth(20, 30)
    made = [apply(pixels, draw(ranges, pixels.shape, 0, 0, str(row))) for row in range(40)]
    assert {image.shape for image in made} == {(20, 30, 3)}
    assert len({image.tobytes() for image in made}) == 4


def test_a_crop_lies_inside_the_image():
    ranges = Ranges(("crop",), crop_fraction=0.5, interpolation="linear")
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None] * 2, (100, 100, 3))
    for row in range(50):
        made = apply(np.ascontiguousarray(ramp), draw(ranges, ramp.shape, 0, 0, str(row)))
        # A reflected border would turn the ramp round.
        assert (np.diff(made[:, 50, 0].astype(int)) >= 0).all()


def test_parameters_survive_their_record(image):
    parameters = draw(Ranges(OPERATIONS), image.shape, 0, 0, "a")
    again = Parameters(**{name: tuple(value) if isinstance(value, list) else value
                          for name, value in parameters.as_dict().items()})  # fmt: skip
    assert apply(image, again).tobytes() == apply(image, parameters).tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operations": ("rotate",)}, "operations = .*: must be one of quarter_turns, flips"),
        ({"rotation_degrees": 200}, "rotation_degrees = 200: must lie between 0 and 180"),
        ({"scale_factor": 0.5}, "scale_factor = 0.5: must lie between 1 and 10"),
        ({"crop_fraction": 0.0}, "crop_fraction = 0.0"),
        ({"interpolation": "nearest"}, "interpolation = 'nearest'"),
    ],
)
def test_ranges_that_cannot_be_are_named(options, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        Ranges(**options)


def test_the_threads_of_opencv_do_not_change_the_pixels(image):
    before = cv2.getNumThreads()
    made = []
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        made.append(apply(smooth(256, 256), Parameters(rotation=20.0, blur=1.0)).tobytes())
    cv2.setNumThreads(before)
    assert made[0] == made[1]


@pytest.mark.parametrize("channels", [1, 2, 5, 6, 9])
def test_each_channel_is_treated_alike_however_many_there_are(channels):
    plane = smooth(channels=1)
    ranges = Ranges(("quarter_turns", "flips", "rotation", "shear", "scale", "blur", "brightness", "contrast"))
    many = np.repeat(plane, channels, axis=2)
    for epoch in range(4):
        parameters = draw(ranges, many.shape, 0, epoch, "a")
        np.testing.assert_array_equal(apply(many, parameters), np.repeat(apply(plane, parameters), channels, axis=2))
