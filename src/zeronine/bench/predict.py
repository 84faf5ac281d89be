"""Reading, ours beside its peers: one image, many images, a whole process, and the floor of what the machine could do.

Ours is a Reader with its defaults. The peers: ``torch``, the same network in PyTorch; ``keras``, the "Simple MNIST
convnet" of keras.io on TensorFlow, in a throw-away environment. All read the same images and run in turn.
"""

import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from zeronine import data as datasets
from zeronine.bench.environment import peers_environment
from zeronine.bench.machine import Rate, floor, operations
from zeronine.bench.rounds import (
    SCRIPTS,
    Comparison,
    Contestant,
    Rounds,
    Sample,
    Say,
    alternately,
    amount,
    machine,
    printed,
    ratio_text,
    ratios,
    silent,
    spread,
    spread_text,
)
from zeronine.errors import ZeronineError
from zeronine.reader import MODELS, SHIPPED, Reader
from zeronine.train.loop import digit_bytes

PEERS = ("torch", "keras")
"""What a Reader can be measured beside."""

RATES, OURS = "matrix rate", "zeronine"
"""The contestant that multiplies matrices, for the floor; and ours."""

START = " start"
"""Ends the name of a contestant that starts, reads one picture and ends."""

BASES = {"milliseconds": "Reader.predict", "images_per_second": "Reader.probabilities"}
"""Which of our calls stands for ours: a picture as users have it; many images prepared, as the peers get them."""

