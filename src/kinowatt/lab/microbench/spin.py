"""A kernel of one thread block that spins for a number of its GPU's cycles; needs Triton and CUDA."""

from typing import Any

import triton
import triton.language as tl


def _spin(out, at, cycles):  # type: ignore[no-untyped-def]  # Triton reads annotations as its own
    """Nanoseconds and cycles of it to `out`, at an index, as 64-bit integers."""
    first_ns = tl.inline_asm_elementwise(
        "mov.u64 $0, %globaltimer;", "=l", [], dtype=tl.int64, is_pure=False, pack=1
    )
    first = tl.inline_asm_elementwise(
        "mov.u64 $0, %clock64;", "=l", [], dtype=tl.int64, is_pure=False, pack=1
    )
    last = first
    while last - first < cycles:
        last = tl.inline_asm_elementwise(
            "mov.u64 $0, %clock64;", "=l", [], dtype=tl.int64, is_pure=False, pack=1
        )
    last_ns = tl.inline_asm_elementwise(
        "mov.u64 $0, %globaltimer;", "=l", [], dtype=tl.int64, is_pure=False, pack=1
    )
    tl.store(out + at, last_ns - first_ns)
    tl.store(out + at + 1, last - first)


spin: Any = triton.jit(_spin)
