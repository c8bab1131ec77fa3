"""What a watch saw: JSON, a block for a model card, metrics for Prometheus."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch

from kinowatt.lab.conditions import gpu_state, software
from kinowatt.lab.meters.contract import MIN_WINDOW_STEPS, SCOPES, Scope
from kinowatt.lab.meters.registry import MeterSet, Readings
from kinowatt.lab.meters.sampler import Sampler
from kinowatt.lab.stages import CallRecord, Span
from kinowatt.lab.unknown import power_w, times, wh
from kinowatt.units import (
    GIB,
    format_bytes,
    format_seconds,
    format_wh,
    joules_to_wh,
)
from kinowatt.version import __version__

GAPS_LIMIT = 0.02  # calls further apart than this share of the time are not one window
STEPS_PER_SPAN = 5
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchReport:
    """Frozen result of a watch; energy in Wh by scope, null with its reason.

    `energy_wh`: of one call, from one window around all of them.
    """

    pipeline: str
    calls: int
    latency_s: float | None
    calls_s: tuple[float, ...]
    between_s: float
    energy_wh: dict[str, float | None]
    energy_null: dict[str, str]
    power_w: float | None
    stages: dict[str, dict[str, Any]]
    peak_memory_gib: float | None
    conditions: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__slots__}
        return {**found, "calls_s": list(self.calls_s), "provenance": {"kind": "measured"}}

    def model_card(self) -> str:
        """A block of Markdown for a model card, with everything a reader needs to judge it."""
        if self.latency_s is None:
            return "No call was made."
        conditions = self.conditions
        lines = [
            "### Time and energy of one generation",
            "",
            f"Measured by Kinowatt {__version__} on {conditions['gpu_name'] or 'a CPU'}"
            f" ({self.calls} call{'s' * (self.calls != 1)} of `{self.pipeline}`,"
            f" torch {conditions['torch']}, diffusers {conditions['diffusers']}).",
            "",
            "| stage | time | GPU energy | peak GPU memory |",
            "| --- | --- | --- | --- |",
        ]
        for name, stage in self.stages.items():
            lines.append(_card_row(name, stage["latency_s"], stage["energy_wh"]["gpu"], stage))
        total = {"peak_memory_gib": self.peak_memory_gib}
        lines.append(_card_row("**whole call**", self.latency_s, self.energy_wh["gpu"], total))
        lines += ["", "From prompt to frames in memory; no loading, no encoding of a file."]
        lines += [f"{s.upper()} energy: not given, {why}." for s, why in self.energy_null.items()]
        return "\n".join(lines) + "\n"

    def metrics(self) -> str:
        """The text that Prometheus scrapes."""
        from kinowatt.lab.watch_metrics import exposition

        return exposition(self)


def _card_row(name: str, seconds: float, energy_wh: float | None, more: dict[str, Any]) -> str:
    memory = more.get("peak_memory_gib")
    cells = (
        name,
        format_seconds(seconds),
        "–" if energy_wh is None else format_wh(energy_wh),
        "–" if memory is None else format_bytes(memory * GIB),
    )
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the hooks saw."""

    pipes: Sequence[Any]
    device: torch.device
    calls: tuple[CallRecord, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """The whole `with` block: for meters that cannot look back at single calls."""

    seconds: float
    readings: Readings


def report_of(
    seen: Seen, meters: MeterSet, sampler: Sampler | None, block: Block | None
) -> WatchReport:
    """Puts together what hooks and meters saw, all of it in the past."""
    calls = seen.calls
    energy, reasons = _energy(calls, meters, block)
    peaks = [peak[0] for call in calls if (peak := call.peak_bytes())]
    latency_s = fmean(call.seconds for call in calls) if calls else None
    return WatchReport(
        pipeline=" + ".join(dict.fromkeys(type(pipe).__name__ for pipe in seen.pipes)),
        calls=len(calls),
        latency_s=latency_s,
        calls_s=tuple(call.seconds for call in calls),
        between_s=_between_s(calls),
        energy_wh=energy,
        energy_null=reasons,
        power_w=power_w(energy["gpu"], latency_s) if latency_s else None,
        stages=_stages(calls, sampler),
        peak_memory_gib=max(peaks) / GIB if peaks else None,
        conditions={**software(), **gpu_state(seen.device), "meters": meters.describe()},
    )


def _between_s(calls: Sequence[CallRecord]) -> float:
    if not calls:
        return 0.0
    return calls[-1].stop_s - calls[0].start_s - sum(call.seconds for call in calls)


def _energy(
    calls: Sequence[CallRecord], meters: MeterSet, block: Block | None
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Of one call, from one window around all of them."""
    energy: dict[str, float | None] = dict.fromkeys(SCOPES)
    if not calls:
        return energy, dict.fromkeys(SCOPES, "no call was made")
    seconds = calls[-1].stop_s - calls[0].start_s
    if _between_s(calls) > GAPS_LIMIT * seconds:
        reason = (
            f"{_between_s(calls):.3g} s of {seconds:.3g} s lay between the calls:"
            " make them one after the other"
        )
        return energy, dict.fromkeys(SCOPES, reason)
    readings = meters.read_past(calls[0].start_s, calls[-1].stop_s)
    filled = block is not None and block.seconds - seconds <= GAPS_LIMIT * seconds
    reasons: dict[str, str] = {}
    for scope in SCOPES:
        found = readings.primary(scope)
        if found is None and block is not None and filled:
            found = block.readings.primary(scope)
        if found is not None and found.energy_j is not None:
            energy[scope] = joules_to_wh(found.energy_j) / len(calls)
        else:
            reasons[scope] = _why_not(scope, meters, found.reason if found else None)
    return energy, reasons


def _why_not(scope: Scope, meters: MeterSet, reason: str | None) -> str:
    return (
        reason
        or meters.why_none(scope)
        or "its meter sees only the whole block, most of which was no call"
    )


def _stages(calls: Sequence[CallRecord], sampler: Sampler | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for call in calls for name in call.stages_s()):
        spans = [span for call in calls for span in call.of(name)]
        joules, why = _pooled_j(spans, sampler)
        peaks = [span.peak_bytes[0] for span in spans if span.peak_bytes]
        found[name] = {
            "latency_s": sum(call.stages_s().get(name, 0.0) for call in calls) / len(calls),
            "energy_wh": {"gpu": times(wh(joules), 1 / len(calls))},
            "energy_null": why,
            "calls": sum(len(span.forwards_s) for span in spans) / len(calls),
            "peak_memory_gib": max(peaks) / GIB if peaks else None,
        }
    return found


def _pooled_j(spans: Sequence[Span], sampler: Sampler | None) -> tuple[float | None, str | None]:
    """Joules of all spans of a stage by instant power, if they are long enough together."""
    if sampler is None:
        return None, "no GPU meter"
    if not spans:
        return None, "it lies between the other stages"
    step_s = sampler.step_s("power_instant_w")
    shortest, total = min(s.seconds for s in spans), math.fsum(s.seconds for s in spans)
    if shortest < STEPS_PER_SPAN * step_s or total < MIN_WINDOW_STEPS * step_s:
        return None, (
            f"{total:.3g} s in {len(spans)} pieces is too short for a source that moves every"
            f" {1000 * step_s:.0f} ms: watch more calls, or `kinowatt measure`"
        )
    joules = 0.0
    for span in spans:
        samples = sampler.around(span.start_s, span.stop_s)
        part, reason = samples.integrated_joules("power_instant_w", span.start_s, span.stop_s)
        if part is None:
            return None, reason
        joules += part
    return joules, None
