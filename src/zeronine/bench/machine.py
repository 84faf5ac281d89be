"""The floor: how fast this machine multiplies matrices, and how many operations a network takes.

A network that did nothing but its multiplications, as fast as the machine's best library does large ones, would take
its operations over the rate. Run as a program, ``python -m zeronine.bench.machine``, it prints the rates as JSON.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zeronine.errors import ModelError

SIDES = (768, 1536)
"""Of the square matrices. The best counts: measured: 512 to 2048 within 7 %, for every library."""

PASSES = 3
"""Of a training step, in forward passes: forward, gradient of the inputs, gradient of the weights."""


@dataclass(frozen=True)
class Rate:
    """How fast a library multiplies matrices here.

    Attributes:
        library: ``NumPy`` or ``PyTorch``.
        kind: of the numbers, ``float32`` or ``bfloat16``.
        threads: that it used.
        gigaflops: 10⁹ operations a second, a multiplication and an addition counted as two; median.
    """

    library: str
    kind: str
    threads: int
    gigaflops: float


@dataclass(frozen=True)
class Floor:
    """The least time for a number of operations.

    Attributes:
        operations: multiplications and additions.
        rate: the best float32 rate.
        seconds: operations over that rate.
        reduced: PyTorch's bfloat16 rate, where it is the faster one.
    """

    operations: float
    rate: Rate
    seconds: float
    reduced: Rate | None

    def as_dict(self, measured: float) -> dict[str, Any]:
        """As plain types, with how many times the floor a measured time is.

        Args:
            measured: seconds.
        """
        figures: dict[str, Any] = {
            "operations": self.operations,
            "rate": asdict(self.rate),
            "seconds": self.seconds,
            "ours_over_floor": measured / self.seconds,
        }
        if self.reduced:
            seconds = self.operations / self.reduced.gigaflops / 1e9
            figures["reduced"] = {
                "rate": asdict(self.reduced),
                "seconds": seconds,
                "ours_over_floor": measured / seconds,
            }
        return figures


def floor(operations: float, rates: Sequence[Rate]) -> Floor:
    """The least time for these operations, from the rates of all rounds.

    Args:
        operations: multiplications and additions.
        rates: of one or more rounds; the median over the rounds counts, then the best library.
    """
    middle = medians(rates)
    full = max((rate for rate in middle if rate.kind == "float32"), key=_speed)
    reduced = max((rate for rate in middle if rate.kind != "float32"), key=_speed, default=None)
    faster = reduced if reduced and reduced.gigaflops > full.gigaflops else None
    return Floor(operations, full, operations / full.gigaflops / 1e9, faster)


def medians(rates: Sequence[Rate]) -> list[Rate]:
    """One Rate for each library and kind of number: the median over the rounds."""
    kinds = dict.fromkeys((rate.library, rate.kind, rate.threads) for rate in rates)
    return [Rate(*kind, statistics.median(rate.gigaflops for rate in rates if _kind(rate) == kind)) for kind in kinds]


def _kind(rate: Rate) -> tuple[str, str, int]:
    return rate.library, rate.kind, rate.threads


def _speed(rate: Rate) -> float:
    return rate.gigaflops


def matrix_rates(sides: Sequence[int] = SIDES, seconds: float = 0.4) -> list[Rate]:
    """Measure this machine: NumPy and PyTorch in float32, PyTorch in bfloat16 too, with the threads they choose.

    Args:
        sides: of the square matrices; the fastest counts.
        seconds: that each of them is measured for, at least.
    """
    import torch
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    best: dict[tuple[str, str, int], float] = {}
    for side in sides:
        left, right, out = (np.random.default_rng(0).random((side, side), np.float32) for _ in range(3))
        numpy = ("NumPy", "float32", max(pools, default=1))
        calls: dict[tuple[str, str, int], Callable[[], object]] = {numpy: partial(np.matmul, left, right, out=out)}
        for kind in (torch.float32, torch.bfloat16):
            one, other, product = (torch.from_numpy(array).to(kind) for array in (left, right, out))
            name = str(kind).removeprefix("torch.")
            calls["PyTorch", name, torch.get_num_threads()] = partial(torch.mm, one, other, out=product)
        for key, call in calls.items():
            best[key] = max(best.get(key, 0.0), 2 * side**3 / median_seconds(call, seconds) / 1e9)
    return [Rate(*key, gigaflops) for key, gigaflops in best.items()]


def median_seconds(call: Callable[[], object], seconds: float, least: int = 3) -> float:
    """Median time of a call, after one that is not counted.

    Args:
        call: what is measured.
        seconds: it is called again and again for this long.
        least: number of calls.
    """
    call()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def operations(model: str | Path | Any) -> int:
    """Multiplications and additions, counted as two, that a network takes for one image.

    Counted are convolutions and matrix products; the rest, such as pooling, is less than a hundredth of them.

    Args:
        model: an ``.onnx`` file, or an ``onnx.ModelProto``.

    Raises:
        ModelError: the file is no ONNX model, or a size in it is open.
    """
    import onnx

    try:
        graph = onnx.load(model) if isinstance(model, str | Path) else model
        shapes = _shapes(graph)
    except Exception as error:  # protobuf and the inference of shapes raise classes of their own
        raise ModelError(f"operations of {model} cannot be counted ({error}): export the model again") from error
    return sum(_node_operations(node, shapes) for node in graph.graph.node)


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a model, for a batch of one image."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for entry in copy.graph.input:
        entry.type.tensor_type.shape.dim[0].dim_value = 1
    for entry in copy.graph.output:
        entry.type.tensor_type.ClearField("shape")
    del copy.graph.value_info[:]  # they name the batch, and would keep it open
    inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True).graph
    shapes = {
        entry.name: tuple(side.dim_value for side in entry.type.tensor_type.shape.dim)
        for entry in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in copy.graph.initializer}


def _node_operations(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return 0
    output, weights = (shapes.get(name, ()) for name in (node.output[0], node.input[1]))
    if not output or not weights or 0 in output + weights:
        raise ModelError(f"the sizes of {node.op_type} {node.name} are not known: export with a fixed height and width")
    if node.op_type == "Conv":
        return 2 * math.prod(output) * math.prod(weights[1:])
    turned = any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 2 * math.prod(output) * weights[-1 if turned else -2]


if __name__ == "__main__":
    print(json.dumps({"rates": [asdict(rate) for rate in matrix_rates()]}))
