"""How a running campaign stands, from the events of its coordinator: what a live view shows."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kinowatt.campaign.queue import Progress
from kinowatt.facts.throttling import row_faults, shown
from kinowatt.units import joules_to_wh

RATIO_ROWS = 3  # rows after which the predictions are corrected by what rows took


@dataclass(slots=True)
class Place:
    """What one slot is doing; power and temperature as last told, None where not known."""

    model: str = ""
    phase: str = "starting"
    started_s: float = 0.0
    expected_s: float | None = None
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def power_w(self) -> float | None:
        return self.state.get("power_instant_w")

    @property
    def temperature_c(self) -> float | None:
        return self.state.get("temperature_c")


@dataclass(slots=True)
class Standing:
    """Counts, seconds and watt-hours since this command began; `tell` takes every event.

    `busy_s`: GPU time of rows and failed tries. `energy_wh`: of the GPUs, at each row's mean
    power; None until a row has one. `throttled`: by slot, what slowed its GPU in the first row that a
    fault made unstable; `news` is that line at this event alone.
    """

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    done: int = 0
    failed: int = 0
    left_s: float = 0.0
    busy_s: float = 0.0
    energy_wh: float | None = None
    places: dict[str, Place] = field(default_factory=dict)
    trouble: str | None = None
    throttled: dict[str, str] = field(default_factory=dict)
    news: str | None = None
    stopping: int = 0
    _measured: int = 0
    _took_s: float = 0.0
    _expected_s: float = 0.0

    def tell(self, event: Mapping[str, Any]) -> None:
        kind, self.news = event["event"], None
        if kind != "store":
            self.trouble = None
        take = getattr(self, f"_on_{kind}", None)
        if take is not None:
            take(event)

    def remaining_s(self) -> float | None:
        """Until the last row is done, by predictions corrected by what rows took; None: unknown."""
        slots = max(1, len(self.places))
        if self.left_s > 0:
            known = self._measured >= RATIO_ROWS and self._expected_s > 0
            ratio = self._took_s / self._expected_s if known else 1.0
            under_way = sum(self._run_s(place) for place in self.places.values())
            return max(0.0, ratio * self.left_s - under_way) / slots
        if not self._measured:
            return None
        return (self.total - self.done - self.failed) * self._took_s / self._measured / slots

    def _run_s(self, place: Place) -> float:
        """How much of its row a slot has behind it."""
        if not place.started_s or place.expected_s is None:
            return 0.0
        return min(place.expected_s, self.clock() - place.started_s)

    def power_w(self) -> float | None:
        """Of all slots together."""
        known = [place.power_w for place in self.places.values() if place.power_w is not None]
        return sum(known) if known else None

    def _on_progress(self, event: Mapping[str, Any]) -> None:
        found: Progress = event["progress"]
        self.total, self.done, self.failed = found.total, found.done, found.failed
        self.left_s = found.expected_left_s

    def _on_begun(self, event: Mapping[str, Any]) -> None:
        self.places = {name: Place() for name in event["slots"]}

    def _on_waiting(self, event: Mapping[str, Any]) -> None:
        self.places[event["slot"]].phase = event["why"]

    def _on_claimed(self, event: Mapping[str, Any]) -> None:
        order = event["order"]
        self.places[event["slot"]] = Place(
            model=order.build["model"],
            started_s=self.clock(),
            expected_s=order.expected_s,
        )

    def _on_step(self, event: Mapping[str, Any]) -> None:
        place = self.places[event["slot"]]
        place.state.update(event["of"])
        place.phase = str(event["of"].get("event", place.phase))

    def _on_row(self, event: Mapping[str, Any]) -> None:
        self._ended(event["slot"], event["order"])
        self.done += event["new"]
        self._measured += 1
        self._took_s += event["took_s"]
        self._expected_s += event["order"].expected_s or 0.0
        if event["row"]["power_w"] is not None:
            spent_wh = joules_to_wh(event["row"]["power_w"] * event["took_s"])
            self.energy_wh = (self.energy_wh or 0.0) + spent_wh

        self._judge(event["slot"], event["row"])

    def _judge(self, slot: str, row: Mapping[str, Any]) -> None:
        """Says once of a GPU that heat or its supply slows it: no later row will be better."""
        found = row_faults(row)
        if found and slot not in self.throttled:
            self.news = (
                f"{slot} is throttled ({shown(found)}): its rows are unstable; Ctrl-C, and see"
                " `kinowatt doctor`"
            )
            self.throttled[slot] = self.news

    def _on_failure(self, event: Mapping[str, Any]) -> None:
        self._ended(event["slot"], event["order"], left=event["retry"])
        self.failed += not event["retry"]

    def _ended(self, slot: str, order: Any, left: bool = False) -> None:
        place = self.places[slot]
        if place.started_s:
            self.busy_s += self.clock() - place.started_s
        if not left:
            self.left_s = max(0.0, self.left_s - (order.expected_s or 0.0))
        self.places[slot] = Place(phase="idle")

    def _on_store(self, event: Mapping[str, Any]) -> None:
        self.trouble = f"the store does not answer: {event['detail']}"

    def _on_interrupt(self, event: Mapping[str, Any]) -> None:
        self.stopping = event["times"]
