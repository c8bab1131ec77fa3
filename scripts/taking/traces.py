"""The operators of every component at its default size, as this machine's versions run them.

On the `meta` device, beside the shipped table evaluated at the same size: it was traced with other
versions.
"""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from kinowatt.facts.components import component
from kinowatt.facts.models import models
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory.expressions import evaluate
from kinowatt.theory.operators import flops_per_call
from kinowatt.theory.polynomial import Evaluator, parse
from kinowatt.theory.recipe import resolve
from kinowatt.theory.workload import make_workload
from taking.desk import Desk, Values

SECONDS = 35.0
NEEDS_S = 2.0
# What matters most first
ORDER = ("denoiser", "vae_decoder", "latent_upsampler", "text_encoder")
TOLERANCE = 1e-6  # of bytes and FLOPs, which are sums of whole numbers
Job = tuple[str, str, str, dict[str, int]]
Class = tuple[str, str, str, str]


def take(desk: Desk) -> None:
    """One line a component of a model; of what several models share, one."""
    for job in jobs(desk.options.twin):
        about = {"role": job[2], "variant": job[1], "point": job[3]}
        desk.attempt(("traces", job[0]), about, partial(compared, job), NEEDS_S)


def jobs(small: bool = False) -> list[Job]:
    """(model, table, role, symbols) of the passes of each model at its default size."""
    found: dict[tuple[str, str], Job] = {}
    for name, spec in models().items():
        if spec.form == "traced":
            for item in _passes(spec, small):
                table, point = spec.table(item.component), _point(item)
                found.setdefault((table, str(point)), (name, table, item.component, point))
    return sorted(found.values(), key=lambda job: ORDER.index(job[2]))


def _passes(spec: Any, small: bool) -> Iterator[Any]:
    """The first pass of each component."""
    size = {"height_px": 4 * spec.rules.size_multiple, "width_px": 4 * spec.rules.size_multiple}
    asked = size | {"frames": 9} if small else {}
    workload = make_workload(spec, **asked)
    preset = spec.preset("default")
    plan = resolve(spec, workload, spec.recipe(None, preset), preset.tiling)
    seen: set[str] = set()
    for item in plan.passes:
        if item.component not in seen:
            seen.add(item.component)
            yield item


def _point(item: Any) -> dict[str, int]:
    """Symbols of one forward; of a tiled decoder those of its first tile."""
    symbols = dict(item.symbols)
    if item.tiles is not None:
        symbols |= {"h": item.tiles.rows.groups[0][1], "w": item.tiles.columns.groups[0][1]}
    return {name: int(value) for name, value in symbols.items()}


def compared(job: Job) -> Values:
    """The differences between a live trace and the shipped table; none are the same operators."""
    _, table, role, point = job
    start_s = time.perf_counter()
    live, shipped = _live(table, role, point), _shipped(table, point)
    return {
        "shipped_versions": dict(operator_table(table).versions),
        "live": by_kind(live),
        "shipped": by_kind(shipped),
        "differences": differences(live, shipped),
        "seconds": time.perf_counter() - start_s,
    }


def _live(table: str, role: str, point: dict[str, int]) -> dict[Class, Counter[str]]:
    from kinowatt.lab.trace import Source, live_forward

    identity, _, dtype = table.rpartition(".")
    found = component(identity)
    source = Source(
        table=table,
        cls=found.cls,
        library=found.library,
        config=found.config,
        dtype=dtype,
        role=role,
    )
    totals: dict[Class, Counter[str]] = {}
    for event in live_forward(source, point):
        key = (event.kind, event.op, event.dtype, event.storage)
        totals.setdefault(key, Counter()).update(
            calls=1, bytes=event.nbytes, flops=int(flops_per_call(event.kind, event.dims))
        )
    return totals


def _shipped(table: str, point: dict[str, int]) -> dict[Class, Counter[str]]:
    """Row by row, before rows are summed up that no profile tells apart."""
    found = operator_table(table)
    values: Values = dict(point)
    for symbol, text in found.derived.items():
        values[symbol] = evaluate(text, values)
    rows = next(case.rows for case in found.cases if evaluate(case.when, values))
    number = Evaluator(values)
    totals: dict[Class, Counter[str]] = {}
    for row in rows:
        calls = number(parse(row.calls))
        dims = {name: number(parse(text)) for name, text in row.dims.items()}
        totals.setdefault((row.kind, row.op, row.dtype, row.storage), Counter()).update(
            calls=round(calls),
            bytes=round(number(parse(row.bytes))),
            flops=round(flops_per_call(row.kind, dims) * calls),
        )
    return totals


def by_kind(totals: dict[Class, Counter[str]]) -> dict[str, dict[str, int]]:
    """Calls, bytes and FLOPs of each kind of operator."""
    found: dict[str, Counter[str]] = {}
    for (kind, *_), each in totals.items():
        found.setdefault(kind, Counter()).update(each)
    return {kind: dict(each) for kind, each in sorted(found.items())}


def differences(live: dict[Class, Counter[str]], shipped: dict[Class, Counter[str]]) -> list[Any]:
    """Kinds of operators whose calls, bytes or FLOPs are not the same in both."""
    found = []
    for key in sorted({*live, *shipped}):
        mine, other = live.get(key, Counter()), shipped.get(key, Counter())
        unlike = [n for n in ("calls", "bytes", "flops") if not _same(mine[n], other[n])]
        if unlike:
            names = dict(zip(("kind", "op", "dtype", "storage"), key, strict=True))
            found.append(names | {n: {"live": mine[n], "shipped": other[n]} for n in unlike})
    return found


def _same(first: float, second: float) -> bool:
    return abs(first - second) <= TOLERANCE * max(abs(first), abs(second))
