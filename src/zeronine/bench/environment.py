"""A throw-away environment for the peers that Zeronine does not depend on: made, filled, removed. Knows versions."""

import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from zeronine.bench.rounds import Say, last_line, silent
from zeronine.errors import ZeronineError

PINS = (
    "h5py==3.14.0",
    "keras==3.15.1",
    "ml-dtypes==0.6.0",
    "numpy==2.4.6",
    "protobuf==7.36.2",
    "tensorflow==2.21.0",
)
"""The Keras peer: TensorFlow and what decides its speed, in the versions that Zeronine is tested with."""

RAPIDOCR = ("numpy==2.4.6", "onnxruntime==1.31.1", "rapidocr==3.10.0")
"""RapidOCR, which brings its models along."""

INSTALLED = "zeronine-peers.txt"
"""The file in an environment that says what was installed to the end."""


@contextmanager
def peers_environment(folder: Path | None, say: Say = silent, pins: Sequence[str] = PINS) -> Iterator[Path]:
    """The interpreter of an environment with the peers in it.

    Args:
        folder: where it is kept and used again; None for a temporary one, which is removed at the end.
        say: told what is installed; it takes minutes.
        pins: what is installed.

    Raises:
        ZeronineError: they cannot be installed, or the folder holds something else.
    """
    if folder is not None:
        yield installed(folder, say, pins)
        return
    with TemporaryDirectory(prefix="zeronine-peers-") as temporary:
        yield installed(Path(temporary), say, pins)


def installed(folder: Path, say: Say = silent, pins: Sequence[str] = PINS) -> Path:
    """Make the environment where it is not there yet; gives its interpreter.

    Raises:
        ZeronineError: it cannot be made, or the folder holds something else.
    """
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = "\n".join(pins)
    if python.exists() and (folder / INSTALLED).exists() and (folder / INSTALLED).read_text("utf-8") == wanted:
        return python
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise ZeronineError(f"{folder} is not empty and no environment: choose another folder with --environment")
    say(f"installing {pins[-1]}: hundreds of megabytes to download")
    try:
        venv.create(folder, with_pip=True, symlinks=sys.platform != "win32")
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins]
        subprocess.run(command, check=True, capture_output=True, text=True)
        (folder / INSTALLED).write_text(wanted, "utf-8")
    except (OSError, subprocess.CalledProcessError) as error:
        reason = last_line(getattr(error, "stderr", None) or "") or str(error)
        raise ZeronineError(
            f"the peers cannot be installed ({reason}): see to the network and the space on the disk, "
            "or leave them out with  --peers none"
        ) from error
    return python
