"""Peak GPU memory (torch's `max_memory_allocated`): weights by component + live activations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.facts.models import ModelSpec
from kinowatt.theory.expressions import larger
from kinowatt.theory.operators import ITEM_BYTES
from kinowatt.theory.passes import Tables
from kinowatt.theory.polynomial import Evaluator, parse
from kinowatt.theory.recipe import Pass, Plan
from kinowatt.theory.tiling import RGB
from kinowatt.units import GIB

Number = Any
# cuBLAS takes its workspace from torch's allocator (32 MiB and a little on Hopper).
WORKSPACE_BYTES = 33 * 2**20
# cuDNN's workspaces come on top of what a decoder's activations hold: the median of nine decodes of
# five decoders on an H100, 0 to 34% (data/memory/h100-sxm.jsonl).
DECODER_WORKSPACE = 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """GiB by component (weights) and by stage (peak: resident weights + live activations)."""

    weights_gib: Mapping[str, float]
    stages_gib: Mapping[str, Number]
    peak_gib: Number


def peak_memory(model: ModelSpec, plan: Plan, tables: Tables, offload: str) -> Memory:
    """Peak by stage. With `offload="model"` only the running component's weights are resident."""
    weights = {role: tables(table).parameter_bytes for role, table in model.components.items()}
    stages: dict[str, Number] = {}
    for item in plan.passes:
        if item.component not in weights:
            continue
        resident = weights[item.component] if offload == "model" else sum(weights.values())
        live = _live_bytes(model, item, plan, tables)
        peak = (resident + live + WORKSPACE_BYTES) / GIB
        stages[item.stage] = larger(stages[item.stage], peak) if item.stage in stages else peak
    total: Number = 0.0
    for peak in stages.values():
        total = larger(total, peak)
    return Memory(
        weights_gib={role: size / GIB for role, size in weights.items()},
        stages_gib=stages,
        peak_gib=total,
    )


def _live_bytes(model: ModelSpec, item: Pass, plan: Plan, tables: Tables) -> Number:
    table = tables(model.table(item.component))
    polynomial = parse(table.live_bytes)
    extra = 1 + (DECODER_WORKSPACE if item.stage == "vae_decoder" else 0)
    if item.tiles is None:
        return extra * Evaluator(item.symbols)(polynomial)
    largest: Number = 0.0
    for _, h in item.tiles.rows.groups[:2]:
        for _, w in item.tiles.columns.groups[:2]:
            largest = larger(largest, Evaluator({**item.symbols, "h": h, "w": w})(polynomial))
    return extra * largest + _joined_bytes(item, plan, table.dtype)


def _joined_bytes(item: Pass, plan: Plan, dtype: str) -> Number:
    """All decoded tiles are kept until the last, then joined: about twice the video."""
    effective = plan.effective
    video = effective.frames * effective.height_px * effective.width_px * RGB * ITEM_BYTES[dtype]
    return 2 * video * item.symbols.get("b", 1)
