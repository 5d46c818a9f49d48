"""The page of predictions: what it keeps of many images, against sorting them all, and what a browser reads of it."""

import base64
import hashlib
import html.parser
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data.images.preparation import Preparation
from data.labels.hierarchy import Tree
from evaluation.decision import Decision
from report import gallery, prediction_page

NAMES = ["Nucleoplasm", "<script>alert(1)</script>", "Rods & rings"]
PREPARATION = Preparation(size=8, resize="stretch", channels="rgb")


def run_of(names: list[str], rates: list[float], tree: Tree | None = None) -> SimpleNamespace:
    """The part of a run that the page uses."""
    member = SimpleNamespace(training_rates=np.array(rates))
    return SimpleNamespace(name="run & <co>", class_names=names, tree=tree, members=[member], columns=[slice(None)],
                           config={}, messages=list)  # fmt: skip


def shown(scores: np.ndarray, decision: Decision, names: list[str] = NAMES, **options) -> prediction_page.Seen:
    """The images image0, image1, …, each of one gray level, shown to a page."""
    seen = prediction_page.Seen(run_of(names, [0.2, 0.5, 0.1][: len(names)], **options), decision, PREPARATION)
    for number, row in enumerate(scores):
        seen.add(f"image{number}", row, np.full((8, 8, 3), number % 256, np.uint8))
    return seen


def rendered(seen: prediction_page.Seen, **options) -> str:
    return prediction_page.render(seen, Path("out/p.csv"), options.pop("thresholds_file", None), options or {})


