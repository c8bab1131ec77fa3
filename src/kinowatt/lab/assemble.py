"""From what a protocol found out to one row: a `Measurement` with its conditions."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean
from typing import Any

from kinowatt.errors import UnknownNameError
from kinowatt.facts.gpus import gpu
from kinowatt.lab.bench import Bench, energy_wh, why_null
from kinowatt.lab.conditions import conditions
from kinowatt.lab.host import host
from kinowatt.lab.measurement import SCHEMA_VERSION
from kinowatt.lab.meters.contract import SCOPES
from kinowatt.lab.pipelines import Built, denoiser_of
from kinowatt.lab.protocol import Alone, Outcome, Run
from kinowatt.lab.replay import Replay
from kinowatt.lab.request import VideoRequest
from kinowatt.lab.stages import CallRecord, Span
from kinowatt.lab.unknown import add, mean_by_stage, power_w, times, wh
from kinowatt.units import GIB

LAG_SHARE = 0.02  # a device less than this share of a call behind its host is waiting for it
Energy = dict[str, float | None]


def row(built: Built, request: VideoRequest, bench: Bench, outcome: Outcome) -> dict[str, Any]:
    """The row as JSON values, named as the contract has it."""
    state = conditions(built)
    record = reference(outcome)
    energy = _energy(outcome)
    latency_s = _latency_s(outcome)
    by_stage = stages(outcome, request)
    peak_gib, reserved_gib = _peak_gib(outcome)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": built.spec.name,
        "gpu": gpu_name(state.get("gpu_name")),
        "recipe": request.recipe,
        "protocol": outcome.protocol,
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "workload": workload(built, request, outcome, by_stage["denoiser"]["calls"]),
        "latency_s": latency_s,
        "energy_wh": energy,
        "stages": by_stage,
        "power_w": power_w(energy["gpu"], latency_s),
        "idle_power_w": outcome.idle.power_w("gpu"),
        "peak_memory_gib": peak_gib,
        "peak_reserved_gib": reserved_gib,
        "warmup_runs": outcome.warm.calls,
        "runs": [_run(run) for run in outcome.runs],
        "stability": outcome.stability,
        "conditions": {
            **state,
            **_observed(outcome, bench, record),
            "energy_null": _why_null(outcome, bench, energy),
            "host": host().to_dict(),
        },
    }


def gpu_name(name: str | None) -> str:
    """The id of a GPU among the facts, or its own name where they don't know it."""
    if name is None:
        return "cpu"
    try:
        return gpu(name).name
    except UnknownNameError:
        return name


def reference(outcome: Outcome) -> CallRecord:
    """The call whose inside stands for all: of the last run, or the one left half-way."""
    return outcome.composed.record if outcome.composed else outcome.runs[-1].records[-1]


def _latency_s(outcome: Outcome) -> float:
    if outcome.composed:
        return sum(outcome.composed.stages_s.values())
    return fmean(run.latency_s for run in outcome.runs)


def _energy(outcome: Outcome) -> Energy:
    """Watt-hours by scope of one call: mean of the runs, else of the window around them all."""
    if outcome.composed:
        return {s: wh(add(outcome.composed.energy_j[s].values())) for s in SCOPES}
    calls = sum(len(run.records) for run in outcome.runs)
    around = energy_wh(outcome.outer, calls)
    found: Energy = {}
    for scope in SCOPES:
        each = [run.energy_wh[scope] for run in outcome.runs]
        total = add(each)
        found[scope] = around[scope] if total is None else total / len(each)
    return found


def _peak_gib(outcome: Outcome) -> tuple[float | None, float | None]:
    records = [record for run in outcome.runs for record in run.records]
    records += [outcome.warm.record, reference(outcome)]
    peaks = [peak for record in records if (peak := record.peak_bytes())]
    if not peaks:
        return None, None
    return max(p[0] for p in peaks) / GIB, max(p[1] for p in peaks) / GIB


def _run(run: Run) -> dict[str, Any]:
    return {
        "latency_s": run.latency_s,
        "energy_wh": run.energy_wh,
        "stages": run.stages_s,
        "calls": len(run.records),
        "call_latency_s": [record.seconds for record in run.records],
        "readings": run.metered.readings.to_dict(),
    }


def stages(outcome: Outcome, request: VideoRequest) -> dict[str, dict[str, Any]]:
    """Seconds, GPU watt-hours, calls and peak memory by stage."""
    found = {name: _stage(name, outcome) for name in _seconds(outcome)}
    if outcome.composed:
        joules = outcome.composed.energy_j["gpu"]
        for name in ("denoiser", "vae_decoder"):
            found[name]["energy_wh"] = {"gpu": wh(joules[name])}
            found[name]["energy_by"] = "composed of a window of its own"
        found["denoiser"]["calls"] = round(
            found["denoiser"]["calls"] * request.steps / max(1, outcome.composed.record.steps)
        )
    return found


def _seconds(outcome: Outcome) -> Mapping[str, float]:
    if outcome.composed:
        return outcome.composed.stages_s
    return mean_by_stage([run.stages_s for run in outcome.runs])


