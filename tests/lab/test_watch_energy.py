"""Joules of watched calls on a made GPU: they add up, or are null with the reason."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kinowatt.errors import KinowattError
from kinowatt.lab import watch as watch_module
from kinowatt.lab import watch_energy, watch_report
from kinowatt.lab.meters import contract
from kinowatt.lab.meters.contract import Reading
from kinowatt.lab.meters.registry import MeterSet, Readings, Windows
from kinowatt.lab.pipelines import Built
from kinowatt.lab.stages import CallRecord
from kinowatt.lab.watch import Watch, watch
from kinowatt.lab.watch_energy import Block, Watched, energies
from kinowatt.units import wh_to_joules
from twins import request_of, twin

pytestmark = pytest.mark.alone

WATTS = 360.0
SPEND_S = 0.15  # of each forward of the denoiser: the stage is long, and the others are short


@pytest.fixture
def built() -> Built:
    found = twin("wan2.1-t2v-1.3b")
    found.generate(request_of(found))
    found.pipe.transformer.register_forward_hook(lambda *_: time.sleep(SPEND_S))
    return found


@pytest.fixture
def made_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of 360 W whose counter moves every 10 ms; windows may be short."""
    source = f'fake:{{"power_w": {WATTS}, "step_s": 0.01}}'
    monkeypatch.setattr(watch_module, "source_of", lambda device: source)
    monkeypatch.setattr(contract, "MIN_WINDOW_S", 0.3)
    monkeypatch.setattr(watch_energy, "MIN_WINDOW_STEPS", 20)
    monkeypatch.setattr(contract, "MIN_WINDOW_STEPS", 20)


def joules(report: Any, stage: str | None = None) -> float:
    energy = report.energy_wh if stage is None else report.stages[stage]["energy_wh"]
    return wh_to_joules(energy["gpu"])


@pytest.mark.usefixtures("made_gpu")
def test_a_call_has_its_own_energy_whatever_lies_between(built: Built) -> None:
    """As where each video is written to a file before the next."""
    with watch(built.pipe) as seen:
        for _ in range(2):
            built.generate(request_of(built))
            time.sleep(0.3)
    report = seen.report()
    assert report.between_s > 0.29
    assert report.energy_by["gpu"] == {
        "meter": "nvml-counter",
        "method": "measured",
        "window": "each call",
    }
    assert report.latency_s is not None
    assert joules(report) == pytest.approx(WATTS * report.latency_s, rel=0.1)
    assert report.power_w == pytest.approx(WATTS, rel=0.1)
    assert report.energy_by["ram"]["method"] == "modelled"


@pytest.mark.usefixtures("made_gpu")
def test_stages_sum_to_the_whole_and_the_rest_has_a_name(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_energy, "MIN_WINDOW_STEPS", 100)  # one second: twice a slow decoder
    with watch(built.pipe) as seen:
        built.generate(request_of(built, steps=5))  # 1.5 s
    report = seen.report()
    denoiser, other = report.stages["denoiser"], report.stages["other"]
    assert joules(report, "denoiser") == pytest.approx(WATTS * denoiser["latency_s"], rel=0.1)
    short = ["text_encoder", "vae_decoder"]
    assert other["energy_includes"] == short
    for name in short:
        assert report.stages[name]["energy_wh"] == {"gpu": None}
        assert "too short" in report.stages[name]["energy_null"]
    assert joules(report, "denoiser") + joules(report, "other") == pytest.approx(joules(report))
    seconds = [stage["latency_s"] for stage in report.stages.values()]
    assert sum(seconds) == pytest.approx(report.latency_s)
    assert list(report.stages)[-1] == "other"
    assert report.conditions["counter_over_power"] == pytest.approx(1.0, abs=0.1)
    assert report.conditions["temperature_c"]["mean"] == 50.0


@pytest.mark.usefixtures("made_gpu")
def test_short_calls_are_one_window_if_nothing_lies_between(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "MIN_WINDOW_S", 1.5)
    with watch(built.pipe) as close:
        for _ in range(3):
            built.generate(request_of(built))
    assert close.report().energy_by["gpu"]["window"] == "all calls"
    assert close.report().power_w == pytest.approx(WATTS, rel=0.1)
    with watch(built.pipe) as apart:
        for _ in range(2):
            built.generate(request_of(built))
            time.sleep(0.3)
    reason = apart.report().energy_null["gpu"]
    assert "repeat the work inside one window" in reason
    assert "lay between the calls: make them one after the other" in reason


