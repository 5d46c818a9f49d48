"""Draw docs/pictures/report.jpg: the report's page on a desk, and the images of a class on a phone in the dark.

From the project's folder, after make demo, with requirements-dev.txt, chromium and chromium-driver installed:
python -m experiments.report_picture demo/recipe docs/pictures/report.jpg
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from selenium import webdriver

DESK, PHONE, GAP = (1080, 900), (380, 900), 20
CLASS = "Golgi apparatus"  # whose images are shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for option in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        page = (given.run_dir / "report" / "index.html").resolve().as_uri()
        desk = seen(driver, page, DESK, "light")
        phone = seen(driver, page, PHONE, "dark", opened=CLASS)
    finally:
        driver.quit()
    sheet = Image.new("RGB", (DESK[0] + GAP + PHONE[0], DESK[1]), "#d5dae0")
    sheet.paste(desk, (0, 0))
    sheet.paste(phone, (DESK[0] + GAP, 0))
    sheet.save(given.picture, quality=85, optimize=True)


def seen(driver: webdriver.Chrome, page: str, size: tuple[int, int], scheme: str, opened: str = "") -> Image.Image:
    """A screenshot of the page's beginning, or of the images of a class."""
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    driver.get(page)
    if opened:
        link = driver.find_element("link text", opened)
        driver.execute_script("arguments[0].click()", link)
        images = "return Promise.all([...document.querySelectorAll('#viewer img')].map(image => image.decode()))"
        driver.execute_script(images)
    return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main()
