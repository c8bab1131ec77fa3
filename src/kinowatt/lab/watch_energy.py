"""Joules of watched calls: of each one by itself where it is long enough, else of all in one window.

Stages are told apart by instant power, scaled so that they add up to what the GPU's meter says of
the whole; what is too short to be told apart stays in `other`, which says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from kinowatt.lab.meters.contract import (
    MIN_WINDOW_STEPS,
    SCOPES,
    MeterUnavailable,
    Reading,
    Scope,
)
from kinowatt.lab.meters.registry import MeterSet, Readings, Windows
from kinowatt.lab.meters.sampler import Sampler, summary
from kinowatt.lab.stages import CallRecord, Span

GAPS_LIMIT = 0.02  # calls further apart than this share of the time are not one window
STEPS_PER_SPAN = 5
POWER = "power_instant_w"
Stretch = tuple[float, float]


@dataclass(slots=True)
class Watched:
    """A call that came to its end; `readings` of its own window once they were asked for."""

    record: CallRecord
    windows: Windows
    readings: Readings | None = None

    @property
    def stretch(self) -> Stretch:
        return self.record.start_s, self.record.stop_s

    def read(self, meters: MeterSet) -> Readings:
        """The readings of this call; those of the past do not change."""
        if self.readings is None:
            self.readings = meters.read(self.windows)
        return self.readings


@dataclass(frozen=True, slots=True)
class Block:
    """The whole `with` block: for meters whose windows cannot lie in one another."""

    seconds: float
    readings: Readings


@dataclass(frozen=True, kw_only=True, slots=True)
class Energy:
    """Joules of all calls in one scope, and of which stretches; None where `reason` says why."""

    joules: float | None = None
    reason: str | None = None
    meter: str | None = None
    method: str | None = None
    window: str | None = None
    stretches: tuple[Stretch, ...] = ()

    @property
    def by(self) -> dict[str, str | None]:
        return {"meter": self.meter, "method": self.method, "window": self.window}


def between_s(calls: Sequence[Watched]) -> float:
    """Seconds between the calls, from the start of the first to the end of the last."""
    return math.fsum(
        later.record.start_s - earlier.record.stop_s for earlier, later in pairwise(calls)
    )


def energies(
    calls: Sequence[Watched], meters: MeterSet, block: Block | None
) -> dict[Scope, Energy]:
    """Joules by scope of all calls together.

    A sensor that was given too short a window is not replaced by the model of a wider one.
    """
    if not calls:
        return {scope: Energy(reason="no call was made") for scope in SCOPES}
    each = [call.read(meters) for call in calls]
    own = tuple(call.stretch for call in calls)
    start_s, stop_s = own[0][0], own[-1][1]
    gaps = _gaps(calls, stop_s - start_s)
    looked_back = meters.read_past(start_s, stop_s) if len(calls) > 1 and not gaps else None
    filled = block is not None and block.seconds - (stop_s - start_s) <= GAPS_LIMIT * block.seconds
    around = block.readings if block is not None and filled and not gaps else None
    found: dict[Scope, Energy] = {}
    for scope in SCOPES:
        readings = [one.primary(scope) for one in each]
        tried = [_energy(readings, "each call", own)]
        for name, wider in (("all calls", looked_back), ("the block", around)):
            reading = wider.primary(scope) if wider is not None else None
            if reading is not None and (readings[0] is None or reading.meter == readings[0].meter):
                tried.append(_energy([reading], name, ((start_s, stop_s),)))
        found[scope] = _best([energy for energy in tried if energy], gaps) or Energy(
            reason=meters.why_none(scope)
            or "its meter sees only the whole block, most of which was no call"
        )
    return found


def _best(tried: Sequence[Energy], gaps: str | None) -> Energy | None:
    """The first that has joules, else the reason of the last: that of the longest window."""
    if not tried:
        return None
    known = next((energy for energy in tried if energy.joules is not None), None)
    return known or Energy(reason="; ".join(filter(None, (tried[-1].reason, gaps))))


def _gaps(calls: Sequence[Watched], seconds: float) -> str | None:
    """Why the calls are not one window, or None."""
    gaps_s = between_s(calls)
    if gaps_s <= GAPS_LIMIT * seconds:
        return None
    return f"{gaps_s:.3g} s of {seconds:.3g} s lay between the calls: make them one after the other"


def _energy(
    readings: Sequence[Reading | None], window: str, stretches: tuple[Stretch, ...]
) -> Energy | None:
    """The sum of readings of one meter; None where a call has none."""
    known = [reading for reading in readings if reading is not None]
    if len(known) < len(readings):
        return None
    joules = [reading.energy_j for reading in known if reading.energy_j is not None]
    if len(joules) < len(known) or len({reading.meter for reading in known}) > 1:
        reasons = [reading.reason for reading in known if reading.reason]
        return Energy(reason=reasons[0] if reasons else "not every call has the same meter")
    return Energy(
        joules=math.fsum(joules),
        meter=known[0].meter,
        method=known[0].method,
        window=window,
        stretches=stretches,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """GPU joules of all calls by stage; `reasons` for stages that have none.

    `includes`: stages whose joules are in `other`. `scale`: the meter's joules over those of
    integrated power, 1 where both agree; None where the meter has none.
    """

    joules: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    scale: float | None = None


def split(calls: Sequence[Watched], whole: Energy, sampler: Sampler | None) -> Split:
    """The GPU's joules by stage, which add up to the whole where that is known."""
    stages = dict.fromkeys(name for call in calls for name in call.record.stages_s())
    if sampler is None:
        return Split(reasons=dict.fromkeys(stages, "no meter of the GPU can look back at a stage"))
    total_j, _ = _power_j(whole.stretches, sampler)
    scale = whole.joules / total_j if whole.joules is not None and total_j else None
    joules: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for name in stages:
        spans = [span for call in calls for span in call.record.of(name)]
        found, reason = _span_j(spans, sampler)
        if found is not None:
            joules[name] = found * (scale or 1.0)
        elif reason is not None:
            reasons[name] = reason
    if whole.joules is None or scale is None:
        return Split(joules=joules, reasons=reasons | {"other": "it is the rest of an unknown sum"})
    joules["other"] = max(0.0, whole.joules - math.fsum(joules.values()))
    return Split(joules=joules, reasons=reasons, includes=tuple(reasons), scale=scale)


