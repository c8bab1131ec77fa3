"""CPU and memory energy by RAPL, read through Linux's powercap; scope: all that ran on them."""

import itertools
import statistics
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinowatt.lab.host import host
from kinowatt.lab.meters.contract import (
    Meter,
    MeterUnavailable,
    Reading,
    Scope,
    Window,
    too_short,
)
from kinowatt.lab.meters.powercap import POWERCAP, Zone, Zones, find_zones, mirrors, without

MAX_ZONE_W = 1000.0  # no package draws more: what a counter can have moved by in a given time
STEP_SLACK_S = 0.1  # a counter may just have moved by a step
WATCH_SHARE = 0.4  # of the shortest wrap time, between two reads: twice in each round and more
SETTLE_STEPS = 8
SETTLE_LIMIT_S = 1.0
SETTLE_PAUSE_S = 0.0001


@dataclass(slots=True)
class Counter:
    """Joules of one zone since it was first read, its wraps undone.

    `doubts` counts what cannot be told apart from lost energy: a reset, an unread round, a failed
    read. A window with a doubt inside has no energy.
    """

    range_j: float | None
    last_j: float
    last_s: float
    total_j: float = 0.0
    doubts: int = 0

    @property
    def wrap_s(self) -> float | None:
        """Seconds of one round at the greatest power."""
        return None if self.range_j is None else self.range_j / MAX_ZONE_W

    def update(self, now_j: float, now_s: float) -> None:
        """Adds what was counted since the last read."""
        moved_j, passed_s = now_j - self.last_j, now_s - self.last_s
        self.last_j, self.last_s = now_j, now_s
        if moved_j < 0 and self.range_j is not None:
            moved_j += self.range_j
        unread = self.wrap_s is not None and passed_s > self.wrap_s
        if unread or not 0 <= moved_j <= MAX_ZONE_W * (passed_s + STEP_SLACK_S):
            self.doubts += 1
        else:
            self.total_j += moved_j


