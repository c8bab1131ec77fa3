"""Protocol `sampled`: a few denoising steps and the decoder, each long enough to be metered.

The rule by which a video is composed of them:

1. A *short call* of the whole pipeline with as few steps as it takes warms every shape. A second
   one gives the seconds of text encoder, decoder and host (`other`) in a warm pipeline.
2. The pipeline is called with all its steps and left after `dropped + timed` of them. The first
   `dropped` steps are not counted. `timed` steps fill one window that the meters can resolve.
3. Where steps still get slower along the window (the power limit lowers the clock within seconds),
   the window is continued until the slope over it is below `SLOPE_LIMIT`, at most `MAX_WINDOWS`
   times; only the last window counts.
4. The decoder is repeated alone in one window.
5. Latency = text encoder + steps × seconds per step + decoder + other. GPU energy = steps × joules
   per step + joules of the decoder alone + (text encoder + other) × the mean power sampled there.

Whole calls that together are no longer than three windows, and cascades, are not composed: the
whole call is repeated in one window. A composed row says so; since its steps are equal by
construction it is no evidence that time is linear in steps.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, linear_regression, stdev
from typing import Any

from kinowatt.lab.bench import Bench, Metered
from kinowatt.lab.meters.contract import SCOPES, Scope
from kinowatt.lab.pipelines import Built
from kinowatt.lab.protocol import (
    Alone,
    Composed,
    Outcome,
    WarmUp,
    add,
    alone,
    idle_baseline,
    timed_run,
    warm_up,
)
from kinowatt.lab.replay import Replay
from kinowatt.lab.request import VideoRequest
from kinowatt.lab.stability import verdict
from kinowatt.lab.stages import CallRecord, StageRecorder

DROPPED = 1
MIN_TIMED = 3
SLOPE_LIMIT = 0.01
MAX_WINDOWS = 3
WHOLE_WINDOWS = 3  # videos of up to so many windows are measured whole
MIN_WHOLE_CALLS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """The counted window of steps: seconds of each, and its meters."""

    seconds: tuple[float, ...]
    metered: Metered
    record: CallRecord
    slope: float
    windows: int

    @property
    def mean_s(self) -> float:
        return self.metered.seconds / len(self.seconds)


class _Enough(BaseException):
    """Leaves a pipeline in the middle of its loop; no `except Exception` of its own stops it."""


def measure_sampled(
    built: Built, request: VideoRequest, bench: Bench, idle_s: float = 6.0
) -> Outcome:
    """Times and meters parts of a video and composes it, or the whole where that is as quick."""
    idle = idle_baseline(bench, idle_s)
    least = replace(request, steps=min(request.steps, built.spec.rules.min_steps))
    cascade = len(built.pipes) > 1 and request.recipe != "single"
    warm = warm_up(built, request if cascade else least, bench, calls=2)
    step_s = _step_s(warm.record)
    whole_s = warm.seconds + (0 if cascade else (request.steps - least.steps) * step_s)
    if cascade or whole_s <= WHOLE_WINDOWS * bench.min_window_s() or request.steps <= MIN_TIMED + 1:
        return _whole(built, request, bench, warm, idle)
    steps = _timed_steps(built, request, bench, step_s)
    return _composed(request, bench, warm, idle, steps)


def _step_s(record: CallRecord) -> float:
    """Seconds of one step of a short call."""
    return sum(span.seconds for span in record.of("denoiser")) / max(1, record.steps)


def _whole(
    built: Built, request: VideoRequest, bench: Bench, warm: WarmUp, idle: Metered
) -> Outcome:
    with StageRecorder(built.pipes, built.device, bench.listener) as recorder:
        with recorder.call() as got:
            built.generate(request)
        long = got[0].seconds > WHOLE_WINDOWS * bench.min_window_s()
        bench.tell("run", run=1, of=1, seconds=got[0].seconds)
        outer = bench.start(outer=True)
        run = timed_run(built, request, bench, recorder, 1 if long else MIN_WHOLE_CALLS)
        bench.stop(outer)
    bench.read(outer)
    bench.read(run.metered)
    trace = bench.trace(run.metered.start_s, run.metered.stop_s)
    return Outcome(
        protocol="sampled",
        warm=warm,
        idle=idle,
        runs=(run,),
        outer=outer,
        inside=(),
        isolated=(),
        stability=verdict([r.seconds for r in run.records], [trace] if trace else []),
    )


def _timed_steps(built: Built, request: VideoRequest, bench: Bench, step_s: float) -> Steps:
    wanted = max(MIN_TIMED, math.ceil(bench.min_window_s() / step_s))
    clock = _StepClock(bench, min(wanted, request.steps - DROPPED), request.steps)
    with StageRecorder(built.pipes, built.device, clock.listen) as recorder:
        try:
            with recorder.call() as got:
                built.generate(request)
        except _Enough:
            for pipe in built.pipes:
                pipe.maybe_free_model_hooks()
    return Steps(
        seconds=clock.seconds,
        metered=bench.read(clock.metered),
        record=got[0],
        slope=slope_over(clock.seconds),
        windows=clock.windows,
    )


def slope_over(seconds: Sequence[float]) -> float:
    """Relative change of the seconds of a step over a window, by a straight line."""
    if len(seconds) < 3:
        return 0.0
    line = linear_regression(range(len(seconds)), seconds)
    return line.slope * (len(seconds) - 1) / fmean(seconds)


class _StepClock:
    """Opens a window after the dropped steps, and leaves when steps have become steady."""

    def __init__(self, bench: Bench, timed: int, steps: int) -> None:
        self.bench = bench
        self.timed = timed
        self.steps = steps
        self.windows = 0
        self.seconds: tuple[float, ...] = ()
        self.metered: Metered
        self._marks: list[Any] = []
        self._first = self._until = 0

    def listen(self, event: str, values: dict[str, Any]) -> None:
        if self.bench.listener is not None:
            self.bench.listener(event, values)
        if event != "step" or values["step"] < DROPPED:
            return
        self._marks.append(self.bench.line.mark())
        done = len(self._marks) - 1
        if done == 0:
            self._begin(done)
        elif done == self._until:
            self._look(done)

    def _begin(self, done: int) -> None:
        self.metered = self.bench.start(outer=True)
        self._first = done
        self._until = done + self.timed

    def _look(self, done: int) -> None:
        """At the planned end of a window: continue it, begin another, or leave the pipeline."""
        self.bench.line.wait()
        elapsed = time.perf_counter() - self.metered.start_s
        short = self.bench.min_window_s() - elapsed
        if short > 0 and self.metered.windows and done < self.steps - DROPPED:
            self._until = done + math.ceil(short / (elapsed / (done - self._first)))
            self._until = min(self._until, self.steps - DROPPED)
            return
        self.bench.stop(self.metered)
        self.windows += 1
        marks = self._marks[self._first :]
        self.seconds = tuple(self.bench.line.seconds(a, b) for a, b in pairwise(marks))
        more = done + self.timed <= self.steps - DROPPED
        if not more or self.windows == MAX_WINDOWS or abs(slope_over(self.seconds)) <= SLOPE_LIMIT:
            raise _Enough
        self._begin(done)


def _composed(
    request: VideoRequest, bench: Bench, warm: WarmUp, idle: Metered, steps: Steps
) -> Outcome:
    decoders = [r for r in warm.replays.values() if r.stage.endswith("decoder")]
    decoded = [(replay, alone(replay, bench)) for replay in decoders]
    short = warm.record.stages_s()
    stages = {stage: s for stage, s in short.items() if stage not in ("denoiser", "vae_decoder")}
    rest_s = sum(stages.values())
    stages["denoiser"] = request.steps * steps.mean_s
    stages["vae_decoder"] = sum(part.seconds * replay.calls for replay, part in decoded)
    trace = bench.trace(steps.metered.start_s, steps.metered.stop_s)
    energy = {scope: _energy_j(scope, request, steps, decoded) for scope in SCOPES}
    rest_w = {scope: _power_w(steps.metered, scope) for scope in SCOPES}
    rest_w["gpu"] = _rest_power_w(warm.record, bench)
    for scope in SCOPES:
        energy[scope]["rest"] = _times(rest_w[scope], rest_s)
    return Outcome(
        protocol="sampled",
        warm=warm,
        idle=idle,
        runs=(),
        outer=steps.metered,
        inside=(),
        isolated=(),
        stability=verdict([], [trace] if trace else []) | {"slope": steps.slope},
        composed=Composed(
            stages_s=stages,
            energy_j=energy,
            record=steps.record,
            rule={
                "steps": request.steps,
                "timed_steps": len(steps.seconds),
                "dropped_steps": steps.record.steps - len(steps.seconds),
                "step_s": steps.mean_s,
                "step_sd_s": stdev(steps.seconds) if len(steps.seconds) > 1 else None,
                "slope": steps.slope,
                "window_s": steps.metered.seconds,
                "decoder_calls": sum(part.times for _, part in decoded),
                "rest_s": rest_s,
            },
        ),
    )


def _energy_j(
    scope: Scope, request: VideoRequest, steps: Steps, decoded: Sequence[tuple[Replay, Alone]]
) -> dict[str, float | None]:
    """Joules of the parts that were metered in windows of their own."""
    decoder = [_times(part.joules(scope), replay.calls) for replay, part in decoded]
    return {
        "denoiser": _times(steps.metered.joules(scope), request.steps / len(steps.seconds)),
        "vae_decoder": add(decoder),
    }


def _power_w(metered: Metered, scope: Scope) -> float | None:
    reading = metered.primary(scope)
    return None if reading is None else reading.power_w


def _rest_power_w(record: CallRecord, bench: Bench) -> float | None:
    """Mean sampled power while neither denoiser nor decoder ran in the short call."""
    edges = [record.start_s]
    for span in record.spans:
        if span.stage in ("denoiser", "vae_decoder"):
            edges += [span.start_s, span.stop_s]
    edges.append(record.stop_s)
    gaps = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
    watts = [(bench.mean_power_w(a, b), b - a) for a, b in gaps]
    if not gaps or any(power is None for power, _ in watts):
        return None
    total = sum((power or 0.0) * seconds for power, seconds in watts)
    return total / sum(seconds for _, seconds in watts)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
