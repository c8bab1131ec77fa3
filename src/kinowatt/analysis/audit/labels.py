"""Labels against numbers: settings, units, runs and columns that cannot have produced them."""

import math
from collections.abc import Iterator, Sequence

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, lines
from kinowatt.analysis.audit.flags import Cause, Flag
from kinowatt.analysis.audit.forecasts import complete, stack_of
from kinowatt.analysis.audit.hypotheses import ENERGY_UNITS, TIME_UNITS
from kinowatt.analysis.audit.levels import Level, Verdict
from kinowatt.analysis.audit.registry import detector
from kinowatt.units import format_seconds

RULE = (
    "outside the profile's 95% interval, widened by 4% between laboratories, or "
    f"{at.OUTLYING:g} standard deviations off the file's own level; and the cause is "
    f"e^{at.ODDS:g} times as likely as the labels"
)


def _of_kind(case: Case, kind: str) -> Iterator[tuple[Level, Verdict]]:
    for level in case.levels:
        for verdict in level.verdicts:
            found = verdict.causes[0].kind if verdict.causes else "settings"
            if found == kind:
                yield level, verdict


def _evidence(level: Level, verdict: Verdict) -> dict[str, object]:
    evidence: dict[str, object] = {
        "model": level.model,
        "measured_over_expected": verdict.off,
        "profile": verdict.profile,
    }
    if verdict.causes:
        best = verdict.causes[0]
        evidence |= {"measured_s": best.measured_s, "predicted_s": best.predicted_s}
        evidence["log_odds"] = best.log_odds
    return evidence


def _explained(level: Level, verdict: Verdict) -> str:
    labels = "the labels take" if _labelled(verdict) else "the model card's settings take"
    unexplained = "" if verdict.causes else ", unexplained"
    return f"{level.model}: x{verdict.off:.3g} the time that {labels}{unexplained}"


def _labelled(verdict: Verdict) -> bool:
    """Whether the file states any setting of these rows; else the model card's are assumed."""
    return any(row.claim.workload for row in verdict.rows)


def _suggested(causes: Sequence[Cause]) -> str:
    if not causes:
        return "look for the settings that ran, other work on the GPU, or another stack"
    best = causes[0]
    seconds = f"{format_seconds(best.predicted_s)} predicted, {format_seconds(best.measured_s)}"
    more = f"; else {causes[1].words}" if len(causes) > 1 else ""
    return f"{best.words}: {seconds} stated{more}"


def _flags(case: Case, kind: str, what: str, severity: str = "error") -> Iterator[Flag]:
    for level, verdict in _of_kind(case, kind):
        yield Flag(
            kind=kind,
            severity=severity if verdict.causes and _labelled(verdict) else "warning",
            what=f"{what}{_explained(level, verdict)}",
            lines=lines(verdict.rows),
            evidence=_evidence(level, verdict),
            suggestion=_suggested(verdict.causes),
            causes=verdict.causes,
        )


@detector("settings", "settings that cannot have produced the time; which would", RULE)
def settings(case: Case) -> Iterator[Flag]:
    yield from _flags(case, "settings", "")


@detector("runs", "time or energy of several runs given as one", RULE)
def runs(case: Case) -> Iterator[Flag]:
    yield from _flags(case, "runs", "several runs as one. ")


@detector("swapped", "columns that stand in each other's place", RULE)
def swapped(case: Case) -> Iterator[Flag]:
    yield from _flags(case, "swapped", "columns exchanged. ")


@detector(
    "unit-slip",
    "seconds or watt-hours that are in another unit",
    RULE + "; without a model: power that only another unit makes possible",
)
def unit_slip(case: Case) -> Iterator[Flag]:
    yield from _flags(case, "unit-slip", "another unit. ")
    rows = [row for row in case.rows if row.settings is None and row.energy_wh]
    if rows and (limits := [case.limit_w(row) for row in rows]) and None not in limits:
        yield from _by_power(case, rows)


