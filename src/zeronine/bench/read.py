"""Numbers on real and composed pictures, read by ours and by peers: Tesseract and RapidOCR. Knows texts and times.

All read the same files in one command. Peers get what helps them: Tesseract is told that there are digits alone, both
are told that a picture is one line where it is; of what any of them says only the digits count. Loading models is not
timed; a process per picture is, where a tool has no other way (Tesseract).
"""

import csv
import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from zeronine import data as datasets
from zeronine.bench.environment import RAPIDOCR, peers_environment
from zeronine.bench.rounds import SCRIPTS, Comparison, Say, last_line, machine, silent
from zeronine.errors import DataError, MissingExtra, ZeronineError
from zeronine.files import replaced
from zeronine.reader import Reader
from zeronine.train.compose import LEVELS, Composer
from zeronine.train.loop import digit_bytes

PEERS = ("tesseract", "rapidocr")
"""What ours can be measured beside."""

OURS = "zeronine"

COMPOSED = 25
"""Pictures of each length, level, touching and not."""

LENGTHS = (1, 2, 3, 5, 8, 12)
"""Digits of the numbers on composed pictures."""


@dataclass(frozen=True)
class Sheet:
    """A picture and what is written on it.

    Attributes:
        path: of the file.
        numbers: in reading order.
    """

    path: Path
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Sheets:
    """A set of pictures.

    Attributes:
        name: of the row.
        sheets: the pictures.
        one: whether each holds just one number, so that everything read on it is joined.
    """

    name: str
    sheets: tuple[Sheet, ...]
    one: bool


@dataclass(frozen=True)
class Read:
    """What a tool says of a picture.

    Attributes:
        numbers: in reading order.
        seconds: that it took.
        confidence: probability, 0..1, that all of it is right; 0 where the tool does not say.
        refused: what it would have said with those that it refuses; None where it refuses none.
    """

    numbers: tuple[str, ...]
    seconds: float
    confidence: float = 0.0
    refused: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Score:
    """How a tool did on a set.

    Attributes:
        count: pictures.
        exact: pictures with every number right and nothing else; what is refused is not said.
        forced: likewise, if nothing were refused.
        edits: digits to be changed, added or left out, in all.
        digits: that are written, in all.
        false_numbers: numbers that are not there, in all.
        seconds: median for a picture.
    """

    count: int
    exact: int
    forced: int
    edits: int
    digits: int
    false_numbers: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        sets: some of SETS.
        peers: some of PEERS.
        limit: pictures of each set at most; None for all.
        environment: folder to keep RapidOCR's environment in; a temporary one where it is None.
        page: model that finds digits; the shipped one where it is None.
    """

    sets: tuple[str, ...]
    peers: tuple[str, ...] = PEERS
    limit: int | None = None
    environment: Path | None = None
    page: str | None = None


def bench_read(plan: Plan, say: Say = silent) -> tuple[Comparison, dict[str, list[tuple[Sheet, Read]]]]:
    """Read the sets' pictures with ours and the peers.

    Args:
        plan: what is measured.
        say: told what is being done.

    Returns:
        The table; and by set what ours said of each picture.

    Raises:
        ZeronineError: a peer is missing, or ends with an error.
        DataError: no set is at hand.
    """
    begun, rows = machine(), []
    figures: dict[str, dict[str, Any]] = {}
    ours: dict[str, list[tuple[Sheet, Read]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="zeronine-read-")))
        sets = {name: made for name in plan.sets if (made := _limited(SETS[name](folder), plan.limit)).sheets}
        if not sets:
            raise DataError(f"none of {', '.join(plan.sets)} is at hand: set ZERONINE_DATA_DIR, see docs/data.md")
        tools = _tools(plan, stack, say)
        for name, made in sets.items():
            for tool, read in tools.items():
                say(f"{tool} reads {len(made.sheets)} pictures of {name}")
                answers = read(made)
                score = scored(made, answers)
                figures.setdefault(name, {})[tool] = score.__dict__
                rows.append((name, tool, *_cells(score)))
                if tool == OURS:
                    ours[name] = list(zip(made.sheets, answers, strict=True))
    missing = [name for name in plan.sets if name not in sets]
    notes = [COUNTED, *([f"not at hand: {', '.join(missing)}"] if missing else [])]
    columns = (
        "set",
        "reader",
        "exact",
        "if none were refused",
        "character errors",
        "false numbers a page",
        "ms a page",
    )
    table = Comparison(columns, tuple(rows), tuple(notes), {"sets": figures, **begun})
    return table, ours


COUNTED = (
    "exact: every number of the picture right and nothing else, what is refused left out; on cheques and composed "
    "pictures, which hold one number, all that is read is joined; of all texts only the digits count; ms: median, "
    "models loaded before"
)


def _cells(score: Score) -> tuple[str, ...]:
    errors = f"{100 * score.edits / score.digits:.1f} %" if score.digits else "–"
    exact, forced = (
        f"{100 * right / score.count:.1f} % ({right} of {score.count})" for right in (score.exact, score.forced)
    )
    return exact, forced, errors, f"{score.false_numbers / score.count:.2f}", f"{1000 * score.seconds:.0f}"


def _limited(made: Sheets, limit: int | None) -> Sheets:
    """At most so many pictures, evenly spread."""
    if limit is None or len(made.sheets) <= limit:
        return made
    kept = np.linspace(0, len(made.sheets) - 1, limit).round().astype(int)
    return Sheets(made.name, tuple(made.sheets[index] for index in kept), made.one)


def scored(made: Sheets, answers: Sequence[Read]) -> Score:
    """How answers compare with what is written."""
    exact = forced = edits = false_numbers = 0
    for sheet, answer in zip(made.sheets, answers, strict=True):
        said = _joined(answer.numbers, made.one)
        every = said if answer.refused is None else _joined(answer.refused, made.one)
        exact += Counter(said) == Counter(sheet.numbers)
        forced += Counter(every) == Counter(sheet.numbers)
        edits += distance(" ".join(said), " ".join(sheet.numbers))
        false_numbers += sum((Counter(said) - Counter(sheet.numbers)).values())
    digits = sum(len(" ".join(sheet.numbers)) for sheet in made.sheets)
    seconds = float(np.median([answer.seconds for answer in answers]))
    return Score(len(answers), exact, forced, edits, digits, false_numbers, seconds)


def _joined(numbers: tuple[str, ...], one: bool) -> tuple[str, ...]:
    """What is read on a picture; as one number where there is just one on it."""
    return ("".join(numbers),) if one and numbers else numbers


def distance(one: str, other: str) -> int:
    """Levenshtein's: signs to be changed, added or left out."""
    row = list(range(len(other) + 1))
    for number, sign in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, wanted in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (sign != wanted))
    return row[-1]


