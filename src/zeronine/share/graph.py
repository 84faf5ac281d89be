"""An ONNX file -> its nodes and tensors as plain Python and NumPy, without the onnx package of the training stack.

Reads what networks of digits need out of protobuf's wire format: https://protobuf.dev/programming-guides/encoding/ and
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose field numbers stand below. ONNX Runtime has opened the
file before, so damage is not looked for. Knows no operation by name.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeronine.errors import ModelError

Field = int | bytes
"""A whole number, or the bytes of a text, a float, packed numbers or another message."""

FLOAT, INT64 = 1, 7
"""TensorProto.DataType."""

KINDS = {FLOAT: "<f4", INT64: "<i8"}


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        operation: its name in ONNX: ``Conv``.
        inputs: names of the tensors that it takes; empty for one that is left out.
        outputs: names of those that it gives.
        attributes: numbers, texts and lists of numbers by name.
    """

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Graph:
    """A network.

    Attributes:
        opset: version of the operations.
        input: name of the tensor that it takes.
        shape: of that, without the batch.
        output: name of its first answer.
        nodes: in the order in which they are computed.
        tensors: float32 weights and int64 shapes by name.
    """

    opset: int
    input: str
    shape: tuple[int, ...]
    output: str
    nodes: tuple[Node, ...]
    tensors: dict[str, NDArray[Any]]


def read_graph(path: Path) -> Graph:
    """The network in an ``.onnx`` file.

    Args:
        path: of a file that ONNX Runtime opens.

    Raises:
        ModelError: it holds tensors of other kinds than float32 and int64, or in other files.
    """
    model = _message(path.read_bytes())
    opsets = [_message(entry) for entry in model[8]]
    graph = _message(model[7][0])
    tensors = dict(_tensor(entry) for entry in graph[5])
    nodes = [_node(entry) for entry in graph[1]]
    for node in nodes:
        if node.operation == "Constant":
            tensors[node.outputs[0]] = np.asarray(next(iter(node.attributes.values())))
    taken = next(entry for entry in map(_message, graph[11]) if _text(entry[1]) not in tensors)
    return Graph(
        opset=next(opset[2][0] for opset in opsets if _text(opset[1]) in ("", "ai.onnx")),
        input=_text(taken[1]),
        shape=_sides(taken[2][0])[1:],
        output=_text(_message(graph[12][0])[1]),
        nodes=tuple(node for node in nodes if node.operation != "Constant"),
        tensors=tensors,
    )


def _message(data: Any) -> dict[int, list[Any]]:
    """The values of a message by the number of their field."""
    fields: dict[int, list[Field]] = defaultdict(list)
    for number, value in _fields(memoryview(data)):
        fields[number].append(value)
    return fields


def _fields(data: memoryview) -> Iterator[tuple[int, Field]]:
    """The fields of a message, number and value, in the order in which they stand."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        size, place = _varint(data, place) if kind == 2 else ({1: 8, 5: 4}[kind], place)
        yield key >> 3, bytes(data[place : place + size])
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A whole number of 64 bits with its sign, 7 bits to a byte, and the place after it."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return (value - (1 << 64) if value >> 63 else value), place


def _numbers(values: list[Any]) -> list[int]:
    """Whole numbers, one to a field or packed."""
    result = []
    for value in values:
        if isinstance(value, int):
            result.append(value)
            continue
        place = 0
        while place < len(value):
            number, place = _varint(memoryview(value), place)
            result.append(number)
    return result


def _floats(values: list[bytes]) -> list[float]:
    """Floats of 4 bytes, one to a field or packed."""
    return [float(value) for value in np.frombuffer(b"".join(values), "<f4")]


def _text(values: list[bytes]) -> str:
    return values[0].decode() if values else ""


def _sides(data: bytes) -> tuple[int, ...]:
    """Of the type of a tensor: its shape, 0 where a side is open."""
    shape = _message(_message(_message(data)[1][0])[2][0])
    return tuple(_message(side)[1][0] if _message(side)[1] else 0 for side in shape[1])


def _node(data: bytes) -> Node:
    node = _message(data)
    return Node(
        operation=_text(node[4]),
        inputs=tuple(name.decode() for name in node[1]),
        outputs=tuple(name.decode() for name in node[2]),
        attributes=dict(_attribute(entry) for entry in node[5]),
    )


def _attribute(data: bytes) -> tuple[str, Any]:
    """Name and value; which field holds the value is told by the one that is there."""
    entry = _message(data)
    name = _text(entry[1])
    if entry[2]:
        return name, struct.unpack("<f", entry[2][0])[0]
    if entry[3]:
        return name, entry[3][0]
    if entry[4]:
        return name, _text(entry[4])
    if entry[5]:
        return name, _tensor(entry[5][0])[1]
    return name, _floats(entry[7]) or _numbers(entry[8])


def _tensor(data: bytes) -> tuple[str, NDArray[Any]]:
    tensor = _message(data)
    name, kind = _text(tensor[8]), tensor[2][0]
    if kind not in KINDS or tensor[13]:
        raise ModelError(
            f"the tensor {name!r} is not float32 or int64 in the file itself: export the network again, in float32"
        )
    values: Any = np.frombuffer(tensor[9][0], KINDS[kind]) if tensor[9] else None
    if values is None:
        values = np.array(_floats(tensor[4]) if kind == FLOAT else _numbers(tensor[7]), KINDS[kind])
    return name, values.reshape(_numbers(tensor[1]))
