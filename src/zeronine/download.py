"""The files of the named sets: found here, or fetched from their public sources and checked.

Looks first in the folder that ``ZERONINE_DATA_DIR`` names, then in the cache (``ZERONINE_CACHE_DIR``, else where
the system keeps caches), then at the sources. Does not know what the files mean.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import WARNING, Logger
from pathlib import Path

from platformdirs import user_cache_path

from zeronine.errors import DataError
from zeronine.files import sha256_of
from zeronine.sets import PARTS, SETS, File, Form, NamedSet, Part

Progress = Callable[[str, int, int], None]
"""Called while a file is fetched: its name, bytes that are there, bytes in all."""

RETRIES = 2
"""So often a source is asked again, after 1 and 2 seconds, when it fails in a way that may pass."""

TIMEOUT = (10, 60)
"""Seconds: for a connection, and for the next bytes on it."""


def fetch(name: str, *, split: Part | None = None, progress: Progress | None = None) -> list[Path]:
    """Make sure that the files of a named set are here.

    Args:
        name: a key of :data:`SETS`.
        split: only the files of this part.
        progress: told about every block that arrives.

    Returns:
        Where the files lie; none for a set that comes inside a library.

    Raises:
        DataError: no such set; a file is damaged, or can neither be found nor fetched: says where to put it.
    """
    parts = (split,) if split else PARTS
    return list(dict.fromkeys(path for part in parts for path in obtain(name, part, progress)[1]))


def at_hand(name: str, *, split: Part | None = None) -> bool:
    """Whether a named set can be loaded without fetching anything.

    Args:
        name: a key of :data:`SETS`.
        split: only ask for this part.

    Raises:
        DataError: no such set.
    """
    forms = _named(name).forms
    try:
        return all(
            any(all(_find(name, file) for file in form.files(part)) for form in forms)
            for part in ((split,) if split else PARTS)
        )
    except DataError:  # damaged
        return False


def obtain(name: str, part: Part, progress: Progress | None = None) -> tuple[Form, list[Path]]:
    """The form of a part whose files are all at hand, else the first one, fetched; and its files.

    Args:
        name: a key of :data:`SETS`.
        part: the one whose files are wanted.
        progress: told about every block that arrives.

    Raises:
        DataError: as of :func:`fetch`.
    """
    for form in _named(name).forms:
        paths = [_find(name, file) for file in form.files(part)]
        if None not in paths:
            return form, [path for path in paths if path]
    form = SETS[name].forms[0]
    return form, [_find(name, file) or _fetch(name, part, file, progress) for file in form.files(part)]


def _named(name: str) -> NamedSet:
    if name not in SETS:
        raise DataError(f"no set is called {name!r}: there are {', '.join(SETS)}")
    return SETS[name]


def _find(name: str, file: File) -> Path | None:
    """The file in the data folder, where it must be whole, or in the cache, where a damaged one is none.

    Raises:
        DataError: the one in the data folder is not the published one.
    """
    folder = _data_folder()
    if folder and (path := folder / name / file.name).exists():
        if (found := _sha256(path)) != file.sha256:
            raise DataError(f"{path} is damaged: SHA-256 is {found}, expected {file.sha256}; replace it")
        return path
    path = _cache_folder() / name / file.name
    return path if path.exists() and _sha256(path) == file.sha256 else None


def _data_folder() -> Path | None:
    """Where the user keeps files, in a folder for each set."""
    folder = os.environ.get("ZERONINE_DATA_DIR")
    return Path(folder).expanduser() if folder else None


def _cache_folder() -> Path:
    """Where fetched files go, into a folder for each set."""
    folder = os.environ.get("ZERONINE_CACHE_DIR")
    return Path(folder).expanduser() if folder else user_cache_path("zeronine") / "data"


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _fetch(name: str, part: Part, file: File, progress: Progress | None) -> Path:
    """Fetch a file of a part into the cache, from the first source that gives it whole.

    Raises:
        DataError: none did, or the cache cannot be written; says what went wrong and what to do.
    """
    if not file.sources:
        raise _missing(name, part, "it has no public address that lasts")
    folder = _cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{file.name}.lock"):
            path, failures = _fetch_from_any(file, folder, progress)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error}): let ZERONINE_CACHE_DIR name a folder that can"
        ) from error
    if not path:
        raise _missing(name, part, "; ".join(failures))
    return path


def _fetch_from_any(file: File, folder: Path, progress: Progress | None) -> tuple[Path | None, list[str]]:
    """The file, or None; and how each source before it failed."""
    import pooch
    from requests import RequestException

    failures: list[str] = []
    download = _Download(folder / f"{file.name}.part", file.size, progress)
    for source in file.sources:
        store = pooch.create(folder, source, registry={file.name: file.sha256}, retry_if_failed=RETRIES)
        try:
            with _quiet(pooch.get_logger()):
                return Path(store.fetch(file.name, downloader=download)), failures
        except (_GoneError, ValueError, RequestException) as error:
            failures.append(f"{source}{file.name}: {error}")
    return None, failures


def _missing(name: str, part: Part, reason: str) -> DataError:
    """What to do about a part of a set whose files are nowhere."""
    choices = [[file for file in form.files(part) if not _find(name, file)] for form in SETS[name].forms]
    wanted = ", or ".join(" and ".join(f"{file.name} (SHA-256 {file.sha256})" for file in c) for c in choices)
    other: Part = "test" if part == "train" else "train"
    counts = {"train": SETS[name].train, "test": SETS[name].test}
    has_other = counts[other] and at_hand(name, split=other)
    hint = f"; its {other} part is here, split={other!r} loads it alone" if has_other else ""
    return DataError(
        f"the {part} part of {name} is not here and cannot be fetched ({reason}): put {wanted} "
        f"into {_data_folder() or '$ZERONINE_DATA_DIR'}/{name}/ or {_cache_folder() / name}/{hint}"
    )


class _GoneError(Exception):
    """A source does not have the file; asking it again would not help."""


@dataclass(frozen=True)
class _Download:
    """A downloader for pooch that goes on where the last one stopped, whatever stopped it.

    What has arrived lies in ``part`` until it has its full size; then pooch gets it, to check and to rename.
    """

    part: Path
    size: int
    progress: Progress | None

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Bring the rest of the file and hand it over."""
        there = self.part.stat().st_size if self.part.exists() else 0
        if there != self.size:
            self._bring(url, there if there < self.size else 0)
        self.part.replace(output_file)

    def _bring(self, url: str, there: int) -> None:
        """Append what is missing; all of it where a server cannot give a part."""
        import requests
        from urllib3.exceptions import HTTPError

        # Nothing may be unpacked on the way: some servers declare .gz files as packed for the transport.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={there}-"} if there else {})}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                if response.status_code in (401, 403, 404, 410):
                    raise _GoneError(f"{response.status_code} {response.reason}")
                response.raise_for_status()
                blocks = response.raw.stream(1 << 16, decode_content=False)
                arrived = self._write(blocks, there if response.status_code == 206 else 0)
        except HTTPError as error:
            raise requests.ConnectionError(f"broke off ({error})") from error
        except requests.ConnectionError as error:
            raise requests.ConnectionError(f"cannot be reached ({type(error).__name__})") from error
        if arrived < self.size:
            raise requests.ConnectionError(f"ended after {arrived} of {self.size} bytes")

    def _write(self, blocks: Iterable[bytes], arrived: int) -> int:
        """Write blocks behind the bytes that have arrived; the number of bytes that then are there."""
        with self.part.open("ab" if arrived else "wb") as stream:
            for block in blocks:
                arrived += stream.write(block)
                if arrived > self.size:
                    stream.truncate(0)
                    raise ValueError(f"sends more than the {self.size} bytes of the file")
                if self.progress:
                    self.progress(self.part.name.removesuffix(".part"), arrived, self.size)
        return arrived


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time go on. The system frees the lock when its process ends, however it does."""
    with path.open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(0.1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _quiet(logger: Logger) -> Iterator[None]:
    """Without the lines that pooch writes to standard error about each file."""
    level = logger.level
    logger.setLevel(WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