def _stage(name: str, outcome: Outcome) -> dict[str, Any]:
    spans = reference(outcome).of(name) or outcome.warm.record.of(name)
    calls = [seconds for span in spans for seconds in span.forwards_s]
    found: dict[str, Any] = {"latency_s": _seconds(outcome)[name], "energy_wh": {"gpu": None}}
    if not spans:
        return found
    peaks = [span.peak_bytes[0] for span in spans if span.peak_bytes]
    found |= {
        "calls": len(calls),
        "call_s": fmean(calls),
        "host_s": sum(span.host_s for span in spans) / len(calls),
        "lag_s": fmean(lag for span in spans for lag in span.lag_s),
        "peak_memory_gib": max(peaks) / GIB if peaks else None,
    }
    if name == "denoiser":
        found["forward_s"] = fmean(spans[-1].forwards_s)
        found["steps_s"] = [
            b - a for span in spans for a, b in pairwise((span.start_s, *span.steps_s))
        ]
    return found | _stage_energy(name, outcome)


def _stage_energy(name: str, outcome: Outcome) -> dict[str, Any]:
    """By the counter inside the runs where the stage is long, else from repeating it alone."""
    inside = add(joules.get(name) for joules in outcome.inside)
    if outcome.inside and inside is not None:
        return {
            "energy_wh": {"gpu": wh(inside / len(outcome.inside))},
            "energy_by": "inside each run",
        }
    parts = [pair for pair in outcome.isolated if pair[0].stage == name]
    if not parts:
        return {"energy_by": "null: too short to be metered inside a run"}
    joules = add(times(part.joules("gpu"), replay.calls) for replay, part in parts)
    return {
        "energy_wh": {"gpu": wh(joules)},
        "energy_by": f"repeated alone, {sum(part.times for _, part in parts)} calls",
        "alone_s": sum(part.seconds * replay.calls for replay, part in parts),
        "alone": [_alone(replay, part) for replay, part in parts],
    }


def _alone(replay: Replay, part: Alone) -> dict[str, Any]:
    return {
        "shape": list(replay.shape),
        "calls_per_video": replay.calls,
        "repeated": part.times,
        "call_s": part.seconds,
        "energy_j_gpu": part.joules("gpu"),
        "power_w": part.metered.power_w("gpu"),
    }


def workload(
    built: Built, request: VideoRequest, outcome: Outcome, forwards: int
) -> dict[str, Any]:
    """What was asked for, and what the hooks saw the pipeline do (`effective`)."""
    asked = request.to_dict()
    fields = ("height_px", "width_px", "frames", "steps", "guidance_scale", "batch_size")
    out = outcome.warm.output
    last = reference(outcome).of("denoiser")[-1]
    return {
        **{name: asked[name] for name in (*fields, "prompt_tokens", "fps")},
        "video_s": out["frames"] / request.fps,
        "effective": {
            "height_px": out["height_px"],
            "width_px": out["width_px"],
            "frames": out["frames"],
            "tokens": tokens_of(denoiser_of(built.pipe), last.shape),
            "forward_passes": forwards,
            "sequences_per_pass": last.shape[0],
        },
    }


def tokens_of(denoiser: Any, shape: Sequence[int]) -> int:
    """Tokens of one sequence of a denoiser whose input has this shape, batch first."""
    config = denoiser.config
    patch = getattr(config, "patch_size", None) or 1
    along_time = getattr(config, "patch_size_t", None) or 1
    volume = math.prod(patch) if isinstance(patch, list | tuple) else patch**2 * along_time
    return int(math.prod(shape[1:]) // (config.in_channels * volume))


def host_bound(spans: Sequence[Span]) -> bool | None:
    """Whether the device kept waiting for the host in the denoising loop.

    Judged by how far it was behind at the end of each call: the time that the host needed says
    little, since it waits itself once the queue is full.
    """
    calls = [seconds for span in spans for seconds in span.forwards_s]
    if not calls:
        return None
    lags = [lag for span in spans for lag in span.lag_s]
    return fmean(lags) < LAG_SHARE * fmean(calls)


def _observed(outcome: Outcome, bench: Bench, record: CallRecord) -> dict[str, Any]:
    start_s = min([run.metered.start_s for run in outcome.runs] or [outcome.outer.start_s])
    trace = bench.trace(start_s, outcome.outer.stop_s)
    described = bench.meters.describe()
    return {
        **outcome.warm.values,
        "clock_mhz": trace.get("clock_mhz"),
        "memory_clock_mhz": trace.get("memory_clock_mhz"),
        "temperature_c": trace.get("temperature_c"),
        "sampled_power_w": trace.get("power_w"),
        "throttled": trace.get("throttled"),
        "host_bound": None if bench.sampler is None else host_bound(record.of("denoiser")),
        "virtualised": host().virtualised,
        "cold_s": outcome.warm.cold_s,
        "idle_s": outcome.idle.seconds,
        "idle_age_s": outcome.outer.start_s - outcome.idle.stop_s,
        "meters": described["open"],  # rows are alike only where these names are
        "meters_absent": described["absent"],
        "readings": outcome.outer.readings.to_dict(),
        "window_s": outcome.outer.seconds,
        "composed": outcome.composed.rule if outcome.composed else None,
    }


def _why_null(outcome: Outcome, bench: Bench, energy: Energy) -> dict[str, str]:
    reasons = why_null(outcome.outer, bench.meters)
    return {
        scope: reasons.get(scope, "a part of the video could not be metered")
        for scope, value in energy.items()
        if value is None
    }
