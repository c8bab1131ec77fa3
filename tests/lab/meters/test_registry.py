"""Meters by name, and sets of them in which one that fails loses nothing of the others."""

import json
from types import MappingProxyType
from typing import Any

import pytest

from kinowatt.errors import InputError, KinowattError, UnknownNameError
from kinowatt.lab.meters import registry
from kinowatt.lab.meters.contract import Meter, MeterUnavailable, Reading, Window
from kinowatt.lab.meters.ram import RamV3
from kinowatt.lab.meters.registry import METERS, Kind, Readings, open_meters, table

NAMES = {
    "nvml-counter",
    "nvml-power-instant",
    "nvml-power-average",
    "codecarbon",
    "rapl",
    "ram-v2",
    "ram-v3",
    "fake",
}


class Broken(Meter):
    """Fails where it is told to."""

    name = "broken"
    scopes = ("cpu",)

    def __init__(self, at: str) -> None:
        self.at = at

    def _maybe(self, step: str) -> None:
        if self.at == step:
            raise RuntimeError(f"fell over\nat {step}")

    def open(self) -> None:
        self._maybe("open")

    def close(self) -> None:
        self._maybe("close")

    def describe(self) -> dict[str, Any]:
        return {}

    def start(self) -> Window:
        self._maybe("start")
        return super().start()

    def stop(self, window: Window) -> None:
        self._maybe("stop")
        super().stop(window)

    def read(self, window: Window) -> tuple[Reading, ...]:
        self._maybe("read")
        return ()


def with_broken(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    kinds = {"broken": Kind(Broken, lambda _: Broken(at)), **METERS}
    monkeypatch.setattr(registry, "METERS", MappingProxyType(kinds))


def reading(method: Any, energy_j: float | None, resolution_s: float | None = None) -> Reading:
    return Reading(
        scope="ram",
        meter=f"{method} {energy_j}",
        method=method,
        window_s=1.0,
        energy_j=energy_j,
        reason=None if energy_j else "why not",
        resolution_s=resolution_s,
    )


def test_the_names() -> None:
    assert set(METERS) == NAMES
    assert all(kind.cls.name == name for name, kind in METERS.items())


def test_a_duplicate_name_is_refused() -> None:
    kind = Kind(RamV3, lambda _: RamV3())
    with pytest.raises(ValueError, match="'ram-v3' is registered twice"):
        table(kind, kind)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ram-v3'"):
        open_meters(["ramv3"])
    with pytest.raises(UnknownNameError, match="did you mean 'auto'"):
        open_meters("aut")
    with pytest.raises(InputError, match="no meter named"):
        open_meters([])


def test_auto_takes_what_works_and_says_why_not_the_rest() -> None:
    with open_meters() as meters:
        named = {meter.name for meter in meters.meters} | {a.meter for a in meters.absent}
        assert named == {"nvml-counter", "rapl", "ram-v3"}
        assert "ram-v3" in {meter.name for meter in meters.meters}
        for absent in meters.absent:
            assert absent.reason
            assert absent.fix
            for scope in absent.scopes:
                why = meters.why_none(scope)
                assert why is None or f"{absent.meter}: {absent.reason}" in why
        assert meters.why_none("ram") is None
        described = meters.describe()
        assert json.loads(json.dumps(described, allow_nan=False)).keys() == described.keys()


def test_a_scope_that_nobody_asked_for() -> None:
    with open_meters("ram-v2") as meters:
        assert meters.why_none("gpu") == "no meter of gpu was asked for"
        window = meters.start()
        meters.stop(window)
        assert meters.read(window).primary("gpu") is None


def test_meters_stand_in_order_of_preference_however_asked_for() -> None:
    with open_meters(["ram-v2", "ram-v3", "ram-v2"]) as meters:
        assert [meter.name for meter in meters.meters] == ["ram-v3", "ram-v2"]
        window = meters.start()
        meters.stop(window)
        found = meters.read(window)
    first = found.primary("ram")
    assert first is not None
    assert first.meter == "ram-v3"
    assert [r.meter for r in found.beside("ram")] == ["ram-v2"]
    # the preferred meter's window is the inner one
    assert window.by_meter["ram-v3"].seconds <= window.by_meter["ram-v2"].seconds
    assert json.loads(json.dumps(found.to_dict()))[0]["meter"] == "ram-v3"


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ([("modelled", 5.0, None), ("measured", 4.0, 0.1)], "measured 4.0"),
        ([("measured", 4.0, 0.1), ("measured", 3.0, 0.1)], "measured 4.0"),
        ([("measured", None, 0.1), ("measured", 3.0, 0.1)], "measured 3.0"),
        ([("measured", None, 0.1), ("modelled", 5.0, None)], "measured None"),
        ([("measured", None, None), ("modelled", 5.0, None)], "modelled 5.0"),
        ([("measured", None, None), ("modelled", None, None)], "measured None"),
    ],
)
def test_the_reading_that_counts(given: list[Any], chosen: str) -> None:
    """A sensor in too short a window is not replaced by a model; one that is not there is."""
    first = Readings(tuple(reading(*values) for values in given)).primary("ram")
    assert first is not None
    assert first.meter == chosen


