"""From a user's file or folder to labelled images: pictures in class folders and zip archives, else ``formats``.

Knows how pictures lie in folders of their class, and names the one that is wrong. What is no picture by its name
is refused; nothing is left out in silence but hidden files and the like of Thumbs.db.
"""

import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zeronine import formats
from zeronine.errors import ImageError
from zeronine.formats import DIGITS, Contents, Images, Labelled, fault, parsing
from zeronine.image import digit_image, load_pixels

PICTURES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Endings of the picture files that are read in folders and archives; a file that is named is always tried."""

CLUTTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})
"""What systems leave behind in folders and archives, in lower case, besides hidden files."""

LARGEST_PICTURE = 64 << 20
"""Bytes. A file in a zip archive that unpacks to more is refused."""


def read(path: Path, *, target: str | None = None, digits: bool = False) -> Contents:
    """Read a file or folder in whichever of the forms it is.

    Args:
        path: a folder with a folder per class (or ``train`` and ``test`` with those inside), a zip archive of
            one, CSV, ``.npz``, ``.npy``, a folder of ``.npy`` pairs, ``.mat``, IDX, a folder of MNIST's four.
        target: the CSV column that holds the label.
        digits: make a digit image, (28, 28) float32, of every picture.

    Raises:
        DataError: it cannot be read or cannot be right; names the file and row.
        MissingExtra: MATLAB files need SciPy.
    """
    ending = path.suffix.lower()
    if target is not None and ending not in (".csv", ".tsv"):
        raise fault(path, "only CSV has columns that a target can be named from: leave target out")
    try:
        if path.is_dir():
            arrays = formats.read_folder(path, digits=digits)
            return arrays or _read_classes(path, list(_entries_of_folder(path)), digits)
        if ending == ".zip":
            return _read_zip(path, digits)
        return formats.read_file(path, target=target, digits=digits)
    except OSError as error:
        raise fault(error.filename or path, f"cannot be read ({error.strerror or error})") from error


class _Entry(NamedTuple):
    """A file or folder below the top of a tree.

    Attributes:
        place: what an error calls it.
        parts: its path below the top.
        is_folder: whether it is one.
        source: gives what can be read as a picture.
    """

    place: str
    parts: tuple[str, ...]
    is_folder: bool
    source: Callable[[], Path | bytes]


def _entries_of_folder(top: Path) -> Iterator[_Entry]:
    for path in sorted(top.rglob("*")):
        parts = path.relative_to(top).parts
        if not is_clutter(parts):
            yield _Entry(str(path), parts, path.is_dir(), partial(Path, path))


def is_clutter(parts: Sequence[str]) -> bool:
    """Whether a path below a folder, by its parts, is hidden, or what systems leave behind there."""
    return any(part.startswith(".") or part.lower() in CLUTTER for part in parts)


def _read_zip(path: Path, digits: bool) -> Contents:
    """A zip archive of class folders, or of a folder that holds them."""
    with parsing(path, "a zip archive"):
        archive = zipfile.ZipFile(path)
    with archive:
        with parsing(path, "a zip archive"):
            entries = list(_entries_of_zip(path, archive))
        files = [entry.parts for entry in entries if not entry.is_folder]
        if len({parts[0] for parts in files}) == 1 and all(len(parts) > 2 for parts in files):
            entries = _below(entries, files[0][0])
        return _read_classes(path, entries, digits)


def _entries_of_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for member in sorted(archive.infolist(), key=lambda member: member.filename):
        place, parts = f"{path}/{member.filename}", PurePosixPath(member.filename).parts
        if member.file_size > LARGEST_PICTURE:
            raise fault(place, f"unpacks to {member.file_size >> 20} MiB, more than {LARGEST_PICTURE >> 20}")
        if parts and not is_clutter(parts):
            yield _Entry(place, parts, member.is_dir(), partial(_unpack, archive, member, place))


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: str) -> bytes:
    with parsing(place, "a file in a zip archive"):
        return archive.read(member)


def _below(entries: Iterable[_Entry], top: str) -> list[_Entry]:
    """The entries inside a top folder, as seen from there."""
    inside = (entry for entry in entries if entry.parts[0] == top and len(entry.parts) > 1)
    return [entry._replace(parts=entry.parts[1:]) for entry in inside]


def _read_classes(top: Path, entries: list[_Entry], digits: bool) -> Contents:
    """Pictures in the folder of their class; or a ``train`` and a ``test`` folder of such folders."""
    _refuse_loose(entries)
    tops = sorted({entry.parts[0] for entry in entries if entry.is_folder or len(entry.parts) > 1})
    parts = [name for names in (("train", "training"), ("test", "testing")) for name in names if name in tops]
    if not parts:
        groups = [_by_class(top, entries)]
    elif len(parts) > 2 or parts[0] not in ("train", "training") or parts != sorted(tops, reverse=True):
        raise fault(top, f"a train folder goes with a test folder and no other, here are {', '.join(tops)}")
    else:
        groups = [_by_class(top / name, _below(entries, name)) for name in parts]
    classes = _class_names({name for group in groups for name in group})
    return Contents(
        _read_pictures(groups[0], classes, digits),
        _read_pictures(groups[1], classes, digits) if len(groups) > 1 else None,
        classes,
    )


def _refuse_loose(entries: Iterable[_Entry]) -> None:
    for entry in entries:
        if len(entry.parts) == 1 and not entry.is_folder:
            raise fault(entry.place, "lies outside the class folders: move it into its class, or away")


def _by_class(top: Path, entries: Collection[_Entry]) -> dict[str, list[_Entry]]:
    """The picture files of each class folder. Whatever else there is, is refused."""
    _refuse_loose(entries)
    classes: dict[str, list[_Entry]] = {}
    for entry in entries:
        if len(entry.parts) == 1:
            classes.setdefault(entry.parts[0], [])
        elif len(entry.parts) > 2 or entry.is_folder:
            raise fault(entry.place, "lies too deep: a class folder holds pictures and no folders")
        elif PurePosixPath(entry.parts[1]).suffix.lower() not in PICTURES:
            raise fault(entry.place, "is no picture by its name: move it away, or save it as PNG")
        else:
            classes.setdefault(entry.parts[0], []).append(entry)
    if not classes:
        raise fault(top, "is empty: it needs a folder per class, 0 to 9, with the pictures of that class")
    for name, pictures in classes.items():
        if not pictures:
            raise fault(top / name, "is empty: fill it with pictures of its class, or remove it")
    return classes


def _class_names(names: Collection[str]) -> tuple[str, ...]:
    """0 to 9 where these are digits, else the names in order, numbers by value."""
    if set(names) <= set(DIGITS):
        return DIGITS
    are_numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if are_numbers else 0, name)))


def _read_pictures(group: Mapping[str, list[_Entry]], classes: tuple[str, ...], digits: bool) -> Labelled:
    """The pictures of all classes, class by class; grey ones become colour where any is colour."""
    images: list[NDArray[Any]] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        for entry in group.get(name, []):
            image = _read_picture(entry, digits)
            if images and image.shape[:2] != images[0].shape[:2]:
                sizes = "{1}×{0} pixels, the ones before {3}×{2}".format(*image.shape[:2], *images[0].shape[:2])
                raise fault(entry.place, f"is of {sizes}: scale them alike, or ask for digit images (digits)")
            images.append(image)
            labels.append(label)
    return Labelled(_stack(images), np.array(labels, np.int64))


def _read_picture(entry: _Entry, digits: bool) -> NDArray[Any]:
    """A digit image, (28, 28); or the pixels as they are, on white where they are transparent."""
    try:
        pixels = digit_image(entry.source()) if digits else load_pixels(entry.source())
    except ImageError as error:
        raise fault(entry.place, str(error)) from error
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    white = np.float32(255 if pixels.dtype == np.uint8 else 1)
    alpha = pixels[..., 3:] / white
    mixed = pixels[..., :3] * alpha + white * (1 - alpha)
    return mixed if white == 1 else np.rint(mixed).astype(np.uint8)


def _stack(images: Sequence[NDArray[Any]]) -> Images:
    """One array of pictures of one size: colour if any is, float32 if any is."""
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    if any(image.dtype != np.uint8 for image in images):
        images = [image if image.dtype != np.uint8 else image.astype(np.float32) / 255 for image in images]
    return np.stack(images)
