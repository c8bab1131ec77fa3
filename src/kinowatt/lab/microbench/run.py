"""The whole microbenchmark of one device within a budget of seconds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch

from kinowatt.errors import InputError
from kinowatt.lab.conditions import gpu_state, software, source_of
from kinowatt.lab.host import host
from kinowatt.lab.meters.sampler import Sampler, shared
from kinowatt.lab.microbench.host import (
    CALLS,
    COPIES_MIB,
    ROUNDS,
    STALLS,
    call_overhead,
    copies,
    stalls,
    unlike_calls,
)
from kinowatt.lab.microbench.operations import operation, settings
from kinowatt.lab.microbench.plan import DUTIES, LOADED, SUSTAINED, essential, refinements
from kinowatt.lab.microbench.points import Point, distinct
from kinowatt.lab.microbench.result import KIND, SCHEMA_VERSION, Microbench
from kinowatt.lab.microbench.sm_clock import Clock, sm_clock
from kinowatt.lab.microbench.timing import burst, sampled, sustained
from kinowatt.lab.pipelines import check_device
from kinowatt.lab.timeline import Timeline, timeline

BUDGET_S = 90.0
LEAST_BUDGET_S = 1.0
IDLE_S = 2.0
SUSTAINED_S = 2.0
LOADED_S = 1.6
RESERVE_S = 1.5  # for what a point may take beyond its plan, and for the end
MATH_COPIES = 6  # of the scores, in float32, that the math kernel holds at once, seen from above

Tell = Callable[[str], None]


@dataclass(kw_only=True, slots=True)
class Run:
    """What a run has at hand and what it found so far."""

    device: torch.device
    line: Timeline
    sampler: Sampler | None
    clock: Clock | None
    deadline: float
    share: float = 1.0  # of the usual seconds of idling and of sustained work
    found: dict[Any, dict[str, Any]] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)

    def over(self, needed_s: float) -> bool:
        return time.perf_counter() + needed_s * self.share + RESERVE_S * self.share > self.deadline

    def skip(self, point: Point, part: str, reason: str) -> None:
        self.skipped.append({**asdict(point), "part": part, "reason": reason})


def microbench(
    device: str = "cuda", budget_s: float = BUDGET_S, tell: Tell = lambda _: None
) -> Microbench:
    """Measures a GPU alone; on a CPU the same with tiny shapes, to try it.

    Raises `InputError` for a device that is not there or a budget too short to be of use.
    """
    started = time.perf_counter()
    check_device(device)
    _check_budget(budget_s)
    where = torch.device(device)
    source = source_of(where)
    sampler = shared(source) if source else None
    run = Run(
        device=where,
        line=timeline(where),
        sampler=sampler,
        clock=sm_clock(where),
        deadline=started + budget_s,
        share=min(1.0, budget_s / BUDGET_S),
    )
    try:
        with torch.no_grad():
            parts = _parts(run, tell)
    finally:
        if sampler is not None:
            sampler.release()
    return Microbench(
        schema_version=SCHEMA_VERSION,
        kind=KIND,
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        device=torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu",
        seconds=time.perf_counter() - started,
        budget_s=budget_s,
        conditions={**software(), **gpu_state(where), "host": host().to_dict()},
        points=tuple(run.found.values()),
        skipped=tuple(run.skipped),
        **parts,
    )


def _check_budget(budget_s: float) -> None:
    if not budget_s >= LEAST_BUDGET_S:
        raise InputError(f"budget {budget_s:g} s: at least {LEAST_BUDGET_S:g} s, usually 90")


def _parts(run: Run, tell: Tell) -> dict[str, Any]:
    """Everything in the order of its worth."""
    cuda = run.device.type == "cuda"
    tell("idle")
    idle = _idle(run)
    tell("call overhead")
    overhead = call_overhead(run.device, run.line, CALLS if cuda else CALLS // 10)
    unlike = unlike_calls(run.device, run.line, ROUNDS if cuda else 1)
    stalled = stalls(run.device, run.line, STALLS if cuda else 1)
    tell("operators, in bursts")
    _bursts(run, _sized(run, essential()))
    tell("operators, at length")
    for point in _sized(run, SUSTAINED):
        _at_length(run, point)
    tell("partial loads")
    loads = [item for point in _sized(run, LOADED) for item in _loads(run, point)]
    tell("copies")
    moved = list(copies(run.device, run.line, COPIES_MIB if cuda else COPIES_MIB[:1]))
    tell("more operators, in bursts")
    _bursts(run, _sized(run, refinements()))
    return {
        "idle": idle,
        "call_overhead": overhead,
        "unlike_calls": unlike,
        "stalls": stalled,
        "loads": tuple(loads),
        "copies": tuple(moved),
    }


def _sized(run: Run, points: Sequence[Point]) -> list[Point]:
    return list(points) if run.device.type == "cuda" else distinct(p.small() for p in points)


def _idle(run: Run) -> Mapping[str, Any]:
    torch.empty(1, device=run.device)
    run.line.wait()
    started = time.perf_counter()
    time.sleep(IDLE_S * run.share)
    return sampled(run.sampler, started, time.perf_counter())


def _bursts(run: Run, points: Sequence[Point]) -> None:
    for point in points:
        if point.identity() in run.found:
            continue
        if run.over(0.2):
            run.skip(point, "burst", "time")
            continue
        values = _tried(run, point, "burst", lambda call: burst(call, run.line, run.clock))
        if values is not None:
            run.found[point.identity()] = {**_facts(point), "burst": values, "sustained": None}


def _at_length(run: Run, point: Point) -> None:
    if run.over(SUSTAINED_S):
        run.skip(point, "sustained", "time")
        return
    seconds = SUSTAINED_S * run.share
    values = _tried(run, point, "sustained", lambda c: sustained(c, run.line, run.sampler, seconds))
    if values is not None and point.identity() in run.found:
        run.found[point.identity()]["sustained"] = values


def _loads(run: Run, point: Point) -> list[dict[str, Any]]:
    found = []
    for duty in DUTIES:
        if run.over(LOADED_S):
            run.skip(point, f"load {duty:g}", "time")
            continue
        values = _tried(run, point, f"load {duty:g}", partial(_load, run, duty))
        if values is not None:
            found.append({**_facts(point), **values})
    return found


def _load(run: Run, duty: float, call: Callable[[], object]) -> dict[str, Any]:
    return sustained(call, run.line, run.sampler, LOADED_S * run.share, duty)


def _facts(point: Point) -> dict[str, Any]:
    return {**asdict(point), "flops": point.flops, "bytes": point.bytes}


def _tried(
    run: Run, point: Point, part: str, measure: Callable[[Any], dict[str, Any]]
) -> dict[str, Any] | None:
    """What was measured, or None and a line of why not; the point's memory is free again."""
    try:
        if not _fits(run, point):
            raise torch.OutOfMemoryError("the scores of the math kernel do not fit")
        with settings(point):
            return measure(operation(point, run.device))
    except torch.OutOfMemoryError:
        run.skip(point, part, "memory")
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "RuntimeError"
        run.skip(point, part, reason)
    return None


def _fits(run: Run, point: Point) -> bool:
    if point.backend != "math" or run.device.type != "cuda":
        return True
    p = point.params
    scores = 4 * p["batch"] * p["heads"] * p["q"] * p["kv"] * MATH_COPIES
    return scores < torch.cuda.mem_get_info(run.device)[0]
