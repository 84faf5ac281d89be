"""Files that are written whole or not at all. Knows paths; knows nothing of what is written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; renamed to it when the block ends well, else removed."""
    temporary = path.with_name(f".{os.getpid()}.{path.stem}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
