"""Training images of our own making. Knows strokes, shapes and pens; knows nothing of networks.

Three kinds, each a pool that is made once for a training, from its seed, and bent anew in every epoch like all images:

- ``written``: digits in the forms that MNIST's American writers hardly use: ones with a long upstroke or a foot,
  crossed sevens, open fours, nines with a tail. From ``forms``, our own, and along the pens of 44 people (``pens``);
  some with a nib, which draws thick and thin.
- ``crowded``: digits, MNIST's and ``written``, as they are cut out of a form: parts of neighbours, ruled lines, a full
  stop beside them, upright or aslant.
- ``refused``: what is no digit: letters in forms of our own (``letters``), letters and signs in handwriting fonts
  (``glyphs``) and Hershey's, scribbles, shapes, textures, numbers, digits cut up. Capitals and small letters that
  are written like a digit (O, I, l, Z, S and kin) are left out.

Everything passes through ``digit_image``, like any picture that a user brings.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine.errors import ImageError
from zeronine.image import digit_image
from zeronine.train.forms import FORMS, Form, Points, curve, strokes
from zeronine.train.glyphs import LETTERS, SIGNS, glyphs
from zeronine.train.letters import LETTER_FORMS
from zeronine.train.pens import pens

Random = np.random.Generator
Grey = NDArray[np.uint8]

SIDE = 60
"""Pixels of the canvas on which things are drawn before they become digit images."""

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


def written(count: int, seed: int) -> tuple[Grey, NDArray[np.int64]]:
    """Digits drawn by ``form_of``.

    Args:
        count: of images.
        seed: of all that varies: form, proportions, slant, tremor, pen.

    Returns:
        Digit images (count, 28, 28) as bytes, and their labels (count,). Ones to fours, sevens and nines,
        where writers differ most, are twice as many as the others.
    """
    choices = np.array([0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 7, 8, 9, 9])

    def one(random: Random) -> tuple[Grey, int]:
        digit = int(random.choice(choices))
        return _drawn(hand_of_form(form_of(digit, random), random), random), digit

    return _pool(one, count, seed)


def crowded(images: Grey, labels: NDArray[np.int64], count: int, seed: int) -> tuple[Grey, NDArray[np.int64]]:
    """Digits with what stands around them on a form.

    Args:
        images: digit images (N, 28, 28) as bytes.
        labels: (N,).
        count: of images to make.
        seed: of the choice and of all that varies.

    Returns:
        Digit images (count, 28, 28) as bytes, and the labels of the digits in their middle (count,).
    """

    def one(random: Random) -> tuple[Grey, int]:
        middle, *others = random.integers(len(images), size=3)
        return _among(images[middle], images[others], random), int(labels[middle])

    return _pool(one, count, seed)


def refused(images: Grey, labels: NDArray[np.int64], count: int, seed: int) -> Grey:
    """What is no digit: letters and signs, scribbles, shapes, textures, digits joined or cut up.

    Args:
        images: digit images (N, 28, 28) as bytes, to be joined and cut up.
        labels: (N,).
        count: of images to make.
        seed: of the choice and of all that varies.

    Returns:
        Digit images (count, 28, 28) as bytes.
    """
    makers = (
        *(_pen_letter, _pen_letter, _pen_letter, _pen_letter, _letter, _hand_letter, _hand_letter, _hand_letter),
        *(_number, _scribble, _shape, _shape, _texture, lambda random: _spoiled(images, labels, random)),
    )

    def one(random: Random) -> tuple[Grey, int]:
        make = makers[random.integers(len(makers))]
        canvas = make(random)
        if make in (_shape, _texture) and random.random() < 0.5:  # as a caller gives it who thinks it is a digit image
            canvas = np.asarray(cv2.resize(canvas, (28, 28), interpolation=cv2.INTER_AREA), np.uint8)
        return canvas, -1

    return _pool(one, count, seed)[0]


def _pool(one: Callable[[Random], tuple[Grey, int]], count: int, seed: int) -> tuple[Grey, NDArray[np.int64]]:
    """``count`` canvases as digit images with their labels; each has a random source of its own."""

    def made(child: np.random.SeedSequence) -> tuple[NDArray[np.float32], int]:
        random = np.random.default_rng(child)
        while True:
            canvas, label = one(random)
            if canvas.shape == (28, 28):
                return canvas.astype(np.float32) / np.float32(255), label
            try:
                return digit_image(canvas), label
            except ImageError:  # blank: drawn too faintly, or cut away
                continue

    if not count:
        return np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64)
    rows = [made(child) for child in np.random.SeedSequence(seed).spawn(count)]
    pixels = np.stack([np.rint(image * 255).astype(np.uint8) for image, _ in rows])
    return pixels, np.array([label for _, label in rows], np.int64)


def form_of(digit: int, random: Random, more: Sequence[str] = ()) -> Form:
    """A way to write a digit: as one of those people did whose pens were followed, or one of our own drawing.

    Args:
        digit: 0 to 9.
        random: decides which.
        more: ways of our own beside FORMS.
    """
    if random.random() < FOLLOWED:
        ways = pens()[digit]
        return [[stroke] for stroke in ways[random.integers(len(ways))]]
    forms = (*FORMS[digit], *more)
    return strokes(forms[random.integers(len(forms))])


FOLLOWED = 0.45
"""Of the digits that are drawn, those that are written as other people do."""


def hand_of_form(form: Form, random: Random) -> list[Points]:
    """A form as one hand writes it: trembling, slanted, narrow or wide; lines of points, longest side 1.

    Args:
        form: its strokes.
        random: decides how.
    """
    tremor, smooth = random.uniform(0.01, 0.05), random.random() < 0.85
    lines = [_line(parts, tremor, smooth, random) for parts in form]
    slant = random.normal(0.1, 0.2) if random.random() < 0.7 else random.normal(0.55, 0.2)
    angle = np.deg2rad(random.normal(0, 6))
    width = random.uniform(0.35, 1.0) + 0.4 * max(slant, 0)  # or the strokes of slanted digits run together
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return _boxed([(line * [width, 1] - [0, 0.5]) @ np.array([[1, 0], [-slant, 1]]) @ turn for line in lines])


def _boxed(lines: Sequence[Points]) -> list[Points]:
    """Lines moved and scaled into a box of 1 by 1, their longest side 1."""
    everything = np.concatenate(lines)
    low, size = everything.min(axis=0), max(np.ptp(everything, axis=0).max(), 1e-6)
    return [(line - low) / size for line in lines]


def _line(parts: Sequence[Points], tremor: float, smooth: bool, random: Random) -> Points:
    """A stroke's smooth parts as one line, shaken; the parts stay joined."""
    shaken = [part + random.normal(0, tremor, part.shape) for part in parts]
    for before, after in pairwise(shaken):
        after[0] = before[-1]
    return np.concatenate([curve(part) if smooth else part for part in shaken if len(part) > 1])


