"""From plans to orders: counted before made, held against pipelines, the same measured once."""

import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from kinowatt.analysis.predict import predict
from kinowatt.campaign.agenda import course, in_order, preferred, seconds_of
from kinowatt.campaign.checking import Checked, check
from kinowatt.campaign.expand import count, expand
from kinowatt.campaign.forecast import Costing, Forecast, forecast
from kinowatt.campaign.outlook import Outlooks, video_of
from kinowatt.campaign.plan import Plan
from kinowatt.campaign.plan_file import load_plan, plan_of
from kinowatt.campaign.plan_text import parse
from kinowatt.errors import InputError
from kinowatt.lab.duration import start_seconds
from kinowatt.lab.request import BuildOptions, VideoRequest

NOTHING = Costing(co2e_g=lambda _wh, _s: None, cost_usd=lambda _: None, shown={"gpu": "h100-sxm"})


def predicted(model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    return predict(model, **asked).to_dict()


def plan(blocks: str, head: str = "") -> Plan:
    return plan_of(parse("p.yaml", f"plan: p\n{head}\nblocks:\n{blocks}"), Path())


def checked(blocks: str, head: str = "") -> Checked:
    return check(plan(blocks, head), Outlooks(predicted))


def settings(found: Checked, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(order.row.request[name] for name in names) for order in found.orders]


def test_grids_zips_overrides_and_exclusions() -> None:
    blocks = """
  - models: [wan-1.3b, mochi]
    grid: {frames: [13, 25]}
    zip: {steps: [10, 20], seed: [1, 2]}
    exclude: {model: wan-1.3b, frames: 13, steps: {to: 10}}
    overrides: {mochi: {frames: 31}}
"""
    rows = [(r.model, r.request["frames"], r.request["steps"], r.request["seed"])
            for r in expand(plan(blocks))]  # fmt: skip
    wan, mochi = "wan2.1-t2v-1.3b", "mochi-1-preview"
    assert rows == [
        (wan, 13, 20, 2), (wan, 25, 10, 1), (wan, 25, 20, 2), (mochi, 31, 10, 1), (mochi, 31, 20, 2)
    ]  # fmt: skip
    assert count(plan(blocks)) == 6


def test_rows_are_what_the_laboratory_takes() -> None:
    head = "set: {attention: flash, weights_seed: 7}\nprotocol: {name: full, runs: 3}"
    (row,) = expand(plan("  - models: [cogvideox-2b]\n    set: {preset: paper, seed: 4}", head))
    build, request = dict(row.build), dict(row.request)
    assert build.pop("model") == "cogvideox-2b"
    assert build.pop("meters") == ["auto"]
    options = BuildOptions(**build)
    assert (options.offload, options.tiling, options.attention, options.seed) == (
        *("model", True, "flash", 7),
    )
    assert request.pop("protocol") == "full"
    assert {name: request.pop(name) for name in ("runs", "warmup", "idle_s", "isolate")} == {
        "runs": 3,
        "warmup": 2,
        "idle_s": 6.0,
        "isolate": True,
    }
    assert VideoRequest(**request).seed == 4


@settings_of(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 3))
def test_the_count_is_that_of_the_rows(lengths: list[int], zipped: int) -> None:
    names = ("steps", "seed", "prompt_tokens", "batch_size")
    grid = ", ".join(f"{n}: {{from: 1, to: {k}}}" for n, k in zip(names, lengths, strict=False))
    text = f"  - models: [wan-1.3b, mochi]\n    grid: {{{grid}}}\n"
    text += f"    zip: {{frames: {list(range(1, 4 * zipped, 4))}}}\n"
    assert count(plan(text)) == len(list(expand(plan(text))))


def test_a_billion_rows_are_refused_with_their_count_at_once() -> None:
    axes = (
        "steps: {from: 1, to: 1000}, seed: {from: 1, to: 1000}, prompt_tokens: {from: 1, to: 1000}"
    )
    started_s = time.monotonic()
    with pytest.raises(InputError) as caught:
        checked(f"  - models: [wan-1.3b]\n    grid: {{{axes}}}\n")
    assert "p: 1,000,000,000 rows, at most 100,000 make sense" in str(caught.value)
    assert "1,000 of steps" in str(caught.value)
    assert time.monotonic() - started_s < 2.0


def test_the_staircase_of_frames_is_measured_once() -> None:
    found = checked("  - models: [wan-1.3b]\n    grid: {frames: {from: 78, to: 85}}\n")
    assert settings(found, "frames") == [(78,), (81,), (85,)]
    assert found.duplicates == 5
    told = forecast(found, 1, NOTHING)
    assert told.same[1] == "wan2.1-t2v-1.3b: frames 80, 81, 82, 83 run as 81"
    assert told.changed == ("wan2.1-t2v-1.3b: frames 78 to 77",)


def test_prompts_are_no_duplicates_and_guidance_below_one_is() -> None:
    head = "set: {frames: 17}"
    found = checked("  - models: [wan-1.3b]\n    grid: {prompt: [a, b]}\n", head)
    assert found.duplicates == 0
    found = checked("  - models: [wan-1.3b]\n    grid: {guidance_scale: [0, 1, 2]}\n", head)
    assert found.duplicates == 1
    found = checked("  - models: [wan-1.3b]\n    grid: {prompt_tokens: [512, 600]}\n", head)
    assert found.duplicates == 1


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("grid: {height_px: [480, 490]}", "must be a multiple of 16 for wan2.1-t2v-1.3b, not 490"),
        ("grid: {height_px: 490}", "nearest: 496 (or exclude it)"),
        ("grid: {frames: 5000}", "frames must be at most 4095 for wan2.1-t2v-1.3b"),
        ("set: {recipe: card}", "p, block 1: unknown recipe of wan2.1-t2v-1.3b 'card'"),
        ("exclude: {steps: {from: 1}}", "p: every row is excluded, nothing is left to measure"),
    ],
)
def test_what_no_pipeline_takes_is_refused_with_the_nearest(block: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        checked(f"  - models: [wan-1.3b]\n    {block}\n")
    assert message in str(caught.value)


def test_a_batch_that_a_cascade_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match="run them one by one, or use recipe single"):
        checked("  - models: [ltx]\n    set: {batch_size: 2}\n")


