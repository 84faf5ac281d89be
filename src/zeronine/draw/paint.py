"""Puts a desk on a surface. Knows colours, fonts and how everything looks; changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray
from PIL import ImageFont
from pygame import Rect, Surface

from zeronine.draw.desk import Desk
from zeronine.draw.layout import Layout
from zeronine.draw.reading import Mode
from zeronine.draw.sheet import Rendering
from zeronine.numbers import Box, Number
from zeronine.reader import Prediction

Colour = tuple[int, int, int]

BACK, CARD, LINE, FAINT = (245, 244, 240), (255, 255, 255), (216, 213, 205), (232, 230, 224)
INK, SOFT = (32, 36, 46), (104, 106, 112)
GRID = (58, 62, 72)
READ, DOUBTFUL = (22, 104, 214), (196, 84, 20)
"""Of what was read, and of what was refused; as in ``overlay``, a little darker on this ground."""

SMALL, TEXT, LARGE, HUGE = 13, 16, 24, 62
"""Heights of letters in units."""

LEAST = 9
"""Pixels of a letter's height, however small the window is."""

CORNER = 4
"""Units by which corners are round."""

MOST_BARS = 10
"""Classes that are shown; of more the likeliest."""


@dataclass(frozen=True)
class Button:
    """A button in the window.

    Attributes:
        rect: where, in pixels.
        label: what it says.
        keys: that do the same, shown below; empty for none.
        chosen: whether it is the one of several that holds.
        dot: diameter of a dot in place of a button, which shows the pen; 0 for none.
    """

    rect: Rect
    label: str
    keys: str = ""
    chosen: bool = False
    dot: float = 0.0


def paint(surface: Surface, desk: Desk, places: Layout, buttons: Sequence[Button], rendering: Rendering) -> None:
    """Put everything on the surface."""
    surface.fill(BACK)
    for button in buttons:
        _button(surface, button, places.unit)
    _sheet(surface, desk, places, rendering)
    if desk.mode is Mode.digit:
        _digit(surface, desk, places)
    else:
        _numbers(surface, desk, places)
    if desk.correctable:
        question = "That was a" if desk.mode is Mode.digit else "Really it is"
        write(surface, question, places.question.midleft, TEXT * places.unit, SOFT, "midleft")
    _foot(surface, desk, places)


# ---- the sheet


def _sheet(surface: Surface, desk: Desk, places: Layout, rendering: Rendering) -> None:
    """What is drawn, with boxes around the numbers in it."""
    surface.blit(picture(rendering.pixels(places.sheet.size)), places.sheet)
    if desk.sheet.blank:
        hint = "Draw a digit here" if desk.mode is Mode.digit else "Write numbers here"
        write(surface, hint, places.sheet.center, TEXT * places.unit, SOFT, "center")
    for number in desk.reading.numbers:
        _boxed(surface, number, places, chosen=number is desk.number)
    pygame.draw.rect(surface, LINE, places.sheet.inflate(2, 2), 1)


def _boxed(surface: Surface, number: Number, places: Layout, *, chosen: bool) -> None:
    """A box around a number and its digits, and what it says above it."""
    colour = DOUBTFUL if number.rejected else READ
    for digit in number.digits:
        pygame.draw.rect(surface, colour, _placed(digit.box, places.sheet), 1)
    around = _placed(number.box, places.sheet).inflate(8 * places.unit, 8 * places.unit)
    pygame.draw.rect(surface, colour, around.clip(places.sheet), max(1, round((3 if chosen else 2) * places.unit)))
    words = f"{number.text}   {percent(number.confidence)}"
    font = _font(round(TEXT * places.unit), words.isascii())
    label = Rect((0, 0), font.size(words)).inflate(10 * places.unit, 4 * places.unit)
    label.bottomleft = around.topleft
    pygame.draw.rect(surface, colour, label.clamp(places.sheet))
    write(surface, words, label.clamp(places.sheet).center, TEXT * places.unit, CARD, "center")


def _placed(box: Box, sheet: Rect) -> Rect:
    """A box in shares of the sheet, in pixels of the window."""
    left, top, width, height = (side * by for side, by in zip(box, sheet.size * 2, strict=True))
    return Rect(sheet.left + left, sheet.top + top, width, height)


# ---- one digit


def _digit(surface: Surface, desk: Desk, places: Layout) -> None:
    """What was read, how likely each digit is, and what the network sees."""
    reading, unit = desk.reading, places.unit
    prediction = reading.prediction
    known = prediction is not None and prediction.reason != "blank"
    if prediction is not None and known:
        colour = DOUBTFUL if prediction.rejected else READ
        short = "?" if prediction.rejected else str(prediction.digit)
        end = write(surface, short, places.answer.midleft, HUGE * unit, colour, "midleft").right + 14 * unit
        above = prediction.reason if prediction.rejected else percent(prediction.confidence)
        below = prediction.detail or _took(desk)
        write(surface, above, (end, places.answer.centery - 12 * unit), LARGE * unit, INK, "midleft")
        write(surface, below, (end, places.answer.centery + 14 * unit), SMALL * unit, SOFT, "midleft")
    elif reading.problem:
        _lines(surface, reading.problem, places.answer, unit)
    _bars(surface, _chances(desk, prediction if known else None), places.bars, unit)
    _seen(surface, reading.seen, desk, places)


