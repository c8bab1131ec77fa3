"""What a whole campaign costs before it starts: `sweep --dry-run`.

Ends of intervals are sums of the rows' ends, as if every prediction erred the same way: errors of
one model do go together, so these are wide rather than hopeful.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kinowatt.campaign.agenda import course, in_order
from kinowatt.campaign.checking import Checked, Order
from kinowatt.campaign.expand import title
from kinowatt.campaign.outlook import LEVELS, nested
from kinowatt.units import SECONDS_PER_HOUR, WH_PER_KWH

WORKERS = (1, 2, 4, 8)
LISTED = 8  # frame counts that one line tells
ENDS = ("expected", *(f"{level}_{end}" for level in LEVELS for end in ("low", "high")))
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

    `known`: orders that a store has rows of, in nothing else here.
    `gpu_h`: hours in which GPUs are held, starts of processes included. `energy_kwh`: of the
    GPUs while rows are measured, at the mean power of each video. `finish_h`: by number of GPUs.
    In no total: `unpredicted` rows (twins, CPUs), and those that are `too_large` for the memory.
    """

    plan: str
    about: str
    rows: int
    excluded: int
    to_measure: int
    duplicates: int
    known: int
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
    changed: tuple[str, ...]
    too_large: tuple[str, ...]
    unused_exclusions: tuple[str, ...]
    assumed: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As `sweep --dry-run --json` prints it: intervals by level, as in a prediction."""
        found = asdict(self)
        for name in ("gpu_h", "energy_kwh", "co2e_g", "cost_usd"):
            found[name] = _by_level(found[name])
        found["finish_h"] = {str(n): _by_level(ends) for n, ends in self.finish_h.items()}
        for part in found["parts"]:
            part["seconds"] = _by_level(part["seconds"])
            part["energy_wh"] = _by_level(part["energy_wh"])
        return {**found, "provenance": {"kind": "predicted", "energy_scope": "gpu"}}


def _by_level(ends: Mapping[str, float]) -> dict[str, Any] | None:
    if not ends:
        return None
    levels = {p: [ends[f"{p}_low"], ends[f"{p}_high"]] for p in LEVELS}
    return {"expected": ends["expected"], **levels}


def forecast(checked: Checked, workers: int, costing: Costing) -> Forecast:
    """Adds up what the outlooks of a plan's rows say."""
    known = in_order(o for o in checked.orders if o.outlook.expected_s is not None and _can_fit(o))
    counts = sorted({*WORKERS, workers}) if known else []
    courses = {n: {end: course(known, n, end) for end in ENDS} for n in counts}
    busy_s = nested({end: courses[1][end].busy_s for end in ENDS}) if known else {}
    energy_wh = _sum(known, "energy_wh")
    return Forecast(
        plan=checked.plan.plan,
        about=checked.plan.about,
        rows=checked.rows,
        excluded=checked.excluded,
        to_measure=len(checked.orders),
        duplicates=checked.duplicates,
        known=checked.known,
        builds=len({order.row.key for order in checked.orders}),
        unpredicted=sum(order.outlook.expected_s is None for order in checked.orders),
        gpu_h=_scaled(busy_s, SECONDS_PER_HOUR),
        energy_kwh=_scaled(energy_wh, WH_PER_KWH),
        co2e_g=_asked({end: costing.co2e_g(energy_wh[end], s) for end, s in busy_s.items()}),
        cost_usd=_asked({end: costing.cost_usd(s) for end, s in busy_s.items()}),
        finish_h={
            n: _scaled(nested({e: found.wall_s for e, found in ends.items()}), SECONDS_PER_HOUR)
            for n, ends in courses.items()
        },
        longest_s=max((order.outlook.seconds["expected"] for order in known), default=None),
        parts=tuple(_parts(checked)),
        same=tuple(_same(checked.orders)),
        changed=tuple(_changed(checked.orders)),
        too_large=tuple(_large(order) for order in checked.too_large()),
        unused_exclusions=checked.unused,
        assumed=costing.shown,
    )


def _can_fit(order: Order) -> bool:
    return order.outlook.fits is not False


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
        known = [o for o in orders if o.outlook.expected_s is not None and _can_fit(o)]
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
        rows, chosen = (order.row, *order.also), order.row.request
        unlike = [n for n in chosen if any(row.request.get(n) != chosen[n] for row in rows)]
        told = [f"{len(rows)} times {described(order)}"] if not unlike else []
        for name in unlike:
            values = sorted({row.request[name] for row in rows})
            told.append(f"{name} {', '.join(map(str, values))} run as {chosen[name]}")
        yield f"{order.row.model}: {'; '.join(told)}"


def described(order: Order) -> str:
    request = order.row.request
    size = f"{request['height_px']}x{request['width_px']}"
    return f"{size}, {request['frames']} frames, {request['steps']} steps"


def _changed(orders: Iterable[Order]) -> Iterable[str]:
    """What pipelines would change, the frames of a model together."""
    frames: dict[str, dict[int, int]] = {}
    others: dict[str, int] = {}
    for order in orders:
        for code, text in order.outlook.changes.items():
            if code == "frames_rounded":
                asked = order.row.request["frames"]
                frames.setdefault(order.row.model, {})[asked] = order.outlook.frames
            else:
                others[text] = others.get(text := f"{order.row.model}: {text}", 0) + 1
    for name, pairs in frames.items():
        told = [f"{asked} to {got}" for asked, got in sorted(pairs.items())]
        more = f", … ({len(told)} in all)" if len(told) > LISTED else ""
        yield f"{name}: frames {', '.join(told[:LISTED])}{more}"
    for text, rows in others.items():
        yield f"{text} ({rows} rows)" if rows > 1 else text


def _large(order: Order) -> str:
    gib = order.outlook.peak_memory_gib
    assert gib is not None
    batch = order.row.request["batch_size"]
    many = f", batch {batch}" if batch > 1 else ""
    return f"{order.row.model} {described(order)}{many}: {gib:.1f} GiB predicted"
