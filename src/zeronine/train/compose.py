"""Pages of our own making, to learn finding digits on. Knows writing, paper and cameras; knows nothing of networks.

A page is written digit by digit: MNIST's training images, the strokes of ``forms``, or those of people whose pens were
followed (``pens``), in one hand per line, with the signs, words and scribbles that stand beside numbers, on blank,
ruled, squared or guilloche paper, photographed badly.
Everything that varies comes from one random source. It ends as ``page.ink``, like any page that a user brings.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine.page import ink
from zeronine.train.forms import Form, Points
from zeronine.train.glyphs import glyphs
from zeronine.train.synthesis import FONTS, Random, form_of, hand_of_form

Grey = NDArray[np.float32]
Bytes = NDArray[np.uint8]

HEIGHT = 80
"""Pixels of the height that a digit is drawn in, before it is put on the page."""


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
class Hand:
    """How one line is written: of one writer, with one pen; ``font`` is whose digits a stranger's are."""

    height: float
    slant: float
    width: float
    pen: float
    tone: float
    gap: float
    gap_spread: float
    unsteady: float
    drawn: float
    forms: dict[int, Form] = field(default_factory=dict)
    font: int | None = None


def hand(random: Random, height: float) -> Hand:
    """A writer's hand at random, with digits of about ``height`` pixels."""
    touching, spaced = random.random() < 0.2, random.random() < 0.07
    gap = random.uniform(-0.08, 0.08) if touching else random.uniform(0.05, 0.5)
    return Hand(
        height=height,
        slant=float(random.normal(0.12, 0.22)),
        width=float(random.uniform(0.7, 1.3)),
        pen=float(np.exp(random.uniform(np.log(0.035), np.log(0.2)))),
        tone=float(random.uniform(0.4, 1.0) if random.random() < 0.75 else random.uniform(0.22, 0.5)),
        gap=float(random.uniform(0.5, 1.4) if spaced else gap),
        gap_spread=float(random.uniform(0.02, 0.12)),
        unsteady=float(random.uniform(0.01, 0.16)),
        drawn=float(random.choice([0.0, 0.5, 1.0], p=[0.3, 0.4, 0.3])),
    )


def _any_hand(random: Random, height: float) -> Hand:
    """Likewise, half of the time with a clear pen: to learn from."""
    writer = hand(random, height)
    if random.random() < 0.5:
        writer.tone = float(random.uniform(0.6, 1.0))
    return writer


LEVELS = ("easy", "medium", "hard")
"""Of pictures for measuring: clean paper and a clear pen; ruled paper and a poor camera; anything."""