@pytest.mark.usefixtures("made_gpu")
def test_the_report_so_far_is_that_of_the_calls_so_far(built: Built) -> None:
    with watch(built.pipe) as seen:
        built.generate(request_of(built))
        first = seen.report()
        built.generate(request_of(built))
    assert (first.calls, seen.report().calls) == (1, 2)
    assert first.energy_wh["gpu"] is not None


@pytest.mark.parametrize("meters", ["nvml-counter", ["nvml-power-instant"], ["fake", "ram-v2"]])
@pytest.mark.usefixtures("made_gpu")
def test_meters_that_were_asked_for_give_the_stages_too(built: Built, meters: Any) -> None:
    with watch(built.pipe, meters=meters) as seen:
        built.generate(request_of(built))
    assert seen.report().stages["denoiser"]["energy_wh"]["gpu"] is not None


@pytest.mark.usefixtures("made_gpu")
def test_without_a_meter_of_the_gpu_the_reason_says_so(built: Built) -> None:
    with watch(built.pipe, meters="ram-v3") as seen:
        built.generate(request_of(built))
    report = seen.report()
    assert report.energy_null["gpu"] == "no meter of gpu was asked for"
    assert (
        report.stages["denoiser"]["energy_null"] == "no meter of the GPU can look back at a stage"
    )


def test_work_on_the_cpu_is_not_billed_for_an_idle_gpu(built: Built) -> None:
    with watch(built.pipe) as seen:
        built.generate(request_of(built))
    assert seen.report().energy_null["gpu"] == "nvml-counter: the work runs on no NVIDIA GPU"


@pytest.mark.usefixtures("made_gpu")
def test_a_sampler_that_dies_loses_the_gpus_energy_alone(built: Built) -> None:
    with watch(built.pipe) as seen:
        built.generate(request_of(built))
        kill(seen)
    report = seen.report()
    assert report.calls == 1
    assert "was ended by signal 9" in report.energy_null["gpu"]
    assert "was ended by signal 9" in report.stages["denoiser"]["energy_null"]
    assert report.energy_wh["ram"] is not None
    assert "temperature_c" not in report.conditions


def kill(seen: Watch) -> None:
    assert seen._meters is not None
    assert seen._meters.sampler is not None
    process = seen._meters.sampler._process
    assert process is not None
    process.kill()
    process.wait()


@pytest.fixture
def meters_that_do_not_close(monkeypatch: pytest.MonkeyPatch) -> None:
    close = MeterSet.close

    def failing(meters: MeterSet) -> None:
        close(meters)
        raise KinowattError("not every meter could be closed: broken")

    monkeypatch.setattr(MeterSet, "close", failing)


@pytest.mark.usefixtures("meters_that_do_not_close")
def test_a_meter_that_does_not_close_leaves_no_pipeline_claimed(built: Built) -> None:
    with pytest.raises(KinowattError, match="could be closed"), watch(built.pipe) as seen:
        built.generate(request_of(built))
    assert seen.report().calls == 1
    assert type(built.pipe).__mro__[1].__name__ != "WanPipeline"
    assert watch_module._WATCHED == {}


@pytest.mark.usefixtures("meters_that_do_not_close")
def test_what_the_block_raised_is_not_hidden_by_a_meter(built: Built) -> None:
    with pytest.raises(RuntimeError, match="mine"), watch(built.pipe):
        raise RuntimeError("mine")
    assert watch_module._WATCHED == {}


class Placed(torch.nn.Module):
    """A part that lies on a GPU, as far as it says."""

    def __init__(self, *gpus: int) -> None:
        super().__init__()
        self.gpus = gpus

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        return iter([SimpleNamespace(device=torch.device("cuda", gpu)) for gpu in self.gpus])


