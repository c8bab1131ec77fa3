"""The verbs `predict` and `predict_many`: look facts up, call the theory, assemble the answer."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kinowatt.analysis.compiled import figures_of
from kinowatt.analysis.costs import Accounting, account
from kinowatt.analysis.prediction import Prediction
from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.hosts import offloading
from kinowatt.facts.models import model as find_model
from kinowatt.facts.operator_tables import operator_table
from kinowatt.facts.profiles import GpuProfile
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.theory.kernels import KERNELS, known_kernels, other_kernels
from kinowatt.theory.predict import Scenario, memory, moved_of
from kinowatt.theory.profile import Reach, beyond, interval, sizes
from kinowatt.theory.recipe import Effective, notes
from kinowatt.theory.workload import FIELDS, make_workload
from kinowatt.units import joules_to_wh
from kinowatt.version import __version__

OFFLOADS = ("none", "model")
DEFAULT_GPU = "h100-sxm"
_OPTIONS = ("profile", "preset", "recipe", "tiling", "offload", "what_if")
_ACCOUNTING = ("grid", "intensity", "price", "pue", "embodied", "host")
SETTINGS = (*_OPTIONS, *_ACCOUNTING, *FIELDS)
_OF_SCENARIO = frozenset((*_OPTIONS, *FIELDS))


def scenario(model: str, gpu: str = DEFAULT_GPU, **given: Any) -> Scenario:
    """Resolves names and settings; `InputError` in one line for anything that cannot be used.

    given: `profile`, `preset`, `recipe`, `tiling` (bool), `offload` ("none", "model"), `what_if`
    (mapping) and the settings of `Workload`.
    """
    for name in given:
        if name not in _OF_SCENARIO:
            raise unknown_name("setting", name, SETTINGS)
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
    profile = find_profile(_optional("profile", given), device, spec.form != "paper")
    what_if = _mapping(given.get("what_if"))
    _know_kernel(profile, what_if)
    return Scenario(
        model=spec,
        gpu=device,
        profile=profile,
        workload=make_workload(spec, preset.name, **settings),
        recipe=spec.recipe(_optional("recipe", given), preset),
        tiling=tiling,
        offload=offload,
        what_if=what_if,
    )


def _know_kernel(profile: GpuProfile, what_if: Mapping[str, str]) -> None:
    """Refuses a kernel of attention that the profile has no law for."""
    asked = what_if.get("attention")
    known = known_kernels((profile.physics or {}).get("laws", {}))
    if asked in KERNELS and asked not in known:
        others = ", ".join(("fused", "math", *known))
        raise InputError(
            f"profile {profile.name} knows no attention kernel {asked}; it knows {others}"
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
    if isinstance(value, tuple):  # pairs, where options must be hashable
        value = dict(value)
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
    for name in FIELDS:
        if hasattr(getattr(chosen.workload, name), "shape"):
            raise InputError(f"{name} is an array; predict takes numbers, predict_many arrays")
    return _assemble(chosen, figures_of(chosen), account(money))


def _assemble(chosen: Scenario, figures: Mapping[str, Any], accounting: Accounting) -> Prediction:
    """A `Prediction` from the numbers of one scenario."""
    latency_s, energy_j = figures["latency_s"], figures["energy_j"]
    energy_wh = joules_to_wh(energy_j)
    outside = beyond(chosen.profile, _sizes(figures))
    name, reach = chosen.model.name, _reach(chosen, figures, outside)
    return Prediction(
        model=name,
        gpu=chosen.gpu.name,
        profile=chosen.profile.name,
        recipe=chosen.recipe.name,
        workload=_workload(chosen, figures["effective"]),
        flops=figures["flops"],
        stages=figures["stages"],
        operators={kind: _bounded(row) for kind, row in figures["operators"].items()},
        passes=tuple(figures["passes"]),
        latency_s=latency_s,
        energy_wh={"gpu": energy_wh, "cpu": None, "ram": None},
        power_w=energy_j / latency_s,
        peak_memory_gib=figures["peak_memory_gib"],
        memory=_memory(chosen, figures),
        intervals={
            "latency_s": interval(chosen.profile, reach, "latency", latency_s),
            "energy_wh_gpu": interval(chosen.profile, reach, "energy", energy_wh),
        },
        co2e_g=accounting.co2e_g(energy_wh, latency_s),
        cost_usd=accounting.cost_usd(latency_s),
        options={
            "tiling": chosen.tiling,
            "offload": chosen.offload,
            "what_if": dict(chosen.what_if),
            **accounting.shown(),
        },
        provenance=_provenance(chosen),
        warnings=_warnings(chosen, figures, outside),
    )


def _sizes(figures: Mapping[str, Any]) -> Mapping[str, float]:
    return sizes(tokens=figures["effective"]["tokens"], megapixels=figures["megapixels"])


def _reach(chosen: Scenario, figures: Mapping[str, Any], outside: Mapping[str, float]) -> Reach:
    return Reach(
        model=chosen.model.name,
        call_bound=figures["call_bound"],
        beyond=sum(outside.values()),
        changed=other_kernels(chosen.what_if),
        moved=moved_of(chosen, operator_table),
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


def _workload(chosen: Scenario, effective: Mapping[str, Any]) -> dict[str, Any]:
    asked = {name: getattr(chosen.workload, name) for name in FIELDS}
    whole = {key: int(value) if value == int(value) else value for key, value in effective.items()}
    return {**asked, "video_s": effective["frames"] / asked["fps"], "effective": whole}


def _bounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A kind of operators with the word for what bounds it."""
    by_calls, by_compute = row["bound"]
    return {**row, "bound": "call" if by_calls else "compute" if by_compute else "memory"}


