"""How well a model reads everyone's handwriting: accuracy, scenes, corruptions, calibration, refusal; and its card.

Every picture goes through the Reader, as a user's does. A refused digit counts as wrong. Nothing here may choose
anything: it is run on a model that is finished.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zeronine import data
from zeronine.bench.corruptions import CORRUPTIONS, corrupt
from zeronine.bench.handwriting import DIGIT_SETS, NO_DIGIT, DigitSet, Pictures
from zeronine.bench.nondigits import NON_DIGIT_SETS, NonDigitSet
from zeronine.bench.scenes import SCENES, staged
from zeronine.errors import DataError, ModelError
from zeronine.evaluate import auroc, calibration_error, selective_accuracy, wilson
from zeronine.formats import DIGITS
from zeronine.image import resized
from zeronine.reader import MODELS, SHIPPED, Reader

if TYPE_CHECKING:
    from zeronine.bench.tables import Table

TABLES = ("handwriting", "scenes", "corruptions", "calibration", "refusal")

REAL_DIGITS = ("mnist", "usps", "photos")
"""Sets whose calibration and false alarms are told: the network's own, another scanner's, phones' and screens'."""

STAGED = "scans"
"""The set whose pictures are put into scenes: paper with nothing on it but a digit."""

COVERAGE = 0.99
"""Share of MNIST's test images that are answered where the least sure are left out."""

VERSIONS = ("zeronine", "onnxruntime", "opencv-python-headless", "numpy")
"""Packages on whose versions the figures depend."""

Progress = Callable[[int, int], None]
"""Called with the sets that are done, and all."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a Reader said of N pictures.

    Attributes:
        guesses: (N,) the likeliest digit, whether or not it was refused; NO_DIGIT where there was nothing to read.
        confidence: (N,) the probability of that digit, 0..1; 0 where there was nothing to read.
        reasons: of the refusal; empty where there was none.
    """

    guesses: NDArray[np.int64]
    confidence: NDArray[np.float64]
    reasons: tuple[str, ...]

    @cached_property
    def refused(self) -> NDArray[np.bool_]:
        """(N,) whether each was refused."""
        return np.array([bool(reason) for reason in self.reasons])

    def right(self, truths: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N,) whether each was answered, and rightly."""
        return np.asarray((self.guesses == truths) & ~self.refused)


Reading = tuple[Pictures, Answers]
"""Pictures, and what a Reader said of them."""


@dataclass(frozen=True)
class Share:
    """So many of so many.

    Attributes:
        correct: of them; a refused picture is none.
        count: in all.
        refused: how many of them were refused.
        forced: how many would be correct if none were refused; None where nothing can be.
    """

    correct: int
    count: int
    refused: int = 0
    forced: int | None = None

    @property
    def accuracy(self) -> float:
        """Correct of count, 0..1."""
        return self.correct / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % Wilson interval."""
        return wilson(self.correct, self.count)

    def as_dict(self) -> dict[str, Any]:
        """As plain types."""
        return {**asdict(self), "accuracy": self.accuracy, "interval": list(self.interval)}


@dataclass(frozen=True)
class Handwriting:
    """A row of the first two tables.

    Attributes:
        about: what the set, or the scene that its pictures were put into, is.
        share: of its pictures that are read rightly.
        captures: the same of each way in which its pictures were made, where the set says so.
    """

    about: str
    share: Share
    captures: Mapping[str, Share]


@dataclass(frozen=True)
class Corrupted:
    """A row of the table of corruptions, of MNIST's test images.

    Attributes:
        settings: what was done to them.
        reader: share read rightly by the Reader, with its preprocessing.
        network: share whose likeliest digit is right where the network gets the images as they are.
    """

    settings: str
    reader: Share
    network: Share


@dataclass(frozen=True)
class Calibration:
    """How far confidence can be believed. Refused pictures count with the digit they would have been read as.

    Attributes:
        count: pictures.
        accuracy: of the likeliest digit, 0..1.
        confidence: mean, 0..1.
        equal_width: expected calibration error, 15 bins of equal width.
        equal_mass: the same with 15 bins of as many pictures.
    """

    count: int
    accuracy: float
    confidence: float
    equal_width: float
    equal_mass: float


@dataclass(frozen=True)
class Refusal:
    """How pictures without a digit fare.

    Attributes:
        about: what they are.
        count: how many.
        refused: how many of them were refused.
        network: AUROC of MNIST's test images against them by the highest probability, both straight into the network;
            None where they have no such form, or MNIST is not at hand.
        reader: the same by the Reader's confidence; None where MNIST is not at hand.
    """

    about: str
    count: int
    refused: int
    network: float | None
    reader: float | None


