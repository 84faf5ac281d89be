"""The page of the service in headless Chromium: pointers, pictures, corrections, errors. Every console error fails."""

import io
import re
import shutil
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image
from screens import stays_sharp

from zeronine import Reader, taught
from zeronine.reader import MODELS, SHIPPED

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "src" / "zeronine" / "serve" / "static" / "index.html"
SCORES = ROOT / "docs" / "read" / "scores.jpg"
HARD = ROOT / "docs" / "read" / "hard.jpg"
READ_ON_SCORES = ["128", "97", "2048", "351", "74", "1066", "590", "83"]

sys.path.append(str(ROOT / "examples"))
from draw import STROKES, smooth

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install 'zeronine[dev]'")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

if CHROMIUM:
    playwright.expect.set_options(timeout=20_000)

Place = tuple[float, float]


START = "import typer; from zeronine.cli_serve import serve; typer.run(serve)"


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """A service of its own process, and its address."""
    told = ["--store", str(folder / "store.db"), "--taught", str(folder / "taught"), *options]
    command = [sys.executable, "-c", START, *(told if "--port" in told else ["--port", "0", *told])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        address = next((found[0] for line in process.stderr if (found := re.search(r"http://\S+", line))), "")
        assert address, "the service did not start"
        log = threading.Thread(target=process.stderr.read)  # a full pipe would hold it up
        log.start()
        try:
            is_ready(address)
            yield address + "/"
        finally:
            process.terminate()
            log.join()


def is_ready(address: str) -> None:
    """The service at an address answers."""
    for _ in range(200):
        with suppress(OSError), urlopen(f"{address}/readyz"):
            return
        time.sleep(0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service keeps corrections and taught models, one of them."""
    folder = tmp_path_factory.mktemp("service")
    shutil.copytree(MODELS / SHIPPED, folder / "taught" / "again")
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, service: str) -> Iterator[Callable[..., Any]]:
    """Opens the page; at the end nothing may have gone wrong in it but what the test expects."""
    contexts, wrong = [], []

    def opened(*, expected: str = "$^", address: str = service, **options: Any) -> Any:
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda message: (
                message.type == "error" and not re.search(expected, message.text) and wrong.append(message.text)
            ),
        )
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(visit: Callable[..., Any]) -> Any:
    return visit()


def strokes(page: Any, digit: str, left: float = 0.3, top: float = 0.15, size: float = 0.6) -> list[list[Place]]:
    """Places in the window of the strokes of a digit, in a box given in shares of the sheet."""
    page.locator("#paper").scroll_into_view_if_needed()
    sheet = page.locator("#paper").bounding_box()
    scale = size * sheet["height"]
    corner = (sheet["x"] + left * sheet["width"], sheet["y"] + top * sheet["height"])
    return [[(corner[0] + x * scale, corner[1] + y * scale) for x, y in smooth(points)] for points in STROKES[digit]]


def draw(page: Any, digit: str, *box: float) -> None:
    """A digit with the mouse."""
    for stroke in strokes(page, digit, *box):
        page.mouse.move(*stroke[0])
        page.mouse.down()
        for place in [*stroke[::5], stroke[-1]]:
            page.mouse.move(*place)
        page.mouse.up()


def write(page: Any, number: str) -> None:
    """A number with the mouse."""
    page.get_by_label("Number", exact=True).check()
    for index, digit in enumerate(number):
        draw(page, digit, 0.06 + 0.2 * index, 0.3, 0.24)


def touch(page: Any, strokes: list[list[Place]]) -> None:
    """Strokes with a finger."""
    session = page.context.new_cdp_session(page)

    def send(event: str, places: list[Place]) -> None:
        points = [{"x": x, "y": y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": event, "touchPoints": points})

    for stroke in strokes:
        send("touchStart", stroke[:1])
        for place in stroke[1::3]:
            send("touchMove", [place])
        send("touchEnd", [])


def tap(page: Any, target: Any) -> None:
    """A tap of a finger. Playwright's own `target.tap` listens for touches, and Chromium drops those that a busy page
    with a listener leaves unanswered for 200 ms."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def sent(page: Any) -> Image.Image:
    """The drawing as it is sent: Playwright does not give the bodies of requests that hold files."""
    return Image.open(io.BytesIO(b64decode(page.evaluate("drawing().toDataURL().split(',')[1]")))).convert("L")


def is_read(page: Any, digit: str) -> None:
    playwright.expect(page.locator("#digit")).to_have_text(digit)


def is_quiet(page: Any) -> None:
    """The last stroke is read."""
    playwright.expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")


def readings(page: Any, count: int) -> list[str]:
    """What the fields of the numbers hold, once all is read and there are so many."""
    is_quiet(page)
    playwright.expect(page.locator("#list input")).to_have_count(count)
    return [field.input_value() for field in page.locator("#list input").all()]


def kept(page: Any) -> list[dict[str, Any]]:
    """The corrections that the service holds, newest first."""
    rows = page.request.get(page.url + "v1/corrections").json()["corrections"]
    assert isinstance(rows, list)
    return rows


def test_one_small_file_that_needs_nothing_from_outside() -> None:
    text = PAGE.read_text()
    assert len(text.encode()) < 60_000
    assert set(re.findall(r"\w+://[^'\"]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"\s(style|on\w+)=", text.split("<script>")[0])  # a strict policy would refuse them


def test_a_drawn_digit_is_read_as_the_reader_does(page: Any) -> None:
    draw(page, "5")
    is_read(page, "5")
    is_quiet(page)
    prediction = Reader().predict(sent(page))
    assert page.locator("#sure").inner_text() == f"{round(100 * prediction.confidence)} % sure"
    shares = [int(share) for share in page.locator("#bars .share").all_inner_texts()]
    nothing = 1 - float(prediction.probabilities.sum())
    assert shares == [round(100 * float(share)) for share in [*prediction.probabilities, max(nothing, 0)]]
    assert len(shares) == 11
    seen = page.evaluate("[seen.naturalWidth, seen.naturalHeight, getComputedStyle(seen).imageRendering]")
    assert seen == [28, 28, "pixelated"]
    playwright.expect(page.locator("#spoken")).to_have_text(f"5, {round(100 * prediction.confidence)} % sure")


def test_it_reads_while_the_pen_is_down(page: Any) -> None:
    stroke = strokes(page, "5")[0]
    page.mouse.move(*stroke[0])
    page.mouse.down()
    for place in stroke[1 : len(stroke) // 3]:
        page.mouse.move(*place)
    playwright.expect(page.locator("#sure")).to_have_text(re.compile("sure|no digit"))
    before = page.locator("#bars").inner_text()
    for place in stroke[len(stroke) // 3 :]:
        page.mouse.move(*place)
    is_read(page, "5")
    assert page.locator("#bars").inner_text() != before
    page.mouse.up()


def test_a_finger_draws_and_the_page_stays_where_it_is(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 375, "height": 640}, has_touch=True, is_mobile=True)
    touch(page, strokes(page, "7"))
    is_read(page, "7")
    assert page.evaluate("scrollY") == 0
    is_quiet(page)
    page.set_viewport_size({"width": 375, "height": 1000})  # a tap on a page that scrolls only stops it
    page.wait_for_timeout(300)
    tap(page, page.locator("#truths button").last)
    playwright.expect(page.locator("#news")).to_contain_text("no digit")
    page.wait_for_timeout(300)
    tap(page, page.locator("#news button"))
    playwright.expect(page.locator("#news")).to_be_hidden()


def test_a_pen_that_is_pressed_harder_draws_thicker(page: Any) -> None:
    session = page.context.new_cdp_session(page)
    widths = []
    for force in (0.1, 0.9):
        for event, x in (("mousePressed", 200), ("mouseMoved", 240), ("mouseReleased", 240)):
            place = {"x": x, "y": 300, "button": "left", "buttons": 1, "pointerType": "pen", "force": force}
            session.send("Input.dispatchMouseEvent", {"type": event, "clickCount": 1, **place})
        widths.append(page.evaluate("desk.strokes.at(-1)[0].width"))
    assert widths[1] > 1.5 * widths[0]


def test_undo_clear_and_thickness(page: Any) -> None:
    draw(page, "4")
    is_read(page, "4")
    page.get_by_role("button", name="Undo").first.click()
    assert page.evaluate("desk.strokes.length") == 1
    page.keyboard.press("Control+z")
    playwright.expect(page.locator("#sure")).to_have_text("Nothing to read yet")
    playwright.expect(page.locator("#undo")).to_be_disabled()
    page.get_by_label("Thickness").fill("9")
    draw(page, "7")
    is_read(page, "7")
    assert page.evaluate("desk.strokes[0][0].width") > 1.7 * 9 * 5 / 2
    page.get_by_role("button", name="Clear").click()
    is_read(page, "")
    page.get_by_role("button", name="Undo").first.click()  # takes back the clear
    is_read(page, "7")


@pytest.mark.parametrize("way", ["undo", "clear", "picture"])
def test_a_stroke_ends_where_the_sheet_is_changed(page: Any, way: str) -> None:
    draw(page, "7")
    before = page.evaluate("desk.strokes")
    place = strokes(page, "4")[0][0]
    page.mouse.move(*place)
    page.mouse.down()
    if way == "picture":
        page.get_by_label("Open a picture").set_input_files(SCORES)
        playwright.expect(page.locator("#paper")).to_be_hidden()
    else:
        page.evaluate(f"document.getElementById('{way}').click()")
    page.mouse.move(place[0] + 40, place[1] + 40)
    page.mouse.up()
    assert page.evaluate("desk.strokes") == (before if way == "undo" else [])


def test_what_is_no_digit_is_shown_as_such(page: Any) -> None:
    page.locator("#paper").scroll_into_view_if_needed()
    sheet = page.locator("#paper").bounding_box()
    for step in range(60):
        x, y = sheet["x"] + 60 + step * 7, sheet["y"] + (80 if step % 2 else 300)
        page.mouse.move(x, y)
        page.mouse.down()
    page.mouse.up()
    playwright.expect(page.locator("#sure")).to_have_text(re.compile("no digit|Unsure"))
    is_read(page, "?")


def test_a_late_answer_never_replaces_a_newer_one(page: Any) -> None:
    held: list[Any] = []
    page.route("**/v1/predict*", lambda route: held.append(route) if not held else route.continue_())
    draw(page, "5")
    assert len(held) == 1  # one request at a time
    page.get_by_role("button", name="Clear").click()
    draw(page, "7")
    is_read(page, "7")
    held[0].fulfill(json={"digit": 5, "confidence": 1, "rejected": False, "reason": "", "probabilities": [0.1] * 10})
    page.wait_for_timeout(200)
    is_read(page, "7")


def test_a_number_is_written_and_boxed(page: Any) -> None:
    write(page, "2745")
    playwright.expect(page.locator("#list input")).to_have_value("2745")
    is_quiet(page)
    places = [place for stroke in strokes(page, "2", 0.06, 0.3, 0.24) for place in stroke]
    places += [place for stroke in strokes(page, "5", 0.66, 0.3, 0.24) for place in stroke]
    box = page.locator("#boxes .box").bounding_box()
    assert box["x"] == pytest.approx(min(x for x, _ in places), abs=14)
    assert box["x"] + box["width"] == pytest.approx(max(x for x, _ in places), abs=14)
    assert "2745" in page.locator("#boxes .box").inner_text()
    asked = page.evaluate("performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname)")
    assert asked.count("/v1/models") == 1  # no reading of a number says which model reads digits
    playwright.expect(page.locator("#spoken")).to_have_text(re.compile("1 number; 2745, "))


@pytest.mark.parametrize("width", [375, 1280])
def test_boxes_lie_where_the_numbers_are(visit: Callable[..., Any], width: int) -> None:
    page = visit(viewport={"width": width, "height": 900})
    page.get_by_label("Open a picture").set_input_files(SCORES)
    assert readings(page, 8) == READ_ON_SCORES
    photo = page.locator("#photo").bounding_box()
    assert photo["width"] / photo["height"] == pytest.approx(900 / 640, rel=0.01)
    for number, box in zip(Reader().read(SCORES), page.locator("#boxes .box").all(), strict=True):
        left, top, wide, high = number.box
        shown = box.bounding_box()
        assert shown["x"] == pytest.approx(photo["x"] + left * photo["width"], abs=2)
        assert shown["y"] == pytest.approx(photo["y"] + top * photo["height"], abs=2)
        assert shown["width"] == pytest.approx(wide * photo["width"], abs=2)
        assert shown["height"] == pytest.approx(high * photo["height"], abs=2)
    page.locator("#boxes .box").nth(2).click()
    assert page.evaluate("document.activeElement.value") == "2048"


def test_a_picture_lies_as_its_exif_data_say(page: Any, tmp_path: Path) -> None:
    turned, exif = Image.open(SCORES).transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # turn it clockwise to see it upright
    turned.save(tmp_path / "phone.jpg", exif=exif, quality=95)
    page.get_by_label("Open a picture").set_input_files(tmp_path / "phone.jpg")
    assert readings(page, 8) == READ_ON_SCORES
    assert page.evaluate("[photo.naturalWidth, photo.naturalHeight]") == [900, 640]
    photo, box = page.locator("#photo").bounding_box(), page.locator("#boxes .box").first.bounding_box()
    left, top, *_ = Reader().read(SCORES)[0].box
    assert box["x"] == pytest.approx(photo["x"] + left * photo["width"], abs=4)
    assert box["y"] == pytest.approx(photo["y"] + top * photo["height"], abs=4)


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_are_pasted_and_dropped(page: Any, way: str) -> None:
    page.evaluate(
        """([way, bytes]) => {
          const transfer = new DataTransfer()
          transfer.items.add(new File([new Uint8Array(bytes)], "page.jpg", { type: "image/jpeg" }))
          const [Event, name] = way === "paste" ? [ClipboardEvent, "clipboardData"] : [DragEvent, "dataTransfer"]
          stage.dispatchEvent(new Event(way, { bubbles: true, cancelable: true, [name]: transfer }))
        }""",
        [way, list(SCORES.read_bytes())],
    )
    assert readings(page, 8) == READ_ON_SCORES


def test_a_doubtful_number_is_marked_with_its_reason_and_put_right_with_a_tap(page: Any) -> None:
    page.get_by_label("Open a picture").set_input_files(HARD)
    playwright.expect(page.locator("#boxes .doubtful")).to_contain_text("unsure")
    row = page.locator("#list .doubtful")
    playwright.expect(row).to_contain_text("unsure")
    text = row.locator("input").input_value()
    other = row.locator(".chips button").first.inner_text()
    row.locator(".chips button").first.click()
    playwright.expect(row).to_contain_text("kept: " + other)
    newest = kept(page)[0]
    assert (newest["reading"], newest["truth"]) == (text, other) or len(text) == len(other)
    page.locator("#news button").click()
    playwright.expect(row).to_contain_text("unsure")


def test_of_two_pictures_the_later_one_is_shown_though_it_is_decoded_first(page: Any) -> None:
    page.evaluate(
        """() => {
          const decode = HTMLImageElement.prototype.decode, slow = new Promise(done => goOn = done)
          let count = 0
          HTMLImageElement.prototype.decode = function () {
            return (count++ ? Promise.resolve() : slow).then(() => decode.call(this))
          }
        }"""
    )
    page.get_by_label("Open a picture").set_input_files(HARD)
    page.get_by_label("Open a picture").set_input_files(SCORES)
    assert readings(page, 8) == READ_ON_SCORES
    page.evaluate("goOn()")
    page.wait_for_timeout(200)
    assert readings(page, 8) == READ_ON_SCORES


def test_a_picture_of_one_digit(page: Any) -> None:
    page.get_by_label("Open a picture").set_input_files(ROOT / "examples" / "paper-7.jpg")
    page.get_by_label("Digit", exact=True).check()
    is_read(page, "7")
    page.get_by_role("button", name="Clear").click()
    playwright.expect(page.locator("#hint")).to_be_visible()


def test_what_is_no_picture_is_refused_in_words_and_let_go(page: Any) -> None:
    page.evaluate(
        """() => {
          const made = URL.createObjectURL
          files = new Set()
          URL.createObjectURL = file => {
            const address = made(file)
            if (file instanceof File) files.add(address)  // and no picture of the gallery
            return address
          }
          URL.revokeObjectURL = address => files.delete(address)
        }"""
    )
    page.get_by_label("Open a picture").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no"})
    playwright.expect(page.get_by_role("alert")).to_contain_text("cannot show that file")
    assert page.evaluate("files.size") == 0


def test_a_digit_is_corrected_taken_back_and_corrected_again(page: Any) -> None:
    before = kept(page)
    draw(page, "5")
    is_read(page, "5")
    three = page.get_by_role("button", name="3", exact=True)
    three.click()
    playwright.expect(three).to_have_attribute("aria-pressed", "true")
    playwright.expect(page.locator("#news")).to_contain_text("Kept: it was 3.")
    newest = kept(page)[0]
    assert (newest["reading"], newest["truth"], newest["model"]) == ("5", "3", Reader().name)
    stored = page.request.get(f"{page.url}v1/corrections/{newest['id']}/image").body()
    assert Reader().predict(stored).digit == 5
    page.get_by_role("button", name="8", exact=True).click()  # instead of the 3
    playwright.expect(page.locator("#news")).to_contain_text("it was 8")
    assert [row["truth"] for row in kept(page)[: len(kept(page)) - len(before)]] == ["8"]
    page.locator("#news button").click()
    playwright.expect(page.locator("#news")).to_be_hidden()
    playwright.expect(page.locator("#truths [aria-pressed=true]")).to_have_count(0)
    assert kept(page) == before


def test_the_gallery_is_there_next_time_and_takes_back(page: Any) -> None:
    draw(page, "4")
    is_read(page, "4")
    page.get_by_role("button", name="9", exact=True).click()
    tile = page.locator("#gallery li").first
    playwright.expect(tile).to_contain_text("4 → 9")
    page.reload()
    playwright.expect(tile).to_contain_text("4 → 9")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.querySelector('#gallery img').naturalWidth") == 640
    count = len(kept(page))
    tile.get_by_role("button").click()
    playwright.expect(page.locator("#gallery li")).to_have_count(count - 1)
    assert len(kept(page)) == count - 1


def test_a_correction_that_is_not_deleted_stays_and_one_that_is_gone_goes(visit: Callable[..., Any]) -> None:
    page = visit(expected="500|404")
    draw(page, "5")
    is_read(page, "5")
    three = page.get_by_role("button", name="3", exact=True)
    three.click()
    playwright.expect(three).to_have_attribute("aria-pressed", "true")
    count = len(kept(page))
    page.route("**/v1/corrections/*", lambda route: route.fulfill(status=500, json={"detail": "no disk"}))
    page.locator("#gallery li button").first.click()
    playwright.expect(page.get_by_role("alert")).to_contain_text("no disk")
    playwright.expect(page.locator("#gallery li")).to_have_count(count)
    playwright.expect(three).to_have_attribute("aria-pressed", "true")
    page.unroute("**/v1/corrections/*")
    page.request.delete(f"{page.url}v1/corrections/{kept(page)[0]['id']}")
    three.click()  # takes it back
    playwright.expect(page.locator("#gallery li")).to_have_count(count - 1)
    playwright.expect(three).to_have_attribute("aria-pressed", "false")


def test_one_mistaken_digit_of_a_number_is_kept_by_itself(page: Any) -> None:
    page.get_by_label("Open a picture").set_input_files(SCORES)
    readings(page, 8)
    field = page.locator("#list input").nth(5)
    field.fill("1056")
    field.press("Enter")
    playwright.expect(page.locator("#list li").nth(5)).to_contain_text("kept: 1056")
    newest = kept(page)[0]
    assert (newest["reading"], newest["truth"]) == ("6", "5")
    piece = page.request.get(f"{page.url}v1/corrections/{newest['id']}/image").body()
    assert Reader().predict(piece).digit == 6  # the picture is that of the one digit
    field.fill("10566")  # another count of digits: now it is the whole number
    field.press("Enter")
    playwright.expect(page.locator("#news")).to_contain_text("10566")
    newest, *before = kept(page)
    assert (newest["reading"], newest["truth"]) == ("1066", "10566")
    assert all(row["truth"] != "5" for row in before)
    piece = page.request.get(f"{page.url}v1/corrections/{newest['id']}/image").body()
    assert [number.text for number in Reader().read(piece)] == ["1066"]


def test_a_drawing_waits_until_the_network_is_back(visit: Callable[..., Any]) -> None:
    page = visit(expected="ERR_INTERNET_DISCONNECTED")
    playwright.expect(page.locator("#model")).to_contain_text("in use")
    page.context.set_offline(True)
    draw(page, "5")
    playwright.expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.context.set_offline(False)
    is_read(page, "5")
    playwright.expect(page.get_by_role("alert")).to_be_hidden()


def test_a_busy_service_is_asked_again_when_it_says(visit: Callable[..., Any]) -> None:
    page = visit(expected="503")
    answers = iter([{"status": 503, "headers": {"Retry-After": "1"}, "json": {"detail": "busy"}}])
    page.route(
        "**/v1/predict*",
        lambda route: route.fulfill(**answer) if (answer := next(answers, None)) else route.continue_(),
    )
    page.evaluate(
        """heard = []; new MutationObserver(() => heard.push(trouble_.textContent)).observe(
        trouble_ = document.getElementById("trouble"), { subtree: true, childList: true })"""
    )
    draw(page, "5")
    is_read(page, "5")
    assert "The service is busy. It is asked again in 1 s." in page.evaluate("heard")
    playwright.expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize(("status", "path"), [(413, "read"), (429, "corrections"), (500, "predict")])
def test_what_the_service_refuses_is_said(visit: Callable[..., Any], status: int, path: str) -> None:
    page = visit(expected=str(status))
    said = {"detail": f"a sentence about {status}"} if status != 500 else {}
    page.route(
        f"**/v1/{path}",
        lambda route: route.fulfill(status=status, json=said) if route.request.method == "POST" else route.continue_(),
    )
    page.route(
        f"**/v1/{path}?*",
        lambda route: route.fulfill(status=status, json=said) if route.request.method == "POST" else route.continue_(),
    )
    if path == "read":
        page.get_by_label("Open a picture").set_input_files(SCORES)
    else:
        draw(page, "5")
    if path == "corrections":
        is_read(page, "5")
        page.get_by_role("button", name="3", exact=True).click()
    playwright.expect(page.get_by_role("alert")).to_contain_text(said.get("detail", "The service failed (500)"))


def test_a_refusal_stays_said_while_the_reading_goes_on(visit: Callable[..., Any]) -> None:
    page = visit(expected="429")
    page.route("**/v1/corrections", lambda route: route.fulfill(status=429, json={"detail": "too much"}))
    draw(page, "5")
    is_read(page, "5")
    is_quiet(page)
    waiting: list[Any] = []
    page.route("**/v1/predict?*", lambda route: waiting.append(route))
    draw(page, "5")  # again, and not read yet
    page.get_by_role("button", name="3", exact=True).click()
    alert = page.get_by_role("alert")
    playwright.expect(alert).to_contain_text("too much")
    page.unroute("**/v1/predict?*")
    for route in waiting:
        route.continue_()
    is_quiet(page)
    playwright.expect(alert).to_contain_text("too much")
    draw(page, "5")
    playwright.expect(alert).to_be_hidden()


def test_the_token_is_asked_for_once(visit: Callable[..., Any], tmp_path: Path) -> None:
    token = "a-token-that-is-long-enough"
    with serving(tmp_path, "--token", token) as address:
        page = visit(expected="401", address=address)
        page.locator("#token").fill("another")
        page.keyboard.press("Enter")
        playwright.expect(page.get_by_text("That one was refused.")).to_be_visible()
        page.locator("#token").fill(token)
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#ask")).to_be_hidden()
        draw(page, "5")
        is_read(page, "5")
        page.get_by_role("button", name="3", exact=True).click()
        playwright.expect(page.locator("#gallery li")).to_have_count(1)
        page.reload()
        playwright.expect(page.locator("#gallery li")).to_have_count(1)
        page.evaluate("sessionStorage.clear()")
        page.reload()
        page.get_by_role("button", name="Not now").click()
        draw(page, "7")
        playwright.expect(page.locator("#ask")).to_be_hidden()  # it does not ask at every stroke
        page.get_by_role("alert").get_by_role("button").click()
        playwright.expect(page.locator("#ask")).to_be_visible()
        page.context.close()  # while there is a service that it may still ask


def test_it_goes_on_when_a_service_that_ended_is_there_again(visit: Callable[..., Any], tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        page = visit(expected="ERR_CONNECTION_REFUSED", address=address)
        draw(page, "5")
        is_read(page, "5")
    page.get_by_role("button", name="6", exact=True).click()
    playwright.expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    with serving(tmp_path, "--port", address.rstrip("/").rpartition(":")[2]):
        playwright.expect(page.locator("#news")).to_contain_text("Kept: it was 6.")
        playwright.expect(page.get_by_role("alert")).to_be_hidden()
        page.context.close()


def test_with_the_keyboard_alone(page: Any) -> None:
    visited = []
    with page.expect_file_chooser() as chooser:
        for _ in range(8):
            page.keyboard.press("Tab")
            visited.append(
                page.evaluate(
                    "document.activeElement.ariaLabel || document.activeElement.id || document.activeElement.value"
                )
            )
            if visited[-1] == "Open a picture":
                page.keyboard.press("Enter")
                break
    assert visited == ["model", "digit", "Thickness of the pen", "Open a picture"]
    chooser.value.set_files(ROOT / "examples" / "screen-5.png")
    readings(page, 1)
    page.get_by_label("Number", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    is_read(page, "5")
    page.get_by_label("Open a picture").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    playwright.expect(page.locator("#news")).to_contain_text("it was ")
    while page.evaluate("document.activeElement.closest('#gallery') === null"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#truths [aria-pressed=true]")).to_have_count(0)


def test_it_is_sharp_on_another_screen(page: Any) -> None:
    stays_sharp(page, playwright.expect)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_ink_is_sent_whatever_the_colours(visit: Callable[..., Any], scheme: str) -> None:
    page = visit(color_scheme=scheme, reduced_motion="reduce")
    draw(page, "7")
    is_read(page, "7")
    drawing = sent(page)
    assert drawing.size == (640, 480)
    assert drawing.getextrema() == (0, 255)
    assert drawing.getpixel((0, 0)) == 255
    background = page.evaluate("getComputedStyle(stage).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(background) > 380) == (scheme == "light")
    assert page.evaluate("getComputedStyle(document.querySelector('.bar')).transitionDuration") == "0s"


@pytest.mark.parametrize("width", [375, 1280])
def test_it_fits_holds_still_and_can_be_hit(visit: Callable[..., Any], width: int) -> None:
    phone = width < 500
    page = visit(viewport={"width": width, "height": 800}, has_touch=phone, is_mobile=phone)
    page.evaluate(
        """moved = 0; new PerformanceObserver(list => list.getEntries().forEach(shift => moved += shift.value))
        .observe({ type: "layout-shift" })"""
    )
    draw(page, "5")
    is_read(page, "5")
    is_quiet(page)
    assert page.evaluate("moved") < 0.001
    page.get_by_role("button", name="2", exact=True).click()
    page.get_by_role("button", name="Clear").click()
    write(page, "27")
    assert readings(page, 1) == ["27"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    tools = page.locator(".tools > :visible").all()
    assert len(tools) == (4 if phone else 3)  # a phone has a camera
    assert len({tool.bounding_box()["y"] for tool in tools}) == 1
    for target in page.locator("button:visible, select:visible, .button:visible, .modes label, #list input").all():
        box = target.bounding_box()
        assert min(box["width"], box["height"]) >= 44, target.inner_text()


def test_the_model_that_is_chosen_reads_and_one_that_is_promoted_is_seen(page: Any, folder: Path) -> None:
    model, by = page.get_by_label("Model"), page.locator("#one .by")
    model.locator("option").nth(1).wait_for(state="attached")
    assert set(model.locator("option").all_inner_texts()) == {f"{SHIPPED}, in use", "again"}
    draw(page, "5")
    playwright.expect(by).to_have_text(f"read by {SHIPPED}")
    model.select_option("again")
    playwright.expect(by).to_have_text("read by again")
    model.select_option("")
    playwright.expect(by).to_have_text(f"read by {SHIPPED}")
    taught.promote(folder / "taught" / "again", folder / "taught")
    page.wait_for_timeout(1500)  # the service looks once a second
    draw(page, "5")
    playwright.expect(by).to_have_text("read by again")
    playwright.expect(model).to_contain_text("again, in use")
    taught.back(folder / "taught")
