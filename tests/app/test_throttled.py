"""A GPU that was really throttled, as each command meets it: none is misled, and each says why."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kinowatt.analysis.explain import explain_row
from kinowatt.app import campaigning, microbenching, sweeping
from kinowatt.app.cli import main
from kinowatt.lab.microbench.result import Microbench, read_microbench

BENCH = "data/throttled/h100-sxm-microbench.json"
SOUND = "data/microbench/h100-sxm.json"
ROWS = "data/throttled/h100-sxm.jsonl"


def sick_rows(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / ROWS).read_text("utf-8").splitlines()]


def test_explain_ranks_throttling_first_and_predicts_the_time(root: Path) -> None:
    """The model, held to the watts that were drawn, gives the seconds that were taken."""
    rows = sick_rows(root)
    assert len(rows) == 2
    for row, ratio in zip(rows, (1.055, 0.951), strict=True):
        found = explain_row(row)
        assert found.verdict == "slow"
        first = found.causes[0]
        assert first.kind == "throttling"
        assert "its driver tells of sw_thermal" in first.words
        assert first.predicted_s / row["latency_s"] == pytest.approx(ratio, abs=0.02)
        row["stability"]["throttled"] = row["conditions"]["throttled"] = {"power_cap": 1.0}
        assert "its driver tells" not in str(explain_row(row).causes)


def test_audit_flags_the_rows_and_holds_their_times_against_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", str(root / ROWS), "--json"])
    flags = json.loads(capsys.readouterr().out)["flags"]
    assert [(flag["kind"], flag["severity"], flag["lines"]) for flag in flags] == [
        ("throttled", "error", [1]),
        ("throttled", "error", [2]),
    ]


def test_calibrate_leaves_the_rows_out(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = root / "data/measurements/h100-sxm.jsonl"
    files = ("--rows", str(root / ROWS), "--rows", str(sound))
    main(["calibrate", "--microbench", str(root / SOUND), *files])
    shown = capsys.readouterr().out
    assert "Row 1 is left out: the GPU was throttled (sw_thermal 100.0%)" in shown
    assert "Row 2 is left out: the GPU was throttled (sw_thermal 99.9%)" in shown


@pytest.mark.parametrize(
    ("bench", "rows", "message"),
    [
        (BENCH, (), "no profile is learned from this microbench: sw_thermal slowed the GPU's"),
        (SOUND, ("--rows", ROWS), "and sound: the GPU was throttled (sw_thermal 100.0%)"),
    ],
)
def test_calibrate_refuses_in_one_line(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bench: str,
    rows: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as stopped:
        main(["calibrate", "--microbench", bench, *rows])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("bench", "warned"), [(BENCH, True), (SOUND, False)])
def test_microbench_says_so_at_its_end(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bench: str,
    warned: bool,
) -> None:
    found = read_microbench(root / bench)

    def measured(*_: Any) -> Microbench:
        return found

    monkeypatch.setattr("kinowatt.lab.microbench.run.microbench", measured)
    assert microbenching.run("cuda", 90.0, None) is found
    assert ("! sw_thermal slowed" in capsys.readouterr().err) is warned


def test_a_sweep_says_once_of_each_gpu(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, costing = sick_rows(root), sweeping.costing_of({"gpu": "h100-sxm"})
    sound = json.loads((root / "data/campaigns/two-gpus/one.jsonl").read_text().splitlines()[0])
    with campaigning.view("p", "p.db", costing) as tell:
        tell({"event": "begun", "slots": ["gpu 0", "gpu 1"]})
        for slot, row in (("gpu 1", sound), *(("gpu 0", row) for row in rows), ("gpu 1", rows[0])):
            tell({**row_event(slot, row), "new": True, "took_s": 1.0})
    told = [line.split("s  ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    said = [line for line in told if "is throttled" in line]
    assert [line[:35] for line in said] == [
        "gpu 0 is throttled (sw_thermal 100.",
        "gpu 1 is throttled (sw_thermal 100.",
    ]
    assert told.index(said[0]) == 2  # after a sound row and the first sick one
    assert "kinowatt doctor" in said[0]


def test_the_live_view_keeps_saying_so(root: Path) -> None:
    standing = campaigning.Standing()
    standing.tell({"event": "begun", "slots": ["gpu 0"]})
    standing.tell({**row_event("gpu 0", sick_rows(root)[0]), "new": True, "took_s": 1.0})
    standing.tell({"event": "waiting", "slot": "gpu 0", "why": "nothing is left"})
    assert standing.news is None
    out = Console(record=True, width=140)
    out.print(campaigning.panel("p", "p.db", standing, sweeping.costing_of({"gpu": "h100-sxm"})))
    assert "gpu 0 is throttled (sw_thermal 100.0%): its rows are unstable" in out.export_text()


def row_event(slot: str, row: dict[str, Any]) -> dict[str, Any]:
    from kinowatt.campaign.queue import Order

    order = Order(
        order_id=1, campaign_id=1, position=0, attempts=1, expected_s=100.0,
        build={"model": row["model"]}, request=row["workload"],
    )  # fmt: skip
    return {"event": "row", "slot": slot, "order": order, "row": row}