def test_an_exclusion_that_leaves_out_nothing_is_told() -> None:
    found = checked("  - models: [wan-1.3b]\n    label: x\n    exclude: [{steps: 51}]\n")
    assert found.unused == ("x, exclude[0]",)


# What it costs ------------------------------------------------------------------------------------


def of(name: str, predict: Any = predicted) -> Forecast:
    return forecast(check(load_plan(name), Outlooks(predict)), 1, NOTHING)


def in_2025(model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """As the paper's software was."""
    return predicted(model, {**asked, "profile": "paper-corrected"})


@pytest.fixture(scope="module")
def as_run() -> Forecast:
    return of("paper-as-run", in_2025)


def test_the_paper_as_it_ran(as_run: Forecast) -> None:
    """649 rows of its tables: 335 of models, 14 resolutions, 100 frame counts, 200 steps."""
    assert (as_run.rows, as_run.duplicates, as_run.to_measure) == (649, 75, 574)
    frames = next(part for part in as_run.parts if part.block == "frames")
    assert (frames.rows, frames.duplicates) == (25, 71)  # the 26th is a point of the resolutions
    steps = next(part for part in as_run.parts if part.block == "steps")
    assert steps.rows == 200
    assert as_run.too_large == ()


def test_the_paper_as_it_ran_takes_what_its_tables_say(as_run: Forecast) -> None:
    """WAN's steps: 4.79 s and 3.565 s a step (findings), 1 + 3 calls of each of 1 to 200 steps."""
    steps = next(part for part in as_run.parts if part.block == "steps")
    took_s = 4 * sum(4.79 + 3.565 * step for step in range(1, 201))
    assert steps.seconds["expected"] == pytest.approx(took_s, rel=0.03)


def test_claims_are_longer_and_some_do_not_fit() -> None:
    found = of("paper-as-claimed")
    assert len(found.too_large) == 4
    assert found.too_large[-1].startswith("wan2.1-t2v-1.3b 1984x3520, 81 frames, 50 steps: 162.7")


def test_quick_takes_ten_gpu_minutes_at_most() -> None:
    found = of("quick")
    assert 300 < 3600 * found.gpu_h["expected"] < 3600 * found.gpu_h["95_high"] <= 600


def test_intervals_hold_each_other(as_run: Forecast) -> None:
    for ends in (as_run.gpu_h, as_run.energy_kwh, *as_run.finish_h.values()):
        order = ("95_low", "80_low", "expected", "80_high", "95_high")
        assert sorted(order, key=lambda end: ends[end]) == list(order)


def test_twins_are_in_no_total() -> None:
    found = of("smoke")
    assert (found.unpredicted, found.gpu_h, found.finish_h) == (5, {}, {})
    assert found.to_dict()["gpu_h"] is None


# Who takes what -----------------------------------------------------------------------------------


def test_one_worker_takes_the_sum_and_a_start_for_each_pipeline() -> None:
    found = check(load_plan("quick"), Outlooks(predicted))
    starts = 6 * start_seconds({"idle_s": 3})
    total = sum(seconds_of(order) for order in found.orders) + starts
    assert course(in_order(found.orders), 1).busy_s == pytest.approx(total)
    assert course(in_order(found.orders), 1).wall_s == pytest.approx(total)


@settings_of(deadline=None, max_examples=11)
@given(st.integers(2, 12))
def test_more_workers_are_never_beaten_by_the_longest_row_nor_lose_work(workers: int) -> None:
    found = in_order(QUICK.orders)
    alone, many = course(found, 1), course(found, workers)
    assert max(map(seconds_of, found)) < many.wall_s <= alone.wall_s
    assert many.busy_s >= alone.busy_s - 1e-9
    assert many.wall_s >= alone.busy_s / workers - 1e-9


QUICK = check(load_plan("quick"), Outlooks(predicted))


def test_longest_first_in_each_build() -> None:
    keys = [order.row.key for order in in_order(QUICK.orders)]
    assert len({key for a, key in pairwise(keys) if a != key}) == 5
    for key in set(keys):
        own = [seconds_of(order) for order in in_order(QUICK.orders) if order.row.key == key]
        assert own == sorted(own, reverse=True)


def test_a_free_worker_keeps_its_pipeline_then_takes_a_free_one_then_helps() -> None:
    left = {"a": 50.0, "b": 90.0, "c": 300.0}
    assert preferred("a", left, {}, 20.0) == ["a"]
    assert preferred("gone", left, {"c": 1}, 20.0) == ["b", "a", "c"]
    assert preferred(None, {"c": 300.0, "d": 30.0}, {"c": 1, "d": 1}, 20.0) == ["c"]


def test_moves_of_weights_come_once_a_call_whatever_the_steps() -> None:
    few, many = (
        video_of(predict("cogvideox-5b", offload="model", steps=steps).to_dict())
        for steps in (2, 50)
    )
    stays = video_of(predict("cogvideox-5b", steps=50).to_dict())
    assert few.step_s == pytest.approx(many.step_s) == pytest.approx(stays.step_s)
    assert few.before_s == many.before_s == pytest.approx(stays.before_s + 23.99, abs=0.01)
    assert many.decoder_s == pytest.approx(stays.decoder_s)
