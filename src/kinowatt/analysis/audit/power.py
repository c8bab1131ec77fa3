"""Power: what a GPU cannot draw, and energy that is not the GPU's alone."""

from collections.abc import Iterator
from statistics import median

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, lines, positive
from kinowatt.analysis.audit.flags import Flag
from kinowatt.analysis.audit.registry import detector
from kinowatt.formats.claims import EVERYTHING, UNSTATED
from kinowatt.units import wh_to_joules


def of_gpu(row: Row) -> bool:
    return "gpu" in row.claim.energy_wh


@detector(
    "power-above-limit",
    "more power than the GPU's limit",
    f"energy over time above {at.OVER_LIMIT:g} x the stated or the datasheet's limit",
)
def above_limit(case: Case) -> Iterator[Flag]:
    for row in case.rows:
        limit = case.limit_w(row)
        if limit and row.power_w and row.power_w > at.OVER_LIMIT * limit:
            yield Flag(
                kind="power-above-limit",
                severity="error" if of_gpu(row) else "warning",
                what=f"above the power limit of {limit:,.0f} W",
                lines=(row.line,),
                evidence={"power_w": row.power_w, "limit_w": limit},
                suggestion="energy and time are not of the same thing: stages, runs, units or scope",
            )


@detector(
    "power-below-idle",
    "less power than an idle GPU draws",
    f"energy over time below the stated idle power, else {at.IDLE_SHARE:.0%} of the limit",
)
def below_idle(case: Case) -> Iterator[Flag]:
    for row in case.rows:
        limit = case.limit_w(row)
        stated = row.claim.idle_power_w
        floor = stated if stated and stated > 0 else at.IDLE_SHARE * limit if limit else None
        if floor and row.power_w and row.power_w < floor:
            yield Flag(
                kind="power-below-idle",
                severity="error",
                what=f"below the GPU's idle power of about {floor:,.0f} W",
                lines=(row.line,),
                evidence={"power_w": row.power_w, "idle_w": floor},
                suggestion="energy of less than the time: units, one GPU of several, a short counter",
            )


@detector(
    "power-mismatch",
    "stated power that is not energy over time",
    f"more than {at.POWER_AGREES:.0%} apart, in any scope",
)
def mismatch(case: Case) -> Iterator[Flag]:
    for row in case.rows:
        for scope, watts in row.claim.power_w.items():
            energy = row.claim.energy_wh.get(scope)
            if energy is None or not (positive(energy) and positive(watts)):
                continue
            over_time = wh_to_joules(energy) / row.latency_s
            if abs(watts / over_time - 1) > at.POWER_AGREES:
                yield Flag(
                    kind="power-mismatch",
                    severity="warning",
                    what=f"stated power ({scope}) is not energy over time",
                    lines=(row.line,),
                    evidence={"stated_w": watts, "energy_over_time_w": over_time},
                    suggestion="say over which window each was taken",
                )


@detector("scope", "energy that does not say of what", "a column of energy without gpu, cpu or ram")
def scope(case: Case) -> Iterator[Flag]:
    rows = [row for row in case.claims if UNSTATED in row.energy_wh]
    if rows:
        yield Flag(
            kind="scope",
            severity="warning",
            what="energy without scope: GPU, or GPU with CPU and RAM?",
            lines=tuple(claim.line for claim in rows),
            evidence={"column": rows[0].columns.get("energy_wh", "")},
            suggestion="name the scope in the column: energy_wh_gpu, energy_wh_cpu, energy_wh_ram",
        )


@detector(
    "whole-machine",
    "GPU energy that holds CPU and RAM as well",
    "equal to the sum over all scopes; or a third of the rows above the limit, nine of ten of which "
    "are possible without CPU and RAM",
)
def whole_machine(case: Case) -> Iterator[Flag]:
    equal = [row for row in case.rows if _is_the_sum(row)]
    if equal:
        yield _whole(equal, "GPU energy is the sum of GPU, CPU and RAM")
        return
    rows = [row for row in case.rows if of_gpu(row) and _host_w(row) and row.power_w]
    if len(rows) < 2:
        return
    above = [row for row in rows if _above(case, row)]
    fitting = [row for row in above if _only_without(case, row)]
    if 3 * len(above) >= len(rows) and len(fitting) >= max(2, 0.9 * len(above)):
        yield _whole(rows, "possible only without CPU and RAM")


def _above(case: Case, row: Row) -> bool:
    limit = case.limit_w(row)
    return bool(limit) and (row.power_w or 0.0) > at.OVER_LIMIT * (limit or 0.0)


def _is_the_sum(row: Row) -> bool:
    energy = row.claim.energy_wh
    whole, host = energy.get(EVERYTHING), energy.get("cpu", 0.0) + energy.get("ram", 0.0)
    if not whole or not row.energy_wh or host <= at.SUM_AGREES * whole:
        return False
    return abs(row.energy_wh / whole - 1) < at.SUM_AGREES / 10


def _host_w(row: Row) -> float:
    energy = row.claim.energy_wh
    return wh_to_joules(energy.get("cpu", 0.0) + energy.get("ram", 0.0)) / row.latency_s


def _only_without(case: Case, row: Row) -> bool:
    limit = case.limit_w(row) or 0.0
    return 0 < (row.power_w or 0.0) - _host_w(row) <= at.OVER_LIMIT * limit


def _whole(rows: list[Row], how: str) -> Flag:
    watts, host = (median(f(row) for row in rows) for f in (lambda r: r.power_w or 0.0, _host_w))
    return Flag(
        kind="whole-machine",
        severity="error",
        what=f"GPU energy holds CPU and RAM: {how}",
        lines=lines(rows),
        evidence={"power_w": watts, "cpu_and_ram_w": host, "gpu_alone_w": watts - host},
        suggestion="subtract the CPU's and the RAM's energy, or call it gpu+cpu+ram",
    )
