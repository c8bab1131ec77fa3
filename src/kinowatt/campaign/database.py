"""Connections to a store: URL, pragmas, transactions, and errors as one clear line."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from kinowatt.errors import InputError, KinowattError, StoreError, unknown_name

BUSY_S = 30.0
CONNECT_S = 10
CACHE_KIB, FILLING_KIB = 2_000, 32_000  # of an SQLite connection; the first is its default
SCHEMES = ("sqlite", "postgresql")
_MAGIC = b"SQLite format 3\0"


class Database:
    """An engine with two kinds of transactions; nothing is opened before the first."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.name = self.url.render_as_string(hide_password=True)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.name = str(self.path)
        self.engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url)

    @property
    def path(self) -> Path:
        """The file of an SQLite store."""
        return Path(self.url.database or "")

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is the only writer of an SQLite file from its start."""
        with self._transaction("IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def filling(self) -> Iterator[sa.Connection]:
        """`writing` of many rows: SQLite has room to change a page often and write it once."""
        with self._transaction("IMMEDIATE", FILLING_KIB) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the store and never waits for a writer."""
        with self._transaction("DEFERRED") as connection:
            yield connection

    @contextmanager
    def _transaction(self, kind: str, cache_kib: int = CACHE_KIB) -> Iterator[sa.Connection]:
        with self.errors(), self.engine.connect() as raw:
            connection = raw.execution_options(begin=kind, cache_kib=cache_kib)
            with connection.begin():
                yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """A `StoreError` with the database's own first line, for whatever it refuses."""
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error) as error:
            raise StoreError(f"{self.name}: {first_line(error)}") from None

    def close(self) -> None:
        self.engine.dispose()


def first_line(error: Exception) -> str:
    """What the database said, without SQLAlchemy's links and the statement."""
    said = getattr(error, "orig", None) or error
    return " ".join(str(said).split()) or type(said).__name__


def parse_url(text: str) -> sa.URL:
    """A path is an SQLite file; `InputError` for what is neither SQLite nor PostgreSQL."""
    if "://" not in text:
        if not text.strip():
            raise InputError("the store needs a name: a file, or postgresql+psycopg://…")
        return sa.URL.create("sqlite", database=text)
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise InputError(
            f"{text!r} is no URL of a database: postgresql+psycopg://USER@HOST/NAME"
        ) from None
    backend = url.drivername.partition("+")[0]
    if backend not in SCHEMES:
        raise unknown_name("database", backend, SCHEMES)
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise InputError("an SQLite store is a file: sqlite:///PATH, or the path alone")
        return url.set(drivername="sqlite")
    return url.set(drivername="postgresql+psycopg")


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S}, paramstyle="named")

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")  # a finished row survives a power cut

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        cache_kib = options.get("cache_kib", CACHE_KIB)
        if connection.info.get("cache_kib", CACHE_KIB) != cache_kib:
            connection.exec_driver_sql(f"PRAGMA cache_size=-{cache_kib}")
            connection.info["cache_kib"] = cache_kib
        connection.exec_driver_sql(f"BEGIN {options.get('begin', 'DEFERRED')}")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_S})


def check_file(path: Path, create: bool) -> None:
    """`InputError` where a file is missing, cannot be made, or is something else."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; a store is a file, like {path / 'rows.db'}")
    if not path.exists():
        if not create:
            raise InputError(f"{path}: no such store")
        _check_writable(path)
        return
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if start and start != _MAGIC:
        raise InputError(f"{path} is not a store (no SQLite file)")


def _check_writable(path: Path) -> None:
    """SQLite would only say that it could not open the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
    except FileExistsError:
        return  # another process made it meanwhile
    except OSError as error:
        raise InputError(f"{path}: the store cannot be made here ({error.strerror})") from None


def reachable(database: Database) -> None:
    """`InputError` where the database does not answer at all."""
    try:
        with database.engine.connect():
            return
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        raise InputError(f"{database.name}: cannot be reached ({first_line(error)})") from None
    except ImportError as error:
        raise KinowattError(f"{error}: pip install 'kinowatt[campaign]'") from None
