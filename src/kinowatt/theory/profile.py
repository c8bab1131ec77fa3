"""Operators → seconds and joules, by a GPU profile: the roofline with learned efficiencies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log2
from typing import Any, Protocol

from kinowatt.errors import InputError
from kinowatt.facts.gpus import GpuSpec
from kinowatt.facts.hosts import offloading
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.expressions import larger, numpy, where
from kinowatt.theory.operators import COMPUTE_KINDS, Operator

Number = Any
# float32 convolutions run in TF32 under PyTorch's default (cudnn.allow_tf32), matrix products do
# not (cuda.matmul.allow_tf32 is False).
_COMPUTE_DTYPE = {("convolution", "float32"): "tf32"}


class Timed(Protocol):
    """An operator with its seconds, joules and what bounds it."""

    @property
    def operator(self) -> Operator: ...
    @property
    def compute_s(self) -> Number: ...
    @property
    def memory_s(self) -> Number: ...
    @property
    def latency_s(self) -> Number: ...
    @property
    def energy_j(self) -> Number: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Roofed:
    """An operator timed by shares of a GPU's peaks."""

    operator: Operator
    compute_s: Number
    memory_s: Number
    latency_s: Number
    energy_j: Number


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTime:
    """One stage: device seconds against the host's time to call its operators."""

    device_s: Number
    host_s: Number
    latency_s: Number
    energy_j: Number
    operators: tuple[Timed, ...]


class Timer(Protocol):
    """What times operators on one GPU by one profile."""

    def stage(self, operators: Iterable[Operator]) -> StageTime:
        """Operators run one after another, pass by pass."""

    def calling_s(self, operators: Iterable[Operator]) -> Number:
        """Seconds that the host needs to call operators."""

    def waiting_w(self) -> float:
        """Watts of the GPU while it waits."""


def after_work(timer: Timer, profile: GpuProfile, megapixels: Number) -> StageTime:
    """What the host does once per call besides calling operators: most of it makes frames of what
    the decoder gave, `megapixels` of all frames of all videos."""
    seconds = profile.host_s_per_video + profile.host_s_per_megapixel * megapixels
    return waiting(timer, seconds, host_s=seconds)


def waiting(timer: Timer, seconds: Number, host_s: Number = 0.0) -> StageTime:
    """Seconds in which the GPU waits; `host_s` of them the host calls operators or makes frames."""
    return StageTime(
        device_s=0.0,
        host_s=host_s,
        latency_s=seconds,
        energy_j=seconds * timer.waiting_w(),
        operators=(),
    )


