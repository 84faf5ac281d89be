"""Corrections: what was read wrongly, and what it is. Kept in SQLite or, by URL, in PostgreSQL.

Knows tables and databases; opens no picture, knows no model. What ``add`` has returned is on the disk: in SQLite the
journal is written ahead and synced at each commit, so that neither a killed process nor a power cut takes it away.

Raises:
    MissingExtra: on import, where SQLAlchemy or Alembic is not installed.
"""

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from platformdirs import user_data_path

from zeronine.errors import MissingExtra, StoreError
from zeronine.files import replaced

try:
    import alembic.command
    import sqlalchemy
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError
except ImportError as error:
    raise MissingExtra("train", "SQLAlchemy and Alembic") from error

from sqlalchemy.exc import ArgumentError, SQLAlchemyError

MIGRATIONS = Path(__file__).parent / "migrations"
"""Alembic's: what makes the table, and takes it from one version of Zeronine to the next."""

VERSION_TABLE = "zeronine_version"
"""Where a database says which migrations it has seen; other programs' tables may lie beside it."""

PNG = b"\x89PNG\r\n\x1a\n"

CORRECTIONS = sqlalchemy.Table(
    "corrections",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("id", sqlalchemy.String(32), primary_key=True),
    sqlalchemy.Column("picture", sqlalchemy.LargeBinary, nullable=False),
    sqlalchemy.Column("reading", sqlalchemy.Text, nullable=False),
    sqlalchemy.Column("truth", sqlalchemy.Text, nullable=False),
    sqlalchemy.Column("model", sqlalchemy.Text, nullable=False),
    sqlalchemy.Column("confidence", sqlalchemy.Float, nullable=False),
    sqlalchemy.Column("client", sqlalchemy.Text, nullable=False),
    sqlalchemy.Column("created", sqlalchemy.DateTime(timezone=True), nullable=False, index=True),
)


@dataclass(frozen=True)
class Correction:
    """One picture that somebody corrected.

    Attributes:
        id: 32 hexadecimal digits.
        picture: a PNG file, as drawn or sent; of a page, the piece where the corrected digit or number is.
        reading: what was read, in digits; empty where nothing was.
        truth: what it is: one digit, a whole number, or empty where it is no digit.
        model: name of the model that read it.
        confidence: of the reading, 0..1.
        client: who sent it; empty for the drawing window.
        created: when, in UTC.
    """

    id: str
    picture: bytes
    reading: str
    truth: str
    model: str
    confidence: float
    client: str
    created: datetime


