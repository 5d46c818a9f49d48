"""Classes with names that a page, a chart or a terminal could take for something else: they are shown as they are."""

import csv
import html.parser
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import name_cases
import numpy as np
import pytest
from feeding import fed
from PIL import Image

import evaluate
import run_folder
import thresholds
from data.images.preparation import Preparation
from data.tables.spreadsheet import CONTROL
from evaluation.decision import Decision
from report import prediction_page
from report.page import printable

NAMES = list(name_cases.CASES.values())
# Others come from no table, and a run that was edited to have them is refused.
POSSIBLE = [name for name in NAMES if not CONTROL.search(name)]
HARMLESS = ("#", "data:")


class Reader(html.parser.HTMLParser):
    """All text of a page but that of its script and style, and whatever in it may run or be loaded."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.scripts, self.dangers, self._inside = "", 0, [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self._inside = tag if tag in ("script", "style") else self._inside
        if tag in ("iframe", "object", "embed", "base", "form", "svg"):
            self.dangers.append(tag)
        for name, value in attributes:
            if name.startswith("on") or name in ("srcdoc", "srcset", "action", "formaction", "autofocus"):
                self.dangers.append(f"{tag} {name}={value}")
            if name in ("src", "href") and not (value or "").startswith(HARMLESS):
                self.dangers.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag):
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data):
        self.text += "" if self._inside else data


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of all names with its report and charts, made once."""
    folder = tmp_path_factory.mktemp("names")
    count = len(POSSIBLE)
    counts = {"train": {"positives": [5] * count, "known": [24] * count}}
    preparation = {"size": 8, "resize": "stretch", "channels": "rgb"}
    cache = {"class_names": POSSIBLE, "preparation": preparation, "counts": counts}
    run_folder.create_run(folder / "run", {"cache": cache, "config": {}}, overwrite=False)
    generator = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        labels = (generator.random((24, count)) < 0.3).astype(np.uint8)
        scores = np.clip(0.4 * labels + generator.random((24, count)) / 2, 0, 1)
        run_folder.write_scores(folder / "run", split, [f"{split}{row}" for row in range(24)], scores, labels)
    run_folder.finish_run(folder / "run")
    for call in (
        lambda: thresholds.main(thresholds.Config(run_dirs=(folder / "run",), repetitions=1)),
        lambda: evaluate.main(evaluate.Config(run_dirs=(folder / "run",), draws=20, gallery=0, overlays=0)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            said, _ = fed(call, folder, (folder / "run",))
        assert said == ""
    return folder / "run"


@pytest.fixture(scope="module")
def report(made) -> Reader:
    return Reader((made / "report" / "index.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def predictions() -> Reader:
    member = SimpleNamespace(training_rates=np.full(len(NAMES), 0.3))
    run = SimpleNamespace(name=NAMES[0], class_names=NAMES, tree=None, members=[member], columns=[slice(None)],
                          config={}, messages=list)  # fmt: skip
    seen = prediction_page.Seen(run, Decision(0.5), Preparation(8, "stretch", "rgb"))
    for number, name in enumerate(NAMES):
        seen.add(name, np.eye(len(NAMES))[number], np.zeros((8, 8, 3), np.uint8))
    return Reader(prediction_page.render(seen, Path(f"{NAMES[1][:9]}.csv"), None, {NAMES[0]: NAMES[1]}))


@pytest.mark.parametrize("name", name_cases.CASES)
def test_pages_show_the_name_as_it_is(made, report, predictions, tmp_path, name):
    shown = name_cases.CASES[name]
    assert printable(shown) in predictions.text
    if shown in POSSIBLE:
        assert printable(shown) in report.text
        return
    config = json.loads((made / run_folder.CONFIG).read_text(encoding="utf-8"))
    config["cache"]["class_names"][0] = shown
    (tmp_path / run_folder.CONFIG).write_text(json.dumps(config), encoding="utf-8")
    said, _ = fed(lambda: run_folder.open_run(tmp_path), tmp_path)
    assert "class_names holds names with a line break or control character" in said


def test_nothing_in_a_page_runs_but_its_own_scripts(report, predictions):
    assert (report.dangers, report.scripts) == ([], 1)
    assert (predictions.dangers, predictions.scripts) == ([], 2)


def test_charts_and_tables_hold_all_names(made):
    pictures = [*made.rglob("*.png")]
    assert len(pictures) >= 5
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
    metrics = json.loads((made / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert {row["class"] for row in metrics["classes"]["test"]["0.5"]} == set(POSSIBLE)
    with (made / "report" / "per_class.csv").open(encoding="utf-8", newline="") as file:
        assert {row["class"] for row in csv.DictReader(file)} == set(POSSIBLE)