class Rapl(Meter):
    """The energy counters of all CPU packages and of their memory.

    A daemon thread reads them at less than half their wrap time. Zones that repeat another's
    energy are left out and recorded. `root` stands for `/sys/class/powercap` in tests.
    """

    name = "rapl"
    scopes = ("cpu", "ram")

    def __init__(self, root: Path = POWERCAP) -> None:
        self.root = root
        self._zones: Zones | None = None
        self._counters: list[Counter] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._step_s = 0.0

    def open(self) -> None:
        if self._zones is not None:
            return
        self._zones, self._step_s = _settled(find_zones(self.root, virtualised=host().virtualised))
        now_s = time.perf_counter()
        self._counters = [
            Counter(range_j=zone.range_j, last_j=zone.energy_j(), last_s=now_s)
            for zone in self._zones.used
        ]
        self._watch()

    def _watch(self) -> None:
        interval_s = self.watch_interval_s
        self._closing.clear()
        if interval_s is not None:
            self._watcher = threading.Thread(
                target=self._keep_reading, args=(interval_s,), name="kinowatt-rapl", daemon=True
            )
            self._watcher.start()

    def _keep_reading(self, interval_s: float) -> None:
        while not self._closing.wait(interval_s):
            self._totals()

    @property
    def watch_interval_s(self) -> float | None:
        """Seconds between two reads of the thread; None where no counter says where it wraps."""
        wraps = [counter.wrap_s for counter in self._counters if counter.wrap_s is not None]
        return WATCH_SHARE * min(wraps) if wraps else None

    def close(self) -> None:
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
        self._watcher, self._zones, self._counters = None, None, []

    def start(self) -> Window:
        self._opened()
        window = super().start()
        window.state = (self._totals(), None)
        return window

    def stop(self, window: Window) -> None:
        super().stop(window)
        window.state = (window.state[0], self._totals())

    def _totals(self) -> list[tuple[float, int]]:
        """Reads every counter: joules and doubts since the meter was opened."""
        with self._lock:
            for zone, counter in zip(self._opened().used, self._counters, strict=True):
                try:
                    counter.update(zone.energy_j(), time.perf_counter())
                except (OSError, ValueError):
                    counter.doubts += 1
            return [(counter.total_j, counter.doubts) for counter in self._counters]

    def _opened(self) -> Zones:
        if self._zones is None:
            raise MeterUnavailable(f"meter {self.name} is not open", "use it in a `with` block")
        return self._zones

    def read(self, window: Window) -> tuple[Reading, ...]:
        return tuple(self._reading(window, scope) for scope in self.scopes)

    def _reading(self, window: Window, scope: Scope) -> Reading:
        seconds = window.seconds
        joules, reason = self._joules(window, scope)
        known = any(zone.scope == scope for zone in self._opened().used)
        return Reading(
            scope=scope,
            meter=self.name,
            method=self.method,
            window_s=seconds,
            energy_j=joules,
            reason=reason,
            resolution_s=self._step_s if known else None,
            uncertainty_j=None if joules is None else self._step_s * joules / seconds,
        )

    def _joules(self, window: Window, scope: Scope) -> tuple[float | None, str | None]:
        zones = self._opened().used
        first, last = window.state
        parts = [
            (zone.name, stop[0] - start[0], stop[1] - start[1])
            for zone, start, stop in zip(zones, first, last, strict=True)
            if zone.scope == scope
        ]
        if not parts:
            return None, "this CPU counts no energy of its memory: no dram zone that moves"
        if doubtful := [name for name, _, doubts in parts if doubts]:
            return None, f"the counter of {doubtful[0]} was reset or could not be read meanwhile"
        if reason := too_short(window.seconds, self._step_s):
            return None, reason
        if still := [name for name, joules, _ in parts if joules <= 0]:
            return None, f"the counter of {still[0]} stood still"
        return sum(joules for _, joules, _ in parts), None

    def describe(self) -> Mapping[str, Any]:
        zones = self._opened()
        return {
            "source": "powercap (RAPL)",
            "resolution_s": self._step_s,
            "read_every_s": self.watch_interval_s,
            "zones": [
                {
                    "zone": zone.folder.name,
                    "name": zone.name,
                    "scope": zone.scope,
                    "range_j": zone.range_j,
                }
                for zone in zones.used
            ],
            "left_out": dict(zones.left_out),
            "scope": "the whole CPU packages and their memory, all processes on them",
        }


def _settled(found: Zones) -> tuple[Zones, float]:
    """The zones that count, each energy once, and their greatest step [s]; watches a few steps.

    A package that stands still is that of a virtual machine that shows RAPL without feeding it;
    memory that stands still is that of a CPU which has the zone and no figure for it.
    """
    seen_j, moved_s = _watch_steps(found.used)
    still = [zone for zone in found.used if len(moved_s[zone]) < 3]
    for zone in still:
        if zone.scope == "cpu":
            raise MeterUnavailable(
                f"the energy counter of {zone.name} stands still",
                "a virtual machine may show RAPL without counting: measure on bare metal",
            )
    reasons = {zone.folder.name: f"the counter of {zone.name} stands still" for zone in still}
    used = without(found, {**mirrors(found, seen_j), **reasons})
    return used, max(statistics.median(_differences(moved_s[zone])) for zone in used.used)


def _watch_steps(zones: tuple[Zone, ...]) -> tuple[list[list[float]], dict[Zone, list[float]]]:
    """Joules of every zone at many instants, and when each zone was seen to move [s]."""
    seen_j = [[zone.energy_j() for zone in zones]]
    moved_s: dict[Zone, list[float]] = {zone: [] for zone in zones}
    limit_s = time.perf_counter() + SETTLE_LIMIT_S
    while min(map(len, moved_s.values())) < SETTLE_STEPS and time.perf_counter() < limit_s:
        time.sleep(SETTLE_PAUSE_S)
        seen_j.append([zone.energy_j() for zone in zones])
        for zone, before, now in zip(zones, *seen_j[-2:], strict=True):
            if before != now:
                moved_s[zone].append(time.perf_counter())
    return seen_j, moved_s


def _differences(values: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(values)]
