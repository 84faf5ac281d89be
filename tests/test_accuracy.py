"""Measuring a model: the sets, the tables, the sheets, the card."""

import csv
import gzip
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from zeronine import Reader, data
from zeronine.bench import accuracy, handwriting, nondigits, sheets
from zeronine.bench.accuracy import Answers, Share, measure
from zeronine.bench.handwriting import DIGIT_SETS, Pictures
from zeronine.bench.nondigits import LOOKALIKES, NON_DIGIT_SETS
from zeronine.bench.tables import tables
from zeronine.cli import app
from zeronine.errors import DataError, ModelError
from zeronine.reader import MODELS, SHIPPED
from zeronine.train.export import readme

Bytes = NDArray[np.uint8]


def png(image: Bytes) -> bytes:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def images(digits: data.Dataset) -> tuple[Bytes, NDArray[np.int64]]:
    """Twenty digits, two of each, white on black."""
    part = digits.test
    kept = np.concatenate([np.flatnonzero(part.labels == digit)[:2] for digit in range(10)])
    return np.rint(part.images[kept] * 255).astype(np.uint8), part.labels[kept]


@pytest.fixture
def folder(tmp_path: Path, images: tuple[Bytes, NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a little of everything, and MNIST's place taken by the twenty digits."""
    pixels, labels = images
    place = tmp_path / "data"
    (place / "dida").mkdir(parents=True)
    with zipfile.ZipFile(place / "dida" / "some.zip", "w") as archive:
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            archive.writestr(f"top/{label}/{index}.png", png(255 - image))
        archive.writestr("top/notes.txt", "no picture")
    for image, label in zip(pixels[::2], labels[::2], strict=True):
        (place / "scans" / str(label)).mkdir(parents=True)
        (place / "scans" / str(label) / "one.png").write_bytes(png(image))
    write_photos(place / "photos", pixels)
    (place / "letters").mkdir()
    names = np.array(["1", "7", "A", "x", "O", "s"])
    np.savez(place / "letters" / "some.npz", x=255 - pixels[[2, 14, 0, 4, 1, 10]], y=names)
    (place / "notmnist").mkdir()
    header = np.array([0x803, 5, 28, 28], ">u4").tobytes()
    (place / "notmnist" / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + pixels[:5].tobytes()))

    def named(name: str, *parts: str) -> Pictures:
        if name != "mnist":
            raise DataError("not at hand: in this test")
        files = tuple(f"test-{index}" for index in range(len(labels)))
        return Pictures(list(pixels), files, labels, inputs=pixels.astype(np.float32) / 255)

    monkeypatch.setenv("ZERONINE_DATA_DIR", str(place))
    monkeypatch.setattr(handwriting, "named", named)
    monkeypatch.setattr(nondigits, "named", named)
    monkeypatch.setattr(nondigits, "MADE", 6)
    return place


def write_photos(place: Path, pixels: Bytes) -> None:
    """Three digits, of which one is blank and one has a wrong label, and a picture of none."""
    place.mkdir()
    for name, image in (("a.png", pixels[6]), ("b.png", pixels[6]), ("c.png", 0 * pixels[0]), ("d.png", pixels[0])):
        (place / name).write_bytes(png(image))
    rows = [
        "a.png,digit,3,drawn",
        "b.png,digit,8,photo",
        "c.png,digit,0,photo",
        "d.png,none,,photo",
        "e.png,number,12,x",
    ]
    (place / "labels.csv").write_text("\n".join(["file,kind,label,capture", *rows]) + "\n")


def test_the_sets_are_read_as_they_lie_there(folder: Path) -> None:
    sizes = {name: len(DIGIT_SETS[name].load()) for name in ("mnist", "dida", "scans", "characters", "photos")}
    assert sizes == {"mnist": 20, "dida": 20, "scans": 10, "characters": 2, "photos": 3}
    dida = DIGIT_SETS["dida"].load()
    assert dida.files[0] == "top/0/0.png"
    assert dida.truths.tolist() == sorted([*range(10), *range(10)])
    assert DIGIT_SETS["characters"].load().truths.tolist() == [1, 7]
    assert DIGIT_SETS["photos"].load().captures == ("drawn", "photo", "photo")


def test_what_is_no_digit(folder: Path) -> None:
    sets = {name: kind.load() for name, kind in NON_DIGIT_SETS.items() if name not in ("kmnist", "fashion-mnist")}
    assert {name: len(pictures) for name, pictures in sets.items()} == {
        "letters": 2,
        "lookalikes": 2,
        "signs": 1,
        "notmnist": 5,
        "scribbles": 6,
        "uniform-noise": 6,
        "gaussian-noise": 6,
        "smooth-noise": 6,
        "blank": 256,
    }
    for pictures in sets.values():
        assert (pictures.truths == handwriting.NO_DIGIT).all()
        if pictures.inputs is not None:
            assert pictures.inputs.shape[1:] == (28, 28)
            assert 0 <= pictures.inputs.min() <= pictures.inputs.max() <= 1
    again = NON_DIGIT_SETS["scribbles"].load()
    assert all((one == other).all() for one, other in zip(sets["scribbles"].sources, again.sources, strict=True))
    light = sets["letters"].inputs
    assert light is not None
    assert light[:, 0].max() == 0, "letters are turned white on black for the network"
    assert set("OoIilLZzSsBbGgqD") <= LOOKALIKES
    assert not LOOKALIKES & set("0123456789AKXkmwx")


def test_spread_keeps_every_part_of_a_set(folder: Path) -> None:
    few = DIGIT_SETS["dida"].load().spread(10)
    assert len(few) == len(few.sources) == len(few.files) == 10
    assert set(few.truths.tolist()) == set(range(10))
    assert few.spread(None) is few.spread(99) is few


def test_every_table_of_a_small_folder(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    figures = measure(Reader(), progress=lambda done, total: seen.append((done, total)))
    assert set(figures.left_out) == {"usps", "semeion", "optdigits", "coursera", "kmnist", "fashion-mnist"}
    assert seen == [(done, 42) for done in range(1, 43)]
    assert list(figures.handwriting) == ["mnist", "dida", "scans", "characters", "photos"]
    photos = figures.handwriting["photos"]
    assert photos.share == Share(correct=1, count=3, refused=1, forced=1)
    assert photos.captures == {"drawn": Share(1, 1, 0, 1), "photo": Share(0, 2, 1, 0)}
    assert {row.share.count for row in figures.scenes.values()} == {len(figures.readings["scans"][0])}
    assert len(figures.corruptions) == 15
    assert all(row.reader.count == row.network.count == 20 for row in figures.corruptions.values())
    assert list(figures.calibration) == ["mnist", "photos"]
    assert figures.calibration["photos"].accuracy == pytest.approx(1 / 3)
    blank = figures.refusal["blank"]
    assert (blank.refused, blank.count, blank.reader) == (256, 256, 1.0)
    assert blank.network is not None
    assert figures.refusal["signs"].network is None
    assert figures.false_alarms["photos"] == photos.share
    assert figures.surest is not None
    assert figures.surest.count == 20
    json.dumps(figures.as_dict(), allow_nan=False)


def test_the_mean_and_the_least_over_the_corruptions(folder: Path) -> None:
    figures = measure(Reader(), only=["rotate", "stripe"])
    shares = {name: row.network.accuracy for name, row in figures.corruptions.items()}
    over = figures.over_corruptions("network")
    assert over is not None
    assert over["mean"] == pytest.approx(sum(shares.values()) / 2)
    assert over["least"] == min(shares.values())
    assert shares[over["least_of"]] == over["least"]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (["photos"], {"handwriting": ["photos"], "calibration": ["photos"]}),
        (["fog"], {"corruptions": ["fog"]}),
        (["dark-edge"], {"scenes": ["dark-edge"]}),
        (["calibration"], {"calibration": ["mnist", "photos"]}),
        (["blank", "dida"], {"handwriting": ["dida"], "refusal": ["blank"]}),
    ],
)
def test_only_what_is_named(folder: Path, only: list[str], expected: dict[str, list[str]]) -> None:
    figures = measure(Reader(), only=only, limit=5)
    told = {name: list(getattr(figures, name)) for name in accuracy.TABLES if getattr(figures, name)}
    assert told == expected
    made = tables(figures)
    assert list(made) == [name for name in accuracy.TABLES if name in expected]
    assert all(len(row) == len(table.columns) for table in made.values() for row in table.rows)


