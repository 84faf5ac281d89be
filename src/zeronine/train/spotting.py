"""The network that finds digits on a page, what it learns from a page, and its loss. Knows shapes and boxes.

It takes the ink of a page, (N, 1, H, W) float32 in 0..1 with sides divisible by 16, and gives maps at a quarter of its
size, (N, 16, H / 4, W / 4): the logit of a digit's middle being there, ten logits of which digit, where its box is (x
and y of its middle from the cell's, width and height; see ``BOX_UNIT``), and the logit of its number going on to the
right. After Zhou et al., "Objects as points", 2019.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from zeronine.page import BOX_UNIT, LARGEST, SMALLEST, STRIDE
from zeronine.train.networks import convolution
from zeronine.train.sheet import Placed

Maps = NDArray[np.float32]

CHANNELS = 16
"""Middle, ten digits, x, y, logarithms of width and height, going on."""


class Spotter(nn.Module):
    """Convolutions down to a sixteenth of the page and back up to a quarter.

    Args:
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the page.
        depth: convolutions at 1/8 and at 1/16.
    """

    def __init__(self, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = widths
        self.quarter = nn.Sequential(
            convolution(1, half, 3, stride=2), convolution(half, quarter, 3, stride=2), convolution(quarter, quarter, 3)
        )
        self.eighth = _stage(quarter, eighth, depth)
        self.sixteenth = _stage(eighth, sixteenth, depth)
        self.to_eighth = nn.Conv2d(sixteenth, eighth, 1)
        self.at_eighth = convolution(eighth, eighth, 3)
        self.to_quarter = nn.Conv2d(eighth, quarter, 1)
        self.at_quarter = nn.Sequential(convolution(quarter, eighth, 3), convolution(eighth, eighth, 3))
        self.answer = nn.Conv2d(eighth, CHANNELS, 1)
        with torch.no_grad():
            self.answer.bias.zero_()  # type: ignore[union-attr]
            self.answer.bias[0] = -3.0  # type: ignore[index]  # hardly any place is a middle

    def forward(self, pages: torch.Tensor) -> torch.Tensor:
        """Maps (N, 16, H / 4, W / 4) of pages (N, 1, H, W)."""
        quarter = self.quarter(pages)
        eighth = self.eighth(quarter)
        eighth = self.at_eighth(eighth + _doubled(self.to_eighth(self.sixteenth(eighth))))
        quarter = self.at_quarter(quarter + _doubled(self.to_quarter(eighth)))
        maps: torch.Tensor = self.answer(quarter)
        return maps


def _stage(before: int, after: int, depth: int) -> nn.Sequential:
    """Convolutions of which the first halves the page."""
    return nn.Sequential(
        convolution(before, after, 3, stride=2), *(convolution(after, after, 3) for _ in range(depth - 1))
    )


def _doubled(maps: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="nearest")


def targets(digits: Sequence[Placed], size: tuple[int, int]) -> Maps:
    """What the maps of a page should be.

    Args:
        digits: those on the page.
        size: height, width of the page in pixels.

    Returns:
        (8, H / 4, W / 4): how much a middle is there, 0..1, or -1 where it does not matter; which digit; x, y, width,
        height of its box; how much all but the first matter, 0..1; whether its number goes on to the right.
    """
    rows, columns = size[0] // STRIDE, size[1] // STRIDE
    maps = np.zeros((8, rows, columns), np.float32)
    for placed in digits:
        left, top, wide, high = (side / STRIDE for side in placed.box)
        x, y = left + wide / 2 - 0.5, top + high / 2 - 0.5
        tall = max(placed.box[3], 0.5 * placed.box[2])
        learned = placed.visible >= VISIBLE and SMALLEST <= tall <= LARGEST
        if not learned and (placed.visible < 0.15 or not 0.7 * SMALLEST <= tall <= 1.4 * LARGEST):
            continue
        spread = (max(0.55, 0.13 * wide), max(0.65, 0.13 * high))
        reach = (int(3 * spread[0]) + 1, int(3 * spread[1]) + 1)
        across = slice(max(round(x) - reach[0], 0), min(round(x) + reach[0] + 1, columns))
        down = slice(max(round(y) - reach[1], 0), min(round(y) + reach[1] + 1, rows))
        along, below = np.arange(across.start, across.stop) - x, np.arange(down.start, down.stop) - y
        bump = np.exp(-0.5 * ((along / spread[0]) ** 2 + (below[:, None] / spread[1]) ** 2)).astype(np.float32)
        part = maps[:, down, across]
        if not learned:
            part[0][(bump > 0.05) & (part[0] == 0)] = -1
            continue
        peak = bump / max(float(bump.max()), 1e-6) if bump.size else bump
        mine = (peak > part[6]) & (peak > 0.25)
        part[0] = np.maximum(part[0], peak)
        part[1][mine] = placed.digit
        part[2][mine] = np.broadcast_to(-along, bump.shape)[mine]
        part[3][mine] = np.broadcast_to(-below[:, None], bump.shape)[mine]
        part[4][mine] = np.log(max(wide, 0.25) * STRIDE / BOX_UNIT)
        part[5][mine] = np.log(max(high, 0.25) * STRIDE / BOX_UNIT)
        part[6][mine] = peak[mine]
        part[7][mine] = placed.goes_on
    return maps


VISIBLE = 0.75
"""Share of a digit's ink that must be on the page for it to be read."""


def losses(maps: torch.Tensor, wanted: torch.Tensor) -> dict[str, torch.Tensor]:
    """What is wrong with a network's maps.

    Args:
        maps: (N, 16, h, w) of the network.
        wanted: (N, 8, h, w) as ``targets`` gives.

    Returns:
        ``middle``: penalty-reduced focal loss of Law and Deng, "CornerNet", 2018; ``digit``: cross-entropy;
        ``box``: mean absolute error; ``on``: binary cross-entropy; each a mean over digits.
    """
    truth, weight = wanted[:, 0], wanted[:, 6]
    logits = maps[:, 0]
    chance = logits.sigmoid()
    is_middle = truth > 0.99
    found = functional.logsigmoid(logits) * (1 - chance) ** 2
    avoided = functional.logsigmoid(-logits) * chance**2 * (1 - truth.clamp(min=0)) ** 4
    count = is_middle.sum().clamp(min=1)
    middle = -torch.where(is_middle, found, avoided * (truth >= 0)).sum() / count
    where = weight > 0
    weights = weight[where]
    total = weights.sum().clamp(min=1)
    answers = maps.permute(0, 2, 3, 1)[where]
    digit = functional.cross_entropy(
        answers[:, 1:11], wanted[:, 1][where].long(), reduction="none", label_smoothing=SMOOTHING
    )
    goes_on = functional.binary_cross_entropy_with_logits(answers[:, 15], wanted[:, 7][where], reduction="none")
    box = (answers[:, 11:15] - wanted[:, 2:6].permute(0, 2, 3, 1)[where]).abs().sum(1)
    means = {name: (part * weights).sum() / total for name, part in (("digit", digit), ("box", box), ("on", goes_on))}
    return {"middle": middle, **means}


SMOOTHING = 0.05
"""Share of each label that is spread over all digits."""
