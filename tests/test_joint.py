"""Two networks on one line: where they agree, where one is surer, and what only one of them sees."""

from dataclasses import replace

import numpy as np
import pytest
from test_ctc import saying
from test_lattice import spot

from zeronine.joint import Weights, joined
from zeronine.rules import Pattern

EQUAL = Weights(1.0, 1.0, -7.0)


def test_agreement_makes_sure() -> None:
    spots = [spot(0, 4, 0.9), spot(30, 2, 0.9)]
    (best, *_), _ = joined(spots, saying("42"), EQUAL, None, 3)
    assert (best.text, best.spots) == ("42", (0, 1))
    assert best.probability > 0.99
    (doubted, *_), _ = joined(spots, saying("43"), EQUAL, None, 3)
    assert doubted.probability < best.probability


def test_the_surer_one_decides() -> None:
    spots = [spot(0, 4), spot(30, 1, share=0.4, other=7)]
    assert joined(spots, saying("47"), EQUAL, None, 3)[0][0].text == "47"
    assert joined(spots, saying("47"), Weights(1.0, 0.0), None, 3)[0][0].text == "41"
    spots = [spot(0, 4), spot(30, 1, share=0.001, other=7)]
    assert joined(spots, saying("47", sure=0.5), EQUAL, None, 3)[0][0].text == "41"


def test_what_was_not_found_is_read_by_the_row() -> None:
    spots = [spot(0, 4, 0.5), spot(60, 7, 0.5)]
    free, _ = joined(spots, saying("427"), Weights(1.0, 1.0, -4.0), None, 3)
    assert (free[0].text, free[0].spots) == ("427", ())


def test_each_digit_counts_for_itself() -> None:
    spots = [spot(0, 4), spot(30, 2), spot(60, 7, 0.4)]
    plain, counted = (
        {one.text: one.probability for one in joined(spots, saying("42", sure=0.8), weights, None, 99)[0]}
        for weights in (EQUAL, replace(EQUAL, digit=1.5))
    )
    before, after = plain["427"] / plain["42"], counted["427"] / counted["42"]
    assert after / before == pytest.approx(np.exp(1.5))


def test_whether_a_number_is_there_is_weighed_apart_from_how_long_it_is() -> None:
    spots = [spot(0, 4, 0.6)]
    plain, longer, fewer = (
        {one.text: one.probability for one in joined(spots, saying("4", sure=0.6), weights, None, 99)[0]}
        for weights in (EQUAL, replace(EQUAL, digit=1.5), replace(EQUAL, number=-2.0))
    )
    before = plain["4"] / plain[""]
    assert longer["4"] / longer[""] == pytest.approx(before)
    assert fewer["4"] / fewer[""] == pytest.approx(before * np.exp(-2.0))


def test_a_rule_narrows_and_the_unruled_readings_are_kept() -> None:
    spots = [spot(0, 4), spot(30, 2), spot(60, 7, 0.2)]
    free, ruled = joined(spots, saying("42"), EQUAL, Pattern(r"\d{3}"), 3)
    assert (free[0].text, ruled[0].text) == ("42", "427")
    assert ruled[0].probability < 0.1
    assert joined(spots, saying("42"), EQUAL, Pattern(r"\d{30}"), 3)[1] == []


def test_probabilities_are_shares_of_all() -> None:
    spots = [spot(0, 4, 0.7), spot(30, 2, 0.6, 3, 0.4)]
    free, _ = joined(spots, saying("42", sure=0.7), EQUAL, None, 1000)
    assert sum(one.probability for one in free) == pytest.approx(1, abs=1e-4)
    assert np.all(np.diff([one.probability for one in free]) <= 0)
