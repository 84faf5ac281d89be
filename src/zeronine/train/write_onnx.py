"""A PyTorch network -> an ONNX file without traces of the machine that it was made on."""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from onnx import TensorProto, helper, numpy_helper

from zeronine.errors import ModelError


def write_onnx(
    module: torch.nn.Module,
    example: torch.Tensor,
    path: Path,
    open_sides: dict[int, Any],
    names: tuple[str, str],
    halved: bool = False,
) -> None:
    """Trace a network into an ONNX file.

    Args:
        module: takes one tensor, gives one.
        example: of what it takes.
        path: the file.
        open_sides: by axis, the sizes that may differ from the example's: ``torch.export.Dim``.
        names: of input and output.
        halved: whether weights are kept as float16, and made float32 when the file is opened: half the size.

    Raises:
        ModelError: PyTorch gave no program for the network.
    """
    with warnings.catch_warnings(), _Quiet("torch.onnx", "onnxscript", "onnx_ir"):
        warnings.simplefilter("ignore")  # remarks of the exporter on its own insides
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=(open_sides,),
            input_names=[names[0]],
            output_names=[names[1]],
            opset_version=18,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ModelError("PyTorch gave no ONNX program for this network")
    model = program.model_proto
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        part.ClearField("metadata_props")  # the exporter's stack traces, with the paths of this machine
        part.ClearField("doc_string")
    if halved:
        _halve(model.graph)
    path.write_bytes(model.SerializeToString())


def _halve(graph: Any) -> None:
    """Keep large weights as float16, each with a node that makes it float32."""
    casts = []
    for weights in graph.initializer:
        values = numpy_helper.to_array(weights)
        if weights.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        name = weights.name
        weights.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


SMALL = 500
"""Weights of a tensor from which halving is worth a node."""


class _Quiet:
    """Keeps the named loggers to errors while the block runs."""

    def __init__(self, *names: str) -> None:
        self._loggers = {logger: logger.level for logger in map(logging.getLogger, names)}

    def __enter__(self) -> None:
        for logger in self._loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in self._loggers.items():
            logger.setLevel(level)
