"""Named sets and users' own data: what is read, what is refused with which words, and what a bad network may do."""

import gzip
import hashlib
import io
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from zeronine import data, formats
from zeronine.data import Dataset, Split, load
from zeronine.errors import DataError, MissingExtra, ZeronineError
from zeronine.image import digit_image, resized
from zeronine.sets import File, Form, NamedSet, _ArrayUnpickler


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no data folder."""
    monkeypatch.setenv("ZERONINE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("ZERONINE_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


REAL = os.environ.get("ZERONINE_DATA_DIR")


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the real sets, if this machine has one."""
    if not REAL:
        pytest.skip("the real sets are not here: ZERONINE_DATA_DIR names no folder")
    monkeypatch.setenv("ZERONINE_DATA_DIR", REAL)
    return Path(REAL)


def some_images(count: int = 6, *shape: int) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (count, *(shape or (5, 5))), dtype=np.uint8)
    images.flat[0], images.flat[-1] = 0, 255
    return images


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + big_endian.tobytes()


def png(array: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, form)
    return stream.getvalue()


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- splits ----------------------------------------------------------------------------------------------


def make(count: int = 100, classes: int = 10, shape: tuple[int, ...] = (5, 5)) -> Dataset:
    labels = np.arange(count) % classes
    part = Split(some_images(count, *shape), labels.astype(np.int64))
    return Dataset("made", part, part.take(slice(0)), tuple("0123456789"[:classes]))


def test_exported_names() -> None:
    own = {name for name, value in vars(data).items() if getattr(value, "__module__", "") == data.__name__}
    assert set(data.__all__) == {name for name in own if name[0] != "_"} | {"SETS", "at_hand", "fetch"}
    assert set(data.__all__) == {
        *("SETS", "Dataset", "Split"),
        *("at_hand", "contact_sheet", "fetch", "load", "mnist_splits", "scaled"),
    }


def test_holdout_is_stratified_seeded_and_complete() -> None:
    dataset = make(203)
    rest, held = dataset.holdout(40, seed=7)
    assert (len(rest), len(held)) == (163, 40)
    assert set(np.bincount(held.labels, minlength=10)) == {4}
    everything = np.concatenate([rest.images, held.images])
    assert sorted(map(bytes, everything)) == sorted(map(bytes, dataset.train.images))
    again, other = dataset.holdout(40, seed=7)[1], dataset.holdout(40, seed=8)[1]
    assert (again.images == held.images).all()
    assert not (other.images == held.images).all()


@pytest.mark.parametrize("count", [0, 1, 7, 99])
def test_holdout_gives_the_count_that_was_asked(count: int) -> None:
    rest, held = make(100, classes=7).holdout(count, seed=0)
    assert (len(rest), len(held)) == (100 - count, count)


@pytest.mark.parametrize("count", [-1, 100, 1000])
def test_holdout_of_too_many_is_refused(count: int) -> None:
    with pytest.raises(DataError, match=rf"{count} images cannot be held out of 100"):
        make(100).holdout(count, seed=0)


def test_mnist_splits_keeps_the_first_5000_for_validation() -> None:
    images = np.arange(60_000, dtype=np.float32).reshape(-1, 1, 1)
    part = Split(images, np.zeros(60_000, np.int64))
    train, validation = data.mnist_splits(Dataset("m", part, part, ("0",)))
    assert (len(train), len(validation)) == (55_000, 5_000)
    assert (validation.images[0], validation.images[-1], train.images[0]) == (0, 4_999, 5_000)
    with pytest.raises(DataError, match="100 training images"):
        data.mnist_splits(make(100))


def test_sha256_tells_content_shape_and_type_apart() -> None:
    dataset = make()
    assert dataset.sha256 == make().sha256
    changed = dataset.train.images.copy()
    changed[3, 2, 1] ^= 1
    others = [changed, dataset.train.images.reshape(100, 25, 1), data.scaled(dataset.train.images)]
    digests = {replace(dataset, train=Split(images, dataset.train.labels)).sha256 for images in others}
    assert len({dataset.sha256, *digests}) == 4


def test_shaped_only_scales_what_has_the_shape() -> None:
    part = make().train
    assert np.array_equal(part.shaped((5, 5)), part.images.astype(np.float32) / 255)
    floats = Split(part.images.astype(np.float32) - 0.13, part.labels)
    assert np.array_equal(floats.shaped((5, 5)), floats.images)
    assert part.shaped((5, 5)).dtype == np.float32


def test_shaped_makes_digit_images_and_leaves_blank_ones_zero() -> None:
    images = np.zeros((2, 20, 20), np.uint8)
    images[0, 4:16, 9:12] = 255
    shaped = Split(images, np.zeros(2, np.int64)).shaped((28, 28))
    assert shaped.shape == (2, 28, 28)
    assert shaped[0].max() > 0.9
    assert not shaped[1].any()


def test_shaped_makes_digit_images_of_another_size() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, 3:25, 12:16] = 255
    shaped = Split(images, np.zeros(2, np.int64)).shaped((20, 20))
    assert (shaped.shape, shaped.dtype) == ((2, 20, 20), np.float32)
    assert np.array_equal(shaped[0], resized(digit_image(images[0]), 20))
    assert shaped[0].max() > 0.9
    assert not shaped[1].any()


@pytest.mark.parametrize("shape", [(32, 32, 3), (5, 5, 1), (20, 28), (25,)])
def test_shaped_refuses_any_other_shape(shape: tuple[int, ...]) -> None:
    words = f"images of shape (5, 5) cannot be made {shape}: only grey squares are made of others"
    with pytest.raises(DataError, match=re.escape(words)):
        make().train.shaped(shape)


def test_a_split_has_a_label_for_each_image() -> None:
    with pytest.raises(DataError, match="6 images but 5 labels"):
        Split(some_images(6), np.zeros(5, np.int64))


# ---- named sets, from small files in the official formats ------------------------------------------------


def put(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, files: dict[str, bytes], form: int = 0) -> None:
    """Lay files at hand, and have the table of sets expect just these."""
    monkeypatch.setenv("ZERONINE_DATA_DIR", str(folder))
    for file, content in files.items():
        write(folder / name / file, content)

    def known(file: File) -> File:
        content = files.get(file.name)
        return replace(file, sha256=hashlib.sha256(content).hexdigest()) if content is not None else file

    forms = list(data.SETS[name].forms)
    forms[form] = replace(
        forms[form], train=tuple(map(known, forms[form].train)), test=tuple(map(known, forms[form].test))
    )
    monkeypatch.setitem(data.SETS, name, replace(data.SETS[name], forms=tuple(forms)))


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = some_images(7, 32, 32, 3), np.array([1, 10, 2, 9, 10, 5, 3])
    files = {}
    for part in ("train", "test"):
        stream = io.BytesIO()
        savemat(stream, {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None].astype(np.uint8)})
        files[f"{part}_32x32.mat"] = stream.getvalue()
    put(monkeypatch, tmp_path / "data", "svhn", files)
    dataset = load("svhn")
    for part in (dataset.train, dataset.test):
        assert np.array_equal(part.images, images)
        assert part.images.dtype == np.uint8
        assert part.labels.tolist() == [1, 0, 2, 9, 0, 5, 3]


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes strings as Python 2 did, of which CIFAR-10's batches are."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, value: str | bytes) -> None:
        content = value if isinstance(value, bytes) else value.encode()
        self.write(b"T" + struct.pack("<i", len(content)) + content)

    dispatch[bytes] = dispatch[str] = save_string