@pytest.mark.usefixtures("made_gpu")
def test_a_pipeline_over_several_gpus_has_no_energy_of_one(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"transformer": Placed(0, 1), "vae": Placed(1), "scheduler": None}
    assert watch_report.gpus_of([SimpleNamespace(components=parts)]) == ["cuda:0", "cuda:1"]
    monkeypatch.setattr(watch_report, "gpus_of", lambda pipes: ["cuda:0", "cuda:1"])
    with watch(built.pipe) as seen:
        built.generate(request_of(built))
    report = seen.report()
    assert report.energy_null["gpu"].startswith("the pipeline lies on cuda:0, cuda:1, and only")
    assert report.stages["denoiser"]["energy_wh"]["gpu"] is None
    assert report.power_w is None


# --- which window counts


class Told(MeterSet):
    """Meters whose readings a test gives: of single calls, and of any stretch of the past."""

    def __init__(self, each: Readings, past: Readings) -> None:
        super().__init__(())
        self._each, self._past = each, past

    def read(self, windows: Windows) -> Readings:
        return self._each

    def read_past(self, start_s: float, stop_s: float) -> Readings:
        return self._past


def reading(meter: str, energy_j: float | None) -> Readings:
    found = Reading(
        scope="cpu",
        meter=meter,
        method="modelled" if meter == "model" else "measured",
        window_s=1.0,
        energy_j=energy_j,
        reason=None if energy_j else "too short",
        resolution_s=0.001,
    )
    return Readings((found,))


def calls(*starts_s: float) -> list[Watched]:
    """Calls of a second each."""
    return [
        Watched(CallRecord(start_s=s, stop_s=s + 1.0, spans=(), steps=0), Windows({}, {}))
        for s in starts_s
    ]


NONE = Readings(())


@pytest.mark.parametrize(
    ("starts_s", "each", "past", "block", "expected"),
    [
        ((0.0, 1.0), reading("rapl", 5.0), reading("rapl", 99.0), None, (10.0, "each call")),
        ((0.0, 7.0), reading("rapl", 5.0), NONE, None, (10.0, "each call")),
        ((0.0, 1.0), reading("rapl", None), reading("rapl", 11.0), None, (11.0, "all calls")),
        ((0.0, 1.0), reading("rapl", None), NONE, reading("rapl", 12.0), (12.0, "the block")),
        ((0.0, 1.0), NONE, NONE, reading("codecarbon", 12.0), (12.0, "the block")),
        # never a model in place of a sensor that is there
        ((0.0, 1.0), reading("rapl", None), reading("model", 11.0), None, "too short"),
        ((0.0, 7.0), reading("rapl", None), NONE, reading("rapl", 12.0), "too short; 6 s of 8 s"),
        ((0.0, 7.0), NONE, NONE, reading("codecarbon", 12.0), "no meter of cpu was asked for"),
    ],
)
def test_the_window_that_counts(
    starts_s: tuple[float, ...],
    each: Readings,
    past: Readings,
    block: Readings | None,
    expected: Any,
) -> None:
    around = None if block is None else Block(2.01, block)
    found = energies(calls(*starts_s), Told(each, past), around)["cpu"]
    if isinstance(expected, str):
        assert found.joules is None
        assert str(found.reason).startswith(expected)
    else:
        assert (found.joules, found.window) == expected


def test_calls_under_different_meters_are_not_summed() -> None:
    answers = iter([reading("rapl", 5.0), reading("model", 5.0)])
    meters = Told(NONE, NONE)
    meters.read = lambda windows: next(answers)  # type: ignore[method-assign]
    found = energies(calls(0.0, 7.0), meters, None)["cpu"]
    assert found.joules is None
    assert str(found.reason).startswith("not every call has the same meter")


def test_a_call_is_read_once() -> None:
    """A service that is scraped for days must not read its first calls again and again."""
    asked: list[Windows] = []
    meters = Told(reading("rapl", 5.0), NONE)
    read: Callable[[Windows], Readings] = meters.read
    meters.read = lambda windows: asked.append(windows) or read(windows)  # type: ignore[method-assign, func-returns-value]
    seen = calls(0.0, 1.0)
    for _ in range(3):
        energies(seen, meters, None)
    assert len(asked) == 2
