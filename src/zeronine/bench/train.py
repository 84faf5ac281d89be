"""Training, ours beside its peers: seconds, whole processes, accuracy, and the floor of what the machine could do.

Ours is a recipe, started as users start it. The peers: ``one-epoch``, a plain PyTorch training of one epoch, with the
PyTorch that ours has; ``keras``, the "Simple MNIST convnet" of keras.io until its test accuracy first passes 99 %, on
TensorFlow in a throw-away environment. All get the same images, out of a file, and run in turn.
"""

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
from zeronine.bench.machine import PASSES, Rate, floor, operations
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
from zeronine.train.loop import digit_bytes
from zeronine.train.run import COMPOSED, Run

PEERS = ("one-epoch", "keras")
"""What a recipe can be measured beside."""

MADE = ("written", "crowded")
"""Settings that say how many images of our own making a recipe learns from, besides the data set's."""

ENGINES = ("tensorflow", "torch")
"""What the Keras peer can run on."""

RATES = "matrix rate"
"""The contestant that multiplies matrices, for the floor."""

MARK = 0.99
"""Test accuracy at which the Keras peer stops."""

COUNTED = (
    "training time is that of the steps: reading the data, start-up and measuring are left out, Keras's evaluations "
    "on the test set too; the whole process has all of it"
)


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        recipe: ours.
        data: a named set or a path, of grey images.
        rounds: of ours and of the one-epoch peer.
        keras_rounds: of the Keras peer, which takes minutes.
        seed: of the first round; each further round takes the next.
        peers: some of PEERS.
        keras_engine: ``tensorflow``, or ``torch`` to run the Keras peer on what is installed already.
        environment: folder to keep the peers' environment in; a temporary one where it is None.
        settings: of the recipe, as ``NAME=VALUE``.

    Raises:
        ZeronineError: a number of rounds below 1, or another engine.
    """

    recipe: str = "sprint"
    data: str = "mnist"
    rounds: int = 3
    keras_rounds: int = 1
    seed: int = 0
    peers: tuple[str, ...] = PEERS
    keras_engine: str = "tensorflow"
    environment: Path | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.rounds, self.keras_rounds) < 1:
            raise ZeronineError("a benchmark needs 1 round or more: see --rounds and --keras-rounds")
        if self.recipe in COMPOSED:
            raise ZeronineError(f"{self.recipe} takes an hour and has no peer here: see  zeronine bench read")
        if self.keras_engine not in ENGINES:
            raise ZeronineError(f"the Keras peer runs on {' or '.join(ENGINES)}, not on {self.keras_engine}")

    @property
    def command(self) -> str:
        """What does the same again."""
        parts = ["zeronine bench train", self.recipe, f"--data {self.data}", f"--rounds {self.rounds}"]
        parts += [f"--keras-rounds {self.keras_rounds}", f"--seed {self.seed}"]
        parts += [f"--peers {','.join(self.peers) or 'none'}", f"--keras-engine {self.keras_engine}"]
        return " ".join(parts + [f"--set {setting}" for setting in self.settings])


def bench_train(plan: Plan, say: Say = silent) -> Comparison:
    """Train ours and the peers in turn and compare them.

    Args:
        plan: what is measured.
        say: called with a line before each step.

    Raises:
        DataError: the data are not at hand.
        ZeronineError: our own training failed. A peer that fails is left out, and the table says why.
    """
    here = machine()
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="zeronine-bench-")))
        _write_data(plan.data, scratch / "data.npz")
        peers = [peer for peer in plan.peers if peer != "keras"]
        python = Path(sys.executable)
        if "keras" in plan.peers:
            try:
                if plan.keras_engine == "tensorflow":
                    python = stack.enter_context(peers_environment(plan.environment, say))
                peers.append("keras")
            except ZeronineError as error:
                left_out["keras"] = str(error)
        rounds = alternately([*_ours(plan, scratch), *(_peer(name, plan, scratch, python) for name in peers)], say)
        rounds = Rounds(rounds.samples, left_out | dict(rounds.left_out))
        say("counting operations")
        work = _work(Run(scratch / "run-0"), scratch / "counted_v1")
    return comparison(plan, rounds, work, here)


def comparison(plan: Plan, rounds: Rounds, work: Mapping[str, float], here: Mapping[str, Any]) -> Comparison:
    """The table, the notes and the figures of finished rounds.

    Args:
        plan: what was measured.
        rounds: with samples of the recipe; of peers and of RATES where they were not left out.
        work: ``operations_per_image``, forward, and ``images`` that were trained on.
        here: the machine.
    """
    names = [name for name in (plan.recipe, *plan.peers) if rounds.of(name)]
    results = {name: _result(rounds.of(name)) for name in names}
    compared = {
        name: {
            "training": ratios(_seconds(rounds.of(plan.recipe)), _seconds(rounds.of(name))),
            "process": ratios(_processes(rounds.of(plan.recipe)), _processes(rounds.of(name))),
        }
        for name in names[1:]
    }
    bound = _floor(plan, rounds, work)
    figures = {
        "benchmark": "train",
        "command": plan.command,
        "recipe": plan.recipe,
        "data": plan.data,
        "seeds": [plan.seed + number for number in range(plan.rounds)],
        "results": results,
        "ratios": compared,
        "left_out": dict(rounds.left_out),
        "floor": bound,
        "counted": COUNTED,
        **here,
    }
    return Comparison(
        ("training", "test accuracy, %", "epochs", "training, s", "ours/its", "process, s", "ours/its"),
        tuple(_row(name, rounds.of(name), compared.get(name)) for name in names)
        + tuple((name, "left out", "", "", "", "", "") for name in rounds.left_out if name != RATES),
        (*_notes(rounds), *_floor_notes(bound), COUNTED),
        figures,
    )


def _write_data(name: str, path: Path) -> None:
    """All images as bytes (N, 28, 28) and labels, for programs that know nothing of our data sets."""
    dataset = datasets.load(name)
    if not len(dataset.test):
        raise ZeronineError(f"{name} has no test images: choose another set with --data")
    np.savez(
        path,
        x_train=digit_bytes(dataset.train),
        y_train=dataset.train.labels,
        x_test=digit_bytes(dataset.test),
        y_test=dataset.test.labels,
    )


def _ours(plan: Plan, scratch: Path) -> list[Contestant]:
    """The recipe, and the matrix products of the floor."""

    def command(number: int) -> list[str]:
        arguments = ["train", plan.recipe, "--data", plan.data, "--seed", str(plan.seed + number)]
        settings = [part for setting in plan.settings for part in ("--set", setting)]
        return [sys.executable, "-m", "zeronine", *arguments, "--out", str(scratch / f"run-{number}"), *settings]

    def multiply(number: int) -> list[str]:
        return [sys.executable, "-m", "zeronine.bench.machine"]

    def figures(number: int, output: str) -> dict[str, Any]:
        return _run_figures(Run(scratch / f"run-{number}"))

    return [
        Contestant(plan.recipe, command, figures, plan.rounds, ours=True),
        Contestant(RATES, multiply, printed, plan.rounds),
    ]


def _run_figures(run: Run) -> dict[str, Any]:
    """What a run folder says."""
    probabilities, labels = run.predictions
    config = run.config
    return {
        "seconds": config["seconds"],
        "epochs": config["settings"].get("epochs", config["settings"].get("iterations")),
        "correct": int((probabilities.argmax(1) == labels).sum()),
        "count": len(labels),
        "versions": config["versions"],
        "settings": config["settings"],
    }


def _peer(name: str, plan: Plan, scratch: Path, python: Path) -> Contestant:
    """A peer; the one for Keras is run by an interpreter of its own."""
    shared = ["--data", str(scratch / "data.npz"), "--seed"]

    def one_epoch(number: int) -> list[str]:
        return [sys.executable, str(SCRIPTS / "one_epoch.py"), *shared, str(plan.seed + number)]

    def keras(number: int) -> list[str]:
        script = [str(SCRIPTS / "keras_convnet.py"), "train", "--engine", plan.keras_engine, "--until", str(MARK)]
        return [str(python), "-I", *script, *shared, str(plan.seed + number)]

    if name == "keras":
        return Contestant(name, keras, printed, min(plan.keras_rounds, plan.rounds))
    return Contestant(name, one_epoch, printed, plan.rounds)


def _work(run: Run, folder: Path) -> dict[str, float]:
    """Operations of one image, counted on the exported network, and how many images it was trained on."""
    from zeronine.train.export import export

    config, settings = run.config, run.config["settings"]
    known, made = config["data"]["train"], sum(settings.get(kind, 0) for kind in MADE)
    alone = settings.get("settling", 0)  # epochs of the data set's images without those of our own making
    images = settings.get("iterations", 0) * settings["batch_size"]
    images += settings.get("epochs", 0) * (known + made) - alone * made + settings.get("finetuning", 0) * known
    try:
        counted = operations(export(run.folder, folder) / "model.onnx")
    except ZeronineError:
        counted = 0
    return {"operations_per_image": counted, "images": images}


def _floor(plan: Plan, rounds: Rounds, work: Mapping[str, float]) -> dict[str, Any] | None:
    """The least time of our training; None where it was not measured or not counted."""
    rates = [Rate(**rate) for sample in rounds.of(RATES) for rate in sample.figures["rates"]]
    if not rates or not work["operations_per_image"]:
        return None
    bound = floor(PASSES * work["operations_per_image"] * work["images"], rates)
    ours = statistics.median(_seconds(rounds.of(plan.recipe)).values())
    return {**work, "passes": PASSES, **bound.as_dict(ours)}


def _seconds(samples: Sequence[Sample]) -> dict[int, float]:
    """Of training, by round."""
    return {sample.round: sample.figures["seconds"] for sample in samples}


def _processes(samples: Sequence[Sample]) -> dict[int, float]:
    """Seconds of the whole process, by round."""
    return {sample.round: sample.process for sample in samples}


def _accuracies(samples: Sequence[Sample]) -> list[float]:
    return [sample.figures["correct"] / sample.figures["count"] for sample in samples]


def _result(samples: Sequence[Sample]) -> dict[str, Any]:
    """All figures of one contestant."""
    accuracies = _accuracies(samples)
    return {
        "seconds": spread(list(_seconds(samples).values())),
        "process": spread(list(_processes(samples).values())),
        "accuracy": {
            "mean": statistics.mean(accuracies),
            "sd": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
            "n": len(accuracies),
            "correct": [sample.figures["correct"] for sample in samples],
            "count": samples[0].figures["count"],
        },
        "epochs": [sample.figures["epochs"] for sample in samples],
        "last": dict(samples[-1].figures),
    }


def _row(name: str, samples: Sequence[Sample], compared: Mapping[str, Any] | None) -> tuple[str, ...]:
    percents = [100 * accuracy for accuracy in _accuracies(samples)]
    deviation = f" ± {statistics.stdev(percents):.2f}, n {len(percents)}" if len(percents) > 1 else ""
    epochs = dict.fromkeys(str(sample.figures["epochs"]) for sample in samples)
    return (
        name,
        f"{statistics.mean(percents):.2f}{deviation}",
        ", ".join(epochs),
        spread_text(list(_seconds(samples).values())),
        ratio_text(compared["training"]) if compared else "",
        spread_text(list(_processes(samples).values())),
        ratio_text(compared["process"]) if compared else "",
    )


def _notes(rounds: Rounds) -> list[str]:
    """What is missing or unusual."""
    notes = [f"{name} is left out: {reason}" for name, reason in rounds.left_out.items()]
    if not all(sample.figures["passed"] for sample in rounds.of("keras")):
        notes.append(f"keras did not pass {100 * MARK:g} % in every round: its time is that of all its epochs")
    return notes


def _floor_notes(bound: Mapping[str, Any] | None) -> list[str]:
    """The floor in a sentence or two."""
    if bound is None:
        return ["the floor was not measured"]
    rate = bound["rate"]
    notes = [
        f"floor: {bound['passes']} × {amount(bound['operations_per_image'] / 1e6)} million "
        f"operations × {bound['images']:,.0f} images at {amount(rate['gigaflops'])} GFLOP/s ({rate['library']}, "
        f"{rate['kind']}, threads {rate['threads']}) take {amount(bound['seconds'])} s; "
        f"ours takes {bound['ours_over_floor']:.1f} times that"
    ]
    if "reduced" in bound:
        reduced = bound["reduced"]
        notes.append(
            f"at {amount(reduced['rate']['gigaflops'])} GFLOP/s in bfloat16, PyTorch's fastest here, they take "
            f"{amount(reduced['seconds'])} s; ours takes {reduced['ours_over_floor']:.1f} times that"
        )
    return notes