def cifar_archive(batches: dict[str, bytes], folder: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in {"readme.html": b"<html>", **batches}.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def cifar_batches() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    images, labels = some_images(24, 32, 32, 3), np.arange(24) % 10
    names = [f"data_batch_{number}" for number in (5, 4, 3, 2, 1)] + ["test_batch"]
    return {name: (images[k * 4 : k * 4 + 4], labels[k * 4 : k * 4 + 4]) for k, name in enumerate(names)}


def check_cifar(dataset: Dataset) -> None:
    batches = cifar_batches()
    order = [batches[f"data_batch_{number}"] for number in range(1, 6)]
    assert np.array_equal(dataset.train.images, np.concatenate([images for images, _ in order]))
    assert np.array_equal(dataset.train.labels, np.concatenate([labels for _, labels in order]))
    assert np.array_equal(dataset.test.images, batches["test_batch"][0])
    assert dataset.classes[dataset.test.labels[0]] == "airplane"


def test_cifar10_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {}
    for name, (images, labels) in cifar_batches().items():
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        contents[f"{name}.bin"] = np.column_stack([labels, planes]).astype(np.uint8).tobytes()
    files = {"cifar-10-binary.tar.gz": cifar_archive(contents, "cifar-10-batches-bin")}
    put(monkeypatch, tmp_path / "data", "cifar10", files)
    check_cifar(load("cifar10"))


def python_batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1))
    stream = io.BytesIO()
    Python2Pickler(stream, 2).dump({"data": planes, "labels": labels.tolist(), "filenames": ["a.png"]})
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_cifar10_for_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {name: python_batch(*batch) for name, batch in cifar_batches().items()}
    files = {"cifar-10-python.tar.gz": cifar_archive(contents, "cifar-10-batches-py")}
    put(monkeypatch, tmp_path / "data", "cifar10", files, form=1)
    check_cifar(load("cifar10"))


def test_a_pickle_can_call_nothing() -> None:
    harmful = b"cposix\nsystem\n(S'true'\ntR."
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system is no part of an array"):
        _ArrayUnpickler(io.BytesIO(harmful)).load()


def test_kmnist_from_either_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = some_images(4, 28, 28), np.array([0, 1, 2, 9], np.uint8)
    files = {}
    for kind, array in (("imgs", images), ("labels", labels)):
        stream = io.BytesIO()
        np.savez_compressed(stream, array)
        files[f"kmnist-test-{kind}.npz"] = stream.getvalue()
    put(monkeypatch, tmp_path / "data", "kmnist", files, form=1)
    part = load("kmnist", split="test").test
    assert np.array_equal(part.images, images)
    assert part.labels.tolist() == [0, 1, 2, 9]
    assert len(load("kmnist", split="test").train) == 0
    packed = {
        f"t10k-{kind}-ubyte.gz": gzip.compress(idx(array))
        for kind, array in (("images-idx3", images), ("labels-idx1", labels))
    }
    put(monkeypatch, tmp_path / "other", "kmnist", packed)
    assert (
        load("kmnist", split="test").sha256
        == replace(load("kmnist", split="test"), train=Split(images[:0], labels[:0].astype(np.int64))).sha256
    )


def test_optdigits_is_inside_scikit_learn() -> None:
    dataset = load("optdigits")
    assert (dataset.train.images.shape, dataset.test.images.shape) == ((1437, 8, 8), (360, 8, 8))
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 255)
    assert set(np.bincount(dataset.test.labels)) <= {34, 35, 36, 37}
    assert data.fetch("optdigits") == []
    assert load("optdigits").sha256 == dataset.sha256
    assert len(load("optdigits", split="test").train) == 0


def test_a_damaged_file_at_hand_is_named_with_both_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZERONINE_DATA_DIR", str(tmp_path))
    path = write(tmp_path / "mnist" / "train-images-idx3-ubyte.gz", b"damaged")
    with pytest.raises(DataError) as error:
        load("mnist")
    expected = data.SETS["mnist"].forms[0].train[0].sha256
    assert not data.at_hand("mnist")
    for fragment in (str(path), hashlib.sha256(b"damaged").hexdigest(), expected):
        assert fragment in str(error.value)


def test_what_has_no_public_address_says_where_to_put_it(cache: Path) -> None:
    with pytest.raises(DataError) as error:
        load("coursera")
    digest = data.SETS["coursera"].forms[0].train[0].sha256
    for fragment in ("ex3data1.mat", digest, "$ZERONINE_DATA_DIR/coursera/", str(cache / "coursera")):
        assert fragment in str(error.value)


@pytest.mark.parametrize("name", data.SETS)
def test_every_set_is_described_whole(name: str) -> None:
    named = data.SETS[name]
    assert named.description
    assert named.terms
    assert named.homepage.startswith("http")
    for form in named.forms:
        for file in (*form.train, *form.test):
            assert len(bytes.fromhex(file.sha256)) == 32
            assert all(source.startswith("http") and source.endswith("/") for source in file.sources)
            assert not file.sources or file.size


def test_a_name_that_is_nothing_lists_the_sets() -> None:
    with pytest.raises(DataError, match=r"'minst' is no set \(mnist, .*cifar10\)"):
        load("minst")
    with pytest.raises(DataError, match="no set is called 'minst'"):
        data.at_hand("minst")
    with pytest.raises(DataError, match="no CSV column"):
        load("optdigits", target="label")


def test_digits_makes_digit_images_of_a_named_set() -> None:
    dataset = load("optdigits", digits=True, split="test")
    assert dataset.test.images.shape == (360, 28, 28)
    assert dataset.test.images.dtype == np.float32