class Clock:
    """Times operators by shares of a GPU's peaks."""

    def __init__(self, profile: GpuProfile, gpu: GpuSpec) -> None:
        self.profile = profile
        self.gpu = gpu

    def rate(self, operator: Operator) -> float:
        """Sustained FLOP/s of an operator with FLOPs: its efficiency times the dense peak."""
        return self.efficiency(operator) * self.peak(operator)

    def efficiency(self, operator: Operator) -> float:
        table = self.profile.efficiency
        head = operator.dims.get("head")
        special = f"{operator.kind}.{head:g}" if isinstance(head, int | float) else ""
        return table.get(special) or table[operator.kind]

    def peak(self, operator: Operator) -> float:
        """Dense FLOP/s of the GPU in the dtype that the operator computes in."""
        if self.profile.peak_flops is not None:
            return self.profile.peak_flops
        dtype = _COMPUTE_DTYPE.get((operator.kind, operator.dtype), operator.dtype)
        peak = self.gpu.peak_flops.get(dtype)
        if peak is None:
            known = ", ".join(self.gpu.peak_flops)
            raise InputError(
                f"{self.gpu.name} has no published {dtype} peak, which {operator.part} of this "
                f"model computes in; known: {known}"
            )
        return peak

    def bandwidth(self, operator: Operator) -> float | None:
        """Sustained bytes/s, or None where the profile does not model bytes."""
        shares = self.profile.bandwidth
        share = shares.get(operator.kind, shares.get("memory"))
        return None if share is None else share * self.gpu.bandwidth_bytes_per_s

    def time(self, operator: Operator) -> Roofed:
        """The larger of compute and memory time; energy at the power of what bounds it."""
        compute_s: Number = 0.0
        if operator.kind in COMPUTE_KINDS:
            compute_s = operator.flops / self.rate(operator)
        bandwidth = self.bandwidth(operator)
        memory_s: Number = 0.0
        if bandwidth is not None and operator.bytes is not None:
            memory_s = operator.bytes / bandwidth
        latency_s = larger(compute_s, memory_s)
        power = self.profile.power_w
        watts = power.get(operator.kind, power["memory"])
        return Roofed(
            operator=operator,
            compute_s=compute_s,
            memory_s=memory_s,
            latency_s=latency_s,
            energy_j=latency_s * watts,
        )

    def stage(self, operators: Iterable[Operator]) -> StageTime:
        """Operators run one after another; where calling them takes longer, the GPU waits.

        Waiting is counted pass by pass, since a fast pass cannot lend time to a slow one.
        """
        timed = tuple(self.time(operator) for operator in operators)
        latency: Number = 0.0
        device: Number = 0.0
        host: Number = 0.0
        by_pass: dict[str, list[Roofed]] = {}
        for item in timed:
            by_pass.setdefault(item.operator.source, []).append(item)
        for items in by_pass.values():
            device_s = sum(item.latency_s for item in items)
            host_s = self.calling_s(item.operator for item in items)
            latency = latency + larger(device_s, host_s)
            device, host = device + device_s, host + host_s
        energy = sum(item.energy_j for item in timed)
        energy = energy + (latency - device) * self.profile.power_w["host"]
        return StageTime(
            device_s=device, host_s=host, latency_s=latency, energy_j=energy, operators=timed
        )

    def calling_s(self, operators: Iterable[Operator]) -> Number:
        """Seconds that the host needs to call operators."""
        return sum(operator.calls for operator in operators) * self.profile.host_s_per_call

    def waiting_w(self) -> float:
        """Watts of the GPU while it waits."""
        return self.profile.power_w["host"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How far from what a profile was fitted on something is.

    `call_bound`: 1 where the host sets the pace of the denoiser, else 0. `beyond`: doublings outside
    the range of its rows, over all of its axes. `changed`: whether other kernels run than in them.
    `moved`: seconds ("latency") and Wh ("energy") of it that offload's moving of weights takes.
    """

    model: str
    call_bound: Number = 0
    beyond: Number = 0.0
    changed: bool = False
    moved: Mapping[str, float] = field(default_factory=dict)


def interval(
    profile: GpuProfile, reach: Reach, quantity: str, value: Number
) -> Mapping[str, tuple[Number, Number]]:
    """Low and high ends by level: residuals of held-out rows, wider for models not fitted on
    and for kernels of which only predictions speak.

    Where the host sets the pace its own scatter counts; each doubling outside the range of the rows
    adds as much again. Moves of weights have a spread of their own, whatever the GPU.
    """
    scope = "seen" if reach.model in profile.seen else "unseen"
    if reach.changed and "changed" in profile.spread:
        scope = "changed"
    levels = profile.spread[scope][quantity]
    calls = profile.spread.get("call_bound", profile.spread[scope])[quantity]
    moved = reach.moved.get(quantity, 0.0)
    stays, doublings, paced = value - moved, 1.0 + reach.beyond, reach.call_bound
    found = {}
    for level, (low, high) in levels.items():
        low_paced, high_paced = calls[level]
        least = stays * where(paced, low_paced, low) ** doublings
        most = stays * where(paced, high_paced, high) ** doublings
        if moved:
            low_move, high_move = offloading().spread[level]
            least, most = least + moved * low_move, most + moved * high_move
        found[level] = (least, most)
    return found


def sizes(*, tokens: Number, megapixels: Number) -> Mapping[str, Number]:
    """What a profile has ranges of: tokens of the denoiser, megapixels of all frames made."""
    return {"tokens": tokens, "megapixels": megapixels}


def beyond(profile: GpuProfile, reached: Mapping[str, Number]) -> Mapping[str, Number]:
    """Doublings by which each size lies outside the profile's range of it; 0 inside."""
    found = {}
    for name, (least, largest) in profile.ranges.items():
        over, under = reached[name] / largest, least / reached[name]
        found[name] = _log2(larger(larger(over, under), 1.0))
    return found


def _log2(value: Number) -> Number:
    """Of a number, or of each of an array."""
    if hasattr(value, "shape"):
        return numpy().log2(value)
    return log2(value)
