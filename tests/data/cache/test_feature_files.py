"""Features on disk: whole, in any order, and not computed twice."""

import numpy as np
import pytest

from data.cache import feature_files
from data.cache.feature_files import FeatureTable, computed

VIEWS, NUMBERS = 3, 5


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(feature_files, "CHUNK", 4)


def made(places: np.ndarray, offset: int = 0) -> np.ndarray:
    """Features that say whose they are: (m, 3, 5)."""
    numbers = np.arange(VIEWS * NUMBERS).reshape(VIEWS, NUMBERS)
    return (offset + 100 * places[:, None, None] + numbers).astype(np.float32)


def stored(folder, compute, count=10):
    return computed(folder, count, (VIEWS, NUMBERS), compute, "Features")


def test_any_places_and_views_are_gathered(tmp_path):
    files = stored(tmp_path, made)
    places, views = np.array([9, 0, 3, 4, 9]), np.array([2, 0, 1, 1, 0])
    expected = made(np.arange(10))
    np.testing.assert_array_equal(files.gather(places, views), expected[places, views])
    np.testing.assert_array_equal(files.gather(places), expected[places, 0])


def test_large_sets_keep_few_files_open(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_files, "MOST_FILES", 2)
    files = stored(tmp_path, made, count=11)
    assert len(list(tmp_path.iterdir())) == 2
    np.testing.assert_array_equal(files.gather(np.arange(11), 1), made(np.arange(11))[:, 1])


def test_several_files_have_one_numbering(tmp_path):
    files = [stored(tmp_path / "a", made), stored(tmp_path / "b", lambda places: made(places, 7000))]
    table = FeatureTable(files, owners=np.array([0, 1, 0, 1]), places=np.array([8, 1, 2, 9]))
    rows, views = np.array([3, 0, 3, 1]), np.array([0, 1, 2, 1])
    expected = np.stack([made(np.arange(10)), made(np.arange(10), 7000)])
    owners, places = np.array([1, 0, 1, 1]), np.array([9, 8, 9, 1])
    np.testing.assert_array_equal(table.gather(rows, views), expected[owners, places, views])


def test_what_is_there_is_not_computed_again(tmp_path, capsys):
    asked = []

    def stops(places):
        if places[0] == 8:
            raise KeyboardInterrupt
        return made(places)

    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path, stops)
    # Nothing half-written lies beside the finished files.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000.npy", "000000004.npy"]
    (tmp_path / "000000000.npy").write_bytes(b"damaged")

    def counts(places):
        asked.extend(places.tolist())
        return made(places)

    for _ in range(2):
        np.testing.assert_array_equal(stored(tmp_path, counts).gather(np.arange(10)), made(np.arange(10))[:, 0])
    assert asked == [0, 1, 2, 3, 8, 9]
    assert "Features: 6 of 6" in capsys.readouterr().out
