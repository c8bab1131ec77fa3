"""Protocol `sampled`: a few denoising steps and the decoder, each long enough to be metered.

The rule by which a video is composed of them:

1. One *short call* of the whole pipeline with as few steps as it takes warms every shape. What
   follows its decoder is measured here; the post-processing in it, work of the host that varies,
   is replaced by the mean of `FINISHES` repetitions.
2. The decoder is repeated alone in one window. It also warms the GPU up to its power limit.
3. The pipeline is called with all its steps and left after the dropped and the timed ones. The
   first step is dropped, and more until `DROPPED_S` are over. The timed ones fill one window that
   the meters can resolve. What comes before the first step (text encoder, scheduler) is measured
   here.
4. Where steps still get slower along the window (at the power limit the clock falls as the GPU
   warms up), or scatter so much that their mean is unsure by more than `ERROR_LIMIT`, the loop
   goes on: windows are opened several times in the length of one, and the longest counts over
   which the slope is below `SLOPE_LIMIT` and the mean is sure. After `MAX_WINDOWS` times the
   length of one the longest flat window counts, or else the last. The steps before are dropped.
5. Latency = what comes before + steps × seconds per step + decoder + what follows. GPU energy =
   steps × joules per step + joules of the decoder alone + the rest of the seconds × the mean of
   the power sampled in them (host energies: × the mean power of the step window).
6. Where weights are offloaded, there are two short calls, and what the loop and the second call's
   decoder took more than their steps and the decoder alone is added to both: weights on their way.

Cascades, and videos that are no longer than three windows, are not composed: the whole call is
repeated in one window, in a further one where the first was not stable, and the last counts.

A composed row says so; since its steps are equal by construction it is no evidence that time is
linear in steps.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, linear_regression, stdev
from typing import Any

from kinowatt.lab.bench import Bench, Metered
from kinowatt.lab.duration import (
    DROPPED_S,
    FINISHES,
    MAX_WINDOWS,
    MIN_TIMED,
    MIN_WHOLE_CALLS,
    SETTLE_S,
    WHOLE_WINDOWS,
)
from kinowatt.lab.meters.contract import SCOPES, Scope
from kinowatt.lab.pipelines import Built
from kinowatt.lab.protocol import (
    Alone,
    Composed,
    Outcome,
    WarmUp,
    alone,
    idle_baseline,
    timed_run,
    warm_up,
)
from kinowatt.lab.replay import Finish, Replay, finished
from kinowatt.lab.request import VideoRequest
from kinowatt.lab.stability import verdict
from kinowatt.lab.stages import CallRecord, StageRecorder
from kinowatt.lab.unknown import add, times

SLOPE_LIMIT = 0.01
ERROR_LIMIT = 0.005  # standard error of the mean step
OPENED = 4  # windows in the length of one


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """The counted window of steps: seconds of each, and its meters."""

    seconds: tuple[float, ...]
    metered: Metered
    record: CallRecord

    @property
    def slope(self) -> float:
        return slope_over(self.seconds)

    @property
    def mean_s(self) -> float:
        return self.metered.seconds / len(self.seconds)


def _settled(built: Built, request: VideoRequest, recorder: StageRecorder, seconds: float) -> float:
    """Calls until `SETTLE_S` are over, since the first after a pause are slower; seconds of one."""
    settled = time.perf_counter() + SETTLE_S
    while seconds < SETTLE_S and time.perf_counter() < settled:
        with recorder.call() as got:
            built.generate(request)
        seconds = got[0].seconds
    return seconds


class _Enough(BaseException):
    """Leaves a pipeline in the middle of its loop; no `except Exception` of its own stops it."""


def measure_sampled(
    built: Built, request: VideoRequest, bench: Bench, idle_s: float = 6.0
) -> Outcome:
    """Times and meters parts of a video and composes it, or the whole where that is as quick."""
    idle = idle_baseline(bench, idle_s)
    least = replace(request, steps=min(request.steps, built.spec.rules.min_steps))
    cascade = len(built.pipes) > 1 and request.recipe != "single"
    offloaded = built.options.offload != "none"
    with finished(built) as finishes:
        calls = 2 if offloaded and not cascade else 1  # the first is slow for other reasons too
        warm = warm_up(built, request if cascade else least, bench, calls=calls)
    whole_s = warm.seconds + (
        0 if cascade else (request.steps - least.steps) * _step_s(warm.record)
    )
    if cascade or whole_s <= WHOLE_WINDOWS * bench.min_window_s() or request.steps <= MIN_TIMED + 1:
        return _whole(built, request, bench, warm, idle)
    decoders = [r for r in warm.replays.values() if r.stage == "vae_decoder"]
    decoded = [(replay, alone(replay, bench)) for replay in decoders]
    after_s = _after_s(warm.record, finishes)
    steps = _timed_steps(built, request, bench)
    return _composed(request, bench, Parts(idle, warm, steps, decoded, after_s, offloaded))


def _after_s(record: CallRecord, finishes: Sequence[Finish]) -> float:
    """Seconds from the end of the decoder to the end of a call."""
    once_s = record.stop_s - record.spans[-1].stop_s
    if not finishes:
        return once_s
    again_s = fmean(finishes[-1].again_s() for _ in range(FINISHES))
    return once_s - finishes[-1].seconds + again_s


def _step_s(record: CallRecord) -> float:
    """Seconds of one step of a short call."""
    return sum(span.seconds for span in record.of("denoiser")) / max(1, record.steps)


def _whole(
    built: Built, request: VideoRequest, bench: Bench, warm: WarmUp, idle: Metered
) -> Outcome:
    with StageRecorder(built.pipes, built.device, bench.listener) as recorder:
        seconds = _settled(built, request, recorder, warm.seconds)
        calls = max(1, math.ceil(WHOLE_WINDOWS * bench.min_window_s() / seconds))
        for _ in range(MAX_WINDOWS):
            bench.tell("run", run=1, of=1, seconds=seconds)
            outer = bench.start()
            run = timed_run(built, request, bench, recorder, min(MIN_WHOLE_CALLS, calls))
            bench.stop(outer)
            trace = bench.trace(run.metered.start_s, run.metered.stop_s)
            stability = verdict([r.seconds for r in run.records], [trace] if trace else [])
            if stability["stable"] or not bench.metering:
                break
    bench.read(outer)
    bench.read(run.metered)
    return Outcome(
        protocol="sampled",
        warm=warm,
        idle=idle,
        runs=(run,),
        outer=outer,
        inside=(),
        isolated=(),
        stability=stability,
    )


def _timed_steps(built: Built, request: VideoRequest, bench: Bench) -> Steps:
    clock = _StepClock(bench, request.steps)
    with StageRecorder(built.pipes, built.device, clock.listen) as recorder:
        try:
            with recorder.call() as got:
                built.generate(request)
        except _Enough:
            for pipe in built.pipes:
                pipe.maybe_free_model_hooks()
    return Steps(seconds=clock.seconds, metered=bench.read(clock.metered), record=got[0])


def slope_over(seconds: Sequence[float]) -> float:
    """Relative change of the seconds of a step over a window, by a straight line."""
    if len(seconds) < 3:
        return 0.0
    line = linear_regression(range(len(seconds)), seconds)
    return line.slope * (len(seconds) - 1) / fmean(seconds)


def steady(seconds: Sequence[float]) -> bool:
    """Whether steps neither get slower nor scatter too much for their mean to be known."""
    error = stdev(seconds) / len(seconds) ** 0.5 / fmean(seconds) if len(seconds) > 1 else 0.0
    return abs(slope_over(seconds)) <= SLOPE_LIMIT and error <= ERROR_LIMIT


class _StepClock:
    """Opens windows after the dropped steps, and leaves when the steps in one are steady."""

    def __init__(self, bench: Bench, steps: int) -> None:
        self.bench = bench
        self.steps = steps
        self.seconds: tuple[float, ...] = ()
        self.metered: Metered
        self._marks: list[Any] = []
        self._opened: list[tuple[int, Metered]] = []  # after how many steps
        self._stride = 1
        self._until: int | None = None
        self._entered_s = 0.0

    def listen(self, event: str, values: dict[str, Any]) -> None:
        if self.bench.listener is not None:
            self.bench.listener(event, values)
        if event == "stage" and values["stage"] == "denoiser":
            self._entered_s = time.perf_counter()
        if event != "step":
            return
        self._marks.append(self.bench.line.mark())
        done = len(self._marks)
        if self._until is None:
            self._begin(done)
        elif done == self._until:
            self._look(done)

    def _begin(self, done: int) -> None:
        """Opens the first window once enough steps are dropped."""
        self.bench.line.wait()
        dropped_s = time.perf_counter() - self._entered_s
        if dropped_s >= DROPPED_S or done + MIN_TIMED >= self.steps:
            in_window = max(MIN_TIMED, self.bench.min_window_s() * done / dropped_s)
            self._stride = max(1, int(in_window / OPENED))
            self._open(done)

    def _open(self, done: int) -> None:
        nested = bool(self._opened)
        self._opened.append((done, self.bench.start(nested=nested)))
        self._until = min(done + self._stride, self.steps)

    def _look(self, done: int) -> None:
        """Leaves the pipeline when a window is long enough and steady, else goes on."""
        self.bench.line.wait()
        now_s, needed_s = time.perf_counter(), self.bench.min_window_s()
        long = [
            (first, metered)
            for first, metered in self._opened
            if done - first >= MIN_TIMED and now_s - metered.start_s >= needed_s
        ]
        spent = now_s - self._opened[0][1].start_s >= MAX_WINDOWS * needed_s
        chosen = next((each for each in long if steady(self._since(each[0]))), None)
        if chosen is None and (done == self.steps or (long and spent)):
            flat = (each for each in long if abs(slope_over(self._since(each[0]))) <= SLOPE_LIMIT)
            chosen = next(flat, long[-1] if long else self._opened[0])
        if chosen is None:
            self._open(done)
            return
        self.bench.stop(chosen[1])
        self.seconds = self._since(chosen[0])
        self.metered = chosen[1]
        raise _Enough

    def _since(self, first: int) -> tuple[float, ...]:
        """Seconds of the steps after the first so many."""
        return tuple(self.bench.line.seconds(a, b) for a, b in pairwise(self._marks[first - 1 :]))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a video is composed of."""

    idle: Metered
    warm: WarmUp
    steps: Steps
    decoded: list[tuple[Replay, Alone]]
    after_s: float
    offloaded: bool

    def moves_s(self) -> dict[str, float]:
        """Seconds in which offloaded weights are on their way, by the stage that waits for them."""
        if not self.offloaded:
            return {}
        seen = {
            "denoiser": (self.steps.record, self.steps.record.steps * self.steps.mean_s),
            "vae_decoder": (self.warm.record, self._decoder_s()),
        }
        return {
            stage: max(0.0, sum(span.seconds for span in record.of(stage)) - parts_s)
            for stage, (record, parts_s) in seen.items()
        }

    def _decoder_s(self) -> float:
        return sum(part.seconds * replay.calls for replay, part in self.decoded)

    def before(self) -> tuple[float, float]:
        """From the call to the first step, in the call that was left."""
        return self.steps.record.start_s, self.steps.record.of("denoiser")[0].start_s

    def after(self) -> tuple[float, float]:
        """From the decoder to the end, in the short call."""
        return self.warm.record.spans[-1].stop_s, self.warm.record.stop_s

    def stages_s(self, steps: int) -> dict[str, float]:
        start_s, stop_s = self.before()
        found = {span.stage: 0.0 for span in self.steps.record.spans if span.stage != "denoiser"}
        for span in self.steps.record.spans:
            if span.stage != "denoiser":
                found[span.stage] += span.seconds
        found["other"] = stop_s - start_s - sum(found.values()) + self.after_s
        found["denoiser"] = steps * self.steps.mean_s
        found["vae_decoder"] = self._decoder_s()
        for stage, seconds in self.moves_s().items():
            found[stage] += seconds
        return found


