"""Protocol `full`: whole videos, again and again, each in a window that its meters can resolve.

Idle baseline, warm-ups, timed runs. A run shorter than the meters need is repeated inside its
window. Stages that are too short to be metered inside a run are repeated alone afterwards.
"""

import math
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from kinowatt.lab.activations import watched
from kinowatt.lab.bench import Bench, Metered, energy_wh
from kinowatt.lab.meters.contract import Scope
from kinowatt.lab.pipelines import Built
from kinowatt.lab.replay import Replay, Replays, captured
from kinowatt.lab.request import FullOptions, VideoRequest
from kinowatt.lab.stability import verdict
from kinowatt.lab.stages import CallRecord, StageRecorder
from kinowatt.lab.unknown import mean_by_stage, times

MAX_REPEATS = 10_000
COMPILED_WARMUPS = 3  # one is watched, one compiles, one is as those that count


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One timed window: `records` are the calls inside it, all alike."""

    metered: Metered
    records: tuple[CallRecord, ...]

    @property
    def latency_s(self) -> float:
        return self.metered.seconds / len(self.records)

    @property
    def energy_wh(self) -> dict[str, float | None]:
        return energy_wh(self.metered, len(self.records))

    @property
    def stages_s(self) -> dict[str, float]:
        """Mean seconds of each stage per call."""
        return mean_by_stage([record.stages_s() for record in self.records])


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmUp:
    """What the warm-ups showed: the last of them, kinds of calls, values, seconds of the first."""

    cold_s: float
    calls: int
    replays: Replays
    values: dict[str, Any]
    record: CallRecord
    output: Any

    @property
    def seconds(self) -> float:
        return self.record.seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """One call of a stage, made `times` times in a window of its own."""

    metered: Metered
    times: int

    @property
    def seconds(self) -> float:
        return self.metered.seconds / self.times

    def joules(self, scope: Scope) -> float | None:
        return times(self.metered.joules(scope), 1 / self.times)


@dataclass(frozen=True, kw_only=True, slots=True)
class Composed:
    """A video put together of parts: seconds by stage, joules by scope and part, and the rule."""

    stages_s: dict[str, float]
    energy_j: dict[Scope, dict[str, float | None]]
    record: CallRecord
    rule: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """All that a protocol found out; `row` turns it into a Measurement.

    `inside`: joules of the GPU by stage of each run, of the stages long enough to be metered in
    it. `isolated`: the kinds of calls of stages that were metered alone, with their `Replay`.
    """

    protocol: str
    warm: WarmUp
    idle: Metered
    runs: tuple[Run, ...]
    outer: Metered
    inside: tuple[dict[str, float], ...]
    isolated: tuple[tuple[Replay, Alone], ...]
    stability: dict[str, Any]
    composed: Composed | None = None


def measure_full(
    built: Built, request: VideoRequest, bench: Bench, options: FullOptions
) -> Outcome:
    """Times and meters whole calls of the pipeline."""
    idle = idle_baseline(bench, options.idle_s)
    steps = min(request.steps, options.warmup_steps or request.steps)
    warm = warm_up(built, replace(request, steps=steps), bench, options.warmup)
    with StageRecorder(built.pipes, built.device, bench.listener) as recorder:
        outer = bench.start()
        runs = []
        for index in range(options.runs):
            bench.tell("run", run=index + 1, of=options.runs, seconds=warm.seconds)
            runs.append(timed_run(built, request, bench, recorder))
        bench.stop(outer)
    for metered in (outer, *(run.metered for run in runs)):
        bench.read(metered)
    inside = tuple(stage_joules(run, bench) for run in runs)
    known = set.intersection(*(set(found) for found in inside))
    isolated = isolate(warm.replays, bench, known) if options.isolate and bench.metering else ()
    return Outcome(
        protocol="full",
        warm=warm,
        idle=idle,
        runs=tuple(runs),
        outer=outer,
        inside=inside,
        isolated=isolated,
        stability=judge(runs, bench),
    )


def idle_baseline(bench: Bench, seconds: float) -> Metered:
    """A window in which nothing runs, with the pipeline loaded; taken before the first row."""
    if bench.idle is None:
        bench.tell("idle", seconds=seconds)
        with bench.window() as bench.idle:
            time.sleep(seconds if bench.metering else 0.0)
    return bench.idle


def warm_up(built: Built, request: VideoRequest, bench: Bench, calls: int) -> WarmUp:
    """Whole calls that are not counted; the first also notes inputs, values and kernels.

    What is compiled is compiled anew after it, and has three: graphs that hooks have cut stay in
    pieces once the hooks are gone, since the compiler gives up on a function after eight of them.
    """
    compiled = built.options.compile != "none"
    calls = max(calls, COMPILED_WARMUPS if compiled else 1)
    with StageRecorder(built.pipes, built.device, bench.listener) as recorder:
        records: list[CallRecord] = []
        output: Any = None
        for index in range(calls):
            bench.tell("warmup", run=index + 1, of=calls)
            if index == 0:
                with captured(built) as replays, watched(built) as values, recorder.call() as got:
                    output = shape_of_output(built.generate(request))
                if compiled:
                    torch.compiler.reset()
            else:
                with recorder.call() as got:
                    built.generate(request)
            records += got
    return WarmUp(
        cold_s=records[0].seconds,
        calls=calls,
        replays=replays,
        values=values,
        record=records[-1],
        output=output,
    )


def shape_of_output(frames: Any) -> dict[str, int]:
    """Videos, frames, height and width of what a pipeline returned."""
    first = frames[0][0]
    if hasattr(first, "size") and isinstance(first.size, tuple):  # an image of Pillow
        width, height = first.size
    else:
        height, width = (int(n) for n in first.shape[:2])
    return {
        "videos": len(frames),
        "frames": len(frames[0]),
        "height_px": height,
        "width_px": width,
    }


def fill(bench: Bench, metered: Metered, once: Callable[[], object], at_least: int = 1) -> int:
    """Does something until a window is long enough for its meters; returns how often.

    The device is waited for between batches, which grow as the time of one becomes known.
    """
    done, batch = 0, at_least
    needed = bench.min_window_s()
    while True:
        for _ in range(batch):
            once()
        done += batch
        bench.line.wait()
        elapsed = time.perf_counter() - metered.start_s
        if elapsed >= needed or done >= MAX_REPEATS:
            return done
        batch = min(MAX_REPEATS, max(1, math.ceil((needed - elapsed) / (elapsed / done))))


def timed_run(
    built: Built, request: VideoRequest, bench: Bench, recorder: StageRecorder, at_least: int = 1
) -> Run:
    """One window of as many calls as the meters need."""
    records: list[CallRecord] = []

    def once() -> None:
        with recorder.call() as got:
            built.generate(request)
        records.extend(got)

    metered = bench.start(nested=True)
    fill(bench, metered, once, at_least)
    bench.stop(metered)
    return Run(metered=metered, records=tuple(records))


def stage_joules(run: Run, bench: Bench) -> dict[str, float]:
    """Joules per call of the stages whose every span in a run is long enough to be metered."""
    found: dict[str, float] = {}
    unknown: set[str] = set()
    for span in (span for record in run.records for span in record.spans):
        reading = bench.meters.read_past(span.start_s, span.stop_s).primary("gpu")
        if reading is None or reading.energy_j is None:
            unknown.add(span.stage)
        else:
            joules = reading.energy_j / len(run.records)
            found[span.stage] = found.get(span.stage, 0.0) + joules
    return {stage: joules for stage, joules in found.items() if stage not in unknown}


def isolate(
    replays: Replays, bench: Bench, known: Container[str]
) -> tuple[tuple[Replay, Alone], ...]:
    """Meters alone every kind of call of the stages whose joules no run could tell."""
    return tuple(
        (replay, alone(replay, bench)) for replay in replays.values() if replay.stage not in known
    )


@torch.no_grad()
def alone(replay: Replay, bench: Bench) -> Alone:
    """One call of a stage, repeated in one window until the meters can resolve it."""
    bench.tell("alone", stage=replay.stage)
    metered = bench.start()
    made = fill(bench, metered, replay.again)
    bench.stop(metered)
    return Alone(metered=bench.read(metered), times=made)


def judge(runs: Sequence[Run], bench: Bench) -> dict[str, Any]:
    """The verdict on all timed runs."""
    traces = [bench.trace(run.metered.start_s, run.metered.stop_s) for run in runs]
    return verdict([run.latency_s for run in runs], [trace for trace in traces if trace])
