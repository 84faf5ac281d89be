"""The window: events to the desk, the desk to the screen. Knows pygame's events and which button and key does what."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pygame
from pygame import Rect
from pygame.event import Event

from zeronine.draw.desk import DIGITS, Desk
from zeronine.draw.layout import WIDE, layout
from zeronine.draw.paint import Button, number_rows, paint
from zeronine.draw.reading import Mode
from zeronine.draw.sheet import Rendering
from zeronine.errors import ZeronineError
from zeronine.reader import Reader
from zeronine.store import Store

WAIT = 1000
"""Milliseconds after which the window looks whether there is something to do though nothing came."""

Place = tuple[float, float]
"""In pixels of the window."""

Action = Callable[[], None]


class Window:
    """An open window. One at a time: pygame has no more.

    Args:
        reader: that reads.
        store: address of the store of corrections, see ``store.Store``.
        size: width and height in pixels; None for what suits the screen.

    Raises:
        ZeronineError: there is no screen.
    """

    def __init__(self, reader: Reader, store: str | None = None, size: tuple[int, int] | None = None) -> None:
        try:
            pygame.display.init()
            self._surface = pygame.display.set_mode(size or _fitting(), pygame.RESIZABLE)
        except pygame.error as error:
            raise ZeronineError(f"no window can be opened ({error}): run this where there is a screen") from None
        pygame.font.init()
        pygame.key.set_repeat(400, 40)
        came = Event(pygame.event.custom_type())
        opener = ThreadPoolExecutor(1)
        self._opening = opener.submit(Store, store)  # takes half a second, which nobody needs to wait for
        opener.shutdown(wait=False)
        self.desk = Desk(reader, self._opening.result, lambda: pygame.event.post(came))
        self._rendering = Rendering(self.desk.sheet)
        self._finger: int | None = None
        self._open = True
        self.show()

    @property
    def sheet(self) -> Rect:
        """Where the sheet is, in pixels of the window."""
        return self._places.sheet

    def run(self) -> None:
        """Until the window is closed."""
        try:
            while self._open:
                self.step(WAIT)
        finally:
            self.close()

    def close(self) -> None:
        """Close the window, and what it opened."""
        self.desk.close()
        pygame.display.quit()
        if self._opening.exception() is None:
            self._opening.result().close()

    def step(self, wait: int) -> None:
        """Take what came, after waiting for so many milliseconds at most, and show what it changed."""
        event = pygame.event.wait(wait)
        if event.type == pygame.NOEVENT:
            return
        for each in (event, *pygame.event.get()):
            self._take(each)
        self.desk.look()
        self.show()

    def show(self) -> None:
        """Put the desk on the screen."""
        self._places = layout(self._surface.get_size(), self.desk.sheet.size[0] / self.desk.sheet.size[1])
        self._buttons = [*self._bar(), *self._truths()]
        paint(self._surface, self.desk, self._places, [button for button, _ in self._buttons], self._rendering)
        read = self.desk.title
        pygame.display.set_caption(f"{read} – Zeronine" if read else "Zeronine")
        pygame.display.flip()

    # ---- what comes

    def _take(self, event: Event) -> None:
        """Do what an event asks for."""
        match event.type:
            case pygame.QUIT:
                self._open = False
            case pygame.WINDOWRESIZED:
                self._surface = pygame.display.get_surface() or self._surface
            case pygame.MOUSEBUTTONDOWN | pygame.MOUSEMOTION | pygame.MOUSEBUTTONUP if not event.touch:
                self._mouse(event)
            case pygame.FINGERDOWN | pygame.FINGERMOTION | pygame.FINGERUP:
                self._touch(event)
            case pygame.MOUSEWHEEL:
                self.desk.thicker(event.precise_y)
            case pygame.DROPFILE:
                self.desk.open(event.file)
            case pygame.TEXTINPUT:
                self._typed(event.text)
            case pygame.KEYDOWN:
                self._key(event)

    def _mouse(self, event: Event) -> None:
        if event.type == pygame.MOUSEMOTION:
            self._move(event.pos)
        elif event.button == pygame.BUTTON_LEFT and event.type == pygame.MOUSEBUTTONDOWN:
            self._down(event.pos)
        elif event.button == pygame.BUTTON_LEFT:
            self.desk.end()

    def _touch(self, event: Event) -> None:
        """One finger draws; others that rest on the screen do nothing."""
        width, height = self._surface.get_size()
        place = event.x * width, event.y * height
        if event.type == pygame.FINGERDOWN and self._finger is None:
            self._finger = event.finger_id
            self._down(place)
        elif event.finger_id == self._finger and event.type == pygame.FINGERMOTION:
            self._move(place)
        elif event.finger_id == self._finger and event.type == pygame.FINGERUP:
            self._finger = None
            self.desk.end()

    def _down(self, place: Place) -> None:
        """Press a button, choose a number, or put the pen on the sheet."""
        for button, action in self._buttons:
            if button.rect.collidepoint(place):
                action()
                return
        for index, row in enumerate(number_rows(self.desk, self._places)):
            if row.collidepoint(place):
                self.desk.chosen = index
        if self._places.sheet.collidepoint(place):
            self.desk.begin(self._on_sheet(place))

    def _move(self, place: Place) -> None:
        self.desk.extend(self._on_sheet(place))

    def _on_sheet(self, place: Place) -> Place:
        sheet, width = self._places.sheet, self.desk.sheet.size[0]
        scale = width / sheet.width
        return (place[0] - sheet.left) * scale, (place[1] - sheet.top) * scale

    def _typed(self, text: str) -> None:
        """A character: of the line that is being typed, a digit, or one of the window's."""
        meant = {
            "+": lambda: self.desk.thicker(1),
            "-": lambda: self.desk.thicker(-1),
            "n": lambda: self.desk.correct(""),
        }
        if self.desk.prompt is None and text.lower() in meant:
            meant[text.lower()]()
        else:
            self.desk.type(text)

    def _key(self, event: Event) -> None:
        """A key that is no character."""
        desk = self.desk
        if event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
            meant: dict[int, Action] = {
                pygame.K_z: desk.undo,
                pygame.K_o: desk.ask_open,
                pygame.K_s: desk.ask_save,
                pygame.K_q: self._stop,
            }
        else:
            meant = {
                pygame.K_TAB: desk.switch,
                pygame.K_DELETE: desk.clear,
                pygame.K_BACKSPACE: desk.rub_out,
                pygame.K_RETURN: lambda: desk.answer(True),
                pygame.K_KP_ENTER: lambda: desk.answer(True),
                pygame.K_ESCAPE: lambda: desk.answer(False),
            }
        meant.get(event.key, lambda: None)()

    def _stop(self) -> None:
        self._open = False

    # ---- buttons

    def _bar(self) -> list[tuple[Button, Action]]:
        """The buttons above the sheet."""
        desk, mode = self.desk, self.desk.mode
        parts: list[tuple[float, str, str, Action]] = [
            (1.5, "One digit", "Tab", lambda: desk.switch(Mode.digit)),
            (1.5, "Numbers", "Tab", lambda: desk.switch(Mode.number)),
            (1.0, "Undo", "Ctrl+Z", desk.undo),
            (1.0, "Clear", "Del", desk.clear),
            (0.9, "Thin", "-", lambda: desk.thicker(-1)),
            (0.5, "", "", lambda: None),
            (0.9, "Thick", "+", lambda: desk.thicker(1)),
            (1.0, "Open", "Ctrl+O", desk.ask_open),
            (1.0, "Save", "Ctrl+S", desk.ask_save),
        ]
        chosen = "One digit" if mode is Mode.digit else "Numbers"
        rects = _shared(self._places.bar, [part[0] for part in parts], 6 * self._places.unit)
        pen = desk.thickness * self.sheet.width / desk.sheet.size[0]
        return [
            (Button(rect, label, keys, label == chosen, 0 if label else pen), action)
            for rect, (_, label, keys, action) in zip(rects, parts, strict=True)
        ]

    def _truths(self) -> list[tuple[Button, Action]]:
        """The buttons below it, that say what was drawn; none for a model of other things than digits."""
        desk = self.desk
        if not desk.correctable:
            return []
        parts: list[tuple[float, str, Action]] = [(1, digit, partial(desk.type, digit)) for digit in DIGITS]
        if desk.prompt is not None:
            parts += [(1.7, "OK", lambda: desk.answer(True)), (1.7, "Cancel", lambda: desk.answer(False))]
        else:
            parts += [(3.4, "no digit  (N)" if desk.mode is Mode.digit else "no number  (N)", lambda: desk.correct(""))]
        rects = _shared(self._places.truths, [part[0] for part in parts], 5 * self._places.unit)
        kept = desk.kept
        truth = None if kept is None else kept.truth or parts[-1][1]
        return [
            (Button(rect, label, chosen=label == truth), action)
            for rect, (_, label, action) in zip(rects, parts, strict=True)
        ]


def _shared(row: Rect, weights: list[float], gap: float) -> list[Rect]:
    """A row divided by weights."""
    unit = (row.width - gap * (len(weights) - 1)) / sum(weights)
    rects, left = [], float(row.left)
    for weight in weights:
        rects.append(Rect(round(left), row.top, round(unit * weight), row.height))
        left += unit * weight + gap
    return rects


def _fitting() -> tuple[int, int]:
    """A size of the window that suits the screen."""
    width, height = pygame.display.get_desktop_sizes()[0]
    unit = max(1.0, min(width / WIDE[0], height / WIDE[1]) * 0.6)
    return round(WIDE[0] * unit), round(WIDE[1] * unit)