# ---- fetching --------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A web server whose faults can be set.

    Attributes:
        content: of the one file.
        ranges: whether it can send a part of it.
        statuses: to answer with, before all is well.
        cuts: bytes after which the connection breaks, before all is well.
        asked: the path and the Range header of each request.
        hold: keeps it from sending more than half, until it is set.
    """

    content: bytes = bytes(range(256)) * 2000
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    half_sent: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        if self.statuses:
            request.send_error(self.statuses.pop(0))
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        body = self.content[start:]
        request.send_response(206 if wanted and self.ranges else 200)
        request.send_header("Content-Length", str(len(body)))
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.end_headers()
        if self.hold:
            request.wfile.write(body[: len(body) // 2])
            request.wfile.flush()
            self.half_sent.set()
            self.hold.wait(10)
            body = body[len(body) // 2 :]
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve(Server())


@pytest.fixture
def other_server() -> Iterator[Server]:
    yield from serve(Server())


def serve(state: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                state.answer(self)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.address = f"http://127.0.0.1:{running.server_port}/"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        if state.hold:
            state.hold.set()
        running.shutdown()
        thread.join()


Tiny = Callable[..., Path]


@pytest.fixture
def tiny(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Declares a set of one file; returns where that will be cached. Waiting between tries takes no time."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)

    def declare(*sources: str, content: bytes = Server.content) -> Path:
        digest = hashlib.sha256(content).hexdigest()
        file = File("tiny.bin", len(content), digest, sources)

        def read(paths: Any, part: str) -> formats.Labelled:
            return formats.Labelled(some_images(3), np.zeros(3, np.int64))

        form = Form(read, train=(file,))
        monkeypatch.setitem(data.SETS, "tiny", NamedSet("a test", "none", "http://", (5, 5), 3, 0, (form,)))
        return cache / "tiny" / "tiny.bin"

    return declare


def left_over(path: Path) -> set[str]:
    """What else is in the cache."""
    return {other.name for other in path.parent.iterdir()} - {path.name, f"{path.name}.lock"}


def test_fetch_once_then_from_the_cache(server: Server, tiny: Tiny, capfd: Any) -> None:
    path = tiny(server.address)
    seen: list[tuple[str, int, int]] = []
    assert data.fetch("tiny", progress=lambda *step: seen.append(step)) == [path]
    assert path.read_bytes() == server.content
    assert seen[-1] == ("tiny.bin", len(server.content), len(server.content))
    assert left_over(path) == set()
    assert len(load("tiny").train) == 3
    assert data.at_hand("tiny")
    assert server.asked == [("/tiny.bin", None)]
    assert capfd.readouterr() == ("", "")


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tiny: Tiny) -> None:
    path = tiny(server.address)
    write(path, b"damaged")
    data.fetch("tiny")
    assert path.read_bytes() == server.content


def test_a_download_that_broke_off_goes_on(server: Server, tiny: Tiny) -> None:
    server.cuts = [200_000, 100_000]
    path = tiny(server.address)
    data.fetch("tiny")
    assert path.read_bytes() == server.content
    assert [wanted for _, wanted in server.asked] == [None, "bytes=200000-", "bytes=300000-"]


def test_a_server_that_knows_no_ranges_sends_all_again(server: Server, tiny: Tiny) -> None:
    server.cuts, server.ranges = [200_000], False
    path = tiny(server.address)
    data.fetch("tiny")
    assert path.read_bytes() == server.content


def test_the_rest_of_an_older_download_is_fetched(server: Server, tiny: Tiny) -> None:
    path = tiny(server.address)
    write(path.with_name("tiny.bin.part"), server.content[:500_000])
    data.fetch("tiny")
    assert server.asked == [("/tiny.bin", "bytes=500000-")]
    assert path.read_bytes() == server.content
    assert left_over(path) == set()


@pytest.mark.parametrize("rest", [b"x" * 1000, b"x" * 600_000, Server.content[:-1] + b"?"])
def test_a_wrong_older_download_does_no_harm(server: Server, tiny: Tiny, rest: bytes) -> None:
    path = tiny(server.address)
    write(path.with_name("tiny.bin.part"), rest)
    data.fetch("tiny")
    assert path.read_bytes() == server.content


def test_what_passes_is_tried_again(server: Server, tiny: Tiny) -> None:
    server.statuses = [503, 500]
    path = tiny(server.address)
    data.fetch("tiny")
    assert path.read_bytes() == server.content
    assert len(server.asked) == 3


@pytest.mark.parametrize("fault", ["gone", "refused", "wrong", "longer", "shorter"])
def test_the_next_source_takes_over(server: Server, other_server: Server, tiny: Tiny, fault: str) -> None:
    first = server.address
    if fault == "gone":
        server.statuses = [404] * 9
    elif fault == "refused":
        first = "http://127.0.0.1:1/"
    else:
        changed = {"wrong": server.content[:-1] + b"?", "longer": server.content * 2, "shorter": b"<html>"}
        server.content = changed[fault]
    path = tiny(first, other_server.address)
    data.fetch("tiny")
    assert path.read_bytes() == other_server.content
    assert len(server.asked) <= {"gone": 1, "refused": 0}.get(fault, 3)
    assert left_over(path) == set()


def test_nothing_is_unpacked_on_the_way(server: Server, tiny: Tiny) -> None:
    server.headers = {"Content-Encoding": "gzip"}
    server.content = gzip.compress(b"labels" * 100)
    path = tiny(server.address, content=server.content)
    data.fetch("tiny")
    assert path.read_bytes() == server.content


def test_when_every_source_fails_all_is_told(server: Server, tiny: Tiny) -> None:
    server.statuses = [404] * 9
    path = tiny(server.address, "http://127.0.0.1:1/")
    with pytest.raises(DataError) as error:
        data.fetch("tiny")
    digest = hashlib.sha256(server.content).hexdigest()
    fragments = ("404", "cannot be reached", "tiny.bin", digest, "$ZERONINE_DATA_DIR/tiny/", str(path.parent))
    assert [fragment for fragment in fragments if fragment not in str(error.value)] == []
    assert not path.exists()


def test_the_error_tells_which_part_can_be_loaded(server: Server, tiny: Tiny, tmp_path: Path) -> None:
    tiny(server.address)
    server.statuses = [404] * 9
    assert not data.at_hand("tiny")
    named = data.SETS["tiny"]
    test = File("test.bin", 4, hashlib.sha256(b"test").hexdigest())
    data.SETS["tiny"] = replace(named, test=3, forms=(replace(named.forms[0], test=(test,)),))
    write(tmp_path / "cache" / "tiny" / "test.bin", b"test")
    with pytest.raises(DataError, match="split='test' loads it alone"):
        load("tiny")
    assert (data.at_hand("tiny"), data.at_hand("tiny", split="test")) == (False, True)
    assert len(load("tiny", split="test").test) == 3


def test_two_at_once_fetch_once(server: Server, tiny: Tiny) -> None:
    server.hold = threading.Event()
    path = tiny(server.address)
    results: list[list[Path]] = []
    threads = [threading.Thread(target=lambda: results.append(data.fetch("tiny"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    server.half_sent.wait(10)
    server.hold.set()
    for thread in threads:
        thread.join()
    assert results == [[path]] * 3
    assert len(server.asked) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that nothing can catch")
def test_a_killed_download_looks_unfinished_and_goes_on(server: Server, tiny: Tiny) -> None:
    server.hold = threading.Event()
    path = tiny(server.address)
    digest = hashlib.sha256(server.content).hexdigest()
    program = f"""