COUNTED = (
    "one image: median of many calls, on an array of 28×28 that is at hand; many: the test images, 10,000 at most; "
    "Reader.predict and predict_many prepare each image as they would a photo, all else gets images that are prepared; "
    "process: from start to end, reading one PNG"
)


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        model: name or folder of ours, or an ``.onnx`` file; the shipped one where it is None.
        data: a named set or a path, of grey images; its test part is read.
        rounds: of all.
        peers: some of PEERS.
        environment: folder to keep the peers' environment in; a temporary one where it is None.
        calls: of one image, in each round; the slower peers make a tenth.

    Raises:
        ZeronineError: fewer than 1 round or 10 calls.
    """

    model: str | None = None
    data: str = "mnist"
    rounds: int = 5
    peers: tuple[str, ...] = PEERS
    environment: Path | None = None
    calls: int = 1000

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.calls < 10:
            raise ZeronineError("a benchmark needs 1 round or more and 10 calls or more: see --rounds")

    @property
    def command(self) -> str:
        """What does the same again."""
        model = f" --model {self.model}" if self.model else ""
        peers = ",".join(self.peers) or "none"
        return f"zeronine bench predict{model} --data {self.data} --rounds {self.rounds} --peers {peers}"

    @property
    def file(self) -> Path:
        """The ``.onnx`` file of ours."""
        named = MODELS / (self.model or SHIPPED)
        path = named if named.is_dir() else Path(self.model or SHIPPED)
        return path if path.is_file() else path / "model.onnx"


def bench_predict(plan: Plan, say: Say = silent) -> Comparison:
    """Let ours and the peers read in turn and compare them.

    Args:
        plan: what is measured.
        say: called with a line before each step.

    Raises:
        DataError: the data are not at hand.
        ModelError: no such model.
        ZeronineError: our own reading failed. A peer that fails is left out, and the table says why.
    """
    Reader(plan.model)  # refuses what is no model before anything is run
    here, counted = machine(), operations(plan.file)
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="zeronine-bench-")))
        _write_data(plan.data, scratch)
        contestants = _ours(plan, scratch)
        if "torch" in plan.peers:
            contestants.append(_torch(plan, scratch))
        if "keras" in plan.peers:
            try:
                contestants += _keras(plan, scratch, stack.enter_context(peers_environment(plan.environment, say)))
            except ZeronineError as error:
                left_out["keras"] = str(error)
        rounds = alternately(contestants, say)
    return comparison(plan, Rounds(rounds.samples, left_out | dict(rounds.left_out)), counted, here)


def comparison(plan: Plan, rounds: Rounds, counted: int, here: Mapping[str, Any]) -> Comparison:
    """The table, the notes and the figures of finished rounds.

    Args:
        plan: what was measured.
        rounds: with samples of ours; of peers and of RATES where they were not left out.
        counted: operations of our network for one image.
        here: the machine.
    """
    names = [name for name in (OURS, *plan.peers) if rounds.of(name)]
    results = {name: _result(rounds.of(name), rounds.of(name + START)) for name in names}
    compared = {name: _compared(rounds, name) for name in names[1:]}
    bound = _floor(rounds, counted)
    figures = {
        "benchmark": "predict",
        "command": plan.command,
        "model": plan.model or SHIPPED,
        "data": plan.data,
        "results": results,
        "ratios": compared,
        "left_out": dict(rounds.left_out),
        "floor": bound,
        "counted": COUNTED,
        **here,
    }
    rows = [row for name in names for row in _rows(name, rounds, compared.get(name))]
    missing = [(name, "left out", "", "", "", "", "") for name in rounds.left_out if name != RATES]
    return Comparison(
        ("reading", "one image, ms", "ours/its", "images a second", "ours/its", "process, s", "ours/its"),
        (*rows, *missing),
        (*_notes(rounds), *_floor_notes(bound), COUNTED),
        figures,
    )


def _write_data(name: str, scratch: Path) -> None:
    """The test images as bytes in ``data.npz``, one of them as ``one.png``."""
    from PIL import Image

    dataset = datasets.load(name)
    split = dataset.test if len(dataset.test) else dataset.train
    images = digit_bytes(split)[:10_000]
    np.savez(scratch / "data.npz", x_test=images, y_test=split.labels[:10_000])
    Image.fromarray(images[0]).save(scratch / "one.png")


def _ours(plan: Plan, scratch: Path) -> list[Contestant]:
    """The Reader's calls, a process that reads one picture, and the matrix products of the floor."""
    model = ["--model", plan.model] if plan.model else []
    script = str(SCRIPTS / "reader_calls.py")
    calls = [sys.executable, script, "--data", str(scratch / "data.npz"), "--calls", str(plan.calls), *model]
    start = [sys.executable, "-m", "zeronine", "predict", str(scratch / "one.png"), *model]
    multiply = [sys.executable, "-m", "zeronine.bench.machine"]
    return [
        Contestant(OURS, lambda _: calls, printed, plan.rounds, ours=True),
        Contestant(OURS + START, lambda _: start, _nothing, plan.rounds, ours=True),
        Contestant(RATES, lambda _: multiply, printed, plan.rounds),
    ]


def _torch(plan: Plan, scratch: Path) -> Contestant:
    """The same network in PyTorch."""
    script = [str(SCRIPTS / "torch_calls.py"), "--card", str(plan.file.with_name("card.json"))]
    command = [sys.executable, *script, "--data", str(scratch / "data.npz"), "--calls", str(plan.calls)]
    return Contestant("torch", lambda _: command, printed, plan.rounds)


