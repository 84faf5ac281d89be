"""What the trainings on composed pages share: settings, steps, checkpoints, run folders. Knows no network of its own.

Every piece is made when it is needed, by another process, from the seed and its own number: so a run that was killed
goes on from its last epoch and ends where it would have ended, and no piece is seen twice.
"""

import math
import pickle
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import Dataset as Indexed

from zeronine.data import Dataset, Split
from zeronine.errors import ModelError, RecipeError
from zeronine.files import replaced
from zeronine.formats import DIGITS
from zeronine.reader import SHIPPED_PAGE, find, of_training
from zeronine.train.compose import Composer
from zeronine.train.loop import digit_bytes
from zeronine.train.read_onnx import read_onnx, settled
from zeronine.train.real import real_digits, real_pages
from zeronine.train.run import Progress, Run, describe, hardware, versions
from zeronine.train.settings import override
from zeronine.train.sheet import Page
from zeronine.train.state import State, best_device, computes_bfloat16, start
from zeronine.train.synthesis import Random


@dataclass(frozen=True)
class ComposedSettings:
    """What a training on composed pages is decided by; each can be overridden by name.

    Attributes:
        epochs: rounds, each with pieces of its own; 0 for none: what it begins with, several networks' mean, is all.
        batch_size: pieces per step.
        learning_rate: peak of the one-cycle schedule, which ends at zero.
        beta2: AdamW's memory of squared gradients.
        weight_decay: AdamW's, on weights with two or more axes.
        averaging: decay per step of the running average of the weights; 0 for none.
        validation: training images that no piece is made of, for the pieces that are only measured; stratified.
        start: what this training begins with: run folder of a finished one, or a model that reads pages, by its
            folder or the name of a shipped one; several, by commas, for the mean of their weights (Wortsman et al.,
            "Model soups", 2022); empty for nothing. Where ``real`` is given, the shipped one.
        real: folder of real pictures that half of the pieces are made of, see ``real_pages``; empty for none.
        every: of these, so manieth is learned from, beginning with the first; 1 for all.

    Raises:
        RecipeError: a value is out of its range.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 4e-3
    beta2: float = 0.99
    weight_decay: float = 0.02
    averaging: float = 0.998
    validation: int = 5000
    start: str = ""
    real: str = ""
    every: int = 1

    def __post_init__(self) -> None:
        if self.epochs < (0 if self.start else 1):
            raise RecipeError(
                f"epochs is {self.epochs}: it must be 1 or more, or 0 with several networks to start with"
            )
        for name in ("batch_size", "validation", "every"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if not 0 < self.learning_rate < math.inf:
            raise RecipeError(f"learning_rate is {self.learning_rate}: it must be greater than 0")
        for name in ("averaging", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be 0 or more and less than 1")
        if not 0 <= self.weight_decay < math.inf:
            raise RecipeError(f"weight_decay is {self.weight_decay}: it must be 0 or more")
        if self.real and not self.start:
            raise RecipeError("real pictures refine a trained network: name its run with  --set start=FOLDER")


Settings = TypeVar("Settings", bound=ComposedSettings)

Make = Callable[[Composer, Random, Page | None], Any]
"""A composer, what decides all, and the real picture to take, if any -> what a network learns from."""


@dataclass(frozen=True)
class Pieces(Indexed[Any]):
    """Pieces of composed pages with what the network should say of them; one by one when they are asked for.

    Attributes:
        make: a piece.
        composer: of pages.
        seed: with the number of a piece it decides all of it.
        count: of pieces.
        real: pictures that every other piece is made of; none for composed pieces alone.
    """

    make: Make
    composer: Composer
    seed: tuple[int, ...]
    count: int
    real: Sequence[Page] = ()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        random = np.random.default_rng([*self.seed, index])
        taken = self.real[int(random.integers(len(self.real)))] if self.real and index % 2 else None
        return self.make(self.composer, random, taken)


Answers = tuple[NDArray[np.float32], NDArray[np.int64], dict[str, float]]
"""Probabilities (N, 10) and labels (N,) of digits, and further figures."""


@dataclass(frozen=True)
class Task(Generic[Settings]):
    """A network that is trained on composed pages; its recipe.

    Attributes:
        name: of the recipe.
        summary: the network, for people.
        training: likewise.
        settings: the recipe's.
        refining: those where a trained network is refined on real pictures.
        config: what a run's folder says of it: ``kind``, ``input_shape``, ``output``, ``predictions_of``.
        file: that the network has in a model folder.
        example: shape of one input of the network, with a first axis of 1.
        shape: settings that decide the network's layers, by name; a refined one keeps them.
        network: an untrained one.
        steps: per epoch.
        batches: of a split's images, settings, seed, real pictures, from the step with that number on.
        losses: of a network on a batch, on a device, with mixed precision or not: ``loss`` and its parts.
        answers: of a network on pieces made of a split's images by a seed.
        data: its data set.
        published: the figure that its author states; empty for ours.
        claim: what it reaches here, measured.
    """

    name: str
    summary: str
    training: str
    settings: Settings
    refining: Settings
    config: Mapping[str, Any]
    file: str
    example: tuple[int, ...]
    shape: tuple[str, ...]
    network: Callable[[Any], nn.Module]
    steps: Callable[[Settings], int]
    batches: Callable[[Split, Settings, int, list[Page], int], Iterator[Any]]
    losses: Callable[[nn.Module, Any, torch.device, bool], dict[str, torch.Tensor]]
    answers: Callable[[nn.Module, Split, int], Answers]
    data: str = "mnist"
    published: str = ""
    claim: str = ""


def trained(task: Task[Settings], run: Run) -> nn.Module:
    """The network of a finished run.

    Raises:
        ModelError: the run is not finished, or its file is missing or damaged.
    """
    _check_finished(run)
    network = task.network(override(task.settings, {name: run.config["settings"][name] for name in task.shape}))
    try:
        network.load_state_dict(torch.load(run.folder / "model.pt", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(f"{run.folder / 'model.pt'} does not open ({error}): train again") from error
    return network.eval()


def _check_finished(run: Run) -> None:
    if not run.finished:
        raise ModelError(f"{run.folder} is not finished: train it again with the same settings to go on")


def train_composed(
    task: Task[Settings],
    dataset: Dataset,
    *,
    out: Path,
    seed: int = 0,
    progress: Progress | None = None,
    given: Mapping[str, object] | None = None,
) -> Run:
    """Train a network on composed pages and write its run folder; go on where a killed training left off.

    Args:
        task: what is trained.
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
    chosen = override(_usual(task, given or {}), given or {})
    if chosen.start:
        _grown(task, chosen, task.network(_own(task, chosen)))  # or nothing is begun
    training, validation = dataset.holdout(chosen.validation, seed=0)
    run = Run(out)
    run.begin(_config(task, dataset, chosen, seed))
    if run.finished:
        return run
    with run.learning():
        torch.manual_seed(seed)
        first = begun(task, chosen, training, seed) if chosen.start else task.network(chosen)
        real = real_pages(Path(chosen.real))[:: chosen.every] if chosen.real else []
        network, seconds = _fit(
            task, first.train(), _with(training, real), validation, real, chosen, seed, run, progress
        )
    with replaced(run.folder / "model.pt") as path:
        torch.save(network.state_dict(), path)
    chances, labels, _ = task.answers(network, dataset.test if len(dataset.test) else validation, 0)
    run.finish(chances, labels, seconds)
    shutil.rmtree(run.folder / "checkpoint", ignore_errors=True)
    return run


