"""Rows out of a store: filters, pages with a cursor, and summaries of rows that are alike."""

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from kinowatt.campaign.entry import instant
from kinowatt.campaign.schema import documents, measurements, orders
from kinowatt.errors import InputError, unknown_name
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import row_of

COLUMNS = (
    *("model", "gpu", "protocol", "recipe", "height_px", "width_px", "frames", "steps"),
    *("batch_size", "torch", "taken_at", "latency_s", "energy_wh_gpu"),
)
FILTERS = (*COLUMNS, "size", "campaign")
COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_FILTER = re.compile(r"\s*([\w.-]+?)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*", re.DOTALL)
MAX_PAGE = 10_000

# What a user gives: texts like "steps>=20", or values by name (a list: any of them)
Filters = Sequence[str] | Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRow:
    """A row and where it is: `id` in this store, `digest` the same in every store."""

    id: int
    digest: str
    order_id: int | None
    row: Measurement


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A row's text; `alike`: equal for rows that may be averaged."""

    digest: str
    alike: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Rows in the order in which they were stored; `after` asks for the next, None at the end."""

    rows: tuple[StoredRow, ...]
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Rows under like conditions, which alone may be averaged: times in s, energy of the GPU."""

    model: str
    gpu: str
    protocol: str
    recipe: str
    size: str
    frames: int
    steps: int
    batch_size: int
    torch: str | None
    n: int
    latency_s_mean: float
    latency_s_min: float
    latency_s_max: float
    energy_wh_gpu_mean: float | None
    n_energy: int
    taken_first: str
    taken_last: str


def page(connection: sa.Connection, filters: Filters, after: str | None, limit: int) -> Page:
    """At most `limit` rows behind the cursor `after`."""
    if not 1 <= limit <= MAX_PAGE:
        raise InputError(f"limit must be from 1 to {MAX_PAGE:,}, not {limit}")
    found = connection.execute(_behind(_cursor(after), filters, limit + 1)).all()
    rows = tuple(_stored(row) for row in found[:limit])
    return Page(rows=rows, after=str(rows[-1].id) if len(found) > limit else None)


def documents_page(
    connection: sa.Connection, filters: Filters, after: int, limit: int
) -> Sequence[Any]:
    """`id`, `digest`, `alike` and `document` of rows behind an id."""
    return connection.execute(_behind(after, filters, limit)).all()


def _behind(after: int, filters: Filters, limit: int) -> sa.Select[Any]:
    """Rows behind an id with their texts, which are looked up only once the rows are chosen."""
    row = measurements.c
    chosen = (
        sa.select(row.id, row.digest, row.order_id, row.alike)
        .where(row.id > after, *conditions(filters))
        .order_by(row.id)
        .limit(limit)
        .subquery()
    )
    return (
        sa.select(*chosen.c, documents.c.document)
        .join(documents, documents.c.measurement_id == chosen.c.id)
        .order_by(chosen.c.id)
    )


def one(connection: sa.Connection, name: str) -> StoredRow:
    """A row by its id, or by the start of its digest (at least four letters)."""
    chosen = measurements.c.digest.startswith(name, autoescape=True)
    if name.isdecimal() and len(name) < 16:
        chosen = (
            sa.or_(measurements.c.id == int(name), chosen)
            if len(name) > 3
            else (measurements.c.id == int(name))
        )
    elif len(name) < 4:
        raise InputError(f"{name!r} is no id and too short for a digest (at least 4 letters)")
    found = connection.execute(
        sa.select(
            measurements.c.id, measurements.c.digest, measurements.c.order_id, documents.c.document
        )
        .join(documents, documents.c.measurement_id == measurements.c.id)
        .where(chosen)
        .order_by(measurements.c.id)
        .limit(3)
    ).all()
    exact = [row for row in found if str(row.id) == name]
    found = exact or found
    if not found:
        raise InputError(f"no row {name!r} in this store; `kinowatt store list` shows the ids")
    if len({row.digest for row in found}) > 1:
        several = ", ".join(str(row.id) for row in found)
        raise InputError(f"{name!r} is the start of several rows: {several}; give an id")
    return _stored(found[0])


def summary(connection: sa.Connection, filters: Filters) -> list[Group]:
    """One group for each set of rows that are alike, the largest first."""
    row = measurements.c
    shown = (*COLUMNS[:9], "torch")  # equal inside a group, so any one of them is each of them
    found = connection.execute(
        sa.select(
            *(sa.func.min(row[name]).label(name) for name in shown),
            sa.func.count().label("n"),
            sa.func.avg(row.latency_s).label("latency_s_mean"),
            sa.func.min(row.latency_s).label("latency_s_min"),
            sa.func.max(row.latency_s).label("latency_s_max"),
            sa.func.avg(row.energy_wh_gpu).label("energy_wh_gpu_mean"),
            sa.func.count(row.energy_wh_gpu).label("n_energy"),
            sa.func.min(row.taken_at).label("taken_first"),
            sa.func.max(row.taken_at).label("taken_last"),
        )
        .where(*conditions(filters))
        .group_by(row.alike)
        .order_by(sa.desc("n"), sa.text("model"), sa.text("latency_s_min"))
    ).mappings()
    return [_group(dict(values)) for values in found]


