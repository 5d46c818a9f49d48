"""Image files of every kind: the pixels that Pillow sees, or one clear line."""

import image_cases
import numpy as np
import place_cases
import pytest
from feeding import fed
from image_cases import SIDE
from PIL import Image, ImageOps

import preprocess
from data.cache.cache import open_cache

FILES = {**image_cases.CASES, **place_cases.CASES}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They take most of a small run's time, and other tests look at them."""
    monkeypatch.setattr("report.dataset_pictures.draw", lambda *_: None)


def expected(path) -> np.ndarray:
    """What Pillow makes of a file at full size: upright, on black, 16 bits cut to 8."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            return np.rint(np.asarray(image, dtype=np.float64) / 257)[..., None].repeat(3, axis=-1)
        if "A" in image.getbands() or "a" in image.getbands() or image.has_transparency_data:
            values = np.asarray(image.convert("RGBA"), dtype=np.float64)
            return np.rint(values[..., :3] * values[..., 3:] / 255)
        return np.asarray(image.convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("name", FILES)
def test_a_file_becomes_the_right_pixels_or_is_refused_in_clear_lines(tmp_path, monkeypatch, name):
    case = FILES[name]
    for folder in ("images", "outside"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (SIDE, SIDE), "white").save(tmp_path / "outside" / "white.png")
    path = tmp_path / "images" / case.name
    case.make(path)
    rows = ["Id,Target", f"{case.name},0"]
    if case.said:
        image_cases.textured(9).save(tmp_path / "images" / "good.png")
        rows.append("good,0")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    config = preprocess.Config(
        image_dir=(tmp_path / "images",), labels_csv=(tmp_path / "labels.csv",), cache_dir=tmp_path / "made" / "cache",
        size=SIDE, workers=1, white_level="dtype",
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    said, _ = fed(lambda: preprocess.main(config), tmp_path, (tmp_path / "made",))
    if case.said and not (case.either and not said):
        assert case.said in said and (case.name in said or "names" in case.said), said
        assert not (tmp_path / "made" / "cache").exists()
        return
    assert not said
    cache = open_cache(tmp_path / "made" / "cache")
    found = cache.gather(np.array([cache.ids.index(case.name)]))[0]
    right = expected(path) if case.pixels is None else case.pixels
    np.testing.assert_allclose(found.astype(np.float64), right, atol=1)
