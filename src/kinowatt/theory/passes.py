"""The operators of a whole plan: every pass, tile by tile, and what lies between them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kinowatt.facts.models import ModelSpec
from kinowatt.facts.operator_tables import OperatorTable
from kinowatt.theory import paper
from kinowatt.theory.operators import ITEM_BYTES, Operator, table_operators
from kinowatt.theory.recipe import Pass, Plan
from kinowatt.theory.splitting import split
from kinowatt.theory.tiling import RGB, TileGrid, seams
from kinowatt.theory.workload import Workload

Number = Any
Tables = Callable[[str], OperatorTable]
# of each blended line: two products and their sum (7 moves of it), and the copy into the tile (2)
_BLEND: Mapping[str, tuple[int, int]] = {"pointwise": (3, 7), "copy": (1, 2)}
# one more read and write to crop and to join a row, and again to join the rows
_JOIN_MOVES = 4


def plan_operators(
    model: ModelSpec, workload: Workload, plan: Plan, tables: Tables
) -> list[Operator]:
    """Every operator of one workload, with its stage and pass."""
    if model.form == "paper":
        return _published_operators(workload)
    operators: list[Operator] = []
    for item in plan.passes:
        operators += pass_operators(model, item, tables)
    return operators + _between(workload, plan)


def pass_operators(model: ModelSpec, item: Pass, tables: Tables) -> list[Operator]:
    """The operators of all calls of one pass."""
    table = tables(model.table(item.component))
    if item.tiles is None:
        return _run(table, item, item.symbols, item.calls)
    operators: list[Operator] = []
    for rows, h in item.tiles.rows.groups:
        for columns, w in item.tiles.columns.groups:
            times = item.calls * rows * columns
            if not (times.any() if hasattr(times, "any") else times):
                continue
            operators += _run(table, item, {**item.symbols, "h": h, "w": w}, times)
    return operators + _blending(item, item.tiles, table.dtype)


def _run(
    table: OperatorTable, item: Pass, symbols: Mapping[str, Number], times: Number
) -> list[Operator]:
    """The table's operators, with the convolutions that run in pieces cut."""
    found: list[Operator] = []
    for operator in table_operators(table, symbols, item.stage, item.name, times):
        found += split(operator) if "input" in operator.dims else [operator]
    return found


def _blending(item: Pass, tiles: TileGrid, dtype: str) -> list[Operator]:
    """Weighted sums along the seams, and joining the tiles, as diffusers does on the GPU."""
    pixel_frames = _pixel_frames(item)
    videos = item.symbols.get("b", 1) * item.calls
    cost = seams(tiles, pixel_frames)
    size = ITEM_BYTES[dtype]
    pixels = _pixels(tiles) * pixel_frames * RGB
    base = _memory_operator(item.stage, item.name, "copy", dtype)
    found = [
        replace(
            base,
            kind=kind,
            op=kind,
            calls=calls * cost.lines * item.calls,
            bytes=moves * cost.elements * size * videos,
        )
        for kind, (calls, moves) in _BLEND.items()
    ]
    joins = (tiles.rows.tiles + 1) * item.calls
    found.append(replace(base, calls=joins, bytes=_JOIN_MOVES * pixels * size * videos))
    again = tiles.rows.tiles * tiles.columns.tiles * (item.symbols.get("f", 1) - 1) * item.calls
    found += [
        replace(base, kind=kind, op=kind, dims=_NO_WORK.get(kind, base.dims), calls=again)
        for kind in tiles.tiling.frame_calls
    ]
    return found


# FLOPs and bytes of these calls are in the table already: there as one call, here as one a frame
_NO_WORK: Mapping[str, Mapping[str, int]] = {
    "convolution": {"voxels": 0, "cin": 0, "cout": 0, "kernel": 0}
}


def _pixel_frames(item: Pass) -> Number:
    return item.symbols.get("pixel_frames", 1)


def _pixels(tiles: TileGrid) -> Number:
    scale = tiles.tiling.scale
    height = sum(n * size for n, size in tiles.rows.groups)
    width = sum(n * size for n, size in tiles.columns.groups)
    return height * width * scale * scale


def _memory_operator(stage: str, source: str, kind: str, dtype: str) -> Operator:
    part = "vae_decoder" if stage == "vae_decoder" else "other"
    return Operator(
        stage=stage,
        source=source,
        part=part,
        kind=kind,
        op=kind,
        dtype=dtype,
        storage=dtype,
        dims={"row": 1},
        calls=0,
        flops=0.0,
        bytes=0.0,
    )


def _between(workload: Workload, plan: Plan) -> list[Operator]:
    """Post-processing of the video on the GPU: scale, shift, clamp and cast to float32."""
    effective = plan.effective
    elements = effective.frames * effective.height_px * effective.width_px * RGB
    base = _memory_operator("other", "postprocess", "pointwise", "float32")
    return [replace(base, calls=4 * workload.batch_size, bytes=32 * elements * workload.batch_size)]


_PAPER_KINDS: Mapping[str, tuple[str, str, str]] = {
    "text_encoder": ("text_encoder", "text_encoder", "linear"),
    "vae_convolution": ("vae_decoder", "vae_decoder", "convolution"),
    "vae_attention": ("vae_decoder", "vae_decoder", "attention"),
    "timestep": ("denoiser", "timestep", "linear"),
    "self_attention": ("denoiser", "self_attention", "attention"),
    "cross_attention": ("denoiser", "cross_attention", "attention"),
    "mlp": ("denoiser", "mlp", "linear"),
}


def _published_operators(workload: Workload) -> list[Operator]:
    """The paper's own formulas: FLOPs only, neither bytes nor calls are stated."""
    passes = 1 + (workload.guidance_scale > 1) * 1
    parts = paper.flops(
        workload.height_px, workload.width_px, workload.frames, workload.steps, passes
    )
    operators = []
    for name, flops in parts.items():
        stage, part, kind = _PAPER_KINDS[name]
        base = _memory_operator(stage, name, kind, "bfloat16")
        total = flops * workload.batch_size
        operators.append(replace(base, part=part, flops=total, bytes=None, dims={}))
    return operators