# ---- the sets ----------------------------------------------------------------------------------------------


def _cheques(part: slice) -> Callable[[Path], Sheets]:
    """Amounts on real cheques."""

    def sheets(folder: Path) -> Sheets:
        place = _place("numbers/orand-car-a")
        rows = _labels(place)[part]
        return Sheets("cheques", tuple(Sheet(place / row["file"], (row["label"],)) for row in rows), True)

    return sheets


def _photos(kind: str) -> Callable[[Path], Sheets]:
    """Photos, scans and drawings with numbers, or with none."""

    def sheets(folder: Path) -> Sheets:
        place = _place("photos")
        rows = [row for row in _labels(place) if row["kind"] == kind]
        written = [tuple(row["label"].replace("|", " ").split()) if kind == "number" else () for row in rows]
        named = zip(rows, written, strict=True)
        return Sheets(kind, tuple(Sheet(place / row["file"], texts) for row, texts in named), False)

    return sheets


def _composed(level: str, touching: bool) -> Callable[[Path], Sheets]:
    """Numbers of MNIST's test images on composed pictures, always the same."""

    def sheets(folder: Path) -> Sheets:
        name = f"composed: {level}{', touching' if touching else ''}"
        try:
            test = datasets.load("mnist", split="test").test
        except DataError:
            return Sheets(name, (), True)
        composer = Composer(digit_bytes(test), test.labels)
        made = []
        for length in LENGTHS:
            for number in range(COMPOSED):
                random = np.random.default_rng([LEVELS.index(level), touching, length, number])
                page, text = composer.line(random, length, level, touching)
                path = folder / f"{level}-{int(touching)}-{length}-{number}.png"
                Image.fromarray((page.grey * 255).clip(0, 255).astype(np.uint8)).save(path)
                made.append(Sheet(path, (text,)))
        return Sheets(name, tuple(made), True)

    return sheets


SETS: Mapping[str, Callable[[Path], Sheets]] = {
    "cheques": _cheques(slice(None)),
    "cheques-half": _cheques(slice(1, None, 2)),
    "photos": _photos("number"),
    "signs": _photos("none"),
    **{f"{level}": _composed(level, False) for level in LEVELS},
    **{f"{level}-touching": _composed(level, True) for level in LEVELS},
}
"""What makes each set; it may need a folder for pictures. Empty where its data are not at hand.

``cheques-half`` is every second cheque from the second on: those that ``--set every=2`` leaves out of refining.
"""

