"""Everyone's handwriting: the sets of digits that a model is measured on, picture by picture, as their users have them.

Named sets come from ``data``; the others lie beside them in the folder ``ZERONINE_DATA_DIR``: ``dida`` and ``scans``
with the folders 0 to 9 or one zip archive of them, ``photos`` with ``labels.csv``, ``letters`` with an ``.npz``.
Nothing is fetched. Knows no network; pictures go out as they are, and become digit images elsewhere.
"""

import csv
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from zeronine import data
from zeronine.errors import DataError
from zeronine.formats import DIGITS
from zeronine.image import Source
from zeronine.sets import Part

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""Endings of the pictures in folders and archives of digits."""

NO_DIGIT = -1
"""The truth about a picture that shows no digit."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures to be read, and what is written on them.

    Attributes:
        sources: N of them, each as a Reader takes it.
        files: the name of each.
        truths: (N,) int64, 0..9, or NO_DIGIT.
        captures: how each was made, where the set says so; else empty.
        inputs: (N, 28, 28) float32 in 0..1, white ink on black, for a network without any preprocessing; None where
            the pictures are of other sizes.
    """

    sources: Sequence[Source]
    files: tuple[str, ...]
    truths: NDArray[np.int64]
    captures: tuple[str, ...] = ()
    inputs: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.truths)

    def spread(self, limit: int | None) -> "Pictures":
        """At most so many of them, evenly spread: sets often lie in the order of their classes."""
        if limit is None or len(self) <= limit:
            return self
        kept = np.linspace(0, len(self) - 1, limit).round().astype(int)
        return replace(
            self,
            sources=[self.sources[index] for index in kept],
            files=tuple(self.files[index] for index in kept),
            truths=self.truths[kept],
            captures=tuple(self.captures[index] for index in kept) if self.captures else (),
            inputs=None if self.inputs is None else self.inputs[kept],
        )


@dataclass(frozen=True)
class DigitSet:
    """A set of handwritten digits.

    Attributes:
        about: what it is and which part of it, in a line.
        load: reads it, or raises DataError with the reason why it cannot be.
    """

    about: str
    load: Callable[[], Pictures]


def place(name: str) -> Path:
    """The folder of a set that has no loader of its own, in ``ZERONINE_DATA_DIR``.

    Raises:
        DataError: there is no such folder.
    """
    folder = os.environ.get("ZERONINE_DATA_DIR")
    if not folder:
        raise DataError(f"not at hand: set ZERONINE_DATA_DIR to a folder that holds {name}/")
    path = Path(folder).expanduser() / name
    if not path.is_dir():
        raise DataError(f"not at hand: there is no folder {name} in ZERONINE_DATA_DIR")
    return path


def named(name: str, *parts: Part) -> Pictures:
    """Images of a named set whose files are here.

    Args:
        name: a key of ``data.SETS``.
        parts: those that are wanted, one after the other.

    Raises:
        DataError: the files are not here, or damaged.
    """
    if not all(data.at_hand(name, split=part) for part in parts):
        raise DataError(f"not at hand, or damaged: zeronine data fetch {name} gets it or says what to do")
    splits = [getattr(data.load(name, split=part), part) for part in parts]
    images = np.concatenate([split.images for split in splits])
    files = tuple(f"{part}-{index}" for part, split in zip(parts, splits, strict=True) for index in range(len(split)))
    truths = np.concatenate([split.labels for split in splits])
    inputs = data.scaled(images) if images.shape[1:] == (28, 28) else None
    return Pictures(list(images), files, truths, inputs=inputs)


def class_folders(name: str) -> Pictures:
    """Pictures in folders 0 to 9, in the folder of a set, or in the one zip archive there.

    Raises:
        DataError: there is nothing of the kind.
    """
    folder = place(name)
    archives = sorted(folder.glob("*.zip"))
    found = _in_archive(archives[0]) if archives else _in_folder(folder)
    if not found:
        raise DataError(f"not at hand: {name} holds no pictures in folders 0 to 9, nor a zip archive of such")
    files, sources = zip(*found, strict=True)
    truths = np.array([int(PurePosixPath(file).parent.name) for file in files], np.int64)
    return Pictures(list(sources), tuple(files), truths)


def _in_archive(path: Path) -> list[tuple[str, Source]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if _is_labelled(name))
            return [(name, archive.read(name)) for name in members]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is no whole zip archive ({error}): fetch it again") from error


def _in_folder(folder: Path) -> list[tuple[str, Source]]:
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")))
    return [(name, folder / name) for name in names if _is_labelled(name)]


def _is_labelled(name: str) -> bool:
    """Whether it is a picture in the folder of a digit."""
    path = PurePosixPath(name)
    return path.parent.name in DIGITS and path.suffix.lower() in PICTURES and not path.name.startswith(".")


def photos(*kinds: str) -> Pictures:
    """Pictures of ``photos``, whose ``labels.csv`` has the columns file, kind, label, capture.

    Args:
        kinds: of its rows that are wanted: ``digit`` for one digit, ``none`` for what is none.

    Raises:
        DataError: they are not here, or the file lacks a column.
    """
    folder = place("photos")
    try:
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["kind"] in kinds]
        truths = [int(row["label"]) if row["kind"] == "digit" else NO_DIGIT for row in rows]
        return Pictures(
            [folder / row["file"] for row in rows],
            tuple(row["file"] for row in rows),
            np.array(truths, np.int64),
            captures=tuple(row["capture"] for row in rows),
        )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"photos/labels.csv cannot be read ({error}): it needs file, kind, label, capture") from error


def characters() -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Digits and letters of ``letters``: (N, 28, 28) uint8, dark on light, and the character on each.

    Raises:
        DataError: they are not here, or of another form.
    """
    paths = sorted(place("letters").glob("*.npz"))
    if not paths:
        raise DataError("not at hand: letters holds no .npz file of x (N, 28, 28) and y, the character of each")
    try:
        with np.load(paths[0], allow_pickle=False) as file:
            return file["x"], file["y"]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"letters/{paths[0].name} cannot be read ({error}): it needs x and y") from error


def _digits_of_characters() -> Pictures:
    images, names = characters()
    kept = np.flatnonzero(np.isin(names, DIGITS))
    files = tuple(f"character-{index}" for index in kept)
    return Pictures(list(images[kept]), files, names[kept].astype(np.int64))


DIGIT_SETS: dict[str, DigitSet] = {
    "mnist": DigitSet("MNIST's test images", lambda: named("mnist", "test")),
    "usps": DigitSet("USPS, its test images (zip.test), 16×16", lambda: named("usps", "test")),
    "semeion": DigitSet("Semeion, all of it, 16×16", lambda: named("semeion", "train", "test")),
    "optdigits": DigitSet(
        "all 1,797 digits in scikit-learn, UCI's test part, 8×8; from the university that the pens were followed at",
        lambda: named("optdigits", "train", "test"),
    ),
    "dida": DigitSet("DIDA, old Swedish church books, cut out by machine", lambda: class_folders("dida")),
    "scans": DigitSet("pen on white forms, scanned", lambda: class_folders("scans")),
    "characters": DigitSet("the digits among handwritten characters, 28×28", _digits_of_characters),
    "photos": DigitSet("drawings, scans and phone photos out of public projects", lambda: photos("digit")),
    "coursera": DigitSet(
        "ex3data1.mat, 20×20: part of MNIST's training images, so no test", lambda: named("coursera", "train")
    ),
}
"""The sets, in the order of the tables. All but ``mnist`` and ``coursera`` are of other writers, scanners and rules."""
