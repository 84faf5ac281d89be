"""Real pictures of numbers with a box around each digit, to refine the page's network on. Knows files and bending."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine.data import Split
from zeronine.errors import DataError, ImageError
from zeronine.image import digit_image, page_grey
from zeronine.numbers import MOST_PIXELS
from zeronine.train.paper import Grey
from zeronine.train.sheet import Page, Placed
from zeronine.train.synthesis import Random


def real_pages(folder: Path) -> list[Page]:
    """The pictures of a folder.

    Args:
        folder: with ``labels.csv``: ``file``, and ``boxes``, JSON: ``[digit, left, top, width, height]`` in pixels of
            each digit of the one number, from left to right.

    Raises:
        DataError: the folder has no such file, or it is damaged.
        ImageError: a picture cannot be read.
    """
    path = folder / "labels.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["file"], json.loads(row["boxes"])) for row in csv.DictReader(file)]
        pages = [_page(folder / name, boxes) for name, boxes in rows]
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: columns file and boxes, [[digit, left, top, width, height], ...]"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error!r}): columns file and boxes, [[digit, x, y, w, h], ...]") from None
    if not pages:
        raise DataError(f"{path} names no pictures")
    return pages


def _page(path: Path, boxes: list[list[str | float]]) -> Page:
    grey = page_grey(path, MOST_PIXELS)
    digits = [
        Placed(int(digit), (float(x), float(y), float(wide), float(high)), 1.0, number < len(boxes) - 1)
        for number, (digit, x, y, wide, high) in enumerate(boxes)
    ]
    return Page(grey, digits)


def real_digits(pages: Sequence[Page]) -> Split:
    """The digits of real pictures, cut out by their boxes, as digit images; blank ones are left out.

    Args:
        pages: see ``real_pages``.
    """
    images, labels = [], []
    for page in pages:
        for one in page.digits:
            try:
                images.append(digit_image(_cut(page.grey, one.box)[0]))
            except ImageError:
                continue
            labels.append(one.digit)
    return Split(np.array(images, np.float32).reshape(-1, 28, 28), np.array(labels, np.int64))


def bent(page: Page, random: Random, size: tuple[int, int]) -> Page:
    """A real picture scaled, slanted, turned a little, lighter or darker, cut to at most a size.

    Args:
        page: the picture.
        random: decides how.
        size: height, width in pixels at most.
    """
    height, width = page.grey.shape
    scale = float(np.exp(random.uniform(np.log(0.6), np.log(1.6))))
    across = scale * float(np.exp(random.normal(0, 0.1)))
    slant, turn = float(random.normal(0, 0.12)), float(random.normal(0, 0.03))
    matrix = np.array([[across, slant * scale, 0.0], [turn * scale, scale, 0.0]])
    corners = matrix[:, :2] @ np.array([[0, width, 0, width], [0, 0, height, height]])
    matrix[:, 2] = -corners.min(axis=1)
    extent = np.ceil(np.ptp(corners, axis=1)).astype(int)
    loose = np.maximum(extent[::-1] - np.array(size), 0)
    matrix[:, 2] -= [float(random.integers(0, loose[1] + 1)), float(random.integers(0, loose[0] + 1))]
    shape = (min(int(extent[0]), size[1]), min(int(extent[1]), size[0]))
    grey = cv2.warpAffine(page.grey, matrix, shape, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    tone = grey ** float(np.exp(random.normal(0, 0.2))) * float(random.uniform(0.8, 1.0))
    if random.random() < 0.3:
        tone = np.asarray(cv2.GaussianBlur(tone, (0, 0), float(random.uniform(0.4, 1.2))), np.float32)
    noise = random.standard_normal(tone.shape, np.float32) * np.float32(random.uniform(0, 0.03))
    digits = [moved for one in page.digits if (moved := _moved(one, page.grey, matrix, shape))]
    return Page(np.asarray(np.clip(tone + noise, 0, 1), np.float32), digits)


def _moved(placed: Placed, grey: Grey, matrix: NDArray[np.float64], shape: tuple[int, int]) -> Placed | None:
    """A digit with the box that its ink has after bending; None where it is no longer on the picture."""
    piece, left, top = _cut(grey, placed.box)
    if not piece.size:
        return None
    level, _ = cv2.threshold(piece, 0, 255, cv2.THRESH_OTSU)
    down, across = np.nonzero(piece <= max(level, piece.min()))  # all of it where it is of one tone
    ink = matrix[:, :2] @ (np.stack([across + left, down + top]) + 0.5) + matrix[:, 2:]
    pixel = np.abs(matrix[:, :2]).sum(axis=1) / 2
    low, end = np.maximum(ink.min(axis=1) - pixel, 0), np.minimum(ink.max(axis=1) + pixel, shape)
    if (end <= low).any():
        return None
    visible = float(((ink > 0) & (ink < np.array([shape]).T)).all(axis=0).mean())
    box = (float(low[0]), float(low[1]), float(end[0] - low[0]), float(end[1] - low[1]))
    return Placed(placed.digit, box, visible, placed.goes_on)


def _cut(grey: Grey, box: tuple[float, float, float, float]) -> tuple[NDArray[np.uint8], int, int]:
    """What is in a digit's box as bytes, and the pixel that it begins with: left, top."""
    left, top, wide, high = (round(side) for side in box)
    piece = grey[max(top, 0) : top + high, max(left, 0) : left + wide]
    return np.rint(piece * 255).astype(np.uint8), max(left, 0), max(top, 0)
