"""The operators of every component as this machine's software runs them, beside the shipped tables.

Components are traced on `meta`: CPU alone, no weights. A line for each table and size has the
sums, and each operator whose calls, FLOPs or bytes are not those of the table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch

from experiments.equipment import Key, Log, Part, asked
from kinowatt.errors import InputError
from kinowatt.facts.components import component
from kinowatt.facts.models import models
from kinowatt.facts.operator_tables import OperatorTable, TableRow, operator_table
from kinowatt.lab.trace import Source, open_module
from kinowatt.lab.tracing.components import Adapter
from kinowatt.lab.tracing.recorder import Event, record_forward
from kinowatt.theory.expressions import evaluate
from kinowatt.theory.operators import flops_per_call
from kinowatt.theory.polynomial import Evaluator, parse

Name = tuple[str, str, str, str]  # kind, op, dtype, storage
QUANTITIES = ("calls", "flops", "bytes")
TOLERANCE = 1e-6  # polynomials with divisors are rounded
ROLES = {
    spec.table(role): role
    for spec in models().values()
    if spec.form == "traced"
    for role in spec.components
}
TEXT_TOKENS = {"t5-xxl": 226, "umt5-xxl": 512, "clip-l": 77}
VALID_TOKENS = 40
# Sizes (f, h, w) at which no table was built; text encoders are given f prompts instead
SIZES: Mapping[str, Sequence[tuple[int, int, int]]] = {
    "denoiser": ((4, 18, 22), (9, 30, 26), (7, 60, 90)),
    "vae_decoder": ((4, 14, 10), (6, 8, 18)),
    "latent_upsampler": ((4, 10, 14), (6, 12, 8)),
    "text_encoder": ((1, 0, 0), (2, 0, 0)),
}
COST_S: Mapping[str, float] = {}  # no GPU


@dataclass(frozen=True, slots=True)
class Sums:
    """All calls of one operator in one forward."""

    calls: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0

    def plus(self, calls: float, flops: float, nbytes: float) -> "Sums":
        return Sums(self.calls + calls, self.flops + flops, self.bytes + nbytes)


Found = dict[Name, Sums]


def point_of(table: str, size: tuple[int, ...]) -> dict[str, int]:
    """The symbols of a table at one size."""
    name = table.rpartition(".")[0]
    f, h, w = size
    if ROLES[table] == "text_encoder":
        return {"b": f, "l": TEXT_TOKENS[name]}
    text = 226 if "cogvideox" in name else 256 if "mochi" in name else 77
    return {"f": f, "h": h, "w": w, "b": 1, "l": text, "v": VALID_TOKENS}


@lru_cache(maxsize=1)
def opened(table: str) -> tuple[torch.nn.Module, Adapter]:
    """The real module of a table on `meta`."""
    found = component(table.rpartition(".")[0])
    return open_module(
        Source(
            table=table,
            cls=found.cls,
            library=found.library,
            config=found.config,
            dtype=table.rpartition(".")[2],
            role=ROLES[table],
        )
    )


def _summed(of: Iterable[tuple[Name, float, float, float]]) -> Found:
    found: Found = {}
    for name, *numbers in of:
        found[name] = found.get(name, Sums()).plus(*numbers)
    return found


def traced(events: Iterable[Event]) -> Found:
    """What a trace ran, summed by operator."""
    return _summed(
        ((e.kind, e.op, e.dtype, e.storage), 1, flops_per_call(e.kind, e.dims), e.nbytes)
        for e in events
    )


def shipped(table: OperatorTable, point: Mapping[str, int]) -> Found:
    """What a table says, summed by operator; of its cases the first that holds."""
    values: dict[str, Any] = dict(point)
    for name, text in table.derived.items():
        values[name] = evaluate(text, values)
    case = next((case for case in table.cases if evaluate(case.when, values)), None)
    if case is None:
        raise InputError(f"operator table {table.id} has no case for {dict(point)}")
    at = Evaluator(values)
    return _summed(_numbers(row, lambda text: at(parse(text))) for row in case.rows)


def _numbers(row: TableRow, at: Callable[[str], float]) -> tuple[Name, float, float, float]:
    calls = at(row.calls)
    flops = flops_per_call(row.kind, {name: at(text) for name, text in row.dims.items()})
    return (row.kind, row.op, row.dtype, row.storage), calls, calls * flops, at(row.bytes)


def differences(here: Found, table: Found) -> list[dict[str, Any]]:
    """The operators that are not the same, those that move most bytes first."""
    found: list[dict[str, Any]] = []
    for name in {**table, **here}:
        now, then = here.get(name, Sums()), table.get(name, Sums())
        pairs = {q: (getattr(now, q), getattr(then, q)) for q in QUANTITIES}
        if any(abs(a - b) > TOLERANCE * max(a, b) for a, b in pairs.values()):
            values = {q: {"here": a, "shipped": b} for q, (a, b) in pairs.items()}
            found.append(dict(zip(("kind", "op", "dtype", "storage"), name, strict=True)) | values)
    return sorted(found, key=lambda each: -max(each["bytes"].values()))


def total(found: Found) -> Sums:
    whole = Sums()
    for sums in found.values():
        whole = whole.plus(sums.calls, sums.flops, sums.bytes)
    return whole


def compared(table: str, size: tuple[int, ...]) -> dict[str, Any]:
    """One table at one size."""
    module, adapter = opened(table)
    point = point_of(table, size)
    full = {**point, **adapter.derive(point)}
    call = adapter.call(module, getattr(torch, table.rpartition(".")[2]), full)
    known = operator_table(table)
    here, there = traced(record_forward(module, call, full.get("v"))), shipped(known, point)
    unlike, every = differences(here, there), len({**here, **there})
    totals = {"here": total(here), "shipped": total(there)}
    return {
        "told": f"{len(unlike)} of {every} operators differ",
        "shipped_versions": dict(known.versions),
        "point": point,
        "operators": every,
        "total": {q: {by: getattr(sums, q) for by, sums in totals.items()} for q in QUANTITIES},
        "differences": unlike,
    }


def parts(left: Iterable[Key]) -> Iterator[Part]:
    return ((part, partial(compared, part["table"], tuple(part["size"]))) for part in left)


def main(argv: Sequence[str] | None = None) -> None:
    wanted = asked(__doc__, COST_S, argv)
    log = Log("traces", wanted)
    sizes = [(table, size) for table, role in sorted(ROLES.items()) for size in SIZES[role]]
    log.carry_out(parts(log.left({"table": t, "size": list(s)} for t, s in sizes)))


if __name__ == "__main__":
    main()
