"""The committed plans are what make_plans.py writes; each line can be taken; they fit the budget."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import make_plans
import plan_blocks
import plan_cost
from kinowatt.analysis.rows import paper_rows
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu
from kinowatt.facts.models import model
from kinowatt.lab.request import BuildOptions, FullOptions, VideoRequest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "data" / "plans"
BY_HAND = {"compiled", "defaults", "protocol"}
NAMES = sorted(plan_blocks.PLANS)
AGAIN = {"g-repeats", "f-h200"}  # what was taken before, on another machine
Order = dict[str, Any]


def read(name: str) -> list[Order]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def asked(order: Mapping[str, Any]) -> tuple[BuildOptions, str, VideoRequest, FullOptions]:
    """What the laboratory makes of a line; `InputError` where it would refuse it."""
    build, request = dict(order["build"]), dict(order["request"])
    spec = model(build.pop("model"))
    protocol = request.pop("protocol")
    options = {f.name: request.pop(f.name) for f in fields(FullOptions) if f.name in request}
    if protocol == "sampled" and set(options) - {"idle_s"}:
        raise InputError(f"protocol sampled takes no {set(options) - {'idle_s'}}")
    video = VideoRequest.of(spec, **request)
    return BuildOptions(**build), protocol, video, FullOptions(**options)


def meaning(order: Mapping[str, Any]) -> tuple[Any, ...]:
    """Equal for two lines that ask for the same row in other words."""
    build, protocol, video, options = asked(order)
    return (order["build"]["model"], build, protocol, video, replace(options, idle_s=0.0))


def test_the_committed_plans_are_those_that_the_script_writes() -> None:
    written = make_plans.plans()
    there = {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.jsonl")}
    assert {name: text for name, text in there.items() if name not in BY_HAND} == written


@pytest.mark.parametrize("name", [*NAMES, *sorted(BY_HAND)])
def test_every_line_can_be_taken(name: str) -> None:
    device = gpu("h200-sxm" if "h200" in name else "h100-sxm")
    for order in read(name):
        asked(order)
        found = plan_cost.predicted(order)
        assert found.peak_memory_gib is not None, order
        assert found.peak_memory_gib < min(79.0, device.memory_gib), order


def test_a_line_that_cannot_be_taken_is_found() -> None:
    for wrong in ({"height_px": 490}, {"frames": 0}):
        with pytest.raises(InputError):
            plan_cost.predicted(plan_blocks.sampled(plan_blocks.COG_2B, **wrong))
    with pytest.raises(InputError, match="setting"):
        asked(plan_blocks.sampled(plan_blocks.WAN, hight_px=480))
    with pytest.raises(InputError, match="sampled takes no"):
        asked(plan_blocks.sampled(plan_blocks.WAN, runs=3))
    with pytest.raises(InputError, match="attention backend"):
        asked(plan_blocks.sampled(plan_blocks.WAN, build={"attention": "flush"}))


def test_only_blocks_that_can_be_compiled_are() -> None:
    """`build` refuses the others, and a refused pipeline ends the whole plan."""
    import diffusers

    compiled = [o["build"]["model"] for o in read("what-if") if o["build"].get("compile")]
    assert len(compiled) >= 3
    for name in compiled:
        family = {"wan": "WanTransformer3DModel", "ltx": "LTXVideoTransformer3DModel"}
        denoiser = getattr(diffusers, family[model(name).family])
        assert denoiser._repeated_blocks, name


def test_nothing_is_asked_for_twice() -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for name in (name for name in NAMES if name not in AGAIN):
        for order in read(name):
            assert (meaning(order), seen.get(meaning(order))) == (meaning(order), None)
            seen[meaning(order)] = name
    for name in AGAIN:
        own = [meaning(order) for order in read(name)]
        assert len(set(own)) == len(own)


def test_pipelines_stand_together() -> None:
    """Otherwise `take_rows.py` would change the order that the plan has chosen."""
    for name in NAMES:
        builds = [json.dumps(order["build"]) for order in read(name)]
        changes = sum(a != b for a, b in pairwise(builds))
        assert changes == len(set(builds)) - 1, name


# What the plans promise ---------------------------------------------------------------------------


def wan_sizes(*names: str) -> set[tuple[int, int, int]]:
    found = set()
    for name in names:
        for order in read(name):
            ran = plan_cost.predicted(order).workload
            if order["build"] == {"model": plan_blocks.WAN} and ran["steps"] == 50:
                found.add((ran["height_px"], ran["width_px"], ran["effective"]["frames"]))
    return found


def test_the_papers_axes_are_covered() -> None:
    """With the reserve, and with Wan at 480 x 832 x 81 that is measured already."""
    planned = wan_sizes("b-wan-sampled", "b-wan-large") | {(480, 832, 81)}
    resolutions = {(row.height_px, row.width_px, row.frames) for row in paper_rows("resolution")}
    assert len(resolutions) == 14
    assert resolutions <= planned
    frames = {(720, 1280, row.frames // 4 * 4 + 1) for row in paper_rows("frames", "all")}
    assert len(frames) == 26
    assert frames <= planned | wan_sizes("reserve")
    assert len(frames & planned) >= 16


def test_shapes_of_equal_tokens() -> None:
    pairs = 0
    for line in plan_blocks.SAME_TOKENS:
        tokens = {h * w * (f // 4 + 1) for h, w, f in line}
        assert len(tokens) == 1, line
        pairs += len(line) * (len(line) - 1) // 2
    assert pairs >= 6


def test_steps_are_never_composed() -> None:
    assert {order["request"]["protocol"] for order in read("c-steps")} == {"full"}


def test_enough_of_animatediff_keeps_the_gpu_busy() -> None:
    busy = 0
    for order in read("d-models"):
        if order["build"]["model"] == plan_blocks.ANIMATEDIFF:
            stage = plan_cost.predicted(order).stages["denoiser"]
            busy += stage["latency_s"] > 1.5 * stage["calls"] * 90e-6
    assert busy >= 6


# What they cost -----------------------------------------------------------------------------------


def test_the_plans_fit_their_sittings() -> None:
    lines = make_plans.budgets()
    assert {line.plan for line in lines} == {*plan_blocks.PLANS, *make_plans.OTHERS}
    # As they were planned; since then short videos are known to take five seconds more, and the
    # weights that offload moves two minutes in all
    assert all(s <= 1.05 * make_plans.SITTING_S for s in make_plans.sittings(lines).values())
    assert sum(make_plans.sittings(lines).values()) <= 1.03 * 120 * 60
    for line in lines:
        assert line.longest_s + line.limit_s <= make_plans.COMMAND_S, line


def test_the_estimate_agrees_with_what_rows_took() -> None:
    """Sixteen rows of one process, by the instants at which they were done."""
    files = sorted((ROOT / "data" / "protocol").glob("h100-sxm*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    machine = next(r for r in rows if r["taken_at"].startswith("2026-11-24T12:57"))["conditions"]
    rows = [r for r in rows if r["conditions"]["gpu_uuid"] == machine["gpu_uuid"]]
    ends = sorted(datetime.fromisoformat(row["taken_at"]) for row in rows)
    orders = read("protocol")
    assert len(orders) == len(ends) == 16
    started_s = plan_cost.START_S + plan_cost.BUILD_S + plan_cost.seconds_of(orders[0])
    expected_s = plan_cost.plan_seconds(orders) - started_s
    assert (ends[-1] - ends[0]).total_seconds() == pytest.approx(expected_s, rel=0.2)


def test_the_readme_has_every_plan_with_its_rows() -> None:
    readme = (ROOT / "data" / "README.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `([\w-]+)` \| (\d+) \|", readme, flags=re.MULTILINE))
    assert listed == {line.plan: str(line.rows) for line in make_plans.budgets()}
    for path in re.findall(r"data/plans/([\w-]+)\.jsonl", readme):
        assert (FOLDER / f"{path}.jsonl").exists(), path
