"""`kinowatt.measure` on a GPU as a user calls it: both protocols, in a process of their own."""

from pathlib import Path
from typing import Any

import pytest
import torch

import kinowatt
from kinowatt.facts.models import model
from kinowatt.lab.assemble import gpu_name
from kinowatt.lab.measurement import Measurement

pytestmark = pytest.mark.gpu

NAME = "wan2.1-t2v-1.3b"
STAGES = ("text_encoder", "denoiser", "vae_decoder")


def measured(device: str, **settings: Any) -> Measurement:
    return kinowatt.measure(NAME, device=device, twin=True, **settings)


def keeps_its_promises(row: Measurement) -> None:
    """What every row of a GPU has, whatever its protocol."""
    assert row.gpu == gpu_name(torch.cuda.get_device_name())
    conditions = row.conditions
    assert {"nvml-counter", "ram-v3"} <= conditions["meters"].keys()
    assert {r["meter"]: r["method"] for r in conditions["readings"]} == {
        "nvml-counter": "measured",
        "ram-v3": "modelled",
    }
    for name in ("gpu_uuid", "driver", "clock_mhz", "temperature_c", "sampled_power_w", "cudnn"):
        assert conditions[name] is not None, name
    assert row.energy_wh["gpu"] is not None, conditions["energy_null"]
    assert row.power_w == pytest.approx(3600 * row.energy_wh["gpu"] / row.latency_s)
    assert row.power_w < 1.1 * conditions["power_limit_w"]
    assert row.idle_power_w is not None
    assert 10 < row.idle_power_w < 1.1 * row.power_w
    assert row.peak_memory_gib is not None
    assert row.peak_reserved_gib is not None
    assert 0 < row.peak_memory_gib <= row.peak_reserved_gib < 2
    assert conditions["host_bound"] is True  # of a twin, whose kernels are tiny
    assert sum(s["latency_s"] for s in row.stages.values()) == pytest.approx(
        row.latency_s, rel=0.02
    )
    for stage in STAGES:
        assert row.stages[stage]["latency_s"] > 0, stage


@pytest.mark.parametrize("offload", ["none", "model"])
def test_full_meters_a_run_and_each_stage_alone(device: str, tmp_path: Path, offload: str) -> None:
    told: list[str] = []
    row = measured(
        device,
        offload=offload,
        runs=1,
        warmup=1,
        store=str(tmp_path / "rows.jsonl"),
        on_event=lambda event: told.append(event["event"]),
    )
    keeps_its_promises(row)
    (run,) = row.runs
    assert run["calls"] * run["latency_s"] >= 5.0
    for stage in STAGES:
        assert row.stages[stage]["energy_wh"]["gpu"] > 0, stage
        assert row.stages[stage]["alone_s"] > 0, stage
    assert row.conditions["offload"] == offload
    assert kinowatt.load_measurements(tmp_path / "rows.jsonl") == [row]
    assert {"build", "idle", "warmup", "run", "alone"} <= set(told)


def test_sampled_repeats_a_short_video_whole(device: str) -> None:
    row = measured(device, protocol="sampled")
    keeps_its_promises(row)
    assert row.conditions["composed"] is None
    assert row.runs[0]["calls"] >= 3


def test_sampled_composes_a_long_video(device: str) -> None:
    steps = 20_000
    row = measured(device, protocol="sampled", steps=steps)
    keeps_its_promises(row)
    rule = row.conditions["composed"]
    assert rule["steps"] == steps
    assert 0 < rule["timed_steps"] <= steps - rule["dropped_steps"]
    assert row.stages["denoiser"]["latency_s"] == pytest.approx(steps * rule["step_s"])
    passes = 2 * steps  # with guidance, two a step
    assert row.workload["effective"]["forward_passes"] == passes
    assert model(NAME).preset("default").guidance_scale > 1
    assert row.stages["vae_decoder"]["energy_wh"]["gpu"] > 0
