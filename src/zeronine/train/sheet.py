"""A sheet that is being written on: where the pen is, what ink lies on it, which digits that is.

Knows places and ink; knows nothing of what is worth writing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine.page import ink
from zeronine.train.forms import Points
from zeronine.train.hands import Bytes, Hand
from zeronine.train.paper import Grey, blank, photographed, stroke
from zeronine.train.synthesis import Random


@dataclass(frozen=True)
class Placed:
    """A digit on a page.

    Attributes:
        digit: 0 to 9.
        box: left, top, width, height in pixels, of the ink that lies on the page.
        visible: share of its ink that lies on the page.
        goes_on: whether the number that it belongs to goes on to the right.
    """

    digit: int
    box: tuple[float, float, float, float]
    visible: float
    goes_on: bool


@dataclass(frozen=True)
class Page:
    """A composed page.

    Attributes:
        grey: (H, W) float32 in 0..1, as a camera gives it.
        digits: those written on it, in reading order within their numbers.
    """

    grey: Grey
    digits: list[Placed]

    @property
    def across(self) -> list[Placed]:
        """The digits from left to right."""
        return sorted(self.digits, key=lambda one: one.box[0] + one.box[2] / 2)

    @property
    def ink(self) -> Grey:
        """What a network sees of it, see ``page.ink``."""
        return ink(self.grey)


@dataclass
class Cursor:
    """Where on a line the next thing is written.

    Attributes:
        writer: whose line it is.
        row: pixels from the top of the page to the line, in the middle of the page.
        tilt: of the line, in radians, clockwise.
        width: of the page, in pixels.
        across: along the line, pixels from where it begins.
    """

    writer: Hand
    row: float
    tilt: float
    width: int
    across: float = 0.0

    def matrix(self, scale: tuple[float, float], drop: float) -> NDArray[np.float64]:
        """(2, 3): from pixels of a patch, whose lower edge is on the line, to pixels of the page.

        Args:
            scale: page's pixels for one of the patch, across and down.
            drop: how far below the line the lower edge is, in the page's pixels; the patch's height comes off it.
        """
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        slanted = np.array([[scale[0], -self.writer.slant * scale[1]], [0, scale[1]]])
        turned = np.array([[cosine, -sine], [sine, cosine]])
        origin = np.array([self.across - self.writer.slant * drop, drop])
        middle = np.array([self.width / 2, self.row])
        shift = turned @ (origin - [self.width / 2, 0]) + middle
        return np.concatenate([turned @ slanted, shift[:, None]], axis=1)

    def at(self, points: Points) -> Points:
        """Points (N, 2) in units of the writer's height, from the cursor, y downwards from the line, on the page."""
        scaled = np.concatenate([points * self.writer.height, np.ones((len(points), 1))], axis=1)
        return np.asarray(scaled @ self.matrix((1.0, 1.0), 0.0).T)

    @property
    def pen(self) -> float:
        """Width of the writer's pen on the page, in pixels."""
        return max(0.8, self.writer.pen * self.writer.height)


class Sheet:
    """A sheet that is being written on.

    Args:
        size: height, width in pixels.
        random: decides the paper.
        printed: how much is printed on the paper: 0 nothing, 1 lines; None for anything.
    """

    def __init__(self, size: tuple[int, int], random: Random, printed: int | None = None) -> None:
        self.size = size
        self.written = np.zeros(size, np.float32)
        """Ink, 0..1, times its tone."""
        self.paper = blank(size, random, printed)
        self.digits: list[Placed] = []

    def write(
        self,
        patch: Bytes,
        place: Cursor,
        wide: float,
        high: float,
        drop: float = 0.0,
        digit: int | None = None,
        goes_on: bool = False,
    ) -> None:
        """Put a patch's ink on the page, and note a digit.

        Args:
            patch: (h, w) bytes, ink bright.
            place: where the line is; its ``across`` is the left of the patch.
            wide: pixels that it gets on the page.
            high: likewise.
            drop: pixels from the line down to the patch's lower edge.
            digit: what it is, if one.
            goes_on: whether there is another one of its number to the right.
        """
        factor = max(high / patch.shape[0], wide / patch.shape[1])
        if factor < 0.6:
            reduced = (max(2, round(1.5 * wide)), max(2, round(1.5 * high)))
            patch = cv2.resize(patch, reduced, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        matrix = place.matrix((wide / patch.shape[1], high / patch.shape[0]), drop - high)
        height, width = patch.shape
        corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
        left, top = np.floor(corners.min(axis=1)).astype(int) - 1
        right, bottom = np.ceil(corners.max(axis=1)).astype(int) + 2
        if right <= 0 or bottom <= 0 or left >= self.size[1] or top >= self.size[0]:
            return
        matrix = matrix - np.array([[0, 0, left], [0, 0, top]])
        warped = cv2.warpAffine(patch, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
        rows, columns = slice(max(top, 0), min(bottom, self.size[0])), slice(max(left, 0), min(right, self.size[1]))
        inside = warped[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        target = self.written[rows, columns]
        np.maximum(target, inside * np.float32(place.writer.tone / 255), out=target)
        if digit is None:
            return
        mass, on_page = float(warped.sum()), inside > 90
        down, along = np.flatnonzero(on_page.any(axis=1)), np.flatnonzero(on_page.any(axis=0))
        if mass and len(down) and len(along):
            x, y = columns.start + int(along[0]), rows.start + int(down[0])
            box = (float(x), float(y), float(along[-1] - along[0] + 1), float(down[-1] - down[0] + 1))
            self.digits.append(Placed(digit, box, float(inside.sum()) / mass, goes_on))

    def bend(self, far: float, pace: float, random: Random) -> None:
        """Move the ink to and fro, smoothly.

        Args:
            far: pixels, the usual distance that it is moved by.
            pace: pixels from one movement to the next that has nothing to do with it.
            random: decides how.
        """
        grid = tuple(max(2, round(side / pace)) for side in self.size)
        rows, columns = np.mgrid[: self.size[0], : self.size[1]].astype(np.float32)
        down, across = (
            cv2.resize(random.normal(0, far, grid).astype(np.float32), self.size[::-1], interpolation=cv2.INTER_CUBIC)
            for _ in range(2)
        )
        self.written = np.asarray(cv2.remap(self.written, columns + across, rows + down, cv2.INTER_LINEAR), np.float32)

    def rule(self, row: float, tilt: float, random: Random) -> None:
        """A line across the whole sheet, as of ruled paper or under a number."""
        rise = np.tan(tilt + random.normal(0, 0.01)) * self.size[1] / 2
        ends = [(-2, row - rise), (self.size[1] + 2, row + rise)]
        stroke(self.written, np.array(ends), random.uniform(0.7, 3.0), float(random.uniform(0.15, 0.9)))

    def photographed(self, random: Random, often: float = 0.35) -> Page:
        """The page that a camera or a scanner makes of it, see ``paper.photographed``."""
        return Page(photographed(self.paper, self.written, random, often), self.digits)
