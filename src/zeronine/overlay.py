"""A picture with what was read drawn on it. Knows Numbers and how to draw; reads nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zeronine.files import replaced
from zeronine.image import Source, load_pixels
from zeronine.numbers import Box, Number

READ, DOUBTFUL = (22, 104, 214), (214, 90, 22)
"""Colours of a number that was read, and of one that was rejected."""

LONGEST = 2000
"""Pixels: a larger picture is shrunk to this."""


def overlay(source: Source, numbers: Sequence[Number]) -> Image.Image:
    """The picture with a box around each number and each digit, and what it says above it.

    Args:
        source: the picture, as it was read.
        numbers: what was read.

    Returns:
        An RGB image, small pictures enlarged.

    Raises:
        ImageError: the picture cannot be read.
    """
    pixels = load_pixels(source)
    values = pixels if pixels.dtype == np.uint8 else (pixels * 255).astype(np.uint8)
    picture = Image.fromarray(values).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    factor = LONGEST / max(picture.size)
    factor = factor if factor < 1 else max(1, min(8, 500 // max(picture.size)))
    picture = picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))))
    top = 30
    canvas = Image.new("RGB", (picture.width, picture.height + top), "white")
    canvas.paste(picture, (0, top))
    draw = ImageDraw.Draw(canvas)
    for number in numbers:
        colour = DOUBTFUL if number.rejected else READ
        for digit in number.digits:
            draw.rectangle(_pixels(digit.box, picture.size, top), outline=colour, width=1)
        left, above, right, below = _pixels(number.box, picture.size, top)
        draw.rectangle((left - 3, above - 3, right + 3, below + 3), outline=colour, width=2)
        size = int(min(max(0.35 * (below - above), 13), 36))
        text = f"{number.text}  {100 * number.confidence:.0f} %"
        if number.reason:
            text += f"  {number.reason}"
        _label(draw, (left - 3, above - 5), text, size, colour)
    return canvas


def _label(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, colour: tuple[int, int, int]
) -> None:
    """White text on a colour, its lower left corner at a place, kept on the picture."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    wide, high = right - left + 6, bottom - top + 4
    x = max(0.0, min(place[0], draw.im.size[0] - wide))
    y = max(0.0, place[1] - high)
    draw.rectangle((x, y, x + wide, y + high), fill=colour)
    draw.text((x + 3 - left, y + 2 - top), text, fill="white", font=font)


def _pixels(box: Box, size: tuple[int, int], top: int) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels."""
    x, y, w, h = box
    return x * size[0], y * size[1] + top, (x + w) * size[0], (y + h) * size[1] + top


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    with replaced(path) as temporary:
        picture.save(temporary, "PNG")
