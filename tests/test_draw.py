"""The drawing window: its state without a window, the window without a screen, and on a virtual screen with a mouse."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
pygame = pytest.importorskip("pygame", reason="needs the extra draw")

from zeronine.draw.desk import Desk
from zeronine.draw.layout import layout
from zeronine.draw.reading import Mode, Task, Worker, read
from zeronine.draw.selftest import STROKES, write
from zeronine.draw.sheet import Rendering, Sheet
from zeronine.draw.window import Window
from zeronine.errors import MissingExtra
from zeronine.image import load_pixels
from zeronine.reader import Reader
from zeronine.store import Store

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures"
COMMAND = [sys.executable, "-c", "from zeronine.cli_draw import main; main()"]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(str(tmp_path / "corrections.db"))
    yield opened
    opened.close()


@pytest.fixture
def desk(reader: Reader, store: Store) -> Iterator[Desk]:
    made = Desk(reader, lambda: store, lambda: None)
    yield made
    made.close()


@pytest.fixture
def window(reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    made = Window(reader, store=str(tmp_path / "corrections.db"), size=(1160, 760))
    yield made
    made.close()


def draw(desk: Desk, digit: str, corner: tuple[float, float] = (140, 45), height: float = 150) -> None:
    """Draw a digit on the sheet, in its pixels."""
    for stroke in STROKES[digit]:
        points = [tuple(float(side) for side in pair.split(",")) for pair in stroke.split()]
        places = [(corner[0] + height / 100 * x, corner[1] + height / 100 * y) for x, y in points]
        desk.begin(places[0])
        for place in places[1:]:
            desk.extend(place)
        desk.end()
    desk.settle()


# ---- the sheet


def stroke(sheet: Sheet, *points: tuple[float, float]) -> None:
    sheet.begin(points[0], 10)
    for point in points[1:]:
        sheet.extend(point)
    sheet.end()


def test_everything_can_be_taken_back() -> None:
    sheet = Sheet()
    stroke(sheet, (10, 10), (100, 100))
    stroke(sheet, (200, 10), (200, 100))
    sheet.clear()
    sheet.open(np.zeros((50, 80), np.uint8))
    seen = []
    while sheet.undo():
        seen.append((sheet.size, len(sheet.strokes)))
    assert seen == [((360, 240), 0), ((360, 240), 2), ((360, 240), 1), ((360, 240), 0)]
    assert sheet.blank


def test_the_stroke_that_is_being_drawn_is_taken_back_alone() -> None:
    sheet = Sheet()
    stroke(sheet, (10, 10), (100, 100))
    sheet.begin((200, 10), 10)
    sheet.undo()
    sheet.extend((200, 100))
    sheet.end()
    assert [drawn.points[0] for drawn in sheet.strokes] == [(10, 10)]


def test_what_is_drawn_bit_by_bit_is_what_is_drawn_at_once() -> None:
    sheet = Sheet()
    rendering = Rendering(sheet)
    for left in (50, 150, 250):
        sheet.begin((left, 20), 12)
        for row in range(30, 300, 30):
            sheet.extend((left + row % 7, row))
            rendering.pixels()
        sheet.end()
    at_once = Rendering(sheet)
    assert np.array_equal(rendering.pixels(), at_once.pixels())
    sheet.undo()
    assert np.array_equal(rendering.pixels((720, 480)), Rendering(sheet).pixels((720, 480)))


def test_a_tap_is_a_dot_and_ink_is_light_on_a_dark_picture() -> None:
    sheet = Sheet()
    sheet.begin((100, 100), 20)
    sheet.end()
    assert Rendering(sheet).pixels()[100, 100] < 50
    sheet.open(np.full((60, 60, 3), 20, np.uint8))
    stroke(sheet, (10, 30), (50, 30))
    assert Rendering(sheet).pixels()[30, 30].min() > 200


def test_a_picture_becomes_paper() -> None:
    sheet = Sheet()
    sheet.open(np.zeros((3000, 2000, 3), np.float32))
    assert sheet.size == (1067, 1600)
    clear = np.zeros((40, 40, 4), np.uint8)
    clear[10:20, 10:20, 3] = 255
    sheet.open(clear)
    pixels = Rendering(sheet).pixels()
    assert pixels[0, 0].tolist() == [255] * 3
    assert pixels[15, 15].tolist() == [0] * 3


# ---- reading


def test_of_what_waits_only_the_newest_is_read() -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen: list[int] = []

    class Slow:
        def see(self, pixels: NDArray[np.int64]) -> tuple[None, None]:
            seen.append(int(pixels[0]))
            begun.set()
            go_on.wait()
            return None, None

    worker = Worker(Slow(), lambda: None)  # type: ignore[arg-type]
    worker.submit(Task(1, Mode.digit, np.array([1])))
    begun.wait()
    for version in (2, 3, 4, 5):
        worker.submit(Task(version, Mode.digit, np.array([version])))
    go_on.set()
    assert worker.settled().version == 5
    assert seen == [1, 5]
    worker.close()


def test_whatever_fails_in_reading_is_said() -> None:
    class Failing:
        def see(self, pixels: NDArray[np.int64]) -> None:
            raise MemoryError("no room")

    assert read(Failing(), Task(1, Mode.digit, np.array([1]))).problem == "MemoryError('no room')"  # type: ignore[arg-type]


def test_a_mouse_that_only_moves_has_nothing_read(desk: Desk) -> None:
    draw(desk, "4")
    desk.extend((5, 5))
    assert desk.settled


def test_it_reads_what_is_drawn_as_a_reader_reads_it(desk: Desk, reader: Reader) -> None:
    draw(desk, "4")
    assert desk.title == "4"
    assert desk.reading.seen is not None
    assert desk.reading.seen.shape == (28, 28)
    read = reader.predict(Rendering(desk.sheet).pixels())
    assert np.array_equal(desk.reading.prediction.probabilities, read.probabilities)  # type: ignore[union-attr]
    desk.undo()
    desk.undo()
    desk.settle()
    assert desk.title == ""


def test_the_view_shown_is_the_one_that_was_read(reader: Reader) -> None:
    for path in sorted((ROOT / "examples").glob("*.*g")):
        prediction, seen = reader.see(path)
        assert seen is not None
        row = reader.probabilities(seen[None])[0]
        assert np.allclose(row, prediction.probabilities, atol=1e-5)
    prediction, seen = reader.see(np.full((50, 50), 255, np.uint8))
    assert (prediction.reason, seen) == ("blank", None)


def test_it_reads_a_whole_number(desk: Desk) -> None:
    for place, digit in enumerate("742"):
        draw(desk, digit, (75 + 68 * place, 75), 75)
    assert desk.reading.numbers == ()
    desk.switch()
    desk.settle()
    assert desk.title == "742"


# ---- corrections


def test_a_correction_is_kept_and_taken_back(desk: Desk, store: Store) -> None:
    draw(desk, "7")
    desk.type("1")
    (kept,) = store.all()
    assert (kept.truth, kept.reading, kept.model) == ("1", "7", "standard_v1")
    assert kept.confidence > 0.9
    assert np.array_equal(load_pixels(kept.picture), Rendering(desk.sheet).pixels())
    assert "that was 1, not 7" in desk.message
    desk.undo()
    assert store.count() == 0
    assert "taken back" in desk.message
    assert not desk.sheet.blank


def test_a_second_correction_takes_the_place_of_the_first(desk: Desk, store: Store) -> None:
    draw(desk, "7")
    desk.correct("1")
    desk.correct("")
    assert [kept.truth for kept in store.all()] == [""]
    desk.undo()
    assert store.count() == 0


def test_a_correction_is_taken_back_after_clearing_too(desk: Desk, store: Store) -> None:
    draw(desk, "7")
    desk.correct("1")
    desk.clear()
    desk.undo()
    assert store.count() == 1
    desk.undo()
    assert store.count() == 0


def test_an_empty_sheet_is_not_corrected(desk: Desk, store: Store) -> None:
    desk.type("3")
    assert store.count() == 0
    assert "Draw something" in desk.message


def test_a_number_is_corrected_by_typing_it(desk: Desk, store: Store, reader: Reader) -> None:
    desk.switch()
    for row, digits in ((22, "74"), (150, "42")):
        for place, digit in enumerate(digits):
            draw(desk, digit, (110 + 60 * place, row), 64)
    assert desk.title == "74  42"
    desk.chosen = 1
    for key in "4", "x", "9", "9":
        desk.type(key)
    desk.rub_out()
    desk.answer(True)
    (kept,) = store.all()
    assert (kept.truth, kept.reading) == ("49", "42")
    piece = load_pixels(kept.picture)
    assert piece.shape[0] < 120
    assert [number.text for number in reader.read(piece)] == ["42"]
    desk.type("5")
    desk.answer(False)
    assert store.count() == 1


def test_each_number_has_a_correction_of_its_own(desk: Desk, store: Store) -> None:
    desk.switch()
    for row in (22, 150):
        draw(desk, "7", (110, row), 64)
    for chosen, truth in ((0, "1"), (1, "2"), (0, "3")):
        desk.chosen = chosen
        desk.correct(truth)
    assert [kept.truth for kept in store.all()] == ["2", "3"]
    assert desk.kept is not None
    assert desk.kept.truth == "3"
    for left in (["2"], []):
        desk.undo()
        assert [kept.truth for kept in store.all()] == left
    assert len(desk.sheet.strokes) == 2


# ---- pictures


def test_a_picture_is_saved_and_opened(desk: Desk, tmp_path: Path) -> None:
    draw(desk, "2")
    desk.save(str(tmp_path / "two.jpeg"))
    pixels = Rendering(desk.sheet).pixels()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "two.png")), pixels)
    desk.clear()
    desk.open(str(tmp_path / "two.png"))
    desk.settle()
    assert desk.title == "2"
    desk.open(str(ROOT / "examples" / "board-3.jpg"))
    desk.settle()
    assert desk.title == "3"


def test_what_cannot_be_opened_or_saved_is_said(desk: Desk, tmp_path: Path) -> None:
    desk.open(str(tmp_path / "none.png"))
    assert "no such file" in desk.message
    desk.save(str(tmp_path / "none" / "two.png"))
    assert "cannot be written" in desk.message
    assert desk.sheet.blank


def test_a_path_is_typed(desk: Desk) -> None:
    desk.ask_open()
    desk.type(str(ROOT / "examples" / "screen-5.png"))
    desk.answer(True)
    desk.settle()
    assert desk.title == "5"
    desk.ask_save()
    assert desk.prompt is not None
    assert desk.prompt.text.endswith(".png")


# ---- models


class Flat:
    """A network of 400 pixels in a row."""

    shape = (400,)

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(np.eye(10, dtype=np.float32)[3], (len(inputs), 1))


def test_a_flat_network_of_20_by_20_reads_digits_and_pages_are_read_without_it(store: Store) -> None:
    desk = Desk(Reader(Flat()), lambda: store, lambda: None)
    draw(desk, "4")
    assert desk.title == "3"
    assert desk.reading.seen is not None
    assert desk.reading.seen.shape == (20, 20)
    desk.switch()
    desk.settle()
    assert desk.reading.problem == ""
    assert [number.text for number in desk.reading.numbers] == ["4"]
    desk.close()


def test_other_classes_than_digits_are_read_and_not_corrected(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {"classes": [f"thing {index}" for index in range(12)]}

    class Things(Flat):
        def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.tile(np.eye(12, dtype=np.float32)[3], (len(inputs), 1))

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = Window(Reader(Things(), card=card), store=str(tmp_path / "things.db"), size=(1160, 760))
    write(window, "4")
    assert window.desk.title == "thing 3"
    window.desk.type("3")
    assert "reads no digits" in window.desk.message
    window.close()


def test_a_tutorials_keras_file_reads_in_the_window(store: Store) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from zeronine.cli_draw import _reader

    reader = _reader(str(FIXTURES / "keras2.h5"))
    desk = Desk(reader, lambda: store, lambda: None)
    draw(desk, "7")
    assert desk.title in "0123456789"
    desk.close()


# ---- the window


@pytest.mark.parametrize(
    "size", [(1160, 760), (1920, 1080), (3840, 2160), (560, 900), (375, 667), (480, 360), (300, 200)]
)
@pytest.mark.parametrize("proportion", [1.5, 0.6, 3.0])
def test_everything_has_its_place(size: tuple[int, int], proportion: float) -> None:
    places = layout(size, proportion)
    parts = [places.bar, places.sheet, places.question, places.truths, places.foot, places.answer, places.bars]
    parts.append(places.seen)
    whole = pygame.Rect((0, 0), size)
    for index, part in enumerate(parts):
        assert whole.contains(part)
        assert part.width > 0
        assert part.height > 0
        assert part.collidelist(parts[index + 1 :]) == -1
    assert places.sheet.width / places.sheet.height == pytest.approx(proportion, rel=0.05)


def test_mouse_finger_and_keys(window: Window, tmp_path: Path) -> None:
    write(window, "2")
    assert window.desk.title == "2"
    write(window, "7", finger=True)
    assert window.desk.title == "7"
    send(window, pygame.TEXTINPUT, text="1")
    assert "that was 1" in window.desk.message
    key(window, pygame.K_z, pygame.KMOD_CTRL)
    assert "taken back" in window.desk.message
    key(window, pygame.K_TAB)
    assert window.desk.mode is Mode.number
    thickness = window.desk.thickness
    send(window, pygame.TEXTINPUT, text="+")
    send(window, pygame.MOUSEWHEEL, precise_y=1.0)
    assert window.desk.thickness > 1.5 * thickness
    key(window, pygame.K_DELETE)
    assert window.desk.sheet.blank
    send(window, pygame.DROPFILE, file=str(ROOT / "examples" / "marker-9.png"))
    key(window, pygame.K_TAB)
    window.desk.settle()
    assert window.desk.title == "9"


def test_a_second_finger_does_not_draw(window: Window) -> None:
    for name, finger, x in (("DOWN", 1, 0.2), ("DOWN", 2, 0.5), ("MOTION", 2, 0.6), ("MOTION", 1, 0.3), ("UP", 1, 0.3)):
        send(window, getattr(pygame, f"FINGER{name}"), finger_id=finger, x=x, y=0.4)
    (drawn,) = window.desk.sheet.strokes
    assert len(drawn.points) == 2


def test_buttons_do_what_they_say(window: Window) -> None:
    write(window, "4")
    press(window, "9")
    assert "that was 9, not 4" in window.desk.message
    press(window, "Undo")
    assert "taken back" in window.desk.message
    press(window, "Numbers")
    assert window.desk.mode is Mode.number
    press(window, "Clear")
    assert window.desk.sheet.blank
    press(window, "Open")
    assert window.desk.prompt is not None
    press(window, "Cancel")
    assert window.desk.prompt is None


def send(window: Window, kind: int, **values: object) -> None:
    """Send an event, and have the window take it."""
    pygame.event.post(pygame.event.Event(kind, **values))
    window.step(1000)


def key(window: Window, code: int, mod: int = 0) -> None:
    send(window, pygame.KEYDOWN, key=code, mod=mod)


def press(window: Window, label: str) -> None:
    """Press a button with the mouse."""
    (place,) = [button.rect.center for button, _ in window._buttons if button.label == label]
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        send(window, kind, pos=place, button=1, touch=False)


def test_the_self_test_passes(tmp_path: Path) -> None:
    result = subprocess.run([*COMMAND, "--self-test"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert re.fullmatch(r"self-test passed: 2, 4, 7, 742 for 2, 4, 7, 742; .*\n", result.stdout)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "zeronine.draw")
    with pytest.raises(MissingExtra, match=re.escape("pip install 'zeronine[draw]'")):
        __import__("zeronine.draw")


def test_without_a_screen_it_says_so(tmp_path: Path) -> None:
    environment = {**os.environ, "SDL_VIDEODRIVER": "x11", "DISPLAY": ":4711"}
    result = subprocess.run(COMMAND, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "where there is a screen" in result.stderr


# ---- on a virtual screen


@pytest.fixture
def screen() -> Iterator[dict[str, str]]:
    """The environment of a program on a virtual screen."""
    if not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("needs Xvfb and xdotool")
    read, written = os.pipe()
    command = ["Xvfb", "-displayfd", str(written), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[written], stderr=subprocess.DEVNULL)
    os.close(written)
    with os.fdopen(read) as answer:
        display = answer.readline().strip()
    environment = {**os.environ, "DISPLAY": f":{display}", "SDL_VIDEODRIVER": "x11"}
    yield environment
    server.terminate()
    server.wait()


def xdotool(environment: dict[str, str], *words: str) -> str:
    """What xdotool prints."""
    command = ["xdotool", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout


def title(environment: dict[str, str], wanted: str) -> str:
    """The window's title, once it is the one wanted or a minute has passed."""
    (number,) = xdotool(environment, "search", "--sync", "--class", ".").split()
    shown = ""
    for _ in range(600):
        shown = xdotool(environment, "getwindowname", number).strip()
        if shown == wanted:
            break
        time.sleep(0.1)
    return shown