class Composer:
    """Makes pages out of digits.

    Args:
        images: digit images (N, 28, 28) as bytes.
        labels: (N,).
        strangers: digits (hands, 10, h, w) as bytes, ink bright, that every hand writes instead; None for none.
    """

    def __init__(self, images: Bytes, labels: NDArray[np.int64], strangers: Bytes | None = None) -> None:
        self._images = images
        self._strangers = strangers
        self._of = [np.flatnonzero(labels == digit) for digit in range(10)]

    def page(self, random: Random, size: tuple[int, int]) -> Page:
        """A page, or a piece of one as large as a network learns from, at random.

        Args:
            random: decides all.
            size: height, width in pixels.
        """
        if random.random() < 0.2:
            return _cropped(self._written((size[0] + 60, size[1] + 60), random), size, random)
        return self._written(size, random)

    def _written(self, size: tuple[int, int], random: Random) -> Page:
        """A page of that size, written and photographed."""
        sheet, often = Sheet(size, random), _damaged(random)
        kind = random.random()
        if 0.03 <= kind < 0.08:
            _signs(sheet, random)
        elif kind >= 0.08:
            self._write(sheet, random)
        return Page(_photographed(sheet, random, often), sheet.digits)

    def _write(self, sheet: "Sheet", random: Random) -> None:
        """Lines of writing: one across the middle, or as many as there is room for."""
        size = sheet.size
        tilt = float(np.deg2rad(random.normal(0, 4) if random.random() < 0.8 else random.normal(0, 12)))
        if random.random() < 0.4:  # one line, cut out
            height = float(random.uniform(0.3, 0.95)) * min(size[0], 75)
            row = (size[0] + height) / 2 + float(random.normal(0, 0.08)) * size[0]
            self._line(sheet, _any_hand(random, height), row, tilt, random, float(random.uniform(-0.3, 1.0)))
            return
        height = self._height(random)
        row = float(random.uniform(0.2, 1.3) * height)
        while row < size[0] + 0.4 * height:
            writer = _any_hand(random, height * float(np.exp(random.normal(0, 0.08))))
            self._line(sheet, writer, row, tilt, random, float(random.uniform(-1.5, 3.0)))
            row += float(random.uniform(1.15, 2.6)) * height
            if random.random() < 0.08:
                break
            if random.random() < 0.15:
                height = self._height(random)

    def line(self, random: Random, length: int, level: str, touching: bool) -> tuple[Page, str]:
        """A picture of one number of digit images, all of it on the picture, for measuring; and its text.

        Args:
            random: decides all else.
            length: of the number, in digits.
            level: one of LEVELS.
            touching: whether digits run into one another, or stand apart.
        """
        height = float(random.uniform(28, 48))
        writer = hand(random, height)
        writer.drawn, writer.gap_spread = 0.0, 0.04
        writer.gap = float(random.uniform(-0.12, -0.02) if touching else random.uniform(0.12, 0.4))
        easy, hard = level == "easy", level == "hard"
        if not hard:
            writer.tone, writer.slant = float(random.uniform(0.6, 1.0)), float(random.normal(0.1, 0.1))
            writer.pen = float(random.uniform(0.06, 0.13))
        text = "".join(str(digit) for digit in random.integers(0, 10, length))
        size = (round(height * 2.2), round(height * (1.15 * length + 3)))
        sheet = Sheet(size, random, None if hard else 0 if easy else 1)
        place = Cursor(writer, size[0] / 2 + height / 2, float(np.deg2rad(random.normal(0, 1 if easy else 3))), size[1])
        place.across = 1.2 * height
        self.number(sheet, place, text, random, plain=True)
        return Page(
            sheet.paper * (1 - 0.9 * sheet.written) if easy else _photographed(sheet, random), sheet.digits
        ), text

    def row(self, random: Random) -> Page:
        """A row of writing at random, as it is cut out of a page: most often one number, with what stands beside it."""
        height = float(random.uniform(22, 60))
        writer, often = _any_hand(random, height), _damaged(random)
        if random.random() < 0.25:  # what touches is where a row read at once is of most use
            writer.gap = float(random.uniform(-0.14, 0.02))
        kind, text = random.random(), numeral(random)
        high, wide = float(random.uniform(1.3, 2.4)), len(text) + float(random.uniform(1.5, 4))
        size = (round(height * high), round(height * wide))
        sheet = Sheet(size, random)
        if random.random() < 0.04:
            _signs(sheet, random)
            return Page(_photographed(sheet, random, often), [])
        tilt = float(np.deg2rad(random.normal(0, 2.5)))
        middle = (size[0] + height) / 2 + float(random.normal(0, 0.06)) * size[0]
        if random.random() < 0.15:  # what stands in the row above or below is cut off
            away = float(random.uniform(1.1, 1.7)) * height * (1 if random.random() < 0.5 else -1)
            self._line(sheet, hand(random, height), middle + away, tilt, random, float(random.uniform(-1, 1)))
            sheet.digits.clear()
        place = Cursor(writer, middle, tilt, size[1])
        place.across = height * float(random.uniform(0.05 if text[0].isdigit() else -0.4, 1.0))
        if kind < 0.24:
            for _ in range(random.integers(1, 3)):
                self._beside(sheet, place, random, numbers=kind > 0.14)
        if kind > 0.14:
            self.number(sheet, place, text, random)
            place.across += float(random.uniform(0.3, 2.0)) * height
        if kind > 0.84:
            self._beside(sheet, place, random)
        if random.random() < 0.3:
            sheet.rule(middle + height * float(random.uniform(0, 0.3)), tilt, random)
        if random.random() < 0.5:
            sheet.bend(float(random.uniform(0.01, 0.06)) * height, 0.5 * height, random)
        return Page(_photographed(sheet, random, often), sheet.digits)

    def _beside(self, sheet: "Sheet", place: "Cursor", random: Random, numbers: bool = True) -> None:
        """A word, a flourish or, if wanted, another number in a row."""
        kind = random.random() * (1.0 if numbers else 0.75)
        if kind < 0.5:
            _word(sheet, place, random)
        elif kind < 0.65:
            _cursive(sheet, place, random)
        elif kind < 0.75:
            _flourish(sheet, place, random)
        else:
            self.number(sheet, place, numeral(random), random)
        place.across += float(random.uniform(0.3, 1.5)) * place.writer.height

    @staticmethod
    def _height(random: Random) -> float:
        """Of digits, in pixels: mostly what the network is to find, at times larger or smaller."""
        kind = random.random()
        if kind < 0.8:
            return float(np.exp(random.uniform(np.log(17), np.log(62))))
        if kind < 0.96:
            return float(np.exp(random.uniform(np.log(62), np.log(200))))
        return float(random.uniform(7, 14))

    def _line(self, sheet: "Sheet", writer: Hand, row: float, tilt: float, random: Random, indent: float) -> None:
        """A line of numbers, words and signs from the left edge to the right, or a part of it; indented by heights."""
        place = Cursor(writer, row, tilt, sheet.size[1])
        place.across = indent * writer.height
        end = sheet.size[1] / max(np.cos(tilt), 0.3) + writer.height
        alone = random.random() < 0.35
        while place.across < end:
            kind = random.random()
            if kind < 0.72:
                self.number(sheet, place, numeral(random), random)
            elif kind < 0.9:
                _word(sheet, place, random)
            elif kind < 0.95:
                _cursive(sheet, place, random)
            else:
                _flourish(sheet, place, random)
            if alone:
                break
            place.across += float(random.uniform(0.7, 3.5)) * writer.height
        if random.random() < 0.12:
            sheet.rule(row + writer.height * float(random.uniform(0.02, 0.3)), tilt, random)

    def number(self, sheet: "Sheet", place: "Cursor", text: str, random: Random, plain: bool = False) -> None:
        """Write a number: its digits are known to the sheet, its signs are not. Plain: no boxes, ties, small zeros."""
        writer, begun = place.writer, place.across
        boxed = random.random() < 0.05 and not plain
        pitch = writer.height * float(random.uniform(0.8, 1.3))
        shrinking = len(text) - int(random.integers(1, 4)) if random.random() < 0.08 and not plain else len(text)
        lift, tie = 0.0, random.random() < 0.1 and not plain
        chained = not plain and not boxed and random.random() < 0.25
        last = max(index for index, sign in enumerate(text) if sign.isdigit())
        written = 0
        for index, sign in enumerate(text):
            if index < written:
                continue
            if not sign.isdigit():
                _spaced_sign(sheet, place, sign, random)
                continue
            zeros = len(text) - index - len(text[index:].lstrip("0"))
            if chained and zeros > 1:
                written = index + zeros
                sheet.digits += _chain(sheet, place, zeros, written <= last, random)
                continue
            small = 1.0 if index < shrinking else float(random.uniform(0.5, 0.8))
            lift = 0.0 if small == 1 else float(random.uniform(0, 1 - small))
            patch = self._digit(int(sign), writer, random)
            high = writer.height * small * float(np.exp(random.normal(0, writer.unsteady)))
            wide = high * patch.shape[1] / patch.shape[0] * writer.width
            drop = writer.height * (float(random.normal(0, writer.unsteady)) - lift)
            if sign in "1479" and random.random() < 0.15 and not plain:  # with a tail below the line
                tail = float(random.uniform(0.1, 0.5)) * writer.height
                high, drop = high + tail, drop + tail * float(random.uniform(0.3, 1.0))
            if boxed:
                place.across = begun + index * pitch + (pitch - wide) / 2
            sheet.write(patch, place, wide, high, drop, int(sign), index < last)
            if tie and index and random.random() < 0.6:
                _tie(sheet, place, random)
            place.across += wide + writer.height * float(random.normal(writer.gap, writer.gap_spread))
        if boxed:
            _boxes(sheet, place, begun, pitch, len(text), random)
        elif "77" in text and not plain and random.random() < 0.3:
            _common_bar(sheet, random)

    def _digit(self, digit: int, writer: Hand, random: Random) -> Bytes:
        """The ink of a digit, cut to its box, HEIGHT pixels high, by the hand that writes."""
        if self._strangers is not None:
            if writer.font is None:
                writer.font = int(random.integers(len(self._strangers)))
            return _repenned(self._strangers[writer.font, digit], writer, random)
        if random.random() < writer.drawn:
            if digit not in writer.forms:
                writer.forms[digit] = form_of(digit, random, JOINED_UP.get(digit, ()) * 2)
            return _stroked(hand_of_form(writer.forms[digit], random), writer, random)
        of = self._of[digit]
        return _repenned(self._images[of[random.integers(len(of))]], writer, random)


