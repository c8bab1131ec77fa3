"""Operators → seconds and joules by a GPU's laws: rates, host, power and the clock it allows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from kinowatt.facts.gpus import GpuSpec
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.laws import (
    EIGHT_BIT_WORK,
    EIGHT_BITS,
    HALF,
    Anchor,
    Law,
    at_once,
    bytes_of,
    law_names,
    law_of,
    sizes_of,
)
from kinowatt.theory.operators import COMPUTE_KINDS, SYNCHRONISING, Operator
from kinowatt.theory.power import Load, PowerLaw, Work, balance
from kinowatt.theory.profile import Clock, StageTime, Timed, Timer

Number = Any
TINY_S = 1e-30
# Bursts are replayed as graphs or queued ahead; on a stream kernels follow one another less closely:
# idle seconds of the device by call, inside forwards that it paced (`operators.jsonl` of
# data/experiments/h100-sxm: 3.9, 3.8, 3.5 and 3.3 us for four models)
GAP_S = 3.6e-6
# After a result that its host had to see the GPU waits until the host has returned and its next
# kernel has come. For profiles of a microbench that did not measure it: set with the H100's rows in
# view, of 0.1, 0.15 and 0.2 ms
STALL_S = 1.5e-4
# What of an operator its joules depend on, by the beginning of its law
ENERGY_SIZE = {"attention": "head", "convolution": "cin"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Physics:
    """What is learned of a GPU and its software, the same for every model.

    `laws` by name and `power` come from the GPU alone. `host_s`: seconds of the host for one call
    by kind of operator, `other` for the rest. `gap_s`: seconds of the device between the kernels
    of two calls. `stall_s`: seconds that the device idles after a result that the host had to see.
    `factors`: what rows of whole videos say on top, by group (see `group_of`), 1
    where they say nothing.
    """

    laws: Mapping[str, Law]
    power: PowerLaw
    host_s: Mapping[str, float]
    gap_s: float = GAP_S
    stall_s: float = STALL_S
    factors: Mapping[str, float] = field(default_factory=dict)


def group_of(operator: Operator) -> str:
    """The factor that an operator's seconds are multiplied with.

    Group norms are not with the norms of tokens: few, long rows are no matter of caches. TF32
    convolutions run other kernels than those of half precision. Element-wise work on operands that
    are broadcast, mixed or in pieces is not loaded by vectors.
    """
    if operator.kind == "norm" and "group" not in operator.op:
        return "norm"
    if operator.kind == "convolution" and operator.dtype not in HALF:
        return "convolution.tf32"
    if operator.kind in COMPUTE_KINDS:
        return operator.kind
    return "memory" if operator.access == "dense" else "memory.uneven"


def power_group_of(kind: str) -> str:
    """The factor that an operator's joules are multiplied with."""
    if kind == "convolution":
        return "power.convolution"
    return "power.compute" if kind in COMPUTE_KINDS else "power.memory"


def cooling(power: PowerLaw, factor: Number) -> PowerLaw:
    """Power of which another share falls with the clock: by what rows say of it."""
    return replace(power, clock_share=power.clock_share * factor)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """All calls of one operator at the greatest clock: seconds that stretch as the clock falls,
    seconds that do not, seconds that the GPU waits after a result that the host had to see, dynamic
    joules, and the host's seconds."""

    operator: Operator
    compute_s: Number
    memory_s: Number
    stalled_s: Number
    dynamic_j: Number
    host_s: Number


class PhysicalClock:
    """Times operators by a GPU's physics."""

    def __init__(self, physics: Physics) -> None:
        self.physics = physics
        self.power = cooling(physics.power, self._factor("power.clock"))

    def piece(self, operator: Operator) -> Piece:
        """One operator by itself; where compute and memory overlap, its seconds are shared out."""
        law, sizes = law_of(operator, self.physics.laws), sizes_of(operator)
        made = operator.calls + (operator.calls == 0)  # of a case that does not hold here: none
        flops = operator.flops / made
        if operator.dtype in EIGHT_BITS:
            flops = flops * EIGHT_BIT_WORK
        compute_s, memory_s = law.parts(sizes, flops, bytes_of(operator) / made)
        factor = self._factor(group_of(operator)) * operator.calls
        busy_s, fixed_s, stretching_s = memory_s, memory_s, 0.0
        if law.rate_flops is not None:
            busy_s, share = at_once(compute_s, memory_s)
            fixed_s, stretching_s = busy_s * (1.0 - share), busy_s * share * factor
        gaps_s = self.physics.gap_s * self._factor("gap") * operator.calls
        return Piece(
            operator=operator,
            compute_s=stretching_s,
            memory_s=(fixed_s + law.start_s) * factor + gaps_s,
            stalled_s=self._stalled_s(operator),
            dynamic_j=self._dynamic_j(operator, sizes, busy_s * operator.calls),
            host_s=self._host_s(operator),
        )

    def _dynamic_j(self, operator: Operator, sizes: Mapping[str, Number], busy_s: Number) -> Number:
        name = next(n for n in law_names(operator) if n in self.physics.laws)
        size = sizes.get(ENERGY_SIZE.get(name.partition(".")[0], ""), 1.0)
        computes = self.physics.laws[name].rate_flops is not None
        work = Work(
            flops=operator.flops if computes else None, nbytes=bytes_of(operator), busy_s=busy_s
        )
        joules = self.physics.power.dynamic_j(name, size, work)
        return joules * self._factor(power_group_of(operator.kind))

    def _host_s(self, operator: Operator) -> Number:
        each_s = self.physics.host_s.get(operator.kind, self.physics.host_s["other"])
        return operator.calls * each_s * self._factor("host")

    def _stalled_s(self, operator: Operator) -> Number:
        return self.physics.stall_s * operator.calls if operator.op in SYNCHRONISING else 0.0

    def calling_s(self, operators: Iterable[Operator]) -> Number:
        """Seconds that the host needs to call operators."""
        return sum(self._host_s(operator) for operator in operators)

    def waiting_w(self) -> float:
        """Watts of the GPU while it waits."""
        return self.physics.power.static_w

    def _factor(self, group: str) -> float:
        return self.physics.factors.get(group, 1.0)

    def stage(self, operators: Iterable[Operator]) -> StageTime:
        """Passes one after another; the operators of each share the clock that the power limit
        allows them together, and a fast pass cannot lend the host's time to a slow one."""
        by_pass: dict[str, list[Piece]] = {}
        for operator in operators:
            by_pass.setdefault(operator.source, []).append(self.piece(operator))
        device_s: Number = 0.0
        host_s: Number = 0.0
        latency_s: Number = 0.0
        energy_j: Number = 0.0
        timed: list[Timed] = []
        for pieces in by_pass.values():
            load = _load(pieces)
            found = balance(load, self.power)
            device_s, host_s = device_s + found.device_s, host_s + load.host_s
            latency_s, energy_j = latency_s + found.latency_s, energy_j + found.energy_j
            timed += [Paced(piece, found.clock, self.power) for piece in pieces]
        return StageTime(
            device_s=device_s,
            host_s=host_s,
            latency_s=latency_s,
            energy_j=energy_j,
            operators=tuple(timed),
        )


