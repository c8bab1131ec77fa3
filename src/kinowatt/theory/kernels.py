"""Other kernels for the same work: those of attention, and blocks that torch compiled."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from kinowatt.errors import InputError
from kinowatt.theory.expressions import larger, smaller
from kinowatt.theory.operators import COMPUTE_KINDS, ITEM_BYTES, SYNCHRONISING, Operator

Number = Any
# Names of `torch.nn.attention`; a learned profile has laws for those that its microbench ran
KERNELS = ("cudnn", "flash", "efficient")
BRANCHES = ("self_attention", "cross_attention", "mlp")
# Tensors of tokens by width: the norm reads the residual and writes what the branch works on; the
# gated sum reads the branch's result and the residual and writes the residual
RESIDUAL_TENSORS = 5
RESIDUAL_KERNELS = 2
# What works with a result whose size only the GPU knows
GATHERING = frozenset({"index", "cat", "constant_pad_nd"})
# A rotary embedding is two products with angles and their sum: of nine tensors two are angles
ANGLES = 2 / 9


def other_kernels(what_if: Mapping[str, str]) -> bool:
    """Whether a change makes other kernels run than those that rows were measured with."""
    return "compile" in what_if or what_if.get("attention") in KERNELS


def law_of_kernel(kernel: str) -> str:
    """The name of the law that a kernel of attention follows in a learned profile."""
    return f"attention.{kernel}"


def known_kernels(laws: Mapping[str, Any]) -> list[str]:
    """The kernels of attention that a profile has laws for."""
    return [kernel for kernel in KERNELS if law_of_kernel(kernel) in laws]


def with_kernel(operators: Sequence[Operator], kernel: str) -> list[Operator]:
    """The denoiser's attention by one kernel; decoders have heads that it may not take."""
    return [
        replace(o, op=f"{o.op}.{kernel}") if o.stage == "denoiser" and o.kind == "attention" else o
        for o in operators
    ]


def through_memory(operators: Sequence[Operator]) -> list[Operator]:
    """`math` writes the scores, reads and writes them in the softmax, and reads them again."""
    found = list(operators)
    for o in operators:
        if o.kind == "attention" and o.bytes is not None:
            scores = o.flops / (4 * o.dims["head"])
            moved = 4 * scores * ITEM_BYTES[o.dtype]
            extra = replace(o, kind="softmax", op="softmax", flops=0.0, dims={"row": o.dims["kv"]})
            found.append(replace(extra, calls=2 * o.calls, bytes=moved))
    return found


def compiled_blocks(operators: Sequence[Operator]) -> list[Operator]:
    """Transformer blocks in which all that lies between two products of matrices is one kernel.

    Linear layers and attention keep their kernels. Between them nothing is written that no product
    reads: each branch of a block has its norm and its gated sum, attention its queries and keys
    between projection and product, an MLP its hidden activations. Where attention picks tokens by a
    size that only the GPU knows (Mochi), torch breaks its graph, and what gathers there stays.
    `InputError` where the denoiser is no transformer, or nothing is known of its bytes.
    """
    blocks = _blocks(operators)
    broken = {o.source for o in operators if o.op in SYNCHRONISING}
    found = [o for o in operators if _gathers(o, broken) or not _fused_away(o, blocks)]
    for source in blocks:
        mine = [o for o in operators if o.source == source and o.stage == "denoiser"]
        for branch in BRANCHES:
            found += _fused(branch, [o for o in mine if o.part == branch], blocks[source])
    return found


def _blocks(operators: Sequence[Operator]) -> dict[str, Number]:
    """By pass of the denoiser: how many blocks it runs in all."""
    found: dict[str, Number] = {}
    wide: dict[str, Number] = {}
    convolutions: Number = 0.0
    for o in operators:
        if o.stage == "denoiser" and o.part == "self_attention" and o.kind == "attention":
            found[o.source] = found.get(o.source, 0.0) + o.calls
        if o.stage == "denoiser" and o.part == "mlp" and o.kind == "linear":
            wide[o.source] = larger(wide.get(o.source, 0.0), o.calls)
        if o.stage == "denoiser" and o.kind == "convolution":
            convolutions = convolutions + o.calls
    known = all(o.bytes is not None for o in operators)
    # A transformer has one convolution a forward, into patches; a UNet has them in every block
    if not known or not found or _all(convolutions >= sum(found.values())):
        raise InputError("compile=blocks is known for transformers alone, with their bytes")
    # Where videos of a batch attend one after another, a block has more calls of attention than one
    return {source: smaller(calls, wide.get(source, calls)) for source, calls in found.items()}


def _in_blocks(operator: Operator, blocks: Mapping[str, Number]) -> bool:
    """Outside of blocks an operator runs once or twice a forward."""
    if operator.stage != "denoiser" or operator.source not in blocks:
        return False
    return _all(operator.calls >= blocks[operator.source])


def _all(truth: Number) -> bool:
    """Whether it holds for every video; `InputError` where it does for some."""
    if not hasattr(truth, "all"):
        return bool(truth)
    if truth.any() != truth.all():
        raise InputError(
            "compile=blocks of columns needs guidance in all rows or in none: ask for them apart"
        )
    return bool(truth.all())


def _gathers(operator: Operator, broken: Set[str]) -> bool:
    """Whether torch breaks its graph of a block there, so that the kernel stays."""
    return (
        operator.source in broken
        and operator.part == "self_attention"
        and operator.op in SYNCHRONISING | GATHERING
    )


def _fused_away(operator: Operator, blocks: Mapping[str, Number]) -> bool:
    return operator.kind not in COMPUTE_KINDS and _in_blocks(operator, blocks)


def _fused(branch: str, mine: Sequence[Operator], blocks: Number) -> Iterator[Operator]:
    """What is left of a branch besides its products: nothing where the model has no such branch."""
    products = [o for o in mine if o.kind == "linear" and not o.text_only]
    if not products:
        return
    attention = [o for o in mine if o.kind == "attention"]
    first = products[0]
    size = ITEM_BYTES[first.dtype]
    rows, k, n = first.dims["batch"] * first.dims["m"], first.dims["k"], first.dims["n"]
    calls = blocks if attention else first.calls
    moved = RESIDUAL_TENSORS * rows * smaller(k, n) * size * calls
    if attention:
        moved = moved + sum(2 * size * o.calls * _queries_and_keys(o.dims) for o in attention)
        moved = moved + sum(ANGLES * (o.bytes or 0.0) for o in mine if _turns(o))
    else:
        moved = moved + 2 * size * calls * rows * larger(k, n)
    yield replace(
        first,
        kind="pointwise",
        op=f"fused.{branch}",
        flops=0.0,
        dims={"row": 1},
        calls=calls * (RESIDUAL_KERNELS + (2 if attention else 1)),
        bytes=moved,
    )


def _turns(operator: Operator) -> bool:
    """Whether queries or keys are turned by angles as large as they are, which were worked out before
    the blocks and are read in each; smaller ones are repeated, and that is no dense product."""
    return operator.op == "mul" and operator.access == "dense"


def _queries_and_keys(dims: Mapping[str, Number]) -> Number:
    """Elements of both, of one call."""
    return dims["batch"] * dims["heads"] * dims["head"] * (dims["q"] + dims["kv"])
