"""Corrections: kept through kills, threads, processes and versions; and which taught model is in use."""

import csv
import errno
import io
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zeronine import data, store, taught
from zeronine.errors import ModelError, StoreError
from zeronine.files import replaced
from zeronine.store import Store

OLD = Path(__file__).parent / "fixtures"


def png(shade: int = 0, size: int = 20) -> bytes:
    """A dark stroke on white, as a PNG file; every shade another picture."""
    pixels = np.full((size, size), 255, np.uint8)
    pixels[3:-3, size // 2 - 1 : size // 2 + 2] = shade % 100
    pixels[0, 0] = 255 - shade // 100
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    made = Store(str(tmp_path / "deep" / "corrections.db"))
    yield made
    made.close()


# ---- what is kept ------------------------------------------------------------------------------------------


def test_a_correction_comes_back_as_it_was(opened: Store) -> None:
    before = datetime.now(UTC)
    made = opened.add(png(), truth="7", reading="1", model="standard_v1", confidence=0.75, client="10.0.0.1")
    assert opened.get(made.id) == made
    assert made.picture == png()
    assert (made.truth, made.reading, made.model, made.confidence) == ("7", "1", "standard_v1", 0.75)
    assert before <= made.created <= datetime.now(UTC)
    assert made.created.utcoffset() == timedelta(0)
    assert opened.get("nobody") is None


def test_they_come_in_their_order(opened: Store) -> None:
    ids = [opened.add(png(), truth=str(number), client="ab"[number % 2]).id for number in range(5)]
    assert [each.id for each in opened.all()] == ids
    assert [each.id for each in opened.all(newest_first=True, limit=2)] == ids[:2:-1]
    assert [each.truth for each in opened.all(client="b")] == ["1", "3"]
    assert opened.count() == 5


def test_one_is_deleted_once(opened: Store) -> None:
    kept, gone = (opened.add(png(), truth=truth).id for truth in ("1", ""))
    assert opened.delete(gone)
    assert not opened.delete(gone)
    assert [each.id for each in opened.all()] == [kept]


@pytest.mark.parametrize("truth", ["seven", "1.5", "-1", "٣", "1 2"])
def test_a_truth_is_digits(opened: Store, truth: str) -> None:
    with pytest.raises(StoreError, match="give digits"):
        opened.add(png(), truth=truth)


def test_a_picture_is_a_png(opened: Store) -> None:
    with pytest.raises(StoreError, match="PNG"):
        opened.add(b"GIF89a", truth="1")
    assert opened.count() == 0


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZERONINE_STORE", str(tmp_path / "there.db"))
    Store().close()
    assert (tmp_path / "there.db").exists()


# ---- export ------------------------------------------------------------------------------------------------


def test_what_is_exported_can_be_trained_on(opened: Store, tmp_path: Path) -> None:
    seven = opened.add(png(), truth="7", reading="1", model="a, b")
    opened.add(png(1), truth="128", reading="123")
    opened.add(png(2), truth="", reading="4")
    assert opened.export(tmp_path / "out") == 3
    with (tmp_path / "out" / "corrections.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["file"] == f"digits/7/{seven.id}.png"
    assert [Path(row["file"]).parts[0] for row in rows] == ["digits", "numbers", "none"]
    assert rows[0]["model"] == "a, b"
    assert (tmp_path / "out" / rows[0]["file"]).read_bytes() == png()
    dataset = data.load(str(tmp_path / "out" / "digits"), digits=True)
    assert dataset.train.labels.tolist() == [7]
    with pytest.raises(StoreError, match="not empty"):
        opened.export(tmp_path / "out")


def test_an_export_that_fails_leaves_nothing(opened: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.add(png(), truth="7")
    opened.add(png(1), truth="12")
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.parent.name == "numbers":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(StoreError, match=r"No space.*make room"):
            opened.export(tmp_path / "out")
    assert opened.export(tmp_path / "out") == 2
    with pytest.raises(StoreError, match="cannot be written"):
        opened.export(tmp_path / "out" / "corrections.csv")


# ---- kills, threads, processes -----------------------------------------------------------------------------

WRITER = """
import sys
from tests_png import png
from zeronine.store import Store
kept = Store(sys.argv[1])
for number in range(100_000):
    print(kept.add(png(number, 60), truth=str(number)).id, number, flush=True)
"""


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "tests_png.py")
    path = tmp_path / "corrections.db"
    acknowledged: dict[str, int] = {}
    for kill_after in (1, 40, 150):
        command = [sys.executable, "-c", WRITER, str(path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(kill_after)]
            os.kill(writer.pid, signal.SIGKILL)
            lines += writer.stdout.readlines()
            assert writer.wait() == -signal.SIGKILL
        words = [line.split() for line in lines if line.endswith("\n")]
        acknowledged |= {id: int(number) for id, number in words}
    assert len(acknowledged) >= 191
    kept = Store(str(path))
    for id, number in acknowledged.items():
        correction = kept.get(id)
        assert correction is not None
        assert correction.truth == str(number)
        assert correction.picture == png(number, 60)
    assert kept.count() - len(acknowledged) in range(4)  # a kill between commit and print, three times
    kept.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_sqlite_syncs_at_each_commit(opened: Store) -> None:
    with opened._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def _write(url: str, count: int) -> None:
    kept = Store(url)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: kept.add(png(number), truth=str(number)), range(count)))
    kept.close()


def test_threads_and_processes_make_and_fill_one_store(tmp_path: Path) -> None:
    _crowd(str(tmp_path / "corrections.db"))


def _crowd(url: str) -> None:
    """Three processes of four threads open a store that is not there yet, and write into it."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(url, 20)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    kept = Store(url)
    assert sorted(int(each.truth) for each in kept.all()) == sorted(3 * list(range(20)))
    kept.close()


# ---- from one version to the next --------------------------------------------------------------------------


@pytest.mark.parametrize("old", sorted(OLD.glob("store-*.sql")), ids=lambda path: str(path.stem))
def test_a_store_of_each_version_opens(tmp_path: Path, old: Path) -> None:
    path = tmp_path / "corrections.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(old.read_text(encoding="utf-8"))
    connection.close()
    kept = Store(str(path))
    [correction] = kept.all()
    assert (correction.truth, correction.reading) == ("7", "1")
    assert np.array_equal(Image.open(io.BytesIO(correction.picture)), Image.open(io.BytesIO(png())))
    kept.add(png(), truth="8")
    assert kept.count() == 2
    kept.close()


NEXT = """
import sqlalchemy
from alembic import op
revision, down_revision = "next", "{head}"
def upgrade():
    op.add_column("corrections", sqlalchemy.Column("note", sqlalchemy.Text, nullable=False, server_default=""))
    {more}
"""


def _next_version(folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "pass") -> None:
    """Let the store be that of a version that has one more migration."""
    shutil.copytree(store.MIGRATIONS, folder)
    text = NEXT.format(head="1", more=more)
    (folder / "versions" / "next.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(store, "MIGRATIONS", folder)


def test_a_store_is_taken_to_the_next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = str(tmp_path / "corrections.db")
    kept = Store(url)
    made = kept.add(png(), truth="7")
    kept.close()
    _next_version(tmp_path / "migrations", monkeypatch)
    kept = Store(url)
    with kept._engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id, note FROM corrections").all() == [(made.id, "")]
    kept.close()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer Zeronine"):
        Store(url)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = str(tmp_path / "corrections.db")
    kept = Store(url)
    made = kept.add(png(), truth="7")
    kept.close()
    _next_version(tmp_path / "migrations", monkeypatch, "op.execute('DROP TABLE absent')")
    with pytest.raises(StoreError, match="no such table"):
        Store(url)
    monkeypatch.undo()
    kept = Store(url)
    assert kept.all() == [made]
    kept.close()


# ---- what is no store --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("://", "no address of a database"),
        ("nothing://me:secret@host/x", "SQLite or PostgreSQL, not in nothing"),
        ("mysql://me:secret@host/x", "SQLite or PostgreSQL, not in mysql"),
        ("sqlite://", "in memory keeps nothing"),
        ("{folder}", "unable to open database file"),
        ("{folder}/text/corrections.db", "--store or ZERONINE_STORE"),
        ("{folder}/text", "file is not a database"),
    ],
)
def test_what_is_no_store_is_told(tmp_path: Path, url: str, message: str) -> None:
    (tmp_path / "text").write_text("This is text, and long enough to be no empty database. " * 20, encoding="utf-8")
    with pytest.raises(StoreError, match=message) as caught:
        Store(url.format(folder=tmp_path))
    assert "secret" not in str(caught.value)


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="can be written"):
        Store(str(tmp_path / "corrections.db"))


# ---- PostgreSQL --------------------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("psycopg") is not None, reason="psycopg is installed")
def test_postgresql_without_its_driver_names_it() -> None:
    with pytest.raises(StoreError, match=r"psycopg\[binary\]"):
        Store("postgresql://me:secret@localhost/x")


def test_the_table_can_be_written_for_postgresql() -> None:
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    made = str(CreateTable(store.CORRECTIONS).compile(dialect=postgresql.dialect()))
    assert "picture BYTEA NOT NULL" in made
    assert "created TIMESTAMP WITH TIME ZONE NOT NULL" in made


@pytest.mark.skipif("ZERONINE_TEST_POSTGRES" not in os.environ, reason="needs a server: set ZERONINE_TEST_POSTGRES")
def test_postgresql_keeps_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = os.environ["ZERONINE_TEST_POSTGRES"]
    engine = store._engine(store.address(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS corrections, {store.VERSION_TABLE}")
    engine.dispose()
    _crowd(url)
    kept = Store(url)
    made = kept.add(png(), truth="7", confidence=0.1)
    assert kept.get(made.id) == made
    assert kept.all(newest_first=True, limit=1) == [made]
    assert kept.export(tmp_path / "out") == 61
    assert kept.delete(made.id)
    kept.close()
    _next_version(tmp_path / "migrations", monkeypatch)
    kept = Store(url)
    assert kept.count() == 60
    kept.close()


# ---- the taught model in use -------------------------------------------------------------------------------


def _model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("model.onnx", "card.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


def test_the_model_in_use_goes_forth_and_back(tmp_path: Path) -> None:
    home = tmp_path / "taught"
    assert taught.current(home) is None
    first, second = _model(home / "taught_v1"), _model(tmp_path / "elsewhere")
    taught.promote(first, home)
    taught.promote(second, home)
    assert taught.current(home) == second
    assert taught.back(home) == first
    assert taught.current(home) == first
    assert taught.back(home) is None
    assert taught.back(home) is None
    assert taught.current(home) is None


def test_of_models_promoted_at_once_none_is_forgotten(tmp_path: Path) -> None:
    models = [_model(tmp_path / f"taught_v{number}") for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda model: taught.promote(model, tmp_path), models))
    before = [taught.current(tmp_path), *(taught.back(tmp_path) for _ in models)]
    assert set(before) == {*models, None}


def test_a_file_may_be_written_twice_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with replaced(path) as last, replaced(path) as first:
        assert all(name.match(".*.part.txt") for name in (last, first)), "what a run sweeps away"
        last.write_text("last")
        first.write_text("first")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["last"]


def test_the_folder_may_be_moved(tmp_path: Path) -> None:
    taught.promote(_model(tmp_path / "taught" / "taught_v1"), tmp_path / "taught")
    (tmp_path / "taught").rename(tmp_path / "moved")
    assert taught.current(tmp_path / "moved") == tmp_path / "moved" / "taught_v1"


def test_only_a_model_folder_is_promoted(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.onnx"):
        taught.promote(tmp_path, tmp_path)
    assert not (tmp_path / taught.CURRENT).exists()


def test_a_model_that_is_gone_is_told(tmp_path: Path) -> None:
    taught.promote(_model(tmp_path / "taught_v1"), tmp_path)
    shutil.rmtree(tmp_path / "taught_v1")
    with pytest.raises(ModelError, match="teach --back"):
        taught.current(tmp_path)
    assert taught.back(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"models": 3})])
def test_damage_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / taught.CURRENT).write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="damaged"):
        taught.current(tmp_path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / taught.CURRENT).mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        taught.current(tmp_path)