def _memory(chosen: Scenario, figures: Mapping[str, Any]) -> dict[str, Any]:
    if figures["peak_memory_gib"] is None:
        return {}
    return {
        "gpu_gib": chosen.gpu.memory_gib,
        "fits": figures["peak_memory_gib"] <= chosen.gpu.memory_gib,
        "weights_gib": figures["weights_gib"],
    }


def _warnings(
    chosen: Scenario, figures: Mapping[str, Any], outside: Mapping[str, float]
) -> tuple[dict[str, str], ...]:
    effective = Effective(**figures["effective"])
    differs = notes(chosen.model, chosen.workload, chosen.recipe, effective)
    found = [{"code": code, "message": message} for code, message in differs]
    if chosen.profile.warning:
        found.append({"code": f"profile_{chosen.profile.kind}", "message": chosen.profile.warning})
    if chosen.model.name not in chosen.profile.seen:
        message = f"{chosen.profile.name} was not fitted on {chosen.model.name}: wider interval"
        found.append({"code": "model_not_in_profile", "message": message})
    words = _outside(chosen, _sizes(figures), outside)
    found += [{"code": "out_of_range", "message": each} for each in words]
    peak_gib = figures["peak_memory_gib"]
    if peak_gib is not None and peak_gib > chosen.gpu.memory_gib:
        found.append({"code": "out_of_memory", "message": _remedy(chosen, peak_gib)})
    if chosen.offload == "model":
        found.append(_offloaded(chosen))
    return tuple(found)


def _offloaded(chosen: Scenario) -> dict[str, str]:
    """What is known of the seconds in which weights move."""
    moves_s = moved_of(chosen, operator_table).get("latency")
    if moves_s is None:
        message = "offload moves weights over PCIe before each stage; that time is not predicted"
        return {"code": "offload_not_timed", "message": message}
    low, high = offloading().spread["95"]
    message = (
        f"{moves_s:.1f} s of it move weights between host and GPU (offload): a matter of the host,"
        f" {low:g} to {high:g} times as much, and in the interval"
    )
    return {"code": "offload_of_one_host", "message": message}


def _outside(
    chosen: Scenario, reached: Mapping[str, float], outside: Mapping[str, float]
) -> Iterable[str]:
    """What lies outside the rows of the profile, in words."""
    for name, doublings in outside.items():
        if doublings:
            least, largest = chosen.profile.ranges[name]
            yield (
                f"{reached[name]:,.4g} {name} lie outside the {least:,.4g} to {largest:,.4g} of the"
                f" profile's rows: the interval is {1 + doublings:.1f} times as wide"
            )


def _remedy(chosen: Scenario, peak_gib: float) -> str:
    need = f"needs {peak_gib:.1f} GiB, {chosen.gpu.name} has {chosen.gpu.memory_gib:.1f}"
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("tiling on", {"tiling": True}),
        ("offload model", {"offload": "model"}),
        ("tiling on and offload model", {"tiling": True, "offload": "model"}),
    )
    for words, changes in ways:
        found = memory(replace(chosen, **changes), operator_table)
        if found is not None and found.peak_gib <= chosen.gpu.memory_gib:
            return f"{need}; fits with {words} ({found.peak_gib:.1f} GiB)"
    return f"{need}; neither tiling nor offload makes it fit: fewer pixels or frames"
