"""The training loop of our recipes, in one process or many. Knows steps, schedules and checkpoints; no recipe.

The data lie in memory as bytes and are bent batch by batch. Everything random in an epoch comes from the seed and
the epoch's number, so that a run that was killed goes on from its last epoch and ends where it would have ended.
Under ``torchrun`` each process takes its share of every batch; the first one writes the files.
"""

import math
import pickle
import shutil
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from zeronine.data import Dataset, Split
from zeronine.errors import ModelError, RecipeError
from zeronine.files import replaced
from zeronine.formats import DIGITS
from zeronine.train import synthesis
from zeronine.train.networks import Convnet, Doubt, Ensemble
from zeronine.train.recipes import RECIPES, Recipe, Settings
from zeronine.train.run import Progress, Run, describe, hardware, versions
from zeronine.train.settings import override
from zeronine.train.state import AdamW, State, best_device, computes_bfloat16, processes, seeded, start

SHAPE = (28, 28)
"""Of the images that our networks take."""


@dataclass(frozen=True)
class Teacher:
    """A trained network whose answers are learned in place of labels.

    Attributes:
        network: gives logits.
        known: how many of the images that are learned from, counted from the first, it teaches: those of our own making
            behind them keep their labels where it has not learned from such.
        temperature: what its logits were divided by after training. It teaches as it answered before: how likely it
            thinks the other classes says more than how sure it is.
    """

    network: nn.Module
    known: int
    temperature: float

    def targets(self, pixels: torch.Tensor, labels: torch.Tensor, numbers: torch.Tensor, mixed: bool) -> torch.Tensor:
        """Probabilities (N, classes) for bent images (N, 1, 28, 28), from those that labels tell and their numbers."""
        with torch.inference_mode(), torch.autocast(pixels.device.type, torch.bfloat16, enabled=mixed):
            logits: torch.Tensor = self.network(pixels)
        return torch.where(numbers[:, None] < self.known, (logits.float() * self.temperature).softmax(1), labels)


def untrained(recipe: str, settings: Mapping[str, Any], classes: int) -> Convnet | Ensemble:
    """The network of a recipe with the settings of a run's config; with an answer for "none" where it learns that."""
    members = [_member(recipe, settings, classes, bool(settings["refused"])) for _ in range(settings["members"])]
    return Ensemble(members) if len(members) > 1 else members[0]


def _member(recipe: str, settings: Mapping[str, Any], classes: int, doubt: bool) -> Convnet:
    return RECIPES[recipe].network(tuple(settings["widths"]), tuple(settings["pools"]), classes, doubt)


