"""Rows of the listing commands, as plain dicts."""

from typing import Any

from kinowatt.facts.gpus import gpu, gpus
from kinowatt.facts.grids import grids
from kinowatt.facts.models import models
from kinowatt.facts.profiles import default_profile, profile, profile_names
from kinowatt.theory.roofline import published_thresholds, thresholds
from kinowatt.units import TERA


def model_rows() -> list[dict[str, Any]]:
    rows = []
    for spec in models().values():
        preset = spec.presets["default"]
        denoiser = spec.component("denoiser").parameters if spec.components else None
        rows.append(
            {
                "model": spec.name,
                "parameters_denoiser": denoiser,
                "default": f"{preset.height_px}x{preset.width_px}x{preset.frames}, "
                f"{preset.steps} steps, guidance {preset.guidance_scale:g}",
                "fps": preset.fps,
                "recipes": ", ".join(spec.recipes),
                "licence": spec.licence,
                "hub_id": spec.hub_id,
                "aliases": list(spec.aliases),
                "components": dict(spec.components),
                "sources": list(spec.sources),
            }
        )
    return rows


def gpu_rows() -> list[dict[str, Any]]:
    return [
        {
            "gpu": spec.name,
            "label": spec.label,
            "bf16_tflops": spec.peak_flops.get("bfloat16", 0) / TERA,
            "bandwidth_tb_s": spec.bandwidth_bytes_per_s / TERA,
            "memory_gib": round(spec.memory_gib, 1),
            "power_limit_w": spec.power_limit_w,
            "default_profile": default_profile(spec),
            "source": spec.source,
            "peak_tflops": {dtype: peak / TERA for dtype, peak in spec.peak_flops.items()},
            "aliases": list(spec.aliases),
        }
        for spec in gpus().values()
    ]


def grid_rows() -> list[dict[str, Any]]:
    return [
        {
            "code": row.code,
            "name": row.name,
            "g_per_kwh": row.g_per_kwh,
            "year": row.year,
            "kind": row.kind,
            "licence": row.licence,
            "source": row.source,
        }
        for row in grids().values()
    ]


def profile_rows() -> list[dict[str, Any]]:
    rows = []
    for name in profile_names():
        found = profile(name, gpu(name.partition("/")[0]))
        low, high = found.spread["unseen"]["latency"]["95"]
        rows.append(
            {
                "profile": name,
                "kind": found.kind,
                "stack": found.stack,
                "fitted_on": ", ".join(found.seen) or "-",
                "latency_95_unseen": f"x{low:.2f} to x{high:.2f}",
                "label": found.label,
                "data": found.data,
                "efficiency": dict(found.efficiency),
                "power_w": dict(found.power_w),
            }
        )
    return rows


def roofline_rows(dtype: str) -> list[dict[str, Any]]:
    rows = []
    for spec in gpus().values():
        if dtype not in spec.peak_flops:
            continue
        found = thresholds(spec, dtype)
        printed = published_thresholds(spec)
        rows.append(
            {
                "gpu": spec.name,
                "dtype": dtype,
                "peak_tflops": found.peak_flops / TERA,
                "beta": round(found.beta, 1),
                "attn": round(found.attention_corrected, 1),
                "mlp": None if found.mlp_corrected is None else round(found.mlp_corrected, 1),
                "published_attn": round(found.attention_published, 1),
                "published_mlp": round(found.mlp_published, 1),
                "printed_beta": spec.published.beta if spec.published else None,
                "printed_ratio": round(printed.beta, 1) if printed else None,
                "suspect": (spec.published.suspect or "") if spec.published else "",
            }
        )
    if not rows:
        from kinowatt.errors import unknown_name
        from kinowatt.theory.roofline import SCALAR_BYTES

        raise unknown_name("dtype", dtype, SCALAR_BYTES)
    return rows


def operator_rows(model: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """What bounds each kind of operator of a workload, with its arithmetic intensity."""
    from kinowatt.analysis.predict import predict

    found = predict(model, **given)
    rows = []
    for kind, row in found.operators.items():
        nbytes = row["bytes"]
        rows.append(
            {
                "kind": kind,
                "bound": row["bound"],
                "latency_s": row["latency_s"],
                "share": row["latency_s"] / found.latency_s,
                "flops_per_byte": row["flops"] / nbytes if nbytes else None,
                "calls": row["calls"],
            }
        )
    return sorted(rows, key=lambda row: -row["latency_s"])
