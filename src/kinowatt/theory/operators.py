"""Operators with numbers: a table of symbolic rows evaluated at a workload.

The same code serves one workload (floats) and a million (arrays).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kinowatt.errors import FactsError, InputError
from kinowatt.facts.operator_tables import OperatorTable, TableRow
from kinowatt.theory.expressions import evaluate
from kinowatt.theory.polynomial import Evaluator, Number, Polynomial, add, parse

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# Kinds whose operators each follow a law of their own, and an operator that does
OF_THEIR_OWN = frozenset({"norm", "pad", "stack"})
COMPUTE_KINDS = ("linear", "attention", "convolution")
# Their results have sizes that only the GPU knows: the host waits for them inside a forward
SYNCHRONISING = frozenset({"nonzero"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """Calls of one operator that are alike, in one stage of one video.

    `calls`, `flops` and `bytes` are totals over all calls; `dims` are of one call (linear: batch,
    m, k, n; attention: batch, heads, q, kv, head; convolution: voxels, cin, cout, kernel; others:
    row, the width a norm works on). `bytes` is None where a published model states none. `access`:
    how a memory-bound operator's kernel walks its operands (`TableRow`).
    """

    stage: str
    source: str  # name of the pass
    part: str
    kind: str
    op: str
    dtype: str
    storage: str
    dims: Mapping[str, Number]
    calls: Number
    flops: Number
    bytes: Number | None
    access: str = "dense"
    text_only: bool = False  # works on text tokens alone, the same in every step


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledRow:
    """A table row with its polynomials parsed."""

    row: TableRow
    dims: Mapping[str, Polynomial]
    calls: Polynomial
    bytes: Polynomial
    text_only: bool


def flops_per_call(kind: str, dims: Mapping[str, Number]) -> Number:
    """FLOPs of one call (a multiply-add is 2), matrix products and convolutions only.

    Pointwise work, norms and softmax count 0 FLOPs by the convention of the field (paper,
    appendix A); their bytes and calls carry their cost.
    """
    d = dims
    if kind == "linear":
        return 2.0 * d["batch"] * d["m"] * d["k"] * d["n"]
    if kind == "attention":
        return 4.0 * d["batch"] * d["heads"] * d["q"] * d["kv"] * d["head"]
    if kind == "convolution":
        return 2.0 * d["voxels"] * d["cin"] * d["cout"] * d["kernel"]
    return 0.0


@lru_cache(maxsize=256)
def compiled(table: OperatorTable, index: int) -> tuple[CompiledRow, ...]:
    """One case of a table, parsed, with rows that no profile tells apart summed up."""
    return _merged(map(_compile, table.cases[index].rows))


def _compile(row: TableRow) -> CompiledRow:
    dims = {name: parse(text) for name, text in row.dims.items()}
    nbytes = parse(row.bytes)
    symbols = {symbol for monomial, _ in nbytes for symbol in monomial}
    return CompiledRow(
        row=row,
        dims=dims,
        calls=parse(row.calls),
        bytes=nbytes,
        text_only="l" in symbols and not symbols & {"f", "h", "w"},
    )


def _merged(rows: Iterable[CompiledRow]) -> tuple[CompiledRow, ...]:
    """Bytes and calls are additive, so memory-bound rows of one part, kind and dtype are one, but for
    operators with laws of their own."""
    alike: dict[object, list[CompiledRow]] = {}
    for row in rows:
        key: tuple[object, ...] = (row.row.part, row.row.kind, row.row.dtype, row.row.storage)
        own = row.row.op if row.row.kind in OF_THEIR_OWN or row.row.op in OF_THEIR_OWN else ""
        key += (row.row.access, row.text_only, own, _dims_key(row))
        alike.setdefault(key, []).append(row)
    return tuple(_sum(same) for same in alike.values())


def _dims_key(row: CompiledRow) -> object:
    return tuple((name, tuple(sorted(terms))) for name, terms in row.dims.items())


def _sum(rows: Sequence[CompiledRow]) -> CompiledRow:
    if len(rows) == 1:
        return rows[0]
    calls, nbytes = add(*(row.calls for row in rows)), add(*(row.bytes for row in rows))
    return replace(rows[0], calls=calls, bytes=nbytes)


def table_operators(
    table: OperatorTable, symbols: Mapping[str, Number], stage: str, source: str, times: Number = 1
) -> list[Operator]:
    """The operators of `times` forwards of a component.

    `symbols`: values (floats or arrays) of the table's symbols. Of several cases the first whose
    condition holds counts, element by element where symbols are arrays.
    """
    values = dict(symbols)
    for name, text in table.derived.items():
        values[name] = evaluate(text, values)
    operators: list[Operator] = []
    undecided: Number = 1
    for index, case in enumerate(table.cases):
        holds = evaluate(case.when, values)
        weight = undecided * holds * 1.0
        undecided = undecided * (1 - holds * 1)
        if _never(weight):
            continue
        if _always(weight):
            weight = 1.0
        evaluator = Evaluator(values)
        try:
            rows = compiled(table, index)
            operators += [_operator(row, evaluator, stage, source, times * weight) for row in rows]
        except InputError as error:
            raise FactsError(f"{table.id}.json: {error}") from None
    if not _never(undecided):
        raise InputError(f"operator table {table.id} has no case for {dict(symbols)}")
    return operators


def _never(weight: Number) -> bool:
    return not (weight.any() if hasattr(weight, "any") else weight)


def _always(weight: Number) -> bool:
    """Whether a weight, 0 or 1 and not never, is 1 in every row."""
    return bool(weight.all()) if hasattr(weight, "all") else True


def _operator(
    row: CompiledRow, evaluator: Evaluator, stage: str, source: str, times: Number
) -> Operator:
    dims = {name: evaluator(terms) for name, terms in row.dims.items()}
    calls = evaluator(row.calls) * times
    computes = row.row.kind in COMPUTE_KINDS
    return Operator(
        stage=stage,
        source=source,
        part=row.row.part,
        kind=row.row.kind,
        op=row.row.op,
        dtype=row.row.dtype,
        storage=row.row.storage,
        dims=dims,
        calls=calls,
        flops=flops_per_call(row.row.kind, dims) * calls if computes else 0.0,
        bytes=evaluator(row.bytes) * times,
        access=row.row.access,
        text_only=row.text_only,
    )
