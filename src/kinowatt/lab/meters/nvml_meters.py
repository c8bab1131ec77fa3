"""Meters over the energy counter and the power fields of an NVIDIA GPU."""

from collections.abc import Mapping
from typing import Any, ClassVar

from kinowatt.lab.meters.contract import Meter, MeterUnavailable, Reading, Window, too_short
from kinowatt.lab.meters.sampler import Sampler, shared


class SampledMeter(Meter):
    """A meter that reads off the samples of one GPU; all of them share one sampling process."""

    scopes = ("gpu",)
    retrospective = True
    field: ClassVar[str]
    label: ClassVar[str]

    def __init__(self, source: str) -> None:
        self.source = source
        self._sampler: Sampler | None = None

    @property
    def sampler(self) -> Sampler:
        if self._sampler is None:
            raise MeterUnavailable(f"meter {self.name} is not open", "use it in a `with` block")
        return self._sampler

    def open(self) -> None:
        if self._sampler is not None:
            return
        sampler = shared(self.source)
        if not sampler.has(self.field):
            sampler.release()
            raise MeterUnavailable(f"this GPU has no {self.label}", "use another meter")
        self._sampler = sampler

    def close(self) -> None:
        if self._sampler is not None:
            self._sampler.release()
            self._sampler = None

    def start(self) -> Window:
        self.sampler.check()
        return super().start()

    def describe(self) -> Mapping[str, Any]:
        return {
            "source": self.source,
            "figure": self.label,
            "resolution_s": self.sampler.step_s(self.field),
            "polled_every_s": self.sampler.interval_s,
            "scope": "the whole GPU, all processes on it",
        }

    def read(self, window: Window) -> tuple[Reading, ...]:
        seconds = window.seconds
        resolution = self.sampler.step_s(self.field)
        joules, reason = None, too_short(seconds, resolution)
        if reason is None:
            joules, reason = self._joules(window.start_s, window.start_s + seconds)
        reading = Reading(
            scope="gpu",
            meter=self.name,
            method="measured",
            window_s=seconds,
            energy_j=joules,
            reason=reason,
            resolution_s=resolution,
            uncertainty_j=None if joules is None else resolution * joules / seconds,
        )
        return (reading,)

    def _joules(self, start_s: float, stop_s: float) -> tuple[float | None, str | None]:
        raise NotImplementedError


class NvmlCounter(SampledMeter):
    """The driver's own energy counter (Volta and newer), read between its steps.

    The counter moves about every 100 ms, so its value at the edge of a window is interpolated
    between the two steps around it.
    """

    name = "nvml-counter"
    field = "energy_mj"
    label = "energy counter (NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION)"

    def _joules(self, start_s: float, stop_s: float) -> tuple[float | None, str | None]:
        return self.sampler.around(start_s, stop_s).counter_joules(start_s, stop_s)


class NvmlPowerInstant(SampledMeter):
    """Instant power (field 186), integrated over the window."""

    name = "nvml-power-instant"
    field = "power_instant_w"
    label = "instant power (NVML_FI_DEV_POWER_INSTANT)"

    def _joules(self, start_s: float, stop_s: float) -> tuple[float | None, str | None]:
        return self.sampler.around(start_s, stop_s).integrated_joules(self.field, start_s, stop_s)


class NvmlPowerAverage(NvmlPowerInstant):
    """Power averaged by the driver over about a second (field 185): late at edges."""

    name = "nvml-power-average"
    field = "power_average_w"
    label = "power averaged over 1 s (NVML_FI_DEV_POWER_AVERAGE)"
