"""The numbers of one scenario, as plain dicts: what a prediction is assembled from."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.operators import COMPUTE_KINDS
from kinowatt.theory.physics import timer_of
from kinowatt.theory.predict import Estimate, Scenario, call_bound, estimate, flops_by_part
from kinowatt.theory.profile import StageTime, Timed, Timer
from kinowatt.theory.recipe import Effective, Pass
from kinowatt.units import joules_to_wh

Number = Any


def figures(chosen: Scenario) -> dict[str, Any]:
    """Effective workload, FLOPs, stages, kinds of operators, passes, seconds, joules, memory.

    Numbers alone: no words, and no path that depends on more than tiles and cases of tables.
    """
    result = estimate(chosen, operator_table)
    effective = result.plan.effective
    return {
        "effective": {field.name: getattr(effective, field.name) for field in fields(Effective)},
        "flops": flops_by_part(result.operators),
        "stages": _stages(result),
        "operators": _operators(chosen, result),
        "passes": _passes(chosen, result),
        "weights_gib": dict(result.memory.weights_gib) if result.memory else {},
        **_whole(result),
    }


def totals(chosen: Scenario) -> dict[str, Number]:
    """Of these numbers, those that many predictions have: one column each."""
    result = estimate(chosen, operator_table)
    return {
        "flops": result.flops,
        "tokens": result.plan.effective.tokens,
        **_whole(result),
    }


def _whole(result: Estimate) -> dict[str, Number | None]:
    """Of a whole video, whoever asks."""
    return {
        "latency_s": result.latency_s,
        "energy_j": result.energy_j,
        "peak_memory_gib": result.memory.peak_gib if result.memory else None,
        "call_bound": call_bound(result),
        "megapixels": result.plan.megapixels,
    }


def _stages(result: Estimate) -> dict[str, dict[str, Number | None]]:
    peaks = result.memory.stages_gib if result.memory else {}
    stages: dict[str, dict[str, Number | None]] = {
        name: {
            "latency_s": stage.latency_s,
            "energy_wh": joules_to_wh(stage.energy_j),
            "flops": sum(item.operator.flops for item in stage.operators),
            "calls": _calls(stage.operators),
            "peak_memory_gib": peaks.get(name),
            **({"moving_s": result.moves[name]} if name in result.moves else {}),
        }
        for name, stage in result.stages.items()
    }
    stages["denoiser"]["forward_s"] = _forward_s(result)
    return stages


def _operators(chosen: Scenario, result: Estimate) -> dict[str, dict[str, Any]]:
    timer = timer_of(chosen.profile, chosen.gpu)
    by_kind: dict[str, list[Timed]] = {}
    for stage in result.stages.values():
        for item in stage.operators:
            by_kind.setdefault(item.operator.kind, []).append(item)
    return {kind: _kind(items, timer) for kind, items in by_kind.items()}


def _calls(items: Iterable[Timed]) -> Number | None:
    """Operator calls in all; None where a published model states neither bytes nor calls."""
    operators = [item.operator for item in items]
    if any(operator.bytes is None for operator in operators):
        return None
    return 0.0 + sum(operator.calls for operator in operators)


def _kind(items: list[Timed], timer: Timer) -> dict[str, Any]:
    calls = _calls(items)
    latency_s = sum(item.latency_s for item in items)
    stated = [item.operator.bytes for item in items if item.operator.bytes is not None]
    return {
        "latency_s": latency_s,
        "energy_wh": joules_to_wh(sum(item.energy_j for item in items)),
        "flops": sum(item.operator.flops for item in items),
        "bytes": sum(stated) if stated else None,
        "calls": calls,
        "bound": _bound(items, latency_s, timer.calling_s(item.operator for item in items)),
    }


def _bound(items: list[Timed], latency_s: Number, host_s: Number) -> tuple[Number, Number]:
    """Whether calling them takes longer than running them, and whether compute is most of that."""
    computes = items[0].operator.kind in COMPUTE_KINDS
    compute_s = sum(item.latency_s * (item.compute_s >= item.memory_s) for item in items)
    return host_s > latency_s, computes and compute_s >= latency_s / 2


def _passes(chosen: Scenario, result: Estimate) -> list[dict[str, Any]]:
    timer = timer_of(chosen.profile, chosen.gpu)
    found = []
    for item in result.plan.passes:
        time = _alone(result, item) or timer.stage(
            [o for o in result.operators if o.source == item.name]
        )
        symbols = {k: v for k, v in item.symbols.items() if k != "pixel_frames"}
        found.append(
            {
                "name": item.name,
                "stage": item.stage,
                "calls": item.calls,
                "latency_s": time.latency_s,
                "energy_wh": joules_to_wh(time.energy_j),
                **symbols,
            }
        )
    return found


def _alone(result: Estimate, item: Pass) -> StageTime | None:
    """The stage of a pass that is all of it: the same sums, done already."""
    stage = result.stages[item.stage]
    if item.stage == "other" or item.stage in result.moves:
        return None
    if any(o.operator.source != item.name for o in stage.operators):
        return None
    return stage


def _forward_s(result: Estimate) -> Number:
    """Seconds of one call of the first denoising pass."""
    first = next(item for item in result.plan.passes if item.stage == "denoiser")
    stage: StageTime = result.stages["denoiser"]
    if sum(1 for item in result.plan.passes if item.stage == "denoiser") == 1:
        return (stage.latency_s - result.moves.get("denoiser", 0.0)) / first.calls
    times = [t.latency_s for t in stage.operators if t.operator.source == first.name]
    return sum(times) / first.calls
