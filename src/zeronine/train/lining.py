"""The network that reads a row of digits at once, what it learns from a row, and its loss. Knows shapes and texts.

It takes the ink of a row, (N, 1, 48, W) float32 in 0..1 with W divisible by 4, and gives logits (N, W / 4, 11) from
left to right: of each digit, and of nothing new. Trained with connectionist temporal classification, after Graves et
al., 2006: which of the places stand for a digit is left to the network.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from zeronine.ctc import NOTHING
from zeronine.page import Grey, resized_row
from zeronine.train.networks import convolution
from zeronine.train.sheet import Page
from zeronine.train.synthesis import Random

WIDEST = 480
"""Pixels of the rows that are learned from; a longer one is squeezed."""


class Context(nn.Module):
    """What a place learns from the rest of its row: its neighbours up to nine places away, and the hand of the whole.

    It adds nothing until it is trained, so that a trained network can get it. What is most of each feature anywhere on
    the row tells the hand: where one seven has a bar, a stroke without one is no seven.

    Args:
        channels: of a place.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.far = nn.Sequential(
            nn.Conv2d(channels, channels, (1, 7), padding=(0, 9), dilation=(1, 3), bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )
        self.whole = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1))
        for part in (self.far, self.whole):
            for weights in part[-1].parameters():
                nn.init.zeros_(weights)

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        """Places (N, channels, 1, W) with what the row adds to them."""
        seen: torch.Tensor = places + self.far(places) + self.whole(places.amax(3, keepdim=True))
        return seen


class LineReader(nn.Module):
    """Convolutions down to one row of places, then convolutions along it.

    Args:
        widths: channels of the convolutions: one at full size, two at 1/2, two at 1/4, two at 1/4 across and 1/8 down.
        along: channels of the two convolutions along the row.
        context: whether places learn from the whole row, see ``Context``.
    """

    def __init__(self, widths: Sequence[int], along: int, context: bool = True) -> None:
        super().__init__()
        one, two, three, four, five, six, seven = widths
        self.features = nn.Sequential(
            convolution(1, one, 3),
            nn.MaxPool2d(2),
            convolution(one, two, 3),
            convolution(two, three, 3),
            nn.MaxPool2d(2),
            convolution(three, four, 3),
            convolution(four, five, 3),
            nn.MaxPool2d((2, 1)),
            convolution(five, six, 3),
            convolution(six, seven, 3),
            nn.MaxPool2d((6, 1)),
        )
        self.row = nn.Sequential(
            convolution(seven, along, (1, 5)), convolution(along, along, (1, 5)), nn.Conv2d(along, NOTHING + 1, 1)
        )
        self.context = Context(along) if context else nn.Identity()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Logits (N, W / 4, 11) of rows (N, 1, 48, W)."""
        places = self.row[:2](self.features(rows))
        answers: torch.Tensor = self.row[2](self.context(places))
        return answers.squeeze(2).transpose(1, 2)


def row_of(page: Page, random: Random) -> tuple[Grey, NDArray[np.int64]]:
    """A row as it is cut out of a page around its digits, with a margin at random, and what it says.

    Args:
        page: with one row of writing.
        random: decides the margins.

    Returns:
        Ink (48, W) and digits from left to right.
    """
    ink = page.ink
    height, width = ink.shape
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    digits = [one for one in page.across if one.visible > READ]
    if digits:
        tall = float(np.median([one.box[3] for one in digits]))
        above, below = random.uniform(0.0, 0.5, 2) * tall
        before, after = (0.05 + random.exponential(0.6, 2)) * tall
        left, top = digits[0].box[0] - before, min(one.box[1] for one in digits) - above
        right = digits[-1].box[0] + digits[-1].box[2] + after
        bottom = max(one.box[1] + one.box[3] for one in digits) + below
    x, y = int(max(left, 0)), int(max(top, 0))
    piece = ink[y : max(int(min(bottom, height)), y + 8), x : max(int(min(right, width)), x + 8)]
    return resized_row(piece, WIDEST), np.array([one.digit for one in digits], np.int64)


READ = 0.6
"""Share of a digit's ink that must be there for it to be read."""


def line_loss(logits: torch.Tensor, texts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Negative log likelihood of what the rows say, a mean over digits and then rows.

    Args:
        logits: (N, places, 11).
        texts: digits of each row.
    """
    chances = logits.float().log_softmax(2).transpose(0, 1)
    counts = torch.tensor([len(text) for text in texts])
    places = torch.full((len(texts),), len(chances))
    return functional.ctc_loss(chances, torch.cat(list(texts)), places, counts, blank=NOTHING, zero_infinity=True)


def seen_places(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """The places, of (places, 11), at which the likeliest answer is a digit and another one than just before."""
    best = logits.argmax(axis=1)
    fresh = np.concatenate([[True], best[1:] != best[:-1]]) & (best != NOTHING)
    return np.flatnonzero(fresh)


def greedy(logits: NDArray[np.float32]) -> str:
    """The text of the likeliest answer at each place, (places, 11)."""
    return "".join(str(digit) for digit in logits[seen_places(logits)].argmax(axis=1))