def values(connection: sa.Connection, name: str) -> list[str]:
    """What rows have in a column of texts, in the order of the alphabet."""
    column = measurements.c[name]
    found = connection.execute(sa.select(column).where(column.is_not(None)).distinct()).scalars()
    return sorted(found)


def last(connection: sa.Connection) -> int:
    """The id of the newest row, 0 where there is none."""
    newest = sa.select(sa.func.max(measurements.c.id))
    return int(connection.execute(newest).scalar_one() or 0)


def count(connection: sa.Connection, filters: Filters) -> int:
    chosen = sa.select(sa.func.count()).select_from(measurements).where(*conditions(filters))
    return int(connection.execute(chosen).scalar_one())


def _group(values: dict[str, Any]) -> Group:
    height, width = values.pop("height_px"), values.pop("width_px")
    return Group(size=f"{height}x{width}", **values)


def _stored(row: Any) -> StoredRow:
    return StoredRow(
        id=row.id,
        digest=row.digest,
        order_id=row.order_id,
        row=row_of(row.document),
    )


def _cursor(after: str | None) -> int:
    if after is None:
        return 0
    if not after.isdecimal() or len(after) > 18:
        raise InputError(f"{after!r} is no cursor; `after` is what the page before gave")
    return int(after)


def conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """Filters as SQL; `InputError` offers the nearest name for an unknown one."""
    if not filters:
        return []
    if isinstance(filters, Mapping):
        return [_condition(name, "=", value) for name, value in filters.items()]
    return [_condition(*_parsed(text)) for text in filters]


def _parsed(text: str) -> tuple[str, str, str]:
    found = _FILTER.fullmatch(text)
    if not found:
        allowed = " ".join(COMPARISONS)
        raise InputError(f"filter {text!r} is not NAME, one of {allowed}, and a value: steps>=20")
    return found[1], found[2], found[3]


def _condition(name: str, sign: str, value: Any) -> sa.ColumnElement[bool]:
    if isinstance(value, list | tuple):
        return sa.or_(*(_condition(name, sign, item) for item in value)) if value else sa.false()
    if name == "size":
        return _size(sign, value)
    if name == "campaign":
        held = sa.select(orders.c.id).where(orders.c.campaign_id == _number(name, value, int))
        return _equal_only(name, sign, measurements.c.order_id.in_(held))
    if name not in COLUMNS:
        raise unknown_name("filter", name, FILTERS)
    column = measurements.c[name]
    return COMPARISONS[sign](column, _value(name, column, value))  # type: ignore[no-any-return]


def _value(name: str, column: sa.Column[Any], value: Any) -> Any:
    if isinstance(column.type, sa.Integer):
        return _number(name, value, int)
    if isinstance(column.type, sa.Double):
        return _number(name, value, float)
    if not str(value).isprintable():  # PostgreSQL takes no NUL
        raise InputError(f"filter {name}: {value!r:.80} has characters that no name has")
    if name != "taken_at":
        return str(value)
    try:
        return instant(value if "T" in value else f"{value}T00:00:00+00:00")
    except (TypeError, ValueError):
        raise InputError(f"filter taken_at: {value!r} is no date like 2026-11-23") from None


def _number(name: str, value: Any, kind: type) -> Any:
    try:
        found = kind(value)
    except (TypeError, ValueError, OverflowError):
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"filter {name}: {value!r} is not {wanted}") from None
    if not abs(found) < 2**31 and kind is int:
        raise InputError(f"filter {name}: {value} is out of range")
    return found


def _size(sign: str, value: Any) -> sa.ColumnElement[bool]:
    found = re.fullmatch(r"(\d{1,6})\s*[x×]\s*(\d{1,6})", str(value))
    if not found:
        raise InputError(f"filter size: {value!r} is not HEIGHTxWIDTH, like 480x832")
    height, width = int(found[1]), int(found[2])
    same = sa.and_(measurements.c.height_px == height, measurements.c.width_px == width)
    return _equal_only("size", sign, same)


def _equal_only(name: str, sign: str, same: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    if sign not in ("=", "!="):
        raise InputError(f"filter {name} takes = or !=, not {sign}")
    return same if sign == "=" else sa.not_(same)
