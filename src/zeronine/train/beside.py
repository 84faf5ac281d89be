"""What stands between digits and beside numbers: signs, zeros in one stroke, boxes, words, flourishes.

Knows how such things are written; knows nothing of numbers.
"""

import cv2
import numpy as np

from zeronine.train.forms import Points
from zeronine.train.glyphs import glyphs
from zeronine.train.hands import HEIGHT, cut, hand
from zeronine.train.paper import stroke
from zeronine.train.sheet import Cursor, Placed, Sheet
from zeronine.train.synthesis import FONTS, Random


def write_sign(sheet: Sheet, place: Cursor, sign: str, random: Random) -> None:
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
        stroke(sheet.written, place.at(np.array(line)), place.pen * thicker, writer.tone)
    place.across += (wide + max(0.05, float(random.normal(writer.gap, 0.1)))) * writer.height


def spaced_sign(sheet: Sheet, place: Cursor, sign: str, random: Random) -> None:
    """A sign within a number or at its end, at times with a wide gap around it."""
    wide = float(random.uniform(0.1, 0.7)) * place.writer.height if random.random() < 0.15 else 0.0
    place.across += wide * float(random.uniform(0, 0.5))
    write_sign(sheet, place, sign, random)
    place.across += wide


def chain(sheet: Sheet, place: Cursor, count: int, goes_on: bool, random: Random) -> list[Placed]:
    """Zeros in one stroke, as amounts end: rings tied at the top, or loops like a row of e; as the sheet shows them."""
    high = float(random.uniform(0.35, 1.0))
    pitch = high * float(random.uniform(0.6, 1.3))
    loop = _loop(high, pitch, random)
    lift = float(random.uniform(0, 1 - high)) if random.random() < 0.5 else 0.0
    rings = [
        loop * random.uniform(0.8, 1.2, 2) + [number * pitch, random.normal(0, 0.04) - lift] for number in range(count)
    ]
    pen = min(place.pen, 0.22 * min(high, pitch) * place.writer.height)
    stroke(sheet.written, place.at(np.concatenate(rings)), pen, place.writer.tone)
    drawn = [_seen(sheet, place.at(ring), pen, goes_on or number < count - 1) for number, ring in enumerate(rings)]
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


def common_bar(sheet: Sheet, random: Random) -> None:
    """One bar through two sevens side by side, the last that were written."""
    for first, second in zip(sheet.digits[-2::-1], sheet.digits[::-1], strict=False):
        if first.digit == second.digit == 7 and first.goes_on:
            left, right = first.box[0], second.box[0] + second.box[2]
            rows = [one.box[1] + float(random.uniform(0.4, 0.6)) * one.box[3] for one in (first, second)]
            reach = 0.15 * first.box[3] * random.uniform(0, 1, 2)
            ends = np.array([(left - reach[0], rows[0]), (right + reach[1], rows[1])])
            stroke(sheet.written, ends, max(1.0, 0.08 * first.box[3]), float(random.uniform(0.5, 1.0)))
            return


def tie(sheet: Sheet, place: Cursor, random: Random) -> None:
    """A thin stroke from the last digit to this one, as a pen leaves that is not lifted."""
    height = float(random.choice([-0.95, -0.6, -0.1])) + float(random.normal(0, 0.05))
    back = float(random.uniform(0.15, 0.4))
    sag = float(random.normal(0, 0.12))
    points = np.array([(-back, height), (-back / 2 + 0.05, height + sag), (0.15, height + random.normal(0, 0.05))])
    stroke(sheet.written, place.at(points), 0.8 * place.pen, place.writer.tone)


def boxes(sheet: Sheet, place: Cursor, begun: float, pitch: float, count: int, random: Random) -> None:
    """A box around each digit, as forms have them."""
    here, place.across = place.across, begun
    high, step = 1.15 + float(random.uniform(0, 0.25)), pitch / place.writer.height
    tone, pen = float(random.uniform(0.2, 0.9)), float(random.uniform(0.8, 2.5))
    low, slant, place.writer.slant = high - float(random.uniform(1.05, 1.15)), place.writer.slant, 0.0
    for index in range(count + 1):
        stroke(sheet.written, place.at(np.array([(index * step, low), (index * step, low - high)])), pen, tone)
    for level in (low, low - high):
        stroke(sheet.written, place.at(np.array([(0.0, level), (count * step, level)])), pen, tone)
    place.across, place.writer.slant = here, slant


