"""evaluate.py on made runs: its files against scikit-learn, and the page as a browser reads it."""

import csv
import html.parser
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

import evaluate
import run_folder
from common.errors import InputError
from report import charts, figure_tables, page

NAMES = ["Nucleoplasm", "<script>alert(1)</script>", "N/A", "[red]$x$[/red]", "Rods & rings of a rather long name"]
TRAINING_COUNTS = [40, 5, 90, 1, 12]


def make_run(
    directory: Path,
    splits: tuple[str, ...] = ("train", "val", "test"),
    tuned: bool = True,
    warnings: tuple = (),
    grouped: bool = False,
    names: list[str] = NAMES,
) -> Path:
    """A finished run whose scores follow the labels, with an empty last class in test and some unknown labels."""
    counts = {"train": {"rows": 100, "positives": TRAINING_COUNTS, "known": [100] * 5}}
    cache = {"class_names": names, "preparation": {}, "counts": counts}
    config = {"cache": cache, "config": {"loss": "<b>bce</b>"}, "warnings": list(warnings)}
    run_folder.create_run(directory, config, overwrite=False)
    for seed, split in enumerate(splits):
        generator = np.random.default_rng(seed)
        labels = (generator.random((60, 5)) < [0.4, 0.2, 0.6, 0.1, 0.2]).astype(np.uint8)
        if split == "test":
            labels[:, 4] = 0
        labels[generator.random(labels.shape) < 0.1] = 255
        scores = np.clip(generator.normal(0.3 + 0.3 * (labels == 1), 0.2), 0, 1).astype(np.float32)
        ids = [f"{split}{index}" for index in range(60)]
        groups = [f"plate {index // 6}" for index in range(60)] if grouped else None
        run_folder.write_scores(directory, split, ids, scores, labels, groups)
    run_folder.finish_run(directory)
    if tuned:
        run_folder.open_run(directory).save_thresholds(np.array([0.4, 0.3, 0.45, 0.2, 0.9]), "per_class", {})
    return directory


@pytest.fixture
def no_charts(monkeypatch):
    """Charts take most of the time and are looked at by other tests."""
    monkeypatch.setattr(charts, "draw", lambda *arguments: [])


def evaluated(directory: Path, **options) -> Path:
    evaluate.main(evaluate.Config(run_dirs=(directory,), **options))
    return directory / "report"


def class_rows(report: Path) -> list[dict[str, str]]:
    with (report / "per_class.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run & <co>")


@pytest.fixture(scope="module")
def report(directory) -> Path:
    return evaluated(directory)


def test_the_files_hold_scikit_learns_figures(directory, report):
    run = run_folder.open_run(directory)
    content = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert content["judged_split"] == "test"
    assert list(content["splits"]) == ["train", "val", "test"]
    stored = run.scores("test")
    rows = {row["class"]: row for row in class_rows(report)}
    known = stored.labels != 255
    scores, hits = stored.scores[known].astype(np.float64), stored.labels[known] == 1
    places = np.minimum((15 * scores).astype(int), 14)
    gaps = [abs(scores[places == place].sum() - hits[places == place].sum()) for place in range(15)]
    assert content["calibration"]["test"]["ECE"] == pytest.approx(sum(gaps) / known.sum())
    assert set(content["calibration"]["test"]["class_ECE"]) == set(NAMES)
    ratios = content["calibration"]["test"]["by_class"]
    assert ratios["ratio"][NAMES[4]] is ratios["high"][NAMES[4]] is None and ratios["low"][NAMES[4]] > 0
    for choice, thresholds in (("0.5", np.full(5, 0.5)), ("tuned", run.thresholds())):
        f1 = []
        for index, name in enumerate(NAMES):
            known = stored.labels[:, index] != 255
            truth, score = stored.labels[known, index], stored.scores[known, index]
            predicted = score >= thresholds[index]
            f1.append(f1_score(truth, predicted, zero_division=0))
            for measure, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
                value = float(rows[name][f"{measure}_{choice}"])
                assert value == pytest.approx(function(truth, predicted, zero_division=0))
            assert int(rows[name][f"TP_{choice}"]) == np.count_nonzero(truth & predicted)
            assert int(rows[name]["support"]) == truth.sum()
            if truth.any():
                assert float(rows[name]["AP"]) == pytest.approx(average_precision_score(truth, score))
        assert content["splits"]["test"][choice]["macro_f1"] == pytest.approx(np.mean(f1))
    assert rows[NAMES[4]]["AP"] == ""


