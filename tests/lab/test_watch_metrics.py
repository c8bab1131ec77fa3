"""Metrics as Prometheus reads them: its own parser, base units, sums that agree."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kinowatt.errors import KinowattError
from kinowatt.lab.watch import watch
from kinowatt.lab.watch_metrics import Collector
from kinowatt.lab.watch_report import WatchReport
from kinowatt.units import wh_to_joules
from twins import request_of, twin
from watch_reports import report

BASE_UNITS = ("seconds", "joules", "watts", "bytes")
NOTHING: dict[str, Any] = {
    "calls": 0,
    "latency_s": None,
    "calls_s": (),
    "energy_wh": {"gpu": None, "cpu": None, "ram": None},
    "energy_by": {},
    "power_w": None,
    "stages": {},
    "peak_memory_gib": None,
}


def families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(made: WatchReport, family: str, *labels: str) -> dict[Any, float]:
    samples = families(made.metrics())[family].samples
    return {tuple(s.labels[name] for name in labels): s.value for s in samples}


def test_every_metric_has_help_a_type_and_a_base_unit() -> None:
    text = report().metrics()
    for name, family in families(text).items():
        assert family.documentation, name
        assert family.type != "unknown", name
        if name == "kinowatt_build_info":
            continue
        assert name.endswith(BASE_UNITS), name
        assert family.type != "counter" or f"# TYPE {name}_total counter" in text
        assert all(sample.labels["pipeline"] == "WanPipeline" for sample in family.samples)


def test_the_names_of_the_conventions() -> None:
    assert families(report().metrics()).keys() == {
        "kinowatt_build_info",
        "kinowatt_video_duration_seconds",
        "kinowatt_stage_duration_seconds",
        "kinowatt_gpu_energy_joules",
        "kinowatt_energy_joules",
        "kinowatt_gpu_power_watts",
        "kinowatt_gpu_peak_memory_bytes",
    }


def test_sums_over_stages_are_those_of_the_calls() -> None:
    made = report()
    seconds = values(made, "kinowatt_stage_duration_seconds", "stage")
    assert sum(seconds.values()) == pytest.approx(sum(made.calls_s))
    joules = values(made, "kinowatt_gpu_energy_joules", "gpu", "stage")
    assert joules[("GPU-0a2b3c4d", "denoiser")] == pytest.approx(2 * wh_to_joules(17.2))
    scopes = values(made, "kinowatt_energy_joules", "scope", "meter", "method")
    assert sum(joules.values()) == pytest.approx(scopes[("gpu", "nvml-counter", "measured")])
    assert scopes[("ram", "ram-v3", "modelled")] == pytest.approx(wh_to_joules(2.0))


def test_what_is_not_known_is_left_out_and_never_zero() -> None:
    joules = values(report(), "kinowatt_gpu_energy_joules", "stage")
    assert joules.keys() == {("denoiser",), ("vae_decoder",), ("other",)}
    assert "cpu" not in {scope for (scope,) in values(report(), "kinowatt_energy_joules", "scope")}


def test_a_watch_that_saw_no_call() -> None:
    found = families(report(**NOTHING).metrics())
    assert "kinowatt_gpu_power_watts" not in found
    assert found["kinowatt_energy_joules"].samples == []
    counts = {s.name: s.value for s in found["kinowatt_video_duration_seconds"].samples}
    assert counts["kinowatt_video_duration_seconds_count"] == 0


def test_labels_are_escaped() -> None:
    name = 'My "Wan"\\2\nline'
    assert (name, "denoiser") in values(
        report(pipeline=name), "kinowatt_stage_duration_seconds", "pipeline", "stage"
    )


def test_a_scrape_sees_the_calls_so_far() -> None:
    """A collector stays registered; its figures are those of the moment."""
    built = twin("cogvideox-2b")
    seen = watch(built.pipe)
    registry = CollectorRegistry()
    registry.register(Collector(seen.report))

    def scraped() -> float | None:
        generate_latest(registry)
        labels = {"pipeline": "CogVideoXPipeline"}
        return registry.get_sample_value("kinowatt_video_duration_seconds_count", labels)

    with pytest.raises(KinowattError, match="nothing is watched yet"):
        scraped()
    with seen:
        assert scraped() == 0
        built.generate(request_of(built))
        assert scraped() == 1
    assert scraped() == 1
    seconds = values(seen.report(), "kinowatt_stage_duration_seconds", "stage")
    assert seconds[("denoiser",)] == seen.report().stages["denoiser"]["latency_s"]


def test_the_report_is_json() -> None:
    data = report().to_dict()
    assert json.loads(json.dumps(data, allow_nan=False))["energy_by"]["ram"]["method"] == "modelled"
    assert data["schema_version"] == 1
