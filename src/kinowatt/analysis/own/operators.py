"""Where the time of a forward goes: kernels by kind of operator, beside a microbench's laws."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from kinowatt.analysis.bench_physics import physics_of_bench
from kinowatt.analysis.own.calls import GROUPS, Call, calls_of, group_of
from kinowatt.analysis.own.lines import Forward, Line, change_pct, forwards
from kinowatt.analysis.predict import scenario
from kinowatt.analysis.tables import Table
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.operators import Operator
from kinowatt.theory.physics import PhysicalClock
from kinowatt.theory.predict import estimate
from kinowatt.units import MS_PER_S, US_PER_S

DENOISER = "denoiser"
LITTLE = 0.005  # of a call, below which a kind has no row


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Operators of one kind in a forward: seconds of their kernels, and what the laws say."""

    name: str
    calls: int
    seconds: float
    law_s: float

    @property
    def slower_pct(self) -> float:
        """Than the laws."""
        return change_pct(self.seconds, self.law_s)


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """One forward or decode. `clocks_mhz`: least and greatest that were sampled.

    `mean_s`: of the device, in a window without the profiler; `busy_s`, `between_s`: of kernels and
    of what lies between them in one profiled call, which came after it. `counted`: calls of
    operators by the tables.
    """

    forward: Forward
    mean_s: float
    busy_s: float
    between_s: float
    kernels: int
    clocks_mhz: tuple[float, float]
    counted: float
    groups: tuple[Group, ...]

    @property
    def model(self) -> str:
        return self.forward.model

    @property
    def stage(self) -> str:
        return self.forward.variant

    @property
    def name(self) -> str:
        return f"{self.model}'s {self.stage.removeprefix('vae_')}"

    @cached_property
    def by_name(self) -> Mapping[str, Group]:
        return {group.name: group for group in self.groups}

    @property
    def law_s(self) -> float:
        return sum(group.law_s for group in self.groups)

    @property
    def denoises(self) -> bool:
        return self.stage == DENOISER

    def off_pct(self, group: Group) -> float:
        """Measured less law, of all kernels of the forward."""
        return 100.0 * (group.seconds - group.law_s) / self.busy_s

    @property
    def all_off_pct(self) -> float:
        return sum(map(self.off_pct, self.groups))

    @property
    def idle_us(self) -> float | None:
        """By call, between the window and the profiled call; None where that one was slower."""
        idle = US_PER_S * (self.mean_s - self.busy_s) / self.counted
        return idle if idle > 0 else None

    @property
    def between_us(self) -> float:
        """By call, within the profiled call."""
        return US_PER_S * self.between_s / self.counted


def profiled(lines: Iterable[Line], bench: Mapping[str, Any]) -> list[Profiled]:
    """Every forward that was profiled, in the order in which they were taken."""
    clock = PhysicalClock(replace(physics_of_bench(bench), gap_s=0.0))
    return [_profiled(line, clock) for line in lines if "calls" in line]


def _profiled(line: Line, clock: PhysicalClock) -> Profiled:
    (forward,) = forwards([line])
    share = forward.clock_mhz / line["conditions"]["max_sm_clock_mhz"]
    counted, passes = _counted(line)
    laws = _by_law(counted, clock, share)
    clocks = line["sampled"]["clock_mhz"]
    return Profiled(
        forward=forward,
        mean_s=line["device_mean_s"],
        busy_s=line["bare"]["busy_s"],
        between_s=line["bare"]["between_s"]["sum"],
        kernels=line["bare"]["kernels"],
        clocks_mhz=(clocks["min"], clocks["max"]),
        counted=sum(float(each.calls) for each in counted) / passes,
        groups=_groups(calls_of(line), laws, passes),
    )


def _groups(calls: Sequence[Call], laws: Mapping[str, float], passes: float) -> tuple[Group, ...]:
    of: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        of[call.group].append(call)
    return tuple(
        Group(
            name=name,
            calls=sum(call.calls for call in of[name]),
            seconds=sum(call.seconds for call in of[name]),
            law_s=laws[name] / passes,
        )
        for name in GROUPS
        if of[name]
    )


