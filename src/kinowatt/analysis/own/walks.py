"""Bandwidth of element-wise kernels by how they walk their operands, in forwards and alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from kinowatt.analysis.own.calls import Call, Operand, calls_of
from kinowatt.analysis.own.lines import Line
from kinowatt.analysis.tables import Table
from kinowatt.units import MS_PER_S, TERA

ELEMENT_WISE = frozenset({"add", "sub", "mul", "div", "neg", "pow", "gelu", "silu", "copy_"})
# Bytes of a call below which what it moves fits the cache (50 MB on an H100)
BEYOND_CACHE = 50e6
HEAD = 16  # elements that stay together in a copy of heads
# What the microbench has of each walk: operators and dtypes, at their largest
POINTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "dense": (("add", "bfloat16"), ("mul", "bfloat16"), ("add", "float32"), ("mul", "float32")),
    "broadcast, 16 bit": (("mul_row", "bfloat16"), ("add_row", "bfloat16")),
    "broadcast, float32": (("mul_row", "float32"), ("add_row", "float32")),
    "mixed dtypes": (("mul_mixed", "bfloat16"),),
    "every second element read": (("mul_every_second", "bfloat16"),),
    "every second element written": (("copy_every_second", "float32"),),
    "widening cast": (("to_float32", "bfloat16"),),
    "narrowing cast": (("to_bfloat16", "float32"),),
    "heads transposed": (("heads", "bfloat16"), ("narrow_heads", "bfloat16")),
    "innermost transposed": (("transpose", "bfloat16"),),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Walked:
    """Calls of one walk in all forwards, and the bandwidths of the microbench's points."""

    walk: str
    calls: Sequence[Call]
    points: Sequence[float]

    @property
    def seconds(self) -> float:
        return sum(call.seconds for call in self.calls)

    @property
    def bandwidth(self) -> float:
        """Bytes per second, over all calls."""
        return bandwidth(self.calls)

    @property
    def range(self) -> tuple[float, float]:
        """Slowest and fastest of calls alike."""
        each = [bandwidth([call]) for call in self.calls]
        return min(each), max(each)


def walked(lines: Iterable[Line], bench: Mapping[str, Any]) -> list[Walked]:
    """Of calls that move more than the cache holds."""
    found: dict[str, list[Call]] = {}
    for call in large_calls(lines):
        found.setdefault(walk_of(call) or "", []).append(call)
    return [
        Walked(walk=walk, calls=found[walk], points=[_point(bench, *which) for which in points])
        for walk, points in POINTS.items()
        if walk in found
    ]


def large_calls(lines: Iterable[Line]) -> list[Call]:
    """Element-wise ones of all forwards that move more than the cache holds."""
    calls = [call for line in lines if "calls" in line for call in calls_of(line)]
    return [call for call in calls if _element_wise(call) and moved(call) >= BEYOND_CACHE]


def _element_wise(call: Call) -> bool:
    """Copies by the device's own engine are no kernels."""
    named = call.op in ELEMENT_WISE or call.op.removesuffix("_") in ELEMENT_WISE
    return named and bool(call.operands) and "Memcpy" not in call.kernels[0]


def walk_of(call: Call) -> str | None:
    """One of `POINTS`; None for a walk that the microbench does not have."""
    if call.op == "copy_":
        return _copied(*call.operands[:2])
    wide, narrow = _widths(call)
    full = [each for each in call.operands if prod(each.dims) == _elements(call)]
    if any(each.innermost == 2 for each in full):
        return "every second element read"
    if wide != narrow:
        return "mixed dtypes"
    if len(full) < len(call.operands) or any(0 in each.strides for each in full):
        return "broadcast, 16 bit" if wide == 2 else "broadcast, float32"
    return "dense" if _alike(full) else None


