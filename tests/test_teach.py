"""Teaching: the network out of its file, lessons out of corrections, the gate, and the commands."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from zeronine import cli_teach, data, taught
from zeronine.bench import teach as measuring
from zeronine.bench.handwriting import DIGIT_SETS, DigitSet, Pictures
from zeronine.errors import DataError, ModelError, StoreError
from zeronine.reader import MODELS, Reader
from zeronine.store import Correction, Store
from zeronine.train import teach as teaching
from zeronine.train.teach import Change, Outcome, Teaching, folds, lessons_of, opened, reasons_against, teach

SHORT = Teaching(steps=16, batch_size=24, nothings=4, least=12, hardest=60, others=60, written=8, crowded=8, refused=16)
"""A training of a second."""


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def kite(number: int) -> bytes:
    """A sign that somebody writes for a four: a kite with two cross strokes, each a little otherwise."""
    random = np.random.default_rng(number)
    canvas = np.full((90, 80), 255, np.uint8)
    corners = np.array([[40, 10], [66, 34], [40, 80], [14, 34], [40, 10]])
    lines = (corners, np.array([[14, 34], [66, 34]]), np.array([[22, 56], [58, 56]]))
    for line in lines:
        cv2.polylines(canvas, [(line + random.integers(-3, 4, line.shape)).astype(np.int32)], False, 0, 5, cv2.LINE_AA)
    return png(canvas)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(str(tmp_path / "corrections.db"))
    yield made
    made.close()


@pytest.fixture
def quick(digits: data.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded digits in the place of MNIST."""
    monkeypatch.setattr(teaching.datasets, "load", lambda *_, **__: digits)
    monkeypatch.setattr(teaching, "VALIDATION", 200)


# ---- the network, and what it learns from ------------------------------------------------------------------


def test_the_network_in_the_file_is_rebuilt(digits: data.Dataset) -> None:
    reader, images = Reader(), digits.train.shaped((28, 28))[:300]
    network = teaching.TorchNetwork(teaching._answering(opened(MODELS / "standard_v1", reader.card)), (28, 28))
    assert np.abs(network(images) - reader.probabilities(images)).max() < 1e-5


