"""A model learns one hand: a copy of it is fine-tuned on corrections, and promoted if it passes a gate.

Knows corrections as pictures with their truth, the network of a model folder, and what is replayed. On all that is
replayed the copy learns the answers that the network gave before, so that it changes where the corrections ask for it
and nowhere else: confidence and refusals stay what they were, and the card's thresholds with them.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from zeronine import data as datasets
from zeronine import taught
from zeronine.data import Split
from zeronine.errors import DataError, ImageError, ModelError, StoreError
from zeronine.evaluate import evaluate
from zeronine.formats import DIGITS
from zeronine.image import Source, digit_views
from zeronine.reader import MODELS, SHIPPED, Probabilities, Reader
from zeronine.store import Correction, Store
from zeronine.train import synthesis
from zeronine.train.export import PARITY, Answering, TorchNetwork, measured, write_model
from zeronine.train.loop import SHAPE, digit_bytes, untrained
from zeronine.train.networks import Convnet
from zeronine.train.recipes import RECIPES, Settings
from zeronine.train.run import Progress, hardware, versions
from zeronine.train.settings import override
from zeronine.train.state import computes_bfloat16, seeded, start

NONE = len(DIGITS)
"""The network's answer that stands for "no digit"."""

FEWEST = 5
"""Corrections to learn from: with fewer there is nothing to be held out."""

FOLDS = 4
"""Parts of the corrections, each read by a copy that has learned from the other three."""

VALIDATION = 5_000
"""MNIST's training images that are never replayed, held out as the recipes do."""

LEAST = 0.0005
"""Most that the accuracy on them may fall, as a fraction: 0.05 points, which is two images."""


@dataclass(frozen=True)
class Teaching:
    """How a copy learns. Chosen on USPS's training part, on ``optdigits`` and on the digits of ``letters``.

    Attributes:
        steps: of the optimiser.
        batch_size: images per step; what is no correction is replayed.
        nothings: of them, what is no digit. Of such pictures a twentieth is no longer refused; where they came up as
            often as there are of them, it was a tenth.
        least, most: corrections per step, bent anew each time: a quarter of them, but so many. With 12 of them out of
            10 to 20 corrections, the accuracy on MNIST's held out images fell by up to 0.14 points; with a quarter by
            0.04, and the corrections were learned as well.
        learning_rate: peak of the one-cycle schedule, a sixth of that of the training before.
        beta2: AdamW's memory of squared gradients.
        weight_decay: none: the weights are to stay where they are.
        averaging: decay per step of the running average of the weights.
        hardest: of MNIST's training images that are replayed, those that the model is least sure of. With as many at
            random, the accuracy on the held out ones fell by 0.1 to 0.3 points; with these it does not.
        others: of MNIST's training images that are replayed besides, at random.
        written: drawn digits that are replayed, see ``synthesis``.
        crowded: likewise, digits among neighbours.
        refused: likewise, what is no digit.
    """

    steps: int = 120
    batch_size: int = 176
    nothings: int = 34
    least: int = 3
    most: int = 12
    learning_rate: float = 1e-3
    beta2: float = 0.99
    weight_decay: float = 0.0
    averaging: float = 0.98
    hardest: int = 3_000
    others: int = 2_000
    written: int = 600
    crowded: int = 300
    refused: int = 900


@dataclass(frozen=True, eq=False)
class Lesson:
    """One correction to learn from.

    Attributes:
        picture: as a Reader takes it.
        truth: 0..9, or NONE.
        images: what the network may see of it, (V, 28, 28) bytes: of a digit the likeliest way, of what is none all.
    """

    picture: Source
    truth: int
    images: NDArray[np.uint8]


@dataclass(frozen=True)
class Change:
    """How many of some pictures are read right by the model that is taught, and by its copy."""

    count: int
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.before:,} of {self.count:,} right before, {self.after:,} after"


@dataclass(frozen=True)
class Outcome:
    """What came of teaching.

    Attributes:
        folder: the model folder that was promoted; None where the gate was not passed.
        why_not: what kept it from being promoted; empty where it was.
        learned: corrections that were learned from.
        left_out: corrections that were not: whole numbers, pictures seen twice, what cannot be read.
        held_out: corrections, each read by a copy that had not seen it.
        validation: images of MNIST, by the likeliest digit.
        answered: the same images, where one that is refused is wrong.
        seconds: that it all took.
    """

    folder: Path | None
    why_not: str
    learned: int
    left_out: int
    held_out: Change
    validation: Change
    answered: Change
    seconds: float


