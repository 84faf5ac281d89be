"""From files of arrays and tables to labelled images: CSV, NumPy, MATLAB, IDX in their usual layouts.

Knows how pixels and labels lie in them, and names the file and row that is wrong. Knows no named set, no
checksum and no network, and repairs nothing: what cannot be right is refused. Rows count from 0 in arrays, as in
NumPy, and from 1 in CSV, as in editors.
"""

import csv
import gzip
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zeronine.errors import DataError, ImageError, MissingExtra
from zeronine.image import digit_image

Images = NDArray[np.uint8 | np.float32]
"""(N, H, W) or (N, H, W, 3): uint8 0..255, or float32 about 0..1."""

DIGITS = tuple("0123456789")

LARGEST_ARRAY = 8 << 30
"""Bytes. A file that says it unpacks to more is refused; all of SVHN has 2 GB."""

MOST_CLASSES = 1000
"""A label that is not below is rather a pixel or a row number out of the wrong column."""

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Type codes of IDX files as NumPy dtypes; http://yann.lecun.com/exdb/mnist/ describes the format."""

LABEL_COLUMNS = ("label", "labels", "class", "digit", "target", "y")
IMAGE_ARRAYS, LABEL_ARRAYS = ("x", "images", "data", "arr_0"), ("y", "labels", "target", "arr_1")
"""Names of CSV columns and of arrays in an ``.npz``, lower case; the first that is there counts."""

NPY_PAIRS = {
    "x_train": "y_train",
    "X_train": "y_train",
    "train_images": "train_labels",
    "x_test": "y_test",
    "X_test": "y_test",
    "test_images": "test_labels",
    "images": "labels",
    "x": "y",
    "X": "y",
}
"""Names of ``.npy`` files of images, and of the files with their labels."""


class Labelled(NamedTuple):
    """Images and what they show, in the same order.

    Attributes:
        images: (N, H, W) or (N, H, W, 3), uint8 0..255 or float32 about 0..1.
        labels: (N,) indices of classes.
    """

    images: Images
    labels: NDArray[np.int64]


class Contents(NamedTuple):
    """What a file or folder holds.

    Attributes:
        train: all that is not marked as test.
        test: what the user keeps apart for testing, None where nothing is.
        classes: a name for each label.
    """

    train: Labelled
    test: Labelled | None
    classes: tuple[str, ...]


def read_file(path: Path, *, target: str | None = None, digits: bool = False) -> Contents:
    """Read a file of arrays or a table, in whichever of the forms it is.

    Args:
        path: CSV, ``.npz``, ``.npy``, ``.mat``, or IDX, packed with gzip or not.
        target: the CSV column that holds the label.
        digits: make a digit image, (28, 28) float32, of every picture.

    Raises:
        DataError: its content cannot be read or cannot be right; names the file and row.
        MissingExtra: MATLAB files need SciPy.
        OSError: the system does not let it be read.
    """
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return _by_number(read_csv(path, target=target, digits=digits))
        case ".npz":
            return _read_npz(path, digits)
        case ".npy":
            return _by_number(_read_npy_pair(path, digits))
        case ".mat":
            return _by_number(read_mat(path, digits=digits))
    if path.suffix.lower() == ".gz" or "idx" in path.name:
        return _by_number(_read_idx_pair(path, digits))
    raise fault(path, "of no form that is known: bring class folders, .zip, .csv, .npz, .npy, .mat or IDX")


def read_folder(path: Path, *, digits: bool = False) -> Contents | None:
    """Read a folder of IDX files or of ``.npy`` pairs, told by the names in it; None where it is neither.

    Args:
        path: the folder.
        digits: make a digit image of every picture.

    Raises:
        DataError: a file cannot be read or cannot be right; names the file and row.
        OSError: the system does not let it be read.
    """
    names = {entry.name for entry in path.iterdir()}
    if any("-images" in name and "idx" in name for name in names):
        return _read_idx_folder(path, digits)
    stems = sorted(stem for stem in NPY_PAIRS if f"{stem}.npy" in names)
    if stems:
        pairs = (("test" in stem, path / f"{stem}.npy") for stem in stems)
        return _parts(path, ((is_test, _read_npy_pair(images, digits)) for is_test, images in pairs))
    return None


