"""The equipment of a measurement: meters over windows of time, and what the sampler saw."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kinowatt.lab.meters.contract import MIN_WINDOW_S, MIN_WINDOW_STEPS, SCOPES, Scope
from kinowatt.lab.meters.registry import MeterSet, Readings, Windows
from kinowatt.lab.meters.sampler import Sampler, summary
from kinowatt.lab.timeline import Timeline
from kinowatt.lab.unknown import times, wh

MARGIN = 1.02  # a window is planned this much longer than it must be


@dataclass(slots=True)
class Metered:
    """A window over all meters: its instants at once, its joules when it was read."""

    start_s: float
    windows: Windows
    stop_s: float = 0.0
    readings: Readings = field(default_factory=lambda: Readings(()))

    @property
    def seconds(self) -> float:
        return self.stop_s - self.start_s

    def joules(self, scope: Scope) -> float | None:
        found = self.readings.primary(scope)
        return None if found is None else found.energy_j

    def power_w(self, scope: Scope) -> float | None:
        found = self.readings.primary(scope)
        return None if found is None else found.power_w


@dataclass(kw_only=True, slots=True)
class Bench:
    """What a protocol measures with.

    `meters`: opened. `sampler`: power and clocks over time, None without a GPU. `listener`: told
    of progress. `idle`: the baseline, taken once before the first row.
    """

    line: Timeline
    meters: MeterSet
    sampler: Sampler | None = None
    listener: Callable[[str, dict[str, Any]], None] | None = None
    idle: Metered | None = None

    @property
    def metering(self) -> bool:
        """Whether anything measures here; for models alone there is no reason to wait."""
        return any(meter.method == "measured" for meter in self.meters.meters)

    def tell(self, event: str, **values: Any) -> None:
        if self.listener is not None:
            self.listener(event, values)

    def min_window_s(self) -> float:
        """Seconds after which every meter here can be trusted; 0 where there is none."""
        if not self.metering:
            return 0.0
        steps = [self.sampler.step_s("energy_mj")] if self.sampler else []
        return MARGIN * max([MIN_WINDOW_S, *(MIN_WINDOW_STEPS * step for step in steps)])

    def start(self, *, nested: bool = False) -> Metered:
        """Waits for the device, then opens a window on the meters (`nested` in another one)."""
        self.line.wait()
        started = self.meters.start(nested=nested)
        return Metered(start_s=time.perf_counter(), windows=started)

    def stop(self, metered: Metered) -> None:
        """Waits for the device, then ends a window on the meters; nothing is read yet."""
        self.line.wait()
        metered.stop_s = time.perf_counter()
        self.meters.stop(metered.windows)

    def read(self, metered: Metered) -> Metered:
        """Fetches the joules of a window that is over."""
        metered.readings = self.meters.read(metered.windows)
        return metered

    @contextmanager
    def window(self) -> Iterator[Metered]:
        """A window around what is done inside, read at its end."""
        metered = self.start()
        try:
            yield metered
        finally:
            self.stop(metered)
        self.read(metered)

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


def energy_wh(metered: Metered, calls: int = 1) -> dict[str, float | None]:
    """Watt-hours by scope of one of `calls` equal calls inside a window."""
    return {scope: times(wh(metered.joules(scope)), 1 / calls) for scope in SCOPES}


def why_null(metered: Metered, meters: MeterSet) -> dict[str, str]:
    """The reason for each scope without joules."""
    reasons: dict[str, str] = {}
    for scope in SCOPES:
        reading = metered.readings.primary(scope)
        if reading is None:
            reasons[scope] = meters.why_none(scope) or "its meter took no part in this window"
        elif reading.reason is not None:
            reasons[scope] = reading.reason
    return reasons
