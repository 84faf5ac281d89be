"""An ONNX file that was exported here -> the PyTorch network that it was made of, so that it can be trained on."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from zeronine.errors import ModelError


def read_onnx(path: Path, network: nn.Module) -> nn.Module:
    """Give a network the weights of its exported self; it answers alike then.

    The exporter folds batch norm into the convolution before it, so each batch norm is left with the offset alone: its
    statistics are those of no data until ``settled`` measures them.

    Args:
        path: the file, made by ``write_onnx``.
        network: of the same layers; changed.

    Raises:
        ModelError: the file is missing or damaged, or is of other layers.
    """
    try:
        held = {part.name: part for part in onnx.load(str(path)).graph.initializer}
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} does not open ({error}): export the model again") from error
    begin = next((name.partition(OWN)[0] + OWN for name in held if name.startswith(OWN)), "")

    def weights(name: str) -> NDArray[np.float32]:
        part = held.get(begin + name) or held.get(f"{begin}{name}_half")
        if part is None:
            raise ModelError(f"{path} holds no {name}: it was made of other layers, or by another program")
        return numpy_helper.to_array(part).astype(np.float32)

    state = network.state_dict()
    pairs = _pairs(network)
    folded = {f"{first}.weight": second for first, second, _, _ in pairs}
    for name in state:
        if name in folded:
            state[name] = torch.from_numpy(weights(name))
            state[f"{folded[name]}.bias"] = torch.from_numpy(weights(f"{name}_bias"))
        elif not any(name.startswith(f"{norm}.") for norm in folded.values()):
            state[name] = torch.from_numpy(weights(name))
    for _, name, _, norm in pairs:
        state[f"{name}.running_var"] = torch.full_like(state[f"{name}.running_var"], 1 - norm.eps)  # divides by 1
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{path} is of a network with other layers ({error})") from error
    return network.eval()


OWN = "network."
"""Begins the names of the weights of a network that was exported inside another."""


def _pairs(network: nn.Module) -> list[tuple[str, str, nn.Conv2d, nn.BatchNorm2d]]:
    """The convolutions that a batch norm follows, and these; names first."""
    return [
        (first, second, convolution, norm)
        for (first, convolution), (second, norm) in pairwise(network.named_modules())
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]


def settled(network: nn.Module, batches: Iterable[Sequence[Any]]) -> nn.Module:
    """Give batch norms the statistics of what they see, and convolutions outputs of unit variance; answers stay.

    Args:
        network: as ``read_onnx`` gives it; changed.
        batches: of what it will learn from; what it takes is the first of each.
    """
    sums: dict[str, list[torch.Tensor]] = {}

    def count(name: str, seen: torch.Tensor) -> None:
        seen = seen.float().transpose(0, 1).flatten(1)
        sums.setdefault(name, []).append(torch.stack([seen.mean(1), (seen**2).mean(1)]))

    pairs = _pairs(network)
    hooks = [
        norm.register_forward_pre_hook(lambda _, given, name=name: count(name, given[0])) for _, name, _, norm in pairs
    ]
    with torch.inference_mode():
        for batch in batches:
            network(batch[0])
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for _, name, convolution, norm in pairs:
            mean, square = torch.stack(sums[name]).mean(0)
            spread = (square - mean**2).clamp(min=SILENT).sqrt()
            convolution.weight /= spread[:, None, None, None]
            norm.load_state_dict(
                {
                    "running_mean": mean / spread,
                    "running_var": torch.ones_like(spread),
                    "weight": spread * (1 + norm.eps) ** 0.5,
                    "bias": norm.bias + mean,
                    "num_batches_tracked": torch.tensor(len(sums[name])),
                }
            )
    return network


SILENT = 1e-6
"""Variance of a channel that says nothing, at least."""
