"""Draws in the window, without a screen, and keeps what it shows beside this file.

Run it to make the pictures again: python docs/draw/make_window.py
"""

import os
import tempfile
from pathlib import Path

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"

import numpy as np
import pygame
from PIL import Image

from zeronine import Reader
from zeronine.draw.reading import Mode
from zeronine.draw.window import Window

HERE = Path(__file__).parent

STROKES = {  # x to the right, y down, in per cent of the digit's height
    "0": ["36,0 12,14 4,48 12,86 34,100 58,84 66,46 56,12 36,0 30,4"],
    "1": ["14,24 40,2 38,50 36,100"],
    "2": ["15,30 22,8 44,0 64,16 60,40 38,68 8,98 30,93 52,97 76,95"],
    "3": ["12,12 36,0 60,12 56,34 34,46 58,54 66,76 48,97 22,97 6,86"],
    "5": ["66,2 24,4 18,42 42,38 62,54 62,78 40,98 8,92"],
    "8": ["62,16 40,2 22,16 32,38 56,58 60,84 38,98 18,82 30,58 54,38 64,18"],
    "9": ["62,18 42,2 18,18 20,42 44,48 62,24 60,60 50,100"],
}


def smooth(points: np.ndarray) -> list[tuple[float, float]]:
    """A Catmull-Rom curve through the points."""
    places = np.array([points[0], *points, points[-1]])
    curve = []
    for before, start, end, after in zip(places, places[1:], places[2:], places[3:], strict=False):
        for t in np.linspace(0, 1, 10):
            bend = (2 * before - 5 * start + 4 * end - after) * t**2 + (3 * start - before - 3 * end + after) * t**3
            curve.append(tuple(0.5 * (2 * start + (end - before) * t + bend)))
    return curve


def write(window: Window, text: str, left: float, top: float, height: float) -> None:
    """Draw digits on the sheet, in its pixels."""
    for place, digit in enumerate(text):
        for stroke in STROKES[digit]:
            points = np.array([[float(side) for side in pair.split(",")] for pair in stroke.split()])
            curve = smooth(points * height / 100 + (left + 0.85 * height * place, top))
            window.desk.begin(curve[0])
            for point in curve[1:]:
                window.desk.extend(point)
            window.desk.end()


def keep(window: Window, name: str) -> None:
    """Write what the window shows as a small PNG."""
    window.desk.settle()
    window.show()
    surface = pygame.display.get_surface()
    picture = Image.frombytes("RGB", surface.get_size(), pygame.image.tobytes(surface, "RGB"))
    picture.quantize(128, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


def main() -> None:
    """Both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        window = Window(Reader(), store=f"{folder}/corrections.db", size=(1160, 760))
        write(window, "3", 142, 41, 154)
        window.desk.settle()  # so that reading is timed when ONNX Runtime is warm
        keep(window, "window-digit.png")
        window.desk.clear()
        window.desk.switch(Mode.number)
        write(window, "1985", 52, 38, 58)
        write(window, "302", 142, 142, 63)
        keep(window, "window-number.png")
        window.close()


if __name__ == "__main__":
    main()
