"""Table 3 with our own points: how far they are from the paper's, and predictions from them."""

from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.many import predict_many
from kinowatt.analysis.own.models import PAPER_GPU, deviation_pct
from kinowatt.analysis.own.sweeps import OwnPoint, OwnSeries, mean_ratio
from kinowatt.analysis.reproduction.fits import as_published, corrected, errors
from kinowatt.analysis.rows import WAN
from kinowatt.errors import require_extra
from kinowatt.facts.gpus import gpu
from kinowatt.facts.profiles import profile
from kinowatt.units import joules_to_wh

LEARNED = "h100-sxm/torch-2.11"
COLUMNS = (
    *("measured_2026_points", "measured_2026_over_paper_pct"),
    *("measured_2026_published_signed_pct", "measured_2026_corrected_signed_pct"),
    *("measured_2026_learned_pct", "measured_2026_learned_signed_pct"),
    *("measured_2026_learned_worst_pct",),
)


def learned_note() -> str:
    """Of what the profile behind the learned columns was learned."""
    found = profile(LEARNED, gpu(PAPER_GPU))
    return (
        f"Measured 2026, learned: our own Table 3. {LEARNED} ({found.data}) against"
        " our points of the same software: mean absolute, signed and worst. How it does on rows"
        " that it was not learned from is in docs/how-good.md."
    )


def own_errors(series: OwnSeries, quantity: str) -> dict[str, Any]:
    """Our columns of a row of Table 3, percent; None where nothing was measured."""
    points = [point for point in series.points if quantity == "latency" or point.energy]
    status = {"measured_2026": series.status}
    if not points:
        return status | dict.fromkeys(COLUMNS) | {"measured_2026_points": 0}
    truth = [
        point.energy.mean if quantity == "energy" and point.energy else point.latency.mean
        for point in points
    ]
    estimate = corrected(points)
    better: Any = estimate.latency_s if quantity == "latency" else joules_to_wh(estimate.energy_j)
    found = errors(_learned(points, quantity), truth)
    values = (
        len(points),
        deviation_pct(mean_ratio(series, quantity)),
        errors(as_published(points, quantity), truth).mean_signed_pct,
        errors([float(value) for value in better], truth).mean_signed_pct,
        found.mean_abs_pct,
        found.mean_signed_pct,
        found.max_abs_pct,
    )
    return status | dict(zip(COLUMNS, values, strict=True))


def _learned(points: Sequence[OwnPoint], quantity: str) -> list[float]:
    numpy: Any = require_extra("learn", "numpy")
    columns = {
        name: numpy.array([getattr(point, name) for point in points], float)
        for name in ("height_px", "width_px", "frames", "steps")
    }
    found = predict_many(WAN, gpu=PAPER_GPU, preset="paper", profile=LEARNED, **columns)
    name = "latency_s" if quantity == "latency" else "energy_wh_gpu"
    return [float(value) for value in found[name]]
