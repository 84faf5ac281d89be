"""Any picture -> digit image. The only preprocessing: training, Reader, window and page all go through it.

A digit image is what MNIST's authors made of their scans: white ink on black, the longest side of the ink scaled to
20 pixels with its proportions kept, antialiased, its centre of mass in the middle of 28×28 (LeCun et al., "Gradient-
based learning applied to document recognition", 1998). An image that already is one comes back unchanged.

Knows pixels. Knows no network, no label, and only one digit per picture.
"""

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from zeronine.borders import WIDEST_STROKE, opening, without_borders
from zeronine.errors import ImageError

Source = str | PathLike[str] | bytes | Image.Image | NDArray[Any]
"""Anything with pixels: a path, the bytes of an image file, a PIL image, an array."""

Grey = NDArray[Any]
"""(H, W) float32 in 0..1; the type says Any because OpenCV's stubs forget the dtype."""

SIDE, BOX = 28, 20
"""Pixels: the side of a digit image, and the longest side of the ink in it."""

MOST_PIXELS = 80_000_000
"""More is refused: no phone makes it, and the decoded picture would take a quarter of a gigabyte."""

WORKING_SIDE = 640
"""Larger pictures are shrunk to this before anything is measured: a digit needs 20 pixels of it."""

MOST_NEEDED = 4_000_000
"""Pixels that anybody here needs of a picture: forms. A JPEG that has more is decoded with as many or more."""

THINNEST = 2.0
"""Pixels of a digit image: strokes that would come out thinner are thickened; MNIST's are 2 to 4 wide."""


def digit_image(source: Source) -> Grey:
    """The digit image of any picture of one digit.

    Args:
        source: a path, bytes, PIL image or array (see :func:`load_pixels`), of either polarity, any size.

    Returns:
        (28, 28) float32 in 0..1, white ink on black.

    Raises:
        ImageError: the picture cannot be read, is too large, or is blank.
    """
    grey = _grey(without_borders(_shrink(load_pixels(source, 4 * WORKING_SIDE**2), WORKING_SIDE)))
    already = _ready(grey)
    return _normalised(_digit_only(_without_lines(_ink(grey)))) if already is None else already


class View(NamedTuple):
    """One way to see a digit in a picture.

    Attributes:
        image: (28, 28) float32 in 0..1, white ink on black.
        whole: whether all is on it that may belong to the digit; else a part of it may have been left away.
    """

    image: Grey
    whole: bool


