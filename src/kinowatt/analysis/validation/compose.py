"""`kinowatt validate`: all schemes, baselines and targets as tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from kinowatt.analysis.bench_physics import Bench, physics_of_bench
from kinowatt.analysis.factors import Factor, fit_factors
from kinowatt.analysis.features import Features, Row, features
from kinowatt.analysis.held_out import fit_after_work
from kinowatt.analysis.learning import FEWEST_MODELS, like_bench, of_other_kernels
from kinowatt.analysis.tables import Table
from kinowatt.analysis.validation.baselines import baselines
from kinowatt.analysis.validation.cases import (
    LEAVE_CONFIGURATION,
    LEAVE_FAMILY,
    LEAVE_MODEL,
    WHAT_IF,
    Case,
    all_cases,
)
from kinowatt.analysis.validation.elsewhere import other_laboratories, paper_elsewhere
from kinowatt.analysis.validation.memory import memory_cases
from kinowatt.analysis.validation.other_gpus import (
    BY_SHEET,
    TRANSFER,
    OtherGpu,
    other_gpus,
)
from kinowatt.analysis.validation.score import PCT, Score, score
from kinowatt.analysis.validation.targets import DENOISER, Verdict, judged
from kinowatt.analysis.validation.what_if import changes, what_if_cases, what_if_table
from kinowatt.errors import InputError

COLUMNS = (
    *("n", "models", "mae_pct", "by_model_pct", "signed_pct", "worst_pct"),
    *("coverage_80", "coverage_95", "half_width_pct"),
)
REGIMES = {"gpu": "GPU", "call": "host"}
SHOWN = 12  # of the cases that are missed most


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """Cases by scheme, tables, the factors of the fit on all rows, and rows that were left out."""

    cases: tuple[Case, ...]
    tables: tuple[Table, ...]
    factors: tuple[Factor, ...]
    used: int
    unlike: tuple[tuple[int, str], ...]

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)


def validate(bench: Bench, rows: Sequence[Row], others: Sequence[Bench] = ()) -> Validation:
    """Judges what can be learned of `rows` (each with `sweep`, its file); nothing is written.

    `others`: microbenches of further GPUs, for their rows.
    """
    taken, unlike = like_bench(bench, rows)
    models = {rows[i]["model"] for i in taken}
    if len(models) < FEWEST_MODELS:
        raise InputError(
            f"rows of {len(models)} models tell nothing of another one; at least {FEWEST_MODELS}"
            " are needed: measure another with `kinowatt measure MODEL --protocol sampled`"
        )
    physics = physics_of_bench(bench)
    seen = features([rows[i] for i in taken], physics)
    changed = features([rows[i] for i in of_other_kernels(bench, rows)], physics)
    cases = all_cases(seen, physics)
    cases += what_if_cases(seen, cases, changed, physics)
    factors, after = fit_factors(seen, physics), fit_after_work(seen.rows)
    elsewhere = other_gpus(others, rows, {f.name: f.value for f in factors}, after)
    memory = memory_cases(seen.rows)
    tables = (
        _targets([*cases, *_promised(elsewhere)], _scored(memory)),
        _schemes(cases),
        _others(elsewhere),
        _by_model(cases),
        _against(cases, seen),
        _worst(cases, seen),
        what_if_table(_changes(cases, (*seen.rows, *changed.rows), elsewhere)),
        _memory(memory),
        paper_elsewhere(physics, after),
        other_laboratories(),
    )
    return Validation(
        cases=(*cases, *memory),
        tables=tables,
        factors=factors,
        used=sum(map(len, (taken, changed.rows, *(other.rows for other in elsewhere)))),
        unlike=unlike,
    )


def _promised(elsewhere: Iterable[OtherGpu]) -> list[Case]:
    """Of other GPUs: what another one taught, and changes."""
    return [
        case
        for other in elsewhere
        for case in (*other.transferred, *(c for c in other.own if c.scheme == WHAT_IF))
    ]


def _changes(
    cases: Sequence[Case], rows: Sequence[Row], elsewhere: Iterable[OtherGpu]
) -> list[dict[str, Any]]:
    found = changes(cases, rows)
    return found + [row for other in elsewhere for row in changes(other.own, other.rows)]


def _scored(memory: Sequence[Case]) -> Score:
    found = score(memory)
    if found is None:
        raise InputError("no row has peak_memory_gib: take them with `kinowatt measure`")
    return found


def _targets(cases: Sequence[Case], memory: Score) -> Table:
    return Table(
        name="targets",
        title="What is promised, and what is found on rows that the fit did not see",
        columns=tuple(field.name for field in fields(Verdict)),
        rows=tuple(asdict(verdict) for verdict in judged(cases, memory)),
        notes=("Kept –: no committed row can tell.",),
    )


def _others(elsewhere: Iterable[OtherGpu]) -> Table:
    rows = [
        {"gpu": other.name} | row
        for other in elsewhere
        for row in _by_scheme((*other.transferred, *other.own))
    ]
    return Table(
        name="other_gpus",
        title="Another GPU",
        columns=("gpu", "left_out", "quantity", "paced_by", *COLUMNS),
        rows=tuple(rows),
        notes=(
            f"*{TRANSFER}* left out: the first GPU's factors on this one's microbench;"
            f" *{BY_SHEET}*: the profile of its datasheet. The rest: profiles of its own.",
        ),
    )


def _by_scheme(cases: Sequence[Case]) -> list[dict[str, Any]]:
    keys = dict.fromkeys((c.scheme, c.quantity, c.regime) for c in cases)
    return [
        {"left_out": scheme, "quantity": quantity, "paced_by": REGIMES[regime]}
        | _figures(c for c in cases if (c.scheme, c.quantity, c.regime) == key)
        for key in keys
        for scheme, quantity, regime in (key,)
    ]


def _schemes(cases: Sequence[Case]) -> Table:
    return Table(
        name="schemes",
        title="Errors by what was left out",
        columns=("left_out", "quantity", "paced_by", *COLUMNS),
        rows=tuple(_by_scheme(cases)),
        notes=(
            "A whole video counts as GPU-bound where its denoiser is. Intervals: of models and"
            " families left out, from leaving out the others in turn, without them.",
        ),
    )


def _figures(cases: Iterable[Case]) -> dict[str, Any]:
    found = score(cases)
    assert found is not None
    return {name: getattr(found, name) for name in COLUMNS}


def _by_model(cases: Sequence[Case]) -> Table:
    """GPU x model x stage x sweep, configurations left out."""
    mine = [c for c in cases if c.scheme == LEAVE_CONFIGURATION]
    keys = sorted({(c.quantity, c.model, c.sweep, c.regime) for c in mine})
    rows = [
        {"quantity": quantity, "model": model, "sweep": sweep, "paced_by": REGIMES[regime]}
        | _figures(c for c in mine if (c.quantity, c.model, c.sweep, c.regime) == key)
        for key in keys
        for quantity, model, sweep, regime in (key,)
    ]
    return Table(
        name="by_model",
        title="Held-out configurations by model and sweep",
        columns=("quantity", "model", "sweep", "paced_by", *COLUMNS),
        rows=tuple(rows),
    )


def _against(cases: Sequence[Case], seen: Features) -> Table:
    """Our errors beside what a user would do instead, on the same forwards."""
    measured = {i: row["stages"][DENOISER]["latency_s"] for i, row in enumerate(seen.rows)}
    rows = [
        _way(
            f"this profile, {scheme} left out",
            {c.index: c.predicted for c in cases if _ours(c, scheme)},
        )
        for scheme in (LEAVE_CONFIGURATION, LEAVE_MODEL, LEAVE_FAMILY)
    ]
    rows += [_way(way, found) for way, found in baselines(seen).items()]
    for row in rows:
        predicted = row.pop("predicted")
        errors = [PCT * (predicted[i] / measured[i] - 1) for i in predicted]
        row |= {
            "n": len(errors),
            "mae_pct": fmean(map(abs, errors)),
            "signed_pct": fmean(errors),
            "worst_pct": max(errors, key=abs),
        }
    return Table(
        name="baselines",
        title="The same GPU-bound forwards by other ways",
        columns=("way", "n", "mae_pct", "signed_pct", "worst_pct"),
        rows=tuple(rows),
        notes=(
            "Utilisations and trees: each configuration from all others. The roofline is fitted on"
            " nothing. Trees see the seconds that our laws give each group of operators.",
        ),
    )


def _ours(case: Case, scheme: str) -> bool:
    return (case.scheme, case.quantity, case.regime) == (scheme, DENOISER, "gpu")


def _way(name: str, predicted: Mapping[int, float]) -> dict[str, Any]:
    return {"way": name, "predicted": predicted}


def _worst(cases: Sequence[Case], seen: Features) -> Table:
    mine = [c for c in cases if c.scheme == LEAVE_CONFIGURATION]
    missed = sorted(mine, key=lambda case: -abs(case.error))[:SHOWN]
    return Table(
        name="worst",
        title="Where it fails: what is missed most, configurations left out",
        columns=("quantity", "model", "setting", "paced_by", "measured", "predicted", "error_pct"),
        rows=tuple(
            {
                "quantity": case.quantity,
                "model": case.model,
                "setting": setting(seen.rows[case.index]),
                "paced_by": REGIMES[case.regime],
                "measured": case.measured,
                "predicted": case.predicted,
                "error_pct": PCT * case.error,
            }
            for case in missed
        ),
    )


def setting(row: Row) -> str:
    """A workload in a few words."""
    asked = row["workload"]
    text = f"{asked['height_px']}x{asked['width_px']}, {asked['frames']} frames"
    batch = asked.get("batch_size", 1)
    return f"{text}, {asked['steps']} steps" + (f", {batch} videos" if batch > 1 else "")


def _memory(cases: Sequence[Case]) -> Table:
    rows = [
        {"model": name} | _figures(c for c in cases if c.model == name)
        for name in sorted({case.model for case in cases})
    ]
    return Table(
        name="memory",
        title="Peak memory: torch's own peak beside the predicted one; nothing is fitted",
        columns=("model", "n", "mae_pct", "signed_pct", "worst_pct"),
        rows=tuple(rows),
    )
