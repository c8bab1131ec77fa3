"""How `kinowatt doctor` looks: narrow and wide, with and without something to do."""

import io
import json
from contextlib import nullcontext

import pytest
from rich.console import Console

from kinowatt.app.cli import main
from kinowatt.app.doctoring import report
from kinowatt.lab.finding import Finding

FINDINGS = (
    Finding(name="energy counter", status="ok", found="there", meaning="joules by the driver"),
    Finding(
        name="power limit",
        status="limited",
        found="500 W (default 700 W)",
        meaning="rows compare only with rows under the same limit",
        fix="`sudo nvidia-smi -i 0 -pl 700`",
    ),
    Finding(
        name="RAPL",
        status="missing",
        found="no powercap zones [none]",
        meaning="CPU energy is null",
        fix="measure on bare metal, " * 8,
    ),
)


def shown(width: int, findings: tuple[Finding, ...] = FINDINGS) -> list[str]:
    out = io.StringIO()
    report(findings, Console(file=out, width=width, highlight=False))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_and_says_everything_that_matters(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for expected in ("1 ok, 1 limited, 1 missing", "What to do", "-pl 700", "[none]"):
        assert expected in text


def test_fixes_are_numbered_with_what_they_are_for() -> None:
    lines = shown(120)
    first = lines.index("1. power limit: rows compare only with rows under the same limit")
    assert lines[first + 1] == "   `sudo nvidia-smi -i 0 -pl 700`"
    assert lines[first + 2] == "2. RAPL: CPU energy is null"


def test_meanings_stand_in_the_table_where_there_is_room() -> None:
    assert not any("joules by the driver" in line for line in shown(80))
    assert any("joules by the driver" in line for line in shown(120))


def test_nothing_to_do_is_no_list() -> None:
    lines = shown(80, FINDINGS[:1])
    assert lines[-1] == "1 ok"
    assert not any("What to do" in line for line in lines)


def test_without_a_console_it_goes_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(FINDINGS[:1])
    assert "energy counter" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "status"), [([], 0), (["--json"], 0), (["--jsn"], 2), (["gpu"], 2)]
)
def test_the_exit_status(capsys: pytest.CaptureFixture[str], asked: list[str], status: int) -> None:
    """What is missing is an answer, not a failure; only a wrong question is bad input."""
    with pytest.raises(SystemExit) if status else nullcontext() as caught:
        main(["doctor", *asked])
    assert caught is None or caught.value.code == status
    out, err = capsys.readouterr()
    assert bool(out) == (status == 0)
    assert len(err.splitlines()) == (1 if status else 0)
    if "--json" in asked:
        statuses = {row["status"] for row in json.loads(out)}
        assert statuses <= {"ok", "limited", "missing"}