def _drawn(lines: Sequence[Points], random: Random) -> Grey:
    """Lines in a box of 1 by 1 drawn with a pen, white on black."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    room = SIDE * random.uniform(0.6, 0.8)
    pen = max(1, round(room * random.uniform(0.05, 0.15)))
    contrast = random.uniform(*CONTRAST) if random.random() < NIBS else 0.0
    inked(canvas, lines, room, (SIDE - room) / 2, pen, contrast, any_nib(random))
    return canvas


CONTRAST = (0.3, 0.95)
"""How much thinner a nib draws where it draws thin, at least and at most."""


def any_nib(random: Random) -> float | None:
    """What ``inked`` takes for a nib, at random: broad or pointed."""
    return random.uniform(0.4, 1.1) if random.random() < 0.3 else None


def inked(
    canvas: Grey,
    lines: Sequence[Points],
    room: float,
    margin: float,
    pen: float,
    contrast: float = 0.0,
    nib: float | None = None,
) -> None:
    """Draw lines in a box of 1 by 1 on a canvas, bright.

    Args:
        canvas: changed.
        lines: each (N, 2), y downwards.
        room: pixels of the box's sides.
        margin: pixels left of the box and above it.
        pen: width in pixels, where it is widest.
        contrast: how much thinner a nib draws where it draws thin, 0..1; 0 for a pen that always draws alike.
        nib: angle of a broad nib's edge, along which it draws thin, in radians anticlockwise from level; None for a
            pointed one, which draws thick where it is pressed, downwards.
    """
    steps: list[tuple[float, list[int], list[int]]] = []
    for line in lines:
        points = np.rint((line * room + margin) * 8).astype(np.int32)
        if contrast:
            widths = pen * (1 - contrast * _lightness(line, nib))
            steps += zip(widths.tolist(), points.tolist(), points[1:].tolist(), strict=False)
        else:
            cv2.polylines(canvas, [points], False, 255, max(1, round(pen)), cv2.LINE_AA, 3)
    for wide, begin, end in sorted(steps, key=itemgetter(0)):  # a thin one leaves a thick one that it crosses as it is
        cv2.line(canvas, begin, end, round(255 * min(1.0, 0.3 + 0.5 * wide)), max(1, round(wide)), cv2.LINE_AA, 3)


NIBS = 0.4
"""Of what is drawn, that which is drawn with a nib: its strokes are thick and thin."""


def _lightness(line: Points, nib: float | None) -> NDArray[np.float64]:
    """How thin a nib draws each step of a line (N, 2): 0 as thick as it can, 1 as thin; (N - 1,).

    Args:
        line: as it was drawn, y downwards.
        nib: see ``inked``.
    """
    across, down = np.diff(line, axis=0).T
    if nib is not None:
        return np.asarray(np.abs(np.cos(np.arctan2(-down, across) - nib)))
    return np.asarray(1 - down.clip(0) / np.hypot(across, down).clip(1e-9))


def _among(middle: Grey, others: Grey, random: Random) -> Grey:
    """A digit with parts of two others left and right of it, ruled lines and a full stop, cut as from a form."""
    page = np.zeros((64, 120), np.uint8)

    def put(image: Grey, left: int, top: int) -> None:
        place = page[top : top + 28, left : left + 28]
        np.maximum(place, image[: place.shape[0], : place.shape[1]], out=place)

    ink = np.flatnonzero(middle.any(axis=0))
    half = (ink[-1] - ink[0] + 1) / 2
    put(middle, 46, 18)
    reach = [14.0, 14.0]
    for side in (0, 1):
        if random.random() < 0.6:
            other = np.flatnonzero(others[side].any(axis=0))
            gap = half + (other[-1] - other[0] + 1) / 2 + random.uniform(-1, 4)
            put(others[side], round(46 + (gap if side else -gap)), 18 + int(random.integers(-2, 3)))
            reach[side] = half + random.uniform(0.5, max(1.0, min(7.0, 0.5 * (other[-1] - other[0]))))
        else:
            reach[side] = half + random.uniform(2, 12)
    if random.random() < 0.2:
        reach[random.integers(2)] = half * random.uniform(0.65, 1)  # cut off by the edge of the picture
    if random.random() < SLANTED:
        slant, narrow = float(np.clip(random.normal(0.4, 0.2), -0.2, 0.8)), random.uniform(0.6, 1)
        turn = np.array([[narrow, -slant, 60 * (1 - narrow) + 32 * slant], [0, 1, 0]])
        page = np.asarray(cv2.warpAffine(page, turn, (120, 64)), np.uint8)
        reach = [side * narrow + abs(slant) * random.uniform(2, 8) for side in reach]
    _rule(page, 60 - reach[0], 60 + reach[1], random)
    if random.random() < 0.15:
        spot = (round(60 + half + random.uniform(2, 4)), 18 + round(random.uniform(20, 25)))
        cv2.circle(page, spot, int(random.integers(1, 3)), 255, -1)
    top, bottom = 32 - random.uniform(10, 16), 32 + random.uniform(10, 16)
    window = page[round(top) : round(bottom), round(60 - reach[0]) : round(60 + reach[1])]
    large = cv2.resize(window, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return np.pad(large, int(random.integers(0, 4)))


SLANTED = 0.5
"""Of what stands on a form, that which is written narrow and aslant, as in old books."""


def _rule(page: Grey, left: float, right: float, random: Random) -> None:
    """Now and then a line beside the digit, or under or over it."""
    shade, tilt = int(random.integers(120, 256)), random.normal(0, 2)
    if random.random() < 0.25:
        place = left + random.uniform(0, 4) if random.random() < 0.5 else right - random.uniform(0, 4)
        cv2.line(page, (round(place - tilt), 0), (round(place + tilt), 63), shade, int(random.integers(1, 3)))
    if random.random() < 0.25:
        height = random.choice([20, 44]) + random.normal(0, 2)
        cv2.line(page, (0, round(height - tilt)), (119, round(height + tilt)), shade, int(random.integers(1, 3)))


def _pen_letter(random: Random) -> Grey:
    """A letter as one hand writes it, with a pen."""
    forms = LETTER_FORMS[random.choice(list(LETTER_FORMS))]
    return _drawn(hand_of_form(strokes(forms[random.integers(len(forms))]), random), random)


def _number(random: Random) -> Grey:
    """Two or three digits side by side, with one pen."""
    lines: list[Points] = []
    across = 0.0
    for _ in range(2 if random.random() < 0.8 else 3):
        digit = hand_of_form(form_of(int(random.integers(10)), random), random)
        place = np.array([across, random.normal(0, 0.03)])
        lines += [line + place for line in digit]
        across = max(line[:, 0].max() for line in lines) + random.uniform(0.02, 0.4)
    return _drawn(_boxed(lines), random)


def _letter(random: Random) -> Grey:
    """A letter or sign, bent; at times two."""
    text = "".join(random.choice(list(LETTERS + SIGNS), 1 if random.random() < 0.85 else 2))
    font = FONTS[random.integers(len(FONTS))] | (cv2.FONT_ITALIC if random.random() < 0.3 else 0)
    bold = random.random() < 0.25
    pen = int(random.integers(7, 15) if bold else random.integers(1, 7))
    (width, height), base = cv2.getTextSize(text, font, 1.6, pen)
    canvas = np.zeros((height + base + 16, width + 16), np.uint8)
    cv2.putText(canvas, text, (8, height + 8), font, 1.6, 255, pen, cv2.LINE_AA)
    if bold and random.random() < 0.25:  # its outline
        cv2.putText(canvas, text, (8, height + 8), font, 1.6, 0, pen - int(random.integers(4, 6)), cv2.LINE_AA)
    if random.random() < 0.15:  # on a dark ground
        canvas = 255 - canvas
    return _bent(canvas, random)


def _hand_letter(random: Random) -> Grey:
    """A letter or sign of a handwriting font, with another pen and other proportions, bent."""
    fonts = glyphs()
    glyph = fonts[random.integers(len(fonts)), random.integers(fonts.shape[1])]
    height = int(random.integers(34, 50))
    width = max(12, round(height * random.uniform(0.6, 1.2)))
    drawn = cv2.resize(glyph, (width, height), interpolation=cv2.INTER_CUBIC)
    thicker = int(random.integers(0, 6))
    if thicker:
        drawn = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thicker, thicker)))
    margin = (SIDE - height) // 2 + 2
    return _bent(cv2.copyMakeBorder(drawn, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0), random)


def _bent(canvas: Grey, random: Random) -> Grey:
    """A canvas pulled out of shape by a smooth random displacement, turned and slanted."""
    height, width = canvas.shape
    noise = cv2.resize(random.normal(0, 0.05, (4, 4, 2)), (width, height), interpolation=cv2.INTER_CUBIC)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    slant = random.normal(0, 0.2)
    across = columns + slant * (rows - height / 2) + noise[..., 0] * width
    down = rows + random.normal(0, 0.1) * (columns - width / 2) + noise[..., 1] * height
    return np.asarray(cv2.remap(canvas, across.astype(np.float32), down.astype(np.float32), cv2.INTER_LINEAR), np.uint8)


def _scribble(random: Random) -> Grey:
    """One to five wandering strokes."""
    lines = []
    for _ in range(random.integers(1, 6)):
        points = np.cumsum(random.normal(0, 0.3, (random.integers(3, 9), 2)), axis=0) + random.random(2)
        lines.append(curve(points) if random.random() < 0.8 else points)
    if len(lines) == 1 and len(lines[0]) < 45:  # too like a digit
        return _scribble(random)
    return _drawn(_boxed(lines), random)


def _shape(random: Random) -> Grey:
    """Filled blobs: polygons, ellipses, joined and shaded like a stain, a garment or a thing."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    kind = random.random()
    if kind < 0.5:
        return _worn(_legs(canvas, random) if kind < 0.12 else _garment(canvas, random), random)
    if kind < 0.7:
        return _worn(_thing(canvas, random), random)
    for _ in range(random.integers(1, 5)):
        middle, shade = SIDE * random.uniform(0.25, 0.75, 2), int(random.integers(90, 256))
        if random.random() < 0.5:
            points = middle + SIDE * random.normal(0, 0.23, (random.integers(3, 8), 2))
            hull = cv2.convexHull(points.astype(np.int32)) if random.random() < 0.6 else points.astype(np.int32)
            cv2.fillPoly(canvas, [hull], shade)
        else:
            axes = [int(SIDE * random.uniform(0.15, 0.4)), int(SIDE * random.uniform(0.15, 0.4))]
            cv2.ellipse(canvas, [int(value) for value in middle], axes, random.uniform(0, 180), 0, 360, shade, -1)
    if random.random() < 0.5:
        stain = cv2.resize(random.random((6, 6)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        canvas = (canvas * (0.4 + 0.6 * stain.clip(0, 1))).astype(np.uint8)
    return canvas


def _garment(canvas: Grey, random: Random) -> Grey:
    """A figure with two like halves: broad or narrow, with a gap below or none."""
    rows = np.sort(random.integers(2, SIDE - 2, random.integers(3, 7)))
    half = SIDE / 2 * random.uniform(0.15, 0.95, len(rows))
    _fill(canvas, SIDE / 2 - half, SIDE / 2 + half, rows)
    if random.random() < 0.4:
        top = int(random.integers(rows[0], max(rows[-1], rows[0] + 1)))  # all rows may be one
        points = [(SIDE // 2, top), (SIDE // 2 - int(half[-1] * 0.5), SIDE), (SIDE // 2 + int(half[-1] * 0.5), SIDE)]
        cv2.fillPoly(canvas, [np.array(points, np.int32)], 0)
    return canvas


def _legs(canvas: Grey, random: Random) -> Grey:
    """A tall figure that parts in two below, straight or bowed: trousers, tweezers, which are no ones."""
    top = random.uniform(0, 4) if random.random() < 0.7 else random.uniform(0, 15)
    rows = np.linspace(top, SIDE - random.uniform(0, 3), 9)
    down = np.linspace(0, 1, 9)
    middle = (
        SIDE / 2
        + random.normal(0, 2)
        + SIDE * (random.normal(0, 0.06) * np.sin(np.pi * down) + random.normal(0, 0.04) * down)
    )
    wide = SIDE * random.uniform(0.1, 0.25)
    half = wide * np.interp(down, [0, 1], random.uniform(0.7, 1.3, 2)) + SIDE * random.normal(0, 0.02, 9)
    _fill(canvas, middle - half, middle + half, rows)
    if random.random() < 0.85:
        fork, most, shape = random.uniform(0.12, 0.6), random.uniform(0.02, 0.5), random.uniform(0.3, 2)
        gap = np.maximum(wide * most * ((down - fork) / (1 - fork)).clip(0, 1) ** shape, random.uniform(0.5, 2))
        below = down > fork
        _fill(canvas, (middle - gap)[below], (middle + gap)[below], rows[below], 0)
    return canvas


def _fill(
    canvas: Grey,
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    rows: NDArray[np.float64] | NDArray[np.int64],
    shade: int = 255,
) -> None:
    """Fill what lies between two edges (N,), given at rows (N,)."""
    edges = [np.stack([left, rows], axis=1), np.stack([right, rows], axis=1)[::-1]]
    cv2.fillPoly(canvas, [np.concatenate(edges).astype(np.int32)], shade)


def _thing(canvas: Grey, random: Random) -> Grey:
    """A rounded body that fills the picture one way, at times with holes and with straps across or beside it."""
    high, wide = random.uniform(0.25, 1, 2) * SIDE
    high, wide = (SIDE, wide) if random.random() < 0.5 else (high, SIDE)
    corner = np.array([(SIDE - wide) / 2, SIDE - high if random.random() < 0.5 else (SIDE - high) / 2])

    def body() -> Points:
        """An outline in 0..1."""
        angle = np.linspace(0, 2 * np.pi, 40)
        waves = [
            random.normal(0, 0.35 / order) * np.cos(order * angle + random.uniform(0, 6.3)) for order in (1, 2, 3, 4)
        ]
        points = np.exp(sum(waves, np.zeros(40)))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.asarray((points - points.min(axis=0)) / np.ptp(points, axis=0))

    def fill(points: Points, shade: int) -> None:
        cv2.fillPoly(canvas, [(points * [wide, high] + corner).astype(np.int32)], shade)

    fill(body(), 255)
    for _ in range(random.integers(0, 4) if random.random() < 0.5 else 0):
        fill(body() * random.uniform(0.15, 0.5, 2) + random.uniform(0, 0.7, 2), 0)
    for _ in range(random.integers(1, 5) if random.random() < 0.5 else 0):
        line = curve(random.random((3, 2)) * [wide, high] + corner).astype(np.int32)
        shade = 255 if random.random() < 0.7 else 0
        cv2.polylines(canvas, [line], False, shade, int(random.integers(1, 7)), cv2.LINE_AA)
    return canvas


def _worn(figure: Grey, random: Random) -> Grey:
    """A figure with folds or stripes, of any tone, at times printed on."""
    grain = (int(random.integers(2, 20)), int(random.integers(2, 20)))
    folds = cv2.resize(random.random(grain), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    if random.random() < 0.15:
        bands = np.sin(np.arange(SIDE) * random.uniform(0.3, 1.5) + random.uniform(0, 6.3)) > 0
        folds = np.broadcast_to(bands if random.random() < 0.3 else bands[:, None], (SIDE, SIDE))
    tone, depth = random.uniform(0.2, 1), random.uniform(0, 0.6)
    worn = np.asarray(figure * tone * (1 - depth * folds), np.uint8)
    if random.random() < 0.1:
        place = tuple((SIDE * random.uniform(0.3, 0.7, 2)).astype(int).tolist())
        cv2.circle(worn, place, int(random.integers(4, 12)), int(random.integers(0, 256)), int(random.integers(-1, 4)))
    return worn


def _texture(random: Random) -> Grey:
    """Noise of any coarseness, with or without an edge around it; grids."""
    if random.random() < 0.3:
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        for place in np.arange(random.integers(5, 10), SIDE - 4, random.integers(7, 18)):
            cv2.line(canvas, (int(place), 5), (int(place), SIDE - 5), 255, int(random.integers(1, 4)))
            cv2.line(canvas, (5, int(place)), (SIDE - 5, int(place)), 255, int(random.integers(1, 4)))
        return _bent(canvas, random)
    grain = int(random.choice([3, 5, 8, 12, 16, 28]))
    noise = random.random((grain, grain)) ** random.uniform(0.3, 3)
    way = cv2.INTER_NEAREST if random.random() < 0.3 else cv2.INTER_CUBIC
    canvas = (cv2.resize(noise, (SIDE, SIDE), interpolation=way).clip(0, 1) * 255).astype(np.uint8)
    if random.random() < 0.5:
        canvas = np.pad(canvas, 10)
    return canvas


def _spoiled(images: Grey, labels: NDArray[np.int64], random: Random) -> Grey:
    """Two digits side by side, one above the other or on top of each other; quarters of a digit in a wrong order."""
    one, other = random.integers(len(images), size=2)
    first, second = images[one], images[other]
    way = random.random()
    if way < 0.4:
        joined = [np.trim_zeros(image.sum(axis=0)).size for image in (first, second)]
        gap = round(sum(joined) / 2 + random.uniform(-2, 2))
        canvas = np.zeros((28, 28 + gap), np.uint8)
        canvas[:, :28] = first
        np.maximum(canvas[:, gap:], second, out=canvas[:, gap:])
    elif way < 0.5:
        canvas = np.concatenate([first[4:24], second[4:24]])
    elif way < 0.75 and labels[one] != labels[other]:
        canvas = np.maximum(first, np.roll(second, random.integers(-5, 6, 2), (0, 1)))
    elif way < 0.75 or labels[one] == 1:  # a one with its quarters moved is a one
        return _spoiled(images, labels, random)
    else:
        quarters = [first[row : row + 14, column : column + 14] for row in (0, 14) for column in (0, 14)]
        order = np.roll(np.arange(4), random.integers(1, 4)) if random.random() < 0.5 else [3, 2, 1, 0]
        a, b, c, d = (quarters[index] for index in order)
        canvas = np.block([[a, b], [c, d]])
    return np.asarray(cv2.resize(np.pad(canvas, 4), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
