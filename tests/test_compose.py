"""Composed pages: reproducible, labelled where the ink is, and what the network should say of them."""

from dataclasses import replace

import numpy as np
import pytest

from zeronine.data import Dataset
from zeronine.page import LARGEST, SMALLEST
from zeronine.train import beside
from zeronine.train.compose import LEVELS, Composer, numeral
from zeronine.train.hands import hand, stroked
from zeronine.train.loop import digit_bytes
from zeronine.train.sheet import Cursor, Placed, Sheet
from zeronine.train.spotting import CHANNELS, targets


@pytest.fixture(scope="module")
def composer(digits: Dataset) -> Composer:
    return Composer(digit_bytes(digits.train), digits.train.labels)


def test_the_same_seed_gives_the_same_page(composer: Composer) -> None:
    one, other = (composer.page(np.random.default_rng(5), (128, 256)) for _ in range(2))
    assert np.array_equal(one.grey, other.grey)
    assert one.digits == other.digits


def test_pages_are_grey_and_their_boxes_lie_on_them(composer: Composer) -> None:
    found = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        size = (int(random.integers(32, 129)), int(random.integers(64, 257)))
        page = composer.page(random, size)
        assert page.grey.dtype == np.float32
        assert page.grey.shape[0] <= size[0]
        assert page.grey.shape[1] <= size[1]
        assert 0 <= page.grey.min() <= page.grey.max() <= 1
        for placed in page.digits:
            left, top, wide, high = placed.box
            assert left >= 0
            assert top >= 0
            assert left + wide <= page.grey.shape[1] + 1e-3
            assert top + high <= page.grey.shape[0] + 1e-3
            assert 0 <= placed.visible <= 1.001
        found += len(page.digits)
    assert found > 100


def test_ink_is_where_the_boxes_are(composer: Composer) -> None:
    page, text = composer.line(np.random.default_rng(1), 5, "easy", touching=False)
    assert [str(placed.digit) for placed in page.digits] == list(text)
    assert [placed.goes_on for placed in page.digits] == [True] * 4 + [False]
    ink, inside = page.ink, np.zeros(page.grey.shape, bool)
    for left, top, wide, high in (map(round, placed.box) for placed in page.digits):
        inside[top - 1 : top + high + 2, left - 1 : left + wide + 2] = True
    assert float(ink[~inside].max()) < 0.2 < float(ink[inside].mean())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("touching", [False, True])
def test_lines_for_measuring_hold_all_of_their_number(composer: Composer, level: str, touching: bool) -> None:
    for length in (1, 5, 12):
        page, text = composer.line(np.random.default_rng(length), length, level, touching)
        assert len(text) == len(page.digits) == length
        assert all(placed.visible > 0.98 for placed in page.digits)


def test_numerals_have_digits_and_signs() -> None:
    texts = [numeral(np.random.default_rng(seed)) for seed in range(300)]
    assert all(any(sign.isdigit() for sign in text) for text in texts)
    assert {sign for text in texts for sign in text} >= set("0123456789.,-=")


def placed(left: float, top: float, wide: float, high: float, visible: float = 1.0) -> Placed:
    return Placed(7, (left, top, wide, high), visible, True)


def test_targets_say_where_which_and_how_large() -> None:
    maps = targets([placed(91, 41, 20, 32)], (128, 256))
    assert maps.shape == (8, 32, 64)
    row, column = np.unravel_index(int(maps[0].argmax()), maps[0].shape)
    assert (row, column) in ((14, 25), (14, 24), (13, 25), (13, 24))
    assert maps[0].max() == pytest.approx(1)
    assert (maps[0] > 0.99).sum() == 1
    assert maps[1, row, column] == 7
    assert 4 * (column + 0.5 + maps[2, row, column]) == pytest.approx(101, abs=0.1)
    assert 4 * (row + 0.5 + maps[3, row, column]) == pytest.approx(57, abs=0.1)
    assert 24 * np.exp(maps[5, row, column]) == pytest.approx(32, rel=0.01)
    assert maps[7, row, column] == 1


def test_what_is_cut_off_or_of_another_size_does_not_matter_or_is_nothing() -> None:
    assert (targets([placed(90, 40, 20, 32, visible=0.5)], (128, 256))[0] == -1).any()
    assert (targets([placed(90, 40, 20, 0.8 * SMALLEST)], (128, 256))[0] == -1).any()
    assert not targets([placed(10, 0, 100, 1.5 * LARGEST)], (128, 256)).any()
    assert not targets([placed(10, 0, 4, 0.5 * SMALLEST)], (128, 256)).any()
    assert CHANNELS == 16


def test_zeros_in_one_stroke_are_as_many_as_they_are_said_to_be() -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        sheet, writer = Sheet((120, 400), random, 0), hand(random, 50)
        cursor = Cursor(writer, 85, 0.0, 400, across=30)
        composed = beside.chain(sheet, cursor, 3, False, random)
        assert [(one.digit, one.goes_on) for one in composed] == [(0, True), (0, True), (0, False)]
        lefts = [one.box[0] for one in composed]
        assert lefts == sorted(lefts)
        assert cursor.across > max(lefts) - 30
        left, top, wide, high = composed[0].box
        inside = sheet.written[int(top) : int(top + high) + 1, int(left) : int(left + wide) + 1]
        assert inside.max() > 0.1


def test_numerals_repeat_digits_and_begin_small() -> None:
    said = [numeral(np.random.default_rng(seed)) for seed in range(2000)]
    digits = ["".join(sign for sign in text if sign.isdigit()) for text in said]
    assert all(1 <= len(text) <= 12 for text in digits)
    firsts = np.bincount([int(text[0]) for text in digits], minlength=10) / len(digits)
    assert firsts[1] > 0.15 > firsts[9]


def test_strangers_write_with_their_own_digits(digits: Dataset) -> None:
    blocks = np.zeros((1, 10, 32, 32), np.uint8)
    blocks[:, :, 4:28, 8:24] = 255
    strangers = Composer(digit_bytes(digits.train), digits.train.labels, blocks)
    page, text = strangers.line(np.random.default_rng(2), 5, "easy", touching=False)
    assert [str(placed.digit) for placed in page.digits] == list(text)
    dark = page.grey < 0.7 * page.grey.max()
    for left, top, wide, high in (placed.box for placed in page.digits):
        assert dark[int(top) : int(top + high), int(left) : int(left + wide)].mean() > 0.75


def test_a_nib_draws_thick_and_thin() -> None:
    random = np.random.default_rng(0)
    pen = replace(hand(random, 50), pen=0.2)
    bar = [np.array([[0.0, 0.0], [0.5, 0.0]]), np.array([[0.5, 0.0], [0.5, 1.0]])]  # across, then down
    plain, pointed = (stroked(bar, one, np.random.default_rng(1)) for one in (pen, replace(pen, contrast=0.9)))
    above = [int((patch[:, : patch.shape[1] // 2] > 128).sum()) for patch in (plain, pointed)]
    assert above[1] < 0.5 * above[0]


def test_a_hand_that_writes_alike_writes_the_same_image_again(digits: Dataset) -> None:
    random = np.random.default_rng(0)
    composer = Composer(digit_bytes(digits.train), digits.train.labels)
    for alike in (False, True):
        writer = replace(hand(random, 50), drawn=0.0, alike=alike)
        for digit in (3, 3, 7):
            composer._digit(digit, writer, random)
        assert list(writer.images) == ([3, 7] if alike else [])
        assert all(digits.train.labels[image] == digit for digit, image in writer.images.items())