def digit_views(source: Source) -> Iterator[View]:
    """The ways to see one digit in a picture, likeliest first: the first is ``digit_image``, but for 28×28 pixels.

    A picture cut out of a form or a register shows parts of neighbours and ruled lines, which may touch the digit. What
    belongs to it is for whoever reads digits to say, so each way leaves more away: coarser lines, what lies apart, what
    lies at the sides. A picture of 28×28 pixels is meant as a digit image, damaged perhaps, and is seen as it is before
    all else. A digit image gives itself alone.

    Args:
        source: as for ``digit_image``.

    Yields:
        Each is made when it is asked for, and differs from those before.

    Raises:
        ImageError: as for ``digit_image``, before the first.
    """
    grey = _grey(without_borders(_shrink(load_pixels(source, 4 * WORKING_SIDE**2), WORKING_SIDE)))
    already = _ready(grey)
    if already is not None:
        yield View(already, whole=True)
        return
    ink = _ink(grey)
    clean = _without_lines(ink)
    seen = [_normalised(_digit_only(clean))]
    if grey.shape == (SIDE, SIDE):
        bright = float(np.median(grey[:, SIDE // 4 : -SIDE // 4])) > 0.5
        seen.insert(0, np.asarray(1 - grey if bright else grey, np.float32))
    yield from (View(image, whole=True) for image in seen)
    for see in _OTHER_WAYS:
        try:
            image = _normalised(see(ink, clean))
        except ImageError:  # that way leaves nothing
            continue
        if not any(np.array_equal(image, before) for before in seen):
            seen.append(image)
            yield View(image, whole=False)


def plain_image(source: Source, shape: tuple[int, ...]) -> NDArray[Any]:
    """A whole picture at the size that a network takes, for networks of other things than digits.

    Args:
        source: as for :func:`digit_image`.
        shape: (height, width), or (height, width, 3) for colour.

    Returns:
        float32 in 0..1 of that shape; nothing is cut, turned round or centred.

    Raises:
        ImageError: the picture cannot be read or is too large.
    """
    pixels = load_pixels(source)
    values = pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels
    if values.ndim == 3 and values.shape[2] == 4:
        values = on_paper(values)
    if values.ndim == 3 and len(shape) == 2:
        values = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)
    if values.ndim == 2 and len(shape) == 3:
        values = np.repeat(values[..., None], 3, axis=2)
    if values.shape[:2] != shape[:2]:
        smaller = values.shape[0] > shape[0]
        values = cv2.resize(values, shape[1::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return values


def page_grey(source: Source, most: int) -> Grey:
    """The grey values of a page, dark ink on light paper.

    Args:
        source: as for :func:`digit_image`.
        most: pixels; a larger page is shrunk to so many.

    Returns:
        (H, W) float32 in 0..1.

    Raises:
        ImageError: the picture cannot be read or is too large.
    """
    pixels = load_pixels(source, most)
    factor = (most / (pixels.shape[0] * pixels.shape[1])) ** 0.5
    longest = min(round(max(pixels.shape[:2]) * min(factor, 1.0)), most // LEAST_HIGH)
    pixels = without_borders(_shrink(pixels, max(1, longest)))
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = on_paper(pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels)
    small = np.ascontiguousarray(_shrink(pixels, WORKING_SIDE))
    plain = _unit(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small)
    dark = _lightness_of_detail(plain, DETAILS) > 0
    if pixels.ndim == 3:  # ink of any colour is dark in one of the three
        red, green, blue = cv2.split(np.ascontiguousarray(pixels))
        furthest = cv2.max if dark else cv2.min
        pixels = furthest(furthest(red, green), blue)
    return np.asarray(1 - _unit(pixels) if dark else _unit(pixels), np.float32)


LEAST_HIGH = 48
"""Pixels that a page is given at least, be it a row of a single one: how long it may be is reckoned with so many."""


def _unit(pixels: NDArray[Any]) -> Grey:
    """Bytes, or values that are so already, as float32 in 0..1."""
    return pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels


def _lightness_of_detail(grey: Grey, sides: Sequence[int]) -> float:
    """Whether what stands out from its surroundings is lighter than they are, above 0, or darker, below.

    Writing is the lesser part of any place, so what differs most from the mean around it is ink: the third moment says
    whether that is light. The edge of a shadow, of a sheet or of a table has as much on either side. By its sign one of
    600 composed lines and none of 100 pages is taken for white on black; by what is darker on the whole 18 and 6.

    Args:
        grey: (H, W).
        sides: of the surroundings, in pixels.
    """
    moments = 0.0
    for side in sides:
        rest = grey - cv2.blur(grey, (side, side), borderType=cv2.BORDER_REPLICATE)
        squares = rest * rest
        moments += float((squares * rest).mean()) / max(float(squares.mean()), 1e-9) ** 1.5
    return moments


DETAILS = (9, 17, 33, 65)
"""Sides of the surroundings that writing stands out from on a page of at most ``WORKING_SIDE`` pixels."""


def resized(digit: Grey, side: int) -> Grey:
    """A digit image for a network that takes another size: 20×20 is what ``ex3data1.mat`` was made by.

    Args:
        digit: (28, 28) float32 in 0..1.
        side: pixels of the result.

    Returns:
        (side, side) float32: bicubic where it is smaller (a few values lie just outside 0..1, as in that file),
        with an empty margin where it is larger.
    """
    if side == SIDE:
        return digit
    if side > SIDE:
        before = (side - SIDE) // 2
        return np.pad(digit, (before, side - SIDE - before))
    return np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC))


def load_pixels(source: Source, needed: int = MOST_NEEDED) -> NDArray[Any]:
    """The pixels of a picture, upright.

    Args:
        source: path or bytes of an image file (EXIF rotation is applied; of several pictures in it the first), PIL
            image, or array: (H, W), (H, W, 1), (1, H, W), (H, W, 3 or 4), (3 or 4, H, W), or flat with a square number
            of pixels, row by row; of any real or boolean dtype.
        needed: pixels; a JPEG file that has more may be decoded at a half, a quarter or an eighth of its width and
            height, with no fewer than so many.

    Returns:
        (H, W), (H, W, 3) or (H, W, 4): uint8, or float32 in 0..1 where the source has finer steps.

    Raises:
        ImageError: unreadable, too large, or not the shape of one picture.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    with decoding():
        if isinstance(source, Image.Image):
            return _from_pil(source)
        if not isinstance(source, (str, PathLike, bytes)):
            kind = type(source).__name__
            raise ImageError("unreadable", f"a {kind} is no picture: pass a path, bytes, PIL image or array")
        with _opened(source) as image:
            return _from_pil(image, needed)


def pages(source: Source) -> Iterator[Source]:
    """The pages of a picture, first to last, for :func:`load_pixels` takes the first alone.

    Args:
        source: as for :func:`load_pixels`.

    Yields:
        Of a TIFF file a PIL image for each page, to be read before the next is asked for; else the source itself.

    Raises:
        ImageError: the file cannot be read.
    """
    if not isinstance(source, (str, PathLike, bytes)):
        yield source
        return
    with decoding(), _opened(source) as image:
        if image.format == "TIFF":
            yield from ImageSequence.Iterator(image)
        else:
            yield source


def _opened(source: str | PathLike[str] | bytes) -> Image.Image:
    """A picture's file, opened. What Pillow warns of, that it is large, is refused here by its pixels."""
    if not source if isinstance(source, bytes) else Path(source).is_file() and not Path(source).stat().st_size:
        raise ImageError("unreadable", "not a picture, but an empty file: copy or save it again")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else Path(source))


@contextmanager
def decoding() -> Iterator[None]:
    """Whatever opening and decoding a picture raises, as the one error; over damaged files Pillow raises anything."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise ImageError("unreadable", f"no such file: {error.filename}") from None
    except IsADirectoryError as error:
        raise ImageError("unreadable", f"{error.filename} is a folder: name the pictures in it") from None
    except PermissionError as error:
        raise ImageError("unreadable", f"{error.filename} may not be read: change its permissions") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except UnidentifiedImageError:
        raise ImageError("unreadable", "not a picture of a kind that is known here: save it as PNG or JPEG") from None
    except Exception as error:
        raise ImageError("unreadable", f"the picture is damaged ({error}): copy or save it again") from error


def _too_large() -> ImageError:
    return ImageError("too large", f"more than {MOST_PIXELS // 1_000_000} megapixels: shrink the picture first")


def _from_pil(image: Image.Image, needed: int | None = None) -> NDArray[Any]:
    """Pixels of a PIL image, upright: grey, RGB or RGBA uint8; 16-bit and float modes as float32.

    Args:
        image: it stays as it is, unless ``needed`` is given.
        needed: pixels that a JPEG is decoded with at least, see :func:`load_pixels`; None for all that it has.
    """
    if image.width * image.height > MOST_PIXELS:
        raise _too_large()
    if image.width * image.height == 0:
        raise ImageError("unreadable", "the picture has no pixels")
    if needed and image.format in ("JPEG", "MPO"):
        factor = (needed / (image.width * image.height)) ** 0.5
        if factor < 1:  # a phone photo decodes 3 times as fast
            image.draft(None, (math.ceil(image.width * factor), math.ceil(image.height * factor)))
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        sixteen = image.mode == "I" and values.min() >= 0 and 1 < values.max() <= 65535  # as of a PGM
        return _from_array(values.astype(np.uint16) if sixteen else values)
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _from_array(array: NDArray[Any]) -> NDArray[Any]:
    """One picture out of an array of any shape and dtype; see :func:`load_pixels`."""
    if array.dtype.kind not in "buif":
        raise ImageError("unreadable", f"an array of {array.dtype} is no picture: pass numbers")
    if array.size == 0:
        raise ImageError("unreadable", "the picture has no pixels")
    if array.size > MOST_PIXELS * 4:
        raise _too_large()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ImageError("unreadable", "the array holds NaN or infinity: replace them first")
    shape = array.shape
    if array.ndim != 2 and not (array.ndim == 3 and shape[2] in (3, 4)):
        array = array.squeeze()
    if array.ndim < 2:
        side = round(array.size**0.5)
        if side * side != array.size:
            raise ImageError("unreadable", f"{array.size} pixels in a row are no square: reshape to (height, width)")
        array = array.reshape(side, side)
    if array.ndim == 3 and array.shape[2] not in (3, 4) and array.shape[0] in (3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in (3, 4)):
        raise ImageError("unreadable", f"shape {shape} is not one picture: pass (height, width) or (height, width, 3)")
    if array.shape[0] * array.shape[1] > MOST_PIXELS:
        raise _too_large()
    return array if array.dtype == np.uint8 else _unit_range(array)


def _unit_range(array: NDArray[Any]) -> Grey:
    """Any numbers as float32 in 0..1: as they are, by 255, by the range of their type, else by their own range."""
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and low >= -0.25 and high <= 1.25):
        return array.astype(np.float32).clip(0, 1)  # resampling and grain reach a little beyond
    if low >= 0 and high <= 255 and (array.dtype.kind == "f" or high > 1):
        return array.astype(np.float32) / 255
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # of either byte order
        return array.astype(np.float32) / 65535
    halves = array.astype(np.float64) / 2  # their differences are finite, whatever the values
    return ((halves - low / 2) / max(high / 2 - low / 2, 5e-13)).astype(np.float32)


def _grey(pixels: NDArray[Any]) -> Grey:
    """Grey values, 0..1, in which ink and paper are far apart whatever their colours."""
    colour = pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels
    if colour.ndim == 2:
        return colour
    if colour.shape[2] == 4:
        colour = on_paper(colour)
    red, green, blue = cv2.split(np.ascontiguousarray(colour))
    if max(float(np.abs(red - green).max()), float(np.abs(green - blue).max())) < 0.02:
        return green
    return _widest_axis(colour)


def on_paper(colour: NDArray[Any]) -> NDArray[Any]:
    """A picture with alpha on white paper, or on black where what can be seen of it is bright."""
    alpha = colour[..., 3:]
    visible = float((colour[..., :3] * alpha).sum() / max(3 * float(alpha.sum()), 1e-6))
    everywhere = float(alpha.min()) > 0.99
    paper = 1.0 if visible < 0.5 or everywhere else 0.0
    return np.asarray(colour[..., :3] * alpha + paper * (1 - alpha))


def _widest_axis(colour: NDArray[Any]) -> Grey:
    """Colour projected on the line from paper to what differs most from it: red ink is as dark as blue ink."""
    small = _shrink(colour, 160)
    flat = small.reshape(-1, 3)
    paper = np.median(flat, axis=0)
    distance = np.abs(flat - paper).sum(axis=1)
    ink = np.median(flat[distance >= np.quantile(distance, 0.98)], axis=0)
    step = ink - paper
    if not step.any():
        return np.asarray(colour.mean(axis=2), np.float32)
    darker = step.sum() < 0
    along = (colour - paper) @ (step * np.abs(step).max() / (step @ step))
    return np.asarray(1 - along if darker else along, np.float32)


def _ready(grey: Grey) -> Grey | None:
    """A picture that is a digit image, white ink on black or the other way round; else None."""
    return next((one for one in (grey, 1 - grey) if _is_digit_image(one)), None)


def _is_digit_image(grey: Grey) -> bool:
    """Whether MNIST's rule already holds. It does for each of MNIST's 70,000: longest side 19 or 20, centred."""
    if grey.shape != (SIDE, SIDE) or not 0.9 <= grey.max() <= 1:
        return False
    rows, columns = np.flatnonzero(grey.any(axis=1)), np.flatnonzero(grey.any(axis=0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    return longest in (BOX - 1, BOX) and all(abs(middle - SIDE / 2) <= 0.55 for middle in _centre_of_mass(grey))


def _centre_of_mass(ink: Grey) -> tuple[float, float]:
    """Row and column, in pixels, of the mean place of the ink; in 64 bits, where no order of adding matters."""
    rows, columns = ink.sum(axis=1, dtype=np.float64), ink.sum(axis=0, dtype=np.float64)
    total = max(float(rows.sum()), 1e-9)
    return float(rows @ np.arange(len(rows))) / total, float(columns @ np.arange(len(columns))) / total


def _enlarged(grey: Grey) -> Grey:
    """A tiny picture with paper around it and many pixels for each of its own, the mean of which is as before."""
    grey = np.pad(grey, 1, constant_values=float(grey.min() if _is_dark_background(grey) else grey.max()))
    times = max(4, round(40 / max(grey.shape)))
    size = grey.shape[1] * times, grey.shape[0] * times
    large = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(5):
        missing = grey - cv2.resize(large, grey.shape[::-1], interpolation=cv2.INTER_AREA)
        large = large + cv2.resize(missing, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(large.clip(0, 1), np.float32)


TINY = 12
"""Pixels of the longer side, up to which a pixel is as wide as a stroke: how dark it is tells where the stroke runs."""


def _shrink(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    """The picture with its longer side at most ``side`` pixels."""
    factor = side / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _ink(grey: Grey) -> Grey:
    """How much ink, 0..1, paper 0, a full stroke 1: polarity, paper tone, shadow and noise are gone.

    Of a tiny picture it has more pixels than that.

    Raises:
        ImageError: blank.
    """
    few = min(grey.shape) <= SIDE  # pixels
    grey = _enlarged(grey) if max(grey.shape) <= TINY else grey
    raised = grey if _is_dark_background(grey) and (few or not _is_in_shadow(grey)) else -grey
    relief = raised - _paper(raised, few)
    smooth = cv2.GaussianBlur(relief, (3, 3), 0) if min(grey.shape) > 64 else relief
    threshold = _otsu(smooth)
    noise = _noise(smooth[smooth <= threshold]) if min(grey.shape) > 64 else 0.0  # small pictures are all edges
    least = LEAST_CONTRAST / 4 if np.mean(relief == np.median(relief)) > 0.5 else LEAST_CONTRAST  # a clean drawing
    threshold = max(threshold, least / 2, min(4 * noise, 0.5 * float(smooth.max())))
    strokes = smooth > threshold
    if strokes.sum() < 3 or float(smooth.max()) < max(least, 6 * noise):
        raise ImageError("blank", "nothing is written on it")
    full = float(np.median(smooth[strokes]))
    faint = max(0.25 * full, min(2 * noise, 0.5 * full))
    if min(grey.shape) > 64:
        relief = _evened(relief, smooth, strokes, full, max(0.12 * full, 5 * noise, least / 2))
    return np.clip((relief - faint) / (0.85 * full - faint), 0, 1).astype(np.float32)


def _evened(relief: Grey, smooth: Grey, strokes: NDArray[np.bool_], full: float, least: float) -> Grey:
    """Relief in which strokes that fade where the pen ran dry are as strong as those that they join."""
    _, pieces = cv2.connectedComponents((smooth > min(least, full)).astype(np.uint8), connectivity=8)
    joined = np.isin(pieces, np.unique(pieces[strokes]))
    reach = max(3, round(0.06 * max(relief.shape))) | 1
    local = cv2.dilate(smooth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    local = cv2.GaussianBlur(local, (0, 0), reach / 3)
    gain = np.where(joined, full / np.clip(local, min(0.3 * full, full), full), 1)
    return np.asarray(relief * gain, np.float32)


def _noise(paper: Grey) -> float:
    """Standard deviation of paper, robust against ink; 0 where there is no paper, as all is of one tone."""
    return 0.0 if not paper.size else 1.4826 * float(np.median(np.abs(paper - np.median(paper))))


LEAST_CONTRAST = 0.06
"""Ink that differs less from its paper, in 0..1, is none: pencil on grey paper differs by 0.1."""


def _otsu(values: Grey) -> float:
    """Otsu's threshold of values around 0, the negative ones taken as 0."""
    top = max(float(values.max()), 1e-6)
    level, _ = cv2.threshold((values.clip(0) * (255 / top)).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    return level * top / 255


def _is_dark_background(grey: Grey) -> bool:
    """Whether paper is darker than ink: it is what most of the picture and most of its edge are."""
    steady = cv2.GaussianBlur(grey, (3, 3), 0) if min(grey.shape) > 64 else grey
    dark = steady < (steady.min() + steady.max()) / 2  # not Otsu: it splits the paper where there is little ink
    if not 0.25 < dark.mean() < 0.75:
        return bool(dark.mean() > 0.5)  # whatever a frame around it says
    edge = _edge(dark)
    corners = dark[:: len(dark) - 1, :: dark.shape[1] - 1] if min(dark.shape) > 1 else dark
    return bool(dark.mean() + edge.mean() + corners.mean() > 1.5)


def _edge(plane: NDArray[Any]) -> NDArray[Any]:
    """The outermost pixels of a picture, the corners twice."""
    return np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])


def _is_in_shadow(grey: Grey) -> bool:
    """Whether ink is darker than its paper, although most of the picture is dark.

    Of 185 pictures and drawings that are white on black the least lightness of detail is 0.86; of scans in deep shadow
    nine in ten have less than -1.
    """
    sides = [round(share * max(grey.shape)) | 1 for share in (0.04, 0.08, 0.16, 0.32, 0.64)]
    return _lightness_of_detail(grey, sides) < 0


def _paper(raised: Grey, few: bool) -> Grey:
    """What the picture would be without ink, ink being above.

    Level where the paper is even; a quadratic surface where nearly all lies on one; else what is left without all that
    may be a stroke, which follows the edge of a shadow.

    Args:
        raised: (H, W).
        few: whether it has, or had, as few pixels as a digit image: too few to tell the edge of a shadow from a stroke.
    """
    small = _shrink(raised, 64)
    values = small.ravel().astype(np.float64)
    kept = values - values.min() <= _otsu(small - small.min())
    level = float(np.median(values[kept]))
    apart = np.abs(values[kept] - level)
    filled = min(raised.shape) <= 64 and kept.mean() < 0.6  # a small picture, and most of its paper is edges of strokes
    shaded = not few and _edge(kept.reshape(small.shape)).mean() < UNSHADED
    if np.quantile(apart, 0.5 if filled else 0.9) < EVEN and not shaded:
        return np.full_like(raised, level)
    surface, share, spread = _surface(values, _quadratic(small.shape))
    if few and share < 0.2:
        return np.full_like(raised, level)
    if few or (share > SMOOTH and spread < EVEN):
        return np.asarray(_quadratic(raised.shape) @ surface, np.float32).reshape(raised.shape)
    paper = cv2.blur(opening(small, WIDEST_STROKE), (3, 3))
    return cv2.resize(paper, raised.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _surface(values: NDArray[np.float64], terms: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    """A quadratic surface, fitted again and again to the pixels that are not ink.

    Returns:
        its six factors; the share of the pixels that lie on it; their standard deviation from it.
    """
    kept = np.abs(values - np.median(values)) < np.quantile(np.abs(values - np.median(values)), 0.7) + 1e-6
    for _ in range(6):
        surface, *_ = np.linalg.lstsq(terms[kept], values[kept], rcond=None)
        residual = np.abs(values - terms @ surface)
        spread = 1.4826 * float(np.median(residual[kept]))
        kept = residual < 3 * spread + 0.01
        if kept.mean() < 0.2:
            break
    return surface, float(kept.mean()), spread


UNSHADED = 0.8
"""Share of a picture's edge that is of the paper's tone, or else some of it is no ink but shadow."""

SMOOTH = 0.98
"""Share of a picture's pixels on one quadratic surface from which that is its paper: it is blank, or nearly so.

Only where they lie closely on it: all that a shadow crosses lies within three deviations of a surface that fits none.
"""

EVEN = 0.03
"""Paper whose tone varies by less than this, in 0..1, is taken as level."""


def _quadratic(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(pixels, 6): 1, r, c, r², rc, c² at each pixel of a picture, r and c running from -1 to 1."""
    grid = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    rows, columns = grid[0].ravel(), grid[1].ravel()
    return np.stack([np.ones_like(rows), rows, columns, rows**2, rows * columns, columns**2], axis=1)


def _without_lines(ink: Grey, coarsest: float = 0.7) -> Grey:
    """Ink less the straight lines that run from edge to edge and are finer than the strokes: ruled paper, frames."""
    if min(ink.shape) < LEAST_RULED:
        return ink
    level = np.ascontiguousarray(_without_level_lines(ink, coarsest).T)
    return np.ascontiguousarray(_without_level_lines(level, coarsest).T)


LEAST_RULED, STEEPEST = 32, 0.25
"""Pixels: in smaller pictures a line cannot be told from a stroke. Rise per run: steeper lines are strokes."""


def _without_level_lines(ink: Grey, coarsest: float) -> Grey:
    """Ink less the fine lines from left to right; less coarser ones too where the digit keeps off the edges."""
    count, bands = cv2.connectedComponents(_level_lines(ink))
    if count < 2:
        return ink
    outside = np.where(bands == 0, ink, 0)
    margin = max(2, round(0.08 * ink.shape[1]))
    apart = float(outside[:, :margin].sum() + outside[:, -margin:].sum()) < 0.02 * float(outside.sum())
    limit = (max(1.3, coarsest) if apart else coarsest) * _stroke_width(
        outside
    )  # beyond is the bar of a 4 or a 7 that fills the picture
    for number in range(1, count):
        band = bands == number
        columns = (ink * band).sum(axis=0)
        if min(columns[: margin // 2].min(), columns[-(margin // 2) :].min()) < 0.1:
            continue  # it ends before the edge
        thickness = float(np.quantile(columns, 0.25))
        tall = np.ones((round(1.6 * thickness) + 2, 1), np.uint8)  # what stands higher than a line is a stroke on it
        crossing = cv2.morphologyEx((ink > 0.3).astype(np.uint8), cv2.MORPH_OPEN, tall)
        rest = np.where(band & (crossing == 0), 0, ink).astype(np.float32)
        if thickness < limit and rest.sum() > 0.2 * ink.sum():
            ink = rest
    return ink


def _level_lines(ink: Grey) -> NDArray[np.uint8]:
    """1 where lines run from the left edge to the right, a little wider than they are, else 0: (H, W)."""
    height, width = ink.shape
    small = cv2.resize(ink, (64, max(64, 64 * height // width)), interpolation=cv2.INTER_AREA)
    rows = len(small)
    dark = cv2.dilate((small > 0.1).astype(np.uint8), np.ones((3, 1), np.uint8))
    reaching = cv2.dilate(
        np.stack([dark[:, :6].max(axis=1), dark[:, -6:].max(axis=1)], axis=1), np.ones((3, 1), np.uint8)
    )
    left, right = np.meshgrid(*(np.flatnonzero(end[1:-1]) + 1 for end in reaching.T), indexing="ij")
    gentle = np.abs(left - right) * height / rows <= STEEPEST * width
    ends = np.stack([left[gentle], right[gentle]], axis=1)
    lines = np.rint(ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.linspace(0, 1, 64)).astype(int)
    band = np.zeros(ink.shape, np.uint8)
    if not len(ends):
        return band
    for start, end in (ends[dark[lines, np.arange(64)].mean(axis=1) > 0.92] + 0.5) * height / rows:
        cv2.line(band, (0, round(start)), (width - 1, round(end)), 1, max(3, 3 * height // rows))
    return band


def _digit_only(ink: Grey, alone: bool = False) -> Grey:
    """The ink of the digit, cut to its box, without specks, frames and neighbours; if alone, of its main piece only.

    Raises:
        ImageError: blank.
    """
    count, labels, stats, centres = cv2.connectedComponentsWithStats((ink > 0.25).astype(np.uint8), connectivity=8)
    if count < 2:
        raise ImageError("blank", "nothing is written on it")
    mass = np.bincount(labels.ravel(), weights=ink.ravel(), minlength=count)
    mass[0] = 0
    boxes = stats[:, :4].astype(float)
    touches, spans = _at_edges(boxes, ink.shape)
    edges = touches.sum(0)
    spans |= _frames(boxes, labels)
    off_centre = np.hypot(*(centres / ink.shape[::-1] - 0.5).T)
    likely = mass * (1 - off_centre) * np.where(edges > 0, 0.6, 1) * np.where(spans, 0.1, 1)
    main = 1 + int(likely[1:].argmax())  # 0 is the paper, which has no middle where there is none
    eligible = (mass > 0.01 * mass[main]) & ((edges == 0) | (edges[main] > 0)) & ~spans
    kept = _chained(boxes, main, eligible, mass.astype(float), _cut(boxes, main, touches))
    if alone:
        if np.any(mass[kept] > 0.5 * mass[main], where=np.flatnonzero(kept) != main):
            raise ImageError("blank", "there are several pieces of its size")
        kept = np.arange(count) == main
    mine = cv2.dilate((kept[labels] & (labels > 0)).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
    return np.where(mine, ink, 0)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _middle(ink: Grey, share: float) -> Grey:
    """The middle columns of a picture.

    Raises:
        ImageError: nothing reaches the sides, so that nothing of a neighbour can be there.
    """
    width = ink.shape[1]
    margin = round(width * (1 - share) / 2)
    if max(ink[:, :2].max(), ink[:, -2:].max()) < 0.25:
        raise ImageError("blank", "nothing is written at the sides")
    return np.ascontiguousarray(ink[:, margin : width - margin])


_OTHER_WAYS: tuple[Callable[[Grey, Grey], Grey], ...] = (
    lambda ink, clean: _digit_only(clean, alone=True),
    lambda ink, clean: _digit_only(_without_lines(ink, 3.0)),
    lambda ink, clean: _digit_only(_without_lines(ink, 3.0), alone=True),
    lambda ink, clean: _digit_only(_middle(clean, 0.8)),
    lambda ink, clean: _digit_only(_middle(clean, 0.8), alone=True),
    lambda ink, clean: _digit_only(_middle(clean, 0.6)),
)


def _at_edges(boxes: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of boxes (N, 4), left, top, width, height: (4, N) which edge each touches; (N,) which are lines along one."""
    left, top, wide, high = boxes.T
    touches = np.stack([left <= 0, top <= 0, left + wide >= shape[1], top + high >= shape[0]])
    level = (wide >= 0.8 * shape[1]) & (high < 0.1 * shape[0])
    upright = (high >= 0.8 * shape[0]) & (wide < 0.1 * shape[1])
    near_side = (left + wide < 0.2 * shape[1]) | (left > 0.8 * shape[1])
    near_end = (top + high < 0.2 * shape[0]) | (top > 0.8 * shape[0])
    frame = (wide >= 0.9 * shape[1]) & (high >= 0.9 * shape[0]) & (touches.sum(0) >= 3)
    return touches, (level & near_end) | (upright & near_side) | frame


def _cut(boxes: NDArray[np.float64], main: int, touches: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which components may have been one with the main one before an edge of the picture cut them apart.

    They touch that edge, too, and reach no further from it than the main one does.
    """
    left, top, wide, high = boxes.T
    sides = (left >= left[main]) & (left + wide <= left[main] + wide[main])
    ends = (top >= top[main]) & (top + high <= top[main] + high[main])
    beside = np.stack([sides, ends, sides, ends])
    return np.asarray((touches & touches[:, main, None] & beside).any(0))


def _frames(boxes: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which components are boxes drawn around the digit: large, and nearly all of their ink along their own edges."""
    found = np.zeros(len(boxes), bool)
    height, width = labels.shape
    for number in np.flatnonzero((boxes[:, 2] > 0.6 * width) & (boxes[:, 3] > 0.6 * height))[1:]:
        left, top, wide, high = boxes[number]
        rows, columns = np.nonzero(labels == number)
        across = np.minimum(columns - left, left + wide - 1 - columns) / wide
        down = np.minimum(rows - top, top + high - 1 - rows) / high
        found[number] = np.mean(np.minimum(across, down) < 0.06) > 0.9
    return found


def _chained(
    boxes: NDArray[np.float64],
    main: int,
    eligible: NDArray[np.bool_],
    mass: NDArray[np.float64],
    cut: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which components belong to the main one: near it, or near one that does; small ones only when very near.

    Those that an edge may have cut from it may be further away.
    """
    kept = np.zeros(len(boxes), bool)
    kept[main] = True
    others = np.flatnonzero(eligible & ~kept)
    others = others[np.argsort(-mass[others], kind="stable")[:MOST_PIECES]]
    reach = np.where(mass[others] > 0.05 * mass[main], np.where(cut[others], CUT, 0.25), 0.1) * max(boxes[main, 2:])
    x, y, width, height = boxes[others].T
    joined = np.array([main])
    while joined.size:
        near = np.zeros(len(others), bool)
        for left, top, wide, high in boxes[joined]:
            across = np.maximum(x - left - wide, left - x - width).clip(0)
            down = np.maximum(y - top - high, top - y - height).clip(0)
            near |= np.hypot(across, down) < reach
        joined = others[near & ~kept[others]]
        kept[joined] = True
    return kept


CUT = 1.0
"""Of the main component's longer side: how far one may be from it that an edge may have cut from it."""

MOST_PIECES = 300
"""That a digit may be broken into; a picture of noise has thousands, and would take minutes."""


def _normalised(ink: Grey) -> Grey:
    """MNIST's rule on the ink of one digit: strokes wide enough to last, box 20, centre of mass in the middle."""
    fine = 4  # so many pixels per pixel of the result while strokes are thickened
    ink = _fit(ink, fine * BOX)
    missing = fine * THINNEST - _stroke_width(ink)
    if missing >= 1:
        reach = round(missing) | 1
        ink = np.pad(ink, reach // 2)
        ink = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    box = _fit(ink, BOX)
    row, column = _centre_of_mass(box)
    top = min(max(round(SIDE / 2 - row), 0), SIDE - box.shape[0])
    left = min(max(round(SIDE / 2 - column), 0), SIDE - box.shape[1])
    result = np.zeros((SIDE, SIDE), np.float32)
    result[top : top + box.shape[0], left : left + box.shape[1]] = box
    return result


def _fit(ink: Grey, longest: int) -> Grey:
    """Scaled, antialiased, so that the longer side has ``longest`` pixels."""
    factor = longest / max(ink.shape)
    width, height = max(1, round(ink.shape[1] * factor)), max(1, round(ink.shape[0] * factor))
    resampled = Image.fromarray(ink).resize(
        (width, height), Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    )
    return np.asarray(resampled).clip(0, 1)


def _stroke_width(ink: Grey) -> float:
    """Mean width of the strokes in pixels, from the mean distance of their pixels to the paper."""
    strokes = (np.pad(ink, 1) > 0.5).astype(np.uint8)
    distances = cv2.distanceTransform(strokes, cv2.DIST_L2, 3)[strokes > 0]
    return max(4 * float(distances.mean()) - 2, 1.0) if distances.size else 1.0
