"""Shares of the peak fitted on the sweeps: what μ is once the FLOPs are those that ran."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kinowatt.analysis.reproduction.fits import Errors, as_coded_flops, corrected, errors
from kinowatt.analysis.rows import SWEEPS, PaperRow, paper_rows
from kinowatt.errors import require_extra
from kinowatt.theory import paper

Columns = Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class EfficiencyFit:
    """Share of Θ by kind of work, seconds per video beside it, latency errors by sweep."""

    shares: Mapping[str, float]
    overhead_s: float
    errors: Mapping[str, Errors]


def true_flops(rows: Sequence[PaperRow]) -> Columns:
    """FLOPs that ran, by kind: attention and the rest of text encoder and denoiser, and the VAE."""
    found: dict[str, Any] = dict.fromkeys(("linear", "attention", "vae"), 0.0)
    for stage, time in corrected(rows).stages.items():
        for item in time.operators:
            kind = "attention" if item.operator.kind == "attention" else "linear"
            kind = "vae" if stage == "vae_decoder" else kind
            found[kind] = found[kind] + item.operator.flops
    return {kind: [float(value) for value in values] for kind, values in found.items()}


def fit_shares(columns: Columns, rows: Sequence[PaperRow], *, overhead: bool) -> EfficiencyFit:
    """Least squares of the relative error, every sweep of the same weight (1/n per row)."""
    numpy: Any = require_extra("learn", "numpy")
    seconds = numpy.array([row.latency_s for row in rows])
    sizes = {sweep: sum(row.sweep == sweep for row in rows) for sweep in SWEEPS}
    weight = numpy.array([sizes[row.sweep] ** -0.5 for row in rows])
    work = [numpy.array(values) / paper.PEAK_FLOPS for values in columns.values()]
    work += [numpy.ones(len(rows))] * overhead
    design = numpy.stack(work, axis=1) / seconds[:, None]
    found, *_ = numpy.linalg.lstsq(design * weight[:, None], weight, rcond=None)
    predicted = (design @ found) * seconds
    pairs = list(zip(rows, predicted.tolist(), seconds.tolist(), strict=True))
    by_sweep = {
        sweep: errors(*zip(*((p, t) for row, p, t in pairs if row.sweep == sweep), strict=True))
        for sweep in sizes
    }
    return EfficiencyFit(
        shares={kind: float(1 / slope) for kind, slope in zip(columns, found, strict=False)},
        overhead_s=float(found[-1]) if overhead else 0.0,
        errors=by_sweep,
    )


@lru_cache(maxsize=1)
def efficiency_fits() -> Mapping[str, EfficiencyFit]:
    """One μ on the paper's FLOPs and on the true ones, with and without seconds; and three μ."""
    rows = paper_rows()
    kinds = true_flops(rows)
    true = {"all": [sum(values) for values in zip(*kinds.values(), strict=True)]}
    published = {"all": as_coded_flops(rows)}
    return {
        "published": fit_shares(published, rows, overhead=False),
        "published_overhead": fit_shares(published, rows, overhead=True),
        "true": fit_shares(true, rows, overhead=False),
        "true_overhead": fit_shares(true, rows, overhead=True),
        "true_by_kind": fit_shares(kinds, rows, overhead=False),
        "true_by_kind_overhead": fit_shares(kinds, rows, overhead=True),
    }


def best_power_w(rows: Sequence[PaperRow]) -> float:
    """The one power that fits measured energy over measured time best, in relative error."""
    inverse = [1 / row.power_w for row in rows if row.power_w]
    return sum(inverse) / sum(value**2 for value in inverse)
