"""`kinowatt doctor` for people: a table of what is here, then what to do."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kinowatt.lab.finding import Finding

STYLES = {"ok": "green", "limited": "yellow", "missing": "red"}
WIDE = 100  # columns from which the meaning has room beside what was found


def report(findings: Sequence[Finding], out: Console | None = None) -> None:
    """Prints findings as a table, and their fixes as a list."""
    if out is None:
        from kinowatt.app.render import console

        out = console()
    out.print(_table(findings, meanings=out.width >= WIDE))
    out.print(Text(_summary(findings), style="bold"))
    todo = [finding for finding in findings if finding.fix]
    if todo:
        out.print(Text("\nWhat to do", style="bold"))
    for number, finding in enumerate(todo, 1):
        out.print(Text(f"{number}. {finding.name}: {finding.meaning}"))
        out.print(Padding(Text(finding.fix or "", style="cyan"), (0, 0, 0, 3), expand=False))


def _table(findings: Sequence[Finding], *, meanings: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("status")
    table.add_column("capability", no_wrap=True)
    table.add_column("here", overflow="fold")
    if meanings:
        table.add_column("which means", overflow="fold", style="dim")
    for finding in findings:
        status = Text(finding.status, style=STYLES[finding.status])
        cells = [status, Text(finding.name), Text(finding.found)]
        table.add_row(*cells, *([Text(finding.meaning)] if meanings else []))
    return table


def _summary(findings: Sequence[Finding]) -> str:
    counts = {status: sum(f.status == status for f in findings) for status in STYLES}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)
