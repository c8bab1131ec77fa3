"""A watched pipeline on a GPU: joules of long windows, reasons for short ones, nothing left."""

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest
import torch

import kinowatt
from kinowatt.lab.pipelines import Built
from twins import request_of, traces_of

pytestmark = pytest.mark.gpu
Maker = Callable[..., Built]

LONG_S = 8.0  # more than 50 steps of 0.1 s, in the denoiser alone
CALL_S = 1.5


def traces(built: Built) -> tuple[Any, ...]:
    """What a watch could leave on the pipeline and in this process."""
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    return traces_of(built.pipe), children, set(threading.enumerate())


def steps_for(built: Built, seconds: float) -> int:
    """Denoising steps of a call that lasts about so long."""
    few, many = 2, 22
    took = []
    for steps in (few, few, many):
        started = time.perf_counter()
        built.generate(request_of(built, steps=steps))
        torch.cuda.synchronize()
        took.append(time.perf_counter() - started)
    return math.ceil(seconds * (many - few) / (took[2] - took[1]))


@pytest.mark.parametrize("offload", ["none", "model"])
def test_a_long_watch_has_the_joules_of_each_stage(made: Maker, offload: str) -> None:
    built = made("wan2.1-t2v-1.3b", offload=offload)
    request = request_of(built, steps=steps_for(built, CALL_S))
    before = traces(built)
    with kinowatt.watch(built.pipe) as seen:
        until = time.perf_counter() + LONG_S
        while time.perf_counter() < until:
            built.generate(request)
    assert traces(built) == before
    report = seen.report()
    joules = report.energy_wh["gpu"]
    assert joules is not None, report.energy_null["gpu"]
    assert report.energy_by["gpu"]["meter"] == "nvml-counter"
    assert report.power_w is not None
    limit_w = report.conditions["power_limit_w"]
    assert 20 < report.power_w < 1.1 * limit_w
    stages = report.stages
    assert {"text_encoder", "denoiser", "vae_decoder", "other"} <= stages.keys()
    assert stages["denoiser"]["energy_wh"]["gpu"] > 0
    known = [s["energy_wh"]["gpu"] for s in stages.values() if s["energy_wh"]["gpu"] is not None]
    assert math.fsum(known) == pytest.approx(joules, rel=1e-6)
    assert sum(s["latency_s"] for s in stages.values()) == pytest.approx(report.latency_s, rel=1e-6)
    assert report.peak_memory_gib is not None
    assert 0 < report.peak_memory_gib < 1
    assert torch.cuda.get_device_name() in report.model_card()
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["calls"] == report.calls


def test_a_short_watch_has_times_and_a_reason_for_each_null(made: Maker) -> None:
    built = made("cogvideox-2b")
    built.generate(request_of(built))
    before = traces(built)
    with kinowatt.watch(built.pipe) as seen:
        built.generate(request_of(built))
    assert traces(built) == before
    report = seen.report()
    assert report.energy_wh["gpu"] is None
    assert "shorter than" in report.energy_null["gpu"]
    assert report.power_w is None
    for name, stage in report.stages.items():
        assert stage["latency_s"] >= 0, name
        assert stage["energy_wh"]["gpu"] is None, name
        assert stage["energy_null"], name
    assert "GPU energy: not given" in report.model_card()


def test_a_call_that_fails_leaves_nothing(made: Maker) -> None:
    built = made("cogvideox-2b")
    request = request_of(built)
    built.generate(request)
    before = traces(built)
    with pytest.raises(ValueError, match="divisible by 8"), kinowatt.watch(built.pipe):
        built.generate(replace(request, height_px=65))
    assert traces(built) == before