JOINED_UP: dict[int, tuple[str, ...]] = {
    0: (
        "80,8 50,0 15,25 5,65 40,100 80,75 90,30 60,5 45,18 70,28 100,12",
        "60,20 35,10 50,0 75,10 90,45 70,90 30,100 5,65 15,20 50,2",
        "70,0 30,5 5,50 35,100 80,70 75,20 50,5 65,15 95,0",
        "45,25 60,5 30,5 5,45 25,95 70,95 95,50 75,10 50,0",
        "80,20 40,0 5,40 30,95 80,80 85,35 55,10 30,25 45,50 75,30 100,30",
        "0,30 30,40 75,25 55,0 20,20 10,70 50,100 90,65 80,25 50,15",
    ),
    1: (
        "0,80 45,45 75,10 60,0 45,25 40,70 50,100",
        "0,95 50,45 80,8 65,0 48,30 45,100",
        "0,60 40,35 70,5 55,0 42,30 35,70 50,98 80,90",
        "0,70 85,0 ^ 55,100",
        "0,85 90,0 ^ 45,100",
        "0,60 75,0 ^ 25,100",
        "0,45 80,0 ^ 10,100",
        "0,65 50,35 80,8 70,0 55,15 40,60 25,100",
        "10,55 55,30 85,5 70,0 50,30 25,100",
        "0,50 40,40 70,15 65,0 45,20 20,100",
        "5,70 60,25 70,5 50,2 45,40 40,100",
        "0,45 35,35 75,10 60,0 40,20 40,60 55,100",
        "0,75 55,40 80,12 72,0 50,12 30,60 25,95 50,98",
        "10,60 60,35 70,12 50,0 25,15 30,60 40,100",
        "0,85 40,60 75,15 65,0 45,25 15,100",
        "20,55 60,15 70,0 50,5 35,50 10,100",
        "25,60 65,25 75,5 60,0 40,35 0,100",
        "25,60 55,30 65,5 50,0 35,25 25,60 25,90 45,95",
        "30,50 60,20 65,5 50,0 35,25 30,60 25,100",
        "15,70 60,30 80,5 65,0 45,25 15,70 0,100",
        "30,65 60,30 60,5 45,5 32,40 30,100",
        "20,65 50,40 70,10 60,0 40,20 20,65 20,92 35,98 55,85",
    ),
    2: (
        "70,45 35,50 15,20 50,0 80,20 60,65 20,100 0,90 20,75 60,95 100,95",
        "55,45 20,40 20,5 60,0 80,25 55,70 20,100 10,85 40,80 95,98",
        "45,40 30,20 50,0 65,20 50,60 20,100 5,85 35,85 90,90",
        "50,55 10,35 25,0 75,5 85,35 50,75 10,95 25,80 60,100 100,80",
        "15,70 5,35 35,0 80,10 85,50 45,90 10,95 15,75 50,85 100,100",
        "30,75 5,45 20,5 65,0 90,35 60,80 20,100 5,85 30,75 95,95",
        "45,85 10,60 10,20 50,0 85,20 75,65 35,95 20,85 45,80 100,100",
        "50,45 20,40 15,10 55,0 75,20 60,60 15,95 ^ 40,85 90,100",
        "60,40 25,45 20,10 60,0 75,25 55,70 30,100 95,95",
        "40,30 15,30 15,5 50,0 60,20 40,70 5,95 20,75 50,90 100,90",
        "60,70 20,60 10,20 50,0 80,20 60,70 40,100 60,95 100,100",
        "55,50 20,45 15,15 50,0 85,15 75,50 40,90 20,100 ^ 35,85 65,95",
        "50,55 15,45 20,10 60,0 80,20 70,55 30,95 10,90 30,80 70,100",
        "60,50 25,50 10,25 40,0 80,10 80,45 50,85 25,100 20,85 45,85 70,98",
        "45,40 30,35 30,10 60,0 70,20 50,70 20,100 5,90 25,85 60,95",
        "65,45 25,45 15,15 55,0 85,25 65,70 35,100 50,92 75,98",
    ),
    4: (
        "35,0 30,60 ^ 30,55 70,50 70,100",
        "45,0 15,60 ^ 15,55 60,45 60,100",
        "25,0 15,55 ^ 15,55 45,40 70,50 65,100",
        "20,0 5,60 40,45 60,45 ^ 55,100",
        "30,0 10,60 55,45 / 60,40 50,100",
        "40,0 0,50 45,50 / 50,45 45,100",
        "15,0 10,55 ^ 30,40 60,40 65,100",
        "30,0 5,55 30,50 50,40 55,55 50,100",
    ),
    5: (
        "0,70 15,95 35,90 40,50 40,5 ^ 100,0",
        "0,85 25,100 40,70 35,40 30,5 95,5",
        "0,60 20,90 30,60 40,10 ^ 95,0",
        "30,10 30,50 50,60 40,95 5,90 / 30,10 100,0",
        "95,0 40,5 25,30 60,50 75,75 40,98 0,85",
        "0,55 12,100 ^ 50,5 ^ 100,0",
        "0,70 15,100 30,85 50,5 ^ 100,5",
        "5,60 10,95 25,90 45,10 ^ 95,8",
        "0,80 20,100 40,60 45,8 ^ 90,0",
        "0,60 8,90 20,98 35,60 40,5 65,0 100,5",
        "10,40 20,100 ^ 60,15 ^ 100,5",
        "0,50 15,95 ^ 40,0 ^ 80,5",
        "0,90 30,95 40,50 35,5 ^ 85,10",
        "0,60 20,100 30,90 40,30 / 40,15 95,0",
        "5,55 10,95 25,85 45,20 / 50,12 100,0",
        "0,75 15,100 35,80 45,25 / 45,25 100,10",
    ),
    6: (
        "45,0 15,45 10,80 50,100 85,75 55,50 15,70 / 0,40 35,55",
        "30,0 25,70 ^ 25,70 50,40 90,60 70,100 30,95 25,70",
    ),
    7: (
        "30,20 50,10 45,60 40,100 / 10,55 95,50",
        "20,15 50,5 55,15 45,60 50,100 / 15,60 90,55",
        "0,20 30,5 75,0 60,40 45,100 / 15,60 100,50",
        "10,25 30,5 50,5 45,50 40,100 / 5,50 95,45",
        "20,20 45,0 50,20 45,100 / 0,50 100,45",
        "25,10 50,5 45,70 55,100 / 10,45 90,40",
        "5,30 25,10 45,15 55,0 45,100 / 15,55 95,50",
        "30,10 55,5 45,100 / 0,58 100,52",
        "0,10 20,0 80,5 ^ 60,40 30,80 15,100 / 10,55 85,45",
    ),
    8: (
        "20,0 15,100 / 20,2 70,10 65,40 20,45 80,55 75,90 15,100",
        "30,5 20,50 20,100 80,90 75,55 25,50 70,35 65,5 30,5",
        "45,45 80,15 55,0 25,25 30,60 75,75 60,100 15,90 30,60 60,45",
        "40,50 75,20 55,0 25,20 20,80 50,100 85,75 60,50 25,60",
        "20,5 15,95 60,100 80,75 55,50 20,50 60,40 65,10 20,5",
    ),
    9: (
        "25,100 45,5 80,0 90,25 60,48 40,40",
        "35,45 15,20 45,0 80,15 65,45 40,45 60,70 55,100",
        "60,50 25,40 30,5 75,5 80,35 45,50 60,75 75,100",
        "50,50 20,25 50,0 85,20 55,50 40,55 65,75 80,95",
        "40,45 30,10 70,0 85,25 50,45 40,40 45,70 35,100",
    ),
}
"""As quick writers of amounts make them, joined up or shortened: drawn by us after what was misread on cheques."""


