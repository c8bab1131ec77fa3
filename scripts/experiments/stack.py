"""Why today's software is faster: one forward of Wan-1.3B at 720x1280x81, made slow step by step.

The paper's 398 to 417 s are a hundred such forwards and a decoder. Layer norms run in float32
then as now and are left as they are; rotary embedding, the norms of queries and keys, and
attention kernels are not what they were.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from experiments.equipment import (
    Asked,
    Call,
    Key,
    Log,
    Part,
    asked,
    first_calls,
    open_lab,
    request_of,
    timed,
)
from kinowatt.lab.activations import watched
from kinowatt.lab.pipelines import denoiser_of
from kinowatt.lab.request import BACKENDS
from kinowatt.lab.session import Session

MODEL = "wan2.1-t2v-1.3b"
VIDEO = {"height_px": 720, "width_px": 1280, "frames": 81, "steps": 2}
Change = Callable[[torch.nn.Module], AbstractContextManager[None]]


def kernel(name: str) -> Change:
    """Only this kernel for attention."""

    @contextmanager
    def only(_: torch.nn.Module) -> Iterator[None]:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(getattr(SDPBackend, str(BACKENDS[name]))):
            yield

    return only


@contextmanager
def float64_rotary(denoiser: Any) -> Iterator[None]:
    """Queries and keys rotated as complex numbers of two float64.

    diffusers 0.34 did so; 0.42 multiplies by real float32 tables. The block's own rotation is
    left out, and the norms that stand before it rotate what they give.
    """
    turns: list[torch.Tensor] = []

    def note(_: object, __: object, tables: tuple[torch.Tensor, torch.Tensor]) -> None:
        cos, sin = (table[..., ::2].double() for table in tables)  # each stands there twice
        turns[:] = [torch.complex(cos, sin)]

    def leave_out(_: object, args: Any, kwargs: Any) -> tuple[Any, Any]:
        return (*args[:3], None), kwargs

    def rotate(_: object, __: object, normed: torch.Tensor) -> torch.Tensor:
        pairs = normed.double().unflatten(-1, (-1, turns[0].shape[-1], 2))
        rotated = torch.view_as_real(torch.view_as_complex(pairs) * turns[0])
        return rotated.flatten(2).type_as(normed)

    with ExitStack() as stack:
        stack.callback(denoiser.rope.register_forward_hook(note).remove)
        for block in denoiser.blocks:
            attention = block.attn1
            before = attention.register_forward_pre_hook(leave_out, with_kwargs=True)
            stack.callback(before.remove)
            for norm in (attention.norm_q, attention.norm_k):
                stack.callback(norm.register_forward_hook(rotate).remove)
        yield


@contextmanager
def composed_norms(denoiser: torch.nn.Module) -> Iterator[None]:
    """RMS norms as a chain of float32 operators: what PyTorch ran before it had one kernel."""
    norms = [part for part in denoiser.modules() if isinstance(part, torch.nn.RMSNorm)]

    def chain(norm: Any, x: torch.Tensor) -> torch.Tensor:
        wide = x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + norm.eps)
        return (normed * norm.weight.float()).type_as(x)

    for norm in norms:
        norm.forward = partial(chain, norm)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


@contextmanager
def compiled_blocks(denoiser: Any) -> Iterator[None]:
    """Every block compiled by itself; on a CPU without a compiler, since a twin shows no speed."""
    on_gpu = next(denoiser.parameters()).is_cuda
    denoiser.compile_repeated_blocks(backend="inductor" if on_gpu else "eager")
    try:
        yield
    finally:
        for block in denoiser.blocks:
            block._compiled_call_impl = None


VARIANTS: Mapping[str, tuple[Change, ...]] = {
    "default": (),
    "flash": (kernel("flash"),),
    "efficient": (kernel("efficient"),),
    "float64 rotary": (float64_rotary,),
    "float32 norms": (composed_norms,),
    "all slow": (kernel("flash"), float64_rotary, composed_norms),
    "compiled blocks": (compiled_blocks,),
    "default again": (),
}
KERNELS: Key = {"about": "default kernels"}
COST_S = {"build": 15.0, "kernels": 3.0, "default": 10.0, "flash": 11.0, "efficient": 18.0}
COST_S |= {"rotary": 9.0, "norms": 8.0, "all slow": 13.0, "compiled": 50.0, "again": 10.0}


@contextmanager
def changed(denoiser: torch.nn.Module, name: str) -> Iterator[None]:
    """The denoiser as a variant has it, and as it was afterwards."""
    with ExitStack() as stack:
        for change in VARIANTS[name]:
            stack.enter_context(change(denoiser))
        yield


def measured(session: Session, call: Call, name: str) -> dict[str, Any]:
    """One forward to warm up, then as many as the meters need."""
    with changed(denoiser_of(session.built.pipe), name):
        window = timed(session.bench, call, settle_s=0)
    return {"model": MODEL, "video": VIDEO, **window}


def default_kernels(session: Session, call: Call) -> dict[str, Any]:
    """Which kernel PyTorch chooses where nobody tells it."""
    with watched(session.built) as values:
        call()
    return values


def parts(wanted: Asked, left: Sequence[Key]) -> Iterator[Part]:
    session = open_lab(MODEL, wanted)
    try:
        request = request_of(session.built.spec, wanted, **VIDEO)
        _, call = first_calls(session.built, request)
        for part in left:
            if part == KERNELS:
                yield part, partial(default_kernels, session, call)
            else:
                yield part, partial(measured, session, call, part["variant"])
    finally:
        session.close()


def main(argv: Sequence[str] | None = None) -> None:
    wanted = asked(__doc__, COST_S, argv)
    log = Log("stack", wanted)
    if left := log.left([KERNELS, *({"variant": name} for name in VARIANTS)]):
        log.carry_out(parts(wanted, left))


if __name__ == "__main__":
    main()