def _composed(request: VideoRequest, bench: Bench, parts: Parts) -> Outcome:
    steps = parts.steps
    stages = parts.stages_s(request.steps)
    rest_s = sum(s for stage, s in stages.items() if stage not in ("denoiser", "vae_decoder"))
    rest_s += sum(parts.moves_s().values())
    energy = {scope: _energy_j(scope, request, parts) for scope in SCOPES}
    for scope in SCOPES:
        power_w = _rest_power_w(parts, bench) if scope == "gpu" else steps.metered.power_w(scope)
        energy[scope]["rest"] = times(power_w, rest_s)
    trace = bench.trace(steps.metered.start_s, steps.metered.stop_s)
    return Outcome(
        protocol="sampled",
        warm=parts.warm,
        idle=parts.idle,
        runs=(),
        outer=steps.metered,
        inside=(),
        isolated=(),
        stability=verdict([], [trace] if trace else []) | {"slope": steps.slope},
        composed=Composed(
            stages_s=stages, energy_j=energy, record=steps.record, rule=_rule(request, parts)
        ),
    )


def _rule(request: VideoRequest, parts: Parts) -> dict[str, Any]:
    """What a reader needs to judge a composed row."""
    steps, before = parts.steps, parts.before()
    return {
        "steps": request.steps,
        "timed_steps": len(steps.seconds),
        "dropped_steps": steps.record.steps - len(steps.seconds),
        "step_s": steps.mean_s,
        "step_sd_s": stdev(steps.seconds) if len(steps.seconds) > 1 else None,
        "slope": steps.slope,
        "decoder_calls": sum(part.times for _, part in parts.decoded),
        "before_s": before[1] - before[0],
        "after_s": parts.after_s,
        "moves_s": sum(parts.moves_s().values()),
    }


def _energy_j(scope: Scope, request: VideoRequest, parts: Parts) -> dict[str, float | None]:
    """Joules of the parts that were metered in windows of their own."""
    steps = parts.steps
    decoder = [times(part.joules(scope), replay.calls) for replay, part in parts.decoded]
    return {
        "denoiser": times(steps.metered.joules(scope), request.steps / len(steps.seconds)),
        "vae_decoder": add(decoder),
    }


def _rest_power_w(parts: Parts, bench: Bench) -> float | None:
    """Mean sampled power before the first step and after the decoder."""
    gaps = [(a, b) for a, b in (parts.before(), parts.after()) if b > a]
    joules = add(times(bench.mean_power_w(a, b), b - a) for a, b in gaps)
    return None if joules is None or not gaps else joules / sum(b - a for a, b in gaps)
