"""Draws the example pictures beside this file: strokes by hand, on the grounds that users have.

Run it to make them again: python examples/draw.py
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Points = list[tuple[float, float]]

STROKES: dict[str, list[Points]] = {  # x to the right, y down, both about 0..1
    "2": [[(0.22, 0.28), (0.3, 0.12), (0.52, 0.06), (0.7, 0.18), (0.66, 0.4), (0.44, 0.66), (0.2, 0.9), (0.34, 0.87), (0.6, 0.9), (0.8, 0.86)]],
    "3": [[(0.24, 0.14), (0.46, 0.05), (0.68, 0.16), (0.64, 0.36), (0.42, 0.46), (0.66, 0.52), (0.74, 0.72), (0.56, 0.92), (0.3, 0.92), (0.18, 0.8)]],
    "4": [[(0.52, 0.06), (0.36, 0.34), (0.16, 0.62), (0.44, 0.61), (0.82, 0.58)], [(0.62, 0.36), (0.6, 0.64), (0.57, 0.98)]],
    "5": [[(0.74, 0.08), (0.34, 0.1), (0.3, 0.44), (0.5, 0.4), (0.7, 0.52), (0.72, 0.74), (0.52, 0.94), (0.2, 0.88)]],
    "7": [[(0.18, 0.14), (0.46, 0.13), (0.8, 0.1), (0.62, 0.42), (0.5, 0.7), (0.42, 0.96)], [(0.32, 0.52), (0.7, 0.48)]],
    "8": [[(0.66, 0.18), (0.46, 0.06), (0.3, 0.2), (0.42, 0.4), (0.64, 0.58), (0.68, 0.82), (0.46, 0.95), (0.28, 0.8), (0.38, 0.58), (0.62, 0.38), (0.7, 0.2), (0.6, 0.12)]],
    "9": [[(0.68, 0.2), (0.48, 0.07), (0.28, 0.22), (0.32, 0.44), (0.54, 0.46), (0.68, 0.24), (0.68, 0.5), (0.6, 0.95)]],
}  # fmt: skip


def ink(digit: str, height: int, width: int, box: tuple[int, int, int], thickness: int) -> NDArray[np.float32]:
    """Ink 0..1, (height, width): a digit in a box of left, top, size, as smooth strokes of a pen."""
    left, top, size = box
    canvas = np.zeros((4 * height, 4 * width), np.uint8)
    for points in STROKES[digit]:
        path = np.array(smooth(points)) * size + (left, top)
        cv2.polylines(canvas, [np.rint(4 * path).astype(np.int32)], False, 255, 4 * thickness, cv2.LINE_AA)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def smooth(points: Points) -> list[tuple[float, float]]:
    """A Catmull-Rom curve through the points."""
    places = np.array([points[0], *points, points[-1]])
    curve = []
    for before, start, end, after in zip(places, places[1:], places[2:], places[3:], strict=False):
        for t in np.linspace(0, 1, 12):
            bend = (2 * before - 5 * start + 4 * end - after) * t**2 + (3 * start - before - 3 * end + after) * t**3
            curve.append(tuple(0.5 * (2 * start + (end - before) * t + bend)))
    return curve


def screen() -> Image.Image:
    """Black on white, as from a drawing program."""
    return Image.fromarray((255 * (1 - ink("5", 280, 280, (60, 40, 180), 14))).astype(np.uint8))


def board() -> Image.Image:
    """White chalk on a dark board, off-centre."""
    chalk = ink("3", 300, 400, (210, 60, 160), 9)
    noise = np.random.default_rng(1).normal(0, 0.05, chalk.shape)
    return Image.fromarray((255 * np.clip(0.17 + 0.7 * chalk + noise, 0, 1)).astype(np.uint8))


def paper() -> Image.Image:
    """A blue pen on ruled paper under a lamp: shadow on one side, grain, JPEG."""
    height, width = 600, 480
    random = np.random.default_rng(2)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    light = 0.62 + 0.3 * across + 0.1 * down - 0.12 * across**2
    page = np.stack([light * 0.98, light * 0.95, light * 0.88], axis=2)
    for line in range(40, height, 95):
        page[line : line + 2] *= (0.82, 0.88, 0.95)
    pen = ink("7", height, width, (130, 160, 250), 8)[..., None]
    page = page * (1 - pen) + np.array([0.13, 0.2, 0.55]) * light[..., None] * pen
    page = cv2.GaussianBlur(page, (0, 0), 1.2) + random.normal(0, 0.012, page.shape)
    return Image.fromarray((255 * np.clip(page, 0, 1)).astype(np.uint8))


def transparent() -> Image.Image:
    """Black ink on nothing, as drawing apps save it."""
    alpha = (255 * ink("2", 200, 200, (30, 20, 150), 10)).astype(np.uint8)
    return Image.fromarray(np.dstack([np.zeros((200, 200, 3), np.uint8), alpha]))


def fine_pen() -> Image.Image:
    """A fine pencil, small on a large sheet."""
    sheet = 0.93 - 0.45 * ink("4", 900, 700, (390, 520, 110), 2)
    noise = np.random.default_rng(3).normal(0, 0.01, sheet.shape)
    return Image.fromarray((255 * np.clip(sheet + noise, 0, 1)).astype(np.uint8))


def marker() -> Image.Image:
    """A fat red marker that fills the picture."""
    red = ink("9", 160, 120, (-2, 6, 140), 20)[..., None]
    page = np.array([0.96, 0.95, 0.92]) * (1 - red) + np.array([0.8, 0.12, 0.15]) * red
    return Image.fromarray((255 * page).astype(np.uint8))


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "screen-5.png": screen,
    "board-3.jpg": board,
    "paper-7.jpg": paper,
    "transparent-2.png": transparent,
    "pencil-4.jpg": fine_pen,
    "marker-9.png": marker,
}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        draw().save(Path(__file__).parent / name, quality=85)