def _took(desk: Desk) -> str:
    return f"read in {1000 * desk.reading.seconds:.0f} ms by {desk.model_name}"


def _chances(desk: Desk, prediction: Prediction | None) -> list[tuple[str, float]]:
    """The names and probabilities to show: of the digits in their order, of more classes the likeliest."""
    classes = desk.reader.classes
    row = np.zeros(len(classes), np.float32) if prediction is None else prediction.probabilities
    order = range(len(classes)) if len(classes) <= MOST_BARS else np.argsort(-row, kind="stable")[:MOST_BARS]
    chances = [(classes[index], float(row[index])) for index in order]
    if "digit" in desk.reader.card.get("reject", {}):
        chances.append(("no digit", 0.0 if prediction is None else max(0.0, 1 - float(row.sum()))))
    return chances


def _bars(surface: Surface, chances: list[tuple[str, float]], place: Rect, unit: float) -> None:
    """A bar for each."""
    step = min(place.height / len(chances), 22 * unit)
    best = max(chance for _, chance in chances)
    names = max(_font(round(SMALL * unit), name.isascii()).size(name)[0] for name, _ in chances) + 10 * unit
    length = place.width - names - 56 * unit
    for row, (name, chance) in enumerate(chances):
        middle = place.top + (row + 0.5) * step
        likeliest = chance == best > 0
        colour = INK if likeliest else SOFT
        write(surface, name, (place.left + names - 10 * unit, middle), SMALL * unit, colour, "midright")
        track = Rect(place.left + names, middle - 0.26 * step, length, 0.52 * step)
        pygame.draw.rect(surface, FAINT, track, border_radius=round(CORNER / 2 * unit))
        if chance > 0.002:
            track.width = max(2, round(length * chance))
            wrong = name == "no digit"
            pygame.draw.rect(surface, DOUBTFUL if wrong else READ, track, border_radius=round(CORNER / 2 * unit))
        if chance > 0.0005:
            write(surface, percent(chance), (place.right, middle), SMALL * unit, colour, "midright")


