"""`predict_many`: the same theory on arrays, chunk by chunk, without a loop over videos."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kinowatt.analysis.compiled import totals_of, with_settings
from kinowatt.analysis.predict import DEFAULT_GPU, scenario
from kinowatt.errors import InputError, require_extra
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.kernels import other_kernels
from kinowatt.theory.predict import Scenario, moved_of
from kinowatt.theory.profile import Reach, beyond, interval, sizes
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
TOTALS = ("latency_s", "energy_wh_gpu", "flops", "peak_memory_gib", *REACH)

Columns = dict[str, Any]
Part = tuple[Any, Columns]  # indexes of some rows, and their columns


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
    # As given: what was checked is a copy, in floats
    chosen = with_settings(chosen, {name: a for name, a in arrays.items() if a.shape})
    shape_of_forward = np.broadcast_shapes(
        *(np.shape(getattr(chosen.workload, n)) for n in FIELDS if n != "steps")
    )
    if int(np.prod(shape_of_forward)) < int(np.prod(shape)):
        fixed, per_step = _by_step(np, chosen, shape_of_forward)
        steps = np.asarray(chosen.workload.steps, float)
        columns = _with_intervals(
            chosen, {name: fixed[name] + per_step[name] * steps for name in fixed}
        )
    else:
        each = _parts(np, chosen, shape)
        parts = ((rows, _with_intervals(chosen, found)) for rows, found in each)
        columns = _joined(np, COLUMNS, parts, shape)
    return {name: np.broadcast_to(columns[name], shape) for name in COLUMNS}


def _array(np: Any, name: str, value: Any) -> Any:
    found = np.asarray(value)
    if found.dtype.kind not in "iuf":
        raise InputError(f"{name} must be numbers, not {found.dtype}")
    return found


def _by_step(np: Any, chosen: Scenario, shape: Any) -> tuple[Columns, Columns]:
    """Cost is linear in steps: evaluated at one and at two."""
    counts = (with_settings(chosen, {"steps": count}) for count in (1, 2))
    one, two = (_joined(np, TOTALS, _parts(np, each, shape), shape) for each in counts)
    per_step = {name: two[name] - one[name] for name in one}
    per_step |= dict.fromkeys(("peak_memory_gib", *REACH), np.zeros(()))
    return {name: one[name] - per_step[name] for name in one}, per_step


def _parts(np: Any, chosen: Scenario, shape: Any) -> Iterator[Part]:
    """`TOTALS` of all rows, part by part."""
    settings = {name: getattr(chosen.workload, name) for name in FIELDS}
    flat = {n: np.broadcast_to(v, shape).reshape(-1) for n, v in settings.items() if np.ndim(v)}
    for rows, found in totals_of(with_settings(chosen, flat), int(np.prod(shape))):
        reached = sizes(tokens=found["tokens"], megapixels=found["megapixels"])
        columns = {
            **found,
            "energy_wh_gpu": joules_to_wh(found["energy_j"]),
            "beyond": sum(beyond(chosen.profile, reached).values()),
        }
        if found["peak_memory_gib"] is None:
            columns["peak_memory_gib"] = np.nan
        yield rows, columns


def _joined(np: Any, names: Iterable[str], parts: Iterable[Part], shape: Any) -> Columns:
    """Whole columns of these names."""
    joined = {name: np.empty(int(np.prod(shape))) for name in names}
    for rows, columns in parts:
        for name, column in joined.items():
            column[rows] = columns[name]
    return {name: column.reshape(shape) for name, column in joined.items()}


def _with_intervals(chosen: Scenario, columns: Columns) -> Columns:
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
    return found
