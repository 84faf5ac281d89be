"""The training of the network that finds digits on pages. Knows composed pages, steps and checkpoints.

Every page is made when it is needed, by another process, from the seed, the epoch's number and its own: so a run that
was killed goes on from its last epoch and ends where it would have ended, and no page is seen twice.
"""

import math
import pickle
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Subset
from torch.utils.data import Dataset as Indexed

from zeronine.data import Dataset, Split
from zeronine.errors import ModelError, RecipeError
from zeronine.files import replaced
from zeronine.formats import DIGITS
from zeronine.train.compose import Composer, Page
from zeronine.train.loop import digit_bytes, layers_of
from zeronine.train.real import bent, real_pages
from zeronine.train.run import Progress, Run, describe, hardware, versions
from zeronine.train.settings import override
from zeronine.train.spotting import Spotter, losses, targets
from zeronine.train.state import State, best_device, computes_bfloat16, start

SIZE = (128, 256)
"""Height, width in pixels of the pieces of pages that are learned from."""


@dataclass(frozen=True)
class PageSettings:
    """What a training of the page's network is decided by; each can be overridden by name.

    Attributes:
        epochs: rounds, each with pages of its own.
        pages: pieces of pages per epoch.
        batch_size: pieces per step.
        learning_rate: peak of the one-cycle schedule, which ends at zero.
        beta2: AdamW's memory of squared gradients.
        weight_decay: AdamW's, on weights with two or more axes.
        averaging: decay per step of the running average of the weights; 0 for none.
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the page.
        depth: convolutions at 1/8 and at 1/16.
        validation: training images that no page is made of, for the pages that are only measured; stratified.
        start: run folder of a finished training that this one begins with; empty for none.
        real: folder of real pictures that half of the pieces are made of, see ``real_pages``; empty for none.
        every: of these, so manieth is learned from, beginning with the first; 1 for all.

    Raises:
        RecipeError: a value is out of its range.
    """

    epochs: int = 40
    pages: int = 8000
    batch_size: int = 32
    learning_rate: float = 4e-3
    beta2: float = 0.99
    weight_decay: float = 0.02
    averaging: float = 0.998
    widths: tuple[int, ...] = (16, 48, 64, 128)
    depth: int = 4
    validation: int = 5000
    start: str = ""
    real: str = ""
    every: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "pages", "batch_size", "depth", "validation", "every"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise RecipeError(f"widths is {self.widths}: it must be four whole numbers of 1 or more")
        if self.pages < self.batch_size:
            raise RecipeError(f"batch_size is {self.batch_size}, there are fewer pages: make it smaller")
        if not 0 < self.learning_rate < math.inf:
            raise RecipeError(f"learning_rate is {self.learning_rate}: it must be greater than 0")
        for name in ("averaging", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 0 or more and less than 1")
        if not 0 <= self.weight_decay < math.inf:
            raise RecipeError(f"weight_decay is {self.weight_decay}: it must be 0 or more")
        if self.real and not self.start:
            raise RecipeError("real pictures refine a trained network: name its run with  --set start=FOLDER")


FINETUNING = PageSettings(epochs=6, pages=3200, learning_rate=1e-3)
"""What differs by default where a trained network is refined on real pictures."""


class Pieces(Indexed[tuple[NDArray[np.float32], NDArray[np.float32]]]):
    """Composed pieces of pages with what the network should say of them.

    Args:
        composer: makes them.
        seed: with the number of a piece it decides all of it.
        count: of pieces.
        real: pictures that every other piece is made of; none for composed pieces alone.
    """

    def __init__(self, composer: Composer, seed: tuple[int, ...], count: int, real: Sequence[Page] = ()) -> None:
        self._composer, self._seed, self._count, self._real = composer, seed, count, real

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Ink (1, H, W) and maps (8, H / 4, W / 4) of one piece."""
        random = np.random.default_rng([*self._seed, index])
        if self._real and index % 2:
            piece = bent(self._real[int(random.integers(len(self._real)))], random, SIZE)
            return padded(piece), targets(piece.digits, SIZE)
        whole = random.random() < 0.55
        size = SIZE if whole else (int(random.integers(32, SIZE[0] + 1)), int(random.integers(64, SIZE[1] + 1)))
        piece = self._composer.page(random, size)
        return padded(piece), targets(piece.digits, SIZE)


@dataclass(frozen=True)
class PageRecipe:
    """The recipe of the page's network, for people; as ``recipes.Recipe``."""

    name: str
    summary: str
    training: str
    settings: PageSettings = PageSettings()
    data: str = "mnist"
    published: str = ""
    claim: str = ""


PAGE = PageRecipe(
    name="page",
    summary="3×3 convolutions down to 1/16 of a page and back up to 1/4: where digits are, which, how large",
    training="320,000 pieces of pages, each composed anew of mnist's training images and strokes of our own: AdamW, "
    "one-cycle to 4e-3, batch 32, averaged weights",
)


def trained_pages(run: Run) -> Spotter:
    """The network of a finished run, (N, 1, H, W) -> maps.

    Raises:
        ModelError: the run is not finished, or its file is missing or damaged.
    """
    if not run.finished:
        raise ModelError(f"{run.folder} is not finished: train it again with the same settings to go on")
    settings = run.config["settings"]
    network = Spotter(settings["widths"], settings["depth"])
    try:
        network.load_state_dict(torch.load(run.folder / "model.pt", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(f"{run.folder / 'model.pt'} does not open ({error}): train again") from error
    return network.eval()


def page_layers() -> list[tuple[str, tuple[int, ...], int]]:
    """The layers of the network: description, output shape for one piece of a page, number of parameters."""
    return layers_of(Spotter(PAGE.settings.widths, PAGE.settings.depth), (1, 1, *SIZE))


def padded(piece: Page) -> NDArray[np.float32]:
    """The ink of a piece on the left and top of empty paper, (1, *SIZE)."""
    page = np.zeros((1, *SIZE), np.float32)
    ink = piece.ink
    page[0, : ink.shape[0], : ink.shape[1]] = ink
    return page


def train_pages(
    dataset: Dataset,
    *,
    out: Path,
    seed: int = 0,
    progress: Progress | None = None,
    given: Mapping[str, object] | None = None,
) -> Run:
    """Train the page's network and write its run folder; go on where a killed training left off.

    Args:
        dataset: digit images, of which the pages are made.
        out: the run's folder.
        seed: 0 or more; decides weights and pages.
        progress: called every few steps.
        given: settings that differ from the recipe's; typed, or as text from a command line.

    Raises:
        RecipeError: no such setting, it does not fit the data, or the folder holds another run.
    """
    if dataset.classes != DIGITS or dataset.train.shape != (28, 28):
        raise RecipeError(f"pages are made of digit images, {dataset.name} holds others: take  --data mnist")
    chosen = override(_usual(given or {}), given or {})
    training, validation = dataset.holdout(chosen.validation, seed=0)
    run = Run(out)
    run.begin(_config(dataset, chosen, seed))
    if run.finished:
        return run
    torch.manual_seed(seed)
    network, seconds = _fit(_untrained(chosen), training, validation, chosen, seed, run, progress)
    with replaced(run.folder / "model.pt") as path:
        torch.save(network.state_dict(), path)
    test = dataset.test if len(dataset.test) else validation
    run.finish(*_answers(network, test, seed=0), seconds)
    shutil.rmtree(run.folder / "checkpoint", ignore_errors=True)
    return run


def _usual(given: Mapping[str, object]) -> PageSettings:
    """The settings that those given differ from; a refined network keeps its widths."""
    if not given.get("real"):
        return PAGE.settings
    if not given.get("start"):
        return FINETUNING
    before = Run(Path(str(given["start"]))).config["settings"]
    return replace(FINETUNING, widths=tuple(before["widths"]), depth=before["depth"])


def _untrained(settings: PageSettings) -> Spotter:
    """The network that a training begins with."""
    if settings.start:
        return trained_pages(Run(Path(settings.start))).train()
    return Spotter(settings.widths, settings.depth)


def _config(dataset: Dataset, settings: PageSettings, seed: int) -> dict[str, Any]:
    """What a run's folder says of it."""
    counts = {"train": len(dataset.train) - settings.validation, "validation": settings.validation}
    return {
        "zeronine": versions()["zeronine"],
        "recipe": PAGE.name,
        "kind": "page",
        "engine": "torch",
        "seed": seed,
        "settings": asdict(settings),
        "processes": 1,
        "data": describe(dataset, None, False, counts | {"test": len(dataset.test)}),
        "classes": list(dataset.classes),
        "input_shape": [1, "height", "width"],
        "output": "maps",
        "predictions_of": "digits on composed pages",
        "versions": versions("torch"),
        "hardware": hardware(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None,
    }


def _batches(pieces: Pieces, batch: int, first: int) -> Iterator[Any]:
    """Batches of the pieces from the one with number ``first`` on, made by another process while one is learned."""
    rest = Subset(pieces, range(first, len(pieces)))
    # A fresh process: one that is forked hangs where OpenCV or PyTorch have threads already.
    workers: dict[str, Any] = {"num_workers": WORKERS, "multiprocessing_context": "spawn", "worker_init_fn": _alone}
    return iter(DataLoader(rest, batch, prefetch_factor=4, **workers))


WORKERS = 1
"""Processes that make pages: one makes them as fast as two cores learn from them."""


def _alone(worker: int) -> None:
    """OpenCV's threads in a process of its own would only stand in each other's way."""
    cv2.setNumThreads(1)


def composer(split: Split) -> Composer:
    """What makes pages of a split's images."""
    return Composer(digit_bytes(split), split.labels)


def _fit(
    network: Spotter,
    training: Split,
    validation: Split,
    settings: PageSettings,
    seed: int,
    run: Run,
    progress: Progress | None,
) -> tuple[Spotter, float]:
    """Train; go on from the run's checkpoint where there is one. Gives the averaged network and the seconds."""
    device, steps = best_device(), settings.pages // settings.batch_size
    state = start(network.to(device), settings, steps * settings.epochs)
    checkpoint = run.folder / "checkpoint" / "state.pt"
    if checkpoint.exists():
        state.load(checkpoint)
    each = steps * settings.batch_size
    real = real_pages(Path(settings.real))[:: settings.every] if settings.real else []
    pieces = Pieces(composer(training), (seed, 1), each * settings.epochs, real)
    batches = _batches(pieces, settings.batch_size, each * state.epoch)
    while state.epoch < settings.epochs:
        begun = time.perf_counter()
        figures = _epoch(state, islice(batches, steps), steps, progress)
        state.epoch += 1
        state.seconds += time.perf_counter() - begun
        answers, labels = _answers(state.result, validation, seed=1)
        figures["val_accuracy"] = float((answers.argmax(1) == labels).mean())
        state.history.append({"epoch": state.epoch, **figures, "seconds": round(state.seconds, 2)})
        checkpoint.parent.mkdir(exist_ok=True)
        state.save(checkpoint)
        run.write_history(state.history)
    result = state.result.cpu().eval()
    assert isinstance(result, Spotter)
    return result, state.seconds


def _epoch(state: State, batches: Iterable[Any], steps: int, progress: Progress | None) -> dict[str, float]:
    """One round; gives the mean losses."""
    device = next(state.network.parameters()).device
    mixed = computes_bfloat16(device)
    state.network.train()
    sums: dict[str, float] = {}
    for step, (pages, wanted) in enumerate(batches, 1):
        pages = pages.to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            maps = state.network(pages)
        parts = losses(maps.float(), wanted.to(device))
        loss = parts["middle"] + parts["digit"] + BOX_SHARE * parts["box"] + ON_SHARE * parts["on"]
        state.learn(loss)
        for name, part in {"loss": loss, **parts}.items():
            sums[name] = sums.get(name, 0.0) + float(part.detach())
        if progress and (step % 10 == 0 or step == steps):
            figures = {name: value / step for name, value in sums.items()}
            progress(state.schedule.last_epoch, state.schedule.total_steps, figures)
    return {name: value / steps for name, value in sums.items()}


BOX_SHARE = 0.3
"""Of the boxes' loss in the whole: 0.3 of a cell is about as bad as a digit that is half sure."""

ON_SHARE = 0.5
"""Likewise of knowing where a number ends."""

MEASURED = 300
"""Pieces of pages that a network is measured on."""


@torch.inference_mode()
def _answers(network: torch.nn.Module, split: Split, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """For each digit on pages made of a split's images: probabilities (N, 10) at its middle, and what it is (N,).

    The probabilities sum to that of a middle being there at all.
    """
    device = next(network.parameters()).device
    network.eval()
    pieces = Pieces(composer(split), (seed, 2), MEASURED)
    rows, labels = [], []
    for index in range(len(pieces)):
        page, wanted = pieces[index]
        maps = network(torch.from_numpy(page[None]).to(device))[0].cpu()
        there = maps[0].sigmoid()
        there = torch.nn.functional.max_pool2d(there[None, None], 3, 1, 1)[0, 0]  # a cell beside will do
        chance = maps[1:11].softmax(0) * there
        middles = torch.from_numpy((wanted[0] > 0.99) & (wanted[6] > 0))
        rows.append(chance[:, middles].T.numpy())
        labels.append(wanted[1][middles.numpy()])
    return np.concatenate(rows).astype(np.float32), np.concatenate(labels).astype(np.int64)
