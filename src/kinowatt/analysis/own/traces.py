"""Operators of the measuring machine's versions beside the shipped tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.own.lines import Line, change_pct
from kinowatt.analysis.tables import Table
from kinowatt.facts.models import model
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.passes import pass_operators
from kinowatt.theory.recipe import Pass

LIBRARIES = ("torch", "diffusers", "transformers")
FIELDS = ("calls", "bytes", "flops")
# Classes of diffusers whose convolutions run in pieces beyond a size, whatever the version
IN_PIECES = "mochi-vae"


@dataclass(frozen=True, kw_only=True, slots=True)
class Traced:
    """One component of one model at its default size: sums over all operators.

    `live` as traced, `shipped` by the table alone, `counted` as a prediction counts them by kind:
    it also cuts the convolutions that diffusers does.
    """

    model: str
    role: str
    table: str
    live: Mapping[str, int]
    shipped: Mapping[str, int]
    counted: Mapping[str, int]
    differences: Sequence[Mapping[str, Any]]

    def change_pct(self, field: str) -> float:
        """The live trace over the shipped table."""
        return change_pct(self.live[field], self.shipped[field])

    @property
    def as_counted(self) -> bool:
        """Whether a prediction counts the calls, bytes and FLOPs that ran."""
        return self.live == self.counted


def traced(lines: Sequence[Line]) -> list[Traced]:
    return [
        Traced(
            model=line["model"],
            role=line["role"],
            table=line["variant"],
            live=_sums(line["live"]),
            shipped=_sums(line["shipped"]),
            counted=_sums(counted(line)),
            differences=line["differences"],
        )
        for line in lines
        if "live" in line
    ]


def counted(line: Line) -> dict[str, dict[str, int]]:
    """Calls, bytes and FLOPs by kind of operator, as a prediction has them of one such pass."""
    role = line["role"]
    one = Pass(name=role, stage=role, component=role, calls=1, symbols=line["point"], tiles=None)
    found: dict[str, Counter[str]] = {}
    for each in pass_operators(model(line["model"]), one, operator_table):
        sums = found.setdefault(each.kind, Counter())
        sums.update({field: round(getattr(each, field)) for field in FIELDS})
    return {kind: dict(sums) for kind, sums in found.items()}


def _sums(kinds: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {field: sum(each[field] for each in kinds.values()) for field in FIELDS}


def components_table(found: Sequence[Traced]) -> Table:
    """Every component, those that differ first."""
    ordered = sorted(found, key=lambda each: not each.differences)
    rows = [
        {
            "component": each.table,
            "of": f"{each.model}, {each.role.replace('_', ' ')}",
            "calls_shipped": each.shipped["calls"],
            "calls_live": each.live["calls"],
            "bytes_pct": each.change_pct("bytes"),
            "counted_bytes_pct": change_pct(each.live["bytes"], each.counted["bytes"]),
            "flops_pct": each.change_pct("flops"),
            "what_differs": _words(each.differences),
        }
        for each in ordered
    ]
    return Table(
        name="traces_components",
        title="Every component at its model's default size",
        rows=tuple(rows),
        notes=(
            "Live: traced on the measuring machine's versions, without weights. Percentages: live"
            " over shipped; counted bytes: live over what a prediction counts."
            " A component that several models share stands once for each size.",
        ),
    )


def _words(differences: Sequence[Mapping[str, Any]]) -> str:
    """Operators by name: calls of the shipped table, then of the live trace."""
    return ", ".join(
        f"`{each['op']}` {each['calls']['shipped']} → {each['calls']['live']} calls"
        for each in differences
        if "calls" in each
    )


def versions_table(lines: Sequence[Line]) -> Table:
    """Of the libraries that decide which operators run."""
    live = next(line["conditions"] for line in lines if "live" in line)
    shipped = [line["shipped_versions"] for line in lines if "shipped_versions" in line]
    rows = [
        {
            "library": name,
            "shipped_tables": ", ".join(sorted({versions[name] for versions in shipped})),
            "measuring_machine": live[name],
        }
        for name in LIBRARIES
    ]
    return Table(name="traces_versions", title="Versions", rows=tuple(rows))
