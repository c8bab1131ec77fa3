"""`kinowatt sweep` as its user sees it: dry runs, a real campaign of twins, and bad input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from campaign import fake_lab
from kinowatt.app import campaigning, sweeping
from kinowatt.app.cli import main
from kinowatt.campaign.queue import Order, Progress
from kinowatt.campaign.store import open_store

PLAN = "plan: p\nblocks:\n  - models: [wan-1.3b]\n    grid: {frames: [78, 81, 83]}\n"


def run(*words: str) -> int:
    """Exit code of a command."""
    try:
        main(["sweep", *words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(PLAN, "utf-8")
    return tmp_path


def test_a_dry_run_in_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("p.yaml", "--dry-run", "--grid", "FR", "--price", "2.5", "--gpus", "3", "--json") == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["duplicates"], found["to_measure"]) == (3, 1, 2)
    assert set(found["finish_h"]) == {"1", "2", "3", "4", "8"}
    low, high = found["gpu_h"]["95"]
    assert low < found["gpu_h"]["80"][0] < found["gpu_h"]["expected"] < high
    assert found["cost_usd"]["expected"] == pytest.approx(2.5 * found["gpu_h"]["expected"])
    assert found["co2e_g"]["expected"] == pytest.approx(
        found["energy_kwh"]["expected"] * found["assumed"]["intensity_g_per_kwh"]
    )
    assert found["provenance"] == {"kind": "predicted", "energy_scope": "gpu"}
    assert [path.name for path in here.iterdir()] == ["p.yaml"]


def test_a_dry_run_as_a_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("p.yaml", "--dry-run", "--gpus", "2") == 0
    out = capsys.readouterr().out
    for text in (
        "3 rows, 1 run the same as another: 2 to measure, 1 pipelines",
        "done on 2 GPUs ←",
        "wan2.1-t2v-1.3b: frames 81, 83 run as 81",
        "wan2.1-t2v-1.3b: frames 78 to 77",
        "Predicted for h100-sxm.",
    ):
        assert text in out
    assert "CO2e" not in out  # nobody asked


def test_dry_runs_load_nothing_that_measures(here: Path) -> None:
    code = (
        "import sys; from kinowatt.app.cli import main; main(['sweep', 'p.yaml', '--dry-run'])\n"
        "assert not {'torch', 'ray', 'sqlalchemy', 'diffusers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("    grid: {stpes: 4}", "p.yaml:3: blocks[0].grid: unknown setting 'stpes'"),
        ("    grid: {steps: []}", "p.yaml:3: blocks[0].grid.steps has no values"),
        ("    grid: {height_px: 490}", "must be a multiple of 16"),
        ("    grid: {steps: {from: 1, to: 1000}, seed: {from: 1, to: 1000000}}", "1,000,000,000 r"),
    ],
)
def test_a_bad_plan_is_one_line_too(
    here: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    (here / "p.yaml").write_text(f"plan: p\nblocks: [{{models: wan-1.3b,\n{line[4:]}}}]\n", "utf-8")
    assert run("p.yaml", "--dry-run") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_campaign_of_twins(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One pipeline of diffusers, two rows; the same command again measures nothing."""
    (here / "t.yaml").write_text(
        "plan: twins\nset: {device: cpu, twin: on, steps: 1}\n"
        "protocol: {name: full, warmup: 1, runs: 1, idle_s: 0}\n"
        "blocks: [{models: wan-1.3b, grid: {frames: [5, 9]}}]\n",
        "utf-8",
    )
    assert run("t.yaml", "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["done"], found["total"], found["missing"]) == (2, 2, [])
    assert "2/2  cpu 0  wan2.1-t2v-1.3b" in captured.err
    with open_store("twins.db") as store:
        rows = [stored.row for stored in store.rows()]
    assert [row.workload["frames"] for row in rows] == [5, 9]
    assert all(row.conditions["twin"] for row in rows)
    assert run("t.yaml") == 0
    assert "2 of 2 rows measured, 0 failed, 0 left" in capsys.readouterr().out


def test_the_live_view_says_how_it_stands() -> None:
    standing = campaigning.Standing(clock=lambda: 100.0)
    order = fake_order(fake_lab.orders(1)[0])
    progress = Progress(
        campaign_id=1, name="p", total=4, waiting=4, leased=0, done=0, failed=0, expected_s=400.0,
        expected_left_s=400.0, latency_s=0.0, energy_wh_gpu=None, workers=(),
    )  # fmt: skip
    standing.tell({"event": "progress", "progress": progress})
    standing.tell({"event": "begun", "slots": ["gpu 0", "gpu 1"]})
    assert standing.remaining_s() == 200.0
    standing.tell({"event": "claimed", "slot": "gpu 0", "order": order})
    live = {"event": "run", "run": 2, "of": 5, "power_instant_w": 650.0, "temperature_c": 61.0}
    standing.tell({"event": "step", "slot": "gpu 0", "of": live})
    standing.tell({"event": "store", "detail": "no space"})
    costing = sweeping.costing_of({"gpu": "h100-sxm", "price": 3.6})
    out = Console(record=True, width=120)
    out.print(campaigning.panel("p", "p.db", standing, costing))
    text = out.export_text()
    for part in ("0/4 rows", "about 3 min 20 s left", "650 W", "61 °C", "run 2 of 5", "no space"):
        assert part in text
    row = {"power_w": 600.0, "latency_s": 9.0, "energy_wh": {"gpu": 1.5}}
    done = {"event": "row", "slot": "gpu 0", "order": order, "row": row, "new": True}
    standing.tell({**done, "took_s": 60.0})
    assert (standing.done, standing.energy_wh, standing.trouble) == (1, 10.0, None)
    failed = {"event": "failure", "slot": "gpu 1", "order": order, "cause": "hang", "detail": "x"}
    standing.tell({**failed, "retry": False})
    assert standing.failed == 1


def fake_order(values: dict[str, Any]) -> Any:
    return Order(order_id=1, campaign_id=1, attempts=1, **{**values, "expected_s": 100.0})