def trained(run: Run) -> Convnet | Ensemble:
    """The network of a finished run, (N, 1, 28, 28) -> logits.

    Raises:
        ModelError: its file is missing or damaged.
    """
    network = untrained(run.config["recipe"], run.config["settings"], len(run.config["classes"]))
    try:
        network.load_state_dict(torch.load(run.folder / "model.pt", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(f"{run.folder / 'model.pt'} does not open ({error}): train again") from error
    return network.eval()


def recipe_layers(name: str, classes: int) -> list[tuple[str, tuple[int, ...], int]]:
    """The layers of a recipe's network: description, output shape for one image, number of parameters."""
    return layers_of(untrained(name, asdict(RECIPES[name].settings), classes), (1, 1, *SHAPE))


def layers_of(network: nn.Module, taken: tuple[int, ...]) -> list[tuple[str, tuple[int, ...], int]]:
    """The layers of a network that takes so many numbers: description, output shape for one, number of parameters."""
    rows: list[tuple[str, tuple[int, ...], int]] = []

    def add(layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        parameters = sum(weight.numel() for weight in layer.parameters())
        rows.append((_described(layer), tuple(output.shape[1:]), parameters))

    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(add)
    with torch.inference_mode():
        network.eval()(torch.zeros(taken))
    return rows


def _described(layer: nn.Module) -> str:
    """A layer in words: ``conv 3×3 16``."""
    match layer:
        case nn.Conv2d():
            return f"conv {'×'.join(map(str, layer.kernel_size))} {layer.out_channels}"
        case nn.Linear():
            return f"dense {layer.out_features}"
        case nn.MaxPool2d():
            return f"max-pool {layer.kernel_size}×{layer.kernel_size}"
        case nn.AdaptiveMaxPool2d():
            return "global max-pool"
        case nn.BatchNorm2d():
            return "batch norm"
        case _:
            return type(layer).__name__.lower().replace("relu", "ReLU")


def train_recipe(
    name: str,
    dataset: Dataset,
    *,
    out: Path,
    seed: int = 0,
    settings: Mapping[str, object] | None = None,
    progress: Progress | None = None,
    target: str | None = None,
    digits: bool = False,
) -> Run:
    """Train a recipe of ours and write its run folder; go on where a killed training left off.

    Args:
        name: the recipe's.
        dataset: grey images of any size; other sizes than 28×28 become digit images.
        out: the run's folder.
        seed: 0 or more; decides weights, order and augmentation.
        settings: those that differ from the recipe's; typed, or as text from a command line.
        progress: called every few steps.
        target: how the data set was loaded; for the config.
        digits: likewise.

    Raises:
        RecipeError: no such setting, it does not fit the data, or the folder holds another run.
    """
    recipe = RECIPES[name]
    chosen = override(recipe.settings, settings or {})
    if dataset.classes != DIGITS:
        chosen = replace(chosen, written=0, crowded=0, refused=0)  # drawn digits do not belong among other things
    splits = divide(dataset, chosen)
    _teacher_run(chosen)  # or nothing is begun
    _buildable(recipe, chosen, len(dataset.classes))
    run, progress = Run(out), progress or _silent
    with processes() as (rank, world):
        if rank == 0:
            run.begin(_config(name, dataset, chosen, seed, world, splits, target, digits))
        if world > 1:
            distributed.barrier()
        with run.learning():
            members = [
                train_recipe(
                    recipe.member,
                    dataset,
                    out=out / "members" / str(number),
                    seed=seed + number,
                    settings=asdict(replace(chosen, members=1)),
                    progress=_part(progress, number, chosen.members),
                    target=target,
                    digits=digits,
                )
                for number in range(chosen.members if recipe.member else 0)
            ]
            if not run.finished:
                test = splits["test"] if len(splits["test"]) else splits["train"]
                network, seconds = (
                    _joined(members)
                    if members
                    else _learned(name, splits, chosen, seed, run, progress, len(dataset.classes), rank, world)
                )
                if rank == 0:
                    _finish(run, network, test, seconds)
        if world > 1:
            distributed.barrier()
    return run


def _buildable(recipe: Recipe, settings: Settings, classes: int) -> None:
    """Raise RecipeError if settings describe no network of a recipe: before hours of training, not after."""
    if bool(recipe.member) != (settings.members > 1):
        wanted = "at least 2" if recipe.member else "1; record is an ensemble"
        raise RecipeError(f"members is {settings.members}: {recipe.name} has {wanted}")
    untrained(recipe.name, asdict(settings), classes)


def _learned(
    name: str,
    splits: Mapping[str, Split],
    settings: Settings,
    seed: int,
    run: Run,
    progress: Progress,
    classes: int,
    rank: int,
    world: int,
) -> tuple[Convnet, float]:
    """One network of a recipe, trained, sharpened, and with its doubts; and the seconds that it took."""
    torch.manual_seed(seed)
    network = _member(name, asdict(settings), classes, doubt=False)
    training = splits["train"]
    everything = enriched(training, settings, seed)
    network, seconds = fit(
        network, training, everything, splits["validation"], settings, seed, run, progress, rank, world
    )
    network.sharpen(settings.temperature)
    if settings.refused:
        network.doubt = _member(name, asdict(settings), classes, doubt=True).doubt
        seconds += learn_to_doubt(network, training, everything, settings, seed)
    return network, seconds


def _part(progress: Progress, number: int, count: int) -> Progress:
    """The progress of one member of an ensemble as part of that of all."""
    return lambda done, total, figures: progress(number * total + done, count * total, figures)


def _joined(members: Sequence[Run]) -> tuple[Ensemble, float]:
    """The ensemble of finished runs, and the seconds that they took."""
    networks = [cast(Convnet, trained(member)) for member in members]
    return Ensemble(networks), sum(member.config["seconds"] for member in members)


def _finish(run: Run, network: nn.Module, measured: Split, seconds: float) -> None:
    """Write the network and its predictions; drop the checkpoint."""
    with replaced(run.folder / "model.pt") as path:
        torch.save(network.state_dict(), path)
    answers = probabilities(network, measured.shaped(SHAPE))[:, : len(run.config["classes"])]
    run.finish(answers, measured.labels, seconds)
    shutil.rmtree(run.folder / "checkpoint", ignore_errors=True)


def divide(dataset: Dataset, settings: Settings) -> dict[str, Split]:
    """A data set's images for ``train``, ``validation`` and ``test``; the last two may be empty."""
    if len(dataset.train.images.shape) != 3:
        raise RecipeError("our recipes take grey images: for colour take  conv-32-64")
    if settings.validation >= len(dataset.train):
        raise RecipeError(f"validation is {settings.validation} of {len(dataset.train)} images: leave some to train on")
    if len(dataset.train) - settings.validation < settings.batch_size:
        raise RecipeError(f"batch_size is {settings.batch_size}, there are fewer images: make it smaller")
    train, validation = dataset.train, dataset.train.take(slice(0))
    if settings.validation:
        train, validation = dataset.holdout(settings.validation, seed=0)
    return {"train": train, "validation": validation, "test": dataset.test}


def _config(
    name: str,
    dataset: Dataset,
    settings: Settings,
    seed: int,
    processes: int,
    splits: Mapping[str, Split],
    target: str | None,
    digits: bool,
) -> dict[str, Any]:
    """What a run's folder says of it."""
    return {
        "zeronine": versions()["zeronine"],
        "recipe": name,
        "kind": "torch",
        "engine": "torch",
        "seed": seed,
        "settings": asdict(settings),
        "processes": processes,
        "data": describe(dataset, target, digits, {part: len(split) for part, split in splits.items()}),
        "classes": list(dataset.classes),
        "input_shape": list(SHAPE),
        "output": "logits",
        "predictions_of": "test" if len(splits["test"]) else "train",
        "versions": versions("torch"),
        "hardware": hardware(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None,
    }


def _silent(done: int, total: int, figures: Mapping[str, float]) -> None:
    """The progress of a caller who does not ask."""


def fit(
    network: Convnet,
    training: Split,
    everything: Split,
    validation: Split,
    settings: Settings,
    seed: int,
    run: Run,
    progress: Progress,
    rank: int = 0,
    world: int = 1,
) -> tuple[Convnet, float]:
    """Train a network; go on from the run's checkpoint where there is one.

    Args:
        network: takes (N, 1, 28, 28) float32 in 0..1, gives logits; initialised by the caller.
        training: images (N, 28, 28).
        everything: these, and behind them those of our own making, see ``enriched``.
        validation: images that are only measured, each epoch; may be empty.
        settings: what decides the training.
        seed: of order and augmentation.
        run: its folder gets the checkpoint and the history.
        progress: called every few steps by the first process.
        rank: this process's number.
        world: how many processes train together.

    Returns:
        The network with the averaged weights, on the CPU, and the seconds it took over all starts.
    """
    device = best_device()
    images, labels = _resident(everything, device)
    teacher = _teacher(settings, len(training), len(images) - len(training))
    settling = range(settings.epochs - settings.settling, settings.epochs)
    seen = [len(training) if epoch in settling else len(images) for epoch in range(settings.epochs)]
    state = start(network.to(device), settings, sum(count // settings.batch_size for count in seen))
    checkpoint = run.folder / "checkpoint" / "state.pt"
    if checkpoint.exists():
        state.load(checkpoint)
        if rank == 0:
            run.write_history(state.history)  # a kill may have come between the two
    model = DistributedDataParallel(state.network) if world > 1 else state.network
    while state.epoch < settings.epochs:
        started = time.perf_counter()
        count = seen[state.epoch]  # what is of our own making stands behind the others
        figures = _epoch(model, state, images[:count], labels[:count], settings, seed, rank, world, progress, teacher)
        state.epoch += 1
        state.seconds += time.perf_counter() - started
        if rank == 0:
            if len(validation):
                figures |= _measure(state.result, validation, device)
            state.history.append({"epoch": state.epoch, **figures, "seconds": round(state.seconds, 2)})
            checkpoint.parent.mkdir(exist_ok=True)
            state.save(checkpoint)
            run.write_history(state.history)
    result = cast(Convnet, state.result)
    if settings.finetuning:
        started = time.perf_counter()
        result = finetune(result, training, settings, seed, rank, world, teacher)
        state.seconds += time.perf_counter() - started
    return result.cpu().eval(), state.seconds


FINETUNING_RATE = 1e-3
"""Peak of the learning rate, a sixth of that of the training before."""


def finetune(
    network: Convnet,
    training: Split,
    settings: Settings,
    seed: int,
    rank: int = 0,
    world: int = 1,
    teacher: Teacher | None = None,
) -> Convnet:
    """Train on the data set's images alone, then go half of the way back to the weights before.

    What is learned of other hands costs accuracy on the data set's, and the other way round. The mean of the weights
    before and after is as good on the data set as those after, and nearly as good elsewhere as those before: Wortsman
    et al., "Robust fine-tuning of zero-shot models", 2022.

    Args:
        network: trained; is left as it is.
        training: images (N, 28, 28), without those of our own making.
        settings: of the training.
        seed: of order and bending.
        rank: this process's number.
        world: how many processes train together.
        teacher: whose answers are learned in place of labels.
    """
    device = next(network.parameters()).device
    images, labels = _resident(training, device)
    steps = settings.finetuning * (len(images) // settings.batch_size)
    state = start(deepcopy(network), replace(settings, learning_rate=FINETUNING_RATE), steps)
    model = DistributedDataParallel(state.network) if world > 1 else state.network
    for epoch in range(settings.finetuning):
        state.epoch = settings.epochs + epoch
        _epoch(model, state, images, labels, settings, seed, rank, world, _silent, teacher)
    after = cast(Convnet, state.result)
    before = network.state_dict()
    for name, weights in after.state_dict().items():
        if weights.is_floating_point():
            weights.lerp_(before[name], 0.5)
    return after


def probabilities(network: nn.Module, images: NDArray[np.float32], batch: int = 1000) -> NDArray[np.float32]:
    """Softmax of a network's logits: (N, classes) from digit images (N, 28, 28)."""
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        parts = [
            network(_layout(torch.from_numpy(images[start : start + batch]).to(device))).softmax(1).cpu()
            for start in range(0, len(images), batch)
        ]
    result: NDArray[np.float32] = torch.cat(parts).numpy()
    return result


def _epoch(
    model: nn.Module,
    state: State,
    images: torch.Tensor,
    labels: torch.Tensor,
    settings: Settings,
    seed: int,
    rank: int,
    world: int,
    progress: Progress,
    teacher: Teacher | None,
) -> dict[str, float]:
    """One pass: every process walks the same order and takes its share of each batch. Gives mean loss, accuracy."""
    model.train()
    everyone, mine = (seeded(seed, state.epoch, who) for who in (0, rank + 1))
    order = torch.randperm(len(images), generator=everyone).to(images.device)
    steps = len(images) // settings.batch_size
    device, mixed = images.device, computes_bfloat16(images.device)
    losses = torch.zeros(2, device=images.device)
    for step in range(steps):
        batch = order[step * settings.batch_size + rank : (step + 1) * settings.batch_size : world]
        pixels = settings.augmentation(images[batch].unsqueeze(1).float() / 255, mine)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            logits = model(pixels)
        target, smoothing = labels[batch], settings.label_smoothing
        if teacher is not None:
            smooth = functional.one_hot(target, logits.shape[1]) * (1 - smoothing) + smoothing / logits.shape[1]
            target, smoothing = teacher.targets(pixels, smooth, batch, mixed), 0.0
        loss = functional.cross_entropy(logits.float(), target, label_smoothing=smoothing)
        state.learn(loss)
        losses += torch.stack([loss.detach(), (logits.argmax(1) == labels[batch]).float().mean()])
        if rank == 0 and (step % 20 == 0 or step == steps - 1):
            loss_so_far, accuracy = (losses / (step + 1)).tolist()
            done, total = state.schedule.last_epoch, state.schedule.total_steps
            progress(done, total, {"loss": loss_so_far, "accuracy": accuracy})
    if world > 1:
        distributed.all_reduce(losses)
    loss_mean, accuracy_mean = (losses / (steps * world)).tolist()
    return {"loss": loss_mean, "accuracy": accuracy_mean}


def _teacher_run(settings: Settings) -> Run | None:
    """The run of the trained network that the settings name; None where they name none.

    Raises:
        RecipeError: there is no such run.
    """
    if not settings.teacher:
        return None
    run = Run(Path(settings.teacher))
    if not run.finished or run.config["kind"] != "torch":
        raise RecipeError(f"teacher is {settings.teacher}: it must be the folder of a finished run of a recipe of ours")
    return run


def _teacher(settings: Settings, known: int, more: int) -> Teacher | None:
    """The trained network that the settings name; None where they name none.

    Args:
        settings: of the training.
        known: how many images of the data set are learned from.
        more: how many of our own making.

    Raises:
        RecipeError: there is no such run.
    """
    run = _teacher_run(settings)
    if run is None:
        return None
    its = run.config["settings"]
    taught = known + more if its["written"] and its["crowded"] else known
    network = trained(run).to(best_device())
    for part in network.modules():
        if isinstance(part, Convnet):
            part.doubt = None  # which digit is taught; whether it is one is learned from labels, afterwards
    return Teacher(network, taught, its["temperature"])


def enriched(training: Split, settings: Settings, seed: int) -> Split:
    """Training images with those of our own making that the settings ask for.

    Args:
        training: images (N, 28, 28) of digits where anything is asked for.
        settings: how many of each kind.
        seed: of what is made.
    """
    if not settings.written + settings.crowded:
        return training
    written, forms = synthesis.written(settings.written, seed)
    pixels, labels = np.concatenate([digit_bytes(training), written]), np.concatenate([training.labels, forms])
    crowded, middles = synthesis.crowded(pixels, labels, settings.crowded, seed)
    return Split(np.concatenate([pixels, crowded]), np.concatenate([labels, middles]))


DOUBT_EPOCHS, DOUBT_DAMAGE = 8, 0.4
"""Passes over the things that are no digits, when a trained network learns to tell them; share of them damaged."""


OTHERS = 0.05
"""Share of the pictures that a Reader gets which are taken to be no digits. With one half, as in training, 0.02 of the
confidence in MNIST's digits is lost to doubt, and the expected calibration error is 1.7 %."""


def learn_to_doubt(network: Convnet, training: Split, everything: Split, settings: Settings, seed: int) -> float:
    """Train a network's branch that tells digits from other things; all else of it stays as it is.

    Each batch is half digits, among them those of our own making, and half other things, bent alike, and damaged more
    often than the network learned to expect: a poor digit is a digit still.

    Args:
        network: trained, with an untrained branch; on the CPU.
        training: images (N, 28, 28) of digits.
        everything: these, and those of our own making, see ``enriched``.
        settings: of the training.
        seed: of what is made, of order and of bending.

    Returns:
        The seconds that it took.
    """
    started, device = time.perf_counter(), best_device()
    network = network.to(device)
    doubt, mixed = cast(Doubt, network.doubt), computes_bfloat16(device)
    digits, _ = _resident(everything, device)
    others = torch.tensor(
        synthesis.refused(digit_bytes(training), training.labels, settings.refused, seed), device=device
    )
    bend = replace(settings.augmentation, damage=DOUBT_DAMAGE)
    random, half = seeded(seed, 1), max(settings.batch_size // 2, 1)
    steps = DOUBT_EPOCHS * (len(others) // half)
    optimizer = AdamW(doubt.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=max(steps, 1))
    is_other = torch.cat([torch.zeros(half, 1), torch.ones(half, 1)]).to(device)
    network.eval()
    doubt.train()
    for _ in range(steps):
        chosen = [part[torch.randint(len(part), (half,), generator=random)] for part in (digits, others)]
        pixels = bend(torch.cat(chosen).unsqueeze(1).float() / 255, random)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            logits = doubt(*network.seen(pixels.contiguous(memory_format=torch.channels_last)))
        loss = functional.binary_cross_entropy_with_logits(logits.float(), is_other)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():  # half of what was learned from is no digit, much less of what is read
        cast(nn.Linear, doubt.answer[-1]).bias.add_(math.log(OTHERS / (1 - OTHERS)))
    network.cpu().eval()
    return time.perf_counter() - started


def _measure(network: nn.Module, split: Split, device: torch.device) -> dict[str, float]:
    """Loss and accuracy of a validation split, over all of its images."""
    chance = probabilities(network.to(device), split.shaped(SHAPE))
    right = int((chance.argmax(1) == split.labels).sum())
    true = np.clip(chance[np.arange(len(split)), split.labels], 1e-7, 1)
    return {"val_loss": float(-np.log(true).mean()), "val_accuracy": right / len(split)}


def _resident(split: Split, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The whole split on the device: bytes (N, 28, 28) and labels (N,)."""
    return torch.tensor(digit_bytes(split), device=device), torch.tensor(split.labels, device=device)


def digit_bytes(split: Split) -> NDArray[np.uint8]:
    """The images of a split as MNIST has them, (N, 28, 28) uint8."""
    ready = split.images.dtype == np.uint8 and split.shape == SHAPE
    return (split.images if ready else np.rint(split.shaped(SHAPE) * 255)).astype(np.uint8, copy=False)


def _layout(images: torch.Tensor) -> torch.Tensor:
    """(N, 28, 28) to (N, 1, 28, 28), channels last."""
    return images.unsqueeze(1).contiguous(memory_format=torch.channels_last)