USUAL = tuple(name for name in SETS if name != "cheques-half")
"""What is measured unless it is said otherwise."""


def _place(name: str) -> Path:
    return Path(os.environ.get("ZERONINE_DATA_DIR", "")) / name


def _labels(place: Path) -> list[dict[str, str]]:
    """The rows of ``labels.csv`` in a folder; none where it is not there."""
    path = place / "labels.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---- who reads ---------------------------------------------------------------------------------------------

Tool = Callable[[Sheets], list[Read]]


def _tools(plan: Plan, stack: ExitStack, say: Say) -> dict[str, Tool]:
    """Ours and the peers, ready to read."""
    reader = Reader(page=plan.page)
    _ = reader.networks
    tools: dict[str, Tool] = {OURS: lambda made: [_ours(reader, sheet) for sheet in made.sheets]}
    if "tesseract" in plan.peers:
        if shutil.which("tesseract") is None:
            raise ZeronineError("tesseract is not installed: apt install tesseract-ocr, or leave it out with --peers")
        tools["tesseract"] = lambda made: [_tesseract(sheet, made.one) for sheet in made.sheets]
    if "rapidocr" in plan.peers:
        python = stack.enter_context(peers_environment(plan.environment, say, RAPIDOCR))
        tools["rapidocr"] = lambda made: _rapidocr(python, made)
    return tools


def _ours(reader: Reader, sheet: Sheet) -> Read:
    """What ours says; numbers that it rejects are not said."""
    started = time.perf_counter()
    every = reader.read(sheet.path)
    seconds = time.perf_counter() - started
    numbers = [number for number in every if not number.rejected]
    confidence = float(np.prod([number.confidence for number in numbers])) if numbers else 0.0
    return Read(tuple(number.text for number in numbers), seconds, confidence, tuple(number.text for number in every))


def _tesseract(sheet: Sheet, one: bool) -> Read:
    """What Tesseract says, told that there are only digits, and that it is one line where it is."""
    command = ["tesseract", str(sheet.path), "stdout", "--psm", "7" if one else "6"]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "-c", "tessedit_char_whitelist=0123456789"], capture_output=True, text=True, check=False
    )
    return Read(_numbers(done.stdout.split()), time.perf_counter() - started)


def _rapidocr(python: Path, made: Sheets) -> list[Read]:
    """What RapidOCR says of all pictures, in a process of its own interpreter."""
    names = "\n".join(str(sheet.path) for sheet in made.sheets)
    command = [str(python), str(SCRIPTS / "rapid_reads.py"), *(["--line"] if made.one else [])]
    done = subprocess.run(command, input=names, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ZeronineError(f"RapidOCR ends with an error ({last_line(done.stderr)}): leave it out with --peers")
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [Read(_numbers(" ".join(row["texts"]).split()), row["seconds"]) for row in rows]


def _numbers(words: Sequence[str]) -> tuple[str, ...]:
    """The digits of words that have any."""
    digits = ("".join(sign for sign in word if sign in "0123456789") for word in words)
    return tuple(text for text in digits if text)


def draw_coverage(ours: Mapping[str, Sequence[tuple[Sheet, Read]]], path: Path) -> Path:
    """Draw for each set with numbers the share of errors among the surest pictures, by how many are answered.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("train", "Matplotlib") from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, answers in ours.items():
        if not any(sheet.numbers for sheet, _ in answers):
            continue  # whatever is read there is wrong
        told = [(read.confidence, "".join(read.numbers) == "".join(sheet.numbers)) for sheet, read in answers]
        said = sorted((one for one in told if one[0] > 0), key=lambda one: -one[0])
        if said:
            wrong = np.cumsum([not right for _, right in said]) / np.arange(1, len(said) + 1)
            axes.plot(100 * np.arange(1, len(said) + 1) / len(answers), 100 * wrong, label=name)
    axes.set(xlabel="pictures answered, the surest first, %", ylabel="of these wrong, %", xlim=(0, 100), ylim=(0, None))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    with replaced(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def as_figures(ours: Mapping[str, Sequence[tuple[Sheet, Read]]], least: float = 0.95) -> dict[str, Any]:
    """Of the pictures answered with at least that confidence: how many there are, and how many are right."""
    result = {}
    for name, answers in ours.items():
        sure = [(sheet, read) for sheet, read in answers if read.confidence >= least]
        right = sum("".join(read.numbers) == "".join(sheet.numbers) for sheet, read in sure)
        result[name] = {"sure": len(sure), "right": right}
    return result
