"""What a sweep searches: for each setting the values that it may have. Knows no database, no training.

``learning_rate``, ``dropout=0..0.5``, ``activation=relu/gelu``: so people write it, and so the recipes do.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from zeronine.errors import RecipeError
from zeronine.train import names
from zeronine.train.settings import MOST_LAYERS, override
from zeronine.train.tutorials import TUTORIALS

if TYPE_CHECKING:
    import optuna

Value = int | float | str | bool


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both of them included.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether 1 to 2 is as far as 2 to 4.
        whole: whether only whole numbers count.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:.10g}..{self.high:.10g}"

    @property
    def examples(self) -> tuple[Value, ...]:
        """Values that must be possible for all to be."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    def suggest(self, trial: "optuna.Trial", name: str) -> Value:
        """The value that a trial gets."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        examples: they.
    """

    examples: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.examples

    def __str__(self) -> str:
        return "/".join(map(text_of, self.examples))

    def suggest(self, trial: "optuna.Trial", name: str) -> Value:
        """The value that a trial gets."""
        return cast(Value, trial.suggest_categorical(name, self.examples))


Space = Range | Choice


def _batches(usual: int) -> Choice:
    """Powers of two from a quarter to four times as many images, and the usual number itself."""
    powers = {2**power for power in range(3, 13) if usual <= 4 * 2**power <= 16 * usual}
    return Choice(tuple(sorted(powers | {usual})))


