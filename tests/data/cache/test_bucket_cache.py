"""Caches of several shapes: pixels against Pillow, a stopped run that ends alike, and batches of one shape each."""

import copy
import dataclasses
import pickle
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import preprocess
import train
from common.errors import InputError
from data.augmentation.mixing import Online
from data.augmentation.operations import Ranges, apply, draw
from data.batches.batches import TrainingBatches, feed
from data.batches.test_time_augmentation import scaled_shape
from data.batches.training_set import TrainingSet
from data.cache import chunks
from data.cache.cache import open_cache
from data.images.preparation import Preparation
from training.inputs import Inputs

SIZES = [(60, 30), (62, 30), (40, 40), (41, 40), (28, 60), (30, 64), (44, 44)]  # widths and heights
COUNT = 42


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of images of three aspect ratios, one turned by its EXIF data, with labels."""
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    rows = ["Id,Target"]
    for number in range(COUNT):
        width, height = SIZES[number % len(SIZES)]
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        exif = Image.Exif()
        if number == 6:
            exif[0x0112], image = 6, image.resize((60, 30))  # upright it is 30 × 60
        image.save(folder / "images" / f"i{number:02d}.png", exif=exif)
        rows.append(f"i{number:02d},{'a' if number % 2 else 'b'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def prepared(pictures, cache_dir, drawn=False, **options):
    """Run preprocess.py in this process, without its pictures unless they are wanted, as these take longest."""
    config = preprocess.Config(
        image_dir=(pictures / "images",), labels_csv=(pictures / "labels.csv",), cache_dir=cache_dir, size=32,
        resize="bucket", buckets=3, workers=1,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr("report.dataset_pictures.draw", lambda *_: None)
        preprocess.main(dataclasses.replace(config, **options))
    return open_cache(cache_dir)


@pytest.fixture(scope="module")
def cache(pictures):
    return prepared(pictures, pictures / "cache", drawn=True)


def test_every_image_has_the_pixels_that_pillow_gives_it(cache, pictures):
    assert cache.image_shape == (None, None, 3)
    assert len(cache.shapes) == 3
    assert cache.meta["preparation"]["buckets"] == [list(shape[:2]) for shape in cache.shapes]
    ratios = [width / height for height, width, _ in cache.shapes]
    for row, path in enumerate(line["path"] for line in cache.index):
        image = Image.open(path)
        turned = image.getexif().get(0x0112) == 6
        width, height = image.size[::-1] if turned else image.size
        nearest = np.argmin([abs(np.log(width / height / ratio)) for ratio in ratios])
        assert cache.bucket[row] == nearest
        target = cache.shapes[nearest][1::-1]
        small = image.resize(target[::-1] if turned else target, Image.Resampling.LANCZOS, reducing_gap=2.0)
        expected = np.asarray(small.transpose(Image.Transpose.ROTATE_270) if turned else small)
        np.testing.assert_array_equal(cache.gather(np.array([row]))[0], expected)
    rows = np.flatnonzero(cache.bucket == 1)[::-1]
    for image, row in zip(cache.gather(rows), rows, strict=True):
        np.testing.assert_array_equal(image, cache.gather([row])[0])


def test_images_of_several_shapes_are_drawn(cache):
    assert Image.open(cache.directory / "preview.png").size[0] > 500


def test_statistics_are_those_of_all_training_pixels(cache):
    pixels = [cache.gather([row])[0].reshape(-1, 3) for row in cache.rows("train")]
    np.testing.assert_allclose(cache.meta["mean"], np.concatenate(pixels).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(cache.meta["std"], np.concatenate(pixels).std(axis=0), rtol=1e-10)


def test_rows_of_several_shapes_are_not_gathered(cache):
    with pytest.raises(ValueError, match="rows of 3 shapes cannot be one array"):
        cache.gather(np.arange(10))
    with pytest.raises(IndexError):
        cache.gather(np.array([COUNT]))
    assert cache.gather(np.array([], dtype=np.int64)).shape == (0, *cache.shapes[0])
    again = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(again.gather([5]), cache.gather([5]))


def content(directory):
    """All files but those that hold the time."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix in (".npy", ".csv")}


