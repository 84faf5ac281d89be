"""The network that looks again at each place where a digit was found, and its training. Knows windows and digits.

It takes a window around a spot, with what stands beside it, (N, 1, 40, 40) float32 in 0..1, and gives eleven logits:
which digit stands in the middle, or that none does. It learns from what the finding network finds on composed pages,
right and wrong, so that it knows that network's mistakes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Indexed

from zeronine.page import WINDOW, Maps, Spot, ink, spots, window
from zeronine.train.compose import Composer, Page, Placed
from zeronine.train.networks import convolution
from zeronine.train.real import bent
from zeronine.train.state import State, computes_bfloat16, seeded, start

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

NONE = 10
"""The class of a window in whose middle there is no digit."""

WIDER = 48
"""Pixels of the windows that are kept for training: room to bend them."""


class Recogniser(nn.Sequential):
    """Convolutions down to 5×5, and one answer for the whole of it: what counts is what stands in the middle."""

    def __init__(self) -> None:
        super().__init__(
            *(convolution(1, 16, 3), convolution(16, 32, 3, stride=2), convolution(32, 48, 3), nn.MaxPool2d(2)),
            *(convolution(48, 96, 3), convolution(96, 96, 3), nn.MaxPool2d(2), convolution(96, 128, 3)),
            *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * (WINDOW // 8) ** 2, NONE + 1)),
        )


@dataclass(frozen=True)
class Recognising:
    """How it is trained; each a setting of the recipe.

    Attributes:
        passes: over the windows.
        batch_size: windows per step.
        learning_rate: peak of the one-cycle schedule.
        beta2: AdamW's memory of squared gradients.
        weight_decay: AdamW's.
        averaging: decay per step of the running average of the weights.
    """

    passes: int = 6
    batch_size: int = 128
    learning_rate: float = 4e-3
    beta2: float = 0.99
    weight_decay: float = 0.03
    averaging: float = 0.997


def truths(found: Sequence[Spot], page: Page) -> list[int | None]:
    """Which digit each spot is, NONE for none; None for what is neither, such as a digit that is half on the page.

    Args:
        found: spots, likeliest first.
        page: where they were found.
    """
    taken: set[int] = set()
    result: list[int | None] = []
    for spot in found:  # the likeliest first: each digit is found once
        near = [index for index, placed in enumerate(page.digits) if _on(spot, placed)]
        free = [index for index in near if index not in taken and page.digits[index].visible >= 0.75]
        if free:
            taken.add(free[0])
            result.append(page.digits[free[0]].digit)
        else:
            result.append(None if any(page.digits[index].visible < 0.75 for index in near) else NONE)
    return result


def missed(found: Sequence[Spot], page: Page) -> list[tuple[Spot, int]]:
    """The digits of a page that no spot is on, as spots, with what they are."""
    return [
        (Spot(left + wide / 2, top + high / 2, wide, high, np.zeros(10, np.float32)), placed.digit)
        for placed in page.digits
        for left, top, wide, high in (placed.box,)
        if placed.visible >= 0.75 and not any(_on(spot, placed) for spot in found)
    ]


def _on(spot: Spot, placed: Placed) -> bool:
    """Whether a spot's middle and size are those of a digit."""
    left, top, wide, high = placed.box
    close = abs(spot.x - left - wide / 2) < 0.35 * max(wide, 0.4 * high) and abs(spot.y - top - high / 2) < 0.35 * high
    return close and 0.5 < spot.height / max(high, 1) < 2


class Examined(Indexed[tuple[Bytes, Labels]]):
    """Windows of what is found on composed pages, page by page.

    Args:
        composer: makes the pages.
        find: (1, 1, H, W) ink -> maps, of the trained finding network.
        seed: with the number of a page it decides all of it.
        count: of pages.
        real: pictures that every other page is made of; none for composed pages alone.
    """

    def __init__(
        self,
        composer: Composer,
        find: Callable[[NDArray[Any]], Maps],
        seed: tuple[int, ...],
        count: int,
        real: Sequence[Page] = (),
    ) -> None:
        self._composer, self._find, self._seed, self._count, self._real = composer, find, seed, count, real

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Bytes, Labels]:
        """Windows (N, WIDER, WIDER) as bytes, and what each is (N,)."""
        random = np.random.default_rng([*self._seed, index])
        size = (int(random.integers(60, 260)), int(random.integers(120, 380)))
        if self._real and index % 2:
            page = bent(self._real[int(random.integers(len(self._real)))], random, size)
        else:
            page = self._composer.page(random, size)
        plane = ink(page.grey)
        found = spots(plane, self._find)
        told = zip(found, truths(found, page), strict=True)
        known = [(spot, truth) for spot, truth in told if truth is not None] + missed(found, page)
        windows = np.zeros((len(known), WIDER, WIDER), np.uint8)
        for row, (spot, _) in enumerate(known):
            windows[row] = np.rint(window(plane, spot, WIDER) * 255)
        return windows, np.array([truth for _, truth in known], np.int64)