def teach(
    store: Store,
    *,
    out: Path | None = None,
    model: str | Path = SHIPPED,
    seed: int = 0,
    settings: Teaching = Teaching(),
    progress: Progress | None = None,
) -> Outcome:
    """Fine-tune a copy of a model on a store's corrections of single digits, and promote it if it passes the gate.

    It always starts from the same model and learns all that is in the store: what is deleted there is forgotten.

    Args:
        store: of the corrections.
        out: folder of the taught models, see ``taught``; the usual one where it is None.
        model: a shipped model, or a model folder of a recipe of ours that refuses.
        seed: of what is replayed, of order and of bending.
        settings: how it learns.
        progress: called with copies trained, copies in all, and no figures.

    Returns:
        The Outcome; nothing is written or promoted where the gate was not passed.

    Raises:
        StoreError: there are too few corrections.
        DataError: MNIST's training images are not at hand.
        ModelError: the model is of another make.
    """
    started = time.perf_counter()
    corrections = store.all()
    lessons = lessons_of(corrections)
    if len(lessons) < FEWEST:
        raise StoreError(
            f"{len(lessons)} corrections of single digits are too few: it takes {FEWEST}, and 20 or more do better"
        )
    pupil = Pupil(model, seed, settings)
    held_out, copy = pupil.taught(lessons, progress)
    validation, answered = pupil.measure(copy)
    why_not = reasons_against(held_out, validation, answered)
    outcome = Outcome(
        *(None, why_not, len(lessons), len(corrections) - len(lessons), held_out, validation, answered),
        time.perf_counter() - started,
    )
    if why_not:
        return outcome
    folder = _next(taught.place(out))
    pupil.write(copy, folder, lessons, outcome)
    taught.promote(folder, out)
    return replace(outcome, folder=folder, seconds=time.perf_counter() - started)


def reasons_against(held_out: Change, validation: Change, answered: Change) -> str:
    """The gate: why a copy is not promoted; empty where it is."""
    if held_out.after <= held_out.before:
        return f"it reads corrections that it has not learned from no better: {held_out}"
    for change, how in ((validation, ""), (answered, ", a refused one counted as wrong")):
        if change.before - change.after > LEAST * change.count:
            before, after = (f"{100 * right / change.count:.2f} %" for right in (change.before, change.after))
            return (
                f"the accuracy on MNIST's held out images{how} falls from {before} to {after}, by more than 0.05 points"
            )
    return ""


def lessons_of(corrections: Sequence[Correction]) -> list[Lesson]:
    """Corrections of single digits, and of what is no digit; of pictures that look alike only the last one counts."""
    lessons: dict[bytes, Lesson] = {}
    for correction in corrections:
        if len(correction.truth) > 1:
            continue
        try:
            one = lesson(correction.picture, int(correction.truth) if correction.truth else NONE)
        except ImageError:
            continue
        lessons[one.images[0].tobytes()] = one
    return list(lessons.values())


def lesson(picture: Source, truth: int) -> Lesson:
    """What is to be learned from one picture.

    Args:
        picture: of a digit, or of what is none.
        truth: 0..9, or NONE.

    Raises:
        ImageError: there is nothing to be seen on it.
    """
    views = digit_views(picture)
    seen = [next(views), *(views if truth == NONE else ())]
    return Lesson(picture, truth, np.stack([np.rint(view.image * 255).astype(np.uint8) for view in seen]))


