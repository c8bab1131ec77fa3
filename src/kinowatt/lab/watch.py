"""`with watch(pipe) as w: pipe(...)`: time and energy of anybody's diffusers pipeline, by stage."""

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import torch

from kinowatt.errors import InputError, KinowattError
from kinowatt.lab.conditions import source_of
from kinowatt.lab.meters.registry import MeterSet, Windows, open_meters
from kinowatt.lab.meters.sampler import Sampler, shared
from kinowatt.lab.stages import CallRecord, Listener, StageRecorder
from kinowatt.lab.watch_report import Block, Seen, WatchReport, report_of

_WATCHED: dict[int, "Watch"] = {}
_LOCK = threading.Lock()


class Watch:
    """Records every call of one or more pipelines made inside its `with` block.

    `meters`: names as in `kinowatt doctor`, or "auto". `stages`: which components are what, for
    pipelines of a kind not known here. torch's peak memory counters are reset at each edge of a
    stage; everything else is as before once the block is left.
    """

    def __init__(
        self,
        *pipes: Any,
        meters: Sequence[str] | str = "auto",
        stages: Mapping[str, str] | None = None,
        on_event: Listener | None = None,
    ) -> None:
        for pipe in pipes or (None,):
            if not isinstance(getattr(pipe, "components", None), Mapping):
                raise InputError(f"watch() takes diffusers pipelines, not {type(pipe).__name__!r}")
        self.pipes = pipes
        self.device = device_of(pipes[0])
        self.calls: list[CallRecord] = []
        self._names = meters
        self._recorder = StageRecorder(pipes, self.device, on_event, stages=stages)
        self._calling = threading.Lock()
        self._caller: int | None = None
        self._classes: list[tuple[Any, type]] = []
        self._meters: MeterSet | None = None
        self._sampler: Sampler | None = None
        self._windows: Windows | None = None
        self._report: WatchReport | None = None
        self._block: Block | None = None
        self._entered_s = 0.0

    def __enter__(self) -> Self:
        self._claim()
        try:
            self._recorder.attach()
            for pipe in self.pipes:
                self._classes.append((pipe, type(pipe)))
                pipe.__class__ = _timed_class(type(pipe), self._call)
            source = source_of(self.device)
            if source is not None and self._names == "auto":
                self._sampler = _sampler(source)
            self._meters = open_meters(self._names, source)
            self._windows = self._meters.start()
            self._entered_s = time.perf_counter()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._meters is not None and self._windows is not None:
                seconds = time.perf_counter() - self._entered_s
                self._meters.stop(self._windows)
                self._block = Block(seconds, self._meters.read(self._windows))
            self._report = self._so_far()
        finally:
            self._release()

    def report(self) -> WatchReport:
        """What was seen, so far or in all: `.to_dict()`, `.model_card()`, `.metrics()`."""
        return self._report or self._so_far()

    def _so_far(self) -> WatchReport:
        if self._meters is None:
            raise KinowattError("nothing is watched yet: call the pipeline in the `with` block")
        seen = Seen(self.pipes, self.device, tuple(self.calls))
        return report_of(seen, self._meters, self._sampler, self._block)

    def _claim(self) -> None:
        with _LOCK:
            for pipe in self.pipes:
                if id(pipe) in _WATCHED:
                    raise KinowattError(
                        f"this {type(pipe).__name__} is watched already: leave the other `with`"
                        " block first, or use that block's watch"
                    )
            _WATCHED.update({id(pipe): self for pipe in self.pipes})

    def _release(self) -> None:
        while self._classes:
            pipe, own = self._classes.pop()
            pipe.__class__ = own
        self._recorder.close()
        if self._meters is not None:
            self._meters.close()
        if self._sampler is not None:
            self._sampler.release()
            self._sampler = None
        with _LOCK:
            for pipe in self.pipes:
                if _WATCHED.get(id(pipe)) is self:
                    del _WATCHED[id(pipe)]

    def _call(self, call: Callable[[], Any]) -> Any:
        """Times a call of a pipeline; one that a pipeline makes inside another belongs to it."""
        if self._caller == threading.get_ident():
            return call()
        if not self._calling.acquire(blocking=False):
            raise KinowattError(
                "this pipeline is being called in another thread: pipelines of diffusers are not"
                " thread-safe, and the stages of two calls could not be told apart"
            )
        self._caller = threading.get_ident()
        try:
            with self._recorder.call() as got:
                found = call()
            self.calls += got
            return found
        finally:
            self._caller = None
            self._calling.release()


def watch(
    *pipes: Any,
    meters: Sequence[str] | str = "auto",
    stages: Mapping[str, str] | None = None,
    on_event: Listener | None = None,
) -> Watch:
    """Meters anybody's pipelines: `with kinowatt.watch(pipe) as w: pipe(...)`, then `w.report()`.

    Calls that fail are not counted. See `Watch`.
    """
    return Watch(*pipes, meters=meters, stages=stages, on_event=on_event)


def device_of(pipe: Any) -> torch.device:
    """The device that a pipeline computes on."""
    found = getattr(pipe, "_execution_device", None) or getattr(pipe, "device", None)
    return torch.device(found or "cpu")


def _sampler(source: str) -> Sampler | None:
    try:
        return shared(source)
    except KinowattError:
        return None  # the meters say why


def _timed_class(own: type, around: Callable[[Callable[[], Any]], Any]) -> type:
    """The same class, whose instances are timed when they are called."""
    inner: Any = own.__call__

    @functools.wraps(inner)
    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(lambda: inner(self, *args, **kwargs))

    names = {"__call__": timed, "__module__": own.__module__, "__qualname__": own.__qualname__}
    return type(own.__name__, (own,), names)
