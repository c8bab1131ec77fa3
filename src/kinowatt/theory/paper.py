"""The paper's formulas and constants exactly as published (its Tables 1, 5, 6 and appendix A).

Delavande, Pierrard, Luccioni: "Video Killed the Energy Budget", NeurIPS 2025 workshop. Nothing is
corrected here: 32 layers of width 2048, 13.5 latent frames for 50, no last decoder stage. The same
code takes numbers and arrays.
"""

from collections.abc import Mapping
from typing import Any

from kinowatt.units import joules_to_wh

Number = Any

# Table 5
LAYERS, WIDTH, MLP_EXPANSION = 32, 2048, 4
TEXT_TOKENS, TEXT_PASSES, TEXT_WIDTH, TEXT_LAYERS, TEXT_EXPANSION = 512, 2, 4096, 24, 2.5
# The scripts that made Table 3 used another text encoder than Table 5 states (width, expansion)
TEXT_AS_CODED = (1024, 4)
TIMESTEP_WIDTH = 256
GUIDANCE_PASSES = 2
EFFICIENCY = 0.456  # μ
PEAK_FLOPS = 989e12  # Θ; Table 5 prints 989e15, text and code 989e12
POWER_W = 700.0

# Table 6 (kernel volume, channels in and out, time grid, pixels per cell, number of convolutions):
# two residual convolutions in the middle, three residual blocks of two convolutions per stage, of
# which those of D2 take 192 and then 384 channels. Total at 720x1280x81: 3.97e14.
DECODER = (
    (27, 16, 384, 4, 8, 1),
    (27, 384, 384, 4, 8, 2),
    (27, 384, 384, 4, 8, 6),
    (3, 384, 768, 2, 8, 1),
    (9, 384, 192, 2, 4, 1),
    (27, 192, 384, 2, 4, 3),
    (27, 384, 384, 2, 4, 3),
    (3, 384, 768, 1, 4, 1),
    (9, 384, 192, 1, 2, 1),
    (27, 192, 192, 1, 2, 6),
    (9, 192, 96, 1, 1, 1),
    (27, 96, 3, 1, 1, 1),
)
_MIDDLE_WIDTH = 384


def token_length(height_px: Number, width_px: Number, frames: Number) -> Number:
    """ℓ = (1 + T/4) · H/16 · W/16, unrounded (Eq. 1)."""
    return (1 + frames / 4) * (height_px / 16) * (width_px / 16)


def _ceil(value: Number) -> Number:
    return -((-value) // 1)


def self_attention_flops(tokens: Number) -> Number:
    """Eq. 3, one forward."""
    return LAYERS * (8 * tokens * WIDTH**2 + 4 * tokens**2 * WIDTH)


def cross_attention_flops(tokens: Number) -> Number:
    """Eq. 5, one forward."""
    m = TEXT_TOKENS
    return LAYERS * (4 * tokens * WIDTH**2 + 4 * m * WIDTH**2 + 4 * tokens * m * WIDTH)


def mlp_flops(tokens: Number) -> Number:
    """Eq. 6, one forward."""
    return LAYERS * 4 * MLP_EXPANSION * tokens * WIDTH**2


def timestep_flops() -> float:
    """F_tau of Table 1, one forward."""
    return 2 * TIMESTEP_WIDTH * WIDTH + 14 * WIDTH**2


def text_encoder_flops(*, as_coded: bool = False) -> float:
    """Eq. 9, once per video, with Table 5's constants or with those of the paper's scripts."""
    m = TEXT_TOKENS
    d, expansion = TEXT_AS_CODED if as_coded else (TEXT_WIDTH, TEXT_EXPANSION)
    per_layer = 8 * m * d**2 + 4 * m**2 * d + 4 * expansion * m * d**2
    return TEXT_PASSES * TEXT_LAYERS * per_layer


def vae_convolution_flops(height_px: Number, width_px: Number, frames: Number) -> Number:
    """Eq. 11 over Table 6, once per video."""
    total: Number = 0.0
    for kernel, cin, cout, time, space, count in DECODER:
        voxels = _ceil(frames / time) * (height_px / space) * (width_px / space)
        total = total + count * 2 * kernel * cin * cout * voxels
    return total


def vae_attention_flops(height_px: Number, width_px: Number, frames: Number) -> Number:
    """Eq. 13, once per video."""
    tokens = (height_px / 8) * (width_px / 8)
    c = _MIDDLE_WIDTH
    return _ceil(frames / 4) * (8 * c**2 * tokens + 4 * tokens**2 * c)


def flops(
    height_px: Number,
    width_px: Number,
    frames: Number,
    steps: Number,
    passes: Number = GUIDANCE_PASSES,
) -> Mapping[str, Number]:
    """FLOPs of one video by operator (section 3.4): the values sum to F_total."""
    tokens = token_length(height_px, width_px, frames)
    forwards = steps * passes
    return {
        "text_encoder": text_encoder_flops(),
        "vae_convolution": vae_convolution_flops(height_px, width_px, frames),
        "vae_attention": vae_attention_flops(height_px, width_px, frames),
        "timestep": forwards * timestep_flops(),
        "self_attention": forwards * self_attention_flops(tokens),
        "cross_attention": forwards * cross_attention_flops(tokens),
        "mlp": forwards * mlp_flops(tokens),
    }


def total_flops(
    height_px: Number,
    width_px: Number,
    frames: Number,
    steps: Number,
    *,
    as_coded: bool = False,
) -> Number:
    """Eq. 14; `as_coded` takes the text encoder of the scripts behind Table 3."""
    parts = dict(flops(height_px, width_px, frames, steps))
    parts["text_encoder"] = text_encoder_flops(as_coded=as_coded)
    return sum(parts.values())


def latency_s(
    height_px: Number,
    width_px: Number,
    frames: Number,
    steps: Number,
    *,
    as_coded: bool = False,
) -> Number:
    """D_total = F_total / (μ Θ), section 3.4."""
    total = total_flops(height_px, width_px, frames, steps, as_coded=as_coded)
    return total / (EFFICIENCY * PEAK_FLOPS)


def energy_wh(
    height_px: Number,
    width_px: Number,
    frames: Number,
    steps: Number,
    *,
    as_coded: bool = False,
) -> Number:
    """E_total = P_max · D_total, section 3.5, in Wh of the GPU."""
    seconds = latency_s(height_px, width_px, frames, steps, as_coded=as_coded)
    return joules_to_wh(POWER_W * seconds)
