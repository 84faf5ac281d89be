"""How one writer forms digits: with which pen, how large, how steadily. Knows hands; knows nothing of pages.

A digit comes as the patch of ink that its hand leaves: from a digit image, drawn again with the writer's pen, or from
the strokes of a form.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine.train.forms import Form, Points
from zeronine.train.synthesis import CONTRAST, Random, any_nib, inked

Bytes = NDArray[np.uint8]

HEIGHT = 80
"""Pixels of the height that a digit is drawn in, before it is put on the page."""


@dataclass
class Hand:
    """How one line is written: of one writer, with one pen.

    Attributes:
        height: of the digits, in pixels of the page; what is measured in heights is shares of it.
        slant: how far a digit's top is to the right of its foot, by its height.
        width: factor of what digits are wide.
        pen: width of the strokes, in heights.
        tone: of the ink, 0..1.
        gap: between two digits, in heights; below 0 they run into one another.
        gap_spread: standard deviation of that.
        unsteady: standard deviation of the logarithm of a digit's size, and of how far it is off the line, in heights.
        drawn: share of the digits that are drawn along forms; the others are digit images.
        contrast: how much thinner its nib draws where it draws thin, 0..1; 0 for a pen that always draws alike.
        nib: angle of a broad nib's edge, see ``synthesis.inked``; None for a pointed one.
        alike: whether digit images are written again where their digit is.
        forms: how each digit is drawn, once it has been.
        images: which image each digit is, once it has been, of a hand that writes alike.
        font: of strangers' digits, whose these are; None before the first.
    """

    height: float
    slant: float
    width: float
    pen: float
    tone: float
    gap: float
    gap_spread: float
    unsteady: float
    drawn: float
    contrast: float = 0.0
    nib: float | None = None
    alike: bool = False
    forms: dict[int, Form] = field(default_factory=dict)
    images: dict[int, int] = field(default_factory=dict)
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


def any_hand(random: Random, height: float) -> Hand:
    """Likewise, at least half of the time with a clear pen, at times with a nib, narrow and aslant: to learn from."""
    writer = hand(random, height)
    if random.random() < 0.5:
        writer.tone = float(random.uniform(0.6, 1.0))
    if random.random() < ASLANT:  # as in old books
        writer.slant, writer.width = float(random.normal(0.45, 0.15)), float(random.uniform(0.5, 1.0))
    if random.random() < NIBS:
        writer.contrast, writer.nib = float(random.uniform(*CONTRAST)), any_nib(random)
        writer.drawn = max(writer.drawn, 0.5)
    writer.alike = random.random() < ALIKE
    return writer


ASLANT, NIBS, ALIKE = 0.15, 0.25, 0.5
"""Of hands that are learned from, those that write narrow and aslant, have a nib, write a digit always alike."""


def stroked(lines: list[Points], writer: Hand, random: Random) -> Bytes:
    """Lines in a box of 1 by 1 drawn with the writer's pen, cut to the ink."""
    pen = max(1.0, HEIGHT * writer.pen * float(np.exp(random.normal(0, 0.1))))
    margin = round(pen) + 2
    extent = np.concatenate(lines).max(axis=0)
    room = (HEIGHT - pen) / max(extent[1], 0.2)
    size = np.ceil(extent * room).astype(int) + 2 * margin
    canvas = np.zeros((size[1], size[0]), np.uint8)
    inked(canvas, lines, room, margin, pen, writer.contrast, writer.nib)
    return cut(canvas)


def repenned(image: Bytes, writer: Hand, random: Random) -> Bytes:
    """A digit image drawn larger with a pen nearer to the writer's, cut to the ink."""
    ink_box = cut(image)
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
    return cut(np.asarray(large, np.uint8))


def _pen_of(patch: Bytes) -> float:
    """Mean width of the strokes in pixels: twice their area by their outline."""
    bright = (patch > 128).astype(np.uint8)
    edge = int((bright - cv2.erode(bright, np.ones((3, 3), np.uint8))).sum())
    return 2.0 * float(bright.sum()) / max(edge, 1)


def cut(canvas: Bytes) -> Bytes:
    """A canvas cut to its ink; as it is where there is none."""
    bright = canvas > 60
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not len(rows):
        return canvas
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
