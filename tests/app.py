"""Builds the executable of the drawing window, and starts it where there is no Python: make app."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from zeronine.share.app import build

MOST = 150e6
"""Bytes."""


def main() -> int:
    """Whether it is small enough, and passes its own test twice."""
    start = time.perf_counter()
    executable = build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"), "standard_v1")
    files = [executable] if executable.is_file() else [path for path in executable.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{executable}: {size / 1e6:.1f} MB, built in {time.perf_counter() - start:.0f} s")
    program = executable if executable.is_file() else executable / "Contents" / "MacOS" / executable.stem
    return int(size > MOST) + sum(self_test(program) for _ in range(2))


def self_test(program: Path) -> int:
    """The exit status of the program's own test, in an empty folder and with an empty environment."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "TMPDIR": home, "LANG": "C"}
        result = subprocess.run(
            [program.resolve(), "--self-test"], env=environment, cwd=home, capture_output=True, text=True, check=False
        )
    print(f"{result.stdout}{result.stderr}in {time.perf_counter() - start:.1f} s from start to end")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
