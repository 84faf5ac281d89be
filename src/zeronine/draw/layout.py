"""Where everything in the window is. Knows rectangles; knows nothing of what stands in them."""

from dataclasses import dataclass

from pygame import Rect

WIDE, NARROW = (1160, 760), (560, 900)
"""Sizes of the window, lying and standing, at which a unit is a pixel. All grows with the window, so that it is as
large on a screen of many pixels as on one of few."""

GAP, BAR, ROW, FOOT = 18, 46, 40, 36
"""Units: between the parts; heights of the buttons above, of those below the sheet, and of the message."""

QUESTION = 100
"""Width of what stands before the buttons below the sheet."""

PANEL = 318
"""Width of what is beside the sheet."""

ANSWER = 76
"""Height of what was read."""

BARS = 250
"""Height of the probabilities."""

CAPTION = 46
"""Height of what stands below what the network sees."""


@dataclass(frozen=True)
class Layout:
    """Places in a window, in its pixels.

    Attributes:
        unit: pixels of a unit.
        bar: the row of buttons above.
        sheet: as large as its proportions allow.
        question: what the buttons below it answer.
        truths: those buttons.
        foot: the message.
        answer: what was read.
        bars: the probabilities of one digit.
        seen: what the network sees of it.
        panel: all three, where numbers are listed.
    """

    unit: float
    bar: Rect
    sheet: Rect
    question: Rect
    truths: Rect
    foot: Rect
    answer: Rect
    bars: Rect
    seen: Rect
    panel: Rect


def layout(size: tuple[int, int], proportion: float) -> Layout:
    """Places in a window.

    Args:
        size: width and height of the window in pixels.
        proportion: of the sheet, width by height.
    """
    lying = size[0] > 1.05 * size[1]
    design = WIDE if lying else NARROW
    unit = max(0.3, min(size[0] / design[0], size[1] / design[1]))
    gap, bar, row, foot, panel = (round(unit * part) for part in (GAP, BAR, ROW, FOOT, PANEL))
    inner = Rect(gap, gap, size[0] - 2 * gap, size[1] - 2 * gap)
    top = Rect(inner.left, inner.top, inner.width, bar)
    below = bar + gap
    if lying:
        side = Rect(inner.right - panel, inner.top + below, panel, inner.height - below)
        area = Rect(inner.left, side.top, inner.width - panel - gap, side.height)
    else:
        high = round(unit * (ANSWER + BARS))
        side = Rect(inner.left, inner.bottom - high, inner.width, high)
        area = Rect(inner.left, inner.top + below, inner.width, inner.height - below - high - gap)
    sheet = _fitted(Rect(area.left, area.top, area.width, area.height - row - foot - gap), proportion)
    question = Rect(area.left, sheet.bottom + gap // 2, round(unit * QUESTION), row)
    truths = Rect(question.right, question.top, area.width - question.width, row)
    message = Rect(area.left, truths.bottom + gap // 2, area.width, foot)
    return Layout(unit, top, sheet, question, truths, message, *_side(side, unit, lying), side)


def _side(side: Rect, unit: float, lying: bool) -> tuple[Rect, Rect, Rect]:
    """What was read, the probabilities, and the square that the network sees."""
    answer, bars = round(unit * ANSWER), round(unit * BARS)
    if lying:
        square = min(side.width, side.height - answer - bars - round(unit * CAPTION))
        seen = Rect(side.left, side.top + answer + bars, square, square)
        return Rect(side.left, side.top, side.width, answer), Rect(side.left, side.top + answer, side.width, bars), seen
    half = (side.width - round(unit * GAP)) // 2
    square = min(half, side.height - round(unit * CAPTION))
    seen = Rect(side.right - half, side.top, square, square)
    return Rect(side.left, side.top, half, answer), Rect(side.left, side.top + answer, half, bars), seen


def _fitted(area: Rect, proportion: float) -> Rect:
    """The largest rectangle of a proportion in an area, above, in the middle."""
    width = min(area.width, round(area.height * proportion))
    return Rect(area.left + (area.width - width) // 2, area.top, max(1, width), max(1, round(width / proportion)))
