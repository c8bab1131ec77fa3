"""What measuring cost."""

import pytest

from kinowatt.analysis.own.cost import cost_table


def by_set(rows):
    return {(row["set"], row["gpu"]): row for row in cost_table(rows).rows}


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
    assert by_set(rows)["ours, 2026", "h100-sxm"]["idle_min"] == pytest.approx(12.002 / 60)


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
