"""CodeCarbon beside the NVML counter, on the same calls of a pipeline."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from kinowatt.errors import require_extra
from kinowatt.lab.conditions import source_of
from kinowatt.lab.meters.emissions import fresh_tracker
from kinowatt.lab.meters.nvml import devices
from kinowatt.lab.request import VideoRequest
from kinowatt.units import WH_PER_KWH, wh_to_joules
from taking.desk import Desk, Values

SECONDS = 78.0
MODEL = "wan2.1-t2v-1.3b"
SIZE = {"height_px": 480, "width_px": 832, "frames": 33}
SHORT_S, LONG_S = 5.0, 20.0
MARGIN_S = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracker:
    """How CodeCarbon is used: `task` as the paper did, `start` as its documentation begins."""

    api: str
    measure_power_secs: int
    tracking_mode: str = "machine"


TOGETHER = (
    Tracker(api="task", measure_power_secs=15),
    Tracker(api="start", measure_power_secs=1),
    Tracker(api="start", measure_power_secs=15),
    Tracker(api="start", measure_power_secs=1, tracking_mode="process"),
)


@dataclass(slots=True)
class _Running:
    """A tracker around a call: instants before and after its own start and stop."""

    how: Tracker
    inner: Any
    edges_s: list[float]
    data: Any = None


def take(desk: Desk) -> None:
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    request, call_s = _request(desk)
    desk.attempt(("codecarbon", MODEL), {"variant": "first tracker"}, lambda: _first(desk))
    short, long = (_repeats(desk, request, call_s, s) for s in (SHORT_S, LONG_S))
    plan: list[tuple[str, Callable[[], object], tuple[Tracker, ...], float]] = [
        ("none, short", short, (), SHORT_S),
        ("together, short", short, TOGETHER, SHORT_S),
        ("together, long", long, TOGETHER, LONG_S),
        ("task alone, short", short, TOGETHER[:1], SHORT_S),
        ("together, short", short, TOGETHER, SHORT_S),
        ("none, short", short, (), SHORT_S),
        ("task alone, short", short, TOGETHER[:1], SHORT_S),
        ("together, long", long, TOGETHER, LONG_S),
    ]
    for variant, call, trackers, seconds in plan:
        desk.attempt(
            ("codecarbon", MODEL),
            {"variant": variant, "size": SIZE, "request": request.to_dict()},
            lambda c=call, t=trackers: _one(desk, c, t),
            seconds + MARGIN_S,
        )


def _request(desk: Desk) -> tuple[VideoRequest, float]:
    """Eight steps of a small video, and the seconds of a call that is warm."""
    built = desk.built(MODEL)
    request = desk.request(MODEL, **SIZE, steps=8)
    built.generate(request)
    start_s = time.perf_counter()
    built.generate(request)
    return request, time.perf_counter() - start_s


def _repeats(
    desk: Desk, request: VideoRequest, call_s: float, seconds: float
) -> Callable[[], object]:
    """As many calls of the pipeline as fill so many seconds; one of a twin."""
    times = 1 if desk.options.twin else max(1, round(seconds / call_s))
    built = desk.built(MODEL)

    def calls() -> int:
        for _ in range(times):
            built.generate(request)
        return times

    return calls


def _gpu_index(desk: Desk) -> int | None:
    where = (source_of(torch.device(desk.options.device)) or "").partition(":")[2]
    with suppress(Exception):  # no driver: CodeCarbon still has CPU and RAM
        return next((device.index for device in devices() if device.named(where)), None)
    return None


def _made(desk: Desk, how: Tracker) -> Any:
    return fresh_tracker(
        require_extra("measure", "codecarbon"),
        _gpu_index(desk),
        measure_power_secs=how.measure_power_secs,
        tracking_mode=how.tracking_mode,
    )


def _first(desk: Desk) -> Values:
    """What the first tracker of a process costs: it looks for the hardware."""
    start_s = time.perf_counter()
    tracker = _made(desk, TOGETHER[0])
    made_s = time.perf_counter()
    tracker.start_task("first")
    started_s = time.perf_counter()
    data = tracker.stop_task()
    return {
        "make_s": made_s - start_s,
        "start_s": started_s - made_s,
        "stop_s": time.perf_counter() - started_s,
        "parts": [str(part) for part in tracker._hardware],
        "duration_s": None if data is None else float(data.duration),
    }


def _one(desk: Desk, calls: Callable[[], object], trackers: tuple[Tracker, ...]) -> Values:
    running = [_started(desk, how) for how in trackers]
    desk.line.wait()
    start_s = time.perf_counter()
    try:
        times = calls()
        desk.line.wait()
        stop_s = time.perf_counter()
    finally:
        for each in reversed(running):
            _stop(each)
    found = {"calls": times, **desk.metered(start_s, stop_s)}
    return found | {"trackers": [_told(desk, each) for each in running]}


def _started(desk: Desk, how: Tracker) -> _Running:
    inner = _made(desk, how)
    before_s = time.perf_counter()
    if how.api == "task":
        inner.start_task("call")
    else:
        inner.start()
    return _Running(how, inner, [before_s, time.perf_counter()])


def _stop(each: _Running) -> None:
    each.edges_s.append(time.perf_counter())
    if each.how.api == "task":
        each.data = each.inner.stop_task()
    else:
        each.inner.stop()
        each.data = each.inner.final_emissions_data
    each.edges_s.append(time.perf_counter())


def _told(desk: Desk, each: _Running) -> Values:
    """What a tracker says, and what the counter says of its own window."""
    before_s, started_s, stopping_s, stopped_s = each.edges_s
    beside = desk.metered(started_s, stopping_s)
    found: Values = {
        "api": each.how.api,
        "measure_power_secs": each.how.measure_power_secs,
        "tracking_mode": each.how.tracking_mode,
        "start_s": started_s - before_s,
        "stop_s": stopped_s - stopping_s,
        "inside_s": stopping_s - started_s,
        "counter_j": beside["gpu_j"],
    }
    if each.data is None:
        return found | {"why_null": "CodeCarbon gave no figures"}
    joules = {
        f"{scope}_j": wh_to_joules(float(getattr(each.data, f"{scope}_energy")) * WH_PER_KWH)
        for scope in ("gpu", "cpu", "ram")
    }
    return found | {"duration_s": float(each.data.duration)} | joules
