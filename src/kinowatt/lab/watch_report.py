"""What a watch saw: JSON, a block for a model card, metrics for Prometheus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch

from kinowatt.lab.conditions import gpu_state, software
from kinowatt.lab.meters.registry import MeterSet
from kinowatt.lab.unknown import power_w, times, wh
from kinowatt.lab.watch_energy import (
    Block,
    Energy,
    Split,
    Watched,
    between_s,
    energies,
    split,
    trace,
)
from kinowatt.units import GIB

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchReport:
    """Frozen result of a watch: means of one call; energy in Wh by scope, null with its reason.

    `energy_by`: for each scope that has energy its meter, whether that measures or models, and
    the window: each call by itself, one around all calls, or the whole block. `stages` sum to
    `latency_s`, and to the GPU's energy where that is known: `other` then holds what lies between
    the stages and the energy of those in `energy_includes`, too short to be told apart.
    """

    pipeline: str
    calls: int
    latency_s: float | None
    calls_s: tuple[float, ...]
    between_s: float
    energy_wh: Mapping[str, float | None]
    energy_null: Mapping[str, str]
    energy_by: Mapping[str, Mapping[str, str | None]]
    power_w: float | None
    stages: Mapping[str, Mapping[str, Any]]
    peak_memory_gib: float | None
    conditions: Mapping[str, Any]
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {**found, "calls_s": list(self.calls_s), "provenance": {"kind": "measured"}}

    def model_card(self, *, grid: str | None = None, intensity: float | None = None) -> str:
        """A block of Markdown for a model card, with everything a reader needs to judge it.

        `grid` (as in `kinowatt grids`) or `intensity` [g CO2e per kWh]: begins with the YAML field
        `co2_eq_emissions` of the Hugging Face hub, for one call. Its definition is about training,
        so it is left out unless asked for, and says what it is. `InputError` for an unknown grid;
        `KinowattError` where the GPU's energy is not known.
        """
        from kinowatt.lab.watch_card import card

        return card(self, grid, intensity)

    def metrics(self) -> str:
        """The text that Prometheus scrapes."""
        from kinowatt.lab.watch_metrics import exposition

        return exposition(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the hooks saw."""

    pipes: Sequence[Any]
    device: torch.device
    calls: tuple[Watched, ...]


def report_of(seen: Seen, meters: MeterSet, block: Block | None) -> WatchReport:
    """Puts together what hooks and meters saw, all of it in the past."""
    calls = seen.calls
    found = energies(calls, meters, block)
    spread = _spread(seen)
    sampler = None if spread else meters.sampler
    if spread:
        found["gpu"] = Energy(reason=spread)
    parts = split(calls, found["gpu"], sampler)
    energy_wh: dict[str, float | None] = {
        scope: _per_call(energy.joules, calls) for scope, energy in found.items()
    }
    calls_s = tuple(call.record.seconds for call in calls)
    peaks = [peak[0] for call in calls if (peak := call.record.peak_bytes())]
    return WatchReport(
        pipeline=" + ".join(dict.fromkeys(type(pipe).__name__ for pipe in seen.pipes)),
        calls=len(calls),
        latency_s=fmean(calls_s) if calls else None,
        calls_s=calls_s,
        between_s=between_s(calls),
        energy_wh=energy_wh,
        energy_null={scope: energy.reason for scope, energy in found.items() if energy.reason},
        energy_by={s: energy.by for s, energy in found.items() if energy.joules is not None},
        power_w=power_w(energy_wh["gpu"], fmean(calls_s)) if calls else None,
        stages=_stages(calls, parts),
        peak_memory_gib=max(peaks) / GIB if peaks else None,
        conditions={
            **software(),
            "device": str(seen.device),
            **gpu_state(seen.device),
            **trace(calls, sampler),
            "counter_over_power": parts.scale,
            "meters": meters.describe(),
        },
    )


def _per_call(joules: float | None, calls: Sequence[Watched]) -> float | None:
    return times(wh(joules), 1 / len(calls)) if calls else None


def _stages(calls: Sequence[Watched], parts: Split) -> dict[str, dict[str, Any]]:
    records = [call.record for call in calls]
    seconds = [record.stages_s() for record in records]
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(dict.fromkeys(n for each in seconds for n in each), key="other".__eq__):
        spans = [span for record in records for span in record.of(name)]
        peaks = [span.peak_bytes[0] for span in spans if span.peak_bytes]
        found[name] = {
            "latency_s": sum(each.get(name, 0.0) for each in seconds) / len(calls),
            "energy_wh": {"gpu": _per_call(parts.joules.get(name), calls)},
            "energy_null": parts.reasons.get(name),
            "calls": sum(len(span.forwards_s) for span in spans) / len(calls),
            "peak_memory_gib": max(peaks) / GIB if peaks else None,
        }
        if name == "other" and name in parts.joules:
            found[name]["energy_includes"] = list(parts.includes)
    return found


def gpus_of(pipes: Sequence[Any]) -> list[str]:
    """The CUDA devices that hold parameters of pipelines."""
    parts = [part for pipe in pipes for part in pipe.components.values()]
    modules = [part for part in parts if isinstance(part, torch.nn.Module)]
    found = {parameter.device for module in modules for parameter in module.parameters()}
    return sorted(str(device) for device in found if device.type == "cuda")


def _spread(seen: Seen) -> str | None:
    """Why the energy of one GPU is not that of the pipelines, or None."""
    gpus = gpus_of(seen.pipes)
    if len(gpus) < 2:
        return None
    return f"the pipeline lies on {', '.join(gpus)}, and only {seen.device} is metered"
