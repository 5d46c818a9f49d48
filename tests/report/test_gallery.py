"""The images in the report: the right ones, with the right labels, from any cache, in a page of bounded size."""

import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import run_folder
from data.cache.cache import open_cache
from evaluation import evaluation
from report import gallery
from run_folder import ensemble


def judged(*directories):
    run = ensemble.open_runs(directories)
    return evaluation.evaluate(run, run, {"0.5": 0.5, "tuned": run.decision()}, [], draws=0, seed=0)


def decoded(url: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB")).astype(float)


@pytest.fixture(scope="module")
def run(made_cache, tmp_path_factory, scored_run):
    return scored_run(tmp_path_factory.mktemp("gallery") / "run", made_cache)


def made_gallery(run_dir, count=3, cache_dir=None):
    found = judged(run_dir)
    return found, gallery.gallery(found, count, *gallery.cache_of(found.run, cache_dir))


def test_the_images_are_those_that_a_loop_finds(run):
    found, made = made_gallery(run)
    stored = found.run.scores("test")
    assert list(made.classes) == [row["class"] for row in found.rows["0.5"]]
    for name, kinds in made.classes.items():
        column = found.run.class_names.index(name)
        rows = list(zip(stored.labels[:, column], stored.scores[:, column], stored.ids, strict=True))
        wanted = {
            "found": sorted((-score, name) for label, score, name in rows if label == 1 and score >= 0.55),
            "missed": sorted((score, name) for label, score, name in rows if label == 1 and score < 0.55),
            "false alarms": sorted((-score, name) for label, score, name in rows if label == 0 and score >= 0.55),
        }
        for kind in kinds:
            assert kind.total == len(wanted[kind.name])
            assert [image.name for image in kind.images] == [name for _, name in wanted[kind.name]][:3]
            for image in kind.images:
                place = stored.ids.index(image.name)
                truth = {found.run.class_names[k] for k in np.flatnonzero(stored.labels[place] == 1)}
                chosen = {found.run.class_names[k] for k in np.flatnonzero(stored.scores[place] >= 0.55)}
                assert set(image.right) == truth & chosen and set(image.missed) == truth - chosen
                assert set(image.wrong) == chosen - truth and image.unsure == []
                assert image.score == pytest.approx(stored.scores[place, column])


def test_a_thumbnail_shows_the_caches_own_image(run, made_cache):
    _, made = made_gallery(run)
    cache = open_cache(made_cache)
    image = next(iter(made.classes.values()))[0].images[0]
    pixels = cache.gather(np.array([cache.ids.index(image.name)]))[0]
    shown, stains = decoded(image.picture), cache.meta["channels"]
    assert shown.shape == (32, 32, 3) and stains == ["red", "green", "blue"]
    # A JPEG of so small an image blurs its colours.
    others = cache.gather(np.arange(len(cache))).reshape(len(cache), -1)
    alike = [np.corrcoef(shown.ravel(), other)[0, 1] for other in others]
    assert cache.ids[int(np.argmax(alike))] == image.name and max(alike) > 0.9
    assert np.abs(shown.mean(axis=(0, 1)) - pixels.mean(axis=(0, 1))).max() < 4


def test_of_equal_values_the_first_are_taken():
    generator = np.random.default_rng(0)
    for count in (1, 3, 50):
        values = generator.integers(0, 9, 40).astype(np.float32)
        order = sorted(range(40), key=lambda place: (-values[place], place))
        assert gallery.highest(values, count).tolist() == order[:count]


def test_unknown_labels_are_neither_right_nor_wrong(made_cache, tmp_path, scored_run):
    directory = scored_run(tmp_path / "run", made_cache)
    stored = run_folder.open_run(directory).scores("test")
    stored.labels[:, 0] = 255
    stored.scores[:, 0] = 0.9
    run_folder.write_scores(directory, "test", stored.ids, stored.scores, stored.labels)
    found, made = made_gallery(directory)
    unknown = found.run.class_names[0]
    assert all(not kind.images for kind in made.classes[unknown])
    others = [image for name, kinds in made.classes.items() for kind in kinds for image in kind.images]
    assert others and all(image.unsure == [unknown] for image in others)
    assert all(unknown not in image.wrong + image.right + image.missed for image in others)


class Noise:
    """A cache of images that no JPEG makes small."""

    def __init__(self, shape):
        self.shape, self.ids = shape, [str(number) for number in range(1200)]
        self.meta = {"preparation": {"channels": "a,b"}, "channels": [f"stain {number}" for number in range(shape[2])]}

    def gather(self, rows):
        return np.random.default_rng(rows[0]).integers(0, 256, (1, *self.shape), dtype=np.uint8)


@pytest.mark.parametrize(("count", "most"), [(6, 160), (35, 144), (120, 96)])
def test_thumbnails_shrink_until_the_page_can_hold_them(count, most, monkeypatch):
    monkeypatch.setattr(gallery, "BUDGET", gallery.BUDGET // 10)
    cache = Noise((170, 120, 3))
    side, pictures = gallery.pictured(cache, cache.ids[:count])
    assert most / 2 < side <= most and len(pictures) == count
    assert sum(map(len, pictures)) <= gallery.BUDGET
    assert max(decoded(pictures[0]).shape) == side


def test_any_number_of_channels_and_any_shape_can_be_shown():
    for channels in (1, 2, 4, 7):
        cache = Noise((40, 90, channels))
        _, (picture,) = gallery.pictured(cache, ["5"])
        assert decoded(picture).shape == (40, 90, 3)
        _, (picture,) = gallery.pictured(Noise((200, 300, channels)), ["5"])
        assert decoded(picture).shape == (107, 160, 3)


def test_a_cache_of_several_shapes_is_read_row_by_row(tmp_path, called, scored_run):
    (tmp_path / "images").mkdir()
    rows = ["Id,Target,split"]
    for number in range(18):
        size = [(60, 30), (40, 40), (31, 65)][number % 3]
        Image.new("RGB", size, (10 * number, 200, 30)).save(tmp_path / "images" / f"{number}.png")
        rows.append(f"{number},{number % 2},{('train', 'val', 'test')[number // 6]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    called("preprocess.py", "--image_dir", tmp_path / "images", "--labels_csv", tmp_path / "labels.csv",
           "--cache_dir", tmp_path / "cache", "--size", 32, "--resize", "bucket")  # fmt: skip
    assert len(open_cache(tmp_path / "cache").shapes) > 1
    _, made = made_gallery(scored_run(tmp_path / "run", tmp_path / "cache"), count=9)
    shown = {image.name: decoded(image.picture) for each in made.classes.values() for k in each for image in k.images}
    assert len({pixels.shape for pixels in shown.values()}) > 1
    for name, pixels in shown.items():
        assert np.abs(pixels.mean(axis=(0, 1)) - (10 * int(name), 200, 30)).max() < 4


def test_without_its_cache_a_page_says_where_it_looked(run, made_cache, tmp_path):
    config = json.loads((run / "config.json").read_text())
    config["config"]["cache_dir"] = str(tmp_path / "elsewhere")
    away = run_folder.Run(run, config)
    cache, problem = gallery.cache_of(away)
    assert cache is None and f"{tmp_path / 'elsewhere'}, which is not there" in problem and "--cache_dir" in problem
    assert gallery.cache_of(away, made_cache)[1] == ""
    (tmp_path / "elsewhere").mkdir()
    assert "is not a cache" in gallery.cache_of(away)[1]
    found = judged(run)
    assert gallery.gallery(found, 4, None, problem).missing == problem
    assert gallery.gallery(found, 0, None, problem) == gallery.Gallery()


def test_what_the_cache_lacks_and_where_pictures_come_from_is_said(made_cache, tmp_path, scored_run):
    first = scored_run(tmp_path / "a", made_cache, not_in_cache=("gone",))
    found, made = made_gallery(first)
    lacking = [image for each in made.classes.values() for kind in each for image in kind.images if not image.picture]
    assert lacking and {image.name for image in lacking} == {"gone"}
    assert any(re.match(rf"{len(lacking)} of the images are not in the cache", note) for note in made.notes)
    second = scored_run(tmp_path / "b", made_cache)
    both = ensemble.open_runs([first, second])
    assert gallery.notes_on(both, open_cache(made_cache), 0) == [
        f"The pictures are those of the first run's cache, {made_cache}."
    ]
    other = SimpleNamespace(cache={"fingerprint": "another"}, members=[None])
    assert "another one than the run was trained on" in gallery.notes_on(other, open_cache(made_cache), 0)[0]
    both.cache["fingerprint"] = "another"
    assert "another one than the run was trained on" in gallery.notes_on(both, open_cache(made_cache), 0)[1]
    assert gallery.notes_on(found.run, open_cache(made_cache), 0) == []


def test_of_very_many_classes_the_largest_and_smallest_have_a_gallery(run, monkeypatch):
    found = judged(run)
    monkeypatch.setattr(gallery, "drawn_of", lambda rows: [*rows[:2], rows[-1]])
    monkeypatch.setattr(gallery, "MOST_IMAGES", 18)
    made = gallery.gallery(found, 50, *gallery.cache_of(found.run))
    names = [row["class"] for row in found.rows["0.5"]]
    assert list(made.classes) == [names[0], names[1], names[-1]] and made.count == 2
