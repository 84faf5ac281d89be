"""Pages: ink without paper, sizes, spots out of maps, lines in reading order."""

import numpy as np
import pytest
from numpy.typing import NDArray

from zeronine.page import (
    ALIGNED,
    BOX_UNIT,
    LARGEST,
    ROW,
    SMALLEST,
    STRIDE,
    Line,
    Spot,
    conflict,
    cut_row,
    ink,
    lines,
    scaled,
    sizes,
    skew,
    spots,
    whole_line,
)

PAPER = np.zeros((200, 500), np.float32)


def spot(x: float, y: float, height: float = 30, width: float = 20, presence: float = 0.95, on: float = 1.0) -> Spot:
    return Spot(x, y, width, height, np.full(10, presence / 10, np.float32), on)


def test_ink_is_the_same_in_light_and_in_shade() -> None:
    page = np.full((200, 300), 0.9, np.float32)
    page[80:120, 40:46] = 0.2
    page[80:120, 240:246] = 0.2
    shaded = page * np.linspace(1, 0.4, 300, dtype=np.float32)
    seen = ink(shaded)
    assert seen[100, 43] > 0.8
    assert seen[100, 243] > 0.35
    assert float(np.quantile(seen, 0.9)) < 0.1


def test_grain_on_empty_paper_is_no_full_ink() -> None:
    grain = 0.8 + 0.01 * np.random.default_rng(0).standard_normal((200, 200)).astype(np.float32)
    assert float(ink(grain).max()) < 0.8


@pytest.mark.parametrize("shape", [(28, 28), (60, 150), (480, 640), (1000, 1000), (1200, 1600), (16, 4000), (3, 3)])
def test_every_size_of_digit_is_seen_at_some_size_of_the_page(shape: tuple[int, int]) -> None:
    factors = sizes(shape)
    assert factors == sorted(factors, reverse=True)
    assert shape[0] * factors[-1] <= LARGEST or max(shape) * factors[-1] <= 40
    assert shape[0] * shape[1] * factors[0] ** 2 <= max(200_000, shape[0] * shape[1])
    for factor in factors:
        page = scaled(np.ones(shape, np.float32), factor)
        assert page.shape[2] % ALIGNED == page.shape[3] % ALIGNED == 0


def maps_with(places: list[tuple[int, int, int]]) -> NDArray[np.float32]:
    """Maps of a page of 128×256 with a digit at each (column, row, digit), of 24 pixels."""
    maps = np.zeros((1, 16, 40, 72), np.float32)  # 128×256, and a margin on all sides
    maps[0, 0] = -9
    for column, row, digit in ((4 + column, 4 + row, digit) for column, row, digit in places):
        maps[0, 0, row, column] = 6
        maps[0, 1 + digit, row, column] = 12
        maps[0, 13:15, row, column] = 0
        maps[0, 15, row, column] = 5
    return maps


def test_peaks_become_spots_in_pixels_of_the_page() -> None:
    maps = maps_with([(10, 16, 7), (20, 16, 3)])
    empty = maps_with([])
    page = np.zeros((128, 256), np.float32)

    def network(ink: NDArray[np.float32]) -> NDArray[np.float32]:
        return maps if ink.shape == (1, 1, 160, 288) else empty[:, :, : ink.shape[2] // 4, : ink.shape[3] // 4]

    found = sorted(spots(page, network), key=lambda one: one.x)
    assert [int(one.probabilities.argmax()) for one in found] == [7, 3]
    assert [one.x for one in found] == [10.5 * STRIDE, 20.5 * STRIDE]
    assert all(one.height == pytest.approx(BOX_UNIT) and one.presence > 0.99 for one in found)
    assert SMALLEST < BOX_UNIT < LARGEST


def test_a_loop_in_a_digit_is_no_digit() -> None:
    maps = maps_with([(10, 16, 6)])
    inner = maps_with([(10, 18, 0)])
    inner[0, 13:15] = np.log(0.5)
    page = np.zeros((128, 256), np.float32)
    both = maps.copy()
    both[:, :, 22, 14] = inner[:, :, 22, 14]
    found = spots(page, lambda ink: both if ink.shape[2] == 160 else np.full((1, 16, 4, 4), -9, np.float32))
    assert [int(one.probabilities.argmax()) for one in found if one.presence > 0.5] == [6]


def test_numbers_of_a_page_in_reading_order() -> None:
    found = [
        *(spot(x, 40) for x in (20, 45, 70)),
        *(spot(x, 42) for x in (300, 325)),
        *(spot(x, 120, on=0.9) for x in (22, 47)),
        *(spot(x, 119) for x in (200,)),
    ]
    found[2] = spot(70, 40, on=0.1)
    found[6] = spot(47, 120, on=0.1)
    read = lines(sorted(found, key=lambda one: -one.presence), PAPER)
    assert [[round(one.x) for one in line.spots] for line in read] == [[20, 45, 70], [300, 325], [22, 47], [200]]


def test_a_gap_parts_only_where_the_number_does_not_go_on() -> None:
    assert len(lines([spot(20, 40, on=0.9), spot(75, 40)], PAPER)) == 1
    assert len(lines([spot(20, 40, on=0.1), spot(75, 40)], PAPER)) == 2
    assert len(lines([spot(20, 40, on=0.1), spot(41, 40)], PAPER)) == 1, "there is no gap"


def test_skewed_lines_are_kept_apart() -> None:
    angle = np.deg2rad(8)
    rows = [[(x, y) for x in range(20, 400, 26)] for y in (60, 115)]
    turned = [
        spot(x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle))
        for row in rows
        for x, y in row
    ]
    read = lines(turned, PAPER)
    assert [len(line.spots) for line in read] == [15, 15]
    assert np.rad2deg(skew(turned)) == pytest.approx(8, abs=0.5)
    assert read[0].angle == pytest.approx(8, abs=0.5)


