"""Image files against Pillow's own full-size Lanczos, hand-worked alpha, and every kind of file to be refused."""

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from common.errors import InputError
from data.images import image_files
from data.images.errors import ImageError
from data.images.image_files import prepare, scan
from data.images.preparation import Preparation

ORIENTATION = 0x0112


def preparation(size=32, resize="stretch", channels="rgb") -> Preparation:
    return Preparation(size, resize, channels)


def textured(width: int, height: int, seed: int = 0) -> Image.Image:
    """Cells on noise: smooth shapes, sharp edges and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [np.sin(2 * np.pi * (fx * x + fy * y)) for fx, fy in rng.uniform(-12, 12, (3, 2))]
    values = 120 + 60 * np.stack(waves, axis=-1) + 60 * (np.hypot(x - 0.3, y - 0.2) < 0.1)[..., None]
    return Image.fromarray((values + rng.normal(0, 12, values.shape)).clip(0, 255).astype(np.uint8))


def saved(folder, image: Image.Image, name: str, **options):
    path = folder / name
    image.save(path, **options)
    return path


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def lanczos(image: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp"])
@pytest.mark.parametrize(
    ("width", "height", "size"), [(1500, 1100, 128), (700, 900, 224), (333, 257, 64), (90, 70, 128)]
)
def test_reduction_equals_lanczos_on_all_pixels(tmp_path, name, width, height, size):
    path = saved(tmp_path, textured(width, height), name)
    pixels = prepare(path, preparation(size))
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    with Image.open(path) as image:
        assert decibels(pixels, lanczos(image, size, size)) >= 35


@pytest.mark.parametrize("resize", ["stretch", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_exif_orientation_is_applied(tmp_path, name, orientation, resize):
    image = textured(120, 75)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 95, "subsampling": 0} if name == "a.jpg" else {"lossless": True} if name == "a.webp" else {}
    turned = saved(tmp_path, image, name, exif=exif, **options)
    tags = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    upright = image.transpose(Image.Transpose(tags[orientation])) if orientation > 1 else image
    plain = saved(tmp_path, upright, "upright.png")
    assert decibels(prepare(turned, preparation(40, resize)), prepare(plain, preparation(40, resize))) >= 35
    found = scan(turned)
    assert (found.width, found.height) == upright.size


def test_a_damaged_exif_block_costs_no_pixels(tmp_path):
    path = saved(tmp_path, textured(40, 40), "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert prepare(path, preparation()).shape == (32, 32, 3)


def test_alpha_is_composited_on_black(tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (32, 32, 4), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(colours), "a.png")
    expected = colours[..., :3] * (colours[..., 3:] / 255)
    np.testing.assert_allclose(prepare(path, preparation(32)), expected, atol=1)
    gray = Image.merge("LA", [Image.fromarray(colours[..., 0]), Image.fromarray(colours[..., 3])])
    path = saved(tmp_path, gray, "b.png")
    expected = colours[..., :1] * (colours[..., 3:] / 255)
    np.testing.assert_allclose(prepare(path, preparation(32, channels="gray")), expected, atol=1)


def test_hidden_colours_do_not_bleed_when_alpha_is_reduced(tmp_path):
    pixels = np.zeros((64, 64, 4), dtype=np.uint8)
    pixels[:, :, 0] = 255  # all of it red, but nothing of it visible
    path = saved(tmp_path, Image.fromarray(pixels), "a.png")
    assert prepare(path, preparation(16)).max() == 0


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_becomes_black(tmp_path, mode):
    image = Image.new("RGB", (32, 32), (200, 100, 50))
    image.paste((10, 250, 30), (16, 0, 32, 32))
    image = image.convert(mode, dither=Image.Dither.NONE)
    path = saved(tmp_path, image, "a.png", transparency=image.getpixel((0, 0)))
    pixels = prepare(path, preparation(32))
    assert pixels[:, :16].max() == 0
    np.testing.assert_array_equal(pixels[:, 16:], np.asarray(image.convert("RGB"))[:, 16:])


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        tuple(case.split())
        for case in ("1 a.png", "L a.png", "L a.jpg", "P a.png", "P a.gif", "CMYK a.jpg", "CMYK a.tif")
    ],
)
@pytest.mark.parametrize("channels", ["rgb", "gray"])
def test_other_modes_become_what_pillow_makes_of_them(tmp_path, mode, name, channels):
    path = saved(tmp_path, textured(48, 48).convert(mode), name)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB").convert("RGB" if channels == "rgb" else "L")).reshape(48, 48, -1)
    pixels = prepare(path, preparation(48, channels=channels))
    assert pixels.shape[2] == (3 if channels == "rgb" else 1)
    np.testing.assert_allclose(pixels.astype(int), expected, atol=1)


def test_padding_keeps_the_aspect_in_the_middle(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (200, 100), (9, 99, 199)), "a.png")
    pixels = prepare(path, preparation(64, "pad"))
    assert (pixels[16:48] == (9, 99, 199)).all()
    assert pixels[:16].max() == pixels[48:].max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
@pytest.mark.parametrize("resize", ["stretch", "pad"])
def test_extreme_shapes_work(tmp_path, shape, resize):
    path = saved(tmp_path, Image.new("RGB", shape, "white"), "a.png")
    pixels = prepare(path, preparation(16, resize))
    assert pixels.shape == (16, 16, 3)
    assert pixels.max() == 255


def test_the_extension_does_not_matter(tmp_path):
    image = textured(40, 40)
    honest, lying = saved(tmp_path, image, "a.png"), saved(tmp_path, image, "b.jpg", format="PNG")
    np.testing.assert_array_equal(prepare(honest, preparation()), prepare(lying, preparation()))
    assert scan(lying).format == "PNG"


def test_scan_tells_size_mode_format_and_checksum(tmp_path):
    path = saved(tmp_path, textured(50, 30).convert("L"), "a.jpg")
    found = scan(path)
    assert (found.width, found.height, found.mode, found.format) == (50, 30, "L", "JPEG")
    assert found.sha1 == hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.gif", "a.tif"])
@pytest.mark.parametrize("tenth", [0, 1, 3, 5, 7, 9])
def test_truncated_files_are_refused(tmp_path, name, tenth):
    path = saved(tmp_path, textured(128, 128), name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenth // 10])
    with pytest.raises(ImageError, match="empty" if tenth == 0 else "truncated|damaged|decoded"):
        prepare(path, preparation())


def test_what_is_no_image_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("<html>Sign in to download</html>")
    for read in (scan, lambda path: prepare(path, preparation())):
        with pytest.raises(ImageError, match="is not an image"):
            read(path)
        with pytest.raises(ImageError, match="does not exist"):
            read(tmp_path / "b.png")
        with pytest.raises(ImageError, match="cannot be opened"):
            read(tmp_path)


def test_formats_that_could_run_other_programs_are_never_tried(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    with pytest.raises(ImageError, match="is not an image"):
        prepare(path, preparation())


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_several_frames_are_refused_by_name(tmp_path, name):
    frames = [textured(32, 32, seed).quantize() if name == "a.gif" else textured(32, 32, seed) for seed in range(3)]
    path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
    word = "pages" if name == "a.tif" else "animated"
    for read in (scan, lambda path: prepare(path, preparation())):
        with pytest.raises(ImageError, match=f"3 .*{word}"):
            read(path)


def test_a_cameras_jpeg_with_a_second_view_is_its_first(tmp_path):
    views = [textured(64, 64, 1), textured(64, 64, 2)]
    path = saved(tmp_path, views[0], "a.jpg", format="MPO", save_all=True, append_images=views[1:])
    assert scan(path).format == "MPO"
    with Image.open(path) as image:
        assert decibels(prepare(path, preparation(32)), np.asarray(image.reduce(2))) >= 45


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_halves_are_means_over_areas_and_less_is_lanczos(tmp_path, mode):
    image = textured(96, 64).convert(mode)
    path = saved(tmp_path, image, "a.png")
    channels = {"L": "gray", "RGB": "rgb"}[mode]
    halved = prepare(path, Preparation(32, "stretch", channels))
    # To 48 × 32 by whole numbers, then to 32 × 32: each a mean over 3 × 2 pixels.
    means = np.atleast_3d(np.asarray(image, dtype=np.float64)).reshape(32, 2, 32, 3, -1).mean(axis=(1, 3))
    assert np.abs(halved - means).max() <= 0.5 + 1e-4
    less = image.resize((50, 50), Image.Resampling.LANCZOS)
    assert (prepare(path, Preparation(50, "stretch", channels)) == np.atleast_3d(np.asarray(less))).all()


def test_exif_behind_the_pixels_of_a_png_counts_and_without_it_nothing_is_decoded(tmp_path, monkeypatch):
    image = textured(40, 24)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = saved(tmp_path, image, "before.png", exif=exif).read_bytes()
    place = content.index(b"eXIf") - 4
    length = 12 + int.from_bytes(content[place : place + 4])
    moved = content[:place] + content[place + length : -12] + content[place : place + length] + content[-12:]
    (tmp_path / "behind.png").write_bytes(moved)
    assert (scan(tmp_path / "behind.png").width, scan(tmp_path / "before.png").width) == (24, 24)
    assert (prepare(tmp_path / "behind.png", preparation()) == prepare(tmp_path / "before.png", preparation())).all()
    plain = saved(tmp_path, image, "plain.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("a scan decodes pixels"))
    assert scan(plain).width == 40


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_gray_png_of_any_depth_is_what_pillow_says(tmp_path, bits):
    values = np.random.default_rng(bits).integers(0, 2**bits, (24, 24), dtype=np.uint8)
    found = prepare(png_of_bits(tmp_path / "a.png", values, bits), Preparation(24, "stretch", "gray"))
    assert (found[..., 0] == values * (255 // (2**bits - 1))).all()


def png_of_bits(path: Path, values: np.ndarray, bits: int) -> Path:
    """A gray PNG of 1, 2, 4 or 8 bits a pixel, written by hand, as Pillow writes only some."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = values.shape
    places = np.arange(8 // bits)[::-1] * bits
    packed = (values.reshape(height, -1, 8 // bits) << places).sum(axis=-1).astype(np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def pillow_bytes(mode: str, name: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (20, 20)).save(buffer, name)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: pillow_bytes("I", "TIFF"), "32-bit"),
        (lambda: pillow_bytes("F", "TIFF"), "floating-point"),
        (lambda: pillow_bytes("LAB", "TIFF"), "LAB"),
    ],
)
def test_depths_and_colour_spaces_that_would_lose_data_are_refused(tmp_path, make, reason):
    path = tmp_path / "a.png"
    path.write_bytes(make())
    for read in (scan, lambda path: prepare(path, preparation())):
        with pytest.raises(ImageError, match=reason):
            read(path)


@pytest.mark.parametrize("side", [10_000, 20_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_unread(tmp_path, side):
    def piece(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    path = tmp_path / "a.png"
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", header) + piece(b"IDAT", zlib.compress(bytes(1000))))
    for read in (scan, lambda path: prepare(path, preparation())):
        with pytest.raises(ImageError, match="decompression bomb"):
            read(path)


def test_a_preparation_survives_json_and_refuses_edits():
    made = preparation(224, "pad", "gray")
    assert Preparation.from_dict(made.as_dict()) == made
    assert made.shape == (224, 224, 1)
    sizes = [{"size": 0}, {"size": "224"}, {"size": True}]
    for edit in [*sizes, {"resize": "crop"}, {"channels": "a,,b"}, {"depth": 17}, {"white_level": 0}, {"extra": 1}]:
        with pytest.raises(InputError, match=next(iter(edit)) if "extra" not in edit else "preparation"):
            Preparation.from_dict({**made.as_dict(), **edit})
    with pytest.raises(InputError):
        Preparation.from_dict(None)


def test_images_are_found_in_subfolders_and_hidden_files_are_not(tmp_path):
    for name in ("b.JPG", "a.png", "plate 1/c.tiff", ".hidden.png", ".cache/d.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(image_files.find_images(tmp_path)) == ["a.png", "b.JPG", "plate 1/c.tiff"]
    with pytest.raises(InputError, match="holds no image"):
        image_files.find_images(empty(tmp_path))
    with pytest.raises(InputError, match="not a folder"):
        image_files.find_images(tmp_path / "nowhere")


def empty(folder):
    (folder / "nothing").mkdir()
    return folder / "nothing"


def test_two_unicode_forms_of_one_name_are_refused(tmp_path):
    for name in ("caf\u00e9.png", "cafe\u0301.png"):
        (tmp_path / name).touch()
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system joins the two forms")
    with pytest.raises(InputError, match="Unicode"):
        image_files.find_images(tmp_path)


def test_names_that_are_not_utf_8_are_refused(tmp_path):
    for name in (b"a.png", b"caf\xe9.png", b"Zellk\xf6rper/1.png", b"notes\xe9.txt"):
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        try:
            path.touch()
        except OSError:
            pytest.skip("this file system takes names in UTF-8 only")
    with pytest.raises(InputError) as raised:
        image_files.find_images(tmp_path)
    text = str(raised.value)
    text.encode()
    assert text.startswith(
        "2 images have names that are not UTF-8; rename them, such as with convmv -f latin1 -t utf8:"
    )
    assert text.splitlines()[1:] == [f"  {tmp_path}/caf\\xe9.png", f"  {tmp_path}/Zellk\\xf6rper/1.png"]


def test_linked_folders_are_searched_but_never_round_in_a_circle(tmp_path):
    for name in ("images/a.png", "images/own/b.png", "elsewhere/plate/c.png", ".hidden/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    for link, target in (
        ("images/linked", "elsewhere"), ("images/d.png", ".hidden/d.png"), ("images/own/round", "images"),
        ("elsewhere/plate/back", "elsewhere"), ("images/.secret", ".hidden"), ("images/broken", "nowhere"),
    ):  # fmt: skip
        (tmp_path / link).symlink_to(tmp_path / target)
    found = image_files.find_images(tmp_path / "images")
    assert list(found) == ["a.png", "d.png", "linked/plate/c.png", "own/b.png"]
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "images").symlink_to(tmp_path / "images")
    assert len(image_files.find_images(tmp_path / "only")) == 4


def test_real_images_keep_their_quality(cell_data):
    path = cell_data / "chula_rbc12" / "images" / "1.jpg"
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        for size in (64, 128, 224):
            assert decibels(prepare(path, preparation(size)), lanczos(upright, size, size)) >= 35
