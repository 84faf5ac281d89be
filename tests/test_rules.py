"""Rules as automata: what they accept, what they leave early, what they refuse to be."""

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeronine.errors import RuleError
from zeronine.rules import CHECKS, Check, Iban, Lexicon, Pattern, Rule, check, rule


def accepts(one: Rule, text: str) -> bool:
    state = one.start
    for sign in text:
        after = one.step(state, int(sign))
        if after is None:
            return False
        state = after
    return one.accepts(state)


def test_a_pattern_is_matched_whole() -> None:
    zip_code = Pattern(r"\d{5}")
    assert [accepts(zip_code, text) for text in ("90210", "9021", "902101", "")] == [True, False, False, False]


def test_a_pattern_is_left_as_soon_as_nothing_matches() -> None:
    year = Pattern(r"(19|20)\d\d")
    assert year.step(year.step(year.start, 1) or "", 8) is None
    assert year.step(year.step(year.start, 1) or "", 9) == "19"


def test_a_lexicon_holds_digits_only() -> None:
    known = Lexicon(["12-345", "99", "", "none"])
    assert [accepts(known, text) for text in ("12345", "99", "9", "1234", "")] == [True, True, False, False, False]


def test_a_lexicon_takes_no_more_than_its_texts() -> None:
    tracemalloc.start()
    long = Lexicon(["1" * 20_000, "12"])
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert [accepts(long, text) for text in ("1" * 20_000, "12", "11", "122", "")] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("luhn", "4539578763621486"),
        ("luhn", "18"),
        ("ean13", "4006381333931"),
        ("ean13", "9783161484100"),
        ("ean8", "73513537"),
        ("upc", "036000291452"),
        ("isbn10", "0306406152"),
        ("mod11", "0365327"),
        ("aba", "011000015"),
        ("iban:DE", "89370400440532013000"),
        ("iban:NO", "9386011117947"),
        ("iban", ""),
    ],
)
def test_check_digits_of_published_examples(name: str, right: str) -> None:
    if name == "iban":
        with pytest.raises(RuleError, match="choose from AT"):
            check(name)
        return
    one = check(name)
    assert accepts(one, right)
    for place in range(len(right)):
        wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
        assert not accepts(one, wrong), "one wrong digit is always noticed"
    assert not accepts(one, right + "0" * 30)


def _luhn(text: str) -> bool:
    digits = [int(sign) for sign in reversed(text)]
    return sum(d if place % 2 == 0 else sum(divmod(2 * d, 10)) for place, d in enumerate(digits)) % 10 == 0


def _mod11(text: str) -> bool:
    weights = [1, *(2 + place % 6 for place in range(40))]
    return sum(w * int(sign) for w, sign in zip(weights, reversed(text), strict=False)) % 11 == 0


@pytest.mark.parametrize(("name", "formula"), [("luhn", _luhn), ("mod11", _mod11)])
def test_check_digits_follow_their_formula(name: str, formula: Callable[[str], bool]) -> None:
    @given(st.text("0123456789", min_size=2, max_size=30))
    def agree(text: str) -> None:
        assert accepts(CHECKS[name], text) == formula(text)

    agree()


@given(st.text("0123456789", min_size=18, max_size=18))
def test_a_german_iban_has_one_pair_of_check_digits(account: str) -> None:
    right = [f"{pair:02d}" for pair in range(100) if accepts(Iban("DE"), f"{pair:02d}{account}")]
    expected = 98 - int(account + "131400") % 97
    assert right == [f"{expected:02d}"]


def test_rules_together_must_all_hold() -> None:
    both = rule(pattern=r"4\d*", check_digit="luhn")
    assert both is not None
    assert (accepts(both, "4539578763621486"), accepts(both, "18")) == (True, False)
    assert both.name == r"pattern 4\d* and luhn"
    assert rule() is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pattern("(5"), "no regular expression"),
        (lambda: Pattern(""), "is empty"),
        (lambda: Pattern(r"(?r)1\d2"), "matched backwards"),
        (lambda: Pattern("(" * 2000 + r"\d" + ")" * 2000), "nested"),
        (lambda: Pattern(r"(?R)?\d"), "calls itself"),
        (lambda: rule(lexicon=[",".join(map(str, range(100_000, 100_020)))]), "one number per line"),
        (lambda: Lexicon(["a", "b"]), "holds no digits"),
        (lambda: check("sum"), "choose from luhn"),
        (lambda: check("iban:GB"), "choose from AT"),
    ],
)
def test_damaged_rules_say_what_is_wrong(make: Callable[[], object], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        make()


def test_every_check_has_a_description() -> None:
    assert all(isinstance(one, Check) and one.description for one in CHECKS.values())
