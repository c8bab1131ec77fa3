"""Rows in the order in which they were taken: states of the clock, drift, cold starts, time of day."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from statistics import fmean, median

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, lines
from kinowatt.analysis.audit.flags import Flag, ranges
from kinowatt.analysis.audit.levels import Level, Standing, row_sigma
from kinowatt.analysis.audit.registry import detector
from kinowatt.analysis.audit.states import State, states_of
from kinowatt.facts.throttling import shown


def _at_the_limit(level: Level) -> list[Standing]:
    """Rows that should all draw about the same: those predicted to be near the most."""
    known = [item for item in level.standings if item.power is not None]
    if not known:
        return []
    most = max(item.forecast.power_w for item in known)
    return [item for item in known if item.forecast.power_w >= (1 - at.SATURATED) * most]


@detector(
    "states",
    "rows taken at another state of the clock",
    f"{at.STATE_ROWS} or more rows one after another, predicted to draw alike, whose power is "
    f"{at.STATE_POWER:.1%} or more off that of most",
)
def states(case: Case) -> Iterator[Flag]:
    for level in case.levels:
        rows = _at_the_limit(level)
        found = states_of([item.row.power_w or 1.0 for item in rows])
        if len(found) < 2:
            continue
        groups = [(state, [rows[index] for index in state.members]) for state in found]
        usual = min(groups, key=lambda group: abs(_mean_power(group[1])))
        for state, items in groups:
            if len(items) < at.STATE_ROWS or state is usual[0]:
                continue
            if _by_the_clock(items, usual[1]):
                yield _state_flag(level, state, usual[0], items)


def _mean_power(items: Sequence[Standing]) -> float:
    return median(item.power or 0.0 for item in items)


def _by_the_clock(items: Sequence[Standing], usual: Sequence[Standing]) -> bool:
    """Whether power differs beyond its prediction, and time the other way."""
    power = _mean_power(items) - _mean_power(usual)
    time = median(item.time for item in items) - median(item.time for item in usual)
    return abs(power) > at.STATE_POWER / 2 and power * time < 0


def _state_flag(level: Level, state: State, usual: State, items: Sequence[Standing]) -> Flag:
    chosen = [item.row for item in items]
    time = math.exp(median(item.time for item in items))
    slower = "longer" if time > 1 else "shorter"
    return Flag(
        kind="states",
        severity="warning",
        what=f"{level.model}: another clock state, {state.level:,.0f} W where most draw "
        f"{usual.level:,.0f} W",
        lines=lines(chosen),
        evidence={
            "power_w": state.level,
            "usual_power_w": usual.level,
            "time_over_expected": time,
            **_along(level, chosen),
        },
        suggestion=f"{abs(time - 1):.1%} {slower} than the rest: fix the clock or measure again; "
        "do not fit one constant over both",
    )


def _along(level: Level, chosen: Sequence[Row]) -> dict[str, str]:
    """Where on the swept axis the rows are: frames or steps, whichever differs in the sweep."""
    for name in ("frames", "steps"):
        if len({row.claim.workload.get(name) for row in level.rows}) > 1:
            return {name: ranges([int(row.claim.workload.get(name, 0)) for row in chosen])}
    return {}


@detector(
    "throttled",
    "single rows slowed down at less power",
    f"{at.SLOWED:.0%} longer and {at.WEAKER:.0%} less power than the file's level, fewer than "
    f"{at.STATE_ROWS} rows on end; or the driver said so while a row ran",
)
def throttled(case: Case) -> Iterator[Flag]:
    yield from _told(case)
    for level in case.levels:
        slow = [_slowed(level, item) for item in level.standings]
        for index, item in enumerate(level.standings):
            if slow[index] and index and not _inside_a_run(slow, index):
                yield Flag(
                    kind="throttled",
                    severity="warning",
                    what="slower at less power: throttled, or the GPU waited",
                    lines=(item.row.line,),
                    evidence={
                        "time_over_expected": math.exp(item.time),
                        "power_over_expected": math.exp(item.power or 0.0),
                    },
                    suggestion="look at temperature, power cap and other work; measure again",
                )


def _told(case: Case) -> Iterator[Flag]:
    """Rows whose driver told of a fault; their times are held against nothing."""
    for row in case.rows:
        if found := row.claim.throttled:
            yield Flag(
                kind="throttled",
                severity="error",
                what=f"the GPU was throttled while it ran: {shown(found)} of the time",
                lines=(row.line,),
                evidence={"latency_s": row.latency_s, "power_w": row.power_w},
                suggestion="leave it out: check cooling and power supply, then measure again",
            )


def _slowed(level: Level, item: Standing) -> bool:
    if not level.own_level and len(level.rows) < at.REPEATS:
        return False
    sigma = 3 * row_sigma(level.scatter, item)
    weak = item.power is not None and item.power < math.log(1 - at.WEAKER)
    return weak and item.time > max(math.log(1 + at.SLOWED), sigma)


def _inside_a_run(slow: Sequence[bool], index: int) -> bool:
    run = 1
    for step in (-1, 1):
        at_row = index + step
        while 0 <= at_row < len(slow) and slow[at_row]:
            run += 1
            at_row += step
    return run >= at.STATE_ROWS


@detector(
    "cold-row",
    "a first row that is slow for want of a warm-up",
    f"the first row of a model is {at.COLD:.0%} or more longer than the file's level, at less power",
)
def cold(case: Case) -> Iterator[Flag]:
    for level in case.levels:
        if not level.standings or not (level.own_level or len(level.rows) >= at.REPEATS):
            continue
        first = min(level.standings, key=lambda item: item.row.line)
        weaker = first.power is None or first.power < -at.SCATTER
        least = max(math.log(1 + at.COLD), 3 * row_sigma(level.scatter, first))
        if first.time > least and weaker and not first.row.claim.warmup_runs:
            yield Flag(
                kind="cold-row",
                severity="warning",
                what=f"{level.model}: the first row is slow, and no warm-up is stated",
                lines=(first.row.line,),
                evidence={
                    "time_over_expected": math.exp(first.time),
                    "power_over_expected": math.exp(first.power or 0.0),
                },
                suggestion="run the same video once before, and leave the first out",
            )


@detector(
    "drift",
    "equal videos that get slower or faster from first to last",
    f"{at.REPEATS} or more rows of equal settings: a trend of {at.DRIFT:.0%} and {at.DRIFT_SIGMAS:g} "
    "standard errors",
)
def drift(case: Case) -> Iterator[Flag]:
    for rows in case.by(lambda row: row.key).values():
        if len(rows) < at.REPEATS:
            continue
        trend, error = _trend([math.log(row.latency_s) for row in rows])
        if abs(trend) > at.DRIFT and abs(trend) > at.DRIFT_SIGMAS * error:
            yield Flag(
                kind="drift",
                severity="warning",
                what=f"time {'grows' if trend > 0 else 'falls'} from the first row to the last",
                lines=lines(rows),
                evidence={"change": math.exp(trend) - 1, "standard_error": error},
                suggestion="not settled: warm up longer, and report rows after it settles",
            )


def _trend(values: Sequence[float]) -> tuple[float, float]:
    """Change from first to last by least squares, and its standard error."""
    n = len(values)
    xs = [index / (n - 1) - 0.5 for index in range(n)]
    mean = fmean(values)
    spread = sum(x * x for x in xs)
    slope = sum(x * (v - mean) for x, v in zip(xs, values, strict=True)) / spread
    rest = sum((v - mean - slope * x) ** 2 for x, v in zip(xs, values, strict=True))
    return slope, math.sqrt(rest / (n - 2) / spread)


@detector(
    "order",
    "times of day out of order, or closer together than the rows took",
    f"rows that break an otherwise rising order; less than {at.OVERLAP:g} x the shorter time "
    "of two rows between them",
)
def order(case: Case) -> Iterator[Flag]:
    timed = [(row, when) for row in case.rows if (when := _when(row.claim.taken_at))]
    if len(timed) < 4:
        return
    rising = sum(b[1] > a[1] for a, b in pairwise(timed))
    if rising >= 0.5 * len(timed):
        stray = _not_rising([when for _, when in timed])
        if stray:
            yield Flag(
                kind="order",
                severity="warning",
                what="taken at times of day that break the order of the file",
                lines=lines(timed[index][0] for index in stray),
                evidence={"rows": len(stray)},
                suggestion="sort by time, or correct the times; the order tells of drift and states",
            )
    close = [one for one, other in pairwise(timed) if _too_close(one, other)]
    if len(close) > len(timed) / 4:
        yield Flag(
            kind="order",
            severity="warning",
            what="taken closer together than their times allow on one GPU",
            lines=lines(row for row, _ in timed),
            evidence={"pairs": len(close)},
            suggestion="say whether several GPUs ran, or what the time of day is of",
        )


def _when(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.replace(tzinfo=None) if found.utcoffset() is None else found


def _not_rising(times: Sequence[datetime]) -> list[int]:
    """Positions outside of one longest rising sequence."""
    try:
        keys = [when.timestamp() for when in times]
    except (OverflowError, OSError):
        return []
    tails: list[float] = []
    where: list[int] = []
    before: list[int] = []
    for index, key in enumerate(keys):
        spot = bisect_left(tails, key + 1e-9)
        before.append(where[spot - 1] if spot else -1)
        if spot == len(tails):
            tails.append(key)
            where.append(index)
        else:
            tails[spot], where[spot] = key, index
    kept, index = set(), where[-1]
    while index >= 0:
        kept.add(index)
        index = before[index]
    stray = {index for index in range(len(keys)) if index not in kept}
    return sorted(index for index in stray if not _in_a_session(stray, keys, index))


def _in_a_session(stray: set[int], keys: Sequence[float], index: int) -> bool:
    """Whether a stray is one of several on end that rise among themselves: a file of two parts."""
    start = end = index
    while start - 1 in stray and keys[start - 1] < keys[start]:
        start -= 1
    while end + 1 in stray and keys[end + 1] > keys[end]:
        end += 1
    return end - start + 1 >= at.SESSION


def _too_close(one: tuple[Row, datetime], other: tuple[Row, datetime]) -> bool:
    """Two rows of one GPU nearer than the shorter took; rows composed of samples take less."""
    rows = (one[0], other[0])
    if any(row.claim.rest.get("protocol") == "sampled" for row in rows):
        return False
    gap = other[1].timestamp() - one[1].timestamp()
    return 0 < gap < at.OVERLAP * min(row.latency_s for row in rows)
