"""The corruptions: each does what its docstring says, the same every time."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from zeronine import data
from zeronine.bench.corruptions import CORRUPTIONS, corrupt
from zeronine.errors import DataError

Bytes = NDArray[np.uint8]
EVEN = ("brightness", "canny-edges", "scale", "stripe")
"""Those in which nothing is left to chance."""


@pytest.fixture(scope="module")
def images(digits: data.Dataset) -> Bytes:
    return np.rint(digits.test.images[:40] * 255).astype(np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_is_the_same_every_time_and_another_with_another_seed(name: str, images: Bytes) -> None:
    result = corrupt(name, images)
    assert result.shape == images.shape
    assert result.dtype == np.uint8
    assert (result != images).any(axis=(1, 2)).all()
    assert (corrupt(name, images) == result).all()
    assert (corrupt(name, images, seed=1) == result).all() == (name in EVEN)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_first_images_are_the_same_however_many_follow(name: str, images: Bytes) -> None:
    assert (corrupt(name, images[:3]) == corrupt(name, images)[:3]).all()
    assert len(corrupt(name, images[:0])) == 0


def test_there_are_the_papers_fifteen_and_each_says_what_it_does() -> None:
    assert len(CORRUPTIONS) == 15
    assert all(corruption.apply.__doc__ and corruption.settings for corruption in CORRUPTIONS.values())
    assert {name: corruption.severity for name, corruption in CORRUPTIONS.items() if corruption.severity} == {
        "shot-noise": 5,
        "impulse-noise": 4,
        "glass-blur": 1,
        "motion-blur": 1,
        "shear": 2,
        "scale": 3,
        "rotate": 2,
        "brightness": 5,
        "translate": 3,
        "fog": 5,
        "spatter": 4,
    }


def grey(value: float, count: int = 200) -> Bytes:
    return np.full((count, 28, 28), round(255 * value), np.uint8)


def bar(count: int = 40) -> Bytes:
    """An upright bar, 3 by 17 pixels, in the middle."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 6:22, 13:15] = 255
    return images


def spot(count: int = 40) -> Bytes:
    """A white pixel near the middle."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 14, 14] = 255
    return images


def test_shot_noise_counts_three_at_full_brightness() -> None:
    result = corrupt("shot-noise", grey(1 / 3))
    assert set(np.unique(result)) == {0, 85, 170, 255}
    assert (result == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)


def test_impulse_noise_makes_17_percent_white_or_black() -> None:
    result = corrupt("impulse-noise", grey(0.5))
    assert (result == 255).mean() == pytest.approx(0.085, abs=0.003)
    assert (result == 0).mean() == pytest.approx(0.085, abs=0.003)


def test_glass_blur_keeps_the_ink_and_moves_it_by_few_pixels() -> None:
    result = corrupt("glass-blur", spot(400)).astype(float)
    assert result.sum() == pytest.approx(400 * 255, rel=0.1)  # it rounds down between the blurs
    rows, columns = np.nonzero(result.mean(axis=0) > 0.5)
    assert 9 <= rows.min() <= rows.max() <= 19
    assert 9 <= columns.min() <= columns.max() <= 19


def test_motion_blur_smears_to_one_side_along_a_line() -> None:
    result = corrupt("motion-blur", spot()).astype(float)
    assert np.abs(result.sum(axis=(1, 2)) - 255).max() < 8
    assert not result[:, :, 15:].any()
    assert result[:, 14, 14] == pytest.approx(255 / sum(np.exp(-(i**2) / 18) for i in range(21)), abs=0.5)


def moments(images: Bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres (N, 2) as column and row, and covariances (N, 2, 2) of the ink."""
    ink = images / images.sum(axis=(1, 2), keepdims=True)
    places = np.stack(np.meshgrid(np.arange(28), np.arange(28)), axis=-1).reshape(-1, 2)
    flat = ink.reshape(len(images), -1)
    centres = flat @ places
    apart = places - centres[:, None]
    return centres, np.einsum("np,npi,npj->nij", flat, apart, apart)


