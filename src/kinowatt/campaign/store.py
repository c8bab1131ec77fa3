"""The store of a campaign: its orders, their failures, and every measured row, exactly.

One SQLite file (write-ahead log, synced at each commit) or a PostgreSQL database, by URL. All
methods may be called from several threads, processes and, on PostgreSQL, machines at once.
Whatever the database refuses is a `StoreError`; bad input is an `InputError`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from kinowatt.campaign import queue, reading
from kinowatt.campaign.database import Database, check_file, reachable
from kinowatt.campaign.migrating import Migration, check_version, migrate, require_current
from kinowatt.campaign.queue import Claim, Failure, Order, Progress, Remaining
from kinowatt.campaign.reading import Filters, Group, Page, StoredRow
from kinowatt.campaign.schema import campaigns, columns, documents, measurements
from kinowatt.lab.measurement import Measurement

BATCH = 500


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
        builds: Sequence[Mapping[str, Any]] | None = None,
    ) -> Order | None:
        """Leases one order to the worker, or None where none is waiting or lapsed.

        It is the first in the order of the plan; where `builds` is given, of those builds alone,
        so that a worker may first ask for what it has built. No other worker gets the order before
        the lease lapses; the claim of a lapsed one records a failure of the worker that fell
        silent. `kinowatt.campaign.clock` has the rule of the clock. `Order.attempts` counts tries,
        this one included, so that a caller can stop trying.
        """
        with self._database.writing() as connection:
            return queue.claim(connection, campaign_id, worker, lease_s, builds)

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
            _insert(connection, [(found, order_id)])
            return True

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

    def remaining(self, campaign_id: int) -> dict[str, Remaining]:
        """By build (canonical JSON): what is neither done nor failed."""
        with self._database.reading() as connection:
            return queue.remaining(connection, campaign_id)

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

    def add(self, rows: Iterable[Measurement]) -> tuple[int, int]:
        """Stores rows of no campaign, all or none; returns (added, already there)."""
        added = seen = 0
        with self._database.writing() as connection:
            for batch in _batches(rows):
                fresh = _insert(connection, [(row, None) for row in batch], skip_known=True)
                added += fresh
                seen += len(batch) - fresh
        return added, seen

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
            found = self.measurements(filters, after, BATCH)
            yield from found.rows
            if found.after is None:
                return
            after = found.after

    def row(self, name: str) -> StoredRow:
        """A row by its id or the start of its digest."""
        with self._database.reading() as connection:
            return reading.one(connection, name)

    def count(self, filters: Filters = None) -> int:
        """How many rows a filter leaves."""
        with self._database.reading() as connection:
            return reading.count(connection, filters)

    def summary(self, filters: Filters = None) -> list[Group]:
        """Number, mean and range of each set of rows under like conditions."""
        with self._database.reading() as connection:
            return reading.summary(connection, filters)

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


def _batches(rows: Iterable[Measurement]) -> Iterator[list[Measurement]]:
    batch: list[Measurement] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _insert(
    connection: sa.Connection,
    rows: Sequence[tuple[Measurement, int | None]],
    skip_known: bool = False,
) -> int:
    """Stores rows with their documents; returns how many, the known ones left out if asked."""
    values = []
    for row, order_id in rows:
        data = row.to_dict()
        found = columns(row, data) | {"order_id": order_id}
        values.append((found, json.dumps(data, allow_nan=False)))
    if skip_known:
        values = _fresh(connection, values)
    if not values:
        return 0
    ids = connection.execute(
        measurements.insert().returning(measurements.c.id, sort_by_parameter_order=True),
        [found for found, _ in values],
    ).scalars()
    texts = zip(ids, (text for _, text in values), strict=True)
    connection.execute(
        documents.insert(), [{"measurement_id": number, "document": text} for number, text in texts]
    )
    return len(values)


def _fresh(connection: sa.Connection, values: list[tuple[dict[str, Any], str]]) -> list[Any]:
    """Those that are neither stored nor twice among the given."""
    given = {found["digest"]: (found, text) for found, text in reversed(values)}
    known = connection.execute(
        sa.select(measurements.c.digest).where(measurements.c.digest.in_(given))
    ).scalars()
    for name in known:
        given.pop(name, None)
    return list(reversed(given.values()))
