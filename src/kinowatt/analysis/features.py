"""Measured rows as sums over their operators, so that a fit need not look at operators again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.predict import scenario
from kinowatt.analysis.regime import device_bound, waiting_hosts_bound
from kinowatt.errors import require_extra
from kinowatt.facts.models import model as find_model
from kinowatt.facts.operator_tables import operator_table
from kinowatt.formats.measured import kernels_of
from kinowatt.theory.operators import SYNCHRONISING
from kinowatt.theory.passes import plan_operators
from kinowatt.theory.physics import (
    TINY_S,
    PhysicalClock,
    Physics,
    cooling,
    group_of,
    power_group_of,
)
from kinowatt.theory.power import Balance, Load, balance
from kinowatt.theory.predict import Scenario
from kinowatt.theory.recipe import plan
from kinowatt.theory.transforms import apply
from kinowatt.theory.workload import FIELDS

Row = Mapping[str, Any]
TIME_GROUPS = (
    *("linear", "attention", "convolution", "convolution.tf32", "norm"),
    *("memory", "memory.uneven"),
)
POWER_GROUPS = ("power.compute", "power.convolution", "power.memory")
GROUPS = (*TIME_GROUPS, *POWER_GROUPS, "power.clock", "gap", "host")
STAGES = ("text_encoder", "denoiser", "vae_decoder")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages:
    """By (row, stage): seconds, joules, and the mean clock as a share of the greatest."""

    seconds: Any
    joules: Any
    clock: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Features:
    """One line a pass of a row: seconds and joules by group, and which row and stage it is of.

    `compute_s`, `memory_s`: (lines, time groups) at the greatest clock. `dynamic_j`: (lines, power
    groups). `gap_s`, `stalled_s`, `host_s`: (lines). `place`: index of row and stage of each line.
    `gpu_bound`: (rows, stages), whether the GPU set the pace (`kinowatt.analysis.regime`).
    """

    rows: tuple[Row, ...]
    compute_s: Any
    memory_s: Any
    dynamic_j: Any
    gap_s: Any
    stalled_s: Any
    host_s: Any
    place: Any
    gpu_bound: Any

    def stages(self, physics: Physics, factors: Mapping[str, Any]) -> Stages:
        """What the rows' stages take with other factors than those of `physics`.

        Each a number, or all of `GROUPS` as arrays of one length, for many answers at once: these
        are then along the first axis.
        """
        np: Any = require_extra("learn", "numpy")
        found = self._balanced(physics, factors, np)
        seconds, joules, clocked = (
            self._sums(values, np)
            for values in (found.latency_s, found.energy_j, found.clock * found.latency_s)
        )
        return Stages(seconds=seconds, joules=joules, clock=clocked / np.maximum(seconds, TINY_S))

    def _sums(self, values: Any, np: Any) -> Any:
        """Of lines by row and stage."""
        shape = (*values.shape[:-1], len(self.rows), len(STAGES))
        size = len(self.rows) * len(STAGES)
        firsts = np.arange(0, math.prod(shape), size)
        place = (firsts[:, None] + self.place).ravel()
        return np.bincount(place, values.ravel(), math.prod(shape)).reshape(shape)

    def _balanced(self, physics: Physics, factors: Mapping[str, Any], np: Any) -> Balance:
        time, power = (
            np.array([factors.get(group, 1.0) for group in groups])
            for groups in (TIME_GROUPS, POWER_GROUPS)
        )
        gaps_s = np.multiply.outer(factors.get("gap", 1.0), self.gap_s) + self.stalled_s
        load = Load(
            compute_s=(self.compute_s @ time).T,
            memory_s=(self.memory_s @ time).T + gaps_s,
            dynamic_j=(self.dynamic_j @ power).T,
            host_s=np.multiply.outer(factors.get("host", 1.0), self.host_s),
            waits=self.stalled_s > 0,
        )
        clock = np.multiply.outer(factors.get("power.clock", 1.0), np.ones(1))
        return balance(load, cooling(physics.power, clock))

    def only(self, keep: Sequence[int]) -> "Features":
        """The lines of some rows, in the order given."""
        np: Any = require_extra("learn", "numpy")
        n = len(STAGES)
        new = {old: index for index, old in enumerate(keep)}
        lines = [i for i, place in enumerate(self.place) if place // n in new]
        place = np.array([new[self.place[i] // n] * n + self.place[i] % n for i in lines])
        return Features(
            rows=tuple(self.rows[i] for i in keep),
            compute_s=self.compute_s[lines],
            memory_s=self.memory_s[lines],
            dynamic_j=self.dynamic_j[lines],
            gap_s=self.gap_s[lines],
            stalled_s=self.stalled_s[lines],
            host_s=self.host_s[lines],
            place=place,
            gpu_bound=self.gpu_bound[list(keep)],
        )


def features(rows: Sequence[Row], physics: Physics) -> Features:
    """Sums over the operators of each row's passes, by the laws of `physics` without its factors."""
    np: Any = require_extra("learn", "numpy")
    timer = PhysicalClock(replace(physics, gap_s=0.0, factors={}))
    lines: dict[tuple[int, str], dict[str, Any]] = {}
    for index, row in enumerate(rows):
        for operator in row_operators(row):
            if operator.stage not in STAGES or not operator.calls:
                continue
            line = lines.setdefault((index, operator.source), _empty(index, operator.stage))
            piece = timer.piece(operator)
            group = TIME_GROUPS.index(group_of(operator))
            line["compute_s"][group] += piece.compute_s
            line["memory_s"][group] += piece.memory_s
            line["dynamic_j"][POWER_GROUPS.index(power_group_of(operator.kind))] += piece.dynamic_j
            line["gap_s"] += operator.calls * physics.gap_s
            line["stalled_s"] += piece.stalled_s
            line["host_s"] += piece.host_s
            line["calls"] += operator.calls
    columns = {
        name: np.array([line[name] for line in lines.values()])
        for name in ("compute_s", "memory_s", "dynamic_j", "gap_s", "stalled_s", "host_s", "place")
    }
    calls = np.zeros((len(rows), len(STAGES)))
    for line in lines.values():
        calls[divmod(line["place"], len(STAGES))] += line["calls"]
    return Features(rows=tuple(rows), gpu_bound=np.array(_gpu_bound(rows, calls)), **columns)


