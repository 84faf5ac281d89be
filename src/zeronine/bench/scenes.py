"""What lies around paper, and falls on it, when it is photographed or scanned: put around real pictures, and over them.

Nobody's data set holds enough of such pictures to measure by, so each scene is made: the same every time, from chance
that its own name seeds.

Knows pixels. Knows no network and no label.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zeronine.errors import DataError
from zeronine.image import Source, load_pixels

Colour = NDArray[Any]
"""(H, W, 3) uint8."""


@dataclass(frozen=True)
class Scene:
    """One of them.

    Attributes:
        apply: a picture (H, W, 3) uint8 and a source of chance -> the picture in that scene, which may be larger.
        about: what it shows.
    """

    apply: Callable[[Colour, Generator], Colour]
    about: str


def staged(name: str, sources: Sequence[Source]) -> list[Colour]:
    """Pictures of digits in a scene.

    Args:
        name: a key of :data:`SCENES`.
        sources: see ``image.load_pixels``.

    Returns:
        one (H, W, 3) uint8 for each.

    Raises:
        DataError: no such scene.
        ImageError: a picture cannot be read.
    """
    if name not in SCENES:
        raise DataError(f"{name!r} is no scene; there are {', '.join(SCENES)}")
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    return [SCENES[name].apply(_colour(source), chance) for source in sources]


def _colour(source: Source) -> Colour:
    pixels = load_pixels(source)
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels * 255).astype(np.uint8)
    return np.asarray(np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., :3])


def _table(tone: tuple[int, int, int], grain: float) -> Callable[[Colour, Generator], Colour]:
    """Paper, wider by 0.15 on each side than the picture, turned by up to 8 degrees on a table wider by a quarter."""

    def apply(picture: Colour, chance: Generator) -> Colour:
        margin = round(0.15 * max(picture.shape))
        around = round(0.25 * (max(picture.shape) + 2 * margin))
        sheet = _framed(picture, (margin,) * 4, _tone_of(picture))
        covered = _framed(np.full_like(sheet, 255), (around,) * 4, (0, 0, 0))
        wide = _framed(sheet, (around,) * 4, _tone_of(picture))
        size = wide.shape[1], wide.shape[0]
        turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), chance.uniform(-8, 8), 1)
        wide, covered = (cv2.warpAffine(each, turn, size, borderMode=cv2.BORDER_REPLICATE) for each in (wide, covered))
        down, across = _places(wide)
        waves = np.sin(2 * np.pi * (14 * down + 2 * np.sin(3 * across) + chance.uniform())) * np.sin(5 * across + 2)
        table = np.array(tone) * (1 + grain * waves[..., None])
        return _bytes(table + (wide - table) * (covered / 255))

    return apply


def _dark_edge(picture: Colour, chance: Generator) -> Colour:
    """A strip along one side, a twelfth as wide as the picture is long."""
    width = round(max(picture.shape) / 12)
    side = chance.integers(4)
    return _framed(picture, tuple(width if each == side else 0 for each in range(4)), (25, 25, 25))


def _falling_light(picture: Colour, chance: Generator) -> Colour:
    """Light that falls to a third from one end of the picture to the other."""
    return _lit(picture, 0.35 + 0.65 * _places(picture)[chance.integers(2)])


def _edge_of_shadow(picture: Colour, chance: Generator) -> Colour:
    """A shadow right of a slanted line, its edge 0.05 of the longer side soft."""
    down, across = _places(picture)
    shaded = across + 0.3 * (down - 0.5) > chance.uniform(0.2, 0.8)
    return _lit(picture, 1 - 0.45 * _soft(shaded, 0.05))


def _shadow_of_a_hand(picture: Colour, chance: Generator) -> Colour:
    """A round shadow from below, as a hand or a phone casts it, its edge 0.04 of the longer side soft."""
    down, across = _places(picture)
    shaded = (across - chance.uniform(0.2, 0.8)) ** 2 + (down - chance.uniform(0.6, 1.1)) ** 2 < 0.12
    return _lit(picture, 1 - 0.5 * _soft(shaded, 0.04))


def _framed(picture: Colour, widths: tuple[int, ...], tone: tuple[float, float, float]) -> Colour:
    """With so many pixels of a tone above, below, left and right."""
    above, below, left, right = widths
    return cv2.copyMakeBorder(picture, above, below, left, right, cv2.BORDER_CONSTANT, value=tone)


def _tone_of(picture: Colour) -> tuple[float, float, float]:
    """The median of its outermost pixels."""
    red, green, blue = np.median(np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]), axis=0)
    return float(red), float(green), float(blue)


def _places(picture: Colour) -> NDArray[np.float64]:
    """(2, H, W): how far down and how far across each pixel lies, 0..1."""
    height, width = picture.shape[:2]
    return np.asarray(np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1))


def _soft(shaded: NDArray[np.bool_], share: float) -> NDArray[Any]:
    """1 where it is shaded, 0 where it is not, and in between near its edge."""
    return np.asarray(cv2.GaussianBlur(shaded.astype(np.float64), (0, 0), share * max(shaded.shape)))


def _lit(picture: Colour, light: NDArray[Any]) -> Colour:
    return _bytes(picture * light[..., None])


def _bytes(values: NDArray[Any]) -> Colour:
    return np.asarray(np.rint(values.clip(0, 255)), np.uint8)


SCENES = {
    "dark-table": Scene(_table((40, 40, 45), 0), "the paper askew on a dark table"),
    "wooden-table": Scene(_table((150, 110, 80), 0.18), "the paper askew on a wooden table with its grain"),
    "light-table": Scene(_table((200, 200, 195), 0), "the paper askew on a light table"),
    "dark-edge": Scene(_dark_edge, "a scanner's dark edge along a side"),
    "falling-light": Scene(_falling_light, "light that falls to a third from one end to the other"),
    "edge-of-shadow": Scene(_edge_of_shadow, "the soft edge of a shadow across it, 0.55 as light"),
    "shadow-of-a-hand": Scene(_shadow_of_a_hand, "a round shadow with a soft edge, half as light"),
}
"""By name."""