from zeronine import data, sets
file = sets.File("tiny.bin", {len(server.content)}, "{digest}", ("{server.address}",))
form = sets.Form(None, train=(file,))
data.SETS["tiny"] = sets.NamedSet("", "", "", (5, 5), 3, 0, (form,))
data.fetch("tiny")
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    part = path.with_name("tiny.bin.part")
    assert server.half_sent.wait(30)
    while not part.exists() or part.stat().st_size < 100_000:
        assert process.poll() is None
    process.kill()
    process.wait()
    server.hold.set()
    assert not path.exists()
    arrived = part.stat().st_size
    data.fetch("tiny")
    assert server.asked[-1] == ("/tiny.bin", f"bytes={arrived}-")
    assert path.read_bytes() == server.content


def test_a_cache_that_cannot_be_written_is_told(server: Server, tiny: Tiny, cache: Path) -> None:
    tiny(server.address)
    write(cache, b"a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot be written .* ZERONINE_CACHE_DIR"):
        data.fetch("tiny")


# ---- users' own data -------------------------------------------------------------------------------------


IMAGES, LABELS = some_images(6), np.array([0, 1, 2, 3, 4, 5])
COLOURS = some_images(6, 4, 4, 3)


def csv(images: np.ndarray, labels: Any, header: bool = False, delimiter: str = ",") -> str:
    rows = [[label, *image.ravel()] for label, image in zip(labels, images, strict=True)]
    names = [["label", *(f"pixel{number}" for number in range(len(rows[0]) - 1))]] if header else []
    return "\n".join(delimiter.join(map(str, row)) for row in names + rows) + "\n"


def test_csv_with_and_without_names(tmp_path: Path) -> None:
    for header in (False, True):
        for delimiter in ",;\t":
            path = write(tmp_path / "digits.csv", csv(IMAGES, LABELS, header, delimiter))
            dataset = load(str(path))
            assert np.array_equal(dataset.train.images, IMAGES)
            assert np.array_equal(dataset.train.labels, LABELS)
            assert dataset.train.images.dtype == np.uint8
            assert (dataset.name, dataset.classes, len(dataset.test)) == (str(path), tuple("0123456789"), 0)


def test_csv_in_colour(tmp_path: Path) -> None:
    path = write(tmp_path / "colours.csv", csv(COLOURS, LABELS))
    assert np.array_equal(load(path).train.images, COLOURS)


def test_csv_with_the_label_in_any_column(tmp_path: Path) -> None:
    rows = ["a,b,class,c,answer,d", "0,9,5,255,1,3", "1,8,6,254,2,4"]
    path = write(tmp_path / "rows.csv", "\ufeff" + "\r\n".join(rows) + "\r\n\r\n")
    with pytest.raises(DataError, match="5 pixels make no square"):
        load(path)
    path = write(tmp_path / "rows.csv", "\n".join(row.rpartition(",")[0] for row in rows))
    assert load(path).train.labels.tolist() == [5, 6]
    named = load(path, target="answer").train
    assert named.labels.tolist() == [1, 2]
    assert named.images.tolist() == [[[0, 9], [5, 255]], [[1, 8], [6, 254]]]


def test_csv_of_fractions_and_of_ink(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", "1,0,0.5,1,0.25\n2,0,0,1,1\n")
    assert load(path).train.images.tolist() == [[[0, 0.5], [1, 0.25]], [[0, 0], [1, 1]]]
    path = write(tmp_path / "ink.csv", "1,0,1,1,0\n")
    assert load(path).train.images.dtype == np.float32


def test_npz_of_keras_and_of_others(tmp_path: Path) -> None:
    path = tmp_path / "keras.npz"
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2])
    dataset = load(path)
    assert (len(dataset.train), len(dataset.test)) == (6, 2)
    assert (len(load(path, split="test").train), len(load(path, split="train").test)) == (0, 0)
    names = [("x", "y"), ("X", "y"), ("images", "labels")]
    for images, labels in names:
        np.savez_compressed(path, **{images: IMAGES, labels: LABELS, "remark": np.array(["none"])})
        assert np.array_equal(load(path).train.images, IMAGES)
    np.savez(path, IMAGES, LABELS)
    assert np.array_equal(load(path).train.labels, LABELS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(IMAGES[..., None], IMAGES, id="one channel last"),
        pytest.param(IMAGES[:, None], IMAGES, id="one channel first"),
        pytest.param(IMAGES.reshape(6, -1), IMAGES, id="flat"),
        pytest.param(IMAGES.astype(np.int64), IMAGES, id="integers"),
        pytest.param(IMAGES.astype(np.float64), IMAGES, id="whole floats"),
        pytest.param(IMAGES / 255, (IMAGES / 255).astype(np.float32), id="fractions"),
        pytest.param(IMAGES > 99, (IMAGES > 99).astype(np.float32), id="booleans"),
        pytest.param(IMAGES - 0.0 + (IMAGES == 7) / 2, None, id="floats to 255"),
        pytest.param(COLOURS, COLOURS, id="colour"),
        pytest.param(COLOURS.transpose(0, 3, 1, 2), COLOURS, id="colour, channels first"),
        pytest.param(COLOURS.reshape(6, -1), COLOURS, id="colour, flat"),
        pytest.param(some_images(6, 4, 7), some_images(6, 4, 7), id="not square"),
    ],
)
def test_layouts_and_types_of_arrays(tmp_path: Path, given: np.ndarray, expected: Any) -> None:
    np.savez(tmp_path / "some.npz", x=given, y=LABELS)
    images = load(tmp_path / "some.npz").train.images
    if expected is None:
        expected = given.astype(np.float32) / np.float32(255)
    assert images.dtype == expected.dtype
    assert np.array_equal(images, expected)


@pytest.mark.parametrize(
    "labels",
    [LABELS[:, None], LABELS[None], LABELS.astype(np.float32), np.eye(6), np.eye(6, dtype=bool), LABELS > -1],
    ids=["column", "row", "floats", "one-hot", "one-hot booleans", "booleans"],
)
def test_layouts_of_labels(tmp_path: Path, labels: np.ndarray) -> None:
    np.savez(tmp_path / "some.npz", x=IMAGES, y=labels)
    expected = [1] * 6 if labels.shape == (6,) and labels.dtype == bool else LABELS.tolist()
    assert load(tmp_path / "some.npz").train.labels.tolist() == expected


