"""Any picture -> digit image: parity with MNIST, and the forms and faults that pictures come with."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from zeronine import data
from zeronine.errors import ImageError
from zeronine.image import (
    LEAST_HIGH,
    MOST_PIXELS,
    digit_image,
    digit_views,
    load_pixels,
    page_grey,
    pages,
    plain_image,
    resized,
)

Grey = NDArray[np.float32]


def likeness(first: Grey, second: Grey) -> float:
    """Correlation of two digit images."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def as_bytes(image: Grey) -> NDArray[np.uint8]:
    return (image * 255).astype(np.uint8)


@pytest.mark.parametrize("part", ["train", "test"])
def test_mnist_images_stay_as_they_are(mnist: data.Dataset, part: str) -> None:
    images = getattr(mnist, part).images
    changed = [index for index, image in enumerate(images) if np.abs(digit_image(image) * 255 - image).max() > 0.5]
    assert changed == []


def test_inverted_mnist_images_come_out_the_same(mnist: data.Dataset) -> None:
    for image in mnist.test.images[:500]:
        assert np.abs(digit_image(255 - image) * 255 - image).max() <= 0.5


def test_the_rule(seven: Grey) -> None:
    result = digit_image(seven)
    rows, columns = np.flatnonzero(result.any(1)), np.flatnonzero(result.any(0))
    assert result.shape == (28, 28)
    assert result.dtype == np.float32
    assert (result.min(), result.max()) == (0, 1)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    mass = result.sum()
    assert abs((result.sum(1) @ np.arange(28)) / mass - 14) <= 0.6
    assert abs((result.sum(0) @ np.arange(28)) / mass - 14) <= 0.6


def test_a_digit_image_is_a_fixed_point(seven: Grey) -> None:
    once = digit_image(seven)
    assert np.array_equal(digit_image(once), once)


def ground(seven: Grey, paper: float = 0.9, ink: float = 0.2) -> Grey:
    return (paper + (ink - paper) * seven).astype(np.float32)


VARIANTS = {
    "black on white": lambda seven: 1 - seven,
    "bytes of an array": as_bytes,
    "boolean": lambda seven: seven > 0.5,
    "16 bit": lambda seven: (seven * 65535).astype(np.uint16),
    "signed": lambda seven: (seven * 255).astype(np.int64),
    "float 0..255": lambda seven: seven.astype(np.float64) * 255,
    "standardised": lambda seven: (seven - 0.13) / 0.31,
    "colour": lambda seven: np.dstack([as_bytes(seven)] * 3),
    "channels first": lambda seven: np.stack([as_bytes(seven)] * 3),
    "one channel": lambda seven: as_bytes(seven)[..., None],
    "a batch of one": lambda seven: as_bytes(seven)[None, ..., None],
    "alpha, black on nothing": lambda seven: np.dstack([np.zeros((120, 100, 3), np.uint8), as_bytes(seven)]),
    "alpha, white on nothing": lambda seven: np.dstack([np.full((120, 100, 3), 255, np.uint8), as_bytes(seven)]),
    "red on white": lambda seven: np.dstack([np.full((120, 100), 255, np.uint8), *[as_bytes(1 - seven)] * 2]),
    "red on blue": lambda seven: coloured(seven, (30, 60, 220), (220, 30, 30)),
    "green on pink": lambda seven: coloured(seven, (250, 190, 200), (20, 120, 60)),
    "in a box": lambda seven: cv2.rectangle(as_bytes(1 - seven), (6, 6), (93, 113), 0, 2),
    "blue on yellow": lambda seven: np.dstack([*[as_bytes(1 - 0.8 * seven)] * 2, as_bytes(0.4 + 0.4 * seven)]),
    "grey on grey": lambda seven: ground(seven, 0.6, 0.45),
    "off-centre": lambda seven: np.pad(1 - seven, ((300, 10), (20, 250)), constant_values=1),
    "wide margins": lambda seven: np.pad(ground(seven), 400, mode="edge"),
    "cut to the ink": lambda seven: seven[22:98, 20:76],
    "small": lambda seven: cv2.resize(seven, (25, 30), interpolation=cv2.INTER_AREA),
    "tiny": lambda seven: cv2.resize(1 - seven, (10, 12), interpolation=cv2.INTER_AREA),
    "tiny, white on black": lambda seven: cv2.resize(seven, (10, 12), interpolation=cv2.INTER_AREA),
    "large": lambda seven: cv2.resize(ground(seven), (1500, 1800), interpolation=cv2.INTER_CUBIC),
    "shadow": lambda seven: ground(seven) * np.linspace(0.45, 1, 100, dtype=np.float32),
    "lamp": lambda seven: ground(seven) * np.sin(np.linspace(0.5, 2.4, 120))[:, None],
    "grain": lambda seven: ground(seven) + np.random.default_rng(0).normal(0, 0.03, seven.shape),
    "specks": lambda seven: np.where(np.random.default_rng(0).random(seven.shape) > 0.999, 0, ground(seven)),
    "thin": lambda seven: cv2.erode(seven, np.ones((5, 5), np.uint8)),
    "thick": lambda seven: cv2.dilate(seven, np.ones((5, 5), np.uint8)),
    "frame": lambda seven: cv2.rectangle(as_bytes(1 - seven), (0, 0), (99, 119), 0, 2),
    "ruled": lambda seven: ruled(ground(seven)),
}