def test_without_data_every_set_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZERONINE_DATA_DIR", raising=False)
    monkeypatch.setenv("ZERONINE_CACHE_DIR", str(tmp_path))
    figures = measure(Reader(), only=["usps", "dida", "fog"])
    assert not figures.handwriting
    assert not figures.corruptions
    assert "zeronine data fetch usps" in figures.left_out["usps"]
    assert "set ZERONINE_DATA_DIR to a folder that holds dida/" in figures.left_out["dida"]
    assert "zeronine data fetch mnist" in figures.left_out["mnist"]


@pytest.mark.parametrize(
    ("spoil", "name", "message"),
    [
        (lambda place: (place / "dida" / "some.zip").write_bytes(b"PK"), "dida", "is no whole zip archive"),
        (lambda place: (place / "photos" / "labels.csv").write_text("file\na\n"), "photos", "needs file, kind"),
        (lambda place: (place / "photos" / "labels.csv").unlink(), "photos", "cannot be read"),
        (lambda place: np.savez(place / "letters" / "some.npz", z=np.zeros(1)), "characters", "it needs x and y"),
        (lambda place: (place / "letters" / "some.npz").unlink(), "characters", "holds no .npz"),
        (lambda place: shutil.rmtree(place / "dida"), "dida", "there is no folder dida"),
        (lambda place: (place / "dida" / "some.zip").unlink(), "dida", "no pictures in folders 0 to 9"),
    ],
)
def test_damaged_sets_are_left_out_with_the_reason(folder: Path, spoil: Any, name: str, message: str) -> None:
    spoil(folder)
    figures = measure(Reader(), only=[name], limit=2)
    assert message in figures.left_out[name]


