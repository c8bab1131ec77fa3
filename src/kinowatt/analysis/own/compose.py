"""Everything measured by us in 2026 that stands beside the paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.own.cost import NO_OTHERS, Others, cost_table
from kinowatt.analysis.own.models import described, how, model_rows, models_table
from kinowatt.analysis.own.rows import Group, OwnRow, grouped, left_out
from kinowatt.analysis.own.steps import Ladder, ladders, steps_table
from kinowatt.analysis.own.sweeps import OwnSeries, own_series, sweeps_table
from kinowatt.analysis.rows import SWEEPS
from kinowatt.analysis.tables import Table
from kinowatt.units import wh_to_joules


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """`series` by sweep; `models` as `model_rows` gives them."""

    groups: tuple[Group, ...]
    models: tuple[Mapping[str, Any], ...]
    series: Mapping[str, OwnSeries]
    ladders: tuple[Ladder, ...]
    cost: Table
    tables: tuple[Table, ...]


def own(rows: Sequence[OwnRow], others: Others = NO_OTHERS) -> Own:
    """Useful with any number of rows, none included: what is not there is said."""
    groups = grouped(rows)
    models = model_rows(groups)
    series = {sweep: own_series(sweep, groups) for sweep in SWEEPS}
    found, cost = ladders(groups), cost_table(rows, others)
    return Own(
        groups=tuple(groups),
        models=tuple(models),
        series=series,
        ladders=tuple(found),
        cost=cost,
        tables=(
            models_table(models, groups),
            sweeps_table(list(series.values())),
            steps_table(found),
            cost,
            rows_table(groups, rows),
        ),
    )


def rows_table(groups: Sequence[Group], rows: Sequence[OwnRow]) -> Table:
    """Every group of like rows, and how many rows were left out and why."""
    reasons = [reason for row in rows if (reason := left_out(row))]
    counts = [f"{reasons.count(reason)} × {reason}" for reason in dict.fromkeys(reasons)]
    return Table(
        name="measured_rows",
        title="Every row measured by us in 2026, like ones together",
        columns=tuple(_row(None)),
        rows=tuple(_row(group) for group in groups) or (_row(None),),
        notes=(
            f"{len(rows)} rows, {len(groups)} groups; left out: {'; '.join(counts) or 'none'}.",
            "Rows are alike if the laboratory's list of conditions is equal (GPU, driver, torch,"
            " diffusers, dtype, attention, offload, tiling, compilation, power limit, host, …),"
            " the workload, the protocol, and the meter of the GPU. Unlike rows are never averaged.",
        ),
    )


def _row(group: Group | None) -> dict[str, Any]:
    if group is None:
        return dict.fromkeys(_columns(), None) | {"model": "none", "measured_2026": ""}
    first, energy = group.first, group.gpu_wh
    values = (
        first.row["model"],
        first.row["recipe"],
        _in_full(first.row["workload"]),
        first.conditions.get("attention_backend"),
        first.conditions.get("offload"),
        first.conditions.get("tiling"),
        first.conditions.get("compile"),
        first.conditions.get("torch"),
        group.latency_s.mean,
        group.latency_s.sd,
        energy.mean if energy else None,
        energy.sd if energy else None,
        wh_to_joules(energy.mean) / group.latency_s.mean if energy else None,
        first.conditions.get("weights"),
        how(group),
    )
    return dict(zip(_columns(), values, strict=True))


def _in_full(workload: Mapping[str, Any]) -> str:
    """With what tells what-ifs apart: guidance, and videos at once where there are several."""
    batch = workload["batch_size"]
    more = f", {batch} videos at once" if batch > 1 else ""
    return f"{described(workload)}, guidance {workload['guidance_scale']:g}{more}"


def _columns() -> tuple[str, ...]:
    return (
        *("model", "recipe", "workload", "attention", "offload", "tiling", "compiled", "torch"),
        *("latency_s", "latency_sd_s", "gpu_wh", "gpu_sd_wh", "power_w"),
        *("weights", "measured_2026"),
    )
