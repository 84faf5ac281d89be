"""zeronine read and zeronine form: what is printed and written, and what is refused."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from zeronine.cli import app
from zeronine.errors import RuleError

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
    table.write_text("of before")
    monkeypatch.setattr("zeronine.reader.Reader.read", interrupted)
    run("read", str(PAGES / "scores.jpg"), "--csv", str(table))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.csv", "of before")]


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
    assert json.loads(out)["fields"]["year"]["text"] == "2026"
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
