"""How a point is timed: in short bursts, and at length with power and clocks beside it."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from kinowatt.lab.meters.sampler import Sampler, summary
from kinowatt.lab.microbench.sm_clock import Clock
from kinowatt.lab.timeline import CudaTimeline, Timeline

Call = Callable[[], object]
BURST_S = 0.015
REPEATS = 3
GUESSES = 3
MOST_CALLS = 400
GRAPHED_BELOW_S = 100e-6  # where the host may be slower than the device
GRAPHED_CALLS = 20
STEADY = 0.005  # share by which a clock may change within a burst that counts
CHUNK_S = 0.02  # of queued work, and the period of a partial load
SETTLE_S = 0.7  # until clocks have found the power limit


def repeated(call: Call, times: int) -> None:
    for _ in range(times):
        call()


def once_s(call: Call, line: Timeline) -> float:
    """Device seconds of a warm call, as a first guess: the least of a few, hosts hesitate."""
    repeated(call, 2)
    marks: list[Any] = []
    for _ in range(GUESSES):
        line.wait()
        marks.append(line.mark())
        call()
        marks.append(line.mark())
    line.wait()
    return min(line.seconds(a, b) for a, b in zip(marks[::2], marks[1::2], strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One burst: its seconds, and its clock where that can be told."""

    seconds: float
    clock_mhz: float | None = None
    unrest: float = 0.0  # share by which the clock changed


def burst(call: Call, line: Timeline, clock: Clock | None = None) -> dict[str, Any]:
    """Seconds of a call in one of a few short bursts, the one in which the clock was steadiest
    (which a power limit lowers in steps, tens of milliseconds apart); the median of equals.

    Where the host is too slow to keep the GPU busy, calls are replayed as a CUDA graph.
    """
    guess_s = once_s(call, line)
    graphed = graph(call) if guess_s < GRAPHED_BELOW_S and isinstance(line, CudaTimeline) else None
    unit, per_unit = (graphed.replay, GRAPHED_CALLS) if graphed else (call, 1)
    if graphed:
        guess_s = once_s(unit, line)
    times = max(1, min(MOST_CALLS, math.ceil(BURST_S / max(guess_s, 1e-6))))
    seen = sorted(
        (_clocked(unit, times, line, clock) for _ in range(REPEATS)), key=lambda one: one.seconds
    )
    steady = [one for one in seen if one.unrest <= STEADY] or [min(seen, key=lambda o: o.unrest)]
    chosen, made = steady[len(steady) // 2], times * per_unit
    return {
        "seconds_per_call": chosen.seconds / made,
        "min_s": seen[0].seconds / made,
        "max_s": seen[-1].seconds / made,
        "sm_clock_mhz": chosen.clock_mhz,
        "calls": made,
        "repeats": REPEATS,
        "graph": graphed is not None,
    }


def _clocked(unit: Call, times: int, line: Timeline, clock: Clock | None) -> Seen:
    """Some calls, with the clocks right before and right after."""
    if clock is None:
        return Seen(seconds=queued_s(unit, times, line))
    seconds = queued_s(unit, times, line, clock.look)
    before_mhz, after_mhz = clock.seen_mhz()
    return Seen(
        seconds=seconds,
        clock_mhz=(before_mhz + after_mhz) / 2,
        unrest=abs(after_mhz / before_mhz - 1.0),
    )


def queued_s(unit: Call, times: int, line: Timeline, around: Call = lambda: None) -> float:
    """Device seconds of some calls; `around` is queued right before and right after them."""
    line.wait()
    around()
    first = line.mark()
    repeated(unit, times)
    last = line.mark()
    around()
    line.wait()
    return line.seconds(first, last)


def graph(call: Call) -> torch.cuda.CUDAGraph | None:
    """Several calls as one CUDA graph; None where the operator cannot be captured."""
    captured = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(captured):
            repeated(call, GRAPHED_CALLS)
    except RuntimeError:
        return None
    return captured


def sustained(
    call: Call, line: Timeline, sampler: Sampler | None, seconds: float, duty: float = 1.0
) -> dict[str, Any]:
    """Calls for `seconds` at a share `duty` of the time, after the clocks have settled."""
    share = max(1, round(duty * CHUNK_S / max(once_s(call, line), 1e-6)))
    settle_s = min(SETTLE_S, seconds / 3)
    _work(call, line, (share, duty), settle_s)
    started = time.perf_counter()
    calls = _work(call, line, (share, duty), seconds - settle_s)
    stopped = time.perf_counter()
    seen = sampled(sampler, started, stopped)
    return {
        "seconds": stopped - started,
        "calls": calls,
        "seconds_per_call": (stopped - started) / calls,
        "duty": duty,
        **seen,
    }


def _work(call: Call, line: Timeline, load: tuple[int, float], seconds: float) -> int:
    """Queues chunk after chunk, one ahead of the device at most; returns the calls made.

    At a partial load the device rests after each chunk by what the chunk took of its time.
    """
    share, duty = load
    due_s = started = time.perf_counter()
    calls = 0
    waiting: list[Any] = []
    while time.perf_counter() - started < seconds:
        waiting.append(line.mark())
        repeated(call, share)
        calls += share
        if duty < 1.0:
            after = line.mark()
            line.wait()
            due_s += line.seconds(waiting.pop(), after) / duty
            time.sleep(max(0.0, due_s - time.perf_counter()))
        elif len(waiting) > 1:
            line.wait_for(waiting.pop(0))
    line.wait()
    return calls


def sampled(sampler: Sampler | None, started: float, stopped: float) -> Mapping[str, Any]:
    """Power (by the energy counter, and by the power field), clocks and temperature of a stretch; null
    with its reason without a GPU's sampler."""
    if sampler is None:
        reason = "no GPU here tells its power"
        return {"power_w": None, "clock_mhz": None, "reason": reason}
    seen = sampler.between(started, stopped)
    return {"counter_w": seen.counter_watts(), **summary(seen)}