def _by_power(case: Case, rows: Sequence[Row]) -> Iterator[Flag]:
    """Rows of no known model: units under which nine of ten powers are possible, none as stated."""

    def possible(factor: float) -> int:
        shares = ((row.power_w or 0.0) * factor / (case.limit_w(row) or 1.0) for row in rows)
        return sum(2 * at.IDLE_SHARE <= share <= at.OVER_LIMIT for share in shares)

    if possible(1.0) > len(rows) / 10:
        return
    slips = {f"the time is in {name}": 1 / factor for name, factor in TIME_UNITS.items()}
    slips |= {f"the energy is in {name}": factor for name, factor in ENERGY_UNITS.items()}
    fitting = [words for words, factor in slips.items() if possible(factor) >= 0.9 * len(rows)]
    if fitting:
        watts = rows[len(rows) // 2].power_w or 0.0
        yield Flag(
            kind="unit-slip",
            severity="error",
            what=f"energy over time is {watts:.3g} W, which only another unit makes possible",
            lines=lines(rows),
            evidence={"power_w": watts, "limit_w": case.limit_w(rows[0])},
            suggestion=" or ".join(fitting),
        )


@detector(
    "impossible-settings",
    "settings that the model's pipeline refuses or rounds",
    "sizes that are no multiple of the model's, counts that are not whole or out of its range",
)
def impossible(case: Case) -> Iterator[Flag]:
    for row in case.rows:
        if not row.claim.model:
            continue
        _, wrong = complete(row.claim.model, row.claim.workload)
        if wrong:
            yield Flag(
                kind="impossible-settings",
                severity="error",
                what=f"{row.claim.model} cannot run {', '.join(wrong)}",
                lines=(row.line,),
                suggestion="state what the pipeline ran",
            )


@detector(
    "labels",
    "labels that the file's own columns of what ran contradict",
    "any difference of size or steps; frames by more than the pipeline's rounding",
)
def labels(case: Case) -> Iterator[Flag]:
    for claim in case.claims:
        differing = {
            name: (claim.workload[name], ran)
            for name, ran in claim.ran.items()
            if name in claim.workload and _differs(name, claim.workload[name], ran)
        }
        if differing and case.reading.format != "kinowatt":
            words = ", ".join(f"{n} {a:g}, ran {b:g}" for n, (a, b) in differing.items())
            yield Flag(
                kind="labels",
                severity="error",
                what=f"labelled {words}, as the file itself says",
                lines=(claim.line,),
                evidence={name: {"label": a, "ran": b} for name, (a, b) in differing.items()},
                suggestion="use the columns of what ran",
            )


def _differs(name: str, label: float, ran: float) -> bool:
    return abs(label - ran) >= 8 if name == "frames" else label != ran


@detector(
    "stack",
    "a whole file at another level than the profile: another software stack, not a fault",
    "the labels fit at one level for all settings, and no known cause is likelier",
)
def stack(case: Case) -> Iterator[Flag]:
    for level in case.levels:
        if level.off_stack and abs(level.time) > at.AT_LEAST:
            factor = math.exp(level.time)
            yield Flag(
                kind="stack",
                severity="note",
                what=f"{level.model}: x{factor:.2f} the predicted time throughout",
                lines=lines(level.rows),
                evidence={"measured_over_expected": factor, "scatter": level.scatter},
                suggestion=f"{level.profile} is of {stack_of(level.profile, level.gpu)}; "
                "calibrate a profile of this stack to judge closer",
            )


@detector(
    "flops-above-peak",
    "more FLOP/s than the GPU's dense peak",
    "FLOPs of the labelled settings over the stated time, against the largest 16-bit peak",
)
def flops(case: Case) -> Iterator[Flag]:
    for row in case.rows:
        spec, work = case.gpu(row), case.labelled(row)
        if not spec or not work:
            continue
        peaks = [spec.peak_flops.get(name, 0.0) for name in ("bfloat16", "float16")]
        peak = max(peaks) * (row.claim.gpu_count or 1.0)
        achieved = work.flops / row.latency_s
        if achieved > peak > 0:
            yield Flag(
                kind="flops-above-peak",
                severity="error",
                what="the labelled work in the stated time is above the GPU's peak",
                lines=(row.line,),
                evidence={"flops_per_s": achieved, "peak_flops_per_s": peak},
                suggestion="less ran than the labels say, or the time is not of the whole",
            )