def test_faint_spots_join_but_make_no_line() -> None:
    assert lines([spot(20, 40, presence=0.2)], PAPER) == []
    read = lines([spot(20, 40), spot(45, 40, presence=0.2), spot(45, 200, presence=0.2)], PAPER)
    assert [len(line.spots) for line in read] == [2]


def test_what_lies_within_a_number_is_none() -> None:
    number, comma = [spot(20, 40), spot(45, 40), spot(70, 40)], spot(48, 60, width=6, height=10)
    assert [len(line.spots) for line in lines([*number, comma], PAPER)] == [3]
    below, large = spot(48, 90, width=6, height=10), [spot(45, 40, width=60, height=80)]
    assert [len(line.spots) for line in lines([*number, below], PAPER)] == [3, 1], "it is in another row"
    assert sum(len(line.spots) for line in lines([*large, comma], PAPER)) == 2, (
        "a lone large spot may be a ring or a frame"
    )


def table(*places: float, thick: int = 2) -> NDArray[np.float32]:
    page = np.zeros((120, 500), np.float32)
    for place in places:
        page[:, int(place) : int(place) + thick] = 0.4
    return page


def test_ruled_lines_part_the_numbers_of_a_table() -> None:
    row = [spot(x, 60) for x in (30, 55, 80, 130, 155, 205, 255, 280)]
    page = table(5, 105, 180, 230, 305)
    assert [len(line.spots) for line in lines(row, page)] == [3, 2, 1, 2]
    assert [len(line.spots) for line in lines(row, page * 0.2)] == [8], "it is too faint"
    piece = spot(106, 60, height=50, width=4)
    with_it = sorted([*row, piece], key=lambda one: one.x)
    assert [len(line.spots) for line in lines(with_it, page)] == [3, 2, 1, 2], "a piece of a line is no one"


def test_lines_as_close_as_digits_part_nothing() -> None:
    row = [spot(x, 60) for x in (30, 70, 110, 150, 190, 230)]
    assert len(lines(row, table(10, 50, 90, 130, 170, 210, 250))) == 1, "each digit has a box"
    assert len(lines(row, table(10, 50, 90, 150, 170, 210, 250))) == 1, "one of them is crossed by its digit"
    assert len(lines(row, table(*range(10, 260, 20)))) == 1, "squared paper"
    tall = table()
    tall[30:90, 128:134] = 1
    assert len(lines([*row[:3], spot(131, 60, height=60, width=8), *row[3:]], tall)) == 1, "a long one"


def test_a_field_is_one_line_however_wide_its_gaps() -> None:
    line = whole_line([spot(20, 40, on=0.0), spot(90, 42, on=0.0), spot(60, 41), spot(50, 140, height=10)])
    assert line is not None
    assert [one.x for one in line.spots] == [20, 60, 90]
    assert whole_line([]) is None


def test_conflicts() -> None:
    assert conflict(spot(20, 40), spot(24, 41))
    assert not conflict(spot(20, 40), spot(42, 40))
    assert not conflict(spot(20, 40), spot(20, 80))


@pytest.mark.parametrize("degrees", [0.0, 4.0, -15.0])
def test_a_row_is_cut_out_level_and_knows_where_its_digits_are(degrees: float) -> None:
    page = np.zeros((300, 400), np.float32)
    slope = np.tan(np.deg2rad(degrees))
    places = [(x, 150 + slope * (x - 200)) for x in (120.0, 160.0, 200.0, 260.0)]
    for x, y in places:
        page[round(y) - 8 : round(y) + 8, round(x) - 3 : round(x) + 3] = 1
    line = Line(tuple(spot(x, y, 16, 6) for x, y in places), degrees)
    cut = cut_row(page, line)
    assert cut.ink.shape[0] == ROW
    for x, y in places:
        across = cut.across(x, y)
        window = cut.ink[:, max(round(across) - 8, 0) : round(across) + 8]
        middle = float((window.sum(axis=0) * np.arange(window.shape[1])).sum() / window.sum())
        assert abs(middle - (across - max(round(across) - 8, 0) - 0.5)) < 1
        assert cut.place(across, float(cut.matrix[1] @ (x, y, 1.0))) == pytest.approx((x, y), abs=1e-6)


def test_a_row_ends_half_way_to_what_stands_beside_it() -> None:
    page = np.zeros((100, 400), np.float32)
    line, other = Line((spot(100, 50), spot(130, 50)), 0.0), spot(190, 50)
    scale = ROW / cut_row(page, line).ink.shape[0]
    alone, beside = cut_row(page, line), cut_row(page, line, [*line.spots, other])
    assert alone.across(140 + 1.2 * 30, 50) == pytest.approx(alone.ink.shape[1], abs=2 * scale)
    assert beside.across(160, 50) == pytest.approx(beside.ink.shape[1], abs=2 * scale)
    assert cut_row(page, line, [spot(190, 90)]).ink.shape == alone.ink.shape