def _parts(path: Path, parts: Iterable[tuple[bool, Labelled]]) -> Contents:
    """Contents of pairs of files, each marked whether it is for testing."""
    found: dict[bool, Labelled] = {}
    for is_test, part in parts:
        if is_test in found:
            kind = "test" if is_test else "training"
            raise fault(path, f"holds more than one file of {kind} images: name the one that is meant")
        found[is_test] = part
    return _by_number(*(found[is_test] for is_test in sorted(found)))


def _by_number(train: Labelled, test: Labelled | None = None) -> Contents:
    """Contents whose classes only have numbers: 0 to 9 wherever that is enough, for these are digits."""
    top = max(int(part.labels.max()) for part in (train, test) if part)
    return Contents(train, test, DIGITS if top < 10 else tuple(str(label) for label in range(top + 1)))


def fault(place: Path | str, problem: str, row: int | None = None) -> DataError:
    """The one error there is, with the place in front."""
    return DataError(f"{place}: {problem}" if row is None else f"{place}, row {row}: {problem}")


@contextmanager
def parsing(place: Path | str, form: str) -> Iterator[None]:
    """Whatever the parser of a format raises as the one error; damaged files make NumPy and SciPy raise anything."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # the file system's, not the parser's
            raise
        raise fault(place, f"cannot be read as {form} ({error}): it is damaged, or something else") from error


def _check_size(path: Path, size: int) -> None:
    if size > LARGEST_ARRAY:
        raise fault(path, f"unpacks to {size / 2**30:.1f} GiB, more than {LARGEST_ARRAY >> 30}: split it")


# ---- arrays: from any usual shape and dtype to images and labels -----------------------------------------


def _labelled(
    images: NDArray[Any],
    labels: NDArray[Any],
    paths: tuple[Path, Path],
    digits: bool,
    *,
    column_major: bool = False,
    first: int = 0,
) -> Labelled:
    """Checked images and labels out of raw arrays.

    Args:
        images: of a shape that :func:`_pictures` knows.
        labels: of a shape that :func:`_indices` knows.
        paths: where the two came from, for errors.
        digits: make digit images.
        column_major: pictures lie flat, column by column.
        first: number of the first row, for errors.
    """
    pictures = _pictures(images, paths[0], column_major)
    indices = _indices(labels, paths[1], first)
    if len(pictures) != len(indices):
        beside = "" if paths[0] == paths[1] else f" in {paths[1]}"
        raise fault(paths[0], f"{len(pictures)} images but {len(indices)} labels{beside}: each needs one")
    if digits:
        return Labelled(_digit_images(pictures, paths[0], first), indices)
    return Labelled(_pixels(pictures, paths[0], first), indices)


def _pictures(array: NDArray[Any], path: Path, column_major: bool) -> NDArray[Any]:
    """(N, H, W), (N, H, W, 1 or 3), (N, 1 or 3, H, W) or (N, pixels) as (N, H, W) or (N, H, W, 3)."""
    if array.dtype.kind not in "buif":
        raise fault(path, f"pixels must be numbers, these are of type {array.dtype}")
    if not array.size:
        raise fault(path, f"holds no images (shape {array.shape})")
    if array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = _unflatten(array, path, column_major)
    if array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3):
        return array
    known = "(N, height, width), (N, height, width, 3), (N, 3, height, width) or (N, pixels)"
    raise fault(path, f"images of shape {array.shape} are of no usual layout: reshape to {known}")


def _unflatten(rows: NDArray[Any], path: Path, column_major: bool) -> NDArray[Any]:
    """(N, n²) or (N, 3n²) as (N, n, n) or (N, n, n, 3)."""
    pixels = rows.shape[1]
    for shape in ((), (3,)):
        side = round((pixels / (*shape, 1)[0]) ** 0.5)
        if np.prod((side, side, *shape)) == pixels:
            if column_major:
                flipped = rows.reshape(-1, *shape, side, side)
                return flipped.transpose(0, *range(flipped.ndim - 1, 0, -1))
            return rows.reshape(-1, side, side, *shape)
    raise fault(path, f"{pixels} pixels make no square picture, neither grey (n×n) nor colour (n×n×3)")


def _pixels(images: NDArray[Any], path: Path, first: int) -> Images:
    """Pixels as uint8 0..255, or as float32 about 0..1 where they are fractions or only 0 and 1.

    About: the pictures of the Coursera course, for one, reach from -0.13 to 1.13.
    """
    if images.dtype.kind == "f":
        _refuse(~np.isfinite(images), path, first, "a pixel is NaN or infinite: repair or remove the image")
    low, high = images.min(), images.max()
    if low >= -0.5 and high <= 1.5:
        return images.astype(np.float32)
    outside = (images < 0) | (images > 255)
    _refuse(
        outside,
        path,
        first,
        f"a pixel is outside 0..255 (all: {low:g}..{high:g}): scale them to 0..1 or 0..255",
    )
    if images.dtype.kind in "iu" or (images == np.rint(images)).all():
        return np.ascontiguousarray(images, np.uint8)
    return images.astype(np.float32) / np.float32(255)


def _digit_images(images: NDArray[Any], path: Path, first: int) -> NDArray[np.float32]:
    """(N, 28, 28): every picture normalised."""
    result = np.empty((len(images), 28, 28), np.float32)
    for index, image in enumerate(images):
        try:
            result[index] = digit_image(image)
        except ImageError as error:
            raise fault(path, str(error), first + index) from error
    return result


def _indices(labels: NDArray[Any], path: Path, first: int) -> NDArray[np.int64]:
    """(N,), (N, 1), (1, N) or one-hot (N, K) as whole numbers from 0, (N,)."""
    if labels.dtype.kind not in "buif":
        raise fault(path, f"labels must be whole numbers, these are of type {labels.dtype}")
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.ravel()
    if labels.ndim == 2:
        is_one_hot = (labels.max(axis=1) == 1) & (np.count_nonzero(labels, axis=1) == 1)
        _refuse(~is_one_hot, path, first, "neither a label nor a one-hot row")
        labels = labels.argmax(axis=1)
    if labels.ndim != 1:
        raise fault(path, f"labels of shape {labels.shape}: there must be one per image, (N,)")
    _refuse(labels != np.rint(labels), path, first, "the label is no whole number")  # NaN is none either
    unlikely = (labels < 0) | (labels >= MOST_CLASSES)
    _refuse(unlikely, path, first, f"the label is not in 0..{MOST_CLASSES - 1}: labels count classes from 0")
    return labels.astype(np.int64)


def _refuse(wrong: NDArray[np.bool_], path: Path, first: int, problem: str) -> None:
    """Raise for the first row in which anything is wrong."""
    if wrong.any():
        row = int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())
        raise fault(path, problem, first + row)


# ---- CSV -------------------------------------------------------------------------------------------------


def read_csv(path: Path, *, target: str | None = None, digits: bool = False) -> Labelled:
    """Read rows of a label and the pixels of a picture, line by line (of colour pixels red, green, blue).

    The label is in the column that ``target`` names, else in one called ``label``, ``class``, ``digit``,
    ``target`` or ``y``, else in the first. The first line may name the columns; commas, semicolons or tabs
    part them.

    Args:
        path: the file, UTF-8.
        target: name of the column with the label.
        digits: make digit images.

    Raises:
        DataError: names the file and the row, which is the line, the first being 1.
    """
    lines = _lines(path)
    delimiter = max(",;\t", key=lines[0].count)
    names = [name.strip().strip('"') for name in lines[0].split(delimiter)]
    has_names = not all(_is_number(name) for name in names)
    column = _label_column(names if has_names else [], target, path)
    first = 2 if has_names else 1
    table = _numbers(path, lines[first - 1 :], delimiter, first)
    if not 0 <= column < table.shape[1] or table.shape[1] < 2:
        raise fault(path, f"has {table.shape[1]} cells: a row is a label and pixels, parted by commas", first)
    pixels = np.delete(table, column, axis=1)
    return _labelled(pixels, table[:, column], (path, path), digits, first=first)


def _lines(path: Path) -> list[str]:
    """The lines of a text file without empty ones at its end."""
    with parsing(path, "UTF-8 text"):
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    if not lines:
        raise fault(path, "is empty: a row is a label and pixels")
    return lines


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label_column(names: Sequence[str], target: str | None, path: Path) -> int:
    """Index of the column with the label, by the names in the first line if it has any."""
    if target is None:
        lowered = [name.lower() for name in names]
        found = [lowered.index(name) for name in LABEL_COLUMNS if name in lowered]
        if names and not found:
            raise fault(
                path, f"no column has a usual name ({', '.join(LABEL_COLUMNS)}): name the label's with --target"
            )
        return found[0] if found else 0
    if target in names:
        return names.index(target)
    there = ", ".join(names[:4]) + (", …" if len(names) > 4 else "") if names else "none"
    raise fault(path, f"no column is called {target!r}; its first line names {there}")


def _numbers(path: Path, lines: list[str], delimiter: str, first: int) -> NDArray[np.float32]:
    """The cells, (rows, columns). What is wrong is looked for, slowly, only once the fast way failed."""
    if not lines:
        raise fault(path, "has names of columns but no rows")
    try:
        table = np.loadtxt(lines, np.float32, comments=None, delimiter=delimiter, quotechar='"', ndmin=2)
        if len(table) == len(lines):
            return table
    except ValueError:
        pass
    raise _bad_row(path, lines, delimiter, first)


def _bad_row(path: Path, lines: list[str], delimiter: str, first: int) -> DataError:
    """The error of the first row that is empty, not as long as the first, or holds what is no number."""
    width = len(lines[0].split(delimiter))
    for row, line in enumerate(lines, first):
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if not line.strip():
            return fault(path, "is empty: remove the line", row)
        if len(cells) != width:
            return fault(path, f"{len(cells)} cells where the first row has {width}", row)
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell):
                return fault(path, f"column {column} holds {cell[:20]!r}, which is no number", row)
    return fault(path, "is no table of numbers")


# ---- NumPy and MATLAB ------------------------------------------------------------------------------------


def _read_npz(path: Path, digits: bool) -> Contents:
    """Keras's ``x_train``, ``y_train``, ``x_test``, ``y_test``, or one pair under any of the usual names."""
    arrays = read_npz(path)
    keys = [((f"x_{part}",), (f"y_{part}",)) for part in ("train", "test") if f"x_{part}" in arrays]
    pairs = keys if "x_train" in arrays else [(IMAGE_ARRAYS, LABEL_ARRAYS)]
    parts = [
        _labelled(_named(arrays, images, path), _named(arrays, labels, path), (path, path), digits)
        for images, labels in pairs
    ]
    return _by_number(*parts)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read those arrays of an ``.npz`` file that may be images or labels. Pickles are refused.

    Args:
        path: the file.

    Returns:
        The arrays by their names in lower case.

    Raises:
        DataError: damaged, too large, or holding Python objects.
    """
    known = {*IMAGE_ARRAYS, *LABEL_ARRAYS, "x_train", "y_train", "x_test", "y_test"}
    with parsing(path, "an .npz file"):
        with zipfile.ZipFile(path) as archive:
            _check_size(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as arrays:
            return {name.lower(): arrays[name] for name in arrays.files if name.lower() in known}


def _named(arrays: Mapping[str, NDArray[Any]], names: Sequence[str], path: Path) -> NDArray[Any]:
    """The array under the first of the names that is there."""
    for name in names:
        if name in arrays:
            return arrays[name]
    there = ", ".join(name for name in arrays if not name.startswith("__")) or "none of a usual name"
    raise fault(path, f"no array is called {' or '.join(names)} (there is {there}): rename yours")


def _read_npy_pair(path: Path, digits: bool) -> Labelled:
    """An array of images and, in the file beside it, that of their labels."""
    if path.stem not in NPY_PAIRS:
        known = ", ".join(f"{images}.npy with {labels}.npy" for images, labels in NPY_PAIRS.items())
        raise fault(path, f"no usual name for images, so their labels cannot be found: {known}")
    labels = path.with_name(f"{NPY_PAIRS[path.stem]}.npy")
    if not labels.exists():
        raise fault(path, f"its labels are missing: put them into {labels}")
    return _labelled(_load_npy(path), _load_npy(labels), (path, labels), digits)


def _load_npy(path: Path) -> NDArray[Any]:
    with parsing(path, "an .npy file"):
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def read_mat(path: Path, *, digits: bool = False) -> Labelled:
    """Read ``X`` and ``y`` of a MATLAB file, in either of the forms in which digits are handed round.

    ``X`` is (N, n²), each row a picture stored column by column, as in the Coursera course, or (H, W, 3, N),
    as SVHN has it. Both count from 1 and write 10 for the digit 0: labels from 1 to 10 are understood so.

    Args:
        path: the file, of MATLAB 4 to 7.2.
        digits: make digit images.

    Raises:
        DataError: damaged, too large, of MATLAB 7.3, or without ``X`` or ``y``.
        MissingExtra: SciPy is not installed.
    """
    try:
        from scipy.io import loadmat, whosmat
    except ImportError as error:
        raise MissingExtra("train", "SciPy") from error
    with parsing(path, "a MATLAB file"):
        try:
            _check_size(path, 8 * sum(int(np.prod(shape, dtype=object)) for _, shape, _ in whosmat(path)))
            arrays = loadmat(path, variable_names=["X", "y"])
        except NotImplementedError as error:
            raise fault(path, "is of MATLAB 7.3: save it with -v7") from error
    images, labels = _named(arrays, ["X"], path), _named(arrays, ["y"], path)
    if images.ndim == 4 and images.shape[2] == 3:
        images = images.transpose(3, 0, 1, 2)
    part = _labelled(images, labels, (path, path), digits, column_major=True)
    from_one = part.labels.min() >= 1 and part.labels.max() == 10
    return Labelled(np.ascontiguousarray(part.images), part.labels % 10 if from_one else part.labels)


# ---- IDX -------------------------------------------------------------------------------------------------


def _read_idx_folder(path: Path, digits: bool) -> Contents:
    """MNIST's four files by their usual names, with or without ``.gz``; or two of them."""
    files = sorted(entry for entry in path.glob("*-images?idx*") if not entry.name.startswith("."))
    if not files:
        raise fault(path, "no IDX images of a usual name, such as train-images-idx3-ubyte.gz")
    is_test = [file.name.startswith(("t10k", "test")) for file in files]
    return _parts(path, zip(is_test, (_read_idx_pair(file, digits) for file in files), strict=True))


