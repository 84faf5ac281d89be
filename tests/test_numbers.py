"""Reading pages: with networks that say what a test wants, and with the shipped ones on pictures of our own drawing."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from zeronine import Number, Reader
from zeronine.errors import ImageError, ModelError
from zeronine.joint import Weights
from zeronine.numbers import Calibration, Networks, View, read_field, read_page
from zeronine.reader import MODELS, SHIPPED_PAGE, PageNetwork
from zeronine.rules import Pattern, check

PAGES = Path(__file__).parent.parent / "docs" / "read"


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def network(text: str, doubt: float = 8.0) -> Networks:
    """Networks that see a text, digit by digit, in the middle of any page of 128×256 and larger."""

    def find(pages: NDArray[np.float32]) -> NDArray[np.float32]:
        maps = np.zeros((1, 16, pages.shape[2] // 4, pages.shape[3] // 4), np.float32)
        maps[0, 0] = -12
        if pages.shape[2] == 160 and pages.shape[3] > 256:  # 128, and a margin on both sides; on its side it sees none
            for place, sign in enumerate(text):
                column = 12 + 6 * place
                maps[0, 0, 20, column] = doubt
                maps[0, 1 + int(sign), 20, column] = 12
                maps[0, 15, 20, column] = 6
        return maps

    return Networks(find, rows_that_say(text), ALONE)


ALONE = Calibration(row=Weights(1.0, 0.2))
"""What the rows say does not count for much."""


def rows_that_say(text: str) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A network that sees a text in any row, its digits as far apart as those of ``network``."""

    def read(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        chances = np.full((1, rows.shape[3] // 4, 11), 0.002, np.float32)
        chances[0, :, 10] = 0.98
        for place, sign in enumerate(text):
            across = (1.7 + place) * 24 * 48 / (24 * 1.44)  # 1.2 heights of margin and half a digit, each 24 pixels
            chances[0, int(across / 4)] = 0.002
            chances[0, int(across / 4), int(sign)] = 0.98
        return chances

    return read


WHITE = np.full((128, 256), 250, np.uint8)


def test_what_the_networks_see_is_read() -> None:
    (number,) = read_page(WHITE, network("4071"))
    assert number.text == "4071"
    assert number.confidence > 0.9
    assert not number.rejected
    assert [digit.digit for digit in number.digits] == [4, 0, 7, 1]
    left, top, wide, high = number.box
    assert (left, left + wide) == pytest.approx(((34 - 12) / 256, (34 + 72 + 12) / 256))
    assert (top, top + high) == pytest.approx(((66 - 12) / 128, (66 + 12) / 128))
    assert number.as_dict()["digits"][0]["box"] == pytest.approx([22 / 256, 54 / 128, 24 / 256, 24 / 128], abs=1e-4)
    assert json.loads(json.dumps(number.as_dict()))["text"] == "4071"


def test_a_rule_narrows_and_the_unruled_reading_is_kept() -> None:
    (number,) = read_page(WHITE, network("18"), check("luhn"))
    assert (number.text, number.rule, number.reason) == ("18", "luhn", "")
    (number,) = read_page(WHITE, network("19"), check("luhn"))
    assert number.unruled is not None
    assert number.unruled.text == "19"
    assert number.rejected
    (number,) = read_page(WHITE, network("19"), Pattern(r"\d{9}"))
    assert (number.text, number.rejected, number.reason, number.confidence) == ("19", True, "rule", 0.0)
    assert all(0 < digit.confidence <= 1 for digit in number.digits)
    assert sum(other.confidence for other in number.alternatives) <= 1


def test_a_number_and_its_alternatives_come_to_one_at_most() -> None:
    flat = replace(ALONE, confidence=(0.3, 0.0))  # of which each reading alone has a chance of a third and more
    (number,) = read_page(WHITE, replace(network("4071", doubt=0.5), calibration=flat))
    others = [other.confidence for other in number.alternatives]
    assert others == sorted(others, reverse=True)
    assert others[0] > 0.01
    assert number.confidence + sum(others) <= 1 + 1e-9
    (fewer,) = read_page(WHITE, replace(network("4071", doubt=0.5), calibration=flat), count=1)
    assert fewer.alternatives == number.alternatives[:1]


def test_an_upside_down_page_is_turned_by_180_degrees() -> None:
    sure, unsure = network("4071"), network("4071", doubt=-0.5)
    page = WHITE.copy()
    page[100:110, 100:150] = 0  # of a page that is upright it is at the top

    def find(pages: NDArray[np.float32]) -> NDArray[np.float32]:
        middle = pages.shape[2] // 2
        upright = pages[0, 0, :middle].sum() > pages[0, 0, middle:].sum()
        return (sure if upright else unsure).find(pages)

    (number,) = read_page(page, replace(sure, find=find))
    assert number.as_dict()["angle"] == 180


def test_what_is_hardly_there_is_nothing() -> None:
    assert read_page(WHITE, replace(network("4071", doubt=-1.5), rows=rows_that_say(""))) == []
    assert read_field(np.zeros((200, 300), np.float32), network("1")) is None


def test_calibration_comes_from_the_card() -> None:
    known = Calibration.of({"calibration": {"presence": [2.0, 0.5], "confidence": [1.0, -1.0], "unsure": 0.9}})
    assert known.presence == (2.0, 0.5)
    (sure,) = read_page(WHITE, network("4071", doubt=4))
    (less,) = read_page(WHITE, replace(network("4071", doubt=4), calibration=replace(ALONE, presence=(0.5, 0))))
    assert less.confidence < sure.confidence
    (unsure,) = read_page(WHITE, replace(network("4071", 4), calibration=replace(ALONE, unsure=0.99)))
    assert (unsure.rejected, unsure.reason) == (True, "unsure")


def test_a_row_that_agrees_makes_sure_and_adds_what_was_not_found() -> None:
    known = Calibration(row=Weights(1.0, 1.0, -4.0))
    alone, found = network("4071", doubt=2), network("4071", doubt=2)
    (doubted,) = read_page(WHITE, alone)
    (number,) = read_page(WHITE, replace(found, calibration=known, rows=rows_that_say("4071")))
    assert number.text == "4071"
    assert number.confidence > doubted.confidence
    assert number.box == doubted.box
    (longer,) = read_page(WHITE, replace(found, calibration=known, rows=rows_that_say("40718")))
    assert longer.text == "40718"
    left, top, wide, high = longer.digits[4].box
    assert 256 * (left + wide / 2) == pytest.approx(34 + 4 * 24, abs=4)
    assert 128 * (top + high / 2) == pytest.approx(66, abs=2)
    assert [digit.box for digit in longer.digits[:4]] == [digit.box for digit in number.digits]
    assert all(0 <= digit.confidence <= 1 and digit.probabilities.sum() <= 1 + 1e-5 for digit in longer.digits)
    (ruled,) = read_page(WHITE, replace(found, calibration=known, rows=rows_that_say("40718")), Pattern(r"\d{4}"))
    assert (ruled.text, ruled.unruled and ruled.unruled.text) == ("4071", "40718")
    assert read_page(WHITE, replace(network("4", doubt=0.5), calibration=known, rows=rows_that_say(""))) == []


@pytest.mark.parametrize("degrees", [0, 17, 90, -90, 180, 211])
def test_boxes_of_a_turned_view_come_back_to_the_page(degrees: float) -> None:
    page = np.zeros((60, 100), np.float32)
    page[20:30, 40:45] = 1
    view = View(page, np.eye(2, 3), (60, 100)).turned(degrees)
    rows, columns = np.nonzero(view.ink > 0.5)
    box = (float(columns.min()), float(rows.min()), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1))
    left, top, wide, high = view.box([box])
    assert abs(100 * (left + wide / 2) - 42.5) < 1
    assert abs(60 * (top + high / 2) - 25) < 1
    assert (view.angle - degrees + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


SCORES = ["128", "97", "2048", "351", "74", "1066", "590", "83"]


def texts(numbers: list[Number]) -> list[str]:
    return [number.text for number in numbers]


def test_the_shipped_networks_read_our_pages(reader: Reader) -> None:
    assert texts(reader.read(PAGES / "scores.jpg")) == SCORES
    assert texts(reader.read(PAGES / "cheque.jpg")) == ["48750"]
    assert texts(reader.read(PAGES / "slanted.jpg")) == ["60614", "1987"]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_page_may_lie_on_its_side_or_upside_down(reader: Reader, quarters: int) -> None:
    picture = Image.open(PAGES / "scores.jpg").rotate(90 * quarters, expand=True)
    numbers = reader.read(picture)
    assert texts(numbers) == SCORES
    assert {round(number.angle / 90) % 4 for number in numbers} == {-quarters % 4}


def test_polarity_colour_and_scale_do_not_matter(reader: Reader) -> None:
    pixels = np.asarray(Image.open(PAGES / "scores.jpg").convert("RGB"))
    assert texts(reader.read(255 - pixels)) == SCORES
    assert texts(reader.read(pixels.repeat(2, 0).repeat(2, 1))) == SCORES
    assert texts(reader.read(pixels[:, :, ::-1])) == SCORES


def test_gaps_between_thick_strokes_are_no_ink(reader: Reader) -> None:
    pixels = np.asarray(Image.open(PAGES / "hard.jpg"))
    for picture in (pixels, 255 - pixels):
        assert [number.text for number in reader.read(picture) if not number.rejected] == ["3858"]


@pytest.mark.parametrize("light", [True, False])
def test_what_lies_around_a_page_or_falls_on_it_does_not_turn_its_ink(reader: Reader, light: bool) -> None:
    page = np.asarray(Image.open(PAGES / "scores.jpg").convert("L"))
    sheet = page if light else 255 - page
    height, width = sheet.shape
    table = np.full((2 * height, 2 * width), 255 * (not light), np.uint8)
    table[height // 2 :, width // 2 :][:height, :width] = sheet
    assert texts(reader.read(table)) == SCORES
    shade = np.where(np.arange(width) < 0.85 * width, 0.25, 1.0)
    assert texts(reader.read((sheet * shade).astype(np.uint8))) == SCORES


def test_nothing_is_read_where_nothing_is_written(reader: Reader) -> None:
    random = np.random.default_rng(0)
    assert reader.read(np.full((300, 400), 255, np.uint8)) == []
    assert reader.read(random.integers(235, 255, (300, 400)).astype(np.uint8)) == []
    assert reader.read(np.zeros((1, 1), np.uint8)) == []


def test_pictures_that_cannot_be_read_are_errors(reader: Reader) -> None:
    with pytest.raises(ImageError, match="not a picture"):
        reader.read(b"no picture")
    with pytest.raises(ImageError, match="megapixels"):
        reader.read(Image.new("1", (12_000, 9_000)))


def test_a_page_of_texture_ends_soon(reader: Reader) -> None:
    random = np.random.default_rng(0)
    started = time.perf_counter()
    reader.read(random.integers(0, 255, (1000, 1000)).astype(np.uint8))
    assert time.perf_counter() - started < 20


def test_models_for_pages_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        Reader(page="nobody").read(WHITE)
    with pytest.raises(ModelError, match="takes no pages"):
        Reader(page="standard_v1").read(WHITE)
    with pytest.raises(ModelError, match="no such model"):
        PageNetwork(tmp_path / "none.onnx")
    shutil.copytree(MODELS / SHIPPED_PAGE, tmp_path / "old")
    (tmp_path / "old" / "rows.onnx").unlink()
    with pytest.raises(ModelError, match=r"rows\.onnx is missing.*export the model again"):
        Reader(page=tmp_path / "old").read(WHITE)
