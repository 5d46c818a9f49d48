"""A run on disk: only a whole one is opened, and what it holds is checked."""

import copy
import json
import zipfile

import numpy as np
import pytest

import run_folder
from common.errors import InputError

CACHE = {
    "class_names": ["N/A", "Rods & rings"],
    "preparation": {"size": 8, "resize": "stretch", "channels": "gray"},
    "counts": {"train": {"rows": 3, "positives": [2, 1], "known": [3, 3]}},
}


@pytest.fixture
def folder(tmp_path):
    run_folder.create_run(tmp_path / "run", {"cache": CACHE, "config": {}}, overwrite=False)
    run_folder.write_scores(tmp_path / "run", "val", ["007", "b"], np.array([[0.1, 0.9], [0.2, 0.3]]), np.eye(2))
    run_folder.finish_run(tmp_path / "run")
    return tmp_path / "run"


def test_what_was_stored_comes_back(folder):
    run = run_folder.open_run(folder)
    scores = run.scores("val")
    assert run.splits() == ["val"]
    assert scores.ids == ["007", "b"]
    assert (scores.scores.dtype, scores.labels.dtype) == (np.float32, np.uint8)
    assert scores.labels.tolist() == [[1, 0], [0, 1]]
    assert run.class_names == ["N/A", "Rods & rings"]
    assert run.training_counts.tolist() == [2, 1]
    assert not run.has_thresholds
    run.save_thresholds(np.array([0.25, 1.0]), "per_class", {"note": 1})
    assert run.thresholds().tolist() == [0.25, 1.0]


def test_a_finished_run_is_replaced_only_when_told(folder):
    with pytest.raises(InputError, match="holds a finished run; give --overwrite"):
        run_folder.create_run(folder, {"cache": CACHE}, overwrite=False)
    assert run_folder.open_run(folder).splits() == ["val"]
    run_folder.create_run(folder, {"cache": CACHE}, overwrite=True)
    with pytest.raises(InputError, match="not finished"):
        run_folder.open_run(folder)
    assert not (folder / "scores").exists()


def test_an_unfinished_run_says_the_command_that_goes_on(tmp_path):
    def said(name: str, argv: list[str]) -> str:
        made = {"cache": CACHE, "config": {"run_dir": str(tmp_path / "my run")}, "argv": argv}
        run_folder.create_run(tmp_path / name, made, overwrite=True)
        with pytest.raises(InputError) as raised:
            run_folder.open_run(tmp_path / name)
        return str(raised.value)

    argv = ["train.py", "--run_dir", str(tmp_path / "my run"), "--overwrite", "--epochs", "3"]
    begun = f"to go on: python train.py --run_dir '{tmp_path / 'my run'}' --epochs 3"
    assert said("my run", argv).endswith(f"{begun} --resume")
    assert said("my run", [*argv, "--resume"]).endswith(f"{begun} --resume")
    assert said("moved", argv).endswith(f"{begun} --run_dir {tmp_path / 'moved'} --resume")
    assert said("my run", ["-c"]).endswith("give the command that trained it again, with --resume")


def test_a_folder_that_is_no_run_is_never_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="exists and is not a run"):
        run_folder.create_run(tmp_path, {"cache": CACHE}, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("text", ['{"architectures": ["ViT"]}', "[1]", "not JSON", '"run_format"'])
def test_a_config_json_alone_makes_no_run(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "weights.bin").write_text("of some other program")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="exists and is not a run; choose another run_dir"):
            run_folder.create_run(tmp_path, {"cache": CACHE}, overwrite)
    assert (tmp_path / "weights.bin").exists()


def test_folders_that_are_no_run_are_refused_by_name(tmp_path, folder):
    with pytest.raises(InputError, match=r"elsewhere is not a run.*python train\.py"):
        run_folder.open_run(tmp_path / "elsewhere")
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="does not hold a run's config"):
        run_folder.open_run(folder)
    (folder / "config.json").write_text(json.dumps({"run_format": 99}))
    with pytest.raises(InputError, match="run format 99"):
        run_folder.open_run(folder)
    (folder / "config.json").write_text(json.dumps({"run_format": 1, "finished": True}))
    with pytest.raises(InputError, match="lacks the description of its cache"):
        run_folder.open_run(folder)


@pytest.mark.parametrize(
    "thresholds",
    [{"N/A": 0.5}, {"N/A": 0.5, "Rods & rings": "high"}, {"N/A": 0.5, "Rods & rings": -1}, [0.5, 0.5], None],
)
def test_thresholds_edited_to_nonsense_are_refused(folder, thresholds):
    (folder / "thresholds.json").write_text(json.dumps({"thresholds": thresholds}))
    with pytest.raises(InputError, match=r"thresholds\.json"):
        run_folder.open_run(folder).thresholds()


def test_a_file_that_an_editor_gave_a_byte_order_mark_is_read(folder):
    run = run_folder.open_run(folder)
    path = run.save_thresholds(np.array([0.25, 1.0]), "per_class", {})
    for each in (path, folder / "config.json"):
        each.write_bytes(b"\xef\xbb\xbf" + each.read_bytes())
    assert run_folder.open_run(folder).thresholds().tolist() == [0.25, 1.0]


def test_warnings_are_those_of_the_run_and_of_its_cache(folder):
    run = run_folder.open_run(folder)
    assert run.warnings == []
    config = {**run.config, "warnings": ["it began with a run that knew 3 test images"]}
    config["cache"] = {**config["cache"], "parted": 1234}
    first, second = run_folder.Run(folder, config).warnings
    assert first == "it began with a run that knew 3 test images"
    assert second.startswith("1,234 images lie in another split than images that they belong with")


