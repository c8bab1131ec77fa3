"""What the GPUs of this machine do now, and the watches that run: for `kinowatt top`."""

import math
import time
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from kinowatt.errors import KinowattError
from kinowatt.lab.meters import nvml
from kinowatt.lab.meters.contract import MeterUnavailable
from kinowatt.lab.meters.sources import Source, open_source
from kinowatt.lab.watch_files import WatchState, running_watches
from kinowatt.units import GIB, joules_to_wh

MJ_PER_J = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuNow:
    """One GPU at this moment; None where it does not tell. Energy is of the whole GPU.

    `energy_wh`: since the view was opened. `problem`: why it cannot be read.
    """

    source: str
    name: str
    index: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    energy_wh: float | None = None
    sm_clock_mhz: float | None = None
    temperature_c: float | None = None
    memory_used_gib: float | None = None
    memory_gib: float | None = None
    processes: tuple[int, ...] | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchNow:
    """A running watch with its GPU's energy since its block began, None where `reason` says why."""

    state: WatchState
    elapsed_s: float
    call_s: float | None  # of the call that runs now
    energy_wh: float | None
    reason: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **self.state.to_dict(),
            "elapsed_s": self.elapsed_s,
            "call_s": self.call_s,
            "energy_wh": {"gpu": self.energy_wh},
            "energy_null": self.reason,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Now:
    """GPUs and watches at one moment. `problem`, `fix`: why no GPU can be read, and what helps."""

    taken_at: float
    watched_s: float
    gpus: tuple[GpuNow, ...]
    watches: tuple[WatchNow, ...]
    problem: str | None
    fix: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "taken_at": self.taken_at,
            "watched_s": self.watched_s,
            "gpus": [asdict(gpu) for gpu in self.gpus],
            "watches": [watch.to_dict() for watch in self.watches],
            "problem": self.problem,
            "fix": self.fix,
            "provenance": {"kind": "measured"},
        }


@dataclass(slots=True)
class _Open:
    """A source that is being polled, and its counter when that began."""

    source: Source
    first_mj: float


class View:
    """Keeps the GPUs open between looks: `with View() as view: view.now()`."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._problems: dict[str, str] = {}
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for opened in self._open.values():
            opened.source.close()
        self._open = {}

    def now(self) -> Now:
        """GPUs of NVML and those that watches name, and the watches of this user."""
        states = running_watches()
        problem = fix = None
        devices: list[nvml.Device] = []
        try:
            devices = nvml.devices()
            if not devices:
                problem, fix = "the driver has no GPU", "see `nvidia-smi -L`"
        except MeterUnavailable as error:
            problem, fix = error.reason, error.fix
        except KinowattError as error:  # the extra is not installed
            problem, fix = str(error), "install it"
        named = [device.source for device in devices]
        others = dict.fromkeys(s.source for s in states if s.source and s.source not in named)
        gpus = [self._device(device) for device in devices]
        gpus += [self._gpu(source, name=source.partition(":")[0]) for source in others]
        if any(gpu.problem is None for gpu in gpus):
            problem = fix = None
        return Now(
            taken_at=time.time(),
            watched_s=time.monotonic() - self._began,
            gpus=tuple(gpus),
            watches=tuple(self._watch(state) for state in states),
            problem=problem,
            fix=fix,
        )

    def _device(self, device: nvml.Device) -> GpuNow:
        if device.mig:
            reason = f"split by MIG: {nvml.MIG_REASON}"
            return GpuNow(
                source=device.source, name=device.name, index=device.index, problem=reason
            )
        running = nvml.processes(device.uuid)
        return self._gpu(
            device.source,
            name=device.name,
            index=device.index,
            power_limit_w=device.power_limit_w,
            memory_gib=device.memory_gib,
            memory_used_gib=_used_gib(device.uuid),
            processes=None if running is None else tuple(running),
        )

    def _gpu(self, source: str, **known: Any) -> GpuNow:
        opened = self._opened(source)
        if opened is None:
            return GpuNow(source=source, problem=self._problems[source], **known)
        fast, slow = opened.source.fast(), opened.source.slow()
        watts = fast.power_instant_w if _known(fast.power_instant_w) else fast.power_average_w
        return GpuNow(
            source=source,
            power_w=_known(watts),
            energy_wh=_since(fast.energy_mj, opened.first_mj),
            sm_clock_mhz=_known(slow.sm_clock_mhz),
            temperature_c=_known(slow.temperature_c),
            **known,
        )

    def _opened(self, source: str) -> _Open | None:
        if source not in self._open:
            try:
                found = open_source(source)
            except KinowattError as error:
                self._problems[source] = str(error)
                return None
            self._open[source] = _Open(found, found.fast().energy_mj)
        return self._open[source]

    def _watch(self, state: WatchState) -> WatchNow:
        now, energy_wh = time.time(), None
        reason: str | None = "no meter of its GPU is open"
        if state.source is not None and state.counter_mj is not None:
            opened = self._opened(state.source)
            if opened is None:
                reason = self._problems[state.source]
            else:
                energy_wh = _since(opened.source.fast().energy_mj, state.counter_mj)
                reason = None if energy_wh is not None else "the energy counter began again"
        calling = state.calling_since
        return WatchNow(
            state=state,
            elapsed_s=max(0.0, now - state.started_at),
            call_s=None if calling is None else max(0.0, now - calling),
            energy_wh=energy_wh,
            reason=reason,
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _since(now_mj: float, then_mj: float) -> float | None:
    """Wh between two readings of a counter; None where it has none, or began again at zero."""
    joules = (now_mj - then_mj) / MJ_PER_J
    return joules_to_wh(joules) if joules >= 0 else None  # NaN is not


def _used_gib(uuid: str) -> float | None:
    library = nvml.library()
    try:
        return float(library.nvmlDeviceGetMemoryInfo(nvml.handle(library, uuid)).used) / GIB
    except library.NVMLError:
        return None
    finally:
        library.nvmlShutdown()
