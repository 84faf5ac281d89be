"""The fifteen corruptions of MNIST-C, made anew from MNIST's images.

Which they are and what they look like: Mu & Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019
(arXiv 1906.02337). The settings are those that made the published files: the default severities of the code that its
authors published (google-research/mnist-c), which are named below. The code here is our own, on NumPy and OpenCV where
theirs is on scikit-image and ImageMagick, and draws other random numbers: images of the same kind, not the same pixels.

Knows pixels. Knows no network and no label.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zeronine.errors import DataError

SIDE = 28
MIDDLE = (SIDE - 1) / 2
"""Pixels: the side of an image; where its centre lies, counted from the middle of its first pixel."""

Images = NDArray[Any]
"""(N, 28, 28) float32, or one of them, (28, 28); in 0..1, white ink on black."""


@dataclass(frozen=True)
class Corruption:
    """One of the fifteen.

    Attributes:
        apply: images (N, 28, 28) in 0..1 and a source of chance -> images of that shape, which may leave 0..1.
        settings: what it does, with its numbers.
        severity: of the published five, 1 to 5, the one that these numbers are; 0 where there is only one.
    """

    apply: Callable[[Images, Generator], Images]
    settings: str
    severity: int


def corrupt(name: str, images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.uint8]:
    """Corrupt images as MNIST-C does.

    Args:
        name: a key of :data:`CORRUPTIONS`.
        images: (N, 28, 28) uint8, white ink on black.
        seed: decides what is left to chance; an image's corruption does not depend on those that follow it.

    Returns:
        (N, 28, 28) uint8.

    Raises:
        DataError: no such corruption, or images of another shape or type.
    """
    if name not in CORRUPTIONS:
        raise DataError(f"no corruption is called {name!r}: there are {', '.join(CORRUPTIONS)}")
    if images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
        raise DataError(f"images are {images.dtype} of {images.shape[1:]}: the corruptions are of 28×28 uint8")
    if not len(images):
        return images.copy()
    random = np.random.default_rng([seed, list(CORRUPTIONS).index(name)])
    result = CORRUPTIONS[name].apply(images.astype(np.float32) / 255, random)
    return np.asarray(np.rint(result.clip(0, 1) * 255), np.uint8)


# ---- noise ---------------------------------------------------------------------------------------------------


def _shot_noise(images: Images, random: Generator) -> Images:
    """Few photons: each pixel is a Poisson count with a mean of 3 times its brightness, over 3."""
    return random.poisson(images * 3) / 3


def _impulse_noise(images: Images, random: Generator) -> Images:
    """Salt and pepper: 17 % of the pixels become white or black, as many the one as the other."""
    chance = random.random(images.shape)
    return np.where(chance < 0.085, 1, np.where(chance < 0.17, 0, images))


# ---- blur ----------------------------------------------------------------------------------------------------


def _blurred(image: Images, sigma: float) -> Images:
    """Gaussian blur, cut off at 4 standard deviations, the edge's pixels going on beyond it."""
    side = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)


def _glass_blur(images: Images, random: Generator) -> Images:
    """Frosted glass: blur of 0.7 pixels, pixels swapped with a neighbour, twice over, the same blur again.

    From the lower right corner on, every second pixel by chance is swapped with itself, the one to the left, the one
    above, or the one above on the left.
    """
    result = np.stack([np.floor(_blurred(image, 0.7) * 255) / 255 for image in images])
    places = [(row, column) for row in range(SIDE - 1, 1, -1) for column in range(SIDE - 1, 1, -1)] * 2
    chance = random.integers(0, 2, (len(images), len(places), 3), np.int8)
    for number, (row, column) in enumerate(places):
        swapped = np.flatnonzero(chance[:, number, 0])
        up, left = chance[swapped, number, 1], chance[swapped, number, 2]
        other = result[swapped, row - up, column - left]
        result[swapped, row - up, column - left] = result[swapped, row, column]
        result[swapped, row, column] = other
    return np.stack([_blurred(image, 0.7) for image in result])


def _motion_blur(images: Images, random: Generator) -> Images:
    """A moving hand: half a Gaussian of 3 pixels along a line, 20 pixels long, at an angle of -45 to 45 degrees."""
    angles = np.deg2rad(random.uniform(-45, 45, len(images)))
    kernels = (_streak(angle, reach=20, sigma=3) for angle in angles)
    return np.stack(
        [
            cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)
            for image, kernel in zip(images, kernels, strict=True)
        ]
    )


def _streak(angle: float, reach: int, sigma: float) -> Images:
    """A kernel whose weights lie on a line from its middle outwards, falling as a Gaussian does; their sum is 1."""
    steps = np.arange(reach + 1)
    rows = np.ceil(steps * np.sin(angle) - 0.5).astype(int) + reach
    columns = np.ceil(steps * np.cos(angle) - 0.5).astype(int) + reach
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    np.add.at(kernel, (rows, columns), np.exp(-(steps**2) / (2 * sigma**2)))
    return np.asarray(kernel / kernel.sum())


