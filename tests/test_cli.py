"""The command line: what it prints, its exit statuses, and that its page in docs/ is as it is."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from zeronine.cli import _evaluation, _predictions, _print, app, main
from zeronine.evaluate import evaluate
from zeronine.reader import Prediction

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
COMMANDS = (
    "predict",
    "recipes",
    "train",
    "sweep",
    "evaluate",
    "export",
    "report",
    "data",
    "data list",
    "data show",
    "data fetch",
    "bench",
    "bench train",
    "bench predict",
    "bench accuracy",
    "draw",
    "serve",
    "teach",
    "corrections",
    "corrections list",
    "share",
    "share page",
    "share app",
    "bench serve",
    "bench teach",
)


def run(*arguments: str, stdin: bytes | None = None) -> tuple[int, str]:
    """Exit status and standard output of the command in this process."""
    result = CliRunner().invoke(app, list(arguments), input=stdin, env={"COLUMNS": "250"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    status, text = run(*command.split(), "--help")
    assert status == 0
    assert "Usage" in text


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "typer", "zeronine.cli", "utils", "docs", "--name", "zeronine"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").strip() == made.strip(), "make docs writes it anew"


def test_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [command for command in COMMANDS if f"zeronine {command}" not in text] == []
    assert len(text.splitlines()) <= 150


def test_predict_json_has_a_line_per_image(tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("L", (40, 40), 255).save(blank)
    status, text = run("predict", "--json", str(EXAMPLES / "paper-7.jpg"), str(blank), "none.png")
    lines = [json.loads(line) for line in text.splitlines()]
    assert status == 1
    assert [line["digit"] for line in lines] == [7, None, None]
    assert [line["reason"] for line in lines] == ["", "blank", "unreadable"]
    assert [line["rejected"] for line in lines] == [False, True, True]
    assert lines[0].keys() == {"image", "digit", "confidence", "rejected", "reason", "probabilities"}
    assert lines[0]["image"].endswith("paper-7.jpg")


def test_predict_a_folder(tmp_path: Path) -> None:
    status, text = run("predict", "--json", str(EXAMPLES))
    assert status == 0
    assert [json.loads(line)["digit"] for line in text.splitlines()] == [3, 9, 7, 4, 5, 2]
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / ".hidden.png").write_text("none")
    status, text = run("predict", "--json", str(tmp_path), str(EXAMPLES / "screen-5.png"))
    assert status == 1
    assert [json.loads(line)["digit"] for line in text.splitlines()] == [None, 5]


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    name = tmp_path / "[red]a[b] ü 数 .png"
    name.write_bytes((EXAMPLES / "screen-5.png").read_bytes())
    assert "[red]a[b] ü 数 .png" in run("predict", str(name))[1]


def test_classes_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("[/b]", "[red]", "c")
    _print(_evaluation(evaluate([[0, 1, 0], [0, 0, 1]], [1, 1], names)))
    said = Prediction("[/b]", 0.5, np.array([0.5, 0.3, 0.2], np.float32), False, "", "", names)
    _print(_predictions(["a.png"], [said], 2))
    text = capsys.readouterr().out
    assert "nan" not in text
    assert [line.split() for line in text.splitlines() if "[" in line] == [
        ["[/b]", "0", "–", "–"],
        ["[red]", "2", "100.00", "%", "50.00", "%"],
        ["a.png", "[/b]", "50.0", "%", "[red]", "30.0", "%"],
    ]


def test_a_picture_that_is_too_large_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    monkeypatch.setattr(sys, "argv", ["zeronine", "read", str(tmp_path / "large.png")])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(SystemExit):
            main()
    assert told == []
    assert capsys.readouterr().err == f"{tmp_path / 'large.png'}: more than 80 megapixels: shrink the picture first\n"


def test_predict_standard_input() -> None:
    status, text = run("predict", "--json", "-", stdin=(EXAMPLES / "screen-5.png").read_bytes())
    assert status == 0
    assert json.loads(text)["digit"] == 5


def test_predict_prints_a_table() -> None:
    status, text = run("predict", "--top", "2", str(EXAMPLES / "marker-9.png"))
    assert status == 0
    assert "marker-9.png" in text
    assert "%" in text


def test_a_refused_picture_is_one_row_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    status, text = run("predict", str(tmp_path / "x.png"), str(EXAMPLES / "screen-5.png"))
    assert status == 1
    assert "unreadable" in text
    assert "screen-5" in text


def test_recipes() -> None:
    status, text = run("recipes")
    assert status == 0
    for name in (
        "dense-25-15",
        "dense-128-256-512",
        "dense-512-256-128",
        "conv-32-64",
        "sprint",
        "tiny",
        "standard",
        "record",
    ):
        assert name in text
        status, layers = run("recipes", name)
        assert status == 0
        assert "in all" in layers
    assert "197,915" in run("recipes", "standard")[1]


def test_train_evaluate_export_predict(tmp_path: Path) -> None:
    folder, model = str(tmp_path / "run"), str(tmp_path / "mine_v1")
    digits = ("--data", "optdigits", "--digits")
    status, text = run("train", "dense-25-15", *digits, "--out", folder, "--epochs", "4", "--layers", "1")
    assert status == 0
    assert "test accuracy" in text
    assert sorted(path.name for path in (tmp_path / "run" / "plots").iterdir()) == [
        "confusion.png",
        "learning_curves.png",
        "sample.png",
        "worst_errors.png",
    ]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["settings"]["units"] == [25]
    status, text = run("evaluate", folder, *digits)
    assert status == 0
    assert "95 % interval" in text
    assert run("export", folder, "--out", model)[0] == 0
    status, text = run("evaluate", model, *digits, "--json")
    assert json.loads(text)["count"] == 360
    assert run("predict", "--model", model, str(EXAMPLES / "screen-5.png"))[0] == 0
    assert run("predict", "--model", folder, str(EXAMPLES / "screen-5.png"))[0] == 0
    assert run("report", folder)[0] == 0


def test_a_training_says_that_it_is_measured_on_what_it_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeronine.report.draw", lambda folder: [folder / "plots" / "sample.png"])
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    np.savez(tmp_path / "own.npz", x=images, y=np.arange(40) % 10)
    data = ("--data", str(tmp_path / "own.npz"), "--epochs", "1", "--out", str(tmp_path / "run"))
    _, text = run("train", "sprint", *data, "--batch-size", "20")
    assert "these are the images it learned from: the data have no test part\n" in text


def test_data_list_and_show(tmp_path: Path) -> None:
    status, text = run("data", "list")
    assert status == 0
    assert "optdigits" in text
    sheet = tmp_path / "sheet.png"
    status, text = run("data", "show", "optdigits", "--out", str(sheet))
    assert status == 0
    assert "1,437 training, 360 test" in text
    assert np.asarray(Image.open(sheet)).std() > 10


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict", "--model", "nothing", "x.png"], "no such model: nothing"),
        (["predict", "--model", "nothing.keras", "x.png"], "no such model"),
        (["train", "nothing"], "there is no recipe 'nothing'"),
        (["train", "dense-25-15", "--data", "optdigits", "--set", "units"], "NAME=VALUE"),
        (["train", "dense-25-15", "--data", "optdigits", "--set", "width=3"], "no setting 'width'"),
        (["train", "sprint", "--set", "width=3"], "no setting 'width'"),  # and not that MNIST cannot be fetched
        (["train", "standard", "--data", "optdigits", "--engine", "jax"], "leave --engine"),
        (
            ["form", "draw", str(ROOT / "docs/read/form.png"), "--out", "no/a.html"],
            "no/a.html: its folder is not there",
        ),
        (["recipes", "nothing"], "there is no recipe"),
        (["evaluate", "standard_v1", "--data", "nowhere"], "nowhere"),
        (["export", "nothing", "--out", "mine_v1"], "holds no run"),
        (["report", "nothing"], "holds no run"),
        (["data", "show", "nowhere"], "nowhere"),
        (["data", "fetch", "coursera"], "ex3data1.mat"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZERONINE_DATA_DIR", raising=False)
    monkeypatch.setenv("ZERONINE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["zeronine", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("zeronine: ")
    assert says in error
    assert "Traceback" not in error


def test_the_exported_names() -> None:
    import zeronine

    assert zeronine.__all__ == [
        "DataError",
        "ImageError",
        "MissingExtra",
        "ModelError",
        "Number",
        "Prediction",
        "Reader",
        "RecipeError",
        "RuleError",
        "ZeronineError",
        "digit_image",
    ]
    assert all(getattr(zeronine, name) for name in zeronine.__all__)
