"""What lies around a sheet goes; a picture without such borders stays as it is."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from zeronine import Reader
from zeronine.bench.scenes import SCENES, staged
from zeronine.borders import opening, without_borders
from zeronine.image import load_pixels

Bytes = NDArray[np.uint8]
PAGE = Path(__file__).parent.parent / "docs" / "read" / "scores.jpg"
FRAMED = ("dark-table", "wooden-table", "light-table", "dark-edge")


@pytest.fixture(scope="module")
def written(seven: NDArray[np.float32]) -> Bytes:
    """The seven in dark ink on light grey paper."""
    return np.rint(230 - 200 * seven).astype(np.uint8)


@pytest.mark.parametrize("name", FRAMED)
def test_what_lies_around_a_sheet_becomes_paper(name: str, written: Bytes) -> None:
    (picture,) = staged(name, [written])
    cleaned = without_borders(picture)
    assert cleaned.dtype == picture.dtype
    assert cleaned.shape == picture.shape
    assert np.abs(cleaned[[0, -1]].astype(int) - 230).max() <= 4
    assert np.abs(cleaned[:, [0, -1]].astype(int) - 230).max() <= 4
    assert cleaned.min() < 60  # the ink is still there


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("light", [False, True])
def test_the_digit_in_it_is_read(name: str, light: bool, written: Bytes) -> None:
    (picture,) = staged(name, [255 - written if light else written])
    answer = Reader().predict(picture)
    assert answer.digit == 7
    assert answer.confidence > 0.9


@pytest.mark.parametrize("name", FRAMED)
def test_pictures_of_other_kinds(name: str, written: Bytes) -> None:
    (picture,) = staged(name, [written])
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    whole = without_borders(grey)
    assert whole.shape == grey.shape
    assert np.abs(whole[0].astype(int) - 230).max() <= 4
    floats = without_borders(picture.astype(np.float32) / 255)
    assert floats.dtype == np.float32
    assert np.abs(floats * 255 - without_borders(picture)).max() <= 1.01


def test_a_picture_without_borders_comes_back_as_it_is(written: Bytes) -> None:
    across = np.tile(np.linspace(1, 0.4, written.shape[1]), (written.shape[0], 1))
    bar = written.copy()
    bar[:14] = 30  # a tightly cut seven: its bar is all of an edge, its stem is joined to it
    bar[14:90, 60:74] = 30
    shadowed = written.copy()
    shadowed[:, 45:] = shadowed[:, 45:] // 2  # an edge, but the digit goes on beyond it
    small = np.pad(written, ((0, 0), (150, 150)), constant_values=230)
    small[60:] = small[60:] // 2  # the same, where the digit takes but a little of the edge
    both = np.hstack([written, written // 3])  # two sheets with writing: who knows which is meant
    blank = np.full((100, 100), 230, np.uint8)
    sheet = np.pad(blank, 40, constant_values=40)  # nothing is written on it
    drawing = np.dstack([written, written, written, np.full_like(written, 255)])
    for picture in (
        written,
        255 - written,
        written * across,
        bar,
        shadowed,
        small,
        both,
        blank,
        sheet,
        drawing,
        written[:31],
    ):
        pixels = np.asarray(picture, np.uint8)
        assert without_borders(pixels) is pixels


def test_numbers_on_a_table_are_read_where_they_are(tmp_path: Path) -> None:
    reader = Reader()
    alone = reader.read(PAGE)
    page = load_pixels(PAGE)
    above, left = page.shape[0] // 4, page.shape[1] // 4
    table = cv2.copyMakeBorder(page, above, above, left, left, cv2.BORDER_CONSTANT, value=(60, 45, 35))
    Image.fromarray(table).save(tmp_path / "table.png")
    found = reader.read(tmp_path / "table.png")
    assert [number.text for number in found] == [number.text for number in alone]
    for here, there in zip(found, alone, strict=True):
        assert here.box[0] * table.shape[1] - left == pytest.approx(there.box[0] * page.shape[1], abs=12)
        assert here.box[1] * table.shape[0] - above == pytest.approx(there.box[1] * page.shape[0], abs=12)


def test_what_is_opened_goes_on_beyond_the_edges() -> None:
    ramp = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (60, 1))
    assert np.abs(opening(ramp, 0.25) - ramp).max() <= 0.02
    stroke = np.zeros((60, 60), np.float32)
    stroke[:, 28:34] = 1
    assert not opening(stroke, 0.25).any()


def test_nothing_near_the_edge_of_a_large_sheet_is_cut_off() -> None:
    scan = load_pixels(PAGE.with_name("scan-2.jpg"))
    cleaned = without_borders(scan)
    assert cleaned[:8].min() > 180  # where the table was
    signature = slice(640, 700), slice(130, 250)
    assert scan[signature].min() < 70
    assert np.array_equal(cleaned[signature], scan[signature])


def test_a_strip_that_nothing_is_left_of_within_its_edges_is_no_sheet() -> None:
    strip = np.full((100, 400), 40, np.uint8)
    strip[38:63] = 230  # four of the 64 pixels by which a sheet is looked for
    strip[48:53, 180:220] = 20
    assert without_borders(strip) is strip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(3))
def test_no_picture_of_bars_and_strokes_is_too_odd(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(200):
        height, width = chance.integers(32, 700, 2)
        picture = np.full((height, width), chance.integers(256), np.uint8)
        for _ in range(chance.integers(1, 6)):
            left, right = np.sort(chance.integers(0, width + 1, 2)) if chance.random() < 0.6 else (0, width)
            above, below = np.sort(chance.integers(0, height + 1, 2)) if chance.random() < 0.6 else (0, height)
            picture[above:below, left:right] = chance.integers(256)
        for _ in range(chance.integers(5)):
            start, end = chance.integers(0, (width, height), (2, 2)).tolist()
            cv2.line(picture, start, end, int(chance.integers(256)), int(chance.integers(1, max(2, height // 8))))
        cleaned = without_borders(picture)
        assert cleaned.shape == picture.shape
        assert cleaned.dtype == np.uint8
