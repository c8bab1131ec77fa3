"""The equipment of a measurement: meters over windows of time, and what the sampler saw."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kinowatt.lab.meters.contract import (
    MIN_WINDOW_S,
    MIN_WINDOW_STEPS,
    SCOPES,
    Meter,
    Reading,
    Window,
)
from kinowatt.lab.meters.sampler import Sampler, summary
from kinowatt.lab.timeline import Timeline
from kinowatt.units import joules_to_wh

MARGIN = 1.02  # a window is planned this much longer than it must be


@dataclass(slots=True)
class Metered:
    """A window over all meters: its instants at once, its joules when asked for."""

    start_s: float
    windows: list[tuple[Meter, Window]]
    stop_s: float = 0.0
    readings: tuple[Reading, ...] = ()

    @property
    def seconds(self) -> float:
        return self.stop_s - self.start_s

    def primary(self, scope: str) -> Reading | None:
        """The reading that counts for a scope: measured before modelled, in the meters' order."""
        found = [reading for reading in self.readings if reading.scope == scope]
        found.sort(key=lambda r: (r.energy_j is None, r.method != "measured"))
        return found[0] if found else None

    def joules(self, scope: str) -> float | None:
        found = self.primary(scope)
        return None if found is None else found.energy_j


@dataclass(kw_only=True, slots=True)
class Bench:
    """What a protocol measures with.

    `meters`: opened, in order of preference. `sampler`: power and clocks over time, None without
    a GPU. `listener`: told of progress. `idle`: the baseline, taken once before the first row.
    """

    line: Timeline
    meters: Sequence[Meter] = ()
    sampler: Sampler | None = None
    listener: Callable[[str, dict[str, Any]], None] | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    idle: Metered | None = None

    def tell(self, event: str, **values: Any) -> None:
        if self.listener is not None:
            self.listener(event, values)

    def min_window_s(self) -> float:
        """Seconds after which every meter here can be trusted."""
        steps = [self.sampler.step_s("energy_mj")] if self.sampler else []
        return MARGIN * max([MIN_WINDOW_S, *(MIN_WINDOW_STEPS * step for step in steps)])

    def start(self, *, outer: bool = False) -> Metered:
        """Waits for the device, then opens a window on every meter.

        Windows of runs lie inside an outer one, so a meter whose windows cannot overlap takes
        part in the outer one alone.
        """
        self.line.wait()
        meters = [meter for meter in self.meters if outer or meter.overlapping]
        started = [(meter, meter.start()) for meter in meters]
        return Metered(start_s=time.perf_counter(), windows=started)

    def stop(self, metered: Metered) -> None:
        """Waits for the device, then ends a window on every meter; nothing is read yet."""
        self.line.wait()
        metered.stop_s = time.perf_counter()
        for meter, window in metered.windows:
            meter.stop(window)

    def read(self, metered: Metered) -> Metered:
        """Fetches the joules of a window that is over."""
        readings = [meter.read(window) for meter, window in metered.windows]
        metered.readings = tuple(reading for group in readings for reading in group)
        return metered

    @contextmanager
    def window(self) -> Iterator[Metered]:
        """An outer window around what is done inside, read at its end."""
        metered = self.start(outer=True)
        try:
            yield metered
        finally:
            self.stop(metered)
        self.read(metered)

    def past(self, start_s: float, stop_s: float) -> tuple[Reading, ...]:
        """Readings of a stretch of the past, by the meters that can look back."""
        window = Window(start_s=start_s, stop_s=stop_s)
        looking_back = [meter for meter in self.meters if meter.retrospective]
        return tuple(reading for meter in looking_back for reading in meter.read(window))

    def mean_power_w(self, start_s: float, stop_s: float) -> float | None:
        """Mean of instant power over a stretch, however short; None without a sampler."""
        if self.sampler is None:
            return None
        joules, _ = self.sampler.around(start_s, stop_s).integrated_joules(
            "power_instant_w", start_s, stop_s
        )
        return None if joules is None else joules / (stop_s - start_s)

    def trace(self, start_s: float, stop_s: float) -> dict[str, Any]:
        """Spreads of power, clocks and temperature between two instants; empty without a GPU."""
        return summary(self.sampler.between(start_s, stop_s)) if self.sampler else {}

    def describe(self) -> dict[str, Any]:
        """What a row records of its meters."""
        return {meter.name: dict(meter.describe()) for meter in self.meters}


def energy_wh(metered: Metered, calls: int = 1) -> dict[str, float | None]:
    """Watt-hours by scope of one of `calls` equal calls inside a window."""
    found = {scope: metered.joules(scope) for scope in SCOPES}
    return {scope: None if j is None else joules_to_wh(j) / calls for scope, j in found.items()}


def why_null(metered: Metered, bench: Bench) -> dict[str, str]:
    """The reason for each scope without joules."""
    reasons: dict[str, str] = {}
    for scope in SCOPES:
        reading = metered.primary(scope)
        if reading is None:
            reasons[scope] = bench.absent.get(scope, f"no meter for {scope} was asked for")
        elif reading.energy_j is None:
            reasons[scope] = reading.reason or ""
    return reasons
