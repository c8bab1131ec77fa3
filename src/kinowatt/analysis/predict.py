"""The verbs `predict` and `predict_many`: look facts up, call the theory, assemble the answer."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from kinowatt.analysis.costs import Accounting, account
from kinowatt.analysis.prediction import Prediction
from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.models import model as find_model
from kinowatt.facts.operator_tables import operator_table
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.theory.operators import COMPUTE_KINDS
from kinowatt.theory.physics import timer_of
from kinowatt.theory.predict import Estimate, Scenario, estimate, flops_by_part, reach_of
from kinowatt.theory.profile import StageTime, Timed, Timer, beyond, interval
from kinowatt.theory.workload import FIELDS, make_workload
from kinowatt.units import joules_to_wh
from kinowatt.version import __version__

OFFLOADS = ("none", "model")
DEFAULT_GPU = "h100-sxm"
_OPTIONS = ("profile", "preset", "recipe", "tiling", "offload", "what_if")
_ACCOUNTING = ("grid", "intensity", "price", "pue", "embodied", "host")


def scenario(model: str, gpu: str = DEFAULT_GPU, **given: Any) -> Scenario:
    """Resolves names and settings; `InputError` in one line for anything that cannot be used.

    given: `profile`, `preset`, `recipe`, `tiling` (bool), `offload` ("none", "model"), `what_if`
    (mapping) and the settings of `Workload`.
    """
    for name in given:
        if name not in (*_OPTIONS, *FIELDS):
            raise unknown_name("setting", name, (*_OPTIONS, *_ACCOUNTING, *FIELDS))
    spec = find_model(_text("model", model))
    device = find_gpu(_text("gpu", gpu))
    preset = spec.preset(_optional("preset", given) or "default")
    settings = {name: given[name] for name in FIELDS if given.get(name) is not None}
    tiling = preset.tiling if given.get("tiling") is None else given["tiling"]
    if not isinstance(tiling, bool):
        raise InputError(f"tiling must be True or False (on or off), not {tiling!r:.80}")
    offload = _optional("offload", given) or preset.offload
    if offload not in OFFLOADS:
        raise unknown_name("offload", offload, OFFLOADS)
    return Scenario(
        model=spec,
        gpu=device,
        profile=find_profile(_optional("profile", given), device, spec.form != "paper"),
        workload=make_workload(spec, preset.name, **settings),
        recipe=spec.recipe(_optional("recipe", given), preset),
        tiling=tiling,
        offload=offload,
        what_if=_mapping(given.get("what_if")),
    )


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} must be a name, not {value!r:.80}")
    return value


def _optional(name: str, given: Mapping[str, Any]) -> str | None:
    return None if given.get(name) is None else _text(name, given[name])


def _mapping(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"what_if must be a mapping of KEY to VALUE, not {value!r:.80}")
    return {str(key): str(item) for key, item in value.items()}


def predict(model: str, gpu: str = DEFAULT_GPU, **given: Any) -> Prediction:
    """What one video costs before it is generated.

    model, gpu: names or aliases. Settings (`height_px`, `width_px`, `frames`, `steps`,
    `guidance_scale`, `batch_size`, `prompt_tokens`, `fps`) override the preset's; `profile`,
    `preset`, `recipe`, `tiling`, `offload`, `what_if` choose how; `grid` or `intensity`
    (g/kWh), `price` (USD per GPU-hour), `pue`, `embodied` ask for emissions and money.
    Raises `InputError` with one clear line.
    """
    money = {name: given.pop(name) for name in _ACCOUNTING if name in given}
    chosen = scenario(model, gpu, **given)
    for name, value in asdict(chosen.workload).items():
        if hasattr(value, "shape"):
            raise InputError(f"{name} is an array; predict takes numbers, predict_many arrays")
    result = estimate(chosen, operator_table)
    return assemble(chosen, result, account(money))


def assemble(chosen: Scenario, result: Estimate, accounting: Accounting) -> Prediction:
    """A `Prediction` from the numbers of one scenario."""
    energy_wh = joules_to_wh(result.energy_j)
    name, reach = chosen.model.name, reach_of(chosen, result)
    return Prediction(
        model=name,
        gpu=chosen.gpu.name,
        profile=chosen.profile.name,
        recipe=result.plan.recipe,
        workload=_workload(chosen, result),
        flops=flops_by_part(result.operators),
        stages=_stages(result),
        operators=_operators(chosen, result),
        passes=_passes(chosen, result),
        latency_s=result.latency_s,
        energy_wh={"gpu": energy_wh, "cpu": None, "ram": None},
        power_w=result.energy_j / result.latency_s,
        peak_memory_gib=result.memory.peak_gib if result.memory else None,
        memory=_memory(chosen, result),
        intervals={
            "latency_s": interval(chosen.profile, reach, "latency", result.latency_s),
            "energy_wh_gpu": interval(chosen.profile, reach, "energy", energy_wh),
        },
        co2e_g=accounting.co2e_g(energy_wh, result.latency_s),
        cost_usd=accounting.cost_usd(result.latency_s),
        options={
            "tiling": chosen.tiling,
            "offload": chosen.offload,
            "what_if": dict(chosen.what_if),
            **accounting.shown(),
        },
        provenance=_provenance(chosen),
        warnings=_warnings(chosen, result),
    )


def _provenance(chosen: Scenario) -> dict[str, str]:
    profile = chosen.profile
    return {
        "kind": "predicted",
        "profile": profile.name,
        "stack": profile.stack,
        "data": profile.data,
        "version": __version__,
    }


def _workload(chosen: Scenario, result: Estimate) -> dict[str, Any]:
    effective = asdict(result.plan.effective)
    asked = asdict(chosen.workload)
    whole = {key: int(value) if value == int(value) else value for key, value in effective.items()}
    return {**asked, "video_s": effective["frames"] / asked["fps"], "effective": whole}


def _stages(result: Estimate) -> dict[str, dict[str, float | None]]:
    peaks = result.memory.stages_gib if result.memory else {}
    stages: dict[str, dict[str, float | None]] = {
        name: {
            "latency_s": stage.latency_s,
            "energy_wh": joules_to_wh(stage.energy_j),
            "flops": sum(item.operator.flops for item in stage.operators),
            "calls": _calls(stage.operators),
            "peak_memory_gib": peaks.get(name),
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


def _calls(items: Iterable[Timed]) -> float | None:
    """Operator calls in all; None where a published model states neither bytes nor calls."""
    operators = [item.operator for item in items]
    if any(operator.bytes is None for operator in operators):
        return None
    return float(sum(operator.calls for operator in operators))


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


def _bound(items: list[Timed], latency_s: float, host_s: float) -> str:
    if host_s > latency_s:
        return "call"
    compute = sum(item.latency_s for item in items if item.compute_s >= item.memory_s)
    if items[0].operator.kind in COMPUTE_KINDS and compute >= latency_s / 2:
        return "compute"
    return "memory"


def _passes(chosen: Scenario, result: Estimate) -> tuple[dict[str, Any], ...]:
    timer = timer_of(chosen.profile, chosen.gpu)
    found = []
    for item in result.plan.passes:
        operators = [o for o in result.operators if o.source == item.name]
        time = timer.stage(operators)
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
    return tuple(found)


def _forward_s(result: Estimate) -> float:
    """Seconds of one call of the first denoising pass."""
    first = next(item for item in result.plan.passes if item.stage == "denoiser")
    stage: StageTime = result.stages["denoiser"]
    if sum(1 for item in result.plan.passes if item.stage == "denoiser") == 1:
        return float(stage.latency_s / first.calls)
    times = [t.latency_s for t in stage.operators if t.operator.source == first.name]
    return float(sum(times) / first.calls)


def _memory(chosen: Scenario, result: Estimate) -> dict[str, Any]:
    if result.memory is None:
        return {}
    return {
        "gpu_gib": chosen.gpu.memory_gib,
        "fits": bool(result.memory.peak_gib <= chosen.gpu.memory_gib),
        "weights_gib": dict(result.memory.weights_gib),
    }


def _warnings(chosen: Scenario, result: Estimate) -> tuple[dict[str, str], ...]:
    found = [{"code": code, "message": message} for code, message in result.plan.notes]
    if chosen.profile.warning:
        found.append({"code": f"profile_{chosen.profile.kind}", "message": chosen.profile.warning})
    if chosen.model.name not in chosen.profile.seen:
        message = f"{chosen.profile.name} was not fitted on {chosen.model.name}: wider interval"
        found.append({"code": "model_not_in_profile", "message": message})
    found += [{"code": "out_of_range", "message": words} for words in _outside(chosen, result)]
    if result.memory is not None and result.memory.peak_gib > chosen.gpu.memory_gib:
        found.append({"code": "out_of_memory", "message": _remedy(chosen, result)})
    if chosen.offload == "model":
        message = "offload moves weights over PCIe before each stage; that time is not predicted"
        found.append({"code": "offload_not_timed", "message": message})
    return tuple(found)


def _outside(chosen: Scenario, result: Estimate) -> Iterable[str]:
    """What lies outside the rows of the profile, in words."""
    sizes = {"tokens": result.plan.effective.tokens, "megapixels": result.plan.megapixels}
    for name, doublings in beyond(chosen.profile, sizes).items():
        if doublings:
            least, largest = chosen.profile.ranges[name]
            yield (
                f"{sizes[name]:,.4g} {name} lie outside the {least:,.4g} to {largest:,.4g} of the"
                f" profile's rows: the interval is {1 + doublings:.1f} times as wide"
            )


def _remedy(chosen: Scenario, result: Estimate) -> str:
    assert result.memory is not None
    need = f"needs {result.memory.peak_gib:.1f} GiB, {chosen.gpu.name} has "
    need += f"{chosen.gpu.memory_gib:.1f}"
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("tiling on", {"tiling": True}),
        ("offload model", {"offload": "model"}),
        ("tiling on and offload model", {"tiling": True, "offload": "model"}),
    )
    for words, changes in ways:
        memory = estimate(replace(chosen, **changes), operator_table).memory
        if memory is not None and memory.peak_gib <= chosen.gpu.memory_gib:
            return f"{need}; fits with {words} ({memory.peak_gib:.1f} GiB)"
    return f"{need}; neither tiling nor offload makes it fit: fewer pixels or frames"