class Reader(html.parser.HTMLParser):
    """The text of a page, and the texts of the cells of each table, row by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tables, self.loaded, self._in_cell = "", [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for name, value in attributes if name in ("src", "href", "action", "srcset")]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        self.text += data
        if self._in_cell:
            self.tables[-1][-1][-1] += data


def test_counts_and_galleries_are_those_of_all_images_sorted():
    rng = np.random.default_rng(0)
    scores = rng.random((500, 3)).astype(np.float32)
    cuts = np.array([0.3, 0.9, 0.6])
    seen = shown(scores, Decision(cuts))
    predicted = scores >= cuts
    assert seen.images == 500
    assert seen.without == (~predicted.any(axis=1)).sum()
    np.testing.assert_array_equal(seen.counts, predicted.sum(axis=0))
    _, found = prediction_page.galleries(seen)
    for column in range(3):
        surest = np.argsort(-np.where(predicted[:, column], scores[:, column], -1), kind="stable")[:5]
        nearest = np.argsort(np.abs(scores[:, column] - cuts[column]), kind="stable")[:5]
        for kind, expected in (("surest", surest), ("least sure", nearest)):
            images = found[column][kind]
            assert [image["name"] for image in images] == [f"image{place}" for place in expected]
            assert [image["given"] for image in images] == predicted[expected, column].tolist()
            assert [image["score"] for image in images] == scores[expected, column].tolist()


def test_of_equal_scores_the_first_are_kept_and_few_images_stay_in_memory(monkeypatch):
    seen = shown(np.full((300, 3), 0.7), Decision(0.5))
    for each in seen.best.values():
        for best in each.values():
            assert [sample.name for sample in best.samples()] == [f"image{place}" for place in range(5)]
            assert len(best._heap) == 5
    assert len(seen.rows) == 300
    monkeypatch.setattr(prediction_page, "ROWS", 7)
    seen = shown(np.full((30, 3), 0.7), Decision(0.5))
    page = rendered(seen)
    assert len(Reader(page).tables[1]) == 1 + 7
    assert "The first 7 of 30 images; all are in out/p.csv." in page
    assert "The first" not in rendered(shown(np.full((7, 3), 0.7), Decision(0.5)))


def test_the_page_shows_counts_scores_and_names_as_text():
    scores = np.array([[0.9, 0.1, 0.45], [0.2, 0.8, 0.6], [0.3, 0.2, 0.1], [0.55, 0.5, 0.5]])
    seen = prediction_page.Seen(run_of(NAMES, [0.2, 0.5, 0.1]), Decision(np.array([0.5, 0.5, 1.000001])), PREPARATION)
    for name, row in zip(["<b>a</b>", "b", "c", "'d\"\x01"], scores, strict=True):
        seen.add(name, row, np.zeros((8, 8, 3), np.uint8))
    page = rendered(seen, thresholds_file="<runs>/thresholds.json", **{"<i>broken</i>.png": "is empty"})
    reader = Reader(page)
    classes, images = ([[" ".join(cell.split()) for cell in row] for row in table[1:]] for table in reader.tables)
    # The largest class of the training first.
    assert classes == [
        ["<script>alert(1)</script>", "2", "50.0 %", "50.0 %", "", "0.500"],
        ["Nucleoplasm", "2", "50.0 %", "20.0 %", "", "0.500"],
        ["Rods & rings", "0", "0.0 %", "10.0 %", "", "never"],
    ]
    assert images == [
        ["<b>a</b>", "1", "0.900", "0.400", "Nucleoplasm 0.900"],
        ["b", "1", "0.800", "0.300", "<script>alert(1)</script> 0.800"],
        ["c", "0", "0.300", "0.200", "none"],
        ["'d\"\N{REPLACEMENT CHARACTER}", "2", "0.550", "0.000", "Nucleoplasm 0.550, <script>alert(1)</script> 0.500"],
    ]
    for text in ("run & <co>", "<runs>/thresholds.json", "<i>broken</i>.png", "This class is never predicted."):
        assert text in reader.text
    assert all(address.startswith(("data:", "#")) for address in reader.loaded)
    assert "prefers-color-scheme: dark" in page


def test_only_the_pages_own_scripts_may_run():
    page = rendered(shown(np.full((2, 3), 0.7), Decision(0.5)))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    assert allowed == [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert policy.startswith("default-src 'none'")
    # What the scripts take hold of is there.
    for name in re.findall(r'byId\("([\w-]+)"\)', "".join(scripts)):
        assert f'id="{name}"' in page


def test_classes_of_a_tree_are_counted_without_what_stands_above_them():
    tree = Tree(["a", "b", "P"], [2, 2, -1], classes=2)
    seen = shown(np.array([[0.9, 0.1, 0.95], [0.2, 0.3, 0.8]]), Decision(np.array([0.5, 0.5, 0.5])), ["a", "b", "P"],
                 tree=tree)  # fmt: skip
    assert seen.names == ["a", "b"]
    assert seen.counts.tolist() == [1, 0]
    assert seen.without == 1
    assert [row.highest for row in seen.rows] == pytest.approx([0.9, 0.3])
    assert "P" not in [row[0].strip() for row in Reader(rendered(seen)).tables[0]]


def test_where_one_class_is_always_given_all_images_have_one():
    seen = shown(np.array([[0.1, 0.3, 0.2], [0.0, 0.1, 0.2]]), Decision(0.5, at_least_one=True))
    assert (seen.without, seen.counts.tolist()) == (0, [0, 1, 1])
    assert "the most probable one is predicted" in rendered(seen)


def test_rates_of_joined_runs_are_those_of_the_first_that_knows_a_class():
    runs = [SimpleNamespace(training_rates=rates) for rates in ([0.1, 0.2], [0.3, 0.4])]
    joined = SimpleNamespace(class_names=["a", "b", "c"], members=runs, columns=[[0, 1], [1, 2]])
    np.testing.assert_array_equal(prediction_page.training_rates(joined), [0.1, 0.2, 0.4])


def test_of_very_many_classes_an_image_shows_the_most_probable():
    names = [f"class {number}" for number in range(300)]
    seen = prediction_page.Seen(run_of(names, [0.1] * 300), Decision(0.0), PREPARATION)
    seen.add("a", np.linspace(0.9, 0.1, 300), np.zeros((8, 8, 3), np.uint8))
    (row,) = Reader(rendered(seen)).tables[1][1:]
    assert row[1] == "300" and row[2] == "0.900"
    assert row[4].count("class") == prediction_page.LABELS and row[4].endswith(
        f"and {300 - prediction_page.LABELS} more"
    )


def test_however_many_classes_the_thumbnails_stay_within_their_budget(monkeypatch):
    monkeypatch.setattr(gallery, "BUDGET", 600_000)
    names = [f"class {number}" for number in range(20)]
    rng = np.random.default_rng(0)
    seen = prediction_page.Seen(run_of(names, list(rng.random(20))), Decision(0.5), PREPARATION)
    for number in range(40):
        seen.add(str(number), rng.random(20), rng.integers(0, 256, (160, 160, 3), dtype=np.uint8))
    page = rendered(seen)
    thumbnails = re.findall(r'src="(data:image/jpeg[^"]+)"', page)
    assert len(thumbnails) == 20 * 2 * 5
    assert sum(map(len, thumbnails)) <= 600_000
    many = run_of([f"class {number}" for number in range(2000)], [0.1] * 2000)
    kept = prediction_page.Seen(many, Decision(0.5), PREPARATION).best.values()
    assert sum(best.size for each in kept for best in each.values()) <= gallery.MOST_IMAGES
