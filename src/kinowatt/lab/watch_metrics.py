"""A watch as Prometheus metrics: base units, one unit per metric, `_total` for counters."""

from collections.abc import Iterator
from typing import Any

from kinowatt.errors import require_extra
from kinowatt.lab.watch_report import WatchReport
from kinowatt.units import wh_to_joules
from kinowatt.version import __version__


class Collector:
    """Gives the metrics of a report; register it where a server is scraped."""

    def __init__(self, report: WatchReport) -> None:
        self.report = report

    def collect(self) -> Iterator[Any]:
        """The metric families of the moment."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            InfoMetricFamily,
            SummaryMetricFamily,
        )

        report = self.report
        gpu = str(report.conditions.get("gpu_uuid") or "none")
        yield InfoMetricFamily("kinowatt_build", "This package.", {"version": __version__})
        yield SummaryMetricFamily(
            "kinowatt_video_duration_seconds",
            "From prompt to frames in memory.",
            report.calls,
            sum(report.calls_s),
        )
        seconds = CounterMetricFamily(
            "kinowatt_stage_duration_seconds", "Time by stage.", labels=["stage"]
        )
        joules = CounterMetricFamily(
            "kinowatt_gpu_energy_joules", "GPU energy by stage.", labels=["gpu", "stage"]
        )
        for name, stage in report.stages.items():
            seconds.add_metric([name], stage["latency_s"] * report.calls)
            if (energy_wh := stage["energy_wh"]["gpu"]) is not None:
                joules.add_metric([gpu, name], wh_to_joules(energy_wh) * report.calls)
        yield seconds
        yield joules
        if report.power_w is not None:
            power = GaugeMetricFamily(
                "kinowatt_gpu_power_watts", "Mean GPU power over the calls.", labels=["gpu"]
            )
            power.add_metric([gpu], report.power_w)
            yield power


def exposition(report: WatchReport) -> str:
    """The text format that Prometheus scrapes."""
    client = require_extra("measure", "prometheus_client")
    registry = client.CollectorRegistry()
    registry.register(Collector(report))
    return str(client.generate_latest(registry).decode())
