"""What every experiment is taken with: pipelines, windows on the energy counter, lines of data."""

import gc
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from kinowatt.lab.conditions import conditions, software, source_of
from kinowatt.lab.measure import twin_size
from kinowatt.lab.meters.nvml_meters import NvmlCounter
from kinowatt.lab.meters.sampler import Sampler, shared, summary
from kinowatt.lab.pipelines import Built, build, denoiser_of
from kinowatt.lab.request import BuildOptions, VideoRequest
from kinowatt.lab.stages import shape_of
from kinowatt.lab.timeline import Timeline, timeline

Values = dict[str, Any]
COUNTER = f"{NvmlCounter.label}, read between its steps"
MAX_FORWARDS = 2000  # in one window


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long windows are: `window_s` counts, `warm_s` before it does not."""

    window_s: float = 3.0
    warm_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a pipeline gives its text encoders (in turn) and its denoiser (the first time)."""

    text: tuple[tuple[Any, tuple[Any, ...], Values], ...]
    denoiser: tuple[tuple[Any, ...], Values]

    @property
    def shape(self) -> list[int]:
        """Of the latents that the denoiser gets."""
        return list(shape_of(*self.denoiser))


class _Caught(BaseException):
    """Leaves a pipeline as its denoiser is called."""


class Desk:
    """Pipelines by name, the sampler of the GPU, and the folder that lines are written to."""

    def __init__(
        self,
        out: Path,
        options: BuildOptions,
        pace: Pace,
        seconds: float,
        models: Sequence[str] = (),
    ) -> None:
        self.out = out
        self.models = models
        self.options = options
        self.pace = pace
        self.started_s = time.perf_counter()
        self.until_s = self.started_s + seconds
        self.ends_s = self.until_s
        self.line: Timeline = timeline(torch.device(options.device))
        source = source_of(torch.device(options.device))
        self.sampler: Sampler | None = shared(source) if source else None
        self._built: dict[str, Built] = {}
        self._conditions: dict[str, Values] = {}
        out.mkdir(parents=True, exist_ok=True)

    def wanted(self, models: Sequence[tuple[str, Values]]) -> Iterator[tuple[str, Values]]:
        """Models that an experiment has, in its order; all, unless some are named."""
        yield from (each for each in models if not self.models or each[0] in self.models)

    def close(self) -> None:
        for name in list(self._built):
            self.drop(name)
        if self.sampler is not None:
            self.sampler.release()

    # Time

    def left_s(self) -> float:
        """Until the present experiment must be over."""
        return min(self.until_s, self.ends_s) - time.perf_counter()

    @contextmanager
    def budget(self, seconds: float) -> Iterator[None]:
        """The seconds that one experiment may take."""
        self.ends_s = time.perf_counter() + seconds
        try:
            yield
        finally:
            self.ends_s = self.until_s

    # Pipelines

    def built(self, name: str) -> Built:
        """A pipeline, made where it is not there."""
        if name not in self._built:
            started = time.perf_counter()
            self._built[name] = build(name, self.options)
            self._conditions[name] = conditions(self._built[name])
            self.say(f"built {name} in {time.perf_counter() - started:.1f} s")
        return self._built[name]

    def drop(self, name: str) -> None:
        """Frees a pipeline's memory."""
        self._built.pop(name, None)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def request(self, name: str, **asked: Any) -> VideoRequest:
        """A video of this model; a twin's is tiny whatever size is asked for."""
        built = self.built(name)
        if self.options.twin:
            asked |= twin_size(built.spec)
        return VideoRequest.of(built.spec, recipe="single", **asked)

    def inputs(self, built: Built, request: VideoRequest) -> Inputs:
        """What a video gives to the parts of its pipeline before anything is denoised."""
        text: list[tuple[Any, tuple[Any, ...], Values]] = []
        caught: list[tuple[tuple[Any, ...], Values]] = []

        def at_denoiser(_: object, args: tuple[Any, ...], kwargs: Values) -> None:
            caught.append((args, dict(kwargs)))
            raise _Caught

        encoder, denoiser = built.pipe.text_encoder, denoiser_of(built.pipe)
        hooks = [
            encoder.register_forward_pre_hook(
                lambda module, args, kwargs: text.append((module, args, dict(kwargs))),
                with_kwargs=True,
            ),
            denoiser.register_forward_pre_hook(at_denoiser, with_kwargs=True, prepend=True),
        ]
        try:
            built.generate(request)
        except _Caught:
            built.pipe.maybe_free_model_hooks()
        finally:
            for hook in hooks:
                hook.remove()
        return Inputs(tuple(text), caught[0])

    # Windows

    @torch.no_grad()
    def window(self, once: Callable[[], object], pace: Pace | None = None) -> Values:
        """Repeats something in one window; a shorter one before it is not counted."""
        pace = pace or self.pace
        each_s = self._warm(once, pace.warm_s)
        times = min(MAX_FORWARDS, max(2, math.ceil(pace.window_s / each_s)))
        self.line.wait()
        start_s = time.perf_counter()
        marks = [self.line.mark()]
        for _ in range(times):
            once()
            marks.append(self.line.mark())
        self.line.wait()
        stop_s = time.perf_counter()
        seconds = [self.line.seconds(a, b) for a, b in pairwise(marks)]
        return {
            "forwards": times,
            "forward_s": (stop_s - start_s) / times,
            "device_mean_s": fmean(seconds),
            "device_sd_s": stdev(seconds),
            "device_first_s": seconds[0],
            "device_last_s": seconds[-1],
            **self.metered(start_s, stop_s),
        }

    def _warm(self, once: Callable[[], object], seconds: float) -> float:
        """Calls that are not counted, the first of which may choose kernels; seconds of one."""
        until_s = time.perf_counter() + seconds
        each_s = self._seconds(once)
        while (left_s := until_s - time.perf_counter()) > 0:
            times = max(1, math.ceil(min(left_s, seconds / 3) / each_s))
            each_s = self._seconds(once, min(MAX_FORWARDS, times))
        return each_s

    def _seconds(self, once: Callable[[], object], times: int = 1) -> float:
        start_s = time.perf_counter()
        for _ in range(times):
            once()
        self.line.wait()
        return (time.perf_counter() - start_s) / times

    def metered(self, start_s: float, stop_s: float) -> Values:
        """Joules of the GPU between two instants, and the spread of what was sampled in them."""
        found: Values = {"window_s": stop_s - start_s, "gpu_j": None, "gpu_w": None}
        if self.sampler is None:
            return found | {"why_null": "no NVIDIA GPU: nothing meters here"}
        joules, why = self.sampler.around(start_s, stop_s).counter_joules(start_s, stop_s)
        if joules is None:
            return found | {"why_null": why}
        step_s = self.sampler.step_s(NvmlCounter.field)
        return found | {
            "gpu_j": joules,
            "gpu_w": joules / (stop_s - start_s),
            "counter_step_s": step_s,
            "sampled": summary(self.sampler.between(start_s, stop_s)),
        }

    # Lines

    def write(self, experiment: str, values: Mapping[str, Any], name: str | None = None) -> None:
        """Appends one line, with the conditions of the model that it is about."""
        line = {
            "experiment": experiment,
            "model": name,
            **values,
            "at_s": time.perf_counter() - self.started_s,
            "meter": COUNTER if self.sampler else None,
            "conditions": self._conditions.get(name or "") or software(),
        }
        with (self.out / f"{experiment}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
        told = {k: values[k] for k in ("error", "skipped", "forward_s", "gpu_w") if k in values}
        self.say(f"{experiment} {name or ''} {values.get('variant', '')} {told}")

    def attempt(
        self, where: tuple[str, str], about: Values, once: Callable[[], Values], needs_s: float = 0
    ) -> None:
        """One line of an experiment on a model, about what was found or why nothing was."""
        experiment, name = where
        found: Values
        if self.left_s() < needs_s:
            found = {"skipped": f"{self.left_s():.0f} s left of {needs_s:.0f} s needed"}
        else:
            try:
                found = once()
            except Exception as error:  # noqa: BLE001 (the next variant goes on)
                text = (str(error).strip() or "no message").splitlines()[0]
                found = {"error": f"{type(error).__name__}: {text}"[:400]}
                gc.collect()
        self.write(experiment, about | found, name)

    def say(self, text: str) -> None:
        sys.stderr.write(f"{time.perf_counter() - self.started_s:6.1f} s  {text}\n")
        sys.stderr.flush()