def test_a_stopped_run_goes_on_and_ends_byte_identical(cache, pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(chunks, "ROWS_PER_FILE", 8)
    whole = prepared(pictures, tmp_path / "whole")
    real, calls = chunks.prepare, []

    def counting(path, preparation):
        calls.append(path)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return real(path, preparation)

    with monkeypatch.context() as context:
        context.setattr(chunks, "prepare", counting)
        with pytest.raises(KeyboardInterrupt):
            prepared(pictures, tmp_path / "cut")
    capsys.readouterr()
    prepared(pictures, tmp_path / "cut")
    assert "images were decoded before and are kept" in capsys.readouterr().out
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    for row in range(0, COUNT, 5):
        np.testing.assert_array_equal(whole.gather([row]), cache.gather([row]))


def test_a_set_that_grows_keeps_its_shapes_and_pixels(cache, pictures, tmp_path, capsys):
    grown = tmp_path / "grown"
    (grown / "images").mkdir(parents=True)
    for path in (pictures / "images").iterdir():
        (grown / "images" / path.name).write_bytes(path.read_bytes())
    rng = np.random.default_rng(1)
    rows = (pictures / "labels.csv").read_text()
    for number in range(30):  # of an aspect ratio that would have been a shape of its own
        Image.fromarray(rng.integers(0, 256, (20, 90, 3), dtype=np.uint8)).save(grown / "images" / f"new{number}.png")
        rows += f"new{number},a\n"
    (grown / "labels.csv").write_text(rows)
    later = prepared(grown, tmp_path / "later", keep_split_from=pictures / "cache")
    printed = capsys.readouterr().out
    assert "Shapes, kept from the earlier cache: " in printed
    assert f"{COUNT} images are copied" in printed
    assert later.shapes == cache.shapes
    for row in range(COUNT):
        np.testing.assert_array_equal(later.gather([later.ids.index(cache.ids[row])]), cache.gather([row]))


def test_a_missing_file_of_pixels_is_named(pictures, cache, tmp_path):
    shutil.copytree(pictures / "cache", tmp_path / "cache")
    (tmp_path / "cache" / "images-01-00000.npy").unlink()
    with pytest.raises(InputError, match=r"1 images of 32 × 32, but 17 are wanted; make it again"):
        open_cache(tmp_path / "cache")


def test_one_shape_makes_a_plain_cache(pictures, tmp_path):
    cache = prepared(pictures, tmp_path / "cache", buckets=1)
    assert cache.image_shape == cache.shapes[0] and None not in cache.image_shape
    assert cache.gather(np.arange(COUNT)).shape == (COUNT, *cache.image_shape)


def test_buckets_of_a_run_survive_its_config_and_faults_are_named():
    preparation = Preparation(32, "bucket", "rgb", buckets=((16, 64), (32, 32)))
    assert Preparation.from_dict(preparation.as_dict()) == preparation
    assert "buckets" not in Preparation(32, "pad", "rgb").as_dict()
    for wrong in ([], [[16]], [[16, 0]], "16", None):
        with pytest.raises(InputError, match="buckets must be heights and widths"):
            Preparation.from_dict({**preparation.as_dict(), "buckets": wrong})


EVERYTHING = Ranges(("quarter_turns", "flips", "rotation", "noise"))


def batches_of(cache, start=0, **options):
    return TrainingBatches(TrainingSet(cache, np.arange(COUNT)), 8, 7, start_step=start, **options)


def test_a_batch_has_one_shape_and_the_shapes_come_in_an_order_of_the_epoch(cache):
    for options in ({}, {"repeats": np.full(COUNT, 1.3)}):
        batches = batches_of(cache, **options)
        shapes = []
        for step in range(4 * batches.steps_per_epoch):
            _, rows, _ = batches.visits(step)
            assert len(rows) == 8 and len(set(cache.bucket[rows])) == 1
            assert batches[step][0].shape == (8, *cache.shapes[cache.bucket[rows[0]]])
            shapes.append(int(cache.bucket[rows[0]]))
        assert len({tuple(order) for order in np.reshape(shapes, (4, -1)).tolist()}) > 1


@pytest.mark.parametrize("sampling", ["all", "class_aware"])
def test_what_epochs_show_is_what_class_weights_and_priors_count(cache, sampling):
    """Positives and negatives in the batches are in proportion to those that `Inputs.counts` states."""
    seen, rows = copy.copy(cache), np.flatnonzero((cache.bucket != 1) | (np.cumsum(cache.bucket == 1) <= 3))
    # A class of the smallest shape, which is counted too often if the shape is shown too often.
    seen.labels = np.stack([cache.bucket == 1, cache.labels[:, 1]], axis=1).astype(np.uint8)
    seen.rows = lambda split: rows
    inputs = Inputs(dataclasses.replace(train.Config(), sampling=sampling, batch_size=16), seen)
    batches, epochs = inputs.batches(), 200
    places = np.concatenate([batches.visits(step)[1] for step in range(epochs * batches.steps_per_epoch)])
    shown = inputs.images.labels[places]
    stated = np.stack(inputs.counts()) * len(places) / epochs / inputs.repeats.sum()
    found = np.stack([(shown == 1).sum(axis=0), (shown == 0).sum(axis=0)]) / epochs
    # Each of the three shapes may be ahead or behind by four batches after all epochs.
    np.testing.assert_allclose(found, stated, atol=3 * 4 * 16 / epochs)


def test_processes_share_each_batch(cache):
    options = {"online": Online(EVERYTHING), "repeats": np.linspace(0.5, 2.5, COUNT)}
    whole = batches_of(cache, **options)
    parts = [batches_of(cache, share=(number, 2), **options) for number in range(2)]
    for step in range(2 * whole.steps_per_epoch):
        for one, *both in zip(whole[step], *(part[step] for part in parts), strict=True):
            np.testing.assert_array_equal(one, np.concatenate(both))


def test_a_later_start_continues_the_same_sequence(cache):
    options = {"online": Online(EVERYTHING, "mixup"), "scales": (1.0, 0.5)}
    whole, later = batches_of(cache, **options), batches_of(cache, start=5, threads=2, **options)
    for step in range(6):
        for one, other in zip(whole[step + 5], later[step], strict=True):
            np.testing.assert_array_equal(one, other)


def test_scales_come_an_epoch_each_and_rectangles_are_not_turned_on_their_side(cache):
    batches = batches_of(cache, online=Online(EVERYTHING), scales=(1.0, 0.5))
    seen = set()
    for step in range(4 * batches.steps_per_epoch):
        rounds, rows, _ = batches.visits(step)
        epoch = step // batches.steps_per_epoch
        shape = cache.shapes[cache.bucket[rows[0]]]
        images = batches[step][0]
        assert images.shape[1:] == scaled_shape(shape, (1.0, 0.5)[epoch % 2])
        seen.add(images.shape[1:])
        if epoch % 2 == 0:
            parameters = draw(EVERYTHING, shape, 7, int(rounds[0]), cache.ids[rows[0]])
            assert shape[0] == shape[1] or parameters.turns % 2 == 0
            np.testing.assert_array_equal(images[0], apply(cache.gather(rows[:1])[0], parameters))
    assert seen == batches.shapes and len(seen) == 6


def test_training_over_three_shapes_and_two_scales_goes_on_where_it_stopped(cache):
    """As many epochs in one go, and in two, end with the same weights."""
    from models.pyramid import SpatialPyramidPooling

    def trained(*spans):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((None, None, 3), dtype="uint8"), keras.layers.Rescaling(1 / 255),
             keras.layers.Conv2D(4, 3), SpatialPyramidPooling((1, 2)), keras.layers.Dense(2)]
        )  # fmt: skip
        model.compile("sgd", "mse", jit_compile=False)
        for start, stop in spans:
            batches = batches_of(cache, start=start, scales=(1.0, 0.5))
            model.fit(feed(batches), steps_per_epoch=stop - start, shuffle=False, verbose=0)
        return model.get_weights()

    whole, parts = trained((0, 14)), trained((0, 5), (5, 14))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