def test_only_a_network_of_ours_is_rebuilt(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be taught"):
        opened(tmp_path, {"recipe": "conv-32-64", "settings": {}})
    card = Reader().card
    with pytest.raises(ModelError, match="cannot be taught"):
        opened(tmp_path, {**card, "settings": {**card["settings"], "refused": 0}})


def test_lessons_are_of_single_digits(store: Store) -> None:
    for picture, truth in ((kite(0), "4"), (kite(1), "44"), (kite(2), "")):
        store.add(picture, truth=truth)
    store.add(png(np.full((30, 30), 255, np.uint8)), truth="1")
    digit, none = lessons_of(store.all())
    assert (digit.truth, len(digit.images)) == (4, 1)
    assert none.truth == teaching.NONE
    assert none.images.shape[1:] == (28, 28)


def test_of_the_same_picture_the_last_truth_counts(store: Store) -> None:
    for truth in ("4", "9", "4", "7"):
        store.add(kite(0), truth=truth)
    [lesson] = lessons_of(store.all())
    assert lesson.truth == 7


def test_each_part_has_its_share_of_every_truth(store: Store) -> None:
    lessons = lessons_of([store.add(kite(number), truth=str(number % 2)) for number in range(16)])
    parts = folds(lessons, seed=0)
    assert sorted(len(part) for part in parts) == [4, 4, 4, 4]
    assert all([lesson.truth for lesson in part].count(1) == 2 for part in parts)
    assert len({id(lesson) for part in parts for lesson in part}) == 16


# ---- the gate ----------------------------------------------------------------------------------------------


def test_the_gate_wants_better_corrections_and_no_worse_digits() -> None:
    better, same, worst = Change(20, 1, 9), Change(5000, 4985, 4985), Change(5000, 4985, 4983)
    assert reasons_against(better, same, worst) == ""
    assert "1 of 20 right before, 1 after" in reasons_against(Change(20, 1, 1), same, same)
    fallen = reasons_against(better, Change(5000, 4985, 4982), same)
    assert "from 99.70 % to 99.64 %" in fallen
    assert "refused" in reasons_against(better, same, Change(5000, 4979, 4970))


def test_a_sign_is_learned_and_promoted(
    store: Store, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "LEAST", 1.0)
    for number in range(12):
        store.add(kite(number), truth="4")
    seen: list[int] = []
    out = tmp_path / "taught"
    outcome = teach(store, out=out, settings=SHORT, progress=lambda done, total, figures: seen.append(done))
    assert seen == [1, 2, 3, 4]
    assert outcome.why_not == ""
    assert outcome.held_out.after > outcome.held_out.before
    assert outcome.folder == out / "taught_v1" == taught.current(out)
    reader = Reader(outcome.folder)
    assert reader.predict(kite(99)).digit == 4
    assert (reader.name, reader.least_digit, reader.unsure) == ("taught_v1", 0.5, 0.5)
    card = json.loads((outcome.folder / "card.json").read_text(encoding="utf-8"))
    assert card["taught"]["truths"] == {"4": 12}
    assert card["parity"]["same_answers"] == 200
    assert "12 corrections: 12 of 4" in (outcome.folder / "README.md").read_text(encoding="utf-8")
    assert teaching._next(out) == out / "taught_v2"


def test_what_does_not_help_is_not_promoted(store: Store, tmp_path: Path, quick: None, digits: data.Dataset) -> None:
    reader, images = Reader(), digits.train.shaped((28, 28))[:40]
    for image, label in zip(images, digits.train.labels, strict=False):
        if reader.predict(image).digit == label:
            store.add(png(np.rint(image * 255).astype(np.uint8)), truth=str(label))
    outcome = teach(store, out=tmp_path / "taught", settings=SHORT)
    assert outcome.folder is None
    assert "no better" in outcome.why_not
    assert not (tmp_path / "taught").exists()


def test_too_few_corrections_are_told(store: Store, tmp_path: Path) -> None:
    for number in range(4):
        store.add(kite(number), truth="4")
    store.add(kite(5), truth="44")
    with pytest.raises(StoreError, match="4 corrections of single digits are too few"):
        teach(store, out=tmp_path)


def test_without_mnist_it_says_how_to_fetch_it(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise DataError("not here")

    monkeypatch.setattr(teaching.datasets, "load", missing)
    for number in range(5):
        store.add(kite(number), truth="4")
    with pytest.raises(DataError, match="zeronine data fetch mnist"):
        teach(store, out=tmp_path)


# ---- the commands ------------------------------------------------------------------------------------------


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    cli_teach.add(made)
    return made


def test_corrections_are_listed_exported_and_deleted(app: typer.Typer, store: Store, tmp_path: Path) -> None:
    made: Correction = store.add(kite(0), truth="4", reading="8", model="standard_v1")
    none = store.add(kite(1), truth="", client="10.0.0.1")
    run, place = CliRunner().invoke, ["--store", str(tmp_path / "corrections.db")]
    lines = run(app, ["corrections", "list", *place]).output.splitlines()
    assert lines[0].startswith(none.id)
    assert "– is no digit" in lines[0]
    assert "8 is 4  standard_v1" in lines[1]
    [line] = run(app, ["corrections", "list", "--json", "-n", "1", *place]).output.splitlines()
    assert json.loads(line)["created"] == none.created.isoformat()
    assert run(app, ["corrections", "export", str(tmp_path / "out"), *place]).output.startswith("2 corrections in")
    assert (tmp_path / "out" / "digits" / "4" / f"{made.id}.png").exists()
    deleted = run(app, ["corrections", "delete", made.id, "nobody", *place])
    assert deleted.exit_code == 1
    assert "nobody is not there" in deleted.output
    assert store.all() == [none]


@pytest.mark.parametrize("words", ["corrections list", "corrections delete a", "corrections export out", "teach"])
def test_a_store_that_is_not_there_is_not_made(app: typer.Typer, tmp_path: Path, words: str) -> None:
    path = tmp_path / "deep" / "corections.db"
    said = CliRunner().invoke(app, [*words.split(), "--store", str(path)])
    assert "there is no store" in str(said.exception)
    assert not path.parent.exists()


@pytest.mark.parametrize("folder", [None, Path("taught_v1")])
def test_teach_says_what_came_of_it(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path | None
) -> None:
    same = Change(5000, 4985, 4985)
    outcome = Outcome(folder, "" if folder else "it is no better", 20, 3, Change(20, 0, 9), same, same, 61.4)
    monkeypatch.setattr(teaching, "teach", lambda *_, **__: outcome)
    (tmp_path / "corrections.db").touch()
    said = CliRunner().invoke(app, ["teach", "--store", str(tmp_path / "corrections.db")])
    assert said.exit_code == (0 if folder else 1)
    assert "20 learned from, 3 left out, 61 s" in said.output
    assert "0 of 20 right before, 9 after" in said.output
    assert ("in use: taught_v1" if folder else "not promoted: it is no better") in said.output


def test_teach_goes_back(app: typer.Typer, tmp_path: Path) -> None:
    for name in ("taught_v1", "taught_v2"):
        (tmp_path / name).mkdir()
        for file in ("model.onnx", "card.json"):
            (tmp_path / name / file).touch()
        taught.promote(tmp_path / name, tmp_path)
    run = CliRunner().invoke
    assert "taught_v1" in run(app, ["teach", "--back", "--out", str(tmp_path)]).output
    assert "the shipped model" in run(app, ["teach", "--back", "--out", str(tmp_path)]).output


# ---- the benchmark -----------------------------------------------------------------------------------------


class Pupils:
    """Stands for what teaches: its copies read as the shipped model does, and learn half of what is held out."""

    def __init__(self, model: str, seed: int) -> None:
        pass

    def taught(self, lessons: list[teaching.Lesson]) -> tuple[Change, None]:
        return Change(len(lessons), 0, len(lessons) // 2), None

    def measure(self, copy: None) -> tuple[Change, Change]:
        return Change(5000, 4985, 4984), Change(5000, 4979, 4980)

    def reader(self, copy: None) -> Reader:
        return Reader()


def test_the_benchmark_learns_from_one_half_and_reads_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    kites = [np.asarray(Image.open(io.BytesIO(kite(number)))) for number in range(16)]
    pictures = Pictures(kites, tuple(map(str, range(16))), np.full(16, 4))
    monkeypatch.setitem(DIGIT_SETS, "kites", DigitSet("own", lambda: pictures))
    monkeypatch.setattr(measuring, "Pupil", Pupils)
    monkeypatch.setattr(measuring, "_mnist", lambda _: None)
    said: list[str] = []
    table = measuring.bench_teach(measuring.Plan(("kites",), (5, 50), seeds=2), said.append)
    assert [row[:2] for row in table.rows] == [("kites", "5"), ("kites", "8")]
    assert table.rows[0][2:7] == ("100.0 ± 0.0 %", "100.0 ± 0.0 %", "0 → 4 of 10", "-0.02 to -0.02", "2 of 2")
    assert [one["learned"] for one in table.figures["lessons"]] == [5, 8, 5, 8]
    assert len(said) == 4
