"""CodeCarbon's own tracker as a meter: GPU, CPU and RAM as the paper measured them, offline."""

import contextlib
import inspect
import logging
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from kinowatt.errors import KinowattError, require_extra
from kinowatt.lab.meters.contract import (
    Meter,
    MeterUnavailable,
    Reading,
    Scope,
    Window,
    too_short,
)
from kinowatt.units import WH_PER_KWH, wh_to_joules

# Settings that a `.codecarbon.config` or CODECARBON_* must not change: no network, no files, no
# factor on the joules, no lock file (whose owner would also take over SIGINT). The country and a
# given intensity spare the look-up of emissions, which are not read here.
SETTINGS: Mapping[str, Any] = {
    "country_iso_code": "USA",
    "force_carbon_intensity_g_co2e_kwh": 1.0,
    "cloud_provider": None,
    "cloud_region": None,
    "electricitymaps_api_token": None,
    "co2_signal_api_token": None,
    "emissions_endpoint": None,
    "output_methods": [],
    "save_to_file": False,
    "save_to_api": False,
    "save_to_logger": False,
    "save_to_prometheus": False,
    "save_to_logfire": False,
    "output_handlers": [],
    "tracking_mode": "machine",
    "log_level": "error",
    "logger_preamble": "",
    "pue": 1.0,
    "wue": 0.0,
    "allow_multiple_runs": True,
}
OLD_OUTPUTS = "save_to_"  # deprecated where `output_methods` is known
SENSORS = frozenset(
    {"intel_rapl", "intel_power_gadget", "windows_emi"}
)  # CPU backends that measure
GPU_STEP_S = 0.1  # how often the NVML counter that CodeCarbon reads moves on an H100
CPU_STEP_S = {"cpu_load": 0.01}  # the kernel counts busy time in ticks of 10 ms
RAPL_STEP_S = 0.001
_FIX = "try `pip install -U 'kinowatt[measure]'`, or use the meters nvml-counter, rapl, ram-v3"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Backend:
    """What CodeCarbon reads one scope from; `step_s` is None for a constant."""

    name: str
    measured: bool
    step_s: float | None
    details: Mapping[str, Any]


class CodeCarbon(Meter):
    """`OfflineEmissionsTracker`, one task per window; kWh become joules unrounded.

    `gpu_index`: NVML's index of the one GPU to count; None for those that CUDA sees. The first
    start of the tracker takes seconds, so `open` makes and throws away one task. A reading's
    `window_s` is CodeCarbon's own duration, a little longer than the window around it.
    """

    name = "codecarbon"
    scopes = ("gpu", "cpu", "ram")
    overlapping = False

    def __init__(self, gpu_index: int | None = None) -> None:
        self.gpu_index = gpu_index
        self._tracker: Any = None
        self._backends: dict[Scope, _Backend | str] = {}
        self._running: Window | None = None
        self._logger: tuple[int, list[logging.Handler]] | None = None

    def open(self) -> None:
        if self._tracker is not None:
            return
        codecarbon = require_extra("measure", "codecarbon")
        logger = logging.getLogger("codecarbon")
        self._logger = (logger.level, list(logger.handlers))
        logger.setLevel(logging.ERROR)
        try:
            self._tracker = _tracker(codecarbon, self.gpu_index)
            self._backends = _backends(self._tracker)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        tracker, self._tracker, self._running = self._tracker, None, None
        if tracker is not None:
            schedulers = [tracker._scheduler, tracker._scheduler_monitor_power]
            tracker.stop()
            while timers := [timer for timer in _timers() if timer.function.__self__ in schedulers]:
                for timer in timers:
                    timer.cancel()
                    timer.join()
        if self._logger is not None:
            logger = logging.getLogger("codecarbon")
            level, logger.handlers = self._logger
            logger.setLevel(level)
            self._logger = None

    def _opened(self) -> Any:
        if self._tracker is None:
            raise MeterUnavailable(f"meter {self.name} is not open", "use it in a `with` block")
        return self._tracker

    def start(self) -> Window:
        tracker = self._opened()
        if self._running is not None:
            raise KinowattError("codecarbon measures one window at a time: stop the first one")
        tracker.start_task()
        self._running = super().start()
        return self._running

    def stop(self, window: Window) -> None:
        super().stop(window)
        if window is not self._running:
            raise KinowattError("codecarbon: this window is not the one that is being measured")
        self._running = None
        window.state = self._opened().stop_task()

    def read(self, window: Window) -> tuple[Reading, ...]:
        self._opened()
        return tuple(self._reading(window, scope) for scope in self.scopes)

    def _reading(self, window: Window, scope: Scope) -> Reading:
        backend = self._backends[scope]
        own_s = window.seconds if window.state is None else float(window.state.duration)
        joules, reason = self._joules(window, scope)
        step_s = None if isinstance(backend, str) else backend.step_s
        modelled = not isinstance(backend, str) and not backend.measured
        return Reading(
            scope=scope,
            meter=self.name,
            method="modelled" if modelled else "measured",
            window_s=own_s,
            energy_j=joules,
            reason=reason,
            resolution_s=step_s,
            uncertainty_j=None if joules is None or not step_s else step_s * joules / own_s,
        )

    def _joules(self, window: Window, scope: Scope) -> tuple[float | None, str | None]:
        backend = self._backends[scope]
        if isinstance(backend, str):
            return None, backend
        if window.state is None:
            return None, "CodeCarbon gave no figures for this window"
        if backend.step_s and (reason := too_short(window.seconds, backend.step_s)):
            return None, reason
        kwh = float(getattr(window.state, f"{scope}_energy"))
        if kwh <= 0:
            return None, f"CodeCarbon counted nothing from {backend.name}"
        return wh_to_joules(kwh * WH_PER_KWH), None

    def describe(self) -> Mapping[str, Any]:
        tracker = self._opened()
        return {
            "source": "codecarbon.OfflineEmissionsTracker",
            "version": str(tracker._conf.get("codecarbon_version")),
            "tracking_mode": str(tracker._conf.get("tracking_mode")),
            "gpu_ids": tracker._conf.get("gpu_ids"),
            "forced_cpu_w": tracker._conf.get("force_cpu_power"),
            "forced_ram_w": tracker._conf.get("force_ram_power"),
            "backends": {
                scope: {"null": backend}
                if isinstance(backend, str)
                else {"name": backend.name, "measured": backend.measured, **backend.details}
                for scope, backend in self._backends.items()
            },
            "scope": "the whole GPUs, CPU packages and memory of the machine",
        }