def test_damaged_scores_are_refused(folder):
    path = folder / "scores" / "val.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"val\.npz cannot be read"):
        run_folder.open_run(folder).scores("val")
    np.savez(path, ids=np.array(["a"]), scores=np.zeros((1, 3)), labels=np.zeros((1, 3)))
    with pytest.raises(InputError, match="do not fit the run's 2 classes"):
        run_folder.open_run(folder).scores("val")
    np.savez(path, ids=np.array([{}], dtype=object), scores=np.zeros((1, 2)), labels=np.zeros((1, 2)))
    with pytest.raises(InputError, match="cannot be read"):
        run_folder.open_run(folder).scores("val")


@pytest.fixture
def with_model(folder):
    """The run with a model of 8 × 8 gray images and two classes."""
    import keras

    images = keras.Input((8, 8, 1), dtype="uint8")
    pixels = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    keras.Model(images, keras.layers.Dense(2, activation="sigmoid")(pixels)).save(folder / run_folder.MODEL)
    return folder


def test_the_model_is_that_of_the_run(with_model):
    assert run_folder.open_run(with_model).load_model().output_shape == (None, 2)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut off", "text", "flipped", "another archive", "too new"])
def test_a_damaged_model_is_named_with_the_way_out(with_model, damage):
    path = with_model / run_folder.MODEL
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.unlink()
    content = {"empty": b"", "cut off": whole[:-100], "text": b"<html>not found</html>", "flipped": bytes(flipped)}
    if damage in content:
        path.write_bytes(content[damage])
    elif damage != "missing":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", "{}")
            if damage == "too new":
                archive.writestr("config.json", '{"module": "keras.layers", "class_name": "Newest", "config": {}}')
    with pytest.raises(InputError, match=r"model\.keras .*; copy it again .* or train again") as raised:
        run_folder.open_run(with_model).load_model()
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("preparation", {"size": 9, "resize": "stretch", "channels": "gray"}, "9 × 9 × 1 and 2 classes"),
        ("preparation", {"size": 8, "resize": "stretch", "channels": "rgb"}, "8 × 8 × 3 and 2 classes"),
        ("class_names", ["N/A", "Rods & rings", "third"], "8 × 8 × 1 and 3 classes"),
        ("preparation", {"size": "8"}, "preparation must hold"),
    ],
)
def test_a_model_that_is_not_of_the_config_is_refused(with_model, name, value, said):
    run = run_folder.open_run(with_model)
    config = copy.deepcopy(run.config)
    config["cache"][name] = value
    with pytest.raises(InputError, match=rf"config\.json.*{said}"):
        run_folder.Run(with_model, config).load_model()


def test_groups_are_stored_where_there_are_any(folder):
    assert run_folder.open_run(folder).scores("val").groups is None
    scores, labels = np.zeros((2, 2)), np.eye(2)
    run_folder.write_scores(folder, "test", ["a", "b"], scores, labels, ["", "plate 7"])
    assert run_folder.open_run(folder).scores("test").groups.tolist() == ["", "plate 7"]
    run_folder.write_scores(folder, "test", ["a", "b"], scores, labels, ["", ""])
    assert run_folder.open_run(folder).scores("test").groups is None
    run_folder.write_scores(folder, "test", ["a", "b"], scores, labels, ["plate 7"])
    with pytest.raises(InputError, match="do not fit"):
        run_folder.open_run(folder).scores("test")


def test_hashes_are_stored_where_they_are_known(folder):
    assert run_folder.open_run(folder).scores("val").hashes is None
    scores, labels = np.zeros((2, 2)), np.eye(2)
    run_folder.write_scores(folder, "test", ["a", "b"], scores, labels, hashes=["1", "2"])
    assert run_folder.open_run(folder).scores("test").hashes.tolist() == ["1", "2"]
    run_folder.write_scores(folder, "test", ["a", "b"], scores, labels, hashes=["1"])
    with pytest.raises(InputError, match=r"ids .2,. and hashes .1,. do not fit"):
        run_folder.open_run(folder).scores("test")


def test_properties_that_give_a_class_away_are_warned_of_by_runs_of_that_class(folder):
    config = run_folder.open_run(folder).config
    given = [{"class": "N/A", "text": "file format PNG gives N/A away"}, {"class": "Golgi", "text": "not of this run"}]
    run = run_folder.Run(folder, {**config, "cache": {**config["cache"], "giveaways": given}})
    assert run.warnings == ["file format PNG gives N/A away"]


def test_scores_of_another_cache_or_split_are_refused(folder, tmp_path):
    """Alike in shape, so that nothing but what they say of themselves tells them apart."""
    scores, labels = np.array([[0.1, 0.9], [0.2, 0.3]]), np.eye(2)
    own = (folder / "scores" / "val.npz").read_bytes()
    for name, cache in (("other", {**CACHE, "fingerprint": "5"}), ("names", {**CACHE, "class_names": ["a", "b"]})):
        run_folder.create_run(tmp_path / name, {"cache": cache}, overwrite=False)
        run_folder.write_scores(tmp_path / name, "val", ["007", "b"], scores, labels)
        (folder / "scores" / "val.npz").write_bytes((tmp_path / name / "scores" / "val.npz").read_bytes())
        with pytest.raises(InputError, match=r"val\.npz holds scores of another cache, of other classes or of another"):
            run_folder.open_run(folder).scores("val")
    (folder / "scores" / "test.npz").write_bytes(own)
    with pytest.raises(InputError, match=r"test\.npz holds scores .* of another split than test"):
        run_folder.open_run(folder).scores("test")
    (folder / "scores" / "val.npz").write_bytes(own)
    assert run_folder.open_run(folder).scores("val").ids == ["007", "b"]