def test_classes_are_in_order_of_their_training_images(report):
    assert [int(row["training_images"]) for row in class_rows(report)] == sorted(TRAINING_COUNTS, reverse=True)
    content = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert [row["class"] for row in content["classes"]["test"]["tuned"]] == [row["class"] for row in class_rows(report)]
    assert content["classes"]["test"]["0.5"][3]["class"] == NAMES[1]
    assert [row["AP"] for row in content["classes"]["test"]["0.5"] if row["class"] == NAMES[4]] == [None]


class Reader(html.parser.HTMLParser):
    """Collects the tags, the addresses that are loaded, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loaded += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_stands_alone_and_shows_names_as_text(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    assert reader.tags.count("script") == 1 and "default-src 'none'" in page
    assert all(address.startswith(("data:", "#")) for address in reader.loaded)
    assert "url(" not in page
    assert reader.tags.count("img") == 5
    for text in (*NAMES, "run & <co>", "<b>bce</b>"):
        assert text in reader.text
    assert "On 60 test images" in reader.text
    assert "1 of the 5 classes has no test image" in reader.text
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page


def test_charts_are_images(report):
    for name in ("precision_recall.png", "counts.png", "precision_recall_curves.png", "cooccurrence.png"):
        with Image.open(report / name) as image:
            assert np.asarray(image.convert("L")).std() > 5


def test_the_printed_tables_name_every_class_as_it_is(directory, capsys, no_charts):
    evaluated(directory)
    printed = capsys.readouterr().out
    for text in (
        *NAMES,
        "0/0 counted 0",
        "macro-F1",
        "subset",
        "so these figures are honest",
        "Next: python predict.py",
    ):
        assert text in printed
    assert re.search(r"Report: .*index\.html", printed)


def test_without_tuned_thresholds_only_half_is_reported(tmp_path, capsys, no_charts):
    report = evaluated(make_run(tmp_path / "run", tuned=False))
    printed = capsys.readouterr().out
    assert printed.count("Next: python") == 1
    assert "and then run evaluate.py again:\nNext: python thresholds.py" in printed
    assert "or in choosing the epoch, so these figures are honest" in printed, "nothing chose thresholds"
    content = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert list(content["splits"]["test"]) == ["0.5"]
    assert "f1_tuned" not in class_rows(report)[0]
    assert (
        "tuned threshold" not in (report / "index.html").read_text(encoding="utf-8").split("What the figures mean")[1]
    )


def test_without_test_scores_val_is_judged_and_that_is_said(tmp_path, capsys, no_charts):
    report = evaluated(make_run(tmp_path / "run", splits=("train", "val")))
    assert "optimistic" in capsys.readouterr().out
    assert json.loads((report / "metrics.json").read_text(encoding="utf-8"))["judged_split"] == "val"
    report = evaluated(make_run(tmp_path / "other", splits=("train",)))
    assert "little about new images" in capsys.readouterr().out


def test_what_was_warned_of_in_training_is_said_and_no_honesty_claimed(tmp_path, capsys, no_charts):
    told = ["runs/first was trained on 3 images that are val or test here", "5 <others>"]
    report = evaluated(make_run(tmp_path / "run", warnings=told))
    reader = Reader()
    reader.feed((report / "index.html").read_text(encoding="utf-8"))
    for text in (" ".join(capsys.readouterr().out.split()), " ".join(reader.text.split())):
        assert "figures are honest." not in text
        assert "The test images chose neither epoch nor thresholds." in text
        assert "no part in training" not in text
        assert "Whether these figures hold for new images depends on what was warned of:" in text
        assert all(f"Warning: {each}" in text for each in told)
    assert json.loads((report / "metrics.json").read_text(encoding="utf-8"))["warnings"] == told
    evaluated(make_run(tmp_path / "other", splits=("val",), warnings=told))
    printed = capsys.readouterr().out
    assert "these figures are optimistic" in printed
    assert f"Warning: {told[0]}" in printed


@pytest.mark.parametrize("support, expected", [(1, ["macro-F1", "mAP"]), (50, [])])
def test_an_interval_that_lies_off_centre_for_rare_classes_is_explained(support, expected):
    spans = {"macro_f1": [0.292, 0.390], "mAP": [0.1, 0.3], "micro_f1": [0.5, 0.9], "subset_accuracy": [0.0, 0.0]}
    values = {"macro_f1": 0.313, "mAP": 0.31, "micro_f1": 0.89, "subset_accuracy": 0.0}
    found = SimpleNamespace(
        more={"intervals": {"images": {"0.5": spans}}, "baseline": values}, split="test", choice="0.5",
        rows={"0.5": [{"support": 90}, {"support": 0}, {"support": support}]}, figures={"test": {"0.5": values}},
    )  # fmt: skip
    assert [tile["name"] for tile in page.tiles(found) if tile["off_centre"]] == expected
    spans["macro_f1"] = [0.25, 0.37]
    assert not page.tiles(found)[0]["off_centre"], "in the middle"


@pytest.mark.parametrize("support, said", [(1, True), (6, False)])
def test_so_it_is_on_the_console(support, said):
    sizes = [{"size": "small", "support": [support, 9], "choices": {"0.5": {"f1": {"test": 0.1}}}}]
    more = {
        "intervals": {"images": {"0.5": {"macro_f1": [0.292, 0.390]}}},
        "baseline": {"macro_f1": 0.1},
        "class_sizes": sizes,
    }
    text = " ".join(figure_tables.words("test", {"test": {"0.5": {"macro_f1": 0.28}}}, more))
    assert ("It lies off-centre: a draw that has no image of a rare class leaves the class out." in text) is said
    more["intervals"]["images"]["0.5"]["macro_f1"] = [0.2, 0.36]
    assert "off-centre" not in " ".join(figure_tables.words("test", {"test": {"0.5": {"macro_f1": 0.28}}}, more))


def test_a_threshold_that_no_score_reaches_is_never(tmp_path, capsys, no_charts):
    directory = make_run(tmp_path / "run")
    cuts = np.array([0.4, 1.000001, 1.0, 0.2, 0.9])
    run_folder.open_run(directory).save_thresholds(cuts, "per_class", {})
    report = evaluated(directory)
    printed, page = capsys.readouterr().out, (report / "index.html").read_text(encoding="utf-8")
    assert sum(line.rstrip().endswith(" never") for line in printed.splitlines()) == 1
    assert page.count("<td>never</td>") == 1 and page.count("<td>1.000</td></tr>") == 1


def test_the_report_and_the_thresholds_can_lie_elsewhere(tmp_path, no_charts):
    directory = make_run(tmp_path / "run", tuned=False)
    run_folder.Run(tmp_path / "tuned", run_folder.open_run(directory).config).save_thresholds(
        np.full(5, 0.3), "fixed", {}
    )
    evaluated(directory, thresholds_dir=tmp_path / "tuned", output_dir=tmp_path / "out")
    assert not (directory / "report").exists()
    assert (tmp_path / "out" / "index.html").exists()
    assert {row["threshold_tuned"] for row in class_rows(tmp_path / "out")} == {"0.3"}


def test_mistakes_are_said_in_a_line(tmp_path):
    directory = make_run(tmp_path / "run")
    for text, message in (("{", "not valid JSON"), ('{"thresholds": {"a": 1}}', "one threshold for each")):
        (directory / "thresholds.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=message):
            evaluated(directory)
    with pytest.raises(InputError, match="twice"):
        evaluate.main(evaluate.Config(run_dirs=(directory, directory)))
    with pytest.raises(InputError, match=r"thresholds\.json does not exist"):
        evaluated(directory, thresholds_dir=tmp_path)
    with pytest.raises(InputError, match="no scores of images with known labels are stored"):
        evaluated(make_run(tmp_path / "bare", splits=(), tuned=False))
    broken = make_run(tmp_path / "nan", tuned=False)
    stored = run_folder.open_run(broken).scores("test")
    stored.scores[stored.labels == 1] = np.nan
    run_folder.write_scores(broken, "test", stored.ids, stored.scores, stored.labels)
    with pytest.raises(InputError, match=r"test.*nan"):
        evaluated(broken)


def changed(directory: Path, noise: float = 0.0, first: int = 0, **options) -> Path:
    """A run of the same images from `first` on, in another order, with noise on its scores."""
    make_run(directory, **options)
    for split in ("train", "val", "test"):
        stored = run_folder.open_run(directory).scores(split)
        order = np.random.default_rng(9).permutation(np.arange(first, len(stored.ids)))
        scores = np.clip(stored.scores + np.random.default_rng(8).normal(0, noise, stored.scores.shape), 0, 1)
        ids = [stored.ids[row] for row in order]
        run_folder.write_scores(directory, split, ids, scores[order], stored.labels[order])
    return directory


def test_intervals_baseline_and_sizes_stand_in_the_files_and_in_words(tmp_path, capsys, no_charts):
    report = evaluated(make_run(tmp_path / "run", grouped=True), draws=200)
    content = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert content["draws"] == 200 and set(content["intervals"]) == {"images", "groups"}
    for choice, figures in content["splits"]["test"].items():
        for kind in ("images", "groups"):
            spans = content["intervals"][kind][choice]
            assert set(spans) == set(figures) - {"ECE", "class_ECE", "rows", "classes_with_positives"} | {
                "f1_large", "f1_medium", "f1_small"
            }  # fmt: skip
            for name in set(spans) & set(figures):
                assert spans[name][0] <= figures[name] <= spans[name][1]
                assert 0 < spans[name][1] - spans[name][0] < 0.5
    # Of five classes the last has no test image, and counts 0 in the one figure and not at all in the other.
    tuned = content["splits"]["test"]["tuned"]
    assert tuned["macro_f1"] == pytest.approx(0.8 * tuned["macro_f1_present"])
    assert content["baseline"]["AUC"] == 0.5 and content["baseline"]["macro_f1"] < tuned["macro_f1"]
    assert [each["classes"] for each in content["class_sizes"]] == [[NAMES[2], NAMES[0]], [NAMES[1]], [NAMES[3]]]
    reader = Reader()
    reader.feed((report / "index.html").read_text(encoding="utf-8"))
    low, high = (f"{end:.3f}" for end in content["intervals"]["images"]["tuned"]["macro_f1"])
    for text in (" ".join(capsys.readouterr().out.split()), " ".join(reader.text.split())):
        assert f"its 95 % interval is {low} to {high}, and" in text and "if whole groups are drawn." in text
        assert f"would give {content['baseline']['macro_f1']:.3f}." in text
        assert "F1 by size of the classes:" in text and "samples-F1" in text
    evaluated(tmp_path / "run", draws=0)
    printed = capsys.readouterr().out
    assert "interval is" not in printed and "95 %\ninterval" not in printed and "samples-F1" in printed


def test_other_runs_are_set_beside_it_on_the_images_of_both(tmp_path, capsys, no_charts):
    first = make_run(tmp_path / "first")
    same, worse = changed(tmp_path / "same"), changed(tmp_path / "worse", noise=0.6, first=10)
    report = evaluated(first, compare_with=(same, worse), compare_on="test", draws=200)
    content = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    alike, other = content["comparisons"]
    assert alike["images"] == 60 and other["images"] == 50 and set(alike["figures"]) == {"none", "0.5", "tuned"}
    for row in (row for rows in alike["figures"].values() for row in rows.values()):
        assert row["difference"] == pytest.approx(0, abs=1e-12) and row["better"] == 0.5
        assert row["interval"] == pytest.approx([0, 0], abs=1e-12)
    run, cuts = run_folder.open_run(worse), run_folder.open_run(worse).thresholds()
    stored = run.scores("test")
    known = stored.labels <= 1
    truth, found = (stored.labels == 1) & known, (stored.scores >= cuts) & known
    row = other["figures"]["tuned"]["micro_f1"]
    assert row["other"] == pytest.approx(f1_score(truth, found, average="micro"))
    assert row["difference"] == pytest.approx(row["first"] - row["other"])
    assert 0 < row["interval"][0] < row["difference"] < row["interval"][1] and row["better"] == 1
    reader = Reader()
    reader.feed((report / "index.html").read_text(encoding="utf-8"))
    assert "Compared with worse on test images" in reader.text
    assert "Tuned: each run at its tuned thresholds" in reader.text
    printed = capsys.readouterr().out
    for text in (" ".join(reader.text.split()), printed):
        assert "Compared with worse on the same test images: a macro-F1" in text
        assert (
            "). Other test images would hardly reverse this. The interval covers which images are in the split, not"
            in text
        )
        assert "If you choose between runs by them, they are no longer test images" in text
    evaluated(first, compare_with=(make_run(tmp_path / "half", tuned=False),), compare_on="test", draws=0)
    assert "At 0.5 alone: not every run has tuned thresholds" in capsys.readouterr().out


def test_runs_are_compared_on_validation_images_unless_test_ones_are_asked_for(tmp_path, capsys, no_charts):
    first, other = make_run(tmp_path / "first"), changed(tmp_path / "other", noise=0.1)
    found = []
    for _ in range(2):
        report = evaluated(first, compare_with=(other,), draws=50)
        found += json.loads((report / "metrics.json").read_text(encoding="utf-8"))["comparisons"]
        stored = run_folder.open_run(other).scores("test")
        run_folder.write_scores(other, "test", stored.ids, 1 - stored.scores, stored.labels)
    assert found[0] == found[1], "test images have a say"
    assert found[0]["split"] == "val" and set(found[0]["figures"]) == {"none", "0.5"}
    stored = run_folder.open_run(other).scores("val")
    known = stored.labels <= 1
    expected = f1_score((stored.labels == 1) & known, (stored.scores >= 0.5) & known, average="micro")
    assert found[0]["figures"]["0.5"]["micro_f1"]["other"] == pytest.approx(expected)
    printed = capsys.readouterr().out
    # How these thresholds were chosen is not known.
    assert "At 0.5 alone: 60 of these images also chose the tuned thresholds, and not every" in printed
    assert "Choose between runs by these validation images" in printed


def test_images_of_other_bytes_beside_each_other_are_named(tmp_path, capsys, no_charts):
    first, other = make_run(tmp_path / "first"), changed(tmp_path / "other", noise=0.1)
    for directory in (first, other):
        each = run_folder.open_run(directory).scores("test")
        hashes = ["new" if directory == other and int(name[4:]) < 4 else name for name in each.ids]
        run_folder.write_scores(directory, "test", each.ids, each.scores, each.labels, hashes=hashes)
    report = evaluated(first, compare_with=(other,), compare_on="test", draws=5)
    (found,) = json.loads((report / "metrics.json").read_text(encoding="utf-8"))["comparisons"]
    text = "4 of these images have other bytes in other (test0, test1, test2, test3)"
    assert found["warnings"][0].startswith(text)
    reader = Reader()
    reader.feed((report / "index.html").read_text(encoding="utf-8"))
    assert text in reader.text and text in capsys.readouterr().out


def test_runs_that_cannot_be_compared_are_refused_in_a_line(tmp_path):
    first = make_run(tmp_path / "first")
    others = {
        "only one of them knows Nucleoplasm, a": make_run(tmp_path / "names", names=["a", *NAMES[1:]], tuned=False),
        "stored no val scores": make_run(tmp_path / "test", splits=("test",)),
    }
    for message, change in (("no val image in common", "ids"), ("has other labels", "labels")):
        others[message] = make_run(tmp_path / change)
        stored = run_folder.open_run(others[message]).scores("val")
        ids = [f"x{name}" for name in stored.ids] if change == "ids" else stored.ids
        labels = 1 - stored.labels % 2 if change == "labels" else stored.labels
        run_folder.write_scores(others[message], "val", ids, stored.scores, labels)
    for message, other in others.items():
        with pytest.raises(InputError, match=message):
            evaluated(first, compare_with=(other,))
    with pytest.raises(InputError, match="is not a run"):
        evaluated(first, compare_with=(tmp_path / "nowhere",))
