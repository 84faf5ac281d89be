"""Labelled images with their splits: the named sets, or a user's own by path; and a sheet to look at them.

Knows no recipe and no metric. Which named sets there are is known to ``sets``, where their files are to
``download``, how pixels lie in a user's file to ``pictures`` and ``formats``.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zeronine import pictures
from zeronine.download import at_hand, fetch, obtain
from zeronine.errors import DataError, ImageError
from zeronine.formats import Images, Labelled
from zeronine.image import digit_image, resized
from zeronine.sets import PARTS, SETS, Part, last_of_each_class

__all__ = [
    "SETS",
    "Dataset",
    "Split",
    "at_hand",
    "contact_sheet",
    "fetch",
    "load",
    "mnist_splits",
    "scaled",
]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, in the same order.

    Attributes:
        images: (N, H, W) or (N, H, W, 3), uint8 0..255 or float32 about 0..1; in the named sets of
            handwritten digits bright ink on a dark ground.
        labels: (N,) indices of classes.
    """

    images: Images
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise DataError(f"{len(self.images)} images but {len(self.labels)} labels: there must be one for each")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image: (H, W) or (H, W, 3)."""
        return self.images.shape[1:]

    def take(self, indices: NDArray[np.integer[Any]] | Sequence[int] | slice) -> "Split":
        """The images at the indices, in their order."""
        return Split(self.images[indices], self.labels[indices])

    def shaped(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """The images as a network takes them.

        Args:
            shape: of one image. Where it is theirs, values are only scaled. Where it is another (side, side), each
                becomes a digit image of that size, a blank one all zeros.

        Returns:
            (N, *shape), 0..1; floats that reach a little further stay as they are.

        Raises:
            DataError: these images cannot have the shape.
            ImageError: an image holds no digit for another reason than being blank.
        """
        if tuple(shape) == self.shape:
            return scaled(self.images)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise DataError(
                f"images of shape {self.shape} cannot be made {tuple(shape)}: only grey squares are made of others; "
                "take a recipe or data whose shapes agree"
            )
        result = np.zeros((len(self), *shape), np.float32)
        for index, image in enumerate(self.images):
            try:
                result[index] = resized(digit_image(image), shape[0])
            except ImageError as error:
                if error.reason != "blank":
                    raise
        return result


def scaled(images: Images) -> NDArray[np.float32]:
    """Images as new float32 arrays: uint8 divided by 255, floats as they are."""
    result = images.astype(np.float32)
    if images.dtype == np.uint8:
        result /= 255
    return result


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set or a user's own.

    Attributes:
        name: of the set, or the path as the user gave it.
        train: what to learn from.
        test: what to measure with, once; empty where nobody set images apart for it, see :meth:`holdout`.
        classes: what each label means.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of all images and labels, with their shapes and types, whatever their file."""
        digest = sha256()
        for part in (self.train, self.test):
            for array in (part.images, part.labels):
                digest.update(f"{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def holdout(self, count: int, seed: int) -> tuple[Split, Split]:
        """Keep images apart for choosing things, or for testing where there is no test split.

        Args:
            count: how many; every class gives its share.
            seed: picks them.

        Returns:
            The rest and the held out part of ``train``, both in its order.

        Raises:
            DataError: ``train`` does not have that many images and one more.
        """
        if not 0 <= count < len(self.train):
            raise DataError(f"{count} images cannot be held out of {len(self.train)}: ask for fewer")
        held = _sample(self.train.labels, count, seed)
        rest = np.setdiff1d(np.arange(len(self.train)), held, assume_unique=True)
        return self.train.take(rest), self.train.take(held)


def _sample(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Indices of ``count`` images at random, in order, of every class its share."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    return np.sort(shuffled[last_of_each_class(labels[shuffled], count)])


def mnist_splits(dataset: Dataset) -> tuple[Split, Split]:
    """The splits of the TensorFlow tutorials: the first 5,000 of 60,000 training images are for validation.

    Args:
        dataset: MNIST, or one of its kind with as many training images.

    Returns:
        Training part (55,000) and validation part (5,000).

    Raises:
        DataError: there are not 60,000 training images.
    """
    if len(dataset.train) != 60_000:
        raise DataError(f"{dataset.name} has {len(dataset.train)} training images, not 60,000 as MNIST: take holdout()")
    return dataset.train.take(slice(5_000, None)), dataset.train.take(slice(5_000))


# ---- loading and looking ---------------------------------------------------------------------------------


def load(
    name_or_path: str | os.PathLike[str],
    *,
    target: str | None = None,
    digits: bool = False,
    split: Part | None = None,
) -> Dataset:
    """Load a named set, or a user's own data; see ``docs/data.md`` for the forms.

    Args:
        name_or_path: a key of :data:`SETS`, or a file or folder (``mnist`` is the set, ``./mnist`` a folder).
        target: of a CSV file, the column that holds the label.
        digits: make a digit image of every picture: their sizes, polarity and colours may then differ.
        split: only this part, the other one stays empty; its files need not be here.

    Returns:
        The set; ``test`` is empty where no images are set apart for it.

    Raises:
        DataError: no such set or file; missing, damaged or senseless content, with file and row.
        MissingExtra: ``.mat`` files need SciPy, ``optdigits`` scikit-learn.
    """
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    if isinstance(name_or_path, str) and name in SETS:
        if target is not None:
            raise DataError(f"{name} has its labels in no CSV column: leave target out")
        dataset = _load_named(name, split)
        return _as_digits(dataset) if digits else dataset
    if not path.exists():
        raise DataError(f"{name!r} is no set ({', '.join(SETS)}), nor a file or folder that is here")
    train, test, classes = pictures.read(path, target=target, digits=digits)
    empty = Labelled(train.images[:0], train.labels[:0])
    return Dataset(
        name,
        Split(*(empty if split == "test" else train)),
        Split(*(empty if split == "train" or test is None else test)),
        classes,
    )


def _load_named(name: str, split: Part | None) -> Dataset:
    named = SETS[name]
    parts: dict[Part, Split] = {}
    for part in PARTS:
        if split in (None, part) and (named.train if part == "train" else named.test):
            form, paths = obtain(name, part)
            parts[part] = Split(*form.read(paths, part))
    some = next(iter(parts.values()), Split(np.zeros((0, *named.shape), np.uint8), np.zeros(0, np.int64)))
    empty = some.take(slice(0))
    return Dataset(name, parts.get("train", empty), parts.get("test", empty), named.classes)


def _as_digits(dataset: Dataset) -> Dataset:
    """The set as digit images."""
    parts = [Split(part.shaped((28, 28)), part.labels) for part in (dataset.train, dataset.test)]
    return Dataset(dataset.name, parts[0], parts[1], dataset.classes)


TILE, CAPTION, TITLE, MARGIN, PER_ROW = 64, 16, 24, 4, 10
"""Of a contact sheet: pixels of a picture's side, its caption, the title, between; pictures in a row."""


def contact_sheet(dataset: Dataset, path: str | os.PathLike[str], *, count: int = 100, seed: int = 0) -> Path:
    """Draw some images of a set with their labels, class by class.

    Args:
        dataset: its training part is shown, or its test part if it has no other.
        path: the PNG file to write, whole or not at all.
        count: how many images, of every class its share.
        seed: picks them.

    Returns:
        The path.

    Raises:
        DataError: the set is empty, or the file cannot be written.
    """
    path = Path(path)
    part = dataset.train if len(dataset.train) else dataset.test
    if not len(part) or count < 1:
        raise DataError(f"{dataset.name} has no images to show")
    part = part.take(_sample(part.labels, min(count, len(part)), seed))
    part = part.take(np.argsort(part.labels, kind="stable"))
    sheet = _draw_sheet(part, dataset)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(temporary, "PNG")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _draw_sheet(part: Split, dataset: Dataset) -> Image.Image:
    across, down = TILE + MARGIN, TILE + CAPTION + MARGIN
    rows = -(-len(part) // PER_ROW)
    sheet = Image.new("RGB", (PER_ROW * across + MARGIN, TITLE + rows * down), "gainsboro")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    size = "x".join(str(side) for side in part.shape)
    title = f"{dataset.name}: {len(dataset.train):,} train, {len(dataset.test):,} test, {size}"
    draw.text((MARGIN, 5), _fitting(title, sheet.width, draw, font), "black", font)
    for index, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
        left, top = MARGIN + index % PER_ROW * across, TITLE + index // PER_ROW * down
        tile = _tile(image)
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        caption = _fitting(dataset.classes[label], TILE, draw, font)
        middle = left + (TILE - draw.textlength(caption, font)) / 2
        draw.text((middle, top + TILE + 1), caption, "black", font)
    return sheet


def _tile(image: NDArray[Any]) -> Image.Image:
    """A picture as large as a tile allows: enlarged by whole numbers, so that its pixels can be seen."""
    pixels = image if image.dtype == np.uint8 else np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    tile = Image.fromarray(pixels)
    longest = max(tile.size)
    if longest > TILE:
        tile.thumbnail((TILE, TILE))
        return tile
    factor = TILE // longest
    return tile.resize((tile.width * factor, tile.height * factor), Image.Resampling.NEAREST)


def _fitting(text: str, width: float, draw: ImageDraw.ImageDraw, font: Any) -> str:
    """As much of a text as fits into a width; the letters that Pillow's own font lacks as question marks."""
    text = text.encode("ascii", "replace").decode().replace("\n", " ")
    while text and draw.textlength(text, font) > width:
        text = text[:-1]
    return text
