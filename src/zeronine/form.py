"""Forms: a template says where its fields are and what each may hold; scans are laid over it and read field by field.

Knows templates, registration and files of fields. Leaves reading to the Reader.
"""

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zeronine.errors import ImageError, RuleError
from zeronine.image import MOST_NEEDED, Grey, Source, load_pixels, on_paper, page_grey
from zeronine.numbers import Box, Number, read_field
from zeronine.page import ink
from zeronine.reader import Reader
from zeronine.rules import Rule, rule

MOST_PIXELS = MOST_NEEDED
"""A larger scan is shrunk to so many."""

LEAST_SIDE = 8
"""Pixels of the blank form that a field is at least wide and high."""

LEAST_MATCHES = 12
"""Points that a scan and its template must agree on. Of unlike pages 4 to 8 agree by chance."""


@dataclass(frozen=True)
class Field:
    """A field of a form.

    Attributes:
        name: of its column.
        box: left, top, width, height in shares of the blank form.
        pattern: regular expression that the number matches; empty for any.
        lexicon: texts that may stand there; empty for any.
        check: name of a check digit, see ``rules.check``; empty for none.
    """

    name: str
    box: Box
    pattern: str = ""
    lexicon: tuple[str, ...] = ()
    check: str = ""

    @property
    def rule(self) -> Rule | None:
        """What its number must be; None for anything.

        Raises:
            RuleError: the pattern, lexicon or check digit is damaged or unknown.
        """
        return rule(self.pattern or None, self.lexicon or None, self.check or None)


@dataclass(frozen=True)
class Template:
    """A form.

    Attributes:
        image: picture of the blank form.
        fields: to be read.
    """

    image: Path
    fields: tuple[Field, ...]

    @classmethod
    def load(cls, path: str | Path) -> "Template":
        """Read a template.

        Args:
            path: JSON: ``{"image": "blank.png", "fields": [{"name", "box", "pattern", "lexicon", "check"}]}``; the
                image's path is taken from the template's folder, the rules may be left out.

        Raises:
            RuleError: the file is missing or is no template.
        """
        place = Path(path)
        try:
            entry = json.loads(place.read_text(encoding="utf-8-sig"))
            fields = tuple(_field(row) for row in entry["fields"])
            image = place.parent / entry["image"]
        except FileNotFoundError:
            raise RuleError(f"no such template: {place}. Make one with  zeronine form draw BLANK.png") from None
        except (KeyError, TypeError, ValueError, RecursionError, OSError) as error:
            raise RuleError(
                f"{place} is no template ({error!r}): make one with  zeronine form draw BLANK.png"
            ) from None
        if not fields:
            raise RuleError(f"{place} has no fields: draw them with  zeronine form draw {image.name}")
        double = {field.name for field in fields if sum(other.name == field.name for other in fields) > 1}
        if double:
            raise RuleError(f"{place} has two fields with the name {min(double)}: give each a name of its own")
        for field in fields:
            try:
                _ = field.rule  # damaged rules are found before the first scan
            except RuleError as error:
                raise RuleError(f"{place}, field {field.name}: {error}") from None
        return cls(image, fields)

    def as_dict(self) -> dict[str, Any]:
        """As it is written to a file."""
        return {"image": self.image.name, "fields": [_row(field) for field in self.fields]}


def _field(row: Mapping[str, Any]) -> Field:
    left, top, wide, high = map(float, row["box"])
    if not (0 <= left < 1 and 0 <= top < 1 and 0 < wide <= 1 - left + 1e-6 and 0 < high <= 1 - top + 1e-6):
        raise ValueError(f"box of {row['name']} is not within 0..1")
    name, pattern, check, lexicon = row["name"], row.get("pattern", ""), row.get("check", ""), row.get("lexicon", [])
    for what, text in (("name", name), ("pattern", pattern), ("check", check)):
        if not isinstance(text, str):
            raise TypeError(f"the {what} of {name!r} is no text")
    if not isinstance(lexicon, list):
        raise TypeError(f"the lexicon of {name!r} is no list of texts")
    return Field(name, (left, top, wide, high), pattern, tuple(map(str, lexicon)), check)


def _row(field: Field) -> dict[str, Any]:
    rules = {"pattern": field.pattern, "lexicon": list(field.lexicon), "check": field.check}
    box = [round(side, 5) for side in field.box]
    return {"name": field.name, "box": box} | {name: value for name, value in rules.items() if value}