def test_more_than_ten_numbers_are_classes_of_their_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", x=IMAGES, y=LABELS * 3)
    assert load(tmp_path / "some.npz").classes == tuple(map(str, range(16)))


@pytest.mark.parametrize(("images", "labels"), formats.NPY_PAIRS.items())
def test_npy_pairs(tmp_path: Path, images: str, labels: str) -> None:
    np.save(tmp_path / f"{images}.npy", IMAGES)
    np.save(tmp_path / f"{labels}.npy", LABELS)
    for path in (tmp_path, tmp_path / f"{images}.npy"):
        assert np.array_equal(load(path).train.images, IMAGES)


def test_npy_with_a_test_part(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("test", 2)):
        np.save(tmp_path / f"x_{part}.npy", IMAGES[:count])
        np.save(tmp_path / f"y_{part}.npy", LABELS[:count])
    dataset = load(tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (4, 2)


def test_mat_as_coursera_has_it_comes_out_upright(tmp_path: Path) -> None:
    columns = IMAGES.transpose(0, 2, 1).reshape(6, -1) / 255.0
    savemat(tmp_path / "some.mat", {"X": columns, "y": np.array([[10], [1], [2], [9], [5], [10]])})
    part = load(tmp_path / "some.mat").train
    assert np.allclose(part.images, IMAGES / 255)
    assert part.labels.tolist() == [0, 1, 2, 9, 5, 0]
    colours = COLOURS.transpose(0, 3, 2, 1).reshape(6, -1)
    savemat(tmp_path / "some.mat", {"X": colours, "y": LABELS + 1})
    part = load(tmp_path / "some.mat").train
    assert np.array_equal(part.images, COLOURS)
    assert part.labels.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("separator", ["-", "."])
def test_idx_folder_and_file(tmp_path: Path, packed: bool, separator: str) -> None:
    pack = gzip.compress if packed else bytes
    ending = ".gz" if packed else ""
    for part, count in (("train", 4), ("t10k", 2)):
        write(tmp_path / f"{part}-images{separator}idx3-ubyte{ending}", pack(idx(IMAGES[:count])))
        labels = LABELS[:count].astype(np.uint8)
        write(tmp_path / f"{part}-labels{separator}idx1-ubyte{ending}", pack(idx(labels)))
    dataset = load(tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (4, 2)
    assert np.array_equal(dataset.train.images, IMAGES[:4])
    assert dataset.train.images.dtype == np.uint8
    one = load(tmp_path / f"t10k-images{separator}idx3-ubyte{ending}")
    assert (len(one.train), len(one.test)) == (2, 0)


def test_idx_of_other_types(tmp_path: Path) -> None:
    write(tmp_path / "some-images-idx3", idx((IMAGES / 255).astype(np.float32), 0x0D))
    write(tmp_path / "some-labels-idx1", idx(LABELS.astype(np.int32), 0x0C))
    part = load(tmp_path / "some-images-idx3").train
    assert np.array_equal(part.images, (IMAGES / 255).astype(np.float32))
    assert part.images.dtype.isnative


def class_tree(top: Path, names: tuple[str, ...] = ("0", "3", "7"), shape: tuple[int, ...] = (5, 5)) -> Path:
    for number, name in enumerate(names):
        for image in range(2):
            write(top / name / f"{image}.png", png(some_images(6, *shape)[number + image]))
    return top


def test_class_folders_of_digits(tmp_path: Path) -> None:
    class_tree(tmp_path / "mine")
    for clutter in (".DS_Store", "3/Thumbs.db", ".git/config", "3/._0.png"):
        write(tmp_path / "mine" / clutter, b"clutter")
    dataset = load(tmp_path / "mine")
    assert dataset.train.labels.tolist() == [0, 0, 3, 3, 7, 7]
    assert dataset.classes == tuple("0123456789")
    assert np.array_equal(dataset.train.images[0], some_images(6)[0])
    assert dataset.train.images.dtype == np.uint8


@pytest.mark.parametrize(
    ("names", "classes"),
    [(("cat", "Dog", "ant"), ("Dog", "ant", "cat")), (("10", "9", "100"), ("9", "10", "100"))],
)
def test_class_folders_of_other_names(tmp_path: Path, names: Any, classes: Any) -> None:
    assert load(class_tree(tmp_path / "mine", names)).classes == classes


def test_class_folders_of_two_parts(tmp_path: Path) -> None:
    class_tree(tmp_path / "mine" / "train", ("a", "b"))
    class_tree(tmp_path / "mine" / "test", ("b",))
    dataset = load(tmp_path / "mine")
    assert dataset.classes == ("a", "b")
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([0, 0, 1, 1], [1, 1])


def zipped(top: Path, inside: str = "") -> Path:
    path = top.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(top.rglob("*")):
            archive.write(file, inside + file.relative_to(top).as_posix())
        archive.writestr("__MACOSX/._0.png", b"clutter")
    return path


@pytest.mark.parametrize("inside", ["", "mine/"])
def test_zip_of_class_folders(tmp_path: Path, inside: str) -> None:
    folder = class_tree(tmp_path / "mine")
    expected = load(folder)
    assert load(zipped(folder, inside)).sha256 == expected.sha256


def test_grey_and_colour_pictures_of_any_kind_together(tmp_path: Path) -> None:
    grey = some_images(1, 6, 6)[0]
    transparent = np.zeros((6, 6, 4), np.uint8)
    transparent[2:4, 2:4, 3] = 255
    write(tmp_path / "0" / "grey.bmp", png(grey, "BMP"))
    write(tmp_path / "0" / "transparent.png", png(transparent))
    write(tmp_path / "1" / "colour.JPG", png(some_images(1, 6, 6, 3)[0], "JPEG"))
    images = load(tmp_path).train.images
    assert images.shape == (3, 6, 6, 3)
    assert np.array_equal(images[0], np.repeat(grey[..., None], 3, axis=2))
    assert images[1, 0, 0].tolist() == [255, 255, 255]
    assert images[1, 2, 2].tolist() == [0, 0, 0]


def test_sixteen_bit_pictures_are_fractions(tmp_path: Path) -> None:
    write(tmp_path / "0" / "a.png", png(np.full((4, 4), 65535, np.uint16)))
    write(tmp_path / "0" / "b.png", png(np.full((4, 4), 255, np.uint8)))
    images = load(tmp_path).train.images
    assert images.dtype == np.float32
    assert (images == 1).all()


def ink(size: int) -> np.ndarray:
    picture = np.full((size, size), 250, np.uint8)
    picture[size // 4 : 3 * size // 4, size // 2 - 2 : size // 2 + 2] = 20
    return picture


def test_digits_takes_pictures_of_any_size(tmp_path: Path) -> None:
    for size in (30, 50):
        write(tmp_path / "1" / f"{size}.png", png(ink(size)))
    with pytest.raises(DataError, match=r"50\.png: is of 50×50 pixels, the ones before 30×30.*digits"):
        load(tmp_path)
    part = load(tmp_path, digits=True).train
    assert part.images.shape == (2, 28, 28)
    assert part.images[0, 0, 0] == 0
    assert part.images.max() > 0.9


def test_digits_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", x=np.stack([ink(30)] * 2), y=[1, 1])
    assert load(tmp_path / "some.npz", digits=True).train.images.shape == (2, 28, 28)
    np.savez(tmp_path / "some.npz", x=np.stack([ink(30), np.zeros_like(ink(30))]), y=[1, 1])
    with pytest.raises(DataError, match=r"some\.npz, row 1: nothing is written"):
        load(tmp_path / "some.npz", digits=True)


# ---- users' own data that cannot be right ----------------------------------------------------------------


def arrays(**named: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **named)
    return stream.getvalue()


def matlab(**named: Any) -> bytes:
    stream = io.BytesIO()
    savemat(stream, named)
    return stream.getvalue()


def with_pixel(value: float) -> np.ndarray:
    images = IMAGES.astype(np.float64)
    images[3, 1, 1] = value
    return images


def changed(labels: np.ndarray, index: int, value: float) -> np.ndarray:
    result = labels.astype(np.float64)
    result[index] = value
    return result


def zip_of(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


PICTURE = png(IMAGES[0])
ROW = ",".join(["7"] * 26)
HEADER = ",".join(["label", *(f"p{number}" for number in range(25))])
NPY = arrays(x=IMAGES)
TRAIN = "train-images-idx3-ubyte"

BAD = {
    # name of the case: files by path, what is loaded, words of the error
    "csv empty": ({"a.csv": ""}, "a.csv", "a.csv: is empty"),
    "csv of blanks": ({"a.csv": "\n \n\n"}, "a.csv", "a.csv: is empty"),
    "csv of names only": ({"a.csv": HEADER}, "a.csv", "names of columns but no rows"),
    "csv short row": ({"a.csv": f"{ROW}\n{ROW}\n7,7\n"}, "a.csv", "a.csv, row 3: 2 cells where the first row"),
    "csv long row": ({"a.csv": f"{HEADER}\n{ROW}\n{ROW},7\n"}, "a.csv", "a.csv, row 3: 27 cells"),
    "csv word": ({"a.csv": f"{ROW}\n{ROW[:-1]}ink\n"}, "a.csv", "a.csv, row 2: column 26 holds 'ink'"),
    "csv empty cell": ({"a.csv": f"{HEADER}\n7,,{ROW[4:]}"}, "a.csv", "a.csv, row 2: column 2 holds ''"),
    "csv empty line": ({"a.csv": f"{ROW}\n\n{ROW}"}, "a.csv", "a.csv, row 2: is empty"),
    "csv label missing": ({"a.csv": f"{HEADER}\n{ROW}\n{ROW[1:]}"}, "a.csv", "a.csv, row 3: column 1 holds ''"),
    "csv NaN": ({"a.csv": f"{ROW}\n{ROW[:-1]}nan"}, "a.csv", "a.csv, row 2: a pixel is NaN"),
    "csv label NaN": ({"a.csv": f"{ROW}\nnan{ROW[1:]}"}, "a.csv", "a.csv, row 2: the label is no whole number"),
    "csv label 1.5": ({"a.csv": f"{HEADER}\n1.5{ROW[1:]}"}, "a.csv", "a.csv, row 2: the label is no whole"),
    "csv label word": ({"a.csv": f"{ROW}\nsix{ROW[1:]}"}, "a.csv", "a.csv, row 2: column 1 holds 'six'"),
    "csv label negative": ({"a.csv": f"{ROW}\n-1{ROW[1:]}"}, "a.csv", "a.csv, row 2: the label is not in 0..999"),
    "csv pixel 256": ({"a.csv": f"{ROW}\n{ROW}\n{ROW[:-1]}256"}, "a.csv", "a.csv, row 3: a pixel is outside"),
    "csv pixel negative": ({"a.csv": f"{ROW}\n{ROW[:-1]}-3"}, "a.csv", "a.csv, row 2: a pixel is outside"),
    "csv not square": ({"a.csv": f"{ROW},7\n{ROW},7"}, "a.csv", "a.csv: 26 pixels make no square"),
    "csv label only": ({"a.csv": "7\n7\n"}, "a.csv", "a.csv, row 1: has 1 cells"),
    "csv not text": ({"a.csv": b"\xff\xfe\x00\x01"}, "a.csv", "a.csv: cannot be read as UTF-8 text"),
    "npz not a zip": ({"a.npz": b"no zip"}, "a.npz", "a.npz: cannot be read as an .npz file"),
    "npz cut": ({"a.npz": NPY[:200]}, "a.npz", "a.npz: cannot be read as an .npz file"),
    "npz of objects": ({"a.npz": arrays(x=np.array([{}]), y=[1])}, "a.npz", "a.npz: cannot be read"),
    "npz no images": ({"a.npz": arrays(y=LABELS)}, "a.npz", "a.npz: no array is called x or images"),
    "npz no labels": ({"a.npz": NPY}, "a.npz", "a.npz: no array is called y or labels"),
    "npz no y_test": (
        {"a.npz": arrays(x_train=IMAGES, y_train=LABELS, x_test=IMAGES)},
        "a.npz",
        "no array is called y_test",
    ),
    "npz fewer labels": ({"a.npz": arrays(x=IMAGES, y=LABELS[:5])}, "a.npz", "a.npz: 6 images but 5 labels"),
    "npz no rows": ({"a.npz": arrays(x=IMAGES[:0], y=LABELS[:0])}, "a.npz", "a.npz: holds no images"),
    "npz one image": ({"a.npz": arrays(x=IMAGES[0, 0], y=[1])}, "a.npz", "a.npz: images of shape (5,)"),
    "npz two channels": ({"a.npz": arrays(x=some_images(6, 4, 4, 2), y=LABELS)}, "a.npz", "shape (6, 4, 4, 2)"),
    "npz not square": ({"a.npz": arrays(x=some_images(6, 24), y=LABELS)}, "a.npz", "24 pixels make no square"),
    "npz words as pixels": ({"a.npz": arrays(x=np.array(["a"]), y=[1])}, "a.npz", "pixels must be numbers"),
    "npz words as labels": ({"a.npz": arrays(x=IMAGES, y=list("abcdef"))}, "a.npz", "labels must be whole"),
    "npz NaN": ({"a.npz": arrays(x=with_pixel(np.nan), y=LABELS)}, "a.npz", "a.npz, row 3: a pixel is NaN"),
    "npz infinity": ({"a.npz": arrays(x=with_pixel(np.inf), y=LABELS)}, "a.npz", "a.npz, row 3: a pixel is NaN or"),
    "npz 16 bits": ({"a.npz": arrays(x=with_pixel(65535), y=LABELS)}, "a.npz", "a.npz, row 3: a pixel is outside"),
    "npz centred": ({"a.npz": arrays(x=IMAGES / 127.5 - 1, y=LABELS)}, "a.npz", "a.npz, row 0: a pixel is outside"),
    "npz half a label": (
        {"a.npz": arrays(x=IMAGES, y=changed(LABELS, 4, 0.5))},
        "a.npz",
        "a.npz, row 4: the label is no whole number",
    ),
    "npz label 1000": (
        {"a.npz": arrays(x=IMAGES, y=changed(LABELS, 4, 1000))},
        "a.npz",
        "a.npz, row 4: the label is not in 0..999",
    ),
    "npz two hot": (
        {"a.npz": arrays(x=IMAGES, y=np.eye(6) + np.eye(6)[::-1] * (LABELS == 2)[:, None])},
        "a.npz",
        "a.npz, row 2: neither a label nor a one-hot row",
    ),
    "npz labels in a cube": ({"a.npz": arrays(x=IMAGES, y=np.zeros((6, 1, 2)))}, "a.npz", "labels of shape (6, 1, 2)"),
    "npy of no usual name": ({"mine.npy": b""}, "mine.npy", "mine.npy: no usual name"),
    "npy without labels": ({"x.npy": NPY}, "x.npy", "x.npy: its labels are missing"),
    "npy damaged": ({"x.npy": b"\x93NUMPY", "y.npy": b""}, "x.npy", "x.npy: cannot be read as an .npy file"),
    "npy of two kinds": ({"x.npy": b"", "images.npy": b""}, "", "images.npy: its labels are missing"),
    "mat damaged": ({"a.mat": b"MATLAB 5.0 and no more" * 20}, "a.mat", "a.mat: cannot be read as a MATLAB"),
    "mat empty": ({"a.mat": b""}, "a.mat", "a.mat: cannot be read as a MATLAB"),
    "mat without y": ({"a.mat": matlab(X=some_images(3, 25))}, "a.mat", "a.mat: no array is called y (there is X)"),
    "mat of cells": (
        {"a.mat": matlab(X=np.array([["a", 1]], dtype=object), y=[1])},
        "a.mat",
        "a.mat: pixels must be numbers",
    ),
    "mat not square": ({"a.mat": matlab(X=some_images(3, 24), y=[1, 2, 3])}, "a.mat", "24 pixels make no square"),
    "mat of 7.3": ({"a.mat": b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" * 99}, "a.mat", "a.mat: is of MATLAB 7.3"),
    "idx without labels": ({TRAIN: idx(IMAGES)}, TRAIN, f"{TRAIN}: its labels are missing"),
    "idx of labels": ({"train-labels-idx1-ubyte": idx(LABELS)}, "train-labels-idx1-ubyte", "no 'images' in its name"),
    "idx no idx": ({TRAIN: b"something", "train-labels-idx1-ubyte": b""}, "", f"{TRAIN}: does not begin as an IDX"),
    "idx empty": ({TRAIN: b"", "train-labels-idx1-ubyte": b""}, "", f"{TRAIN}: cannot be read as an IDX"),
    "idx cut": ({TRAIN: idx(IMAGES)[:-1], "train-labels-idx1-ubyte": b""}, "", "states 150 bytes for shape (6, 5, 5)"),
    "idx longer": ({TRAIN: idx(IMAGES) + b"x", "train-labels-idx1-ubyte": b""}, "", "but holds more"),
    "idx gzip cut": (
        {f"{TRAIN}.gz": gzip.compress(idx(IMAGES))[:-20], "train-labels-idx1-ubyte": b""},
        "",
        f"{TRAIN}.gz: cannot be read as an IDX",
    ),
    "idx bomb": (
        {TRAIN: struct.pack(">HBB3I", 0, 8, 3, 1 << 31, 1 << 10, 1 << 10), "train-labels-idx1-ubyte": b""},
        "",
        f"{TRAIN}: unpacks to 2097152.0 GiB",
    ),
    "idx fewer labels": (
        {TRAIN: idx(IMAGES), "train-labels-idx1-ubyte": idx(LABELS[:4].astype(np.uint8))},
        "",
        "6 images but 4 labels in ",
    ),
    "folder empty": ({".hidden": b""}, "", ": is empty: it needs a folder per class"),
    "folder of pictures": ({"a.png": PICTURE}, "", "a.png: lies outside the class folders"),
    "folder with a remark": ({"0/a.png": PICTURE, "README": b""}, "", "README: lies outside the class folders"),
    "folder too deep": ({"0/1/a.png": PICTURE}, "", "1: lies too deep"),
    "class with a remark": ({"0/a.png": PICTURE, "0/remark.txt": b""}, "", "remark.txt: is no picture"),
    "class empty": ({"0/a.png": PICTURE, "1/.hidden": b""}, "", "1: is empty: fill it"),
    "picture damaged": ({"0/a.png": PICTURE, "0/b.png": PICTURE[:40]}, "", "b.png: not a picture"),
    "picture of text": ({"0/a.png": b"text"}, "", "a.png: not a picture"),
    "picture empty": ({"0/a.png": b""}, "", "a.png: not a picture"),
    "picture larger": ({"0/a.png": PICTURE, "1/b.png": png(some_images(1, 5, 6)[0])}, "", "b.png: is of 6×5 pixels"),
    "third part": ({"train/0/a.png": PICTURE, "val/0/a.png": PICTURE}, "", "and no other, here are train, val"),
    "test part only": ({"test/0/a.png": PICTURE}, "", "a train folder goes with a test folder"),
    "loose beside parts": ({"train/0/a.png": PICTURE, "a.txt": b""}, "", "a.txt: lies outside the class folders"),
    "zip damaged": ({"a.zip": b"no zip"}, "a.zip", "a.zip: cannot be read as a zip archive"),
    "zip empty": ({"a.zip": zip_of()}, "a.zip", "a.zip: is empty"),
    "zip loose": ({"a.zip": zip_of(**{"a.png": PICTURE})}, "a.zip", "a.zip/a.png: lies outside"),
    "zip picture": ({"a.zip": zip_of(**{"0/a.png": b"text"})}, "a.zip", "a.zip/0/a.png: not a picture"),
    "zip bomb": ({"a.zip": zip_of(**{"0/a.png": bytes(65 << 20)})}, "a.zip", "a.zip/0/a.png: unpacks to 65 MiB"),
    "zip changed": (
        {"a.zip": zip_of(**{"0/a.png": PICTURE}).replace(b"IDAT", b"IDOT")},
        "a.zip",
        "a.zip/0/a.png: cannot be read as a file in a zip archive",
    ),
    "other form": ({"a.docx": b"PK"}, "a.docx", "a.docx: of no form that is known"),
    "gzip of something": ({"a.gz": b""}, "a.gz", "a.gz: no 'images' in its name"),
}


@pytest.mark.parametrize(("files", "loaded", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_right_is_named(tmp_path: Path, files: Any, loaded: str, words: str) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)
    with pytest.raises(DataError) as error:
        load(tmp_path / loaded)
    assert words in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_target_must_be_a_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"{HEADER}\n{ROW}")
    with pytest.raises(DataError, match=r"no column is called 'digit'; its first line names label, p0, p1, p2, …"):
        load(path, target="digit")
    path = write(tmp_path / "a.csv", ROW)
    with pytest.raises(DataError, match="its first line names none"):
        load(path, target="digit")
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS)
    with pytest.raises(DataError, match="only CSV has columns"):
        load(tmp_path / "a.npz", target="digit")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROW)
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        load(path)


def test_an_encrypted_zip_names_the_file(tmp_path: Path) -> None:
    content = bytearray(zip_of(**{"0/a.png": PICTURE}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path = write(tmp_path / "a.zip", bytes(content))
    with pytest.raises(DataError, match=r"a\.zip/0/a\.png: .*password"):
        load(path)


@pytest.mark.parametrize("name", ["optdigits", "some.mat"])
def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    savemat(tmp_path / "some.mat", {"X": IMAGES.reshape(6, -1), "y": LABELS})
    for module in ("scipy.io", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'zeronine\[train\]'"):
        load(name if name in data.SETS else tmp_path / name)


def test_nothing_heavy_is_imported() -> None:
    program = "import sys, zeronine.data; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"scipy", "sklearn", "matplotlib", "torch", "keras", "pooch", "requests"}
    assert not heavy & set(modules.stdout.split())


# ---- contact sheets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 5), (28, 28), (32, 32, 3), (90, 140), (200, 100, 3), (1, 400)])
def test_contact_sheet(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = data.contact_sheet(make(40, shape=shape), tmp_path / "new" / "sheet.png", count=25)
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        assert sheet.size == (684, 24 + 3 * 84)
    assert [other.name for other in path.parent.iterdir()] == ["sheet.png"]


def test_contact_sheet_shows_the_images_class_by_class(tmp_path: Path) -> None:
    levels = np.arange(10, dtype=np.uint8) * 25 + 10
    images = np.repeat(levels, 3)[::-1, None, None] * np.ones((1, 8, 8), np.uint8)
    part = Split(images, np.repeat(np.arange(10), 3)[::-1])
    named = Dataset("levels", part, part.take(slice(0)), ("naïve", "a name that is too long", *"23456789"))
    path = data.contact_sheet(named, tmp_path / "sheet.png", count=10)
    with Image.open(path) as sheet:
        shown = [sheet.getpixel((4 + 68 * column + 32, 24 + 32)) for column in range(10)]
    assert shown == [(level, level, level) for level in levels.tolist()]


def test_contact_sheet_of_floats_and_of_a_test_part(tmp_path: Path) -> None:
    part = Split(np.full((3, 4, 4), 1.13, np.float32), np.zeros(3, np.int64))
    path = data.contact_sheet(Dataset("f", part.take(slice(0)), part, ("0",)), tmp_path / "sheet.png")
    with Image.open(path) as sheet:
        assert sheet.getpixel((36, 56)) == (255, 255, 255)


def test_contact_sheet_that_cannot_be_drawn(tmp_path: Path) -> None:
    nothing = make().train.take(slice(0))
    with pytest.raises(DataError, match="no images to show"):
        data.contact_sheet(Dataset("none", nothing, nothing, ("0",)), tmp_path / "sheet.png")
    write(tmp_path / "file", b"")
    with pytest.raises(DataError, match=r"sheet\.png cannot be written"):
        data.contact_sheet(make(), tmp_path / "file" / "sheet.png")


# ---- the real sets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "train", "test", "shape"),
    [
        ("mnist", 60_000, 10_000, (28, 28)),
        ("fashion-mnist", 60_000, 10_000, (28, 28)),
        ("coursera", 5_000, 0, (20, 20)),
        ("usps", 7_291, 2_007, (16, 16)),
        ("semeion", 1_195, 398, (16, 16)),
    ],
)
def test_real_sets(real: Path, name: str, train: int, test: int, shape: tuple[int, ...]) -> None:
    if not (real / name).is_dir():
        pytest.skip(f"{name} is not in {real}")
    dataset = load(name)
    assert (len(dataset.train), len(dataset.test)) == (train, test)
    assert dataset.train.shape == dataset.test.shape == shape == data.SETS[name].shape
    assert (data.SETS[name].train, data.SETS[name].test) == (train, test)
    assert set(np.unique(dataset.train.labels)) == set(range(10))
    assert -0.2 < data.scaled(dataset.train.images[:1000]).min() < 0.01
    assert 0.99 < data.scaled(dataset.train.images[:1000]).max() < 1.2


def test_real_coursera_is_upright_and_zero_is_zero(real: Path) -> None:
    """Its images are made of MNIST's training images, and look like them."""
    coursera, mnist = load("coursera").train, load("mnist", split="train").train
    assert np.bincount(coursera.labels).tolist() == [500] * 10
    for digit in range(10):
        mean = coursera.images[coursera.labels == digit].mean(axis=0)
        larger = Image.fromarray(data.scaled(mnist.images[mnist.labels == digit][:500]).mean(axis=0))
        expected = np.asarray(larger.resize((20, 20), Image.Resampling.BOX))
        upright, lying = (np.corrcoef(picture.ravel(), expected.ravel())[0, 1] for picture in (mean, mean.T))
        assert upright > 0.95
        assert upright > lying


def test_real_kmnist_test_part(real: Path) -> None:
    if not (real / "kmnist").is_dir():
        pytest.skip(f"kmnist is not in {real}")
    dataset = load("kmnist", split="test")
    assert (len(dataset.train), dataset.test.images.shape) == (0, (10_000, 28, 28))


@pytest.mark.parametrize(
    ("file", "count"),
    [("svhn/svhn_crops_from_test256.npz", 486), ("cifar10/cifar10_exact_4000.npz", 4_000)],
)
def test_real_colour_pictures(real: Path, tmp_path: Path, file: str, count: int) -> None:
    if not (real / file).exists():
        pytest.skip(f"{file} is not in {real}")
    dataset = load(real / file)
    assert dataset.train.images.shape == (count, 32, 32, 3)
    assert dataset.train.shaped((32, 32, 3)).max() == 1
    assert load(real / file).sha256 == dataset.sha256
    data.contact_sheet(dataset, tmp_path / "sheet.png")


def test_errors_are_of_the_one_family() -> None:
    assert issubclass(DataError, ZeronineError)
