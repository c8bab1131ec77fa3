"""Composes workload, passes, operators, memory and a profile into one prediction, or a million."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.facts.gpus import GpuSpec
from kinowatt.facts.hosts import offloading
from kinowatt.facts.models import ModelSpec, Recipe
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.kernels import other_kernels
from kinowatt.theory.memory import Memory, peak_memory
from kinowatt.theory.moving import moving_s
from kinowatt.theory.operators import Operator
from kinowatt.theory.passes import Tables, plan_operators
from kinowatt.theory.physics import timer_of
from kinowatt.theory.profile import Reach, StageTime, after_work, beyond, sizes, waiting
from kinowatt.theory.recipe import Plan, resolve
from kinowatt.theory.transforms import apply
from kinowatt.theory.workload import Workload
from kinowatt.units import joules_to_wh

Number = Any
STAGES = ("text_encoder", "denoiser", "vae_decoder", "other")
PARTS = ("text_encoder", "timestep", "self_attention", "cross_attention", "mlp", "other")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Everything that a prediction depends on."""

    model: ModelSpec
    gpu: GpuSpec
    profile: GpuProfile
    workload: Workload
    recipe: Recipe
    tiling: bool
    offload: str
    what_if: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Numbers (or arrays) of one scenario: seconds, joules, GiB, FLOPs, by stage and in all.

    `moves`: seconds by stage, among those of `stages`, in which offload moves weights.
    """

    plan: Plan
    operators: tuple[Operator, ...]
    stages: Mapping[str, StageTime]
    moves: Mapping[str, float]
    memory: Memory | None
    latency_s: Number
    energy_j: Number
    flops: Number


def estimate(scenario: Scenario, tables: Tables) -> Estimate:
    """Evaluates a scenario; the same code on numbers and on arrays."""
    model, workload = scenario.model, scenario.workload
    resolved = resolve(model, workload, scenario.recipe, scenario.tiling)
    operators = plan_operators(model, workload, resolved, tables)
    operators = apply(operators, scenario.what_if)
    timer = timer_of(scenario.profile, scenario.gpu)
    by_stage: dict[str, list[Operator]] = {stage: [] for stage in STAGES}
    for operator in operators:
        by_stage.setdefault(operator.stage, []).append(operator)
    stages = {stage: timer.stage(items) for stage, items in by_stage.items()}
    made = after_work(timer, scenario.profile, resolved.megapixels)
    stages["other"] = _joined(stages["other"], made)
    moves = _moves(scenario, tables)
    for stage, seconds in moves.items():
        stages[stage] = _joined(stages[stage], waiting(timer, seconds))
    return Estimate(
        plan=resolved,
        operators=tuple(operators),
        stages=stages,
        moves=moves,
        memory=_memory(scenario, resolved, tables),
        latency_s=sum(stage.latency_s for stage in stages.values()),
        energy_j=sum(stage.energy_j for stage in stages.values()),
        flops=sum(operator.flops for operator in operators),
    )


def call_bound(found: Estimate) -> Number:
    """1 where the host sets the pace of the denoiser, else 0."""
    denoiser = found.stages["denoiser"]
    return (denoiser.host_s > denoiser.device_s) * 1


def reach_of(scenario: Scenario, found: Estimate) -> Reach:
    """How far from the profile's rows an estimate is."""
    reached = sizes(tokens=found.plan.effective.tokens, megapixels=found.plan.megapixels)
    return Reach(
        model=scenario.model.name,
        call_bound=call_bound(found),
        beyond=sum(beyond(scenario.profile, reached).values()),
        changed=other_kernels(scenario.what_if),
        moved=_moved(scenario, found.moves),
    )


def _moves(scenario: Scenario, tables: Tables) -> Mapping[str, float]:
    """Seconds by stage in which offload moves weights; none of a published model's, which states no
    weights."""
    if scenario.offload != "model" or scenario.model.form == "paper":
        return {}
    return moving_s(scenario.model, scenario.recipe, tables, offloading())


def moved_of(scenario: Scenario, tables: Tables) -> Mapping[str, float]:
    """Seconds and Wh that moving weights takes of one call, as `Reach` has them."""
    return _moved(scenario, _moves(scenario, tables))


def _moved(scenario: Scenario, moves: Mapping[str, float]) -> Mapping[str, float]:
    seconds = sum(moves.values())
    if not seconds:
        return {}
    waiting_w = timer_of(scenario.profile, scenario.gpu).waiting_w()
    return {"latency": seconds, "energy": joules_to_wh(seconds * waiting_w)}


def memory(scenario: Scenario, tables: Tables) -> Memory | None:
    """Peak memory alone, None of a published model, whose weights are not stated."""
    resolved = resolve(scenario.model, scenario.workload, scenario.recipe, scenario.tiling)
    return _memory(scenario, resolved, tables)


def _memory(scenario: Scenario, resolved: Plan, tables: Tables) -> Memory | None:
    if scenario.model.form == "paper":
        return None
    return peak_memory(scenario.model, resolved, tables, scenario.offload)


def _joined(first: StageTime, second: StageTime) -> StageTime:
    return StageTime(
        device_s=first.device_s + second.device_s,
        host_s=first.host_s + second.host_s,
        latency_s=first.latency_s + second.latency_s,
        energy_j=first.energy_j + second.energy_j,
        operators=first.operators + second.operators,
    )


def flops_by_part(operators: tuple[Operator, ...]) -> dict[str, Number]:
    """FLOPs by part of the model; the VAE decoder is one part, what is left is `other`."""
    found: dict[str, Number] = dict.fromkeys((*PARTS, "vae_decoder"), 0.0)
    for operator in operators:
        part = operator.part if operator.part in found else "other"
        found[part] = found[part] + operator.flops
    found["total"] = sum(found.values())
    return found