@pytest.mark.parametrize("at", ["start", "stop", "read"])
def test_a_meter_that_fails_is_null_and_loses_no_other(
    monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    with_broken(monkeypatch, at)
    with open_meters(["broken", "ram-v3"]) as meters:
        window = meters.start()
        meters.stop(window)
        found = meters.read(window)
    cpu, ram = found.primary("cpu"), found.primary("ram")
    assert cpu is not None
    assert cpu.energy_j is None
    assert cpu.reason == f"RuntimeError: fell over at {at}"
    assert ram is not None
    assert ram.energy_j is not None


def test_a_meter_that_does_not_open_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    with_broken(monkeypatch, "open")
    with open_meters(["broken", "ram-v3"]) as meters:
        assert [meter.name for meter in meters.meters] == ["ram-v3"]
        assert meters.absent[0].reason == "RuntimeError: fell over at open"
        assert meters.why_none("cpu") == "broken: RuntimeError: fell over at open"


def test_a_meter_that_does_not_close_is_told_after_the_others_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_broken(monkeypatch, "close")
    meters = open_meters(["broken", "ram-v3"])
    ram = meters.meters[-1]
    with pytest.raises(KinowattError, match="broken: RuntimeError: fell over at close"):
        meters.close()
    with pytest.raises(MeterUnavailable, match="ram-v3 is not open"):
        ram.start()
    meters.close()


def test_a_set_that_was_never_opened_says_so() -> None:
    with pytest.raises(KinowattError, match="are not open"):
        registry.MeterSet(["ram-v3"]).start()


def test_a_made_gpu_serves_the_meters_of_gpus() -> None:
    made = 'fake:{"power_w": 250, "step_s": 0.01}'
    with open_meters(["fake", "nvml-counter"], gpu=made) as meters:
        assert [meter.describe()["source"] for meter in meters.meters] == [made, made]


@pytest.mark.parametrize(
    ("gpu", "source"),
    [
        ("1", "nvml:1"),
        ("GPU-1a", "nvml:GPU-1a"),
        ("nvml:GPU-1a", "nvml:GPU-1a"),
        ("fake:", "fake:"),
    ],
)
def test_a_gpu_by_index_uuid_or_source(gpu: str, source: str) -> None:
    assert registry.gpu_source(gpu) == source


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("", "CUDA_VISIBLE_DEVICES='' hides every GPU"),
        ("7", "CUDA_VISIBLE_DEVICES='7' hides every GPU"),
        ("MIG-8f3c1f2d-0000", "CUDA_VISIBLE_DEVICES names a slice of MIG: its one power reading"),
        (None, "the driver has no GPU"),
    ],
)
def test_a_gpu_that_cuda_does_not_see_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, reason: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    monkeypatch.setattr(registry, "devices", list)
    with pytest.raises(MeterUnavailable, match=reason):
        registry.gpu_source(None)


def test_work_on_no_gpu_is_not_billed_for_an_idle_one() -> None:
    with open_meters(["nvml-counter", "ram-v3"], gpu=registry.NO_GPU) as meters:
        assert meters.why_none("gpu") == "nvml-counter: the work runs on no NVIDIA GPU"
        assert meters.why_none("ram") is None