def test_refusals() -> None:
    with pytest.raises(DataError, match="'cats' is no table, set, scene or corruption; there are handwriting"):
        measure(Reader(), only=["cats"])

    class Colours:
        shape = (32, 32, 3)

        def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.ones((len(inputs), 10), np.float32) / 10

    with pytest.raises(ModelError, match="no model of the ten digits"):
        measure(Reader(Colours()))


class Half:
    """A network that says 3, by half; the other half is that it is no digit."""

    shape = (28, 28)

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs = np.zeros((len(inputs), 10), np.float32)
        outputs[:, 3] = 1
        return outputs


def test_a_refused_digit_is_wrong_but_keeps_its_likeliest_answer() -> None:
    said = Answers(np.array([3, 3, -1, 4]), np.array([0.9, 0.4, 0.0, 0.8]), ("", "unsure", "blank", ""))
    assert said.right(np.array([3, 3, 3, 3])).tolist() == [True, False, False, False]
    pictures = Pictures([np.zeros((2, 2))] * 4, tuple("abcd"), np.array([3, 3, 3, 3]))
    mistakes = sheets.wrong((pictures, said))
    assert [entry.caption for entry in mistakes] == ["3: unsure 3 (0.40)", "3: blank ", "3 read as 4 (0.80)"]
    assert accuracy._share(pictures, said) == Share(correct=1, count=4, refused=2, forced=2)
    row = accuracy._calibration(pictures, said)
    assert row.accuracy == 0.5
    assert row.confidence == pytest.approx(0.525)


def test_a_network_of_another_size_is_fed_its_own(folder: Path) -> None:
    class Small(Half):
        shape = (20, 20)

    figures = measure(Reader(Small()), only=["fog", "blank"])
    assert figures.corruptions["fog"].network == Share(2, 20)
    assert figures.refusal["blank"].network == 0.5