def coloured(seven: Grey, paper: tuple[int, ...], pen: tuple[int, ...]) -> NDArray[np.uint8]:
    mix = seven[..., None]
    return (np.array(paper) * (1 - mix) + np.array(pen) * mix).astype(np.uint8)


def ruled(image: Grey) -> Grey:
    image = image.copy()
    for row in (10, 60, 110):
        image[row : row + 2] *= 0.7
    return image


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_digit_on_any_ground(seven: Grey, variant: str) -> None:
    assert likeness(digit_image(VARIANTS[variant](seven)), digit_image(seven)) > 0.8


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_files_and_their_bytes(seven: Grey, tmp_path: Path, form: str) -> None:
    content = saved(Image.fromarray(as_bytes(1 - seven)), form)
    path = tmp_path / f"seven.{form.lower()}"
    path.write_bytes(content)
    expected = digit_image(seven)
    with Image.open(path) as image:
        for source in (content, path, str(path), image):
            assert likeness(digit_image(source), expected) > 0.95


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_pil_modes(seven: Grey, mode: str) -> None:
    grey = Image.fromarray(as_bytes(1 - seven))
    image = Image.fromarray(((1 - seven) * 65535).astype(np.uint16)) if mode == "I;16" else grey.convert(mode)
    assert likeness(digit_image(image), digit_image(seven)) > 0.8


def test_transparent_palette(seven: Grey) -> None:
    palette = Image.fromarray((seven > 0.5).astype(np.uint8), "P")
    palette.putpalette([255, 255, 255, 0, 0, 0])
    content = saved(palette, transparency=0)
    assert likeness(digit_image(content), digit_image(seven)) > 0.8


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 1), (8, 3)])
def test_exif_rotation(seven: Grey, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(np.rot90(as_bytes(1 - seven), turns)), "JPEG", exif=exif, quality=95)
    assert likeness(digit_image(content), digit_image(seven)) > 0.95


BLANK = {
    "white": np.full((100, 80), 255, np.uint8),
    "black": np.zeros((28, 28)),
    "grey": np.full((50, 50, 3), 130, np.uint8),
    "one pixel": np.zeros((1, 1)),
    "transparent": np.zeros((60, 60, 4), np.uint8),
    "grain": 0.8 + np.random.default_rng(0).normal(0, 0.01, (300, 200)),
    "shadow": np.repeat(np.linspace(0.5, 0.9, 200)[None], 150, 0),
    "a photo of paper": cv2.GaussianBlur(np.random.default_rng(1).normal(0.7, 0.03, (400, 300)), (0, 0), 1.0)
    * np.linspace(0.7, 1, 300),
}