def _keras(plan: Plan, scratch: Path, python: Path) -> list[Contestant]:
    """The Keras example's network on TensorFlow: its calls, and a process that reads one picture."""
    script, model = [str(python), "-I", str(SCRIPTS / "keras_convnet.py")], ["--model", str(scratch / "convnet.keras")]
    calls = [*script, "calls", *model, "--data", str(scratch / "data.npz"), "--calls", str(plan.calls // 10)]
    start = [*script, "one", *model, "--picture", str(scratch / "one.png")]
    return [
        Contestant("keras", lambda _: calls, printed, plan.rounds),
        Contestant("keras" + START, lambda _: start, printed, plan.rounds),
    ]


def _nothing(number: int, output: str) -> dict[str, Any]:
    """The figures of a program that is only timed."""
    return {}


def _measures(samples: Sequence[Sample], call: str, figure: str) -> dict[int, float]:
    """A figure of one call, by round; empty where that call has no such figure."""
    found = {sample.round: sample.figures["measures"][call] for sample in samples}
    return {number: figures[figure] for number, figures in found.items() if figure in figures}


def _result(samples: Sequence[Sample], starts: Sequence[Sample]) -> dict[str, Any]:
    """All figures of one contestant."""
    calls = {
        call: {figure: spread(list(_measures(samples, call, figure).values())) for figure in figures}
        for call, figures in samples[0].figures["measures"].items()
    }
    process = spread([start.process for start in starts]) if starts else None
    return {"calls": calls, "process": process, "versions": samples[0].figures["versions"]}


def _compared(rounds: Rounds, name: str) -> dict[str, dict[str, Any]]:
    """Ours over a peer's, for each of its calls and for the process."""
    ours = {figure: _measures(rounds.of(OURS), call, figure) for figure, call in BASES.items()}
    found = {
        call: {figure: ratios(ours[figure], _measures(rounds.of(name), call, figure)) for figure in figures}
        for call, figures in rounds.of(name)[0].figures["measures"].items()
    }
    mine, theirs = (
        {start.round: start.process for start in rounds.of(contestant + START)} for contestant in (OURS, name)
    )
    return found | ({"process": {"seconds": ratios(mine, theirs)}} if theirs else {})


def _rows(name: str, rounds: Rounds, compared: Mapping[str, Any] | None) -> list[tuple[str, ...]]:
    """A row for each call; the process is in the first one."""
    samples, starts = rounds.of(name), rounds.of(name + START)
    rows = []
    for number, (call, figures) in enumerate(samples[0].figures["measures"].items()):
        cells: list[str] = [f"{name}: {call}"]
        for figure in BASES:
            cells.append(spread_text(list(_measures(samples, call, figure).values())) if figure in figures else "")
            cells.append(ratio_text(compared[call][figure]) if compared and figure in figures else "")
        cells.append(spread_text([start.process for start in starts]) if starts and not number else "")
        cells.append(ratio_text(compared["process"]["seconds"]) if compared and starts and not number else "")
        rows.append(tuple(cells))
    return rows


def _notes(rounds: Rounds) -> list[str]:
    """What is missing or unfair."""
    notes = [f"{name} is left out: {why}" for name, why in rounds.left_out.items()]
    if "OMP_NUM_THREADS" in os.environ:
        notes.append(
            "OMP_NUM_THREADS holds for NumPy, PyTorch and TensorFlow, not for ONNX Runtime: unset it to compare"
        )
    return notes


def _floor(rounds: Rounds, counted: int) -> dict[str, Any] | None:
    """The least time for one image; None where the matrix rate was not measured."""
    rates = [Rate(**rate) for sample in rounds.of(RATES) for rate in sample.figures["rates"]]
    if not rates:
        return None
    one = statistics.median(_measures(rounds.of(OURS), BASES["milliseconds"], "milliseconds").values()) / 1000
    many = 1 / statistics.median(_measures(rounds.of(OURS), BASES["images_per_second"], "images_per_second").values())
    bound = floor(counted, rates)
    return {"one": bound.as_dict(one), "many": bound.as_dict(many)}


def _floor_notes(bound: Mapping[str, Any] | None) -> list[str]:
    """The floor in a sentence."""
    if bound is None:
        return ["the floor was not measured"]
    one, rate = bound["one"], bound["one"]["rate"]
    return [
        f"floor: {amount(one['operations'] / 1e6)} million operations an image at {amount(rate['gigaflops'])} GFLOP/s "
        f"({rate['library']}, {rate['kind']}, threads {rate['threads']}) take {amount(1000 * one['seconds'])} ms, "
        f"{amount(1 / one['seconds'])} images a second; {BASES['milliseconds']} takes {one['ours_over_floor']:.1f} "
        f"times that, {BASES['images_per_second']} of many {bound['many']['ours_over_floor']:.1f} times"
    ]
