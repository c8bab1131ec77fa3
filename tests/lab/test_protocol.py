"""Both protocols on real tiny pipelines, over a made GPU whose watts are known."""

import json
from dataclasses import replace
from typing import Any

import pytest

from kinowatt.errors import InputError
from kinowatt.lab import bench as bench_module
from kinowatt.lab import sampled
from kinowatt.lab.measure import twin_size
from kinowatt.lab.measurement import Measurement, identity
from kinowatt.lab.meters import contract
from kinowatt.lab.protocol import warm_up
from kinowatt.lab.request import FullOptions
from kinowatt.lab.session import Session, open_session
from kinowatt.lab.unknown import add
from twins import request_of

pytestmark = pytest.mark.alone

WATTS = 300.0
SOURCE = f'fake:{{"power_w": {WATTS}, "step_s": 0.02}}'
WINDOW_S = 0.2


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with windows of a second instead of five."""
    for module in (contract, bench_module):
        monkeypatch.setattr(module, "MIN_WINDOW_S", WINDOW_S)
    monkeypatch.setattr(sampled, "DROPPED_S", 0.1)
    monkeypatch.setattr(sampled, "SETTLE_S", 0.2)
    monkeypatch.setattr("kinowatt.lab.session.source_of", lambda _: SOURCE)


def session(name: str, **more: Any) -> Session:
    key = {"model": name, "device": "cpu", "twin": True, "dtype": "float32", "meters": ["fake"]}
    return open_session({**key, **more}, lambda _: None)


def size(one: Session, **more: Any) -> dict[str, Any]:
    return {**twin_size(one.built.spec), "idle_s": 1.2, **more}


def test_full_gives_a_row_that_keeps_its_contract() -> None:
    one = session("wan2.1-t2v-1.3b")
    try:
        row = one.measure(size(one, protocol="full", runs=3, warmup=2))
    finally:
        one.close()
    found = Measurement.from_dict(json.loads(json.dumps(row)))
    assert found.protocol == "full"
    assert len(found.runs) == 3
    assert found.power_w == pytest.approx(WATTS, rel=0.02)
    assert found.idle_power_w == pytest.approx(WATTS, rel=0.02)
    assert found.energy_wh["gpu"] == pytest.approx(WATTS * found.latency_s / 3600, rel=0.02)
    assert found.energy_wh["cpu"] is None
    assert "no meter of cpu" in found.conditions["energy_null"]["cpu"]
    assert found.workload["effective"]["forward_passes"] == 8
    assert found.workload["effective"]["frames"] == 9
    for run in found.runs:  # a call of 0.1 s is repeated until its window is long enough
        assert run["calls"] * run["latency_s"] >= contract.MIN_WINDOW_STEPS * 0.02
        assert sum(run["stages"].values()) == pytest.approx(run["latency_s"], rel=0.02)
    for stage in ("text_encoder", "denoiser", "vae_decoder"):
        energy, alone_s = found.stages[stage]["energy_wh"]["gpu"], found.stages[stage]["alone_s"]
        assert energy == pytest.approx(WATTS * alone_s / 3600, rel=0.03)
    assert identity(found)["meters"] == ["fake"]
    values = found.conditions["activations"]
    assert all(v["nonfinite"] == 0 and 0.01 < v["std_max"] < 100 for v in values.values())


def test_what_is_compiled_warms_up_three_times() -> None:
    """The first call is watched, the second compiles; the last is as those that are timed."""
    one = session("wan2.1-t2v-1.3b")
    try:
        compiled = replace(one.built, options=replace(one.built.options, compile="blocks"))
        request = request_of(one.built)
        assert warm_up(one.built, request, one.bench, calls=1).calls == 1
        assert warm_up(compiled, request, one.bench, calls=1).calls == 3
    finally:
        one.close()


def test_sampled_composes_what_full_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """600 steps of a twin: composed and whole within a quarter, in one pair of three.

    A shared CPU is not steadier: its seconds a step drift by more between two measurements. So many
    steps that they fill the window of a meter on a fast machine too.
    """
    monkeypatch.setattr(sampled, "WHOLE_WINDOWS", 1)
    one = session("cogvideox-2b")
    once = {"runs": 1, "warmup": 1, "warmup_steps": 2, "isolate": False}
    try:
        asked = size(one, steps=600)
        for _ in range(3):
            composed = one.measure({**asked, "protocol": "sampled"})
            whole = one.measure({**asked, "protocol": "full", **once})
            if composed["latency_s"] == pytest.approx(whole["latency_s"], rel=0.25):
                break
    finally:
        one.close()
    rule = composed["conditions"]["composed"]
    assert rule["steps"] == 600
    assert 0 < rule["timed_steps"] <= 600 - rule["dropped_steps"]
    assert composed["runs"] == []
    assert composed["workload"] == whole["workload"]
    assert composed["latency_s"] == pytest.approx(whole["latency_s"], rel=0.25)
    assert composed["energy_wh"]["gpu"] == pytest.approx(
        WATTS * composed["latency_s"] / 3600, rel=0.02
    )
    assert sum(s["latency_s"] for s in composed["stages"].values()) == pytest.approx(
        composed["latency_s"]
    )
    assert "composed" not in str(whole["conditions"]["composed"])


@pytest.mark.parametrize("name", ["animatediff-lightning", "ltx-video-0.9.7-dev"])
def test_sampled_does_not_compose_short_videos_or_cascades(name: str) -> None:
    one = session(name)
    try:
        row = one.measure(size(one, protocol="sampled"))
    finally:
        one.close()
    assert row["conditions"]["composed"] is None
    assert row["runs"][0]["calls"] >= 3
    assert row["energy_wh"]["gpu"] == pytest.approx(WATTS * row["latency_s"] / 3600, rel=0.02)


def test_without_a_meter_energy_is_null_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinowatt.lab.session.source_of", lambda _: None)
    one = session("wan2.1-t2v-1.3b", meters=["ram-v3"])
    try:
        row = one.measure(size(one, protocol="full", runs=1, warmup=1))
    finally:
        one.close()
    assert row["energy_wh"]["gpu"] is None
    assert row["power_w"] is None
    assert row["conditions"]["energy_null"]["gpu"]
    assert row["energy_wh"]["ram"] > 0
    assert row["runs"][0]["calls"] == 1  # nothing to wait for


def test_bad_requests_are_one_line() -> None:
    one = session("wan2.1-t2v-1.3b")
    try:
        for request, part in (
            ({"protocol": "fast"}, "one of: full, sampled"),
            ({"runs": 0}, "runs must be from 1"),
            ({"protocol": "sampled", "runs": 3}, "protocol sampled takes no runs"),
            ({"framse": 3}, "did you mean 'frames'"),
        ):
            with pytest.raises(InputError, match=part):
                one.measure(request)
    finally:
        one.close()


def test_sums_of_unknowns_are_unknown() -> None:
    assert add([1.0, 2.0]) == 3.0
    assert add([1.0, None]) is None


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="warmup must be from 1"):
        FullOptions(warmup=0)
