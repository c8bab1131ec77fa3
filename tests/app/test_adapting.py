"""`sweep --adaptive` as its user sees it: a dry run, a campaign of committed rows, bad input."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kinowatt.analysis.bench_physics import physics_of_bench
from kinowatt.app import adapting, campaigning
from kinowatt.app.cli import main
from kinowatt.app.sweeping import predictor
from kinowatt.campaign.checking import check
from kinowatt.campaign.executors import LocalExecutor
from kinowatt.campaign.outlook import Outlooks
from kinowatt.campaign.plan_file import plan_of
from kinowatt.campaign.plan_text import parse
from kinowatt.campaign.store import open_store
from kinowatt.facts.data import data_path
from kinowatt.lab.microbench.result import read_microbench
from kinowatt.theory.physics import Physics

PLAN = """
plan: few
protocol: {name: sampled, idle_s: 3}
set: {steps: 50}
blocks:
  - models: [cogvideox-5b]
    zip: {size: [480x720, 320x480, 720x480], frames: [49, 33, 25]}
  - models: [mochi]
    zip: {size: [480x848, 320x576], frames: [43, 31]}
"""


def run(*words: str) -> int:
    """Exit code of a command."""
    try:
        main(["sweep", "few.yaml", *words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@cache
def physics() -> Physics:
    """Learned once: it takes seconds."""
    return physics_of_bench(read_microbench(str(data_path("microbench/h100-sxm.json"))).to_dict())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def executor(given: Any, gpus: bool) -> LocalExecutor:
        return LocalExecutor(on_gpu=False, factory="app.fake_rows:open_session", grace_s=0.5)

    monkeypatch.setattr(adapting, "physics_of_bench", lambda bench: physics())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(campaigning, "_executor", executor)
    (tmp_path / "few.yaml").write_text(PLAN, "utf-8")
    return tmp_path


def test_a_dry_run_has_the_order_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--adaptive", "--budget-s", "90", "--dry-run")
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["stop"], found["provenance"]) == (
        5,
        "budget",
        {"kind": "predicted"},
    )
    places = [step["index"] for step in found["steps"]]
    assert len(set(places)) == len(places) > 1
    assert found["steps"][-1]["spent_s"] <= 90.0
    assert found["steps"][0]["error_pct"] < found["expected_error_pct"]
    assert run(*words) == 0
    out = capsys.readouterr().out
    assert f"{len(places)} of 5 rows; by the microbench alone" in out
    assert "Ends there: no waiting row fits in what is left of the budget." in out
    assert [path.name for path in here.iterdir()] == ["few.yaml"]


def test_rows_one_by_one_until_the_target_and_the_same_command_has_nothing_left(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five committed rows; values of those that are not chosen are never looked at."""
    words = ("--adaptive", "--budget-s", "1000", "--target-error", "2.5", "--json")
    assert run(*words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["adaptive"]["stop"] == "target"
    assert found["adaptive"]["expected_error_pct"] <= 2.5
    assert 1 <= found["done"] < found["total"] == 5
    with open_store("few.db") as store:
        assert len(list(store.rows())) == found["done"]
    assert run(*words) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["done"] == found["done"]
    assert again["adaptive"]["spent_s"] > 15.0 * found["done"]  # rows of an earlier command count


def test_without_a_target_every_row_is_measured_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--adaptive", "--budget-s", "1000") == 0
    captured = capsys.readouterr()
    assert "5 of 5 rows measured" in captured.out
    assert "every row of the plan is measured" in captured.out
    assert captured.err.count("  cpu 0  ") == 5


def test_a_target_out_of_reach_is_one_line_and_nothing_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--adaptive", "--budget-s", "9", "--target-error", "1") == 2
    error = capsys.readouterr().err
    assert "is out of reach" in error
    assert error.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["few.yaml"]


def test_what_offload_moves_is_on_the_bill() -> None:
    given = {"gpu": "h100-sxm", "profile": None}
    text = "plan: p\nprotocol: {name: sampled}\nblocks:\n  - models: [cogvideox-5b]\n"
    text += "    grid: {offload: [none, model]}\n"
    checked = check(plan_of(parse("p.yaml", text), Path()), Outlooks(predictor("h100-sxm", None)))
    orders = sorted(checked.orders, key=lambda order: order.row.build["offload"] == "model")
    asked = [adapting._asked(order, given) for order in orders]
    stays, moves = (adapting._bill(orders, asked).row_s(index, (1, 50, 3, 1)) for index in (0, 1))
    assert asked[1]["moves_s"] == pytest.approx(23.99, abs=0.01)
    # in the short call that warms up, and before each of the windows or repeats of a row
    assert moves >= stays + asked[1]["moves_s"]
    assert asked[0]["moves_s"] == 0.0
