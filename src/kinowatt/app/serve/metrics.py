"""Prometheus metrics of one server, in a registry of its own."""

from collections.abc import MutableMapping
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)

from kinowatt.version import __version__

PREFIX = "/v1"
METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Requests by route and status, how long they took, and predictions made."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Info("kinowatt_build", "This package.", registry=self.registry).info(
            {"version": __version__}
        )
        self.requests = Counter(
            "kinowatt_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "kinowatt_http_request_duration_seconds",
            "From the headers of a request to the end of its answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_flight = 0
        Gauge(
            "kinowatt_http_requests_in_flight", "Requests not answered yet.", registry=self.registry
        ).set_function(lambda: self.in_flight)
        self.predictions = Counter(
            "kinowatt_predictions",
            "Predictions made, each element of a batch counted.",
            registry=self.registry,
        )

        self.audited = Counter(
            "kinowatt_audited_rows", "Rows of texts that were audited.", registry=self.registry
        )
        self._of: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """One request; paths that no route has are one, so that nobody can fill the memory."""
        route = _route(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        found = self._of.get((method, route, status))
        if found is None:
            found = self.requests.labels(method, route, str(status)), self.seconds.labels(route)
            self._of[method, route, status] = found
        requests, taken = found
        requests.inc()
        taken.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)


def _route(scope: MutableMapping[str, Any]) -> str:
    """The route's path; its variable part by name."""
    route = scope.get("route")
    if route is None:
        return "dashboard" if scope["path"] == "/" else "other"
    return f"{PREFIX}{route.path.removeprefix(PREFIX)}"


MEDIA_TYPE = CONTENT_TYPE_LATEST
