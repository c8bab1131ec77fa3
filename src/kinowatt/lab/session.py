"""One pipeline and its meters, kept for many rows: what a worker process holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.models import model
from kinowatt.lab.assemble import row
from kinowatt.lab.bench import Bench
from kinowatt.lab.conditions import source_of
from kinowatt.lab.measurement_checks import PROTOCOLS
from kinowatt.lab.meters.registry import NO_GPU, open_meters
from kinowatt.lab.meters.sampler import shared
from kinowatt.lab.pipelines import Built, build
from kinowatt.lab.protocol import measure_full
from kinowatt.lab.request import BuildOptions, FullOptions, VideoRequest
from kinowatt.lab.sampled import measure_sampled
from kinowatt.lab.timeline import timeline

Emit = Callable[[dict[str, Any]], None]
LIVE = ("power_instant_w", "temperature_c", "sm_clock_mhz")


class Session:
    """Measures request after request on one pipeline; `close` lets go of GPU and meters."""

    def __init__(self, built: Built, bench: Bench) -> None:
        self.built = built
        self.bench = bench

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One row. `request`: fields of `VideoRequest`, `protocol` and fields of its options."""
        values = dict(request)
        protocol = values.pop("protocol", "full")
        if protocol not in PROTOCOLS:
            raise unknown_name("protocol", protocol, PROTOCOLS)
        options = {f.name: values.pop(f.name) for f in fields(FullOptions) if f.name in values}
        video = VideoRequest.of(model(self.built.spec.name), **values)
        if protocol == "sampled":
            outcome = measure_sampled(self.built, video, self.bench, **_of_sampled(options))
        else:
            outcome = measure_full(self.built, video, self.bench, FullOptions(**options))
        return row(self.built, video, self.bench, outcome)

    def close(self) -> None:
        self.bench.meters.close()
        if self.bench.sampler is not None:
            self.bench.sampler.release()


def _of_sampled(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that `sampled` has; an `InputError` for those that only `full` can follow."""
    others = sorted(set(options) - {"idle_s"})
    if others:
        raise InputError(
            f"protocol sampled takes no {', '.join(others)}: it repeats until the GPU is steady;"
            " they belong to protocol full"
        )
    return dict(options)


def open_session(key: Mapping[str, Any], emit: Emit) -> Session:
    """Builds the pipeline and opens its meters.

    `key`: `model`, `meters` (names, or ["auto"]) and fields of `BuildOptions`.
    """
    values = dict(key)
    name = values.pop("model")
    names = values.pop("meters", ["auto"])
    emit({"event": "build", "model": name})
    built = build(name, BuildOptions(**values))

    def listener(event: str, more: dict[str, Any]) -> None:
        live = sampler.latest() if sampler else {}
        emit({"event": event, **more, **{k: live[k] for k in LIVE if k in live}})

    source = source_of(built.device) or fake_source(names)
    sampler = shared(source) if source else None
    meters = open_meters("auto" if names == ["auto"] else names, source or NO_GPU)
    bench = Bench(line=timeline(built.device), meters=meters, sampler=sampler, listener=listener)
    return Session(built, bench)


def fake_source(names: Sequence[str]) -> str | None:
    """The made GPU of the fake meter, where it was asked for."""
    return "fake:{}" if "fake" in names else None
