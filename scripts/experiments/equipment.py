"""What the experiments share: the command line, the log, one window of equal calls."""

import argparse
import gc
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from kinowatt.errors import InputError
from kinowatt.facts.models import ModelSpec
from kinowatt.lab.bench import Bench
from kinowatt.lab.conditions import gpu_state, software
from kinowatt.lab.measure import twin_size
from kinowatt.lab.pipelines import Built, check_device, denoiser_of
from kinowatt.lab.request import VideoRequest
from kinowatt.lab.session import Session, open_session
from kinowatt.lab.unknown import times

Key = Mapping[str, Any]
Part = tuple[Key, Callable[[], dict[str, Any]]]
SETTLE_S = 2.0
TWIN = {"device": "cpu", "twin": True, "dtype": "float32"}
METERS = ("nvml-counter", "nvml-power-instant")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The command line: where the lines go, after how many seconds nothing new is begun."""

    out: Path
    seconds: float
    twin: bool

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.twin or not torch.cuda.is_available() else "cuda")


def asked(doc: str | None, cost_s: Mapping[str, float], argv: Sequence[str] | None = None) -> Asked:
    """Reads the command line, and says on stderr what the whole experiment will cost.

    Without a GPU only what costs no GPU time can go on, and twins.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("out", type=Path, help="JSON Lines; what it has already is left out")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin nothing after this")
    parser.add_argument("--twin", action="store_true", help="tiny twins on a CPU")
    found = parser.parse_args(argv)
    parts = ", ".join(f"{name} {seconds:.0f}" for name, seconds in cost_s.items())
    say(f"expected on an H100: {sum(cost_s.values()):.0f} GPU-seconds ({parts or 'CPU alone'})")
    if cost_s and not found.twin:
        try:
            check_device("cuda")
        except InputError as error:
            parser.error(str(error))
    return Asked(out=found.out, seconds=found.seconds, twin=found.twin)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


class Log:
    """JSON Lines of one experiment; a line is in the file before the next part begins."""

    def __init__(self, experiment: str, asked: Asked) -> None:
        self.experiment = experiment
        self.path = asked.out
        self.until = time.perf_counter() + asked.seconds
        self.conditions = {**software(), **gpu_state(asked.device), "twin": asked.twin}

    def lines(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines() if line]

    def left(self, parts: Iterable[Key]) -> list[Key]:
        """The parts that no line without an error is about."""
        done = [line["part"] for line in self.lines() if "error" not in line]
        return [part for part in parts if dict(part) not in done]

    def add(self, part: Key, values: Mapping[str, Any]) -> None:
        taken_at = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"experiment": self.experiment, "part": part, "taken_at": taken_at, **values}
        text = json.dumps({**line, "conditions": self.conditions}, allow_nan=False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def carry_out(self, parts: Iterable[Part]) -> None:
        """Does one part after another while there is time; an error is a line, and no end."""
        for part, do in parts:
            started = time.perf_counter()
            if started > self.until:
                say("no time left: the same command goes on")
                return
            try:
                values = do()
            except Exception as error:  # noqa: BLE001 (kernels raise what they like)
                first = (str(error).strip().splitlines() or [""])[0]
                values = {"error": f"{type(error).__name__}: {first}"}
            del do  # with it goes the last hold on a pipeline that is done
            self.add(part, values)
            told = values.get("error") or values.get("told", "")
            say(f"{time.perf_counter() - started:6.1f} s  {dict(part)}  {told}")


def open_lab(model: str, asked: Asked, meters: Sequence[str] = METERS) -> Session:
    """The pipeline of a model with random weights, and its meters."""
    gc.collect()
    torch.cuda.empty_cache()  # what an earlier pipeline held
    options = TWIN if asked.twin else {}
    return open_session({"model": model, "meters": list(meters), **options}, lambda _: None)


def request_of(spec: ModelSpec, asked: Asked, **video: Any) -> VideoRequest:
    """The video asked for; of a twin one that takes part of a second."""
    if asked.twin:
        video |= twin_size(spec)
    return VideoRequest.of(spec, **video)


@dataclass(slots=True)
class Call:
    """One call of a component, with inputs that can be replaced."""

    module: torch.nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @torch.no_grad()
    def __call__(self) -> Any:
        return self.module(*self.args, **self.kwargs)


class _Seen(BaseException):
    """Leaves a pipeline where its denoiser begins; no `except Exception` of its own stops it."""


def first_calls(built: Built, request: VideoRequest) -> tuple[Call, Call]:
    """The first call of the text encoder and of the denoiser, as the pipeline makes them."""
    stages = (built.pipe.text_encoder, denoiser_of(built.pipe))
    found: dict[int, Call] = {}

    def note(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.setdefault(id(module), Call(module, args, kwargs))
        if module is stages[1]:
            raise _Seen

    handles = [module.register_forward_pre_hook(note, with_kwargs=True) for module in stages]
    try:
        built.generate(request)
    except _Seen:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return found[id(stages[0])], found[id(stages[1])]


def timed(
    bench: Bench, once: Callable[[], Any], seconds: float | None = None, settle_s: float = SETTLE_S
) -> dict[str, Any]:
    """Equal calls in one window; seconds of a call, joules, power and clocks.

    `once` is made at least once before, and again until `settle_s` are over. `seconds`: least
    length of the window; None: as long as the energy counter needs. In a shorter one the joules
    of the counter are null; those by sampled power are not.
    """
    needed_s = bench.min_window_s() if seconds is None else seconds
    once_s = _settled(bench, once, settle_s if bench.metering else 0.0)
    metered = bench.start()
    marks = _repeated(bench, once, needed_s, max(2, math.ceil(needed_s / once_s)))
    bench.stop(metered)
    bench.read(metered)
    each_s = [bench.line.seconds(begin, end) for begin, end in marks]
    reading = metered.readings.primary("gpu")
    sampled_w = bench.mean_power_w(metered.start_s, metered.stop_s)
    call_s = metered.seconds / len(marks)
    return {
        "told": f"{call_s:.4f} s a call, {'-' if sampled_w is None else f'{sampled_w:.0f}'} W",
        "calls": len(marks),
        "window_s": metered.seconds,
        "call_s": call_s,
        "device_s": {"mean": fmean(each_s), "sd": stdev(each_s), "min": min(each_s)},
        "joules_a_call": times(metered.joules("gpu"), 1 / len(marks)),
        "joules_null": reading.reason if reading else bench.meters.why_none("gpu"),
        "sampled_joules_a_call": times(sampled_w, call_s),
        "power_w": metered.power_w("gpu"),
        "sampled_power_w": sampled_w,
        "trace": bench.trace(metered.start_s, metered.stop_s),
    }


def _settled(bench: Bench, once: Callable[[], Any], settle_s: float) -> float:
    """At least one call, and more until so many seconds are over; seconds of the last."""
    until = time.perf_counter() + settle_s
    while True:
        started = time.perf_counter()
        once()
        bench.line.wait()
        stopped = time.perf_counter()
        if stopped >= until:
            return stopped - started


def _repeated(
    bench: Bench, once: Callable[[], Any], needed_s: float, batch: int
) -> list[tuple[Any, Any]]:
    """Marks around each call; the device is waited for only after a batch."""
    marks: list[tuple[Any, Any]] = []
    started = time.perf_counter()
    while True:
        for _ in range(batch):
            begin = bench.line.mark()
            once()
            marks.append((begin, bench.line.mark()))
        bench.line.wait()
        elapsed = time.perf_counter() - started
        if elapsed >= needed_s:
            return marks
        batch = max(1, math.ceil((needed_s - elapsed) / (elapsed / len(marks))))
