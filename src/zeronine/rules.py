"""What a number must be: a pattern, one of a list, right by its check digit. Knows digits; knows no pictures.

A rule is an automaton: it follows a text digit by digit, so that a search can leave early what no rule allows.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from zeronine.errors import RuleError


class Rule(Protocol):
    """What a text must be, as an automaton."""

    @property
    def name(self) -> str:
        """The rule in a few words, for people."""
        ...

    @property
    def start(self) -> Hashable:
        """The state before the first digit."""
        ...

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """The state after one more digit; None where no text goes on that way."""
        ...

    def accepts(self, state: Hashable) -> bool:
        """Whether a text may end here."""
        ...


class Pattern:
    r"""A regular expression that the whole text matches, such as ``\d{5}`` or ``(19|20)\d\d``.

    Args:
        expression: in the syntax of the library ``regex``, which is Python's and more; over digits.

    Raises:
        RuleError: the expression is damaged, empty, endless or matched backwards.
    """

    start: Hashable = ""

    def __init__(self, expression: str) -> None:
        import regex  # here: it takes a twentieth of a second, and few rules are patterns

        self.name = f"pattern {expression}"
        if not expression:
            raise RuleError(r"the pattern is empty: leave it out for any number, or write \d+")
        try:
            self._expression = regex.compile(expression)
            for digit in "0123456789":
                self._expression.fullmatch(digit, partial=True)
        except regex.error as error:
            raise RuleError(f"the pattern {expression!r} is no regular expression: {error}") from None
        except (MemoryError, RecursionError):
            raise RuleError("the pattern is nested too deeply or calls itself without end: write it plainer") from None
        if self._expression.flags & regex.REVERSE:  # of half a text it does not say that it may yet match
            raise RuleError(f"the pattern {expression!r} is matched backwards: leave (?r) out")

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """The text so far; None where nothing that begins with it matches."""
        text = f"{state}{digit}"
        return text if self._expression.fullmatch(text, partial=True) else None

    def accepts(self, state: Hashable) -> bool:
        """Whether the text matches."""
        return self._expression.fullmatch(str(state)) is not None


class Lexicon:
    """One of a list of texts.

    Args:
        texts: what may be read; of each only the digits count, so that ``12-345`` is ``12345``.
        name: of the list, for people.

    Raises:
        RuleError: there is no digit in any of them.
    """

    start: Hashable = ""

    def __init__(self, texts: Iterable[str], name: str = "lexicon") -> None:
        self.name = name
        self._texts = sorted({kept for text in texts if (kept := "".join(filter(_is_digit, text)))})
        if not self._texts:
            raise RuleError(f"{name} holds no digits: give one number per line")

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """The text so far; None where none of the list begins with it."""
        text = f"{state}{digit}"
        place = bisect_left(self._texts, text)  # a set of all beginnings takes the square of the longest text
        return text if place < len(self._texts) and self._texts[place].startswith(text) else None

    def accepts(self, state: Hashable) -> bool:
        """Whether the text is in the list."""
        place = bisect_left(self._texts, str(state))
        return self._texts[place : place + 1] == [state]


LONGEST = 100
"""Digits of a number in a user's list: a line with more holds several."""


def _is_digit(sign: str) -> bool:
    return sign in "0123456789"


@dataclass(frozen=True)
class Check:
    """A check digit: a sum over all digits, whose remainder must be a certain one.

    The state is the number of digits and the sum for each length that the text may yet get, so that weights may count
    from either end.

    Attributes:
        name: as the command line takes it.
        description: in one line.
        lengths: that a text may have.
        value: what a digit adds: of the digit, its place from the left and the text's length.
        modulus: of the sum.
        remainder: that the sum must have.
    """

    name: str
    description: str
    lengths: tuple[int, ...]
    value: Callable[[int, int, int], int]
    modulus: int
    remainder: int = 0

    @property
    def start(self) -> Hashable:
        """No digits, and a sum of 0 for every length."""
        return 0, (0,) * len(self.lengths)

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """One digit more, and the sums with it; None where the text is too long."""
        place, sums = _counted(state)
        if place >= max(self.lengths):
            return None
        return place + 1, tuple(
            (total + self.value(digit, place, length)) % self.modulus if place < length else total
            for total, length in zip(sums, self.lengths, strict=True)
        )

    def accepts(self, state: Hashable) -> bool:
        """Whether the length is allowed and the sum of that length is right."""
        place, sums = _counted(state)
        return place in self.lengths and sums[self.lengths.index(place)] == self.remainder


def _counted(state: Hashable) -> tuple[int, tuple[int, ...]]:
    assert isinstance(state, tuple)
    return state[0], state[1]


def _luhn(digit: int, place: int, length: int) -> int:
    """Every second digit from the right, the check digit not counted, twice, its digits added."""
    return digit if (length - place) % 2 else 2 * digit - 9 * (digit > 4)


def _thirds(digit: int, place: int, length: int) -> int:
    """Every second digit from the right three times, the check digit once."""
    return digit if (length - place) % 2 else 3 * digit


