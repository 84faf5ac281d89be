"""Draws with nobody there: events of a mouse and a finger into a window without a screen. Knows a few digits' strokes.

It is how an executable shows that all it needs is inside.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pygame
from numpy.typing import NDArray
from pygame.event import Event

from zeronine.draw.reading import Mode
from zeronine.draw.window import Window
from zeronine.reader import Reader

STROKES = {  # x to the right, y down, in per cent of the digit's height
    "2": ("15,35 18,12 40,2 62,14 60,38 40,66 8,98 45,94 75,96",),
    "4": ("45,2 28,35 6,64 40,63 72,60", "55,36 53,66 50,100"),
    "7": ("8,6 40,5 72,4 56,38 42,70 34,100",),
}

LIMIT = 0.050
"""Seconds of computing after a stroke, in which a digit is to be read and shown. Of several strokes the fastest counts,
and what passes on the clock is only told: what else the machine has to do says nothing of the window."""

PACE = 0.008
"""Seconds between a mouse's events."""

SIZE = 1160, 760


@dataclass(frozen=True)
class Outcome:
    """Of a self-test.

    Attributes:
        passed: whether all was right and in time.
        line: what was found, for people.
    """

    passed: bool
    line: str


def self_test(reader: Reader) -> Outcome:
    """Draw digits and a number, correct one, and see that all is right.

    Args:
        reader: that reads; a model that reads other things than digits does not pass.
    """
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    with tempfile.TemporaryDirectory() as folder:
        window = Window(reader, store=str(Path(folder) / "corrections.db"), size=SIZE)
        try:
            return _tested(window)
        finally:
            window.close()


def _tested(window: Window) -> Outcome:
    desk, readings, seconds = window.desk, [], []
    for digit in STROKES:
        seconds += write(window, digit, finger=digit == "7")
        readings.append(desk.title)
    desk.correct("1")
    kept = desk.sheet.now.kept is not None
    desk.undo()
    desk.switch(Mode.number)
    number = write(window, "742")
    right = [*readings, desk.title] == [*STROKES, "742"] and kept and desk.sheet.now.kept is None
    clock, computed = np.median(seconds, axis=0)
    clock_of_number, computed_of_number = np.median(number, axis=0)
    readings.append(desk.title)
    figures = (
        f"a stroke is read and shown after {1000 * clock:.0f} ms, {1000 * computed:.0f} ms of computing; "
        f"of a number after {1000 * clock_of_number:.0f} ms, {1000 * computed_of_number:.0f} ms"
    )
    passed = bool(right and np.min(seconds, axis=0)[1] <= LIMIT)
    said = "passed" if passed else "failed"
    return Outcome(passed, f"self-test {said}: {', '.join(readings)} for 2, 4, 7, 742; {figures}")


def write(window: Window, text: str, *, finger: bool = False) -> list[tuple[float, float]]:
    """Draw digits with synthetic events on an empty sheet.

    Args:
        window: to draw in.
        text: digits, of those whose strokes are known here.
        finger: with a finger, otherwise with the mouse.

    Returns:
        Of each stroke, from its end until what was read is on the screen: seconds on the clock, and of computing.
    """
    window.desk.clear()
    sheet = window.sheet
    height = 0.62 * sheet.height if len(text) == 1 else 0.34 * sheet.height
    start = sheet.centerx - 0.4 * height * len(text)
    seconds = []
    for place, digit in enumerate(text):
        corner = np.array([start + 0.9 * place * height, sheet.centery - height / 2])
        for stroke in STROKES[digit]:
            points = np.array([[float(side) for side in pair.split(",")] for pair in stroke.split()])
            seconds.append(_stroke(window, corner + _dense(points) * height / 100, finger))
    return seconds


def _dense(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on the way, as a hand's events come."""
    steps = np.linspace(0, len(points) - 1, 8 * (len(points) - 1) + 1)
    return np.stack([np.interp(steps, range(len(points)), points[:, side]) for side in (0, 1)], axis=1)


def _stroke(window: Window, points: NDArray[np.float64], finger: bool) -> tuple[float, float]:
    """One stroke, at the pace of a mouse; the seconds after its end, see ``write``."""
    _event(window, "DOWN", points[0], finger)
    for point in points[1:]:
        time.sleep(PACE)
        _event(window, "MOTION", point, finger)
    clock, computed = time.perf_counter(), time.process_time()
    _event(window, "UP", points[-1], finger)
    while not window.desk.settled:
        window.step(1000)
    return time.perf_counter() - clock, time.process_time() - computed


def _event(window: Window, name: str, point: NDArray[np.float64], finger: bool) -> None:
    """Send an event, and have the window take it."""
    if finger:
        x, y = point / SIZE
        event = Event(getattr(pygame, f"FINGER{name}"), finger_id=1, x=float(x), y=float(y))
    else:
        kind = "MOUSEMOTION" if name == "MOTION" else f"MOUSEBUTTON{name}"
        place = tuple(round(side) for side in point)
        event = Event(getattr(pygame, kind), pos=place, button=1, touch=False)
    pygame.event.post(event)
    window.step(1000)
