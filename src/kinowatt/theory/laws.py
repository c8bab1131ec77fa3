"""How long one call of an operator takes: a rate, what small sizes lose of it, and bandwidth.

A law has a handful of constants that mean something and is the same for every model. Seconds grow
with every size, but for one thing that was measured: keys that fill their tiles are faster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log2
from typing import Any

from kinowatt.errors import FactsError
from kinowatt.theory.expressions import larger
from kinowatt.theory.kernels import law_of_kernel
from kinowatt.theory.operators import ITEM_BYTES, Operator

Number = Any
HALF = ("bfloat16", "float16")
# Tensor cores do twice as many in eight bits (dense peaks of the datasheets); nobody here measured it
EIGHT_BITS = ("float8", "int8")
EIGHT_BIT_WORK = 0.5
WIDEST_FUSED = 256  # elements of a head that cuDNN and flash attention take
ROUND = 3  # how sharply the larger of compute and memory time wins; infinity: a plain maximum
SPILLING = 4  # how sharply a cache gives up: from a tenth to nine tenths within a factor of 3
TINY = 1e-90  # seconds to the power of ROUND
NEAR = 0.7  # binary logarithm of a ratio of sizes over which what was seen at a shape still counts
TRUST = 0.6  # weight of the law itself beside the shapes seen
KEYS_TILE = 128  # keys that a fused attention kernel takes at a time
SAME = 0.005  # squared distance below which a shape counts as one that was seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """What a shape that was measured by itself showed: seconds over the law's, as a logarithm."""

    at: tuple[float, ...]  # binary logarithms of the sizes named in the law's `axes`
    excess: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """Seconds of a call: `start_s` + the larger of FLOPs / rate and bytes / bandwidth.

    `rate_flops` in FLOP/s at the greatest clock (None for work that only moves memory) and
    `bandwidth_bytes_per_s` are those of large sizes; of each size in `halves` the rate loses half
    where the size is that small: rate / (1 + half / size). `axes`: constants of a layer (its
    widths, never the length of a video) along which `anchors` correct the law. `ragged`: by what
    share attention takes longer where its keys do not fill their last tile, since the kernel then
    masks what is not there. `spills`: sizes around which what was fetched leaves the cache
    before all of it was used, and what share of its seconds a call far beyond takes on top.
    """

    rate_flops: float | None
    bandwidth_bytes_per_s: float
    start_s: float
    halves: Mapping[str, float] = field(default_factory=dict)
    axes: tuple[str, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    ragged: float = 0.0
    spills: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    known: dict[tuple[float, ...], float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # by widths, which are few: what was worked out of `anchors`

    def parts(
        self, sizes: Mapping[str, Number], flops: Number, nbytes: Number
    ) -> tuple[Number, Number]:
        """Seconds of compute and of memory of one call, without its start."""
        return self.parts_beyond(exp(self.excess(sizes)), sizes, flops, nbytes)

    def parts_beyond(
        self, excess: Number, sizes: Mapping[str, Number], flops: Number, nbytes: Number
    ) -> tuple[Number, Number]:
        """`parts`, where it is known what anchors multiply them by."""
        loss = excess
        for name, half in self.halves.items():
            loss = loss * (1.0 + half / sizes[name])
        for name, (spill, most) in self.spills.items():
            lost = (sizes[name] / spill) ** SPILLING
            loss = loss * (1.0 + most * lost / (1.0 + lost))
        if self.ragged:
            loss = loss * (1.0 + self.ragged * (sizes["kv"] % KEYS_TILE != 0))
        if self.rate_flops is None:
            return 0.0, nbytes / self.bandwidth_bytes_per_s * loss
        return flops / self.rate_flops * loss, nbytes / self.bandwidth_bytes_per_s * excess

    def excess(self, sizes: Mapping[str, Number]) -> float:
        """Logarithm of measured over lawful seconds near these widths; 0 far from any."""
        widths = tuple(float(sizes[name]) for name in self.axes)
        if widths not in self.known:
            self.known[widths] = self._excess(widths)
        return self.known[widths]

    def _excess(self, widths: Sequence[float]) -> float:
        here = [log2(width) for width in widths]
        total, weight = 0.0, TRUST
        for anchor in self.anchors:
            distance = sum((a - b) ** 2 for a, b in zip(here, anchor.at, strict=True))
            near = exp(-distance / NEAR**2) / (distance + SAME)
            total, weight = total + near * anchor.excess, weight + near
        return total / weight


def at_once(compute_s: Number, memory_s: Number) -> tuple[Number, Number]:
    """Seconds of both, and the share of them that compute takes.

    They are the larger of both, a little more where they are alike: they overlap imperfectly.
    """
    # Products, since a power takes as long as ten of them
    compute, memory = compute_s * compute_s * compute_s, memory_s * memory_s * memory_s
    both = compute + memory
    return both ** (1.0 / ROUND), compute / (both + TINY)


def larger_of(compute_s: Number, memory_s: Number) -> Number:
    """Seconds of both at once."""
    return at_once(compute_s, memory_s)[0]


def law_names(operator: Operator) -> Sequence[str]:
    """The laws that an operator may follow, the closest first."""
    return _NAMES.get(operator.kind, _memory)(operator)


def law_of(operator: Operator, laws: Mapping[str, Law]) -> Law:
    """The closest law that a profile has; `FactsError` where it has none: no operator is free."""
    names = law_names(operator)
    for name in names:
        if name in laws:
            return laws[name]
    raise FactsError(f"no law for {operator.kind} {operator.op}: none of {', '.join(names)}")


def sizes_of(operator: Operator) -> dict[str, Number]:
    """The sizes of one call by the names that laws use; at least 1, also of calls that a tile does
    not make."""
    return {name: larger(size, 1.0) for name, size in _sizes(operator).items()}


def _sizes(operator: Operator) -> dict[str, Number]:
    d = operator.dims
    if operator.kind == "linear":
        return {"k": d["k"], "n": d["n"], "tiles": d["batch"] * d["m"] * d["n"]}
    if operator.kind == "attention":
        rows = d["batch"] * d["heads"] * d["q"]
        lengths = {"q": d["q"], "kv": d["kv"], "rows": rows}
        return {"head": d["head"], "heads": d["heads"], **lengths}
    if operator.kind == "convolution":
        cin, cout = d["cin"], d["cout"]
        return {"cin": cin, "cout": cout, "kernel": d["kernel"], "outputs": d["voxels"] * cout}
    width = d.get("row", 1)
    made = operator.calls + (operator.calls == 0)
    elements = bytes_of(operator) / made / 2 / ITEM_BYTES.get(operator.dtype, 4)
    plane = {"plane": d["plane"]} if "plane" in d else {}
    return {"width": width, "rows": elements / width, **plane}


def bytes_of(operator: Operator) -> Number:
    """Bytes of all calls; 0 of a published model that states none."""
    return 0.0 if operator.bytes is None else operator.bytes


def _half(operator: Operator) -> bool:
    return operator.dtype in HALF


def _linear(operator: Operator) -> Sequence[str]:
    half = _half(operator) or operator.dtype in EIGHT_BITS
    return ("linear",) if half else ("linear.float32",)


def _attention(operator: Operator) -> Sequence[str]:
    kernel = operator.op.partition(".")[2]
    if kernel:  # a what-if asks for this one: no other stands in for it
        return (law_of_kernel(kernel),)
    if not _half(operator):
        # Without tensor cores; where no microbench has it, at the rate of products in float32
        return ("attention.float32", "linear.float32", "attention")
    # Wider heads fit no fused kernel but one that keeps less of them at hand
    wide = float(operator.dims["head"]) > WIDEST_FUSED
    return ("attention.wide", "attention") if wide else ("attention",)


def _convolution(operator: Operator) -> Sequence[str]:
    # PyTorch's default: convolutions of float32 run in TF32
    return ("convolution",) if _half(operator) else ("convolution.tf32",)


def _norm(operator: Operator) -> Sequence[str]:
    name = operator.op.removeprefix("native_")
    both = (f"norm.{name}", f"norm.{name}.float32")
    return both if _half(operator) else both[::-1]


def _widths(operator: Operator) -> tuple[int, int]:
    """Bytes of an element that is read, and of one that is written."""
    return ITEM_BYTES.get(operator.dtype, 4), ITEM_BYTES.get(operator.storage, 4)


def _copy(operator: Operator) -> Sequence[str]:
    if operator.access in _SCATTERED:
        own = ("copy.pairs",) if operator.op == "stack" else ()
        if "plane" in operator.dims:  # channels innermost to channels outermost
            own = ("copy.images",)
        return (*own, *_SCATTERED[operator.access], "copy")
    if operator.access == "uneven":  # pieces joined, or repeated, element by element
        return (*_uneven(operator), "copy")
    read, written = _widths(operator)
    if read == written:
        return ("copy",)
    # PyTorch widens element by element, and narrows by vectors
    return ("copy.up", "copy") if written > read else ("copy.down", "copy")


def _pointwise(operator: Operator) -> Sequence[str]:
    if operator.access in _SCATTERED:
        own = ("pointwise.transposed",) if operator.access == "transposed" else ()
        return (*own, "pointwise.rows", *_SCATTERED[operator.access], "pointwise")
    if operator.access != "uneven":
        return ("pointwise",)
    read, written = _widths(operator)
    if read != written:
        return ("pointwise.mixed", "pointwise")
    return (*_uneven(operator), "pointwise")


def _uneven(operator: Operator) -> Sequence[str]:
    wide = () if _half(operator) else ("pointwise.uneven.float32",)
    return (*wide, "pointwise.uneven")


def _pad(operator: Operator) -> Sequence[str]:
    if "replication" not in operator.op:
        return ("pad",)
    volume = ("pad.replication3d",) if operator.op.endswith("3d") else ()
    return (*volume, "pad.replication", "pad")


def _resample(operator: Operator) -> Sequence[str]:
    volume = ("resample.3d",) if operator.op.endswith("3d") else ()
    wide = () if _half(operator) else ("resample.float32",)
    return (*volume, *wide, "resample", "pointwise")


# Nothing is loaded by vectors; of what is fetched a part is not used
_SCATTERED = {"rows": ("copy.rows",), "transposed": ("copy.transposed", "copy.rows")}


def _memory(operator: Operator) -> Sequence[str]:
    return (operator.kind, "pointwise")


_NAMES = {
    "linear": _linear,
    "attention": _attention,
    "convolution": _convolution,
    "norm": _norm,
    "copy": _copy,
    "pad": _pad,
    "pointwise": _pointwise,
    "resample": _resample,
}
