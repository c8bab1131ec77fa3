"""Calls of operators as torch's profiler saw them inside a forward: operands and kernels' seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from math import prod
from typing import Any

from kinowatt.analysis.own.lines import Line

ITEM_BYTES = {"c10::BFloat16": 2, "c10::Half": 2, "float": 4}
GROUPS = ("attention", "linear", "convolution", "norms of tokens", "group norms", "memory")
# By a part of an operator's name, of aten's as of the tables'
_NAMED = {
    "attention": "attention",
    "convolution": "convolution",
    "group_norm": "group norms",
    "layer_norm": "norms of tokens",
    "rms_norm": "norms of tokens",
}
_PRODUCTS = ("addmm", "mm", "bmm", "linear")


@dataclass(frozen=True, kw_only=True, slots=True)
class Operand:
    """A tensor: sizes and strides in elements by dimension, bytes of an element."""

    dims: tuple[int, ...]
    strides: tuple[int, ...]
    item_bytes: int

    @property
    def nbytes(self) -> int:
        """Of memory that is looked at: what is repeated along a dimension counts once."""
        return self.item_bytes * prod(
            n for n, step in zip(self.dims, self.strides, strict=True) if step
        )

    @property
    def steps(self) -> tuple[int, ...]:
        """Dimensions that are walked, by stride, the innermost first."""
        walked = [i for i, n in enumerate(self.dims) if n > 1]
        return tuple(sorted(walked, key=lambda i: self.strides[i]))

    @property
    def packed(self) -> bool:
        """Whether it fills the memory that it spans."""
        ends = (s * (n - 1) for n, s in zip(self.dims, self.strides, strict=True))
        return 1 + sum(ends) == prod(self.dims)

    @property
    def innermost(self) -> int:
        """The stride between neighbours."""
        return min((self.strides[i] for i in self.steps), default=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """Calls alike in one forward: how many, and the seconds of all their kernels."""

    op: str
    operands: tuple[Operand, ...]
    kernels: tuple[str, ...]
    calls: int
    seconds: float

    @property
    def group(self) -> str:
        return "convolution" if self.adds_bias else group_of(self.op)

    @property
    def adds_bias(self) -> bool:
        """cuDNN leaves the bias of a convolution to an `add_` of one value for each channel."""
        if self.op != "add_" or len(self.operands) != 2:
            return False
        to, bias = (operand.dims for operand in self.operands)
        alone = all(n == 1 for i, n in enumerate(bias) if i != 1)
        return len(bias) == len(to) >= 4 and alone and bias[1] == to[1]


def group_of(op: str) -> str:
    """One of `GROUPS`, by the name of an operator."""
    if op in _PRODUCTS:
        return "linear"
    return next((group for part, group in _NAMED.items() if part in op), "memory")


def calls_of(line: Line) -> list[Call]:
    """Of one forward; operands that are lists of tensors have no sizes here."""
    return [
        Call(
            op=raw["op"] or "",
            operands=_operands(raw),
            kernels=tuple(raw["kernels"]),
            calls=raw["calls"],
            seconds=raw["seconds"],
        )
        for raw in line["calls"]
    ]


def _operands(raw: Mapping[str, Any]) -> tuple[Operand, ...]:
    given = zip_longest(raw["dims"], raw.get("strides", ()), raw["types"], fillvalue=())
    return tuple(
        Operand(dims=tuple(dims), strides=tuple(strides), item_bytes=ITEM_BYTES[dtype])
        for dims, strides, dtype in given
        if dtype in ITEM_BYTES
    )
