"""The version of a store: made, found, refused where it is newer, and moved forwards."""

import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from kinowatt.campaign.database import Database
from kinowatt.campaign.schema import VERSION, VERSION_TABLE, VERSIONS, info
from kinowatt.errors import InputError, StoreError
from kinowatt.version import __version__

LOCK = 0x6B696E6F  # of PostgreSQL, held by whoever migrates
NEEDS = "needs"  # in `info`: the oldest kinowatt that reads the store


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """What `migrate` did; `before` None for a new store, `backup` None where nothing was done."""

    before: str | None
    after: str
    backup: Path | None


def found_version(connection: sa.Connection, name: str) -> str | None:
    """The version of a store, None for an empty database; `InputError` for another's."""
    tables = sa.inspect(connection).get_table_names()
    if VERSION_TABLE in tables:
        version = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
        return None if version is None else str(version)
    if tables:
        raise InputError(
            f"{name} is not a Kinowatt store: it has tables of something else"
            f" ({', '.join(sorted(tables)[:3])}); give the store a database of its own"
        )
    return None


def check_version(connection: sa.Connection, name: str) -> str | None:
    """The version, None for an empty database; `InputError` says what an unfit one needs."""
    version = found_version(connection, name)
    if version is None or version in VERSIONS:
        return version
    needs = connection.execute(sa.select(info.c.value).where(info.c.name == NEEDS)).scalar()
    raise InputError(
        f"{name} is a store of version {version}, and kinowatt {__version__} reads up to"
        f" {VERSION}: pip install -U 'kinowatt>={needs or version}'"
    )


def require_current(connection: sa.Connection, name: str) -> None:
    """`InputError` for a store that has to be migrated first."""
    version = check_version(connection, name)
    if version != VERSION:
        raise InputError(
            f"{name} is a store of version {version}, this kinowatt needs {VERSION}:"
            f" run `kinowatt store migrate {name}` (a backup is kept)"
        )


def migrate(database: Database) -> Migration:
    """Makes the tables, or moves an older store forwards, in one transaction.

    An SQLite file is copied first, as `FILE.VERSION.backup`. Several migrators wait for each
    other, and the later ones find nothing to do.
    """
    with database.reading() as connection:
        before = check_version(connection, database.name)
    if before == VERSION:
        return Migration(before=before, after=VERSION, backup=None)
    backup = _backup(database.path, before) if database.is_sqlite and before else None
    if database.is_sqlite:
        _write_ahead(database)
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if check_version(connection, database.name) != VERSION:
            _upgrade(connection)
    return Migration(before=before, after=VERSION, backup=backup)


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "kinowatt.campaign:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.execute(info.delete().where(info.c.name == NEEDS))
    connection.execute(info.insert().values(name=NEEDS, value=__version__))


def _backup(path: Path, version: str) -> Path:
    """A whole copy, also of what is still in the write-ahead log; never over an older backup."""
    target = path.with_name(f"{path.name}.{version}.backup")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{version}.backup{number}")
    partial = target.with_name(target.name + ".partial")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        shutil.move(partial, target)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        message = f"{target}: no backup could be made, so nothing was changed ({error})"
        raise StoreError(message) from None
    return target


def _write_ahead(database: Database) -> None:
    """Sets WAL, which the file remembers; SQLite does not wait here, so this does."""
    for pause_s in (0.01, 0.05, 0.2, 1.0, 5.0):
        with database.errors(), database.engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            try:
                raw.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise StoreError(f"{database.name}: {error}") from None
            else:
                return
        time.sleep(pause_s)
    raise StoreError(f"{database.name}: another program holds the file locked")
