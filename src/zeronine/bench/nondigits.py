"""What is no digit, for measuring how well a model refuses it: clothes, letters, signs, noise, scribbles, nothing.

Sets come from where ``handwriting`` finds its own; noise and scribbles are made here, by a seed, the same everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine import data
from zeronine.bench.handwriting import NO_DIGIT, Pictures, characters, named, photos, place
from zeronine.errors import DataError
from zeronine.formats import DIGITS, read_idx

LOOKALIKES = frozenset("OoDQIiLlJjZzySsbGBgq")
"""Letters that somebody's digit looks like. A recogniser of single digits cannot be blamed for reading them, so they
are counted apart: O o D Q as 0; I i L l J j as 1; Z z as 2; y as 4; S s as 5; b G as 6; B as 8; g q as 9. None is
drawn like 3 or 7 as a rule. What is left has forms that no digit has, but for a hasty hand."""

MADE = 1000
"""How many pictures there are of each kind that is made here."""


@dataclass(frozen=True)
class NonDigitSet:
    """A set of pictures that show no digit.

    Attributes:
        about: what it is, in a line.
        load: reads or makes it, or raises DataError with the reason why it cannot be.
    """

    about: str
    load: Callable[[], Pictures]


def _pictures(name: str, images: NDArray[np.uint8], inputs: NDArray[np.float32] | None = None) -> Pictures:
    """Arrays as a set without digits; the network's inputs are the images themselves where none are given."""
    files = tuple(f"{name}-{index}" for index in range(len(images)))
    given = data.scaled(images) if inputs is None else inputs
    return Pictures(list(images), files, np.full(len(images), NO_DIGIT, np.int64), inputs=given)


def _named(name: str) -> Pictures:
    """The test images of a named set whose labels mean no digits."""
    images = np.stack([np.asarray(image) for image in named(name, "test").sources])
    return _pictures(name, images)


def _notmnist() -> Pictures:
    paths = sorted(place("notmnist").glob("t10k-images*"))
    if not paths:
        raise DataError("not at hand: notmnist holds no t10k-images-idx3-ubyte.gz")
    return _pictures("notmnist", read_idx(paths[0]))


def _letters(lookalikes: bool) -> Pictures:
    """Handwritten letters; they are dark on light, which a network without preprocessing does not take."""
    images, names = characters()
    kept = ~np.isin(names, DIGITS) & (np.isin(names, sorted(LOOKALIKES)) == lookalikes)
    inputs = 1 - data.scaled(images[kept])
    return _pictures("lookalike" if lookalikes else "letter", images[kept], inputs)


# ---- made here -----------------------------------------------------------------------------------------------


def _uniform_noise() -> Pictures:
    return _pictures("uniform", _random(1).integers(0, 256, (MADE, 28, 28), np.uint8))


def _gaussian_noise() -> Pictures:
    """Normal, with a mean of 0.5 and a standard deviation of 0.25, cut off at black and white."""
    return _pictures("gaussian", _to_bytes(_random(2).normal(0.5, 0.25, (MADE, 28, 28))))


def _smooth_noise() -> Pictures:
    """Normal noise blurred by 1 to 4 pixels, then stretched from black to white: blobs of a stroke's width and more."""
    random = _random(3)
    layers = random.normal(size=(MADE, 28, 28))
    blurs = random.uniform(1, 4, MADE)
    smooth = np.stack([cv2.GaussianBlur(layer, (0, 0), blur) for layer, blur in zip(layers, blurs, strict=True)])
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    return _pictures("smooth", _to_bytes((smooth - low) / (high - low)))


def _scribbles() -> Pictures:
    """Aimless pen strokes on 112×112 pixels, dark on light; for a network without preprocessing shrunk to 28×28."""
    random = _random(4)
    images = np.stack([scribble(random) for _ in range(MADE)])
    inputs = [
        1 - cv2.resize(image, (28, 28), interpolation=cv2.INTER_AREA).astype(np.float32) / 255 for image in images
    ]
    return _pictures("scribble", images, np.stack(inputs))


def scribble(random: np.random.Generator) -> NDArray[np.uint8]:
    """One or two strokes, each a smooth curve through six to eleven places by chance, (112, 112), dark on light."""
    canvas = np.full((112, 112), 255, np.uint8)
    pen = int(random.integers(4, 9))
    for _ in range(random.integers(1, 3)):
        corners = random.uniform(16, 96, (random.integers(6, 12), 2))
        curve = _smooth_curve(corners)
        cv2.polylines(canvas, [np.rint(curve * 16).astype(np.int32)], False, 0, pen, cv2.LINE_AA, shift=4)
    return canvas


def _smooth_curve(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (M, 2) of a curve by Catmull and Rom through the corners (N, 2)."""
    padded = np.concatenate([corners[:1], corners, corners[-1:]])
    before, start, end, after = (padded[shift : len(padded) - 3 + shift, None] for shift in range(4))
    t = np.linspace(0, 1, 16)[None, :, None]
    along = start + 0.5 * t * (end - before + t * (2 * before - 5 * start + 4 * end - after))
    curve = along + 0.5 * t**3 * (3 * (start - end) + after - before)
    return np.asarray(curve.reshape(-1, 2))


def _blank() -> Pictures:
    """Nothing: every grey from black to white, level."""
    greys = np.arange(256, dtype=np.uint8)
    return _pictures("blank", np.repeat(greys, 28 * 28).reshape(-1, 28, 28))


def _random(number: int) -> np.random.Generator:
    """A source of chance of its own for each kind."""
    return np.random.default_rng([28, number])


def _to_bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)


NON_DIGIT_SETS: dict[str, NonDigitSet] = {
    "letters": NonDigitSet("handwritten letters that no digit looks like", lambda: _letters(False)),
    "lookalikes": NonDigitSet("handwritten letters that a digit looks like", lambda: _letters(True)),
    "signs": NonDigitSet("photos and drawings of operator signs and letters", lambda: photos("none")),
    "kmnist": NonDigitSet("Kuzushiji-MNIST, test", lambda: _named("kmnist")),
    "fashion-mnist": NonDigitSet("Fashion-MNIST, test", lambda: _named("fashion-mnist")),
    "notmnist": NonDigitSet("notMNIST, test: printed letters A to J, of which B, D, G and I are lookalikes", _notmnist),
    "scribbles": NonDigitSet("aimless pen strokes, made by a seed", _scribbles),
    "uniform-noise": NonDigitSet("every pixel by chance", _uniform_noise),
    "gaussian-noise": NonDigitSet("every pixel by chance, mostly grey", _gaussian_noise),
    "smooth-noise": NonDigitSet("noise blurred to blobs", _smooth_noise),
    "blank": NonDigitSet("nothing at all, in every grey", _blank),
}
"""The sets, in the order of the table."""
