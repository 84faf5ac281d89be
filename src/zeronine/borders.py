"""What lies around the sheet that is written on: a table, the dark edge of a scan, the frame of a window.

Such borders are larger and darker than any ink: left in, they decide what is ink, and are read as ones. They go before
anything else is measured.

Knows pixels. Knows no ink, no digit, and only one sheet per picture.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]
"""(H, W); the type says Any because OpenCV's stubs forget the dtype."""

LEAST = 32
"""Pixels: no sheet is looked for in a picture with a shorter side than this."""

LOOKED_AT, SPARSEST = 64, 16
"""Pixels of the longer side when a sheet is looked for, and the least of the shorter one."""

WIDEST_STROKE = 0.25
"""Share of a picture's longer side that a stroke is narrower than.

Where paper is uneven, ``image`` takes what is wider for paper: of DIDA 309 are wrong or refused by papers found so, 355
by quadratic ones; of 200 scans with the edge of a shadow over them, 0.6 as light, 193 are read in place of 113.
"""


def opening(plane: Plane, share: float) -> Plane:
    """What is left of a picture without all that is lighter than its surroundings and narrower than a disc.

    What reaches an edge of the picture is taken to go on beyond it: else a shadow would end there.

    Args:
        plane: (H, W).
        share: diameter of the disc by the picture's longer side.
    """
    reach = round(share * max(plane.shape)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    wide = cv2.copyMakeBorder(plane, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    return cv2.morphologyEx(wide, cv2.MORPH_OPEN, disc)[reach:-reach, reach:-reach]


def without_borders(pixels: NDArray[Any]) -> NDArray[Any]:
    """The picture with paper in place of what lies around its sheet; as it is where no sheet can be told.

    A sheet has straight edges, nothing is written across them, and nothing beside it: what goes has no writing on it,
    be it a table, a shadow or a neighbour.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or float32 in 0..1; (H, W, 4) is a drawing and comes back unchanged.
    """
    shape = pixels.shape[:2]
    factor = min(1.0, LOOKED_AT / max(shape))
    if min(shape) < LEAST or min(shape) * factor < SPARSEST or pixels.shape[2:] == (4,):
        return pixels
    small = _bytes(pixels, factor)
    grey = _grey(small)
    sheets = [*_sheets(grey), *_sheets(255 - grey)]
    if not sheets:
        return pixels
    inside = max(sheets, key=lambda sheet: sheet.clarity).inside
    outside = (~inside).astype(np.uint8)
    paper = cv2.resize(cv2.inpaint(small, outside, 3, cv2.INPAINT_TELEA), shape[::-1], interpolation=cv2.INTER_LINEAR)
    if factor < COARSE:
        outside = (~_traced(pixels, grey, inside)).astype(np.uint8)
    gone = cv2.resize(outside * 255, shape[::-1], interpolation=cv2.INTER_LINEAR) > 127
    filling = paper if pixels.dtype == np.uint8 else paper.astype(np.float32) / 255
    return np.where(gone if pixels.ndim == 2 else gone[..., None], filling, pixels)


def _bytes(pixels: NDArray[Any], factor: float) -> NDArray[np.uint8]:
    """A picture at a smaller scale."""
    small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(small if small.dtype == np.uint8 else np.rint(small.clip(0, 1) * 255), np.uint8)


def _grey(small: NDArray[np.uint8]) -> Plane:
    return small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)


class _Sheet(NamedTuple):
    """Where a picture's sheet may be, (H, W), a little within its edges; by how much more writing stands out on it."""

    inside: NDArray[np.bool_]
    clarity: float


def _sheets(grey: Plane) -> list[_Sheet]:
    """The sheets, with ink darker than they are, that a picture of uint8 may show: none, one or two."""
    plain = 255 - opening(255 - grey, WIDEST_STROKE)
    if np.ptp(plain) < LEAST_STEP:
        return []
    level, _ = cv2.threshold(plain, 0, 255, cv2.THRESH_OTSU)
    either = (_sheet(tone, grey, plain) for tone in (plain > level, plain <= level))
    return [sheet for sheet in either if sheet]


def _sheet(tone: NDArray[np.bool_], grey: Plane, plain: Plane) -> _Sheet | None:
    """The largest piece of one tone, if it is a sheet.

    Args:
        tone: (H, W), the pixels of that tone.
        grey: the picture, uint8.
        plain: the same without strokes.
    """
    sheet = _polygon(_largest(tone))
    inside, outside = _shrunk(sheet), _shrunk(~sheet)
    if not LEAST_SHEET < sheet.mean() < 1 - LEAST_BORDER or not inside.any() or not outside.any():
        return None
    here, there = np.median(plain[inside]), np.median(plain[outside])
    edge = inside & ~_shrunk(inside, 1)
    between = np.abs(plain - (here + there) / 2) < abs(here - there) / 4
    if abs(here - there) < LEAST_STEP or between.sum() > SOFTEST * edge.sum():
        return None
    inks = plain.astype(int) - grey
    ink = _contrast(inks[inside])
    other = _contrast(inks[outside]) * min(max(here / max(there, 1), 1), 3)  # ink in a shadow is less of a contrast
    if ink < max(LEAST_INK, 2 * other):
        return None
    inked = edge & (inks > ink / 2)
    beyond = outside & ~_shrunk(outside) & (inks > ink / 4)
    goes_on = cv2.dilate(inked.astype(np.uint8), np.ones((11, 11), np.uint8))[beyond].any()
    return None if goes_on or inked.sum() > MOST_INKED * edge.sum() else _Sheet(inside, ink - other)


LEAST_SHEET, LEAST_BORDER = 0.15, 0.04
"""Shares of the picture: of the smallest sheet, and of what lies around the largest."""

LEAST_INK, LEAST_STEP = 15, 20
"""Of 255: by how much the darkest writing on a sheet, and what lies around it, differ from its tone at least."""

SOFTEST = 2.5
"""Pixels that a sheet's edge is wide, from a quarter to three quarters of the step: a shadow's is wider."""

MOST_INKED = 0.03
"""Share of a sheet's edge that may be inked: else it is no sheet's edge, but that of a stroke that others join.

Where a stroke goes on beyond it at all, it is the edge of a shadow.
"""


def _traced(pixels: NDArray[Any], grey: Plane, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a sheet is in a large picture, looked at in ``FINE`` pixels, so that nothing near its edge is cut off.

    Args:
        pixels: the picture.
        grey: the same at ``LOOKED_AT`` pixels.
        inside: where the sheet is on that, a little within its edges.
    """
    fine = _grey(_bytes(pixels, min(1.0, FINE / max(pixels.shape[:2]))))
    near = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8))
    here, there = float(np.median(grey[inside])), float(np.median(grey[near == 0]))
    paper = np.abs(fine - here) < np.abs(fine - there)
    size = fine.shape[::-1]
    core, around = (
        cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for part in (inside, near)
    )
    return _shrunk(_filled(_hull(_largest((paper & around) | core)), fine.shape))


COARSE, FINE = 0.25, 512
"""Scale below which one of ``LOOKED_AT`` pixels is too much to cut off; of the longer side, to trace a sheet by."""


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the pixels that are set, some at least, those of the largest piece."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _shrunk(mask: NDArray[np.bool_], by: int = 2) -> NDArray[np.bool_]:
    """The pixels that are set without those near others, that is, near the edge of a sheet, not of the picture."""
    cross = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))
    return cv2.erode(mask.astype(np.uint8), cross, iterations=by, borderType=cv2.BORDER_REPLICATE) > 0


def _polygon(piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The convex polygon that a piece is, of at most four sides and those of the picture; empty if it is none."""
    corners = cv2.approxPolyDP(_hull(piece), ROUNDEST * max(piece.shape), True)[:, 0]
    polygon = _filled(corners, piece.shape)
    last = np.array(piece.shape[::-1]) - 1
    near, far = corners <= 1, corners >= last - 1
    of_picture = ((near & np.roll(near, -1, axis=0)) | (far & np.roll(far, -1, axis=0))).any(axis=1)
    straight = (piece & polygon).sum() >= STRAIGHT * (piece | polygon).sum()
    return polygon if straight and np.sum(~of_picture) <= 4 else np.zeros_like(polygon)


ROUNDEST, STRAIGHT = 0.03, 0.93
"""Of the picture's longer side, how far a sheet's side may bend; of its area and the polygon's, what both have."""


def _hull(piece: NDArray[np.bool_]) -> NDArray[Any]:
    """The corners (N, 1, 2), across and down, of the convex hull of one piece."""
    outlines, _ = cv2.findContours(piece.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.convexHull(outlines[0])


def _filled(corners: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels of a convex polygon."""
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), corners, 1) > 0


def _contrast(inks: NDArray[Any]) -> float:
    """How far the darkest in some place is from what is usual there."""
    return float(np.quantile(inks, 0.999) - np.median(inks))
