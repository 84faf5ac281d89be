"""The training of the network that finds digits on pages: pieces of composed pages, its settings, its recipe."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Subset

from zeronine.data import Split
from zeronine.errors import RecipeError
from zeronine.train.compose import Composer
from zeronine.train.composed import WORKER, Answers, ComposedSettings, Pieces, Task, composer
from zeronine.train.real import bent
from zeronine.train.sheet import Page
from zeronine.train.spotting import Spotter, losses, targets
from zeronine.train.synthesis import Random

SIZE = (128, 256)
"""Height, width in pixels of the pieces of pages that are learned from."""


@dataclass(frozen=True)
class PageSettings(ComposedSettings):
    """What a training of the page's network is decided by; see ``ComposedSettings`` for the rest.

    Attributes:
        pages: pieces of pages per epoch.
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the page.
        depth: convolutions at 1/8 and at 1/16.

    Raises:
        RecipeError: a value is out of its range.
    """

    epochs: int = 40
    pages: int = 8000
    widths: tuple[int, ...] = (16, 48, 64, 128)
    depth: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("pages", "depth"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise RecipeError(f"widths is {self.widths}: it must be four whole numbers of 1 or more")
        if self.pages < self.batch_size:
            raise RecipeError(f"batch_size is {self.batch_size}, there are fewer pages: make it smaller")


def piece(composer: Composer, random: Random, real: Page | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ink (1, H, W) and maps (8, H / 4, W / 4) of a piece of a page: of a real picture, or else a composed one."""
    if real:
        page = bent(real, random, SIZE)
    else:
        whole = random.random() < 0.55
        size = SIZE if whole else (int(random.integers(32, SIZE[0] + 1)), int(random.integers(64, SIZE[1] + 1)))
        page = composer.page(random, size)
    return padded(page), targets(page.digits, SIZE)


def padded(page: Page) -> NDArray[np.float32]:
    """The ink of a piece on the left and top of empty paper, (1, *SIZE)."""
    plane = np.zeros((1, *SIZE), np.float32)
    ink = page.ink
    plane[0, : ink.shape[0], : ink.shape[1]] = ink
    return plane


def _untrained(settings: PageSettings) -> Spotter:
    return Spotter(settings.widths, settings.depth)


def _steps(settings: PageSettings) -> int:
    return settings.pages // settings.batch_size


def _batches(split: Split, settings: PageSettings, seed: int, real: list[Page], first: int) -> Iterator[Any]:
    """Batches from the step with number ``first`` on, made by another process while one is learned."""
    batch = settings.batch_size
    pieces = Pieces(piece, composer(split), (seed, 1), _steps(settings) * batch * settings.epochs, real)
    rest = Subset(pieces, range(first * batch, len(pieces)))
    return iter(DataLoader(rest, batch, prefetch_factor=4, **WORKER))


def _losses(network: nn.Module, batch: Any, device: torch.device, mixed: bool) -> dict[str, torch.Tensor]:
    """What a network's maps lack."""
    pages, wanted = batch
    pages = pages.to(device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        maps = network(pages)
    parts = losses(maps.float(), wanted.to(device))
    return {"loss": parts["middle"] + parts["digit"] + BOX_SHARE * parts["box"] + ON_SHARE * parts["on"], **parts}


BOX_SHARE = 0.3
"""Of the boxes' loss in the whole: 0.3 of a cell is about as bad as a digit that is half sure."""

ON_SHARE = 0.5
"""Likewise of knowing where a number ends."""

MEASURED = 300
"""Pieces of pages that a network is measured on."""


@torch.inference_mode()
def _answers(network: nn.Module, split: Split, seed: int) -> Answers:
    """For each digit on pages made of a split's images: probabilities (N, 10) at its middle, and what it is (N,).

    The probabilities sum to that of a middle being there at all.
    """
    device = next(network.parameters()).device
    network.eval()
    pieces = Pieces(piece, composer(split), (seed, 2), MEASURED)
    rows, labels = [], []
    for page, wanted in (pieces[index] for index in range(len(pieces))):
        maps = network(torch.from_numpy(page[None]).to(device))[0].cpu()
        there = maps[0].sigmoid()
        there = torch.nn.functional.max_pool2d(there[None, None], 3, 1, 1)[0, 0]  # a cell beside will do
        chance = maps[1:11].softmax(0) * there
        middles = torch.from_numpy((wanted[0] > 0.99) & (wanted[6] > 0))
        rows.append(chance[:, middles].T.numpy())
        labels.append(wanted[1][middles.numpy()])
    return np.concatenate(rows).astype(np.float32), np.concatenate(labels).astype(np.int64), {}


PAGE = Task(
    name="page",
    summary="3×3 convolutions down to 1/16 of a page and back up to 1/4: where digits are, which, how large",
    training="320,000 pieces of pages, each composed anew of mnist's training images and of pen strokes, our own and "
    "44 people's: AdamW, one-cycle to 4e-3, batch 32, averaged weights",
    settings=PageSettings(),
    refining=PageSettings(epochs=6, pages=3200, learning_rate=1e-3),
    config={
        "kind": "page",
        "input_shape": [1, "height", "width"],
        "output": "maps",
        "predictions_of": "digits on composed pages",
    },
    file="model.onnx",
    example=(1, 1, *SIZE),
    shape=("widths", "depth"),
    network=_untrained,
    steps=_steps,
    batches=_batches,
    losses=_losses,
    answers=_answers,
)
"""The recipe of the network that finds digits on pages."""
