"""Rows into the tables: one of an order, or many of a file."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa

from kinowatt.campaign.entry import Entry, differences
from kinowatt.campaign.schema import documents, measurements
from kinowatt.errors import InputError

BATCH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """How many rows were stored, and how many were there already."""

    added: int
    known: int


def add(connection: sa.Connection, entries: Iterable[Entry]) -> Added:
    """Stores the entries that are not yet there; `InputError` for one that contradicts another."""
    added = known = 0
    rest = iter(entries)
    while batch := list(islice(rest, BATCH)):
        fresh = _fresh(connection, batch)
        insert(connection, fresh)
        added += len(fresh)
        known += len(batch) - len(fresh)
    return Added(added=added, known=known)


def insert(
    connection: sa.Connection, entries: Sequence[Entry], order_id: int | None = None
) -> None:
    """Stores entries with their texts, known or not."""
    if not entries:
        return
    ids = _new_ids(connection, len(entries))
    connection.exec_driver_sql(
        _insertion(connection, measurements),
        [
            found.columns | {"id": number, "order_id": order_id}
            for number, found in zip(ids, entries, strict=True)
        ],
    )
    connection.exec_driver_sql(
        _insertion(connection, documents),
        [
            {"measurement_id": number, "document": found.document}
            for number, found in zip(ids, entries, strict=True)
        ],
    )


def _insertion(connection: sa.Connection, table: sa.Table) -> str:
    """The statement as the driver takes it: SQLAlchemy would go through each row's values again."""
    return str(table.insert().compile(dialect=connection.dialect))


def _new_ids(connection: sa.Connection, number: int) -> list[int]:
    """Chosen here, since asking for each row's own costs a statement a row."""
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence("measurements", "id")
        series = sa.func.generate_series(1, number).table_valued("n")
        drawn = sa.select(sa.func.nextval(sequence)).select_from(series)
        return [int(value) for value in connection.execute(drawn).scalars()]
    # Nobody else writes before this transaction ends
    last = connection.execute(sa.select(sa.func.max(measurements.c.id))).scalar() or 0
    return list(range(last + 1, last + number + 1))


def _fresh(connection: sa.Connection, batch: Sequence[Entry]) -> list[Entry]:
    """Those that are neither stored nor given before in the batch."""
    digests = list({found.columns["digest"] for found in batch})
    stored = connection.execute(
        sa.select(measurements.c.digest, documents.c.document)
        .join(documents, documents.c.measurement_id == measurements.c.id)
        .where(_among(connection, measurements.c.digest, digests))
    )
    seen: dict[str, str] = {name: document for name, document in stored}  # noqa: C416 (rows)
    fresh = []
    for found in batch:
        name = found.columns["digest"]
        if name not in seen:
            seen[name] = found.document
            fresh.append(found)
        elif seen[name] != found.document:
            _refuse_contradiction(seen[name], found)
    return fresh


def _among(
    connection: sa.Connection, column: sa.Column[str], texts: list[str]
) -> sa.ColumnElement[bool]:
    """`column IN texts` by one parameter: spelling out one for each takes longer than the search."""
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.literal(texts, sa.ARRAY(sa.Text)))
    listed = sa.func.json_each(json.dumps(texts)).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def _refuse_contradiction(document: str, given: Entry) -> None:
    """The same measurement in another spelling is known; with other values it is not that row."""
    if names := differences(json.loads(document), json.loads(given.document)):
        row = given.columns
        raise InputError(
            f"the row of {row['model']} taken at {row['taken_at']} is there already, but with"
            f" another {', '.join(names[:3])}; nothing was stored: leave out one of the two"
        )
