"""The training of the network that reads a row of digits at once: composed rows, its settings, its recipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Subset

from zeronine.data import Split
from zeronine.errors import RecipeError
from zeronine.page import ROW, Grey
from zeronine.reader import ROWS
from zeronine.train.compose import Composer
from zeronine.train.composed import WORKER, Answers, ComposedSettings, Pieces, Task, composer
from zeronine.train.lining import LineReader, greedy, line_loss, row_of, seen_places
from zeronine.train.real import bent
from zeronine.train.sheet import Page
from zeronine.train.synthesis import Random


@dataclass(frozen=True)
class LineSettings(ComposedSettings):
    """What a training of the network that reads rows is decided by; see ``ComposedSettings`` for the rest.

    Attributes:
        rows: per epoch.
        widths: channels of the seven convolutions.
        along: channels of the two convolutions along the row.
        context: whether places learn from the whole row; a trained network without can get it.

    Raises:
        RecipeError: a value is out of its range.
    """

    epochs: int = 27
    rows: int = 16384
    learning_rate: float = 3e-3
    widths: tuple[int, ...] = (16, 48, 80, 112, 128, 160, 160)
    along: int = 192
    context: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.along < 1:
            raise RecipeError(f"along is {self.along}: it must be 1 or more")
        if len(self.widths) != 7 or min(self.widths) < 1:
            raise RecipeError(f"widths is {self.widths}: it must be seven whole numbers of 1 or more")
        if self.rows < self.batch_size * TOGETHER:
            raise RecipeError(f"rows is {self.rows}: it must be {TOGETHER} times batch_size or more")


TOGETHER = 8
"""Batches that are made at a time: their rows are sorted by length, so that little of a batch is empty paper."""

Row = tuple[Grey, NDArray[np.int64]]
"""Ink (48, W) of a row, and its digits."""


def row(composer: Composer, random: Random, real: Page | None) -> Row:
    """A row as it is cut out of a page: of a real picture, or else a composed one."""
    return row_of(bent(real, random, LARGEST_REAL) if real else composer.row(random), random)


LARGEST_REAL = (400, 1200)
"""Height, width in pixels of real pictures at most."""


def batched(rows: Sequence[Row], size: int) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
    """Batches of rows of like length: ink (N, 1, 48, W) on the left of empty paper, and their digits."""
    rows = sorted(rows, key=lambda row: row[0].shape[1])
    return [_stacked(rows[first : first + size]) for first in range(0, len(rows), size)]


def _stacked(rows: Sequence[Row]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    width = -(-max(ink.shape[1] for ink, _ in rows) // ALIGNED) * ALIGNED
    batch = np.zeros((len(rows), 1, ROW, width), np.float32)
    for place, (ink, _) in enumerate(rows):
        batch[place, 0, :, : ink.shape[1]] = ink
    return torch.from_numpy(batch), [torch.from_numpy(text) for _, text in rows]


ALIGNED = 16
"""Pixels that a batch's width is a multiple of."""


def _untrained(settings: LineSettings) -> LineReader:
    return LineReader(settings.widths, settings.along, settings.context)


def _steps(settings: LineSettings) -> int:
    return settings.rows // (settings.batch_size * TOGETHER) * TOGETHER


def _batches(split: Split, settings: LineSettings, seed: int, real: list[Page], first: int) -> Iterator[Any]:
    """Batches from the step with number ``first`` on, made by another process while one is learned."""
    batch = settings.batch_size
    rows = Pieces(row, composer(split), (seed, 1), _steps(settings) * batch * settings.epochs, real)
    rest = Subset(rows, range(first * batch, len(rows)))
    order = np.random.default_rng(0).permutation(TOGETHER)
    for group in DataLoader(
        rest, batch * TOGETHER, collate_fn=partial(batched, size=batch), prefetch_factor=2, **WORKER
    ):
        for place in order:
            ink, texts = group[place]
            yield ink.clone(), [text.clone() for text in texts]  # what another process sent holds a file open


def _losses(network: nn.Module, batch: Any, device: torch.device, mixed: bool) -> dict[str, torch.Tensor]:
    """What a network's answers lack."""
    rows, texts = batch
    rows = rows.to(device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        logits = network(rows)
    return {"loss": line_loss(logits, texts)}


MEASURED = 600
"""Rows that a network is measured on."""


@torch.inference_mode()
def _answers(network: nn.Module, split: Split, seed: int) -> Answers:
    """Of rows made of a split's images in which as many digits are seen as there are: probabilities (N, 10), labels.

    And the share, 0..1, of all rows that are read whole and right.
    """
    device = next(network.parameters()).device
    network.eval()
    rows = Pieces(row, composer(split), (seed, 2), MEASURED)
    chances, labels, right = [np.zeros((0, 10), np.float32)], [np.zeros(0, np.int64)], 0
    for ink, text in (rows[index] for index in range(len(rows))):
        batch, _ = _stacked([(ink, text)])
        logits = network(batch.to(device))[0].float().cpu()
        places = seen_places(logits.numpy())
        right += greedy(logits.numpy()) == "".join(map(str, text))
        if len(places) == len(text):
            chances.append(logits[places, :10].softmax(1).numpy())
            labels.append(text)
    return np.concatenate(chances), np.concatenate(labels), {"val_whole": right / len(rows)}


LINE = Task(
    name="line",
    summary="3×3 convolutions down to one row of places, 1×5 along it, then what the whole row adds to each place: "
    "which digits a row says, from left to right",
    training="442,000 rows, each composed anew of mnist's training images and of pen strokes, our own and 44 people's: "
    "connectionist temporal classification, AdamW, one-cycle to 3e-3, batch 32, averaged weights",
    settings=LineSettings(),
    refining=LineSettings(epochs=6, rows=6400, learning_rate=5e-4),
    config={
        "kind": "line",
        "input_shape": [1, ROW, "width"],
        "output": "logits",
        "predictions_of": "digits of composed rows in which as many were seen as there are",
    },
    file=ROWS,
    example=(1, 1, ROW, 192),
    shape=("widths", "along", "context"),
    network=_untrained,
    steps=_steps,
    batches=_batches,
    losses=_losses,
    answers=_answers,
)
"""The recipe of the network that reads rows."""
