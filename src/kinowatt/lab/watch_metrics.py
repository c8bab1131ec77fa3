"""A watch as Prometheus metrics: base units, one unit per metric, `_total` for counters."""

from collections.abc import Callable, Iterator
from typing import Any

from kinowatt.errors import require_extra
from kinowatt.lab.watch_report import WatchReport
from kinowatt.units import GIB, wh_to_joules
from kinowatt.version import __version__


class Collector:
    """Gives the metrics of a report at every scrape: `REGISTRY.register(Collector(w.report))`.

    Energy that is not known is left out, never zero.
    """

    def __init__(self, report: Callable[[], WatchReport]) -> None:
        self.report = report

    def describe(self) -> list[Any]:
        """Nothing: there may be no report yet when a collector is registered."""
        return []

    def collect(self) -> Iterator[Any]:
        """The metric families of the moment."""
        from prometheus_client.core import InfoMetricFamily, SummaryMetricFamily

        report = self.report()
        yield InfoMetricFamily("kinowatt_build", "This package.", {"version": __version__})
        calls = SummaryMetricFamily(
            "kinowatt_video_duration_seconds",
            "One call of the pipeline, from prompt to frames in memory.",
            labels=["pipeline"],
        )
        calls.add_metric([report.pipeline], report.calls, sum(report.calls_s))
        yield calls
        yield from _counters(report)
        yield from _gauges(report)


def _counters(report: WatchReport) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily

    seconds = CounterMetricFamily(
        "kinowatt_stage_duration_seconds", "Time by stage.", labels=["pipeline", "stage"]
    )
    joules = CounterMetricFamily(
        "kinowatt_gpu_energy_joules",
        "Energy of the whole GPU by stage; other includes stages too short to be told apart.",
        labels=["pipeline", "gpu", "stage"],
    )
    scopes = CounterMetricFamily(
        "kinowatt_energy_joules",
        "Energy of the calls by scope; the scope gpu is the sum over its stages.",
        labels=["pipeline", "scope", "meter", "method"],
    )
    for name, stage in report.stages.items():
        seconds.add_metric([report.pipeline, name], stage["latency_s"] * report.calls)
        if (energy_wh := stage["energy_wh"]["gpu"]) is not None:
            labels = [report.pipeline, _gpu(report), name]
            joules.add_metric(labels, wh_to_joules(energy_wh) * report.calls)
    for scope, energy_wh in report.energy_wh.items():
        if energy_wh is not None:
            by = report.energy_by[scope]
            labels = [report.pipeline, scope, str(by["meter"]), str(by["method"])]
            scopes.add_metric(labels, wh_to_joules(energy_wh) * report.calls)
    yield from (seconds, joules, scopes)


def _gauges(report: WatchReport) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    figures = {
        ("kinowatt_gpu_power_watts", "Mean GPU power over the calls."): report.power_w,
        (
            "kinowatt_gpu_peak_memory_bytes",
            "Most memory that torch had allocated.",
        ): None if report.peak_memory_gib is None else report.peak_memory_gib * GIB,
    }
    for (name, about), value in figures.items():
        if value is not None:
            gauge = GaugeMetricFamily(name, about, labels=["pipeline", "gpu"])
            gauge.add_metric([report.pipeline, _gpu(report)], value)
            yield gauge


def _gpu(report: WatchReport) -> str:
    return str(report.conditions.get("gpu_uuid") or "unknown")


def exposition(report: WatchReport) -> str:
    """The text format that Prometheus scrapes."""
    client = require_extra("measure", "prometheus_client")
    registry = client.CollectorRegistry()
    registry.register(Collector(lambda: report))
    return str(client.generate_latest(registry).decode())
