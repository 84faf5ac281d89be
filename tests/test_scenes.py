"""The scenes: paper on tables, in shadow, with a scanner's edge; the same every time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from zeronine.bench.scenes import SCENES, staged
from zeronine.errors import DataError


@pytest.fixture(scope="module")
def picture(seven: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The seven, dark on light grey."""
    return np.rint(230 - 200 * seven).astype(np.uint8)


@pytest.mark.parametrize("name", SCENES)
def test_each_is_the_same_every_time(name: str, picture: NDArray[np.uint8]) -> None:
    first, *others = staged(name, [picture] * 9)
    assert first.dtype == np.uint8
    assert first.shape[2] == 3
    assert not all(np.array_equal(first, other) for other in others)
    assert np.array_equal(staged(name, [picture])[0], first)


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_may_be_grey_coloured_transparent_or_of_floats(name: str, picture: NDArray[np.uint8]) -> None:
    colour = np.repeat(picture[..., None], 3, axis=2)
    opaque = np.concatenate([colour, np.full_like(colour[..., :1], 255)], axis=2)
    expected = staged(name, [picture])[0]
    for other in (colour, opaque, picture.astype(np.float32) / 255):
        assert np.array_equal(staged(name, [other])[0], expected)


def test_a_table_lies_around_the_paper_and_a_shadow_on_it(picture: NDArray[np.uint8]) -> None:
    (table,) = staged("dark-table", [picture])
    assert table.shape[0] > 1.5 * picture.shape[0]
    assert (table[0] == (40, 40, 45)).all()
    assert table.max() == picture.max()
    (shadow,) = staged("shadow-of-a-hand", [picture])
    assert shadow.shape[:2] == picture.shape
    assert (shadow <= picture[..., None]).all()
    assert shadow.min() < picture.min()


def test_no_such_scene(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match="dark-table"):
        staged("desert", [picture])