class Finding:
    """A trained finding network as ``page.spots`` takes it; can be sent to another process."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    @torch.inference_mode()
    def __call__(self, pages: NDArray[Any]) -> Maps:
        """Maps of pages (N, 1, H, W)."""
        maps: Maps = self._network(torch.from_numpy(np.ascontiguousarray(pages, np.float32))).numpy()
        return maps


def examined(pages: Examined, alone: Callable[[int], None]) -> tuple[Bytes, Labels]:
    """All windows of the pages with what they are, made by another process.

    Args:
        pages: see there.
        alone: called in that process, with its number.
    """
    loader = DataLoader(
        pages, batch_size=None, num_workers=2, prefetch_factor=8, multiprocessing_context="spawn", worker_init_fn=alone
    )
    parts = [
        (np.array(windows), np.array(labels)) for windows, labels in loader
    ]  # copies: what is shared are open files
    return np.concatenate([windows for windows, _ in parts]), np.concatenate([labels for _, labels in parts])


def begin(network: Recogniser, windows: int, settings: Recognising) -> State:
    """Optimiser and schedule for passes over so many windows."""
    return start(network, settings, settings.passes * _steps(windows, settings))


def _steps(windows: int, settings: Recognising) -> int:
    return max(1, windows // settings.batch_size)


def one_pass(
    state: State, windows: Bytes, labels: Labels, settings: Recognising, seed: int
) -> Iterator[tuple[int, float]]:
    """Learn from each window once; gives the step and its loss.

    Args:
        state: of the training; its device is the network's.
        windows: (N, WIDER, WIDER) bytes.
        labels: (N,).
        settings: of the training.
        seed: with the pass's number it decides order and bending.
    """
    device = next(state.network.parameters()).device
    mixed, source = computes_bfloat16(device), seeded(seed, state.epoch)
    torch.manual_seed(int(source.initial_seed()) & 0xFFFFFFFF)  # of dropout
    state.network.train()
    order = torch.randperm(len(windows), generator=source).numpy()
    for step, chosen in enumerate(np.array_split(order, _steps(len(windows), settings))):
        batch = bent_windows(torch.from_numpy(windows[chosen]).float()[:, None] / 255, source)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            logits = state.network(batch.to(device).contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits.float(), torch.from_numpy(labels[chosen]).to(device))
        state.learn(loss)
        yield step, float(loss.detach())


def bent_windows(windows: torch.Tensor, source: torch.Generator) -> torch.Tensor:
    """Windows (N, 1, WIDER, WIDER) turned, scaled, slanted, shifted, lighter or darker: (N, 1, WINDOW, WINDOW)."""
    count = len(windows)
    turn, scale, slant, wide, tone = torch.randn(5, count, generator=source) * torch.tensor(
        [[0.08], [0.08], [0.08], [0.06], [0.2]]
    )
    shift = 0.05 * torch.randn(2, count, generator=source)
    across, down = torch.exp(wide - scale), torch.exp(-wide - scale)
    rows = [
        torch.stack([turn.cos() * across, slant - turn.sin(), shift[0] * WIDER / WINDOW], 1),
        torch.stack([turn.sin(), turn.cos() * down, shift[1] * WIDER / WINDOW], 1),
    ]
    matrix = torch.stack(rows, 1)
    matrix[:, :, :2] *= WINDOW / WIDER
    grid = functional.affine_grid(matrix, [count, 1, WINDOW, WINDOW], align_corners=False)
    warped = functional.grid_sample(windows, grid, align_corners=False)
    toned: torch.Tensor = (warped * tone.exp()[:, None, None, None]).clamp(0, 1)
    return toned
