"""`kinowatt calibrate`: a microbench and rows in, a profile out, and what each number rests on."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from kinowatt.analysis.factors import PRIOR_SIGMA, Factor
from kinowatt.analysis.learning import Learned, learn
from kinowatt.app.render import console, grid
from kinowatt.errors import InputError
from kinowatt.lab.microbench.result import read_microbench
from kinowatt.lab.rows import load_measurements

SHOWN = 5  # of the rows that were left out


def run(bench: str, rows: Sequence[str], label: str | None, output: str | None) -> Learned:
    """Reads the files, learns, and writes the profile where one was asked for."""
    if output is not None and Path(output).suffix != ".json":
        raise InputError(f"a profile is a .json file, not {output}")
    measured = [row.to_dict() for path in rows for row in load_measurements(path)]
    found = learn(read_microbench(bench).to_dict(), measured, label or "")
    if output is not None:
        path = Path(output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found.profile, indent=1) + "\n", encoding="utf-8")
    return found


def report(found: Learned, output: str | None) -> None:
    """Power, factors with their intervals, rows that were not used, and how to go on."""
    out = console()
    power = found.profile["physics"]["power"]
    out.print(
        f"{found.profile['gpu']}, {found.profile['stack']} (learned: {found.profile['data']})\n"
        f"power: {power['static_w']:.0f} W static, {power['limit_w']:.0f} W reached at the limit;"
        f" {power['clock_share']:.0%} of dynamic energy falls with the clock"
    )
    if found.factors:
        out.print(_factors(found.factors))
    for index, reason in found.left_out[:SHOWN]:
        out.print(Text(f"Row {index + 1} is left out: {reason}", style="dim"))
    if len(found.left_out) > SHOWN:
        out.print(Text(f"and {len(found.left_out) - SHOWN} more", style="dim"))
    low, high = found.profile["spread"]["unseen"]["latency"]["95"]
    out.print(
        f"A model that is not among them: 95% within x{low:.2f} to x{high:.2f} of the seconds."
    )
    if found.profile["warning"]:
        out.print(f"! {found.profile['warning']}")
    for line in found.advice:
        out.print(Text(f"→ {line}", style="dim"))
    if output is None:
        out.print("Nothing was written; -o FILE.json keeps the profile.")
    else:
        out.print(f"As KINOWATT_FACTS/profiles/{found.profile['gpu']}/NAME.json it is a profile.")


def _factors(factors: Sequence[Factor]) -> object:
    table = grid(
        "Seconds (joules for power) over the microbench's", "group", "factor", "95%", "before", ""
    )
    for factor in factors:
        table.add_row(
            factor.name,
            f"{factor.value:.3f}",
            f"{factor.low:.3f} - {factor.high:.3f}",
            f"1 +- {PRIOR_SIGMA[factor.name]:.0%}",
            "from rows" if factor.determined else "not determined by rows",
        )
    return table