def test_a_real_mouse_draws_a_digit_and_a_real_key_corrects_it(screen: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "corrections.db"
    program = subprocess.Popen([*COMMAND, "--store", str(file)], env=screen, cwd=tmp_path)
    try:
        assert title(screen, "Zeronine") == "Zeronine"
        origin = np.array([320, 160])
        for line in STROKES["4"]:
            points = [origin + 3.2 * np.array([float(side) for side in pair.split(",")]) for pair in line.split()]
            moves = [["mousemove", str(round(x)), str(round(y)), "sleep", "0.02"] for x, y in points]
            steps = [*moves[0], "mousedown", "1", *(word for move in moves[1:] for word in move), "mouseup", "1"]
            xdotool(screen, *steps)
        assert title(screen, "4 – Zeronine") == "4 – Zeronine"
        xdotool(screen, "key", "9")
        assert truths(file, 1) == ["9"]
        xdotool(screen, "key", "ctrl+z")
        assert truths(file, 0) == []
        xdotool(screen, "key", "ctrl+q")
        assert program.wait(120) == 0
    finally:
        program.kill()
        program.wait()


def truths(file: Path, count: int) -> list[str]:
    """What the store holds, once it is so many or a minute has passed."""
    for _ in range(600):
        opened = Store(str(file))
        found = [kept.truth for kept in opened.all()]
        opened.close()
        if len(found) == count:
            break
        time.sleep(0.1)
    return found
