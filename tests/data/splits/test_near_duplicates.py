"""Near-duplicates: planted pairs are joined, unrelated images are not, and large sets are not compared pair by pair."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from data.images.image_files import prepare
from data.images.preparation import Preparation
from data.splits import near_duplicates as near
from data.splits.near_duplicates import near_duplicates, near_keys, thumbnail
from data.synthetic.image import render

PREPARATION = Preparation(96, "stretch", "rgb")
PLANTED = 200


def planted_copies(paths, folder):
    """Each image recompressed, resized or brightened, in turn."""
    copies = []
    for number, path in enumerate(paths):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        if number % 3 == 1:
            image = image.resize((image.width * 6 // 10, image.height * 6 // 10), Image.Resampling.BICUBIC)
        if number % 3 == 2:
            image = ImageEnhance.Brightness(image).enhance(1.3)
        copies.append(folder / f"copy{number}.jpg")
        image.save(copies[-1], quality=90 if number % 3 else 50)
    return copies


def thumbnails_of(paths):
    return np.stack([thumbnail(prepare(path, PREPARATION)) for path in paths])


def joined(thumbnails):
    return {(one, other) for one, other in near_duplicates(thumbnails).tolist()}


def check_planted(originals, copies, related=frozenset()):
    """At least 95 % of the planted pairs are joined, at most 0.1 % of the others, also by way of others."""
    count = len(originals)
    pairs = joined(np.concatenate([originals, copies]))
    assert sum((number, count + number) in pairs for number in range(len(copies))) >= 0.95 * len(copies)
    keys = np.array(near_keys(count, np.array([pair for pair in pairs if pair[1] < count]).reshape(-1, 2)))
    same = np.argwhere(np.triu((keys[:, None] == keys) & (keys != ""), 1))
    false = [pair for pair in map(tuple, same.tolist()) if pair not in related]
    assert len(false) <= 0.001 * count * (count - 1) / 2
    return false


def test_planted_pairs_of_made_images(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.jpg" for number in range(PLANTED)]
    for number, path in enumerate(paths):
        classes = rng.choice(25, size=rng.integers(1, 3), replace=False).tolist()
        Image.fromarray(render(classes, 64, seed=5, image_id=f"image {number}")).save(path, quality=95)
    copies = planted_copies(paths, tmp_path)
    assert check_planted(thumbnails_of(paths), thumbnails_of(copies)) == []


def test_planted_pairs_of_real_images(cell_data, tmp_path):
    paths = sorted((cell_data / "chula_rbc12" / "images").iterdir())[:PLANTED]
    originals = thumbnails_of(paths)
    contents = [path.read_bytes() for path in paths]
    related = {
        (one, other) for one in range(PLANTED) for other in range(one + 1, PLANTED) if contents[one] == contents[other]
    }
    check_planted(originals, thumbnails_of(planted_copies(paths, tmp_path)), related)


def noise_pictures(count, seed=0):
    """Smooth random pictures, (count, 32, 32), unrelated to one another."""
    spectrum = np.random.default_rng(seed).normal(size=(count, near.THUMB, near.THUMB))
    y, x = np.mgrid[: near.THUMB, : near.THUMB]
    from scipy.fft import idctn

    pictures = idctn(spectrum / (1 + x + y) ** 1.2, axes=(1, 2), norm="ortho")
    return 100 + 30 * pictures / pictures.std(axis=(1, 2), keepdims=True)


def test_light_that_all_images_share_joins_none():
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    light = 150 * np.exp(-(x**2) - y**2)
    pictures = light + 0.1 * noise_pictures(60)
    assert joined(pictures) == set()
    # A brighter copy has more of that light.
    assert joined(np.concatenate([pictures, 1.3 * pictures[:20]])) == {(row, 60 + row) for row in range(20)}


def test_pictures_without_contrast_are_left_out():
    flat = np.full((30, 32, 32), 7.0) + np.random.default_rng(0).normal(0, 0.2, (30, 32, 32))
    assert joined(flat) == set()
    assert joined(np.concatenate([flat, noise_pictures(1), noise_pictures(1)])) == {(30, 31)}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images(count):
    assert near_duplicates(noise_pictures(2)[:count]).shape == (0, 2)


def test_a_large_set_is_not_compared_pair_by_pair(monkeypatch):
    pictures = noise_pictures(4000).astype(np.float16)
    pictures[3900:] = pictures[:100]
    compared = []
    candidates = near._candidates
    monkeypatch.setattr(
        near, "_candidates", lambda bands: (compared.append(len(pair[0])) or pair for pair in candidates(bands))
    )
    assert joined(pictures) == {(row, 3900 + row) for row in range(100)}
    assert sum(compared) < 0.01 * 4000 * 3999 / 2


def test_the_search_takes_little_memory(monkeypatch):
    pictures = noise_pictures(12_000).astype(np.float16)
    pictures[11_900:] = pictures[:100]
    expected = {(row, 11_900 + row) for row in range(100)}
    tracemalloc.start()
    try:
        assert joined(pictures) == expected
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All of them as float32 vectors would take 49 MB each time that they are written down.
    assert peak < 48e6
    # Nor do the sizes of the blocks change what is found.
    monkeypatch.setattr(near, "VECTORS_AT_ONCE", 100)
    monkeypatch.setattr(near, "PAIRS_AT_ONCE", 10)
    assert joined(pictures) == expected


def test_pairs_of_neighbours_in_many_bands_are_compared_once(monkeypatch):
    rng = np.random.default_rng(0)
    sets = np.repeat(noise_pictures(40), 10, axis=0) + rng.normal(0, 3, (400, 32, 32))
    compared = []
    pairs = near._near_pairs
    monkeypatch.setattr(near, "_near_pairs", lambda bands: (compared.append(keys) or keys for keys in pairs(bands)))
    monkeypatch.setattr(near, "PAIRS_AT_ONCE", 50)
    assert joined(sets) == {
        (one, other) for one in range(400) for other in range(one + 1, 400) if one // 10 == other // 10
    }
    assert len(compared) > 5
    keys = np.concatenate(compared)
    assert len(np.unique(keys)) == len(keys)


def test_many_equal_images_are_one_set_at_bounded_cost(monkeypatch):
    pictures = np.concatenate([np.repeat(noise_pictures(1), 300, axis=0), noise_pictures(400, seed=1)])
    pairs = near_duplicates(pictures)
    keys = near_keys(700, pairs)
    assert len(set(keys[:300])) == 1
    assert set(keys[300:]) == {""}
    assert len(pairs) < 300 * 299 / 2


def test_keys_join_by_way_of_others():
    keys = near_keys(6, np.array([[0, 2], [2, 4]]))
    assert keys[0] == keys[2] == keys[4] != ""
    assert [keys[row] for row in (1, 3, 5)] == [""] * 3


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 9])
def test_a_thumbnail_is_the_mean_of_channels_over_areas(channels):
    small = np.random.default_rng(0).integers(0, 256, (64, 96, channels), dtype=np.uint8)
    expected = small.mean(axis=2).reshape(32, 2, 32, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(thumbnail(small), expected, atol=0.1)
    # A side that is no multiple of the thumbnail's: pixels are shared between areas.
    pixels = small[:50, :50]
    expected = np.repeat(np.repeat(pixels.mean(axis=2), 32, axis=0), 32, axis=1).reshape(32, 50, 32, 50).mean((1, 3))
    np.testing.assert_allclose(thumbnail(pixels), expected, atol=0.1)
    np.testing.assert_allclose(thumbnail(pixels), expected, atol=0.1)