@dataclass(frozen=True, eq=False)
class Accuracy:
    """All that was measured of a model. What was not asked for is empty.

    Attributes:
        model: its name.
        only: names of what was asked for; empty for everything.
        limit: how many pictures of each set were read; None for all.
        handwriting: by set.
        scenes: by scene.
        corruptions: by corruption.
        calibration: by set.
        refusal: by set.
        false_alarms: digits that were refused, by set; with the table of refusal.
        surest: right ones among the surest 99 % of MNIST's test images; with the table of refusal.
        left_out: sets that were not measured, and why.
        readings: the pictures of each set of digits, and what was said of them.
    """

    model: str
    only: tuple[str, ...]
    limit: int | None
    handwriting: Mapping[str, Handwriting]
    scenes: Mapping[str, Handwriting]
    corruptions: Mapping[str, Corrupted]
    calibration: Mapping[str, Calibration]
    refusal: Mapping[str, Refusal]
    false_alarms: Mapping[str, Share]
    surest: Share | None
    left_out: Mapping[str, str]
    readings: Mapping[str, Reading] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain types, as ``zeronine bench accuracy --json`` prints them."""
        corruptions = {
            name: {"settings": row.settings, "reader": row.reader.as_dict(), "network": row.network.as_dict()}
            for name, row in self.corruptions.items()
        }
        return {
            "model": self.model,
            "only": list(self.only),
            "limit": self.limit,
            "handwriting": {
                name: {
                    "about": row.about,
                    **row.share.as_dict(),
                    "captures": {capture: share.as_dict() for capture, share in row.captures.items()},
                }
                for name, row in self.handwriting.items()
            },
            "scenes": {name: {"about": row.about, **row.share.as_dict()} for name, row in self.scenes.items()},
            "corruptions": {"each": corruptions, **{way: self.over_corruptions(way) for way in ("reader", "network")}},
            "calibration": {name: asdict(row) for name, row in self.calibration.items()},
            "refusal": {name: asdict(row) for name, row in self.refusal.items()},
            "false_alarms": {name: asdict(row) for name, row in self.false_alarms.items()},
            "surest": self.surest and {"coverage": COVERAGE, **self.surest.as_dict()},
            "left_out": dict(self.left_out),
        }

    def over_corruptions(self, way: str) -> dict[str, Any] | None:
        """Mean accuracy over the corruptions, the least, and which one that is; None where none was measured.

        Args:
            way: ``reader`` or ``network``.
        """
        shares: dict[str, Share] = {name: getattr(row, way) for name, row in self.corruptions.items()}
        if not shares:
            return None
        least = min(shares, key=lambda name: shares[name].accuracy)
        mean = sum(share.accuracy for share in shares.values()) / len(shares)
        return {"mean": mean, "least": shares[least].accuracy, "least_of": least}


# ---- measuring -----------------------------------------------------------------------------------------------


def measure(
    reader: Reader, *, only: Collection[str] = (), limit: int | None = None, progress: Progress | None = None
) -> Accuracy:
    """Measure a model on everything that is at hand.

    Args:
        reader: of a model of the ten digits.
        only: names of tables, and of sets, scenes and corruptions, their rows; everything where it is empty.
        limit: at most so many pictures of each set, evenly spread.
        progress: told after each set.

    Returns:
        The figures. Sets that are not at hand are in ``left_out``.

    Raises:
        DataError: a name in ``only`` is none.
        ModelError: the model tells other things apart than the ten digits.
        MissingExtra: SciPy is not installed.
    """
    if not reader.digits or reader.classes != DIGITS:
        raise ModelError(f"{reader.name} is no model of the ten digits: this measures how digits are read")
    plan = _Plan(tuple(only))
    task = _Task(reader, limit, plan.steps, progress)
    readings = task.read(plan.digit_sets)
    mnist, scans = readings.get("mnist"), readings.get(STAGED)
    real = {name: readings[name] for name in REAL_DIGITS if name in readings}
    written = {name: readings[name] for name in plan.handwriting if name in readings}
    return Accuracy(
        model=reader.name,
        only=tuple(only),
        limit=limit,
        handwriting={name: _handwriting(name, *reading) for name, reading in written.items()},
        scenes=task.staged(plan.scenes, scans[0]) if scans else {},
        corruptions=task.corrupted(plan.corruptions, mnist[0]) if mnist else {},
        calibration={name: _calibration(*reading) for name, reading in real.items() if name in plan.calibrated},
        refusal=task.refused(plan.others, mnist),
        false_alarms={name: _share(*reading) for name, reading in real.items()} if plan.others else {},
        surest=_surest(*mnist) if mnist and plan.others else None,
        left_out=task.left_out,
        readings=written,
    )


class _Plan:
    """Which sets must be read for what was asked for."""

    def __init__(self, only: tuple[str, ...]) -> None:
        known = (*TABLES, *DIGIT_SETS, *SCENES, *CORRUPTIONS, *NON_DIGIT_SETS)
        for name in only:
            if name not in known:
                raise DataError(f"{name!r} is no table, set, scene or corruption; there are {', '.join(known)}")

        def wanted(table: str, names: Collection[str]) -> tuple[str, ...]:
            return tuple(name for name in names if not only or table in only or name in only)

        self.handwriting = wanted("handwriting", DIGIT_SETS)
        self.scenes = wanted("scenes", SCENES)
        self.corruptions = wanted("corruptions", CORRUPTIONS)
        self.others = wanted("refusal", NON_DIGIT_SETS)
        self.calibrated = wanted("calibration", REAL_DIGITS)
        needed = {*self.handwriting, *self.calibrated}
        needed |= {STAGED} if self.scenes else set()
        needed |= {"mnist"} if self.corruptions else set()
        needed |= set(REAL_DIGITS) if self.others else set()
        self.digit_sets = tuple(name for name in DIGIT_SETS if name in needed)
        rows = (self.digit_sets, self.scenes, self.corruptions, self.others)
        self.steps = sum(len(names) for names in rows)


def answers(reader: Reader, pictures: Pictures) -> Answers:
    """What a Reader says of pictures.

    Args:
        reader: of a model of the ten digits.
        pictures: at least one.
    """
    guesses, confidence, reasons = [], [], []
    for prediction in reader.predict_many(pictures.sources):
        something = bool(prediction.probabilities.any())
        guesses.append(int(prediction.probabilities.argmax()) if something else NO_DIGIT)
        confidence.append(float(prediction.confidence))
        reasons.append((prediction.reason or "refused") if prediction.rejected else "")
    return Answers(np.array(guesses, np.int64), np.array(confidence), tuple(reasons))


class _Task:
    """Reads set after set with one Reader, tells how far it is, and notes what could not be read."""

    def __init__(self, reader: Reader, limit: int | None, steps: int, progress: Progress | None) -> None:
        self._reader, self._limit = reader, limit
        self._steps, self._progress, self._done = steps, progress, 0
        self.left_out: dict[str, str] = {}

    def read(self, names: Sequence[str]) -> dict[str, Reading]:
        """The pictures of sets of digits, and what the Reader says of them."""
        loaded = self._loaded(names, DIGIT_SETS)
        return {name: (pictures, answers(self._reader, pictures)) for name, pictures in loaded}

    def staged(self, names: Sequence[str], scans: Pictures) -> dict[str, Handwriting]:
        """The rows of the table of scenes."""
        return {name: _staged(self._reader, name, scans) for name in self._ticking(names)}

    def corrupted(self, names: Sequence[str], mnist: Pictures) -> dict[str, Corrupted]:
        """The rows of the table of corruptions."""
        return {name: _corrupted(self._reader, name, mnist) for name in self._ticking(names)}

    def refused(self, names: Sequence[str], mnist: Reading | None) -> dict[str, Refusal]:
        """The rows of the table of refusal."""
        digits = _scores(self._reader, *mnist) if mnist and names else None
        loaded = self._loaded(names, NON_DIGIT_SETS)
        return {name: _refusal(self._reader, name, pictures, digits) for name, pictures in loaded}

    def _loaded(
        self, names: Sequence[str], sets: Mapping[str, DigitSet] | Mapping[str, NonDigitSet]
    ) -> Iterator[tuple[str, Pictures]]:
        for name in self._ticking(names):
            try:
                pictures = sets[name].load()
            except DataError as error:
                self.left_out[name] = str(error)
                continue
            if len(pictures):
                yield name, pictures.spread(self._limit)
            else:
                self.left_out[name] = "not at hand: there are no such pictures in it"

    def _ticking(self, names: Sequence[str]) -> Iterator[str]:
        """The names; when the next one is asked for, the one before is done."""
        for name in names:
            yield name
            self._done += 1
            if self._progress:
                self._progress(self._done, self._steps)


def _share(pictures: Pictures, said: Answers, here: NDArray[np.bool_] | slice = slice(None)) -> Share:
    """Of all pictures, or of some."""
    right, forced = said.right(pictures.truths)[here], (said.guesses == pictures.truths)[here]
    return Share(int(right.sum()), len(right), int(said.refused[here].sum()), int(forced.sum()))


def _handwriting(name: str, pictures: Pictures, said: Answers) -> Handwriting:
    captures = {
        capture: _share(pictures, said, np.array([other == capture for other in pictures.captures]))
        for capture in sorted(set(pictures.captures))
    }
    return Handwriting(DIGIT_SETS[name].about, _share(pictures, said), captures)


def _staged(reader: Reader, name: str, scans: Pictures) -> Handwriting:
    pictures = Pictures(staged(name, scans.sources), scans.files, scans.truths)
    return Handwriting(SCENES[name].about, _share(pictures, answers(reader, pictures)), {})


def _corrupted(reader: Reader, name: str, mnist: Pictures) -> Corrupted:
    images = corrupt(name, np.stack([np.asarray(image) for image in mnist.sources]))
    pictures = Pictures(list(images), mnist.files, mnist.truths)
    probabilities = _straight(reader, data.scaled(images))
    network = Share(int((probabilities.argmax(axis=1) == mnist.truths).sum()), len(images))
    return Corrupted(CORRUPTIONS[name].settings, _share(pictures, answers(reader, pictures)), network)


def _straight(reader: Reader, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (N, 10) of images (N, 28, 28) that go into the network as they are, but for its size."""
    if reader.shape != inputs.shape[1:]:
        inputs = np.stack([resized(image, reader.shape[0]) for image in inputs])
    return reader.probabilities(inputs)