class Store:
    """Corrections in a database. Any number of threads and processes may use the same one at the same time.

    Args:
        url: a SQLite file, or an address such as ``postgresql://me@host/name``. None for what the environment variable
            ZERONINE_STORE names, or else a SQLite file in the user's data folder. It is made where there is none,
            and brought up to this version of Zeronine where an older one made it.
        seconds: that a SQLite file is waited for while another program writes to it.

    Raises:
        StoreError: there is no such database, it cannot be written, its driver is not installed, or a newer version of
            Zeronine made it.

    Example:
        >>> Store("corrections.db").add(png, truth="7", reading="1")  # doctest: +SKIP
    """

    def __init__(self, url: str | None = None, seconds: float = 60) -> None:
        self.url = address(url)
        with self._answering():
            self._engine = _engine(self.url, seconds)
            _migrate(self._engine)

    def add(
        self,
        picture: bytes,
        *,
        truth: str,
        reading: str = "",
        model: str = "",
        confidence: float = 0.0,
        client: str = "",
    ) -> Correction:
        """Keep a correction; it is safe when this returns. The arguments are the attributes of a Correction.

        Raises:
            StoreError: the picture is no PNG file, the truth is no digits, or the database does not answer.
        """
        if not picture.startswith(PNG):
            raise StoreError("a correction's picture is kept as a PNG file: save it as one")
        if truth and not (truth.isascii() and truth.isdigit()):
            raise StoreError(f"the truth is {truth!r}: give digits, or nothing at all for what is no digit")
        made = Correction(uuid4().hex, picture, reading, truth, model, confidence, client, datetime.now(UTC))
        with self._answering(), self._engine.begin() as connection:
            connection.execute(CORRECTIONS.insert().values(**asdict(made)))
        return made

    def get(self, id: str) -> Correction | None:
        """The correction of that id; None where there is none."""
        found = list(self._rows(CORRECTIONS.select().where(CORRECTIONS.c.id == id)))
        return found[0] if found else None

    def all(
        self, *, limit: int | None = None, newest_first: bool = False, client: str | None = None
    ) -> list[Correction]:
        """The corrections, oldest first.

        Args:
            limit: so many at most.
            newest_first: the other way round.
            client: only those that this one sent.
        """
        order = [CORRECTIONS.c.created, CORRECTIONS.c.id]
        query = CORRECTIONS.select().order_by(*([column.desc() for column in order] if newest_first else order))
        if client is not None:
            query = query.where(CORRECTIONS.c.client == client)
        return list(self._rows(query.limit(limit)))

    def count(self) -> int:
        """How many there are."""
        with self._answering(), self._engine.connect() as connection:
            return connection.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(CORRECTIONS)) or 0

    def delete(self, id: str) -> bool:
        """Remove one; whether it was there."""
        with self._answering(), self._engine.begin() as connection:
            return connection.execute(CORRECTIONS.delete().where(CORRECTIONS.c.id == id)).rowcount > 0

    def export(self, folder: Path) -> int:
        """Write them all as files: PNG pictures, and ``corrections.csv`` with all else.

        The pictures of single digits lie in ``digits/0`` to ``digits/9``, so that ``zeronine train --data
        FOLDER/digits --digits`` takes them; those of whole numbers in ``numbers``, what is no digit in ``none``.

        Args:
            folder: where to; it must be empty or not there yet.

        Returns:
            How many.

        Raises:
            StoreError: the folder has something in it or cannot be written, or the database does not answer. Nothing
                that is half-written stays.
        """
        try:
            if folder.exists() and any(folder.iterdir()):
                raise StoreError(f"{folder} is not empty: choose another folder, or empty it")
            folder.mkdir(parents=True, exist_ok=True)
            try:
                return self._write(folder)
            except BaseException:
                for name in ("digits", "numbers", "none"):
                    shutil.rmtree(folder / name, ignore_errors=True)
                raise
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be written ({error.strerror}): make room there, or choose another folder"
            ) from error

    def _write(self, folder: Path) -> int:
        """Write them all as files into an empty folder; how many."""
        named = [field.name for field in fields(Correction) if field.name != "picture"]
        count = 0
        with replaced(folder / "corrections.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["file", *named])
            for correction in self._rows(CORRECTIONS.select().order_by(CORRECTIONS.c.created, CORRECTIONS.c.id)):
                place = _place(correction)
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(correction.picture)
                table.writerow([place.as_posix(), *(getattr(correction, name) for name in named)])
                count += 1
        return count

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _rows(self, query: "sqlalchemy.Select[Any]") -> Iterator[Correction]:
        """What a query finds, a few at a time, so that the pictures need not all lie in memory."""
        with self._answering(), self._engine.execution_options(yield_per=100).connect() as connection:
            for row in connection.execute(query):
                values = row._asdict()
                created: datetime = values.pop("created")
                aware = created if created.tzinfo else created.replace(tzinfo=UTC)  # SQLite keeps no time zone
                yield Correction(**values, created=aware.astimezone(UTC))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What goes wrong with the database is an error of ours, without the password."""
        try:
            yield
        except ArgumentError as error:
            raise StoreError(
                f"{shown(self.url)} is no address of a database: give a file, or postgresql://USER@HOST/NAME"
            ) from error
        except (SQLAlchemyError, OSError) as error:
            reason = next(iter(str(getattr(error, "orig", error)).strip().splitlines()), type(error).__name__)
            raise StoreError(
                f"the store {shown(self.url)} does not answer ({reason}): see that it is there and can be written, or "
                "name another with --store or ZERONINE_STORE"
            ) from error


def _place(correction: Correction) -> Path:
    """Where a correction's picture lies in an exported folder."""
    if not correction.truth:
        folder = Path("none")
    else:
        folder = Path("digits") / correction.truth if len(correction.truth) == 1 else Path("numbers")
    return folder / f"{correction.id}.png"


def address(store: str | None) -> str:
    """The URL of a store: of a SQLite file where a path is given, of the usual one where None is."""
    store = store or os.environ.get("ZERONINE_STORE") or str(user_data_path("zeronine") / "corrections.db")
    if "://" not in store:
        file = str(Path(store).expanduser())
        return sqlalchemy.URL.create("sqlite", database=file).render_as_string(hide_password=False)
    kind, separator, rest = store.partition("://")
    return ("postgresql+psycopg" if kind in ("postgres", "postgresql") else kind) + separator + rest


def shown(url: str) -> str:
    """A URL without its password."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition("://")[0] + "://…"


def _engine(url: str, seconds: float = 60) -> sqlalchemy.Engine:
    """Connections to a database; none is made yet."""
    parts = sqlalchemy.make_url(url)
    kind = parts.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise StoreError(f"corrections are kept in SQLite or PostgreSQL, not in {kind}: name a file, or a server")
    if kind == "postgresql":
        try:
            return sqlalchemy.create_engine(parts, connect_args={"connect_timeout": 10}, pool_pre_ping=True)
        except ImportError as error:
            raise StoreError("PostgreSQL needs its driver: run  pip install 'psycopg[binary]'") from error
    if parts.database in (None, "", ":memory:"):
        raise StoreError("a store in memory keeps nothing: name a file")
    Path(str(parts.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(parts, connect_args={"timeout": seconds})
    sqlalchemy.event.listen(engine, "connect", _keep_safe)
    return engine


def _keep_safe(connection: Any, _: object) -> None:
    """SQLite: readers and the writer do not wait for each other, and a commit is on the disk when it returns."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


_MIGRATING = Lock()
"""Alembic keeps what it is doing in a module: one thread at a time."""


def _migrate(engine: sqlalchemy.Engine) -> None:
    """Bring a database up to this version; of several processes that find an old or empty one, the first does it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with _MIGRATING:
        newest = ScriptDirectory.from_config(config).get_current_head()
        if _version(engine) == newest:
            return
        with engine.begin() as connection:
            sqlite = connection.dialect.name == "sqlite"
            connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "SELECT pg_advisory_xact_lock(2803)")
            config.attributes["connection"] = connection
            try:
                alembic.command.upgrade(config, "head")
            except CommandError as error:
                raise StoreError(
                    f"{shown(str(engine.url))} was made by a newer Zeronine ({error}): upgrade this one"
                ) from error


def _version(engine: sqlalchemy.Engine) -> str | None:
    """The last migration that a database has seen; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
