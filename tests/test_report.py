"""The pictures of a run: what they say of every kind of run, and what is refused."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from zeronine import report
from zeronine.data import Dataset, Split, load
from zeronine.errors import DataError, MissingExtra, RecipeError
from zeronine.train.keras_loop import divide
from zeronine.train.settings import override
from zeronine.train.tutorials import TUTORIALS

CURVES, CONFUSION, WORST, SAMPLE = range(4)
PICTURES = ["learning_curves.png", "confusion.png", "worst_errors.png", "sample.png"]
DIGITS = tuple("0123456789")
HISTORY = [
    {"epoch": 1, "loss": 1.2, "accuracy": 0.6, "val_loss": 0.9, "val_accuracy": 0.7},
    {"epoch": 2, "loss": 0.02, "accuracy": 0.99, "val_loss": 0.1, "val_accuracy": 0.97},
]
WriteRun = Callable[..., Path]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The texts on every page that is drawn, in the order of PICTURES."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    drawn: list[list[str]] = []
    save = Figure.savefig

    def remember(figure: Figure, *arguments: Any, **options: Any) -> None:
        save(figure, *arguments, **options)
        drawn.append([text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)])

    monkeypatch.setattr(Figure, "savefig", remember)
    return drawn


@pytest.fixture
def write_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteRun:
    """Writes a run folder whose predictions are right at 90 %, except for some, and stands in for its data set."""
    monkeypatch.setattr(report, "DOTS", 50)  # tests the same, in half the time

    def write(
        dataset: Dataset,
        predicted: Split,
        wrong: Mapping[int, int] | None = None,
        history: Sequence[Mapping[str, float]] = HISTORY,
        **config: object,
    ) -> Path:
        count, classes = len(predicted), len(dataset.classes)
        answers = predicted.labels.copy()
        for index, label in (wrong or {}).items():
            answers[index] = label
        probabilities = np.full((count, classes), 0.1 / (classes - 1), np.float32)
        probabilities[np.arange(count), answers] = 0.9
        about = {"name": dataset.name, "target": None, "digits": False, "sha256": dataset.sha256}
        full = {
            "recipe": "standard",
            "seed": 5,
            "settings": {},
            "classes": dataset.classes,
            "data": about,
            "predictions_of": "test",
        } | config
        (tmp_path / "config.json").write_text(json.dumps(full), encoding="utf-8")
        if history:
            with (tmp_path / "history.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(history[0]))
                writer.writeheader()
                writer.writerows(history)
        np.savez_compressed(tmp_path / "predictions.npz", labels=predicted.labels, probabilities=probabilities)
        monkeypatch.setattr("zeronine.data.load", lambda name, **_: dataset)
        return tmp_path

    return write


def made_up(
    count: int, classes: Sequence[str] = DIGITS, shape: tuple[int, ...] = (8, 8), *, test: bool = True
) -> Dataset:
    """Noise with labels 0, 1, 2, … round and round: a test split only, or a training split only."""
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    full = Split(images, np.arange(count, dtype=np.int64) % len(classes))
    empty = full.take(slice(0))
    return Dataset("my data/digits", *((empty, full) if test else (full, empty)), tuple(classes))


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def pixels(path: Path) -> NDArray[np.uint8]:
    """A picture as RGB."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_real_digits_from_a_named_set(tmp_path: Path, pages: list[list[str]]) -> None:
    digits = load("optdigits")
    count, errors = len(digits.test), np.arange(10)
    probabilities = np.eye(10, dtype=np.float32)[digits.test.labels] * 0.8 + np.float32(0.02)
    probabilities[errors] = np.roll(probabilities[errors], 1, axis=1)
    about = {"name": "optdigits", "target": None, "digits": False, "sha256": digits.sha256}
    config = {"recipe": "standard", "seed": 0, "settings": {}, "classes": digits.classes, "data": about}
    config |= {"predictions_of": "test"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    np.savez(tmp_path / "predictions.npz", labels=digits.test.labels, probabilities=probabilities)

    paths = report.draw(str(tmp_path), out=tmp_path / "elsewhere")

    assert paths == [tmp_path / "elsewhere" / name for name in PICTURES]
    for path in paths:
        with Image.open(path) as picture:
            assert (picture.format, picture.width) == ("PNG", 1600)
            assert 200 < picture.height < 2200
        assert path.stat().st_size < 300_000
    assert f"{count - 10} of {count} test images right: {100 * (count - 10) / count:.2f} %" in pages[CONFUSION]
    assert f"standard on optdigits, seed 0 · 10 of {count} test images wrong" in pages[WORST]
    assert pages[WORST].count("✗") == pages[WORST].count("✓") == 10
    assert pages[WORST].count("82.0 %") == pages[WORST].count("2.0 %") == 10
    assert {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} <= set(pages[WORST])
    assert "This run kept no history of loss or accuracy." in pages[CURVES]


@pytest.mark.parametrize(
    ("history", "said", "unsaid"),
    [
        (HISTORY[:1], "digits, seed 5 · 1 epoch", "epochs"),
        ([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], "training\n0.2500", "Accuracy, %"),
        ([{"iteration": 100, "epoch": 0.2, "accuracy": 0.5}], "100 iterations", "Loss"),
        ([{"epoch": 1, "loss": 0.5, "val_loss": float("nan")}], "training\n0.5000", "validation"),
        ([{"epoch": 1, "loss": float("nan"), "seconds": 3}], "no history of loss or accuracy", "Accuracy, %"),
        ([], "no history of loss or accuracy", "Loss"),
    ],
)
def test_histories_that_lack_something(
    write_run: WriteRun,
    pages: list[list[str]],
    history: list[dict[str, float]],
    said: str,
    unsaid: str,
) -> None:
    data = made_up(10)
    folder = write_run(data, data.test, history=history)
    (folder / "predictions.npz").unlink()
    with pytest.raises(RecipeError, match="not finished"):
        report.draw(folder)
    assert names(folder / "plots") == ["learning_curves.png"]
    text = "\n".join(pages[CURVES])
    assert said in text
    assert unsaid not in text


def test_fewer_errors_than_places(write_run: WriteRun, pages: list[list[str]]) -> None:
    data = made_up(20)
    paths = report.draw(write_run(data, data.test, {7: 1}, seconds=61.7))

    assert "standard on digits, seed 5 · 2 epochs in 62 s" in pages[CURVES]
    assert {"training\n0.0200", "validation\n0.1000", "training\n99.00", "validation\n97.00"} <= set(pages[CURVES])
    assert "Loss, logarithmic" in pages[CURVES]  # 1.2 is 60 times 0.02
    confusion = pixels(paths[CONFUSION]).astype(int)
    for colour in (report.WRONG, report.RIGHT_TINT, report.EMPTY):  # errors stand out from the diagonal
        wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        assert (np.abs(confusion - wanted).max(axis=2) <= 3).sum() > 500, colour
    assert {"The only error", "✗", "✓", "90.0 %", "1.1 %", "#"} <= set(pages[WORST])
    assert pages[WORST].count("7") == 2  # its true label and its number
    assert "20 test images drawn at random: 19 right" in pages[SAMPLE]
    assert (pages[SAMPLE].count("✗"), pages[SAMPLE].count("✓")) == (1, 20)


def test_no_errors_twice_and_settings_of_matplotlib_stay(write_run: WriteRun, pages: list[list[str]]) -> None:
    import matplotlib

    data = made_up(12)
    folder = write_run(data, data.test)
    with matplotlib.rc_context({"font.size": 31, "axes.facecolor": "red", "savefig.dpi": 20}):
        before = dict(matplotlib.rcParams)
        first = [path.read_bytes() for path in report.draw(folder)]
        assert dict(matplotlib.rcParams) == before
    worst = [text for text in pages[WORST] if text]
    assert worst == ["No errors", "standard on digits, seed 5", "All 12 test images are right."]
    assert "12 of 12 test images right: 100.00 %" in pages[CONFUSION]
    assert [path.read_bytes() for path in report.draw(folder)] == first


def test_colour_and_names_that_try_the_layout(write_run: WriteRun, pages: list[list[str]]) -> None:
    names = [
        "$",
        "_{x",
        "数字",
        "two\nlines",
        *(f"speed limit of {number} kilometres per hour" for number in range(20)),
    ]
    data = made_up(48, names, (10, 16, 3))
    paths = report.draw(write_run(data, data.test, {0: 1, 1: 2}))
    assert {"$", "_{x", "数字", "two lines"} <= set(pages[CONFUSION])
    assert any("…" in text for text in pages[SAMPLE])
    sample = pixels(paths[SAMPLE]).astype(int)
    assert (sample.max(axis=2) - sample.min(axis=2) > 100).sum() > 3_000  # colour


@pytest.mark.parametrize("settings", [{}, {"holdout": 8}])
def test_images_of_a_tutorial_are_found_again(
    write_run: WriteRun, pages: list[list[str]], settings: dict[str, int]
) -> None:
    """Of data without a test set, a tutorial predicts what it held out, or else what it trained on, and says so."""
    data = made_up(40, ("no", "yes"), test=False)
    tutorial = TUTORIALS["conv-32-64"]
    part = "test" if settings else "train"
    predicted = divide(tutorial, data, override(tutorial.settings, settings))[part]
    assert len(predicted) == (8 if settings else 30)
    report.draw(write_run(data, predicted, recipe="conv-32-64", settings=settings, predictions_of=part))
    kind = "test images" if settings else "training images"
    for page in (CONFUSION, WORST, SAMPLE):
        assert any(kind in text for text in pages[page])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: Dataset(data.name, data.train, data.test.take(slice(9)), data.classes),
            "has changed since",
        ),
        (None, "it is gone"),
    ],
)
def test_data_that_changed_or_is_gone(
    write_run: WriteRun,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Dataset], Dataset] | None,
    message: str,
) -> None:
    data = made_up(10)
    folder = write_run(data, data.test)

    def other(name: str, **_: object) -> Dataset:
        if change is None:
            raise DataError("it is gone")
        return change(data)

    monkeypatch.setattr("zeronine.data.load", other)
    with pytest.raises(DataError, match=message):
        report.draw(folder)
    assert names(folder / "plots") == ["confusion.png", "learning_curves.png"]


def test_folders_that_hold_no_run(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds no run"):
        report.draw(tmp_path)
    (tmp_path / "config.json").write_text('{"seed": 0}', encoding="utf-8")
    with pytest.raises(DataError, match=r"config\.json is of no run, it lacks 'classes'"):
        report.draw(tmp_path)
    assert names(tmp_path) == ["config.json"]


def test_a_failure_leaves_the_old_picture_and_nothing_else(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made_up(10)
    folder = write_run(data, data.test)
    (folder / "plots").mkdir()
    (folder / "plots" / PICTURES[CURVES]).write_text("old")

    save = Image.Image.save

    def full(picture: Image.Image, target: Any, *arguments: Any, **options: Any) -> None:
        if not isinstance(target, Path):  # Matplotlib's own, into memory
            return save(picture, target, *arguments, **options)
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="disk full"):
        report.draw(folder)
    assert names(folder / "plots") == ["learning_curves.png"]
    assert (folder / "plots" / PICTURES[CURVES]).read_text() == "old"


def test_missing_matplotlib_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(MissingExtra, match=r"Matplotlib.*zeronine\[train\]"):
        report.draw(tmp_path)


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = "matplotlib", "scipy", "sklearn"
    code = f"import sys, zeronine.report; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
