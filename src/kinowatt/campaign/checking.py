"""A plan held against what pipelines accept: rows that run, duplicates, what would be changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.campaign.expand import Row, count, exclusions, expand, title
from kinowatt.campaign.outlook import Outlook, Outlooks
from kinowatt.campaign.plan import Plan
from kinowatt.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A row to be measured, with its outlook; `also`: rows that would run the very same."""

    row: Row
    outlook: Outlook
    also: tuple[Row, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a plan comes to. `rows`: before anything is excluded. `unused`: dead exclusions.
    `known`: orders left out since a store has their rows."""

    plan: Plan
    rows: int
    excluded: int
    orders: tuple[Order, ...]
    unused: tuple[str, ...]
    known: int = 0

    @property
    def duplicates(self) -> int:
        return sum(len(order.also) for order in self.orders)

    def too_large(self) -> tuple[Order, ...]:
        """What would not fit in memory, as predicted."""
        return tuple(order for order in self.orders if order.outlook.fits is False)


def check(plan: Plan, outlooks: Outlooks) -> Checked:
    """All rows of a plan; `InputError` for one that no pipeline takes, or where none is left."""
    met: set[tuple[int, int]] = set()
    alike: dict[str, list[tuple[Row, Outlook]]] = {}
    kept = 0
    for row in expand(plan, met):
        kept += 1
        found = _outlook(plan, row, outlooks)
        alike.setdefault(found.same, []).append((row, found))
    if not alike:
        raise InputError(f"{plan.plan}: every row is excluded, nothing is left to measure")
    return Checked(
        plan=plan,
        rows=count(plan),
        excluded=count(plan) - kept,
        orders=tuple(_order(rows) for rows in alike.values()),
        unused=tuple(
            f"{title(plan, block)}, exclude[{entry}]"
            for block, entry in sorted(exclusions(plan) - met)
        ),
    )


def _outlook(plan: Plan, row: Row, outlooks: Outlooks) -> Outlook:
    try:
        return outlooks.of(row.build, row.request)
    except InputError as error:
        place = f"{plan.plan}, {title(plan, row.block)}"
        hint = " (or exclude it)"
        raise InputError(f"{place}: {row.model} {_short(row.request)}: {error}{hint}") from None


def _order(rows: list[tuple[Row, Outlook]]) -> Order:
    """One of rows that run the same: the one that asks for what runs, else the first."""
    chosen = next((index for index, (_, found) in enumerate(rows) if not found.changes), 0)
    row, found = rows[chosen]
    also = tuple(other for index, (other, _) in enumerate(rows) if index != chosen)
    return Order(row=row, outlook=found, also=also)


def _short(request: Mapping[str, Any]) -> str:
    return (
        f"{request['height_px']}x{request['width_px']}, {request['frames']} frames,"
        f" {request['steps']} steps"
    )
