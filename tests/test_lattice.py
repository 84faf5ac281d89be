"""The lattice: probabilities that sum to 1, spots that exclude each other, rules that narrow the search."""

import numpy as np
import pytest

from zeronine.lattice import links, readings
from zeronine.page import Spot
from zeronine.rules import Lexicon, Pattern, check


def spot(x: float, digit: int, presence: float = 0.98, other: int | None = None, share: float = 0.0) -> Spot:
    rates = np.full(10, 0.001, np.float32)
    rates[digit] = 1 - share
    if other is not None:
        rates[other] = share
    return Spot(x, 50, 20, 30, rates / rates.sum() * np.float32(presence))


def test_clear_digits_are_read_in_order() -> None:
    found = readings([spot(0, 4), spot(30, 2), spot(60, 7)])
    assert found[0].text == "427"
    assert found[0].spots == (0, 1, 2)
    assert found[0].probability == pytest.approx(0.98**3 * 0.99**3, rel=0.02)


def test_probabilities_of_all_readings_sum_to_one() -> None:
    spots = [spot(0, 4, 0.7), spot(8, 9, 0.6), spot(40, 1, 0.5, 7, 0.4), spot(70, 0, 0.2)]
    assert sum(reading.probability for reading in readings(spots, count=100_000)) == pytest.approx(1, abs=0.02)


def test_spots_on_the_same_ink_exclude_each_other() -> None:
    spots = [spot(0, 4, 0.9), spot(4, 9, 0.8), spot(40, 1)]
    assert [len(way) for way in links(spots)] == [3, 2]
    texts = {reading.text for reading in readings(spots, count=1000)}
    assert "41" in texts
    assert "91" in texts
    assert not any(text in texts for text in ("491", "941"))


def test_groups_that_interleave_are_read_from_left_to_right() -> None:
    def wide(x: float, y: float, width: float, height: float, digit: int) -> Spot:
        return Spot(x, y, width, height, spot(0, digit, 0.9).probabilities)

    three, one, two = wide(11.6, 13.6, 37, 24.5, 3), wide(16.3, 2.1, 9.6, 19.5, 1), wide(19.2, 12.3, 36, 18.9, 2)
    texts = [reading.text for reading in readings([three, one, two])]
    assert "12" in texts
    assert "21" not in texts


def test_faint_spots_are_left_out_unless_a_rule_wants_them() -> None:
    spots = [spot(0, 4), spot(30, 2, 0.2), spot(60, 7)]
    assert readings(spots)[0].text == "47"
    ruled = readings(spots, Pattern(r"\d{3}"))
    assert (ruled[0].text, ruled[0].spots) == ("427", (0, 1, 2))
    assert ruled[0].probability < 0.25


def test_a_rule_changes_what_is_read() -> None:
    spots = [spot(0, 1, share=0.3, other=7), spot(30, 8)]
    assert readings(spots)[0].text == "18"
    assert readings(spots, Lexicon(["78", "55"]))[0].text == "78"
    card = [spot(30 * place, int(sign)) for place, sign in enumerate("4539578763621486")]
    card[5] = spot(150, 1, share=0.3, other=7)
    assert readings(card)[0].text == "4539518763621486"
    assert readings(card, check("luhn"))[0].text == "4539578763621486"


def test_no_reading_where_no_rule_fits() -> None:
    assert readings([spot(0, 1), spot(30, 8)], Pattern(r"\d{7}")) == []


def test_nothing_gives_the_empty_reading() -> None:
    assert [(reading.text, reading.probability) for reading in readings([])] == [("", 1.0)]


def test_many_spots_in_one_place_end_soon() -> None:
    spots = [spot(3 * place, place % 10, 0.5) for place in range(60)]
    assert readings(spots, count=3)
