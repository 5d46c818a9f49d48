"""Made images: reproducible bytes, labels as asked for, every class visible, and clear refusals."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from common.errors import InputError
from data.synthetic.__main__ import Config, Plan, cache_dir, class_sizes, main, make_plan
from data.synthetic.curves import spindle_curves
from data.synthetic.image import DIFFICULTY, generator, render
from data.synthetic.labels import SHARES, balanced_labels, draw_labels
from data.synthetic.organelles import CLASS_NAMES

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("CELL_DATA", ROOT.parent / "shared" / "data"))
SIZE = 48


def config(folder: Path, **changes) -> Config:
    values = {"count": 6, "size": SIZE, "workers": 1, **changes}
    return Config(**{"image_dir": folder / "images", "labels_csv": folder / "labels.csv", **values})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "images").glob("*.jpg")}


def read_rows(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["Id"]: row["Target"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    main(config(folder))
    return folder


def test_same_seed_gives_same_bytes_and_another_seed_others(made, tmp_path):
    main(config(tmp_path / "same"))
    main(config(tmp_path / "other", seed=1))
    assert contents(tmp_path / "same") == contents(made)
    assert len(contents(made)) == 6
    assert not set(contents(tmp_path / "other").values()) & set(contents(made).values())


def test_an_image_does_not_depend_on_the_others(made, tmp_path):
    main(config(tmp_path, count=3))
    assert contents(tmp_path).items() <= contents(made).items()


def test_labels_and_classes_are_written(made):
    rows = read_rows(made / "labels.csv")
    assert [f"{name}.jpg" for name in rows] == sorted(contents(made))
    assert (made / "classes.txt").read_text(encoding="utf-8").splitlines() == list(CLASS_NAMES)
    for row, target in enumerate(rows.values()):
        assert [int(part) for part in target.split()] == np.flatnonzero(draw_labels(6, 0)[row]).tolist()


def test_sides_vary_about_the_nominal_size(made):
    shapes = [cv2.imread(str(path)).shape[:2] for path in sorted((made / "images").glob("*.jpg"))]
    low, high = DIFFICULTY.side
    assert all(round(SIZE * low) <= side <= round(SIZE * high) for shape in shapes for side in shape)
    assert len(set(shapes)) > 1
    assert any(height != width for height, width in shapes)


@pytest.mark.parametrize("label", range(len(CLASS_NAMES)), ids=CLASS_NAMES)
def test_every_class_draws_light_of_its_own_in_green(label):
    differing = []
    for image in ("a", "b"):
        labelled, bare = (render(labels, 128, 0, image).astype(int) for labels in ([label], []))
        assert labelled.shape == bare.shape
        differing.append((np.abs(labelled - bare)[..., 1] > 40).sum())
    # A pair of centrosomes is the smallest: some ten pixels in each of several cells.
    assert max(differing) >= 20


def test_classes_differ_from_each_other():
    greens = [render([label], 64, 0, "a")[..., 1].astype(int) for label in range(len(CLASS_NAMES))]
    same_size = [green for green in greens if green.shape == greens[0].shape]
    assert len(same_size) == len(greens)
    for first in range(len(greens)):
        for second in range(first):
            assert np.abs(greens[first] - greens[second]).mean() > 0.3, (CLASS_NAMES[first], CLASS_NAMES[second])


def test_one_more_label_adds_its_place_and_moves_no_other():
    spread = DIFFICULTY.other_labels
    assert 0 < spread[0] < spread[1] <= 1
    nuclei, both, rings = (render(labels, 96, 3, "a")[..., 1].astype(int) for labels in ([0], [0, 21], [21]))
    assert np.corrcoef(both.ravel(), (nuclei + rings).ravel())[0, 1] > 0.9


def test_the_fibres_of_a_spindle_meet_at_the_poles_of_its_cell():
    field = SimpleNamespace(mitotic=np.array([1]), unit=100.0, axis=np.array([0.0, 0.5]), bend=lambda points: points,
                            centres=np.array([[0.0, 0.0], [30.0, 700.0]]))  # fmt: skip
    fibres = spindle_curves(field, np.random.default_rng(0))
    poles = field.centres[1] + 40 * np.outer([-1, 1], [np.cos(0.5), np.sin(0.5)])
    np.testing.assert_allclose(fibres[:, [0, -1]], np.broadcast_to(poles, (11, 2, 2)), atol=4)


def test_counter_based_generator_is_independent_of_order():
    first = generator(0, "x", "field").random(4)
    generator(0, "y", "field").random(9)
    assert np.array_equal(first, generator(0, "x", "field").random(4))
    assert not np.array_equal(first, generator(0, "x", "cells").random(4))


def test_drawn_labels_have_a_long_tail_and_a_floor():
    labels = draw_labels(2000, 0)
    counts = dict(zip(CLASS_NAMES, labels.sum(axis=0).tolist(), strict=True))
    assert 0.28 < counts["Nucleoplasm"] / 2000 < 0.38
    assert 0.26 < counts["Cytosol"] / 2000 < 0.36
    assert min(counts.values()) == 8
    assert 1.55 < labels.sum() / 2000 < 1.75
    assert labels.sum(axis=1).min() >= 1
    assert labels.sum(axis=1).max() <= 5
    assert draw_labels(100, 0).sum(axis=0).min() >= 1
    assert set(SHARES) == set(CLASS_NAMES)
    nucleoplasm, nucleoli, speckles = (
        labels[:, CLASS_NAMES.index(name)] for name in ("Nucleoplasm", "Nucleoli", "Nuclear speckles")
    )
    assert (nucleoplasm & nucleoli).sum() / nucleoli.sum() > 2 * (nucleoplasm & speckles).sum() / speckles.sum()


def test_balanced_labels_give_every_class_its_count():
    labels = balanced_labels(7, 0)
    assert (labels.sum(axis=0) == 7).all()
    assert set(labels.sum(axis=1).tolist()) == {1, 2}


def test_given_rows_are_rendered_with_their_ids(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("Id,Target\n007,0 25\nb-1,23\nc,17 16\nd,2\n", encoding="utf-8")
    main(config(tmp_path, label_rows=rows, count=3))
    written, given = read_rows(tmp_path / "labels.csv"), read_rows(rows)
    assert len(written) == 3
    assert {key: set(value.split()) for key, value in written.items()}.items() <= {
        key: set(value.split()) for key, value in given.items()
    }.items()
    assert sorted(contents(tmp_path)) == sorted(f"{name}.jpg" for name in written)
    assert (tmp_path / "classes.txt").read_text(encoding="utf-8").splitlines() == list(CLASS_NAMES[:28])


@pytest.mark.skipif(not (DATA / "hpa" / "train.csv").is_file(), reason="the folder of public data is absent")
def test_real_rows_keep_names_and_order():
    names = (DATA / "hpa" / "classes.txt").read_text(encoding="utf-8").split("\n")
    assert list(CLASS_NAMES[:28]) == [name for name in names if name]
    plan = make_plan(Config(label_rows=DATA / "hpa" / "train.csv", count=0))
    assert plan.labels.shape == (31072, 28)
    given = read_rows(DATA / "hpa" / "train.csv")
    for row in range(0, 31072, 997):
        assert set(given[plan.ids[row]].split()) == set(map(str, np.flatnonzero(plan.labels[row])))


def test_resumes_and_never_mixes_two_sets(tmp_path, capsys):
    main(config(tmp_path, count=3))
    whole = contents(tmp_path)
    next((tmp_path / "images").glob("*.jpg")).unlink()
    main(config(tmp_path, count=3))
    assert "(1 of them new)" in capsys.readouterr().out
    assert contents(tmp_path) == whole
    with pytest.raises(InputError, match="other settings"):
        main(config(tmp_path, count=3, seed=5))
    assert contents(tmp_path) == whole
    main(config(tmp_path, count=2, seed=5, overwrite=True))
    assert len(contents(tmp_path)) == 2


def test_refuses_what_would_overwrite_a_users_files(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("Id,Target\na,0\n", encoding="utf-8")
    with pytest.raises(InputError, match="is also the file to write"):
        main(config(tmp_path, label_rows=rows, labels_csv=rows, overwrite=True))
    with pytest.raises(InputError, match="exists and was not written"):
        main(config(tmp_path, labels_csv=rows))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="holds other files"):
        main(config(tmp_path, image_dir=tmp_path / "full", overwrite=True))


def test_refuses_bad_values_all_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        main(config(tmp_path, size=8, count=0, label_rows=tmp_path / "none.csv", images_per_class=-1))
    for name in ("size", "images_per_class", "label_rows"):
        assert name in str(caught.value)
    rows = tmp_path / "rows.csv"
    rows.write_text("Id,Target\n../a,0\nb,29\n", encoding="utf-8")
    with pytest.raises(InputError):
        main(config(tmp_path, label_rows=rows))
    assert not (tmp_path / "images").exists()


def test_class_sizes_and_the_cache_are_named():
    labels = np.array([[1, 0], [1, 1]], np.uint8)
    assert (
        class_sizes(Plan(["a", "b"], labels, ["Golgi", "Cytosol"])) == "largest class Golgi (2), smallest Cytosol (1)"
    )
    assert class_sizes(Plan(["a", "b"], np.ones_like(labels), ["Golgi", "Cytosol"])) == "2 of every class"
    assert cache_dir(Path("images/made"), 64) == Path("cache/made-64")
    assert cache_dir(Path("made/images"), 64) == Path("cache/made-64")


def test_runs_from_the_shell(made, tmp_path):
    command = [sys.executable, "-m", "data.synthetic", "--image_dir", str(tmp_path / "images"), "--labels_csv"]
    command += [str(tmp_path / "labels.csv"), "--count", "6", "--size", str(SIZE), "--workers", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Next: python preprocess.py" in done.stdout
    assert done.stdout.endswith(f" --size {SIZE} --cache_dir cache/{tmp_path.name}-{SIZE}\n")
    assert contents(tmp_path) == contents(made)
    refused = subprocess.run([*command, "--seed", "1"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
