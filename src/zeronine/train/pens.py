"""Digits of 44 people as the path of their pen, from ``pens.npz``. Knows points; asks the digit reader which are clear.

From the data set Pen-Based Recognition of Handwritten Digits (``PENS.md``): eight points of each digit, equally far
from one another along the path. Where a pen was lifted the points say nothing of it; for the fives and sevens, which
these people write in two strokes, ``parted`` tells where that was.

Eight points are few: what they leave of some digits looks like another one, and nobody should learn that. So those are
left out that the digit reader takes for something else; ``pens.npz`` was made with ``standard_v1`` of 2026-11-21.

To make ``pens.npz`` anew: ``python -m zeronine.train.pens pendigits.tra pendigits.tes``.
"""

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from zeronine.files import replaced
from zeronine.reader import Reader
from zeronine.train.forms import Points, curve

PLACE = Path(__file__).with_name("pens.npz")


@cache
def pens() -> tuple[tuple[tuple[Points, ...], ...], ...]:
    """Of each digit, 0 to 9, the ways it was written: strokes (N, 2) in 0..1 of a box, y downwards."""
    with np.load(PLACE) as arrays:
        paths, labels = arrays["paths"] / 100.0, arrays["labels"]
    return tuple(tuple(parted(path, digit) for path in paths[labels == digit]) for digit in range(10))


def parted(path: Points, digit: int) -> tuple[Points, ...]:
    """The strokes of a path (8, 2) in 0..1: without the way from the end of one to where a bar begins.

    Args:
        path: y downwards.
        digit: that it is of.
    """
    if digit == 5 and path[-1, 1] < TOP and path[-1, 0] > 0.55 and path[0, 0] < 0.6:  # ends with the bar
        low = np.flatnonzero(path[:7, 1] > 0.6)
        if len(low) and low[-1] > 1:
            high = low[-1] + 1 + np.flatnonzero(path[low[-1] + 1 :, 1] < TOP)
            bar = path[high[0] :]
            if len(bar) == 1:
                bar = np.array([[min(path[0, 0], bar[0, 0] - 0.3), bar[0, 1]], bar[0]])
            return path[: low[-1] + 1], bar
    foot = int(path[:, 1].argmax())
    if digit == 7 and 3 <= foot <= 6 and path[foot + 1 :, 1].min() < 0.85:  # ends with the bar through it
        begin = foot + 1 + int(path[foot + 1 :, 0].argmin())
        return (path[: foot + 1], path[begin:]) if begin < 7 else (path[: foot + 1],)
    return (path,)


TOP = 0.35
"""Share of a digit's height in which a five's bar is."""


def main(files: Sequence[Path]) -> None:
    """Write ``pens.npz`` from the files of the data set: sixteen coordinates, y upwards, and the digit, by commas."""
    reader = Reader()
    lines = [line for file in files for line in file.read_text(encoding="ascii").split("\n")]
    rows = np.array([line.split(",") for line in lines if line and not line.startswith("@")], np.int64)
    paths = rows[:, :16].reshape(-1, 8, 2)
    paths[:, :, 1] = 100 - paths[:, :, 1]
    labels = rows[:, 16]
    clear = np.array([_clear(path / 100.0, int(digit), reader) for path, digit in zip(paths, labels, strict=True)])
    paths, labels = paths[clear], labels[clear]
    order = np.lexsort([*paths.reshape(len(paths), -1).T, labels])  # alike from whatever order of the files
    with replaced(PLACE) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, paths=paths[order].astype(np.uint8), labels=labels[order].astype(np.uint8))


def _clear(path: Points, digit: int, reader: Reader) -> bool:
    """Whether the digit reader sees the digit, or what its writers' way to write it looks like to it."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for stroke in parted(path, digit):
        points = np.rint((curve(stroke) * [0.75, 1] * HEIGHT + [9, 6]) * 8).astype(np.int32)
        cv2.polylines(canvas, [points], False, 255, PEN, cv2.LINE_AA, 3)
    chances = reader.predict(canvas).probabilities
    return float(chances[[digit, LIKE.get(digit, digit)]].max()) > DOUBTFUL


SIDE, HEIGHT, PEN = 48, 36, 3
"""Pixels of the canvas, the digit and the pen that the digit reader sees."""

LIKE = {1: 7, 4: 9}
"""A one with a long upstroke is like a seven, as MNIST's writers make it, and a four that is closed like a nine."""

DOUBTFUL = 0.03
"""Probability up to which a digit is left out."""


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
