"""Page -> boxes and lines. Knows pixels and geometry; knows no network and no label."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[Any]

COARSE = 8
"""Pixels of a page for one of the picture that its paper's tone is found in."""

REACH = 11
"""Coarse pixels that the widest stroke, and the box of paper around it, may have."""


def ink(grey: Grey) -> Grey:
    """The ink of a page: how much darker each place is than the paper around it, by the darkest ink.

    Args:
        grey: (H, W) float32 in 0..1, dark ink on light paper.

    Returns:
        (H, W) float32 in 0..1; paper is 0, also in the shade.
    """
    small = cv2.resize(
        grey, (max(1, -(-grey.shape[1] // COARSE)), max(1, -(-grey.shape[0] // COARSE))), interpolation=cv2.INTER_AREA
    )
    kernel = np.ones((REACH, REACH), np.uint8)
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_REPLICATE)
    smooth = cv2.blur(closed, (5, 5), borderType=cv2.BORDER_REPLICATE)
    paper = cv2.resize(smooth, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    darker = (paper - grey).clip(0)
    top = float(np.quantile(darker[:: max(1, grey.shape[0] // 400), :: max(1, grey.shape[1] // 400)], 0.995))
    return np.asarray((darker / max(top, LEAST)).clip(0, 1), np.float32)


LEAST = 0.08
"""Contrast, in 0..1, that the darkest ink is taken to have at least: less is grain."""

STRIDE = 4
"""Pixels of a page for one cell of a network's maps."""

SMALLEST, LARGEST = 15.0, 68.0
"""Height in pixels of the digits that a network finds at one size of the page."""

BOX_UNIT = 24.0
"""Pixels: a box's width and height are given as the logarithm of so many."""
