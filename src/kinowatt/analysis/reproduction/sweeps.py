"""Data of figures 2 to 4: stacked predictions along each axis, with the measured points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.calibration import predicted
from kinowatt.analysis.predict import scenario
from kinowatt.analysis.reproduction.fits import corrected_profile
from kinowatt.analysis.reproduction.model import Sweep
from kinowatt.analysis.rows import SWEEPS, WAN, PaperRow, paper_rows
from kinowatt.errors import require_extra
from kinowatt.facts.operator_tables import operator_table
from kinowatt.theory import paper
from kinowatt.theory.predict import Estimate, estimate, flops_by_part
from kinowatt.units import joules_to_wh

OPERATORS = (
    "self-attention",
    "cross-attention",
    "MLP",
    "other denoiser work",
    "VAE decoder",
    "text encoder",
    "host",
)
_PUBLISHED = {
    "self_attention": "self-attention",
    "cross_attention": "cross-attention",
    "mlp": "MLP",
    "timestep": "other denoiser work",
    "vae_convolution": "VAE decoder",
    "vae_attention": "VAE decoder",
    "text_encoder": "text encoder",
}
_PARTS = {
    "self_attention": "self-attention",
    "cross_attention": "cross-attention",
    "mlp": "MLP",
    "vae_decoder": "VAE decoder",
    "text_encoder": "text encoder",
}
AXES = {"resolution": "megapixels", "frames": "frames", "steps": "denoising steps"}


def axis_value(row: PaperRow) -> float:
    if row.sweep == "resolution":
        return row.height_px * row.width_px / 1e6
    return float(row.frames if row.sweep == "frames" else row.steps)


def sweep(name: str) -> Sweep:
    """One figure's data; the curve runs over every value of the axis."""
    rows = paper_rows(name, "all")
    rows.sort(key=axis_value)
    shown = paper_rows(name, "with_latency")
    return Sweep(
        name=name,
        axis=AXES[name],
        x=tuple(axis_value(row) for row in rows),
        measured_x=tuple(axis_value(row) for row in shown),
        measured_latency_s=tuple(float(row.latency_s or 0.0) for row in shown),
        measured_energy_wh=tuple(row.gpu_energy_wh for row in shown),
        operators=OPERATORS,
        stacks={"published": _published(rows), "corrected": _corrected(rows)},
    )


def _published(rows: Sequence[PaperRow]) -> dict[str, dict[str, tuple[float, ...]]]:
    latency = {name: [0.0] * len(rows) for name in OPERATORS}
    for index, row in enumerate(rows):
        parts = paper.flops(row.height_px, row.width_px, row.frames, row.steps)
        for part, flops in parts.items():
            latency[_PUBLISHED[part]][index] += flops / (paper.EFFICIENCY * paper.PEAK_FLOPS)
    return {
        "latency_s": {name: tuple(values) for name, values in latency.items()},
        "energy_wh": {
            name: tuple(joules_to_wh(paper.POWER_W * value) for value in values)
            for name, values in latency.items()
        },
    }


def _corrected(rows: Sequence[PaperRow]) -> dict[str, dict[str, tuple[float, ...]]]:
    return stacks_of(predicted(rows, corrected_profile()), len(rows))


def stacks_of(result: Estimate, size: int) -> dict[str, dict[str, tuple[float, ...]]]:
    """Seconds and Wh by operator group; waiting on the host is its own group."""
    latency: dict[str, Any] = dict.fromkeys(OPERATORS, 0.0)
    energy: dict[str, Any] = dict.fromkeys(OPERATORS, 0.0)
    for stage, time in result.stages.items():
        busy: Any = 0.0
        for item in time.operators:
            group = _PARTS.get(item.operator.part, "other denoiser work")
            group = "host" if stage == "other" else group
            latency[group] = latency[group] + item.latency_s
            energy[group] = energy[group] + joules_to_wh(item.energy_j)
            busy = busy + item.energy_j
        device = sum(item.latency_s for item in time.operators)
        latency["host"] = latency["host"] + (time.latency_s - device)
        energy["host"] = energy["host"] + joules_to_wh(time.energy_j - busy)
    return {
        "latency_s": {name: _column(values, size) for name, values in latency.items()},
        "energy_wh": {name: _column(values, size) for name, values in energy.items()},
    }


def _column(values: Any, size: int) -> tuple[float, ...]:
    if hasattr(values, "shape") and values.shape:
        return tuple(float(value) for value in values)
    return (float(values),) * size


def all_sweeps() -> tuple[Sweep, ...]:
    return tuple(sweep(name) for name in SWEEPS)


def share(stack: Mapping[str, tuple[float, ...]], groups: Sequence[str], index: int) -> float:
    """Part of the stacked total at one point that the named groups make up."""
    total = sum(values[index] for values in stack.values())
    return sum(stack[group][index] for group in groups) / total


@dataclass(frozen=True, kw_only=True, slots=True)
class MlpShare:
    """The MLP's share at a short sequence, and whether no other part has more FLOPs."""

    tokens: float
    of_flops: float
    of_latency: float
    leads: bool


def mlp_shares() -> tuple[MlpShare, ...]:
    """At 256x256 and every latent length from 1 to 81 frames, by the corrected model."""
    numpy: Any = require_extra("learn", "numpy")
    chosen = scenario(WAN, preset="paper", profile="paper-corrected")
    frames = numpy.arange(1.0, 82.0, 4.0)
    sides = dict.fromkeys(("height_px", "width_px"), numpy.full(len(frames), 256.0))
    workload = replace(chosen.workload, frames=frames, **sides)
    result = estimate(replace(chosen, workload=workload), operator_table)
    stack = stacks_of(result, len(frames))["latency_s"]
    flops = flops_by_part(result.operators)
    total = flops.pop("total")
    return tuple(
        MlpShare(
            tokens=float(result.plan.effective.tokens[i]),
            of_flops=float(flops["mlp"][i] / total[i]),
            of_latency=share(stack, ("MLP",), i),
            leads=bool(all(flops["mlp"][i] >= _at(values, i) for values in flops.values())),
        )
        for i in range(len(frames))
    )


def _at(values: Any, index: int) -> float:
    return float(values[index]) if hasattr(values, "shape") else float(values)
