"""What measuring cost."""

from dataclasses import replace

import pytest

from kinowatt.analysis.own.cost import NO_OTHERS, Others, cost_table
from kinowatt.app.reproducing import others


def by_set(rows, more=NO_OTHERS):
    return {(row["set"], row["gpu"]): row for row in cost_table(rows, more).rows}


def test_time_and_energy_of_rows(make) -> None:
    reading = {"scope": "gpu", "meter": "nvml-counter", "energy_j": 36000.0}
    given = {"cold_s": 12.0, "idle_s": 6.0, "window_s": 60.0, "readings": [reading]}
    one = make(**given, warmup_runs=2, power_w=600.0, idle_power_w=120.0)
    row = by_set([one])["ours, 2026", "h100-sxm"]
    assert row["gpu_minutes"] == pytest.approx((60 + 12 + 10 + 6) / 60)
    assert row["gpu_wh_metered"] == pytest.approx(10.0)
    assert row["gpu_wh"] == pytest.approx(10 + (22 * 600 + 6 * 120) / 3600)
    assert row["usd_low"] == pytest.approx(88 / 3600 * 1.99)
    assert row["usd_low"] < row["usd_high"]


def test_a_shared_idle_baseline_counts_once(make) -> None:
    rows = [make(idle_s=6.001, gpu_uuid=name) for name in ("A", "A", "B")]
    assert by_set(rows)["ours, 2026", "h100-sxm"]["rest_min"] == pytest.approx(12.002 / 60)


def test_the_clock_counts_where_it_says_more_than_the_row(make) -> None:
    """The rest of it at idle power."""
    given = {"cold_s": 12.0, "idle_s": 6.0, "window_s": 60.0, "warmup_runs": 1}
    row = make(**given, power_w=600.0, idle_power_w=120.0)
    short, long = (by_set([replace(row, took_s=s)])["ours, 2026", "h100-sxm"] for s in (50, 100))
    assert short["gpu_minutes"] == pytest.approx(78 / 60)
    assert long["gpu_minutes"] == pytest.approx(100 / 60)
    assert long["gpu_wh"] - short["gpu_wh"] == pytest.approx(22 * 120 / 3600)
    assert long["gpu_wh_metered"] == short["gpu_wh_metered"]


def test_windows_of_a_stage_by_itself_are_metered(rows) -> None:
    """LTX-Video's stages were repeated alone after its five runs, Wan's decoder four times."""
    whole = [row for row in rows if row.file == "h100-sxm-a-end-to-end.jsonl"][1:2]
    found = by_set(whole)["ours, 2026", "h100-sxm"]
    metered_s = whole[0].conditions["window_s"]
    assert 60 * found["windows_min"] > metered_s + 15
    assert found["gpu_wh_metered"] > 5 * whole[0].row["energy_wh"]["gpu"] + 2
    composed = next(r for r in rows if (r.conditions["composed"] or {}).get("decoder_calls") == 4)
    decoder = composed.row["stages"]["vae_decoder"]
    found = by_set([composed])["ours, 2026", "h100-sxm"]
    videos = 4 / decoder["calls"]
    apart_s = 60 * found["windows_min"] - composed.conditions["window_s"]
    assert apart_s == pytest.approx(videos * decoder["latency_s"])


def test_microbenchmarks_and_experiments_count(rows) -> None:
    more = others()
    found = by_set(rows, more)
    parts = [found[f"ours, 2026: {name}", "h100-sxm"] for name in
             ("videos", "experiments", "microbenchmarks")]  # fmt: skip
    for name in ("rows", "gpu_minutes", "gpu_wh", "gpu_wh_metered", "usd_low"):
        whole = found["ours, 2026", "h100-sxm"][name]
        assert whole == pytest.approx(sum(part[name] for part in parts)), name
    mine = [b["seconds"] for b in more.benches if "H100" in b["conditions"]["gpu_name"]]
    assert len(mine) < len(more.benches)
    assert parts[2]["gpu_minutes"] == pytest.approx(sum(mine) / 60)


def test_an_experiments_command_took_as_long_as_its_last_line_says() -> None:
    conditions = {"command": "take a", "gpu_uuid": "A"}
    lines = [
        {"at_s": s, "window_s": 5.0, "gpu_j": 3600.0, "conditions": conditions} for s in (9, 30)
    ]
    lines.append({"at_s": 12.0, "conditions": conditions | {"command": "take b"}})
    more = Others(experiments=[("h100-sxm", line) for line in lines])
    found = by_set([], more)["ours, 2026: experiments", "h100-sxm"]
    assert found["gpu_minutes"] == pytest.approx(42 / 60)
    assert found["gpu_wh_metered"] == pytest.approx(2.0)


def test_gpus_have_their_own_lines_and_prices(make) -> None:
    found = by_set([make(), make(gpu="h200-sxm"), make(gpu="none-such")])
    assert found["ours, 2026", "h200-sxm"]["usd_high"] > 0
    assert found["ours, 2026", "none-such"]["usd_low"] is None


def test_without_rows() -> None:
    assert by_set([])["ours, 2026", "h100-sxm"]["gpu_minutes"] == 0


def test_the_papers_hours() -> None:
    """Counted by hand from the sums of its data: 232 hours of models, 102 of sweeps."""
    found = by_set([])
    hours = [found[name, "h100-sxm"]["gpu_hours"] for name in
             ("paper, seven models", "paper, three sweeps", "paper")]  # fmt: skip
    assert hours == pytest.approx([232.03, 102.33, 334.37], abs=0.05)
    assert found["paper", "h100-sxm"]["gpu_wh"] == pytest.approx(227_086, rel=1e-4)
