"""Puts the reproduction together."""

from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.own.compose import Own, own
from kinowatt.analysis.own.cost import NO_OTHERS, Others
from kinowatt.analysis.own.errors import LEARNED
from kinowatt.analysis.own.models import stack_note
from kinowatt.analysis.own.rows import OwnRow
from kinowatt.analysis.reproduction.claims import all_claims
from kinowatt.analysis.reproduction.findings import all_findings
from kinowatt.analysis.reproduction.findings_data import floor_pct
from kinowatt.analysis.reproduction.model import Reproduction
from kinowatt.analysis.reproduction.paper_tables import all_tables
from kinowatt.analysis.reproduction.sweeps import all_sweeps


def compose(rows: Sequence[OwnRow] = (), others: Others = NO_OTHERS) -> Reproduction:
    """Everything recomputed from published data, and our own rows beside it."""
    ours = own(rows, others)
    tables = all_tables(ours)
    sweeps = all_sweeps()
    table3 = next(table for table in tables if table.name == "table3")
    claims = all_claims(sweeps)
    verdicts: dict[str, int] = {}
    for claim in claims:
        verdicts[claim.verdict] = verdicts.get(claim.verdict, 0) + 1
    headline: dict[str, Any] = {
        "table3": [dict(row) for row in table3.rows],
        "table4": [dict(row) for row in ours.models if row["paper_latency_s"] is not None],
        "cost": [dict(row) for row in ours.cost.rows],
        "notes": _notes(ours),
        "floor_pct": floor_pct(),
        "verdicts": verdicts,
    }
    return Reproduction(
        tables=tables,
        sweeps=sweeps,
        claims=claims,
        findings=all_findings(),
        headline=headline,
        own=ours,
    )


def _notes(ours: Own) -> list[str]:
    """What a reader of the two tables must know of our columns."""
    return [
        *(f"Sweep of {name}: {item.status}." for name, item in ours.series.items()),
        "Ours - paper: mean over shared settings. Learned profile: mean absolute error of"
        f" {LEARNED} at our points. ±: standard deviation between runs or machines; one run or one"
        " composed row has none. *: tiling or offload other than the paper's. Again: the same"
        " workload by another protocol, on another machine or with other tiling.",
        stack_note(ours.groups),
    ]
