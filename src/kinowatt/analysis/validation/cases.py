"""Measured figures beside predictions by profiles that did not see them."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import log
from typing import Any

from kinowatt.analysis.features import STAGES, Features, Row
from kinowatt.analysis.held_out import (
    HeldOut,
    configuration,
    family,
    in_sample,
    left_out,
    microbench_only,
    model,
)
from kinowatt.analysis.intervals import Pair, spread
from kinowatt.theory.physics import Physics

IN_SAMPLE, MICROBENCH = "nothing", "all rows"
LEAVE_CONFIGURATION, LEAVE_MODEL = "configuration", "model"
LEAVE_FAMILY, LEAVE_SWEEP = "family", "sweep"
WHAT_IF = "what-if"
LABELS: Mapping[str, Callable[[Row], Hashable]] = {
    LEAVE_CONFIGURATION: configuration,
    LEAVE_MODEL: model,
    LEAVE_FAMILY: family,
    LEAVE_SWEEP: lambda row: row["sweep"],
}
STAGE_QUANTITIES = {"denoiser": "denoiser", "vae_decoder": "VAE decoder"}
LATENCY, ENERGY = "whole video", "GPU energy"
FEWEST_GROUPS = 3  # from which the error of one more can be told


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One measured figure (s or Wh) and its prediction.

    `regime`: "gpu" or "call", who set the pace of the stage (of the denoiser, for a whole video).
    `interval`: by level, the ends of predicted intervals; None where the scheme has none.
    """

    scheme: str
    quantity: str
    regime: str
    index: int
    model: str
    sweep: str
    label: Hashable
    measured: float
    predicted: float
    power_w: float | None
    interval: Mapping[str, Pair] | None = None

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1.0


def all_cases(seen: Features, physics: Physics) -> list[Case]:
    """Every scheme; those that leave groups out with intervals of their own."""
    found = cases_of(seen, in_sample(seen, physics), IN_SAMPLE)
    found += cases_of(seen, microbench_only(seen, physics), MICROBENCH)
    for scheme, label in LABELS.items():
        cases = cases_of(seen, left_out(seen, physics, label), scheme, label)
        if scheme in (LEAVE_MODEL, LEAVE_FAMILY):
            found += with_nested_intervals(cases, seen, physics, label)
        else:
            found += with_intervals(cases)
    return found


def cases_of(
    seen: Features,
    found: HeldOut,
    scheme: str,
    label: Callable[[Row], Hashable] = configuration,
) -> list[Case]:
    """Each figure of each row beside its prediction."""
    cases = []
    for index, row in enumerate(seen.rows):
        about = Case(
            scheme=scheme,
            quantity="",
            regime="",
            index=index,
            model=row["model"],
            sweep=row.get("sweep", ""),
            label=label(row),
            measured=1.0,
            predicted=1.0,
            power_w=row.get("power_w"),
        )
        for quantity, stage, measured, predicted in _figures(row, found, index):
            bound = seen.gpu_bound[index, STAGES.index(stage)]
            cases.append(
                replace(
                    about,
                    quantity=quantity,
                    regime="gpu" if bound else "call",
                    measured=float(measured),
                    predicted=float(predicted),
                )
            )
    return cases


def _figures(row: Row, found: HeldOut, index: int) -> list[tuple[str, str, Any, Any]]:
    """Quantity, the stage whose pace counts, measured, predicted."""
    figures = [
        (
            quantity,
            stage,
            row["stages"][stage]["latency_s"],
            found.stages.seconds[index, STAGES.index(stage)],
        )
        for stage, quantity in STAGE_QUANTITIES.items()
        if row["stages"].get(stage)
    ]
    figures.append((LATENCY, "denoiser", row["latency_s"], found.latency_s[index]))
    if row["energy_wh"]["gpu"]:
        figures.append((ENERGY, "denoiser", row["energy_wh"]["gpu"], found.energy_wh[index]))
    return figures


def with_intervals(cases: Sequence[Case]) -> list[Case]:
    """Each group's interval from the errors of all other groups, which the same scheme left out."""
    ends: dict[Hashable, Mapping[str, Pair] | None] = {}
    for case in cases:
        if (alike := _kind(case)) not in ends:
            ends[alike] = _interval(_others(cases, case))
    return [replace(case, interval=ends[_kind(case)]) for case in cases]


def _kind(case: Case) -> Hashable:
    """Cases that are equal in this have the same others."""
    return case.quantity, case.regime, case.label


def _others(cases: Sequence[Case], case: Case) -> list[Case]:
    return [each for each in _alike(cases, case) if each.label != case.label]


def _alike(cases: Sequence[Case], case: Case) -> list[Case]:
    return [c for c in cases if (c.quantity, c.regime) == (case.quantity, case.regime)]


def _interval(known: Sequence[Case]) -> Mapping[str, Pair] | None:
    errors: dict[str, list[float]] = {}
    for case in known:
        errors.setdefault(str(case.label), []).append(log(case.measured / case.predicted))
    return spread(errors) if len(errors) >= FEWEST_GROUPS else None


def with_nested_intervals(
    cases: Sequence[Case], seen: Features, physics: Physics, label: Callable[[Row], Hashable]
) -> list[Case]:
    """Each group's interval as if the group did not exist: from leaving out the others in turn."""
    found = []
    ordered = sorted(cases, key=lambda case: str(case.label))
    for _, group in groupby(ordered, key=lambda case: str(case.label)):
        mine = list(group)
        inside = [i for i, row in enumerate(seen.rows) if label(row) != mine[0].label]
        rest = seen.only(inside)
        inner = cases_of(rest, left_out(rest, physics, label), mine[0].scheme, label)
        ends = {(c.quantity, c.regime): _interval(_alike(inner, c)) for c in mine}
        found += [replace(c, interval=ends[c.quantity, c.regime]) for c in mine]
    return found
