"""Orders of a campaign: handed out under a lease, finished exactly once, failures kept.

An order is waiting, leased, done or failed. A lease that has lapsed may be claimed by anybody.
Work is never refused for a lapsed lease: whoever finishes an order first has finished it.
Each function runs inside one writing transaction, which serialises it on SQLite; on PostgreSQL
the row of the order is locked, and claims skip rows that others have locked.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from kinowatt.campaign.clock import lease_clock
from kinowatt.campaign.entry import digest, now
from kinowatt.campaign.schema import campaigns, failures, measurements, orders
from kinowatt.errors import InputError

KNOWN = "a row of the store"  # who did an order whose row was there before
WAITING, LEASED, DONE, FAILED = STATES = ("waiting", "leased", "done", "failed")
LAPSED = "lease lapsed"
DIED = "coordinator_died"
FREED = {"state": WAITING, "worker": None, "lease_clock": None, "lease_until_s": None}


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One row to take: how the pipeline is built, what is asked of it, and which try this is."""

    order_id: int
    campaign_id: int
    position: int
    build: Mapping[str, Any]
    request: Mapping[str, Any]
    expected_s: float | None
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An order in any state, whoever holds it."""

    order_id: int
    state: str
    build: Mapping[str, Any]
    request: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """An order that a worker holds; `left_s` until its lease lapses, negative once it has."""

    order_id: int
    worker: str
    left_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Remaining:
    """Orders of one build that can be claimed now, and their expected seconds."""

    build: Mapping[str, Any]
    waiting: int
    expected_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a try of an order gave no row; `failed_at` by the wall clock of the machine that told."""

    order_id: int
    position: int
    worker: str
    attempt: int
    failed_at: str
    failure: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Orders by state, and the expected seconds of those neither done nor failed.

    `latency_s` and `energy_wh_gpu` are sums over the measured videos of rows that are done, not
    what the campaign spent on them; the energy is None where no row has it.
    """

    campaign_id: int
    name: str
    total: int
    waiting: int
    leased: int
    done: int
    failed: int
    expected_s: float
    expected_left_s: float
    latency_s: float
    energy_wh_gpu: float | None
    workers: tuple[str, ...]


def begin(
    connection: sa.Connection, name: str, plan_digest: str, rows: Iterable[Mapping[str, Any]]
) -> int:
    """The campaign of that digest, made with its orders where there is none."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    made = connection.execute(
        insert(campaigns)
        .values(name=name, digest=plan_digest, begun_at=now())
        .on_conflict_do_nothing(index_elements=["digest"])
        .returning(campaigns.c.id)
    ).scalar()
    if made is None:
        found = sa.select(campaigns.c.id).where(campaigns.c.digest == plan_digest)
        return int(connection.execute(found).scalar_one())
    values = [_order_values(made, number, row) for number, row in enumerate(rows)]
    if not values:
        raise InputError(f"plan {name}: no orders to begin with")
    connection.execute(orders.insert(), values)
    return int(made)


def _order_values(campaign_id: int, position: int, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "position": row.get("position", position),
        "build": json.dumps(row["build"], allow_nan=False),
        "build_digest": digest(row["build"]),
        "request": json.dumps(row["request"], allow_nan=False),
        "expected_s": row.get("expected_s"),
        "state": WAITING,
        "attempts": 0,
    }


def claim(
    connection: sa.Connection,
    campaign_id: int,
    worker: str,
    lease_s: float,
    only: Sequence[Mapping[str, Any]] | int | None,
) -> Order | None:
    """Leases the first free order, of some builds or one by its id.

    A claim of a lapsed lease leaves a failure of the one before.
    """
    clock, now_s = lease_clock(connection)
    chosen = sa.select(orders).where(orders.c.campaign_id == campaign_id, _free(clock, now_s))
    if isinstance(only, int):
        chosen = chosen.where(orders.c.id == only)
    elif only is not None:
        chosen = chosen.where(orders.c.build_digest.in_([digest(build) for build in only]))
    found = connection.execute(
        chosen.order_by(orders.c.position).limit(1).with_for_update(skip_locked=True)
    ).first()
    if found is None:
        return None
    if found.state == LEASED:
        _record(connection, found, {"cause": LAPSED, "detail": f"{found.worker} fell silent"})
    held = {"state": LEASED, "worker": worker, "attempts": found.attempts + 1}
    lease = {"lease_clock": clock, "lease_until_s": now_s + lease_s}
    connection.execute(orders.update().where(orders.c.id == found.id).values(**held, **lease))
    return _order(found, found.attempts + 1)