def _calibration(pictures: Pictures, said: Answers) -> Calibration:
    right = said.guesses == pictures.truths
    return Calibration(
        count=len(pictures),
        accuracy=float(right.mean()),
        confidence=float(said.confidence.mean()),
        equal_width=calibration_error(said.confidence, right),
        equal_mass=calibration_error(said.confidence, right, equal_mass=True),
    )


def _scores(reader: Reader, pictures: Pictures, said: Answers) -> tuple[NDArray[Any], NDArray[Any]]:
    """How much each picture is taken for a digit: by the network alone, and by the Reader."""
    inputs = pictures.inputs
    straight = np.zeros(0) if inputs is None else _straight(reader, inputs).max(axis=1)
    return straight, said.confidence


def _refusal(
    reader: Reader, name: str, pictures: Pictures, digits: tuple[NDArray[Any], NDArray[Any]] | None
) -> Refusal:
    said = answers(reader, pictures)
    straight, confidence = _scores(reader, pictures, said)
    return Refusal(
        about=NON_DIGIT_SETS[name].about,
        count=len(pictures),
        refused=int(said.refused.sum()),
        network=auroc(digits[0], straight) if digits and len(straight) else None,
        reader=auroc(digits[1], confidence) if digits else None,
    )


def _surest(pictures: Pictures, said: Answers) -> Share:
    return Share(*selective_accuracy(said.confidence, said.guesses == pictures.truths, COVERAGE))


