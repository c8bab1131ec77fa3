"""The store of a campaign: its orders, their failures, and every measured row, exactly.

One SQLite file (write-ahead log, synced at each commit) or a PostgreSQL database, by URL. All
methods may be called from several threads, processes and, on PostgreSQL, machines at once.
Whatever the database refuses is a `StoreError`; bad input is an `InputError`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kinowatt.campaign import queue, reading
from kinowatt.campaign.database import Database, check_file, reachable
from kinowatt.campaign.entry import Entry, entry
from kinowatt.campaign.migrating import Migration, check_version, migrate, require_current
from kinowatt.campaign.queue import Claim, Failure, Order, Progress, Remaining, Wanted
from kinowatt.campaign.reading import Document, Filters, Group, Page, StoredRow
from kinowatt.campaign.schema import campaigns
from kinowatt.campaign.traces import Traces
from kinowatt.campaign.writing import Added, add, insert
from kinowatt.errors import InputError
from kinowatt.lab.measurement import Measurement

PAGE = 500


def open_store(url: str, create: bool = True) -> "Store":
    """A store by path (SQLite), `sqlite:///PATH` or `postgresql+psycopg://USER@HOST/NAME`.

    Makes the tables where there are none, unless `create` is False. Raises `InputError` for what
    is no store, cannot be reached or written, or has to be migrated first; a store of a newer
    version is refused with the version of kinowatt it needs.
    """
    database = Database(url)
    try:
        _prepare(database, create)
    except BaseException:
        database.close()
        raise
    return Store(database)


def migrate_store(url: str) -> Migration:
    """Moves a store forwards to this version; an SQLite file is copied first."""
    database = Database(url)
    if database.is_sqlite:
        check_file(database.path, create=False)
    try:
        reachable(database)
        return migrate(database)
    finally:
        database.close()


def _prepare(database: Database, create: bool) -> None:
    if database.is_sqlite:
        check_file(database.path, create)
    reachable(database)
    with database.reading() as connection:
        version = check_version(connection, database.name)
        if version is not None or not create:
            require_current(connection, database.name)
            return
    migrate(database)


class Store:
    """Made by `open_store`; a context manager that closes its connections."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.name = database.name

    def begin(self, plan_name: str, plan_digest: str, orders: Iterable[Mapping[str, Any]]) -> int:
        """The id of the campaign with that digest, made on the first call and the same ever after.

        `orders`: each with `build` and `request` (plain JSON) and `expected_s` (seconds or None),
        in the order in which they are to be claimed, or with a `position`. All are stored, or none.
        """
        with self._database.writing() as connection:
            return queue.begin(connection, plan_name, plan_digest, orders)

    def claim(
        self,
        campaign_id: int,
        worker: str,
        lease_s: float,
        only: Sequence[Mapping[str, Any]] | int | None = None,
    ) -> Order | None:
        """Leases one order to the worker, or None where none is waiting or lapsed.

        It is the first in the order of the plan; where `only` names builds, of those alone, so
        that a worker may first ask for what it has built; or one order by its id. No other worker
        gets the order before the lease lapses; the claim of a lapsed one records a failure of the
        worker that fell silent. `kinowatt.campaign.clock` has the rule of the clock.
        `Order.attempts` counts tries, this one included, so that a caller can stop trying.
        """
        with self._database.writing() as connection:
            return queue.claim(connection, campaign_id, worker, lease_s, only)

    def renew(self, order_id: int, worker: str, lease_s: float) -> bool:
        """Extends the lease to `lease_s` from now; False where the worker holds it no more."""
        with self._database.writing() as connection:
            return queue.renew(connection, order_id, worker, lease_s)

    def finish(self, order_id: int, worker: str, row: Mapping[str, Any]) -> bool:
        """Stores the row and ends the order, both or neither; False where it was done already.

        The row is on the disk when this returns. It is taken from a worker whose lease lapsed,
        and from one whose order was marked failed: the measurement is real.
        """
        found = Measurement.from_dict(row)
        with self._database.writing() as connection:
            if not queue.close(connection, order_id, worker):
                return False
            insert(connection, [entry(found)], order_id)
            return True

    def adopt(self, order_id: int, row_id: int) -> bool:
        """Ends an order by a row that is of no order; False where either is taken already."""
        with self._database.writing() as connection:
            return queue.adopt(connection, order_id, row_id)

    def fail(
        self, order_id: int, worker: str, failure: Mapping[str, Any], retry: bool = False
    ) -> bool:
        """Keeps why a try failed; the order waits again (`retry`) or has failed.

        False where the worker no longer holds the order: it is not touched, and the failure is
        kept unless the order is done.
        """
        with self._database.writing() as connection:
            return queue.fail(connection, order_id, worker, failure, retry)

    def release(self, order_id: int, worker: str) -> bool:
        """Gives an order back untried, as after Ctrl-C; False where it was not held."""
        with self._database.writing() as connection:
            return queue.release(connection, order_id, worker)

    def reopen(self, campaign_id: int) -> int:
        """Lets the failed orders of a campaign be tried again; returns how many there were."""
        with self._database.writing() as connection:
            return queue.reopen(connection, campaign_id)

    def claims(self, campaign_id: int) -> list[Claim]:
        """Who holds which order, and for how long yet."""
        with self._database.reading() as connection:
            return queue.claims(connection, campaign_id)

    def remaining(self, campaign_id: int) -> list[Remaining]:
        """What can be claimed now, by build in the order of the plan."""
        with self._database.reading() as connection:
            return queue.remaining(connection, campaign_id)

    def wanted(self, campaign_id: int) -> list[Wanted]:
        """Every order of a campaign with its state, in the order of the plan."""
        with self._database.reading() as connection:
            return queue.wanted(connection, campaign_id)

    def abandon(self, campaign_id: int, worker: str) -> int:
        """Frees at once what a worker holds whose process is known to be dead.

        The attempt stays counted, and a failure of cause `coordinator_died` is kept for each order.
        """
        with self._database.writing() as connection:
            return queue.abandon(connection, campaign_id, worker)

    def progress(self, campaign_id: int) -> Progress:
        """How far a campaign is; `InputError` where there is none of that id."""
        with self._database.reading() as connection:
            return queue.progress(connection, campaign_id)

    def failures(self, campaign_id: int) -> list[Failure]:
        """Every failed try, oldest first."""
        with self._database.reading() as connection:
            return queue.all_failures(connection, campaign_id)

    def campaigns(self) -> list[Progress]:
        """Every campaign, oldest first."""
        with self._database.reading() as connection:
            found = connection.execute(campaigns.select().order_by(campaigns.c.id)).all()
            return [queue.progress(connection, row.id) for row in found]

    def add(self, rows: Iterable[Measurement]) -> Added:
        """Stores rows of no campaign, all or none; those that are there already are counted.

        Raises `InputError` for the same measurement with other values than it has here.
        """
        return self.add_entries(entry(row) for row in rows)

    def add_entries(self, entries: Iterable[Entry]) -> Added:
        """`add` for rows that were prepared elsewhere."""
        with self._database.filling() as connection:
            return add(connection, entries)

    def measurements(
        self, filters: Filters = None, after: str | None = None, limit: int = 100
    ) -> Page:
        """A page of rows, in the order in which they were stored; `after`: the page's before.

        `filters`: texts such as `"steps>=20"`, or values by name; `reading.FILTERS` has the names.
        """
        with self._database.reading() as connection:
            return reading.page(connection, filters, after, limit)

    def rows(self, filters: Filters = None) -> Iterator[StoredRow]:
        """All rows, page by page; a row stored meanwhile may or may not be among them."""
        after: str | None = None
        while True:
            found = self.measurements(filters, after, PAGE)
            yield from found.rows
            if found.after is None:
                return
            after = found.after

    def documents(self, filters: Filters = None) -> Iterator[Document]:
        """The JSON text of each row, as it was stored, without reading it."""
        after = 0
        while True:
            with self._database.reading() as connection:
                found = reading.documents_page(connection, filters, after, PAGE)
            for row in found:
                yield Document(digest=row.digest, alike=row.alike, text=row.document)
            if len(found) < PAGE:
                return
            after = found[-1].id

    def row(self, name: str) -> StoredRow:
        """A row by its id or the start of its digest."""
        with self._database.reading() as connection:
            return reading.one(connection, name)

    def count(self, filters: Filters = None) -> int:
        """How many rows a filter leaves."""
        with self._database.reading() as connection:
            return reading.count(connection, filters)

    def values(self, name: str) -> list[str]:
        """What rows have in a column of texts, such as `model`."""
        with self._database.reading() as connection:
            return reading.values(connection, name)

    def state(self) -> tuple[int, int]:
        """How many rows there are, and the id of the newest: other than before if rows came."""
        with self._database.reading() as connection:
            return reading.count(connection, None), reading.last(connection)

    def summary(self, filters: Filters = None) -> list[Group]:
        """Number, mean and range of each set of rows under like conditions."""
        with self._database.reading() as connection:
            return reading.summary(connection, filters)

    def traces(self, folder: str | None = None) -> Traces:
        """Power over time of rows: `FILE.traces/` beside an SQLite store.

        A PostgreSQL store has no place beside it: there `folder` must be given.
        """
        if folder is not None:
            return Traces(Path(folder))
        if not self._database.is_sqlite:
            raise InputError(f"{self.name}: say in which folder its traces are")
        path = self._database.path
        return Traces(path.with_name(f"{path.name}.traces"))

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