def _seen(surface: Surface, seen: NDArray[np.float32] | None, desk: Desk, places: Layout) -> None:
    """The network's own view, its pixels large enough to count."""
    place, unit, side = places.seen, places.unit, desk.reader.shape[0]
    cell = max(1, place.width // side)
    square = Rect(place.left, place.top, cell * side, cell * side)
    pygame.draw.rect(surface, "black", square)
    if seen is not None:
        values = np.rint(255 * seen.clip(0, 1)).astype(np.uint8)
        surface.blit(picture(cv2.resize(values, square.size, interpolation=cv2.INTER_NEAREST)), square)
    if cell > 3:
        for line in range(1, side):
            x, y = square.left + cell * line, square.top + cell * line
            pygame.draw.line(surface, GRID, (x, square.top), (x, square.bottom - 1))
            pygame.draw.line(surface, GRID, (square.left, y), (square.right - 1, y))
    below = square.bottom + 5 * unit
    write(
        surface, f"What the network sees: {side} by {side} pixels", (square.left, below), SMALL * unit, INK, "topleft"
    )
    if desk.reader.digits:
        how = "cut out, thickened if thin, scaled, centred"
        write(surface, how, (square.left, below + 18 * unit), SMALL * unit, SOFT, "topleft")


# ---- whole numbers


def _numbers(surface: Surface, desk: Desk, places: Layout) -> None:
    """The numbers below each other; of the one that a correction is for, its digits and other readings."""
    reading, unit, place = desk.reading, places.unit, places.panel
    if reading.problem:
        _lines(surface, reading.problem, place, unit)
    elif not reading.numbers:
        words = "" if desk.sheet.blank or not desk.settled else "No number found"
        write(surface, words, place.topleft, TEXT * unit, SOFT, "topleft")
    for row, number in zip(number_rows(desk, places), reading.numbers, strict=False):
        if number is desk.number and len(reading.numbers) > 1:
            pygame.draw.rect(surface, CARD, row, border_radius=round(CORNER * unit))
        colour = DOUBTFUL if number.rejected else READ
        left, right = (row.left + 8 * unit, row.centery), (row.right - 8 * unit, row.centery)
        write(surface, number.text, left, LARGE * 1.3 * unit, colour, "midleft")
        sure = f"{number.reason}, {percent(number.confidence)}" if number.reason else percent(number.confidence)
        write(surface, sure, right, TEXT * unit, INK, "midright")
    if desk.number is not None:
        _details(surface, desk, places)


def number_rows(desk: Desk, places: Layout) -> list[Rect]:
    """Where each number is listed, as far as there is room."""
    count, high = len(desk.reading.numbers), round(46 * places.unit)
    room = (places.panel.height - round(12 * 22 * places.unit)) // high
    return [
        Rect(places.panel.left, places.panel.top + row * high, places.panel.width, high - round(4 * places.unit))
        for row in range(min(count, max(1, room)))
    ]


def _details(surface: Surface, desk: Desk, places: Layout) -> None:
    """Of one number: how sure each digit is, how else it may be read, and how long reading took."""
    number, unit, place = desk.number, places.unit, places.panel
    assert number is not None
    top = number_rows(desk, places)[-1].bottom + 14 * unit
    write(surface, "Digit by digit", (place.left + 8 * unit, top), SMALL * unit, SOFT, "topleft")
    rows = [(str(digit.digit), digit.confidence) for digit in number.digits[:MOST_BARS]]
    step = 22 * unit
    _bars(surface, rows, Rect(place.left, top + 20 * unit, place.width, len(rows) * step), unit)
    top += 32 * unit + step * len(rows)
    others = "   ".join(f"{other.text} {percent(other.confidence)}" for other in number.alternatives)
    if others:
        write(surface, f"or  {others}", (place.left + 8 * unit, top), SMALL * unit, SOFT, "topleft")
    write(surface, _took(desk), (place.left + 8 * unit, top + 22 * unit), SMALL * unit, SOFT, "topleft")


# ---- below


def _foot(surface: Surface, desk: Desk, places: Layout) -> None:
    """The line that is being typed, or the last message."""
    prompt, unit = desk.prompt, places.unit
    if prompt is None:
        write(surface, desk.message, places.foot.midleft, TEXT * unit, INK, "midleft")
        return
    field, corner = places.foot, round(CORNER * unit)
    pygame.draw.rect(surface, CARD, field, border_radius=corner)
    pygame.draw.rect(surface, READ, field, max(1, round(1.5 * unit)), border_radius=corner)
    start = write(surface, prompt.question, (field.left + 10 * unit, field.centery), TEXT * unit, SOFT, "midleft")
    left = start.right + 10 * unit
    shown = prompt.text
    while shown and _font(round(TEXT * unit), shown.isascii()).size(shown)[0] > field.right - left - 14 * unit:
        shown = shown[1:]  # the end of a long path says more than its beginning
    end = write(surface, shown, (left, field.centery), TEXT * unit, INK, "midleft").right + 2
    pygame.draw.line(surface, READ, (end, field.top + 8 * unit), (end, field.bottom - 8 * unit), 2)


def _button(surface: Surface, button: Button, unit: float) -> None:
    rect, corner = button.rect, round(CORNER * unit)
    if button.dot:
        pygame.draw.aacircle(surface, INK, rect.center, min(button.dot, rect.height, rect.width) / 2)
        return
    pygame.draw.rect(surface, READ if button.chosen else CARD, rect, border_radius=corner)
    pygame.draw.rect(surface, READ if button.chosen else LINE, rect, 1, border_radius=corner)
    colour, faint = (CARD, FAINT) if button.chosen else (INK, SOFT)
    middle = rect.centery - (7 * unit if button.keys else 0)
    write(surface, button.label, (rect.centerx, middle), TEXT * unit, colour, "center")
    write(surface, button.keys, (rect.centerx, rect.centery + 11 * unit), 0.85 * SMALL * unit, faint, "center")


# ---- letters and pixels


def write(surface: Surface, text: str, place: tuple[float, float], height: float, colour: Colour, anchor: str) -> Rect:
    """Put a line of text on a surface, so that the named point of its rectangle lies at a place; the rectangle."""
    drawn = _font(round(max(height, LEAST)), text.isascii()).render(text, True, colour)
    rect = drawn.get_rect(**{anchor: place})
    surface.blit(drawn, rect)
    return rect


def _lines(surface: Surface, text: str, place: Rect, unit: float) -> None:
    """A sentence in as many lines as it takes."""
    font = _font(round(TEXT * unit), text.isascii())
    surface.blit(font.render(text, True, DOUBTFUL, None, place.width), place)


@cache
def _font(height: int, plain: bool) -> pygame.font.Font:
    """Pillow's font, which is light; pygame's, which knows more letters, for what is not ASCII."""
    if not plain:
        return pygame.font.Font(None, round(1.1 * height))
    letters = ImageFont.load_default(16)
    assert isinstance(letters, ImageFont.FreeTypeFont)
    assert isinstance(letters.path, BytesIO)
    return pygame.font.Font(BytesIO(letters.path.getvalue()), max(1, height))


def percent(chance: float) -> str:
    """In per cent, which rounding does not make certain."""
    return ">99.9 %" if 0.9995 <= chance < 1 else f"{100 * chance:.1f} %"


def picture(pixels: NDArray[Any]) -> Surface:
    """A surface of (H, W) or (H, W, 3) uint8."""
    colour = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    return pygame.image.frombuffer(colour.tobytes(), pixels.shape[1::-1], "RGB")
