"""Which taught model is in use. Knows model folders and one small file; opens no model and trains none."""

import json
from pathlib import Path
from threading import Lock
from typing import Any

from platformdirs import user_data_path

from zeronine.errors import ModelError
from zeronine.files import replaced

CURRENT = "current.json"
"""The file, in the folder of the taught models, that says which one is in use, and which were before it."""

_CHANGING = Lock()
"""What is written depends on what was read: one thread at a time."""


def place(folder: Path | None = None) -> Path:
    """Where taught models lie: the folder given, or one in the user's data folder."""
    return folder if folder is not None else user_data_path("zeronine") / "taught"


def current(folder: Path | None = None) -> Path | None:
    """The model folder in use; None for the shipped one.

    Args:
        folder: where the taught models lie; None for the usual place.

    Raises:
        ModelError: the file that says so is damaged or cannot be read, or the model is gone.
    """
    used = _history(folder)
    if not used:
        return None
    model = place(folder) / used[-1]
    if not model.is_dir():
        raise ModelError(f"the taught model {model} is gone: put it back, or run  zeronine teach --back")
    return model


def promote(model: Path, folder: Path | None = None) -> None:
    """Use a model folder from now on; the one before is remembered.

    Args:
        model: the model folder; it stays where it is.
        folder: where the taught models lie; None for the usual place.

    Raises:
        ModelError: that is no model folder, or the file that says which is in use is damaged or cannot be read.
    """
    for name in ("model.onnx", "card.json"):
        if not (model / name).is_file():
            raise ModelError(f"{model} is no model folder, it has no {name}: make one with  zeronine export")
    resolved, home = model.resolve(), place(folder).resolve()
    kept = resolved.relative_to(home) if resolved.is_relative_to(home) else resolved
    with _CHANGING:
        _write([*_history(folder), str(kept)], folder)


def back(folder: Path | None = None) -> Path | None:
    """Use the model before the present one again; after the first one, the shipped one.

    Args:
        folder: where the taught models lie; None for the usual place.

    Returns:
        The model folder that is in use now; None for the shipped one.

    Raises:
        ModelError: the file that says which is in use is damaged or cannot be read, or the model before is gone.
    """
    with _CHANGING:
        if used := _history(folder):
            _write(used[:-1], folder)
    return current(folder)


def _history(folder: Path | None) -> list[str]:
    """The model in use, and before it those that were, first to last; paths from the folder on, or absolute."""
    path = place(folder) / CURRENT
    try:
        written: Any = json.loads(path.read_text(encoding="utf-8"))
        return [str(model) for model in written["models"]]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path} is damaged ({error}): remove it to use the shipped model") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): see that it may be") from error


def _write(models: list[str], folder: Path | None) -> None:
    place(folder).mkdir(parents=True, exist_ok=True)
    with replaced(place(folder) / CURRENT) as path:
        path.write_text(json.dumps({"models": models}, indent=2) + "\n", encoding="utf-8")
