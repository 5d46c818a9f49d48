"""TIFF stacks and 16-bit files as tifffile, OpenCV and Pillow write them, against the arrays that were written."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from data.images.decoding import opened
from data.images.errors import ImageError
from data.images.image_files import prepare, scan
from data.images.preparation import Preparation

cv2 = pytest.importorskip("cv2")
HEIGHT, WIDTH = 20, 30


def values(*shape: int, bits: int = 16, seed: int = 0) -> np.ndarray:
    dtype = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bits, (*shape, HEIGHT, WIDTH), dtype=dtype)


def planes(path, axes: str = "") -> np.ndarray:
    with opened(path, axes) as (image, _):
        return image.planes()


def written(folder, array: np.ndarray, name: str = "a.tif", **options):
    tifffile.imwrite(folder / name, array, **options)
    return folder / name


def preparation(channels: str, size: int = 16, **options) -> Preparation:
    return Preparation(size, "stretch", channels, **options)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "options",
    [
        {"ome": True, "metadata": {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP", "Cy3", "Cy5"]}}},
        {"imagej": True, "metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "CYX"}, "byteorder": ">"},
        {"metadata": {"axes": "CYX"}, "photometric": "minisblack"},
        {"metadata": {"axes": "CYX"}, "photometric": "minisblack", "compression": "lzw", "predictor": True},
        {"metadata": {"axes": "CYX"}, "photometric": "minisblack", "compression": "zlib", "bigtiff": True},
        {"ome": True, "metadata": {"axes": "CYX"}, "compression": "zstd", "tile": (16, 16)},
        {"photometric": "minisblack", "planarconfig": "separate"},
    ],
    ids=["OME", "ImageJ", "ImageJ big-endian", "tifffile", "LZW", "deflate BigTIFF", "OME zstd tiles", "planar"],
)
def test_the_pages_of_a_stack_are_its_channels(tmp_path, options, bits):
    stack = values(4, bits=bits)
    path = written(tmp_path, stack, **options)
    np.testing.assert_array_equal(planes(path), stack.transpose(1, 2, 0))
    named = preparation("dapi,gfp,cy3,cy5", axes="", depth=bits, white_level=2**bits - 1)
    found = scan(path, named)
    assert (found.width, found.height, found.depth, found.format) == (WIDTH, HEIGHT, bits, "TIFF")
    assert prepare(path, named).shape == (16, 16, 4)


@pytest.mark.parametrize(("axes", "shape"), [("YXC", (HEIGHT, WIDTH, 4)), ("CYX", (4, HEIGHT, WIDTH))])
def test_axes_that_a_file_does_not_name_are_asked_for_and_given(tmp_path, axes, shape):
    stack = values(4).transpose(1, 2, 0) if axes == "YXC" else values(4)
    path = written(tmp_path, stack, photometric="minisblack", metadata=None)
    with pytest.raises(ImageError, match=r"pages and does not say what they are.*--axes CYX"):
        scan(path)
    assert stack.shape == shape
    np.testing.assert_array_equal(planes(path, axes), stack if axes == "YXC" else stack.transpose(1, 2, 0))


def test_given_axes_overrule_what_a_program_wrote(tmp_path):
    path = written(tmp_path, values(4), imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(ImageError, match="4 Z planes; project them first"):
        planes(path)
    np.testing.assert_array_equal(planes(path, "CYX"), values(4).transpose(1, 2, 0))
    with pytest.raises(ImageError, match=r"has 3 axes .*but axes = TCYX names 4"):
        planes(written(tmp_path, values(3), "b.tif", photometric="minisblack", metadata=None), "TCYX")
    # A plain picture has no axes to be named.
    assert planes(written(tmp_path, values(), "c.tif"), "CYX").shape == (HEIGHT, WIDTH, 1)


@pytest.mark.parametrize(
    ("axes", "shape", "reason"),
    [
        ("ZCYX", (5, 2), "has 5 Z planes; project them first .Fiji: Image > Stacks > Z Project"),
        ("ZYX", (5,), "has 5 Z planes"),
        ("TCYX", (7, 2), "has 7 time points; save the one that is meant"),
    ],
)
@pytest.mark.parametrize("form", ["ome", "imagej"])
def test_planes_and_times_are_refused_with_the_way_out(tmp_path, axes, shape, reason, form):
    path = written(tmp_path, values(*shape), **{form: True}, metadata={"axes": axes})
    for read in (scan, planes):
        with pytest.raises(ImageError, match=reason):
            read(path)


def test_a_single_plane_and_time_are_none(tmp_path):
    path = written(tmp_path, values(1, 1, 3), imagej=True, metadata={"axes": "TZCYX"})
    np.testing.assert_array_equal(planes(path), values(3).transpose(1, 2, 0))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_png_keeps_every_value(tmp_path, channels):
    pixels = values(channels).transpose(1, 2, 0)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., order])
    np.testing.assert_array_equal(planes(tmp_path / "a.png"), pixels)
    assert scan(tmp_path / "a.png").depth == 16


def test_16_bit_files_of_pillow_keep_every_value(tmp_path):
    for name in ("a.png", "a.tif"):
        Image.fromarray(values()).save(tmp_path / name)
        np.testing.assert_array_equal(planes(tmp_path / name)[..., 0], values())


def test_packed_12_bit_values_arrive_whole(tmp_path):
    pixels = values(bits=12)
    path = written(tmp_path, pixels, bitspersample=12)
    np.testing.assert_array_equal(planes(path)[..., 0], pixels)
    assert scan(path).depth == 12


def test_black_and_white_are_not_exchanged(tmp_path):
    path = written(tmp_path, values(), photometric="miniswhite")
    np.testing.assert_array_equal(planes(path)[..., 0], 65535 - values())


def test_16_bit_colours_and_their_opacity(tmp_path):
    pixels = values(4).transpose(1, 2, 0)
    path = written(tmp_path, pixels, photometric="rgb", extrasamples=["unassalpha"])
    deep = {"size": 20, "depth": 16, "white_level": 65535.0}
    wide = Preparation(resize="pad", channels="rgb", **{**deep, "size": WIDTH})
    expected = np.rint(pixels[..., :3] * (pixels[..., 3:] / 65535) / 257)
    np.testing.assert_allclose(prepare(path, wide)[5:25], expected, atol=1)
    whole = written(tmp_path, pixels, "whole.tif", photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(prepare(whole, wide)[5:25], np.rint(pixels[..., :3] / 257), atol=1)
    # With four names the fourth sample is a channel like the others.
    four = Preparation(resize="pad", channels="rgby", **{**deep, "size": WIDTH})
    np.testing.assert_allclose(prepare(path, four)[5:25], np.rint(pixels / 257), atol=1)
    gray = Preparation(resize="pad", channels="gray", **{**deep, "size": WIDTH})
    colours = written(tmp_path, pixels[..., :3], "b.tif", photometric="rgb")
    luminance = pixels[..., :3] @ np.array([0.299, 0.587, 0.114]) / 257
    np.testing.assert_allclose(prepare(colours, gray)[5:25, :, 0], luminance, atol=1)
    assert (np.diff(prepare(written(tmp_path, values(), "c.tif"), wide).astype(int), axis=-1) == 0).all()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: tifffile.imwrite(path, values().astype(np.float32)), "floating-point values; convert all images"),
        (lambda path: tifffile.imwrite(path, values().astype(np.int16)), "signed values"),
        (lambda path: tifffile.imwrite(path, values().astype(np.uint32)), "32-bit"),
    ],
)
def test_values_that_cannot_be_used_are_named(tmp_path, make, reason):
    make(tmp_path / "a.tif")
    for read in (scan, planes):
        with pytest.raises(ImageError, match=reason):
            read(tmp_path / "a.tif")


def test_several_images_in_one_file_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as file:
        for seed in range(2):
            file.write(values(3, seed=seed), metadata={"axes": "CYX"})
    with pytest.raises(ImageError, match="holds 2 images"):
        scan(tmp_path / "a.tif")


@pytest.mark.parametrize("tenth", [1, 3, 6, 9])
@pytest.mark.parametrize(
    "options",
    [
        {"ome": True, "metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "CYX"}},
        {"metadata": {"axes": "CYX"}, "photometric": "minisblack", "compression": "lzw"},
        {"metadata": None, "photometric": "minisblack", "bigtiff": True},
    ],
)
def test_truncated_stacks_are_refused(tmp_path, options, tenth):
    path = written(tmp_path, values(4), **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenth // 10])
    with pytest.raises(ImageError):
        planes(path, "CYX")


@pytest.mark.parametrize("tenth", [3, 6, 9])
def test_truncated_16_bit_png_is_refused(tmp_path, tenth):
    Image.fromarray(values()).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) * tenth // 10])
    with pytest.raises(ImageError, match="decoded"):
        prepare(tmp_path / "a.png", preparation("gray", depth=16, white_level=65535.0))


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_deep_image_is_set_upright_as_a_shallow_one(tmp_path, turn):
    # Away from black and white, where the 8-bit reduction clips between its two passes.
    pixels = values(bits=8) // 3 + 80
    tag = [(274, "H", 1, turn, True)]
    shallow = written(tmp_path, pixels, "a.tif", extratags=tag)
    deep = written(tmp_path, pixels.astype(np.uint16) * 257, "b.tif", extratags=tag)
    of_8, of_16 = scan(shallow), scan(deep)
    assert (of_8.width, of_8.height) == (of_16.width, of_16.height)
    expected = prepare(shallow, Preparation(24, "pad", "gray"))
    found = prepare(deep, Preparation(24, "pad", "gray", depth=16, white_level=65535.0))
    np.testing.assert_allclose(found.astype(int), expected, atol=2)


def test_a_12_bit_ramp_keeps_the_order_of_all_its_levels(tmp_path):
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    written(tmp_path, ramp)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        pixels = prepare(tmp_path / name, preparation("gray", 64, depth=16, white_level=4095.0)).ravel().astype(int)
        steps = np.diff(pixels)
        assert steps.min() >= 0
        assert steps.max() == 1
        assert len(set(pixels.tolist())) == 256
    wide = written(tmp_path, np.tile(np.arange(4096, dtype=np.uint16), (64, 1)), "wide.tif")
    reduced = prepare(wide, preparation("gray", 256, depth=16, white_level=4095.0))[128, :, 0].astype(int)
    assert (np.diff(reduced) >= 0).all()
    assert np.abs(reduced - np.linspace(0, 255, 256)).max() <= 1


def test_exposures_keep_their_ratio(tmp_path):
    bright = values(bits=12) // 2 * 2
    pair = [written(tmp_path, bright, "a.tif"), written(tmp_path, bright // 2, "b.tif")]
    one, half = (prepare(path, preparation("gray", 20, depth=16, white_level=4095.0)).astype(float) for path in pair)
    assert np.abs(one - 2 * half).max() <= 2
    assert one.mean() / half.mean() == pytest.approx(2, rel=0.01)


def test_another_depth_than_the_sets_is_refused(tmp_path):
    Image.fromarray(values(bits=8)).save(tmp_path / "a.png")
    for read in (scan, prepare):
        with pytest.raises(ImageError, match="has 8 bits, but the white level 4095 is that of 16-bit images"):
            read(tmp_path / "a.png", preparation("gray", depth=16, white_level=4095.0))
        with pytest.raises(ImageError, match="has 16 bits"):
            read(written(tmp_path, values()), preparation("gray"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_extreme_shapes_work(tmp_path, shape):
    path = written(tmp_path, np.full(shape, 4095, np.uint16))
    assert (scan(path).height, scan(path).width) == shape
    assert prepare(path, preparation("gray", depth=16, white_level=4095.0)).min() == 255
