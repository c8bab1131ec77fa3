"""Where a pipeline spends its time: hooks at the edges of its stages, on any diffusers pipeline.

The device is waited for only where one stage gives way to another; inside the denoising loop
there are device events alone. Everything is taken off again by `close`.
"""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import torch

from kinowatt.errors import InputError
from kinowatt.lab.timeline import Timeline, timeline

# Components by the beginning of their name in a pipeline → the stage that their forward is
FORWARDS: Mapping[str, str] = {
    "text_encoder": "text_encoder",
    "image_encoder": "image_encoder",
    "transformer": "denoiser",
    "unet": "denoiser",
    "prior": "prior",
    "controlnet": "controlnet",
    "latent_upsampler": "latent_upsampler",
    "vocoder": "vocoder",
}
DECODERS = ("vae", "vqvae", "movq", "vqgan", "audio_vae")
COMPILED = "_compiled_call_impl"
INSIDE_LOOP = ("denoiser", "controlnet")  # one span for the whole loop
Listener = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One stretch of one stage, in seconds of `time.perf_counter()`.

    `forwards_s`: device seconds of each call inside. `host_s`: seconds that the host took to
    queue all of them. `lag_s`: how far the device was behind the host at the end of each call;
    near zero where the device waits for the host. `steps_s`: instants after each scheduler step.
    """

    stage: str
    start_s: float
    stop_s: float
    forwards_s: tuple[float, ...]
    host_s: float
    lag_s: tuple[float, ...]
    steps_s: tuple[float, ...]
    shape: tuple[int, ...]
    peak_bytes: tuple[int, int] | None

    @property
    def seconds(self) -> float:
        return self.stop_s - self.start_s


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRecord:
    """One call of a pipeline: the whole, and its stages in order."""

    start_s: float
    stop_s: float
    spans: tuple[Span, ...]
    steps: int

    @property
    def seconds(self) -> float:
        return self.stop_s - self.start_s

    def of(self, stage: str) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.stage == stage)

    def stages_s(self) -> dict[str, float]:
        """Seconds by stage; `other` is what lies between and after them, mostly on the host."""
        found: dict[str, float] = {}
        for span in self.spans:
            found[span.stage] = found.get(span.stage, 0.0) + span.seconds
        found["other"] = max(0.0, self.seconds - sum(found.values()))
        return found

    def peak_bytes(self) -> tuple[int, int] | None:
        """Most bytes allocated and reserved in any stage."""
        peaks = [span.peak_bytes for span in self.spans if span.peak_bytes]
        if not peaks:
            return None
        return max(p[0] for p in peaks), max(p[1] for p in peaks)


@dataclass(slots=True)
class _Open:
    """A span in the making."""

    stage: str
    start_s: float
    begin: Any
    calls: list[tuple[Any, Any, float, float]] = field(default_factory=list)
    steps: list[Any] = field(default_factory=list)
    shape: tuple[int, ...] = ()


class StageRecorder:
    """Records every call of one or more pipelines until it is closed.

    `memory`: also peak bytes by stage, for which torch's peak counters are reset at each edge.
    `stages`: further components as {stage: name}, for pipelines of a kind not known here.
    """

    def __init__(
        self,
        pipes: Sequence[Any],
        device: torch.device,
        listener: Listener | None = None,
        *,
        memory: bool = True,
        stages: Mapping[str, str] | None = None,
    ) -> None:
        self.pipes = pipes
        self.line: Timeline = timeline(device)
        self.listener = listener
        self.memory = memory
        self.stages = dict(stages or {})
        self.steps = 0
        self._undo: list[Callable[[], object]] = []
        self._spans: list[Span] = []
        self._open: _Open | None = None
        self._active = False
        self._entered: list[tuple[str, Any, float]] = []

    def __enter__(self) -> "StageRecorder":
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def attach(self) -> None:
        """Puts the hooks on; `InputError` where a pipeline has nothing that could be a denoiser."""
        schedulers = {id(found): found for pipe in self.pipes if (found := _scheduler(pipe))}
        try:
            for stage, module, method in distinct_points(self.pipes, self.stages):
                self._hook(stage, module, method)
            for scheduler in schedulers.values():
                self._undo.append(replace_method(scheduler, "step", self._after_step))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Takes every hook off again; may be called twice."""
        while self._undo:
            self._undo.pop()()

    @contextmanager
    def call(self) -> Iterator[list[CallRecord]]:
        """Times what is done inside; the list holds its record afterwards, also after an error."""
        found: list[CallRecord] = []
        self._spans, self._open, self.steps = [], None, 0
        self._entered.clear()
        self.line.wait()
        self._active = True
        start_s = time.perf_counter()
        try:
            yield found
        finally:
            self._active = False
            self._shut()
            self.line.wait()
            found.append(
                CallRecord(
                    start_s=start_s,
                    stop_s=time.perf_counter(),
                    spans=tuple(self._spans),
                    steps=self.steps,
                )
            )

    def _hook(self, stage: str, module: Any, method: str) -> None:
        if method == "forward" and getattr(module, COMPILED, None) is not None:
            method = COMPILED  # `module.compile()` would trace hooks, and break at them
        if method != "forward":
            self._undo.append(replace_method(module, method, self._around(stage)))
            return

        def before(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._enter(stage, shape_of(args, kwargs))

        def after(*_: object) -> None:
            self._leave()

        first = module.register_forward_pre_hook(before, with_kwargs=True, prepend=True)
        last = module.register_forward_hook(after, always_call=True)
        self._undo += [first.remove, last.remove]

    def _around(self, stage: str) -> Callable[[Any], Any]:
        def wrap(inner: Any) -> Any:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                self._enter(stage, shape_of(args, kwargs))
                try:
                    return inner(*args, **kwargs)
                finally:
                    self._leave()

            return wrapped

        return wrap

    def _after_step(self, inner: Any) -> Any:
        def step(*args: Any, **kwargs: Any) -> Any:
            found = inner(*args, **kwargs)
            self._stepped()
            return found

        return step

    def _stepped(self) -> None:
        self.steps += self._active
        if self._open is not None and self._open.stage in INSIDE_LOOP:
            self._open.steps.append(self.line.mark())
            self._tell("step", step=self.steps)

    def _enter(self, stage: str, shape: tuple[int, ...]) -> None:
        if not self._active:  # another pipeline that shares this part
            return
        if self._entered:  # a decoder inside a decoder: the outer one counts
            self._entered.append((stage, None, 0.0))
            return
        if self._open is None or self._open.stage != stage:
            self._shut()
            self.line.wait()
            if self.memory:
                self.line.forget_peak()
            self._open = _Open(stage, time.perf_counter(), self.line.mark(), shape=shape)
            self._tell("stage", stage=stage)
        self._entered.append((stage, self.line.mark(), time.perf_counter()))

    def _leave(self) -> None:
        if not self._entered:
            return  # entered outside of a call
        _, begin, host_s = self._entered.pop()
        if self._entered or self._open is None:
            return
        self._open.calls.append((begin, self.line.mark(), host_s, time.perf_counter()))
        if self._open.stage not in INSIDE_LOOP:
            self._shut()

    def _shut(self) -> None:
        """Ends the open span: at its last scheduler step where it has steps."""
        found, self._open = self._open, None
        if found is None:
            return
        self.line.wait()
        marks = [*found.steps[-1:], *(call[1] for call in found.calls[-1:])]

        def at(mark: Any) -> float:
            return found.start_s + self.line.seconds(found.begin, mark)

        self._spans.append(
            Span(
                stage=found.stage,
                start_s=found.start_s,
                stop_s=max((at(mark) for mark in marks), default=time.perf_counter()),
                forwards_s=tuple(self.line.seconds(a, b) for a, b, _, _ in found.calls),
                host_s=sum(end - begin for _, _, begin, end in found.calls),
                lag_s=tuple(at(b) - end for _, b, _, end in found.calls),
                steps_s=tuple(at(mark) for mark in found.steps),
                shape=found.shape,
                peak_bytes=self.line.peak_bytes() if self.memory else None,
            )
        )

    def _tell(self, event: str, **values: Any) -> None:
        if self.listener is not None:
            self.listener(event, values)


class _Replaced:
    """What stands for a method of one instance: it looks like the method to those who ask.

    Schedulers are asked for their signature, to know whether to give `step` a generator. Some
    pipelines deep-copy theirs: the copy has the method itself, on the copy.
    """

    def __init__(self, inner: Any, wrapped: Any) -> None:
        functools.update_wrapper(self, inner)
        self._inner = inner
        self._wrapped = wrapped

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrapped(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        owner = memo.get(id(getattr(self._inner, "__self__", None)))
        return self if owner is None else MethodType(self._inner.__func__, owner)


def replace_method(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Callable[[], object]:
    """Puts a wrapper in front of a method of one instance; returns what takes it off again."""
    own = vars(owner).get(name)
    inner = getattr(owner, name)
    setattr(owner, name, _Replaced(inner, wrap(inner)))
    if own is None:
        return lambda: delattr(owner, name)
    return lambda: setattr(owner, name, own)


def shape_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of what goes in: hidden states by name, else the first tensor."""
    given = [kwargs[name] for name in ("hidden_states", "sample", "input_ids") if name in kwargs]
    for value in (*given, *args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            return tuple(value.shape)
    return ()


def _scheduler(pipe: Any) -> Any:
    """What a pipeline steps with, None where it has nothing of the kind."""
    found = getattr(pipe, "scheduler", None)
    return found if hasattr(found, "step") else None


def distinct_points(
    pipes: Sequence[Any], stages: Mapping[str, str] | None = None
) -> list[tuple[str, Any, str]]:
    """The points of several pipelines, each once: a cascade shares its decoder."""
    found: dict[tuple[int, str], tuple[str, Any, str]] = {}
    for pipe in pipes:
        for stage, module, method in points_of(pipe, stages):
            found.setdefault((id(module), method), (stage, module, method))
    return list(found.values())


def points_of(pipe: Any, stages: Mapping[str, str] | None = None) -> list[tuple[str, Any, str]]:
    """(stage, module, method) of everything in a pipeline that is a stage."""
    components: Mapping[str, Any] = getattr(pipe, "components", {})
    found: list[tuple[str, Any, str]] = []
    for stage, name in (stages or {}).items():
        if components.get(name) is None:
            known = ", ".join(name for name, part in components.items() if _is_module(part))
            raise InputError(f"{type(pipe).__name__} has no component {name!r}; it has: {known}")
        found.append((stage, components[name], "forward"))
    named = {id(module) for _, module, _ in found}
    for name, part in components.items():
        if not _is_module(part) or id(part) in named:
            continue
        forward = [s for start, s in FORWARDS.items() if name.startswith(start)]
        if forward:
            found.append((forward[0], part, "forward"))
        elif name in DECODERS:
            found.append((f"{'audio' if 'audio' in name else 'vae'}_decoder", part, "decode"))
            if hasattr(part, "encode"):
                found.append(("vae_encoder", part, "encode"))
    if not any(stage in ("denoiser", "latent_upsampler") for stage, _, _ in found):
        raise InputError(
            f"{type(pipe).__name__} has no component named transformer… or unet…:"
            " say which one denoises, as stages={'denoiser': 'NAME'}"
        )
    return found


def _is_module(part: object) -> bool:
    return isinstance(part, torch.nn.Module)