@dataclass
class Cursor:
    """Where on a line the next thing is written."""

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
        top = drop
        origin = np.array([self.across - self.writer.slant * top, top])
        middle = np.array([self.width / 2, self.row])
        shift = turned @ (origin - [self.width / 2, 0]) + middle
        return np.concatenate([turned @ slanted, shift[:, None]], axis=1)


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
        self.paper = _paper(size, random, printed)
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


def stroke(plane: Grey, points: Points, pen: float, tone: float) -> None:
    """A line of points (N, 2) with a pen of so many pixels, antialiased, where it is darker than what is there."""
    low = np.floor(points.min(axis=0) - pen - 2).astype(int).clip(0)
    high = np.ceil(points.max(axis=0) + pen + 2).astype(int).clip(None, plane.shape[::-1])
    if (high <= low).any():
        return
    canvas = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    fixed = np.rint((points - low) * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed], False, 255, max(1, round(pen)), cv2.LINE_AA, 4)
    target = plane[low[1] : high[1], low[0] : high[0]]
    np.maximum(target, canvas * np.float32(tone * min(1.0, pen) / 255), out=target)


def numeral(random: Random) -> str:
    """The text of a number as people write them: digits with points, commas and dashes here and there."""
    length = int(random.choice(np.arange(1, 13), p=LENGTHS))
    digits = "".join(str(digit) for digit in random.integers(0, 10, length))
    if length > 2 and random.random() < 0.3:
        digits = digits[: -(zeros := int(random.integers(1, length)))] + "0" * zeros
    if length > 1 and random.random() < 0.12:
        digits = digits[0] * length if random.random() < 0.3 else digits[:-2] + digits[-1] * 2
    if length > 1 and random.random() < 0.2:  # a double anywhere
        at = int(random.integers(length - 1))
        digits = digits[:at] + digits[at] * 2 + digits[at + 2 :]
    if random.random() < 0.4:  # amounts begin with a small digit more often than with a large one
        digits = str(random.choice(np.arange(1, 10), p=BENFORD)) + digits[1:]
    if random.random() < 0.06:  # strokes side by side
        ones = min(int(random.integers(1, 4)), length)
        digits = "1" * ones + digits[ones:]
    kind = random.random()
    if kind < 0.3 and length > 3:
        point = str(random.choice([".", ".", ",", "'"]))
        head = length % 3 or 3
        digits = point.join([digits[:head], *(digits[at : at + 3] for at in range(head, length, 3))])
    elif kind < 0.4 and length > 2:
        at = int(random.integers(1, length))
        digits = digits[:at] + str(random.choice(list(".,-/:"), p=[0.35, 0.35, 0.2, 0.04, 0.06])) + digits[at:]
    if random.random() < 0.4:
        digits += str(random.choice(["=", ".-", ",-", "-", ".", ",", ".=", "--", ":", "==", "'"]))
    if random.random() < 0.1:
        digits = str(random.choice(list("$#-+=*"))) + digits
    return digits


BENFORD = np.log10(1 + 1 / np.arange(1, 10))
"""Of the first digits 1 to 9 of amounts, counts and readings: Newcomb, 1881; Benford, 1938."""

LENGTHS = np.array([10, 14, 12, 14, 16, 12, 6, 6, 4, 3, 2, 1]) / 100
"""Of numbers of 1 to 12 digits."""