def _gpu_bound(rows: Sequence[Row], calls: Any) -> list[list[bool]]:
    """By row and stage; a model whose forward synchronises is judged by all its rows together."""
    found = [[device_bound(row["stages"].get(stage, {})) for stage in STAGES] for row in rows]
    for name in {row["model"] for row in rows}:
        mine = [i for i, row in enumerate(rows) if row["model"] == name]
        for j, stage in enumerate(STAGES):
            if not _synchronises(name, stage):
                continue
            seen = [rows[i]["stages"].get(stage, {}) for i in mine]
            made = [
                calls[i, j] / known.get("calls", 1) for i, known in zip(mine, seen, strict=True)
            ]
            for i, bound in zip(mine, waiting_hosts_bound(seen, made), strict=True):
                found[i][j] = bound
    return found


def _synchronises(name: str, stage: str) -> bool:
    spec = find_model(name)
    if stage not in spec.components:
        return False
    cases = operator_table(spec.table(stage)).cases
    return any(row.op in SYNCHRONISING for case in cases for row in case.rows)


def _empty(index: int, stage: str) -> dict[str, Any]:
    return {
        "compute_s": [0.0] * len(TIME_GROUPS),
        "memory_s": [0.0] * len(TIME_GROUPS),
        "dynamic_j": [0.0] * len(POWER_GROUPS),
        "gap_s": 0.0,
        "stalled_s": 0.0,
        "host_s": 0.0,
        "calls": 0.0,
        "place": index * len(STAGES) + STAGES.index(stage),
    }


def row_operators(row: Row) -> Any:
    """What the row's pipeline ran, by its workload and the conditions that change it."""
    chosen = row_scenario(row)
    resolved = plan(chosen.model, chosen.workload, chosen.recipe, chosen.tiling)
    operators = plan_operators(chosen.model, chosen.workload, resolved, operator_table)
    return apply(operators, kernels_of(row["conditions"]))


def row_scenario(row: Row) -> Scenario:
    """What a row was asked for, as a prediction would be."""
    asked = {name: row["workload"][name] for name in FIELDS if name in row["workload"]}
    conditions = row["conditions"]
    return scenario(
        row["model"],
        row["gpu"],
        recipe=row["recipe"],
        tiling=conditions.get("tiling"),
        offload=conditions.get("offload", "none"),
        **asked,
    )
