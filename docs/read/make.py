"""Draws the pages and the form beside this file: digits of our own strokes, on papers that users have.

Run it to make them again: python docs/read/make.py. The texts stay; the hands are those that ``compose`` knows then.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zeronine.train.compose import Composer
from zeronine.train.hands import Hand
from zeronine.train.sheet import Cursor, Sheet

HERE = Path(__file__).parent
NOBODY = Composer(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64))
"""Writes with strokes alone."""

BLUE, BLACK, PENCIL = (28, 52, 140), (30, 30, 34), (95, 95, 98)

Picture = NDArray[np.float32]


def hand(height: float, slant: float = 0.1, pen: float = 0.07, gap: float = 0.2, unsteady: float = 0.04) -> Hand:
    """A hand that writes with strokes alone."""
    return Hand(height, slant, 0.95, pen, 1.0, gap, 0.04, unsteady, drawn=1.0)


def written(size: tuple[int, int], lines: list[tuple[str, float, float, Hand]], seed: int, tilt: float = 0) -> Picture:
    """Ink, 0..1, of texts at left, base line, in a hand."""
    random = np.random.default_rng(seed)
    sheet = Sheet(size, random, 0)
    for text, left, row, writer in lines:
        place = Cursor(writer, row, float(np.deg2rad(tilt)), size[1])
        place.across = left
        NOBODY.number(sheet, place, text, random, plain=True)
    return sheet.written


def on_paper(ink: Picture, colour: tuple[int, int, int], paper: Picture) -> Picture:
    """Paper (H, W, 3), 0..255, with ink of a colour on it."""
    share = 0.9 * ink[..., None]
    return np.asarray(paper * (1 - share) + np.array(colour, np.float32) * share, np.float32)


def lit(picture: Picture, seed: int, shade: float = 0.3) -> Image.Image:
    """A picture as a phone takes it: light that falls off, grain."""
    random = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    light = 1 - shade * np.linspace(0, 1, width)[None, :, None] * np.linspace(0.4, 1, height)[:, None, None]
    grain = random.normal(0, 3, picture.shape)
    return Image.fromarray((picture * light + grain).clip(0, 255).astype(np.uint8))


def blank(height: int, width: int, tone: float = 242) -> Picture:
    """White paper."""
    return np.full((height, width, 3), tone, np.float32)


def text(picture: Picture, said: str, place: tuple[int, int], size: float = 0.8) -> None:
    """Printed text."""
    canvas = picture.astype(np.uint8)
    cv2.putText(canvas, said, place, cv2.FONT_HERSHEY_SIMPLEX, size, (60, 60, 60), 2, cv2.LINE_AA)
    picture[:] = canvas


def score_sheet() -> Image.Image:
    """A page of a squared notebook with several numbers in blue."""
    paper = blank(640, 900)
    for row in range(20, 640, 32):
        cv2.line(paper, (0, row), (900, row), (196, 214, 226), 1, cv2.LINE_AA)
    for column in range(14, 900, 32):
        cv2.line(paper, (column, 0), (column, 640), (196, 214, 226), 1, cv2.LINE_AA)
    text(paper, "Scores", (60, 70), 1.2)
    rows = [("128", "97"), ("2048", "351"), ("74", "1066"), ("590", "83")]
    lines = [
        (said, left, 170 + 110 * number, hand(56, 0.05 + 0.08 * (number % 2)))
        for number, row in enumerate(rows)
        for said, left in zip(row, (120, 520), strict=True)
    ]
    return lit(on_paper(written((640, 900), lines, 3), BLUE, paper), 1)


def cheque() -> Image.Image:
    """An amount on the fine lines of a cheque, points and dash beside it."""
    paper = blank(120, 480, 225)
    rows, columns = np.mgrid[:120, :480].astype(np.float32)
    wave = np.cos((rows + 6 * np.sin(columns / 31)) * 0.9) + np.cos((rows * 0.4 + columns * 0.7) * 0.6)
    paper -= 16 * wave.clip(0.4, 2)[..., None]
    lines = [("48.750.-", 40.0, 92.0, hand(62, 0.3, 0.06, 0.08))]
    return lit(on_paper(written((120, 480), lines, 5), PENCIL, paper), 2, 0.1)


def slanted() -> Image.Image:
    """Two lines of a note that was photographed askew."""
    paper = blank(420, 700)
    lines = [("60614", 110.0, 170.0, hand(70, 0.1)), ("1987", 160.0, 300.0, hand(70, 0.1))]
    return lit(on_paper(written((420, 700), lines, 11, tilt=14), BLACK, paper), 4, 0.5)


def hard() -> Image.Image:
    """What it does not read well: digits written over one another, a letter that looks like a digit."""
    paper = blank(200, 620)
    lines = [("3858", 40.0, 140.0, hand(80, 0.2, 0.12, -0.36)), ("506", 390.0, 135.0, hand(60, 0.0, 0.16, -0.22))]
    return lit(on_paper(written((200, 620), lines, 2), BLACK, paper), 3)


FIELDS = {"meter": (300, 190, 5), "reading": (300, 330, 6), "year": (300, 470, 4)}
"""Left, top and number of boxes of the form's fields."""


