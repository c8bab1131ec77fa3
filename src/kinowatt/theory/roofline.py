"""When a DiT block becomes compute-bound: the paper's appendix B, as published and corrected.

A block of ℓ tokens and width d, whose numbers are s bytes wide, is compute-bound where its
arithmetic intensity F/D (FLOPs over bytes) exceeds β, the dense peak over the bandwidth. ℓ* is
where the two are equal. D counts every operand and every result once: caches lower it no further,
and the block norms, RoPE and projections around attention and MLP are blocks of their own.

| block | published | corrected |
| --- | --- | --- |
| attention, F = 4ℓ²d | D = 2ℓds, so ℓ* = sβ/2 | Q, K, V read, O written: D = 4ℓds, ℓ* = sβ |
| MLP of hidden size fd | F = fℓd², D = (fd² + ℓd + fℓd)s | F = 4fℓd², D = (2fd² + 2ℓd + 2fℓd)s |

Setting the corrected MLP's F/D = β gives ℓ* = βs·fd / (2fd - βs(1 + f)). Where the denominator is
not above 0 no ℓ suffices: the activations alone keep the intensity below 2fd / ((1 + f)s).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kinowatt.errors import InputError
from kinowatt.facts.gpus import GpuSpec
from kinowatt.theory.paper import MLP_EXPANSION, WIDTH

SCALAR_BYTES: Mapping[str, int] = {
    "bfloat16": 2,
    "float16": 2,
    "float32": 4,
    "tf32": 4,
    "float8": 1,
    "int8": 1,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Tokens ℓ* above which a block is compute-bound; None where it never is.

    `beta`: dense peak over bandwidth, FLOP per byte. `mlp_published` is sβ as printed,
    `mlp_from_published_intensity` what the printed F and D really give.
    """

    gpu: str
    dtype: str
    peak_flops: float
    bandwidth_bytes_per_s: float
    beta: float
    attention_published: float
    mlp_published: float
    attention_corrected: float
    mlp_from_published_intensity: float | None
    mlp_corrected: float | None


def attention_threshold(beta: float, scalar_bytes: int, *, corrected: bool) -> float:
    """ℓ* of fused attention: sβ/2 as published, sβ with all four operands counted."""
    return scalar_bytes * beta * (1.0 if corrected else 0.5)


def mlp_published_threshold(beta: float, scalar_bytes: int) -> float:
    """ℓ* = sβ as the paper prints it; its own intensity gives another value."""
    return scalar_bytes * beta


def mlp_threshold(
    beta: float,
    scalar_bytes: int,
    *,
    width: int = WIDTH,
    expansion: float = MLP_EXPANSION,
    corrected: bool = True,
) -> float | None:
    """ℓ* of the two-layer MLP, d = `width` to f = `expansion` times that and back.

    Solved for intensity = β; None where no ℓ suffices. The published intensity is half the
    corrected one at any ℓ.
    """
    needed = scalar_bytes * beta / (2.0 if corrected else 1.0)
    left = expansion * width - needed * (1 + expansion)
    return None if left <= 0 else needed * expansion * width / left


def thresholds(
    gpu: GpuSpec, dtype: str = "bfloat16", *, width: int = WIDTH, expansion: float = MLP_EXPANSION
) -> Thresholds:
    """Both versions for one GPU and dtype, from the datasheet's dense peak.

    The MLP is the paper's unless given; the checkpoint of WAN2.1-T2V-1.3B has width 1536 and
    expansion 8960/1536. `InputError` where the GPU has no peak for the dtype.
    """
    if dtype not in gpu.peak_flops:
        known = ", ".join(gpu.peak_flops)
        raise InputError(f"{gpu.name} has no published {dtype} peak; known: {known}")
    peak, bandwidth = gpu.peak_flops[dtype], gpu.bandwidth_bytes_per_s
    return _thresholds((gpu.name, dtype), peak, bandwidth, width, expansion)


def published_thresholds(gpu: GpuSpec) -> Thresholds | None:
    """The same from the peak and bandwidth that the paper's Table 7 states, if it has the GPU."""
    row = gpu.published
    if row is None:
        return None
    peak, bandwidth = row.peak_flops, row.bandwidth_bytes_per_s
    return _thresholds((gpu.name, "bfloat16"), peak, bandwidth, WIDTH, MLP_EXPANSION)


def _thresholds(
    of: tuple[str, str], peak: float, bandwidth: float, width: int, expansion: float
) -> Thresholds:
    name, dtype = of
    beta, size = peak / bandwidth, SCALAR_BYTES[dtype]
    return Thresholds(
        gpu=name,
        dtype=dtype,
        peak_flops=peak,
        bandwidth_bytes_per_s=bandwidth,
        beta=beta,
        attention_published=attention_threshold(beta, size, corrected=False),
        mlp_published=mlp_published_threshold(beta, size),
        attention_corrected=attention_threshold(beta, size, corrected=True),
        mlp_from_published_intensity=mlp_threshold(
            beta, size, width=width, expansion=expansion, corrected=False
        ),
        mlp_corrected=mlp_threshold(beta, size, width=width, expansion=expansion),
    )