class Pupil:
    """A model that is to be taught, with what it replays.

    Args:
        model: see ``teach``.
        seed: likewise.
        settings: how it learns.

    Raises:
        DataError: MNIST's training images are not at hand.
        ModelError: the model is of another make.
    """

    def __init__(self, model: str | Path, seed: int, settings: Teaching = Teaching()) -> None:
        self._reader, self._seed, self._settings = Reader(model), seed, settings
        folder = MODELS / model if (MODELS / model).is_dir() else Path(model)
        self.network = opened(folder, self._reader.card)
        rest, self._validation = _mnist()
        self._before = self._reader.probabilities(self._validation.shaped(SHAPE))
        _same(self._before, self.reader(self.network).probabilities(self._validation.shaped(SHAPE)), folder)
        self._bend = override(Settings(), self._reader.card["settings"]).augmentation
        self._replay = self._replayed(rest)

    def taught(self, lessons: Sequence[Lesson], progress: Progress | None = None) -> tuple[Change, Convnet]:
        """A copy that has learned all the lessons, and how well such copies read lessons that they have not seen."""
        before = _right(self._reader, lessons)
        after = 0
        parts = folds(lessons, self._seed)
        for number, part in enumerate(parts):
            others = [lesson for other in parts if other is not part for lesson in other]
            after += _right(self.reader(self.learned(others)), part)
            if progress:
                progress(number + 1, len(parts) + 1, {})
        return Change(len(lessons), before, after), self.learned(lessons)

    def learned(self, lessons: Sequence[Lesson]) -> Convnet:
        """A copy of the network that has learned from lessons."""
        settings, random = self._settings, seeded(self._seed, 2)
        state = start(deepcopy(self.network), settings, settings.steps)
        state.network.eval()  # batch norm keeps the statistics of the training before
        images, targets = _targets(lessons)
        replayed, answers = self._replay
        digits = len(replayed) - settings.refused
        share = min(max(len(lessons) // 4, settings.least), settings.most)
        for _ in range(settings.steps):
            mine = torch.randint(len(images), (share,), generator=random)
            known = torch.randint(digits, (settings.batch_size - share - settings.nothings,), generator=random)
            nothings = torch.randint(digits, len(replayed), (settings.nothings,), generator=random)
            theirs = torch.cat([known, nothings])
            pixels = torch.cat([self._bend(images[mine], random), replayed[theirs]])
            with torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16(torch.device("cpu"))):
                logits = state.network(pixels.contiguous(memory_format=torch.channels_last))
            state.learn(functional.cross_entropy(logits.float(), torch.cat([targets[mine], answers[theirs]])))
        return self._as_sure(cast(Convnet, state.result).eval())

    def _as_sure(self, copy: Convnet) -> Convnet:
        """A copy, its temperature such that it is as sure of MNIST's held out images as the network was.

        What it learned from is harder than what it will read, so that it would be less sure than it is right.
        """
        count = 1_000
        images = torch.from_numpy(self._validation.shaped(SHAPE)[:count]).unsqueeze(1)
        wanted = torch.from_numpy(self._before[:count])
        with torch.no_grad():
            logits = copy(images)[:, :NONE]
            temperatures = torch.linspace(0.5, 1.2, 71)
            losses = [-(wanted * (logits / one).log_softmax(1)).sum() for one in temperatures]
        copy.sharpen(float(temperatures[int(torch.stack(losses).argmin())]))
        return copy

    def measure(self, copy: Convnet) -> tuple[Change, Change]:
        """MNIST's held out images: by the likeliest digit, and by what a Reader answers."""
        both = [self._before, self.reader(copy).probabilities(self._validation.shaped(SHAPE))]
        labels, least, unsure = self._validation.labels, self._reader.least_digit, self._reader.unsure
        right = [chances.argmax(1) == labels for chances in both]
        kept = [(chances.sum(1) >= least) & (chances.max(1) >= unsure) for chances in both]
        return (
            Change(len(labels), *(int(one.sum()) for one in right)),
            Change(len(labels), *(int((one & other).sum()) for one, other in zip(right, kept, strict=True))),
        )

    def write(self, copy: Convnet, folder: Path, lessons: Sequence[Lesson], outcome: Outcome) -> None:
        """Write a copy's model folder."""
        images, card = self._validation.shaped(SHAPE), dict(self._reader.card)
        chances = self.reader(copy).probabilities(images)
        for measured_before in ("tables", "measured_on"):
            card.pop(measured_before, None)
        counts = Counter("" if lesson.truth == NONE else str(lesson.truth) for lesson in lessons)
        gate = {
            "held-out corrections": outcome.held_out,
            "MNIST, held out": outcome.validation,
            "MNIST, held out, a refused one counted as wrong": outcome.answered,
        }
        card |= {
            "name": folder.name,
            "seed": self._seed,
            "command": f"zeronine teach --model {self._reader.name} --seed {self._seed}",
            "measured": measured(evaluate(chances, self._validation.labels, DIGITS), "validation"),
            "training_seconds": outcome.seconds,
            "hardware": hardware(),
            "versions": versions("torch"),
            "exported": datetime.now(UTC).isoformat(timespec="seconds"),
            "taught": {
                "model": self._reader.name,
                "corrections": len(lessons),
                "truths": {truth: counts[truth] for truth in sorted(counts)},
                "gate": {name: asdict(change) for name, change in gate.items()},
                "settings": asdict(self._settings),
            },
        }
        write_model(folder, _answering(copy), card, images, chances)

    def reader(self, network: Convnet) -> Reader:
        """A Reader with another network in it, the card of the model that is taught, and no file."""
        return Reader(TorchNetwork(_answering(network), SHAPE), card=self._reader.card)

    def _replayed(self, rest: Split) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, 1, 28, 28) in 0..1, and the network's answers to them (N, 11); its mistakes are put right."""
        chosen = rest.take(self._chosen(rest))
        pixels, count = digit_bytes(chosen), self._settings
        made = [
            synthesis.written(count.written, self._seed)[0],
            synthesis.crowded(pixels, chosen.labels, count.crowded, self._seed)[0],
            synthesis.refused(pixels, chosen.labels, count.refused, self._seed),
        ]
        images = torch.tensor(np.concatenate([pixels, *made])).unsqueeze(1).float() / 255
        bent = self._bend(images, seeded(self._seed, 1))
        bent[: len(pixels) : 2] = images[: len(pixels) : 2]
        with torch.no_grad():
            answers = torch.cat([self.network(part).softmax(1) for part in bent.split(500)])
        labels = torch.tensor(chosen.labels)
        wrong = torch.nonzero(answers[: len(labels)].argmax(1) != labels).squeeze(1)
        answers[wrong] = functional.one_hot(labels[wrong], NONE + 1).float()
        return bent, answers

    def _chosen(self, rest: Split) -> NDArray[np.int64]:
        """Which of MNIST's training images are replayed, in random order."""
        chances = self._reader.probabilities(rest.shaped(SHAPE))
        surest = np.argsort(chances[np.arange(len(rest)), rest.labels], kind="stable")
        hardest, easier = np.split(surest, [self._settings.hardest])
        random = np.random.default_rng(self._seed)
        return random.permutation(
            np.concatenate([hardest, random.choice(easier, self._settings.others, replace=False)])
        )


