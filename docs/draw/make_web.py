"""Takes the pictures of the service's page beside this file: draws in Chromium, on a service of its own.

Run it to take them again: python docs/draw/make_web.py
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

sys.path.append(str(ROOT / "examples"))
from draw import STROKES, smooth  # noqa: E402

PHONE, DESK = {"width": 375, "height": 780}, {"width": 1280, "height": 860}
COLOURS = 64


@contextmanager
def serving() -> Iterator[str]:
    """The address of a service that keeps nothing."""
    start = "import typer; from zeronine.cli_serve import serve; typer.run(serve)"
    with tempfile.TemporaryDirectory() as folder:
        told = ["--port", "0", "--store", f"{folder}/store.db", "--taught", folder]
        with subprocess.Popen([sys.executable, "-c", start, *told], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            try:
                address = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
                answers(address)
                yield address
            finally:
                process.terminate()


def answers(address: str) -> None:
    """Wait until the service at an address does."""
    for _ in range(200):
        with suppress(OSError), urlopen(f"{address}/readyz"):
            return
        time.sleep(0.1)


def draw(page: Page, digit: str, left: float, top: float, size: float) -> None:
    """One of our digits, its box in shares of the sheet."""
    page.locator("#paper").scroll_into_view_if_needed()
    sheet = page.locator("#paper").bounding_box()
    assert sheet
    for points in OURS[digit]:
        places = [
            (
                sheet["x"] + left * sheet["width"] + x * size * sheet["height"],
                sheet["y"] + (top + y * size) * sheet["height"],
            )
            for x, y in smooth(points)
        ]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places:
            page.mouse.move(*place)
        page.mouse.up()
    quiet(page)


OURS = {
    **STROKES,
    "a one with a long beginning": [[(0.2, 0.3), (0.4, 0.2), (0.58, 0.08), (0.56, 0.5), (0.54, 0.94)]],
    "a closed four": [
        [(0.62, 0.1), (0.36, 0.2), (0.28, 0.46), (0.5, 0.5), (0.7, 0.44)],
        [(0.64, 0.09), (0.68, 0.4), (0.64, 0.95)],
    ],
    "a four that is nearly closed": [
        [(0.56, 0.1), (0.3, 0.36), (0.28, 0.5), (0.5, 0.5), (0.7, 0.46)],
        [(0.6, 0.09), (0.66, 0.4), (0.62, 0.95)],
    ],
}
"""Strokes of digits, those of the examples and some that are hard to read; x to the right, y down, about 0..1."""


def quiet(page: Page) -> None:
    """All is read."""
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")


def correct(page: Page, digit: str, truth: str) -> None:
    """A digit that is drawn, and said to be another."""
    draw(page, digit, 0.3, 0.15, 0.6)
    page.locator(f"#truths button[value='{truth}']").click()
    expect(page.locator("#news")).to_contain_text("Kept")
    page.locator("#clear").click()


def doubtful(page: Page) -> None:
    """A digit that may be two, after two corrections."""
    correct(page, "a one with a long beginning", "1")
    correct(page, "a closed four", "4")
    draw(page, "a four that is nearly closed", 0.3, 0.15, 0.6)


def number(page: Page) -> None:
    """A number."""
    page.get_by_label("Number", exact=True).check()
    for index, digit in enumerate("2745"):
        draw(page, digit, 0.06 + 0.2 * index, 0.3, 0.25)


def scores(page: Page) -> None:
    """A page of a notebook."""
    page.get_by_label("Open a picture").set_input_files(ROOT / "docs" / "read" / "scores.jpg")
    expect(page.locator("#boxes .box")).to_have_count(8)


def save(page: Page, name: str) -> None:
    """What the window shows, in few colours."""
    page.evaluate("news('')")
    page.mouse.move(2, 2)
    page.wait_for_timeout(300)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        HERE / f"web-{name}.png", optimize=True
    )


def main() -> None:
    """Take all of them."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    pictures = (
        ("digit", doubtful, DESK, "light"),
        ("page", scores, DESK, "dark"),
        ("phone", doubtful, PHONE, "light"),
        ("phone-number", number, PHONE, "dark"),
    )
    expect.set_options(timeout=60_000)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, act, window, scheme in pictures:
            with serving() as address, browser.new_page(viewport=window, color_scheme=scheme) as page:
                page.goto(address)
                act(page)
                save(page, name)
        browser.close()


if __name__ == "__main__":
    main()
