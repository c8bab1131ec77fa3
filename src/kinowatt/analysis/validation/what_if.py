"""Measured changes (another kernel, compiled blocks, batch, guidance, tiling) beside predictions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from kinowatt.analysis.features import Features, Row
from kinowatt.analysis.held_out import predicted_by
from kinowatt.analysis.tables import Table
from kinowatt.analysis.validation.cases import (
    ENERGY,
    LATENCY,
    LEAVE_CONFIGURATION,
    WHAT_IF,
    Case,
    cases_of,
)
from kinowatt.formats.measured import kernels_of
from kinowatt.theory.physics import Physics

SWEEP = "what-if"  # how the names of files end whose rows differ from a usual row in one thing


def what_if_cases(
    seen: Features, cases: Sequence[Case], changed: Features, physics: Physics
) -> list[Case]:
    """`changed`: rows with kernels that no fit takes, by the fit on all usual rows; usual rows of
    a sweep of changes as `cases` have them, their configurations left out. Their indices go on
    after those of `seen`."""
    left_out = [
        replace(case, scheme=WHAT_IF)
        for case in cases
        if case.scheme == LEAVE_CONFIGURATION and case.sweep.endswith(SWEEP)
    ]
    if not changed.rows:
        return left_out
    kernels = cases_of(changed, predicted_by(seen, changed, physics), WHAT_IF)
    return left_out + [replace(case, index=case.index + len(seen.rows)) for case in kernels]


def changes(cases: Iterable[Case], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row a change: seconds measured and predicted, and by how much both are missed."""
    mine = [case for case in cases if case.scheme == WHAT_IF]
    energy = {case.index: case.error for case in mine if case.quantity == ENERGY}
    return [
        {
            "gpu": rows[case.index]["gpu"],
            "model": case.model,
            "change": change_of(rows[case.index]),
            "measured": case.measured,
            "predicted": case.predicted,
            "error_pct": 100 * case.error,
            "energy_error_pct": 100 * energy[case.index] if case.index in energy else None,
        }
        for case in mine
        if case.quantity == LATENCY
    ]


def what_if_table(found: Iterable[dict[str, Any]]) -> Table:
    """The `changes` of every GPU."""
    return Table(
        name="what_if",
        title="Changes measured, beside what is predicted",
        columns=(
            "gpu",
            "model",
            "change",
            "measured",
            "predicted",
            "error_pct",
            "energy_error_pct",
        ),
        rows=tuple(found),
        notes=(
            "Whole videos, in seconds. Kernels and compiled blocks: by the fit on rows without them;"
            " the rest with their configuration left out. Compiled blocks of the h100-sxm ran in"
            " pieces, which our own hooks had cut; those of the h200-sxm ran whole.",
        ),
    )


def change_of(row: Row) -> str:
    """What sets a row of such a sweep apart, in words of `--what-if` where it has them."""
    conditions, asked = row["conditions"], row["workload"]
    found = [f"{key}={value}" for key, value in kernels_of(conditions).items()]
    if conditions.get("tiling"):
        found.append("tiling=True")
    if asked.get("batch_size", 1) > 1:
        found.append(f"{asked['batch_size']} videos at once")
    if asked["guidance_scale"] <= 1:
        found.append("no guidance")
    return ", ".join(found) or "none"
