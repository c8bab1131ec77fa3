"""What cannot be opened says so in one line; what breaks later is a `StoreError`."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kinowatt.campaign.clock import machine_clock
from kinowatt.campaign.database import Database
from kinowatt.campaign.store import Store, open_store
from kinowatt.errors import InputError, StoreError
from store_rows import new_database, open_folder


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://h/x", "unknown database 'mysql'.*sqlite, postgresql"),
        ("postgres+psycopg://h/x", "did you mean 'postgresql'"),
        ("sqlite://", "an SQLite store is a file"),
        ("://", "is no URL"),
        ("", "needs a name"),
        ("postgresql+psycopg://u:secret@127.0.0.1:9/x", r"u:\*\*\*@.*cannot be reached"),
    ],
)
def test_urls_that_are_no_store(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as found:
        open_store(url)
    assert "\n" not in str(found.value)
    assert "secret" not in str(found.value)


def test_files_that_are_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        open_store(str(tmp_path))
    text = tmp_path / "rows.jsonl"
    text.write_text("{}\n", "utf-8")
    with pytest.raises(InputError, match="is not a store"):
        open_store(str(text))
    assert text.read_text("utf-8") == "{}\n"
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(InputError, match=r"tables of something else.*songs"):
        open_store(str(other))
    with pytest.raises(InputError, match="no such store"):
        open_store(str(tmp_path / "none.db"), create=False)
    assert not (tmp_path / "none.db").exists()


def test_a_corrupt_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    open_store(str(path)).close()
    data = bytearray(path.read_bytes())
    data[100:4000] = os.urandom(3900)
    path.write_bytes(data)
    with pytest.raises((InputError, StoreError), match=r"rows\.db"):
        open_store(str(path)).campaigns()


@pytest.mark.skipif(os.name != "posix", reason="needs another user")
def test_a_folder_that_may_not_be_written() -> None:
    """Root may write anywhere, so root opens it as nobody."""
    code = (
        "import os, sys\nimport kinowatt.campaign.store as s\n"
        "os.getuid() == 0 and os.setuid(65534)\n"
        "from kinowatt.errors import InputError\n"
        "try:\n    s.open_store(sys.argv[1])\nexcept InputError as e:\n    print(e)\n"
    )
    with open_folder() as folder:
        locked = folder / "locked"
        locked.mkdir(mode=0o555)
        done = subprocess.run(
            [sys.executable, "-c", code, str(locked / "rows.db")],
            capture_output=True, text=True, check=False, env={**os.environ},
        )  # fmt: skip
        assert "cannot be made here (Permission denied)" in done.stdout, done.stderr
        assert list(locked.iterdir()) == []


def test_a_database_that_is_lost_later(postgresql: Any, tmp_path: Path) -> None:
    url = new_database(postgresql)
    with open_store(url) as store:
        name = url.rpartition("?")[0].rpartition("/")[2]
        postgresql.psql(f"DROP DATABASE {name} WITH (FORCE)")
        with pytest.raises(StoreError, match="does not exist"):
            store.campaigns()


def test_a_file_held_by_another_is_a_store_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinowatt.campaign.database.BUSY_S", 0.1)
    path = str(tmp_path / "rows.db")
    with open_store(path) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.begin("plan", "d", [{"build": {}, "request": {}}])
        assert store.campaigns() == []  # readers do not wait for a writer
        other.execute("ROLLBACK")
        assert store.begin("plan", "d", [{"build": {}, "request": {}}]) == 1


def test_a_file_is_written_ahead_and_synced(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "rows.db")):
        database = Database(str(tmp_path / "rows.db"))
        with database.reading() as connection:
            found = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        database.close()
    assert found == ["wal", 2, 1]


def test_a_wall_clock_that_jumps_moves_no_lease(
    store: Store, make_row: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = store.begin("plan", "d", [{"build": {}, "request": {}}])
    assert store.claim(campaign, "w", 60)
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert store.claim(campaign, "x", 60) is None
    (held,) = store.claims(campaign)
    assert 50 < held.left_s <= 60


def test_the_machine_clock_names_its_boot() -> None:
    name, first_s = machine_clock()
    again, second_s = machine_clock()
    assert name == again
    assert 0 <= second_s - first_s < 5
