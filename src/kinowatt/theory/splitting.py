"""Convolutions that diffusers runs in pieces along time, because their input exceeds 2 GiB.

The VAEs of CogVideoX and Mochi do so (CogVideoXSafeConv3d): FLOPs stay, calls grow, and cutting,
overlapping and joining the pieces moves bytes.
"""

from dataclasses import replace
from typing import Any

from kinowatt.theory.expressions import ceil, floor, where
from kinowatt.theory.operators import ITEM_BYTES, Operator
from kinowatt.units import GIB

Number = Any
LIMIT_GIB = 2
COUNTED_BYTES = 2  # an element counts two bytes in the rule, whatever its dtype
_OVER_TIME = {27: 3}  # kernel volume → frames that a kernel reaches over


def split(operator: Operator) -> list[Operator]:
    """The operator as its pieces run, and the copies between them; on numbers and arrays.

    Only for convolutions whose dims hold `input` (elements of one call's input) and `depth` (its
    frames).
    """
    d = operator.dims
    size_gib = d["input"] * COUNTED_BYTES / GIB
    if hasattr(size_gib, "any") and not (size_gib > LIMIT_GIB).any():
        return [operator]
    wanted = where(size_gib > LIMIT_GIB, floor(size_gib / LIMIT_GIB) + 1, 1)
    first = ceil(d["depth"] / wanted)
    pieces = ceil(d["depth"] / first)
    more = pieces - 1
    item = ITEM_BYTES[operator.dtype]
    frame = d["input"] / d["depth"]
    overlap = more * (_reach(d["kernel"]) - 1) * frame
    weights = more * (d["cin"] * d["cout"] * d["kernel"] + d["cout"])
    overlapping = where(_reach(d["kernel"]) > 1, 1, 0)
    cut = overlapping * (more > 0) * (d["input"] - first * frame + overlap)
    joined = (more > 0) * d["voxels"] * d["cout"]
    calls = operator.calls
    convolution = replace(
        operator,
        calls=calls * pieces,
        bytes=operator.bytes + calls * item * (overlap + weights),
    )
    copies = replace(
        operator,
        kind="copy",
        op="cat",
        dims={"row": 1},
        calls=calls * (more * overlapping + (more > 0)),
        flops=0.0,
        bytes=calls * item * 2 * (cut + joined),
    )
    return [convolution, copies]


def _reach(kernel: float) -> int:
    return _OVER_TIME.get(int(kernel), 1)