def _usual(task: Task[Settings], given: Mapping[str, object]) -> Settings:
    """The settings that those given differ from; a network that is trained on keeps its layers."""
    usual = replace(task.refining, start=SHIPPED_PAGE) if given.get("real") else task.settings
    start = str(given.get("start") or usual.start)
    return _own(task, replace(usual, start=start)) if start else usual


def _own(task: Task[Settings], settings: Settings) -> Settings:
    """Settings with the layers of the networks that a training begins with.

    Raises:
        ModelError: a network is missing or not finished, or they are of different layers.
    """
    befores = [trainings(task.name, name)[-1]["settings"] for name in starts_of(settings.start)]
    layers = [{name: before[name] for name in task.shape} for before in befores]
    if any(other != layers[0] for other in layers):
        raise ModelError(f"{settings.start} have different layers: only networks of the same ones have a mean")
    return override(settings, layers[0])


def trainings(recipe: str, start: str) -> list[dict[str, Any]]:
    """All trainings of a network, the first one first.

    Args:
        recipe: its name.
        start: one of those in ``ComposedSettings.start``; what it began with is known as far as it is here.

    Returns:
        Of each ``recipe``, ``seed``, ``settings``, ``training_seconds``, ``out``, its name among them, and ``from``,
        the names of those that it began with: a model's has some of its checksum, for the shipped one changes.

    Raises:
        ModelError: there is no such run or model, or it is not finished, or has no network of this recipe.
    """
    if of_training(start):
        run = Run(Path(start))
        config = run.config
        if config["recipe"] != recipe:
            raise ModelError(f"{start} is a run of {config['recipe']}: name one of {recipe} with  --set start=FOLDER")
        _check_finished(run)
        known = {key: config[key] for key in ("recipe", "seed", "settings")} | {"training_seconds": config["seconds"]}
        starts = starts_of(config["settings"].get("start", ""))
        try:
            chains = [trainings(recipe, name) for name in starts]
        except (ModelError, RecipeError):
            return [known | {"out": start, "from": starts}]
        before = {one["out"]: one for chain in chains for one in chain}
        return [*before.values(), known | {"out": start, "from": [chain[-1]["out"] for chain in chains]}]
    card = find(start)[1]
    for part in (card, card.get("rows", {})):
        if part.get("recipe") == recipe:
            kept = ("recipe", "seed", "settings", "training_seconds", "from")
            checksum = (part.get("model") or part)["sha256"]
            known = {key: part[key] for key in kept if key in part}
            return [*part["before"], known | {"out": f"{Path(start).name}-{checksum[:8]}"}]
    raise ModelError(f"{start} has no network of {recipe}: name a model that reads pages with  --set start=MODEL")