def word(sheet: Sheet, place: Cursor, random: Random) -> None:
    """A word in letters, printed or written: nothing to be read."""
    kind, count = random.random(), int(random.integers(1, 9))
    if kind < 0.2:
        for sign in random.choice(list("+x=-:"), int(random.integers(1, 3)), p=[0.3, 0.3, 0.15, 0.15, 0.1]):
            write_sign(sheet, place, sign, random)
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
    patch = cut(canvas)
    high = place.writer.height * float(random.uniform(0.6, 1.3))
    wide = high * patch.shape[1] / patch.shape[0] * float(random.uniform(0.7, 1.2))
    sheet.write(patch, place, wide, high, 0.2 * high if base else 0.0)
    place.across += wide + 0.1 * high


def _glyphs(sheet: Sheet, place: Cursor, count: int, random: Random) -> None:
    """Letters of one handwriting font."""
    font = glyphs()[random.integers(len(glyphs()))]
    for _ in range(count):
        patch = cut(font[random.integers(len(font))])
        patch = np.asarray(cv2.resize(patch, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
        high = place.writer.height * float(random.uniform(0.6, 1.1))
        wide = high * patch.shape[1] / patch.shape[0] * place.writer.width
        sheet.write(patch, place, wide, high, float(random.normal(0, 0.05)) * high)
        place.across += wide + place.writer.height * float(random.uniform(0, 0.2))


def cursive(sheet: Sheet, place: Cursor, random: Random) -> None:
    """Joined-up writing that nobody can read: loops and waves along the line."""
    count = int(random.integers(3, 12))
    step = np.linspace(0, count, 14 * count)
    amplitude = np.interp(step, np.arange(count + 1), random.uniform(0.15, 0.8, count + 1))
    loops = np.interp(step, np.arange(count + 1), random.uniform(-0.2, 0.35, count + 1))
    pace = float(random.uniform(0.3, 0.6))
    points = np.stack(
        [pace * step + loops * np.sin(2 * np.pi * step), amplitude * (np.cos(2 * np.pi * step) - 1) / 2], axis=1
    )
    stroke(sheet.written, place.at(points), place.pen, place.writer.tone)
    place.across += pace * count * place.writer.height


def flourish(sheet: Sheet, place: Cursor, random: Random) -> None:
    """A scribble, a blot, a tick or a crossing-out."""
    kind = random.random()
    if kind < 0.2:
        for _ in range(random.integers(1, 4)):
            spot = np.array([(0.0, 0.0), (float(random.uniform(0, 0.15)), 0.0)]) + random.uniform(-0.8, 0.2, 2)
            stroke(sheet.written, place.at(spot), place.writer.height * random.uniform(0.08, 0.5), place.writer.tone)
        place.across += place.writer.height
        return
    if kind < 0.45:
        points = np.cumsum(random.normal(0, 0.3, (int(random.integers(4, 12)), 2)), axis=0) - [0, 0.5]
    elif kind < 0.7:
        points = np.array([(0, -0.4), (0.25, 0.0), (0.8, -1.0)]) * random.uniform(0.6, 1.4)
    else:
        along = np.linspace(0, random.uniform(0.5, 3), int(random.integers(6, 20)))
        points = np.stack([along, -0.5 + 0.35 * (-1.0) ** np.arange(len(along))], axis=1)
    stroke(sheet.written, place.at(points), place.pen * random.uniform(0.8, 2), place.writer.tone)
    place.across += place.writer.height


def signs(sheet: Sheet, random: Random) -> None:
    """Signs alone on a sheet, written small or large with a fine pen or a marker."""
    height = float(np.exp(random.uniform(np.log(20), np.log(2 * sheet.size[0]))))
    writer = hand(random, height)
    writer.pen, writer.slant = float(random.uniform(0.04, 0.3)), 0.1 * writer.slant
    place = Cursor(writer, sheet.size[0] / 2 + 0.5 * height, float(random.normal(0, 0.1)), sheet.size[1])
    place.across = float(random.uniform(-0.2, 0.8)) * max(sheet.size[1] - height, 10)
    for sign in random.choice(list("+x=-:.,"), int(random.integers(1, 4)), p=[0.25, 0.15, 0.1, 0.1, 0.25, 0.1, 0.05]):
        write_sign(sheet, place, sign, random)
