"""A model -> one HTML file that reads digits as they are drawn: its network is inside and runs in the browser.

Knows what of ONNX the page computes, and how the page's parts become one file. How pictures become digit images is in
``picture.js``, which does as ``zeronine.image`` does; what the network computes in ``network.js``.
"""

import base64
import json
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from zeronine.errors import ModelError
from zeronine.files import replaced
from zeronine.reader import CLEAR, WHOLE, Reader, find
from zeronine.share.graph import Graph, read_graph

MOST_BYTES = 1_500_000
"""Of a page: it is meant to be sent from phone to phone."""

LEAST_OPSET = 18
"""Since then, the axes of a reduction are an input and no attribute."""

OPERATIONS = {
    *("Add", "Concat", "Conv", "Div", "Elu", "Erf", "Gemm", "Greater", "LeakyRelu", "Log", "MatMul", "MaxPool"),
    *("Mul", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "Relu", "Reshape", "Selu", "Sigmoid"),
    *("Slice", "Softmax", "Softplus", "Sub", "Tanh", "Transpose", "Unsqueeze", "Where"),
}
"""What ``network.js`` computes: all that the networks of our recipes and of the tutorials are made of."""

SCRIPTS = ("network.js", "picture.js", "reading.js", "drawing.js")
"""Parts of the page's script; each uses those before it."""

FIXED = {"auto_pad": "NOTSET", "ceil_mode": 0, "group": 1}
"""Attributes that it computes with one value only."""


def build(out: Path, model: str | Path) -> Path:
    """Write the page of a model.

    Args:
        out: the HTML file; one that is there already is replaced.
        model: the name of a shipped one, a model folder, or an ``.onnx`` file.

    Returns:
        The file.

    Raises:
        ModelError: no such model, one that reads no digits drawn in grey, one with an operation that the page does not
            compute, or one that makes it larger than 1.5 MB.
    """
    reader = Reader(model)
    if not reader.digits or len(reader.shape) != 2:
        raise ModelError(f"{reader.name} reads whole pictures, not what is drawn: take a model of digits in grey")
    path, _ = find(model)
    graph = read_graph(path)
    _check(reader.name, graph)
    page = _page(reader, graph).encode()
    if len(page) > MOST_BYTES:
        raise ModelError(
            f"the page of {reader.name} would have {len(page) / 1e6:.2f} MB, more than {MOST_BYTES / 1e6:g}: "
            "take a model with fewer weights, 270,000 at most"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with replaced(out) as unfinished:
        unfinished.write_bytes(page)
    return out


def _check(name: str, graph: Graph) -> None:
    """Raise ModelError where the page does not compute what the graph asks for."""
    if graph.opset < LEAST_OPSET:
        raise ModelError(f"{name} is in ONNX opset {graph.opset}: export it again, in {LEAST_OPSET} or later")
    for node in graph.nodes:
        if node.operation not in OPERATIONS:
            raise ModelError(
                f"{name} needs the operation {node.operation}, which the page does not compute: take a model that "
                "zeronine export made"
            )
        for key, value in FIXED.items():
            if node.attributes.get(key, value) != value:
                raise ModelError(
                    f"{name} needs {node.operation} with {key} {node.attributes[key]}; the page computes {value} only: "
                    "take a model that zeronine export made"
                )


def _page(reader: Reader, graph: Graph) -> str:
    """The page's text."""
    folder = files("zeronine").joinpath("share")
    scripts = [folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS]
    description, weights = _packed(graph)
    model = {
        "name": reader.name,
        "classes": reader.classes,
        "shape": reader.shape,
        "order": reader.order,
        "probabilities": reader.card.get("output") == "probabilities",
        "clear": CLEAR,
        "whole": WHOLE,
        "digit": reader.least_digit,
        "unsure": reader.unsure,
        "graph": description,
    }
    page = folder.joinpath("reader.html").read_text(encoding="utf-8")
    return (
        page.replace("{{name}}", escape(reader.name))
        .replace("{{about}}", escape(_about(reader, graph)))
        .replace("{{scripts}}", "\n".join(f"<script>\n{script}</script>" for script in scripts))
        .replace("{{model}}", json.dumps(model, separators=(",", ":")).replace("<", "\\u003c"))
        .replace("{{weights}}", base64.b64encode(weights).decode())
    )


def _about(reader: Reader, graph: Graph) -> str:
    """What the network is, in a sentence."""
    weights = sum(values.size for values in graph.tensors.values() if values.dtype == np.float32)
    text = f"{reader.name} is a network of {weights:,} weights"
    measured = reader.card.get("measured", {})
    if measured.get("on") == "test":
        text += f", right on {100 * measured['accuracy']:.2f} % of the test images of {reader.card['data']['name']}"
    return text + "."


def _packed(graph: Graph) -> tuple[dict[str, Any], bytes]:
    """A graph as plain types, and its floats, to which it points."""
    tensors: dict[str, Any] = {}
    weights = bytearray()
    for name, values in graph.tensors.items():
        if values.dtype == np.float32:
            tensors[name] = {"shape": values.shape, "start": len(weights) // values.itemsize}
            weights += values.tobytes()
        else:
            tensors[name] = {"shape": values.shape, "data": values.ravel().tolist()}
    nodes = [
        {
            "operation": node.operation,
            "inputs": node.inputs,
            "outputs": node.outputs,
            "attributes": node.attributes,
        }
        for node in graph.nodes
    ]
    return {
        "input": graph.input,
        "shape": graph.shape,
        "output": graph.output,
        "nodes": nodes,
        "tensors": tensors,
    }, bytes(weights)
