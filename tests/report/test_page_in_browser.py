"""The report's page as a person uses it, in Debian's Chromium without a window."""

import contextlib
import io
import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import evaluate
from data.images.preparation import Preparation
from evaluation.decision import Decision
from report import charts, prediction_page
from report.page import Chart

NAMES = [
    "Nucleoplasm",
    "<script>alert(1)</script>",
    "\"quoted' &amp; {{ 7*7 }}",
    "Golgi\u202eapparatus",
    "Rare",
]
EVIL_ID = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page(tmp_path_factory, called, scored_run):
    """The page of a run over images whose ids and classes have evil names."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "images").mkdir()
    generator = np.random.default_rng(1)
    rows = ["Id,split," + ",".join("abcde")]
    for number in range(60):
        name = EVIL_ID if number == 59 else f"cell {number}"
        Image.fromarray(generator.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / f"images/{name}.png")
        labels = (generator.random(5) < [0.6, 0.5, 0.4, 0.3, 0.2]).astype(int)
        split = ("train", "val", "test", "test")[number % 4]
        # The last class has no test image, so its AP is not defined.
        labels[4] &= split != "test"
        rows.append(f'"{name}",{split},' + ",".join(map(str, labels)))
    (folder / "labels.csv").write_text("\n".join(rows))
    called("preprocess.py", "--image_dir", folder / "images", "--labels_csv", folder / "labels.csv",
           "--cache_dir", folder / "cache", "--size", 24)  # fmt: skip
    settings = {"note": "</dl><script>alert(2)</script>", "augmented": []}
    run = scored_run(folder / "run", folder / "cache", NAMES, not_in_cache=("\x1b[31mred",), settings=settings)
    with pytest.MonkeyPatch.context() as patch:
        # One wide chart stands for all, which other tests look at.
        Image.new("RGB", (1300, 400), "white").save(folder / "wide.png")
        patch.setattr(charts, "draw", lambda *given: [Chart(folder / "wide.png", "A <wide> chart", "How it is read")])
        evaluate.main(evaluate.Config(run_dirs=(run,), draws=50, gallery=9))
    return run / "report" / "index.html"


def need(there: bool, what: str) -> None:
    """Skip on a machine without a browser; where all tests must run, fail."""
    if not there:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not installed")


@pytest.fixture(scope="module")
def driver():
    """Chromium, started once."""
    need(bool(shutil.which("chromium") and shutil.which("chromedriver")), "chromium or chromium-driver (apt-get)")
    with contextlib.suppress(ImportError):
        from selenium import webdriver
    need("webdriver" in locals(), "selenium (requirements-dev.txt)")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(option)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    started = webdriver.Chrome(options=options, service=service)
    yield started
    started.quit()


@pytest.fixture
def opened(driver, page):
    """The page anew on a desktop; no test leaves an error in the console."""
    look(driver, 1280)
    driver.get(page.as_uri())
    yield driver
    assert driver.get_log("browser") == []


def look(driver, width: int, scheme: str = "light") -> None:
    size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)


def press(driver, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def column(driver, number: int, table: int = 0) -> list[str]:
    """What stands in a column of the rows that are shown."""
    rows = f"[...document.querySelectorAll('table.sortable')[{table}].tBodies[0].rows].filter(row => !row.hidden)"
    return driver.execute_script(f"return {rows}.map(row => row.cells[{number}].textContent.trim())")


def test_any_column_sorts_by_mouse_and_by_keyboard(opened):
    table = opened.find_element("css selector", "table.sortable")
    heads = table.find_elements("css selector", "th[data-column] button")
    names = [head.accessible_name for head in heads]
    for name in ("class", "train images", "test images", "F1 at 0.5", "recall at tuned", "AP", "tuned threshold"):
        assert name in names
    from selenium.webdriver import Keys

    for place, head in enumerate(heads):
        cell = head.find_element("xpath", "..")
        number = int(cell.get_dom_attribute("data-column"))
        head.click()
        first, before = cell.get_dom_attribute("aria-sort"), column(opened, number)
        press(opened, Keys.ENTER)
        assert {first, cell.get_dom_attribute("aria-sort")} == {"ascending", "descending"}
        assert first == ("ascending" if number == 0 else "descending")
        if number:
            for shown, falls in ((before, True), (column(opened, number), False)):
                known = [float(text.replace(",", "")) for text in shown if text != "–"]
                assert known == sorted(known, reverse=falls)
                # What is not defined stands last either way.
                assert shown[len(known) :] == ["–"] * (names[place] == "AP")
        assert len(opened.find_elements("css selector", "table.sortable th[aria-sort]")) == 1


def test_classes_are_filtered_by_name_and_by_size(opened):
    field = opened.find_element("id", "filter")
    field.send_keys("SCRIPT>al")
    assert column(opened, 0) == column(opened, 0, table=1) == [NAMES[1]]
    shown = [each for each in opened.find_elements("css selector", "details.gallery") if each.is_displayed()]
    assert [each.find_element("tag name", "summary").text.splitlines()[0] for each in shown] == [NAMES[1]]
    assert opened.find_element("id", "counted").text == "1 of 5 classes"
    field.send_keys("no such class")
    assert column(opened, 0) == [] and opened.find_element("id", "no-class").is_displayed()
    field.clear()
    field.send_keys(" ")
    chips = {chip.text: chip for chip in opened.find_elements("class name", "chip")}
    assert list(chips) == ["all", "large", "medium", "small"]
    sizes = {}
    for name, chip in chips.items():
        chip.click()
        sizes[name] = column(opened, 0)
        assert [other for other in chips if chips[other].get_dom_attribute("aria-pressed") == "true"] == [name]
    # A class without a test image has no size.
    assert len(sizes["all"]) == 5 and sizes["large"] + sizes["medium"] + sizes["small"] == sizes["all"][:-1]


def test_a_gallery_opens_from_its_row_and_escape_closes_it(opened):
    from selenium.webdriver import Keys

    viewer, title = opened.find_element("id", "viewer"), opened.find_element("id", "viewer-title")
    links = opened.find_elements("css selector", "tbody th a")
    names = [link.text for link in links]
    assert not viewer.is_displayed()
    opened.execute_script("arguments[0].focus()", links[0])
    press(opened, Keys.ENTER)
    assert viewer.is_displayed() and title.text == names[0]
    images = viewer.find_elements("tag name", "img")
    assert images and "not in the cache" in viewer.text
    ready = "return Promise.all(arguments[0].map(image => image.decode().then(() => image.naturalWidth)))"
    assert opened.execute_script(ready, images) == [24] * len(images)
    assert not opened.find_element("id", "viewer-before").is_enabled()
    press(opened, Keys.ARROW_RIGHT)
    assert title.text == names[1]
    opened.find_element("id", "viewer-after").click()
    assert title.text == names[2]
    press(opened, Keys.ARROW_LEFT)
    press(opened, Keys.ESCAPE)
    assert not viewer.is_displayed() and opened.switch_to.active_element == links[1]
    # The images are back where they were, for a reader who unfolds them there.
    unfolded = opened.find_element("id", "images-1")
    unfolded.find_element("tag name", "summary").click()
    assert unfolded.find_elements("css selector", ".shown img")[0].is_displayed()
    assert len(opened.find_elements("css selector", "details.gallery > .shown")) == 5


def test_names_are_text_and_nothing_is_run_or_loaded(opened, page):
    assert opened.execute_script("return document.scripts.length") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", page.read_text(encoding="utf-8"))
    shown = sorted(column(opened, 0))
    assert shown == sorted([*NAMES[:3], "Golgi\u202eapparatus", "Rare"])
    text = opened.execute_script("return document.body.textContent")
    assert EVIL_ID in text and "</dl><script>alert(2)</script>" in text and "\ufffd[31mred" in text
    assert opened.execute_script("return [...document.images].every(image => image.src.startsWith('data:image/'))")
    loaded = "return performance.getEntriesByType('resource').map(each => each.name)"
    assert [name for name in opened.execute_script(loaded) if not name.startswith("data:")] == []


def test_it_fits_a_phone(opened):
    look(opened, 360)
    wide = "return [document.documentElement.scrollWidth, document.body.scrollWidth]"
    assert opened.execute_script(wide) == [360, 360]
    image = opened.find_element("css selector", ".chart img")
    assert image.size["width"] > 700, "a chart is scrolled, not shrunk until nobody can read it"
    opened.execute_script("arguments[0].click()", opened.find_element("css selector", "tbody th a"))
    viewer = opened.find_element("id", "viewer")
    assert viewer.rect["x"] >= 0 and viewer.rect["x"] + viewer.rect["width"] <= 360
    assert opened.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", viewer)


def test_on_a_phone_f1_is_seen_beside_the_names_and_more_is_hinted_at(opened):
    look(opened, 360)
    table = opened.find_element("css selector", ".scroll:has(table.sortable)")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", table)
    right = (
        "return Math.max(...[...arguments[0].querySelectorAll('tbody tr > :nth-child(5)')]"
        ".map(cell => cell.getBoundingClientRect().right))"
    )
    assert opened.execute_script(right, table) <= 345, "F1 at both thresholds"
    rows = "return [...arguments[0].querySelectorAll('tbody tr')].map(row => row.getBoundingClientRect().top)"
    shown = np.asarray(Image.open(io.BytesIO(opened.get_screenshot_as_png())).convert("L")).astype(int)
    for top in opened.execute_script(rows, table):
        # A line under every cell, the sticky one too: left of the name, and right of a figure.
        for left in (19, 225):
            assert shown[round(top) - 2 : round(top) + 3, left].min() < 235
    # The shadow at the right edge is gone where there is no more.
    edge = (round(opened.execute_script(rows, table)[0]) + 4, 340)
    assert shown[edge] < 230
    opened.execute_script("arguments[0].scrollLeft = 9999", table)
    shown = np.asarray(Image.open(io.BytesIO(opened.get_screenshot_as_png())).convert("L")).astype(int)
    assert shown[edge] > 240


def test_an_address_that_names_a_gallery_leads_to_it_unfolded(opened, page):
    opened.get("about:blank")
    opened.get(page.as_uri() + "#images-3")
    named = opened.find_element("id", "images-3")
    assert named.find_element("css selector", ".shown").is_displayed()
    assert 0 <= opened.execute_script("return arguments[0].getBoundingClientRect().top", named) < 740
    seen = np.asarray(Image.open(io.BytesIO(opened.get_screenshot_as_png())).convert("L"))
    assert seen.std() > 10, "not a blank page"


def luminance(colour: str) -> float:
    parts = np.array([float(part) for part in re.findall(r"[\d.]+", colour)[:3]]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_both_colour_schemes(opened, scheme):
    look(opened, 1280, scheme)
    colours = opened.execute_script(
        "const style = (selector, name) => getComputedStyle(document.querySelector(selector))[name];"
        "return {ground: style('body', 'backgroundColor'), raised: style('.tile', 'backgroundColor'),"
        " texts: ['body', '.note', '.tile .soft', 'tbody a', '.off', 'thead th'].map(each => style(each, 'color')),"
        " chip: ['color', 'backgroundColor'].map(name => style('.chip[aria-pressed=true]', name))}"
    )
    assert (luminance(colours["ground"]) < 0.1) == (scheme == "dark")
    pairs = [(text, colours[ground]) for text in colours["texts"] for ground in ("ground", "raised")]
    for pair in [*pairs, colours["chip"]]:
        low, high = sorted(map(luminance, pair))
        # WCAG 2.1, success criterion 1.4.3.
        assert (high + 0.05) / (low + 0.05) >= 4.5, pair


def test_without_javascript_the_table_and_the_images_are_there(opened, page):
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.get(page.as_uri())
        assert not opened.find_element("id", "filter").is_displayed()
        assert opened.find_elements("css selector", "th button") == []
        opened.find_element("css selector", "tbody th a").click()
        assert opened.current_url.endswith("#images-0") and not opened.find_element("id", "viewer").is_displayed()
        opened.find_element("css selector", "#images-0 summary").click()
        assert opened.find_element("css selector", "#images-0 img").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_of_predictions_sorts_filters_and_opens_its_galleries(driver, tmp_path):
    names = ["Nucleoplasm", "<script>alert(1)</script>", "Rare"]
    member = SimpleNamespace(training_rates=np.array([0.5, 0.3, 0.1]))
    run = SimpleNamespace(name="run", class_names=names, tree=None, members=[member], columns=[slice(None)],
                          config={}, messages=list)  # fmt: skip
    seen = prediction_page.Seen(run, Decision(0.5), Preparation(size=8, resize="stretch", channels="rgb"))
    for number, scores in enumerate([[0.9, 0.1, 0.2], [0.7, 0.8, 0.1], [0.2, 0.55, 0.4]]):
        name = EVIL_ID if number == 2 else f"cell {number}"
        seen.add(name, np.array(scores), np.full((8, 8, 3), 80 * number, np.uint8))
    (tmp_path / "p.html").write_text(prediction_page.render(seen, tmp_path / "p.csv", None, {}), encoding="utf-8")
    look(driver, 1280)
    driver.get((tmp_path / "p.html").as_uri())
    assert column(driver, 0, table=1) == ["cell 0", "cell 1", EVIL_ID]
    driver.find_elements("css selector", "table.sortable")[1].find_elements("css selector", "th button")[3].click()
    assert column(driver, 3, table=1) == ["0.300", "0.200", "0.050"]
    field = driver.find_element("id", "image-filter")
    field.send_keys("SCRIPT>al")
    assert column(driver, 0, table=1) == ["cell 1", EVIL_ID]
    assert driver.find_element("id", "images-counted").text == "2 of 3 images"
    field.clear()
    field.send_keys("cell 0")
    assert column(driver, 0, table=1) == ["cell 0"]
    assert column(driver, 0) == names
    driver.find_element("id", "filter").send_keys("nucl")
    assert column(driver, 0) == names[:1]
    driver.find_element("css selector", "tbody th a").click()
    viewer = driver.find_element("id", "viewer")
    assert viewer.is_displayed() and "0.900" in viewer.text
    assert len(viewer.find_elements("tag name", "img")) == 5
    driver.find_element("id", "viewer-close").click()
    look(driver, 360)
    wide = "return [document.documentElement.scrollWidth, document.body.scrollWidth]"
    assert driver.execute_script(wide) == [360, 360]
    assert driver.get_log("browser") == []
