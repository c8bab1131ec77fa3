"""What a sampler can poll: a real GPU through NVML, or a made one.

A source is named by text, so that the process that polls it can open it for itself:
`nvml:UUID`, `nvml:INDEX` or `fake:{"power_w": …}`. No torch, no numpy: that process starts fast.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from kinowatt.errors import InputError, unknown_name
from kinowatt.lab.meters.contract import MeterUnavailable

NAN = math.nan
# Bits of nvmlDeviceGetCurrentClocksEventReasons (NVML reference) that slow the clocks down
THROTTLE_REASONS: Mapping[int, str] = {
    0x004: "power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal",
    0x040: "hw_thermal",
    0x080: "hw_power_brake",
}


class Fast(NamedTuple):
    """Polled at every tick; NaN where the source has no such figure."""

    energy_mj: float
    power_instant_w: float
    power_average_w: float


class Slow(NamedTuple):
    """Polled at every fifth tick."""

    sm_clock_mhz: float
    memory_clock_mhz: float
    temperature_c: float
    reasons: float  # the bits of THROTTLE_REASONS


class Source(Protocol):
    """One GPU, as a sampler sees it."""

    def fast(self) -> Fast: ...

    def slow(self) -> Slow: ...

    def close(self) -> None: ...


class NvmlSource:
    """A GPU through NVML, by UUID or index of NVML."""

    def __init__(self, where: str) -> None:
        from kinowatt.lab.meters.nvml import handle, library

        self.nvml = library()
        try:
            self.handle = handle(self.nvml, where)
        except BaseException:
            self.close()
            raise
        self.fields = [
            self.nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
            self.nvml.NVML_FI_DEV_POWER_INSTANT,
            self.nvml.NVML_FI_DEV_POWER_AVERAGE,
        ]

    def fast(self) -> Fast:
        energy, instant, average = self.nvml.nvmlDeviceGetFieldValues(self.handle, self.fields)
        return Fast(_field(energy), _field(instant) / 1000, _field(average) / 1000)

    def slow(self) -> Slow:
        nvml, device = self.nvml, self.handle
        return Slow(
            self._ask(lambda: nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_SM)),
            self._ask(lambda: nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_MEM)),
            self._ask(lambda: nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU)),
            self._ask(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(device)),
        )

    def _ask(self, call: Callable[[], Any]) -> float:
        try:
            return float(call())
        except self.nvml.NVMLError:
            return NAN

    def close(self) -> None:
        self.nvml.nvmlShutdown()


def _field(value: Any) -> float:
    """The number in an nvmlFieldValue_t, whatever its type; NaN where NVML refused it."""
    if value.nvmlReturn != 0:
        return NAN
    names = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    return float(getattr(value.value, names[value.valueType]))


class FakeSource:
    """A GPU that draws what it is told, with the steps of a real counter.

    `power_w`: watts, or a list of [seconds, watts] that is walked through again and again.
    `step_s`: how often its counter moves. `wrap_mj`: where the counter starts again at zero.
    `start_mj`: where it begins. `without`: figures that this GPU does not have.
    """

    DEFAULTS: Mapping[str, Any] = {
        "power_w": 300.0,
        "step_s": 0.1,
        "wrap_mj": None,
        "start_mj": 0.0,
        "sm_clock_mhz": 1500.0,
        "memory_clock_mhz": 2619.0,
        "temperature_c": 50.0,
        "reasons": 0,
        "without": [],
    }

    def __init__(self, where: str) -> None:
        try:
            given = json.loads(where or "{}")
        except json.JSONDecodeError:
            raise InputError(f"fake source: {where!r} is not JSON") from None
        for name in given:
            if name not in self.DEFAULTS:
                raise unknown_name("field of a fake source", name, self.DEFAULTS)
        self.values = {**self.DEFAULTS, **given}
        power = self.values["power_w"]
        self.pieces = power if isinstance(power, list) else [[1.0, power]]
        self.period = sum(seconds for seconds, _ in self.pieces)

    def power_at(self, now: float) -> float:
        phase = now % self.period
        for seconds, watts in self.pieces:
            if phase < seconds:
                return float(watts)
            phase -= seconds
        return float(self.pieces[-1][1])

    def joules_at(self, now: float) -> float:
        whole, phase = divmod(now, self.period)
        joules: float = whole * sum(seconds * watts for seconds, watts in self.pieces)
        for seconds, watts in self.pieces:
            joules += min(phase, seconds) * watts
            phase = max(0.0, phase - seconds)
        return joules

    def fast(self) -> Fast:
        tick = time.perf_counter() // self.values["step_s"] * self.values["step_s"]
        energy_mj = round(self.values["start_mj"] + 1000 * self.joules_at(tick))
        if self.values["wrap_mj"]:
            energy_mj %= round(self.values["wrap_mj"])
        # a real power reading flickers, which is how its steps are seen
        watts = self.power_at(tick) * (1.001 if round(tick / self.values["step_s"]) % 2 else 0.999)
        fast = Fast(float(energy_mj), watts, watts)
        return fast._replace(**self._missing(Fast))

    def slow(self) -> Slow:
        return Slow(*(float(self.values[name]) for name in Slow._fields))._replace(
            **self._missing(Slow)
        )

    def _missing(self, kind: Any) -> dict[str, float]:
        return {name: NAN for name in self.values["without"] if name in kind._fields}

    def close(self) -> None:
        pass


SOURCES: Mapping[str, Callable[[str], Source]] = {"nvml": NvmlSource, "fake": FakeSource}


def open_source(name: str) -> Source:
    """The source that `KIND:WHERE` names; raises `MeterUnavailable` where it is not there."""
    kind, _, where = name.partition(":")
    if kind not in SOURCES:
        raise unknown_name("source", kind, SOURCES)
    source = SOURCES[kind](where)
    try:
        source.fast()
    except Exception as error:
        source.close()
        if type(error).__module__ == "pynvml":
            raise MeterUnavailable(f"NVML does not answer: {error}", "see `nvidia-smi`") from None
        raise
    return source
