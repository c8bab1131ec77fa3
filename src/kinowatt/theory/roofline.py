"""When a DiT block becomes compute-bound: the paper's appendix B, as published and corrected."""

from collections.abc import Mapping
from dataclasses import dataclass

from kinowatt.facts.gpus import GpuSpec
from kinowatt.theory.paper import MLP_EXPANSION, WIDTH

SCALAR_BYTES: Mapping[str, int] = {"bfloat16": 2, "float16": 2, "float32": 4, "tf32": 4}
SCALAR_BYTES = {**SCALAR_BYTES, "float8": 1, "int8": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Tokens ℓ* above which a block is compute-bound; None where it never is.

    `beta`: dense peak over bandwidth, FLOP per byte.
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
    """ℓ* of fused attention, F = 4ℓ²d.

    Published: bytes 2ℓds, so ℓ* = sβ/2. Corrected: Q, K, V are read and O is written, 4ℓds bytes,
    so ℓ* = sβ.
    """
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
    """ℓ* of the two-layer MLP, solved for intensity = β.

    As published F = fℓd² over (fd² + ℓd + fℓd)s. Corrected F = 4fℓd² over two weight matrices and
    four activations, (2fd² + 2ℓd + 2fℓd)s: twice the published intensity. None: no ℓ suffices.
    """
    needed = scalar_bytes * beta / (2.0 if corrected else 1.0)
    left = expansion * width - needed * (1 + expansion)
    return None if left <= 0 else needed * expansion * width / left


def thresholds(gpu: GpuSpec, dtype: str = "bfloat16") -> Thresholds:
    """Both versions for one GPU and dtype, from the datasheet's dense peak."""
    return _thresholds(gpu.name, dtype, gpu.peak_flops[dtype], gpu.bandwidth_bytes_per_s)


def published_thresholds(gpu: GpuSpec) -> Thresholds | None:
    """The same from the peak and bandwidth that the paper's Table 7 states, if it has the GPU."""
    row = gpu.published
    if row is None:
        return None
    return _thresholds(gpu.name, "bfloat16", row.peak_flops, row.bandwidth_bytes_per_s)


def _thresholds(name: str, dtype: str, peak: float, bandwidth: float) -> Thresholds:
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
        mlp_from_published_intensity=mlp_threshold(beta, size, corrected=False),
        mlp_corrected=mlp_threshold(beta, size),
    )
