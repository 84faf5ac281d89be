"""zeronine read and zeronine form: what is printed and written, and what is refused."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from zeronine.cli import app
from zeronine.errors import ImageError, RuleError
from zeronine.overlay import overlay

PAGES = Path(__file__).parent.parent / "docs" / "read"
SCORES = ["128", "97", "2048", "351", "74", "1066", "590", "83"]


def run(*arguments: str, stdin: bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_line_per_number() -> None:
    status, out, _ = run("read", str(PAGES / "scores.jpg"))
    assert status == 0
    assert [line.split()[1] for line in out.splitlines()] == SCORES
    assert all(line.endswith("%") for line in out.splitlines())


def test_json_is_a_line_per_picture() -> None:
    status, out, _ = run("read", str(PAGES / "slanted.jpg"), "-", "--json", stdin=(PAGES / "cheque.jpg").read_bytes())
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [[number["text"] for number in row["numbers"]] for row in rows] == [["60614", "1987"], ["48750"]]
    number = rows[0]["numbers"][0]
    assert set(number) >= {"text", "confidence", "box", "angle", "rejected", "reason", "alternatives", "digits"}
    assert number["angle"] == pytest.approx(14, abs=4)
    assert set(number["digits"][0]) == {"digit", "confidence", "box"}


def test_csv_goes_to_standard_output_or_to_the_file_that_is_named(tmp_path: Path) -> None:
    _, out, _ = run("read", str(PAGES / "scores.jpg"), "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["text"] for row in rows] == SCORES
    table = tmp_path / "out.csv"
    _, out, err = run("read", str(PAGES / "scores.jpg"), "--csv", str(table))
    assert out == ""
    assert "out.csv written" in err
    assert list(csv.DictReader(table.read_text().splitlines())) == rows
    assert list(tmp_path.iterdir()) == [table]


def test_a_table_that_cannot_be_written_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeronine.reader.Reader.read", lambda *_: pytest.fail("a picture was read"))
    with pytest.raises(FileNotFoundError, match="its folder is not there"):
        run("read", str(PAGES / "scores.jpg"), "--csv", str(tmp_path / "no" / "out.csv"))
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="a folder has that name"):
        run("read", str(PAGES / "scores.jpg"), "--csv", str(tmp_path / "out.csv"))


def test_a_table_is_not_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    table = tmp_path / "out.csv"
    table.write_text("image,number,text,confidence,of before")
    monkeypatch.setattr("zeronine.reader.Reader.read", interrupted)
    run("read", str(PAGES / "scores.jpg"), "--csv", str(table))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("out.csv", "image,number,text,confidence,of before")
    ]


def test_a_table_takes_the_place_of_none_but_ours(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("image,label\na.png,7\n")
    with pytest.raises(RuleError, match=r"labels.csv, which is no table of ours: leave it out"):
        run("read", str(PAGES / "cheque.jpg"), str(table), "--csv")
    assert table.read_text() == "image,label\na.png,7\n"
    for ours in ("", "image,number,text,confidence,rejected\n", "image,amount,confidence,review\n"):
        table.write_text(ours)
        assert run("read", str(PAGES / "cheque.jpg"), str(table), "--csv")[0] == 0


def test_a_picture_that_cannot_be_read_has_a_row_whatever_its_name(tmp_path: Path) -> None:
    name, table = os.fsdecode(b"caf\xe9.png"), tmp_path / "out.csv"
    assert run("read", name, str(PAGES / "cheque.jpg"), "--csv", str(table))[0] == 1
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["text"] for row in rows] == ["", "48750"]
    assert rows[0] | {"image": r"caf\udce9.png", "rejected": "yes", "reason": "unreadable"} == rows[0]


def test_rules_and_what_they_change(tmp_path: Path) -> None:
    _, out, _ = run("read", str(PAGES / "cheque.jpg"), "--pattern", r"\d{5}")
    assert out.split()[1] == "48750"
    status, out, _ = run("read", str(PAGES / "cheque.jpg"), "--pattern", r"\d{9}")
    assert status == 1
    assert "rule" in out
    (tmp_path / "known.txt").write_text("48.750\n60614\n")
    _, out, _ = run("read", str(PAGES / "slanted.jpg"), "--json", "--lexicon", str(tmp_path / "known.txt"))
    first = json.loads(out)["numbers"][0]
    assert first["text"] == "60614"
    assert first["rule"] == "lexicon"
    assert first["unruled"]["text"] == "60614"


def test_overlays_are_pictures(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(PAGES / "scores.jpg", tmp_path / "other" / "scores.jpg")
    run("read", str(PAGES / "scores.jpg"), str(tmp_path / "other"), "--overlay", str(tmp_path / "seen"))
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["scores-2.png", "scores.png"]
    with Image.open(tmp_path / "seen" / "scores.png") as picture:
        assert picture.size[0] == 900
    assert overlay(np.full((1, 5000), 255, np.uint8), []).size[0] == 2000


def test_overlays_take_the_place_of_no_picture(tmp_path: Path) -> None:
    shutil.copy(PAGES / "cheque.jpg", tmp_path / "a.jpg")
    Image.new("L", (40, 40), 255).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    for named in (tmp_path, tmp_path / "a.jpg"):
        with pytest.raises(RuleError, match="could write over them: name another"):
            run("read", str(named), "--overlay", str(tmp_path / "." / ""))
    assert (tmp_path / "a.png").read_bytes() == before


def test_what_is_left_out_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / ".trash").mkdir()
    for name in ("a.jpg", "b.jfif", ".c.jpg", ".trash/d.jpg", "e.HEIC", "f.heic", "g.pdf", "notes"):
        shutil.copy(PAGES / "cheque.jpg", tmp_path / name)
    status, out, err = run("read", str(tmp_path))
    assert (status, [Path(line.split(": ")[0]).name for line in out.splitlines()]) == (0, ["a.jpg", "b.jfif"])
    assert "left out 2 .heic, 1 .pdf, 1 without an ending: save what is a picture as PNG or JPEG" in err
    (tmp_path / "none").mkdir()
    status, _, err = run("read", str(tmp_path / "none"))
    assert status == 1
    assert "no picture is in it; read are .avif .bmp" in err


def test_pictures_that_cannot_be_read_do_not_end_the_others(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    status, out, err = run("read", str(tmp_path / "text.png"), str(PAGES / "cheque.jpg"), "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert (rows[0]["numbers"], rows[0]["reason"]) == ([], "unreadable")
    assert rows[1]["numbers"][0]["text"] == "48750"
    assert "not a picture" in err


def test_a_form_becomes_a_table_with_what_needs_review(tmp_path: Path, crossed_out: Path) -> None:
    table = tmp_path / "out.csv"
    scans = [str(PAGES / "scan-1.jpg"), str(crossed_out), str(PAGES / "scores.jpg")]
    status, _, err = run("read", "--form", str(PAGES / "form.json"), *scans, "--csv", str(table))
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert status == 1
    assert "no scan of form.png" in err
    assert [row["year"] for row in rows] == ["2026", "2026", ""]
    assert [row["review"] for row in rows] == ["", "reading", "not this form"]
    _, out, _ = run("read", "--form", str(PAGES / "form.json"), scans[0], "--json")
    year = json.loads(out)["fields"]["year"]
    assert year["text"] == "2026"
    template = json.loads((PAGES / "form.json").read_text())
    left, top, wide, high = next(field["box"] for field in template["fields"] if field["name"] == "year")
    for x, y, w, h in (year["box"], *(digit["box"] for digit in year["digits"])):  # in shares of the form
        assert left <= x < x + w <= left + wide
        assert top <= y < y + h <= top + high
    _, out, _ = run("read", "--form", str(PAGES / "form.json"), scans[0], "--overlay", str(tmp_path / "seen"))
    assert out.splitlines()[2].split(": ")[1] == "year"
    assert (tmp_path / "seen" / "scan-1.png").exists()


def test_a_template_is_begun_and_never_written_over(tmp_path: Path) -> None:
    shutil.copy(PAGES / "form.png", tmp_path / "card.png")
    _, out, _ = run("form", "draw", str(tmp_path / "card.png"))
    assert "the 3 empty boxes" in out
    assert len(json.loads((tmp_path / "card.json").read_text())["fields"]) == 3
    assert "Fields of card.png" in (tmp_path / "card.html").read_text()
    (tmp_path / "card.json").write_text("mine")
    assert "stays as it is" in run("form", "draw", str(tmp_path / "card.png"))[1]
    assert (tmp_path / "card.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--form", "f.json", "--check", "luhn"], "--form has the rules"),
        (["a.png", "--form", "f.json", "--pattern", ""], "--form has the rules"),
        (["a.png", "--pattern", ""], "--pattern is empty"),
        (["a.png", "--json", "--csv", "a.csv"], "leave one of them out"),
        (["a.csv", "b.csv", "c.png", "--csv"], "--csv writes one file"),
        (["a.csv", "--csv"], "no picture is named"),
        (["a.png", "--check", "sum"], "choose from luhn"),
        (["a.png", "--lexicon", "none.txt"], "cannot be read"),
        (["a.png", "--pattern", "("], "no regular expression"),
        (["a.png", "--form", "none.json"], "no such template"),
    ],
)
def test_what_does_not_fit_is_said(arguments: list[str], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        run("read", *arguments)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([""], "one of the names is empty"),
        (["http://example.org/a.png"], "http://example.org/a.png is an address: download"),
        (["-", "-"], "- is named twice"),
    ],
)
def test_names_that_can_be_no_pictures_are_told_before_anything_is_read(names: list[str], message: str) -> None:
    for command in ("read", "predict"):
        with pytest.raises(ImageError, match=message):
            run(command, *names)


def test_a_field_cannot_be_called_as_a_column_of_every_table(tmp_path: Path) -> None:
    fields = [{"name": "review", "box": [0.1, 0.1, 0.2, 0.2]}]
    (tmp_path / "form.json").write_text(json.dumps({"image": str(PAGES / "form.png"), "fields": fields}))
    with pytest.raises(RuleError, match="a field named review"):
        run("read", "--form", str(tmp_path / "form.json"), str(PAGES / "scan-1.jpg"), "--csv")


def test_all_pages_of_a_tiff_are_read(tmp_path: Path) -> None:
    first, *others = (Image.open(PAGES / name).convert("L") for name in ("cheque.jpg", "slanted.jpg"))
    path = tmp_path / "scan.tif"
    first.save(path, save_all=True, append_images=others)
    status, out, _ = run("read", str(path), "--csv", "--overlay", str(tmp_path / "seen"))
    assert status == 0
    rows = [line.split(",")[:3] for line in out.splitlines()[1:]]
    assert rows[0] == [str(path), "1", "48750"]
    assert rows[1] == [f"{path}#2", "1", "60614"]
    assert sorted(file.name for file in (tmp_path / "seen").iterdir()) == ["scan-2.png", "scan.png"]
    path.write_bytes(path.read_bytes()[: first.size[0] * first.size[1] + 1000])  # the second page is cut off
    status, out, err = run("read", str(path))
    assert status == 1
    assert f"{path}: 48750" in out
    assert f"{path}#2: " in err