@pytest.mark.parametrize("ground", BLANK)
def test_blank_is_told_apart(ground: str) -> None:
    with pytest.raises(ImageError) as caught:
        digit_image(BLANK[ground])
    assert caught.value.reason == "blank"


UNREADABLE = {
    "no file": "nowhere/seven.png",
    "a folder": ".",
    "empty bytes": b"",
    "text": b"seven",
    "a truncated file": saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)))[:900],
    "a truncated JPEG": saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)), "JPEG")[
        :700
    ],
    "a truncated file that is opened already": Image.open(
        io.BytesIO(saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)))[:900])
    ),
    "NaN": np.full((28, 28), np.nan),
    "infinity": np.full((28, 28), np.inf),
    "no pixels": np.zeros((0, 28)),
    "words": np.array([["seven"]]),
    "complex": np.zeros((28, 28), complex),
    "not a square": np.zeros(783),
    "a batch": np.zeros((5, 28, 28)),
    "four axes": np.zeros((2, 3, 28, 28)),
    "two channels": np.zeros((28, 28, 2)),
}


@pytest.mark.parametrize("source", UNREADABLE)
def test_what_is_no_picture(source: str) -> None:
    with pytest.raises(ImageError) as caught:
        digit_image(UNREADABLE[source])
    assert caught.value.reason == "unreadable"
    assert str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM"])
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(0, 255, (40, 30, 3), np.uint8))
    try:
        whole = np.frombuffer(saved(picture, kind), np.uint8)
    except (KeyError, OSError) as error:
        pytest.skip(f"this Pillow writes no {kind}: {error}")
    refused = []
    for _ in range(120):
        damaged = whole[: random.integers(len(whole) // 2, len(whole) + 1)].copy()
        damaged[random.integers(0, min(len(damaged), 400), 3)] = random.integers(0, 256, 3)
        try:
            assert load_pixels(damaged.tobytes()).size
        except ImageError as error:
            refused.append(error.reason)
    assert refused
    assert set(refused) <= {"unreadable", "too large"}


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than it has."""
    content = bytearray(saved(Image.new("L", (1, 1))))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("side", [10_000, 12_000, 60_000])
def test_decompression_bombs_are_refused(side: int) -> None:
    with pytest.raises(ImageError) as caught:
        digit_image(bomb(side, side))
    assert caught.value.reason == "too large"


def test_huge_arrays_are_refused() -> None:
    with pytest.raises(ImageError) as caught:
        digit_image(np.broadcast_to(np.uint8(0), (MOST_PIXELS, 5)))
    assert caught.value.reason == "too large"


def test_pictures_of_more_than_80_megapixels_are_refused_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    for source in (np.broadcast_to(np.uint8(0), (10_000, 9000)), bomb(10_000, 9000)):
        with pytest.raises(ImageError, match="80 megapixels"):
            load_pixels(source)
    assert not recwarn.list


@pytest.mark.parametrize("shape", [(1, 4_000_000), (4_000_000, 1)])
def test_a_page_of_one_row_or_column_is_no_larger_than_others(shape: tuple[int, int]) -> None:
    assert max(page_grey(np.full(shape, 255, np.uint8), 2_000_000).shape) * LEAST_HIGH <= 2_000_000


@pytest.mark.parametrize("most", [2_000_000, 4_000_000])
@pytest.mark.parametrize("side", [2600, 3000])
def test_a_large_jpeg_keeps_all_pixels_that_a_page_needs(side: int, most: int) -> None:
    white = Image.new("L", (side, side), 255)
    assert page_grey(saved(white, "JPEG"), most).shape == page_grey(saved(white), most).shape


def test_a_jpeg_that_is_opened_already_stays_as_large(tmp_path: Path) -> None:
    Image.new("L", (5000, 4000), 255).save(tmp_path / "page.jpg")
    assert load_pixels(tmp_path / "page.jpg").shape == (2000, 2500)
    with Image.open(tmp_path / "page.jpg") as image:
        assert load_pixels(image).shape == (4000, 5000)
        assert image.size == (5000, 4000)


@pytest.mark.parametrize("shape", [(5, 1, 3), (1, 5, 3), (1, 1, 3), (5, 1, 4)])
def test_colour_of_one_row_or_column_is_colour(shape: tuple[int, ...]) -> None:
    assert load_pixels(np.zeros(shape, np.uint8)).shape == shape


def test_sixteen_bits_are_the_same_in_any_container() -> None:
    pixels = np.full((60, 50), 60_000, "<u2")
    pixels[20:40, 20:25] = 60_100
    expected = load_pixels(pixels)
    assert expected.min() > 0.9
    greymap = b"P5\n50 60\n65535\n" + pixels.astype(">u2").tobytes()
    for source in (pixels.astype(">u2"), Image.fromarray(pixels), Image.fromarray(pixels.astype(np.int32)), greymap):
        assert np.array_equal(load_pixels(source), expected)


def test_values_as_far_apart_as_can_be_are_finite() -> None:
    pixels = np.full((60, 50), 1.7e308)
    pixels[20:40, 20:25] *= -1
    assert np.array_equal(load_pixels(pixels), pixels > 0)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    for source in (b"", tmp_path / "empty.png"):
        with pytest.raises(ImageError, match="empty file"):
            load_pixels(source)


def test_pages_of_a_file() -> None:
    frames = [Image.new("L", (20 + place, 30), place) for place in range(3)]
    content = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert [load_pixels(page).shape for page in pages(content)] == [(30, 20), (30, 21), (30, 22)]
    assert load_pixels(content).shape == (30, 20)
    alone = saved(frames[0])
    assert list(pages(alone)) == [alone]
    read = pages(content[:-300])
    assert load_pixels(next(read)).shape == (30, 20)
    with pytest.raises(ImageError, match="damaged"):
        list(map(load_pixels, read))


def test_flat_rows_are_square_images(seven: Grey) -> None:
    digit = digit_image(seven)
    assert np.array_equal(digit_image(digit.ravel()), digit)


def test_the_source_is_not_changed(seven: Grey) -> None:
    before = seven.copy()
    digit_image(seven)
    assert np.array_equal(seven, before)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_any_array_gives_a_digit_image_or_an_error(height: int, width: int, seed: int, share: float) -> None:
    pixels = (np.random.default_rng(seed).random((height, width)) < share) * np.uint8(200)
    try:
        result = digit_image(pixels)
    except ImageError as error:
        blank = error.reason == "blank"
        assert blank
    else:
        assert result.shape == (28, 28)
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert 0 < result.max() <= 1


def test_coursera_images_are_mnist_images_resized(seven: Grey) -> None:
    digit = digit_image(seven)
    assert resized(digit, 28) is digit
    assert resized(digit, 20).shape == (20, 20)
    assert np.array_equal(resized(digit, 32)[2:30, 2:30], digit)


def test_resizing_is_the_one_that_made_coursera(mnist: data.Dataset) -> None:
    import os

    index = Path(os.environ["ZERONINE_DATA_DIR"]) / "coursera" / "ex3_mnist_train_index.npy"
    if not index.exists():
        pytest.skip("needs coursera/ex3_mnist_train_index.npy in ZERONINE_DATA_DIR")
    coursera = data.load("coursera").train.images
    for image, row in list(zip(coursera, np.load(index), strict=True))[::50]:
        assert np.abs(resized(mnist.train.images[row].astype(np.float32) / 255, 20) - image).max() < 0.02


def test_plain_images_keep_their_polarity_and_colour(seven: Grey) -> None:
    colour = np.dstack([as_bytes(seven)] * 3)
    assert plain_image(colour, (32, 32, 3)).shape == (32, 32, 3)
    assert plain_image(seven, (28, 28)).shape == (28, 28)
    assert plain_image(1 - seven, (120, 100)) == pytest.approx(1 - seven)
    assert plain_image(seven, (120, 100, 3))[..., 1] == pytest.approx(seven)


def test_load_pixels_keeps_bytes_as_bytes(seven: Grey) -> None:
    assert load_pixels(as_bytes(seven)).dtype == np.uint8
    assert load_pixels(saved(Image.fromarray(as_bytes(seven)))).dtype == np.uint8


@pytest.mark.parametrize("side", [28, 80])
def test_every_way_to_see_a_picture_without_paper(side: int) -> None:
    picture = np.full((side, side), 255, np.uint8)
    picture[: side // 10] = 0
    picture[-side // 10 :] = 0
    for view in digit_views(picture):
        assert view.image.shape == (28, 28)


def test_the_first_way_is_the_digit_image(seven: NDArray[np.float32]) -> None:
    large = np.kron(seven, np.ones((4, 4), np.float32))
    ways = list(digit_views(large))
    assert np.array_equal(ways[0].image, digit_image(large))
    assert [way.whole for way in ways] == [True] + [False] * (len(ways) - 1)
    assert len(list(digit_views(seven))) == 1  # a digit image has one way
    damaged = np.maximum(digit_image(seven), 0.2).astype(np.float32)
    for picture in (damaged, 1 - damaged):
        first, second = list(digit_views(picture))[:2]
        assert np.allclose(first.image, damaged)
        assert [first.whole, second.whole] == [True, True]


def test_what_the_edge_cut_apart_belongs_together() -> None:
    def bands(picture: NDArray[np.uint8]) -> int:
        return int(np.diff(digit_image(picture).any(axis=1).astype(int)).clip(0).sum())

    nine = np.zeros((200, 120), np.uint8)
    cv2.circle(nine, (90, 60), 38, 255, 12)
    cv2.ellipse(nine, (70, 100), (70, 70), 0, 30, 90, 255, 12)
    assert bands(nine) == 2
    nine[150:] = np.roll(nine[150:], -15, axis=1)  # the tail does not reach the edge: it may be anything
    assert bands(nine) == 1


@pytest.mark.parametrize("pen", [40, 45, 50])
@pytest.mark.parametrize("dark", [True, False])
def test_a_digit_that_fills_a_small_picture_is_ink(pen: int, dark: bool) -> None:
    large = np.zeros((160, 160), np.uint8)
    cv2.ellipse(large, (80, 80), (78 - pen // 2, 80 - pen // 2), 0, 0, 360, 255, pen, cv2.LINE_AA)
    zero = cv2.resize(large, (16, 16), interpolation=cv2.INTER_AREA)  # most of it is ink, most of its paper are edges
    image = digit_image(zero if dark else 255 - zero)
    assert image[14, 5:9].max() > 0.8
    assert image[13:15, 13:15].max() < 0.3


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
@pytest.mark.parametrize("soft", [0.02, 0.1])
def test_a_shadow_leaves_the_digit_as_it_is(seven: NDArray[np.float32], share: float, soft: float) -> None:
    page = 0.9 - 0.7 * seven
    across = np.add(*np.mgrid[: page.shape[0], : page.shape[1]]) / sum(page.shape)
    shadow = 1 - 0.6 / (1 + np.exp((across - np.quantile(across, share)) / soft))
    apart = np.abs(digit_image((page * shadow).astype(np.float32)) - digit_image(page.astype(np.float32)))
    assert apart.mean() < 0.06


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_thick_digit_half_in_shadow_is_not_blank(place: float) -> None:
    """A quadratic surface was its paper, far from which all lay, so that nothing stood out."""
    page = np.full((90, 72), 0.8, np.float32)
    cv2.polylines(page, [np.array([[20, 16], [52, 16], [34, 42], [52, 62], [20, 74]])], False, 0.45, 9, cv2.LINE_AA)
    across = np.tile(np.linspace(0, 1, 72, dtype=np.float32), (90, 1))
    shadow = 1 - 0.45 * cv2.GaussianBlur((across > place).astype(np.float32), (0, 0), 4.5)
    assert likeness(digit_image(page * shadow), digit_image(page)) > 0.85
