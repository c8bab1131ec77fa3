"""Stores of older and newer versions, and migrators that meet."""

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from kinowatt.campaign import migrating
from kinowatt.campaign.database import Database
from kinowatt.campaign.schema import VERSION, VERSION_TABLE, VERSIONS, metadata
from kinowatt.campaign.store import migrate_store, open_store
from kinowatt.errors import InputError, KinowattError
from store_rows import new_database

OLD = Path(__file__).with_name("store-0001.db")  # written by the first revision


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "rows.db"))


def test_an_old_store_is_refused_until_it_is_migrated(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(InputError, match=r"version 0001.*kinowatt store migrate"):
        open_store(str(old))
    assert old.read_bytes() == before


def test_migration_keeps_every_row_order_and_failure(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        documents = connection.execute("SELECT document FROM documents ORDER BY 1").fetchall()
    done = migrate_store(str(old))
    assert (done.before, done.after) == ("0001", VERSION)
    assert done.backup
    assert done.backup.name == "rows.db.0001.backup"
    with closing(sqlite3.connect(done.backup)) as copy:
        assert copy.execute("SELECT document FROM documents ORDER BY 1").fetchall() == documents
        assert copy.execute(f"SELECT * FROM {VERSION_TABLE}").fetchall() == [("0001",)]
    with open_store(str(old)) as store:
        assert sorted((d.text,) for d in store.documents()) == documents
        found = store.progress(1)
        assert (found.done, found.failed, found.leased, found.waiting) == (1, 1, 1, 1)
        assert [f.failure["cause"] for f in store.failures(1)] == ["oom"]
        assert sum(group.n for group in store.summary()) == 3
        again = store.claim(1, "x", 60)  # the lease is of another boot of the machine
        assert again
        assert again.position == 2
    assert migrate_store(str(old)).backup is None


def test_a_second_backup_does_not_replace_the_first(old: Path) -> None:
    taken = old.with_name("rows.db.0001.backup")
    taken.write_text("mine", "utf-8")
    backup = migrate_store(str(old)).backup
    assert backup
    assert backup != taken
    assert taken.read_text("utf-8") == "mine"


def test_nothing_changes_where_no_backup_can_be_made(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old.read_bytes()
    monkeypatch.setattr(migrating.shutil, "move", _full)
    with pytest.raises(KinowattError, match="nothing was changed"):
        migrate_store(str(old))
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == ["rows.db"]


def _full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_newer_store_says_what_it_needs(url: str) -> None:
    open_store(url).close()
    engine = Database(url).engine
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '0099'"))
        connection.execute(sa.text("UPDATE info SET value = '7.1.0' WHERE name = 'needs'"))
    engine.dispose()
    for opening in (open_store, migrate_store):
        with pytest.raises(InputError, match=r"version 0099.*kinowatt>=7\.1\.0"):
            opening(url)


def test_the_migrations_make_the_tables_of_the_schema(url: str) -> None:
    open_store(url).close()
    engine = Database(url).engine
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_versions_are_the_revisions() -> None:
    folder = Path(migrating.__file__).with_name("migrations")
    walked = ScriptDirectory(str(folder)).walk_revisions()
    assert tuple(script.revision for script in walked)[::-1] == VERSIONS


def test_openers_that_meet_make_one_store(tmp_path: Path, postgresql: Any) -> None:
    for url in (str(tmp_path / "new.db"), new_database(postgresql)):
        errors: list[BaseException] = []

        def work(url: str = url, errors: list[BaseException] = errors) -> None:
            try:
                with open_store(url) as store:
                    store.begin("plan", "d", [{"build": {}, "request": {}, "expected_s": None}])
            except BaseException as error:  # noqa: BLE001 (a thread's error must fail the test)
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with open_store(url) as store:
            assert [found.total for found in store.campaigns()] == [1]


def test_a_migration_that_fails_leaves_the_old_store(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(old)) as connection:
        bad = json.dumps({"schema_version": 1, "model": "no row"})
        connection.execute("UPDATE documents SET document = ? WHERE measurement_id = 2", (bad,))
        connection.commit()
    with pytest.raises(KinowattError, match="missing field"):
        migrate_store(str(old))
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute(f"SELECT * FROM {VERSION_TABLE}").fetchall() == [("0001",)]
        names = [row[1] for row in connection.execute("PRAGMA table_info(measurements)")]
    assert "alike" not in names