def _free(clock: str, now_s: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Waiting, or held under a lease that has lapsed."""
    lapsed = sa.or_(orders.c.lease_clock != clock, orders.c.lease_until_s < now_s)
    return sa.or_(orders.c.state == WAITING, sa.and_(orders.c.state == LEASED, lapsed))


def renew(connection: sa.Connection, order_id: int, worker: str, lease_s: float) -> bool:
    """Whether the worker still holds the order, now for `lease_s` from now."""
    clock, now_s = lease_clock(connection)
    done = connection.execute(
        orders.update()
        .where(orders.c.id == order_id, orders.c.state == LEASED, orders.c.worker == worker)
        .values(lease_clock=clock, lease_until_s=now_s + lease_s)
    )
    return done.rowcount == 1


def close(connection: sa.Connection, order_id: int, worker: str) -> bool:
    """Marks an order done; False where it was. The row is stored in the same transaction."""
    done = connection.execute(
        orders.update()
        .where(orders.c.id == order_id, orders.c.state != DONE)
        .values(state=DONE, worker=worker, lease_clock=None, lease_until_s=None)
    )
    if done.rowcount == 0:
        _require(connection, order_id)
    return done.rowcount == 1


def adopt(connection: sa.Connection, order_id: int, measurement_id: int) -> bool:
    """Ends an order by a row of no order; False where either belongs to somebody already."""
    free = sa.select(measurements.c.id).where(
        measurements.c.id == measurement_id, measurements.c.order_id.is_(None)
    )
    if connection.execute(free).first() is None or not close(connection, order_id, KNOWN):
        return False
    connection.execute(
        measurements.update().where(measurements.c.id == measurement_id).values(order_id=order_id)
    )
    return True


def fail(
    connection: sa.Connection, order_id: int, worker: str, failure: Mapping[str, Any], retry: bool
) -> bool:
    """Keeps the failure of an order not yet done; frees or ends it where the worker holds it."""
    found = _require(connection, order_id, lock=True)
    if found.state == DONE:
        return False
    _record(connection, found, failure, worker)
    if found.state != LEASED or found.worker != worker:
        return False
    connection.execute(
        orders.update()
        .where(orders.c.id == order_id)
        .values(**FREED | {"state": WAITING if retry else FAILED})
    )
    return True


def release(connection: sa.Connection, order_id: int, worker: str) -> bool:
    """Gives an order back untried: Ctrl-C is no failure and no attempt."""
    done = connection.execute(
        orders.update()
        .where(orders.c.id == order_id, orders.c.state == LEASED, orders.c.worker == worker)
        .values(**FREED, attempts=orders.c.attempts - 1)
    )
    return done.rowcount == 1


def reopen(connection: sa.Connection, campaign_id: int) -> int:
    """Lets failed orders be tried again; returns how many."""
    done = connection.execute(
        orders.update()
        .where(orders.c.campaign_id == campaign_id, orders.c.state == FAILED)
        .values(state=WAITING, attempts=0)
    )
    return done.rowcount


def claims(connection: sa.Connection, campaign_id: int) -> list[Claim]:
    """Every held order, in the order of the plan."""
    clock, now_s = lease_clock(connection)
    left_s = sa.case((orders.c.lease_clock == clock, orders.c.lease_until_s - now_s), else_=-1.0)
    found = connection.execute(
        sa.select(orders.c.id, orders.c.worker, left_s.label("left_s"))
        .where(orders.c.campaign_id == campaign_id, orders.c.state == LEASED)
        .order_by(orders.c.position)
    )
    return [Claim(order_id=row.id, worker=row.worker, left_s=row.left_s) for row in found]


def wanted(connection: sa.Connection, campaign_id: int) -> list[Wanted]:
    """Every order in the order of the plan; one whose lease has lapsed is waiting."""
    free = _free(*lease_clock(connection))
    found = connection.execute(
        sa.select(orders.c.id, orders.c.build, orders.c.request, orders.c.state, free.label("free"))
        .where(orders.c.campaign_id == campaign_id)
        .order_by(orders.c.position)
    )
    return [
        Wanted(
            order_id=row.id,
            state=WAITING if row.free else row.state,
            build=json.loads(row.build),
            request=json.loads(row.request),
        )
        for row in found
    ]


def remaining(connection: sa.Connection, campaign_id: int) -> list[Remaining]:
    """What waits, lapsed leases included, by build in the order of the plan."""
    found = connection.execute(
        sa.select(
            sa.func.min(orders.c.build).label("build"),
            sa.func.count().label("waiting"),
            sa.func.coalesce(sa.func.sum(orders.c.expected_s), 0.0).label("expected_s"),
        )
        .where(orders.c.campaign_id == campaign_id, _free(*lease_clock(connection)))
        .group_by(orders.c.build_digest)
        .order_by(sa.func.min(orders.c.position))
    )
    return [
        Remaining(build=json.loads(row.build), waiting=row.waiting, expected_s=row.expected_s)
        for row in found
    ]


def abandon(connection: sa.Connection, campaign_id: int, worker: str) -> int:
    """Frees what a dead worker holds, with a failure for each; returns how many there were."""
    mine = (orders.c.campaign_id == campaign_id, orders.c.state == LEASED)
    found = connection.execute(
        sa.select(orders).where(*mine, orders.c.worker == worker).with_for_update()
    ).all()
    for order in found:
        _record(connection, order, {"cause": DIED, "detail": f"{worker} ended without a word"})
        connection.execute(orders.update().where(orders.c.id == order.id).values(**FREED))
    return len(found)


def progress(connection: sa.Connection, campaign_id: int) -> Progress:
    name = connection.execute(
        sa.select(campaigns.c.name).where(campaigns.c.id == campaign_id)
    ).scalar()
    if name is None:
        raise InputError(f"no campaign {campaign_id} in this store")
    counts = connection.execute(
        sa.select(orders.c.state, sa.func.count(), sa.func.sum(orders.c.expected_s))
        .where(orders.c.campaign_id == campaign_id)
        .group_by(orders.c.state)
    ).all()
    number = {state: count for state, count, _ in counts}
    seconds = {state: expected or 0.0 for state, _, expected in counts}
    return Progress(
        campaign_id=campaign_id,
        name=name,
        total=sum(number.values()),
        **{state: number.get(state, 0) for state in STATES},
        expected_s=sum(seconds.values()),
        expected_left_s=seconds.get(WAITING, 0.0) + seconds.get(LEASED, 0.0),
        **_measured(connection, campaign_id),
        workers=tuple(sorted({claim.worker for claim in claims(connection, campaign_id)})),
    )


def _measured(connection: sa.Connection, campaign_id: int) -> dict[str, Any]:
    latency_s, energy_wh = measurements.c.latency_s, measurements.c.energy_wh_gpu
    found = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(latency_s), 0.0), sa.func.sum(energy_wh))
        .join(orders, measurements.c.order_id == orders.c.id)
        .where(orders.c.campaign_id == campaign_id)
    ).one()
    return {"latency_s": found[0], "energy_wh_gpu": found[1]}


def all_failures(connection: sa.Connection, campaign_id: int) -> list[Failure]:
    """Every failed try of a campaign, oldest first."""
    found = connection.execute(
        sa.select(failures, orders.c.position)
        .join(orders, failures.c.order_id == orders.c.id)
        .where(orders.c.campaign_id == campaign_id)
        .order_by(failures.c.id)
    )
    return [
        Failure(
            order_id=row.order_id,
            position=row.position,
            worker=row.worker,
            attempt=row.attempt,
            failed_at=row.failed_at,
            failure=json.loads(row.failure),
        )
        for row in found
    ]


def _record(
    connection: sa.Connection,
    order: Any,
    failure: Mapping[str, Any],
    worker: str | None = None,
) -> None:
    connection.execute(
        failures.insert().values(
            order_id=order.id,
            worker=worker or order.worker,
            attempt=order.attempts,
            failed_at=now(),
            failure=json.dumps(failure, allow_nan=False),
        )
    )


def _require(connection: sa.Connection, order_id: int, lock: bool = False) -> Any:
    chosen = sa.select(orders).where(orders.c.id == order_id)
    found = connection.execute(chosen.with_for_update() if lock else chosen).first()
    if found is None:
        raise InputError(f"no order {order_id} in this store")
    return found


def _order(row: Any, attempts: int) -> Order:
    return Order(
        order_id=row.id,
        campaign_id=row.campaign_id,
        position=row.position,
        build=json.loads(row.build),
        request=json.loads(row.request),
        expected_s=row.expected_s,
        attempts=attempts,
    )