def slope(images: Bytes) -> NDArray[np.float64]:
    """Angle of the ink's longer axis from upright, in radians."""
    _, covariance = moments(images)
    return 0.5 * np.arctan2(2 * covariance[:, 0, 1], covariance[:, 1, 1] - covariance[:, 0, 0])


@pytest.mark.parametrize(
    ("name", "expected"), [("rotate", 0.4), ("shear", np.arctan(np.sin(0.4)))], ids=["rotate", "shear"]
)
def test_rotate_and_shear_slant_by_so_much_either_way(name: str, expected: float) -> None:
    result = corrupt(name, bar())
    angles = slope(result)
    assert np.abs(angles) == pytest.approx(expected, abs=0.02)
    assert 0.2 < (angles > 0).mean() < 0.8
    assert moments(result)[0] == pytest.approx(moments(bar())[0], abs=0.1)


def test_scale_shrinks_to_seven_tenths() -> None:
    before, after = (moments(images)[1][:, 1, 1] for images in (bar(), corrupt("scale", bar())))
    assert np.sqrt(after / before) == pytest.approx(0.7, abs=0.02)


def test_translate_shifts_by_three_each_way() -> None:
    shifts = moments(corrupt("translate", bar()))[0] - moments(bar())[0]
    assert np.abs(shifts) == pytest.approx(3, abs=1e-6)
    assert len(np.unique(shifts.round(), axis=0)) == 4


def test_brightness_and_stripe_are_what_they_say(images: Bytes) -> None:
    assert np.abs(corrupt("brightness", images) - np.minimum(images + 127.5, 255)).max() <= 0.5
    result = corrupt("stripe", images)
    assert (result[:, :, 7:21] == images[:, :, 7:21]).all()
    outside = [*range(7), *range(21, 28)]
    assert (result[:, :, outside] == 255 - images[:, :, outside]).all()


def test_fog_is_smooth_and_leaves_a_quarter_of_the_contrast(images: Bytes) -> None:
    fog = corrupt("fog", images).astype(float)
    clear = np.zeros_like(images)
    clear[:, 0, 0] = images.max(axis=(1, 2))  # the same weights, and clouds
    clouds = corrupt("fog", clear).astype(float)
    difference = (fog - clouds)[:, 1:]
    brightest = images.max(axis=(1, 2), keepdims=True) / 255
    assert difference == pytest.approx(images[:, 1:] * brightest / (brightest + 3), abs=1.01)
    assert np.abs(np.diff(clouds[:, 1:], axis=2)).mean() < 6


def test_spatter_lays_dark_grey_over_what_is_there() -> None:
    dark, bright = corrupt("spatter", grey(0)), corrupt("spatter", grey(1))
    assert dark.max() == 63
    assert bright.min() == 63
    assert ((dark > 0) == (bright < 255)).all()
    assert 0.02 < (dark > 0).mean() < 0.3


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("dotted-line", [column for column in range(27) if column % 4 >= 2]),
        ("zigzag", list(range(1, 26))),
    ],
)
def test_lines_are_drawn_where_they_should_be(name: str, changed: list[int]) -> None:
    result = corrupt(name, grey(0))
    assert result.max() == 255
    drawn = result.any(axis=(0, 1))
    assert set(np.flatnonzero(drawn)) <= set(changed)
    assert drawn[changed].sum() >= len(changed) - 3
    thickness = (result[:, :, 6] > 0).sum(axis=1)
    assert 1 <= np.median(thickness) <= 6


def test_canny_edges_are_thin_and_white_around_strokes() -> None:
    result = corrupt("canny-edges", bar(1))[0]
    assert set(np.unique(result)) == {0, 255}
    assert (result[10:18] > 0).sum(axis=1).tolist() == [2] * 8
    assert not corrupt("canny-edges", grey(0.5, 1)).any(axis=(1, 2))[0]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("frost", lambda images: images, "no corruption is called 'frost': there are shot-noise"),
        ("fog", lambda images: images / 255, "float64"),
        ("fog", lambda images: images[:, :20], "28×28 uint8"),
    ],
)
def test_refusals(name: str, change: Callable[[Bytes], Bytes], message: str, images: Bytes) -> None:
    with pytest.raises(DataError, match=message):
        corrupt(name, change(images))
