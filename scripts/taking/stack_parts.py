"""Parts of Wan's denoiser as other versions of diffusers and torch had them.

Sources: diffusers 0.33 to 0.34 `models/transformers/transformer_wan.py` (attention processor with a
complex128 rotary embedding; no `contiguous` before the blocks) and `models/normalization.py`
(`RMSNorm` of separate operators, which its `Attention` used for Wan's queries and keys; torch's own
`RMSNorm` was one kernel only later). Each function is a context: the module is as before at its end.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import MethodType
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

Denoiser = Any


@contextmanager
def methods(replaced: list[tuple[Any, str, Callable[..., Any]]]) -> Iterator[None]:
    """Instances with methods of their own for a while."""
    for owner, name, function in replaced:
        setattr(owner, name, MethodType(function, owner))
    try:
        yield
    finally:
        for owner, name, _ in replaced:
            delattr(owner, name)


@contextmanager
def attention(name: str) -> Iterator[None]:
    """Only this kernel for scaled dot-product attention."""
    with sdpa_kernel(getattr(SDPBackend, name)):
        yield


@contextmanager
def complex_rotation(denoiser: Denoiser) -> Iterator[None]:
    """Queries and keys turned in complex128, heads before tokens."""
    attentions = [block.attn1 for block in denoiser.blocks]
    before = [part.processor for part in attentions]
    for part in attentions:
        part.processor = _turned_in_complex128
    try:
        with methods([(denoiser.rope, "forward", _complex_frequencies)]):
            yield
    finally:
        for part, processor in zip(attentions, before, strict=True):
            part.processor = processor


def _complex_frequencies(rope: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    """(1, 1, tokens, half a head), once a forward."""
    cos, sin = type(rope).forward(rope, hidden_states)
    turned = torch.complex(cos[..., 0::2].double(), sin[..., 1::2].double())
    return turned.transpose(1, 2)


def _turned_in_complex128(
    attn: Any,
    hidden_states: torch.Tensor,
    encoder_hidden_states: Any,
    attention_mask: Any,
    rotary_emb: torch.Tensor,
) -> torch.Tensor:
    query, key = attn.norm_q(attn.to_q(hidden_states)), attn.norm_k(attn.to_k(hidden_states))
    value = attn.to_v(hidden_states)
    query, key, value = (
        part.unflatten(2, (attn.heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    query, key = _turned(query, rotary_emb), _turned(key, rotary_emb)
    found = functional.scaled_dot_product_attention(query, key, value)
    found = found.transpose(1, 2).flatten(2, 3).type_as(query)
    return attn.to_out[1](attn.to_out[0](found))


def _turned(states: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    pairs = torch.view_as_complex(states.to(torch.float64).unflatten(3, (-1, 2)))
    return torch.view_as_real(pairs * frequencies).flatten(3, 4).type_as(states)


@contextmanager
def rotation_in(denoiser: Denoiser, dtype: torch.dtype) -> Iterator[None]:
    """Today's rotation of real pairs with the factors in another dtype."""

    def cast(rope: Any, hidden_states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(part.to(dtype) for part in type(rope).forward(rope, hidden_states))

    with methods([(denoiser.rope, "forward", cast)]):
        yield


@contextmanager
def separate_norms(denoiser: Denoiser) -> Iterator[None]:
    """Queries' and keys' RMSNorm as separate operators in float32."""
    norms = [
        norm
        for block in denoiser.blocks
        for part in (block.attn1, block.attn2)
        for norm in (part.norm_q, part.norm_k)
    ]
    with methods([(norm, "forward", _separate_norm) for norm in norms]):
        yield


def _separate_norm(norm: Any, states: torch.Tensor) -> torch.Tensor:
    variance = states.to(torch.float32).pow(2).mean(-1, keepdim=True)
    return (states * torch.rsqrt(variance + norm.eps)).to(norm.weight.dtype) * norm.weight


@contextmanager
def strided_stream(denoiser: Denoiser) -> Iterator[None]:
    """The residual stream as the patch embedding leaves it: channels before tokens."""

    def strided(_: object, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0].transpose(1, 2).contiguous().transpose(1, 2), *args[1:])

    hook = denoiser.blocks[0].register_forward_pre_hook(strided)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def norms_as_stored(denoiser: Denoiser) -> Iterator[None]:
    """Layer norms, scales, shifts and gates in the dtype of the stream, never in float32."""
    with methods([(block, "forward", _lean_block) for block in denoiser.blocks]):
        yield


def _lean_block(
    block: Any,
    hidden_states: torch.Tensor,
    encoder_hidden_states: torch.Tensor,
    temb: torch.Tensor,
    rotary_emb: Any,
) -> torch.Tensor:
    dtype = hidden_states.dtype
    table = (block.scale_shift_table + temb.float()).to(dtype)
    shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = table.chunk(6, dim=1)
    normed = _layer_norm(block.norm1, hidden_states) * (1 + scale) + shift
    hidden_states = hidden_states + block.attn1(normed, None, None, rotary_emb) * gate
    normed = _layer_norm(block.norm2, hidden_states)
    hidden_states = hidden_states + block.attn2(normed, encoder_hidden_states, None, None)
    normed = _layer_norm(block.norm3, hidden_states) * (1 + mlp_scale) + mlp_shift
    return hidden_states + block.ffn(normed) * mlp_gate


def _layer_norm(norm: Any, states: torch.Tensor) -> torch.Tensor:
    if not isinstance(norm, torch.nn.LayerNorm):
        return states
    weight, bias = (
        None if part is None else part.to(states.dtype) for part in (norm.weight, norm.bias)
    )
    return functional.layer_norm(states, norm.normalized_shape, weight, bias, norm.eps)


@contextmanager
def as_in_2025(denoiser: Denoiser, kernel: str | None) -> Iterator[None]:
    """All that is known to have differed in mid 2025, together."""
    with ExitStack() as stack:
        if kernel is not None:
            stack.enter_context(attention(kernel))
        stack.enter_context(complex_rotation(denoiser))
        stack.enter_context(separate_norms(denoiser))
        stack.enter_context(strided_stream(denoiser))
        yield
