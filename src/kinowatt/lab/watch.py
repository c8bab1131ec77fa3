"""`with watch(pipe) as w: pipe(...)`: time and energy of anybody's diffusers pipeline, by stage."""

import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NoReturn, Self

import torch

from kinowatt.errors import InputError, KinowattError
from kinowatt.lab.conditions import source_of
from kinowatt.lab.meters.registry import NO_GPU, MeterSet, Windows, open_meters
from kinowatt.lab.stages import Listener, StageRecorder
from kinowatt.lab.watch_energy import Block, Watched
from kinowatt.lab.watch_files import Published, WatchState, started
from kinowatt.lab.watch_report import Seen, WatchReport, report_of

_WATCHED: dict[int, "Watch"] = {}
_LOCK = threading.Lock()


class Watch:
    """Records every call of one or more pipelines made inside its `with` block, used once.

    `meters`: names as in `kinowatt doctor`, or "auto". `stages`: which components are what, for
    pipelines of a kind not known here. `publish`: whether `kinowatt top` of this user sees it.
    torch's peak memory counters are reset at each edge of a stage; everything else is as before
    once the block is left.
    """

    def __init__(
        self,
        *pipes: Any,
        meters: Sequence[str] | str = "auto",
        stages: Mapping[str, str] | None = None,
        on_event: Listener | None = None,
        publish: bool = True,
    ) -> None:
        for pipe in pipes or (None,):
            if not isinstance(getattr(pipe, "components", None), Mapping):
                raise InputError(f"watch() takes diffusers pipelines, not {type(pipe).__name__!r}")
        self.pipes = tuple({id(pipe): pipe for pipe in pipes}.values())
        self.calls: list[Watched] = []
        self._asked = (meters, stages, on_event)
        self._publish = publish
        self._published: Published | None = None
        self._calling = threading.Lock()
        self._caller: int | None = None
        self._cleanup: ExitStack | None = None
        self._meters: MeterSet | None = None
        self._block: tuple[float, Windows] | None = None
        self._report: WatchReport | None = None

    def __enter__(self) -> Self:
        if self._cleanup is not None:
            raise KinowattError("a watch is used once: call `watch` again for the next block")
        meters, stages, on_event = self._asked
        with ExitStack() as cleanup:
            self._claim()
            cleanup.callback(self._forget)
            self.device = device_of(self.pipes[0])
            self._recorder = StageRecorder(self.pipes, self.device, on_event, stages=stages)
            self._recorder.attach()
            cleanup.callback(self._recorder.close)
            self._meters = open_meters(meters, source_of(self.device) or NO_GPU)
            cleanup.callback(self._meters.close)
            for pipe in self.pipes:
                cleanup.callback(setattr, pipe, "__class__", type(pipe))
                pipe.__class__ = _timed_class(type(pipe), self._call)
            self._published = Published(self._state(), self._publish)
            cleanup.callback(self._published.remove)
            self._block = time.perf_counter(), self._meters.start()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._cleanup is not None
        try:
            with self._cleanup:
                self._report = self._finish()
        except KinowattError:
            if error is None:
                raise  # else what the block raised must not be hidden

    def _finish(self) -> WatchReport:
        assert self._meters is not None
        assert self._block is not None
        began_s, windows = self._block
        seconds = time.perf_counter() - began_s
        self._meters.stop(windows)
        return self._seen(Block(seconds, self._meters.read(windows)))

    def report(self) -> WatchReport:
        """What was seen, so far or in all: `.to_dict()`, `.model_card()`, `.metrics()`."""
        return self._report or self._seen(None)

    def _seen(self, block: Block | None) -> WatchReport:
        if self._meters is None:
            raise KinowattError("nothing is watched yet: call the pipeline in the `with` block")
        seen = Seen(pipes=self.pipes, device=self.device, calls=tuple(self.calls))
        return report_of(seen, self._meters, block)

    def _state(self) -> WatchState:
        """What others may know of this watch."""
        assert self._meters is not None
        sampler, now = self._meters.sampler, time.time()
        return WatchState(
            pid=os.getpid(),
            process=started(os.getpid()),
            pipeline=" + ".join(dict.fromkeys(type(pipe).__name__ for pipe in self.pipes)),
            device=str(self.device),
            source=sampler.source if sampler else None,
            counter_mj=_number(sampler.latest()["energy_mj"]) if sampler else None,
            started_at=now,
            updated_at=now,
        )

    def _claim(self) -> None:
        """Takes the pipelines and their parts; hooks of two watches on one part would mix."""
        parts = dict(_parts(self.pipes))
        with _LOCK:
            for part, name in parts.items():
                if part in _WATCHED:
                    raise KinowattError(
                        f"{name} is watched already: leave the other `with` block first, use that"
                        " block's watch, or watch pipelines that share parts as `watch(a, b)`"
                    )
            _WATCHED.update(dict.fromkeys(parts, self))

    def _forget(self) -> None:
        with _LOCK:
            for part in [part for part, owner in _WATCHED.items() if owner is self]:
                del _WATCHED[part]

    def _call(self, call: Callable[[], Any]) -> Any:
        """Times a call of a pipeline; one that a pipeline makes inside another belongs to it."""
        if self._caller == threading.get_ident():
            return call()
        self._check_device()
        if not self._calling.acquire(blocking=False):
            raise KinowattError(
                "this pipeline is being called in another thread: pipelines of diffusers are not"
                " thread-safe, and the stages of two calls could not be told apart"
            )
        self._caller = threading.get_ident()
        try:
            return self._timed(call)
        finally:
            self._caller = None
            self._calling.release()

    def _timed(self, call: Callable[[], Any]) -> Any:
        assert self._meters is not None
        assert self._published is not None
        self._published.calling()
        self._recorder.line.wait()
        windows = self._meters.start(nested=True)
        try:
            with self._recorder.call() as got:
                found = call()
        except BaseException:
            self._published.failed()
            raise
        self._meters.stop(windows)
        self.calls.append(Watched(got[0], windows))
        self._published.called(got[0].seconds)
        return found

    def _check_device(self) -> None:
        """Hooks and meters are those of the device that the pipeline was on at first."""
        now = device_of(self.pipes[0])
        indices = {self.device.index, now.index} - {None}
        if now.type != self.device.type or len(indices) > 1:
            raise KinowattError(
                f"the pipeline moved from {self.device} to {now} inside the block:"
                " move it, or set its offload, before `watch`"
            )


