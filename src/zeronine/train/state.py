"""What changes while one of our networks is trained: weights, optimiser, schedule, average; one checkpoint of it all.

Knows PyTorch, devices and processes; knows no data and no recipe's table.
"""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import distributed, nn
from torch.optim.swa_utils import AveragedModel

from zeronine.files import replaced


class Optimisation(Protocol):
    """What ``start`` takes of a recipe's settings; see ``recipes.Settings``."""

    @property
    def learning_rate(self) -> float:
        """Peak of the one-cycle schedule."""
        ...

    @property
    def beta2(self) -> float:
        """AdamW's memory of squared gradients."""
        ...

    @property
    def weight_decay(self) -> float:
        """AdamW's, on weights with two or more axes."""
        ...

    @property
    def averaging(self) -> float:
        """Decay per step of the running average of the weights; 0 for none."""
        ...


@dataclass
class State:
    """What changes while training; what a checkpoint holds."""

    network: nn.Module
    average: AveragedModel | None
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    epoch: int
    history: list[dict[str, float]]
    seconds: float

    def learn(self, loss: torch.Tensor) -> None:
        """One step down a loss; the average follows."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        if self.average:
            self.average.update_parameters(self.network)

    def save(self, path: Path) -> None:
        """Write a checkpoint; a kill leaves the one before."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "progress": {"epoch": self.epoch, "history": self.history, "seconds": self.seconds},
        }
        with replaced(path) as temporary:
            torch.save(state, temporary)

    @property
    def result(self) -> nn.Module:
        """The network as it would be used: with the averaged weights where there are such."""
        return self.average.module if self.average else self.network

    def load(self, path: Path) -> None:
        """Go back to a checkpoint."""
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name in ("network", "average", "optimizer", "schedule"):
            if state[name] is not None:
                getattr(self, name).load_state_dict(state[name])
        self.epoch = state["progress"]["epoch"]
        self.history = state["progress"]["history"]
        self.seconds = state["progress"]["seconds"]


_STEP = inspect.unwrap(torch.optim.AdamW.step)


class AdamW(torch.optim.AdamW):
    """PyTorch's AdamW, without the decorators that import PyTorch's compiler: 1.5 s of every process that trains."""

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)

    def step(self, closure: Any = None) -> Any:
        """One step, as PyTorch's, whose decorators also turn gradients off."""
        with torch.no_grad():
            return _STEP(self, closure)


def start(network: nn.Module, settings: Optimisation, steps: int) -> State:
    """Optimiser, schedule and average of an untrained network."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
    decayed = [weight for weight in network.parameters() if weight.ndim > 1]
    plain = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimizer = AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        betas=(0.9, settings.beta2),
        fused=True,
    )
    rise = 0.3 if steps == 5 else 0.2  # a rise of one step divides by zero
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps, pct_start=rise, final_div_factor=1e6
    )
    average = None
    if settings.averaging:
        average = AveragedModel(network, avg_fn=partial(_averaged, settings.averaging), use_buffers=True)
    return State(network, average, optimizer, schedule, 0, [], 0.0)


def _averaged(decay: float, average: torch.Tensor, new: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """A running average that forgets the untrained weights soon: its memory grows with the steps done."""
    return average + (new - average) * (1 - min(decay, (1 + int(count)) / (10 + int(count))))


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: with AVX-512 BF16 an epoch takes 0.6 of the time."""
    if device.type == "cuda":
        on_gpu: bool = torch.cuda.is_bf16_supported()
        return on_gpu
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    capability: str = torch.backends.cpu.get_cpu_capability()
    return supported and capability.startswith("AVX512")


def seeded(*numbers: int) -> torch.Generator:
    """A random source that depends on all of the numbers."""
    state: Any = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def best_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def processes() -> Iterator[tuple[int, int]]:
    """This process's number and how many there are; joins the group that ``torchrun`` describes, within it no other."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or distributed.is_initialized():
        yield (distributed.get_rank() if world > 1 else 0), world
        return
    distributed.init_process_group("nccl" if best_device().type == "cuda" else "gloo")
    try:
        yield distributed.get_rank(), world
    finally:
        distributed.destroy_process_group()
