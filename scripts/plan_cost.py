"""What a row of a plan costs in GPU-seconds, estimated before it is taken.

Seconds of denoiser and decoder come from `predict` with the profile that was fitted on the paper's
rows, times the median of measured over predicted of each model's first rows. What a protocol adds
stands in `kinowatt.lab.protocol` and `kinowatt.lab.sampled`; the constants here are of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from kinowatt import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.facts.models import model
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import load_measurements
from kinowatt.lab.sampled import DROPPED_S, FINISHES, MIN_TIMED, MIN_WHOLE_CALLS, WHOLE_WINDOWS
from kinowatt.theory.workload import FIELDS

Order = Mapping[str, Any]

PROFILE = "h100-sxm/paper-corrected"
# Seven models that keep the GPU busy; later rows don't change what was planned
FIRST_ROWS = Path(__file__).parents[1] / "data" / "protocol" / "h100-sxm.jsonl"
WINDOW_S = 5.1  # what the energy counter of an H100 needs
SETTLED_S = 2.5
AGAIN = 1.2  # windows that were not steady slide on
ROW_S = 1.0  # the slower first call of a shape, readings that wait for the counter
BUILD_S = 3.0  # a pipeline with random weights in a process that has torch loaded
START_S = 15.0  # of a process
COMPILE_S = 60.0  # blocks, once for each shape
OFFLOAD_S = 8.0  # per call: components go to the GPU and back from pageable memory
HOST_S = 50e-6  # per operator call, where the host is slower than the GPU
STAGES = ("denoiser", "vae_decoder")


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """Seconds of the parts of one video, and its predicted peak memory."""

    before_s: float
    step_s: float
    steps: int
    decoder_s: float
    after_s: float
    peak_gib: float | None

    @property
    def seconds(self) -> float:
        return self.of(self.steps)

    def of(self, steps: int) -> float:
        """A call with so many steps."""
        return self.before_s + steps * self.step_s + self.decoder_s + self.after_s


def predicted(order: Order) -> Prediction:
    """What `predict` says of an order; `InputError` where the pipeline would refuse it."""
    build, request = order["build"], order["request"]
    asked = {name: request[name] for name in (*FIELDS, "recipe") if name in request}
    return predict(
        build["model"],
        profile=PROFILE,
        tiling=build.get("tiling") or False,
        offload=build.get("offload", "none"),
        **asked,
    )


def video(order: Order) -> Video:
    """The parts of an order's video."""
    found = predicted(order)
    stages, ratios = found.stages, measured_over_predicted()[found.model]
    denoiser_s = max(
        stages["denoiser"]["latency_s"] * ratios["denoiser"], stages["denoiser"]["calls"] * HOST_S
    )
    moved_s = OFFLOAD_S if order["build"].get("offload", "none") != "none" else 0.0
    steps = found.workload["steps"]
    return Video(
        before_s=stages["text_encoder"]["latency_s"] + 0.05 + moved_s,
        step_s=denoiser_s / steps,
        steps=steps,
        decoder_s=stages["vae_decoder"]["latency_s"] * ratios["vae_decoder"],
        after_s=stages["other"]["latency_s"],
        peak_gib=found.peak_memory_gib,
    )


def seconds_of(order: Order) -> float:
    """GPU-seconds of one row, without building its pipeline."""
    one, request = video(order), order["request"]
    compiling_s = COMPILE_S if order["build"].get("compile", "none") != "none" else 0.0
    spent = _full if request["protocol"] == "full" else _sampled
    return ROW_S + compiling_s + spent(order, one)


def _full(order: Order, one: Video) -> float:
    request = order["request"]
    warm_s = request.get("warmup", 2) * one.of(min(one.steps, request.get("warmup_steps", 1000)))
    runs_s = request.get("runs", 5) * one.seconds * max(1, math.ceil(WINDOW_S / one.seconds))
    parts = (one.before_s, one.step_s, one.decoder_s)
    short = [part for part in parts if part < WINDOW_S] if request.get("isolate", True) else []
    return warm_s + runs_s + len(short) * WINDOW_S


def _sampled(order: Order, one: Video) -> float:
    spec = model(order["build"]["model"])
    cascade = spec.recipe(order["request"].get("recipe"), spec.preset("default")).name != "single"
    short_s = one.of(one.steps if cascade else spec.rules.min_steps)
    if cascade or one.seconds <= WHOLE_WINDOWS * WINDOW_S or one.steps <= MIN_TIMED + 1:
        settled_s = SETTLED_S if one.seconds < SETTLED_S else 0.0
        calls = min(MIN_WHOLE_CALLS, math.ceil(WHOLE_WINDOWS * WINDOW_S / one.seconds))
        return short_s + settled_s + AGAIN * max(WINDOW_S, calls * one.seconds)
    decoder_s = one.decoder_s * math.ceil(WINDOW_S / one.decoder_s)
    steps_s = max(DROPPED_S, one.step_s) + AGAIN * max(WINDOW_S, MIN_TIMED * one.step_s)
    return short_s + FINISHES * one.after_s + decoder_s + one.before_s + steps_s


@lru_cache(maxsize=1)
def measured_over_predicted() -> dict[str, dict[str, float]]:
    """By model and stage: the median over the first rows."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in load_measurements(FIRST_ROWS):
        plan = predicted(order_of(row)).stages
        here = found.setdefault(row.model, {stage: [] for stage in STAGES})
        for stage in STAGES:
            here[stage].append(row.stages[stage]["latency_s"] / plan[stage]["latency_s"])
    return {
        name: {stage: median(values) for stage, values in stages.items()}
        for name, stages in found.items()
    }


def order_of(row: Measurement) -> dict[str, Any]:
    """The order that asks for a row's video."""
    build = {name: row.conditions[name] for name in ("offload", "tiling")}
    asked = {name: row.workload[name] for name in FIELDS}
    return {"build": {"model": row.model, **build}, "request": {"recipe": row.recipe, **asked}}


def builds_of(orders: Sequence[Order]) -> int:
    """Pipelines that a plan builds."""
    return len(_baselines(orders))


def plan_seconds(orders: Sequence[Order]) -> float:
    """One process that takes a whole plan: building, one idle baseline for each pipeline, rows."""
    idle_s = _baselines(orders).values()
    return START_S + BUILD_S * len(idle_s) + sum(idle_s) + sum(map(seconds_of, orders))


def restart_seconds(orders: Sequence[Order]) -> float:
    """What it costs to go on in a further process: its start, one pipeline, one baseline."""
    return START_S + BUILD_S + max(_baselines(orders).values())


def _baselines(orders: Sequence[Order]) -> dict[str, float]:
    """By pipeline, the seconds of its idle baseline: the first row's."""
    found: dict[str, float] = {}
    for order in orders:
        found.setdefault(repr(order["build"]), order["request"].get("idle_s", 6.0))
    return found