def test_sheets_of_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    reader = Reader(Half())
    figures = measure(reader, only=["photos", "dida"])
    paths = sheets.draw_wrong(reader, figures.readings, tmp_path / "wrong")
    assert [path.name for path in paths] == ["wrong.csv", "dida-1.png", "photos-1.png"]
    with paths[0].open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "photos"]
    assert [(row["file"], row["truth"], row["answer"], row["refused"]) for row in rows] == [
        ("b.png", "8", "3", ""),
        ("c.png", "0", "", "blank"),
    ]
    with Image.open(paths[1]) as sheet:
        assert sheet.width == sheets.COLUMNS * sheets.TILE_WIDTH + sheets.GAP
        assert sheet.height == 3 * sheets.TILE_HEIGHT + sheets.GAP
        assert len(sheet.getcolors(1 << 20) or ()) > 20
    curve = sheets.draw_coverage(figures.readings, tmp_path / "curve.png")
    with Image.open(curve) as plot:
        assert plot.width > 500
    with pytest.raises(DataError, match="no curve without digits"):
        sheets.draw_coverage({}, tmp_path / "curve.png")


def command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["bench", "accuracy", *arguments], env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_command_prints_writes_and_is_the_library(folder: Path, tmp_path: Path) -> None:
    status, text = command("--only", "dida,fog,usps", "--limit", "10")
    assert status == 0
    assert "of 10 " in text
    assert "plasma fractal" in text
    assert "left out: usps: not at hand: in this test" in text
    status, text = command("--only", "dida", "--limit", "10", "--json", "--out", str(tmp_path / "figures.json"))
    assert status == 0
    assert json.loads(text) == measure(Reader(), only=["dida"], limit=10).as_dict()
    assert json.loads((tmp_path / "figures.json").read_text()) == json.loads(text)


def test_record_writes_the_card_and_the_readme(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine_v1"
    shutil.copytree(MODELS / SHIPPED, model)
    before: Mapping[str, Any] = json.loads((model / "card.json").read_text())
    status, text = command("--model", str(model), "--record")
    assert status == 0
    assert str(model / "README.md") in text
    card = json.loads((model / "card.json").read_text())
    assert {key: card[key] for key in before if key not in ("tables", "measured_on")} == {
        key: before[key] for key in before if key not in ("tables", "measured_on")
    }
    assert card["measured_on"]["handwriting"]["photos"]["correct"] == 1
    assert set(card["tables"]) == set(accuracy.TABLES)
    written = (model / "README.md").read_text()
    assert written == readme(card)
    for part in ("## Measured", "### Corruptions", "| photos, drawn |", "Not measured, because", "--record", "usps"):
        assert part in written
    assert sorted(path.name for path in model.iterdir()) == ["README.md", "card.json", "model.onnx"]
    assert Reader(model).predict(DIGIT_SETS["dida"].load().sources[0]).digit == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record", "--limit", "5"], "a part are not recorded"),
        (["--record", "--only", "usps"], "a part are not recorded"),
        (["--record", "--model", "nowhere"], "has no card.json to record figures in"),
    ],
)
def test_what_is_not_recorded(folder: Path, arguments: list[str], message: str) -> None:
    with pytest.raises((DataError, ModelError), match=message):
        command(*arguments)


def test_the_card_says_what_is_refused() -> None:
    card = json.loads((MODELS / SHIPPED / "card.json").read_text())
    card.pop("tables", None)
    card.pop("measured_on", None)
    plain = readme(card | {"reject": {"digit": 0.0, "unsure": 0.0}})
    assert "What it refuses" not in plain
    assert "blank and unreadable pictures only" in plain
    text = readme(card | {"reject": {"digit": 0.5, "unsure": 0.25}})
    assert "`not a digit` where the ten digits together have a probability below 0.5" in text
    assert "`unsure` where its confidence is below 0.25" in text


def test_real_drawings_and_photos() -> None:
    if not (Path(os.environ.get("ZERONINE_DATA_DIR", "")) / "photos" / "labels.csv").exists():
        pytest.skip("needs photos/ in ZERONINE_DATA_DIR")
    assert measure(Reader(), only=["photos"]).handwriting["photos"].share.accuracy >= 0.96
