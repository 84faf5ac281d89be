"""The benchmark of numbers: how answers are scored, which pictures are measured, what peers say."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zeronine.bench import read as bench
from zeronine.bench.read import Plan, Read, Sheet, Sheets, as_figures, bench_read, distance, draw_coverage, scored
from zeronine.errors import DataError, ZeronineError


def sheets(*numbers: tuple[str, ...], one: bool = False) -> Sheets:
    return Sheets("set", tuple(Sheet(Path(f"{place}.png"), texts) for place, texts in enumerate(numbers)), one)


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("123", "123", 0), ("123", "13", 1), ("13", "123", 1), ("123", "173", 1), ("", "12", 2)],
)
def test_distances(one: str, other: str, edits: int) -> None:
    assert distance(one, other) == edits


@given(st.text("0123", max_size=8), st.text("0123", max_size=8))
def test_distance_is_a_metric(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one) <= max(len(one), len(other))
    assert (distance(one, other) == 0) == (one == other)


def test_a_page_counts_where_all_numbers_are_right_and_none_is_invented() -> None:
    made = sheets(("12", "34"), ("56",), (), ("7",))
    score = scored(made, [Read(("34", "12"), 1), Read(("56", "9"), 2), Read((), 3), Read(("1",), 4)])
    assert (score.count, score.exact, score.false_numbers, score.digits) == (4, 2, 2, 8)
    assert score.seconds == 2.5


def test_where_there_is_one_number_all_that_is_read_is_joined() -> None:
    score = scored(sheets(("1234",), ("5",), one=True), [Read(("12", "34"), 1), Read((), 1)])
    assert (score.exact, score.edits, score.false_numbers) == (1, 1, 0)


def folder_of_photos(folder: Path) -> None:
    (folder / "photos").mkdir()
    rows = ["file,kind,label"]
    for name, kind, label in (("a.png", "number", "7|12"), ("b.png", "none", ""), ("c.png", "digit", "3")):
        Image.fromarray(np.full((40, 60), 255, np.uint8)).save(folder / "photos" / name)
        rows.append(f"{name},{kind},{label}")
    (folder / "photos" / "labels.csv").write_text("\n".join(rows) + "\n")


def test_pictures_at_hand_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_photos(tmp_path)
    monkeypatch.setenv("ZERONINE_DATA_DIR", str(tmp_path))
    table, ours = bench_read(Plan(("photos", "signs", "cheques"), peers=()))
    assert [row[:2] for row in table.rows] == [("photos", "zeronine"), ("signs", "zeronine")]
    assert table.rows[0][2] == "0.0 % (0 of 1)"
    assert table.rows[1][2] == "100.0 % (1 of 1)"
    assert "not at hand: cheques" in table.notes
    assert as_figures(ours)["photos"] == {"sure": 0, "right": 0}
    assert draw_coverage(ours, tmp_path / "curve.png").exists()


def test_nothing_at_hand_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZERONINE_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="ZERONINE_DATA_DIR"):
        bench_read(Plan(("cheques",), peers=()))


def test_a_peer_that_is_missing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_photos(tmp_path)
    monkeypatch.setenv("ZERONINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ZeronineError, match="apt install tesseract-ocr"):
        bench_read(Plan(("photos",), peers=("tesseract",)))


def test_of_what_peers_say_only_digits_count() -> None:
    assert bench._numbers(["12.345", "No", "7,-"]) == ("12345", "7")
