"""How an operator's kernel walks its operands: what vector loads need, and what spoils them.

PyTorch's element-wise kernels load several elements at once only where every operand lies in memory
in the order of the result and has its dtype. What is otherwise decides their bandwidth as much as
bytes do.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch

DENSE = "dense"  # every operand one block, in the order of the result
UNEVEN = "uneven"  # an operand is repeated (broadcast), or of another dtype
ROWS = "rows"  # an operand in pieces, or every second element: parts of what is fetched are unused
TRANSPOSED = "transposed"  # neighbours of the result lie far apart in an operand
ORDER = (DENSE, UNEVEN, ROWS, TRANSPOSED)  # from the fastest
NEAR = 8  # elements between neighbours within which one fetch still serves several
WALKED = frozenset({"pointwise", "copy"})
JOINED_AXES = 4  # up to which `cat` has a kernel of its own; beyond, each piece is copied by itself


def access_of(
    kind: str, ins: Sequence[torch.Tensor], outs: Sequence[torch.Tensor], op: str = ""
) -> str:
    """The least favourable access among the operands; other kinds have kernels of their own."""
    if kind not in WALKED or not outs:
        return DENSE
    least = UNEVEN if op == "cat" and outs[0].dim() > JOINED_AXES else DENSE
    shape = outs[0].shape
    operands = [t for t in (*ins, *outs) if t.numel() > 1]
    found = [_own(t) if t.dim() > len(shape) or not _fits(t, shape) else None for t in operands]
    alone = [access for access in found if access is not None]
    joined = [_seen(t, shape) for t, access in zip(operands, found, strict=True) if access is None]
    strides = outs[0].stride()
    axes = sorted(range(len(shape)), key=lambda axis: -strides[axis])
    along = [_along([(shape[i], seen[i]) for i in axes if shape[i] > 1]) for seen in joined]
    mixed = kind == "pointwise" and len({t.dtype for t in operands}) > 1
    return max([*alone, *along, least, UNEVEN if mixed else DENSE], key=ORDER.index)


def _fits(tensor: torch.Tensor, shape: torch.Size) -> bool:
    """Whether it can be seen in the result's shape; pieces of a concatenation cannot."""
    sizes = zip(reversed(tensor.shape), reversed(shape), strict=False)
    return all(own in (1, other) for own, other in sizes)


def _seen(tensor: torch.Tensor, shape: torch.Size) -> list[int]:
    """Its strides in the result's shape, 0 where it is repeated."""
    own = zip(tensor.shape, tensor.stride(), shape[len(shape) - tensor.dim() :], strict=True)
    repeated = [0] * (len(shape) - tensor.dim())
    return repeated + [stride if size == wanted else 0 for size, stride, wanted in own]


def _own(tensor: torch.Tensor) -> str:
    return _along([(n, s) for n, s in zip(tensor.shape, tensor.stride(), strict=True) if n > 1])


def _along(walk: Sequence[tuple[int, int]]) -> str:
    """`walk`: sizes and strides from the slowest axis of the result to the fastest."""
    if not walk:
        return DENSE
    strides = [stride for _, stride in walk]
    if 0 in strides:
        return UNEVEN
    dense = strides[-1] == 1 and all(
        outer == inner * size for (_, outer), (size, inner) in pairwise(walk)
    )
    if dense:
        return DENSE
    return ROWS if strides[-1] <= NEAR else TRANSPOSED