# ---- the card ------------------------------------------------------------------------------------------------


def recordable(model: str | Path | None, only: Collection[str] | str | None = None, limit: int | None = None) -> Path:
    """The folder of a model with a card, before anything is measured.

    Args:
        model: a model folder, the name of a shipped one, or None for the one that is used when none is named.
        only: what :func:`measure` is to be asked for; only everything can be recorded.
        limit: of pictures, likewise.

    Raises:
        ModelError: it is no model folder.
        DataError: the figures would be of a part.
    """
    if only or limit is not None:
        raise DataError("figures of a part are not recorded: measure everything, without --limit and --only")
    name = SHIPPED if model is None else model
    folder = MODELS / name if isinstance(name, str) and (MODELS / name).is_dir() else Path(name)
    if not (folder / "card.json").is_file():
        raise ModelError(f"{name} has no card.json to record figures in: give a model folder, made by  zeronine export")
    return folder


def record(figures: Accuracy, folder: Path, tables: Mapping[str, "Table"]) -> list[Path]:
    """Write figures into a model's card, and its README anew.

    Args:
        figures: of everything, no picture left out.
        folder: of the model, see :func:`recordable`.
        tables: the figures as people read them, see ``tables.tables``.

    Returns:
        The card and the README.

    Raises:
        DataError: the figures are of a part.
        MissingExtra: PyTorch is not installed.
    """
    from zeronine.train.export import readme

    recordable(folder, figures.only, figures.limit)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["measured_on"] = figures.as_dict() | {
        "command": f"zeronine bench accuracy --model {folder.name} --record",
        "versions": {name: version(name) for name in VERSIONS},
        "date": datetime.now(UTC).date().isoformat(),
    }
    card["tables"] = card.get("tables", {}) | {name: table.as_dict() for name, table in tables.items()}
    text = readme(card)
    return [
        write(json.dumps(card, indent=2, ensure_ascii=False), folder / "card.json"),
        write(text.rstrip("\n"), folder / "README.md"),
    ]


def write(text: str, path: Path) -> Path:
    """Write a text and a line's end to a file, whole or not at all.

    Args:
        text: without the line's end.
        path: the file.

    Raises:
        FileNotFoundError: its folder is not there.
        IsADirectoryError: a folder has that name.
    """
    from zeronine.files import replaced

    with replaced(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path
