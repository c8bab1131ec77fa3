"""Rows that are copies, and GPUs that change inside a sweep."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, grouped, lines
from kinowatt.analysis.audit.cells import digits
from kinowatt.analysis.audit.flags import Flag
from kinowatt.analysis.audit.registry import detector


@detector(
    "copy",
    "rows whose time and energy are equal to the last digit",
    f"both equal, with {at.SAME_DIGITS} or more digits each",
)
def copy(case: Case) -> Iterator[Flag]:
    whole = [row for row in case.rows if row.energy_wh and _many_digits(row)]
    for rows in grouped(whole, lambda row: (row.latency_s, row.energy_wh)).values():
        if len(rows) > 1:
            same = len({row.key for row in rows}) == 1
            what = "the same row again" if same else "the same numbers under other settings"
            yield Flag(
                kind="copy",
                severity="error",
                what=f"{what}, to the last digit",
                lines=lines(rows),
                evidence={"latency_s": rows[0].latency_s, "energy_wh": rows[0].energy_wh},
                suggestion="keep one row" if same else "measure the others",
            )


def _many_digits(row: Row) -> bool:
    return min(digits(row.latency_s), digits(row.energy_wh or 0.0)) >= at.SAME_DIGITS


@detector(
    "near-copy",
    "rows of different work whose time and energy are all but equal",
    f"both within {at.NEAR_COPY:g}, where predictions differ by {at.UNLIKE_WORK:.0%}, or steps do",
)
def near_copy(case: Case) -> Iterator[Flag]:
    rows = sorted((row for row in case.rows if row.energy_wh), key=lambda row: row.latency_s)
    for one, other in pairwise(rows):
        if _all_but_equal(one, other) and _unlike(case, one, other):
            yield Flag(
                kind="near-copy",
                severity="error",
                what=f"lines {one.line} and {other.line} agree within {at.NEAR_COPY:g}",
                lines=tuple(sorted(lines((one, other)))),
                evidence={
                    "latency_s": [one.latency_s, other.latency_s],
                    "energy_wh": [one.energy_wh, other.energy_wh],
                },
                suggestion="one of them was made from the other: measure it",
            )


def _all_but_equal(one: Row, other: Row) -> bool:
    pairs = (one.latency_s, other.latency_s), (one.energy_wh or 0.0, other.energy_wh or 0.0)
    exact = all(a == b for a, b in pairs)
    return not exact and all(abs(a / b - 1) < at.NEAR_COPY for a, b in pairs)


def _unlike(case: Case, one: Row, other: Row) -> bool:
    """Whether the labels of two rows must take different times."""
    first, second = case.labelled(one), case.labelled(other)
    if first and second:
        return abs(first.latency_s / second.latency_s - 1) > at.UNLIKE_WORK
    return one.claim.workload.get("steps") != other.claim.workload.get("steps")


@detector(
    "mixed-gpus",
    "a sweep that changes its GPU on the way",
    "rows of one model on several GPUs, where the GPUs share no setting",
)
def mixed(case: Case) -> Iterator[Flag]:
    known = [row for row in case.rows if row.claim.gpu and row.claim.model]
    for rows in grouped(known, lambda row: row.claim.model).values():
        parts = sorted(grouped(rows, lambda row: row.claim.gpu).values(), key=len)
        if len(parts) > 1 and not _shared(parts):
            names = ", ".join(sorted({str(row.claim.gpu) for row in rows}))
            fewer = [row for part in parts[:-1] for row in part]
            yield Flag(
                kind="mixed-gpus",
                severity="warning",
                what=f"one sweep on several GPUs ({names})",
                lines=lines(fewer),
                evidence={"gpus": names, "rows": len(fewer)},
                suggestion="compare GPUs at equal settings, or keep them in separate sweeps",
            )


def _shared(parts: Sequence[Sequence[Row]]) -> bool:
    works = [{tuple(sorted(row.claim.workload.items())) for row in part} for part in parts]
    return bool(works[-1].intersection(*works[:-1]))
