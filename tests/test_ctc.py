"""Places along a row: the search and the sum agree with every way there is, and rules narrow the search."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from zeronine.ctc import NOTHING, log_likelihoods, places, texts
from zeronine.rules import Lexicon, Pattern, check


def saying(text: str, sure: float = 0.98, between: int = 2) -> NDArray[np.float64]:
    """Places that say a text, with some of nothing new between its digits."""
    rows = []
    for sign in text:
        rows += [NOTHING] * between + [int(sign)] * 2
    chances = np.full((len(rows) + between, 11), (1 - sure) / 10)
    chances[np.arange(len(rows) + between), [*rows, *[NOTHING] * between]] = sure
    return chances


def every(chances: NDArray[np.float64]) -> Counter[str]:
    """Probabilities of all texts, by going through all ways."""
    result: Counter[str] = Counter()
    for way in product(range(11), repeat=len(chances)):
        fresh = [one for one, before in zip(way, (NOTHING, *way), strict=False) if one not in (before, NOTHING)]
        result["".join(map(str, fresh))] += float(np.prod(chances[np.arange(len(chances)), way]))
    return result


def test_the_sum_is_over_all_ways() -> None:
    chances = np.random.default_rng(0).dirichlet(np.full(11, 0.3), 4)
    truth = every(chances)
    some = [text for text, _ in truth.most_common(30)]
    assert np.exp(log_likelihoods(chances, [*some, ""])) == pytest.approx([truth[text] for text in (*some, "")])
    assert log_likelihoods(chances, ["111111", "444"])[0] == -np.inf  # blanks between do not fit in


def test_the_likeliest_texts_are_found() -> None:
    chances = np.random.default_rng(1).dirichlet(np.full(11, 0.3), 4)
    best = [text for text, _ in every(chances).most_common(5)]
    assert texts(chances)[:5] == best


def test_a_digit_that_goes_on_is_said_once_and_one_after_a_blank_twice() -> None:
    assert texts(saying("4071"))[0] == "4071"
    assert texts(saying("4411"))[0] == "4411"
    assert texts(saying("41", between=0))[0] == "41"
    assert texts(saying(""))[0] == ""


def test_rules_narrow_the_search() -> None:
    chances = saying("19", sure=0.8)
    assert texts(chances, check("luhn"))[0] == "18" or texts(chances, check("luhn"))[0].endswith("9")
    assert all(len(text) == 3 for text in texts(chances, Pattern(r"\d{3}")))
    assert texts(chances, Lexicon(["55", "79"]))[0] == "79"
    assert texts(saying("19", sure=1.0), Pattern(r"\d{9}")) == []


def test_where_each_digit_is_said() -> None:
    assert places(saying("407"), "407") == [2.5, 6.5, 10.5]
    assert places(saying("44"), "44") == [2.5, 6.5]
    assert places(saying("4"), "") == []
    first, second = places(saying("4"), "49")
    assert first < second
