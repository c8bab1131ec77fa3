"""Stages against the whole."""

from collections.abc import Iterator, Mapping

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row
from kinowatt.analysis.audit.flags import Flag
from kinowatt.analysis.audit.registry import detector
from kinowatt.units import wh_to_joules


@detector(
    "stages",
    "time and energy of different stages, or stages that do not add up",
    f"stages sum to over {1 + at.STAGES_OVER:g} x the time or {1 + at.ENERGY_OVER:g} x the energy; "
    f"with `other` to under {1 - at.STAGES_UNDER:g} x; time of one stage beside energy of all; a "
    "second column of seconds under which the energy is above the limit",
)
def stages(case: Case) -> Iterator[Flag]:
    for row in case.rows:
        times = {n: s.latency_s for n, s in row.claim.stages.items() if s.latency_s is not None}
        if len(times) > 1:
            yield from _times(row, times)
        energies = {
            n: s.energy_wh_gpu for n, s in row.claim.stages.items() if s.energy_wh_gpu is not None
        }
        if len(energies) > 1:
            yield from _energies(row, energies)
        yield from _other_columns(case, row)


def _times(row: Row, times: Mapping[str, float]) -> Iterator[Flag]:
    total = sum(times.values())
    share = total / row.latency_s
    short = share < 1 - at.STAGES_UNDER and "other" in times
    if not short and share <= 1 + at.STAGES_OVER:
        return
    alone = [n for n, s in times.items() if abs(s / row.latency_s - 1) < at.ONE_STAGE]
    what = f"the time is that of {alone[0]} alone" if alone else "stages do not add up to the time"
    evidence = {"stages_s": total, "latency_s": row.latency_s}
    if row.energy_wh:
        evidence |= {"power_w": row.power_w or 0.0}
        evidence |= {"power_over_all_stages_w": wh_to_joules(row.energy_wh) / total}
    yield Flag(
        kind="stages",
        severity="error",
        what=what,
        lines=(row.line,),
        evidence=evidence,
        suggestion="use the sum of the stages" if alone else "state each stage and the whole",
    )


def _energies(row: Row, energies: Mapping[str, float]) -> Iterator[Flag]:
    total = sum(energies.values())
    if row.energy_wh and total > (1 + at.ENERGY_OVER) * row.energy_wh:
        alone = [n for n, e in energies.items() if abs(e / row.energy_wh - 1) < at.ONE_STAGE]
        what = (
            "the energy is that of one stage alone"
            if alone
            else "stages take more energy than the whole"
        )
        yield Flag(
            kind="stages",
            severity="error",
            what=what,
            lines=(row.line,),
            evidence={"stages_wh": total, "energy_wh": row.energy_wh},
            suggestion="use the sum of the stages",
        )


def _other_columns(case: Case, row: Row) -> Iterator[Flag]:
    """A second column of seconds that the energy cannot belong to."""
    limit = case.limit_w(row)
    for column, seconds in row.claim.other_latency_s.items():
        if not limit or not row.energy_wh or not seconds > 0:
            continue
        watts = wh_to_joules(row.energy_wh) / seconds
        if watts > at.OVER_LIMIT * limit:
            part = [n for n, s in row.claim.stages.items() if s.latency_s == seconds]
            of = f" (that of {part[0]} alone)" if part else ""
            yield Flag(
                kind="stages",
                severity="error",
                what=f"the energy does not belong to {column}{of}: above the limit of {limit:,.0f} W",
                lines=(row.line,),
                evidence={"power_w": watts, "limit_w": limit, "power_over_whole_w": row.power_w},
                suggestion="publish the energy beside the time of the whole video",
            )