@dataclass(frozen=True)
class Entry:
    """What stands in one field of a scan.

    Attributes:
        field: its name.
        number: what was read; None where it is empty.
    """

    field: str
    number: Number | None

    @property
    def doubtful(self) -> bool:
        """Whether somebody should look at it."""
        return self.number is not None and self.number.rejected


def located(entry: Entry, field: Field) -> Number | None:
    """An entry's number with its boxes in shares of the form, not of the field."""
    if entry.number is None:
        return None
    left, top, wide, high = field.box

    def placed(box: Box) -> Box:
        return left + box[0] * wide, top + box[1] * high, box[2] * wide, box[3] * high

    digits = tuple(replace(digit, box=placed(digit.box)) for digit in entry.number.digits)
    return replace(entry.number, box=placed(entry.number.box), digits=digits)


class FormReader:
    """Reads scans of one form.

    Args:
        template: the form.
        reader: reads the fields.

    Raises:
        ImageError: the blank form's picture cannot be read, or has nothing on it that scans could be laid on.
    """

    def __init__(self, template: Template, reader: Reader) -> None:
        self._template, self._reader = template, reader
        self._blank = page_grey(template.image, MOST_PIXELS)
        self._points = _Points.of(self._blank)
        if len(self._points.places) < LEAST_MATCHES:
            raise ImageError("blank", f"{template.image} has nothing printed on it that scans could be laid on")
        printed = cv2.dilate(ink(self._blank), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
        self._printed: Grey = np.asarray(printed, np.float32)

    def read(self, source: Source) -> list[Entry]:
        """The fields of one scan, in the template's order.

        Args:
            source: the scan: moved, scaled, turned or in perspective.

        Raises:
            ImageError: it cannot be read, or is no scan of this form.
        """
        return self.fields(self.laid(source))

    def fields(self, page: Grey) -> list[Entry]:
        """The fields of a scan that is laid on the blank form already, see ``laid``."""
        written = (ink(page) - self._printed).clip(0, 1)
        return [Entry(field.name, self._number(written, field)) for field in self._template.fields]

    def _number(self, written: Grey, field: Field) -> Number | None:
        height, width = written.shape
        left, top, wide, high = field.box
        part = written[_pixels(top, high, height), _pixels(left, wide, width)]
        return read_field(part, self._reader.networks, field.rule)

    def laid(self, source: Source) -> Grey:
        """A scan laid on the blank form: (H, W) float32 in 0..1, of the form's size, dark ink on light paper.

        Raises:
            ImageError: it cannot be read, or is no scan of this form.
        """
        scan = page_grey(source, MOST_PIXELS)
        points = _Points.of(scan)
        matches = points.matched(self._points)
        if len(matches) >= LEAST_MATCHES:
            ours, theirs = (np.array(side, np.float32) for side in zip(*matches, strict=True))
            matrix, inliers = cv2.findHomography(ours, theirs, cv2.USAC_MAGSAC, 4.0)
            if (
                matrix is not None
                and int(inliers.sum()) >= LEAST_MATCHES
                and _plausible(np.asarray(matrix, np.float64), scan.shape)
            ):
                paper = float(np.median(scan))
                size = self._blank.shape[::-1]
                return np.asarray(cv2.warpPerspective(scan, matrix, size, borderValue=paper), np.float32)
        raise ImageError("not this form", f"it is no scan of {self._template.image.name}, or too little of it is seen")


def _pixels(start: float, share: float, side: int) -> slice:
    """The pixels of a share of a form's side."""
    first = max(0, min(round(start * side), side - LEAST_SIDE))
    return slice(first, max(round((start + share) * side), first + LEAST_SIDE))


@dataclass(frozen=True, eq=False)
class _Points:
    """Places on a page that are known again on a scan of it: SIFT's."""

    places: NDArray[np.float32]
    features: NDArray[np.float32]

    SIDE = 1400

    @classmethod
    def of(cls, page: Grey) -> "_Points":
        """Of a page (H, W) in 0..1; places are in its pixels."""
        factor = min(1.0, cls.SIDE / max(page.shape))
        small = cv2.resize((page * 255).astype(np.uint8), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        found, features = cv2.SIFT.create(nfeatures=4000).detectAndCompute(small, None)
        if features is None:
            return cls(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
        places = np.array([point.pt for point in found], np.float32) / np.float32(factor)
        return cls(places, np.asarray(features, np.float32))

    def matched(self, others: "_Points") -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Pairs of places that look alike here and there and nowhere else (Lowe's ratio test)."""
        if len(self.places) < 2 or len(others.places) < 2:
            return []
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self.features, others.features, k=2)
        return [
            (self.places[best.queryIdx], others.places[best.trainIdx])
            for best, second in pairs
            if best.distance < 0.75 * second.distance
        ]


def _plausible(matrix: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a scan's corners stay a convex quadrilateral that is neither tiny nor huge nor mirrored."""
    height, width = shape
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float32)
    moved = cv2.perspectiveTransform(corners, matrix)
    area = float(cv2.contourArea(moved, oriented=True))
    return bool(cv2.isContourConvex(moved)) and 0.05 < area / (height * width) < 20


def suggested(blank: Source) -> list[Field]:
    """Fields that a blank form seems to have: its empty boxes, and rows of them as one.

    Args:
        blank: picture of the form.

    Raises:
        ImageError: the picture cannot be read.
    """
    page = ink(page_grey(blank, MOST_PIXELS))
    lines = (page > 0.3).astype(np.uint8)
    contours, hierarchy = cv2.findContours(lines, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    holes = [] if hierarchy is None else [c for c, row in zip(contours, hierarchy[0], strict=True) if row[3] >= 0]
    boxes = {box for hole in holes if (box := _cell(hole, page))}
    height, width = page.shape
    return [
        Field(f"field{number}", (x / width, y / height, w / width, h / height))
        for number, (x, y, w, h) in enumerate(_rows(boxes), 1)
    ]


Cell = tuple[int, int, int, int]


def _cell(hole: NDArray[Any], page: Grey) -> Cell | None:
    """The box of a hole in the printing, in pixels, where it is an empty rectangle that a digit fits into."""
    x, y, w, h = cv2.boundingRect(hole)
    if h < 14 or w < 10 or h > 0.2 * page.shape[0] or w > 0.9 * page.shape[1]:
        return None
    if cv2.contourArea(hole) < 0.85 * w * h:
        return None
    margin = max(2, h // 10)
    inside = page[y + margin : y + h - margin, x + margin : x + w - margin]
    return None if inside.size and float((inside > 0.3).mean()) > 0.01 else (x, y, w, h)


def _rows(cells: Iterable[Cell]) -> list[Cell]:
    """Cells side by side, each for one digit, as one."""
    level: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda cell: cell[1]):
        if level and cell[1] - level[-1][0][1] < 0.3 * cell[3]:
            level[-1].append(cell)
        else:
            level.append([cell])
    rows: list[Cell] = []
    for x, y, w, h in (cell for line in level for cell in sorted(line)):
        if rows:
            left, top, wide, high = rows[-1]
            narrow = w < 1.6 * h
            if narrow and abs(top - y) < 0.3 * h and abs(high - h) < 0.3 * h and 0 <= x - left - wide < 0.5 * h:
                rows[-1] = (left, min(top, y), x + w - left, max(high, h))
                continue
        rows.append((x, y, w, h))
    return sorted(rows, key=lambda cell: (cell[1], cell[0]))


def editor(blank: str | Path, fields: Sequence[Field]) -> str:
    """A web page on which the fields of a form are drawn, named and saved as a template; it needs no network.

    Args:
        blank: picture of the form; it is put into the page.
        fields: to begin with.
    """
    pixels = load_pixels(str(blank))
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = on_paper(pixels.astype(np.float32) / 255)
    picture = Image.fromarray(_bytes(pixels)).convert("RGB")
    picture.thumbnail((1600, 1600))
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=80)
    page = files("zeronine").joinpath("form.html").read_text(encoding="utf-8")
    template = json.dumps(Template(Path(blank), tuple(fields)).as_dict())
    return (
        page.replace("{{name}}", escape(Path(blank).name))
        .replace("{{picture}}", base64.b64encode(packed.getvalue()).decode())
        .replace("{{template}}", template.replace("<", "\\u003c"))
    )


def _bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels as bytes."""
    return pixels if pixels.dtype == np.uint8 else (pixels * 255).astype(np.uint8)