def _span_j(spans: Sequence[Span], sampler: Sampler) -> tuple[float | None, str | None]:
    """Joules of a stage by instant power, if its spans are long enough together."""
    if not spans:
        return None, None
    step_s = sampler.step_s(POWER)
    shortest, total = min(s.seconds for s in spans), math.fsum(s.seconds for s in spans)
    if shortest < STEPS_PER_SPAN * step_s or total < MIN_WINDOW_STEPS * step_s:
        return None, (
            f"{total:.3g} s in {len(spans)} piece{'s' * (len(spans) > 1)} is too short for a source"
            f" that moves every {1000 * step_s:.0f} ms: watch more calls, or `kinowatt measure`"
        )
    return _power_j([(span.start_s, span.stop_s) for span in spans], sampler)


def _power_j(stretches: Sequence[Stretch], sampler: Sampler) -> tuple[float | None, str | None]:
    """Joules of integrated power; a sampler that died has a reason and costs no other figure."""
    joules = 0.0
    for stretch in stretches:
        try:
            part, reason = sampler.around(*stretch).integrated_joules(POWER, *stretch)
        except MeterUnavailable as error:
            return None, error.reason
        if part is None:
            return None, reason
        joules += part
    return joules, None


def trace(calls: Sequence[Watched], sampler: Sampler | None) -> dict[str, Any]:
    """Spreads of power, clocks and temperature from the first call to the last; empty without."""
    if sampler is None or not calls:
        return {}
    try:
        seen = summary(sampler.between(calls[0].record.start_s, calls[-1].record.stop_s))
    except MeterUnavailable:
        return {}  # the figures that need it say why
    return {"sampled_power_w": seen.pop("power_w"), **seen}