def _read_idx_pair(path: Path, digits: bool) -> Labelled:
    """A file of images and, beside it, that of their labels: its name tells theirs."""
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    if "images" not in path.name:
        raise fault(path, "no 'images' in its name, so their labels cannot be found: rename both as MNIST's are")
    for labels in (path.with_name(f"{name}.gz"), path.with_name(name)):
        if labels.exists():
            return _labelled(read_idx(path), read_idx(labels), (path, labels), digits)
    raise fault(path, f"its labels are missing: put them into {path.with_name(name)}, or that with .gz")


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file, packed with gzip or not.

    Args:
        path: the file; its first bytes, not its name, tell whether it is packed.

    Returns:
        The array, of the shape and type that the file states, in the machine's byte order.

    Raises:
        DataError: no IDX file, cut short, or longer than it states.
    """
    with parsing(path, "an IDX file"), path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        return _parse_idx(path, gzip.GzipFile(fileobj=file) if is_packed else file)


def _parse_idx(path: Path, stream: IO[bytes] | gzip.GzipFile) -> NDArray[Any]:
    zeros, code, dimensions = struct.unpack(">HBB", stream.read(4))
    if zeros or code not in IDX_TYPES:
        raise fault(path, "does not begin as an IDX file does")
    shape = struct.unpack(f">{dimensions}I", stream.read(4 * dimensions))
    dtype = np.dtype(IDX_TYPES[code])
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    _check_size(path, size)
    content = stream.read(size)
    if len(content) < size or stream.read(1):
        found = f"{len(content)}" if len(content) < size else "more"
        raise fault(path, f"states {size} bytes for shape {shape} but holds {found}: write or fetch it again")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
