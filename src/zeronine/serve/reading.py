"""Pictures that strangers sent -> answers as plain types. Knows Readers and picture files; knows no HTTP.

What a stranger sends is looked at before it is opened: its kind, by its content, and its pixels, by its header.
"""

import base64
import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from zeronine.errors import ImageError
from zeronine.image import decoding, load_pixels
from zeronine.reader import Prediction, Reader
from zeronine.serve.batches import Task

KINDS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")
"""Kinds of picture that are opened: of all that Pillow knows, those that are only pictures. EPS starts a program."""

MOST_SCANS = 100
"""Of a JPEG: a progressive one has ten. Thousands, a few bytes each, would keep a processor busy for hours."""


class UnknownKind(ImageError):
    """What came is no picture of a kind that is opened."""


def checked(source: bytes, pixels: int) -> None:
    """See that a picture may be opened.

    Args:
        source: the bytes of it.
        pixels: more are refused.

    Raises:
        UnknownKind: it is no picture.
        ImageError: it is too large, or made to be slow.
    """
    with decoding():
        try:
            with Image.open(io.BytesIO(source), formats=_kinds()) as image:
                count, kind = image.width * image.height, image.format
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_large(pixels) from None
        except UnidentifiedImageError:
            known = ", ".join(KINDS[:2])
            raise UnknownKind("unreadable", f"no picture of a known kind: send {known} or WebP") from None
    if count > pixels:
        raise _too_large(pixels)
    if kind in ("JPEG", "MPO") and source.count(b"\xff\xda") > MOST_SCANS:
        raise ImageError("unreadable", f"a JPEG of more than {MOST_SCANS} scans: save it again")


@cache
def _kinds() -> tuple[str, ...]:
    """Those that this machine's Pillow opens."""
    Image.init()
    return tuple(kind for kind in KINDS if kind in Image.OPEN)


def _too_large(pixels: int) -> ImageError:
    return ImageError("too large", f"more than {pixels / 1e6:g} megapixels: shrink the picture first")


def read_digits(tasks: Sequence[Task], pixels: int) -> None:
    """Answer tasks of one picture of a digit each: a dictionary, or the ImageError that says why not."""
    waiting: dict[Reader, list[Task]] = {}
    for task in tasks:
        try:
            checked(task.source, pixels)
        except ImageError as error:
            task.answer = error
        else:
            waiting.setdefault(task.reader, []).append(task)
    for reader, ready in waiting.items():
        for task, prediction in zip(ready, reader.predict_many(task.source for task in ready), strict=True):
            task.answer = _answer(task, prediction)


def _answer(task: Task, prediction: Prediction) -> dict[str, Any] | ImageError:
    if prediction.reason in ("unreadable", "too large"):
        return ImageError(prediction.reason, prediction.detail)
    row = {"image": None, **prediction.as_dict(), "model": task.reader.name}
    if task.seen:
        row["seen"] = None if prediction.reason == "blank" else _seen(task.reader, task.source)
    return row


def refused(reader: Reader, error: ImageError) -> dict[str, Any]:
    """The answer for one picture among several that cannot be read: the same as ``zeronine predict --json`` prints."""
    nothing = np.zeros(len(reader.classes), np.float32)
    prediction = Prediction(None, 0.0, nothing, True, error.reason, str(error), reader.classes)
    return {"image": None, **prediction.as_dict(), "model": reader.name}


def _seen(reader: Reader, source: bytes) -> str:
    """What the network saw of a picture, as a PNG in base64."""
    values = (reader.prepare(source).clip(0, 1) * 255).round().astype(np.uint8)
    return base64.b64encode(_png(Image.fromarray(values))).decode()


def read_pages(tasks: Sequence[Task], pixels: int) -> None:
    """Answer tasks of one page each: a list of numbers, or the ImageError that says why not."""
    for task in tasks:
        try:
            checked(task.source, pixels)
            task.answer = [number.as_dict() for number in task.reader.read(task.source)]
        except ImageError as error:
            task.answer = [] if error.reason == "blank" else error


def kept(source: bytes, pixels: int, side: int) -> bytes:
    """A picture as it is kept for learning: a PNG made anew, so that nothing but pixels is kept of what came.

    Args:
        source: the bytes of a picture of any kind.
        pixels: more are refused.
        side: the longer side is shrunk to so many pixels.

    Raises:
        ImageError: it cannot be read, or is too large.
    """
    checked(source, pixels)
    with decoding(), Image.open(io.BytesIO(source), formats=_kinds()) as image:
        picture = ImageOps.exif_transpose(image)
        if picture.mode.startswith("I") or picture.mode == "F":  # Pillow would make all white that is over 255
            picture = Image.fromarray(np.rint(load_pixels(picture) * 255).astype(np.uint8))
        picture.thumbnail((side, side))
        return _png(picture.convert("RGBA" if picture.has_transparency_data else "L" if _grey(picture) else "RGB"))


def _grey(picture: Image.Image) -> bool:
    return picture.mode in ("1", "L")


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