def starts_of(start: str) -> list[str]:
    """The runs and models that a training begins with, of ``ComposedSettings.start``."""
    return [name for name in start.split(",") if name]


def begun(task: Task[Settings], settings: Settings, training: Split, seed: int) -> nn.Module:
    """The network that a training begins with.

    Args:
        task: what is trained.
        settings: with ``start``.
        training: images; batch norms of an exported network, and of a mean, are measured on pieces made of these.
        seed: of the training.

    Raises:
        ModelError: there is no such run or model, or it has no such network.
        RecipeError: the settings ask for other layers than it has.
    """

    def seen() -> Iterator[Any]:
        return islice(task.batches(training, replace(settings, epochs=1), seed, [], 0), SETTLING)

    own = _own(task, settings)
    networks = [
        trained(task, Run(Path(start)))
        if of_training(start)
        else settled(read_onnx(find(start)[0].with_name(task.file), task.network(own)), seen())
        for start in starts_of(settings.start)
    ]
    if len(networks) > 1:
        states = [network.state_dict() for network in networks]
        mean = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
        networks[0].load_state_dict(mean)
        update_bn(seen(), networks[0])
    return _grown(task, settings, networks[0]).eval()


def _grown(task: Task[Settings], settings: Settings, before: nn.Module) -> nn.Module:
    """A network with a trained one's weights and with what it can get in addition, which changes nothing yet.

    Raises:
        RecipeError: the settings ask for other layers than that.
    """
    network = task.network(settings)
    try:
        added, unknown = network.load_state_dict(before.state_dict(), strict=False)
    except RuntimeError:
        added, unknown = [""], []
    if unknown or not all(name.startswith(ADDED) for name in added):
        raise RecipeError(f"{settings.start} has other layers: leave {' and '.join(task.shape)} as they are")
    return network


ADDED = "context."
"""Begins the names of weights that a trained network can get in addition."""


SETTLING = 60
"""Batches that the statistics of batch norms are measured on where they are not known."""


