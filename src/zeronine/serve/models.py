"""The models that a service reads with: those there are, the one in use, and Readers of them kept ready.

Knows model folders and the pointer to the taught one. Knows no picture, no HTTP. No name that a stranger sends becomes
a path: it is looked up among the names of the folders that are there.
"""

import json
import logging
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from zeronine import taught
from zeronine.errors import ModelError
from zeronine.reader import MODELS, SHIPPED, Reader

MOST_READY = 4
"""Readers that are kept beside the one in use."""

log = logging.getLogger("zeronine.serve")


class Models:
    """What a service reads with.

    Args:
        model: always used; None for the taught one where there is one, else the shipped one.
        folder: of the taught models; None for the usual place.

    Attributes:
        in_use: the Reader for requests that name no model.

    Raises:
        ModelError: the model in use cannot be opened.
    """

    def __init__(self, model: str | None = None, folder: Path | None = None) -> None:
        self._model = model
        self._folder = folder
        self._stamp: int | None = self._changed()
        self._trouble = ""
        self._ready: OrderedDict[str, Reader] = OrderedDict()
        self._lock = Lock()
        self.in_use = self._open()

    def refresh(self) -> bool:
        """Use another model where the pointer says so since the last look; whether that is so.

        Where the other cannot be opened the one before stays, the log says why, and the next look tries again: it may
        be so for a moment only.
        """
        if self._model is not None or (stamp := self._changed()) == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.in_use = self._open()
        except (ModelError, OSError) as error:
            if str(error) != self._trouble:
                log.error("the model stays %s: %s", self.in_use.name, error)
            self._stamp, self._trouble = None, str(error)
            return False
        self._trouble = ""
        log.info("the model is now %s", self.in_use.name)
        return True

    def ready(self, name: str) -> Reader | None:
        """The Reader of that name, where it is open already."""
        return self.in_use if name == self.in_use.name else self._ready.get(name)

    def reader(self, name: str) -> Reader:
        """The Reader of that name; opening it takes a while.

        Raises:
            ModelError: there is no such model, or it cannot be opened.
        """
        with self._lock:
            reader = self.ready(name)
            if reader is None:
                folders = self._folders()
                if name not in folders:
                    raise ModelError(f"no such model: GET /v1/models names those there are, {', '.join(folders)}")
                reader = self._ready[name] = warmed(folders[name])
            if name in self._ready:
                self._ready.move_to_end(name)
                if len(self._ready) > MOST_READY:
                    self._ready.popitem(last=False)
            return reader

    def listed(self) -> list[dict[str, Any]]:
        """Every model: its name, whether it is in use, and what its card says it is."""
        cards = {name: _card(folder) for name, folder in self._folders().items()}
        cards.setdefault(self.in_use.name, dict(self.in_use.card))
        return [
            {"name": name, "in_use": name == self.in_use.name, "description": _description(card)}
            for name, card in cards.items()
        ]

    def _open(self) -> Reader:
        return warmed(self._model or taught.current(self._folder) or MODELS / SHIPPED)

    def _folders(self) -> dict[str, Path]:
        """Model folders by name: the shipped ones for digits, and the taught ones."""
        home = taught.place(self._folder)
        inside = [*(sorted(home.iterdir()) if home.is_dir() else []), *sorted(MODELS.iterdir())]  # shipped names win
        cards = {folder: _card(folder) for folder in inside if (folder / "model.onnx").is_file()}
        return {folder.name: folder for folder, card in cards.items() if card and card.get("kind") != "page"}

    def _changed(self) -> int:
        """When the pointer to the taught model was written last, in nanoseconds; 0 where there is none."""
        try:
            return (taught.place(self._folder) / taught.CURRENT).stat().st_mtime_ns
        except OSError:
            return 0


def warmed(model: str | Path) -> Reader:
    """A Reader that has read once, with one thread a call, as many calls are made side by side."""
    import numpy as np

    reader = Reader(model, threads=1)
    reader.probabilities(np.zeros((1, *reader.shape), np.float32))
    return reader


def _card(folder: Path) -> dict[str, Any]:
    """A model folder's card; empty where it has none that can be read."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _description(card: dict[str, Any]) -> str:
    """A line on what a model is; less of one where its card does not say it as ours do."""
    measured = card.get("measured", {})
    parts = [f"recipe {card['recipe']}"] if "recipe" in card else []
    with suppress(LookupError, TypeError, ValueError):
        parts.append(f"{100 * measured['accuracy']:.2f} % right on {measured.get('count', 0):,} test images")
    with suppress(LookupError, TypeError):
        parts.append(f"exported {card['exported'][:10]}")
    return ", ".join(parts)