def _length(usual: int) -> Range:
    """Half to twice as long."""
    return Range(max(1, usual // 2), 2 * usual, log=True, whole=True)


def _up_to_double(usual: float) -> Range:
    """None to twice as much."""
    return Range(0, 2 * usual) if usual else Range(0, 1)


SPACES: Mapping[str, Callable[[Any], Space]] = {
    "learning_rate": lambda usual: Range(usual / 5, usual * 5, log=True),
    "dropout": lambda usual: Range(0, 0.7),
    "batch_size": _batches,
    "epochs": _length,
    "iterations": _length,
    "activation": lambda usual: Choice(tuple(dict.fromkeys((usual, "relu", "leaky_relu", "gelu", "silu", "tanh")))),
    "weight_decay": lambda usual: Range(usual / 10, usual * 10, log=True) if usual else Range(0, 0.1),
    "label_smoothing": lambda usual: Range(0, 0.2),
    "averaging": lambda usual: Range(0.98, 0.9995),
    **dict.fromkeys(("rotation", "scale", "shear", "shift", "elastic", "stroke"), _up_to_double),
}
"""What each setting may be, from the recipe's own value. A setting that is not here: half to twice as much."""

SEARCHED = ("learning_rate", "dropout", "batch_size", "epochs", "iterations", "layers", "width")
"""What is searched where nobody says otherwise: as far as a recipe has it."""

WIDTHS = ("units", "filters", "widths")
"""Settings that are rows of layers. They are searched by ``layers``, how many, and ``width``, times the recipe's."""

FACTOR = Range(0.5, 2, log=True)


def search_space(recipe: str, over: Sequence[str] | None, settings: Mapping[str, object]) -> dict[str, Space]:
    """What a sweep searches.

    Args:
        recipe: its name.
        over: names, each perhaps with what it may be: ``learning_rate``, ``dropout=0..0.5``,
            ``activation=relu/gelu``; where it is None, ``SEARCHED`` and what the recipe names as its ``search``.
        settings: those that are fixed.

    Raises:
        RecipeError: there is no such recipe or setting, it is fixed, or it cannot be what is asked.
    """
    described = named(recipe)
    base = override(described.settings, settings)
    if over is not None:
        wanted = _wanted(",".join(over), base)
        if fixed := [name for name in wanted if name in settings]:
            raise RecipeError(f"{fixed[0]} is both fixed and searched over: leave one of the two out")
        if not wanted:
            raise RecipeError("there is nothing to search over: name a setting, such as learning_rate")
        return {name: _space(name, text, base) for name, text in wanted.items()}
    own: Mapping[str, str] = getattr(described, "search", {})
    fixed_layers = ("layers", "width") if {*WIDTHS, "layers"} & settings.keys() else ()
    spaces: dict[str, Space] = {}
    for name, text in (dict.fromkeys(SEARCHED, "") | dict(own)).items():
        if name in settings or name in fixed_layers:
            continue
        try:
            spaces[name] = _space(name, text, base)
        except RecipeError:
            if name in own:
                raise
    return spaces


def _wanted(text: str, base: Any) -> dict[str, str]:
    """Names and what they may be; a row of layers stands for their number and their width."""
    wanted: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, space = (piece.strip() for piece in part.partition("="))
        if name in WIDTHS and hasattr(base, name):
            if space:
                raise RecipeError(f"{name} is searched as layers and width: say  layers=1..4,width=0.5..2")
            wanted |= {"layers": "", "width": ""}
        else:
            wanted[name] = space
    return wanted


def _space(name: str, text: str, base: Any) -> Space:
    """What a setting may be: as the text says, or by ``SPACES``.

    Raises:
        RecipeError: the recipe has no such setting, or it cannot be that.
    """
    row = row_of(base)
    if name not in _searchable(base):
        raise RecipeError(
            f"there is no setting {name!r} to search over here: choose from {', '.join(_searchable(base))}"
        )
    if name == "layers" and not text:
        possible = [count for count in range(1, len(getattr(base, row)) + 2) if _possible(base, {name: count})]
        if len(possible) == 1:
            raise RecipeError(f"{row} must be {possible[0]} numbers here: leave layers out")
        return Range(min(possible), max(possible), whole=True)
    usual = {"layers": len(getattr(base, row, ())), "width": 1.0}.get(name, getattr(base, name, None))
    space = _parsed(name, text, usual) if text else FACTOR if name == "width" else _usual_space(name, usual)
    if name == "layers" and any(int(value) > MOST_LAYERS for value in space.examples):
        raise RecipeError(f"layers is {space}: it must be 1 to {MOST_LAYERS}")
    for value in space.examples:
        override(base, changes({name: value}, base))
    return space


def _usual_space(name: str, usual: Any) -> Space:
    """What a setting may be where nobody says it."""
    if name in SPACES:
        return SPACES[name](usual)
    if isinstance(usual, bool):
        return Choice((False, True))
    if isinstance(usual, int | float) and usual > 0:
        whole = isinstance(usual, int)
        return Range(max(usual // 2, 1) if whole else usual / 2, 2 * usual, log=True, whole=whole)
    raise RecipeError(f"say what {name} may be: {name}=LOW..HIGH, or {name}=A/B/C")


def _parsed(name: str, text: str, usual: Any) -> Space:
    """What a user says that a setting may be: ``0.1..0.5`` or ``relu/gelu``."""
    kind = type(usual)
    try:
        if ".." not in text:
            return Choice(tuple(_typed(part.strip(), kind) for part in text.split("/")))
        low, high = (float(end) for end in text.split(".."))
        whole = kind is int
        if kind not in (int, float) or not low < high < math.inf or (whole and (low % 1 or high % 1)):
            raise ValueError
    except ValueError:
        raise RecipeError(
            f"{name}={text} cannot be searched: write {name}=LOW..HIGH for {'whole ' * (kind is int)}numbers between "
            f"two, or {name}=A/B/C for a choice"
        ) from None
    return Range(low, high, log=low > 0 and high >= 4 * low, whole=whole)


def _typed(text: str, kind: type) -> Value:
    if kind is bool:
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse()
    typed: Value = kind(text)
    return typed


def _refuse() -> Value:
    raise ValueError


def named(name: str) -> Any:
    """A recipe of either kind."""
    if name not in names():
        raise RecipeError(f"there is no recipe {name!r}: choose from {', '.join(names())}")
    from zeronine.train.recipes import RECIPES

    if name not in TUTORIALS and name not in RECIPES:
        raise RecipeError(f"{name} learns from pages, which a sweep does not measure: take a recipe for digits")
    return TUTORIALS[name] if name in TUTORIALS else RECIPES[name]


def row_of(base: Any) -> str:
    """The setting that holds the widths of the layers; empty where there is none."""
    return next((name for name in WIDTHS if hasattr(base, name)), "")


def _searchable(base: Any) -> list[str]:
    """The names that can be searched over: numbers, words and truths, but not which images are used."""
    kinds = get_type_hints(type(base))
    single = [name for name, kind in kinds.items() if kind in (int, float, str, bool)]
    layered = ["layers", "width"] if row_of(base) else []
    return sorted({*single, *layered} - {"holdout", "validation"})


def _possible(base: Any, values: Mapping[str, Value]) -> bool:
    try:
        override(base, changes(values, base))
    except RecipeError:
        return False
    return True


def changes(values: Mapping[str, Value], base: Any) -> dict[str, Any]:
    """The settings that a trial's values make of a recipe's.

    Numbers are rounded to four digits, so that the command line that repeats a trial is short and exact.
    """
    row = row_of(base)
    changed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in ("layers", "width"):
            changed[name] = float(f"{value:.4g}") if isinstance(value, float) else value
    if {"layers", "width"} & values.keys():
        present = getattr(base, row)
        count, factor = int(values.get("layers", len(present))), float(values.get("width", 1))
        widths = (*present, *[present[-1]] * count)[:count]
        changed[row] = tuple(max(1, round(width * factor)) for width in widths)
    return changed


def text_of(value: Any) -> str:
    """A setting as a command line takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
