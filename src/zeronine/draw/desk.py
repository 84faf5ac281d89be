"""What the window shows and what can be done in it. Knows sheet, readings and corrections; knows nothing of pygame.

All is called from one thread; only reading is done in another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from PIL import Image
from platformdirs import user_pictures_path

from zeronine.draw.reading import Mode, Reading, Task, Worker
from zeronine.draw.sheet import Pixels, Point, Rendering, Sheet
from zeronine.errors import StoreError, ZeronineError
from zeronine.files import replaced
from zeronine.numbers import Box, Number
from zeronine.reader import Reader
from zeronine.store import Correction, Store

THICKNESS = {Mode.digit: 0.05, Mode.number: 0.022}
"""Of the pen at first, as a share of the sheet's height."""

THINNEST, THICKEST, STEP = 0.008, 0.16, 1.25
"""What it may be, and the factor from one thickness to the next."""

MARGIN = 0.25
"""Of paper around a number that was corrected, as a share of its height."""

DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Prompt:
    """A line that is being typed.

    Attributes:
        question: what for.
        text: so far.
        done: called with the text.
        digits: whether nothing else may be typed.
    """

    question: str
    text: str
    done: Callable[[str], None]
    digits: bool = False


class Desk:
    """The state of the window.

    Args:
        reader: that reads.
        store: gives the store of corrections; called when the first is made.
        ready: called in another thread when something was read.

    Attributes:
        sheet: what is drawn.
        mode: what is looked for on it.
        message: the last thing to say.
        prompt: the line that is being typed; None where there is none.
        chosen: index of the number that a correction is for.
        version: counts what was done to the sheet.
    """

    def __init__(self, reader: Reader, store: Callable[[], Store], ready: Callable[[], object]) -> None:
        self.reader, self._store = reader, store
        self.sheet, self.mode = Sheet(), Mode.digit
        self.message, self.chosen = "", 0
        self.prompt: Prompt | None = None
        self._thickness = dict(THICKNESS)
        self._rendering, self.version = Rendering(self.sheet), 0
        self._due = False
        self._worker = Worker(reader, ready)
        self._newest = self._worker.newest

    # ---- what is shown

    @property
    def reading(self) -> Reading:
        """The newest, perhaps of a state of the sheet a moment ago; an empty one after the mode was changed."""
        known = self._newest.mode is self.mode and not self.sheet.blank
        return self._newest if known else Reading(self.version, self.mode)

    @property
    def settled(self) -> bool:
        """Whether ``reading`` is of what is on the sheet now."""
        return self._newest.version == self.version

    @property
    def model_name(self) -> str:
        """Of the model that reads what is drawn: numbers are read by the one for pages."""
        return self.reader.page_name if self.mode is Mode.number else self.reader.name

    @property
    def number(self) -> Number | None:
        """The one that a correction is for."""
        numbers = self.reading.numbers
        return numbers[min(self.chosen, len(numbers) - 1)] if numbers else None

    @property
    def kept(self) -> Correction | None:
        """The one that the store has of it already: of this number, or of the whole sheet."""
        return self.sheet.kept(self.number.box if self.number else None)

    @property
    def correctable(self) -> bool:
        """Whether the model reads digits; corrections of other classes have no place in the store."""
        return self.reader.classes == DIGITS

    @property
    def thickness(self) -> float:
        """Of the pen, in pixels of the sheet."""
        return self._thickness[self.mode] * self.sheet.size[1]

    @property
    def title(self) -> str:
        """What was read, in a line."""
        reading = self.reading
        if reading.numbers:
            return "  ".join(number.text for number in reading.numbers)
        if reading.prediction is None or reading.prediction.reason == "blank":
            return ""
        return str(reading.prediction.reason if reading.prediction.rejected else reading.prediction.digit)

    def look(self) -> None:
        """Take what was read, and have what is on the sheet read where it has changed since."""
        self._newest = self._worker.newest
        if self._due:
            self._due = False
            pixels = None if self.sheet.blank else self._rendering.pixels()
            self._worker.submit(Task(self.version, self.mode, pixels))

    def settle(self) -> None:
        """Wait until what is on the sheet now has been read."""
        self.look()
        self._newest = self._worker.settled()

    def close(self) -> None:
        """End reading."""
        self._worker.close()

    # ---- drawing

    def begin(self, point: Point) -> None:
        """Put the pen down at a point of the sheet."""
        self.message = ""
        self.sheet.begin(point, self.thickness)
        self._changed()

    def extend(self, point: Point) -> None:
        """Draw on to a point of the sheet; nothing where the pen is up."""
        if self.sheet.live is not None:
            self.sheet.extend(point)
            self._changed()

    def end(self) -> None:
        """Lift the pen; what is drawn stays as it was read."""
        self.sheet.end()

    def clear(self) -> None:
        """An empty sheet."""
        self.message = ""
        self.sheet.clear()
        self._changed()

    def undo(self) -> None:
        """Take back the last stroke, picture, clearing or correction; the stroke that is being drawn, where one is."""
        undone = self.sheet.undo()
        self.message = "" if undone else "There is nothing to take back."
        if undone and undone.kept:
            self._take_back(undone.kept)
        self._changed()

    def thicker(self, steps: float) -> None:
        """Change the pen's thickness; thinner where it is negative."""
        self._thickness[self.mode] = min(THICKEST, max(THINNEST, self._thickness[self.mode] * STEP**steps))

    def switch(self, mode: Mode | None = None) -> None:
        """Look for one digit, or for whole numbers; for the other where it is None."""
        other = Mode.number if self.mode is Mode.digit else Mode.digit
        self.mode, self.message, self.chosen = mode or other, "", 0
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._due = True

    # ---- pictures

    def open(self, path: str) -> None:
        """Lay the picture in a file on the sheet; a message where it cannot be read."""
        try:
            self.sheet.open(Path(path.strip()).expanduser())
            self.message = f"Opened {Path(path).name}."
        except ZeronineError as error:
            self.message = f"{path}: {error}"
        self._changed()

    def save(self, path: str) -> None:
        """Write what is drawn as a PNG; a message where that cannot be done."""
        place = Path(path.strip()).expanduser().with_suffix(".png")
        try:
            with replaced(place) as temporary:
                Image.fromarray(self._rendering.pixels()).save(temporary, "PNG")
            self.message = f"Saved {place}."
        except OSError as error:
            self.message = f"{place} cannot be written: {error.strerror or error}."

    def ask_open(self) -> None:
        """Have the path of a picture typed, which is then opened."""
        self.prompt = Prompt("Open picture", "", self.open)

    def ask_save(self) -> None:
        """Have the path of a file typed, to which the picture is then saved."""
        folder = user_pictures_path()
        place = folder if folder.is_dir() else Path.home()
        free = next(path for count in range(1, 10**6) if not (path := place / f"drawing-{count}.png").exists())
        self.prompt = Prompt("Save picture as", str(free), self.save)

    # ---- typing

    def type(self, text: str) -> None:
        """Take typed characters; in the number mode, digits begin the correction of a number."""
        digits = text.isascii() and text.isdigit()
        if self.prompt is None and digits and self.mode is Mode.digit:
            self.correct(text)
            return
        if self.prompt is None and digits:
            self.ask_truth()
        if self.prompt is not None and (digits or not self.prompt.digits):
            self.prompt = replace(self.prompt, text=self.prompt.text + text)

    def rub_out(self) -> None:
        """Remove the last character."""
        if self.prompt is not None:
            self.prompt = replace(self.prompt, text=self.prompt.text[:-1])

    def answer(self, given: bool) -> None:
        """End typing, with what was typed or without."""
        prompt, self.prompt = self.prompt, None
        if prompt is not None and given and prompt.text.strip():
            prompt.done(prompt.text)

    def ask_truth(self) -> None:
        """Have the right digits of a number typed."""
        number = self.number
        asked = f'"{number.text}" is really' if number else "The number is really"
        self.prompt = Prompt(asked, "", self.correct, digits=True)

    # ---- corrections

    def correct(self, truth: str) -> None:
        """Keep what is drawn with what it is: digits, or nothing where it is no digit.

        A second correction of the same drawing, or of the same number on it, takes the place of the first.
        """
        self.settle()
        reading, number = self.reading, self.number
        if self.sheet.blank or not self.correctable:
            self.message = "Draw something first." if self.correctable else f"{self.reader.name} reads no digits."
            return
        if kept := self.kept:
            self._take_back(kept)
            self.sheet.forget(kept)
        pixels, read, confidence = self._rendering.pixels(), "", 0.0
        if number is not None:
            pixels, read, confidence = _cut(pixels, number), number.text, number.confidence
        elif reading.prediction is not None:
            read = "" if reading.prediction.rejected else str(reading.prediction.digit)
            confidence = reading.prediction.confidence
        self._keep(pixels, truth, read, confidence, number.box if number else None)

    def _keep(self, pixels: Pixels, truth: str, read: str, confidence: float, box: Box | None) -> None:
        """Put a correction into the store and say so."""
        try:
            kept = self._store().add(
                _png(pixels), truth=truth, reading=read, model=self.model_name, confidence=confidence
            )
        except StoreError as error:
            self.message = str(error)
            return
        self.sheet.keep(kept, box)
        instead = f"not {read}" if read and read != truth else "as it was read" if read else "which was not read"
        self.message = f"Kept: that was {truth or 'no digit'}, {instead}. Ctrl+Z takes it back."

    def _take_back(self, correction: Correction) -> None:
        try:
            self._store().delete(correction.id)
            self.message = "The correction is taken back."
        except StoreError as error:
            self.message = str(error)


def _cut(pixels: Pixels, number: Number) -> Pixels:
    """The piece of a sheet around a number."""
    height, width = pixels.shape[:2]
    left, top, wide, high = (side * by for side, by in zip(number.box, (width, height) * 2, strict=True))
    margin = MARGIN * high + 2
    rows = slice(max(0, round(top - margin)), round(top + high + margin))
    return pixels[rows, max(0, round(left - margin)) : round(left + wide + margin)]


def _png(pixels: Pixels) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
