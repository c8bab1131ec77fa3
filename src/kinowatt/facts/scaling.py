"""The laws of a GPU that nobody measured: those of its chip in another product, by datasheets."""

from collections.abc import Mapping
from typing import Any

from kinowatt.facts.gpus import GpuSpec

HALF = ("bfloat16", "float16")


def scaled_physics(physics: Mapping[str, Any], source: GpuSpec, target: GpuSpec) -> dict[str, Any]:
    """A learned profile's table of `source`, as `target` with its chip and power limit has it.

    Rates follow the dense peak of a law's dtype, bandwidths the memory's. Watts, joules, what a
    small call loses and the host's seconds stay the source's: no datasheet tells.
    """
    bandwidth = target.bandwidth_bytes_per_s / source.bandwidth_bytes_per_s
    laws = {
        name: _law(law, _rate(name, source, target), bandwidth)
        for name, law in physics["laws"].items()
    }
    return {**physics, "laws": laws}


def _law(law: Mapping[str, Any], rate: float, bandwidth: float) -> dict[str, Any]:
    flops = law["rate_flops"]
    return {
        **law,
        "rate_flops": None if flops is None else flops * rate,
        "bandwidth_bytes_per_s": law["bandwidth_bytes_per_s"] * bandwidth,
    }


def _rate(law: str, source: GpuSpec, target: GpuSpec) -> float:
    """Ratio of the peaks of the units that a law runs on; those of half precision for most."""
    for dtype in (law.partition(".")[2], *HALF):
        if dtype in source.peak_flops and dtype in target.peak_flops:
            return target.peak_flops[dtype] / source.peak_flops[dtype]
    raise ValueError(f"{target.name} has no peak of {HALF[0]}")
