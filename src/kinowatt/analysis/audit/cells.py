"""Single cells: what is no number, what cannot be, what has too few digits."""

from collections.abc import Iterator, Sequence

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, positive
from kinowatt.analysis.audit.flags import Flag
from kinowatt.analysis.audit.registry import detector
from kinowatt.formats.claims import Claim


def figures(claim: Claim) -> dict[str, float]:
    """The measured numbers of a claim by name."""
    found = {f"energy_wh.{scope}": value for scope, value in claim.energy_wh.items()}
    found |= {f"power_w.{scope}": value for scope, value in claim.power_w.items()}
    if claim.latency_s is not None:
        found["latency_s"] = claim.latency_s
    for name, stage in claim.stages.items():
        if stage.latency_s is not None:
            found[f"stages.{name}.latency_s"] = stage.latency_s
    return found


@detector(
    "not-a-number",
    "text, NaN, infinity or an absurd value where a number should stand",
    f"any; above {at.MOST:g}, or not zero but below {at.LEAST:g}",
)
def not_a_number(case: Case) -> Iterator[Flag]:
    for claim in case.claims:
        values = {**figures(claim), **claim.workload}
        bad = {name: f"{value:g}" for name, value in values.items() if _absurd(value)}
        for name, text in {**bad, **claim.unread}.items():
            yield Flag(
                kind="not-a-number",
                severity="error",
                what=f"{name} is {text!r:.40}",
                lines=(claim.line,),
                suggestion="leave the cell empty where nothing was measured, and say why",
            )


def _absurd(value: float) -> bool:
    return not abs(value) < at.MOST or 0 < abs(value) < at.LEAST


@detector(
    "not-positive", "time, energy or power that is zero or negative", "at most 0; stages below 0"
)
def not_positive(case: Case) -> Iterator[Flag]:
    for claim in case.claims:
        for name, value in figures(claim).items():
            if value < 0 or (value == 0 and not name.startswith("stages.")):
                yield Flag(
                    kind="not-positive",
                    severity="error",
                    what=f"{name} is {'0' if value == 0 else 'negative'}",
                    lines=(claim.line,),
                    evidence={name: value},
                    suggestion="a counter that stood or ran over: measure again, or leave it empty",
                )


def digits(value: float) -> int:
    """Significant digits of a number as it is written, trailing zeros left out."""
    mantissa = f"{abs(value):.12g}".partition("e")[0].replace(".", "").strip("0")
    return max(len(mantissa), 1)


@detector(
    "rounded",
    "numbers rounded until they say little",
    f"at most {at.ROUNDED_DIGITS} significant digits in {at.ROUNDED_SHARE:.0%} of four or more rows",
)
def rounded(case: Case) -> Iterator[Flag]:
    columns = {
        "latency_s": [(c, c.latency_s) for c in case.claims if c.latency_s],
        "energy_wh.gpu": [(c, c.energy_wh["gpu"]) for c in case.claims if c.energy_wh.get("gpu")],
    }
    for name, cells in columns.items():
        values = [value for _, value in cells if positive(value)]
        few = [value for value in values if value and digits(value) <= at.ROUNDED_DIGITS]
        if len(values) >= 4 and len(few) >= at.ROUNDED_SHARE * len(values):
            worst = max(_half_unit(value) for value in few)
            yield Flag(
                kind="rounded",
                severity="warning",
                what=f"{name} has {at.ROUNDED_DIGITS} significant digits or fewer",
                lines=tuple(claim.line for claim, _ in cells),
                evidence={"rows": len(few), "rounding": worst},
                suggestion=f"publish three or more digits: rounding alone is up to {worst:.1%}",
            )


def _half_unit(value: float) -> float:
    """Half a unit of the last written digit, relative."""
    mantissa = f"{abs(value):.12g}"
    places = len(mantissa.partition(".")[2]) if "." in mantissa and "e" not in mantissa else 0
    return float(0.5 * 10.0**-places / abs(value))


__all__: Sequence[str] = ("digits", "figures")
