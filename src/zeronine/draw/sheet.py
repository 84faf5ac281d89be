"""A sheet of paper with strokes on it, and what it was before. Knows pixels and strokes; no window and no network."""

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine.image import Source, load_pixels
from zeronine.numbers import Box
from zeronine.store import Correction

Point = tuple[float, float]
"""To the right and down from the upper left corner, in pixels of the sheet."""

Pixels = NDArray[Any]
"""(H, W) or (H, W, 3) uint8."""

SIZE = 360, 240
"""Width and height of an empty sheet. Of 150 ways to write a digit as many were read (147) as at twice the size, and
all of 40 numbers, in less than half the time; at 300×200 it was one less of each."""

LARGEST = 1600
"""Pixels of the longer side; a larger picture is shrunk to it when it is opened."""

DARK, LIGHT = 25, 250
"""Grey values of ink: light on a picture that is dark."""


def empty() -> Pixels:
    """White paper."""
    return np.full(SIZE[::-1], 255, np.uint8)


@dataclass(frozen=True, eq=False)
class Stroke:
    """One stroke of the pen.

    Attributes:
        points: where it went.
        thickness: in pixels of the sheet.
    """

    points: tuple[Point, ...]
    thickness: float


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was on the sheet at one moment.

    Attributes:
        paper: an empty sheet, or the picture that was opened.
        strokes: on it, first to last.
        kept: the correction that was put into the store then; None where it was something else that was done.
        box: of the number that it is of; None for the whole sheet.
    """

    paper: Pixels
    strokes: tuple[Stroke, ...] = ()
    kept: Correction | None = None
    box: Box | None = None


class Sheet:
    """What is drawn, with everything that was before.

    Attributes:
        now: what is on it, without the stroke that is being drawn.
        live: the stroke that is being drawn; None where the pen is up.
    """

    def __init__(self) -> None:
        self._past: list[Drawn] = []
        self.now = Drawn(empty())
        self.live: Stroke | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.now.paper.shape[:2]
        return width, height

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """All, with the one that is being drawn."""
        return self.now.strokes if self.live is None else (*self.now.strokes, self.live)

    @property
    def blank(self) -> bool:
        """Whether there is nothing on it."""
        return not self.strokes and float(np.ptp(self.now.paper)) == 0

    def begin(self, point: Point, thickness: float) -> None:
        """Put the pen down."""
        self.live = Stroke((point,), thickness)

    def extend(self, point: Point) -> None:
        """Draw on to a point; nothing where the pen is up."""
        if self.live is not None and point != self.live.points[-1]:
            self.live = replace(self.live, points=(*self.live.points, point))

    def end(self) -> None:
        """Lift the pen."""
        if self.live is not None:
            self._turn_to(Drawn(self.now.paper, self.strokes))
            self.live = None

    def clear(self) -> None:
        """An empty sheet."""
        self.live = None
        if not self.blank:
            self._turn_to(Drawn(empty()))

    def open(self, source: Source) -> None:
        """Lay a picture on the sheet, in place of what is there.

        Raises:
            ImageError: it cannot be read or is too large.
        """
        paper = _paper(source)
        self.live = None
        self._turn_to(Drawn(paper))

    def keep(self, correction: Correction, box: Box | None) -> None:
        """Remember that the store has a correction of what is drawn: of the number in a box, or of the whole sheet."""
        self._turn_to(replace(self.now, kept=correction, box=box))

    def kept(self, box: Box | None) -> Correction | None:
        """The correction of what is drawn that the store has of the number in a box, or of the whole sheet."""
        since_drawn = takewhile(lambda drawn: drawn.kept, (self.now, *reversed(self._past)))
        return next((drawn.kept for drawn in since_drawn if drawn.box == box), None)

    def forget(self, correction: Correction) -> None:
        """Leave a correction out of all that was."""
        *self._past, self.now = (drawn for drawn in (*self._past, self.now) if drawn.kept is not correction)

    def undo(self) -> Drawn | None:
        """Go back to what was before; where a stroke is being drawn, to what was before that.

        Returns:
            What was on the sheet until now; None where there is nothing to go back to.
        """
        self.end()
        if not self._past:
            return None
        undone, self.now = self.now, self._past.pop()
        return undone

    def _turn_to(self, drawn: Drawn) -> None:
        self._past.append(self.now)
        self.now = drawn


class Rendering:
    """The pixels of a sheet at one size; only what is new is drawn.

    Args:
        sheet: that is drawn on.
    """

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._done: Drawn = Drawn(np.zeros((0, 0), np.uint8))
        self._pixels: Pixels = self._done.paper

    def pixels(self, size: tuple[int, int] | None = None) -> Pixels:
        """A new array of what is drawn.

        Args:
            size: width and height of the result; those of the sheet where it is None.
        """
        now, (width, height) = self._sheet.now, size or self._sheet.size
        known = len(self._done.strokes)
        grown = now.paper is self._done.paper and now.strokes[:known] == self._done.strokes
        if not grown or self._pixels.shape[:2] != (height, width):
            self._pixels, known = _scaled(now.paper, (width, height)), 0
        scale, ink = width / self._sheet.size[0], ink_on(now.paper)
        for stroke in now.strokes[known:]:
            _draw(self._pixels, stroke, scale, ink)
        self._done = now
        pixels = self._pixels.copy()
        if self._sheet.live is not None:
            _draw(pixels, self._sheet.live, scale, ink)
        return pixels


def ink_on(paper: Pixels) -> int:
    """Grey value of the ink that can be seen on a paper."""
    return DARK if float(np.median(paper)) > 127 else LIGHT


def _paper(source: Source) -> Pixels:
    """A picture as paper: grey or RGB, not too large, white where it was transparent."""
    pixels = load_pixels(source)
    values = pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)
    if values.ndim == 3 and values.shape[2] == 4:
        alpha = values[..., 3:].astype(np.float32) / 255
        values = np.rint(values[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    height, width = values.shape[:2]
    factor = min(1.0, LARGEST / max(height, width))
    return _scaled(values, (max(1, round(width * factor)), max(1, round(height * factor))))


def _scaled(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """A copy at a size; the pixels of a small picture stay square."""
    if pixels.shape[1::-1] == size:
        return pixels.copy()
    smaller = size[0] < pixels.shape[1]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST)


def _draw(pixels: Pixels, stroke: Stroke, scale: float, ink: int) -> None:
    """Draw a stroke on pixels in place; a point alone is a dot."""
    places = np.rint(np.array([stroke.points[0], *stroke.points]) * scale * 16).astype(np.int32)
    thickness = max(1, round(stroke.thickness * scale))
    cv2.polylines(pixels, [places], False, (ink,) * 3, thickness, cv2.LINE_AA, 4)