def _stroked(lines: list[Points], writer: Hand, random: Random) -> Bytes:
    """Lines in a box of 1 by 1 drawn with the writer's pen, cut to the ink."""
    pen = max(1.0, HEIGHT * writer.pen * float(np.exp(random.normal(0, 0.1))))
    margin = round(pen) + 2
    extent = np.concatenate(lines).max(axis=0)
    room = (HEIGHT - pen) / max(extent[1], 0.2)
    size = np.ceil(extent * room).astype(int) + 2 * margin
    canvas = np.zeros((size[1], size[0]), np.uint8)
    for line in lines:
        fixed = np.rint((line * room + margin) * 8).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, 255, max(1, round(pen)), cv2.LINE_AA, 3)
    return _cut(canvas)


def _repenned(image: Bytes, writer: Hand, random: Random) -> Bytes:
    """A digit image drawn larger with a pen nearer to the writer's, cut to the ink."""
    ink_box = _cut(image)
    width = max(2, round(HEIGHT * ink_box.shape[1] / ink_box.shape[0]))
    if width > 3 * HEIGHT:
        width = 3 * HEIGHT
    large = cv2.resize(np.pad(ink_box, 1), (width + 8, HEIGHT + 8), interpolation=cv2.INTER_CUBIC)
    large = ((large.astype(np.float32) - 128) * 3 + 128).clip(0, 255).astype(np.uint8)
    wanted = HEIGHT * writer.pen * float(np.exp(random.normal(0, 0.1)))
    missing = wanted - _pen_of(np.asarray(large, np.uint8))
    reach = min(round(abs(missing)), 7)
    if reach >= 2:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        if missing > 0:
            large = cv2.dilate(np.pad(large, reach), kernel)
        else:
            thin = cv2.erode(large, kernel)
            large = thin if int(thin.max()) > 100 else large
    return _cut(np.asarray(large, np.uint8))


def _pen_of(patch: Bytes) -> float:
    """Mean width of the strokes in pixels: twice their area by their outline."""
    bright = (patch > 128).astype(np.uint8)
    edge = int((bright - cv2.erode(bright, np.ones((3, 3), np.uint8))).sum())
    return 2.0 * float(bright.sum()) / max(edge, 1)


def _cut(canvas: Bytes) -> Bytes:
    """A canvas cut to its ink; as it is where there is none."""
    bright = canvas > 60
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not len(rows):
        return canvas
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _at(place: Cursor, points: Points) -> Points:
    """Points in units of the writer's height, from the cursor, y downwards from the line, on the page."""
    scaled = np.concatenate([points * place.writer.height, np.ones((len(points), 1))], axis=1)
    return np.asarray(scaled @ place.matrix((1.0, 1.0), 0.0).T)


def _pen(place: Cursor) -> float:
    return max(0.8, place.writer.pen * place.writer.height)


def _sign(sheet: Sheet, place: Cursor, sign: str, random: Random) -> None:
    """A sign in the writer's hand, at the cursor, which moves behind it."""
    writer, jitter = place.writer, random.normal(0, 0.03, 8)
    lines: list[list[tuple[float, float]]]
    wide = float(random.uniform(0.25, 0.6))
    match sign:
        case ".":
            lines, wide = [[(0.05, -0.02), (0.07 + jitter[0], jitter[1])]], 0.12
            if random.random() < 0.3:  # a tick
                lines = [[(0.08, -float(random.uniform(0.05, 0.3))), (0.08 + 3 * jitter[2], 0.05 + jitter[3])]]
        case ",":
            lines, wide = [[(0.1, -0.06), (0.1 + jitter[0], 0.05), (0.0 + jitter[1], 0.2 + jitter[2])]], 0.14
            if random.random() < 0.3:  # as long as a small digit
                lines = [[(2.5 * x, 2.5 * y - float(random.uniform(0, 0.2))) for x, y in lines[0]]]
        case "'":
            lines, wide = [[(0.1, -1.0), (0.05 + jitter[0], -0.75 + jitter[1])]], 0.14
        case "-":
            wide *= float(random.uniform(1, 4)) if random.random() < 0.2 else 1.0
            rise = float(random.uniform(-0.2, 1.3)) * min(wide, 0.6) if random.random() < 0.3 else 2 * jitter[1]
            lines = [[(0, -0.4 + jitter[0]), (wide, -0.4 - rise)]]
        case "=":
            wide *= float(random.uniform(0.5, 2.2))
            rise = float(random.uniform(-0.1, 0.6)) * wide if random.random() < 0.4 else 0.0
            apart = float(random.uniform(0.15, 0.3))
            lines = [[(0, y + jitter[0]), (wide, y + 2 * jitter[1] - rise)] for y in (-0.3 - apart, -0.3)]
            if random.random() < 0.25:  # without lifting the pen
                lines = [lines[0] + lines[1]]
        case "/":
            wide = 0.6
            lines = [[(0.0, 0.25), (wide, -1.25 + jitter[0])]]
        case ":":
            lines, wide = [[(0.05, y), (0.07, y + jitter[0])] for y in (-0.1, -0.55)], 0.15
            if random.random() < 0.4:  # a sign of division
                wide = 0.6
                lines = [[(0.3, y), (0.32, y)] for y in (0.0, -0.8)] + [[(0, -0.4), (wide, -0.4 + jitter[0])]]
        case "+":
            wide *= float(random.uniform(1.0, 1.8))
            lines = [[(0, -0.5), (wide, -0.5 + jitter[0])], [(wide / 2, -0.5 - wide / 2), (wide / 2, -0.5 + wide / 2)]]
        case "x":
            wide *= float(random.uniform(1.0, 1.8))
            lines = [[(0, -0.9), (wide, jitter[0])], [(wide + jitter[1], -0.9 + jitter[2]), (0, jitter[3])]]
        case _:
            _letters(sheet, place, sign, random)
            return
    thicker = random.uniform(0.9, 1.5) if sign not in ".,:" else random.uniform(1.0, 2.2)
    for line in lines:
        stroke(sheet.written, _at(place, np.array(line)), _pen(place) * thicker, writer.tone)
    place.across += (wide + max(0.05, float(random.normal(writer.gap, 0.1)))) * writer.height


