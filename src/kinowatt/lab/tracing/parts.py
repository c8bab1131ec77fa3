"""Which part of a model an operator belongs to, read off the path of the module that called it."""

import re

from kinowatt.lab.tracing.recorder import Event

_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)")
# First match wins. Motion modules and embeddings are `other`; joint attention is self-attention.
_DENOISER_PARTS = (
    (re.compile(r"motion_modules"), "other"),
    (
        re.compile(
            r"condition_embedder\.time|time_embed|time_proj|timestep|adaln_single"
            r"|time_emb_proj|norm(1|2|1_context|_out)\.linear"
        ),
        "timestep",
    ),
    (re.compile(r"attn2(\.|$)"), "cross_attention"),
    (re.compile(r"attn1?(\.|$)"), "self_attention"),
    (re.compile(r"(^|\.)(ffn?|ff_context|mlp)(\.|$)"), "mlp"),
)
_WHOLE = {"text_encoder": "text_encoder", "vae_decoder": "vae_decoder"}


def part_of(event: Event, role: str) -> str:
    """`timestep`, `self_attention`, `cross_attention`, `mlp`, `other`, or the whole component."""
    if role != "denoiser":
        return _WHOLE.get(role, "other")
    for pattern, part in _DENOISER_PARTS:
        if pattern.search(event.path):
            return part
    return "other"


def without_indices(path: str) -> str:
    """`blocks.17.attn1.to_q` → `blocks.*.attn1.to_q`."""
    return _INDEX.sub("*", path)