# ---- shape and place -----------------------------------------------------------------------------------------


def _warped(image: Images, inverse: NDArray[np.float64], shift: NDArray[Any] | None = None) -> Images:
    """The image where each place shows what was at inverse (2, 2) times it, seen from the centre, plus the shift (2,).

    Columns come before rows, both in pixels; between pixels linear, black outside.
    """
    offset = MIDDLE * (1 - inverse.sum(axis=1)) + (0 if shift is None else shift)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, np.column_stack([inverse, offset]), (SIDE, SIDE), flags=flags)


def _signs(random: Generator, *shape: int) -> NDArray[np.int64]:
    """-1 or 1, by chance."""
    return 2 * random.integers(0, 2, shape) - 1


def _shear(images: Images, random: Generator) -> Images:
    """Slant of 0.4 radians to the left or right: columns shift by sin 0.4 per row, rows come cos 0.4 apart."""
    slants = 0.4 * _signs(random, len(images))
    matrices = [np.array([[1, -np.sin(slant)], [0, np.cos(slant)]]) for slant in slants]
    return np.stack([_warped(image, matrix) for image, matrix in zip(images, matrices, strict=True)])


def _scale(images: Images, random: Generator) -> Images:
    """Shrunk to 0.7 of its size, about the centre."""
    return np.stack([_warped(image, np.eye(2) / 0.7) for image in images])


def _rotate(images: Images, random: Generator) -> Images:
    """Turned by 0.4 radians, 23 degrees, to the left or right, about the centre."""
    angles = 0.4 * _signs(random, len(images))
    matrices = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles]
    return np.stack([_warped(image, matrix) for image, matrix in zip(images, matrices, strict=True)])


def _translate(images: Images, random: Generator) -> Images:
    """Shifted by 3 pixels to the left or right, and by 3 up or down."""
    shifts = 3 * _signs(random, len(images), 2)
    return np.stack([_warped(image, np.eye(2), shift) for image, shift in zip(images, shifts, strict=True)])


# ---- light and dirt ------------------------------------------------------------------------------------------


def _brightness(images: Images, random: Generator) -> Images:
    """Brighter by 0.5, white staying white."""
    return images + 0.5


def _stripe(images: Images, random: Generator) -> Images:
    """Negative, but for a stripe in the middle: the 7 columns on the left and the 7 on the right are inverted."""
    result = 1 - images
    result[:, :, 7:21] = images[:, :, 7:21]
    return result


def _fog(images: Images, random: Generator) -> Images:
    """A cloud of 3 times full brightness laid over the image, and all scaled back to the brightness before.

    The cloud is the corner of a plasma fractal of 256×256 whose roughness falls by 1.4 squared from step to step.
    """
    brightest = images.max(axis=(1, 2))
    result = np.empty_like(images)
    for index, image in enumerate(images):
        cloud = _plasma(random, side=256, decay=1.4**2)[:SIDE, :SIDE]
        result[index] = (image + 3 * cloud) * brightest[index] / (brightest[index] + 3)
    return result


def _plasma(random: Generator, side: int, decay: float) -> Images:
    """A height map (side, side), 0..1: diamonds and squares on a torus; chance counts ``decay`` less at each step."""
    map_ = np.zeros((side, side), np.float32)
    wobble, step = np.float32(1), side
    while step >= 2:
        half = step // 2
        corners = map_[::step, ::step]
        rows = corners + np.roll(corners, -1, axis=0)
        map_[half::step, half::step] = _wobbled(rows + np.roll(rows, -1, axis=1), wobble, random)
        centres = map_[half::step, half::step]
        across = corners + np.roll(corners, -1, axis=1) + centres + np.roll(centres, 1, axis=0)
        map_[::step, half::step] = _wobbled(across, wobble, random)
        down = corners + np.roll(corners, -1, axis=0) + centres + np.roll(centres, 1, axis=1)
        map_[half::step, ::step] = _wobbled(down, wobble, random)
        wobble, step = wobble / np.float32(decay), half
    return np.asarray((map_ - map_.min()) / np.ptp(map_))


def _wobbled(sum_of_four: Images, wobble: np.float32, random: Generator) -> Images:
    """The mean of four, and a little more or less by chance."""
    chance = random.random(sum_of_four.shape, np.float32)
    return sum_of_four / 4 + wobble * (2 * chance - 1)


def _spatter(images: Images, random: Generator) -> Images:
    """Drops of mud: noise, N(0.65, 0.3), blurred by 1 pixel; where it exceeds 0.65, blurred by 1.5, grey of 63/255.

    Drops that cover less than 0.8 of a pixel leave it as it is.
    """
    noise = random.normal(0.65, 0.3, images.shape).astype(np.float32)
    wet = np.stack([_blurred((_blurred(layer, 1) > 0.65).astype(np.float32), 1.5) for layer in noise])
    wet[wet < 0.8] = 0
    return np.asarray(images * (1 - wet) + wet * (63 / 255))


