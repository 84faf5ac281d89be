"""The wheel in an empty environment: it recognises a digit, is small, and says what a missing extra is."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SEVEN = ROOT / "examples" / "paper-7.jpg"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel, without extras."""
    folder = tmp_path_factory.mktemp("plain")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "venv")
    commands = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    install = [sys.executable, "-m", "pip", "--python", str(commands / "python"), "install", "-q"]
    install += ["-c", str(ROOT / "constraints.txt"), str(next(folder.glob("*.whl")))]
    subprocess.run(install, check=True, capture_output=True)
    return commands


def test_it_recognises(plain: Path, tmp_path: Path) -> None:
    command = [str(plain / "zeronine"), "predict", "--json", str(SEVEN)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(result.stdout)["digit"] == 7
    assert result.stderr == ""


def test_it_reads_a_page_and_helps_with_a_form(plain: Path, tmp_path: Path) -> None:
    pages = ROOT / "docs" / "read"
    command = [str(plain / "zeronine"), "read", "--json", "--pattern", r"\d{5}", str(pages / "cheque.jpg")]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert [number["text"] for number in json.loads(result.stdout)["numbers"]] == ["48750"]
    draw = [str(plain / "zeronine"), "form", "draw", str(pages / "form.png"), "--out", str(tmp_path / "form.html")]
    subprocess.run(draw, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert (tmp_path / "form.html").stat().st_size > 10_000


def test_it_is_small(plain: Path) -> None:
    packages = next((plain.parent / "lib").glob("python*")) if (plain.parent / "lib").exists() else plain.parent / "Lib"
    assert sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) <= 400e6


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["recipes"], "train"),
        (["train", "standard"], "train"),
        (["evaluate", "standard_v1"], "train"),
        (["predict", "-m", "x.h5", "y.png"], "train"),
        (["teach"], "train"),
        (["draw"], "draw"),
        (["serve"], "serve"),
        (["share", "app"], "app"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_the_command(
    plain: Path, tmp_path: Path, arguments: list[str], extra: str
) -> None:
    command = [str(plain / "zeronine"), *arguments]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"pip install 'zeronine[{extra}]'" in result.stderr


def test_a_page_is_shared_without_the_training_stack(plain: Path, tmp_path: Path) -> None:
    command = [str(plain / "zeronine"), "share", "page", "--out", str(tmp_path / "reader.html")]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert 1e6 < (tmp_path / "reader.html").stat().st_size < 1.5e6
