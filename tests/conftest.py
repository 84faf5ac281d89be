"""What several tests share: where the data lie, a quick model, digits that need no download."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small only wait for each other's threads

import numpy as np
import pytest
from numpy.typing import NDArray

from zeronine import data
from zeronine.errors import ZeronineError


@pytest.fixture(scope="session")
def mnist() -> data.Dataset:
    """MNIST, where it is at hand."""
    folder = os.environ.get("ZERONINE_DATA_DIR")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("needs MNIST: set ZERONINE_DATA_DIR to a folder that holds mnist/")
    try:
        return data.load("mnist")
    except ZeronineError as error:
        pytest.skip(f"MNIST cannot be loaded: {error}")


@pytest.fixture(scope="session", autouse=True)
def _digit_images_are_made_once() -> Iterator[None]:
    """The embedded digits, which dozens of tests load, take five seconds to become digit images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "digit_image", remembering(data.digit_image))
        yield


def remembering(make: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The same function, which makes of equal pictures only the first."""
    made: dict[tuple[tuple[int, ...], str, bytes], NDArray[Any]] = {}

    def remembered(picture: NDArray[Any]) -> NDArray[Any]:
        key = picture.shape, picture.dtype.str, picture.tobytes()
        if key not in made:
            made[key] = make(picture)
        return made[key]

    return remembered


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    """The 1,797 embedded digits as digit images."""
    return data.load("optdigits", digits=True)


@pytest.fixture(scope="session")
def digits_file(digits: data.Dataset, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same as a file, for tests that begin other processes: they need not make digit images again."""
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    train, test = digits.train, digits.test
    np.savez(path, x_train=train.images, y_train=train.labels, x_test=test.images, y_test=test.labels)
    return str(path)


@pytest.fixture(scope="session")
def seven() -> NDArray[np.float32]:
    """A drawn seven, white on black, 0..1, (120, 100), its ink 70 high."""
    import cv2

    canvas = np.zeros((120, 100), np.uint8)
    path = np.array([[25, 27], [70, 25], [58, 55], [45, 94]])
    cv2.polylines(canvas, [path], False, 255, 8, cv2.LINE_AA)
    return canvas.astype(np.float32) / 255


@pytest.fixture
def crossed_out(tmp_path: Path) -> Path:
    """The second scan of docs/read with two digits of its field "reading" crossed out."""
    from PIL import Image, ImageDraw

    with Image.open(Path(__file__).parent.parent / "docs" / "read" / "scan-2.jpg") as scan:
        page = scan.convert("RGB")
    for left, right, top in ((471, 562, 381), (605, 726, 378)):
        zigzag = [(left + (right - left) * step / 8, top + 40 * (step % 2)) for step in range(9)]
        ImageDraw.Draw(page).line(zigzag, fill=(30, 30, 60), width=5)
    page.save(tmp_path / "crossed-out.png")
    return tmp_path / "crossed-out.png"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser or a screen: make screens runs it, and make test stays under five minutes."""
    for item in items:
        if {"browser", "chromium", "screen"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.screen)
