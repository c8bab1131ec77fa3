"""Faults of a GPU are told from its power limit, in rows and in microbenches, on committed data."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from kinowatt.facts.throttling import bench_fault, faults, row_faults, shown


def sick_bench(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (root / "data/throttled/h100-sxm-microbench.json").read_text("utf-8")
    )
    return found


def test_the_power_limit_is_no_fault_and_a_hundredth_is_tolerated() -> None:
    assert faults({"power_cap": 1.0, "sw_thermal": 0.01}) == {}
    assert faults({"power_cap": 1.0, "sw_thermal": 0.011}) == {"sw_thermal": 0.011}
    assert faults(None) == {}
    assert shown({"hw_slowdown": 0.1, "sw_thermal": 0.5}) == "sw_thermal 50.0%, hw_slowdown 10.0%"


def test_a_row_tells_by_its_runs_or_by_its_window() -> None:
    row = {
        "stability": {"throttled": {"sw_thermal": 0.2}},
        "conditions": {"throttled": {"sw_thermal": 0.1, "hw_thermal": 0.3}},
    }
    assert row_faults(row) == {"sw_thermal": 0.2, "hw_thermal": 0.3}
    assert row_faults({"stability": None, "conditions": {}}) == {}


def test_of_all_committed_benches_only_the_sick_one_is_faulty(root: Path) -> None:
    sound = sorted((root / "data/microbench").glob("*.json"))
    assert len(sound) >= 6
    said = {path.name: bench_fault(json.loads(path.read_text("utf-8"))) for path in sound}
    assert set(said.values()) == {None}
    wrong = bench_fault(sick_bench(root)) or ""
    assert "sw_thermal slowed the GPU's clocks for 100.0% of the sustained work" in wrong
    assert "(772 MHz of 1980)" in wrong
    assert "kinowatt doctor" in wrong


@pytest.mark.parametrize(("share", "faulty"), [(0.005, False), (0.05, True)])
def test_a_bench_is_judged_by_the_share_of_its_sustained_seconds(
    root: Path, share: float, faulty: bool
) -> None:
    bench = deepcopy(sick_bench(root))
    for point in bench["points"]:
        if point["sustained"]:
            point["sustained"]["throttled"] = {"power_cap": 1.0, "sw_thermal": share}
    assert bool(bench_fault(bench)) is faulty
    bench["points"] = [point for point in bench["points"] if not point["sustained"]]
    assert bench_fault(bench) is None  # nothing was held


def test_no_row_that_teaches_is_of_a_faulty_gpu(root: Path) -> None:
    files = [
        *(root / "data/measurements").glob("*.jsonl"),
        *(root / "data/protocol").glob("*.jsonl"),
    ]
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    assert len(rows) > 100
    assert [row["model"] for row in rows if row_faults(row)] == []