def _spaced_sign(sheet: Sheet, place: Cursor, sign: str, random: Random) -> None:
    """A sign within a number or at its end, at times with a wide gap around it."""
    wide = float(random.uniform(0.1, 0.7)) * place.writer.height if random.random() < 0.15 else 0.0
    place.across += wide * float(random.uniform(0, 0.5))
    _sign(sheet, place, sign, random)
    place.across += wide


def _chain(sheet: Sheet, place: Cursor, count: int, goes_on: bool, random: Random) -> list[Placed]:
    """Zeros in one stroke, as amounts end: rings tied at the top, or loops like a row of e; as the sheet shows them."""
    high = float(random.uniform(0.35, 1.0))
    pitch = high * float(random.uniform(0.6, 1.3))
    loop = _loop(high, pitch, random)
    lift = float(random.uniform(0, 1 - high)) if random.random() < 0.5 else 0.0
    rings = [
        loop * random.uniform(0.8, 1.2, 2) + [number * pitch, random.normal(0, 0.04) - lift] for number in range(count)
    ]
    pen = min(_pen(place), 0.22 * min(high, pitch) * place.writer.height)
    stroke(sheet.written, _at(place, np.concatenate(rings)), pen, place.writer.tone)
    drawn = [_seen(sheet, _at(place, ring), pen, goes_on or number < count - 1) for number, ring in enumerate(rings)]
    place.across += (count * pitch + max(0.05, float(random.normal(place.writer.gap, 0.1)))) * place.writer.height
    return [zero for zero in drawn if zero]


def _loop(high: float, pitch: float, random: Random) -> Points:
    """One zero of a chain, so high and so far from the next one, which its stroke ends near."""
    turn = np.linspace(0, 1, 25)
    if random.random() < 0.6:
        wide = pitch * float(random.uniform(0.55, 0.95))
        start, over = float(random.uniform(-1.9, -0.9)), float(random.uniform(0.0, 1.0))
        angle = start - turn * (2 * np.pi + over)
        across = wide / 2 * (1 + np.cos(angle))
    else:
        angle = np.pi / 2 - 2 * np.pi * turn
        across = pitch * turn + pitch * float(random.uniform(0.3, 0.55)) * np.cos(angle)
    return np.stack([across, high / 2 * (np.sin(angle) - 1)], axis=1)


def _seen(sheet: Sheet, points: Points, pen: float, goes_on: bool) -> Placed | None:
    """A zero that is drawn through points on the page, as far as the sheet goes; None where it does not reach it."""
    start, end = points.min(axis=0) - pen / 2, points.max(axis=0) + pen / 2
    (left, top), (right, bottom) = (corner.clip(0, sheet.size[::-1]) for corner in (start, end))
    share = float((right - left) * (bottom - top) / np.prod(end - start))
    box = (float(left), float(top), float(right - left), float(bottom - top))
    return Placed(0, box, share, goes_on) if share > 0 else None


def _common_bar(sheet: Sheet, random: Random) -> None:
    """One bar through two sevens side by side, the last that were written."""
    for first, second in zip(sheet.digits[-2::-1], sheet.digits[::-1], strict=False):
        if first.digit == second.digit == 7 and first.goes_on:
            left, right = first.box[0], second.box[0] + second.box[2]
            rows = [one.box[1] + float(random.uniform(0.4, 0.6)) * one.box[3] for one in (first, second)]
            reach = 0.15 * first.box[3] * random.uniform(0, 1, 2)
            ends = np.array([(left - reach[0], rows[0]), (right + reach[1], rows[1])])
            stroke(sheet.written, ends, max(1.0, 0.08 * first.box[3]), float(random.uniform(0.5, 1.0)))
            return


def _tie(sheet: Sheet, place: Cursor, random: Random) -> None:
    """A thin stroke from the last digit to this one, as a pen leaves that is not lifted."""
    height = float(random.choice([-0.95, -0.6, -0.1])) + float(random.normal(0, 0.05))
    back = float(random.uniform(0.15, 0.4))
    sag = float(random.normal(0, 0.12))
    points = np.array([(-back, height), (-back / 2 + 0.05, height + sag), (0.15, height + random.normal(0, 0.05))])
    stroke(sheet.written, _at(place, points), 0.8 * _pen(place), place.writer.tone)


def _boxes(sheet: Sheet, place: Cursor, begun: float, pitch: float, count: int, random: Random) -> None:
    """A box around each digit, as forms have them."""
    here, place.across = place.across, begun
    high, step = 1.15 + float(random.uniform(0, 0.25)), pitch / place.writer.height
    tone, pen = float(random.uniform(0.2, 0.9)), float(random.uniform(0.8, 2.5))
    low, slant, place.writer.slant = high - float(random.uniform(1.05, 1.15)), place.writer.slant, 0.0
    for index in range(count + 1):
        stroke(sheet.written, _at(place, np.array([(index * step, low), (index * step, low - high)])), pen, tone)
    for level in (low, low - high):
        stroke(sheet.written, _at(place, np.array([(0.0, level), (count * step, level)])), pen, tone)
    place.across, place.writer.slant = here, slant


def _word(sheet: Sheet, place: Cursor, random: Random) -> None:
    """A word in letters, printed or written: nothing to be read."""
    kind, count = random.random(), int(random.integers(1, 9))
    if kind < 0.2:
        for sign in random.choice(list("+x=-:"), int(random.integers(1, 3)), p=[0.3, 0.3, 0.15, 0.15, 0.1]):
            _sign(sheet, place, sign, random)
        return
    if kind < 0.6:
        _glyphs(sheet, place, count, random)
        return
    letters = LONE if count < 3 else EVERY
    _letters(sheet, place, "".join(random.choice(list(letters), count)), random)


LONE = "ACEFHKMNPRUVWXYacdefhkmnpuvwx$#%&"
"""Signs that are no digit even if they stand alone."""

EVERY = "ABCDEFGHIJKLMNOPQRSTUVWXYZaaabcddeeeefghiijklmnnnooopqrrrssstttuuvwxyz"
"""In a word all letters are letters."""


