"""What a whole campaign costs before it starts: `sweep --dry-run`.

Ends of intervals are sums of the rows' ends, as if every prediction erred the same way: errors of
one model do go together, so these are wide rather than hopeful.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.campaign.agenda import course
from kinowatt.campaign.checking import Checked, Order
from kinowatt.campaign.expand import title
from kinowatt.units import SECONDS_PER_HOUR, WH_PER_KWH

WORKERS = (1, 2, 4, 8)
ENDS = ("expected", "80_low", "80_high", "95_low", "95_high")
# (watt-hours of the GPUs, seconds of GPU time) → grams; seconds of GPU time → USD; None: not asked
Emissions = Callable[[float, float], float | None]
Money = Callable[[float], float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Costing:
    """How seconds and watt-hours become grams and money, and what that rests on."""

    co2e_g: Emissions
    cost_usd: Money
    shown: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The rows of one model in one block."""

    block: str
    model: str
    rows: int
    duplicates: int
    builds: int
    seconds: Mapping[str, float]
    energy_wh: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Totals by end (`expected`, `80_low`, …); empty where nothing is predicted.

    `gpu_h`: hours in which GPUs are held, starts of processes included. `energy_kwh`: of the
    GPUs while rows are measured, at the mean power of each video. `finish_h`: by number of GPUs.
    `unpredicted`: rows that are in no total (twins, CPUs).
    """

    plan: str
    about: str
    rows: int
    excluded: int
    to_measure: int
    duplicates: int
    builds: int
    unpredicted: int
    gpu_h: Mapping[str, float]
    energy_kwh: Mapping[str, float]
    co2e_g: Mapping[str, float]
    cost_usd: Mapping[str, float]
    finish_h: Mapping[int, Mapping[str, float]]
    longest_s: float | None
    parts: tuple[Part, ...]
    same: tuple[str, ...]
    changed: Mapping[str, int]
    too_large: tuple[str, ...]
    unused_exclusions: tuple[str, ...]
    assumed: Mapping[str, Any]


def forecast(checked: Checked, workers: int, costing: Costing) -> Forecast:
    """Adds up what the outlooks of a plan's rows say."""
    known = [order for order in checked.orders if order.outlook.expected_s is not None]
    counts = sorted({*WORKERS, workers}) if known else []
    courses = {n: {end: course(known, n, end) for end in ENDS} for n in counts}
    busy_s = {end: courses[1][end].busy_s for end in ENDS} if known else {}
    energy_wh = _sum(known, "energy_wh")
    return Forecast(
        plan=checked.plan.plan,
        about=checked.plan.about,
        rows=checked.rows,
        excluded=checked.excluded,
        to_measure=len(checked.orders),
        duplicates=checked.duplicates,
        builds=len({order.row.key for order in checked.orders}),
        unpredicted=len(checked.orders) - len(known),
        gpu_h=_scaled(busy_s, SECONDS_PER_HOUR),
        energy_kwh=_scaled(energy_wh, WH_PER_KWH),
        co2e_g=_asked({end: costing.co2e_g(energy_wh[end], s) for end, s in busy_s.items()}),
        cost_usd=_asked({end: costing.cost_usd(s) for end, s in busy_s.items()}),
        finish_h={
            n: _scaled({end: found.wall_s for end, found in ends.items()}, SECONDS_PER_HOUR)
            for n, ends in courses.items()
        },
        longest_s=max((order.outlook.seconds["expected"] for order in known), default=None),
        parts=tuple(_parts(checked)),
        same=tuple(_same(checked.orders)),
        changed=checked.changed(),
        too_large=tuple(_large(order) for order in checked.too_large()),
        unused_exclusions=checked.unused,
        assumed=costing.shown,
    )


def _asked(values: Mapping[str, float | None]) -> dict[str, float]:
    return {end: value for end, value in values.items() if value is not None}


def _scaled(values: Mapping[str, float], unit: float) -> dict[str, float]:
    return {end: value / unit for end, value in values.items()}


def _sum(orders: Sequence[Order], name: str) -> dict[str, float]:
    if not orders:
        return {}
    return {end: sum(getattr(order.outlook, name)[end] for order in orders) for end in ENDS}


def _parts(checked: Checked) -> Iterable[Part]:
    groups: dict[tuple[int, str], list[Order]] = {}
    for order in checked.orders:
        groups.setdefault((order.row.block, order.row.model), []).append(order)
    for (block, model), orders in sorted(groups.items(), key=lambda item: item[0][0]):
        known = [order for order in orders if order.outlook.expected_s is not None]
        yield Part(
            block=title(checked.plan, block),
            model=model,
            rows=len(orders),
            duplicates=sum(len(order.also) for order in orders),
            builds=len({order.row.key for order in orders}),
            seconds=_sum(known, "seconds"),
            energy_wh=_sum(known, "energy_wh"),
        )


def _same(orders: Iterable[Order]) -> Iterable[str]:
    """Rows that would run the same, by what tells them apart."""
    for order in orders:
        if not order.also:
            continue
        rows = (order.row, *order.also)
        first = rows[0].request
        unlike = [n for n in first if any(row.request.get(n) != first[n] for row in rows)]
        if unlike:
            told = "; ".join(
                f"{name} {', '.join(str(row.request.get(name)) for row in rows)}"
                for name in unlike
            )
        else:
            told = f"{len(rows)} times the same row"
        yield f"{order.row.model}: {told} run as one"


def _large(order: Order) -> str:
    request, outlook = order.row.request, order.outlook
    assert outlook.peak_memory_gib is not None
    return (
        f"{order.row.model} {request['height_px']}x{request['width_px']}, {request['frames']}"
        f" frames, batch {request['batch_size']}: {outlook.peak_memory_gib:.1f} GiB predicted"
    )
