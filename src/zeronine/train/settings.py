"""Settings of a recipe changed by name. Knows how the text of a command line becomes a setting; knows no recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from zeronine.errors import RecipeError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Overridden = TypeVar("Overridden", bound="DataclassInstance")


def override(settings: Overridden, values: Mapping[str, object]) -> Overridden:
    """The settings with some of them changed.

    Args:
        settings: a recipe's; those that are no number, word, truth or row of numbers cannot be changed.
        values: by name; typed, or as text from a command line: ``"256,128"``, ``"1e-4"``, ``"false"``. ``layers``
            is the number of widths: the first so many, or the last one again until there are enough.

    Raises:
        RecipeError: there is no such setting, or the value does not suit it.
    """
    kinds = {name: kind for name, kind in get_type_hints(type(settings)).items() if kind in _PARSERS}
    widths = next((name for name in ("units", "filters") if name in kinds), None)
    if widths:
        kinds["layers"] = int
    for name in values:
        if name not in kinds:
            raise RecipeError(f"there is no setting {name!r} here: choose from {', '.join(sorted(kinds))}")
    changes: dict[str, Any] = {name: _parsed(name, value, kinds[name]) for name, value in values.items()}
    if widths and "layers" in changes:
        present, count = changes.get(widths, getattr(settings, widths)), changes.pop("layers")
        if not 1 <= count <= MOST_LAYERS:
            raise RecipeError(f"layers is {count}: it must be 1 to {MOST_LAYERS}")
        changes[widths] = (*present, *[present[-1]] * count)[:count]
    return replace(settings, **changes)


MOST_LAYERS = 50
"""More are a slip of the finger."""


def _parsed(name: str, value: object, kind: Any) -> object:
    """A value as its setting's type wants it."""
    parse, meaning = _PARSERS[kind]
    try:
        return parse(value)
    except (KeyError, OverflowError, TypeError, ValueError):
        raise RecipeError(f"{name} is {value!r}: it must be {meaning}") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != (int(value) if isinstance(value, str) else value):
        raise ValueError
    return int(value)


def _wholes(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        value = value.split(",")
    return tuple(_whole(number) for number in (value if isinstance(value, Sequence) else [value]))


def _truth(value: Any) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[str(value).lower()]


_PARSERS: dict[Any, tuple[Callable[[Any], object], str]] = {
    int: (_whole, "a whole number"),
    float: (float, "a number"),
    str: (str, "a word"),
    bool: (_truth, "true or false"),
    tuple[int, ...]: (_wholes, "whole numbers with commas between them, such as 256,128"),
}
