"""`predict_many`: the same theory on arrays, chunk by chunk, without a loop over videos."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kinowatt.analysis.predict import DEFAULT_GPU, scenario
from kinowatt.errors import InputError, require_extra
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.kernels import other_kernels
from kinowatt.theory.predict import Scenario, estimate, moved_of, reach_of
from kinowatt.theory.profile import Reach, interval
from kinowatt.theory.workload import FIELDS
from kinowatt.units import joules_to_wh

COLUMNS = (
    "latency_s",
    "latency_s_80_low",
    "latency_s_80_high",
    "latency_s_95_low",
    "latency_s_95_high",
    "energy_wh_gpu",
    "energy_wh_gpu_95_low",
    "energy_wh_gpu_95_high",
    "peak_memory_gib",
    "flops",
)
REACH = ("call_bound", "beyond")  # what intervals depend on besides
CHUNK = 8_192  # elements whose intermediate columns stay in the cache


def predict_many(model: str, gpu: str = DEFAULT_GPU, **given: Any) -> Mapping[str, Any]:
    """Arrays of predictions; settings are numbers or arrays that broadcast together.

    Returns `latency_s`, its 80 and 95% interval ends, `energy_wh_gpu` with its 95% interval,
    `peak_memory_gib` and `flops`, each of the broadcast shape. Work is done once per distinct
    (size, frames, guidance, batch, prompt): steps cost nothing, and a grid of sizes x frames x
    steps is answered from its axes. Raises `InputError` naming the first offending element.
    """
    np: Any = require_extra("numpy", "numpy")
    arrays = {name: _array(np, name, given[name]) for name in FIELDS if given.get(name) is not None}
    others = {name: value for name, value in given.items() if name not in arrays}
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise InputError(f"settings do not broadcast together: {shapes}") from None
    chosen = scenario(model, gpu, **others, **arrays)
    steps = np.asarray(chosen.workload.steps, float)
    shape_of_forward = np.broadcast_shapes(
        *(np.shape(getattr(chosen.workload, n)) for n in FIELDS if n != "steps")
    )
    if int(np.prod(shape_of_forward)) < int(np.prod(shape)):
        fixed, per_step = _by_step(np, chosen, shape_of_forward)
        columns = {name: fixed[name] + per_step[name] * steps for name in fixed}
    else:
        columns = _chunked(np, chosen, shape)
    return _with_intervals(np, chosen, columns, shape)


def _array(np: Any, name: str, value: Any) -> Any:
    found = np.asarray(value)
    if found.dtype.kind not in "iuf":
        raise InputError(f"{name} must be numbers, not {found.dtype}")
    return found


def _by_step(np: Any, chosen: Scenario, shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cost is linear in steps: evaluated at one and at two."""
    one, two = (
        _chunked(np, replace(chosen, workload=replace(chosen.workload, steps=count)), shape)
        for count in (1, 2)
    )
    per_step = {name: two[name] - one[name] for name in one}
    per_step |= dict.fromkeys(("peak_memory_gib", *REACH), np.zeros(()))
    return {name: one[name] - per_step[name] for name in one}, per_step


def _chunked(np: Any, chosen: Scenario, shape: Any) -> dict[str, Any]:
    size = int(np.prod(shape)) if shape else 1
    flat = {
        name: np.broadcast_to(getattr(chosen.workload, name), shape).reshape(-1)
        for name in FIELDS
        if np.ndim(getattr(chosen.workload, name))
    }
    out = {name: np.empty(size) for name in ("latency_s", "energy_wh_gpu", "flops", *REACH)}
    out["peak_memory_gib"] = np.full(size, np.nan)
    for start in range(0, size, CHUNK):
        part = slice(start, min(start + CHUNK, size))
        workload = replace(chosen.workload, **{name: a[part] for name, a in flat.items()})
        result = estimate(replace(chosen, workload=workload), operator_table)
        out["latency_s"][part] = result.latency_s
        out["energy_wh_gpu"][part] = joules_to_wh(result.energy_j)
        out["flops"][part] = result.flops
        reach = reach_of(chosen, result)
        out["call_bound"][part] = reach.call_bound
        out["beyond"][part] = reach.beyond
        if result.memory is not None:
            out["peak_memory_gib"][part] = result.memory.peak_gib
    return {name: column.reshape(shape) for name, column in out.items()}


def _with_intervals(
    np: Any, chosen: Scenario, columns: dict[str, Any], shape: Any
) -> dict[str, Any]:
    reach = Reach(
        model=chosen.model.name,
        call_bound=columns["call_bound"],
        beyond=columns["beyond"],
        changed=other_kernels(chosen.what_if),
        moved=moved_of(chosen, operator_table),
    )
    latency = interval(chosen.profile, reach, "latency", columns["latency_s"])
    energy = interval(chosen.profile, reach, "energy", columns["energy_wh_gpu"])
    found = dict(columns)
    for level, (low, high) in latency.items():
        found[f"latency_s_{level}_low"], found[f"latency_s_{level}_high"] = low, high
    found["energy_wh_gpu_95_low"], found["energy_wh_gpu_95_high"] = energy["95"]
    return {column: np.broadcast_to(found[column], shape) for column in COLUMNS}