def opened(folder: Path, card: Mapping[str, Any]) -> Convnet:
    """The PyTorch network of a model folder, with the weights in its ``model.onnx``.

    The file has each batch norm in the convolution before it; here it is one that changes nothing but adds the bias.

    Args:
        folder: the model folder.
        card: its card.

    Raises:
        ModelError: it holds no network of a recipe of ours that refuses.
    """
    import onnx

    settings = card.get("settings", {})
    if card.get("recipe") not in RECIPES or not settings.get("refused") or settings["members"] > 1:
        raise ModelError(f"{folder.name} cannot be taught: take {SHIPPED}, or what  zeronine train standard  makes")
    network = cast(Convnet, untrained(card["recipe"], settings, len(card["classes"])))
    weights = {
        one.name.removeprefix("network."): torch.tensor(onnx.numpy_helper.to_array(one))
        for one in onnx.load(folder / "model.onnx").graph.initializer
    }
    try:
        with torch.no_grad():
            for name, module in network.named_modules():
                _fill(name, module, weights)
    except KeyError as error:
        raise ModelError(f"{folder / 'model.onnx'} has no weights {error}: export it again") from error
    return network.eval()


def _fill(name: str, module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Give a layer its weights."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        module.weight.copy_(weights[f"{name}.weight"])
    if isinstance(module, nn.Linear):
        module.bias.copy_(weights[f"{name}.bias"])
    if isinstance(module, nn.BatchNorm2d):
        convolution = f"{name.rpartition('.')[0]}.0"
        module.weight.fill_(math.sqrt(1 + module.eps))
        module.bias.copy_(weights[f"{convolution}.weight_bias"])


def folds(lessons: Sequence[Lesson], seed: int) -> list[list[Lesson]]:
    """Lessons in FOLDS parts, each with its share of every truth."""
    shuffled = [lessons[index] for index in np.random.default_rng(seed).permutation(len(lessons))]
    ordered = sorted(shuffled, key=lambda lesson: lesson.truth)
    return [ordered[start::FOLDS] for start in range(FOLDS)]


def _right(reader: Reader, lessons: Sequence[Lesson]) -> int:
    """How many pictures a Reader reads right: the digit, or a refusal of what is none."""
    answers = reader.predict_many([lesson.picture for lesson in lessons])
    truths = (None if lesson.truth == NONE else lesson.truth for lesson in lessons)
    return sum(answer.digit == truth for answer, truth in zip(answers, truths, strict=True))


def _targets(lessons: Sequence[Lesson]) -> tuple[torch.Tensor, torch.Tensor]:
    """All views of the lessons, (N, 1, 28, 28) in 0..1, and what is to be answered, (N, 11)."""
    images = torch.tensor(np.concatenate([lesson.images for lesson in lessons])).unsqueeze(1).float() / 255
    truths = torch.tensor([lesson.truth for lesson in lessons for _ in lesson.images])
    return images, functional.one_hot(truths, NONE + 1).float()


def _answering(network: Convnet) -> Answering:
    return Answering(network, (1, *SHAPE), True, NONE).eval()


def _mnist() -> tuple[Split, Split]:
    """MNIST's training images, without and only those that are held out."""
    try:
        return datasets.load("mnist", split="train").holdout(VALIDATION, seed=0)
    except DataError as error:
        raise DataError(
            f"teaching replays MNIST's training images: run  zeronine data fetch mnist  ({error})"
        ) from error


def _same(expected: Probabilities, rebuilt: Probabilities, folder: Path) -> None:
    """Make sure that the rebuilt network is the one in the file."""
    difference = float(np.abs(expected - rebuilt).max())
    if difference > PARITY:
        raise ModelError(f"{folder / 'model.onnx'} is not what its card says, by {difference:.1e}: export it again")


def _next(folder: Path) -> Path:
    """The first name for a taught model that is not taken: taught_v1, taught_v2 and so on."""
    number = 1
    while (folder / f"taught_v{number}").exists():
        number += 1
    return folder / f"taught_v{number}"
