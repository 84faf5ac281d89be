"""Pictures of a measurement: the wrongly read ones on sheets and in a list; what leaving out the least sure gains."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zeronine.bench.accuracy import Reading
from zeronine.bench.handwriting import NO_DIGIT
from zeronine.errors import DataError, ImageError, MissingExtra
from zeronine.image import Source, load_pixels
from zeronine.reader import Reader

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VIEW, GAP, LINE, COLUMNS, PER_SHEET = 84, 6, 13, 6, 60
"""Pixels: the side of a picture and of what the network sees of it; between tiles; a line of text. Tiles in a row, and
on a sheet."""

TILE_WIDTH, TILE_HEIGHT = 2 * VIEW + 2 + GAP, VIEW + 2 * LINE + GAP


@dataclass(frozen=True, eq=False)
class Wrong:
    """A picture of a digit that was read wrongly, or refused.

    Attributes:
        source: the picture.
        file: its name.
        truth: 0..9.
        answer: the likeliest digit; NO_DIGIT where there was nothing to read.
        confidence: of that digit, 0..1.
        reason: of the refusal; empty where it was answered.
    """

    source: Source
    file: str
    truth: int
    answer: int
    confidence: float
    reason: str

    @property
    def caption(self) -> str:
        """What went wrong, in a few words."""
        likeliest = "" if self.answer == NO_DIGIT else f"{self.answer} ({self.confidence:.2f})"
        return f"{self.truth}: {self.reason} {likeliest}" if self.reason else f"{self.truth} read as {likeliest}"


def wrong(reading: Reading) -> list[Wrong]:
    """The pictures of a set of digits that were not read rightly, in their order.

    Args:
        reading: the set, and what was said of it.
    """
    pictures, said = reading
    return [
        Wrong(
            pictures.sources[index],
            pictures.files[index],
            int(pictures.truths[index]),
            int(said.guesses[index]),
            float(said.confidence[index]),
            said.reasons[index],
        )
        for index in np.flatnonzero(~said.right(pictures.truths)).tolist()
    ]


def draw_wrong(reader: Reader, readings: Mapping[str, Reading], folder: str | Path) -> list[Path]:
    """Draw what was read wrongly: each picture, what the network saw of it, the truth and the answer.

    Args:
        reader: that read them.
        readings: of each set of digits.
        folder: for ``wrong.csv`` and the sheets, ``SET-1.png`` and so on; made where it is not there.

    Returns:
        The files.
    """
    from zeronine.files import replaced

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mistakes = {name: wrong(reading) for name, reading in readings.items()}
    paths = [_write_list(mistakes, folder / "wrong.csv")]
    for name, entries in mistakes.items():
        for number, start in enumerate(range(0, len(entries), PER_SHEET), 1):
            path = folder / f"{name}-{number}.png"
            with replaced(path) as temporary:
                _sheet(reader, entries[start : start + PER_SHEET]).save(temporary, "PNG")
            paths.append(path)
    return paths


def draw_coverage(readings: Mapping[str, Reading], path: str | Path) -> Path:
    """Draw how many of the answers are wrong where only the surest are given, for each set of digits.

    Args:
        readings: of each set.
        path: the PNG file.

    Raises:
        DataError: no set was read.
        MissingExtra: Matplotlib is not installed.
    """
    if not readings:
        raise DataError("there is no curve without digits: ask for the table of handwriting, or a set of it")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("train", "Matplotlib") from error
    from zeronine.files import replaced

    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="answered, % of the pictures, the surest first", ylabel="wrong, % of the answers")
    for name, (pictures, said) in readings.items():
        _curve(axes, name, said.confidence, said.guesses == pictures.truths)
    axes.set(xlim=(50, 100), ylim=(0, None))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    with replaced(Path(path)) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)


def _curve(axes: "Axes", name: str, confidence: np.ndarray, right: np.ndarray) -> None:
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    mistakes = np.cumsum(~right[order])
    axes.plot(100 * answered / len(order), 100 * mistakes / answered, label=name)


def _write_list(mistakes: Mapping[str, Sequence[Wrong]], path: Path) -> Path:
    from zeronine.files import replaced

    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("set", "file", "truth", "answer", "confidence", "refused"))
        for name, entries in mistakes.items():
            for entry in entries:
                answer = "" if entry.answer == NO_DIGIT else entry.answer
                writer.writerow((name, entry.file, entry.truth, answer, f"{entry.confidence:.4f}", entry.reason))
    return path


def _sheet(reader: Reader, entries: Sequence[Wrong]) -> Image.Image:
    rows = -(-len(entries) // COLUMNS)
    sheet = Image.new("RGB", (min(COLUMNS, len(entries)) * TILE_WIDTH + GAP, rows * TILE_HEIGHT + GAP), "gainsboro")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, entry in enumerate(entries):
        left, top = GAP + number % COLUMNS * TILE_WIDTH, GAP + number // COLUMNS * TILE_HEIGHT
        for shift, picture in enumerate((_picture(entry.source), _seen(reader, entry.source))):
            middle = left + shift * (VIEW + 2) + (VIEW - picture.width) // 2
            sheet.paste(picture, (middle, top + (VIEW - picture.height) // 2))
        for line, text in enumerate((entry.caption, entry.file)):
            shown = text.encode("ascii", "replace").decode()
            while draw.textlength(shown, font) > TILE_WIDTH - GAP:
                shown = shown[1:]  # the end of a file's name tells more
            draw.text((left, top + VIEW + line * LINE), shown, "black", font)
    return sheet


def _picture(source: Source) -> Image.Image:
    """The picture as a user sees it, as large as fits; nothing where it is none."""
    try:
        pixels = load_pixels(source)
    except ImageError:
        return Image.new("RGB", (VIEW, VIEW), "gainsboro")
    values = pixels if pixels.dtype == np.uint8 else np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(values)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    factor = VIEW / max(picture.size)
    size = tuple(max(1, round(side * factor)) for side in picture.size)
    way = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize((size[0], size[1]), way)


def _seen(reader: Reader, source: Source) -> Image.Image:
    """What the network sees of it; nothing where it sees nothing."""
    try:
        digit = reader.prepare(source)
    except ImageError:
        return Image.new("RGB", (VIEW, VIEW), "gainsboro")
    values = np.rint(digit.clip(0, 1) * 255).astype(np.uint8)
    return Image.fromarray(values).convert("RGB").resize((VIEW, VIEW), Image.Resampling.NEAREST)
