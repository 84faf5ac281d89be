"""Pages of our own making, to learn finding digits on. Knows what is written where; knows nothing of networks.

A page is written digit by digit: MNIST's training images, the strokes of ``forms``, or those of people whose pens were
followed (``pens``), in one hand per line (``hands``), with the signs, words and scribbles that stand beside numbers
(``beside``), on blank, ruled, squared or guilloche paper, photographed badly (``paper``).
Everything that varies comes from one random source. It ends as ``page.ink``, like any page that a user brings.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zeronine.train import beside
from zeronine.train.forms import JOINED_UP
from zeronine.train.hands import Bytes, Hand, any_hand, hand, repenned, stroked
from zeronine.train.paper import how_often_damaged
from zeronine.train.sheet import Cursor, Page, Placed, Sheet
from zeronine.train.synthesis import Random, form_of, hand_of_form

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
        sheet, often = Sheet(size, random), how_often_damaged(random)
        kind = random.random()
        if 0.03 <= kind < 0.08:
            beside.signs(sheet, random)
        elif kind >= 0.08:
            self._write(sheet, random)
        return sheet.photographed(random, often)

    def _write(self, sheet: Sheet, random: Random) -> None:
        """Lines of writing: one across the middle, or as many as there is room for."""
        size = sheet.size
        tilt = float(np.deg2rad(random.normal(0, 4) if random.random() < 0.8 else random.normal(0, 12)))
        if random.random() < 0.4:  # one line, cut out
            height = float(random.uniform(0.3, 0.95)) * min(size[0], 75)
            row = (size[0] + height) / 2 + float(random.normal(0, 0.08)) * size[0]
            self._line(sheet, any_hand(random, height), row, tilt, random, float(random.uniform(-0.3, 1.0)))
            return
        height = self._height(random)
        row = float(random.uniform(0.2, 1.3) * height)
        while row < size[0] + 0.4 * height:
            writer = any_hand(random, height * float(np.exp(random.normal(0, 0.08))))
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
        clean = Page(sheet.paper * (1 - 0.9 * sheet.written), sheet.digits)
        return clean if easy else sheet.photographed(random), text

    def row(self, random: Random) -> Page:
        """A row of writing at random, as it is cut out of a page: most often one number, with what stands beside it."""
        height = float(random.uniform(22, 60))
        writer, often = any_hand(random, height), how_often_damaged(random)
        if random.random() < 0.25:  # what touches is where a row read at once is of most use
            writer.gap = float(random.uniform(-0.14, 0.02))
        kind, text = random.random(), numeral(random)
        high, wide = float(random.uniform(1.3, 2.4)), len(text) + float(random.uniform(1.5, 4))
        size = (round(height * high), round(height * wide))
        sheet = Sheet(size, random)
        if random.random() < 0.04:
            beside.signs(sheet, random)
            return sheet.photographed(random, often)
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
        return sheet.photographed(random, often)

    def _beside(self, sheet: Sheet, place: Cursor, random: Random, numbers: bool = True) -> None:
        """A word, a flourish or, if wanted, another number in a row."""
        kind = random.random() * (1.0 if numbers else 0.75)
        if kind < 0.5:
            beside.word(sheet, place, random)
        elif kind < 0.65:
            beside.cursive(sheet, place, random)
        elif kind < 0.75:
            beside.flourish(sheet, place, random)
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

    def _line(self, sheet: Sheet, writer: Hand, row: float, tilt: float, random: Random, indent: float) -> None:
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
                beside.word(sheet, place, random)
            elif kind < 0.95:
                beside.cursive(sheet, place, random)
            else:
                beside.flourish(sheet, place, random)
            if alone:
                break
            place.across += float(random.uniform(0.7, 3.5)) * writer.height
        if random.random() < 0.12:
            sheet.rule(row + writer.height * float(random.uniform(0.02, 0.3)), tilt, random)

    def number(self, sheet: Sheet, place: Cursor, text: str, random: Random, plain: bool = False) -> None:
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
                beside.spaced_sign(sheet, place, sign, random)
                continue
            zeros = len(text) - index - len(text[index:].lstrip("0"))
            if chained and zeros > 1:
                written = index + zeros
                sheet.digits += beside.chain(sheet, place, zeros, written <= last, random)
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
                beside.tie(sheet, place, random)
            place.across += wide + writer.height * float(random.normal(writer.gap, writer.gap_spread))
        if boxed:
            beside.boxes(sheet, place, begun, pitch, len(text), random)
        elif "77" in text and not plain and random.random() < 0.3:
            beside.common_bar(sheet, random)

    def _digit(self, digit: int, writer: Hand, random: Random) -> Bytes:
        """The ink of a digit, cut to its box, HEIGHT pixels high, by the hand that writes."""
        if self._strangers is not None:
            if writer.font is None:
                writer.font = int(random.integers(len(self._strangers)))
            return repenned(self._strangers[writer.font, digit], writer, random)
        if random.random() < writer.drawn:
            if digit not in writer.forms:
                writer.forms[digit] = form_of(digit, random, JOINED_UP.get(digit, ()) * 2)
            return stroked(hand_of_form(writer.forms[digit], random), writer, random)
        of = self._of[digit]
        image = int(of[random.integers(len(of))])
        if writer.alike:
            image = writer.images.setdefault(digit, image)
        return repenned(self._images[image], writer, random)


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