def _letters(sheet: Sheet, place: Cursor, text: str, random: Random) -> None:
    """Letters in one of Hershey's fonts."""
    font = FONTS[random.integers(len(FONTS))] | (cv2.FONT_ITALIC if random.random() < 0.2 else 0)
    pen = max(1, round(2.2 * HEIGHT * min(place.writer.pen, 0.1) / 1.2))
    (width, height), base = cv2.getTextSize(text, font, 2.2, pen)
    canvas = np.zeros((height + base + 2 * pen + 8, width + 2 * pen + 8), np.uint8)
    cv2.putText(canvas, text, (pen + 4, height + pen + 4), font, 2.2, 255, pen, cv2.LINE_AA)
    patch = _cut(canvas)
    high = place.writer.height * float(random.uniform(0.6, 1.3))
    wide = high * patch.shape[1] / patch.shape[0] * float(random.uniform(0.7, 1.2))
    sheet.write(patch, place, wide, high, 0.2 * high if base else 0.0)
    place.across += wide + 0.1 * high


def _glyphs(sheet: Sheet, place: Cursor, count: int, random: Random) -> None:
    """Letters of one handwriting font."""
    font = glyphs()[random.integers(len(glyphs()))]
    for _ in range(count):
        patch = _cut(font[random.integers(len(font))])
        patch = np.asarray(cv2.resize(patch, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
        high = place.writer.height * float(random.uniform(0.6, 1.1))
        wide = high * patch.shape[1] / patch.shape[0] * place.writer.width
        sheet.write(patch, place, wide, high, float(random.normal(0, 0.05)) * high)
        place.across += wide + place.writer.height * float(random.uniform(0, 0.2))


def _cursive(sheet: Sheet, place: Cursor, random: Random) -> None:
    """Joined-up writing that nobody can read: loops and waves along the line."""
    count = int(random.integers(3, 12))
    step = np.linspace(0, count, 14 * count)
    amplitude = np.interp(step, np.arange(count + 1), random.uniform(0.15, 0.8, count + 1))
    loops = np.interp(step, np.arange(count + 1), random.uniform(-0.2, 0.35, count + 1))
    pace = float(random.uniform(0.3, 0.6))
    points = np.stack(
        [pace * step + loops * np.sin(2 * np.pi * step), amplitude * (np.cos(2 * np.pi * step) - 1) / 2], axis=1
    )
    stroke(sheet.written, _at(place, points), _pen(place), place.writer.tone)
    place.across += pace * count * place.writer.height


def _flourish(sheet: Sheet, place: Cursor, random: Random) -> None:
    """A scribble, a blot, a tick or a crossing-out."""
    kind = random.random()
    if kind < 0.2:
        for _ in range(random.integers(1, 4)):
            spot = np.array([(0.0, 0.0), (float(random.uniform(0, 0.15)), 0.0)]) + random.uniform(-0.8, 0.2, 2)
            stroke(sheet.written, _at(place, spot), place.writer.height * random.uniform(0.08, 0.5), place.writer.tone)
        place.across += place.writer.height
        return
    if kind < 0.45:
        points = np.cumsum(random.normal(0, 0.3, (int(random.integers(4, 12)), 2)), axis=0) - [0, 0.5]
    elif kind < 0.7:
        points = np.array([(0, -0.4), (0.25, 0.0), (0.8, -1.0)]) * random.uniform(0.6, 1.4)
    else:
        along = np.linspace(0, random.uniform(0.5, 3), int(random.integers(6, 20)))
        points = np.stack([along, -0.5 + 0.35 * (-1.0) ** np.arange(len(along))], axis=1)
    stroke(sheet.written, _at(place, points), _pen(place) * random.uniform(0.8, 2), place.writer.tone)
    place.across += place.writer.height


def _signs(sheet: Sheet, random: Random) -> None:
    """Signs alone on a sheet, written small or large with a fine pen or a marker."""
    height = float(np.exp(random.uniform(np.log(20), np.log(2 * sheet.size[0]))))
    writer = hand(random, height)
    writer.pen, writer.slant = float(random.uniform(0.04, 0.3)), 0.1 * writer.slant
    place = Cursor(writer, sheet.size[0] / 2 + 0.5 * height, float(random.normal(0, 0.1)), sheet.size[1])
    place.across = float(random.uniform(-0.2, 0.8)) * max(sheet.size[1] - height, 10)
    for sign in random.choice(list("+x=-:.,"), int(random.integers(1, 4)), p=[0.25, 0.15, 0.1, 0.1, 0.25, 0.1, 0.05]):
        _sign(sheet, place, sign, random)


def _cropped(page: Page, size: tuple[int, int], random: Random) -> Page:
    """A piece of a page at most so large: cut close around one of its digits and what stands beside it."""
    height, width = page.grey.shape
    if page.digits:
        first = page.digits[random.integers(len(page.digits))].box
        row = [one.box for one in page.digits if abs(one.box[1] - first[1]) < 0.6 * first[3]]
        margin = float(random.uniform(-0.1, 0.3)) * first[3]
        left, top = min(box[0] for box in row) - margin, min(box[1] for box in row) - margin
        right, bottom = max(box[0] + box[2] for box in row) + margin, max(box[1] + box[3] for box in row) + margin
    else:
        left, top, right, bottom = 0, 0, size[1], size[0]
    x, y = round(min(max(left, 0), width - 24)), round(min(max(top, 0), height - 24))
    wide = round(min(max(right - x, 24), size[1], width - x))
    high = round(min(max(bottom - y, 24), size[0], height - y))
    kept = [cut for one in page.digits if (cut := _cut_off(one, (x, y, wide, high)))]
    return Page(page.grey[y : y + high, x : x + wide], kept)


def _cut_off(placed: Placed, window: tuple[int, int, int, int]) -> Placed | None:
    """A digit as it is seen in a window of the page: left, top, width, height; None where it is not."""
    left, top, wide, high = placed.box
    x, y = max(left - window[0], 0.0), max(top - window[1], 0.0)
    right, bottom = min(left + wide - window[0], window[2]), min(top + high - window[1], window[3])
    if right <= x or bottom <= y:
        return None
    share = (right - x) * (bottom - y) / (wide * high)
    return replace(placed, box=(x, y, right - x, bottom - y), visible=placed.visible * share)


def _paper(size: tuple[int, int], random: Random, printed: int | None) -> Grey:
    """Paper without writing: its tone, 0..1, with what is printed on it; see ``Sheet``."""
    paper = np.full(size, random.uniform(0.6, 1.0), np.float32)
    kind = random.random() if printed is None else 1.0 if printed == 0 else random.uniform(0.42, 0.7)
    if kind < 0.42:
        for _ in range(random.integers(1, 4)):
            paper -= _guilloche(size, random)
    elif kind < 0.52:
        paper -= _ruled(size, random, random.random() < 0.5)
    if random.random() < 0.25:
        grain = (max(2, size[0] // int(random.integers(2, 30))), max(2, size[1] // int(random.integers(2, 30))))
        blotches = cv2.resize(random.normal(0, 1, grain).astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
        paper += np.float32(random.uniform(0.005, 0.05)) * blotches
    return paper


def _guilloche(size: tuple[int, int], random: Random) -> Grey:
    """A family of fine wavy lines, as on cheques."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    angle = random.choice([0.0, np.pi / 2, random.uniform(0, np.pi)]) + random.normal(0, 0.15)
    across = columns * np.float32(np.cos(angle)) + rows * np.float32(np.sin(angle))
    along = rows * np.float32(np.cos(angle)) - columns * np.float32(np.sin(angle))
    period = np.float32(np.exp(random.uniform(np.log(3.5), np.log(16))))
    wave, swing = np.float32(random.uniform(20, 160)), np.float32(random.uniform(0, 1.2) * period * 2)
    phase = across + swing * np.sin(along * (2 * np.float32(np.pi) / wave) + np.float32(random.uniform(0, 6)))
    if random.random() < 0.3:  # rings
        middle = random.uniform(-1, 2, 2) * size
        phase = np.hypot(rows - np.float32(middle[0]), columns - np.float32(middle[1])) + 0.3 * phase
    lines = np.cos(phase * (2 * np.float32(np.pi) / period))
    sharp = np.float32(random.uniform(-0.3, 0.8))
    depth = np.float32(random.uniform(0.02, 0.22))
    return np.asarray(depth * ((lines - sharp) / (1 - sharp)).clip(0, 1), np.float32)


def _ruled(size: tuple[int, int], random: Random, squared: bool) -> Grey:
    """Ruled paper, or squared."""
    lines = np.zeros(size, np.float32)
    pitch, depth = float(random.uniform(12, 90)), float(random.uniform(0.06, 0.4))
    tilt, pen = float(random.normal(0, 0.02)), float(random.uniform(0.7, 2.2))
    for row in np.arange(random.uniform(0, pitch), size[0] + 10, pitch):
        stroke(lines, np.array([(-2, row), (size[1] + 2, row + tilt * size[1])]), pen, depth)
    if squared:
        for column in np.arange(random.uniform(0, pitch), size[1] + 10, pitch):
            stroke(lines, np.array([(column, -2), (column - tilt * size[0], size[0] + 2)]), pen, depth)
    return lines


def _photographed(sheet: Sheet, random: Random, often: float = 0.35) -> Grey:
    """The sheet as a camera or a scanner gives it: uneven pen, light; so often each of blur, pixels, noise, JPEG."""
    size, written = sheet.size, sheet.written
    if random.random() < 0.3:  # a pen that fails here and there
        grain = (max(2, size[0] // 6), max(2, size[1] // 6))
        flow = cv2.resize(random.random(grain).astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
        written = written * (1 - np.float32(random.uniform(0.2, 0.8)) * flow)
    grey = sheet.paper * (1 - written * np.float32(random.uniform(0.8, 0.97)))
    if random.random() < 0.3:
        grey = grey * _shade(size, random)
    for damage in (_blurred, _coarse, _noisy, _compressed):
        if random.random() < often:
            grey = damage(grey, random)
    return np.asarray(grey.clip(0, 1), np.float32)


def _damaged(random: Random) -> float:
    """How often a picture is damaged in each way: most scanners are good ones."""
    return 0.1 if random.random() < 0.6 else 0.35


def _shade(size: tuple[int, int], random: Random) -> Grey:
    """Light that falls off, or the shadow of a hand with a soft edge: factors of 0..1."""
    angle, place = random.uniform(0, 2 * np.pi), random.uniform(-0.5, 0.5)
    rows, columns = np.mgrid[-0.5 : 0.5 : size[0] * 1j, -0.5 : 0.5 : size[1] * 1j].astype(np.float32)
    along = rows * np.float32(np.sin(angle)) + columns * np.float32(np.cos(angle)) - np.float32(place)
    soft = np.float32(np.exp(random.uniform(np.log(0.05), np.log(1.5))))
    return np.asarray(
        1 - np.float32(random.uniform(0.1, 0.6)) / (1 + np.exp((-along * 4 / soft).clip(-60, 60))), np.float32
    )


def _blurred(grey: Grey, random: Random) -> Grey:
    """Out of focus, or moved."""
    if random.random() < 0.75:
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), random.uniform(0.4, 1.6)), np.float32)
    reach = int(random.integers(2, 6))
    return np.asarray(cv2.blur(grey, (reach, 1) if random.random() < 0.5 else (1, reach)), np.float32)


def _coarse(grey: Grey, random: Random) -> Grey:
    """From a picture with fewer pixels."""
    factor = float(random.uniform(1.3, 3.0) if random.random() < 0.8 else random.uniform(3.0, 5.0))
    small = cv2.resize(grey, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    back = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[random.integers(3)]
    return np.asarray(cv2.resize(small, grey.shape[::-1], interpolation=back), np.float32)


def _noisy(grey: Grey, random: Random) -> Grey:
    """Grain."""
    noise = random.standard_normal(grey.shape, np.float32)
    return np.asarray(grey + np.float32(random.uniform(0.005, 0.08)) * noise, np.float32)


def _compressed(grey: Grey, random: Random) -> Grey:
    """JPEG of poor quality."""
    bytes_of = (grey.clip(0, 1) * 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", bytes_of, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 80))])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)