def fresh_tracker(codecarbon: Any, gpu_index: int | None, **more: Any) -> Any:
    """A tracker with our settings (and `more`) that has not started yet."""
    cls = codecarbon.OfflineEmissionsTracker
    known = {name for base in cls.__mro__[:2] for name in inspect.signature(base).parameters}
    # copies: it appends to the lists that it is given
    settings = {name: deepcopy(value) for name, value in SETTINGS.items() if name in known}
    if "output_methods" in known:
        settings = {k: v for k, v in settings.items() if not k.startswith(OLD_OUTPUTS)}
    settings["output_dir"] = tempfile.gettempdir()
    if gpu_index is not None:
        settings["gpu_ids"] = [gpu_index]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return cls(**settings | more)


def _tracker(codecarbon: Any, gpu_index: int | None) -> Any:
    """A tracker whose slow first task is over."""
    tracker = fresh_tracker(codecarbon, gpu_index)
    with contextlib.suppress(AttributeError):  # it swallows its errors, and then lacks its parts
        tracker.start_task()
        if tracker.stop_task() is not None:
            return tracker
    raise MeterUnavailable("CodeCarbon did not start", _FIX)


def _backends(tracker: Any) -> dict[Scope, _Backend | str]:
    """What CodeCarbon reads each scope from, or why it reads nothing."""
    found: dict[Scope, _Backend | str] = {
        "gpu": "CodeCarbon saw no GPU: it asks `nvidia-smi` (on PATH) and NVML",
        "cpu": "CodeCarbon found no way to follow this CPU",
        "ram": "CodeCarbon found no way to follow this memory",
    }
    for part in tracker._hardware:
        kind = type(part).__name__
        if kind == "GPU":
            found["gpu"] = _gpu(tracker, part)
        elif kind == "RAM":
            found["ram"] = _Backend(
                name="model by module count",
                measured=False,
                step_s=None,
                details={"memory_gib": tracker._conf.get("ram_total_size")},
            )
        elif kind == "CPU":
            found["cpu"] = _cpu(part)
    return found


def _gpu(tracker: Any, part: Any) -> _Backend:
    polled = any(getattr(gpu, "_use_power_fallback", False) for gpu in part.devices.devices)
    return _Backend(
        name="NVML power, averaged" if polled else "NVML energy counter",
        measured=True,
        step_s=GPU_STEP_S,
        details={"model": tracker._conf.get("gpu_model"), "ids": list(part.gpu_ids or [])},
    )


def _cpu(part: Any) -> _Backend:
    mode = str(part._mode)
    measured = mode in SENSORS
    details = {} if measured else {"tdp_w": part._tdp}
    step_s = RAPL_STEP_S if measured else CPU_STEP_S.get(mode)
    return _Backend(
        name=mode, measured=measured, step_s=step_s, details={"model": part._model, **details}
    )


def _timers() -> Iterator[Any]:
    """Timers that run methods; a scheduler's that fires as it is stopped would start another."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and inspect.ismethod(thread.function):
            yield thread