def _eleven(digit: int, place: int, length: int) -> int:
    """The check digit once, the one left of it twice, and so on, as in ISBN-10."""
    return digit * (length - place)


def _cycle_of_seven(digit: int, place: int, length: int) -> int:
    """The check digit once, those left of it 2, 3 … 7, 2, 3 … times."""
    return digit * (1 if place == length - 1 else 2 + (length - place - 2) % 6)


def _weighted(weights: Sequence[int]) -> Callable[[int, int, int], int]:
    return lambda digit, place, length: digit * weights[place]


ANY_LENGTH = tuple(range(2, 31))

CHECKS = {
    check.name: check
    for check in (
        Check("luhn", "Luhn's: bank cards, IMEI", ANY_LENGTH, _luhn, 10),
        Check("ean13", "EAN-13 and ISBN-13", (13,), _thirds, 10),
        Check("ean8", "EAN-8", (8,), _thirds, 10),
        Check("upc", "UPC-A", (12,), _thirds, 10),
        Check("isbn10", "ISBN-10 without X", (10,), _eleven, 11),
        Check("mod11", "weights 2 to 7 from the right, modulo 11, without X", ANY_LENGTH, _cycle_of_seven, 11),
        Check("aba", "routing numbers of banks in the USA", (9,), _weighted((3, 7, 1) * 3), 10),
    )
}
"""The check digits by name; ``iban:`` and a country is one too, see ``check``."""

IBANS = {"AT": 20, "BE": 16, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "HR": 21, "HU": 28}
IBANS |= {"LT": 20, "LU": 20, "NO": 15, "PL": 28, "PT": 25, "SE": 24, "SI": 19, "SK": 24}
"""Signs of an IBAN by country, of those whose account numbers are digits alone."""


class Iban:
    """The digits of an IBAN, without the country's two letters in front, which are printed on most forms.

    Args:
        country: its two letters.

    Raises:
        RuleError: no such country, or one whose account numbers have letters.
    """

    start: Hashable = (0, 0, 0)

    def __init__(self, country: str) -> None:
        if country.upper() not in IBANS:
            raise RuleError(f"no IBAN of digits alone is known for {country!r}: choose from {', '.join(IBANS)}")
        self.name = f"iban:{country.upper()}"
        self._length = IBANS[country.upper()] - 2
        self._letters = "".join(str(ord(letter) - 55) for letter in country.upper())

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """Digits so far, the two check digits, and the rest modulo 97; None where there are too many."""
        assert isinstance(state, tuple)
        place, check, rest = state
        if place >= self._length:
            return None
        if place < 2:
            check = 10 * check + digit
            return None if place and not 2 <= check <= 98 else (place + 1, check, rest)  # 98 less a rest of 97
        return place + 1, check, (10 * rest + digit) % 97

    def accepts(self, state: Hashable) -> bool:
        """Whether all digits are there and ISO 7064's remainder is 1."""
        assert isinstance(state, tuple)
        place, check, rest = state
        return place == self._length and int(f"{rest}{self._letters}{check:02d}") % 97 == 1


@dataclass(frozen=True)
class Both:
    """Two rules that both must hold."""

    first: Rule
    second: Rule

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first.name} and {self.second.name}"

    @property
    def start(self) -> Hashable:
        """Both states."""
        return self.first.start, self.second.start

    def step(self, state: Hashable, digit: int) -> Hashable | None:
        """Both states after one more digit; None where either ends."""
        assert isinstance(state, tuple)
        first = self.first.step(state[0], digit)
        second = None if first is None else self.second.step(state[1], digit)
        return None if second is None else (first, second)

    def accepts(self, state: Hashable) -> bool:
        """Whether both accept."""
        assert isinstance(state, tuple)
        return self.first.accepts(state[0]) and self.second.accepts(state[1])


def check(name: str) -> Rule:
    """The check digit of a name: one of CHECKS, or ``iban:`` and a country, such as ``iban:DE``.

    Raises:
        RuleError: there is none of that name.
    """
    if name.lower().startswith("iban"):
        return Iban(name[4:].lstrip(":"))
    if name.lower() not in CHECKS:
        raise RuleError(f"there is no check digit {name!r}: choose from {', '.join(CHECKS)}, iban:DE and its kin")
    return CHECKS[name.lower()]


def rule(
    pattern: str | None = None, lexicon: Sequence[str] | None = None, check_digit: str | None = None
) -> Rule | None:
    """The rule that all of these together are; None for none.

    Args:
        pattern: a regular expression over digits.
        lexicon: the texts that may be read.
        check_digit: see ``check``.

    Raises:
        RuleError: one of them is damaged or unknown.
    """
    rules: list[Rule] = []
    if pattern is not None:
        rules.append(Pattern(pattern))
    if lexicon is not None:
        if any(sum(map(_is_digit, text)) > LONGEST for text in lexicon):
            raise RuleError(f"a line of the lexicon has more than {LONGEST} digits: give one number per line")
        rules.append(Lexicon(lexicon))
    if check_digit is not None:
        rules.append(check(check_digit))
    whole: Rule | None = None
    for one in rules:
        whole = one if whole is None else Both(whole, one)
    return whole