# ---- lines ---------------------------------------------------------------------------------------------------


def _dotted_line(images: Images, random: Generator) -> Images:
    """A line from edge to edge between rows drawn by chance, of which every other two columns are shown."""
    ends = random.integers(0, SIDE - 1, (len(images), 2))
    shown = np.arange(SIDE) % 4 >= 2
    lines = [_line((0, float(start)), (SIDE - 1, float(end))) * shown for start, end in ends]
    return np.asarray(images + np.stack(lines))


def _zigzag(images: Images, random: Generator) -> Images:
    """A zigzag from column 2 to 25, its teeth 2 pixels high and 4 long, about a line of small slope."""
    chance = random.random((len(images), 2))
    starts = np.floor(chance[:, 0] * (SIDE - 1))
    rises = np.floor(chance[:, 1] * 10) - 5
    result = images.copy()
    for index, (start, rise) in enumerate(zip(starts, rises, strict=True)):
        corners = _teeth(float(start), float(rise))
        for first, second in pairwise(corners):
            result[index] = np.minimum(result[index] + _line(first, second), 1)
    return result


def _teeth(start: float, rise: float) -> list[tuple[float, float]]:
    """Corners (column, row) of a zigzag from column 2, row ``start``, to column 25, row ``start + rise``."""
    length = float(np.hypot(25 - 2, rise))
    cosine, sine = (25 - 2) / length, rise / length
    along = [0.0, *np.arange(2, length, 4), length]
    aside = [0.0, *(2.0 * (-1) ** number for number in range(len(along) - 2)), 0.0]
    return [(2 + a * cosine - b * sine, start + a * sine + b * cosine) for a, b in zip(along, aside, strict=True)]


def _line(first: tuple[float, float], second: tuple[float, float]) -> Images:
    """A line from one point (column, row) to one further right: white in its middle, black 1.45 pixels above and below.

    Brightness falls with the distance d to the line as 1 + log(1 - d / 2.3).
    """
    (left, top), (right, bottom) = first, second
    columns, rows = np.arange(SIDE), np.arange(SIDE)[:, None]
    distance = np.abs(rows - (top + (bottom - top) / (right - left) * (columns - left)))
    bright = np.log(1 - distance.clip(0, 2.29) / 2.3) + 1
    inside = (columns >= np.floor(left)) & (columns < np.ceil(right))
    return np.asarray(bright.clip(0, 1) * inside, np.float32)


def _canny_edges(images: Images, random: Generator) -> Images:
    """Its edges instead of the image: Canny's, after a blur of 1 pixel, Sobel's slopes being 0.1 and 0.2 or more."""
    whole = 1000  # OpenCV takes slopes as integers
    result = np.empty_like(images)
    for index, image in enumerate(images):
        smooth = _blurred(image, 1)
        across, down = (np.rint(whole * cv2.Sobel(smooth, cv2.CV_32F, *way)) for way in ((1, 0), (0, 1)))
        edges = cv2.Canny(across.astype(np.int16), down.astype(np.int16), 0.1 * whole, 0.2 * whole, L2gradient=True)
        result[index] = edges / 255
    return result


CORRUPTIONS: dict[str, Corruption] = {
    "shot-noise": Corruption(_shot_noise, "Poisson counts, 3 at full brightness", 5),
    "impulse-noise": Corruption(_impulse_noise, "17 % of the pixels white or black", 4),
    "glass-blur": Corruption(_glass_blur, "blur 0.7 px, neighbours swapped twice", 1),
    "motion-blur": Corruption(_motion_blur, "half a Gaussian of 3 px, 20 px long, within 45° of level", 1),
    "shear": Corruption(_shear, "by 0.4 rad, either way", 2),
    "scale": Corruption(_scale, "to 0.7", 3),
    "rotate": Corruption(_rotate, "by 0.4 rad, either way", 2),
    "brightness": Corruption(_brightness, "0.5 added", 5),
    "translate": Corruption(_translate, "3 px across and 3 px down, either way", 3),
    "stripe": Corruption(_stripe, "7 columns on either side inverted", 0),
    "fog": Corruption(_fog, "plasma fractal, weight 3, decay 1.4", 5),
    "spatter": Corruption(_spatter, "grey drops, noise N(0.65, 0.3) above 0.65", 4),
    "dotted-line": Corruption(_dotted_line, "from edge to edge, 2 columns shown, 2 not", 0),
    "zigzag": Corruption(_zigzag, "teeth of 2 px, 4 px long, columns 2 to 25", 0),
    "canny-edges": Corruption(_canny_edges, "sigma 1, thresholds 0.1 and 0.2", 0),
}
"""The fifteen, in the paper's order."""