def watch(
    *pipes: Any,
    meters: Sequence[str] | str = "auto",
    stages: Mapping[str, str] | None = None,
    on_event: Listener | None = None,
    publish: bool = True,
) -> Watch:
    """Meters anybody's pipelines: `with kinowatt.watch(pipe) as w: pipe(...)`, then `w.report()`.

    Calls that fail are not counted. See `Watch`.
    """
    return Watch(*pipes, meters=meters, stages=stages, on_event=on_event, publish=publish)


def _number(value: float) -> float | None:
    """None for a figure that the GPU lacks."""
    return None if math.isnan(value) else value


def device_of(pipe: Any) -> torch.device:
    """The device that a pipeline computes on."""
    found = getattr(pipe, "_execution_device", None) or getattr(pipe, "device", None)
    return torch.device(found or "cpu")


def _parts(pipes: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Identity and name of everything that hooks are put on."""
    for pipe in pipes:
        yield id(pipe), f"this {type(pipe).__name__}"
        for name, part in pipe.components.items():
            if isinstance(part, torch.nn.Module) or hasattr(part, "step"):
                yield id(part), f"the {name} of this {type(pipe).__name__}"


def _timed_class(own: type, around: Callable[[Callable[[], Any]], Any]) -> type:
    """The same class, whose instances are timed when they are called."""
    inner: Any = own.__call__

    @functools.wraps(inner)
    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(lambda: inner(self, *args, **kwargs))

    names = {
        "__call__": timed,
        "__reduce_ex__": _uncopied,
        "__module__": own.__module__,
        "__qualname__": own.__qualname__,
    }
    return type(own.__name__, (own,), names)


def _uncopied(pipe: Any, _: object) -> NoReturn:
    raise KinowattError(
        f"a watched {type(pipe).__name__} is neither copied nor pickled, as its hooks would go"
        " along: do that outside of the `with` block"
    )