def _with(training: Split, real: Sequence[Page]) -> Split:
    """Digit images with those of real pictures, so often that composed pages are written in these hands, too."""
    if not real:
        return training
    digits = real_digits(real)
    times = min(len(training) // max(len(digits), 1), OFTEN)
    images = np.concatenate([digit_bytes(training), *[digit_bytes(digits)] * times])
    return Split(images, np.concatenate([training.labels, *[digits.labels] * times]))


OFTEN = 30
"""Times that a digit of a real picture counts as much as one of the data set, at most."""


def _config(task: Task[Settings], dataset: Dataset, settings: Settings, seed: int) -> dict[str, Any]:
    """What a run's folder says of it."""
    counts = {"train": len(dataset.train) - settings.validation, "validation": settings.validation}
    return {
        "zeronine": versions()["zeronine"],
        "recipe": task.name,
        "engine": "torch",
        "seed": seed,
        "settings": asdict(settings),
        "processes": 1,
        "data": describe(dataset, None, False, counts | {"test": len(dataset.test)}),
        "classes": list(dataset.classes),
        **task.config,
        "versions": versions("torch"),
        "hardware": hardware(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None,
    }


def _fit(
    task: Task[Settings],
    network: nn.Module,
    training: Split,
    validation: Split,
    real: list[Page],
    settings: Settings,
    seed: int,
    run: Run,
    progress: Progress | None,
) -> tuple[nn.Module, float]:
    """Train; go on from the run's checkpoint where there is one. Gives the averaged network and the seconds."""
    if not settings.epochs:
        run.write_history([{"epoch": 0, **_validated(task, network, validation)}])
        return network.eval(), 0.0
    steps = task.steps(settings)
    state = start(network.to(best_device()), settings, steps * settings.epochs)
    checkpoint = run.folder / "checkpoint" / "state.pt"
    if checkpoint.exists():
        state.load(checkpoint)
        run.write_history(state.history)  # a kill may have come between the two
    batches = task.batches(training, settings, seed, real, steps * state.epoch)
    while state.epoch < settings.epochs:
        begun = time.perf_counter()
        figures = _epoch(task, state, islice(batches, steps), steps, progress)
        state.epoch += 1
        state.seconds += time.perf_counter() - begun
        figures |= _validated(task, state.result, validation)
        state.history.append({"epoch": state.epoch, **figures, "seconds": round(state.seconds, 2)})
        checkpoint.parent.mkdir(exist_ok=True)
        state.save(checkpoint)
        run.write_history(state.history)
    return state.result.cpu().eval(), state.seconds


def _validated(task: Task[Settings], network: nn.Module, validation: Split) -> dict[str, float]:
    """Figures of a network on pieces made of images that it does not learn from."""
    answers, labels, more = task.answers(network, validation, 1)
    return {"val_accuracy": float((answers.argmax(1) == labels).mean()) if len(labels) else 0.0, **more}


def _epoch(
    task: Task[Settings], state: State, batches: Iterable[Any], steps: int, progress: Progress | None
) -> dict[str, float]:
    """One round; gives the mean losses."""
    device = next(state.network.parameters()).device
    mixed = computes_bfloat16(device)
    state.network.train()
    sums: dict[str, float] = {}
    for step, batch in enumerate(batches, 1):
        parts = task.losses(state.network, batch, device, mixed)
        state.learn(parts["loss"])
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + float(part.detach())
        if progress and (step % 10 == 0 or step == steps):
            figures = {name: value / step for name, value in sums.items()}
            progress(state.schedule.last_epoch, state.schedule.total_steps, figures)
    return {name: value / steps for name, value in sums.items()}


def _alone(worker: int) -> None:
    """OpenCV's threads in a process of its own would only stand in each other's way."""
    cv2.setNumThreads(1)


WORKER: Mapping[str, Any] = {"num_workers": 1, "multiprocessing_context": "spawn", "worker_init_fn": _alone}
"""Of a DataLoader: one process makes pages as fast as two cores learn from them.

A fresh one: one that is forked hangs where OpenCV or PyTorch have threads already.
"""


def composer(split: Split, strangers: NDArray[np.uint8] | None = None) -> Composer:
    """What makes pages of a split's images, or of the digits of other hands; see ``Composer``."""
    return Composer(digit_bytes(split), split.labels, strangers)
