"""Draws the pictures beside this file: what the model once read wrongly, drawn anew by hand; no training sees them.

A name is NUMBER-WHAT-ANSWER.png; the answer is a digit, or ``none`` for what must be refused.
Run it to make them again: python tests/mistakes/draw.py
"""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Stroke = tuple[tuple[float, float], ...]
Grey = NDArray[np.uint8]

SIDE = 120
"""Pixels of a picture; strokes are in 0..1 of it, x to the right, y down."""


def page(strokes: tuple[Stroke, ...], pen: int = 6, shade: int = 30, paper: int = 240) -> Grey:
    """Dark strokes on light paper, with a little grain."""
    picture = np.full((SIDE, SIDE), paper, np.uint8)
    for stroke in strokes:
        points = np.rint(np.array(stroke) * SIDE * 16).astype(np.int32)
        cv2.polylines(picture, [points], False, shade, pen, cv2.LINE_AA, 4)
    grain = np.random.default_rng(len(strokes)).normal(0, 3, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


EUROPEAN_ONE: tuple[Stroke, ...] = (((0.3, 0.48), (0.42, 0.36), (0.55, 0.18), (0.54, 0.5), (0.52, 0.85)),)
ONE_WITH_FOOT: tuple[Stroke, ...] = (
    ((0.36, 0.34), (0.52, 0.16), (0.51, 0.84)),
    ((0.32, 0.85), (0.72, 0.83)),
)
CROSSED_SEVEN: tuple[Stroke, ...] = (
    ((0.26, 0.2), (0.72, 0.17), (0.58, 0.45), (0.44, 0.86)),
    ((0.36, 0.53), (0.7, 0.49)),
)
OPEN_FOUR: tuple[Stroke, ...] = (((0.34, 0.16), (0.28, 0.38), (0.26, 0.56), (0.74, 0.53)), ((0.64, 0.28), (0.6, 0.88)))
ANGLED_FOUR: tuple[Stroke, ...] = (((0.58, 0.14), (0.4, 0.36), (0.22, 0.62), (0.8, 0.6)), ((0.62, 0.4), (0.6, 0.9)))
HOOKED_NINE: tuple[Stroke, ...] = (
    (
        *((0.66, 0.24), (0.5, 0.16), (0.36, 0.26), (0.4, 0.42), (0.56, 0.44), (0.67, 0.25)),
        *((0.68, 0.5), (0.62, 0.76), (0.46, 0.86), (0.3, 0.78)),
    ),
)
LOOPED_TWO: tuple[Stroke, ...] = (
    (
        *((0.3, 0.34), (0.36, 0.2), (0.54, 0.15), (0.67, 0.26), (0.6, 0.46), (0.42, 0.68), (0.28, 0.82)),
        *((0.24, 0.74), (0.34, 0.7), (0.5, 0.8), (0.64, 0.85), (0.76, 0.78)),
    ),
)
SLANTED_SIX: tuple[Stroke, ...] = (
    (
        *((0.72, 0.12), (0.52, 0.36), (0.36, 0.62), (0.36, 0.82), (0.5, 0.88), (0.62, 0.76)),
        *((0.58, 0.62), (0.46, 0.62), (0.37, 0.76)),
    ),
)
THREE: tuple[Stroke, ...] = (
    (
        *((0.34, 0.2), (0.5, 0.14), (0.62, 0.24), (0.56, 0.4), (0.44, 0.46)),
        *((0.6, 0.52), (0.66, 0.7), (0.52, 0.84), (0.34, 0.8)),
    ),
)
LETTER_K: tuple[Stroke, ...] = (((0.34, 0.14), (0.34, 0.88)), ((0.72, 0.14), (0.35, 0.52), (0.74, 0.88)))


def faded_zero() -> Grey:
    """A zero whose right side the pen hardly left."""
    angles = np.linspace(0, 2 * np.pi, 60)
    picture = np.full((SIDE, SIDE), 245, np.uint8)
    for start, end in pairwise(angles):
        ends = [(60 + 26 * np.sin(angle), 60 - 38 * np.cos(angle)) for angle in (start, end)]
        shade = 60 if start > np.pi else 195
        cv2.line(picture, *[(round(x), round(y)) for x, y in ends], shade, 3, cv2.LINE_AA)
    return picture


def between_neighbours() -> Grey:
    """A three between the rule of a form and a piece of the next digit, with a full stop."""
    picture = page(THREE)
    cv2.line(picture, (16, 0), (12, SIDE), 70, 3, cv2.LINE_AA)
    cv2.ellipse(picture, (122, 60), (18, 34), 0, 0, 360, 40, 6, cv2.LINE_AA)
    cv2.circle(picture, (88, 100), 4, 40, -1)
    return picture


def two_digits() -> Grey:
    """A four and a seven."""
    both = np.concatenate([page(OPEN_FOUR)[:, 25:100], page(CROSSED_SEVEN)[:, 20:100]], axis=1)
    return np.asarray(both, np.uint8)


def blot() -> Grey:
    """An ink blot."""
    picture = np.full((SIDE, SIDE), 240, np.uint8)
    cv2.ellipse(picture, (58, 64), (30, 22), 20, 0, 360, 30, -1)
    cv2.circle(picture, (76, 44), 16, 30, -1)
    return picture


PICTURES = {
    "01-european-one-1": page(EUROPEAN_ONE),
    "02-one-with-foot-1": page(ONE_WITH_FOOT),
    "03-crossed-seven-7": page(CROSSED_SEVEN),
    "04-open-four-4": page(OPEN_FOUR),
    "05-angled-four-4": page(ANGLED_FOUR),
    "06-hooked-nine-9": page(HOOKED_NINE),
    "07-looped-two-2": page(LOOPED_TWO),
    "08-slanted-six-6": page(SLANTED_SIX),
    "09-faded-zero-0": faded_zero(),
    "10-between-neighbours-3": between_neighbours(),
    "11-thin-pencil-one-1": page(EUROPEAN_ONE, pen=2, shade=190),
    "12-white-on-black-nine-9": 255 - page(HOOKED_NINE, pen=9),
    "13-letter-k-none": page(LETTER_K),
    "14-two-digits-none": two_digits(),
    "15-blot-none": blot(),
}


def main() -> None:
    for name, picture in PICTURES.items():
        cv2.imwrite(str(Path(__file__).with_name(f"{name}.png")), picture)


if __name__ == "__main__":
    main()
