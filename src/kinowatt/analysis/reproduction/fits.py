"""The paper's own fit redone, and the corrected predictions that tables and figures share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from kinowatt.analysis.calibration import held_out_by_sweep, predicted
from kinowatt.analysis.rows import (
    PaperRow,
    Point,
    max_abs_pct,
    mean_abs_pct,
    mean_signed_pct,
    paper_rows,
)
from kinowatt.analysis.shipped_profiles import CORRECTED, blank
from kinowatt.errors import require_extra
from kinowatt.facts.data import data_path
from kinowatt.facts.gpus import gpu
from kinowatt.facts.loading import read_json
from kinowatt.facts.profiles import GpuProfile, profile
from kinowatt.theory import paper
from kinowatt.theory.predict import Estimate
from kinowatt.units import joules_to_wh


@lru_cache(maxsize=1)
def published() -> dict[str, Any]:
    """The paper's numbers as printed."""
    return read_json(data_path("paper/published.json"))


@lru_cache(maxsize=1)
def corrected_profile() -> GpuProfile:
    return profile(CORRECTED, gpu("h100-sxm"))


def corrected(rows: Sequence[Point]) -> Estimate:
    """The corrected model at the rows' settings."""
    return predicted(rows, corrected_profile())


@lru_cache(maxsize=1)
def held_out() -> tuple[Any, Any]:
    """Each sweep by a fit on the other two: latencies and energies, refitted here."""
    return held_out_by_sweep(blank())


def as_published(rows: Sequence[Point], quantity: str, *, as_coded: bool = True) -> list[float]:
    """Latency in s or GPU energy in Wh by the paper's formulas (μ = 0.456, 700 W).

    as_coded: with the constants of the scripts behind its Table 3, else those of Tables 5 and 6.
    """
    form = paper.latency_s if quantity == "latency" else paper.energy_wh
    return [float(form(*_point(row), as_coded=as_coded)) for row in rows]


def as_coded_flops(rows: Sequence[PaperRow]) -> list[float]:
    """FLOPs of each row by the scripts behind the paper's Table 3."""
    return [float(paper.total_flops(*_point(row), as_coded=True)) for row in rows]


def _point(row: Point) -> tuple[int, int, int, int]:
    return row.height_px, row.width_px, row.frames, row.steps


def measured(rows: Sequence[PaperRow], quantity: str) -> list[float]:
    if quantity == "energy":
        return [row.gpu_energy_wh for row in rows]
    return [row.latency_s for row in rows if row.latency_s is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """Mean absolute, mean signed and worst error in percent, over n rows."""

    n: int
    mean_abs_pct: float
    mean_signed_pct: float
    max_abs_pct: float


def errors(predictions: Sequence[float], truth: Sequence[float]) -> Errors:
    return Errors(
        n=len(truth),
        mean_abs_pct=mean_abs_pct(predictions, truth),
        mean_signed_pct=mean_signed_pct(predictions, truth),
        max_abs_pct=max_abs_pct(predictions, truth),
    )


def published_errors(sweep: str, quantity: str, selection: str = "as_in_paper") -> Errors:
    rows = paper_rows(sweep, selection)
    return errors(as_published(rows, quantity), measured(rows, quantity))


def corrected_errors(sweep: str, quantity: str, selection: str = "as_in_paper") -> Errors:
    rows = paper_rows(sweep, selection)
    result = corrected(rows)
    values: Any = result.latency_s if quantity == "latency" else joules_to_wh(result.energy_j)
    return errors([float(value) for value in values], measured(rows, quantity))


def heldout_errors(sweep: str, quantity: str) -> Errors:
    return errors(*held_out()[0 if quantity == "latency" else 1][sweep])


@lru_cache(maxsize=1)
def mu_fit() -> Mapping[str, Mapping[str, float]]:
    """μ and overhead by least squares of latency on FLOPs: as the notebook coded it, and scaled.

    100 frame counts (the 68 without a plotted latency take their plateau's), 14 resolutions, 200
    step counts. With FLOPs around 1e17 beside a column of ones, `lstsq` drops the overhead (rank
    1): "negligible overhead" is that artefact. In units of 1e15 FLOPs the rank is 2.
    """
    np: Any = require_extra("learn", "numpy")
    rows = [*filled_frames(), *paper_rows("resolution"), *paper_rows("steps", "all")]
    flops = np.array(as_coded_flops(rows))
    latency = np.array([row.latency_s for row in rows])
    found = {}
    for name, unit in (("as_coded", 1.0), ("scaled", 1e15)):
        design = np.stack([flops / unit, np.ones(len(flops))], axis=1)
        (slope, overhead), _, rank, _ = np.linalg.lstsq(design, latency, rcond=None)
        residual = latency - design @ np.array([slope, overhead])
        found[name] = {
            "mu": float(unit / (slope * paper.PEAK_FLOPS)),
            "overhead_s": float(overhead),
            "rank": int(rank),
            "r2": float(1 - (residual**2).sum() / ((latency - latency.mean()) ** 2).sum()),
            "rows": len(rows),
        }
    return found


def filled_frames() -> list[PaperRow]:
    """Every frame count with a latency; those never plotted take the first of their plateau."""
    rows = paper_rows("frames", "all")
    plateaus: dict[int, float] = {}
    for row in rows:
        if row.latency_s is not None:
            plateaus.setdefault(row.frames // 4, row.latency_s)
    return [
        row if row.latency_s else replace(row, latency_s=plateaus[row.frames // 4]) for row in rows
    ]


@lru_cache(maxsize=1)
def steps_line() -> tuple[float, float]:
    """Seconds per video and per step: the line through the kept steps, in relative error."""
    numpy: Any = require_extra("learn", "numpy")
    rows = paper_rows("steps")
    seconds = numpy.array(measured(rows, "latency"))
    design = numpy.array([(1, row.steps) for row in rows]) / seconds[:, None]
    (fixed, slope), *_ = numpy.linalg.lstsq(design, numpy.ones(len(rows)), rcond=None)
    return float(fixed), float(slope)
