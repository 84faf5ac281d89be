"""Contestants that run in turn, round after round, each as a process of its own. Knows no contestant.

Processes and not calls, so that every one starts with the threads, the memory and the libraries that its users have;
in turn, so that what the machine does besides slows all of them alike.
"""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeronine.errors import ZeronineError
from zeronine.train.run import hardware, versions

SCRIPTS = Path(__file__).parent / "peers"
"""Programs that are run by an interpreter which may lack Zeronine; each prints one line of JSON."""

Say = Callable[[str], None]
"""Called with a line for people before each step."""


@dataclass(frozen=True)
class Contestant:
    """A program to be measured.

    Attributes:
        name: in tables and messages.
        command: the arguments of its process in a round, counted from 0.
        figures: what it found, from the round and its standard output.
        rounds: it takes part in this many, from the first on.
        ours: an error ends the benchmark; a peer is left out instead.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    figures: Callable[[int, str], Mapping[str, Any]]
    rounds: int
    ours: bool = False


@dataclass(frozen=True)
class Sample:
    """One contestant in one round.

    Attributes:
        contestant: its name.
        round: counted from 0.
        process: seconds from its start to its end.
        figures: what it found.
    """

    contestant: str
    round: int
    process: float
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Rounds:
    """What came out of all rounds.

    Attributes:
        samples: in the order in which they were run.
        left_out: why, by the contestant's name.
    """

    samples: tuple[Sample, ...]
    left_out: Mapping[str, str]

    def of(self, contestant: str) -> list[Sample]:
        """The samples of one contestant, round by round; none if it was left out."""
        return [sample for sample in self.samples if sample.contestant == contestant]


@dataclass(frozen=True)
class Comparison:
    """A benchmark's outcome, for people and for programs.

    Attributes:
        columns: the table's heading.
        rows: of the table.
        notes: sentences that belong to it.
        figures: all of it as plain types, for one line of JSON.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    figures: Mapping[str, Any]


def silent(text: str) -> None:
    """The Say of a caller who does not ask."""


def chosen(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The peers, or the sets, that a user names: ``none``, ``all``, or some of the known ones, by commas.

    Raises:
        ZeronineError: there is none of that name.
    """
    if text in ("none", "all"):
        return tuple(known) if text == "all" else ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    strange = [name for name in names if name not in known]
    if strange:
        raise ZeronineError(f"there is no {strange[0]!r}: choose none, all, or some of {','.join(known)}")
    return names


def alternately(contestants: Sequence[Contestant], say: Say = silent) -> Rounds:
    """Run contestants in turn: all of them in round 1, then all in round 2, and so on.

    Raises:
        ZeronineError: one of ours failed.
    """
    samples: list[Sample] = []
    left_out: dict[str, str] = {}
    rounds = max(contestant.rounds for contestant in contestants)
    for number in range(rounds):
        for contestant in contestants:
            if number >= contestant.rounds or contestant.name in left_out:
                continue
            say(f"round {number + 1} of {rounds}: {contestant.name}")
            try:
                samples.append(measured(contestant, number))
            except ZeronineError as error:
                if contestant.ours:
                    raise
                left_out[contestant.name] = str(error)
    failed = set(left_out)
    return Rounds(tuple(sample for sample in samples if sample.contestant not in failed), left_out)


def measured(contestant: Contestant, number: int) -> Sample:
    """Run one contestant's process to its end.

    Raises:
        ZeronineError: it failed; with the last line of what it said.
    """
    started = time.perf_counter()
    try:
        process = subprocess.run(
            contestant.command(number), capture_output=True, text=True, check=False, env=surroundings()
        )
    except OSError as error:
        raise ZeronineError(f"{contestant.name} cannot be started: {error}") from error
    seconds = time.perf_counter() - started
    if process.returncode:
        raise ZeronineError(f"{contestant.name} failed (status {process.returncode}): {last_line(process.stderr)}")
    try:
        figures = contestant.figures(number, process.stdout)
    except (ValueError, KeyError) as error:
        raise ZeronineError(f"{contestant.name} printed no figures: {error}") from error
    return Sample(contestant.name, number, round(seconds, 4), figures)


def surroundings() -> dict[str, str]:
    """The environment of every contestant: no graphics card, and no more threads than ours may use."""
    variables = dict(os.environ) | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if "OMP_NUM_THREADS" in os.environ:
        # PyTorch and NumPy keep to this variable, TensorFlow has two of its own.
        threads = os.environ["OMP_NUM_THREADS"]
        variables |= {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
    return variables


def printed(number: int, output: str) -> Mapping[str, Any]:
    """The figures of a script that prints them as one line of JSON, its last."""
    figures: Mapping[str, Any] = json.loads(last_line(output))
    return figures


def last_line(text: str) -> str:
    """The last line that is not empty; nothing if there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, least, most and all values."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "values": list(values)}


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[str, Any]:
    """Ours over theirs: of the medians over all rounds, and in each round in which both took part.

    Args:
        ours: a figure by round.
        theirs: likewise.
    """
    return {
        "of_medians": statistics.median(ours.values()) / statistics.median(theirs.values()),
        "per_round": [ours[number] / theirs[number] for number in ours if number in theirs],
    }


def amount(value: float) -> str:
    """A figure in three digits or more: 0.0123, 1.23, 12.3, 123, 12,345."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def spread_text(values: Sequence[float]) -> str:
    """The median, and the range where there is one: ``1.93 (1.90 to 2.10)``."""
    middle = amount(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({amount(min(values))} to {amount(max(values))})"


def ratio_text(ratio: Mapping[str, Any]) -> str:
    """Ours over theirs, ``0.35 (0.33 to 0.37)``; as ``1/63`` where it is small."""
    each = ratio["per_round"]
    middle = _fraction(ratio["of_medians"])
    return middle if len(each) < 2 else f"{middle} ({_fraction(min(each))} to {_fraction(max(each))})"


def _fraction(value: float) -> str:
    if value < 0.1:
        return f"1/{1 / value:.0f}"
    return f"{value:.2f}" if value < 10 else amount(value)


def machine() -> dict[str, Any]:
    """This machine as a claim states it: processor, cores that may be used, how busy it was, versions."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "hardware": hardware() | {"usable_cores": usable, "load_at_start": load},
        "threads": os.environ.get("OMP_NUM_THREADS", "each library's own choice"),
        "versions": versions("torch", "onnxruntime", "keras"),
    }
