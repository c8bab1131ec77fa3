"""The paper's formulas and constants exactly as published (its Tables 1, 5, 6 and appendix A).

Delavande, Pierrard, Luccioni: "Video Killed the Energy Budget", NeurIPS 2025 workshop. Nothing is
corrected here: 32 layers of width 2048, 13.5 latent frames for 50, no last decoder stage. The same
code takes numbers and arrays.

The scripts behind the paper's Table 3 (public artefact, `energy_theory_compute.py`) differ from
its Tables 5 and 6 in three places, and only they give Table 3 to the digit; `as_coded` takes them:

| what | as published | as coded |
| --- | --- | --- |
| text encoder | width 4096, expansion 2.5 | width 1024, expansion 4 |
| decoder | A.8's blocks on ⌈T/4⌉, ⌈T/2⌉, T frames | other counts on ⌈T/4⌉, 2⌈T/4⌉, 4⌈T/4⌉ |
| timestep MLP | once per forward | once per layer and step, guidance left out |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kinowatt.units import joules_to_wh

Number = Any

# Table 5
LAYERS, WIDTH, MLP_EXPANSION = 32, 2048, 4
TEXT_TOKENS, TEXT_PASSES, TEXT_WIDTH, TEXT_LAYERS, TEXT_EXPANSION = 512, 2, 4096, 24, 2.5
TEXT_AS_CODED = (1024, 4)  # width, expansion
TIMESTEP_WIDTH = 256
GUIDANCE_PASSES = 2
EFFICIENCY = 0.456  # μ
PEAK_FLOPS = 989e12  # Θ of text and code; Table 5 prints 989e15
PEAK_FLOPS_PRINTED = 989e15
POWER_W = 700.0


class Convolution(NamedTuple):
    """A line of Table 6: alike convolutions on frames T/time and pixels H/space."""

    stage: str
    kernel: int  # volume
    cin: int
    cout: int
    time: int
    space: int
    published: int  # how many there are
    coded: int


# The table does not say how many convolutions an "RBs" line stands for. Appendix A.8 does: two in
# the middle, then three residual blocks of two per stage, of which those of D2 take 192 and then
# 384 channels: 3.97e14 FLOPs at 720x1280x81 with the attention. The scripts have two blocks in the
# middle and in D2, and a shortcut: 3.96e14.
DECODER = (
    Convolution("D0", 27, 16, 384, 4, 8, 1, 1),
    Convolution("middle blocks", 27, 384, 384, 4, 8, 2, 4),
    Convolution("D1 blocks", 27, 384, 384, 4, 8, 6, 6),
    Convolution("up in time", 3, 384, 768, 2, 8, 1, 1),
    Convolution("up in space", 9, 384, 192, 2, 4, 1, 1),
    Convolution("D2 shortcut", 1, 192, 384, 2, 4, 0, 1),
    Convolution("D2 blocks, first", 27, 192, 384, 2, 4, 3, 1),
    Convolution("D2 blocks, rest", 27, 384, 384, 2, 4, 3, 3),
    Convolution("up in time", 3, 384, 768, 1, 4, 1, 1),
    Convolution("up in space", 9, 384, 192, 1, 2, 1, 1),
    Convolution("D3 blocks", 27, 192, 192, 1, 2, 6, 6),
    Convolution("up in space", 9, 192, 96, 1, 1, 1, 1),
    Convolution("head", 27, 96, 3, 1, 1, 1, 1),
)
MIDDLE_WIDTH = 384


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


def decoder_layers(
    height_px: Number, width_px: Number, frames: Number, *, as_coded: bool = False
) -> tuple[Number, ...]:
    """FLOPs of each line of `DECODER`, once per video (Eq. 11)."""
    found = []
    for line in DECODER:
        time = _ceil(frames / 4) * (4 // line.time) if as_coded else _ceil(frames / line.time)
        voxels = time * (height_px / line.space) * (width_px / line.space)
        count = line.coded if as_coded else line.published
        found.append(count * 2 * line.kernel * line.cin * line.cout * voxels)
    return tuple(found)


def vae_attention_flops(height_px: Number, width_px: Number, frames: Number) -> Number:
    """Eq. 13, once per video."""
    tokens = (height_px / 8) * (width_px / 8)
    c = MIDDLE_WIDTH
    return _ceil(frames / 4) * (8 * c**2 * tokens + 4 * tokens**2 * c)


def flops(
    height_px: Number,
    width_px: Number,
    frames: Number,
    steps: Number,
    passes: Number = GUIDANCE_PASSES,
    *,
    as_coded: bool = False,
) -> Mapping[str, Number]:
    """FLOPs of one video by operator (section 3.4): the values sum to F_total (Eq. 14)."""
    tokens = token_length(height_px, width_px, frames)
    size = height_px, width_px, frames
    forwards = steps * passes
    return {
        "text_encoder": text_encoder_flops(as_coded=as_coded),
        "vae_convolution": sum(decoder_layers(*size, as_coded=as_coded)),
        "vae_attention": vae_attention_flops(*size),
        "timestep": (steps * LAYERS if as_coded else forwards) * timestep_flops(),
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
    """Eq. 14, as published or as the scripts behind Table 3 have it."""
    return sum(flops(height_px, width_px, frames, steps, as_coded=as_coded).values())


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
