"""Files that are written whole or not at all, and their checksums. Knows paths; knows nothing of what is written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EISDIR, ENOENT
from hashlib import file_digest
from pathlib import Path
from secrets import token_hex
from typing import Any


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; renamed to it when the block ends well, else removed.

    Raises:
        FileNotFoundError: its folder is not there.
        IsADirectoryError: a folder has that name.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(ENOENT, "its folder is not there: make it, or name another", str(path))
    if path.is_dir():
        raise IsADirectoryError(EISDIR, "a folder has that name: name a file", str(path))
    # of one process, too, several threads may write the same file
    temporary = path.with_name(f".{os.getpid()}.{token_hex(4)}.{path.stem}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def identity(path: Path) -> dict[str, Any]:
    """What a card says of a file: its name, bytes and SHA-256."""
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