def form() -> Picture:
    """A blank form: a meter card."""
    paper = blank(640, 900, 250)
    text(paper, "Meter card", (60, 90), 1.6)
    text(paper, "Please write one digit per box.", (60, 135), 0.7)
    for (name, (left, top, count)), label in zip(FIELDS.items(), ("Meter", "Reading", "Year"), strict=True):
        text(paper, label, (60, top + 55), 1.0)
        assert name
        for box in range(count):
            corner = (left + 70 * box, top)
            cv2.rectangle(paper, corner, (corner[0] + 70, top + 84), (90, 90, 90), 2, cv2.LINE_AA)
    text(paper, "Signature", (60, 600), 0.8)
    cv2.line(paper, (220, 602), (700, 602), (90, 90, 90), 2, cv2.LINE_AA)
    return paper


def scan(values: dict[str, str], seed: int, corners: list[tuple[float, float]]) -> Image.Image:
    """The form filled in and photographed; its corners come to lie where they are given."""
    random, lines = np.random.default_rng(seed), []
    for name, value in values.items():
        left, top, _ = FIELDS[name]
        for number, digit in enumerate(value):
            place = left + 70 * number + 20 + random.uniform(-5, 5)
            lines.append((digit, place, top + 70 + random.uniform(-4, 4), hand(54, 0.1, 0.08)))
    filled = on_paper(written((640, 900), lines, seed), BLUE, form())
    before = np.array([(0, 0), (900, 0), (900, 640), (0, 640)], np.float32)
    matrix = cv2.getPerspectiveTransform(before, np.array(corners, np.float32))
    table = cv2.warpPerspective(filled, matrix, (1000, 760), borderValue=(120, 100, 84))
    return lit(np.asarray(table, np.float32), seed)


def main() -> None:
    """Write all."""
    for name, picture in (("scores", score_sheet()), ("cheque", cheque()), ("slanted", slanted()), ("hard", hard())):
        picture.save(HERE / f"{name}.jpg", quality=85)
    Image.fromarray(form().astype(np.uint8)).save(HERE / "form.png")
    first = {"meter": "40721", "reading": "008315", "year": "2026"}
    second = {"meter": "40738", "reading": "016904", "year": "2026"}
    scan(first, 1, [(60, 40), (950, 70), (930, 710), (40, 690)]).save(HERE / "scan-1.jpg", quality=85)
    scan(second, 2, [(120, 60), (900, 20), (960, 650), (70, 740)]).save(HERE / "scan-2.jpg", quality=85)


if __name__ == "__main__":
    main()
