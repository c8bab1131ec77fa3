"""What a reproduction is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.own.compose import Own
from kinowatt.analysis.tables import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A claim of the paper with a verdict computed from data: holds, with correction, no."""

    text: str
    section: str
    verdict: str
    number: str
    evidence: str


def verdict(holds: bool, nearly: bool) -> str:
    """The word for a claim that holds as stated, holds once corrected, or does not."""
    return "holds" if holds else "with correction" if nearly else "no"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that the paper, its scripts or its data say against each other, before and after."""

    id: str  # short and stable, to cite it by
    title: str
    quantity: str
    before: str
    after: str
    explanation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """One scaling figure: measured points, and stacked predictions along the axis.

    `stacks` by version ("published", "corrected") hold columns by operator; `latency_s` and
    `energy_wh` share the order of `operators`.
    """

    name: str
    axis: str
    x: tuple[float, ...]
    measured_x: tuple[float, ...]
    measured_latency_s: tuple[float, ...]
    measured_energy_wh: tuple[float, ...]
    operators: tuple[str, ...]
    stacks: Mapping[str, Mapping[str, Mapping[str, tuple[float, ...]]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """Everything that the report shows; `own`: measured by us in 2026."""

    tables: tuple[Table, ...]
    sweeps: tuple[Sweep, ...]
    claims: tuple[Claim, ...]
    findings: tuple[Finding, ...]
    headline: Mapping[str, Any]
    own: Own