class Paced:
    """An operator at the clock that its pass is held to.

    Its numbers are worked out when they are asked for: what a stage takes in all needs none.
    """

    def __init__(self, piece: Piece, clock: Number, power: PowerLaw) -> None:
        self.operator = piece.operator
        self._piece = piece
        self._clock = clock
        self._power = power

    @cached_property
    def compute_s(self) -> Number:
        return self._piece.compute_s / self._clock

    @cached_property
    def memory_s(self) -> Number:
        return self._piece.memory_s + self._piece.stalled_s

    @cached_property
    def latency_s(self) -> Number:
        return self.compute_s + self.memory_s

    @cached_property
    def energy_j(self) -> Number:
        dynamic_j = self._piece.dynamic_j * self._power.cooled(self._clock)
        return dynamic_j + self._power.static_w * self.latency_s


def _load(pieces: Iterable[Piece]) -> Load:
    each = list(pieces)
    return Load(
        compute_s=sum(piece.compute_s for piece in each),
        memory_s=sum(piece.memory_s + piece.stalled_s for piece in each),
        dynamic_j=sum(piece.dynamic_j for piece in each),
        host_s=sum(piece.host_s for piece in each),
        waits=any(piece.operator.op in SYNCHRONISING for piece in each),
    )


def physics_of(raw: Mapping[str, Any]) -> Physics:
    """Physics out of a learned profile's table, which its reader has checked."""
    power = dict(raw["power"])
    joules = {
        law: {float(size): value for size, value in by_size.items()}
        for law, by_size in power.pop("joules").items()
    }
    return Physics(
        laws={name: _law(law) for name, law in raw["laws"].items()},
        power=PowerLaw(**power, joules=joules),
        host_s=raw["host_s"],
        gap_s=raw["gap_s"],
        stall_s=raw.get("stall_s", STALL_S),
        factors=raw.get("factors", {}),
    )


def _law(raw: Mapping[str, Any]) -> Law:
    anchors = [Anchor(at=tuple(found[:-1]), excess=found[-1]) for found in raw.get("anchors", ())]
    return Law(
        rate_flops=raw.get("rate_flops"),
        bandwidth_bytes_per_s=raw["bandwidth_bytes_per_s"],
        start_s=raw["start_s"],
        halves=raw.get("halves", {}),
        axes=tuple(raw.get("axes", ())),
        anchors=tuple(anchors),
        ragged=raw.get("ragged", 0.0),
        spills={name: tuple(found) for name, found in raw.get("spills", {}).items()},
    )


def table_of(physics: Physics) -> dict[str, Any]:
    """The table of a profile's file that `physics_of` reads."""
    laws = {}
    for name, law in physics.laws.items():
        values = asdict(law)
        del values["known"]
        values["spills"] = {size: list(found) for size, found in law.spills.items()}
        values["anchors"] = [[*anchor.at, anchor.excess] for anchor in law.anchors]
        laws[name] = values
    power = asdict(physics.power)
    power["joules"] = {
        law: {f"{size:g}": value for size, value in by_size.items()}
        for law, by_size in physics.power.joules.items()
    }
    return {
        "laws": laws,
        "power": power,
        "host_s": dict(physics.host_s),
        "gap_s": physics.gap_s,
        "stall_s": physics.stall_s,
        "factors": dict(physics.factors),
    }


def timer_of(profile: GpuProfile, gpu: GpuSpec) -> Timer:
    """What times operators by a profile: the laws of a learned one, else shares of the peaks."""
    if profile.physics is None:
        return Clock(profile, gpu)
    return _clock_of(_Same(profile.physics))


class _Same:
    """A table by which one it is: to compare what two hold takes longer than to read one."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.table is other.table

    def __hash__(self) -> int:
        return id(self.table)


@lru_cache(maxsize=64)
def _clock_of(same: _Same) -> PhysicalClock:
    return PhysicalClock(physics_of(same.table))
