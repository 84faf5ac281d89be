"""The drawing window as an executable with a model inside. Knows PyInstaller; knows nothing of what the window does."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import zeronine
from zeronine.errors import MissingExtra, ModelError, ZeronineError
from zeronine.reader import MODELS, SHIPPED_PAGE

PACKAGE = Path(zeronine.__file__).parent

NAME = "zeronine-draw"

START = """from pathlib import Path
import zeronine
from zeronine.cli_draw import main

main(str(Path(zeronine.__file__).parent / "models" / {model!r}))
"""
"""What the executable runs."""

LEFT_OUT = (
    "h5py",
    "IPython",
    "keras",
    "matplotlib",
    "numpy.f2py",
    "onnx",
    "pandas",
    "pooch",
    "psycopg",
    "pygments",
    "pytest",
    "rich",
    "scipy",
    "setuptools",
    "sklearn",
    "tensorflow",
    "tkinter",
    "torch",
    "yaml",
    "zeronine.bench",
    "zeronine.serve",
    "zeronine.train",
)
"""What is found on the way from import to import, where it is installed, and the window never uses."""


def build(out: Path, model: str) -> Path:
    """Make an executable of the drawing window, for the system that this runs on.

    Args:
        out: folder for it; what has the same name there is replaced.
        model: name of a shipped model, or a model folder, that goes into it, with that which finds digits on pages.

    Returns:
        The executable, a single file; on macOS the folder ``.app``.

    Raises:
        MissingExtra: PyInstaller or pygame-ce is not installed.
        ModelError: no such model, or it is no model folder.
        ZeronineError: PyInstaller failed; its last words are in the message.
    """
    if importlib.util.find_spec("PyInstaller") is None or importlib.util.find_spec("pygame") is None:
        raise MissingExtra("app", "PyInstaller and pygame-ce")
    folder = _model_folder(model)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        start = work / "start.py"
        start.write_text(START.format(model=folder.name), encoding="utf-8")
        command = [sys.executable, "-m", "PyInstaller", *_options(folder, work), str(start)]
        made = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if made.returncode:
            raise ZeronineError(f"PyInstaller failed: {made.stderr.strip()[-500:]}")
        return _moved(work / "dist", out)


def _model_folder(model: str) -> Path:
    """The folder of a model that ONNX Runtime opens."""
    folder = MODELS / model if (MODELS / model).is_dir() else Path(model).resolve()
    if not (folder / "card.json").is_file() or not (folder / "model.onnx").is_file():
        raise ModelError(f"{model} is no model folder: an executable holds one, made with  zeronine export")
    return folder


def _options(model: Path, work: Path) -> Iterator[str]:
    """The command line for PyInstaller."""
    single = "--windowed" if sys.platform == "darwin" else "--onefile"
    yield from (single, "--name", NAME, "--noconfirm", "--clean", "--log-level", "WARN")
    yield from ("--specpath", str(work), "--workpath", str(work / "build"), "--distpath", str(work / "dist"))
    if sys.platform == "win32":
        yield from ("--hide-console", "hide-early")
    for place, folder in ((model, f"models/{model.name}"), (MODELS / SHIPPED_PAGE, f"models/{SHIPPED_PAGE}")):
        yield from ("--add-data", f"{place}:zeronine/{folder}")
    yield from ("--add-data", f"{PACKAGE / 'migrations'}:zeronine/migrations")
    for module in ("zeronine.draw.window", "zeronine.draw.selftest", "alembic", "logging.config"):
        yield from ("--hidden-import", module)
    for module in LEFT_OUT:
        yield from ("--exclude-module", module)


def _moved(made: Path, out: Path) -> Path:
    """Put what PyInstaller made where it is wanted; what was there before goes only now."""
    source = made / f"{NAME}.app" if sys.platform == "darwin" else next(made.iterdir())
    target = out / source.name
    if target.is_dir():
        shutil.rmtree(target)
    return Path(shutil.copytree(source, target, symlinks=True) if source.is_dir() else shutil.copy2(source, target))
