"""What a row of a plan costs in GPU-seconds, estimated before it is taken.

Seconds of denoiser and decoder come from `predict` with the profile that was fitted on the paper's
rows, times the median of measured over predicted of each model's first rows. What a protocol adds
stands in `kinowatt.lab.duration`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from kinowatt import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.campaign.outlook import video_of
from kinowatt.lab.duration import BUILD_S, START_S, Video, row_seconds
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import load_measurements
from kinowatt.theory.workload import FIELDS

Order = Mapping[str, Any]

PROFILE = "h100-sxm/paper-corrected"
# Seven models that keep the GPU busy; later rows don't change what was planned
FIRST_ROWS = Path(__file__).parents[1] / "data" / "protocol" / "h100-sxm.jsonl"
HOST_S = 50e-6  # per operator call, where the host is slower than the GPU
STAGES = ("denoiser", "vae_decoder")


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
    parts, ratios = video_of(found.to_dict()), measured_over_predicted()[found.model]
    calling_s = found.stages["denoiser"]["calls"] * HOST_S / parts.steps
    return replace(
        parts,
        before_s=parts.before_s + 0.05,
        step_s=max(parts.step_s * ratios["denoiser"], calling_s),
        decoder_s=parts.decoder_s * ratios["vae_decoder"],
    )


def seconds_of(order: Order) -> float:
    """GPU-seconds of one row, without building its pipeline."""
    return row_seconds(order["build"], order["request"], video(order))


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