def _counted(line: Line) -> tuple[list[Operator], float]:
    """Operators of a stage of a whole video of that size, and how many forwards these are."""
    found = estimate(scenario(line["model"], recipe="single", **line["size"]), operator_table)
    stage = line["variant"]
    passes = float(found.plan.effective.forward_passes) if stage == DENOISER else 1.0
    return [each for each in found.operators if each.stage == stage], passes


def _by_law(counted: Sequence[Operator], clock: PhysicalClock, share: float) -> dict[str, float]:
    """Seconds by group: compute at the sampled clock, memory whatever the clock."""
    found = dict.fromkeys(GROUPS, 0.0)
    for operator in counted:
        piece = clock.piece(operator)
        found[group_of(operator.op)] += float(piece.compute_s / share + piece.memory_s)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """Calls of attention alike: their tokens, and the seconds of one."""

    tokens: int
    calls: int
    seconds: float


def attentions(lines: Iterable[Line], model: str) -> list[Attention]:
    """Of a model's denoiser over its own tokens, fewest first."""
    (line,) = (each for each in lines if (each["model"], each["variant"]) == (model, DENOISER))
    found = [call for call in calls_of(line) if call.group == "attention"]
    over_all = [call for call in found if call.operands[0].dims == call.operands[1].dims]
    return sorted(
        (
            Attention(
                tokens=call.operands[0].dims[2],
                calls=call.calls,
                seconds=call.seconds / call.calls,
            )
            for call in over_all
        ),
        key=lambda each: each.tokens,
    )


def groups_table(found: Sequence[Profiled]) -> Table:
    rows = [
        _row(each, group)
        for each in found
        for group in each.groups
        if group.seconds >= LITTLE * each.busy_s
    ]
    return Table(
        name="operators_groups",
        title="Kernels by kind of operator, measured and by the laws",
        rows=tuple(rows),
        notes=(
            "Measured: seconds of kernels in one profiled call. Laws: of the microbench of another"
            " H100 alone, no row of a video in them; seconds that stretch with the clock are at the"
            " mean clock of the window before. Off: measured less law, of all kernels of the call.",
            "Convolution includes the bias, which cuDNN leaves to an addition of its own. Memory:"
            " everything that multiplies no matrix and is no such norm. Kinds that take less than"
            f" {100 * LITTLE:.1f}% of a call are left out.",
        ),
    )


def _row(each: Profiled, group: Group) -> dict[str, Any]:
    return {
        "model": each.model,
        "stage": each.stage.replace("_", " "),
        "kind": group.name,
        "calls": group.calls,
        "measured_ms": MS_PER_S * group.seconds,
        "laws_ms": MS_PER_S * group.law_s,
        "off_pct": each.off_pct(group),
    }


def forwards_table(found: Sequence[Profiled]) -> Table:
    rows = [
        {
            "model": each.model,
            "stage": each.stage.replace("_", " "),
            "window_ms": MS_PER_S * each.mean_s,
            "sd_ms": MS_PER_S * each.forward.sd_s,
            "clock_mhz": each.forward.clock_mhz,
            "kernels_ms": MS_PER_S * each.busy_s,
            "laws_ms": MS_PER_S * each.law_s,
            "off_pct": each.all_off_pct,
            "kernels": each.kernels,
            "calls": round(each.counted),
            "idle_us": each.idle_us,
            "between_us": each.between_us,
        }
        for each in found
    ]
    return Table(
        name="operators_forwards",
        title="Whole calls",
        rows=tuple(rows),
        notes=(
            "Window: two calls without the profiler, mean on the device. Kernels: sum of one call"
            " with it, right after. Calls: of operators, by the tables.",
            "Idle: microseconds of the device for each call of an operator, window less kernels; –"
            " where the profiled call was slower than the window. It holds where both ran at one"
            " clock: a single call after a pause is cooler and faster than those of a window that"
            " the power limit holds down. Between: the same within the profiled call, from the end"
            " of a kernel to the start of the next.",
        ),
    )