def _copied(to: Operand, source: Operand) -> str | None:
    if to.innermost == 2 and source.innermost == 1:
        return "every second element written"
    if to.item_bytes != source.item_bytes:
        wider = "widening cast" if to.item_bytes > source.item_bytes else "narrowing cast"
        return wider if _alike((to, source)) else None
    if to.steps == source.steps or 0 in source.strides:
        return None
    if to.item_bytes != 2:
        return None
    whole = to.steps[0] == source.steps[0] and to.dims[to.steps[0]] >= HEAD
    return "heads transposed" if whole else "innermost transposed"


def _alike(operands: Sequence[Operand]) -> bool:
    """Whether all are walked in one order, without holes."""
    first = operands[0]
    return first.packed and all(each.strides == first.strides for each in operands)


def _widths(call: Call) -> tuple[int, int]:
    widths = [operand.item_bytes for operand in call.operands]
    return max(widths), min(widths)


def _elements(call: Call) -> int:
    return max(prod(operand.dims) for operand in call.operands)


def moved(call: Call) -> int:
    """Bytes of one call: what is read of its operands, and what is written."""
    read = sum(operand.nbytes for operand in call.operands)
    if call.op == "copy_":
        return read  # its first operand is what it writes
    if call.op.endswith("_"):
        return read + call.operands[0].nbytes
    return read + _elements(call) * _widths(call)[0]


def bandwidth(calls: Sequence[Call]) -> float:
    """Bytes per second, over all of them."""
    return sum(moved(call) * call.calls for call in calls) / sum(call.seconds for call in calls)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """Copies of images with channels innermost to images with channels outermost."""

    height: int
    width: int
    fewest: int  # elements of a call
    most: int
    seconds: float
    bandwidth: float


def planes(calls: Iterable[Call]) -> list[Plane]:
    """By size of the image, largest first."""
    by_size: dict[tuple[int, int], list[Call]] = {}
    for call in filter(_channels_out, calls):
        height, width = call.operands[0].dims[2:]
        by_size.setdefault((height, width), []).append(call)
    return [
        Plane(
            height=height,
            width=width,
            fewest=min(map(_elements, alike)),
            most=max(map(_elements, alike)),
            seconds=sum(c.seconds for c in alike),
            bandwidth=bandwidth(alike),
        )
        for (height, width), alike in sorted(by_size.items(), reverse=True)
    ]


def _channels_out(call: Call) -> bool:
    strides = [operand.strides for operand in call.operands]
    images = call.op == "copy_" and len(strides[0]) == 4
    return images and strides[0][3] == strides[1][1] == 1 != strides[1][3]


def _point(bench: Mapping[str, Any], op: str, dtype: str) -> float:
    """Bytes per second of the largest of its points."""
    found = [
        point
        for point in bench["points"]
        if (point["family"], point["op"], point["dtype"]) == ("memory", op, dtype)
    ]
    largest = max(found, key=lambda point: point["bytes"])
    return float(largest["bytes"] / largest["burst"]["seconds_per_call"])


def walks_table(found: Sequence[Walked]) -> Table:
    rows = [_row(each) for each in found]
    return Table(
        name="operators_walks",
        title="Bandwidth of element-wise kernels by how they walk operands",
        rows=tuple(rows),
        notes=(
            f"Calls that move at least {BEYOND_CACHE / 1e6:.0f} MB, so that no cache holds them. Bytes"
            " are those of elements that are looked at, read and written; what is repeated counts"
            " once. Kernels: calls alike. Slowest, fastest: of these.",
            "Microbench: the largest of its points of that walk, alone on another H100; the mean"
            " where it has several.",
        ),
    )


def _row(each: Walked) -> dict[str, Any]:
    slowest, fastest = each.range
    alone = sum(each.points) / len(each.points)
    return {
        "walk": each.walk,
        "kernels": len(each.calls),
        "calls": sum(call.calls for call in each.calls),
        "in_all_ms": MS_PER_S * each.seconds,
        "measured_tb_per_s": each.bandwidth / TERA,
        "slowest_tb_per_s": slowest / TERA,
        "fastest_tb_per_s": fastest / TERA,
        "microbench_tb_per_s": alone / TERA,
        "against_it_pct": 100.0 * (each.bandwidth / alone - 1.0),
    }
