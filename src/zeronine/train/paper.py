"""Paper, what is printed on it, and what a camera makes of it. Knows planes of grey; knows nothing of digits."""

import cv2
import numpy as np
from numpy.typing import NDArray

from zeronine.train.forms import Points
from zeronine.train.synthesis import Random

Grey = NDArray[np.float32]


def stroke(plane: Grey, points: Points, pen: float, tone: float) -> None:
    """A line of points (N, 2) with a pen of so many pixels, antialiased, where it is darker than what is there."""
    low = np.floor(points.min(axis=0) - pen - 2).astype(int).clip(0)
    high = np.ceil(points.max(axis=0) + pen + 2).astype(int).clip(None, plane.shape[::-1])
    if (high <= low).any():
        return
    canvas = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    fixed = np.rint((points - low) * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed], False, 255, max(1, round(pen)), cv2.LINE_AA, 4)
    target = plane[low[1] : high[1], low[0] : high[0]]
    np.maximum(target, canvas * np.float32(tone * min(1.0, pen) / 255), out=target)


def blank(size: tuple[int, int], random: Random, printed: int | None) -> Grey:
    """Paper without writing: its tone, 0..1, with what is printed on it; see ``Sheet``."""
    paper = np.full(size, random.uniform(0.6, 1.0), np.float32)
    kind = random.random() if printed is None else 1.0 if printed == 0 else random.uniform(0.42, 0.7)
    if kind < 0.42:
        for _ in range(random.integers(1, 4)):
            paper -= _guilloche(size, random)
    elif kind < 0.52:
        paper -= _ruled(size, random, random.random() < 0.5)
    if random.random() < 0.25:
        grain = (max(2, size[0] // int(random.integers(2, 30))), max(2, size[1] // int(random.integers(2, 30))))
        blotches = cv2.resize(random.normal(0, 1, grain).astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
        paper += np.float32(random.uniform(0.005, 0.05)) * blotches
    return paper


def _guilloche(size: tuple[int, int], random: Random) -> Grey:
    """A family of fine wavy lines, as on cheques."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    angle = random.choice([0.0, np.pi / 2, random.uniform(0, np.pi)]) + random.normal(0, 0.15)
    across = columns * np.float32(np.cos(angle)) + rows * np.float32(np.sin(angle))
    along = rows * np.float32(np.cos(angle)) - columns * np.float32(np.sin(angle))
    period = np.float32(np.exp(random.uniform(np.log(3.5), np.log(16))))
    wave, swing = np.float32(random.uniform(20, 160)), np.float32(random.uniform(0, 1.2) * period * 2)
    phase = across + swing * np.sin(along * (2 * np.float32(np.pi) / wave) + np.float32(random.uniform(0, 6)))
    if random.random() < 0.3:  # rings
        middle = random.uniform(-1, 2, 2) * size
        phase = np.hypot(rows - np.float32(middle[0]), columns - np.float32(middle[1])) + 0.3 * phase
    lines = np.cos(phase * (2 * np.float32(np.pi) / period))
    sharp = np.float32(random.uniform(-0.3, 0.8))
    depth = np.float32(random.uniform(0.02, 0.22))
    return np.asarray(depth * ((lines - sharp) / (1 - sharp)).clip(0, 1), np.float32)


def _ruled(size: tuple[int, int], random: Random, squared: bool) -> Grey:
    """Ruled paper, or squared."""
    lines = np.zeros(size, np.float32)
    pitch, depth = float(random.uniform(12, 90)), float(random.uniform(0.06, 0.4))
    tilt, pen = float(random.normal(0, 0.02)), float(random.uniform(0.7, 2.2))
    for row in np.arange(random.uniform(0, pitch), size[0] + 10, pitch):
        stroke(lines, np.array([(-2, row), (size[1] + 2, row + tilt * size[1])]), pen, depth)
    if squared:
        for column in np.arange(random.uniform(0, pitch), size[1] + 10, pitch):
            stroke(lines, np.array([(column, -2), (column - tilt * size[0], size[0] + 2)]), pen, depth)
    return lines


def photographed(paper: Grey, written: Grey, random: Random, often: float = 0.35) -> Grey:
    """A written sheet as a camera or a scanner gives it: an uneven pen, uneven light, a poor picture.

    Args:
        paper: its tone without writing, (H, W) in 0..1.
        written: ink on it, (H, W) in 0..1.
        random: decides all else.
        often: how often each of blur, coarse pixels, noise and JPEG is there.
    """
    size = paper.shape
    if random.random() < 0.3:  # a pen that fails here and there
        grain = (max(2, size[0] // 6), max(2, size[1] // 6))
        flow = cv2.resize(random.random(grain).astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
        written = written * (1 - np.float32(random.uniform(0.2, 0.8)) * flow)
    grey = paper * (1 - written * np.float32(random.uniform(0.8, 0.97)))
    if random.random() < 0.3:
        grey = grey * _shade(size, random)
    for damage in (_blurred, _coarse, _noisy, _compressed):
        if random.random() < often:
            grey = damage(grey, random)
    return np.asarray(grey.clip(0, 1), np.float32)


def how_often_damaged(random: Random) -> float:
    """How often a picture is damaged in each way: most scanners are good ones."""
    return 0.1 if random.random() < 0.6 else 0.35


def _shade(size: tuple[int, int], random: Random) -> Grey:
    """Light that falls off, or the shadow of a hand with a soft edge: factors of 0..1."""
    angle, place = random.uniform(0, 2 * np.pi), random.uniform(-0.5, 0.5)
    rows, columns = np.mgrid[-0.5 : 0.5 : size[0] * 1j, -0.5 : 0.5 : size[1] * 1j].astype(np.float32)
    along = rows * np.float32(np.sin(angle)) + columns * np.float32(np.cos(angle)) - np.float32(place)
    soft = np.float32(np.exp(random.uniform(np.log(0.05), np.log(1.5))))
    return np.asarray(
        1 - np.float32(random.uniform(0.1, 0.6)) / (1 + np.exp((-along * 4 / soft).clip(-60, 60))), np.float32
    )


def _blurred(grey: Grey, random: Random) -> Grey:
    """Out of focus, or moved."""
    if random.random() < 0.75:
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), random.uniform(0.4, 1.6)), np.float32)
    reach = int(random.integers(2, 6))
    return np.asarray(cv2.blur(grey, (reach, 1) if random.random() < 0.5 else (1, reach)), np.float32)


def _coarse(grey: Grey, random: Random) -> Grey:
    """From a picture with fewer pixels."""
    factor = float(random.uniform(1.3, 3.0) if random.random() < 0.8 else random.uniform(3.0, 5.0))
    small = cv2.resize(grey, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    back = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[random.integers(3)]
    return np.asarray(cv2.resize(small, grey.shape[::-1], interpolation=back), np.float32)


def _noisy(grey: Grey, random: Random) -> Grey:
    """Grain."""
    noise = random.standard_normal(grey.shape, np.float32)
    return np.asarray(grey + np.float32(random.uniform(0.005, 0.08)) * noise, np.float32)


def _compressed(grey: Grey, random: Random) -> Grey:
    """JPEG of poor quality."""
    bytes_of = (grey.clip(0, 1) * 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", bytes_of, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 80))])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)
