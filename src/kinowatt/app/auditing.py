"""How an audit is shown: what was read and how, a table of flags, and ranked causes."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from kinowatt.analysis.audit.flags import SEVERITIES, Audit, Flag, ranges
from kinowatt.app.render import console, grid
from kinowatt.units import TERA, format_number, format_percent, format_seconds, format_wh

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
CAUSES_SHOWN = 3  # flags whose ranked causes are spelled out
LINES_SHOWN = 60  # characters of line numbers
QUIET = frozenset({"model", "profile", "log_odds"})  # said elsewhere


def report(found: Audit) -> None:
    """Everything a person needs to act on; `--json` has every number."""
    out = console()
    out.print(Text(_read(found)))
    if found.guessed:
        taken = ", ".join(f"{name} from {found.mapping[name]}" for name in found.guessed)
        out.print(Text(f"Columns taken by their names: {taken}; --map says otherwise.", "dim"))
    if found.flags:
        out.print(_table(found.flags))
    else:
        out.print("Nothing contradicts these rows.")
    explained = [flag for flag in found.flags if flag.causes]
    for flag in explained[:CAUSES_SHOWN]:
        out.print(_causes(flag))
    if len(explained) > CAUSES_SHOWN:
        more = len(explained) - CAUSES_SHOWN
        out.print(Text(f"Causes of {more} more flags: --json.", "dim"))
    for note in found.notes:
        out.print(Text(f"Note: {note}.", "dim"))
    out.print(Text(_summary(found)))


def _read(found: Audit) -> str:
    gpus = ", ".join(found.gpus) or "GPU not named"
    by = sorted(set(found.profiles.values()))
    held = f", held against predictions by {', '.join(by)}" if by else ""
    return f"{found.file}: {_count(found.rows, 'row')} ({found.format}), {gpus}{held}."


def _summary(found: Audit) -> str:
    counts = {name: sum(flag.severity == name for flag in found.flags) for name in SEVERITIES}
    words = ", ".join(_count(number, name) for name, number in counts.items())
    return f"{words}; {len(found.flagged)} of {_count(found.rows, 'row')} flagged."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _table(flags: Sequence[Flag]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, padding=(0, 1, 1, 1))
    table.add_column("", no_wrap=True)
    table.add_column("what", ratio=5, overflow="fold")
    table.add_column("evidence", ratio=4, overflow="fold")
    table.add_column("lines", ratio=2, overflow="fold")
    table.add_column("suggested", ratio=5, overflow="fold")
    for flag in flags:
        table.add_row(
            Text(flag.severity, STYLES[flag.severity]),
            Text.assemble((flag.kind, "bold"), f": {flag.what}"),
            Text("\n".join(_evidence(flag.evidence))),
            _lines(flag.lines),
            Text(flag.suggestion),
        )
    return table


def _lines(lines: Sequence[int]) -> str:
    text = ranges(lines)
    if len(text) <= LINES_SHOWN:
        return text
    cut = text[:LINES_SHOWN].rpartition(",")[0]
    return f"{cut}, … ({len(lines)} in all)"


def _evidence(evidence: Mapping[str, Any]) -> list[str]:
    return [
        f"{_name(key)} {_value(key, value)}"
        for key, value in evidence.items()
        if key not in QUIET and value is not None and not isinstance(value, Mapping)
    ]


def _name(key: str) -> str:
    for unit in ("_per_s", "_s", "_wh", "_w"):
        if key.endswith(unit):
            key = key.removesuffix(unit)
            break
    return key.replace("measured_over_expected", "stated / predicted").replace("_", " ")


def _value(key: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return " and ".join(_value(key, item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return _number(key, float(value))


def _number(key: str, value: float) -> str:
    if key.endswith("flops_per_s"):
        return f"{format_number(value / TERA)} TFLOP/s"
    if key.endswith("_s") and value >= 0:
        return format_seconds(value)
    if key.endswith("_wh"):
        return format_wh(value)
    if key.endswith("_w"):
        return f"{value:,.0f} W" if abs(value) >= 100 else f"{value:.1f} W"
    if key.endswith("deviation") and value == 0:
        return "within rounding"
    if key.endswith(("deviation", "inside", "rounding", "change", "error")):
        return format_percent(value) if value >= 0 else f"-{format_percent(-value)}"
    return f"{value:,.0f}" if value == round(value) else f"{value:.3g}"


def _causes(flag: Flag) -> Table:
    title = f"What would explain lines {_lines(flag.lines)}, likeliest first"
    table = grid(title, "cause", "predicted", "stated", "log odds", "profile")
    table.columns[0].no_wrap = False
    for cause in flag.causes:
        table.add_row(
            Text(cause.words),
            format_seconds(cause.predicted_s),
            format_seconds(cause.measured_s),
            f"{cause.log_odds:.1f}",
            cause.profile,
        )
    return table
